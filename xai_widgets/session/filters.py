"""Which images are shown: filters by the columns of the set, and means over what they leave; a part of `Session`."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from numbers import Real
from threading import RLock
from typing import Any

import numpy as np
from traitlets import Instance, observe
from traitlets import Tuple as TupleTrait

from xai_widgets.engine import Lane
from xai_widgets.engine.over_images import Averages, averages
from xai_widgets.engine.query import one_of, plain
from xai_widgets.engine.set_answers import Column, SetAnswers
from xai_widgets.images import ImageSet
from xai_widgets.session.columns import Columns, is_number
from xai_widgets.session.one_change import OneChange
from xai_widgets.session.requests import Requests

QUARTER = 0.25
IMAGES = "image"  # the column of names, by which some images are shown alone


@dataclass(frozen=True)
class Filter:
    """Which values of a column are shown; an image without a value is not, unless "" is one of the values.

    Attributes:
        column: its name; "image" for some images by name.
        low: the least number, or None.
        high: the largest number, or None.
        values: words, of a column of words; none of a column of numbers.
        lowest: the share of images, of those with a value, that have the lowest ones; equal ones are shown together.
    """

    column: str
    low: float | None = None
    high: float | None = None
    values: tuple[str, ...] = ()
    lowest: float | None = None

    def keeps(self, column: Column) -> np.ndarray:
        """(n) bool, which images are shown."""
        values = column.values
        if not is_number(values):
            return np.isin(values, np.array(self.values, object)) if self.values else np.ones(len(values), bool)
        kept = ~np.isnan(values)
        if self.lowest is not None and kept.any():
            count = max(math.ceil(self.lowest * kept.sum()), 1)
            kept &= values <= np.sort(values[kept])[count - 1]
        if self.low is not None:
            kept &= values >= self.low
        return kept if self.high is None else kept & (values <= self.high)

    def fits(self, column: Column) -> bool:
        """Whether it asks of the column what that holds, numbers or words."""
        return is_number(column.values) == (not self.values)


class Filters(OneChange):
    """Filters of a session; all of them hold together."""

    filters = TupleTrait(read_only=True, help="What is shown of the set: a `Filter` for each column that is filtered.")
    set_means = Instance(Averages, allow_none=True, read_only=True, help="Means of the measures over the set.")
    some_means = Instance(
        Averages, allow_none=True, read_only=True, help="Means over the images that are chosen together, or shown."
    )

    lock: RLock  # type: ignore[valid-type]
    images: ImageSet
    of_set: SetAnswers | None
    selected_images: tuple[str, ...]
    closed: bool
    _requests: Requests
    _columns: Columns | None = None
    _wanted: tuple[Any, ...] = ()  # of what means were asked for last

    @property
    def columns_of_images(self) -> Columns:
        """One number or word an image: score, table, and what is known of the set; by the name to filter by."""
        if self._columns is None:
            self._columns = Columns(self)  # type: ignore[arg-type]
        return self._columns

    def filter(
        self,
        column: str,
        *,
        low: float | None = None,
        high: float | None = None,
        values: str | Iterable[str] | None = None,
        lowest: float | None = None,
    ) -> None:
        """Show only some images of the set; filters of several columns hold together.

        Args:
            column: one of `session.columns_of_images`, such as "score", "rating", "entropy" or a column of the table.
            low: the least number that is shown.
            high: the largest.
            values: of a column of words, those that are shown; "" for images that have none.
            lowest: instead, the share of images with the lowest numbers, such as 0.25 for a quarter.

        Raises:
            ValueError: no such column, or it does not hold what was asked for; the filters stay as they are.
        """
        with self.changing():
            found = self.columns_of_images[one_of("column", column, list(self.columns_of_images))]
            new = _checked(found, low, high, values, lowest)
            at = [one.column for one in self.filters]
            kept = list(self.filters)
            if column in at:
                kept[at.index(column)] = new
            else:
                kept.append(new)
            self.set_trait("filters", tuple(kept))

    def clear_filter(self, column: str | None = None) -> None:
        """Take the filter of a column away, or all of them.

        Raises:
            ValueError: this column is not filtered.
        """
        with self.changing():
            if column is not None:
                one_of("column", column, [one.column for one in self.filters] or ["none, as nothing is filtered"])
            left = () if column is None else tuple(one for one in self.filters if one.column != column)
            self.set_trait("filters", left)

    @property
    def shown_images(self) -> tuple[str, ...]:
        """The images that all filters let through, in the order of the set. A search in the gallery changes nothing."""
        names = self.images.names
        return tuple(names[place] for place in np.flatnonzero(self.kept())) if self.filters else tuple(names)

    def kept(self) -> np.ndarray:
        """(n) bool, which images the filters let through. A filter of a column that is not known here does nothing."""
        return self.kept_by(self.filters)

    def kept_by(self, filters: Iterable[Filter]) -> np.ndarray:
        """(n) bool, which images these filters would let through."""
        kept = np.ones(len(self.images.names), bool)
        with self.lock:
            for one in filters:
                column = self.columns_of_images.get(one.column)
                if column is not None and one.fits(column):
                    kept &= one.keeps(column)
        return kept

    @observe("of_set", "selected_images", "filters", "scores")
    def _average(self, _: Any) -> None:
        """Ask for the means of measures over the set and some of its images, where these are others than before."""
        answers = self.of_set
        measures = [] if answers is None else [one.name for one in answers.columns.values() if one.group == "measures"]
        some = self.selected_images or (self.shown_images if self.filters and measures else ())
        # Activations and impacts come in while the measures stay.
        rows = () if answers is None else _measured(answers, measures)
        key, before = None if answers is None else answers.key, self._wanted or (None, (), ())
        same = _same(before[1], rows)
        if (not measures and not self._wanted) or (measures and same and some == before[2]):
            return
        there = bool(measures) and key == before[0]  # older means stay until there are new ones: they say how many
        if not there:
            self.set_trait("set_means", None)
        if not there or some != before[2]:
            self.set_trait("some_means", None)
        known = self.set_means if same else None
        wanted = self._wanted = (key, rows, some) if measures else ()
        if answers is None or not measures:
            return

        def work(_: Any) -> tuple[Averages, Averages | None]:
            of_all = known or averages(answers, measures)
            return of_all, averages(answers, measures, some) if some else None

        lane = Lane(self._requests.owner, "detail", "means")
        self._requests.submit((0, "means"), lane, work, partial(self._averaged, wanted))
        self._requests.call_it((0, "means"), "means over images")

    def _averaged(self, wanted: tuple[Any, ...], made: tuple[Averages, Averages | None]) -> None:
        with self.changing():
            if not self.closed and wanted is self._wanted:
                self.set_trait("set_means", made[0])
                self.set_trait("some_means", made[1])


def _measured(answers: SetAnswers, measures: Iterable[str]) -> tuple[Any, ...]:
    """The measures by name, the images that have one, and their values."""
    names = tuple(measures)
    values = np.array([answers.columns[name].values for name in names], np.float64).reshape(-1, len(answers.images))
    known = ~np.isnan(values).all(0)
    return names, tuple(answers.images[place] for place in np.flatnonzero(known)), values[:, known]


def _same(before: tuple[Any, ...], now: tuple[Any, ...]) -> bool:
    """Whether two rows of measures are the same."""
    if not before or not now:
        return not before and not now
    return before[:2] == now[:2] and np.array_equal(before[2], now[2], equal_nan=True)


def _checked(column: Column, low: Any, high: Any, values: Any, lowest: Any) -> Filter:
    """What was asked for as a filter of a column.

    Raises:
        ValueError: it does not fit the column, or a number is out of range.
    """
    name, given = column.name, {"low": low, "high": high, "values": values, "lowest": lowest}
    given = {what: plain(value) for what, value in given.items() if value is not None}
    number = is_number(column.values)
    fitting = {"low", "high", "lowest"} if number else {"values"}
    if not given or set(given) - fitting:
        wanted = "numbers: give low=, high= or lowest=" if number else f"words: give values=, such as {_some(column)}"
        got = f"got {', '.join(f'{what}={value!r}' for what, value in given.items())}" if given else "nothing was given"
        raise ValueError(f"the column {name!r} holds {wanted}; {got}.")
    if not number:
        if not isinstance(given["values"], Iterable):
            raise ValueError(f"values must be words of {name!r}, such as {_some(column)}; got {given['values']!r}.")
        words = (given["values"],) if isinstance(given["values"], str) else tuple(map(str, given["values"]))
        known = set(column.values)
        for word in words:
            if word not in known:
                one_of(f"a value of {name!r}", word, sorted(known))
        if not words:
            raise ValueError(f"values must name at least one value of {name!r}, such as {_some(column)}.")
        return Filter(name, values=tuple(dict.fromkeys(words)))
    for what, value in given.items():
        if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
            raise ValueError(f"{what} must be a number, got {value!r}.")
    if "lowest" in given and not 0 < given["lowest"] <= 1:
        raise ValueError(f"lowest must be a share of the images, above 0 and at most 1, got {given['lowest']!r}.")
    if "low" in given and "high" in given and given["low"] > given["high"]:
        raise ValueError(f"low must not be above high, got {given['low']!r} and {given['high']!r}.")
    ends = {what: float(value) for what, value in given.items()}
    return Filter(name, ends.get("low"), ends.get("high"), (), ends.get("lowest"))


def chosen_images(names: Iterable[str], there: Iterable[str]) -> Filter:
    """The filter that shows these images alone.

    Raises:
        ValueError: one is not there, or there is none.
    """
    return _checked(Column(IMAGES, IMAGES, np.array([*there], object)), None, None, tuple(names), None)


def _some(column: Column) -> str:
    """A few of its values, for a sentence."""
    return ", ".join(repr(str(word)) for word in sorted(set(column.values) - {""})[:3])
