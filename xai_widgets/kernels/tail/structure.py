"""What calls what, and when: found by dry runs, so that a replay knows which modules it may leave out.

No tracing: a network is run as it is, on one and on two images, and its calls are watched.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from xai_widgets.kernels.checks import whole_number
from xai_widgets.kernels.precision import tolerance_of
from xai_widgets.kernels.tail.autocast import Autocast
from xai_widgets.kernels.tail.layouts import Layout, batch_axis
from xai_widgets.kernels.tail.orders import Mark, Orders
from xai_widgets.kernels.tail.readings import Read, as_told, read, reading_of
from xai_widgets.kernels.tail.results import ROUNDING, is_opaque, with_leaf
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
    dtypes: list[torch.dtype | None] = field(default_factory=list)
    others: list[Any] = field(default_factory=list)  # the leaves that are no tensors
    prints: list[tuple[float, ...]] = field(default_factory=list)
    marks: list[dict[str, Mark]] = field(default_factory=list)  # the order of places of each leaf
    recorded: bool = False  # autograd knows that its output depends on the changed layer


class Watch:
    """A pass that changes nothing, or only the output of one layer, and notes every call."""

    def __init__(
        self, target: Key | None = None, change: Callable[[Any], Any] | None = None, orders: Orders | None = None
    ) -> None:
        self.calls: dict[Key, Call] = {}
        self.target, self.change, self.orders = target, change, orders
        self._outputs: list[tuple[Call, list[Any]]] = []
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
        call.dtypes = [leaf.dtype if isinstance(leaf, Tensor) else None for leaf in leaves]
        call.others = [leaf for leaf in leaves if not isinstance(leaf, Tensor)]
        with self.orders.paused() if self.orders is not None else nullcontext():
            call.prints = [_print_of(leaf) for leaf in leaves]
        if self.orders is not None:
            self._outputs.append((call, leaves))
        call.recorded = any(isinstance(leaf, Tensor) and leaf.requires_grad for leaf in leaves)
        return self.change(output) if self.change is not None and key == self.target else output

    def mark(self) -> None:
        """Note the order of places of every output, once all that reads it has run."""
        outputs, self._outputs = self._outputs, []
        orders, self.orders = self.orders, None
        if orders is None:
            return
        for call, leaves in outputs:
            call.marks = [orders.of(leaf) if isinstance(leaf, Tensor) else {} for leaf in leaves]
            for index, marks in enumerate(call.marks):
                for kind, mark in marks.items():
                    known = mark.order.found().outputs.setdefault(kind, [])
                    known[1:] = [(call, index)]

    def _tick(self) -> int:
        self._clock += 1
        return self._clock


def _print_of(leaf: Any) -> tuple[float, ...]:
    """A few numbers that change when a tensor does."""
    if not isinstance(leaf, Tensor) or not leaf.numel():
        return ()
    flat = leaf.detach().flatten()
    if not flat.is_floating_point():
        flat = flat.abs() if flat.is_complex() else flat
    flat = flat.double() if flat.device.type != "mps" else flat.float()
    half = flat.numel() // 2
    return (*torch.stack([flat.sum(), flat.abs().sum(), flat[:half].sum(), flat[::3].sum()]).tolist(),)


@dataclass
class Structure:
    """Which calls a replay of the tail of one layer may leave out, for one size of input."""

    target: Key
    layout: Layout
    leaf: int  # of the layer's output, if that is not a tensor
    left_out: dict[Key, list[int | None]]  # the batch axis of each leaf of their output
    placed: bool = True  # are the places proved to lie where they are in the image?
    precision: torch.dtype = torch.float32  # the coarsest from the layer on
    tolerance: float = 1e-4  # of the largest output: what the network's precision leaves open
    consumed: dict[Key, bool] = field(default_factory=dict)  # read by what still runs
    written: dict[Key, bool] = field(default_factory=dict)  # written in place by what still runs
    checked: bool = False
    sparse: dict[Autocast, Sparse] = field(default_factory=dict)


@dataclass(frozen=True)
class Sparse:
    """What was found when single maps were changed: are `OneMap`s right here, and the bytes that a copy takes."""

    right: bool
    bytes_of_copy: int


def kind_of(inputs: Tensor) -> tuple[Any, ...]:
    """Inputs that a network treats alike: their size and precision, and where they are."""
    return tuple(inputs.shape[1:]), inputs.dtype, inputs.device, Autocast.now(inputs.device)


def calls_of(shell: Shell, inputs: Tensor) -> tuple[dict[Key, Call], dict[Key, Call]]:
    """The calls of a pass on one image, and on two of the same size."""
    key = ("calls", *kind_of(inputs))
    if key not in shell.structures:
        one, two = _one_image(shell, inputs), Watch()
        with torch.no_grad(), shell.running(two) as network:
            network(torch.cat((inputs[:1], inputs[-1:])))
        if one.calls.keys() != two.calls.keys():
            raise ValueError(
                "the network runs other modules for two images than for one; only a network that "
                "treats each image of a batch alike can be explained."
            )
        shell.structures[key] = one.calls, two.calls
    found: tuple[dict[Key, Call], dict[Key, Call]] = shell.structures[key]
    return found


def _one_image(shell: Shell, inputs: Tensor) -> Watch:
    image = inputs[:1].clone()
    orders = Orders(image)
    watch = Watch(orders=orders)
    try:
        with torch.no_grad(), shell.running(watch) as network, orders:
            network(image)
    except torch.OutOfMemoryError:
        watch = Watch()
    except Exception:  # of what cannot be followed; the network's own comes again
        watch = Watch()
    else:
        watch.mark()
        return watch
    del orders
    with torch.no_grad(), shell.running(watch) as network:
        network(inputs[:1].clone())
    return watch


def structure_of(shell: Shell, layer: str, inputs: Tensor, call: int, layout: Layout | str | None = None) -> Structure:
    """The structure for a layer, found on first use and remembered by the shell."""
    layout = shell.layouts.get(layer) if layout is None else layout
    place = (layer, call, layout, *kind_of(inputs))
    if place not in shell.structures:
        one, two = calls_of(shell, inputs)
        target, found = read_layer(shell, layer, inputs, call, layout)
        known = [(each, dtype) for each in one.values() for dtype in each.dtypes if dtype is not None]
        dtypes = [dtype for _, dtype in known if dtype.is_floating_point]
        later = [dtype for each, dtype in known if dtype.is_floating_point and each.end >= one[target].end]
        structure = Structure(target, found.layout, found.leaf, {}, found.placed)
        structure.precision = max(later, key=tolerance_of, default=inputs.dtype)
        structure.tolerance = max((ROUNDING.get(dtype, 0.0) for dtype in dtypes), default=1e-4)
        free = {key for key in _free_calls(shell, structure, inputs, one) if _can_be_spread(one[key], two[key])}
        structure.left_out = {key: _axes(one[key], two[key]) for key in _topmost(free, one)}
        shell.structures[place] = structure
    remembered: Structure = shell.structures[place]
    return remembered


def read_layer(
    shell: Shell, layer: str, inputs: Tensor, call: int = -1, layout: Layout | str | None = None
) -> tuple[Key, Read]:
    """Which call is meant, and how its output is read.

    Raises:
        ValueError: the layer is not called, or has no maps that can be read.
    """
    one, two = calls_of(shell, inputs)
    image = (inputs.shape[-2], inputs.shape[-1])
    target = _target(shell.network, one, two, image, layer, call)
    if layout is not None:
        return target, as_told(shell, one[target], two[target], inputs, layout)
    found = read(shell, one[target], two[target], inputs)
    if found is not None:
        return target, found
    shapes = ", ".join(str(shape) for shape in one[target].shapes) or "nothing"
    near = such_as(_nearest(one, two, target, image))
    if reading_of(one[target], two[target], image) is not None:
        raise ValueError(
            f"layer {target[0]!r} returns {shapes} for one image, and neither the operations around it nor probes "
            f"show which axes are maps, rows and columns; say it with layout=, or choose another layer{near}."
        )
    raise ValueError(
        f"layer {target[0]!r} returns {shapes} for one image, which cannot be read as feature maps "
        f"(n c h w), (n h w c) or a grid of tokens; choose a layer with spatial maps{near}."
    )


def _target(
    network: nn.Module, one: dict[Key, Call], two: dict[Key, Call], image: tuple[int, int], layer: str, call: int
) -> Key:
    name = _called_name(network, one, layer)
    count = sum(name == called for called, _ in one)
    if not count:
        works = sorted({name for (name, _), call in one.items() if _is_readable(call, two[call.key], image)})
        near = get_close_matches(layer, works, 3, 0.3) or works[-3:]
        raise ValueError(f"layer {layer!r} is not called when the network runs; choose one that is{such_as(near)}.")
    if not -count <= whole_number("call", call) < count:
        raise ValueError(f"layer {layer!r} is called {count} times; call must be {-count} to {count - 1}, got {call}.")
    return name, call % count


def _called_name(network: nn.Module, calls: dict[Key, Call], layer: str) -> str:
    """The name under which a module was noted, which may have several."""
    if any(name == layer for name, _ in calls):
        return layer
    try:
        module = network.get_submodule(layer)
    except AttributeError:
        return layer
    return next((name for name, other in network.named_modules() if other is module), layer)


def _is_readable(one: Call, two: Call, image: tuple[int, int]) -> bool:
    """Without a probe: do operations show which axis holds the maps?"""
    found = reading_of(one, two, image)
    return found is not None and found.sure


def _nearest(one: dict[Key, Call], two: dict[Key, Call], target: Key, image: tuple[int, int]) -> list[str]:
    """The layers with maps that run last before a call and first after it."""
    start = one[target].start
    works = [call for call in one.values() if call.key[0] and _is_readable(call, two[call.key], image)]
    before = max((call for call in works if call.start < start), key=lambda call: call.start, default=None)
    after = min((call for call in works if call.start > start), key=lambda call: call.start, default=None)
    return [call.key[0] for call in (before, after) if call is not None]


def ending_before(shell: Shell, inputs: Tensor, structure: Structure) -> list[str]:
    """The last two layers with maps that are over before a layer is."""
    one, two = calls_of(shell, inputs)
    image = (inputs.shape[-2], inputs.shape[-1])
    works = [call for call in one.values() if call.key[0] and _is_readable(call, two[call.key], image)]
    before = sorted((call for call in works if call.end < one[structure.target].end), key=lambda call: call.end)
    return [call.key[0] for call in before[-2:]]


def such_as(names: list[str]) -> str:
    return f", such as {' or '.join(repr(name) for name in names)}" if names else ""


def _free_calls(shell: Shell, structure: Structure, inputs: Tensor, calls: dict[Key, Call]) -> set[Key]:
    """Calls that cannot depend on the layer: over before it starts, or unmoved when its output changes."""
    layer = calls[structure.target]

    def change(output: Any) -> Any:
        chosen = tree_leaves(output)[structure.leaf].detach()
        wave = torch.linspace(0.6, 1.4, chosen.numel(), dtype=chosen.dtype, device=chosen.device)
        moved = (chosen * wave.reshape(chosen.shape) + 0.1 * chosen.abs().mean()).requires_grad_()
        return with_leaf(output, structure.leaf, moved.clone())

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


def _can_be_spread(one: Call, two: Call) -> bool:
    """Can the output for many images be made from that for one?"""
    if len(one.shapes) != len(two.shapes) or any(is_opaque(leaf) for leaf in one.others) or one.others != two.others:
        return False
    pairs = zip(one.shapes, two.shapes, strict=True)
    return all(a == b or (a is not None and b is not None and batch_axis(a, b) is not None) for a, b in pairs)


def _axes(one: Call, two: Call) -> list[int | None]:
    return [batch_axis(a, b) if a and b else None for a, b in zip(one.shapes, two.shapes, strict=True)]
