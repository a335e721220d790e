"""Networks by name: torchvision's, and the bundled ones."""

from __future__ import annotations

import os
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from urllib.error import URLError

import torch
import torchvision.models
from torch import nn
from torchvision.models import WeightsEnum

from xai_widgets.demo.networks import QUALITY_RUNS, SCENE_LABELS, quality_network, scene_network
from xai_widgets.models.checkpoints import is_file_name, load_into
from xai_widgets.models.checks import usable
from xai_widgets.models.model import ImageModel
from xai_widgets.models.source import ModelSource

SEED = 0


def model_names() -> list[str]:
    """What `load_model` knows: the bundled networks, and torchvision's for classification."""
    return [*BUNDLED, *torchvision.models.list_models(module=torchvision.models)]


def load_model(name: str, /, weights: Any = None, **options: Any) -> ImageModel:
    """A network by name, in eval mode, on the accelerator where there is one.

    Args:
        name: "demo/quality", "demo/scenes", or a classification network of torchvision such as "resnet18".
        weights: for torchvision's networks: a member of their enum or its name ("DEFAULT", "IMAGENET1K_V1"), a local
            file (a state dict, which is read without running code, or safetensors), or None for random weights,
            always the same.
        options: arguments of ImageModel, and num_classes for a local file or random weights.

    Raises:
        ValueError: in one sentence, for an unknown name, or weights that cannot be read or do not fit.
    """
    check_name(name)
    model = _loaded(name, weights, options)
    source = _source(name, weights, options, model)
    if source is not None:
        model.made_by(source)
    return model


def check_name(name: object) -> None:
    """Whether `load_model` knows a network.

    Raises:
        ValueError: it does not; the nearest names are listed.
    """
    if isinstance(name, str) and name in model_names():
        return
    near = get_close_matches(str(name), model_names(), 4, 0.4) or list(BUNDLED)
    raise ValueError(
        f"there is no network {name!r}; the nearest are {', '.join(map(repr, near))} (bundled ones and the "
        "classification networks of torchvision)."
    )


def _loaded(name: str, weights: Any, options: dict[str, Any]) -> ImageModel:
    if name in BUNDLED:
        if weights is not None:
            raise ValueError(f"{name!r} brings its own weights, got weights={weights!r}; leave them out.")
        if "num_classes" in options:
            raise ValueError(f"{name!r} has its own classes, got num_classes={options['num_classes']!r}; leave it out.")
        return BUNDLED[name](options)
    if weights is None or is_file_name(weights):
        return _with_own_weights(name, weights, options)
    return _with_published_weights(name, weights, options)


def _source(name: str, weights: Any, options: dict[str, Any], model: ImageModel) -> ModelSource | None:
    """How another process loads this model; None where an option is an object of this process."""
    given = {key: value for key, value in options.items() if value is not None or key == "transform"}
    given["name"] = model.name
    if isinstance(given.get("layer"), nn.Module):
        given["layer"] = model.layer
    if "device" in given:
        given["device"] = str(given["device"])
    if "num_classes" in given:
        given["arguments"] = {"num_classes": given.pop("num_classes")}
    try:
        return ModelSource(name, weights.name if isinstance(weights, WeightsEnum) else weights, **given)
    except (TypeError, ValueError):
        return None


def _quality(options: dict[str, Any]) -> ImageModel:
    device = device_for(options.get("device"))
    with torch.random.fork_rng(devices=[]):  # what a new network draws before its weights are read
        first, *others = (quality_network(run).to(device) for run in range(QUALITY_RUNS))
    given: dict[str, Any] = {
        "name": "demo/quality",
        "layer": "features",
        "task": "regression",
        "range": (0.0, 1.0),
        "output": lambda result: result["score"],
        "patch_scores": lambda result: result["patches"],
        "runs": others,
    }
    return ImageModel(first, **({"transform": None} | given | options))


def _scenes(options: dict[str, Any]) -> ImageModel:
    with torch.random.fork_rng(devices=[]):
        network = scene_network().to(device_for(options.get("device")))
    given: dict[str, Any] = {
        "name": "demo/scenes", "layer": "features", "task": "classification", "labels": SCENE_LABELS, "transform": None,
    }  # fmt: skip
    return ImageModel(network, **(given | options))


BUNDLED: dict[str, Callable[[dict[str, Any]], ImageModel]] = {"demo/quality": _quality, "demo/scenes": _scenes}


def _with_own_weights(name: str, weights: str | Path | None, options: dict[str, Any]) -> ImageModel:
    options = dict(options)
    classes = options.pop("num_classes", None)
    network = _random_network(name, {} if classes is None else {"num_classes": classes})
    shown = f"{name} (no weights)"
    if weights is not None:
        file = Path(os.path.expanduser(weights))
        load_into(network, file, name)
        shown = f"{name} ({file.name})"
    given: dict[str, Any] = {"name": shown, "transform": _usual_transform(name)} | _of_classes(classes, options)
    return ImageModel(network.eval().to(device_for(options.get("device"))), **(given | options))


def _with_published_weights(name: str, weights: Any, options: dict[str, Any]) -> ImageModel:
    known = torchvision.models.get_model_weights(name)
    if isinstance(weights, str):
        member = known.__members__.get(weights.rpartition(".")[2])
    else:
        member = weights if isinstance(weights, known) else None
    if member is None:
        raise ValueError(
            f"{name} has no weights {weights!r}; there are {', '.join(known.__members__)}, a local file, or None."
        )
    if "num_classes" in options:
        raise ValueError(f"num_classes is for local files and random weights; {member} has its own classes.")
    try:
        network = torchvision.models.get_model(name, weights=member)
    except (URLError, OSError) as error:
        raise RuntimeError(
            f"the weights {member} could not be fetched from {member.url}: {error}; give a local file instead."
        ) from error
    given: dict[str, Any] = {
        "name": f"{name} ({member.name})",
        "transform": member.transforms(),
        "labels": member.meta.get("categories"),
    } | _of_classes(None, options)
    return ImageModel(network.eval().to(device_for(options.get("device"))), **(given | options))


def _of_classes(classes: int | None, options: dict[str, Any]) -> dict[str, Any]:
    """These are classification networks, unless the caller says that the outputs are scores, or that there is one."""
    scores = classes == 1 or options.keys() & {"range", "ranges", "output"}
    return {} if scores else {"task": "classification"}


def _random_network(name: str, sizes: dict[str, int]) -> nn.Module:
    """The same weights each time; the global sequence of random numbers stays as it was."""
    if name in ("googlenet", "inception_v3"):
        sizes = {**sizes, "init_weights": True}  # torchvision warns where it is left open
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(SEED)
        network = torchvision.models.get_model(name, weights=None, **sizes)
        for module in network.modules():
            if isinstance(module, nn.Linear) and not module.weight.any():
                nn.init.trunc_normal_(module.weight, std=0.02)  # a head of zeros gives every image the same scores
    return network


def _usual_transform(name: str) -> Any:
    """How torchvision prepares images for this network at the size that it is built for."""
    members = list(torchvision.models.get_model_weights(name))
    presets = [member.transforms() for member in members]
    return min(presets, key=lambda preset: preset.crop_size[0])


def device_for(given: torch.device | str | None) -> torch.device:
    """The device that is asked for; by default the accelerator where there is one."""
    if given is not None:
        return usable(given)
    return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
