"""Columns and filters of a gallery: what the menus offer, what the chips say, and which images are shown."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from xai_widgets.scenes import Chip, ColumnItem, SliceItem
from xai_widgets.session.columns import Column, is_number, natural, ranks, unchanged
from xai_widgets.session.describe.words import short
from xai_widgets.session.filters import IMAGES, QUARTER, Filter

if TYPE_CHECKING:
    from xai_widgets.session.session import Session

MOST_VALUES = 50  # of a column of words, that a menu lists
MOST_NAMED = 3  # values that a chip lists
MOST_GROUPS, FEW_NUMBERS, MOST_RANGES = 500, 12, 8  # words, numbers, and ranges of numbers that are groups


class Filtering:
    """The fields of a gallery that are about columns and filters; what does not change is made once."""

    def __init__(self) -> None:
        self._of: tuple[Any, ...] = ()
        self._fields: dict[str, Any] = {}
        self._choices: dict[int, tuple[Column, ColumnItem]] = {}  # by the identity of the values

    def fields(self, session: Session, *, fresh: bool = True) -> dict[str, Any]:
        """The columns, the chips and which images are kept.

        Args:
            fresh: whether to look for new values, as scores come in; new filters are looked for in any case.
        """
        filters, of_set = session.filters, session.of_set
        if self._of and not fresh and self._of[0] is filters and self._of[1] is of_set:
            return self._fields
        columns = session.columns_of_images
        len(columns)  # its version is that of what is there now
        of = (filters, of_set, columns.version)
        if not unchanged(of, self._of):
            kept = session.kept() if filters else np.zeros(0, bool)
            kept.flags.writeable = False
            self._of = of
            self._choices = {id(one.values): self._choice(one) for one in columns.values()}
            self._fields = {
                "columns": tuple(choice for column, choice in self._choices.values() if column.group != "names"),
                "chips": tuple(chip(one, columns.get(one.column)) for one in filters),
                "kept": kept,
            }
        return self._fields

    def _choice(self, column: Column) -> tuple[Column, ColumnItem]:
        before = self._choices.get(id(column.values))
        if before is not None and before[0].values is column.values and before[0].name == column.name:
            return before
        return column, choice_of(column)


def choice_of(column: Column) -> ColumnItem:
    """What a menu says of a column."""
    name, words, group = column.name, column.words or column.name, column.group
    if is_number(column.values):
        known = column.values[np.isfinite(column.values)]
        low, high = (float(known.min()), float(known.max())) if len(known) else (np.nan, np.nan)
        return ColumnItem(name=name, words=words, group=group, low=low, high=high)
    counted = sorted(Counter(column.values.tolist()).items(), key=lambda item: (-item[1], natural(item[0])))
    some = sorted(counted[:MOST_VALUES], key=lambda item: natural(item[0]))
    return ColumnItem(
        name=name, words=words, group=group,
        values=tuple(value for value, _ in some), counts=tuple(count for _, count in some),
        more=len(counted) - len(some),
    )  # fmt: skip


def ranked(name: str, column: Column) -> dict[str, Any]:
    """What a page sorts by: places, and the numbers where neither notes nor thumbnails tell them."""
    found: dict[str, Any] = {"of": name, "values": ranks(column.values).tobytes()}
    if is_number(column.values) and column.group != "table":
        found |= {"words": column.words or name, "numbers": column.values.astype(np.float32).tobytes()}
    return found


def grouping(name: str, column: Column) -> dict[str, Any]:
    """What a page groups by: the heading of each group, and the number of each image's group.

    Words are groups of their own, the rarest of many together; numbers are, where they are few, else ranges of one
    width. Images without a value come last.
    """
    numbers = is_number(column.values)
    known = ~np.isnan(column.values) if numbers else column.values != ""
    labels, codes = (number_groups if numbers else word_groups)(column.values[known])
    found = np.full(len(column.values), len(labels), np.int32)
    found[known] = codes
    heads = [*labels, *([] if known.all() else ["none"])]
    return {"of": name, "words": column.words or column.name, "heads": heads, "values": found.tobytes()}


def word_groups(values: np.ndarray) -> tuple[list[str], np.ndarray]:
    """Headings and the number of each value's group, in the order of the words."""
    counted = Counter(values.tolist()).most_common()
    words = sorted((word for word, _ in counted[:MOST_GROUPS]), key=lambda word: (natural(word), word))
    places = {word: place for place, word in enumerate(words)}
    heads = [*words, *(["others"] if len(counted) > len(words) else [])]
    return heads, np.array([places.get(word, len(words)) for word in values], np.int32)


def number_groups(values: np.ndarray) -> tuple[list[str], np.ndarray]:
    """Likewise of numbers; a range holds its lower end and not its upper one, which the last does."""
    distinct, codes = np.unique(values, return_inverse=True)
    if len(distinct) <= FEW_NUMBERS:
        return [short(float(value)) for value in distinct], codes
    low, high = float(distinct[0]), float(distinct[-1])
    step = round_step((high - low) / MOST_RANGES)
    first = math.floor(low / step + 1e-9)
    codes = np.floor(values / step + 1e-9).astype(np.int64) - first
    last = max(math.ceil(high / step - 1e-9) - first, 1)
    heads = [f"{short((first + place) * step)} to {short((first + place + 1) * step)}" for place in range(last)]
    used, places = np.unique(np.minimum(codes, last - 1), return_inverse=True)
    return [heads[place] for place in used], places


def round_step(rough: float) -> float:
    """The least of 1, 2, 5 times a power of ten that is not below."""
    power = 10.0 ** math.floor(math.log10(rough))
    return float(next((factor * power for factor in (1, 2, 5) if factor * power >= rough * (1 - 1e-9)), 10 * power))


def slice_items(session: Session) -> tuple[SliceItem, ...]:
    """The named slices, with how many images each has now, and whether it is the one that is shown."""
    return tuple(
        SliceItem(name=name, count=int(session.kept_by(kept).sum()), shown=kept == session.filters)
        for name, kept in session.slices.items()
    )


def chip(one: Filter, column: Column | None) -> Chip:
    """What is said of a filter; where it does nothing, why."""
    known = column is not None and one.fits(column)
    name = (column.words or column.name) if column is not None else one.column
    words = filter_words(one, name)
    return Chip(
        column=one.column, words=words if known else f"{words} (not known here)", known=known, low=one.low,
        high=one.high, values=one.values,
    )  # fmt: skip


def filter_words(one: Filter, name: str) -> str:
    """A filter in words: "entropy 0.2 to 0.5", "camera: A, B", "entropy: lowest quarter", "12 chosen images"."""
    if one.column == IMAGES and len(one.values) > 1:
        return f"{len(one.values):,} chosen images"
    if one.values:
        named = [value or "none" for value in one.values[:MOST_NAMED]]
        rest = len(one.values) - len(named)
        return f"{name}: {', '.join(named)}{f' and {rest} more' if rest else ''}"
    parts = []
    if one.lowest is not None:
        parts.append(": lowest quarter" if one.lowest == QUARTER else f": lowest {short(100 * one.lowest)} %")
    if one.low is not None and one.high is not None:
        parts.append(f" {short(one.low)} to {short(one.high)}")
    elif one.low is not None:
        parts.append(f" at least {short(one.low)}")
    elif one.high is not None:
        parts.append(f" at most {short(one.high)}")
    return name + ",".join(parts)
