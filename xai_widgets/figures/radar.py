"""A radar: five measures as a polar plot, and the same numbers as dots with their intervals."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.projections.polar import PolarAxes
from matplotlib.transforms import blended_transform_factory

from xai_widgets.figures.colours import SERIES
from xai_widgets.figures.layout import Canvas, Rows
from xai_widgets.figures.style import FAINT, LINE, PAD_MM, SMALL, Plan, one_line, shortened
from xai_widgets.scenes import Radar, Series

MARKERS = ("o", "D", "s", "^", "X", "P")
STYLES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)))
OF_SETS = 100  # from this number on, looks of the set and of some of its images
SETS: tuple[tuple[str, str, Any], ...] = (("#7a6fd0", "p", "-"), ("#2b9eb3", "*", "--"))
LABEL_MM, TEXT_MM = 22.0, 30.0  # the most that a label and a number take before they break
NARROW_MM = 120.0  # below it the plots stand one above the other
TICKS = (0, 0.25, 0.5, 0.75, 1)


def paint_radar(scene: Radar, figure: Canvas, plan: Plan) -> Rows:
    """Both plots side by side, or one above the other; below them which line is which."""
    narrow = plan.width_mm < NARROW_MM
    several = len(shown(scene)) > 1
    grid = figure.add_gridspec(1 + narrow + several, 1 if narrow else 2)
    rows = Rows(grid)
    polar = figure.add_subplot(grid[0, 0], projection="polar")
    assert isinstance(polar, PolarAxes)
    rows.add(polar, lambda mm: min(mm - 8.0, 62.0))
    dots = figure.add_subplot(grid[1, 0] if narrow else grid[0, 1])
    if narrow:
        rows.add(dots, lambda _: 9.0 * len(scene.axes))
    _paint_polar(polar, scene, plan)
    _paint_dots(dots, scene, plan)
    if several:
        _key(rows, figure, scene, plan)
    return rows


def shown(scene: Radar) -> list[tuple[int, Series]]:
    """All series with the number of their look: those of sets have looks of their own."""
    return [*enumerate(scene.series), *((OF_SETS + place, one) for place, one in enumerate(scene.sets))]


def drawn(scene: Radar, one: Series, values: tuple[float, ...]) -> np.ndarray:
    """Where values stand on their axes: a negative one at 0, as a share of the best where that was asked."""
    known = np.clip(np.array(values or [math.nan] * len(scene.axes), float), 0, None)
    if not scene.relative:
        return known
    best = np.array([max((v[i] for v in _all(scene) if v[i] > 0), default=math.nan) for i in range(len(scene.axes))])
    return known / best


def _all(scene: Radar) -> list[tuple[float, ...]]:
    return [one.values for _, one in shown(scene)]


def labels(scene: Radar, plan: Plan) -> list[str]:
    """The names of the axes, with "n/a" where no series has a value."""
    room = min(LABEL_MM, 0.22 * plan.width_mm)
    known = [any(math.isfinite(values[place]) for values in _all(scene)) for place in range(len(scene.axes))]
    names = [shortened(axis.label, room, 3) for axis in scene.axes]
    return [name if there else f"{name}\nn/a" for name, there in zip(names, known, strict=True)]


def _paint_polar(axes: PolarAxes, scene: Radar, plan: Plan) -> None:
    axes.set_theta_zero_location("N")
    axes.set_theta_direction(-1)
    angles = np.arange(len(scene.axes)) * 2 * np.pi / len(scene.axes)
    for number, one in shown(scene):
        colour, marker, style = look(number)
        values = drawn(scene, one, one.values)
        _band(axes, angles, drawn(scene, one, one.low), drawn(scene, one, one.high), colour)
        around = np.append(values, values[0])
        axes.plot(np.append(angles, angles[0]), around, color=colour, marker=marker, linestyle=style, markersize=3.5,
                  linewidth=1.2, clip_on=False)  # fmt: skip
        if number == 0 and np.isfinite(around).all():  # a gap would be closed by the filling
            axes.fill(angles, values, color=colour, alpha=0.12, linewidth=0)
    axes.set_ylim(0, 1)
    axes.set_yticks(TICKS[1:], ["", "0.5", "", "1"], fontsize=SMALL, color=FAINT)
    axes.set_rlabel_position(180 / len(scene.axes))
    axes.set_xticks(angles, labels(scene, plan))
    axes.tick_params(axis="x", pad=0)
    for label, across in zip(axes.get_xticklabels(), np.sin(angles).round(3), strict=True):
        label.set_horizontalalignment("left" if across > 0 else "right" if across < 0 else "center")
    axes.grid(color=LINE, linewidth=0.6)
    axes.spines["polar"].set_color(LINE)


def _band(axes: PolarAxes, angles: np.ndarray, low: np.ndarray, high: np.ndarray, colour: str) -> None:
    """The intervals of neighbouring axes as a band between them."""
    for place in range(len(angles)):
        two = [place, (place + 1) % len(angles)]
        ends = [*low[two], *high[two[::-1]]]
        if np.isfinite(ends).all():
            axes.fill(angles[[*two, *two[::-1]]], ends, color=colour, alpha=0.2, linewidth=0, zorder=1)


def _paint_dots(axes: Axes, scene: Radar, plan: Plan) -> None:
    """A line an axis; series a little apart, so that intervals do not lie on each other."""
    places = np.arange(len(scene.axes), dtype=float)
    every = shown(scene)
    for place, (number, one) in enumerate(every):
        colour, marker, _ = look(number)
        values, low, high = (drawn(scene, one, ends) for ends in (one.values, one.low, one.high))
        at = places + (place - (len(every) - 1) / 2) * 0.13
        axes.plot(values, at, color=colour, marker=marker, linestyle="none", markersize=4, clip_on=False, zorder=3)
        axes.hlines(at, low, high, color=colour, linewidth=1.0, zorder=2)
    axes.set(xlim=(-0.005, 1.005), ylim=(len(scene.axes) - 0.5, -0.5))
    axes.set_xticks(TICKS, ["0", "", "0.5", "", "1"])
    axes.set_yticks(places, labels(scene, plan))
    axes.set_xlabel("share of the best shown" if scene.relative else "higher is better")
    axes.grid(axis="x", color=LINE, linewidth=0.6)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    if len(every) == 1 and scene.series[0].texts:
        twin = axes.secondary_yaxis("right")
        twin.set_yticks(
            places, [shortened(text, min(TEXT_MM, 0.35 * plan.width_mm), 2) for text in scene.series[0].texts]
        )
        twin.spines[:].set_visible(False)
        twin.tick_params(length=0)


def look(number: int) -> tuple[str, str, Any]:
    """Colour, marker and line of a series."""
    if number >= OF_SETS:
        return SETS[number - OF_SETS]
    return SERIES[number % len(SERIES)], MARKERS[number % len(MARKERS)], STYLES[number % len(STYLES)]


def _key(rows: Rows, figure: Canvas, scene: Radar, plan: Plan) -> None:
    """Names of the series, one a line: they are long."""
    names = [shortened(one_line(one.name), plan.width_mm - 4 * PAD_MM - 12, 4) for _, one in shown(scene)]
    lines = sum(name.count("\n") + 1 for name in names)
    handles = []
    for number, _ in shown(scene):
        colour, marker, style = look(number)
        handles.append(Line2D([], [], color=colour, marker=marker, linestyle=style, markersize=3.5, linewidth=1.2))
    axes = rows.add(figure.add_subplot(rows.next), lambda _: 3.6 * lines)
    axes.set_axis_off()
    at_left = blended_transform_factory(figure.transSubfigure, axes.transAxes)
    key = axes.legend(handles, [f"{number}" for number in range(len(names))], loc="center left", borderaxespad=0,
                      handlelength=3, bbox_to_anchor=(2 * PAD_MM / plan.width_mm, 0.5),
                      bbox_transform=at_left)  # fmt: skip
    key.set_in_layout(False)  # its row is as high as it, and it must not narrow the plots
    for text, name in zip(key.get_texts(), names, strict=True):
        text.set_text(name)  # given at once, a name that begins with "_" would be left out
