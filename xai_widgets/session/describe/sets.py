"""The measures of many images on the radar: means with intervals, and the images that pull an axis down."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from xai_widgets.engine.over_images import Averages, Interval
from xai_widgets.scenes import Detail, Series, Table
from xai_widgets.session.describe.words import fixed
from xai_widgets.session.filters import QUARTER

if TYPE_CHECKING:
    from xai_widgets.session.session import Session

MOST_LISTED = 5  # images that pull an axis down


def of_sets(session: Session, axes: tuple[str, ...]) -> tuple[Series, ...]:
    """A series for the whole set and one for some of its images, where their means are there."""
    named = ((session.set_means, "the set"), (session.some_means, some_words(session)))
    return tuple(_series(found, name, axes) for found, name in named if found is not None and found.images)


def some_words(session: Session) -> str:
    """What some images of the set are: chosen together, or left by the filters."""
    return "selection" if session.selected_images else "shown images"


def _series(found: Averages, name: str, axes: tuple[str, ...]) -> Series:
    known = [found.intervals.get(axis) for axis in axes]

    def row(end: str) -> tuple[float, ...]:
        return tuple(math.nan if one is None else float(getattr(one, end)) for one in known)

    said = [_in_words(one) for one in known]
    return Series(
        name=f"{name} (n = {found.images:,})",
        values=row("mean"),
        low=row("low"),
        high=row("high"),
        texts=tuple(text for text, _ in said),
        more=tuple(further for _, further in said),
    )


def _in_words(one: Interval | None) -> tuple[str, str]:
    """A mean with its interval, and its standard deviation with the number of images."""
    if one is None or not math.isfinite(one.mean):
        return "n/a", ""
    interval = f" [{fixed(one.low, 3)}, {fixed(one.high, 3)}]" if math.isfinite(one.low) else ""
    spread = f"SD {fixed(one.std, 3)}, " if math.isfinite(one.std) else ""
    return f"{fixed(one.mean, 3)}{interval}", f"{spread}n = {one.n:,}"


def set_note(session: Session) -> str:
    """Of which images the means are, where they come from, and what their intervals are; empty where there are none."""
    answers, found, some = session.of_set, session.set_means, session.some_means
    if answers is None or found is None or not found.images:
        return ""
    there = found.images + len(answers.failed)
    of_all = "" if there >= answers.total else f" of {answers.total:,}"
    source = f", from {answers.source}" if answers.source else ""
    said = [f"The set: {found.images:,} images{of_all}{source}; means with 95 % bootstrap intervals over images."]
    if answers.measured:
        said.append(f"Measured of the set: {answers.measured}.")
    stability = found.intervals.get("stability")
    if stability is not None and math.isfinite(stability.low):
        said.append("The interval of stability is over images alone, not over runs.")
    if some is not None and some.images < some.asked:
        asked = f"{some.asked:,} {'selected' if session.selected_images else 'shown'} images"
        said.append(f"{some.images:,} of the {asked} {'is' if some.images == 1 else 'are'} measured.")
    return " ".join(said)


def pull(session: Session, axis: str, detail: Detail) -> dict[str, Any]:
    """What is added to an axis that is open: its lowest images, and what shows the lowest quarter in the gallery."""
    name = session.columns_of_images.of_set(axis)
    if session.of_set is None or not name or session.of_set.columns[axis].group != "measures":
        return {}
    values = session.columns_of_images[name].values
    known = np.flatnonzero(~np.isnan(values))
    if len(known) < 2:
        return {}
    lowest = known[np.argsort(values[known], kind="stable")][:MOST_LISTED]
    names = session.images.names
    rows = tuple((names[place], fixed(float(values[place]), 3)) for place in lowest)
    count = int((values[known] <= np.sort(values[known])[math.ceil(QUARTER * len(known)) - 1]).sum())
    shown = of_sets(session, (axis,))
    means = tuple((one.name, one.texts[0], one.more[0]) for one in shown)
    tables = [Table(head=("mean of images", detail.label, ""), rows=means)] if means else []
    return {
        "tables": (*detail.tables, *tables, Table(head=("lowest of the set", detail.label), rows=rows)),
        "pull": f"show the {count:,} images that pull it down",
        "pulled": any(one.column == name and one.lowest == QUARTER for one in session.filters),
    }
