"""A tail: what comes after one layer of a network, for inputs whose trunk has run."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from xai_widgets.kernels.checks import check_finite, check_tensor
from xai_widgets.kernels.home import sent
from xai_widgets.kernels.precision import ieee, tolerance_of
from xai_widgets.kernels.tail.autocast import Autocast
from xai_widgets.kernels.tail.first_use import try_one_map, try_skipping
from xai_widgets.kernels.tail.layouts import Layout
from xai_widgets.kernels.tail.onemap import Known, OneMap
from xai_widgets.kernels.tail.passes import Record, Replay, Trunk
from xai_widgets.kernels.tail.results import copied, ordinary, tensors_of
from xai_widgets.kernels.tail.shell import Shell, hooks_matter
from xai_widgets.kernels.tail.structure import Sparse, Structure, structure_of
from xai_widgets.kernels.tail.weights import WeightsChanged


class Tail:
    """What comes after one layer, for remembered inputs.

    Modules that end before the layer starts, and branches that do not depend on it, are remembered by their output
    and skipped; functional operations before the layer run again. With gain 1 everywhere the network's output comes
    back bit by bit at the same batch size. What is tried when a layer is used for the first time: see `first_use`.

    Which axes of the layer's output are maps, rows and columns is proved, never taken from the proportions alone: by
    the operations that make and read it, and where these do not show it by probes, see `placed`.

    A tail keeps the precision in which it was made: inside `torch.autocast` or outside of it, it goes on as it began.
    Once the weights of the network changed it refuses to run; `maps` and `result` stay what they were. (Writes through
    `parameter.data` are not seen: torch counts none.)

    A tail keeps its shell in memory, and with it the network; see `nbytes` and `Shell.nbytes`.

    Args:
        shell: the network, or a shell of it to be shared by several tails.
        layer: dotted name of a module; the empty name is the network itself.
        inputs: what the network eats, (n ...).
        call: which call of a layer that is called more than once; the last by default.
        layout: how the layer's output is to be read, "maps", "channels_last", "tokens" or a `Layout`; by what `placed`
            says if left out.

    Raises:
        TypeError: a layer that is no name, inputs that are no tensor of floating-point numbers in the precision of the
            weights, a layout that is none.
        ValueError: the layer is not called, has no spatial maps, or the network's rows depend on each other; an input
            that is not finite; a layout that does not fit.
    """

    def __init__(
        self,
        shell: Shell | nn.Module,
        layer: str,
        inputs: Tensor,
        *,
        call: int = -1,
        layout: Layout | str | None = None,
    ) -> None:
        if not isinstance(layer, str):
            raise TypeError(f"layer must be the dotted name of a module, got {type(layer).__name__}.")
        check_tensor("inputs", inputs)
        if inputs.dim() < 3 or not len(inputs):
            raise ValueError(f"inputs must be a batch of at least 1 image, got shape {tuple(inputs.shape)}.")
        check_finite("inputs", inputs)
        self.layer = layer
        self.recorded_removals: Any = None  # finds a recording of them, see `removal_scores`
        with torch.inference_mode(False):  # else nothing that is remembered could be part of a gradient
            inputs = inputs.detach().clone()  # the caller may use the memory again
            if not isinstance(shell, Shell):
                shell = Shell(shell, hooks=hooks_matter(shell, inputs[:1]))
            self.shell = shell
            self.autocast = Autocast.now(inputs.device)
            with self.shell.lock:
                shell.renew()
                self._weights = shell.weights
                self.structure = _structure(shell, layer, inputs, call, layout)
                if len(inputs) > 1 and not self.structure.checked:
                    Tail(shell, layer, inputs[:1], call=call, layout=layout)
                self.record(inputs)
                if not self.structure.checked:
                    try_skipping(self)

    @property
    def inputs(self) -> Tensor:
        """What the network ate, (n ...)."""
        return self.trunk.inputs

    @property
    def result(self) -> Any:
        """What the network returned for the inputs."""
        return self.trunk.result

    @property
    def maps(self) -> Float[Tensor, "n c h w"]:
        """The layer's feature maps, untouched."""
        return self.structure.layout.maps(self.trunk.activation)

    @property
    def layout(self) -> Layout:
        """How the layer's output is read as maps."""
        return self.structure.layout

    @property
    def placed(self) -> bool:
        """Are the positions of the maps proved to lie where they are in the image?

        By operations that keep rows and columns in order from the input on, or by probes: noise in one patch of the
        image at a time must change the maps there. False where tokens are in another order, or where nothing that was
        tried changes the maps: removals are right there too, a map over the image is not. A layer of one position is
        placed.
        """
        return self.structure.placed

    @property
    def precision(self) -> torch.dtype:
        """The coarsest between the layer and the scores."""
        dtypes = [self.structure.precision, self.maps.dtype, *(tensor.dtype for tensor in tensors_of(self.result))]
        dtypes = [dtype for dtype in dtypes if dtype.is_floating_point]
        return max([*dtypes, self.autocast.dtype or dtypes[0]], key=tolerance_of)

    @property
    def nbytes(self) -> int:
        """Bytes of what is remembered of the inputs: activations, inputs and result, each storage once.

        Weights are not counted. They stay in memory as long as the tail does; `tail.shell.nbytes` says how many.
        """
        return self.trunk.nbytes

    def lowered(self, dtype: torch.dtype) -> Tail:
        """A tail of the same inputs that runs under `torch.autocast` with this precision; maps and result stay."""
        other = copy.copy(self)
        other.autocast = Autocast(self.inputs.device.type, dtype)
        return other

    def images(self) -> list[Tail]:
        """A tail of each image alone, without running what comes before the layer again."""
        if len(self.inputs) == 1:
            return [self]
        return [self._of_image(index) for index in range(len(self.inputs))]

    def _of_image(self, index: int) -> Tail:
        one = copy.copy(self)
        one.trunk = self.trunk.of_image(index, self.structure)
        with torch.inference_mode(False), torch.no_grad():
            one.trunk = replace(one.trunk, result=copied(one.replay(one.maps.clone())))
        return one

    def holding(self, tensors: Iterable[Tensor], inputs: Tensor) -> Tail:
        """A tail with other values in the place of those that its trunk holds, see `Trunk.held`."""
        other = copy.copy(self)
        other.trunk = self.trunk.holding(tensors, inputs)
        other._version = other.trunk.activation._version
        return other

    def twin(self) -> Tail:
        """A tail of the same inputs that holds its own copy of all values, so that others may be written over them.

        Raises:
            ValueError: the network returns tensors within an object whose copies cannot be made.
        """
        result = self.trunk.result
        if len(list(tensors_of(result))) != sum(isinstance(leaf, Tensor) for leaf in tree_leaves(result)):
            raise ValueError(f"the network returns a {type(result).__name__}, whose tensors cannot be replaced.")
        with torch.inference_mode(False), torch.no_grad():
            return self.holding([value.clone() for value in self.trunk.held()], self.inputs.clone())

    def adopt(self, other: Tail) -> None:
        """Write what another tail of this layer holds over the values of this one: its inputs, trunk and result.

        Raises:
            ValueError: what the other holds has other sizes, or is about another layer, network or precision.
        """
        alike = other.structure is self.structure and other._weights is self._weights
        if not alike or other.autocast != self.autocast or len(other.inputs) != len(self.inputs):
            raise ValueError("the values of another layer, network or precision cannot be taken over.")
        self.trunk.take(other.trunk)
        self._version = self.trunk.activation._version

    def __call__(self, maps: Float[Tensor, "m c h w"]) -> Any:
        """The network's return value for changed maps: one copy for each input, or any number for one input.

        Records a gradient where grad mode is on and `maps` requires it.

        Raises:
            TypeError, ValueError: maps of another precision or shape.
            RuntimeError: the weights of the network, or the maps of this tail, changed since it was made.
        """
        self._check_maps(maps)
        if torch.is_grad_enabled() and maps.requires_grad:
            return self.replay(maps, recorded=True)
        with torch.no_grad():
            return self.replay(maps)

    def _check_maps(self, maps: Tensor) -> None:
        own = self.maps
        c, h, w = own.shape[1:]
        check_tensor("maps", maps)
        if maps.dtype != own.dtype:
            raise TypeError(f"maps of layer {self.layer!r} must be {own.dtype}, got {maps.dtype}.")
        if maps.dim() != 4 or tuple(maps.shape[1:]) != (c, h, w):
            raise ValueError(f"maps of layer {self.layer!r} must be (m, {c}, {h}, {w}), got {tuple(maps.shape)}.")
        if len(maps) != len(self.inputs) and len(self.inputs) != 1:
            raise ValueError(
                f"a tail of {len(self.inputs)} inputs takes as many copies, got {len(maps)}; "
                "only a tail of one input takes any number."
            )

    @contextmanager
    def arithmetic(self) -> Iterator[None]:
        """Within this block a score of this tail is read: in the tail's own precision, exact, whatever is set."""
        with self.autocast.set(), ieee():
            yield

    def without(self, index: Int[Tensor, " b"], level: Float[Tensor, "#c #h #w"]) -> Any:
        """The return value for copies of one image, in each of which one map is removed: set to its baseline.

        Only the changed maps are computed as far as maps do not mix, where that is right, see `sparse`.

        Args:
            index: the map that is removed from each copy; on the CPU it costs no wait.
            level: the baseline, as `gains.level_of` gives it.
        """
        place = sent(index, level.device)
        chosen = level.expand(self.maps.shape[1], -1, -1).index_select(0, place) if len(level) > 1 else level
        own = chosen.to(self.maps)[:, None].expand(len(index), 1, *self.maps.shape[2:])
        return self.with_own(index, own)

    def with_own(
        self, index: Int[Tensor, " b"], own: Float[Tensor, "b 1 h w"], base: Float[Tensor, "1 c h w"] | None = None
    ) -> Any:
        """The return value for copies of one image, in each of which one map is replaced.

        Args:
            index: the map that is replaced in each copy; on the CPU it costs no wait.
            own: what it is replaced by.
            base: the maps of all copies; those of the image if left out.
        """
        base = self.maps if base is None else base
        if self.sparse.used and len(index) > 1:  # one changed map alone looks like a tensor that all copies share
            return self.with_sparse_copies(index, own, base)
        return self.with_ordinary_copies(index, own, base)

    def with_ordinary_copies(self, index: Tensor, own: Tensor, base: Tensor) -> Any:
        """`with_own`, computed for whole copies."""
        changed = base.repeat(len(index), 1, 1, 1)
        changed[torch.arange(len(index), device=base.device), sent(index, base.device)] = own[:, 0]
        return self(changed)

    def with_sparse_copies(self, index: Tensor, own: Tensor, base: Tensor) -> Any:
        """`with_own`, computed for the changed maps alone as far as maps do not mix."""
        with torch.inference_mode():
            copies = OneMap(base, own, sent(index, base.device))
            own_maps = base.data_ptr() == self.maps.data_ptr() and base.shape == self.maps.shape
            fits = self.trunk.fits.setdefault(self.autocast, {}) if own_maps else {}
            copies.known = Known(index.tolist(), fits)
            result = self.replay(copies)
        return result if torch.is_inference_mode_enabled() else ordinary(result)

    @property
    def sparse(self) -> Sparse:
        """Are copies that differ in one map each right, computed for these maps alone? Tried on first use."""
        known = self.structure.sparse
        if self.autocast not in known:
            with self.shell.lock:
                known[self.autocast] = try_one_map(self)
        return known[self.autocast]

    def replay(self, maps: Tensor, *, recorded: bool = False) -> Any:
        """The return value for changed maps that fit.

        Args:
            recorded: autograd has to record how the result depends on `maps`.

        Raises:
            RuntimeError: the weights of the network, or the maps of this tail, changed since it was made.
        """
        if self.trunk.activation._version != self._version:
            raise RuntimeError(
                f"the maps of layer {self.layer!r} were written in place; change a copy, such as tail.maps.clone(), "
                "and make a new tail."
            )
        self.check_weights()
        replay = Replay(self.structure, self.trunk, maps, recorded=recorded)
        with self.autocast.set(), self.shell.running(replay) as network:
            result = network(replay.input())
        if recorded:
            self.shell.recall(replay, list(tensors_of(result)))
        return result

    def check_weights(self) -> None:
        """Raise WeightsChanged, a RuntimeError, where the weights of the network changed since this tail was made."""
        if self._weights is not self.shell.weights or not self._weights.unchanged():
            raise WeightsChanged("the weights of the network changed since this tail was made; make a new one.")

    def record(self, inputs: Tensor | None = None) -> None:
        """Run the network on some inputs, those of before if left out, and remember what a replay skips."""
        inputs = self.inputs if inputs is None else inputs
        record = Record(self.structure)
        with torch.no_grad(), self.shell.running(record) as network:
            result = copied(network(inputs.clone()))
        self.trunk: Trunk = record.trunk(inputs, result)
        self._version = self.trunk.activation._version


def _structure(shell: Shell, layer: str, inputs: Tensor, call: int, layout: Layout | str | None) -> Structure:
    """The structure for a layer; an error of a network that does not take such inputs is put into words."""
    try:
        return structure_of(shell, layer, inputs, call, layout)
    except RuntimeError as error:
        if inputs.dim() == 3:
            shape = tuple(inputs.shape)
            raise ValueError(
                f"inputs must be a batch, with an axis for images first, got shape {shape}: {error}"
            ) from error
        dtypes = {weight.dtype for weight in shell.network.parameters() if weight.is_floating_point()}
        if dtypes and inputs.dtype not in dtypes:
            wanted, given = " or ".join(map(str, dtypes)), inputs.dtype
            raise TypeError(f"inputs must be {wanted}, as the network's weights, got {given}.") from error
        raise
