"""The stage with several panels: what each gesture sends of which panel, and photos that panels share."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from stages import HARMFUL, Slow, made_up, pixels_of, settled, values_of
from tiny import photos, rated, regressor

from xai_widgets import Session
from xai_widgets.scenes import Grid
from xai_widgets.scenes import Stage as StageScene
from xai_widgets.views import Stage, _photos

Make = Callable[..., Session]
QS = (None, 0.25, "rating")


@pytest.fixture
def session(make_session: Make) -> Session:
    return make_session(regressor(), rated())


def cell(stage: Stage, place: int) -> dict[str, Any]:
    found: dict[str, Any] = getattr(stage, f"cell_{place}")
    return found


def photo_of(stage: Stage, place: int) -> bytes:
    found: bytes = getattr(stage, f"photo_{cell(stage, place)['photo']}")
    return found


def sent(stage: Stage) -> set[str]:
    return {name for update in stage.comm.take()[0] for name in update}


def six(session: Session, stage: Stage) -> None:
    """Two images down, three Q across."""
    session.grid(rows={"image": session.images.names[:2]}, columns={"contrast": QS})
    settled(stage)
    stage.comm.take()


def assert_all_shown(session: Session, stage: Stage) -> None:
    """Every panel shows its own photo, map and score; beyond them there is nothing."""
    for place, panel in enumerate(session.panels):
        assert panel.answers.saliency is not None
        assert panel.answers.output is not None
        assert cell(stage, place)["name"] == panel.query.image
        number = session.images.names.index(panel.query.image)
        np.testing.assert_array_equal(pixels_of(photo_of(stage, place)), photos()[number])
        np.testing.assert_array_equal(values_of(getattr(stage, f"map_{place}")), panel.answers.saliency.map)
        headline = cell(stage, place)["score"]["headline"].split("→ ")[-1]
        assert float(headline.replace("−", "-")) == pytest.approx(panel.answers.output.value, abs=6e-4)
    for place in range(len(session.panels), 12):
        assert (cell(stage, place), getattr(stage, f"map_{place}"), getattr(stage, f"over_{place}")) == ({}, {}, {})
    used = {cell(stage, place)["photo"] for place in range(len(session.panels))}
    assert [slot for slot in range(12) if getattr(stage, f"photo_{slot}")] == sorted(used)


def test_a_grid_is_shown_panel_by_panel(session: Session, stage: Stage) -> None:
    six(session, stage)
    assert (stage.count, stage.columns, stage.active) == (6, 3, 0)
    assert stage.across == ["why the score?", "rather than 0.25", "rather than the rating"]
    assert stage.down == list(session.images.names[:2])
    assert stage.titles == [""] * 6
    assert stage.about == "tiny · features · Grad-CAM"
    assert_all_shown(session, stage)
    assert len({cell(stage, place)["photo"] for place in range(6)}) == 2, "panels of one image share its photo"


def test_a_photo_that_panels_share_is_sent_once(session: Session, stage: Stage) -> None:
    stage.comm.click(kind="grid", columns="Q")
    settled(stage)
    names = sent(stage)
    assert not {name for name in names if name.startswith("photo_")}, "the browser has it"
    assert (stage.count, stage.columns) == (5, 5)
    assert_all_shown(session, stage)


def test_a_drag_sends_only_the_cells_whose_answers_change(session: Session, stage: Stage) -> None:
    six(session, stage)
    others = {id(panel.answers.saliency) for panel in session.panels[1:]}
    for step in range(1, 4):
        session.ask(gains={3: 1 - step / 10}, gesture=1, linked=False)
        assert session.wait(30)
    updates, size = stage.comm.take()
    names = {name for update in updates for name in update}
    assert {"cell_0", "map_0"} <= names
    assert names <= {"cell_0", "map_0", "titles", "common"}, "gains set one panel apart, which its title says"
    assert {id(panel.answers.saliency) for panel in session.panels[1:]} == others
    grid = 16 * 16 * 4
    assert size < 3 * (grid + 1_500)
    assert_all_shown(session, stage)


def test_a_linked_drag_sends_every_panel_that_follows(session: Session, stage: Stage) -> None:
    six(session, stage)
    session.ask(gains={3: 0.5}, gesture=1)
    assert session.wait(30)
    names = sent(stage)
    assert {f"map_{place}" for place in range(6)} <= names
    assert not {name for name in names if name.startswith(("photo_", "over_"))}
    assert_all_shown(session, stage)


def test_an_answer_of_one_panel_sends_that_panel_alone(
    session: Session, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_up(monkeypatch, "secondary", lambda request: HARMFUL)
    six(session, stage)
    session.panels[4].take(secondary=HARMFUL)
    assert sent(stage) == set(), "the look does not show it"
    session.show(secondary="grey")
    settled(stage)
    assert {f"over_{place}" for place in range(6)} <= sent(stage)
    np.testing.assert_array_equal(values_of(stage.over_4), HARMFUL.map)  # type: ignore[attr-defined]
    session.went_wrong(session.panels[2], "it broke")
    assert sent(stage) == {"cell_2"}
    assert cell(stage, 2)["error"] == "it broke"


def test_one_scale_for_all_is_known_before_it_is_chosen(session: Session, stage: Stage) -> None:
    session.grid(columns={"image": session.images.names[:3]})
    settled(stage)
    limits = [getattr(stage, f"map_{place}")["limit"] for place in range(3)]
    assert stage.common == [{"limit": max(limits), "words": "same scale in all panels"}] * 3
    stage.comm.take()
    stage.comm.click(kind="look", scale="all")
    assert session.look.scale == "all"
    assert sent(stage) <= {"cell_0", "cell_1", "cell_2"}, "the picture in words; the maps stay"


# ---------------------------------------------------------------------- gestures


def test_the_reader_activates_adds_removes_and_shows_one(session: Session, stage: Stage) -> None:
    stage.comm.click(kind="add")
    assert (stage.count, stage.active, session.active) == (2, 1, 1)
    session.ask(contrast=0.25, linked=False)
    settled(stage)
    assert stage.contrast == "rather than 0.25"
    assert stage.across == ["why the score?", "rather than 0.25"]
    stage.comm.click(kind="activate", place=0)
    assert (stage.active, stage.contrast, session.query.contrast) == (0, "", None)
    assert_all_shown(session, stage)
    stage.comm.click(kind="remove", place=0)
    assert (stage.count, session.query.contrast is not None, stage.across) == (1, True, [])
    settled(stage)
    assert_all_shown(session, stage)
    stage.comm.click(kind="remove", place=0)
    assert session.error == "the last panel stays: there is always one."
    stage.comm.click(kind="add")
    stage.comm.click(kind="single")
    assert len(session.panels) == stage.count == 1


def test_rows_and_columns_are_asked_by_name(session: Session, stage: Stage) -> None:
    assert stage.compare == []
    session.pin("image 0")
    session.pin("image 2")
    stage.comm.click(kind="compare")
    offers = {(offer["name"], offer["preset"]): offer for offer in stage.compare}
    assert offers["image", False] == {"name": "image", "words": "images", "reason": "", "count": 2, "preset": False}
    assert offers["model", False]["reason"] == "There is one model only."
    stage.comm.click(kind="grid", rows="image", columns="Q")
    settled(stage)
    assert (stage.count, stage.columns) == (10, 5)
    assert stage.down == ["image 0", "image 2"]
    assert_all_shown(session, stage)
    before = session.board
    stage.comm.click(kind="grid", rows="Q", columns="Q")
    assert session.error == "rows and columns must be different fields, and both are contrast."
    stage.comm.click(kind="grid", rows="nothing")
    assert "an axis must be one of" in session.error
    stage.comm.click(kind="activate", place=11)
    assert session.error == "a panel is named by its number, 0 to 9; got 11."
    assert session.board == before


def test_twelve_panels_and_no_more(session: Session, stage: Stage) -> None:
    for _ in range(12):
        stage.comm.click(kind="add")
    assert stage.count == 12
    assert session.error == "there are 12 panels already, the most there may be; remove one first."
    settled(stage)
    assert_all_shown(session, stage)


def test_what_goes_for_the_active_panel_alone_follows_it(session: Session, stage: Stage) -> None:
    session.grid(columns={"image": ("image 0", "image 2")})
    settled(stage)
    assert "helpful" not in stage.reasons
    assert stage.no_secondary == ""
    stage.comm.take()
    stage.comm.click(kind="activate", place=1)
    assert "needs to know how wrong" in stage.reasons["helpful"]
    assert stage.no_secondary.startswith("Harmful maps need a rating")
    assert (stage.name, stage.score["label"]) == ("image 2", "score")
    settled(stage)
    assert not {name for name in sent(stage) if name.startswith(("map_", "photo_"))}


# ---------------------------------------------------------------------- photos


def test_the_photo_of_the_active_panel_is_read_first(
    make_session: Make, slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    read = _photos.read

    def noted(request: Any) -> Any:
        order.append(request.wanted.image)
        return read(request)

    monkeypatch.setattr(_photos, "read", noted)
    session = make_session(regressor(), rated())
    stage = Stage(session)
    assert slow.begun.wait(10)
    session.grid(columns={"image": session.images.names})
    session.activate(2)
    slow.go_on.set()
    settled(stage)
    assert order == ["image 0", "image 2", "image 1"], "the first was under way"
    assert slow.threads == ["xai_widgets photo"] * 3
    assert_all_shown(session, stage)
    stage.close()


def test_a_map_never_stands_over_another_photo_in_any_panel(session: Session, stage: Stage) -> None:
    wrong: list[Any] = []

    def look(_: Any) -> None:
        for place in range(stage.count):
            words = cell(stage, place)
            if words.get("score") or getattr(stage, f"map_{place}"):
                number = session.images.names.index(words["name"])
                same = np.array_equal(pixels_of(photo_of(stage, place)), photos()[number])
                shown = getattr(stage, f"map_{place}")
                if not same or (shown and words["name"] not in words["alt"]):
                    wrong.append((place, words))

    names = session.images.names
    session.grid(columns={"image": names})
    settled(stage)
    with session.lock:
        stage.observe(look, ["cell_0", "cell_1", "cell_2"])
    for place, name in ((0, names[1]), (1, names[2]), (2, names[0]), (0, names[2]), (1, names[1])):
        session.activate(place)
        session.ask(image=name, linked=False)
    settled(stage)
    assert [cell(stage, place)["name"] for place in range(3)] == [names[2], names[1], names[0]]
    assert_all_shown(session, stage)
    stage.unobserve(look, ["cell_0", "cell_1", "cell_2"])


def test_while_a_photo_is_on_its_way_only_its_panel_waits(session: Session, stage: Stage, slow: Slow) -> None:
    slow.go_on.set()
    session.grid(columns={"image": ("image 0", "image 1")})
    settled(stage)
    slow.go_on.clear()
    slow.begun.clear()
    session.ask(image="image 2", linked=False)
    assert session.wait(30)
    assert slow.begun.wait(10)
    assert (cell(stage, 0)["name"], stage.map_0) == ("image 0", {})  # type: ignore[attr-defined]
    assert cell(stage, 0)["pending"] == "Reading the photo image 2."
    assert cell(stage, 1)["name"] == "image 1"
    assert stage.map_1  # type: ignore[attr-defined]
    assert not stage.settle(0.1)
    slow.go_on.set()
    settled(stage)
    assert_all_shown(session, stage)


def test_a_closed_stage_of_many_panels_leaves_no_thread(session: Session) -> None:
    stage = Stage(session)
    session.grid(columns={"image": session.images.names})
    stage.close()
    for thread in threading.enumerate():
        if thread.name == "xai_widgets photo":
            thread.join(10)
            assert not thread.is_alive()


# ---------------------------------------------------------------------- scenes


def test_the_picture_is_a_stage_or_a_grid(session: Session, stage: Stage) -> None:
    alone = stage.picture()
    assert isinstance(alone, StageScene)
    session.grid(columns={"image": session.images.names[:2]})
    settled(stage)
    together = stage.picture()
    assert isinstance(together, Grid)
    for scene, photo in zip(together.panels, photos(), strict=False):
        np.testing.assert_array_equal(scene.photo, photo)
        assert scene.map is not None
    still = stage.scene()
    assert isinstance(still, Grid), "the still is of all that is shown"
    assert [panel.name for panel in still.panels] == [panel.name for panel in together.panels]
