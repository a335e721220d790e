"""What a session does with its panels: rows and columns of questions, one of them active."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import replace
from typing import Any

from xai_widgets.engine import Output, Query, Sources, Subject
from xai_widgets.engine.query import plain
from xai_widgets.models import ImageModel
from xai_widgets.session.axes import Axis, cells
from xai_widgets.session.board import MOST_PANELS, Board
from xai_widgets.session.changes import changed
from xai_widgets.session.look import Status
from xai_widgets.session.one_change import OneChange
from xai_widgets.session.panel import PARTS_SHOWN, Panel
from xai_widgets.session.requests import Requests

IN_A_ROW = 4  # panels that are added one by one, until the next row begins


class Panels(OneChange):
    """A part of `Session`."""

    panels: tuple[Panel, ...]
    columns: int
    active: int
    sources: Sources
    status: Status
    error: str
    notice: str
    selected: tuple[int, ...]
    scores: dict[str, float]
    predictions: dict[str, str]
    _outputs: dict[str, Output]
    _scored_again: Callable[[], None]
    _set_moved: Callable[[Query], None]
    _candidates_moved: Callable[[Query | None], None]
    failures: dict[str, str]
    _go: Callable[..., None]
    _prepare: Callable[[dict[str, Any]], None]
    _requests: Requests
    _said: str

    @property
    def panel(self) -> Panel:
        """The active panel."""
        return self.panels[self.active]

    @property
    def board(self) -> Board:
        """All that is asked."""
        return Board(tuple(panel.query for panel in self.panels), self.columns, self.active)

    def in_order(self) -> list[Panel]:
        """The panels, the active one first."""
        return [self.panel, *(panel for panel in self.panels if panel is not self.panel)]

    def model_of(self, panel: Panel) -> ImageModel:
        """The model, or the training run of it, that a panel asks."""
        return Subject(self.sources, panel.query).model

    # ------------------------------------------------------------------ what the reader does

    def activate(self, place: int) -> None:
        """Make a panel the active one: gestures and the other views are then about it.

        Raises:
            ValueError: there is no such panel.
        """
        with self.changing():
            self._open()
            self._activate(self._place(place))

    def add_panel(self, **changes: Any) -> Panel:
        """A further panel, which asks what the active one asks but for these changes; it becomes the active one.

        Args:
            changes: see `Session.ask`.

        Raises:
            ValueError: there are 12 already, or a name or number is not known; nothing is changed then.
        """
        self._prepare(changes)
        with self.changing():
            self._open()
            board = self.board
            if len(board.queries) >= MOST_PANELS:
                raise ValueError(f"there are {MOST_PANELS} panels already, the most there may be; remove one first.")
            form = changes.pop("form", None)
            query, said = changed(board.query, self.sources, changes, form, None)
            in_a_row = board.columns == len(board.queries) < IN_A_ROW
            queries = (*board.queries, query)
            self._go(Board(queries, board.columns + in_a_row, len(queries) - 1), said=said)
            return self.panel

    def remove_panel(self, place: int) -> None:
        """Take a panel away; the one before it becomes active where it was the active one.

        Raises:
            ValueError: there is no such panel, or it is the only one.
        """
        with self.changing():
            self._open()
            place, board = self._place(place), self.board
            if len(board.queries) == 1:
                raise ValueError("the last panel stays: there is always one.")
            queries = board.queries[:place] + board.queries[place + 1 :]
            active = board.active - (board.active > place or board.active == len(queries))
            self._go(Board(queries, min(board.columns, len(queries)), active))

    def arrange(self, columns: int) -> None:
        """Set how many panels stand beside each other.

        Raises:
            ValueError: it is no number from 1 to that of the panels.
        """
        with self.changing():
            self._open()
            self._go(replace(self.board, columns=plain(columns)))

    def single(self) -> None:
        """The active panel alone."""
        with self.changing():
            self._open()
            self._go(Board((self.board.query,)))

    def grid(self, *, rows: Axis = None, columns: Axis = None, gesture: Hashable = None) -> None:
        """Panels for all pairs of two fields of the question, such as methods across and images down.

        Args:
            rows: a field with its values, as {"contrast": (1, 0.75, 0.5)}; the name of a field alone takes what is
                selected or all there are; or a preset: "questions", "Q", "runs", "layers", "muted", "people".
            columns: likewise.
            gesture: see `Session.ask`.

        Raises:
            ValueError: an unknown field, preset or value, or more than 12 panels; nothing is changed then.
        """
        with self.lock:
            self._open()
            down, across = cells(self, rows), cells(self, columns)  # type: ignore[arg-type]
            if twice := sorted({*down[0]} & {*across[0]}):
                raise ValueError(f"rows and columns must be different fields, and both are {twice[0]}.")
            if len(down) * len(across) > MOST_PANELS:
                raise ValueError(
                    f"{len(down)} rows and {len(across)} columns make {len(down) * len(across)} panels; "
                    f"there may be {MOST_PANELS} at most, with {len(across)} columns {MOST_PANELS // len(across)} rows."
                )
        for changes in (*down, *across):
            self._prepare(changes)
        with self.changing():
            self._open()
            base = self.board.query
            made = [changed(base, self.sources, row | column, None, None) for row in down for column in across]
            queries, said = [query for query, _ in made], dict.fromkeys(notice for _, notice in made)
            active = queries.index(base) if base in queries else 0
            self._go(Board(tuple(queries), len(across), active), gesture, said=" ".join(filter(None, said)))

    def _place(self, place: Any) -> int:
        given, last = plain(place), len(self.panels) - 1
        if isinstance(given, bool) or not isinstance(given, int) or not 0 <= given <= last:
            raise ValueError(f"a panel is named by its number, 0 to {last}; got {place!r}.")
        return given

    # ------------------------------------------------------------------ from a board to panels

    def _arrange(self, board: Board) -> list[tuple[Panel, Query | None]]:
        """Make the panels those of a board; each with what it asked before, or None where it is new."""
        old = list(self.panels)
        if len(old) == len(board.queries):
            found: list[Panel | None] = [*old]
        else:  # the same question keeps its panel, and so its answers
            found = []
            for query in board.queries:
                found.append(next((panel for panel in old if panel.query == query), None))
                if found[-1] is not None:
                    old.remove(found[-1])
            for panel in old:
                panel.unobserve_all()
                self._requests.drop(panel)
        pairs = []
        for known, query in zip(found, board.queries, strict=True):
            pairs.append((known or self._made(query), known.query if known else None))
        self.sources.held = frozenset(query.model for query in board.queries)
        self.set_trait("panels", tuple(panel for panel, _ in pairs))
        self.set_trait("columns", board.columns)
        self.set_trait("active", board.active)
        for (panel, before), query in zip(pairs, board.queries, strict=True):
            if before is not None:
                panel.ask(query)
        self._follow_active()
        return pairs

    def _made(self, query: Query) -> Panel:
        panel = Panel(query)
        panel.observe(self._answered)
        return panel

    def _show(self, board: Board, *, after: float) -> None:
        """Ask what a board asks.

        Args:
            after: seconds before the panels that are not active are answered.
        """
        before, query, count = self.panel, self.panel.query, len(self.panels)
        pairs = dict(self._arrange(board))
        self._moved(query)
        for panel in self.in_order():
            if pairs[panel] is None or pairs[panel] != panel.query:
                self._requests.send(panel, pairs[panel], after=after)
        if self.panel is not before:
            if before in self.panels:
                self._requests.rest(before)
            if pairs[self.panel] is not None:
                self._requests.complete(self.panel)
        if len(self.panels) < count:
            self._requests.quiet()  # what was being done for a panel that is gone

    def _activate(self, place: int) -> None:
        before, query = self.panel, self.panel.query
        if self.panels[place] is before:
            return
        self.set_trait("active", place)
        self._requests.rest(before)
        self._follow_active()
        self._moved(query)
        self._requests.complete(self.panel)

    def _moved(self, query: Query) -> None:
        """What is said of the active panel alone follows; before, the active one asked `query`."""
        now = self.panel.query
        if now.differs(query, ("model", "run", "layer")):
            self.selected = ()
        self._set_moved(query)
        self._candidates_moved(query)
        self.error = self.panel.error  # a gesture that was refused before is past
        if now.differs(query, ("model", "run")):
            self._outputs, self.scores, self.predictions, self.failures = {}, {}, {}, {}
            model = self.sources.model(now.model)
            self.status = replace(self.status, device=str(model.device))
            self._requests.scoring.all(now)
            said = self._said if self._said == self.notice else ""  # else it was dismissed
            self.notice = " ".join(filter(None, (said, *model.notices)))
            self._said = self.notice if said else ""

        elif now.target != query.target and not self.sources.model(now.model).has_classes:
            self._scored_again()

    def _answered(self, change: Any) -> None:
        """A panel has changed."""
        with self.changing():
            if self.panels and change["owner"] is self.panel:
                self._follow_active()

    def _follow_active(self) -> None:
        """`query`, `output` and so on are those of the active panel."""
        panel = self.panel
        now = {"query": panel.query} | {name: getattr(panel.answers, name) for name in PARTS_SHOWN}
        for name, value in now.items():
            if getattr(self, name) is not value:
                self.set_trait(name, value)
