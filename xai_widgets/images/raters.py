"""Rows of a table that are one image each time, as a rating of each rater: taken together."""

from __future__ import annotations

import math
from collections.abc import Hashable
from statistics import fmean, stdev
from typing import TYPE_CHECKING

from xai_widgets.images.cells import is_missing, number, shown

if TYPE_CHECKING:
    from xai_widgets.images.listing import Listing, Row

SAME = ("label", "human_map", "split", "reference")


def together(found: Listing, bounds: tuple[float, float] | None) -> None:
    """One row an image, with the mean of its ratings, their standard deviation and their number.

    Rows are left as they are where an image has other things than ratings that differ, or not one usable rating. What
    differs in further columns is not kept.
    """
    groups: dict[str, list[Row]] = {}
    for row in found.rows:
        groups.setdefault(row.name, []).append(row)
    merged = {name: one for name, some in groups.items() if len(some) > 1 and (one := _merged(some, found, bounds))}
    if not merged:
        return
    count = sum(len(groups[name]) for name in merged)
    found.rows = [
        merged.get(name, row) for name, some in groups.items() for row in some[: 1 if name in merged else None]
    ]
    images = "1 image" if len(merged) == 1 else f"{len(merged):,} images"
    found.said.append(
        f"{count:,} rows are of {images}, several of one: the rating of an image is the mean of its rows, with their "
        "standard deviation and number. A table with one row an image says otherwise."
    )


def _merged(rows: list[Row], found: Listing, bounds: tuple[float, float] | None) -> Row | None:
    first = rows[0]
    if any(_mark(getattr(row, what)) != _mark(getattr(first, what)) for row in rows for what in SAME):
        return None
    values = {row.place: number(row.rating) for row in rows}
    low, high = bounds or (-math.inf, math.inf)
    usable = [value for value in values.values() if value is not None and low <= value <= high]
    if not usable:
        return None
    for row in rows:
        value = values[row.place]
        if not is_missing(row.rating) and (value is None or not low <= value <= high):
            said = f"The rating of {row.name!r} in {row.place} is left out of its mean, got {shown(row.rating)}."
            found.complain(f"{row.name} ({row.place})", said, "rating")
    first.rating, first.raters = fmean(usable), len(usable)
    first.rating_sd = stdev(usable) if len(usable) > 1 else None
    same = {key for key, value in first.extra.items() if all(_mark(row.extra.get(key)) == _mark(value) for row in rows)}
    first.extra = {key: value if key in same else None for key, value in first.extra.items()}
    return first


def _mark(value: object) -> Hashable:
    """What two equal values share, missing ones too."""
    return "" if is_missing(value) else str(value)
