"""The steps of a session: back and forth."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from xai_widgets.engine.query import Query

MOST_STEPS = 500


@dataclass(frozen=True)
class Step:
    """What was asked, and the gesture that it came from: the steps of one drag are one step."""

    query: Query
    gesture: Hashable = None


class History:
    """A line of steps with a place in it. A new step drops what was undone."""

    def __init__(self, query: Query) -> None:
        self._steps = [Step(query)]
        self._place = 0

    @property
    def query(self) -> Query:
        return self._steps[self._place].query

    @property
    def can_undo(self) -> bool:
        return self._place > 0

    @property
    def can_redo(self) -> bool:
        return self._place < len(self._steps) - 1

    def add(self, query: Query, gesture: Hashable = None) -> None:
        if query == self.query:
            return
        del self._steps[self._place + 1 :]
        if gesture is not None and self._steps[-1].gesture == gesture and self._place > 0:
            self._steps.pop()
        self._steps.append(Step(query, gesture))
        del self._steps[: max(0, len(self._steps) - MOST_STEPS)]
        self._place = len(self._steps) - 1

    def undo(self) -> Query:
        self._place = max(self._place - 1, 0)
        return self.query

    def redo(self) -> Query:
        self._place = min(self._place + 1, len(self._steps) - 1)
        return self.query
