"""Lines over a photo: around places of a grid, each dark on white, so that they are seen over any colour; their key."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from numpy.typing import NDArray

from xai_widgets.figures.colours import found
from xai_widgets.figures.layout import write
from xai_widgets.figures.style import FAINT, line_mm, wrapped

POINTS = 0.53  # of a CSS pixel of the stage
WHITE = 2.0  # CSS pixels of white beside a line, both sides together
WIDE_MM, THINNEST = 40.0, 0.65  # photos that are narrower have thinner lines, down to this share
ABOVE = 4  # all pictures
SAMPLE_MM = 7.0  # of a line, in its key


@dataclass(frozen=True)
class Stroke:
    """How a line is drawn, in CSS pixels of the stage."""

    colour: str
    thick: float
    dash: tuple[float, ...] = ()


@dataclass(frozen=True)
class Line:
    """A line around places of a grid.

    Attributes:
        inside: (h w) bool, the places.
        box: what the grid covers of the photo.
        stroke: how it is drawn.
    """

    inside: NDArray[np.bool_]
    box: tuple[float, ...]
    stroke: Stroke


@dataclass(frozen=True)
class Sign:
    """A line in a key, with what it means; words alone where there is no line."""

    words: str
    stroke: Stroke | None = None


@cache
def strokes() -> dict[str, Stroke]:
    """By what they are around: region, acts, top; of contours mine and its."""
    read = json.loads(found("stage/outlines.js", r"STROKES = (\{.*?\});"))
    return {name: Stroke(colour, thick, tuple(dash)) for name, (colour, thick, dash) in read.items()}


@cache
def thickness() -> tuple[float, ...]:
    """Of contours, by the shares that they are around, in CSS pixels."""
    return tuple(json.loads(found("stage/outlines.js", r"THICK = (\[.*?\]);")))


def paint_lines(axes: Axes, lines: Sequence[Line], size: tuple[int, int], width_mm: float) -> None:
    """One over the other.

    Args:
        size: width and height of the photo, in units of the axes.
        width_mm: of the photo on paper: lines over a small one are thinner.
    """
    thinner = min(max(width_mm / WIDE_MM, THINNEST), 1.0)
    for line in lines:
        rows, columns = line.inside.shape
        left, top, right, bottom = (at * size[i % 2] for i, at in enumerate(line.box))
        cell = [(right - left) / columns, (bottom - top) / rows]
        draw(axes, [loop * cell + [left, top] for loop in loops(line.inside)], line.stroke, thinner)


def draw(axes: Axes, paths: Sequence[NDArray[np.float64]], stroke: Stroke, thinner: float = 1.0) -> None:
    """Paths (n 2) in a colour, on white."""
    dashes = (0, tuple(part / stroke.thick for part in stroke.dash)) if stroke.dash else "solid"
    for colour, thick, style in (("white", stroke.thick + WHITE, "solid"), (stroke.colour, stroke.thick, dashes)):
        made = LineCollection(
            paths, colors=colour, linewidths=POINTS * thinner * thick, linestyles=style, joinstyle="round"
        )
        axes.add_collection(made, autolim=False).set_zorder(ABOVE)


def loops(region: NDArray[np.bool_]) -> list[NDArray[np.float64]]:
    """Closed ways (n 2) around the places of a region (h w), in cells (x, y), so that dashes go on around corners."""
    padded = np.pad(region.astype(np.int8), 1)
    onward: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for changes, (dx, dy), forward in (
        (np.diff(padded[1:-1], axis=1), (0, 1), -1),  # sides of cells that go up and down
        (np.diff(padded[:, 1:-1], axis=0), (1, 0), 1),
    ):
        for y, x in np.argwhere(changes).tolist():
            ends = (x, y), (x + dx, y + dy)
            start, end = ends if changes[y, x] == forward else ends[::-1]  # inside is on the right
            onward.setdefault(start, []).append(end)
    made: list[NDArray[np.float64]] = []
    while onward:
        way = [next(iter(onward))]
        while len(way) == 1 or way[-1] != way[0]:
            further = onward[way[-1]]
            way.append(further.pop())
            if not further:
                del onward[way[-2]]
        made.append(np.array(way, np.float64))
    return made


# ---------------------------------------------------------------------- the key


def lines_of_key(signs: Sequence[Sign], width: float, size: float) -> list[str]:
    """The words of each sign as they are broken into lines."""
    return [wrapped(sign.words, width - (SAMPLE_MM + 1.0 if sign.stroke else 0.0), size) for sign in signs]


def key_mm(signs: Sequence[Sign], width: float, size: float) -> float:
    """How high a key is."""
    return sum(text.count("\n") + 1 for text in lines_of_key(signs, width, size)) * line_mm(size)


def paint_signs(host: Axes, signs: Sequence[Sign], at: tuple[float, float, float], size: float) -> None:
    """Below each other.

    Args:
        host: axes in mm.
        at: left and upper edge, and width.
    """
    left, y, width = at
    for sign, text in zip(signs, lines_of_key(signs, width, size), strict=True):
        x = left
        if sign.stroke is not None:
            middle = y + 0.45 * line_mm(size)
            draw(host, [np.array([[left, middle], [left + SAMPLE_MM, middle]])], sign.stroke)
            x += SAMPLE_MM + 1.0
        write(host, text, x, y, size, color=FAINT)
        y += (text.count("\n") + 1) * line_mm(size)
