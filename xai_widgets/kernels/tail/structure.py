"""What calls what, and when: found by runs on one and on two images, so that a replay knows which calls it may skip."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from xai_widgets.kernels.checks import whole_number
from xai_widgets.kernels.precision import tolerance_of
from xai_widgets.kernels.tail.autocast import Autocast
from xai_widgets.kernels.tail.calls import Call, Key, Watch, checksum_of
from xai_widgets.kernels.tail.layouts import Layout, batch_axis
from xai_widgets.kernels.tail.orders import Orders
from xai_widgets.kernels.tail.readings import Read, as_told, read, reading_of
from xai_widgets.kernels.tail.results import ROUNDING, is_opaque, with_leaf
from xai_widgets.kernels.tail.shell import Shell

TRIED = 8  # layers on each side of one that is refused, until one is found that can be named in its place


@dataclass(frozen=True)
class Sparse:
    """What came of the trial of `OneMap`.

    Attributes:
        right: copies that differ in one map each give the same result as ordinary copies.
        bytes_of_copy: what one copy takes, so that as many are run at once as memory holds.
        faster: they were not slower than ordinary copies where both were timed.
    """

    right: bool
    bytes_of_copy: int
    faster: bool = True

    @property
    def used(self) -> bool:
        """Are removals computed for the changed maps alone?"""
        return self.right and self.faster


@dataclass
class Structure:
    """Which calls a replay of the tail of one layer may skip, for one size of input.

    Attributes:
        target: the call of the layer.
        layout: how its output is read as maps.
        leaf: which leaf of its output holds the maps.
        left_out: the calls that are skipped, and the batch axis of each leaf of their output (None: it has none).
        placed: the positions of the maps are proved to lie where they are in the image.
        precision: the coarsest from the layer on.
        tolerance: what rounding leaves open, as a share of the largest output.
        times: how often each module is called in a pass that skips nothing.
        within: how often each module is called within the layer and within each call that is skipped, so that calls
            keep their numbers where a part of the network is called several times.
        consumed: of the input, the layer and each skipped call: its output is read by what still runs.
        written: of the same: its output is written in place by what still runs.
        checked: the trials of `first_use` were made.
        sparse: what came of the trial of `OneMap`, by the setting of autocast.
        affine: for which scores the tail was found affine or not, the last ones first, see `kernels.affine`.
        pace: copies that ran at once within the time of a micro-batch, by the setting of autocast.
    """

    target: Key
    layout: Layout
    leaf: int
    left_out: dict[Key, list[int | None]]
    placed: bool = True
    precision: torch.dtype = torch.float32
    tolerance: float = 1e-4
    times: dict[str, int] = field(default_factory=dict)
    within: dict[Key, Counter[str]] = field(default_factory=dict)
    consumed: dict[Key, bool] = field(default_factory=dict)
    written: dict[Key, bool] = field(default_factory=dict)
    checked: bool = False
    sparse: dict[Autocast, Sparse] = field(default_factory=dict)
    affine: list[Any] = field(default_factory=list)
    pace: dict[Autocast, int] = field(default_factory=dict)


class _Ordered(Watch):
    """Also follows the order of positions, and takes checksums with which a later pass is compared."""

    def __init__(self, orders: Orders | None = None) -> None:
        super().__init__()
        self.orders = orders
        self._outputs: list[tuple[Call, list[Any]]] = []

    def ended(self, call: Call, leaves: list[Any]) -> None:
        if self.orders is None:
            call.checksums = [checksum_of(leaf) for leaf in leaves]
            return
        with self.orders.paused():
            call.checksums = [checksum_of(leaf) for leaf in leaves]
        self._outputs.append((call, leaves))

    def mark(self) -> None:
        """Note the order of positions of every output, once all that reads it has run."""
        outputs, self._outputs = self._outputs, []
        orders, self.orders = self.orders, None
        if orders is None:
            return
        for call, leaves in outputs:
            call.marks = [orders.of(leaf) if isinstance(leaf, Tensor) else {} for leaf in leaves]
            for index, marks in enumerate(call.marks):
                for reading, mark in marks.items():
                    first_and_last = mark.order.root().outputs.setdefault(reading, [])
                    first_and_last[1:] = [(call, index)]


class _Moved(Watch):
    """Changes the output of one call, and takes checksums that show which later calls depend on it."""

    def __init__(self, target: Key, change: Callable[[Any], Any]) -> None:
        super().__init__()
        self._target, self._change = target, change

    def ended(self, call: Call, leaves: list[Any]) -> None:
        call.checksums = [checksum_of(leaf) for leaf in leaves]

    def returned(self, call: Call, output: Any) -> Any:
        return self._change(output) if call.key == self._target else output


def kind_of(inputs: Tensor) -> tuple[Any, ...]:
    """Inputs that a network treats alike: their size and precision, and where they are."""
    return tuple(inputs.shape[1:]), inputs.dtype, inputs.device, Autocast.now(inputs.device)


def calls_of(shell: Shell, inputs: Tensor) -> tuple[dict[Key, Call], dict[Key, Call]]:
    """The calls of a pass on one image, and on two of the same size; remembered by the shell.

    Raises:
        ValueError: the network runs other modules for two images than for one.
    """
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
    known: tuple[dict[Key, Call], dict[Key, Call]] = shell.structures[key]
    return known


def _one_image(shell: Shell, inputs: Tensor) -> Watch:
    """A pass on one image in which the order of positions is followed; without it where that fails."""
    image = inputs[:1].clone()
    orders = Orders(image)
    watch = _Ordered(orders)
    try:
        with torch.no_grad(), shell.running(watch) as network, orders:
            network(image)
    except Exception:  # an error of the network's own comes again below
        pass
    else:
        watch.mark()
        return watch
    del orders, watch  # with the tensors that they keep
    plain = _Ordered()
    with torch.no_grad(), shell.running(plain) as network:
        network(inputs[:1].clone())
    return plain


def structure_of(shell: Shell, layer: str, inputs: Tensor, call: int, layout: Layout | str | None = None) -> Structure:
    """The structure for a layer, found on first use and remembered by the shell.

    Raises:
        TypeError, ValueError: see `read_layer`.
    """
    layout = shell.layouts.get(layer) if layout is None else layout
    place = (layer, call, layout, *kind_of(inputs))
    if place not in shell.structures:
        one, two = calls_of(shell, inputs)
        target, known = read_layer(shell, layer, inputs, call, layout)
        structure = Structure(target, known.layout, known.leaf, {}, known.placed)
        structure.times = dict(Counter(name for name, _ in one))
        structure.precision, structure.tolerance = _precision(one, target, inputs.dtype)
        free = {key for key in _free_calls(shell, structure, inputs, one) if _can_be_spread(one[key], two[key])}
        structure.left_out = {key: _axes(one[key], two[key]) for key in _topmost(free, one)}
        structure.within = _within([target, *structure.left_out], one)
        shell.structures[place] = structure
    remembered: Structure = shell.structures[place]
    return remembered


def _precision(calls: dict[Key, Call], target: Key, of_inputs: torch.dtype) -> tuple[torch.dtype, float]:
    """The coarsest precision from a call on, and what rounding leaves open in the coarsest of the whole pass."""
    returned = [(call, dtype) for call in calls.values() for dtype in call.dtypes if dtype is not None]
    returned = [(call, dtype) for call, dtype in returned if dtype.is_floating_point]
    later = [dtype for call, dtype in returned if call.end >= calls[target].end]
    coarsest = max(later, key=tolerance_of, default=of_inputs)
    return coarsest, max((ROUNDING.get(dtype, 0.0) for _, dtype in returned), default=1e-4)


def read_layer(
    shell: Shell, layer: str, inputs: Tensor, call: int = -1, layout: Layout | str | None = None
) -> tuple[Key, Read]:
    """Which call is meant, and how its output is read.

    Raises:
        TypeError: a layout that is neither a name nor a `Layout`.
        ValueError: the layer is not called, not as often, or has no maps that can be read; a layout that does not fit.
    """
    one, two = calls_of(shell, inputs)
    image = (inputs.shape[-2], inputs.shape[-1])
    target = _target(shell.network, one, two, image, layer, call)
    if layout is not None:
        return target, as_told(shell, one[target], two[target], inputs, layout)
    known = read(shell, one[target], two[target], inputs)
    if known is not None:
        return target, known
    shapes = ", ".join(str(shape) for shape in one[target].shapes) or "nothing"

    def is_read(call: Call) -> bool:
        return read(shell, call, two[call.key], inputs) is not None

    near = such_as(_nearest(one, two, target, image, is_read))
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
    known = reading_of(one, two, image)
    return known is not None and known.sure


def _readable(one: dict[Key, Call], two: dict[Key, Call], image: tuple[int, int]) -> list[Call]:
    """All calls of parts of the network whose output is readable without a probe."""
    return [call for call in one.values() if call.key[0] and _is_readable(call, two[call.key], image)]


def _nearest(
    one: dict[Key, Call], two: dict[Key, Call], target: Key, image: tuple[int, int], is_read: Callable[[Call], bool]
) -> list[str]:
    """The layers with maps that run last before a call and first after it, as far as a few that are tried go."""
    start = one[target].start
    works = sorted(_readable(one, two, image), key=lambda call: call.start)
    before, after = [call for call in works if call.start < start], [call for call in works if call.start > start]
    found = (next(filter(is_read, some[:TRIED]), None) for some in (before[::-1], after))
    return [call.key[0] for call in found if call is not None]


def ending_before(shell: Shell, inputs: Tensor, structure: Structure) -> list[str]:
    """The last two layers with maps that are over before a layer is."""
    one, two = calls_of(shell, inputs)
    works = _readable(one, two, (inputs.shape[-2], inputs.shape[-1]))
    before = sorted((call for call in works if call.end < one[structure.target].end), key=lambda call: call.end)
    return [call.key[0] for call in before[-2:]]


def such_as(names: list[str]) -> str:
    """The end of an error that names what would work."""
    return f", such as {' or '.join(repr(name) for name in names)}" if names else ""


def _free_calls(shell: Shell, structure: Structure, inputs: Tensor, calls: dict[Key, Call]) -> set[Key]:
    """Calls that cannot depend on the layer: over before it starts, or unmoved when its output changes."""
    layer = calls[structure.target]

    def change(output: Any) -> Any:
        chosen = tree_leaves(output)[structure.leaf].detach()
        wave = torch.linspace(0.6, 1.4, chosen.numel(), dtype=chosen.dtype, device=chosen.device)
        moved = (chosen * wave.reshape(chosen.shape) + 0.1 * chosen.abs().mean()).requires_grad_()
        return with_leaf(output, structure.leaf, moved.clone())

    watch = _Moved(structure.target, change)
    with torch.enable_grad(), shell.running(watch) as network:
        network(inputs[:1].clone())
    before = {key for key, call in calls.items() if call.end < layer.start}
    again = {key: call for key, call in watch.calls.items() if key in calls and not call.requires_grad}
    unmoved = {key for key, call in again.items() if call.checksums == calls[key].checksums}
    return before | {key for key in unmoved if calls[key].start > layer.end}


def _topmost(free: set[Key], calls: dict[Key, Call]) -> list[Key]:
    """Without those that are made within another one of them."""
    return [key for key in free if calls[key].parent not in free]


def _within(keys: Iterable[Key], calls: dict[Key, Call]) -> dict[Key, Counter[str]]:
    """How often each module is called within each of some calls."""
    found = {key: Counter[str]() for key in keys}
    for (name, _), call in calls.items():
        outer = call.parent
        while outer is not None:
            if outer in found:
                found[outer][name] += 1
            outer = calls[outer].parent
    return found


def _can_be_spread(one: Call, two: Call) -> bool:
    """Can the output for many images be made from that for one?"""
    if len(one.shapes) != len(two.shapes) or any(is_opaque(leaf) for leaf in one.others) or one.others != two.others:
        return False
    pairs = zip(one.shapes, two.shapes, strict=True)
    return all(a == b or (a is not None and b is not None and batch_axis(a, b) is not None) for a, b in pairs)


def _axes(one: Call, two: Call) -> list[int | None]:
    return [batch_axis(a, b) if a and b else None for a, b in zip(one.shapes, two.shapes, strict=True)]
