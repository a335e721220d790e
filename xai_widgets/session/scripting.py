"""What is asked and seen, as calls of a session that set what they name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from xai_widgets.engine import Query, Sources
from xai_widgets.engine.methods import options_of
from xai_widgets.engine.query import FIELDS
from xai_widgets.session.board import Board
from xai_widgets.session.changes import BOUND, as_given, changed, following
from xai_widgets.session.filters import IMAGES, Filter
from xai_widgets.session.grids import full, grid_of, same
from xai_widgets.session.literals import Code, call, gains, literal
from xai_widgets.session.look import MEASURING, Look
from xai_widgets.session.map_names import calls
from xai_widgets.session.panels import IN_A_ROW
from xai_widgets.session.samples import first_shown
from xai_widgets.session.saved import is_absolute
from xai_widgets.session.sources import first_readable

if TYPE_CHECKING:
    from xai_widgets.session.session import Session

Changes = dict[str, Any]


def asked(boards: Sequence[Board], sources: Sources) -> list[str]:
    """The calls that lead a new session through these boards."""
    model = sources.model()
    images = sources.images
    start = Query(first_readable(images), sources.names[0], model.layer, shown=first_shown(images))
    script = Script(sources, Board((start,)))
    for place, board in enumerate(boards):
        script.lead_to(board, always=() if place else ("image",))
    names = [f"the model {literal(name)}" for name in sources.given_names] + [
        f"the images {literal(sources.images.name)}"
    ]
    shown = [
        words for words, name in zip(names, (*sources.given_names, sources.images.name), strict=True) if _shown(name)
    ]
    return [f"# In a new session of {', '.join(shown) or 'the same model and images'}:", *script.lines]


def seen(session: Session) -> list[str]:
    """The calls that make a new session look the same, and point where the reader points."""
    found = []
    measuring = {name: value for name, value in session.measuring.items() if value != MEASURING.get(name)}
    found += [call("session.measure", **measuring)] if measuring else []
    default = asdict(Look())
    look = {name: value for name, value in asdict(session.look).items() if value != default[name]}
    if "secondary" in look and not session.knows_error():
        del look["secondary"]  # it shows nothing here, and could not be asked for
    if "reference" in look and not session.images.has_reference(session.query.image):
        del look["reference"]  # likewise
    found += [call("session.show", **look)] if look else []
    found += [call("session.pin", _image(name, session.sources)) for name in session.pins]
    found += sliced(session)
    if session.selected_images:
        names = tuple(_image(name, session.sources) for name in session.selected_images)
        found.append(f"session.selected_images = {literal(names)}")
    for region in session.looked_into.values():
        found.append(call("session.look_into", region))
    if session.compared_q is not None and session.model.has_classes:
        found.append(call("session.candidates", session.compared_q.most))
    found += calls(session.map_names, session._place_of(session.query))
    if session.map_card is not None:
        by = {} if session.map_card.by == "maximum" else {"by": session.map_card.by}
        found.append(call("session.card", session.map_card.index, **by))
    return [*found, call("session.select", list(session.selected))] if session.selected else found


def sliced(session: Session) -> list[str]:
    """The calls that name the slices and leave the filters as they are."""
    found, now = list[str](), filter_calls(session.filters, session)
    for name, kept in session.slices.items():
        if made := slice_calls(name, kept, session):
            found += made
            now = [call("session.choose_slice", name)] if kept == session.filters else now
    return [*found, *now]


def filter_calls(filters: Iterable[Filter], session: Session) -> list[str]:
    """The calls that make filters; one of a column that only a study knows cannot be made in another session."""
    columns = session.columns_of_images
    return [_filter(one, session.sources) for one in filters if not columns.is_of_set(one.column)]


def _filter(one: Filter, sources: Sources) -> str:
    given = {name: value for name, value in asdict(one).items() if value not in (None, ())}
    if one.column == IMAGES:
        given["values"] = tuple(_image(name, sources) for name in one.values if name in sources.images.names)
    return call("session.filter", **given)


def slice_calls(name: str, kept: tuple[Filter, ...], session: Session) -> list[str]:
    """The calls that name a slice: of images by name in one, else by way of its filters."""
    if len(kept) == 1 and kept[0].column == IMAGES:
        images = tuple(_image(image, session.sources) for image in kept[0].values)
        return [call("session.slice", name, images=images)]
    made = filter_calls(kept, session)
    return [*made, call("session.slice", name), "session.clear_filter()"] if made else []


class Script:
    """Calls, and the board that they have led to so far, found as a session finds it."""

    def __init__(self, sources: Sources, board: Board) -> None:
        self.lines: list[str] = []
        self._sources, self._board = sources, board

    def lead_to(self, board: Board, always: Iterable[str] = ()) -> None:
        """Add the calls that make a board of the present one.

        Args:
            always: fields that are named although they are the same.
        """
        now, wanted = self._board, board.queries
        left_out = next((place for place in range(len(now.queries)) if _without(now, place) == wanted), None)
        if len(wanted) == len(now.queries):
            self._ask(wanted, always)
        elif wanted[:-1] == now.queries:
            self._add(wanted[-1])
        elif left_out is not None:
            self._remove(left_out)
        else:
            self._build(board, always)
        if self._board.columns != board.columns:
            self._call("arrange", board.columns)
            self._board = replace(self._board, columns=board.columns)
        self._activate(board.active)

    def _call(self, name: str, *values: Any, **named: Any) -> None:
        self.lines.append(call(f"session.{name}", *values, **named))

    def _activate(self, place: int) -> None:
        if self._board.active != place:
            self._call("activate", place)
            self._board = replace(self._board, active=place)

    def _ask(self, wanted: Sequence[Query], always: Iterable[str] = ()) -> None:
        """The same panels, asking something else: with one call for those that follow, else with one for each."""
        differing = [place for place, query in enumerate(wanted) if query != self._board.queries[place]]
        for place in dict.fromkeys([self._board.active, *differing]):
            board = replace(self._board, active=place)
            changes, form, query = self._asking(board.query, wanted[place], always)
            if changes and (len(wanted) == 1 or same(self._linked(board, changes, form), wanted)):
                self._activate(place)
                self._call("ask", **self._written(changes, form))
                self._board = replace(board, queries=(query,) if len(wanted) == 1 else tuple(wanted))
                return
        for place in differing:
            changes, form, query = self._asking(self._board.queries[place], wanted[place])
            self._activate(place)
            self._call("ask", linked=False, **self._written(changes, form))
            self._board = self._board.with_queries([(place, query)])

    def _add(self, wanted: Query) -> None:
        board = self._board
        changes, form, query = self._asking(board.query, wanted)
        self._call("add_panel", **self._written(changes, form))
        wider = board.columns == len(board.queries) < IN_A_ROW
        self._board = Board((*board.queries, query), board.columns + wider, len(board.queries))

    def _remove(self, place: int) -> None:
        board, left = self._board, _without(self._board, place)
        self._call("remove_panel", place)
        active = board.active - (board.active > place or board.active == len(left))
        self._board = Board(left, min(board.columns, len(left)), active)

    def _build(self, board: Board, always: Iterable[str]) -> None:
        """From a single panel: a grid where it is one, else a panel after the other."""
        if len(self._board.queries) > 1:
            self._call("single")
            self._board = Board((self._board.query,))
        grid = grid_of(board, self._board.query, self._sources)
        if grid is None:
            self._ask([board.queries[0]], always)
            for query in board.queries[1:]:
                self._add(query)
            return
        self._ask([grid.base], set(always) - {name for name, _ in grid.sides.values()})
        self._call("grid", **{side: {name: self._names(name, some)} for side, (name, some) in grid.sides.items()})
        self._board = replace(board, active=grid.active)

    def _linked(self, board: Board, changes: Changes, form: str | None) -> list[Query]:
        """What all panels ask after a question to the active one that others follow."""
        found = list(board.queries)
        names = {*changes, *(() if form is None else ("contrast",))}
        for place, shared in [(board.active, names), *following(board, names)]:
            some = {name: value for name, value in changes.items() if name in shared}
            with suppress(ValueError):  # then it does not follow
                found[place], _ = changed(
                    found[place], self._sources, some, form if "contrast" in shared else None, None
                )
        return found

    def _asking(self, before: Query, after: Query, always: Iterable[str] = ()) -> tuple[Changes, str | None, Query]:
        """The fewest fields that lead from one question to another, the form of Q, and the question they lead to."""
        names = {name for name in FIELDS if before.differs(after, (name,))}
        for name, others in BOUND.items():
            if not getattr(after, name) and names & set(others):
                names.discard(name)  # they go with the others
        names |= set(always)
        while True:
            changes, form = _changes(before, after, names)
            try:
                found, _ = changed(before, self._sources, changes, form, None)
            except ValueError:
                return changes, form, after
            more = {name for name in FIELDS if full(found).differs(full(after), (name,))} - names
            if not more:
                return changes, form, found
            names |= more

    def _written(self, changes: Changes, form: str | None) -> Changes:
        found: Changes = {}
        for name, value in changes.items():
            found[name] = self._names(name, [value])[0]
            if name == "contrast" and form is not None:
                found["form"] = form
        return found

    def _names(self, field: str, values: list[Any]) -> list[Any]:
        """Values of a field as they are written: without a path of this computer."""
        if field == "image":
            return [_image(name, self._sources) for name in values]
        if field == "gains":
            return [gains(value) for value in values]
        if field != "model":
            return values
        return [n if _shown(n) else Code(f"list(session.models)[{self._sources.names.index(n)}]") for n in values]


def _changes(before: Query, after: Query, names: Iterable[str]) -> tuple[Changes, str | None]:
    """Fields with their values, as a session takes them, and the form of Q where it is another one."""
    names = set(names)
    found = {name: as_given(after, name) for name in FIELDS if name in names}
    if "options" in names and "method" not in names:
        known, now = dict(before.options), dict(after.options)
        defaults = options_of(replace(before, options=()))
        found["options"] = {name: value for name, value in now.items() if known.get(name, defaults[name]) != value}
        found["options"] |= {name: defaults[name] for name in known if name not in now}
    if "gains" in names and after.gains and not names & set(BOUND["gains"]):
        indices = sorted({*dict(before.gains), *dict(after.gains)})
        found["gains"] = {one: after.gain(one) for one in indices if after.gain(one) != before.gain(one)}
    was = before.contrast.form if before.contrast is not None else "plain"
    other = "contrast" in names and after.contrast is not None and after.contrast.form != was
    return found, after.contrast.form if other and after.contrast is not None else None


def _without(board: Board, place: int) -> tuple[Query, ...]:
    return board.queries[:place] + board.queries[place + 1 :]


def _shown(name: str) -> bool:
    """Whether a name may stand in a script: it says nothing of where files lie on this computer."""
    return not is_absolute(name)


def _image(name: str, sources: Sources) -> Any:
    return name if _shown(name) else Code(f"session.images.names[{sources.images.names.index(name)}]")
