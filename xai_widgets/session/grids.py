"""A board as a grid: one field of the question along the rows, another along the columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from xai_widgets.engine import Query, Sources, Subject
from xai_widgets.engine.methods import method_named, missing, options_of
from xai_widgets.session.axes import FIELDS
from xai_widgets.session.board import Board
from xai_widgets.session.changes import as_given, changed


@dataclass(frozen=True)
class Grid:
    """What `Session.grid` is asked for.

    Attributes:
        base: what is asked before.
        sides: "rows" and "columns", each with a field and its values.
        active: the panel that is the active one then.
    """

    base: Query
    sides: dict[str, tuple[str, list[Any]]]
    active: int

    def cells(self) -> list[dict[str, Any]]:
        """The changes of each panel, row by row."""
        alone = [("", [None])]
        rows, columns = (self.sides.get(side, alone[0]) for side in ("rows", "columns"))
        pairs = product(rows[1], columns[1])
        return [{name: value for (name, _), value in zip((rows, columns), pair, strict=True) if name} for pair in pairs]


def grid_of(board: Board, before: Query, sources: Sources) -> Grid | None:
    """The grid that a board is, if it is one.

    Args:
        before: what is asked by now; the fields along the sides stay as they are there, where that will do.
    """
    across, down = board.columns, len(board.queries) // board.columns
    if across * down != len(board.queries):
        return None
    differing = [name for name in FIELDS if any(query.differs(board.query, (name,)) for query in board.queries)]
    for row, column in product(differing if down > 1 else [""], differing if across > 1 else [""]):
        if row == column:
            continue
        given = {"rows": (row, board.queries[::across]), "columns": (column, board.queries[:across])}
        sides = {
            side: (name, [as_given(query, name) for query in some]) for side, (name, some) in given.items() if name
        }
        lean = replace(board.query, **{name: getattr(before, name) for name, _ in sides.values()})
        for base in (lean, board.query):
            grid = Grid(base, sides, board.queries.index(base) if base in board.queries else 0)
            if (base is board.query or grid.active == board.active) and _makes(grid, board, sources):
                return grid
    return None


def same(some: Sequence[Query], others: Sequence[Query]) -> bool:
    """Whether questions are the same; the default of an option may be named or not."""
    return [full(query) for query in some] == [full(query) for query in others]


def full(query: Query) -> Query:
    """With each option of its method."""
    return replace(query, options=tuple(options_of(query).items()))


def _makes(grid: Grid, board: Board, sources: Sources) -> bool:
    try:
        if missing(method_named(grid.base.method), Subject(sources, grid.base)):
            return False
        made = [changed(grid.base, sources, changes, None, None)[0] for changes in grid.cells()]
    except ValueError:
        return False
    return same(made, board.queries)
