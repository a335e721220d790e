"""ImageModel: a network, what it is fed, and what its numbers mean."""

from __future__ import annotations

import copy
from collections.abc import Callable, Hashable, Sequence
from functools import cached_property
from threading import RLock
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from xai_widgets.kernels.tail import Layout, Shell, hooks_matter
from xai_widgets.kernels.tail.shell import unwrapped
from xai_widgets.models.arguments import checked_labels, checked_name, checked_range, notices_of
from xai_widgets.models.checks import device_of, own_randomness, usable
from xai_widgets.models.choice import Layers
from xai_widgets.models.first_run import first_run
from xai_widgets.models.geometry import Prepared, as_image, within
from xai_widgets.models.identity import digest_of
from xai_widgets.models.layers import LayerInfo, survey
from xai_widgets.models.preprocessing import preprocessing_of
from xai_widgets.models.results import Scores
from xai_widgets.models.source import ModelSource


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
        runs: other training runs of the same architecture, as networks or models, to measure stability.
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
        self.name = checked_name(name, self._plain)
        home = device_of(self._plain)
        self._asked_device = None if device is None else usable(device)
        self.device = self._asked_device or home
        self._preprocessing = preprocessing_of(transform)
        self.can_degrade = self._preprocessing.can_degrade
        self.notices = (*notices_of(network, home, self.device), *self._preprocessing.notices)
        self.patch_scores = patch_scores
        self._scores = Scores(output)
        self._lock = RLock()
        self._digest: str | None = None
        self._source: tuple[ModelSource, str] | None = None  # and the digest of the weights that it made
        self._token = object()
        self._hooks = True  # as long as it is not known whether they matter
        self._told: dict[str, Layout | str] = {}  # how layers are read by the caller's word
        self._renew()
        self._layers = self._first_run()
        self._renew()
        self.task = "classification" if self.outputs > 1 else "regression"
        self.labels = checked_labels(labels, self.outputs)
        self.range = checked_range(range, self.outputs)
        if layout is not None:
            chosen = self._layers.first_choice() if layer is None else self._layers.name_of(layer)
            self._layers.tell(chosen, layout, self._shell)
        if layer is None:
            self.layer, notice = self._layers.default(self._shell)
            self.notices = (*self.notices, *filter(None, [notice]))
        else:
            self.layer = self.layer_named(layer)
        self.runs: tuple[ImageModel, ...] = (self, *self._other_runs(runs))

    def __repr__(self) -> str:
        return f"<ImageModel {self.name!r}: {self.task}, layer {self.layer!r}, on {self.device}>"

    def now(self) -> ModelNow:
        """What answers depend on and the copy to work in, with one look at the weights for both.

        A new copy is made when the user's weights have changed. The look takes about 0.1 ms: take it once for each
        answer and pass its result on.
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
    def fresh(self) -> bool:
        """Whether the weights are those of the last answer; a look of about 0.1 ms."""
        return self._shell.fresh()

    @property
    def token(self) -> Hashable:
        """A mark of this object, which is a part of every `key` of it."""
        return self._token

    @property
    def key(self) -> Hashable:
        """What its answers depend on: the weights, and this object, since the same weights may be fed otherwise."""
        return self.now().key

    @property
    def source(self) -> ModelSource | None:
        """How another process makes this model; None where its network was built here, or its weights were changed."""
        if self._source is None:
            return None
        source, digest = self._source
        return source if digest == self.digest() else None

    def made_by(self, source: ModelSource) -> None:
        """Note that the model, as it is now, is what a source makes, and take the name of the source."""
        self.name = self._layers.owner = source.name
        self._source = source, self.digest()

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Of all classes: their labels, or "class 3" where they have none."""
        return self.labels or tuple(f"class {index}" for index in range(self.outputs))

    def name_of(self, index: int) -> str:
        """A class by its number; "class 3" where the classes have no names.

        Raises:
            ValueError: there is no such class.
        """
        if not 0 <= index < self.outputs:
            raise ValueError(f"{self.name} has the classes 0 to {self.outputs - 1}, got {index}.")
        return self.names[index]

    def prepare(self, photo: np.ndarray | Image.Image) -> Prepared:
        """The pixels that the network sees, and the part of the photo that they cover.

        Without `can_degrade` they are what the transform returned, stretched for display, and not `placed`.

        Raises:
            TypeError, ValueError: it is no photo, or the transform cannot prepare it.
        """
        return self._preprocessing.prepare(as_image(photo))

    def human_map(self, values: np.ndarray | Tensor, photo: np.ndarray | Image.Image) -> Tensor:
        """The part of a human map that lies in what the network sees of a photo, at the map's own resolution.

        Saliency is compared with it position by position once it is resized (`kernels.agreement.at_size`).

        Args:
            values: a density, fixations or an annotation of the whole photo, (rows, columns).

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
        """From pixels (n 3 h w) in [0, 1] to the input of the network.

        Raises:
            ValueError: the transform could not be split.
        """
        return self._fed(self._preprocessing.normalise(pixels))

    def inputs(self, photo: np.ndarray | Image.Image) -> Tensor:
        """The input of the network for a photo, (1 ...).

        Raises:
            TypeError, ValueError: it is no photo, or the transform cannot prepare it.
        """
        return self._inputs(as_image(photo))

    def scores(self, result: Any) -> Tensor:
        """Scores (n k) from what the network returned.

        Raises:
            ValueError: they are no floats with one row an image.
        """
        return self._scores(result)

    def layers(self, photo: np.ndarray | Image.Image | None = None) -> list[LayerInfo]:
        """The layers with feature maps, in the order in which they finish; with a photo, their sizes for that photo."""
        if photo is None:
            return self._layers.all()
        inputs = self.inputs(photo)
        with self._lock, own_randomness(self.device):
            layers = survey(Shell(self._shell.original), torch.cat((inputs, inputs)), self._scores.find).layers
            return self._layers.as_told(layers, inputs, self._shell)

    def layer_named(self, name: str | nn.Module) -> str:
        """The name of a layer that is given by its name or as a module of the network.

        Raises:
            TypeError: it is neither a name nor a module.
            ValueError: there is no such layer, it does not run, it has no spatial maps, or the positions of its maps
                are not shown to be those of the image (tried once, and remembered).
        """
        return self._layers.named(name, self.shell)

    def _first_run(self) -> Layers:
        """Run the network on test photographs, in a copy of its own: what is recorded there goes with it."""
        with own_randomness(self.device):
            shell = Shell(self._shell.original)
            inputs, self.outputs, found = first_run(self.name, shell, self._inputs, self._scores, self.patch_scores)
            self._hooks = hooks_matter(shell.original, inputs[:1])
        return Layers(self.name, self._plain, found, inputs, self._told)

    def _renew(self) -> None:
        """Make the copy to work in, of the weights as they are now."""
        self._digest = None
        home = device_of(self._plain)
        self.device = self._asked_device or home  # the user may have moved the network
        network = self._plain if self.device == home else copy.deepcopy(self._plain).to(self.device)
        self._shell = Shell(network, hooks=self._hooks, source=self._plain)
        self._shell.layouts |= self._told

    def _inputs(self, photo: Image.Image) -> Tensor:
        return self._fed(self._preprocessing.inputs(photo))

    def _fed(self, values: Tensor) -> Tensor:
        """Values on the device of the network and in its precision."""
        weight = next((tensor for tensor in self._plain.parameters() if tensor.is_floating_point()), None)
        dtype = weight.dtype if weight is not None else torch.float32
        return values.to(self.device, dtype if values.is_floating_point() else values.dtype)

    def _other_runs(self, runs: Sequence[nn.Module | ImageModel]) -> list[ImageModel]:
        others: list[ImageModel] = []
        if isinstance(runs, nn.Module | ImageModel):
            raise TypeError("runs must be a list of networks or models, got a single one.")
        for run in runs:
            if (run.network if isinstance(run, ImageModel) else run) is self.network:
                continue
            other = run if isinstance(run, ImageModel) else self._like_this(run, f"{self.name}, run {len(others) + 2}")
            other._check_same_shape(self)
            others.append(other)
        return others

    def _like_this(self, network: nn.Module, name: str) -> ImageModel:
        """Another network with the same transform, layer and meaning of its scores."""
        return ImageModel(
            network,
            self._preprocessing,
            self.layer,
            output=self._scores.output,
            labels=self.labels,
            range=self.range,
            name=name,
            patch_scores=self.patch_scores,
            device=self.device,
            layout=self._told.get(self.layer),
        )

    def _check_same_shape(self, first: ImageModel) -> None:
        def shape(model: ImageModel) -> str:
            layer = model._layers.info(first.layer)
            maps = f"{layer.maps} maps of {layer.height} x {layer.width}" if layer else "no maps"
            return f"{maps} and {model.outputs} scores"

        if shape(self) != shape(first):
            raise ValueError(
                f"runs must be trainings of one architecture: at layer {first.layer!r} {first.name} has "
                f"{shape(first)}, {self.name} has {shape(self)}."
            )
