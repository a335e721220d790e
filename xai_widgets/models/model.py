"""ImageModel: a network, what it is fed, and what its numbers mean."""

from __future__ import annotations

import copy
from collections.abc import Callable, Hashable, Sequence
from functools import partial
from threading import RLock
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from xai_widgets.kernels.checks import note_finite
from xai_widgets.kernels.endings import Ending, logits_shell
from xai_widgets.kernels.home import sent
from xai_widgets.kernels.tail import Feed, Layout, Shell, hooks_matter
from xai_widgets.kernels.tail.feeds import Call
from xai_widgets.kernels.tail.shell import unwrapped
from xai_widgets.kernels.tail.weights import Weights
from xai_widgets.models import several, shared_gpu
from xai_widgets.models.arguments import checked_channels, checked_name, names_of, no_network, notices_of
from xai_widgets.models.checks import device_of, own_randomness, usable
from xai_widgets.models.choice import Layers
from xai_widgets.models.first_run import first_run
from xai_widgets.models.geometry import Picture, Prepared, as_image, size_of_picture, within
from xai_widgets.models.identity import digest_of
from xai_widgets.models.layers import LayerInfo, survey
from xai_widgets.models.meaning import Said, meaning_of
from xai_widgets.models.of_samples import OfSamples
from xai_widgets.models.otherwise import ReadOtherwise
from xai_widgets.models.preprocessing import preprocessing_of
from xai_widgets.models.results import Scores
from xai_widgets.models.runs import other_runs
from xai_widgets.models.sealed import WHY, Sealed, Whole, is_quantised, runnable
from xai_widgets.models.source import ModelSource
from xai_widgets.models.taking import channels_of


class ModelNow(NamedTuple):
    """A model as it is at one moment: what answers depend on, and the copy of the network to work in."""

    key: Hashable
    shell: Shell


class ImageModel(ReadOtherwise, OfSamples):
    """A network with its preprocessing, its scores and the layers that can be explained.

    The network itself is never changed: work is done in an eager copy in eval mode that shares its weights.

    Args:
        network: any module that takes images (n c h w). Of one that is scripted, exported, quantised throughout
            or without layers that have maps only scores and gradients of the input can be asked.
        transform: from a photo to the network's input: a torchvision preset or Compose, a pair of callables
            (geometry: photo -> pixels (3 h w) in [0, 1], or these and their box on the photo;
            normalise: pixels -> input), any callable, or None for pixels in [0, 1] at the photo's own size.
        layer: whose feature maps are explained, as a name or a module; by default the last with maps of at least 4 x 4
            places in the order of the image, unless more than half of a forward pass comes after it.
        output: from what the network returns to scores (n), (n 1) or (n k), where they are not found by themselves; or
            the name of the part that holds them, such as "quality" or "1".
        task: what its outputs mean: "classification" (one class of several holds), "binary" (one output, for the second
            of two classes), "multilabel" (several may hold) or "regression" (one score or several). Where it is left
            out it is found by looking, and a notice says what was taken.
        form: "logits", "probabilities" or "log-probabilities", where that is not found by looking.
        labels: a name for each class or score; two of a binary task.
        range: lowest and highest possible score, such as (0, 100); one pair for every score of a regression.
        ranges: the same with a pair, or None, for each score.
        runs: other training runs of the same architecture, as networks or models, to measure stability.
        layout: how the output of `layer` is to be read ("maps", "channels_last", "tokens") where that cannot be found.
        patch_scores: from what the network returns to scores of patches (n h w), for networks that have them.
        device: where to work; by default where the network is.
        images: how many images a sample has, as for stereo and full-reference networks; found by trying if left out.
            After the transform they must have one size.
        call: how the network takes them: "separate" for network(a, b), "list" for network([a, b]), "stack" for one
            tensor (n images c h w), "channels" for (n images*c h w), or a function of network, a and b; found by
            trying if left out.
        channels: how many channels its images have, where they are no photographs; found by the first convolution and
            by what the transform makes of test pictures, if left out.

    Raises:
        TypeError, ValueError: in one sentence, where the network or an argument does not fit.
    """

    def __init__(
        self,
        network: nn.Module,
        transform: Any,
        layer: str | nn.Module | None = None,
        *,
        output: Callable[[Any], Tensor] | str | None = None,
        task: str | None = None,
        form: str | None = None,
        labels: Sequence[str] | None = None,
        range: tuple[float, float] | None = None,
        ranges: Sequence[tuple[float, float] | None] | None = None,
        name: str | None = None,
        runs: Sequence[nn.Module | ImageModel] = (),
        patch_scores: Callable[[Any], Tensor] | None = None,
        device: torch.device | str | None = None,
        layout: Layout | str | None = None,
        images: int | None = None,
        call: Call | None = None,
        channels: int | None = None,
    ) -> None:
        held = runnable(network)
        if not isinstance(held, nn.Module):
            raise TypeError(no_network(network))
        self.network = network
        self._plain = held if isinstance(held, Sealed) else unwrapped(held)
        self.name = checked_name(name, self._plain)
        home = device_of(self._plain)
        self._asked_device = None if device is None else usable(device)
        self.device = self._asked_device or home
        shared_gpu.cap(self.device)
        self._preprocessing = preprocessing_of(
            transform, channels_of(transform, self._plain) if channels is None else checked_channels(channels)
        )
        self.channels = self._preprocessing.channels  # of its images
        self.can_degrade = self._preprocessing.can_degrade
        self.transform_is_known = self._preprocessing.known  # so that any thread may run it
        seen, sealed = (held, held.notices) if isinstance(held, Sealed) else (network, ())
        self.notices = (*notices_of(seen, home, self.device), *self._preprocessing.notices, *sealed)
        if self.channels not in (1, 3) and channels is None:
            self.notices += (f"{self.name} takes images of {self.channels} channels; channels= says otherwise.",)
        self.patch_scores = patch_scores
        self._read = Scores(output)
        self._said = Said(task, form, labels, range, ranges, names_of(self._plain))
        self._ending: Ending | None = None  # the module whose input is read in the place of its output
        self._lock = RLock()
        self._digest: str | None = None
        self._source: tuple[ModelSource, str] | None = None  # and the digest of the weights that it made
        self._token = object()
        self._hooks = True  # as long as it is not known whether they matter
        self._told: dict[str, Layout | str] = {}  # how layers are read by the caller's word
        self._feed: Feed | None = None
        self._try_out(images, call)
        if self._layers.first_choice() == "" and self._feed is None and layer is None:
            whole = Sealed(self._plain, WHY.format("quantised")) if is_quantised(self._plain) else Whole(self._plain)
            self._plain, self.notices = whole, (*self.notices, *whole.notices)
            self._try_out(images, call)
        self._calls: dict[str, tuple[int, ...]] = {}  # of a layer, by image of a sample
        self._renew()
        said = (several.notice_of(self._feed, images, call), self._read.notice, self._meaning.notice)
        self.notices = (*self.notices, *filter(None, said))
        if layout is not None:
            chosen = self._layers.first_choice() if layer is None else self._layers.name_of(layer)
            self._layers.tell(chosen, layout, self._shell)
        if layer is None:
            self.layer, notice = self._layers.default(self._shell)
        else:
            self.layer = self.layer_named(layer)
            notice = self.out_of_order(self.layer)
        self.notices = (*self.notices, *filter(None, [notice]))
        self.runs: tuple[ImageModel, ...] = (self, *other_runs(self, runs))

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
        """Whether the weights are those of the last answer; a look of about 0.2 ms."""
        return self._shell.fresh()

    def examine(self) -> None:
        """Compare values of the weights, for some milliseconds: writes that torch does not count are noticed."""
        self._shell.fresh(thorough=True)

    def look(self) -> Callable[[], bool]:
        """Look at the weights as they are now: a function that says later, in 0.1 ms, whether they still are."""
        return Weights(self._plain).unchanged

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

    @property
    def placed(self) -> bool:
        """Whether it is known which part of a photo the network sees, of every photo so far; see `Prepared.placed`."""
        return self._preprocessing.placed

    def prepare(self, photo: np.ndarray | Image.Image) -> Prepared:
        """The pixels that the network sees, and the part of the photo that they cover.

        Without `can_degrade` they are what the transform returned, stretched for display, and not `placed`.

        Raises:
            TypeError, ValueError: it is no photo, or the transform cannot prepare it.
        """
        return self._preprocessing.prepare(as_image(photo, self.channels))

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
        image = as_image(photo, self.channels)
        prepared = self._preprocessing.prepare(image)
        if not prepared.placed:
            raise ValueError(
                f"it is not known which part of a photo {self.name} sees, since its transform cannot be split; give a "
                "pair (geometry, normalise)."
            )
        return torch.from_numpy(within(prepared.box, known, size_of_picture(image)))

    def normalise(self, pixels: Tensor) -> Tensor:
        """From pixels (n 3 h w) in [0, 1] to the input of the network.

        Raises:
            ValueError: the transform could not be split.
        """
        return self._fed(self._preprocessing.normalise(pixels))

    def inputs(self, photo: np.ndarray | Image.Image) -> Tensor:
        """The input of the network for a photo, (1 ...); of a network of several images the part of one.

        Raises:
            TypeError, ValueError: it is no photo, or the transform cannot prepare it.
        """
        return self._inputs(as_image(photo, self.channels))

    def layers(self, photo: np.ndarray | Image.Image | None = None) -> list[LayerInfo]:
        """The layers with feature maps, in the order in which they finish; with a photo, their sizes for that photo."""
        if photo is None:
            return self._layers.all()
        if self._feed is None:
            inputs = self.inputs(photo)
        else:
            inputs = self._of_sample(Image.fromarray(np.asarray(as_image(photo))), self._feed)
        with self._lock, own_randomness(self.device):
            shell = Shell(self._shell.original, feed=self._feed)
            layers = survey(shell, torch.cat((inputs, inputs)), self._read.find).layers
            return self._layers.as_told(layers, inputs, self._shell)

    def layer_named(self, name: str | nn.Module) -> str:
        """The name of a layer that is given by its name or as a module of the network.

        Raises:
            TypeError: it is neither a name nor a module.
            ValueError: there is no such layer, it does not run, it has no spatial maps, or nothing shows which axes are
                maps, rows and columns (tried once, and remembered).
        """
        return self._layers.named(name, self.shell)

    def out_of_order(self, layer: str) -> str:
        """That no map of a layer can lie over the photo, as a sentence; empty where it can, or was not tried yet."""
        return self._layers.out_of_order(layer)

    @property
    def sealed(self) -> str:
        """Why no layer of the network can be looked into, as a clause; empty where some can."""
        return self._plain.why if isinstance(self._plain, Sealed | Whole) else ""

    def has_gradient(self, layer: str | None = None) -> bool:
        """Whether a gradient of the scores comes to a layer, or to the image, as far as it was tried; runs nothing."""
        return self._layers.reaches if layer is None else self._layers.has_slope(layer)

    def _try_out(self, images: int | None, call: Call | None) -> None:
        """Find out how the network takes its images, and which layers it has."""
        self._renew()
        self._feed, self._layers = several.first_that_runs(several.feeds(images, call), self._first_run)

    def _first_run(self, feed: Feed | None) -> Layers:
        """Run the network on test photographs, in a copy of its own: what is recorded there goes with it."""
        shell = Shell(self._shell.original, feed=feed)
        try:
            return self._looked_through(shell)
        except Exception:
            if shell.fresh():
                raise
            # A cell trains it: two runs on one image differ, and that is no fault of the network.
            return self._looked_through(Shell(copy.deepcopy(shell.original), feed=feed))

    def _looked_through(self, shell: Shell) -> Layers:
        feed = shell.feed
        with own_randomness(self.device):
            inputs_of = partial(self._of_sample, feed=feed)
            inputs, values, found = first_run(self.name, shell, inputs_of, self._read, self.patch_scores)
            if feed is not None:
                several.check_all_are_heard(shell, inputs, self._read)
            self._meaning = meaning_of(self._said, self._read, shell, inputs, values, self.name)
            self._ending = self._meaning.ending
            self._hooks = hooks_matter(shell.original, inputs[:1], feed)
        return Layers(self.name, self._plain, found, inputs, self._told, self._read)

    def _renew(self) -> None:
        """Make the copy to work in, of the weights as they are now."""
        self._digest = None
        home = device_of(self._plain)
        self.device = self._asked_device or home  # the user may have moved the network
        network = self._plain if self.device == home else copy.deepcopy(self._plain).to(self.device)
        if self._ending is None:
            self._shell = Shell(network, hooks=self._hooks, source=self._plain, feed=self._feed)
        else:
            self._shell = logits_shell(network, self._ending, hooks=self._hooks, source=self._plain, feed=self._feed)
        self._shell.layouts |= self._told

    def _inputs(self, photo: Picture) -> Tensor:
        return self._fed(self._preprocessing.inputs(photo))

    def _fed(self, values: Tensor) -> Tensor:
        """Values on the device of the network and in its precision."""
        weight = next((tensor for tensor in self._plain.parameters() if tensor.is_floating_point()), None)
        dtype = weight.dtype if weight is not None else torch.float32
        values = values.to(dtype) if values.is_floating_point() else values
        finite = values.device.type == "cpu" != self.device.type and bool(values.isfinite().all())
        there = sent(values, self.device)
        if finite:  # looked at here, since there it would be a wait
            note_finite(there)
        return there

    def _shared(self) -> dict[str, Any]:
        """What another model of this architecture is made with, beside its transform, layer, name and meaning."""
        return {
            "output": self._read.output,
            "patch_scores": self.patch_scores,
            "layout": self._told.get(self.layer),
            "images": self.images,
            "call": None if self._feed is None else self._feed.call,
        }
