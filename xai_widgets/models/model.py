"""ImageModel: a network, what it is fed, and what its numbers mean."""

from __future__ import annotations

import copy
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from difflib import get_close_matches
from math import isfinite
from threading import RLock
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from xai_widgets.kernels.tail import Layout, Shell, hooks_matter
from xai_widgets.kernels.tail.shell import unwrapped
from xai_widgets.kernels.tail.structure import read_layer
from xai_widgets.models.checks import check_scores, device_of, own_randomness, usable
from xai_widgets.models.geometry import Prepared, as_image, within
from xai_widgets.models.identity import digest_of
from xai_widgets.models.layers import LayerInfo, Survey, survey
from xai_widgets.models.preprocessing import photographs, preprocessing_of
from xai_widgets.models.results import Path, at, described, matrix, path_to_scores

TRIED = 12  # layers that are tried with probes before only those are taken that need none
SIDES = (128, 224, 256, 64, 32, 28, 96, 299, 384, 512)  # tried where no transform says which size a network takes


class ModelNow(NamedTuple):
    """A model as it is at one moment: what answers depend on, and the copy of the network to work in."""

    key: Hashable
    shell: Shell


class ImageModel:
    """A network with its preprocessing, its scores and the layers that can be explained.

    The network itself is never changed: work is done in an eager copy in eval mode that shares its weights.

    Args:
        network: any eager module that takes images (n c h w); one score an image is a regression, more are classes.
        transform: from a photo to the network's input: a torchvision preset or Compose, a pair of callables
            (geometry: photo -> pixels (3 h w) in [0, 1], or these and their box on the photo;
            normalise: pixels -> input), any callable, or None for pixels in [0, 1] at the photo's own size.
        layer: whose feature maps are explained, as a name or a module; by default the last with spatial maps.
        output: from what the network returns to scores (n), (n 1) or (n k), where they are not found by themselves.
        labels: a name for each class.
        range: lowest and highest possible score of a regression, such as (0, 100).
        runs: other training runs of the same architecture, as networks or models, for stability.
        layout: how the output of `layer` is to be read ("maps", "channels_last", "tokens") where that cannot be found.
        patch_scores: from what the network returns to scores of patches (n h w), for networks that have them.
        device: where to work; by default where the network is.

    Raises:
        TypeError, ValueError: in one sentence, where the network or an argument does not fit.
    """

    def __init__(
        self,
        network: nn.Module,
        transform: Any,
        layer: str | nn.Module | None = None,
        *,
        output: Callable[[Any], Tensor] | None = None,
        labels: Sequence[str] | None = None,
        range: tuple[float, float] | None = None,
        name: str | None = None,
        runs: Sequence[nn.Module | ImageModel] = (),
        patch_scores: Callable[[Any], Tensor] | None = None,
        device: torch.device | str | None = None,
        layout: Layout | str | None = None,
    ) -> None:
        if not isinstance(network, nn.Module):
            raise TypeError(f"network must be a torch.nn.Module, got {type(network).__name__}.")
        self.network = network
        self._plain = unwrapped(network)
        self.name = name or type(self._plain).__name__
        home = device_of(self._plain)
        self._asked_device = None if device is None else usable(device)
        self.device = self._asked_device or home
        self._preprocessing = preprocessing_of(transform)
        self.can_degrade = self._preprocessing.can_degrade
        self.notices = (*_notices(network, home, self.device), *self._preprocessing.notices)
        self.patch_scores = patch_scores
        self._output = output
        self._path: Path = ()
        self._lock = RLock()
        self._digest: str | None = None
        self._hooks = True
        self._token = object()
        self._layouts: dict[str, Layout | str] = {}
        self._placed: dict[str, bool] = {}
        self._renew()
        self._survey = self._first_run()
        self.task = "classification" if self.outputs > 1 else "regression"
        self.labels = _checked_labels(labels, self.outputs)
        self.range = _checked_range(range, self.outputs)
        if layout is not None:
            self._tell(layout, self._survey.default or "" if layer is None else self._known(layer))
        self.layer = self._default() if layer is None else self.layer_named(layer)
        self.runs: tuple[ImageModel, ...] = (self, *self._other_runs(runs))

    def __repr__(self) -> str:
        return f"<ImageModel {self.name!r}: {self.task}, layer {self.layer!r}, on {self.device}>"

    def now(self) -> ModelNow:
        """What answers depend on and the copy to work in, with one look at the weights for both.

        A new copy when the user's weights have changed. The look costs about 0.1 ms: take it once for an answer, and
        hand its record on.
        """
        with self._lock:
            if not self._shell.fresh():
                self._renew()
            if self._digest is None:
                self._digest = digest_of(self._plain)
            return ModelNow((self._digest, self._token), self._shell)

    @property
    def shell(self) -> Shell:
        """The copy to work in; a new one when the user's weights have changed."""
        with self._lock:
            if not self._shell.fresh():
                self._renew()
            return self._shell

    def digest(self) -> str:
        """Of all weights; computed again only when one of them was written, moved or replaced."""
        with self._lock:
            self.now()
            return str(self._digest)

    @property
    def key(self) -> Hashable:
        """What its answers depend on: the weights, and this object, since the same weights may be fed otherwise."""
        return self.now().key

    def prepare(self, photo: np.ndarray | Image.Image) -> Prepared:
        """The pixels that the network sees, and the part of the photo that they cover.

        Without `can_degrade` they are what the transform returned, stretched for display, and not `placed`.
        """
        return self._preprocessing.prepare(as_image(photo))

    def human_map(self, values: np.ndarray | Tensor, photo: np.ndarray | Image.Image) -> Tensor:
        """What a human map of the whole photo (rows columns: density, fixations or annotation) is of what is seen here.

        The part that the network saw, at the map's own resolution, so that saliency is compared with it place by place
        once it is resized to it (`kernels.agreement.at_size`).

        Raises:
            ValueError: the map is not (rows columns), or it is not known which part of the photo the network sees.
        """
        known = np.asarray(values)
        if known.ndim != 2 or not known.size:
            raise ValueError(f"a human map must be (rows, columns), got shape {known.shape}.")
        image = as_image(photo)
        prepared = self.prepare(image)
        if not prepared.placed:
            raise ValueError(
                f"it is not known which part of a photo {self.name} sees, since its transform cannot be split; give a "
                "pair (geometry, normalise)."
            )
        return torch.from_numpy(within(prepared.box, known, (image.height, image.width)))

    def normalise(self, pixels: Tensor) -> Tensor:
        """From pixels (n 3 h w) in [0, 1] to what the network eats.

        Raises:
            ValueError: the transform could not be split.
        """
        return self._fed(self._preprocessing.normalise(pixels))

    def inputs(self, photo: np.ndarray | Image.Image) -> Tensor:
        """What the network eats for a photo, (1 ...)."""
        return self._fed(self._preprocessing.inputs(as_image(photo)))

    def scores(self, result: Any) -> Tensor:
        """Scores (n k) from what the network returned."""
        return matrix(self._output(result) if self._output else at(result, self._path))

    def layers(self, photo: np.ndarray | Image.Image | None = None) -> list[LayerInfo]:
        """The layers with feature maps, in the order in which they end; their sizes for a given photo."""
        if photo is None:
            return list(self._survey.layers)
        inputs = self.inputs(photo)
        with self._lock, own_randomness(self.device):
            layers = survey(Shell(self._shell.original), torch.cat((inputs, inputs)), self._found_scores).layers
            return self._as_told(layers, inputs)

    def layer_named(self, name: str | nn.Module) -> str:
        """The name of a layer that is given by its name or as a module of the network.

        Raises:
            ValueError: there is no such layer, it does not run, it has no spatial maps, or its places are not proved to
                lie where they are in the image (tried once, and remembered).
        """
        with_maps = [layer.name for layer in self._survey.layers]
        name = self._known(name)
        if name in with_maps and self._is_placed(name):
            return name
        if name in with_maps:
            placed = [other for other in with_maps if other in self._survey.placed or self._placed.get(other)]
            raise ValueError(
                f"layer {name!r} of {self.name} does not hold its places in the order of the image, or nothing shows "
                f"that it does; choose one that does, such as {_listed(_nearest(name, placed))}, or say how it is to "
                "be read with layout=."
            )
        near = _nearest(name, with_maps)
        why = "does not run when the network is called"
        if name in self._survey.outputs:
            why = f"has no spatial maps: for one image it returns {self._survey.outputs[name]}"
        raise ValueError(f"layer {name!r} of {self.name} {why}; choose one with maps, such as {_listed(near)}.")

    def _is_placed(self, name: str) -> bool:
        if name in self._layouts or name in self._survey.placed:
            return True
        if name not in self._placed:
            with self._lock, own_randomness(self.device):
                try:
                    self._placed[name] = read_layer(self.shell, name, self._tried.to(self.device))[1].placed
                except ValueError:
                    self._placed[name] = False
        return self._placed[name]

    def _tell(self, layout: Layout | str, layer: str) -> None:
        """Read a layer by the caller's word."""
        self._layouts[layer] = self._shell.layouts[layer] = layout
        with self._lock, own_randomness(self.device):
            self._survey.layers = self._as_told(self._survey.layers, self._tried)

    def _as_told(self, layers: list[LayerInfo], inputs: Tensor) -> list[LayerInfo]:
        for name, layout in self._layouts.items():
            told = read_layer(self._shell, name, inputs, layout=layout)[1].layout
            known = next((layer for layer in layers if layer.name == name), LayerInfo(name, "", 0, 0, 0, 0.0))
            info = replace(known, kind=told.kind, maps=told.channels, height=told.height, width=told.width)
            layers = [info if layer.name == name else layer for layer in layers]
            layers = layers if info in layers else [*layers, info]
        return layers

    def _known(self, layer: str | nn.Module) -> str:
        """The name of a module; the first of them where it has several."""
        modules = dict(self._plain.named_modules(remove_duplicate=False))
        if not isinstance(layer, str | nn.Module):
            raise TypeError(f"layer must be a name or a module of the network, got {type(layer).__name__}.")
        wanted = layer if isinstance(layer, nn.Module) else modules.get(_without_wrappers(layer, modules))
        found = next((name for name, module in modules.items() if module is wanted), "")
        if found:
            return found
        if isinstance(layer, nn.Module):
            raise ValueError(f"the {type(layer).__name__} given as layer is not a part of {self.name}.")
        near = get_close_matches(layer, [name for name in modules if name], 3, 0.4)
        near = near or [info.name for info in self._survey.layers[-3:]]
        raise ValueError(f"{self.name} has no layer {layer!r}; the nearest are {_listed(near)}.")

    def _renew(self) -> None:
        self._digest = None
        home = device_of(self._plain)
        self.device = self._asked_device or home  # the user may have moved the network
        network = self._plain if self.device == home else copy.deepcopy(self._plain).to(self.device)
        self._shell = Shell(network, hooks=self._hooks, source=self._plain)
        self._shell.layouts |= self._layouts

    def _fed(self, values: Tensor) -> Tensor:
        weight = next((tensor for tensor in self._plain.parameters() if tensor.is_floating_point()), None)
        dtype = weight.dtype if weight is not None else torch.float32
        return values.to(self.device, dtype if values.is_floating_point() else values.dtype)

    def _first_run(self) -> Survey:
        """Run the network on test images: where its scores and maps are, and whether it keeps to what is asked."""
        with own_randomness(self.device):
            shell = Shell(self._shell.original)  # of its own: what a dry run recorded goes with it
            inputs, found = self._run_any_size(shell)
            one, two = self.scores(found.one).detach(), self.scores(found.two).detach()
            if len(one) != 1 or len(two) != 2:
                raise ValueError(
                    f"output must return one row of scores an image, got {tuple(one.shape)} for one image and "
                    f"{tuple(two.shape)} for two."
                )
            check_scores(self.name, shell, inputs, one, two, self.scores, found.dtypes)
            self._tried = inputs
            self._hooks = hooks_matter(self._shell.original, inputs[:1])
        self._renew()
        self.outputs = one.shape[1]
        if self.patch_scores is not None:
            patches = self.patch_scores(found.two)
            if not isinstance(patches, Tensor) or patches.dim() != 3 or len(patches) != 2:
                raise ValueError(f"patch_scores must return (n h w), got {described(patches)} for two images.")
        return replace(found, one=None, two=None)

    def _run_any_size(self, shell: Shell) -> tuple[Tensor, Survey]:
        own_size = self._preprocessing.inputs(photographs(1)[0]).shape[-2:] == (240, 320)
        sizes = [(240, 320)] if not own_size else [(side, side) for side in SIDES]
        failure: Exception | None = None
        for size in sizes:
            photos = photographs(2, size)
            inputs = torch.cat([self._fed(self._preprocessing.inputs(photo)) for photo in photos])
            try:
                return inputs, survey(shell, inputs, self._found_scores)
            except ScoresNotFound:
                raise
            except Exception as error:
                failure = failure or error
        shape = " ".join(map(str, inputs.shape)) if not own_size else "2 3 h w"
        why = str(failure).partition("\n")[0]
        raise ValueError(
            f"{self.name} cannot be run on a test batch ({shape}): {type(failure).__name__}: {why}"
        ) from failure

    def _found_scores(self, one: Any, two: Any) -> Tensor:
        try:
            if self._output is None:
                self._path = path_to_scores(one, two)
            return self.scores(one)
        except Exception as error:
            raise ScoresNotFound(str(error)) from error

    def _default(self) -> str:
        wanted = self._survey.default
        if wanted is None:
            raise ValueError(f"{self.name} has no layer with spatial maps (n c h w), (n h w c) or a grid of tokens.")
        if self._is_placed(wanted):
            return wanted
        others = [
            name for index, name in enumerate(self._survey.earlier) if index < TRIED or name in self._survey.placed
        ]
        found = next((name for name in others if self._is_placed(name)), None)
        if found is None:
            raise ValueError(
                f"{self.name} has no layer whose places are shown to lie in the order of the image; name one with "
                "layer= and say how it is to be read with layout=."
            )
        self.notices = (
            *self.notices,
            f"layer {found!r} is explained: the places of later ones, such as {wanted!r}, are not in the order of the "
            "image",
        )
        return found

    def _other_runs(self, runs: Sequence[nn.Module | ImageModel]) -> list[ImageModel]:
        others: list[ImageModel] = []
        if isinstance(runs, nn.Module | ImageModel):
            raise TypeError("runs must be a list of networks or models, got a single one.")
        for run in runs:
            if (run.network if isinstance(run, ImageModel) else run) is self.network:
                continue
            if not isinstance(run, ImageModel):
                run = ImageModel(
                    run, self._preprocessing, self.layer, output=self._output, labels=self.labels, range=self.range,
                    name=f"{self.name}, run {len(others) + 2}", patch_scores=self.patch_scores, device=self.device,
                    layout=self._layouts.get(self.layer),
                )  # fmt: skip
            run._check_same_shape(self)
            others.append(run)
        return others

    def _check_same_shape(self, first: ImageModel) -> None:
        def shape(model: ImageModel) -> str:
            layer = next((layer for layer in model._survey.layers if layer.name == first.layer), None)
            maps = f"{layer.maps} maps of {layer.height} x {layer.width}" if layer else "no maps"
            return f"{maps} and {model.outputs} scores"

        if shape(self) != shape(first):
            raise ValueError(
                f"runs must be trainings of one architecture: at layer {first.layer!r} {first.name} has "
                f"{shape(first)}, {self.name} has {shape(self)}."
            )


class ScoresNotFound(ValueError):
    """What a network returned holds no scores."""


def _notices(network: nn.Module, home: torch.device, device: torch.device) -> list[str]:
    copied = "an eval copy that shares its weights is used"
    eager = "an eager copy that shares its weights is used"
    found = []
    inner: Any = network
    while inner is not unwrapped(inner):
        compiled = hasattr(inner, "_orig_mod")
        how = "compiled" if compiled else f"wrapped in {type(inner).__name__}"
        found.append(f"the network is {how}; {eager}.")
        inner = inner._orig_mod if compiled else inner.module
    if getattr(inner, "_compiled_call_impl", None) is not None:
        found.append(f"the network is compiled; {eager}.")
    if any(module.training for module in inner.modules()):
        found.append(f"the network was in training mode; {copied}.")
    if device != home:
        found.append(f"the network is on {home}; a copy on {device} is used.")
    return found


def _checked_labels(labels: Sequence[str] | None, outputs: int) -> tuple[str, ...] | None:
    if labels is None:
        return None
    if isinstance(labels, str) or not all(isinstance(label, str) for label in labels):
        raise TypeError(f"labels must be a list of names, one a class, got {labels!r}.")
    if len(labels) != outputs:
        raise ValueError(f"labels must name each of the {outputs} outputs of the network, got {len(labels)} names.")
    return tuple(labels)


def _checked_range(range: tuple[float, float] | None, outputs: int) -> tuple[float, float] | None:
    if range is None:
        return None
    if outputs > 1:
        raise ValueError(f"range is for networks with one score, this one has {outputs}; leave it out.")
    try:
        low, high = (float(value) for value in range)
    except (TypeError, ValueError):
        raise ValueError(f"range must be the lowest and the highest score, such as (0, 100), got {range!r}.") from None
    if not isfinite(low) or not isfinite(high) or low >= high:
        raise ValueError(f"range must be two finite numbers, the lower one first, got {range!r}.")
    return low, high


def _without_wrappers(name: str, modules: dict[str, nn.Module]) -> str:
    while name not in modules and name.startswith(("module.", "_orig_mod.")):
        name = name.split(".", 1)[1]
    return name


def _nearest(name: str, names: list[str]) -> list[str]:
    return list(dict.fromkeys(get_close_matches(name, names, 2, 0.4) + names[-2:]))


def _listed(names: Any) -> str:
    return ", ".join(repr(name) for name in names) or "none"
