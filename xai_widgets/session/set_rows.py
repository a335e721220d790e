"""Values of each image as they come in, and the record that views read, put together from several sources."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from xai_widgets.engine.set_answers import Column, SetAnswers

ACTIVATIONS = ("maximum", "mean", "row", "column")
IMPACTS = ("delta_y", "delta_error")
GROUPS = {"activations": ACTIVATIONS, "impacts": IMPACTS}
ELSE = {"row": 0, "column": 0}  # in the place of what is not known; NaN elsewhere


class Rows:
    """A row an image, in the order in which they come; arrays that were handed out do not change.

    Attributes:
        names: of the images, in the order of the rows.
        failed: why an image has no row, by name.
        version: grows with each change.
    """

    def __init__(self, most: int) -> None:
        self.names: list[str] = []
        self.failed: dict[str, str] = {}
        self.version = 0
        self._most = most
        self._places: dict[str, int] = {}
        self._values: dict[str, np.ndarray] = {}  # (most c), filled from the top

    def __contains__(self, name: str) -> bool:
        return name in self._places or name in self.failed

    def __len__(self) -> int:
        return len(self.names)

    def add(self, name: str, **values: np.ndarray | None) -> None:
        """The row of an image; a value that is None is NaN for every map."""
        if name in self._places:
            self.drop([name])
        count = next(len(value) for value in values.values() if value is not None)
        for field, value in values.items():
            if field not in self._values:
                kind = np.float32 if value is None else value.dtype
                self._values[field] = np.full((self._most, count), ELSE.get(field, np.nan), kind)
            if value is not None:
                self._values[field][len(self.names)] = value
        self._places[name] = len(self.names)
        self.names.append(name)
        self.failed.pop(name, None)
        self.version += 1

    def fail(self, name: str, why: str) -> None:
        self.failed[name] = why
        self.version += 1

    def drop(self, names: Iterable[str]) -> None:
        """Forget these images; the arrays that were handed out stay as they are."""
        gone = set(names)
        for name in gone & set(self.failed):
            del self.failed[name]
        kept = [place for place, name in enumerate(self.names) if name not in gone]
        if len(kept) < len(self.names):
            for field, values in self._values.items():
                fresh = np.full_like(values, ELSE.get(field, np.nan))
                fresh[: len(kept)] = values[kept]
                self._values[field] = fresh
            self.names = [self.names[place] for place in kept]
            self._places = {name: place for place, name in enumerate(self.names)}
        self.version += 1

    def values(self, names: Sequence[str] | None = None) -> dict[str, np.ndarray]:
        """The arrays by field, (n c), for these images in their order, else as they came."""
        if names is None or list(names) == self.names:
            return {field: values[: len(self.names)] for field, values in self._values.items()}
        places = np.array([self._places.get(name, -1) for name in names], np.int64)
        found = {}
        for field, values in self._values.items():
            some = values[places]
            some[places < 0] = ELSE.get(field, np.nan)
            found[field] = some
        return found


def record(
    empty: SetAnswers, order: Sequence[str], activations: Rows | None, impacts: Rows | None
) -> SetAnswers | None:
    """What was made of a set so far; None where that is nothing.

    Args:
        empty: whose it is, and what its delta y is of.
        order: all images of the set.
        activations: what each map answers to.
        impacts: what each removal changes.
    """
    parts = [rows for rows in (activations, impacts) if rows is not None and (len(rows) or rows.failed)]
    if not parts:
        return None
    known = set().union(*(rows.names for rows in parts))
    if len(parts) == 1 and len(known) < len(order):
        names = list(parts[0].names)  # as they came: nothing is copied while they come in
    else:
        names = [name for name in order if name in known]
    values: dict[str, Any] = {}
    for rows in parts:
        values |= rows.values(names)
    if np.isnan(values.get("delta_error", np.zeros(1))).all():
        values.pop("delta_error")  # of no image the error is known
    failed = {name: why for name, why in parts[0].failed.items() if name not in known}
    return replace(empty, images=tuple(names), total=len(order), failed=failed, **values)


def combined(
    brought: SetAnswers | None, made: SetAnswers | None, order: Sequence[str], counts: Iterable[str] = GROUPS
) -> SetAnswers | None:
    """What a study brought, and what was made here of the images and of the groups that it lacks.

    Args:
        brought: its images come first, in their order.
        made: here.
        order: all images of the set.
        counts: which of "activations" and "impacts" of the study are taken; its columns always are.
    """
    if brought is None:
        return made
    taken = _taken(brought, set(counts))
    if not taken.columns and all(getattr(taken, fields[0]) is None for fields in GROUPS.values()):
        return made
    here = replace(taken, images=(), failed={}) if made is None else made
    first = set(taken.images)
    images = (*taken.images, *(name for name in here.images if name not in first))
    failed = {name: why for name, why in {**here.failed, **taken.failed}.items() if name not in {*images}}
    arrays: dict[str, Any] = {}
    sources: dict[str, tuple[tuple[str, int], ...]] = {"columns": ((taken.source, len(taken.images)),)}
    if made is not None:
        for group in GROUPS:
            some, counted = _filled(taken, made, group, images)
            arrays |= some
            sources[group] = counted
    changed = any(source != taken.source for group in GROUPS for source, _ in sources.get(group, ()))
    return replace(
        taken,
        images=images,
        total=max(taken.total, len({*order, *images, *failed})),
        columns={name: _longer(one, len(images)) for name, one in taken.columns.items()},
        grid=taken.grid if any(taken.grid) else here.grid,
        targets=here.targets if here.source in dict(sources.get("impacts", ())) else taken.targets,
        baseline=here.baseline,
        failed=failed,
        sources=sources if changed else {},
        **arrays,
    )


def _taken(brought: SetAnswers, counts: set[str]) -> SetAnswers:
    """What was brought, without the groups that do not count."""
    gone = [field for group, fields in GROUPS.items() if group not in counts for field in fields]
    if all(getattr(brought, field) is None for field in gone):
        return brought
    left: dict[str, Any] = dict.fromkeys(gone)
    return replace(brought, targets=brought.targets if "impacts" in counts else "", **left)


def _filled(
    brought: SetAnswers, made: SetAnswers, group: str, images: Sequence[str]
) -> tuple[dict[str, Any], tuple[tuple[str, int], ...]]:
    """The arrays of a group for all images, and how many are from where; a row that was brought stays."""
    fields, there = GROUPS[group], brought.having[group]
    own, new = getattr(brought, fields[0]), getattr(made, fields[0])
    places = {name: place for place, name in enumerate(made.images)} if new is not None else {}
    if own is not None and new is not None and own.shape[1] != new.shape[1]:
        places = {}  # of another network: they cannot stand in one array
    rows = np.array([-1 if name in there else places.get(name, -1) for name in images], np.int64)
    found: dict[str, Any] = {}
    for field in fields:
        values, more = getattr(brought, field), getattr(made, field) if places else None
        like = values if values is not None else more
        if like is not None:
            joined = np.full((len(images), like.shape[1]), ELSE.get(field, np.nan), like.dtype)
            if values is not None:
                joined[: len(values)] = values
            if more is not None:
                joined[rows >= 0] = more[rows[rows >= 0]]
            found[field] = joined
    here = len(made.having[group] - there) if places else 0
    return found, tuple(
        (source, count) for source, count in ((brought.source, len(there)), (made.source, here)) if count
    )


def _longer(column: Column, count: int) -> Column:
    """A column with as many rows, those at its end without a value."""
    missing = count - len(column.values)
    if not missing:
        return column
    number = np.issubdtype(column.values.dtype, np.number)
    nothing = np.full(missing, np.nan if number else "", np.float64 if number else object)
    return replace(column, values=np.concatenate([column.values, nothing]))


def without(known: SetAnswers, why: Mapping[str, str]) -> SetAnswers:
    """The record without the rows of some images, which have failed for these reasons."""
    kept = [place for place, name in enumerate(known.images) if name not in why]
    if len(kept) == len(known.images):
        return known
    arrays = {name: getattr(known, name) for name in (*ACTIVATIONS, *IMPACTS)}
    rows = {name: values[kept] for name, values in arrays.items() if values is not None}
    columns = {name: replace(one, values=one.values[kept]) for name, one in known.columns.items()}
    left = {name: words for name, words in why.items() if name in known.images}
    images = tuple(known.images[place] for place in kept)
    return replace(known, images=images, columns=columns, failed={**known.failed, **left}, **rows)
