"""What can be asked from the stage: methods and their options, Q, the secondary layer, the check by removal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from stages import HARMFUL, TWO, made_up, map_of, settled, values_of
from tiny import classifier, photos, rated, regressor

from xai_widgets import ImageSet, Session
from xai_widgets.engine import METHODS, Receipt
from xai_widgets.engine.options import Option
from xai_widgets.session import describe
from xai_widgets.views import Stage

Make = Callable[..., Session]


@pytest.fixture
def session(make_session: Make, monkeypatch: pytest.MonkeyPatch) -> Session:
    monkeypatch.setitem(METHODS, "two", TWO)
    return make_session(regressor(), rated())


# ---------------------------------------------------------------------- methods


def test_the_menu_is_made_of_the_records(stage: Stage) -> None:
    assert [(item["name"], item["words"], item["description"]) for item in stage.methods] == [
        (method.name, method.words, method.description) for method in METHODS.values()
    ]
    groups = {item["name"]: item["group"] for item in stage.methods}
    assert groups["grad_cam"] == "By the gradient"
    assert groups["helpful"] == groups["two"] == "By removal of feature maps"
    assert stage.method == "grad_cam"


def test_what_cannot_be_asked_says_why(session: Session, stage: Stage) -> None:
    assert not {"grad_cam", "behaviour", "helpful"} & set(stage.reasons)
    stage.comm.take()
    session.ask(image=session.images.names[2])
    settled(stage)
    sent, _ = stage.comm.take()
    assert not any("methods" in update for update in sent), "only the reasons differ from image to image"
    assert "needs to know how wrong the model is: a rating of 'image 2'" in stage.reasons["helpful"]
    assert stage.reasons["helpful"] == session.lacking("helpful")
    assert not {"grad_cam", "behaviour"} & set(stage.reasons)
    stage.comm.click(kind="method", name="helpful")
    assert session.error == stage.reasons["helpful"]
    assert session.query.method == "grad_cam"


def test_choosing_a_method_asks_the_session(session: Session, stage: Stage) -> None:
    for name in ("behaviour", "helpful", "primary", "two", "grad_cam"):
        stage.comm.click(kind="method", name=name)
        settled(stage)
        assert session.query.method == name == stage.method
        assert session.error == ""
        assert stage.map["palette"] == METHODS[name].palette


# ---------------------------------------------------------------------- options


def test_options_are_controls(session: Session, stage: Stage) -> None:
    stage.comm.click(kind="method", name="two")
    settled(stage)
    count, level, normal, both, window = stage.choices["values"]
    assert count == {
        "name": "count", "words": "noisy copies", "value": 25, "choices": [], "low": 1, "high": 1000, "unit": "",
        "numbers": True, "whole": True, "hint": "A whole number from 1 to 1000.",
    }  # fmt: skip
    assert (level["value"], level["whole"], level["unit"]) == (0.15, False, "of the input's range")
    assert level["hint"] == "A number from 0 to 1, of the input's range."
    assert (normal["choices"], normal["value"], normal["numbers"], normal["hint"]) == (
        ["raw", "peak"],
        "raw",
        False,
        "",
    )
    assert (both["choices"], both["value"]) == ([False, True], False)
    assert (window["choices"], window["numbers"], window["low"], window["high"]) == (["quarter"], True, 1, None)


def test_a_choice_is_sent_and_asked(session: Session, stage: Stage) -> None:
    stage.comm.click(kind="method", name="two")
    for name, value in (("count", 5), ("level", 1), ("normal", "peak"), ("both", True)):
        stage.comm.click(kind="option", name=name, value=value)
    settled(stage)
    assert dict(session.query.options) == {"count": 5, "level": 1, "normal": "peak", "both": True}
    assert [choice["value"] for choice in stage.choices["values"]] == [5, 1, "peak", True, "quarter"]
    assert stage.map["limit"] == 1
    assert session.error == ""


def test_a_choice_that_is_refused_is_taken_back(session: Session, stage: Stage) -> None:
    stage.comm.click(kind="method", name="two")
    settled(stage)
    version = stage.choices["version"]
    stage.comm.click(kind="option", name="level", value=7)
    assert session.error == "level must be a number from 0 to 1, got 7."
    assert session.query.options == ()
    assert stage.choices["version"] == version + 1
    assert stage.choices["values"][1]["value"] == 0.15


def test_an_option_without_an_end_travels_without_it(session: Session, stage: Stage) -> None:
    wider = replace(METHODS["two"], options=(Option("x", "x", 3, low=1), Option("y", "y", 0.5)))
    METHODS["two"] = wider  # the fixture's patch puts back what was there
    stage.comm.click(kind="method", name="two")
    x, y = stage.choices["values"]
    assert (x["low"], x["high"], x["hint"]) == (1, None, "A whole number of at least 1.")
    assert (y["low"], y["high"], y["hint"]) == (None, None, "A number.")


# ---------------------------------------------------------------------- Q


def test_the_chip_says_rather_than_q_and_is_cleared(session: Session, stage: Stage) -> None:
    assert stage.contrast == ""
    for asked, words in ((0.5, "rather than 0.5"), ("rating", "rather than the rating, 0.25")):
        session.ask(contrast=asked)
        assert stage.contrast == words
        assert stage.unheard == ""
    session.ask(form="tiles")
    assert stage.contrast == "rather than the rating, 0.25, by tiles"
    session.ask(method="behaviour")
    assert stage.unheard == "The map that is shown (Model behaviour) does not ask about Q."
    stage.comm.click(kind="clear")
    assert session.query.contrast is None
    assert (stage.contrast, stage.unheard) == ("", "")


def test_q_as_a_class(make_session: Make) -> None:
    session = make_session(classifier(), ImageSet(list(photos())))
    stage = settled(Stage(session))
    assert session.output is not None
    p = session.output.target
    labels = session.model.labels or ()
    session.ask(contrast=labels[p - 1])
    assert stage.contrast == f"rather than {labels[p - 1]}"
    for asked in ("confidence", labels[p]):
        session.ask(contrast=asked)
        assert stage.contrast == "rather than with 100 % confidence"
    stage.close()


# ---------------------------------------------------------------------- two dimensions, the secondary layer


def test_a_map_with_two_dimensions_carries_its_strength(session: Session, stage: Stage) -> None:
    session.ask(method="two")
    settled(stage)
    np.testing.assert_allclose(map_of(stage)[0], 0.15 * np.linspace(-1, 1, 4), rtol=1e-6)
    np.testing.assert_allclose(values_of(stage.map, "strength")[:, 0], [0, 0.5, 1])
    assert stage.map["palette"] == "purple-green"
    session.ask(method="grad_cam")
    settled(stage)
    assert stage.map["strength"] is None


def test_the_secondary_layer_is_asked_for_by_the_look(
    session: Session, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_up(monkeypatch, "secondary", lambda request: HARMFUL)
    assert (stage.secondary, stage.no_secondary) == ({}, "")
    stage.comm.click(kind="look", secondary="outline")
    settled(stage)
    assert session.look.secondary == "outline"
    np.testing.assert_array_equal(values_of(stage.secondary), [[0, 1], [2, 4]])
    np.testing.assert_array_equal(values_of(stage.secondary, "outline", bool), [[False, False], [False, True]])
    assert stage.secondary["words"] == "Outline: the top 10 % of the harmful feature maps."
    assert stage.alt.endswith("Outline: the top 10 % of the harmful feature maps.")
    stage.comm.click(kind="look", secondary="grey")
    assert stage.secondary["words"] == "Grey: harmful feature maps, full grey at 4."
    stage.comm.take()
    stage.comm.click(kind="look", secondary="off")
    assert stage.secondary == {}


def test_no_secondary_layer_where_the_error_is_not_known(session: Session, stage: Stage) -> None:
    session.ask(image=session.images.names[2])
    settled(stage)
    assert stage.no_secondary == "Harmful maps need a rating, and none is known for 'image 2'."
    version = stage.look["version"]
    stage.comm.click(kind="look", secondary="grey")
    assert "need a rating" in session.error
    assert stage.look["secondary"] == "off"
    assert stage.look["version"] == version + 1, "the browser had it on"


# ---------------------------------------------------------------------- the check by removal


def test_the_receipt_comes_on_demand_and_goes_with_the_map(
    session: Session, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "Taking away 26 of 256 places of Grad-CAM changes the score by -0.01, to 1e-3; random ones by +0.1 to -.2."
    made_up(monkeypatch, "receipt", lambda request: Receipt(text, -0.01, 0, -0.002, 0.002, 200, 26, 256))
    session.show(opacity=0.7)
    assert (stage.checkable, stage.receipt) == (True, "")
    stage.comm.click(kind="check")
    settled(stage)
    text = text.replace("by -0.01", "by −0.01").replace("-.2", "−.2")
    assert stage.receipt == text
    assert describe.stage(session, photo=False).receipt == text
    session.set_gain(1, 0.5)
    assert stage.receipt == ""
    settled(stage)
    assert stage.receipt == ""
