"""A model from its source: what is named is imported, called and filled with weights."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Mapping
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torchvision.transforms._presets import ImageClassification

from xai_widgets.models.checkpoints import load_into
from xai_widgets.models.loading import SEED, device_for, load_model
from xai_widgets.models.model import ImageModel
from xai_widgets.models.source import USUAL, ModelSource

OPTIONS = (
    "layer",
    "output",
    "task",
    "form",
    "labels",
    "range",
    "ranges",
    "patch_scores",
    "device",
    "layout",
    "images",
    "call",
    "channels",
)  # of ImageModel, as in a source


def build(source: ModelSource) -> ImageModel:
    """The model that a source names; see `ModelSource.load`."""
    model = _from_function(source) if source.is_function else _by_name(source)
    model.made_by(source)
    return model


def _by_name(source: ModelSource) -> ImageModel:
    unknown = sorted(set(source.arguments) - {"num_classes"})
    if unknown:
        raise ValueError(f"arguments of {source.make!r} may hold num_classes, got {', '.join(unknown)}.")
    options = _options(source)
    if source.transform != USUAL:
        options["transform"] = _transform(source.transform)
    return load_model(source.make, source.weights, name=source.name, **dict(source.arguments), **options)


def _from_function(source: ModelSource) -> ImageModel:
    made = _called(source)
    if isinstance(made, ImageModel):
        return _as_returned(source, made)
    if not isinstance(made, nn.Module):
        raise TypeError(
            f"{source.make} must return a torch.nn.Module or an ImageModel, it returned {type(made).__name__}."
        )
    if source.transform == USUAL:
        raise ValueError(
            f"{source.make} returns a network, which does not say how photos are prepared for it; give transform= "
            "(None for pixels in [0, 1])."
        )
    _fill(made, source)
    network = made.eval().to(device_for(source.device))
    return ImageModel(network, _transform(source.transform), name=source.name, **_options(source))


def _as_returned(source: ModelSource, made: ImageModel) -> ImageModel:
    """An ImageModel that the function returned, with the weights of the source."""
    given = [*_options(source), *(["transform"] if source.transform != USUAL else [])]
    if given:
        raise ValueError(
            f"{source.make} returns an ImageModel, which has all its options; leave out {', '.join(given)}."
        )
    _fill(made.network, source)
    return made


def _fill(network: nn.Module, source: ModelSource) -> None:
    if source.weights is not None:
        load_into(network, Path(source.weights).expanduser(), source.make)


def _called(source: ModelSource) -> Any:
    """What the function returns, drawing the same random numbers each time."""
    function = named(source.make)
    if not callable(function):
        raise ValueError(f"{source.make} must be a function that returns a network, it is a {type(function).__name__}.")
    try:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(SEED)
            return function(**dict(source.arguments))
    except Exception as error:
        raise RuntimeError(f"{source.make} failed: {type(error).__name__}: {_line(error)}") from error


def _options(source: ModelSource) -> dict[str, Any]:
    """What a source says beyond its network and transform, as ImageModel takes it."""
    options = {name: getattr(source, name) for name in OPTIONS if getattr(source, name) is not None}
    for name in ("output", "patch_scores", "call"):
        if ":" in options.get(name, ""):
            options[name] = named(options[name])
    if source.runs:
        others = enumerate(source.runs, start=2)
        options["runs"] = [
            replace(source, weights=run, runs=(), name=f"{source.name}, run {number}").load() for number, run in others
        ]
    return options


def _transform(given: Any) -> Any:
    """What ImageModel takes as transform."""
    if isinstance(given, str):
        return named(given)
    if isinstance(given, Mapping):
        try:
            return ImageClassification(**given)
        except TypeError as error:
            raise ValueError(
                "a transform given as a dict must hold arguments of torchvision's preset for classification "
                f"(crop_size, resize_size, mean, std): {error}."
            ) from None
    if isinstance(given, tuple):
        return tuple(named(name) if isinstance(name, str) else name for name in given)
    return given


def named(name: str) -> Any:
    """What "package.module:name" stands for; dots may follow in the name.

    Raises:
        ValueError: there is no such module or name, with the nearest ones, or the module cannot be imported.
    """
    path, _, attributes = name.partition(":")
    found: Any = _module(path)
    for attribute in attributes.split("."):
        if not hasattr(found, attribute):
            near = _nearest(attribute, (known for known in dir(found) if not known.startswith("_")))
            raise ValueError(f"there is no {attribute!r} in {path}{near}.")
        found = getattr(found, attribute)
    return found


def _module(path: str) -> Any:
    importlib.invalidate_caches()  # a file that was written a moment ago is found
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if missing != path and not path.startswith(f"{missing}."):
            raise ValueError(f"the module {path} cannot be imported: there is no module {missing!r}.") from error
        above, _, last = missing.rpartition(".")
        folders = getattr(importlib.import_module(above), "__path__", []) if above else None
        near = _nearest(last, (module.name for module in pkgutil.iter_modules(folders)))
        where = f" in the package {above}" if above else " where Python looks for modules"
        raise ValueError(f"there is no module {last!r}{where}{near}.") from None
    except Exception as error:
        raise ValueError(f"the module {path} cannot be imported: {type(error).__name__}: {_line(error)}") from error


def _nearest(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, list(known), 3, 0.5)
    return f"; the nearest are {', '.join(map(repr, near))}" if near else ""


def _line(error: Exception) -> str:
    return str(error).partition("\n")[0] or "no more is said"
