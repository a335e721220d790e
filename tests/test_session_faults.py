"""Faults while a session answers: each is one line of its own, and the rest goes on."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from xai_widgets import Engine, ImageSet, Session
from xai_widgets.engine import METHODS, PARTS


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
    def fail(*args: object) -> Any:
        raise ValueError("the tail broke")

    with monkeypatch.context() as patch:
        patch.setitem(METHODS, "grad_cam", replace(METHODS["grad_cam"], make=fail))
        demo_session.set_gain(1, 0.5)
        assert demo_session.wait()
        assert demo_session.error == "the tail broke"
        assert "Traceback" in demo_session.traceback
    demo_session.set_gain(1, 0.6)
    assert demo_session.wait()
    assert demo_session.error == ""


def test_an_error_of_long_work_outlives_the_next_answer(demo_session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object) -> None:
        raise ValueError("no measures today")

    monkeypatch.setitem(PARTS, "measures", replace(PARTS["measures"], make=fail))
    demo_session.measure()
    assert demo_session.wait()
    demo_session.set_gain(1, 0.5)
    assert demo_session.wait()
    assert demo_session.error == "no measures today"
    demo_session.ask(image=demo_session.images.names[7])
    assert demo_session.error == ""


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
