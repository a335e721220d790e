"""A plane: what the removal of each map changes, the score against the error."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from xai_widgets.figures import marks
from xai_widgets.figures.layout import Canvas, Rows
from xai_widgets.figures.style import FAINT, INK, PAD_MM, SMALL, Plan, one_line, shortened, width_of
from xai_widgets.scenes import CROSSED, Plane

SHAPE = 0.72  # height over width
WIDEST_MM = 120.0  # of the plot: a wider page leaves it no wider
ACROSS, UP = (0.38, 1.05), (0.25, 1.25)  # the share of an axis that each side of zero keeps, for names; a margin
EMPTY = np.zeros(0, np.float32)
KEY_MM = 8.0  # of an entry of the key, beside its words
LABEL_LINES = 2
MOST_NAMED = 40  # points whose names are written
CORNERS = ((1, 0, 1), (2, 1, 1), (3, 0, 0), (4, 1, 0))  # role; left or right, bottom or top


def paint_plane(scene: Plane, figure: Canvas, plan: Plan) -> Rows:
    """Points with four named quadrants, or by rank where the error is not known; below them what the marks mean."""
    rows = Rows(figure.add_gridspec(2, 1))
    axes = rows.add(figure.add_subplot(rows.next), lambda mm: SHAPE * min(mm, WIDEST_MM))
    axes.axhline(0, color=FAINT, linewidth=0.6, zorder=1)
    across, up = points(scene)
    wide, tall = _with_ends(scene, across, up)
    axes.set(ylim=_reach(tall, *UP), xlim=_reach(wide, *ACROSS) if has_error(scene) else (0, len(across) + 1))
    if has_error(scene):
        axes.axvline(0, color=FAINT, linewidth=0.6, zorder=1)
        _name_quadrants(axes, scene, plan)
    _crosses(axes, scene, across, up)
    _scatter(axes, scene, across, up)
    _name_points(axes, scene, across, up, plan)
    axes.set_xlabel(shortened(scene.across, plan.width_mm * 0.75, LABEL_LINES))
    axes.set_ylabel(shortened(scene.up, min(plan.width_mm, WIDEST_MM) * SHAPE * 0.8, LABEL_LINES))
    axes.spines[["top", "right"]].set_visible(False)
    axes.locator_params(nbins=6)
    _key(rows, figure, scene, plan)
    return rows


def has_error(scene: Plane) -> bool:
    """Whether the error is known, so that there are quadrants."""
    return len(scene.delta_error) == len(scene.delta_y)


def points(scene: Plane) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Across and up: against the error, or by rank from what raises to what lowers."""
    change = scene.delta_y.astype(np.float64)
    if has_error(scene):
        return change, scene.delta_error.astype(np.float64)
    ranks = np.empty(len(change))
    ranks[np.argsort(change, kind="stable")] = np.arange(1, len(change) + 1)
    return ranks, change


def mark_of(scene: Plane, index: int) -> marks.Mark:
    """Its role; its direction where roles are not known, and of P - Q: how high it stands says the error."""
    if marks.has_roles(scene.roles, scene.delta_y) and not scene.ways:
        return marks.role(int(scene.roles[index]))
    return marks.direction(float(scene.delta_y[index]), scene.ways)


def _reach(values: NDArray[np.float64], least: float, margin: float) -> tuple[float, float]:
    """A range around zero that holds all values, with a margin."""
    known = values[np.isfinite(values)]
    low, high = min(known.min(initial=0), 0), max(known.max(initial=0), 0)
    if low == high:
        return -1.0, 1.0
    side = least / (1 - least) * max(-low, high)
    return margin * min(low, -side), margin * max(high, side)


def crossed(scene: Plane) -> list[int]:
    """The maps whose intervals are drawn: all of few, else those that are selected."""
    count = len(scene.delta_y)
    if scene.of != "set":
        return []
    return list(range(count)) if count <= CROSSED else [index for index in scene.selected if 0 <= index < count]


def _ends(scene: Plane) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """The ends of the intervals across and up; empty where there are none."""
    across, up = (scene.delta_y_low, scene.delta_y_high), (scene.delta_error_low, scene.delta_error_high)
    return [across, up] if has_error(scene) else [(EMPTY, EMPTY), across]


def _with_ends(
    scene: Plane, across: NDArray[np.float64], up: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """All that both axes hold: the points, and the intervals that are drawn."""
    some = crossed(scene)
    wide, tall = ([end[some] for end in ends if len(end)] for ends in _ends(scene))
    return np.concatenate([across, *wide]), np.concatenate([up, *tall])


def _crosses(axes: Axes, scene: Plane, across: NDArray[np.float64], up: NDArray[np.float64]) -> None:
    """The intervals of medians, thin, in the colour of the map."""
    some = crossed(scene)
    colours = [mark_of(scene, index).colour for index in some]
    (left, right), (low, high) = _ends(scene)
    if len(left):
        axes.hlines(up[some], left[some], right[some], colors=colours, linewidth=0.5, alpha=0.55, zorder=2)
    if len(low):
        axes.vlines(across[some], low[some], high[some], colors=colours, linewidth=0.5, alpha=0.55, zorder=2)


def _scatter(axes: Axes, scene: Plane, across: NDArray[np.float64], up: NDArray[np.float64]) -> None:
    """One collection a mark: full points were computed, hollow ones are estimates; selected ones are ringed."""
    size = 8 if len(across) > 400 else 16
    all_marks = [mark_of(scene, index) for index in range(len(across))]
    for mark in dict.fromkeys(all_marks):
        for exact in (False, True):
            some = [i for i, other in enumerate(all_marks) if other == mark and bool(scene.exact[i]) == exact]
            fill = mark.colour if exact else "none"
            axes.scatter(across[some], up[some], size, marker=mark.marker, facecolors=fill, edgecolors=mark.colour,
                         linewidths=0.7, alpha=0.8, zorder=3)  # fmt: skip
    chosen = [index for index in scene.selected if 0 <= index < len(across)]
    axes.scatter(across[chosen], up[chosen], 4 * size, marker="o", facecolors="none", edgecolors=INK, linewidths=0.9,
                 zorder=4)  # fmt: skip


def _name_points(axes: Axes, scene: Plane, across: NDArray[np.float64], up: NDArray[np.float64], plan: Plan) -> None:
    """The names that the reader gave, each beside its point."""
    for index, name in scene.names[:MOST_NAMED]:
        if index < len(across) and np.isfinite(across[index] + up[index]):
            words = shortened(one_line(name), plan.width_mm * 0.2, 1, SMALL)
            axes.annotate(words, (across[index], up[index]), xytext=(4, 3), textcoords="offset points", fontsize=SMALL,
                          zorder=5)  # fmt: skip


def _name_quadrants(axes: Axes, scene: Plane, plan: Plan) -> None:
    """The role of each quadrant in its corner, on a tint of helpful or harmful."""
    for role, right, top in CORNERS:
        if role >= len(scene.role_words):
            continue
        mark = marks.direction(1 if right else -1, scene.ways) if scene.ways else marks.role(role)
        (left, zero), (low, high) = _half(axes.get_xlim(), upper=bool(right)), _half(axes.get_ylim(), upper=bool(top))
        axes.fill_between([left, zero], low, high, color=mark.colour, alpha=0.06, linewidth=0, zorder=0)
        counted = f"{scene.counts[role]}: {scene.role_words[role]}" if scene.counts else scene.role_words[role]
        words = shortened(counted.replace(", ", ",\n", 1), plan.width_mm * 0.25, 2, SMALL)
        axes.annotate(words, (right, top), xycoords="axes fraction", xytext=(3 - 6 * right, 3 - 6 * top),
                      textcoords="offset points", ha="right" if right else "left", va="top" if top else "bottom",
                      color=mark.colour, fontsize=SMALL, zorder=2)  # fmt: skip


def _half(limits: tuple[float, float], *, upper: bool) -> tuple[float, float]:
    """The part of an axis on one side of zero."""
    return (0.0, limits[1]) if upper else (limits[0], 0.0)


def _key(rows: Rows, figure: Canvas, scene: Plane, plan: Plan) -> None:
    """The marks that occur, in one or more lines."""
    kinds = sorted({mark_of(scene, index) for index in range(len(scene.delta_y))}, key=marks.place)
    entries = [(mark.words, mark, True) for mark in kinds]
    if not scene.exact.all():
        entries.append(("hollow: an estimate", kinds[0], False))
    handles = [
        Line2D([], [], linestyle="none", marker=mark.marker, markersize=4, markeredgecolor=mark.colour,
               markerfacecolor=mark.colour if full else "none", markeredgewidth=0.7)
        for _, mark, full in entries
    ]  # fmt: skip
    if scene.selected:
        entries.append(("selected", marks.role(0), False))
        handles.append(
            Line2D([], [], linestyle="none", marker="o", markersize=6, markeredgecolor=INK, markerfacecolor="none")
        )
    room = plan.width_mm - 4 * PAD_MM
    columns = max(min(len(entries), int(room / (max(width_of(words) for words, _, _ in entries) + KEY_MM))), 1)
    lines = -(-len(entries) // columns)
    axes = rows.add(figure.add_subplot(rows.next), lambda _: 4.0 * lines)
    axes.set_axis_off()
    key = axes.legend(handles, [words for words, _, _ in entries], ncols=columns, loc="center", borderaxespad=0,
                      columnspacing=1.2, handlelength=1.2)  # fmt: skip
    key.set_in_layout(False)  # its row is as high as it, and it must not narrow the plot
