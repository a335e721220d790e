"""The photo of the stage: encoded on a thread of its own, under no lock; never beside a map of another photo."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from stages import Slow, map_of, pixels_of, settled
from tiny import photos, rated, regressor

from xai_widgets import ImageSet, Session
from xai_widgets.engine import PARTS
from xai_widgets.views import Stage

Make = Callable[..., Session]


def lock_is_free(session: Session) -> bool:
    """Whether another thread gets the session's lock at once."""
    found: list[bool] = []

    def look() -> None:
        found.append(session.lock.acquire(timeout=1))
        if found[-1]:
            session.lock.release()

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    return found[0]


def test_a_slow_encoder_holds_up_nobody(make_session: Make, slow: Slow) -> None:
    session = make_session(regressor(), rated())
    stage = Stage(session)
    assert slow.begun.wait(10)
    assert lock_is_free(session)
    session.set_gain(1, 0.5)
    assert session.wait(10), "the engine goes on"
    assert session.saliency is not None
    assert session.saliency.query.gains == ((1, 0.5),)
    assert (stage.photo, stage.map, stage.score) == (b"", {}, {}), "no map without its photo"
    assert stage.pending == f"Reading the photo {session.query.image}."
    slow.go_on.set()
    settled(stage)
    np.testing.assert_array_equal(map_of(stage), session.saliency.map)
    assert slow.threads == ["xai_widgets photo"]
    stage.close()


def test_what_is_on_its_way_when_another_image_is_picked_is_dropped(make_session: Make, slow: Slow) -> None:
    session = make_session(regressor(), rated())
    stage = Stage(session)
    seen: list[str] = []
    stage.observe(lambda change: seen.append(stage.name), ["photo_0"])
    names = session.images.names
    assert slow.begun.wait(10)
    session.ask(image=names[1])
    session.ask(image=names[2])
    slow.go_on.set()
    settled(stage)
    assert stage.name == names[2]
    np.testing.assert_array_equal(pixels_of(stage.photo), photos()[2])
    assert len(slow.threads) == 2, "the one that ran, and the last"
    assert set(seen) <= {"", names[2]}
    stage.close()


def test_a_map_never_stands_over_another_photo(make_session: Make) -> None:
    session = make_session(regressor(), rated())
    stage = settled(Stage(session))
    names, pairs = session.images.names, []
    stage.observe(lambda change: pairs.append((stage.name, bool(stage.map), bool(stage.score))), ["photo_0", "map_0"])
    for name in (names[1], names[2], names[0], names[1]):
        session.ask(image=name)
    settled(stage)
    assert stage.name == names[1]
    np.testing.assert_array_equal(pixels_of(stage.photo), photos()[1])
    assert pairs[-1] == (names[1], True, True)
    assert not any(shown for name, shown, _ in pairs[:-1] if name != names[1])


def test_the_photo_is_sent_once_and_comes_with_its_map_in_one_message(make_session: Make) -> None:
    session = make_session(regressor(), rated())
    stage = settled(Stage(session))
    stage.comm.take()
    for gain in (0.5, 0.25):
        session.set_gain(1, gain)
        settled(stage)
    session.ask(image=session.images.names[1])
    settled(stage)
    sent, _ = stage.comm.take()
    assert sum("photo_0" in update for update in sent) == 1
    session.ask(image=session.images.names[1])
    assert stage.comm.take() == ([], 0)
    stage.close()


def test_a_file_that_is_replaced_brings_its_own_photo(make_session: Make, tmp_path: Path) -> None:
    file = tmp_path / "photo.png"
    Image.fromarray(photos()[0]).save(file)
    session = make_session(regressor(), ImageSet(tmp_path))
    stage = settled(Stage(session))
    before = map_of(stage)
    Image.fromarray(photos()[1]).save(file)
    os.utime(file, (1, 1))
    pairs = []
    stage.observe(lambda change: pairs.append((stage.photo, stage.map.get("values"))), ["photo_0", "map_0"])
    session.refresh()
    settled(stage)
    np.testing.assert_array_equal(pixels_of(stage.photo), photos()[1])
    assert session.saliency is not None
    np.testing.assert_array_equal(map_of(stage), session.saliency.map)
    assert not np.array_equal(map_of(stage), before)
    assert all(values in (None, stage.map["values"]) for photo, values in pairs if photo == stage.photo)
    stage.close()


def test_an_answer_about_another_content_asks_for_the_photo_once(make_session: Make, slow: Slow) -> None:
    """The file may change again between the answer and the photo; then the next answer tells."""
    slow.go_on.set()
    session = make_session(regressor(), rated())
    stage = settled(Stage(session))
    read = len(slow.threads)
    assert session.saliency is not None
    session.panel.take(saliency=replace(session.saliency, content="another"))
    for _ in range(3):
        session.show(opacity=0.5 + 0.1 * len(slow.threads))
    assert not stage.settle(0.3)
    assert stage.map == {}
    assert len(slow.threads) == read + 1
    stage.close()


def test_a_photo_that_cannot_be_read_leaves_the_error_line(make_session: Make, tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        Image.fromarray(photos()[0]).save(tmp_path / name)
    session = make_session(regressor(), ImageSet(tmp_path))
    stage = settled(Stage(session))
    (tmp_path / "b.png").write_bytes(b"no picture")
    session.ask(image="b.png")
    settled(stage)
    assert "b.png" in session.error
    assert (stage.name, stage.photo, stage.map) == ("b.png", b"", {})
    assert stage.pending == ""
    assert stage.still() is None
    stage.close()


def test_while_nothing_is_there_it_says_what_is_done(make_session: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    session = make_session(regressor(), rated())
    stage = settled(Stage(session))
    begun, may, part = threading.Event(), threading.Event(), PARTS["explanation"]

    def make(request: Any) -> Any:
        begun.set()
        return may.wait(30) and part.make(request)

    monkeypatch.setitem(PARTS, "explanation", replace(part, make=make))
    session._requests._took = 0.0  # the last map was quick, so that this one is not spoken of by itself
    name = session.images.names[1]
    session.ask(image=name)
    assert begun.wait(30)
    assert (stage.pending, stage.map) == (f"Score and map of {name}.", {})
    session.status = replace(session.status, busy="checking the layer")
    assert stage.pending == "Checking the layer."
    may.set()
    settled(stage)
    assert stage.pending == ""
    stage.comm.take()
    session.status = replace(session.status, busy="scores 40 of 256", progress=40 / 256)
    assert stage.comm.take() == ([], 0), "progress draws nothing where a map is shown"
    stage.close()


def test_a_closed_stage_is_shown_nothing_more(make_session: Make, slow: Slow) -> None:
    session = make_session(regressor(), rated())
    stage = Stage(session)
    assert slow.begun.wait(10)
    stage.close()
    slow.go_on.set()
    for thread in threading.enumerate():
        if thread.name == "xai_widgets photo":
            thread.join(10)
    assert stage.photo == b""
