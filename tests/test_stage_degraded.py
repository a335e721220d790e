"""A degraded image on the stage: the photo that the network saw, its score, what is said of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from asked import query, shared
from stages import Slow, map_of, pixels_of, settled
from tiny import SIDE, TinyNet, photos, rated, regressor
from torchvision.transforms import CenterCrop, Compose, ToTensor

from xai_widgets import ImageModel, Session, answer
from xai_widgets.engine import PARTS, Degradation
from xai_widgets.kernels import degrade
from xai_widgets.session import describe
from xai_widgets.session.facts import degraded_picture
from xai_widgets.views import Stage, _photos

Make = Callable[..., Session]


@pytest.fixture
def session(make_session: Make) -> Session:
    return make_session(regressor(), rated())


def test_the_photo_is_the_one_that_the_network_saw(session: Session, stage: Stage) -> None:
    clean = float(session.output.value)  # type: ignore[union-attr]
    stage.comm.click(kind="degrade", name="jpeg", level=10, gesture="a")
    settled(stage)
    images = torch.from_numpy(photos()[0]).permute(2, 0, 1)[None] / 255
    expected = (degrade.jpeg(images, 10)[0] * 255).round().permute(1, 2, 0)
    np.testing.assert_array_equal(pixels_of(stage.photo), expected)
    assert session.output is not None
    assert session.output.value != clean
    kind, level = stage.degrading["values"]
    assert (kind["value"], level["value"], level["low"], level["high"]) == ("jpeg", 10, 1, 100)
    assert level["hint"] == (
        "The network saw this image degraded: JPEG of quality 10 of 100 (colours at half the resolution)."
    )
    np.testing.assert_array_equal(describe.stage(session).photo, expected)
    stage.comm.click(kind="degrade", name="", level=0, gesture="b")
    settled(stage)
    np.testing.assert_array_equal(pixels_of(stage.photo), photos()[0])
    assert session.output.value == clean


def test_a_drag_of_the_level_is_one_step(session: Session, stage: Stage) -> None:
    before = len(session.states)
    for step, level in enumerate((0.1, 0.2, 0.3)):
        stage.comm.arrive(
            drag={"kind": "degrade", "name": "gaussian_noise", "level": level, "gesture": "a", "step": step}
        )
    settled(stage)
    assert session.query.degradation is not None
    assert session.query.degradation.level == 0.3
    assert len(session.states) == before + 1
    assert session.measures is None or session.measures.query.degradation == session.query.degradation
    assert 'degradation=("gaussian_noise", 0.3)' in session.code().replace("'", '"')


@pytest.mark.parametrize("several", [False, True], ids=["one panel", "of two panels"])
def test_photo_map_and_score_stay_together_until_those_of_the_next_level_are_there(
    session: Session, stage: Stage, monkeypatch: pytest.MonkeyPatch, several: bool
) -> None:
    if several:
        session.add_panel()  # of the same image, so that both show one photo at first
        settled(stage)
    stage.comm.click(kind="degrade", name="gaussian_noise", level=0.1, gesture="a")
    settled(stage)
    before = stage.photo, stage.map, stage.score
    beside = (stage.map_0, stage.common) if several else None
    slow = Slow(_photos.encoded)
    monkeypatch.setattr(_photos, "encoded", slow)
    stage.comm.click(kind="degrade", name="gaussian_noise", level=0.3, gesture="a")
    assert slow.begun.wait(30)
    assert session.wait(30)
    assert session.saliency is not None
    assert session.saliency.query.degradation == Degradation("gaussian_noise", 0.3), "the map is there, the photo not"
    assert (stage.photo, stage.map, stage.score) == before
    assert stage.degrading["values"][1]["value"] == 0.3
    assert stage.pending
    assert beside in (None, (stage.map_0, stage.common)), "what stands beside it stays too"
    slow.go_on.set()
    settled(stage)
    assert stage.photo != before[0]
    assert stage.score != before[2]
    assert not stage.pending
    assert beside is None or stage.common != beside[1], "both are on the scale of the larger"
    np.testing.assert_array_equal(map_of(stage), session.saliency.map)
    monkeypatch.undo()
    shown = stage.photo
    session.ask(image=session.images.names[1], degradation=None)
    assert stage.map == {} or stage.photo != shown, "another image never stands beside the old one"
    settled(stage)


def test_of_two_panels_of_one_photo_none_shows_an_old_map_over_the_new_level(
    session: Session, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    session.add_panel(method="gradient")
    session.activate(0)
    settled(stage)
    may, part = threading.Event(), PARTS["explanation"]

    def make(request: Any) -> Any:
        assert request.query.method != "gradient" or may.wait(30)
        return part.make(request)

    old = stage.photo_0, stage.map_0, stage.map_1
    assert stage.cell_0["photo"] == stage.cell_1["photo"] == 0, "they share the photo"
    monkeypatch.setitem(PARTS, "explanation", replace(part, make=make))
    stage.comm.click(kind="degrade", name="gaussian_noise", level=0.3, gesture="a")
    end = time.monotonic() + 30
    while stage.map_0 in ({}, old[1]) and time.monotonic() < end:
        time.sleep(0.01)
    assert stage.photo_0 != old[0], "the first has its map and its photo"
    assert stage.map_1 == {}, "the second waits without a map"
    may.set()
    settled(stage)
    assert stage.map_1 not in ({}, old[2])


def test_a_level_that_is_gone_back_to_leaves_no_gap(
    session: Session, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.comm.click(kind="degrade", name="gaussian_noise", level=0.1, gesture="a")
    settled(stage)
    before = stage.photo, stage.map, stage.score
    slow = Slow(_photos.encoded)
    monkeypatch.setattr(_photos, "encoded", slow)
    seen = []
    stage.observe(lambda change: seen.append(change["new"]), ["map_0", "photo_0"])
    for level in (0.3, 0.1):
        stage.comm.click(kind="degrade", name="gaussian_noise", level=level, gesture="a")
    slow.go_on.set()
    settled(stage)
    assert all(seen), "nothing was empty meanwhile"
    assert (stage.photo, stage.map, stage.score) == before


@pytest.mark.parametrize(
    ("name", "level"),
    [("jpeg", 0), ("jpeg", 10.5), ("fog", 1), ("blur", -1), ("blur", "2"), (["blur"], 2), ("jpeg", None)],
)
def test_what_is_no_degradation_is_refused(session: Session, stage: Stage, name: Any, level: Any) -> None:
    stage.comm.click(kind="degrade", name=name, level=level, gesture="a")
    assert "must be" in session.error
    assert session.query.degradation is None


def test_only_what_the_network_saw_is_degraded_and_the_photo_grows_with_it() -> None:
    half = Compose([CenterCrop(SIDE // 2), ToTensor()])
    model = ImageModel(TinyNet(), half, task="regression")
    picture = degraded_picture(model, rated(), rated().names[0], Degradation("salt_and_pepper", 1.0))
    quarter = SIDE // 4
    inside = picture[quarter:-quarter, quarter:-quarter]
    assert set(np.unique(inside)) == {0, 255}
    border = np.ones(picture.shape[:2], bool)
    border[quarter:-quarter, quarter:-quarter] = False
    np.testing.assert_array_equal(picture[border], photos()[0][border])


def test_every_kind_changes_the_score() -> None:
    sources = shared("demo/quality")
    clean = answer(sources, query("demo/quality"), "output").value
    for kind, level in (("salt_and_pepper", 0.3), ("gaussian_noise", 0.3), ("blur", 3.0), ("jpeg", 5)):
        found = answer(sources, query("demo/quality", degradation=Degradation(kind, level)), "output")
        assert found.value != clean, kind
