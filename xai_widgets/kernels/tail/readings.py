"""How an output is read as maps: by what the operations around it show, and where they do not show it by probes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from torch import Tensor

from xai_widgets.kernels.tail.layouts import KINDS, Layout, is_common, layouts_of
from xai_widgets.kernels.tail.orders import FLAT, LAST, MAPS, Mark
from xai_widgets.kernels.tail.probes import placed_layout
from xai_widgets.kernels.tail.shell import Shell

if TYPE_CHECKING:
    from xai_widgets.kernels.tail.calls import Call

Shape = tuple[int, ...]
Marks = dict[str, Mark]


@dataclass(frozen=True)
class Reading:
    """What is known of an output before any probe.

    Attributes:
        leaf: which leaf of the output holds the maps.
        layouts: those that are possible, the likeliest first.
        sure: operations show which axis holds the maps.
        placed: operations show that rows and columns are in the order of the image.
        others: the first and the last output with the same order of positions, and which leaf it is.
    """

    leaf: int
    layouts: tuple[Layout, ...]
    sure: bool
    placed: bool
    others: tuple[tuple[Call, int], ...] = ()


@dataclass(frozen=True)
class Read:
    """How a layer is read: which leaf of its output, in which layout, and whether its positions are proved."""

    leaf: int
    layout: Layout
    placed: bool


def reading_of(one: Call, two: Call, image: tuple[int, int]) -> Reading | None:
    """What can be said of a call from its outputs for one and for two images of `image` (height, width)."""
    if len(one.shapes) != len(two.shapes):
        return None
    for leaf, (a, b, dtype) in enumerate(zip(one.shapes, two.shapes, one.dtypes, strict=True)):
        if a and b and dtype is not None and dtype.is_floating_point:
            marks = one.marks[leaf] if one.marks else {}
            known = reading(leaf, a, b, marks, image)
            if known is not None:
                return known
    return None


def reading(leaf: int, one: Shape, two: Shape, marks: Marks, image: tuple[int, int]) -> Reading | None:
    """What can be said of one tensor, from its shapes for one and for two images and what `Orders` knows of it."""
    layouts = layouts_of(one, two, image)
    if len(one) == 3:
        return _of_tokens(leaf, one, two, marks, layouts)
    if not layouts:
        return None
    by_kind = {MAPS: "maps", LAST: "channels_last"}
    shown = []
    for kind, mark in marks.items():
        order = mark.order.root()
        layout = next((one for one in layouts if one.kind == by_kind.get(kind)), None)
        if layout is None or mark.grid != (layout.height, layout.width):
            continue
        if order.proved:
            return Reading(leaf, (layout,), True, True)
        if order.shown:
            shown.append(Reading(leaf, (layout,), True, False, tuple(order.outputs.get(kind, ()))))
    if len(shown) == 1:
        return shown[0]
    single = [layout for layout in layouts if layout.height == layout.width == 1]
    return Reading(leaf, tuple(single or layouts), bool(single), bool(single))


def _of_tokens(leaf: int, one: Shape, two: Shape, marks: Marks, layouts: list[Layout]) -> Reading | None:
    axes = [axis for axis in (0, 1) if one[axis] == 1 and two[axis] == 2]
    if not axes or (FLAT in marks and marks[FLAT].order.root().proved):  # its positions are on the last axis
        return None
    order = marks[LAST].order.root() if LAST in marks else None
    grid = order.grids.get(one[1 - axes[0]]) if order is not None and order.proved else None
    if grid is not None:
        return Reading(leaf, (Layout("tokens", one[2], *grid, 0, axes[0]),), True, True)
    if not layouts:
        return None
    if order is None or not order.shown:
        return Reading(leaf, tuple(layouts), False, False)
    return Reading(leaf, tuple(layouts), True, False, tuple(order.outputs.get(LAST, ())))


def read(shell: Shell, one: Call, two: Call, inputs: Tensor) -> Read | None:
    """How a call's output is read, tried with probes where operations leave it open.

    None where it cannot be read, or nothing shows which axis holds the maps. Where that is sure, but the positions are
    not in the order of the image or nothing that was tried changed them, it is read all the same and is not `placed`.
    """
    known = reading_of(one, two, (inputs.shape[-2], inputs.shape[-1]))
    if known is None:
        return None
    if known.placed:
        return Read(known.leaf, known.layouts[0], True)
    tries = 1 if known.sure and known.layouts[0].kind == "maps" else 2
    for call, leaf, layouts in _where_to_try(one, known)[:tries]:
        probed = ("probed", call.key, leaf, tuple(layouts), tuple(inputs.shape[1:]), inputs.dtype, inputs.device)
        if probed not in shell.structures:
            shell.structures[probed] = placed_layout(shell, call.key, leaf, layouts, inputs)
        winner = shell.structures[probed]
        if winner is not None:
            return Read(known.leaf, known.layouts[layouts.index(winner)], True)
    likely = [layout for layout in known.layouts if is_common(layout)]
    return Read(known.leaf, likely[0], False) if known.sure and likely else None


def _where_to_try(one: Call, known: Reading) -> list[tuple[Call, int, list[Layout]]]:
    """Which outputs to try with probes.

    The first that has its positions in the same order, where little was mixed yet and little has to run. And the last,
    since the first may be that of an attention, which shows no position by itself.
    """
    own = [layout.height * layout.width > 1 for layout in known.layouts]
    tried = []
    for call, leaf in known.others:
        like = [_like(layout, call.shapes[leaf] or ()) for layout in known.layouts]
        layouts = [layout for layout in like if layout is not None]
        if len(layouts) == len(like) and own == [layout.height * layout.width > 1 for layout in layouts]:
            tried.append((call, leaf, layouts))
    return tried or [(one, known.leaf, list(known.layouts))]


def _like(layout: Layout, shape: Shape) -> Layout | None:
    """That kind of layout, for an output of another shape; None where it does not fit."""
    if layout.kind == "maps" and len(shape) == 4:
        return Layout("maps", *shape[1:])
    if layout.kind == "channels_last" and len(shape) == 4:
        return Layout("channels_last", shape[3], shape[1], shape[2])
    if layout.kind == "tokens" and len(shape) == 3:
        other = replace(layout, channels=shape[2], batch_axis=0 if shape[0] == 1 else 1)
        return other if other.shape() == shape else None
    return None


def as_told(shell: Shell, one: Call, two: Call, inputs: Tensor, layout: Any) -> Read:
    """How a call's output is read where the caller says it: a kind of layout, or a whole layout.

    Raises:
        TypeError: it is neither a name nor a `Layout`.
        ValueError: no such name, or it does not fit the output, or fits in several ways.
    """
    if not isinstance(layout, str | Layout):
        raise TypeError(f"layout must be a name or a Layout, got {type(layout).__name__}.")
    if isinstance(layout, str) and layout not in KINDS:
        raise ValueError(f"layout must be {', '.join(map(repr, KINDS))} or a Layout, got {layout!r}.")
    image = (inputs.shape[-2], inputs.shape[-1])
    for leaf, (a, b) in enumerate(zip(one.shapes, two.shapes, strict=False)):
        if not a or not b:
            continue
        fitting = layouts_of(a, b, image)
        if isinstance(layout, Layout) and layout.shape() == a:
            return Read(leaf, layout, True)
        some = [each for each in fitting if each.kind == layout]
        if len(some) > 1:
            placed = placed_layout(shell, one.key, leaf, some, inputs)
            usual = [each for each in some if is_common(each)]
            if placed is None and len(usual) == 1:
                placed = usual[0]
            if placed is None:
                ways = ", ".join(f"{each.height} x {each.width} after {each.prefix}" for each in some)
                raise ValueError(
                    f"layout {layout!r} fits layer {one.key[0]!r} in several ways ({ways} tokens without a position), "
                    "and no probe tells which; give a Layout."
                )
            return Read(leaf, placed, True)
        if some:
            return Read(leaf, some[0], True)
    given = repr(layout) if isinstance(layout, str) else f"{layout.kind!r} of {_words(layout.shape())}"
    shapes = ", ".join(_words(shape) for shape in one.shapes if shape) or "no tensor"
    raise ValueError(f"layout {given} does not fit layer {one.key[0]!r}, which returns {shapes} for one image.")


def _words(shape: Sequence[int]) -> str:
    return f"({', '.join(map(str, shape))})"
