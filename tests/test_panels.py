"""Several questions at once: panels in rows and columns, one of them active."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny
from panels import agrees
from PIL import Image

from xai_widgets import ImageModel, ImageSet, Session
from xai_widgets.engine import Degradation
from xai_widgets.session.board import MOST_PANELS, Board

Make = Callable[..., Session]


@pytest.fixture
def session(make_session: Make) -> Session:
    return make_session(tiny.regressor(), tiny.rated())


@pytest.fixture
def classes(make_session: Make) -> Session:
    images = ImageSet(list(tiny.photos()), labels=["cat", "crew", "dog"])
    return make_session([tiny.classifier(), others("other"), tiny.regressor()], images)


def others(name: str, layer: str = "features") -> ImageModel:
    return ImageModel(tiny.TinyNet(3), None, layer, labels=("cat", "moon", "dog"), name=name)


def asked(session: Session, field: str) -> list[Any]:
    return [getattr(panel.query, field) for panel in session.panels]


def test_a_grid_of_two_fields_row_by_row(session: Session) -> None:
    names = session.images.names[:2]
    session.grid(rows={"contrast": (1, 0.75, 0.5)}, columns={"image": names})
    assert session.wait(60)
    assert (len(session.panels), session.columns, session.active) == (6, 2, 0)
    assert asked(session, "image") == [*names] * 3
    assert [query.contrast.value for query in session.board.queries if query.contrast] == [1, 1, 0.75, 0.75, 0.5, 0.5]
    agrees(session)
    assert all(panel.answers.impacts is None for panel in session.panels[1:]), "only the active panel has effects"
    session.undo()
    assert len(session.panels) == 1
    session.redo()
    assert (len(session.panels), session.columns) == (6, 2)


AXES: dict[str, Any] = {
    "method": ("grad_cam", "gradient", "primary"),
    "contrast": (None, 0.5, "rating"),
    "layer": ("features", "features.0"),
    "degradation": (None, Degradation("blur", 2.0)),
    "image": ("0.png", "1.png"),
}


@pytest.mark.parametrize(("down", "across"), [("image", "method"), ("contrast", "layer"), ("degradation", "contrast")])
def test_any_two_fields_make_a_grid(session: Session, down: str, across: str) -> None:
    values = AXES | {"image": session.images.names[:2]}
    session.grid(rows={down: values[down]}, columns={across: values[across]})
    assert session.wait(60)
    assert len(session.panels) == len(values[down]) * len(values[across])
    agrees(session)


def test_a_copy_is_set_apart_by_the_next_change_and_follows_in_what_is_left(session: Session) -> None:
    first, second = session.images.names[:2]
    session.add_panel()
    session.ask(method="gradient")
    assert asked(session, "method") == ["grad_cam", "gradient"]
    session.ask(image=second)
    assert asked(session, "image") == [second, second]
    session.add_panel()
    for gain in (0.8, 0.5):
        session.set_gain(2, gain)
    assert asked(session, "gains") == [((2, 0.5),), (), ((2, 0.5),)], "the copy stays as it was"
    session.activate(0)
    session.ask(image=first)
    assert asked(session, "image") == [first] * 3
    assert session.wait(60)
    agrees(session)


def test_the_views_fields_are_those_of_the_active_panel(session: Session) -> None:
    session.grid(columns={"image": session.images.names[:3]})
    assert session.wait(60)
    heard: list[tuple[str, ...]] = []

    def hear(change: Any) -> None:
        assert session.output is not None
        heard.append((change["name"], session.query.image, session.output.query.image))

    session.observe(hear, ["query", "output", "active"])
    session.activate(2)
    assert session.wait(60)
    assert {(image, of) for _, image, of in heard} == {(session.images.names[2],) * 2}, "all is set before anyone hears"
    assert session.output is not None
    assert session.output is session.panel.answers.output is session.panels[2].answers.output
    assert session.maps is not None
    assert session.impacts is not None
    assert session.impacts.done
    assert session.panels[0].answers.impacts is not None, "what was there stays"


def test_a_change_goes_to_the_panels_that_ask_the_same_in_it(session: Session) -> None:
    first, second, third = session.images.names
    session.grid(rows={"contrast": (None, 0.5)}, columns={"image": (first, second)})
    session.set_gain([2, 3], 0.5)
    session.ask(method="gradient")
    assert asked(session, "gains") == [((2, 0.5), (3, 0.5))] * 4
    assert asked(session, "method") == ["gradient"] * 4
    session.ask(image=third)
    assert asked(session, "image") == [third, second] * 2, "a column has one image"
    session.ask(contrast=0.25)
    assert [contrast and contrast.value for contrast in asked(session, "contrast")] == [0.25, 0.25, 0.5, 0.5]
    session.ask(method="grad_cam", linked=False)
    assert asked(session, "method") == ["grad_cam", "gradient", "gradient", "gradient"]
    assert session.wait(60)
    agrees(session)


def test_gains_are_those_of_one_layer(session: Session) -> None:
    session.grid(columns={"layer": ("features", "features.0")})
    session.mute([1])
    assert asked(session, "gains") == [((1, 0.0),), ()]
    session.activate(1)
    assert session.wait(60)
    assert session.joint is None
    session.mute([4])
    assert session.wait(60)
    assert asked(session, "gains") == [((1, 0.0),), ((4, 0.0),)]
    assert session.joint is not None
    agrees(session)


def test_panels_are_added_and_taken_away(session: Session) -> None:
    panel = session.add_panel(contrast=0.5)
    assert panel is session.panel
    session.add_panel(method="primary")
    assert session.wait(60)
    assert (len(session.panels), session.columns, session.active) == (3, 3, 2)
    agrees(session)
    session.remove_panel(1)
    assert asked(session, "method") == ["grad_cam", "primary"]
    assert (session.columns, session.active) == (2, 1)
    assert panel not in session.panels
    session.single()
    assert (asked(session, "method"), session.columns, session.active) == (["primary"], 1, 0)
    session.undo()
    session.undo()
    assert [contrast and contrast.value for contrast in asked(session, "contrast")] == [None, 0.5, 0.5]
    assert session.wait(60)
    agrees(session)


@pytest.mark.parametrize(
    ("act", "sentence"),
    [
        (lambda s: s.grid(rows={"nothing": (1,)}), "an axis must be one of"),
        (lambda s: s.grid(rows="nothing"), "an axis must be one of"),
        (lambda s: s.grid(rows=3), "an axis is one field with its values"),
        (lambda s: s.grid(rows={"contrast": (1,), "image": ("0",)}), "an axis is one field with its values"),
        (lambda s: s.grid(rows={"contrast": ()}), "an axis takes 1 to 12 values, got 0"),
        (lambda s: s.grid(rows={"contrast": "rating"}), "must be given in a list"),
        (lambda s: s.grid(rows={"contrast": 0.5}), "must be given in a list"),
        (lambda s: s.grid(rows={"contrast": ("very",)}), "Q must be a finite score"),
        (lambda s: s.grid(rows={"image": ("nowhere.png",)}), "image must be one of"),
        (lambda s: s.grid(rows={"run": (3,)}), "run must be from 0 to 0"),
        (lambda s: s.grid(rows={"contrast": (0, 1, 2, 3)}, columns={"image": s.images.names * 2}), "make 24 panels"),
        (lambda s: s.grid(rows="muted"), "every gain is 1"),
        (lambda s: s.activate(1), "a panel is named by its number, 0 to 0; got 1"),
        (lambda s: s.activate(True), "got True"),
        (lambda s: s.activate("a"), "got 'a'"),
        (lambda s: s.remove_panel(0), "the last panel stays"),
        (lambda s: s.add_panel(image="x"), "image must be one of"),
        (lambda s: s.add_panel(colour="x"), "what is asked must be one of"),
    ],
)
def test_what_cannot_be_is_one_sentence_and_changes_nothing(
    session: Session, act: Callable[[Session], None], sentence: str
) -> None:
    before = session.board, session.steps
    with pytest.raises(ValueError, match=sentence) as raised:
        act(session)
    assert "\n" not in str(raised.value)
    assert (session.board, session.steps) == before
    agrees(session)


def test_there_is_no_thirteenth_panel(session: Session) -> None:
    for step in range(MOST_PANELS - 1):
        session.add_panel(contrast=step / 20)
    with pytest.raises(ValueError, match="12 panels already, the most there may be; remove one first"):
        session.add_panel()
    assert (len(session.panels), session.columns) == (12, 4)
    for bad in ({"queries": ()}, {"columns": 3}, {"columns": True}, {"active": -1}, {"active": 1.0}):
        with pytest.raises(ValueError, match=r"panels|columns|active"):
            Board(**{"queries": (session.query,), **bad})  # type: ignore[arg-type]


def test_axes_by_name_take_what_is_selected_or_all(session: Session, classes: Session) -> None:
    session.selected_images = session.images.names[1:]
    session.grid(rows="image", columns="Q")
    assert asked(session, "image") == [session.images.names[1]] * 5 + [session.images.names[2]] * 5
    assert [query.contrast.value for query in session.board.queries[:5] if query.contrast] == [1, 0.75, 0.5, 0.25, 0]
    session.single()
    session.grid(rows="layers")
    assert "features" in asked(session, "layer")
    session.mute([3])
    session.single()
    session.grid(columns="muted")
    assert asked(session, "gains") == [(), ((3, 0.0),)]
    session.single()
    session.grid(columns="degradation")
    assert len(session.panels) == 5
    session.single()
    session.grid(columns="method")
    assert session.wait(120)
    agrees(session)
    classes.grid(columns="questions")
    assert [query.contrast and query.contrast.kind for query in classes.board.queries] == [
        None, "class", "class", "confidence",
    ]  # fmt: skip
    classes.single()
    classes.grid(columns="model", rows="run")
    assert asked(classes, "model") == list(classes.sources.names)
    with pytest.raises(ValueError, match="a model that gives a score; tiny classes does not"):
        classes.grid(rows="Q")


def test_another_model_keeps_the_names_that_it_has(classes: Session) -> None:
    classes.ask(target="cat", contrast="<b>cup</b>")
    classes.mute([1])
    classes.ask(model="other")
    assert (classes.query.target, classes.query.contrast, classes.query.gains) == ("cat", None, ())
    assert classes.notice.startswith("other: it has no class <b>cup</b>, so there is no Q; its feature maps are others")
    classes.ask(contrast="dog")
    assert classes.notice == "", "said once"
    classes.ask(model="tiny")
    assert (classes.query.target, classes.query.contrast) == (None, None)
    assert "no score cat" in classes.notice
    assert classes.wait(60)
    agrees(classes)
    classes.undo()
    assert classes.query.contrast is not None
    assert (classes.query.target, classes.query.contrast.value) == ("cat", "dog")


def test_a_model_that_lacks_what_the_others_ask_does_not_follow(classes: Session) -> None:
    classes.grid(columns={"model": ("tiny classes", "other")})
    classes.ask(contrast="<b>cup</b>")
    assert [contrast and contrast.value for contrast in asked(classes, "contrast")] == ["<b>cup</b>", None]
    assert classes.notice.startswith("Panel 2 does not follow: class must be one of")
    assert classes.wait(60)
    agrees(classes)


def test_runs_side_by_side(make_session: Make) -> None:
    session = make_session()
    session.grid(columns="runs", rows={"image": session.images.names[:1]})
    assert session.wait(120)
    assert asked(session, "run") == [0, 1, 2]
    assert len({round(panel.answers.output.value, 6) for panel in session.panels}) == 3
    agrees(session)
    session.mute([0])
    assert asked(session, "gains") == [((0, 0.0),), (), ()], "feature maps of another run are others"
    before = session.scores
    session.activate(2)
    assert session.wait(60)
    assert session.scores != before, "the gallery is about the active panel"
    assert session.error == ""


def test_what_goes_wrong_in_one_panel_stays_there(make_session: Make, tmp_path: Path) -> None:
    for name, photo in zip("ab", tiny.photos()[:2], strict=True):
        Image.fromarray(photo).save(tmp_path / f"{name}.png")
    session = make_session(tiny.regressor(), ImageSet(tmp_path))
    (tmp_path / "b.png").unlink()
    session.grid(columns={"image": ("a.png", "b.png")})
    assert session.wait(60)
    assert (session.panels[0].error, session.error) == ("", "")
    assert "b.png" in session.panels[1].error
    assert session.panels[1].answers.saliency is None
    session.activate(1)
    assert session.error == session.panels[1].error
    session.activate(0)
    assert session.error == ""
    session.set_gain(3, 0.5)
    assert session.wait(60)
    assert session.output is not None
    assert session.output.query == session.query


def test_rows_and_columns_are_different_fields(session: Session) -> None:
    with pytest.raises(ValueError, match="rows and columns must be different fields, and both are contrast"):
        session.grid(rows={"contrast": (0.1, 0.2)}, columns="Q")


def test_start_over_is_a_step(session: Session) -> None:
    first = session.board
    session.grid(columns={"method": ("grad_cam", "gradient")})
    session.mute([1])
    session.start_over()
    assert session.board == first
    session.undo()
    assert len(session.panels) == 2
    assert session.wait(60)
    agrees(session)
