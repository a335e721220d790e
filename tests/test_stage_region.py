"""A region of the photo: asked of the session, shown and brushed on the stage."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from asked import shared
from stages import settled, values_of

from xai_widgets import Session, answer
from xai_widgets.engine import Likeness
from xai_widgets.session import describe
from xai_widgets.views import Stage

Make = Callable[..., Session]
BOX = (0.25, 0.25, 0.75, 0.75)


def looking(session: Session, region: Any = BOX) -> Session:
    session.look_into(region)
    assert session.wait(60)
    return session


def test_the_region_of_the_active_panel_is_the_engines_answer(demo_session: Session) -> None:
    session = looking(demo_session)
    expected = answer(shared("demo/quality"), session.query, "region", box=BOX)
    assert session.region is not None
    assert session.region.done
    np.testing.assert_allclose(session.region.delta_y, expected.delta_y, atol=1e-6)
    assert (session.region.share, session.region.area) == (expected.share, expected.area)
    assert session.region.mask.sum() == session.region.places  # type: ignore[union-attr]
    strongest = session.strongest_inside(3)
    assert list(strongest) == list(np.abs(expected.delta_y).argsort(kind="stable")[::-1][:3])
    assert "session.look_into((0.25, 0.25, 0.75, 0.75))" in session.code()
    session.look_into(None)
    assert (session.region, session.looked_into) == (None, {})
    assert "look_into" not in session.code()
    with pytest.raises(ValueError, match="no region is asked about"):
        session.strongest_inside()


def test_a_mask_on_the_grid_is_a_region_too(demo_session: Session) -> None:
    grid = demo_session.maps.thumbs.shape[1:]  # type: ignore[union-attr]
    mask = np.zeros(grid, int)
    mask[1:3, 2:5] = 1
    session = looking(demo_session, mask)
    np.testing.assert_array_equal(session.region.mask, mask)  # type: ignore[union-attr]
    assert session.region.places == 6  # type: ignore[union-attr]


def test_gains_move_the_share_and_make_no_removal_again(demo_session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    from xai_widgets.engine.parts import region

    session = looking(demo_session, (0.1, 0.2, 0.55, 0.8))
    before = session.region
    assert before is not None
    monkeypatch.setattr(region, "_removed", lambda *_: pytest.fail("made again"))
    session.mute(session.strongest_inside(8))
    assert session.wait(60)
    after = session.region
    assert after is not None
    assert (after.done, session.error) == (True, "")
    np.testing.assert_array_equal(after.delta_y, before.delta_y)
    assert after.share != before.share


def test_a_region_goes_with_its_image_and_a_mask_with_its_layer(make_session: Make) -> None:
    session = looking(make_session())
    other = next(layer.name for layer in session.layers() if layer.name != session.query.layer)
    session.ask(layer=other)
    assert session.wait(60)
    assert session.maps is not None
    assert session.region is not None, "a part of the photo is one on every layer"
    assert session.region.mask is not None
    assert session.region.mask.shape == session.maps.thumbs.shape[1:]
    session.ask(image=session.images.names[1])
    assert session.wait(60)
    assert (session.region, session.looked_into) == (None, {})
    assert session.maps is not None
    looking(session, np.ones(session.maps.thumbs.shape[1:]))
    session.undo()
    session.undo()
    assert session.wait(60)
    assert (session.region, session.looked_into, session.error) == (None, {}, "")


def test_the_region_is_that_of_the_active_panel(make_session: Make) -> None:
    session = looking(make_session())
    session.add_panel(method="feature_activation")
    assert session.wait(60)
    first, second = session.panels
    assert second.answers.region is session.region
    assert session.region is not None
    assert session.region.share != answer(shared("demo/quality"), first.query, "region", box=BOX).share
    looking(session, (0.0, 0.0, 0.5, 0.5))
    assert first.answers.region is None
    session.activate(0)
    assert session.wait(60)
    assert session.region is first.answers.region
    assert session.region is not None


@pytest.mark.parametrize(
    ("region", "message"),
    [
        ((0.5, 0.5, 0.2, 0.9), "box must be left, top, right and bottom"),
        ((), "box must be left, top, right and bottom"),
        ("all", "box must be left, top, right and bottom"),
        (7, "box must be left, top, right and bottom"),
        ((1.5, 0.0, 2.0, 1.0), "box must overlap what the network saw"),
        ([[0, 1], [1, 0]], "mask must be of the grid of .*places, got 2 × 2"),
        ([[0, 2]], "mask must be rows of 0 and 1, got the value 2"),
        ([[0, 0]], "mask must hold at least one place that is 1"),
        ([[0, 1], [1]], "all of one length"),
    ],
)
def test_what_is_no_region_is_refused_and_the_region_stays(demo_session: Session, region: Any, message: str) -> None:
    session = looking(demo_session)
    before = session.region
    with pytest.raises(ValueError, match=message):
        session.look_into(region)
    assert session.region is before
    assert session.looked_into == {"box": BOX}


# ---------------------------------------------------------------------- on the stage


@pytest.fixture
def session(demo_session: Session) -> Session:
    return demo_session


def brushed(stage: Stage, box: Any) -> Stage:
    stage.comm.click(kind="region", box=box)
    return settled(stage)


def test_a_brushed_region_is_asked_outlined_and_said(session: Session, stage: Stage) -> None:
    brushed(stage, list(BOX))
    found = session.region
    assert found is not None
    assert found.mask is not None
    np.testing.assert_array_equal(values_of(stage.region, "inside", bool), found.mask)
    assert (stage.region["drawn"], stage.region["box"]) == (list(BOX), list(found.box))
    words = stage.region["words"].replace("−", "-")
    assert f" {100 * found.share:.0f} % of the map on {100 * found.area:.0f} % of its area" in words.lower()
    way = "raises" if found.joint < 0 else "lowers"
    assert words.startswith(
        f"Region: without all maps there the score changes by {found.joint:+.3g}: the region {way} it."
    )
    (strongest,) = session.strongest_inside()
    assert f"Alone, map {strongest} moves it most: {found.delta_y[strongest]:+.3g}, so it " in words
    raises = np.sort(-found.delta_y[found.delta_y < 0])[::-1]
    half = int((np.cumsum(raises) < raises.sum() / 2).sum()) + 1
    assert len(found.carriers()) == half
    assert f" {half} map{'s make' if half > 1 else ' makes'} half of what raises it there, each removed alone." in words
    session.set_gain(3, 0.5)
    settled(stage)
    assert f"the score changes by {found.joint:+.3g}, all gains at 1: the region" in stage.region["words"].replace(
        "−", "-"
    )
    stage.comm.click(kind="region", box=None)
    assert (stage.region, session.looked_into) == ({}, {})


@pytest.mark.parametrize("box", [[0.5], {"left": 0}, "all", [None] * 4, [0.9, 0.1, 0.2, 0.4], 3])
def test_a_message_of_another_shape_does_no_harm(session: Session, stage: Stage, box: Any) -> None:
    brushed(stage, list(BOX))
    before = stage.region
    stage.comm.click(kind="region", box=box)
    assert "must" in session.error
    assert (stage.region, session.looked_into) == (before, {"box": BOX})


def test_chosen_maps_are_outlined_where_they_act(session: Session, stage: Stage) -> None:
    assert session.maps is not None
    active = session.maps.thumbs.astype(float).std((1, 2)).argsort()[::-1]
    one, other = map(int, active[:2])
    session.select([one])
    assert f"the top 10 % of the activation of map {one}." in stage.acts["words"]
    alone = values_of(stage.acts, "inside", bool)
    thumb = session.maps.thumbs[one]
    assert 0 < alone.sum() <= round(0.1 * thumb.size)
    assert thumb[alone].min() > thumb[~alone].max()
    session.select([one, other])
    assert (values_of(stage.acts, "inside", bool) & alone).sum() == alone.sum()
    session.select([])
    assert stage.acts == {}


@pytest.mark.parametrize(
    "look",
    [
        {"top": 0.2}, {"top": True}, {"over": "above"}, {"other": 12}, {"other": 0.5}, {"divider": 2},
        {"divider": True}, {"opacity": "0.5"},
    ],
)  # fmt: skip
def test_a_look_that_there_is_not_is_refused(session: Session, stage: Stage, look: dict[str, Any]) -> None:
    before = session.look
    stage.comm.click(kind="look", **look)
    assert "must be" in session.error
    assert session.look == before


def test_what_is_laid_over_is_set_in_python_saved_and_told(session: Session, stage: Stage) -> None:
    stage.comm.click(kind="look", over="divider", other=-1, divider=0.3, top=0.1, palette="red-green")
    assert (session.look.over, session.look.divider, session.look.top) == ("divider", 0.3, 0.1)
    assert 'session.show(palette="red-green", top=0.1, over="divider", divider=0.3)' in session.code().replace("'", '"')


# ---------------------------------------------------------------------- how much a contrast tells


def test_a_contrast_says_how_much_it_tells_beside_grad_cam(scene_session: Session) -> None:
    session, stage = scene_session, Stage(scene_session)
    settled(stage)
    assert (session.likeness, stage.cell.get("likeness", "")) == (None, "")
    assert session.saliency is not None
    plain = session.saliency.map
    for contrast in (3, "confidence"):
        session.ask(contrast=contrast)
        assert session.wait(60, measures=True)
        assert session.saliency is not None
        assert session.likeness is not None
        r = np.corrcoef(session.saliency.map.ravel(), plain.ravel())[0, 1]
        assert session.likeness.r == pytest.approx(r, abs=1e-6)
        said = stage.cell["likeness"].replace("−", "-")
        assert said.startswith(f"r = {r:.2f}".replace("0.", ".", 1) + " with Grad-CAM")
        assert said.endswith("the contrast tells little that is new.") == (abs(r) >= 0.95)
    session.ask(contrast=None)
    assert session.wait(60)
    assert (session.likeness, stage.cell.get("likeness", "")) == (None, "")
    stage.close()


@pytest.mark.parametrize(
    ("r", "said"),
    [
        (0.972, "r = .97 with Grad-CAM: the contrast tells little that is new."),
        (-0.99, "r = −.99 with Grad-CAM: it is nearly the other way round, the contrast tells little that is new."),
        (0.31, "r = .31 with Grad-CAM."),
        (float("nan"), "No correlation with Grad-CAM: one of the two maps is the same everywhere."),
    ],
)
def test_a_correlation_in_words(session: Session, r: float, said: str) -> None:
    session.panel.take(likeness=Likeness(r))
    assert describe.stage(session, photo=False).likeness == said
