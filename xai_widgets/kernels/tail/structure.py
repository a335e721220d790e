"""What calls what, and when: found by dry runs, so that a replay knows which modules it may leave out.

No tracing: a network is run as it is, on one and on two images, and its calls are watched.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from xai_widgets.kernels.tail.layouts import Layout, layout_of
from xai_widgets.kernels.tail.shell import Shell

Key = tuple[str, int]  # a module's name and which of its calls in one pass


@dataclass
class Call:
    """One call of a module in one pass."""

    key: Key
    parent: Key | None
    start: int
    end: int = -1
    shapes: list[tuple[int, ...] | None] = field(default_factory=list)  # of each leaf of its output; None: no tensor
    prints: list[tuple[float, ...]] = field(default_factory=list)
    recorded: bool = False  # autograd knows that its output depends on the changed layer


class Watch:
    """A pass that changes nothing, or only the output of one layer, and notes every call."""

    def __init__(self, target: Key | None = None, change: Callable[[Any], Any] | None = None) -> None:
        self.calls: dict[Key, Call] = {}
        self.target, self.change = target, change
        self._counts: Counter[str] = Counter()
        self._stack: list[Key] = []
        self._clock = 0

    def call(self, name: str, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        key = (name, self._counts[name])
        self._counts[name] += 1
        call = self.calls[key] = Call(key, self._stack[-1] if self._stack else None, self._tick())
        self._stack.append(key)
        try:
            output = forward(*args, **kwargs)
        finally:
            self._stack.pop()
        call.end = self._tick()
        leaves = tree_leaves(output)
        call.shapes = [tuple(leaf.shape) if isinstance(leaf, Tensor) else None for leaf in leaves]
        call.prints = [_print_of(leaf) for leaf in leaves]
        call.recorded = any(isinstance(leaf, Tensor) and leaf.requires_grad for leaf in leaves)
        return self.change(output) if self.change is not None and key == self.target else output

    def _tick(self) -> int:
        self._clock += 1
        return self._clock


def _print_of(leaf: Any) -> tuple[float, ...]:
    """A few numbers that change when a tensor does."""
    if not isinstance(leaf, Tensor) or not leaf.numel():
        return ()
    flat = leaf.detach().flatten()
    if not flat.is_floating_point():
        flat = flat.abs().float() if flat.is_complex() else flat.float()
    half = flat.numel() // 2
    return (*torch.stack([flat.sum(), flat.abs().sum(), flat[:half].sum(), flat[::3].sum()]).tolist(),)


@dataclass
class Structure:
    """Which calls a replay of the tail of one layer may leave out, for one size of input."""

    target: Key
    layout: Layout
    leaf: int  # of the layer's output, if that is not a tensor
    left_out: dict[Key, list[int | None]]  # the batch axis of each leaf of their output
    consumed: dict[Key, bool] = field(default_factory=dict)  # read by what still runs
    written: dict[Key, bool] = field(default_factory=dict)  # written in place by what still runs
    checked: bool = False


def calls_of(shell: Shell, inputs: Tensor) -> tuple[dict[Key, Call], dict[Key, Call]]:
    """The calls of a pass on one image, and on two of the same size."""
    key = ("calls", tuple(inputs.shape[1:]), inputs.dtype, inputs.device)
    if key not in shell.structures:
        one, two = Watch(), Watch()
        with torch.no_grad():
            with shell.running(one) as network:
                network(inputs[:1].clone())
            with shell.running(two) as network:
                network(torch.cat((inputs[:1], inputs[-1:])))
        if one.calls.keys() != two.calls.keys():
            raise ValueError(
                "the network runs other modules for two images than for one; only a network that "
                "treats each image of a batch alike can be explained."
            )
        shell.structures[key] = one.calls, two.calls
    found: tuple[dict[Key, Call], dict[Key, Call]] = shell.structures[key]
    return found


def structure_of(shell: Shell, layer: str, inputs: Tensor, call: int) -> Structure:
    """The structure for a layer, found on first use and remembered by the shell."""
    place = (layer, call, tuple(inputs.shape[1:]), inputs.dtype, inputs.device)
    if place not in shell.structures:
        one, two = calls_of(shell, inputs)
        target = _target(one, layer, call)
        leaf, layout = _layout(one[target], two[target], inputs)
        structure = Structure(target, layout, leaf, {})
        free = _free_calls(shell, structure, inputs, one)
        structure.left_out = {key: _axes(one[key], two[key]) for key in _topmost(free, one)}
        shell.structures[place] = structure
    found: Structure = shell.structures[place]
    return found


def _target(calls: dict[Key, Call], layer: str, call: int) -> Key:
    count = sum(name == layer for name, _ in calls)
    if not count:
        raise ValueError(f"layer {layer!r} is not called when the network runs; choose one that is.")
    if not -count <= call < count:
        raise ValueError(f"layer {layer!r} is called {count} times; call must be below {count}, got {call}.")
    return layer, call % count


def _layout(one: Call, two: Call, inputs: Tensor) -> tuple[int, Layout]:
    image = tuple(inputs.shape[-2:])
    for leaf, (a, b) in enumerate(zip(one.shapes, two.shapes, strict=True)):
        layout = layout_of(a, b, (image[0], image[1])) if a and b else None
        if layout is not None:
            return leaf, layout
    shapes = ", ".join(str(shape) for shape in one.shapes) or "nothing"
    raise ValueError(
        f"layer {one.key[0]!r} returns {shapes} for one image, which cannot be read as feature maps "
        "(n c h w), (n h w c) or a grid of tokens; choose a layer with spatial maps."
    )


def _free_calls(shell: Shell, structure: Structure, inputs: Tensor, calls: dict[Key, Call]) -> set[Key]:
    """Calls that cannot depend on the layer: over before it starts, or unmoved when its output changes."""
    layer = calls[structure.target]

    def change(output: Any) -> Any:
        chosen = tree_leaves(output)[structure.leaf].detach()
        wave = torch.linspace(0.6, 1.4, chosen.numel(), dtype=chosen.dtype, device=chosen.device)
        moved = (chosen * wave.reshape(chosen.shape) + 0.1 * chosen.abs().mean()).requires_grad_()
        return _with_leaf(output, structure.leaf, moved.clone())

    watch = Watch(structure.target, change)
    with torch.enable_grad(), shell.running(watch) as network:
        network(inputs[:1].clone())
    free = {key for key, call in calls.items() if call.end < layer.start}
    for key, call in calls.items():
        again = watch.calls.get(key)
        if call.start > layer.end and again is not None and not again.recorded and again.prints == call.prints:
            free.add(key)
    return free


def _topmost(free: set[Key], calls: dict[Key, Call]) -> list[Key]:
    return [key for key in free if calls[key].parent not in free]


def _axes(one: Call, two: Call) -> list[int | None]:
    axes: list[int | None] = []
    for a, b in zip(one.shapes, two.shapes, strict=True):
        axes.append(None if a is None or b is None else next((i for i in range(len(a)) if a[i] != b[i]), None))
    return axes


def _with_leaf(output: Any, leaf: int, tensor: Tensor) -> Any:
    """`output` with one of its leaves replaced."""
    count = iter(range(1_000_000))
    return tree_map(lambda value: tensor if next(count) == leaf else value, output)
