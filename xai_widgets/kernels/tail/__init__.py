"""Run the trunk of a network once, then only its tail, for many changed copies of one layer's feature maps."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from xai_widgets.kernels import draws
from xai_widgets.kernels.checks import check_finite, check_tensor
from xai_widgets.kernels.precision import ieee, tolerance_of
from xai_widgets.kernels.tail.autocast import Autocast
from xai_widgets.kernels.tail.layouts import Layout as Layout
from xai_widgets.kernels.tail.onemap import Largest, OneMap
from xai_widgets.kernels.tail.passes import INPUT, Full, Record, Replay, Use
from xai_widgets.kernels.tail.results import (
    ROUNDING,
    copied,
    of_image,
    ordinary,
    rows_are,
    same,
    stand_in,
    tensors_of,
    unit_of,
    with_leaf,
)
from xai_widgets.kernels.tail.rules import RULES as RULES
from xai_widgets.kernels.tail.shell import Shell as Shell
from xai_widgets.kernels.tail.shell import hooks_matter as hooks_matter
from xai_widgets.kernels.tail.structure import Key, Sparse, Structure, ending_before, structure_of, such_as


class Tail:
    """What comes after one layer, for remembered inputs.

    Modules that end before the layer starts, and branches that do not depend on it, are remembered by their output
    and left out; functional operations before the layer run again. With gain 1 everywhere the network's output comes
    back bit by bit at the same batch size. Checked when a layer is used for the first time: an unchanged and a
    removed map, alone and beside each other, against a pass that leaves nothing out.

    Which axes of the layer's output are maps, rows and columns is proved, never taken from the proportions alone: by
    the operations that make and read it, and where these are silent by probes, see `placed`.

    A tail keeps the precision in which it was made: inside `torch.autocast` or outside of it, it goes on as it began.
    Once the weights of the network changed it refuses to run; `maps` and `result` stay what they were. (Writes through
    `parameter.data` are not seen: torch counts none.)

    Args:
        shell: the network, or a shell of it to be shared by several tails.
        layer: dotted name of a module; the empty name is the network itself.
        inputs: what the network eats, (n ...).
        call: which call of a layer that is called more than once; the last by default.
        layout: how the layer's output is to be read, "maps", "channels_last", "tokens" or a `Layout`; found if left
            out.

    Raises:
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
        with torch.inference_mode(False):  # else nothing that is remembered could be part of a gradient
            self.inputs = inputs.detach().clone()  # the caller may use the memory again
            if not isinstance(shell, Shell):
                shell = Shell(shell, hooks=hooks_matter(shell, self.inputs[:1]))
            self.shell = shell
            self.autocast = Autocast.now(self.inputs.device)
            with self.shell.lock:
                shell.renew()
                self._weights = shell.weights
                self.structure = self._structure(call, layout)
                if len(inputs) > 1 and not self.structure.checked:
                    Tail(shell, layer, self.inputs[:1], call=call, layout=layout)
                self._record()
                if not self.structure.checked:
                    self._prepare()

    def _structure(self, call: int, layout: Layout | str | None) -> Structure:
        try:
            return structure_of(self.shell, self.layer, self.inputs, call, layout)
        except RuntimeError as error:
            if self.inputs.dim() == 3:
                shape = tuple(self.inputs.shape)
                raise ValueError(
                    f"inputs must be a batch, with an axis for images first, got shape {shape}: {error}"
                ) from error
            dtypes = {weight.dtype for weight in self.shell.network.parameters() if weight.is_floating_point()}
            if dtypes and self.inputs.dtype not in dtypes:
                wanted, given = " or ".join(map(str, dtypes)), self.inputs.dtype
                raise TypeError(f"inputs must be {wanted}, as the network's weights, got {given}.") from error
            raise

    @property
    def maps(self) -> Float[Tensor, "n c h w"]:
        """The layer's feature maps, untouched."""
        return self.structure.layout.maps(self.activation)

    @property
    def layout(self) -> Layout:
        return self.structure.layout

    @property
    def placed(self) -> bool:
        """Are the places of the layer proved to lie where they are in the image?

        By operations that keep rows and columns in order from the input on, or by probes: noise in one patch of the
        image at a time must change the maps there. False where tokens are in another order, or where nothing that was
        tried changes the maps: removals are right there too, a map over the image is not. One place alone is placed.
        """
        return self.structure.placed

    @property
    def precision(self) -> torch.dtype:
        """The coarsest in which the maps are handed on, from the layer to the scores."""
        dtypes = [self.structure.precision, self.maps.dtype, *(t.dtype for t in tensors_of(self.result))]
        dtypes = [dtype for dtype in dtypes if dtype.is_floating_point]
        return max([*dtypes, self.autocast.dtype or dtypes[0]], key=tolerance_of)

    def lowered(self, dtype: torch.dtype) -> Tail:
        """The same tail that runs under `torch.autocast` with this precision. Its maps and result stay as they are."""
        other = copy.copy(self)
        other.autocast = Autocast(self.inputs.device.type, dtype)
        return other

    def images(self) -> list[Tail]:
        """A tail of each image alone, without running what comes before the layer again."""
        count = len(self.inputs)
        if count == 1:
            return [self]
        axis = self.layout.batch_axis
        made = []
        for index in range(count):
            one = copy.copy(self)
            one.inputs = self.inputs[index : index + 1]
            one.activation = self.activation.narrow(axis, index, 1)
            one.output_of_layer = of_image(self.output_of_layer, [axis] * self.activation.dim(), index, count)
            one.output_of_layer = with_leaf(one.output_of_layer, self.structure.leaf, one.activation)
            one._store = {
                key: (of_image(leaves, self.structure.left_out[key], index, count), spec)
                for key, (leaves, spec) in self._store.items()
            }
            with torch.inference_mode(False), torch.no_grad():
                one.result = copied(one._replay(one.maps.clone()))
            made.append(one)
        return made

    @property
    def nbytes(self) -> int:
        """What is kept of this image's trunk."""
        kept = [leaf for leaves, _ in self._store.values() for leaf in leaves if isinstance(leaf, Tensor)]
        kept += [self.inputs, self.activation, *tensors_of(self.result)]
        return sum({t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in kept}.values())

    def __call__(self, maps: Float[Tensor, "m c h w"]) -> Any:
        """The network's return value for changed maps: one copy for each input, or any number for one input.

        Records a gradient where grad mode is on and `maps` requires it.

        Raises:
            TypeError, ValueError: maps of another precision or shape.
            RuntimeError: the weights of the network, or the maps of this tail, changed since it was made.
        """
        c, h, w = self.maps.shape[1:]
        check_tensor("maps", maps)
        if maps.dtype != self.activation.dtype:
            raise TypeError(f"maps of layer {self.layer!r} must be {self.activation.dtype}, got {maps.dtype}.")
        if maps.dim() != 4 or tuple(maps.shape[1:]) != (c, h, w):
            raise ValueError(f"maps of layer {self.layer!r} must be (m, {c}, {h}, {w}), got {tuple(maps.shape)}.")
        if len(maps) != len(self.inputs) and len(self.inputs) != 1:
            raise ValueError(
                f"a tail of {len(self.inputs)} inputs takes as many copies, got {len(maps)}; "
                "only a tail of one input takes any number."
            )
        if torch.is_grad_enabled() and maps.requires_grad:
            return self._replay(maps, recorded=True)
        with torch.no_grad():
            return self._replay(maps)

    @contextmanager
    def arithmetic(self) -> Iterator[None]:
        """In which a score of this tail is read: its own precision, exact, whatever the caller has set."""
        with self.autocast.set(), ieee():
            yield

    def without(self, index: Int[Tensor, " b"], level: Float[Tensor, "#c #h #w"]) -> Any:
        """The return value for copies of one image in which one map each, `index`, is set to its level.

        Only the changed maps are computed as far as maps do not mix, where that was found to be right for this tail.
        """
        chosen = level.expand(self.maps.shape[1], -1, -1).index_select(0, index) if len(level) > 1 else level
        own = chosen.to(self.maps)[:, None].expand(len(index), 1, *self.maps.shape[2:])
        return self.with_own(index, own)

    def with_own(
        self, index: Int[Tensor, " b"], own: Float[Tensor, "b 1 h w"], base: Float[Tensor, "1 c h w"] | None = None
    ) -> Any:
        """The same where each copy has a map of its own, among those of the image or of `base`."""
        sparse = self.sparse.right and len(index) > 1  # beside one copy alone its own tensors look shared by all
        return self._with_own(index, own, self.maps if base is None else base, sparse=sparse)

    @property
    def sparse(self) -> Sparse:
        """Found when it is asked for the first time."""
        found = self.structure.sparse
        if self.autocast not in found:
            with self.shell.lock:
                found[self.autocast] = self._try_sparse()
        return found[self.autocast]

    def _with_own(self, index: Tensor, own: Tensor, maps: Tensor, *, sparse: bool) -> Any:
        if sparse:
            with torch.inference_mode():
                result = self._replay(OneMap(maps, own, index))
            return result if torch.is_inference_mode_enabled() else ordinary(result)
        changed = maps.repeat(len(index), 1, 1, 1)
        changed[torch.arange(len(index), device=maps.device), index] = own[:, 0]
        return self(changed)

    def _try_sparse(self) -> Sparse:
        """Two maps set to something large, in both ways."""
        maps = self.maps
        if self.layout.kind != "maps" or not isinstance(self.output_of_layer, Tensor) or len(self.inputs) != 1:
            return Sparse(False, 4 * maps.nbytes)
        strength = torch.nan_to_num(maps.abs().sum((0, 2, 3)))
        index = strength.argsort(descending=True, stable=True)[:2]
        own = draws.normal((len(index), 1, *maps.shape[2:]), draws.seeded(0), maps) * unit_of(maps)
        expected = self._with_own(index, own, maps, sparse=False)
        tolerance = max(self.structure.tolerance, ROUNDING[self.precision])
        for _ in range(2):
            try:
                with Largest() as largest:
                    found = self._with_own(index, own, maps, sparse=True)
                return Sparse(same(found, expected, tolerance), 4 * max(1, largest.nbytes // len(index)))
            except torch.OutOfMemoryError:
                raise
            except Exception:  # of what stands for the copies; the network's own came when all were written out
                continue
        return Sparse(False, 4 * maps.nbytes)

    def _replay(self, maps: Tensor, *, recorded: bool = False) -> Any:
        if self.activation._version != self._written:
            raise RuntimeError(
                f"the maps of layer {self.layer!r} were written in place; change a copy, such as tail.maps.clone(), "
                "and make the tail anew."
            )
        self.check_weights()
        replay = Replay(self, len(maps), maps, recorded=recorded)
        with self.autocast.set(), self.shell.running(replay) as network:
            result = network(replay.input())
        if recorded:
            self.shell.recall(replay, list(tensors_of(result)))
        return result

    def check_weights(self) -> None:
        """Raise RuntimeError where the weights of the network changed since this tail was made."""
        if self._weights is not self.shell.weights or not self._weights.unchanged():
            raise RuntimeError("the weights of the network changed since this tail was made; make it anew.")

    def _record(self) -> None:
        record = Record(self.structure)
        with torch.no_grad(), self.shell.running(record) as network:
            self.result = copied(network(self.inputs.clone()))
        if record.activation is None:
            raise RuntimeError(f"layer {self.layer!r} was not reached on these inputs, but was before.")
        self.activation: Tensor = record.activation
        self._written = self.activation._version
        self.output_of_layer: Any = record.output
        self._store: dict[Key, tuple[list[Any], Any]] = record.store

    def _prepare(self) -> None:
        """Find what is read and written of what is left out; then check that leaving it out changes nothing."""
        structure = self.structure
        if not self._may_leave_out():
            structure.left_out = {}
            structure.consumed, structure.written = {INPUT: True}, {INPUT: True}
            self._record()
            if not self._agrees():
                raise ValueError(
                    f"changing maps of layer {self.layer!r} in a batch gives other outputs than one by one: the "
                    "network is not deterministic in eval mode, or its images depend on each other."
                )
        for key in [key for key in self._store if not structure.consumed.get(key, True)]:
            leaves, spec = self._store[key]
            self._store[key] = [stand_in(leaf) for leaf in leaves], spec
        if not self._is_exact():  # something was read in a way that no operation showed (as an array of numpy)
            structure.consumed = dict.fromkeys(structure.consumed, True)
            self._record()
        structure.checked = True

    def _may_leave_out(self) -> bool:
        for _ in range(2):
            try:
                self._watch_use()
                return self._agrees()
            except (torch.OutOfMemoryError, Unread):
                raise
            except Exception:  # of what was handed on, if it comes again; the network's own comes when all runs
                continue
        return False

    def _watch_use(self) -> None:
        structure = self.structure
        maps = self.maps[:1]
        one = self if len(self.inputs) == 1 else None
        keys = [INPUT, *structure.left_out]
        structure.consumed, structure.written = dict.fromkeys(keys, True), dict.fromkeys(keys, True)
        use = Use()
        replay = Replay(
            self, 2 if one else len(self.inputs), torch.cat((maps, maps)) if one else self.maps.clone(), use=use
        )
        with torch.no_grad(), self.shell.running(replay) as network, use:
            result = network(replay.input())
        use.read(result)
        if structure.target not in use.consumed:
            raise Unread(
                f"nothing reads the maps that layer {self.layer!r} returns, so that changing them changes nothing; "
                f"choose a layer with maps that are used{such_as(ending_before(self.shell, self.inputs, structure))}."
            )
        structure.consumed = {key: key in use.consumed for key in keys}
        structure.written = {key: key in use.written for key in keys}
        # A changed copy that something writes to belongs to the caller.
        structure.written[structure.target] = structure.target in use.written

    def _agrees(self) -> bool:
        """Gain 1 gives the output bit by bit; a removal alone equals the same beside another, and a full pass."""
        maps, tolerance = self.maps, self.structure.tolerance
        if not self._is_exact():
            return False
        with torch.no_grad():
            strongest = int(torch.nan_to_num(maps.abs().sum((0, 2, 3))).argmax())
            removed = maps.clone()
            removed[:, strongest] = 0
            alone = self._replay(removed.clone())
            with self.shell.running(Full(self, removed)) as network:
                full = network(self.inputs.clone())
            if len(self.inputs) > 1:
                return same(alone, full, tolerance)
            beside = self._replay(torch.cat((removed, maps)))
        return same(alone, full, tolerance) and rows_are(beside, (full, self.result), tolerance)

    def _is_exact(self) -> bool:
        exact = self.activation.device.type == "cpu"
        with torch.no_grad():
            return same(
                self._replay(self.maps.clone()), self.result, 0.0 if exact else max(self.structure.tolerance, 1e-5)
            )


class Unread(ValueError):
    """The maps of a layer go nowhere."""
