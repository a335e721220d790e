"""What is asked on one screen: panels in rows and columns, one of them active."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from xai_widgets.engine import Query

MOST_PANELS = 12


@dataclass(frozen=True)
class Board:
    """The questions of all panels, row by row. It is what a step of the history goes back to.

    Attributes:
        queries: 1 to 12.
        columns: how many stand beside each other.
        active: the number of the panel that gestures and the other views are about.

    Raises:
        ValueError: no panel, too many, or a number that is not one of theirs.
    """

    queries: tuple[Query, ...]
    columns: int = 1
    active: int = 0

    def __post_init__(self) -> None:
        count = len(self.queries)
        if not 1 <= count <= MOST_PANELS:
            raise ValueError(f"there may be 1 to {MOST_PANELS} panels, got {count}.")
        for what, number, first, last in (("columns", self.columns, 1, count), ("active", self.active, 0, count - 1)):
            if isinstance(number, bool) or not isinstance(number, int) or not first <= number <= last:
                raise ValueError(f"{what} must be a whole number from {first} to {last}, got {number!r}.")

    @property
    def query(self) -> Query:
        """That of the active panel."""
        return self.queries[self.active]

    def with_queries(self, changes: Iterable[tuple[int, Query]]) -> Board:
        """The board after some panels ask something else."""
        queries = list(self.queries)
        for place, query in changes:
            queries[place] = query
        return replace(self, queries=tuple(queries))
