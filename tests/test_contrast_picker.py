"""The contrast picker: gestures become queries, answers become traits, and little is sent."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tiny

from xai_widgets import Contrast, ImageModel
from xai_widgets.engine import PARTS, Lane
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
    assert [set(names) - {"pairs"} for names in updates] == [{"probabilities"}]  # the names stay where they are
    assert size < 4 * 1000 + 400
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


def test_ways_of_asking_and_their_options(scored: Any, classes: Any) -> None:
    picker = ContrastPicker(scored)
    assert [way[2] for way in picker.ways] == ["plain", "tiles", "smallest change"]
    picker.comm.click(kind="score", value=0.9, form="plain")
    assert (picker.way, picker.choices) == (0, [])
    picker.comm.click(kind="way", number=1)
    assert scored.query.contrast == Contrast("score", 0.9, "tiles")
    assert [choice["name"] for choice in picker.choices] == ["window", "stride"]
    picker.comm.click(kind="option", name="window", value=32)
    assert dict(scored.query.options) == {"window": 32}
    picker.comm.click(kind="option", name="window", value=-1)
    assert "window" in scored.error
    assert picker.choices[0]["value"] == 32, "the control goes back"
    picker.comm.click(kind="way", number=2)
    assert (scored.query.method, scored.query.contrast.form, picker.way) == ("smallest_change", "plain", 2)
    picker.comm.click(kind="option", name="baseline", value="mean")
    assert (scored.query.baseline, picker.choices[0]["value"]) == ("mean", "mean")
    scored.wait()
    assert scored.error == ""
    for wrong in (3, -1, None, "plain", True):
        picker.comm.click(kind="way", number=wrong)
        assert "the way to ask must be from 0 to 2" in scored.error
        scored.error = ""
    picker.close()
    picker = ContrastPicker(classes)
    assert [way[2] for way in picker.ways] == ["plain", "smallest change"]
    picker.close()


def test_recent_classes_and_pairs(classes: Any) -> None:
    picker, p = ContrastPicker(classes), classes.output.target
    q, third = (p + 1) % 3, (p + 2) % 3
    first, second = np.argsort(-classes.output.probabilities, kind="stable")[:2].tolist()
    assert picker.pairs == [[first, second, "the two likeliest"]]
    assert picker.recent == []
    with pytest.raises(ValueError, match="change places where Q is a class"):
        classes.swap()
    picker.comm.click(kind="pair", p=third, q=q)
    assert (picker.recent, picker.pairs[-1]) == ([q, third], [third, q, "asked before"])
    picker.comm.click(kind="swap")
    classes.wait()
    assert (picker.target, picker.contrast["value"]) == (q, third)
    assert picker.recent == [third, q]
    classes.undo()
    assert picker.contrast["value"] == q
    classes.ask(contrast=third)
    with pytest.raises(ValueError, match="are the same class"):
        classes.swap()
    picker.close()


def test_the_likeliest_classes_are_compared_until_they_are_closed(make_session: Make) -> None:
    session = make_session(ImageModel(tiny.TinyNet(1000), None, "features"), tiny.rated())
    picker = ContrastPicker(session)
    assert picker.candidates == {}
    picker.comm.click(kind="candidates", most=12)
    session.wait()
    told, likely = picker.candidates, np.argsort(-session.output.probabilities, kind="stable")[:12]
    assert sorted(told["classes"]) == sorted(likely.tolist())
    assert told["distances"] == sorted(told["distances"], reverse=True)
    assert (len(told["maps"]), told["maps_shape"], told["done"]) == (12 * 16 * 16, [12, 16, 16], True)
    assert "12 likeliest of 1,000 classes" in told["words"]
    before = session.compared_q
    session.ask(contrast=int(likely[3]))
    session.wait()
    assert session.compared_q is before, "another Q has the same maps"
    session.set_gain(range(5), 0.0)
    assert session.compared_q.stale
    session.wait()
    assert not session.compared_q.stale
    assert not np.array_equal(session.compared_q.made.maps, before.made.maps)
    session.ask(image=session.images.names[1])
    assert not session.compared_q.made, "those of another photo are not shown"
    session.wait()
    assert session.compared_q.made.query.image == session.images.names[1]
    picker.comm.click(kind="candidates", most=None)
    assert (picker.candidates, session.compared_q) == ({}, None)
    for wrong in (0, 201, 1.5, "all", True):
        picker.comm.click(kind="candidates", most=wrong)
        assert "must be from 1 to 200" in session.error
        session.error = ""
    picker.close()


def test_closed_before_it_is_made_nothing_is_made(classes: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    record = PARTS["contrasts"]

    def counted(request: Any) -> Any:
        made.append(1)
        return record.make(request)

    monkeypatch.setitem(PARTS, "contrasts", replace(record, make=counted))
    held = threading.Event()
    classes.engine.worker.submit(Lane("test", "call"), lambda job: held.wait(30))
    classes.candidates()
    classes.candidates(None)
    held.set()
    classes.wait()
    assert (classes.compared_q, made, classes.error) == (None, [], "")
    assert "candidates" not in classes.code()
    classes.candidates(2)
    classes.wait()
    assert made == [1]
    assert "session.candidates(2)" in classes.code()


def test_a_picture_of_a_class_is_its_most_confident_image(classes: Any, scored: Any) -> None:
    classes.wait()
    picker = ContrastPicker(classes)
    names = classes.images.names
    best = {
        index: max(names, key=lambda name: classes._outputs[name].probabilities[index]) for index in range(3)
    }  # fmt: skip
    assert {index: classes.likeliest_image(index)[0] for index in range(3)} == best
    picker.comm.take()
    picker.comm.click(kind="pictures", indices=[0, 2])
    picker._courier.join()
    sent = [(data["content"], buffers) for data, buffers in picker.comm.sent if data.get("method") == "custom"]
    told = {index: name for content, _ in sent for index, name, _ in content["pictures"]}
    assert told == {index: best[index] for index in (0, 2)}
    assert all(buffer[:2] == b"\xff\xd8" for _, buffers in sent for buffer in buffers)
    for wrong in ([7], ["cat"], [True]):
        picker.comm.click(kind="pictures", indices=wrong)
        assert "a class is numbered from 0 to 2" in classes.error
        classes.error = ""
    picker.comm.click(kind="pictures", indices="all")  # no list, and no harm
    assert classes.error == ""
    picker.close()
    with pytest.raises(ValueError, match="gives scores, and has no classes"):
        scored.likeliest_image(0)
    with pytest.raises(ValueError, match="made for classes, and tiny gives scores"):
        scored.candidates()


NAMES = ("<img src=x onerror=alert(1)>", "🐈‍⬛ café", "\u202eقطة سوداء", "x" * 80)


def test_names_of_any_kind_reach_the_page_as_they_are(make_session: Make) -> None:
    session = make_session(ImageModel(tiny.TinyNet(4), None, "features", labels=NAMES), tiny.rated())
    picker = ContrastPicker(session)
    for index in range(4):
        picker.comm.click(kind="choose", slot="Q", index=index)
        assert session.query.contrast == Contrast("class", NAMES[index])
        assert session.error == ""
    session.candidates()
    session.wait()
    assert picker.names == list(NAMES)
    assert len(picker.candidates["classes"]) == 4
    picker.close()
