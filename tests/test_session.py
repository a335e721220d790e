"""The session without a browser: what is answered and when, what is measured again, threads, and closing."""

from __future__ import annotations

import gc
import re
import threading
import weakref
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from xai_widgets import Engine, ImageSet, Session, load_model
from xai_widgets.engine import METHODS, PARTS, Lane
from xai_widgets.engine.asking import Request
from xai_widgets.kernels.cam import grad_cam
from xai_widgets.kernels.measures import AXES
from xai_widgets.kernels.tail import Tail
from xai_widgets.session.scoring import FIRST


def test_everything_is_answered_after_a_start(demo_session: Session) -> None:
    """Each answer against the network, called directly."""
    session, model = demo_session, demo_session.model
    assert (session.error, session.status.busy) == ("", "")
    answers = (session.output, session.saliency, session.maps, session.impacts, session.measures)
    assert [answer and answer.query for answer in answers] == [session.query] * 5
    output, saliency, maps, impacts, measures = answers
    tail = Tail(model.network, model.layer, model.inputs(session.images.photo(session.query.image)))
    y = float(model.scores(tail.result)[0, 0])
    assert output is not None
    assert saliency is not None
    assert maps is not None
    assert impacts is not None
    assert measures is not None
    assert output.value == output.base == impacts.value == pytest.approx(y, abs=1e-6)
    np.testing.assert_allclose(saliency.map, grad_cam(tail, model.scores, 0)[0].numpy(), atol=1e-7)
    assert maps.thumbs.shape == tuple(tail.maps.shape[1:])
    np.testing.assert_array_equal(maps.dead, (tail.maps[0] == 0).all((1, 2)).numpy())
    strongest = int(np.abs(impacts.delta_y).argmax())
    removed = tail.maps.clone()
    removed[:, strongest] = 0
    assert impacts.delta_y[strongest] == pytest.approx(float(model.scores(tail(removed))[0, 0]) - y, abs=1e-5)
    assert set(measures.values) == set(AXES)
    assert all(abs(value) <= 1 for value in measures.values.values())  # an SSIM may be below 0; NaN is not
    assert session.gains().tolist() == [1.0] * len(maps.thumbs)
    with torch.no_grad():
        for name in session.images.names[::7]:
            alone = model.scores(model.network(model.inputs(session.images.photo(name))))[0, 0]
            assert session.scores[name] == pytest.approx(float(alone), abs=1e-5)
    assert len(session.scores) == len(session.images)


def test_another_image_is_answered_anew_and_nothing_old_stands_beside_it(demo_session: Session) -> None:
    session = demo_session
    seen: list[tuple[str, str]] = []

    def note(change: Any) -> None:
        if change["new"] is not None:
            seen.append((change["new"].query.image, session.query.image))

    session.observe(note, ["output", "saliency", "maps", "impacts", "measures"])
    for name in session.images.names[1:4]:
        session.ask(image=name)
    assert session.saliency is None
    assert session.output is None
    assert session.wait()
    assert session.output is not None
    assert session.output.query.image == session.images.names[3]
    assert seen
    assert all(answered == asked for answered, asked in seen)


def test_a_drag_asks_at_once_and_ends_with_the_last_value(demo_session: Session) -> None:
    session, hold = demo_session, threading.Event()
    held = session.engine.worker.submit(Lane(object(), "call"), lambda job: hold.wait(60))
    for step in range(200):
        session.set_gain(2, step / 100, gesture="drag 1")
    assert not held.ended.is_set(), "each step was asked while the engine could answer none"
    hold.set()
    assert session.wait()
    assert session.output is not None
    assert session.output.query.gains == ((2, 1.99),)
    session.undo()
    assert session.query.gains == (), "one drag is one step"
    session.redo()
    assert session.query.gain(2) == 1.99


@pytest.mark.parametrize("method", list(METHODS))
def test_every_method_gives_a_map_that_says_what_it_is(demo_session: Session, method: str) -> None:
    session = demo_session
    if lacking := session.lacking(method):
        with pytest.raises(ValueError, match=re.escape(lacking)):
            session.ask(method=method)
        session.ask(contrast=1.0)
    if lacking := session.lacking(method):
        pytest.skip(lacking)
    session.ask(method=method)
    assert session.wait()
    saliency = session.saliency
    assert session.error == ""
    assert saliency is not None
    assert saliency.query.method == method
    assert session.model.name in saliency.title
    assert session.query.layer in saliency.title
    assert saliency.high


def test_helpful_maps_without_a_rating(make_session: Callable[..., Session]) -> None:
    photos = np.random.default_rng(0).integers(0, 255, (2, 64, 64, 3), np.uint8)
    images = ImageSet(list(photos), ratings=[0.5, float("nan")], range=(0, 1))
    session = make_session("demo/quality", images)
    session.ask(method="helpful")
    session.ask(image=session.images.names[1])
    assert session.query.method == "grad_cam"
    assert "needs to know how wrong the model is" in session.notice
    assert "Grad-CAM is shown instead" in session.notice
    assert session.wait()
    assert session.impacts is not None
    assert session.impacts.roles is None


def test_several_models_share_a_session(make_session: Callable[..., Session]) -> None:
    session = make_session(["demo/quality", load_model("demo/quality", name="again")])
    session.set_gain(0, 0.0)
    session.ask(model="again")
    assert session.query.gains == ()
    assert session.wait()
    assert len(session.scores) == len(session.images)
    with pytest.raises(ValueError, match="different names"):
        Session(["demo/quality", "demo/quality"], session.images, engine=session.engine)


def test_cancel_stops_and_measure_asks_again(demo_session: Session) -> None:
    demo_session.engine.cache.clear()
    demo_session.ask(image=demo_session.images.names[9])
    demo_session.cancel()
    assert demo_session.wait()
    assert demo_session.measures is None
    assert demo_session.status.busy == ""
    demo_session.measure()
    assert demo_session.wait()
    assert demo_session.measures is not None


def test_measure_measures_anew(demo_session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[str] = []
    part = PARTS["measures"]

    def counted(request: Request) -> Any:
        runs.append(request.subject.image)
        return part.make(request)

    monkeypatch.setitem(PARTS, "measures", replace(part, make=counted))
    first = demo_session.query.image
    demo_session.measure()
    assert demo_session.wait()
    assert runs == [first]
    demo_session.ask(layer="head.0")
    demo_session.ask(layer="features")
    assert demo_session.wait()
    assert demo_session.measures is not None
    assert demo_session.measures.query.layer == "features"


def test_threads_do_not_lose_changes(demo_session: Session) -> None:
    def change(index: int) -> None:
        for step in range(40):
            demo_session.set_gain(index, step / 40, gesture=f"drag {index}")

    threads = [threading.Thread(target=change, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert demo_session.query.gains == tuple((index, 39 / 40) for index in range(4))
    assert demo_session.wait()
    assert demo_session.output is not None
    assert demo_session.output.query == demo_session.query


def test_a_closed_session_is_quiet_and_freed(make_session: Callable[..., Session]) -> None:
    session = make_session()
    session.ask(image=session.images.names[2])
    session.close()
    session.close()
    assert session.engine.wait(30)
    assert not session.images._photos, "the notebook's Out still holds the session"
    with pytest.raises(RuntimeError, match="closed"):
        session.ask(gains={1: 0})


def test_a_session_that_nobody_holds_is_freed(engine: Engine) -> None:
    session = Session("demo/quality", "demo/quality", engine=engine)
    assert session.wait()
    session.close()
    assert engine.wait(30)
    gone = weakref.ref(session)
    del session
    gc.collect()
    assert gone() is None


def test_a_wait_is_for_what_this_session_asked(make_session: Callable[..., Session], engine: Engine) -> None:
    session = make_session()
    assert session.wait()
    go = threading.Event()
    engine.worker.submit(Lane(object(), "rest"), lambda job: go.wait(20))
    assert session.wait(5), "what another session asked for goes on"
    session.ask(image=session.images.names[1])
    assert not session.wait(0.05)
    go.set()
    assert session.wait()
    assert session.output is not None
    assert session.output.query.image == session.images.names[1]


def test_the_measures_do_not_wait_for_the_scores_of_a_large_set(engine: Engine) -> None:
    rng = np.random.default_rng(0)
    photos = {f"{n}": rng.integers(0, 255, (40, 40, 3), np.uint8) for n in range(FIRST + 40)}
    session = Session("demo/quality", ImageSet(photos), engine=engine)
    known: list[int] = []

    def note(change: Any) -> None:
        if change["new"] is not None:
            known.append(len(session.scores))

    session.observe(note, "measures")
    assert session.wait()
    assert known[0] <= FIRST
    assert len(session.scores) == len(photos)
    session.close()
