"""The session without a browser: what is asked, what it means, steps, threads."""

from __future__ import annotations

import gc
import re
import threading
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from xai_widgets import Contrast, Engine, ImageSet, Query, Session, load_model
from xai_widgets.engine import Lane, Measures, Subject, effects, pictures
from xai_widgets.kernels.cam import grad_cam
from xai_widgets.kernels.tail import Tail
from xai_widgets.session import METHODS, Look
from xai_widgets.session.history import MOST_STEPS, History
from xai_widgets.session.requests import FIRST


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
    assert set(measures.values) == set(effects.AXES)
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
    held = session.engine.submit(Lane(object(), "call"), lambda job: hold.wait(60))
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


def test_names_and_numbers_become_what_they_mean(scene_session: Session, demo_session: Session) -> None:
    labels = scene_session.model.labels
    assert labels is not None
    scene_session.ask(contrast="coffee")
    assert scene_session.query.contrast == Contrast("class", labels.index("coffee"))
    assert scene_session.query.method == "contrast"
    scene_session.ask(contrast=3)
    assert scene_session.query.contrast == Contrast("class", 3)
    scene_session.ask(contrast="confidence", target="moon")
    assert scene_session.query.contrast == Contrast("confidence")
    assert scene_session.query.target == labels.index("moon")
    scene_session.ask(contrast=None, target=None)
    assert (scene_session.query.method, scene_session.query.target) == ("grad_cam", None)

    demo_session.ask(contrast=0.25)
    demo_session.ask(form="tiles")
    assert demo_session.query.contrast == Contrast("score", 0.25, "tiles")
    demo_session.ask(contrast=0.5)
    assert demo_session.query.contrast == Contrast("score", 0.5, "tiles"), "the form stays"
    demo_session.ask(contrast="rating", form="plain")
    assert demo_session.query.contrast == Contrast("score", "rating", "plain"), "the word stays until it is answered"
    rating = demo_session.images.rating(demo_session.query.image)
    assert demo_session.contrast() == Contrast("score", rating or 0.0)
    assert demo_session.wait()
    assert demo_session.error == ""


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"image": "chelsae"}, "image must be one of 'chelsea"),
        ({"layer": "feature"}, "nearest"),
        ({"method": "gradcam"}, "method must be one of 'grad_cam'"),
        ({"method": "contrast"}, "a contrast needs Q"),
        ({"contrast": "coffee"}, "Q must be a finite score"),
        ({"contrast": float("nan")}, "Q must be a finite score"),
        ({"contrast": 0.5, "form": "tile"}, "form must be one of 'tiles'"),
        ({"gains": {1000: 0.5}}, "a feature map is named by its number, 0 to 95; got 1000"),
        ({"gains": {1: 3}}, r"the gain of map 1 must be in \[0, 2\], got 3"),
        ({"gain": {1: 3}}, "what is asked must be one of 'gains'"),
        ({"target": "coffee"}, "class must be"),
        ({"model": "demo/qualty"}, "model must be one of 'demo/quality'"),
    ],
)
def test_bad_questions_change_nothing(demo_session: Session, change: dict[str, object], sentence: str) -> None:
    before = demo_session.query
    with pytest.raises(ValueError, match=sentence):
        demo_session.ask(**change)  # type: ignore[arg-type]
    assert demo_session.query == before


def test_classes_outside_the_range_are_named(scene_session: Session) -> None:
    with pytest.raises(ValueError, match="numbered from 0 to 14; got 99"):
        scene_session.ask(contrast=99)
    with pytest.raises(ValueError, match="class must be one of 'coffee'"):
        scene_session.ask(contrast="cofee")


def test_mute_solo_invert_reset(demo_session: Session) -> None:
    session = demo_session
    session.mute([1, 2])
    assert (session.gains() == 0).nonzero()[0].tolist() == [1, 2]
    session.invert()
    assert (session.gains() == 1).nonzero()[0].tolist() == [1, 2]
    session.solo(np.array([5]))
    assert (session.gains() == 1).nonzero()[0].tolist() == [5]
    session.reset_gains()
    assert session.query.gains == ()
    for _ in range(4):
        session.undo()
    assert session.query.gains == ()
    assert not session.status.can_undo
    assert session.status.can_redo


@pytest.mark.parametrize("method", list(METHODS))
def test_every_method_gives_a_map_that_says_what_it_is(demo_session: Session, method: str) -> None:
    session = demo_session
    session.ask(contrast=1.0 if method == "contrast" else None, method=method)
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
    assert "No rating is known" in session.notice
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


def test_a_broken_image_is_an_error_of_its_own(make_session: Callable[..., Session], tmp_path: Path) -> None:
    folder = tmp_path
    Image.new("RGB", (64, 64), "red").save(folder / "a.png")
    Image.new("RGB", (64, 64), "blue").save(folder / "b.png")
    whole = (folder / "b.png").read_bytes()
    (folder / "b.png").write_bytes(whole[: len(whole) // 2])
    session = make_session("demo/quality", ImageSet(folder))
    session.ask(image="b.png")
    assert session.wait()
    assert "b.png" in session.error
    session.ask(image="a.png")
    assert session.wait()
    assert session.error == ""
    assert session.output is not None


def test_an_error_while_answering_is_one_line_and_leaves_the_rest(
    demo_session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object) -> None:
        raise ValueError("the tail broke")

    with monkeypatch.context() as patch:
        patch.setattr(pictures, "why", fail)
        demo_session.set_gain(1, 0.5)
        assert demo_session.wait()
        assert demo_session.error == "the tail broke"
        assert "Traceback" in demo_session.traceback
    demo_session.set_gain(1, 0.6)
    assert demo_session.wait()
    assert demo_session.error == ""


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
    measures_of = effects.measures_of

    def counted(subject: Subject, *rest: Any) -> Measures:
        runs.append(subject.image)
        return measures_of(subject, *rest)

    monkeypatch.setattr(effects, "measures_of", counted)
    first = demo_session.query.image
    demo_session.measure()
    assert demo_session.wait()
    assert runs == [first]
    demo_session.ask(layer="head.0")
    demo_session.ask(layer="features")
    assert demo_session.wait()
    assert demo_session.measures is not None
    assert demo_session.measures.query.layer == "features"


def test_an_error_of_long_work_outlives_the_next_answer(demo_session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object) -> None:
        raise ValueError("no measures today")

    monkeypatch.setattr(effects, "measures_of", fail)
    demo_session.measure()
    assert demo_session.wait()
    demo_session.set_gain(1, 0.5)
    assert demo_session.wait()
    assert demo_session.error == "no measures today"
    demo_session.ask(image=demo_session.images.names[7])
    assert demo_session.error == ""


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
    engine.submit(Lane(object(), "rest"), lambda job: go.wait(20))
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


def test_a_set_opens_on_an_image_that_can_be_read(engine: Engine, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name in ("a cut.png", "b.png"):
        Image.fromarray(rng.integers(0, 255, (64, 64, 3), np.uint8)).save(tmp_path / name)
    (tmp_path / "a cut.png").write_bytes((tmp_path / "a cut.png").read_bytes()[:3000])
    session = Session("demo/quality", tmp_path, engine=engine)
    assert session.query.image == "b.png"
    assert session.wait()
    assert session.error == ""
    assert list(session.images.problems) == ["a cut.png"]
    session.close()


def test_a_bad_image_is_named_and_the_others_go_on(engine: Engine, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name, side in (("gone.png", 64), ("sound.png", 64), ("tiny.png", 1)):
        Image.fromarray(rng.integers(0, 255, (side, side, 3), np.uint8)).save(tmp_path / name)
    session = Session("demo/quality", tmp_path, engine=engine, image="sound.png")
    session.wait()
    (tmp_path / "gone.png").unlink()
    for name, said in (("gone.png", "The image 'gone.png' .* a file is needed"),
                       ("tiny.png", "the image 'tiny.png' is too small .* 1 x 1 pixels")):  # fmt: skip
        session.ask(image=name)
        session.wait()
        assert re.match(said, session.error), session.error
    assert list(session.images.problems) == ["gone.png"]
    session.ask(image="sound.png")
    session.wait()
    assert session.error == ""
    assert session.saliency is not None
    session.close()


def test_pins_selection_and_look(demo_session: Session) -> None:
    name = demo_session.images.names[1]
    demo_session.pin(name)
    demo_session.pin(name)  # set, not toggled: the same again changes nothing
    demo_session.pin(demo_session.images.names[0])
    assert demo_session.pins == (name, demo_session.images.names[0])
    demo_session.pin(name, kept=False)
    demo_session.pin(name, kept=False)
    assert demo_session.pins == (demo_session.images.names[0],)
    demo_session.select(np.array([3, 3, 5]).tolist())
    assert demo_session.selected == (3, 5)
    demo_session.show(opacity=0.2, palette="purple-green")
    assert demo_session.look == Look(0.2, "purple-green")
    for bad in ({"opacity": 2}, {"palette": "rainbow"}, {"colour": "red"}):
        with pytest.raises(ValueError, match=r"opacity|palette|what is seen"):
            demo_session.show(**bad)


def test_scores_worth_asking_about(demo_session: Session, scene_session: Session) -> None:
    assert demo_session.score_range() == (0, 1)
    names = [name for name, _ in demo_session.quick_scores()]
    assert names == ["0%", "25%", "50%", "75%", "100%", "rating"]
    ranked = scene_session.ranked_classes(3)
    assert [p for _, _, p in ranked] == sorted((p for _, _, p in ranked), reverse=True)
    assert demo_session.ranked_classes() == []


def test_history_is_bounded_and_a_new_step_drops_what_was_undone() -> None:
    start = Query("a", "m", "l")
    history = History(start)
    for step in range(MOST_STEPS + 50):
        history.add(replace(start, gains=((0, step / 1000),)))
    for _ in range(MOST_STEPS + 50):
        history.undo()
    assert not history.can_undo
    assert history.query.gains == ((0, 0.05),)
    history.add(start)
    assert not history.can_redo
    history.add(start)
    history.undo()
    assert history.query.gains == ((0, 0.05),), "the same question twice is one step"
