"""All panels as one scene, and what rows and columns of them can be about."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from xai_widgets import scenes
from xai_widgets.session.axes import PRESETS, SELECTIONS
from xai_widgets.session.board import MOST_PANELS
from xai_widgets.session.describe.heads import Heads, headed, table_of, unusual
from xai_widgets.session.describe.stage import common, with_photo, with_reference, without_photo

if TYPE_CHECKING:
    from xai_widgets.session.session import Session

_heads: WeakKeyDictionary[Any, tuple[Any, tuple[Heads, str]]] = WeakKeyDictionary()
_offers: WeakKeyDictionary[Any, tuple[Any, tuple[scenes.Comparison, ...]]] = WeakKeyDictionary()


def grid(session: Session, *, photo: bool = True) -> scenes.Grid:
    """All panels, row by row, with headings.

    Args:
        photo: whether to read the photos too; a view sends them by itself.
    """
    with session.lock:
        panels, shared = session.panels, common(session)
        scene = [without_photo(session, panel, shared, menu=panel is session.panel) for panel in panels]
        models, answers = [session.model_of(panel) for panel in panels], [panel.answers.saliency for panel in panels]
        board = session.board
        heads, about = _headings(session, models)
    if photo:
        scene = [
            with_photo(one, session.images.slice(query.shown), model, answer, query.degradation)
            for one, query, model, answer in zip(scene, board.queries, models, answers, strict=True)
        ]
        names = [one.name for one in scene]
        scene = [  # one reference an image
            with_reference(one, session.images, model) if one.name not in names[:place] else one
            for place, (one, model) in enumerate(zip(scene, models, strict=True))
        ]
    return scenes.Grid(
        panels=tuple(scene),
        columns=board.columns,
        active=board.active,
        across=heads.across,
        down=heads.down,
        titles=heads.titles,
        about=about,
    )


def _headings(session: Session, models: list[Any]) -> tuple[Heads, str]:
    """Headings and what all panels have in common; made once for what is asked."""
    board = session.board
    key = replace(board, active=0), session.map_names
    known, made = _heads.get(session, (None, None))
    if known != key or made is None:
        table = table_of(board.queries, models, [dict(session._names_of(query).names) for query in board.queries])
        heads = headed(table, board.columns)
        said = set(unusual(board.query, session.model)) & set(heads.common)
        made = heads, " · ".join(text for name, text in table[0].items() if name in said and text)
        _heads[session] = key, made
    return made


def comparisons(session: Session) -> tuple[scenes.Comparison, ...]:
    """What can be asked as rows and columns: the presets, then the fields; with the reason where one cannot."""
    query, model = session.query, session.model
    key = (
        query.image, query.shown, query.model, query.run, query.layer, query.call, query.target,
        query.contrast, bool(query.gains), session.selected_images, session.pins, session.output is None,
        len(model.runs), session.sources.names,
    )  # fmt: skip
    known, made = _offers.get(session, (None, ()))
    if known != key:
        made = tuple(_offer(session, name, preset) for preset, kinds in _KINDS for name in kinds)
        _offers[session] = key, made
    return made


_KINDS = ((True, PRESETS), (False, SELECTIONS))


def _offer(session: Session, name: str, preset: bool) -> scenes.Comparison:
    kind = (PRESETS if preset else SELECTIONS)[name]
    reason, count = kind.lacking(session), 0
    if not reason:
        count = len(kind.values(session))
        if count > MOST_PANELS:
            reason = f"These are {count}, and there may be {MOST_PANELS} panels at most."
    return scenes.Comparison(name=name, words=kind.words, reason=reason, count=count, preset=preset)
