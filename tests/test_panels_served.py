"""Who is answered when: the active panel first, nobody for an older question, nothing for a panel that is gone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import tiny
import torch
from panels import agrees

from xai_widgets import Engine, ImageModel, Session
from xai_widgets.engine import Job, Lane

Make = Callable[..., Session]


@pytest.fixture
def session(make_session: Make) -> Session:
    return make_session(tiny.regressor(), tiny.rated())


@pytest.fixture
def held(engine: Engine) -> Iterator[threading.Event]:
    """The worker waits, so that what is asked meanwhile is sorted by urgency alone."""
    go_on, begun = threading.Event(), threading.Event()

    def hold(job: Job) -> None:
        begun.set()
        go_on.wait(60)

    engine.worker.submit(Lane("held", "call"), hold)
    assert begun.wait(60)
    yield go_on
    go_on.set()


def test_the_active_panel_is_served_first(session: Session, held: threading.Event) -> None:
    session.grid(columns={"image": session.images.names})
    session.activate(2)
    arrived: list[int] = []
    for place, panel in enumerate(session.panels):
        panel.observe(lambda change, place=place: arrived.append(place), "answers")
    held.set()
    assert session.wait(60)
    assert arrived[0] == 2
    others = [place for place in arrived if place != 2]
    impacts = max(index for index, place in enumerate(arrived) if place == 2)
    assert set(others) == {1}, "the first panel has its answer already"
    assert arrived.index(others[-1]) < impacts, "the others' maps come before all effects of the active panel"


def test_panels_that_are_gone_get_no_answers(session: Session, held: threading.Event) -> None:
    session.grid(columns={"image": session.images.names})
    gone = session.panels[1]
    session.remove_panel(1)
    held.set()
    assert session.wait(60)
    assert gone.answers.output is None
    agrees(session)


def test_an_older_question_never_answers_last(session: Session, held: threading.Event) -> None:
    """A panel is asked while it is active, then as one of the others, then again as the active one."""
    session.add_panel(contrast=0.9)
    session.activate(0)
    session.ask(contrast=0.1, gesture="drag")
    session.activate(1)
    session.ask(contrast=0.3, gesture="drag")
    session.activate(0)
    session.ask(contrast=0.7)
    held.set()
    assert session.wait(60)
    agrees(session)


def test_what_a_visit_to_another_panel_stopped_is_asked_again(session: Session, held: threading.Event) -> None:
    session.add_panel(contrast=0.9)
    session.set_gain(2, 0.5)
    session.activate(0)
    session.activate(1)
    held.set()
    assert session.wait(60, measures=True)
    assert session.measures is not None
    assert session.measures.query.gains == session.query.gains
    session.measure(of="shown")
    assert session.wait(60, measures=True)
    session.activate(0)
    assert session.wait(60, measures=True)
    assert session.measures.query.contrast is None, "measures of the map on the stage are of this panel's map"


def test_after_cancel_the_next_question_asks_for_what_is_missing(session: Session, held: threading.Event) -> None:
    session.ask(image=session.images.names[1])
    session.cancel()
    session.set_gain(1, 0.5)
    held.set()
    assert session.wait(60)
    assert session.maps is not None
    assert session.impacts is not None
    assert session.impacts.done
    assert set(session.scores) == set(session.images.names)


def test_nothing_is_busy_for_a_panel_that_is_gone(session: Session) -> None:
    session.add_panel(image=session.images.names[1])
    session.remove_panel(1)
    assert session.wait(60)
    assert (session.idle, session.status.busy) == (True, "")


def test_a_network_that_fails_after_its_weights_changed_is_said(make_session: Make) -> None:
    network = tiny.TinyNet()
    session = make_session(ImageModel(network, None, "features", range=(0, 1), name="changed"), tiny.rated())
    network.head = torch.nn.Linear(7, 1)
    session.set_gain(1, 0.5)
    assert session.wait(60)
    assert session.error != ""
    assert (session.output, session.saliency) == (None, None), "they were of other weights"


def test_an_undo_that_fails_moves_nothing(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    session.set_gain(1, 0.5)

    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("the share is away")

    with monkeypatch.context() as patch:
        patch.setattr(session, "_go", fail)
        with pytest.raises(RuntimeError, match="the share is away"):
            session.undo()
    assert session.state.board == session.board
    assert session.steps == (True, False)
