"""What two boards differ in, as data."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from xai_widgets.engine import Query
from xai_widgets.engine.query import FIELDS
from xai_widgets.session.board import Board


@dataclass(frozen=True)
class Change:
    """A field that has two values.

    Attributes:
        panel: its number on the later board; None for a field of the board itself.
        field: its name.
        before: its value on the earlier board.
        after: its value on the later one.
    """

    panel: int | None
    field: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Comparison:
    """What leads from one board to another; false where nothing does.

    Attributes:
        changes: fields of panels that are on both, and of the board.
        added: panels that only the later board has, by their number there.
        removed: panels that only the earlier board has, by their number there.
    """

    changes: tuple[Change, ...] = ()
    added: tuple[tuple[int, Query], ...] = ()
    removed: tuple[tuple[int, Query], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.changes or self.added or self.removed)


def compared(a: Board, b: Board) -> Comparison:
    """What differs from `a` to `b`. Equal panels in the same order stand for each other, then those between them."""
    changes: list[Change] = []
    added: list[tuple[int, Query]] = []
    removed: list[tuple[int, Query]] = []
    for same, first, first_end, second, second_end in SequenceMatcher(
        None, a.queries, b.queries, autojunk=False
    ).get_opcodes():
        if same == "equal":
            continue
        both = min(first_end - first, second_end - second)
        for step in range(both):
            changes += _differing(second + step, a.queries[first + step], b.queries[second + step])
        removed += [(place, a.queries[place]) for place in range(first + both, first_end)]
        added += [(place, b.queries[place]) for place in range(second + both, second_end)]
    for name in ("columns", "active"):
        if getattr(a, name) != getattr(b, name):
            changes.append(Change(None, name, getattr(a, name), getattr(b, name)))
    return Comparison(tuple(changes), tuple(added), tuple(removed))


def _differing(panel: int, a: Query, b: Query) -> list[Change]:
    values = ((name, getattr(a, name), getattr(b, name)) for name in FIELDS)
    return [Change(panel, name, before, after) for name, before, after in values if before != after]
