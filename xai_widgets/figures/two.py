"""Two maps over one photo, as the stage compares them: on one grid, A - B, top shares, relative risks, correlation."""

from __future__ import annotations

import json
import math
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from xai_widgets.figures.colours import found
from xai_widgets.figures.style import number
from xai_widgets.scenes import Layer

SAME = 1e-6  # of the full colour: maps that differ by less are the same


class Pair(NamedTuple):
    """Two maps (h w) on one grid; NaN outside of the second."""

    a: NDArray[np.float32]
    b: NDArray[np.float32]


@cache
def tops() -> tuple[float, ...]:
    """The shares of the largest values that contours are around."""
    return tuple(json.loads(found("stage/two.js", r"TOPS = (\[.*?\]);")))


@cache
def alike() -> float:
    """The correlation from which one map says little that the other does not."""
    return float(found("stage/two.js", r"ALIKE = ([\d.]+);"))


def on_one_grid(a: Layer, b: Layer) -> Pair:
    """Both maps on the finer of their grids, over what the first one covers."""
    rows, columns = (max(sides) for sides in zip(a.values.shape, b.values.shape, strict=True))
    return Pair(*(_sampled(one, a.box, rows, columns) for one in (a, b)))


def _sampled(layer: Layer, box: tuple[float, float, float, float], rows: int, columns: int) -> NDArray[np.float32]:
    """A map at the middles of a grid over a part of the photo: its values, times its saturation where it has one."""
    x = _places(box[0], box[2], columns, layer.box[0], layer.box[2])
    y = _places(box[1], box[3], rows, layer.box[1], layer.box[3])
    with np.errstate(invalid="ignore"):
        weight = _between(layer.values, x, y)
        if layer.strength is not None:
            weight = weight * _between(layer.strength, x, y)
    known = ((y >= 0) & (y <= 1))[:, None] & ((x >= 0) & (x <= 1))
    return np.where(known, weight, np.nan).astype(np.float32)


def _places(low: float, high: float, count: int, start: float, end: float) -> NDArray[np.float64]:
    """The middles of so many cells from low to high, as shares of the way from start to end."""
    return (low + (np.arange(count) + 0.5) / count * (high - low) - start) / (end - start)


def _between(values: NDArray[np.float32], x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values (h w) at places from 0 to 1, bilinear between the middles of cells."""
    whole = values.astype(np.float64)
    for axis, at in ((0, y), (1, x)):
        last = values.shape[axis] - 1
        place = np.clip(at * values.shape[axis] - 0.5, 0, last)
        below = np.floor(place).astype(int)
        part = (place - below).reshape((-1, 1) if axis == 0 else (1, -1))
        above = np.minimum(below + 1, last)
        whole = whole.take(below, axis) * (1 - part) + whole.take(above, axis) * part
    return whole


def difference(a: Layer, b: Layer, names: tuple[str, str]) -> Layer:
    """A - B as a map of its own: of one unit as the values are, else each in shares of its own full colour.

    Args:
        names: of both, for the legend.
    """
    pair, same = on_one_grid(a, b), bool(a.unit) and a.unit == b.unit
    whole, other = (1.0, 1.0) if same else (a.limit or 1.0, b.limit or 1.0)
    values = (pair.a.astype(np.float64) / whole - pair.b.astype(np.float64) / other).astype(np.float32)
    limit = max(a.limit, b.limit) if same else 1.0
    rows, columns = values.shape
    with np.errstate(invalid="ignore"):
        differs = bool((np.abs(values) > SAME * limit).any())
    return Layer(
        values=values,
        limit=limit,
        box=a.box,
        title=f"{names[0]} minus {names[1]}",
        low=f"more in {names[1]}",
        high=f"more in {names[0]}",
        unit=a.unit if same else "share of the full colour",
        note=f"Both as they are, full colour at ±{number(limit, signed=False)} ({a.unit})."
        if same
        else "Each in shares of its own full colour, full colour where they differ by all of it.",
        degenerate="" if differs else "The two maps are the same.",
        grid=f"{rows} × {columns} values",
    )


def correlation(pair: Pair) -> float:
    """Pearson's r over the places where both are; NaN where one is constant."""
    both = np.isfinite(pair.a) & np.isfinite(pair.b)
    if not both.any():
        return math.nan
    a, b = (one[both].astype(np.float64) for one in pair)
    a, b = a - a.mean(), b - b.mean()
    size = float((a * a).sum()) * float((b * b).sum())
    return float((a * b).sum()) / math.sqrt(size) if size > 0 else math.nan


def top_share(values: NDArray[np.float32], share: float) -> NDArray[np.bool_]:
    """A mask (h w) of at most that share of the places, those of the largest values, all above 0.

    A group of equal values that does not fit is left out whole, and a constant map has none.
    """
    known = np.sort(values[np.isfinite(values)])[::-1]
    kept = round(share * len(known))
    if not len(known) or known[0] == known[-1]:
        return np.zeros(values.shape, bool)
    bound = max(float(known[kept]), 0.0) if kept < len(known) else 0.0
    with np.errstate(invalid="ignore"):
        return np.asarray(values > bound)


def relative_risk(found_in: NDArray[np.bool_], given: NDArray[np.bool_]) -> float:
    """How much more often the places of `given` are those of the first mask than other places are."""
    inside, hit, missed = int(given.sum()), int((found_in & given).sum()), int((found_in & ~given).sum())
    if not inside or inside == given.size:
        return math.nan
    there, elsewhere = hit / inside, missed / (given.size - inside)
    return there / elsewhere if elsewhere else math.inf if there else math.nan


def risks(pair: Pair) -> tuple[list[float], list[float]]:
    """Of each top share the relative risk of the first map given the second, and the other way."""
    both = [(top_share(pair.a, share), top_share(pair.b, share)) for share in tops()]
    return [relative_risk(a, b) for a, b in both], [relative_risk(b, a) for a, b in both]
