"""Run the trunk of a network once, then only its tail, for many changed copies of one layer's feature maps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten as flatten
from torch.utils._pytree import tree_leaves, tree_map, tree_unflatten

from xai_widgets.kernels.tail.layouts import Layout as Layout
from xai_widgets.kernels.tail.shell import Shell as Shell
from xai_widgets.kernels.tail.shell import hooks_matter as hooks_matter
from xai_widgets.kernels.tail.structure import Key, Structure, _with_leaf, calls_of, structure_of

INPUT: Key = ("", -1)  # the input, treated as the output of a call


class Tail:
    """What comes after one layer, for remembered inputs.

    Modules that end before the layer starts, and branches that do not depend on it, are remembered by their output
    and left out; functional operations before the layer run again. With gain 1 everywhere the network's output comes
    back bit by bit at the same batch size. Checked when a layer is used for the first time: an unchanged and a
    removed map, alone and beside each other, against a pass that leaves nothing out.

    Args:
        shell: the network, or a shell of it to be shared by several tails.
        layer: dotted name of a module; the empty name is the network itself.
        inputs: what the network eats, (n ...).
        call: which call of a layer that is called more than once; the last by default.

    Raises:
        ValueError: the layer is not called, has no spatial maps, or the network's rows depend on each other.
    """

    def __init__(self, shell: Shell | nn.Module, layer: str, inputs: Tensor, *, call: int = -1) -> None:
        self.layer = layer
        self.inputs = inputs.detach()
        if not isinstance(shell, Shell):
            shell = Shell(shell, hooks=hooks_matter(shell, self.inputs[:1]))
        self.shell = shell
        with self.shell.lock:
            self.structure = structure_of(self.shell, layer, self.inputs, call)
            self._record()
            if not self.structure.checked:
                self._prepare()

    @property
    def maps(self) -> Float[Tensor, "n c h w"]:
        """The layer's feature maps, untouched."""
        return self.structure.layout.maps(self.activation)

    @property
    def layout(self) -> Layout:
        return self.structure.layout

    @property
    def nbytes(self) -> int:
        """What is kept of this image's trunk."""
        kept = [leaf for leaves, _ in self._store.values() for leaf in leaves if isinstance(leaf, Tensor)]
        kept += [self.inputs, self.activation, *(leaf for leaf in tree_leaves(self.result) if isinstance(leaf, Tensor))]
        return sum({t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in kept}.values())

    def __call__(self, maps: Float[Tensor, "m c h w"]) -> Any:
        """The network's return value for changed maps: one copy for each input, or any number for one input.

        Records a gradient where grad mode is on and `maps` requires it; else runs in inference mode.
        """
        c, h, w = self.maps.shape[1:]
        if maps.dim() != 4 or tuple(maps.shape[1:]) != (c, h, w):
            raise ValueError(f"maps of layer {self.layer!r} must be (m, {c}, {h}, {w}), got {tuple(maps.shape)}.")
        if len(maps) != len(self.inputs) and len(self.inputs) != 1:
            raise ValueError(
                f"a tail of {len(self.inputs)} inputs takes as many copies, got {len(maps)}; "
                "only a tail of one input takes any number."
            )
        if torch.is_grad_enabled() and maps.requires_grad:
            return self._replay(maps)
        with torch.inference_mode():
            return self._replay(maps)

    def _replay(self, maps: Tensor) -> Any:
        replay = Replay(self, len(maps), maps)
        with self.shell.running(replay) as network:
            return network(replay.input())

    def _record(self) -> None:
        record = Record(self.structure)
        with torch.no_grad(), self.shell.running(record) as network:
            self.result = _copied(network(self.inputs.clone()))
        if record.activation is None:
            raise RuntimeError(f"layer {self.layer!r} was not reached on these inputs, but was before.")
        self.activation: Tensor = record.activation
        self.output_of_layer: Any = record.output
        self._store: dict[Key, tuple[list[Any], Any]] = record.store

    def _prepare(self) -> None:
        """Find what is read and written of what is left out; then check that leaving it out changes nothing."""
        structure = self.structure
        self._watch_use()
        if not self._agrees():
            structure.left_out = {}
            structure.consumed, structure.written = {INPUT: True}, {INPUT: True}
            self._record()
            if not self._agrees():
                raise ValueError(
                    f"changing maps of layer {self.layer!r} in a batch gives other outputs than one by one: the "
                    "network is not deterministic in eval mode, or its images depend on each other."
                )
        structure.checked = True
        for key in [key for key in self._store if not structure.consumed.get(key, True)]:
            leaves, spec = self._store[key]
            self._store[key] = [_stand_in(leaf) for leaf in leaves], spec

    def _watch_use(self) -> None:
        structure = self.structure
        maps = self.maps[:1]
        one = self if len(self.inputs) == 1 else None
        keys = [INPUT, *structure.left_out]
        structure.consumed, structure.written = dict.fromkeys(keys, True), dict.fromkeys(keys, True)
        use = Use()
        replay = Replay(
            self, 2 if one else len(self.inputs), torch.cat((maps, maps)) if one else self.maps.clone(), use
        )
        with torch.no_grad(), self.shell.running(replay) as network, use:
            network(replay.input())
        structure.consumed = {key: key in use.consumed for key in keys}
        structure.written = {key: key in use.written for key in keys}
        # A changed copy that something writes to belongs to the caller.
        structure.written[structure.target] = structure.target in use.written

    def _agrees(self) -> bool:
        """Gain 1 gives the output bit by bit; a removal alone equals the same beside another, and a full pass."""
        maps = self.maps
        with torch.no_grad():
            again = self._replay(maps.clone())
            exact = maps.device.type == "cpu"
            if not _same(again, self.result, 0.0 if exact else 1e-5):
                return False
            if len(self.inputs) > 1:
                return True
            strongest = int(torch.nan_to_num(maps.abs().sum((0, 2, 3))).argmax())
            removed = maps.clone()
            removed[:, strongest] = 0
            alone, beside = self._replay(removed.clone()), self._replay(torch.cat((removed, maps)))
            with self.shell.running(Full(self, removed)) as network:
                full = network(self.inputs.clone())
        return _same(alone, full, 1e-4) and _rows_are(beside, (full, self.result), 1e-4)


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
            self.output = _copied(output)  # the layer's own stays untouched: what comes next may write into it
            self.activation = tree_leaves(self.output)[self.structure.leaf]
        elif key in self.structure.left_out:
            leaves, spec = flatten(output)
            kept = self.structure.consumed.get(key, True)
            self.store[key] = [_copied(leaf) if kept else _stand_in(leaf) for leaf in leaves], spec
        return output


class Replay:
    """A pass that hands on what was remembered, and changed maps as the layer's output."""

    def __init__(self, tail: Tail, count: int, maps: Tensor, use: Use | None = None) -> None:
        self.tail, self.count, self.maps, self.use = tail, count, maps, use
        self._counts: Counter[str] = Counter()
        calls, _ = calls_of(tail.shell, tail.inputs)
        self._calls = Counter(name for name, _ in calls)
        self._spread = count != len(tail.inputs)

    def input(self) -> Tensor:
        structure = self.tail.structure
        if not structure.consumed.get(INPUT, True):
            return _spread(_stand_in(self.tail.inputs), 0, self.count if self._spread else 1)
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
        if index < most:
            return index
        if most > 1:
            raise RuntimeError(
                f"module {name!r} is called {most} times and runs again under gradient checkpointing, so that its "
                "calls cannot be told apart; switch checkpointing off for this network."
            )
        return 0

    def _changed(self) -> Any:
        tail, structure = self.tail, self.tail.structure
        whole = tail.activation
        changed = structure.layout.activation(self.maps, whole)
        if structure.written.get(structure.target, True):
            changed = changed.clone()
        if self.use is not None:
            self.use.own(structure.target, changed)
        if isinstance(tail.output_of_layer, Tensor):
            return changed
        axis = structure.layout.batch_axis
        count = self.count if self._spread else 1
        return _with_leaf(
            tree_map(
                lambda leaf: _spread(leaf, axis, count) if isinstance(leaf, Tensor) else leaf, tail.output_of_layer
            ),
            structure.leaf,
            changed,
        )

    def _hand_on(self, key: Key, leaf: Any, axis: int | None) -> Any:
        if not isinstance(leaf, Tensor):
            return leaf
        tensor = leaf if axis is None else _spread(leaf, axis, self.count if self._spread else 1)
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
        return _with_leaf(output, structure.leaf, structure.layout.activation(self.maps, whole).clone())


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

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        arguments = func._schema.arguments
        view = func.is_view
        for argument, value in [*zip(arguments, args, strict=False), *_named(arguments, kwargs or {})]:
            for leaf in tree_leaves(value):
                if not isinstance(leaf, Tensor) or leaf.is_sparse:
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


def _copied(value: Any) -> Any:
    return tree_map(lambda leaf: leaf.detach().clone() if isinstance(leaf, Tensor) else leaf, value)


def _stand_in(leaf: Any) -> Any:
    """A tensor of the same shape without memory, for what nothing reads."""
    return leaf.new_zeros(()).expand(leaf.shape) if isinstance(leaf, Tensor) else leaf


def _spread(tensor: Tensor, axis: int, count: int) -> Tensor:
    """`count` copies along the batch axis; images that fill several rows (windows) stay together."""
    if count == 1 or axis >= tensor.dim():
        return tensor
    if tensor.shape[axis] == 1:
        sizes = [-1] * tensor.dim()
        sizes[axis] = count
        return tensor.expand(sizes)
    copies = tensor.unsqueeze(axis)
    sizes = [-1] * copies.dim()
    sizes[axis] = count
    return copies.expand(sizes).flatten(axis, axis + 1)


def _rows_are(both: Any, ones: tuple[Any, Any], tolerance: float) -> bool:
    """Is each row of a result for two images that of the image alone? What has no row an image is passed over."""
    for index, one in enumerate(ones):
        for leaf, alone in zip(tree_leaves(both), tree_leaves(one), strict=True):
            if not isinstance(leaf, Tensor) or not leaf.dim() or len(leaf) != 2 or leaf.numel() != 2 * alone.numel():
                continue
            if not _same(leaf[index].flatten(), alone.flatten(), tolerance):
                return False
    return True


def _same(a: Any, b: Any, tolerance: float) -> bool:
    """Are the floating-point tensors of two results alike, to a share of their largest magnitude?"""
    pairs = zip(tree_leaves(a), tree_leaves(b), strict=True)
    for x, y in pairs:
        if not isinstance(x, Tensor) or not x.is_floating_point():
            continue
        if x.shape != y.shape:
            return False
        if torch.equal(x, y):
            continue
        scale = max(float(y.abs().max()), 1e-3) if y.numel() else 1.0
        if not bool(torch.isclose(x, y, rtol=0.0, atol=tolerance * scale, equal_nan=True).all()):
            return False
    return True
