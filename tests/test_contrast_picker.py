"""The contrast picker: gestures become queries, answers become traits, and little is sent."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tiny

from xai_widgets import Contrast, ImageModel
from xai_widgets.views import ContrastPicker

Make = Callable[..., Any]


@pytest.fixture
def classes(make_session: Make) -> Any:
    return make_session(tiny.classifier(), tiny.rated())


@pytest.fixture
def scored(make_session: Make) -> Any:
    return make_session(tiny.regressor(), tiny.rated())


def probabilities(picker: ContrastPicker) -> np.ndarray:
    return np.frombuffer(picker.probabilities, np.float32)


def test_it_shows_the_classes_of_the_session(classes: Any) -> None:
    picker = ContrastPicker(classes)
    assert picker.task == "classification"
    assert picker.names == list(classes.model.labels)
    np.testing.assert_array_equal(probabilities(picker), classes.output.probabilities)
    assert picker.target == classes.output.target == int(classes.output.probabilities.argmax())
    assert (picker.contrast["kind"], picker.chosen) == ("", False)
    classes.set_gain(range(tiny.MAPS), 0.0)
    classes.wait()
    np.testing.assert_array_equal(probabilities(picker), classes.output.probabilities)
    picker.close()


def test_choosing_q_and_p(classes: Any) -> None:
    picker = ContrastPicker(classes)
    predicted = picker.target
    q = (predicted + 1) % 3
    picker.comm.click(kind="choose", slot="Q", index=q)
    classes.wait()
    assert classes.query.contrast == Contrast("class", picker.names[q])
    assert (picker.contrast["kind"], picker.contrast["value"]) == ("class", q)
    assert isinstance(picker.contrast["value"], int)
    assert picker.names[q] in classes.saliency.title
    # P and Q are chosen each for itself, and the map is about both.
    p = 3 - predicted - q
    picker.comm.click(kind="choose", slot="P", index=p)
    classes.wait()
    assert (classes.query.target, classes.query.contrast) == (picker.names[p], Contrast("class", picker.names[q]))
    assert (picker.target, picker.chosen) == (p, True)
    assert f"why {picker.names[p]}, rather than {picker.names[q]}?" in classes.saliency.title
    picker.comm.click(kind="confidence")
    classes.wait()
    assert classes.query.contrast == Contrast("confidence")
    assert (classes.query.target, picker.target, picker.contrast["kind"]) == (picker.names[p], p, "confidence")
    assert f"why not {picker.names[p]} with 100 % confidence?" in classes.saliency.title
    picker.comm.click(kind="clear")
    assert (classes.query.target, classes.query.contrast, classes.query.method) == (None, None, "grad_cam")
    assert picker.contrast["kind"] == ""
    picker.close()


def test_a_class_that_does_not_exist_is_one_line_and_changes_nothing(classes: Any) -> None:
    picker, before = ContrastPicker(classes), classes.query
    picker.comm.click(kind="choose", slot="Q", index=3)
    assert classes.query == before
    assert "from 0 to 2" in classes.error
    assert "\n" not in classes.error
    picker.close()


def test_a_thousand_classes_cost_one_small_message(make_session: Make) -> None:
    session = make_session(ImageModel(tiny.TinyNet(1000), None, "features"), tiny.rated())
    picker = ContrastPicker(session)
    assert picker.names[999] == "class 999"
    picker.comm.take()
    session.set_gain(range(tiny.MAPS), 0.5)
    session.wait()
    updates, size = picker.comm.take()
    assert updates == [["probabilities"]]  # the names stay where they are
    assert size < 4 * 1000 + 300
    picker.close()


def test_the_classes_stay_while_the_next_image_is_computed(classes: Any) -> None:
    picker = ContrastPicker(classes)
    subject, before = picker.subject, probabilities(picker)
    classes.ask(image=classes.images.names[1])
    assert len(probabilities(picker)) == 3
    classes.wait()
    assert picker.subject != subject
    assert not np.array_equal(probabilities(picker), before)
    picker.close()


def test_the_score_axis(scored: Any) -> None:
    picker = ContrastPicker(scored)
    assert picker.task == "regression"
    assert picker.axis == scored.score_range()
    assert picker.score == pytest.approx(scored.output.value)
    assert picker.rating == scored.images.rating(scored.query.image)
    assert picker.quick == [[name, value] for name, value in scored.quick_scores()]
    assert picker.quick[-1] == ["rating", picker.rating]
    assert picker.probabilities == b""
    picker.close()


def test_quick_picks_entry_and_form(scored: Any) -> None:
    picker = ContrastPicker(scored)
    picker.comm.click(kind="score", value=0.25, form="plain")
    assert scored.query.contrast == Contrast("score", 0.25, "plain")
    picker.comm.click(kind="score", value=0, form="tiles")  # a whole number is one, too
    assert scored.query.contrast == Contrast("score", 0.0, "tiles")
    scored.wait()
    assert scored.error == ""
    assert scored.saliency.query.contrast.form == "tiles"
    picker.comm.click(kind="clear")
    assert scored.query.contrast is None
    picker.close()


def test_the_rating_is_asked_for_by_its_name(scored: Any) -> None:
    """The marker moves to the next image's rating, and another form keeps the word."""
    picker = ContrastPicker(scored)
    picker.comm.click(kind="score", value="rating", form="plain")
    assert scored.query.contrast == Contrast("score", "rating")
    assert {"value": 0.25, "word": "rating"}.items() <= picker.contrast.items()
    scored.ask(image=scored.images.names[1])
    assert {"value": 0.75, "word": "rating"}.items() <= picker.contrast.items()
    picker.comm.click(kind="score", value="rating", form="tiles")
    assert scored.query.contrast == Contrast("score", "rating", "tiles")
    picker.comm.arrive(drag={"kind": "score", "value": 0.5, "form": "tiles", "gesture": 1})
    assert scored.query.contrast == Contrast("score", 0.5, "tiles")
    scored.undo()
    assert {"value": 0.75, "word": "rating"}.items() <= picker.contrast.items()
    scored.wait()
    picker.close()


def test_a_drag_is_one_step_and_nothing_echoes(scored: Any) -> None:
    picker = ContrastPicker(scored)
    picker.comm.take()
    for step in range(20):
        picker.comm.arrive(drag={"kind": "score", "value": step / 20, "form": "plain", "gesture": 17})
    scored.wait()
    updates, _ = picker.comm.take()
    assert not any("contrast" in names for names in updates)
    assert scored.query.contrast == Contrast("score", 0.95)
    scored.undo()
    assert scored.query.contrast is None
    assert picker.contrast["kind"] == ""  # the marker hears of the undo, though it was moved by the browser alone
    assert any("contrast" in names for names in picker.comm.take()[0])
    picker.close()


def test_undo_between_two_equal_drags_reaches_the_marker(scored: Any) -> None:
    picker = ContrastPicker(scored)
    for gesture in (1, 2):
        picker.comm.take()
        picker.comm.arrive(drag={"kind": "score", "value": 0.3, "form": "plain", "gesture": gesture})
        version = picker.contrast["version"]
        scored.undo()
        assert picker.contrast["version"] == version + 1
    picker.close()


@pytest.mark.parametrize(
    ("value", "form", "message"),
    [
        (None, "plain", "Q must be a number, got None"),
        ("0.5", "plain", "Q must be a number, got '0.5'"),
        (math.nan, "plain", "Q must be a number, got nan"),
        (0.5, "square", "form must be one of 'plain', 'tiles'; got 'square'"),
    ],
)
def test_what_is_refused_is_one_line_and_takes_the_marker_back(
    scored: Any, value: Any, form: str, message: str
) -> None:
    picker, before = ContrastPicker(scored), scored.query
    version = picker.contrast["version"]
    picker.comm.click(kind="score", value=value, form=form)
    assert scored.query == before
    assert message in scored.error
    assert picker.contrast == {"kind": "", "value": 0.0, "form": "", "word": "", "version": version + 1}
    picker.close()


def test_another_model_is_another_task(make_session: Make) -> None:
    session = make_session([tiny.classifier(), tiny.regressor()], tiny.rated())
    picker = ContrastPicker(session)
    picker.comm.click(kind="choose", slot="Q", index=1)
    session.wait()
    session.ask(model="tiny")
    session.wait()
    assert (picker.task, picker.contrast["kind"]) == ("regression", "")
    assert picker.score == pytest.approx(session.output.value)
    picker.close()


def test_a_front_end_that_opens_later_shows_q_as_it_was_dragged(scored: Any) -> None:
    picker = ContrastPicker(scored)
    for step, value in enumerate((0.2, 0.3, 0.4), 1):
        drag = {"kind": "score", "value": value, "form": "plain", "gesture": 1, "origin": "tab", "step": step}
        picker.comm.arrive(drag=drag)
        state = picker.get_state("contrast")["contrast"]
        assert (state["kind"], state["value"], state["heard"]) == ("score", value, {"tab": step})
    picker.comm.click(kind="here", origin="tab")
    picker.comm.take()
    picker.comm.click(kind="here", origin="other")
    picker.comm.click(kind="score", value=0.5, form="plain", origin="tab", step=4)
    assert ["contrast"] in picker.comm.take()[0], "now there is another one to tell"
    assert picker.contrast["value"] == 0.5
    picker.close()
