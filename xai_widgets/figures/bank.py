"""A bank: the maps of a layer as a sheet, the largest effect first."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from xai_widgets.figures import marks
from xai_widgets.figures.layout import TALLEST_MM, Canvas, Rows
from xai_widgets.figures.style import FAINT, INK, LINE, PAD_MM, SMALL, Plan, middled, one_line, wrapped
from xai_widgets.scenes import Bank

CELL_MM, WORDS_MM, GAP = 14.0, 7.2, 0.08  # about a cell's width; its two lines; the gap between cells, as a share
WIDEST = 2.0  # of a thumbnail, in heights or widths: a longer one would leave no room for others


def paint_bank(scene: Bank, figure: Canvas, plan: Plan) -> Rows:
    """As many maps as a page holds; their number, effect, gain and role."""
    order = order_of(scene)[: most(scene, plan.width_mm)]
    columns, cell, high = _sizes(scene, plan.width_mm)
    columns = min(columns, len(order))
    lines = math.ceil(len(order) / columns)
    rows = Rows(figure.add_gridspec(1, 1))
    # The sheet keeps its cells as they are, also where a few maps fill a part of a line only.
    axes = rows.add(figure.add_subplot(rows.next), lambda _: lines * high)
    for place, index in enumerate(order):
        _cell(axes, scene, int(index), place % columns, place // columns, high / cell)
    full = max(_sizes(scene, plan.width_mm)[0], columns)
    axes.set(xlim=(-GAP / 2, full - GAP / 2), ylim=(lines * high / cell, 0), aspect="auto")
    axes.set_axis_off()
    axes.set_title(wrapped(key(scene, len(order)), plan.width_mm - 2 * PAD_MM), loc="left", color=FAINT)
    return rows


def order_of(scene: Bank) -> np.ndarray:
    """Numbers of all maps: by effect where it is known, maps that are zero everywhere at the end."""
    count = len(scene.thumbs)
    effects = scene.delta_y if len(scene.delta_y) == count else np.zeros(count, np.float32)
    order = marks.by_effect(effects)
    dead = scene.dead[order] if len(scene.dead) == count else np.zeros(count, bool)
    return np.concatenate([order[~dead], order[dead]])


def most(scene: Bank, width_mm: float) -> int:
    """How many maps a page holds."""
    columns, _, high = _sizes(scene, width_mm)
    return columns * max(int(TALLEST_MM // high), 1)


def key(scene: Bank, shown: int) -> str:
    """What the marks mean."""
    count, known = len(scene.thumbs), len(scene.delta_y) == len(scene.thumbs)
    parts = [f"{count} map{'s' * (count > 1)}" if shown == count else f"The first {shown} of {count} maps"]
    if known:
        parts[0] += ", the largest effect first" if count > 1 else ""
        parts += [f"{mark.full} {mark.words}" for mark in (marks.direction(way, scene.ways) for way in (-1, 1))]
        parts += [f"figures: {scene.change}"] if scene.ways else []
        parts += ["hollow: an estimate"] if not scene.exact.all() else []
    if marks.has_roles(scene.roles, scene.delta_y):
        parts += [f"{mark.full} {mark.words}" for mark in map(marks.role, (1, 3, 0))]
    parts += ["crossed out: muted"] if (scene.gains == 0).any() else []
    parts += ["framed: selected"] if scene.selected else []
    return " · ".join(parts)


def _sizes(scene: Bank, width_mm: float) -> tuple[int, float, float]:
    """Columns, and width and height of a cell in mm."""
    height, width = scene.thumbs.shape[1:]
    shape = min(max(height / width, 1 / WIDEST), WIDEST)
    room = width_mm - 2 * PAD_MM
    columns = max(int(room / CELL_MM), 1)
    cell = room / columns
    return columns, cell, cell * shape * (1 - GAP) + WORDS_MM


def _cell(axes: Axes, scene: Bank, index: int, column: int, line: int, high: float) -> None:
    """A thumbnail and its words; the unit is a cell's width."""
    gain = float(scene.gains[index]) if len(scene.gains) == len(scene.thumbs) else 1.0
    top, wide = line * high, 1 - GAP
    foot = top + wide * min(max(scene.thumbs.shape[1] / scene.thumbs.shape[2], 1 / WIDEST), WIDEST)
    extent = (column, column + wide, foot, top)
    axes.imshow(255 - scene.thumbs[index], cmap="gray", vmin=0, vmax=255, extent=extent, interpolation="none",
                alpha=0.35 if gain == 0 else None)  # fmt: skip
    chosen = index in scene.selected
    axes.plot([column, column + wide, column + wide, column, column], [top, top, foot, foot, top],
              color=INK if chosen else LINE, linewidth=1.2 if chosen else 0.5)  # fmt: skip
    if gain == 0:
        axes.plot([column, column + wide], [foot, top], color=INK, linewidth=0.8)
    first, second, colour = _words(scene, index)
    if index in dict(scene.names):
        first = middled(first, CELL_MM * (0.6 if gain != 1 else 0.95), 1, SMALL)
    style: dict[str, Any] = {"fontsize": SMALL, "va": "top", "textcoords": "offset points"}
    axes.annotate(first, (column, foot), xytext=(0, -2), **style)
    axes.annotate(second, (column, foot), xytext=(0, -2 - 1.35 * SMALL), color=colour, **style)
    if gain != 1:
        text = f"×{gain:.2g}"
        axes.annotate(text, (column + wide, foot), xytext=(0, -2), ha="right", **style)


def _words(scene: Bank, index: int) -> tuple[str, str, str]:
    """The number with its role and its name; the effect with its direction; the colour of the latter."""
    name = dict(scene.names).get(index, "")
    called = f" {one_line(name)}" if name else ""
    if len(scene.dead) == len(scene.thumbs) and scene.dead[index]:
        return f"{index}{called}", "dead", FAINT
    if len(scene.delta_y) != len(scene.thumbs):
        return f"{index}{called}", "", INK
    change = float(scene.delta_y[index])
    exact = bool(scene.exact[index])
    mark = marks.direction(change)
    said = ""
    if marks.has_roles(scene.roles, scene.delta_y):
        role = marks.role(int(scene.roles[index]))
        said = f" {role.full if exact else role.hollow}"
    return f"{index}{said}{called}", f"{mark.full if exact else mark.hollow} {effect(change, scene)}", mark.colour


def effect(change: float, scene: Bank) -> str:
    """Delta y with so many decimals that the largest shows three digits; all share them, so that they compare."""
    largest = float(np.nanmax(np.abs(scene.delta_y), initial=0))
    decimals = min(max(2 - math.floor(math.log10(largest)), 0), 9) if 0 < largest < math.inf else 2
    if decimals > 5 or largest >= 1e5 or 0 < abs(change) < 0.5 * 10.0**-decimals:
        return f"{change:+.0e}".replace("-", "−")
    return f"{change:+.{decimals}f}".replace("-", "−")
