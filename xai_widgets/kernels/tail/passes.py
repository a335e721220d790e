"""The passes of a tail: one that remembers, one that replays, and one that skips nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import TreeSpec, tree_flatten, tree_leaves, tree_map, tree_unflatten

from xai_widgets.kernels.checks import NoGradientRecorded
from xai_widgets.kernels.tail.calls import Key, Pass
from xai_widgets.kernels.tail.onemap import OneMap
from xai_widgets.kernels.tail.results import copied, of_image, spread, stand_in, storage_bytes, tensors_of, with_leaf
from xai_widgets.kernels.tail.structure import Structure

INPUT: Key = ("", -1)  # the input, treated as the output of a call


class Output(NamedTuple):
    """What a module returned: its leaves in order, and how they are put together again."""

    leaves: list[Any]
    spec: TreeSpec


@dataclass(frozen=True)
class Trunk:
    """What is remembered of one pass over some inputs.

    Attributes:
        inputs: what the network ate, (n ...).
        layer: what the layer returned.
        activation: the leaf of it that holds the maps, in the layer's own order of axes.
        outputs: what the calls returned that a replay skips.
        result: what the network returned.
    """

    inputs: Tensor
    layer: Any
    activation: Tensor
    outputs: dict[Key, Output]
    result: Any

    @cached_property
    def unread(self) -> Tensor:
        """In the place of inputs that nothing reads."""
        with torch.inference_mode(False):
            found: Tensor = stand_in(self.inputs)
        return found

    @cached_property
    def fits(self) -> dict[Any, dict[Any, list[bool]]]:
        """Of each setting of autocast and layer that mixes maps, which maps copies can be corrected for."""
        return {}

    @property
    def nbytes(self) -> int:
        """Bytes of all that is remembered, each storage once."""
        leaves = [leaf for output in self.outputs.values() for leaf in output.leaves]
        kept = [self.inputs, self.activation, *tensors_of([self.layer, leaves, self.result])]
        return storage_bytes(kept)

    def held(self) -> list[Tensor]:
        """The tensors that hold what is remembered, the layer's first; not those that only stand in for others."""
        leaves = [self.layer, [output.leaves for output in self.outputs.values()], self.result]
        return [leaf for leaf in tree_leaves(leaves) if _holds(leaf)]

    def holding(self, tensors: Iterable[Tensor], inputs: Tensor) -> Trunk:
        """The same with other tensors in the place of those that are `held`, and other inputs."""
        given = iter(tensors)
        place = [leaf is self.activation for leaf in tree_leaves(self.layer)].index(True)

        def other(leaf: Any) -> Any:
            return next(given) if _holds(leaf) else leaf

        layer = tree_map(other, self.layer)
        outputs = {key: Output([*map(other, output.leaves)], output.spec) for key, output in self.outputs.items()}
        return Trunk(inputs, layer, tree_leaves(layer)[place], outputs, tree_map(other, self.result))

    def take(self, other: Trunk) -> None:
        """Write the values of another trunk over these, which stay where they are.

        Raises:
            ValueError: it holds something else than these.
        """
        mine, theirs = [self.inputs, *self.held()], [other.inputs, *other.held()]
        shapes = [[(value.shape, value.dtype) for value in some] for some in (mine, theirs)]
        rest = [_plain_leaves(trunk) for trunk in (self, other)]
        if shapes[0] != shapes[1] or rest[0] != rest[1]:
            raise ValueError("the trunk of these inputs holds values of other sizes.")
        with torch.inference_mode(False), torch.no_grad():
            for own, value in zip(mine, theirs, strict=True):
                own.copy_(value)
        self.fits.clear()

    def of_image(self, index: int, structure: Structure) -> Trunk:
        """The part of one image. The result stays that of all: a network may return what has no row for each image."""
        count, axis = len(self.inputs), structure.layout.batch_axis
        activation = self.activation.narrow(axis, index, 1)
        layer = of_image(self.layer, [axis], index, count)
        outputs = {
            key: Output(of_image(output.leaves, structure.left_out[key], index, count), output.spec)
            for key, output in self.outputs.items()
        }
        return replace(
            self,
            inputs=self.inputs[index : index + 1],
            layer=with_leaf(layer, structure.leaf, activation),
            activation=activation,
            outputs=outputs,
        )


def _plain_leaves(trunk: Trunk) -> list[Any]:
    """What calls returned that is no tensor, such as a size."""
    leaves = tree_leaves([trunk.layer, [output.leaves for output in trunk.outputs.values()]])
    return [leaf for leaf in leaves if not isinstance(leaf, Tensor)]


def _holds(leaf: Any) -> bool:
    """Is it a tensor with memory, not one that only stands in for another? See `stand_in`."""
    return isinstance(leaf, Tensor) and (not leaf.dim() or any(leaf.stride()) or not leaf.numel())


class Record(Pass):
    """A pass that remembers what a replay skips, and the layer's output."""

    def __init__(self, structure: Structure) -> None:
        super().__init__()
        self.structure = structure
        self.outputs: dict[Key, Output] = {}
        self.activation: Tensor | None = None
        self.layer: Any = None

    def call(self, name: str, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        key = self.next_key(name)
        output = forward(*args, **kwargs)
        if key == self.structure.target:
            self.layer = self._kept(output)  # a copy: what comes next may write into the output itself
            self.activation = tree_leaves(self.layer)[self.structure.leaf]
        elif key in self.structure.left_out:
            leaves, spec = tree_flatten(output)
            is_read = self.structure.consumed.get(key, True)
            self.outputs[key] = Output(self._kept(leaves) if is_read else [stand_in(leaf) for leaf in leaves], spec)
        return output

    def trunk(self, inputs: Tensor, result: Any) -> Trunk:
        """What was remembered, once the pass has ended.

        Raises:
            RuntimeError: the layer was not reached.
        """
        if self.activation is None:
            name = self.structure.target[0]
            raise RuntimeError(f"layer {name!r} was not reached on these inputs, but was before.")
        return Trunk(inputs, self.layer, self.activation, self.outputs, result)

    def _kept(self, value: Any) -> Any:
        with torch.inference_mode(False):  # a network may run itself in it, and gradients need other tensors
            return copied(value)


class Replay(Pass):
    """A pass that gives what was remembered for the calls that it skips, and changed maps for the layer's output.

    Args:
        maps: (m c h w), as many as the remembered inputs, or any number where these are one.
        use: notes which remembered outputs are read and written.
        recorded: autograd has to record how the result depends on `maps`.
    """

    def __init__(
        self,
        structure: Structure,
        trunk: Trunk,
        maps: Tensor,
        *,
        use: Use | None = None,
        recorded: bool = False,
    ) -> None:
        super().__init__()
        self.structure, self.trunk, self.maps, self.use, self.recorded = structure, trunk, maps, use, recorded
        count = len(maps)
        self._copies = count if count != len(trunk.inputs) else 1  # of each remembered row

    def input(self) -> Tensor:
        """What the network is called with."""
        if self.structure.consumed.get(INPUT, True):
            return self._remembered(INPUT, self.trunk.inputs, 0)
        return spread(self.trunk.unread, 0, self._copies)

    def call(self, name: str, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        key = self.next_key(name)
        if key == self.structure.target:
            self._skip(key)
            return self._changed()
        output = self.trunk.outputs.get(key)
        if output is None:
            return forward(*args, **kwargs)
        self._skip(key)
        axes = self.structure.left_out[key]
        leaves = [self._remembered(key, leaf, axis) for leaf, axis in zip(output.leaves, axes, strict=True)]
        return tree_unflatten(leaves, output.spec)

    def next_key(self, name: str) -> Key:
        """The call of a module that begins now; during a backward pass, checkpointing runs a call a second time.

        Raises:
            RuntimeError: a module that is called several times runs again, and it cannot be told which call it is.
        """
        number = self._counts[name]
        self._counts[name] = number + 1
        times = self.structure.times.get(name, 0)
        if number < times or torch._C._current_graph_task_id() == -1:
            return name, number
        if times > 1:
            raise RuntimeError(
                f"module {name!r} is called {times} times and runs again under gradient checkpointing, so that its "
                "calls cannot be told apart; switch checkpointing off for this network."
            )
        return name, 0

    def _skip(self, key: Key) -> None:
        """Count what would have been called within a call."""
        if torch._C._current_graph_task_id() == -1:
            self._counts.update(self.structure.within.get(key, {}))

    def _changed(self) -> Any:
        """The layer's output with the changed maps in it."""
        structure, trunk = self.structure, self.trunk
        if isinstance(self.maps, OneMap):  # its operations write nothing into the layer's own output
            return self.maps
        if self.recorded and not torch.is_grad_enabled():
            raise NoGradientRecorded(
                f"layer {structure.target[0]!r} runs where the network records no gradient (torch.no_grad, "
                "inference_mode, or a checkpoint with use_reentrant=True), so gradients cannot be had there; removals "
                "can."
            )
        changed = activation_of(structure, self.maps, trunk.activation)
        if structure.written.get(structure.target, True):
            changed = changed.clone()
        if self.use is not None:
            self.use.own(structure.target, changed)
        if isinstance(trunk.layer, Tensor):
            return changed
        return with_leaf(self._spread(trunk.layer), structure.leaf, changed)

    def _spread(self, output: Any) -> Any:
        """What the layer returned, for as many copies."""
        axis = self.structure.layout.batch_axis
        return tree_map(
            lambda leaf: spread(leaf, axis, self._copies) if isinstance(leaf, Tensor) else leaf,
            output,
        )

    def _remembered(self, key: Key, leaf: Any, axis: int | None) -> Any:
        """A leaf of what a call returned, for as many copies; a copy of it where something writes into it."""
        if not isinstance(leaf, Tensor):
            return leaf
        tensor = leaf if axis is None else spread(leaf, axis, self._copies)
        if self.structure.written.get(key, True):
            tensor = tensor.clone()
        if self.use is not None:
            self.use.own(key, tensor)
        return tensor


class Full(Pass):
    """A pass that skips nothing and changes only the layer's output: what a replay is checked against."""

    def __init__(self, structure: Structure, maps: Tensor) -> None:
        super().__init__()
        self.structure, self.maps = structure, maps

    def call(self, name: str, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        key = self.next_key(name)
        output = forward(*args, **kwargs)
        if key != self.structure.target:
            return output
        whole = tree_leaves(output)[self.structure.leaf]
        return with_leaf(output, self.structure.leaf, activation_of(self.structure, self.maps, whole).clone())


class Use(TorchDispatchMode):
    """Notes which remembered outputs are read, and which are written in place, by what a replay still runs."""

    def __init__(self) -> None:
        super().__init__()
        self.consumed: set[Key] = set()
        self.written: set[Key] = set()
        self._owners: dict[int, Key] = {}  # by the address of their memory
        self._kept: list[Tensor] = []  # so that no other tensor gets the same address

    def own(self, key: Key, tensor: Tensor) -> None:
        """Say which call returned a tensor."""
        self._owners[tensor.untyped_storage().data_ptr()] = key
        self._kept.append(tensor)

    def read(self, result: Any) -> None:
        """What a network returns is read by its caller."""
        owners = map(self._owner, tensors_of(result))
        self.consumed.update(key for key in owners if key is not None)

    def _owner(self, tensor: Tensor) -> Key | None:
        return self._owners.get(tensor.untyped_storage().data_ptr())

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        arguments = func._schema.arguments
        given = kwargs or {}
        named = [(argument, given[argument.name]) for argument in arguments if argument.name in given]
        for argument, value in [*zip(arguments, args, strict=False), *named]:
            writes = argument.alias_info is not None and argument.alias_info.is_write
            for leaf in tree_leaves(value):
                if isinstance(leaf, Tensor) and leaf.layout is torch.strided:
                    self._note(leaf, reads=not func.is_view, writes=writes)
        return func(*args, **given)

    def _note(self, tensor: Tensor, *, reads: bool, writes: bool) -> None:
        key = self._owner(tensor)
        if key is not None and reads:
            self.consumed.add(key)
        if key is not None and writes:
            self.written.add(key)


def activation_of(structure: Structure, maps: Tensor, whole: Tensor) -> Tensor:
    """Maps (m c h w) as the layer returns them, with its axes in the same order in memory as those of `whole`.

    What follows the layer may ask for a view that exists in that order alone.
    """
    changed = structure.layout.activation(maps, whole)
    if changed.dim() != whole.dim():
        return changed
    outermost_first = sorted(range(whole.dim()), key=lambda axis: (-whole.stride()[axis], axis))
    back = sorted(range(whole.dim()), key=outermost_first.__getitem__)
    return changed.permute(outermost_first).contiguous().permute(back)
