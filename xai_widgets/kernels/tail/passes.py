"""The passes of a tail: one that remembers, one that leaves out, and one that leaves nothing out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten as flatten
from torch.utils._pytree import tree_leaves, tree_map, tree_unflatten

from xai_widgets.kernels.tail.onemap import OneMap
from xai_widgets.kernels.tail.results import copied, spread, stand_in, tensors_of, with_leaf
from xai_widgets.kernels.tail.structure import Key, Structure, calls_of

if TYPE_CHECKING:
    from xai_widgets.kernels.tail import Tail

INPUT: Key = ("", -1)  # the input, treated as the output of a call


class Record:
    """A pass that remembers what a replay leaves out, and the layer's output."""

    def __init__(self, structure: Structure) -> None:
        self.structure = structure
        self.store: dict[Key, tuple[list[Any], Any]] = {}
        self.activation: Tensor | None = None
        self.output: Any = None
        self._counts: Counter[str] = Counter()

    def call(self, name: str, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        key = (name, self._counts[name])
        self._counts[name] += 1
        output = forward(*args, **kwargs)
        if key == self.structure.target:
            self.output = self._kept(output)  # the layer's own stays untouched: what comes next may write into it
            self.activation = tree_leaves(self.output)[self.structure.leaf]
        elif key in self.structure.left_out:
            leaves, spec = flatten(output)
            kept = self.structure.consumed.get(key, True)
            self.store[key] = (self._kept(leaves) if kept else [stand_in(leaf) for leaf in leaves]), spec
        return output

    def _kept(self, value: Any) -> Any:
        with torch.inference_mode(False):  # a network may run itself in it, and gradients need other tensors
            return copied(value)


class Replay:
    """A pass that hands on what was remembered, and changed maps as the layer's output."""

    def __init__(self, tail: Tail, count: int, maps: Tensor, *, use: Use | None = None, recorded: bool = False) -> None:
        self.tail, self.count, self.maps, self.use, self.recorded = tail, count, maps, use, recorded
        self._counts: Counter[str] = Counter()
        calls, _ = calls_of(tail.shell, tail.inputs)
        self._calls = Counter(name for name, _ in calls)
        self._spread = count != len(tail.inputs)

    def input(self) -> Tensor:
        structure = self.tail.structure
        if not structure.consumed.get(INPUT, True):
            return spread(stand_in(self.tail.inputs), 0, self.count if self._spread else 1)
        return self._hand_on(INPUT, self.tail.inputs, 0)

    def call(self, name: str, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        structure = self.tail.structure
        key = (name, self._next(name))
        if key == structure.target:
            return self._changed()
        if key not in self.tail._store:
            return forward(*args, **kwargs)
        leaves, spec = self.tail._store[key]
        axes = structure.left_out[key]
        return tree_unflatten([self._hand_on(key, leaf, axis) for leaf, axis in zip(leaves, axes, strict=True)], spec)

    def _next(self, name: str) -> int:
        """Which call of a module this is; during a backward pass checkpointing starts to count again."""
        index = self._counts[name]
        self._counts[name] += 1
        most = self._calls[name]
        if index < most or torch._C._current_graph_task_id() == -1:
            return index
        if most > 1:
            raise RuntimeError(
                f"module {name!r} is called {most} times and runs again under gradient checkpointing, so that its "
                "calls cannot be told apart; switch checkpointing off for this network."
            )
        return 0

    def _changed(self) -> Any:
        tail, structure = self.tail, self.tail.structure
        if isinstance(self.maps, OneMap):  # its operations write nothing into the layer's own output
            return self.maps
        if self.recorded and not torch.is_grad_enabled():
            raise RuntimeError(
                f"layer {tail.layer!r} runs where the network records no gradient (torch.no_grad, inference_mode, or "
                "a checkpoint with use_reentrant=True), so gradients cannot be had there; removals can."
            )
        whole = tail.activation
        changed = _laid_out_like(whole, structure.layout.activation(self.maps, whole))
        if structure.written.get(structure.target, True):
            changed = changed.clone()
        if self.use is not None:
            self.use.own(structure.target, changed)
        if isinstance(tail.output_of_layer, Tensor):
            return changed
        axis = structure.layout.batch_axis
        count = self.count if self._spread else 1
        return with_leaf(
            tree_map(
                lambda leaf: spread(leaf, axis, count) if isinstance(leaf, Tensor) else leaf, tail.output_of_layer
            ),
            structure.leaf,
            changed,
        )

    def _hand_on(self, key: Key, leaf: Any, axis: int | None) -> Any:
        if not isinstance(leaf, Tensor):
            return leaf
        tensor = leaf if axis is None else spread(leaf, axis, self.count if self._spread else 1)
        if self.tail.structure.written.get(key, True):
            tensor = tensor.clone()
        if self.use is not None:
            self.use.own(key, tensor)
        return tensor


class Full:
    """A pass that leaves nothing out and changes only the layer's output: what a replay is checked against."""

    def __init__(self, tail: Tail, maps: Tensor) -> None:
        self.tail, self.maps = tail, maps
        self._counts: Counter[str] = Counter()

    def call(self, name: str, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        key = (name, self._counts[name])
        self._counts[name] += 1
        output = forward(*args, **kwargs)
        structure = self.tail.structure
        if key != structure.target:
            return output
        whole = tree_leaves(output)[structure.leaf]
        changed = _laid_out_like(whole, structure.layout.activation(self.maps, whole))
        return with_leaf(output, structure.leaf, changed.clone())


class Use(TorchDispatchMode):
    """Which remembered outputs are read, and which are written in place, by what a replay still runs."""

    def __init__(self) -> None:
        super().__init__()
        self.consumed: set[Key] = set()
        self.written: set[Key] = set()
        self._owners: dict[int, Key] = {}
        self._kept: list[Tensor] = []  # so that no other tensor gets the same address

    def own(self, key: Key, tensor: Tensor) -> None:
        self._owners[tensor.untyped_storage().data_ptr()] = key
        self._kept.append(tensor)

    def read(self, result: Any) -> None:
        """What a network returns is read by its caller."""
        for tensor in tensors_of(result):
            key = self._owners.get(tensor.untyped_storage().data_ptr())
            if key is not None:
                self.consumed.add(key)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        arguments = func._schema.arguments
        view = func.is_view
        for argument, value in [*zip(arguments, args, strict=False), *_named(arguments, kwargs or {})]:
            for leaf in tree_leaves(value):
                if not isinstance(leaf, Tensor) or leaf.layout is not torch.strided:
                    continue
                key = self._owners.get(leaf.untyped_storage().data_ptr())
                if key is None:
                    continue
                if not view:
                    self.consumed.add(key)
                if argument.alias_info is not None and argument.alias_info.is_write:
                    self.written.add(key)
        return func(*args, **(kwargs or {}))


def _named(arguments: Any, kwargs: dict[str, Any]) -> list[tuple[Any, Any]]:
    return [(argument, kwargs[argument.name]) for argument in arguments if argument.name in kwargs]


def _laid_out_like(whole: Tensor, changed: Tensor) -> Tensor:
    """In the order of axes in memory that the layer's own output has: what follows may ask for a view of it."""
    if changed.dim() != whole.dim():
        return changed
    order = sorted(range(whole.dim()), key=lambda axis: (-whole.stride()[axis], axis))
    back = sorted(range(whole.dim()), key=order.__getitem__)
    return changed.permute(order).contiguous().permute(back)
