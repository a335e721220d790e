"""Q of a score: the rating by its name, answers during a drag, and the range that it is chosen from."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import tiny

from xai_widgets import Contrast, ImageModel, Session
from xai_widgets.engine import METHODS


def test_the_rating_as_q_is_that_of_each_image(make_session: Callable[..., Session]) -> None:
    session = make_session(tiny.regressor(), tiny.rated())
    names = session.images.names
    session.ask(contrast="rating")
    for name, rating in zip(names[:2], (0.25, 0.75), strict=True):
        session.ask(image=name)
        assert session.wait()
        assert session.query.contrast == Contrast("score", "rating")
        assert session.saliency is not None
        assert session.output is not None
        assert f"why {session.output.value:.3g}, rather than {rating:.3g}?" in session.saliency.title
        assert f"2 |y − Q| = {2 * abs(session.output.value - rating):.3g}" in session.saliency.note
    session.ask(image=names[2])
    assert (session.query.method, session.query.contrast) == ("grad_cam", None)
    assert session.notice == f"No rating is known for {names[2]!r}: Grad-CAM is shown instead of the contrast with it."
    with pytest.raises(ValueError, match="the rating of this image is not known, so it cannot be Q"):
        session.ask(contrast="rating")
    session.undo()
    assert session.query.contrast == Contrast("score", "rating")
    session.ask(form="tiles")
    assert session.query.contrast == Contrast("score", "rating", "tiles")


def test_an_answer_to_an_older_q_is_shown_and_one_to_another_image_never(
    make_session: Callable[..., Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A drag of Q that is faster than the answers: each answer is shown when it comes, under its own title."""
    session = make_session(tiny.regressor(), tiny.rated())
    method, began, go = METHODS["grad_cam"], threading.Semaphore(0), threading.Semaphore(0)

    def slow(*args: Any) -> Any:
        found = method.make(*args)
        began.release()
        assert go.acquire(timeout=60)
        return found

    monkeypatch.setitem(METHODS, "grad_cam", replace(method, make=slow))
    shown: list[str] = []

    def note(change: Any) -> None:
        if change["new"] is not None:
            shown.append(change["new"].title)

    session.observe(note, "saliency")
    for step in range(1, 4):
        session.ask(contrast=step / 10, gesture="drag")
        if step == 1:
            assert began.acquire(timeout=60)
    for _ in range(2):
        go.release()
    assert session.wait()
    assert [title.rpartition(" ")[2] for title in shown] == ["0.1?", "0.3?"], "what ran is shown, what waited is not"
    session.ask(contrast=0.5)
    for _ in range(2):
        assert began.acquire(timeout=60)
    session.ask(contrast=None, image=session.images.names[1])
    for _ in range(2):
        go.release()
    assert session.wait()
    assert "why the score?" in shown[-1]
    assert "0.5?" not in "".join(shown), "another image was asked for meanwhile"


def test_one_definition_of_the_range(make_session: Callable[..., Session]) -> None:
    """Not stated: that of ratings and scores, for the axis and for the colours."""
    network = tiny.regressor().network
    session = make_session(ImageModel(network, None, "features", name="no range"), tiny.rated())
    known = [*session.scores.values(), 0.25, 0.75]
    assert session.score_range() == pytest.approx((min(known), max(known)))
    session.ask(contrast=0.5)
    assert session.wait()
    low, high = session.score_range()
    assert session.saliency is not None
    assert f"for every Q from {low:.3g} to {high:.3g}." in session.saliency.note
    session.set_gain(range(tiny.MAPS), 2.0)
    assert session.wait()
    assert session.score_range() == (low, high), "gains do not move the axis"
