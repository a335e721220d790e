"""What a method says: its record, what its colours mean, what does not act on it, and what it cannot be asked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tiny import classifier, rated, regressor

from xai_widgets.engine import METHODS, Contrast, Query, Sources, answer
from xai_widgets.engine import methods as room
from xai_widgets.engine.methods.record import GROUPS, NEEDS, Explained, Method

AT_INPUT = ("gradient", "input_x_gradient", "guided_backpropagation", "positive_saliency", "smooth_grad")
SCORE_Q = Contrast("score", 0.8)  # above the score of the first photograph, which is 0.116
BELOW = Contrast("score", 0.05)
P, OTHER = "<b>cup</b>", "crew"  # P is predicted


def saliency(sources: Sources, method: str, **fields: Any) -> Any:
    return answer(sources, Query(image=sources.images.names[0], method=method, **fields), "explanation").saliency


@pytest.fixture
def scores() -> Sources:
    return Sources(regressor(), rated())


@pytest.fixture
def classes() -> Sources:
    return Sources(classifier(), rated())


# ------------------------------------------------------------------ records


@pytest.mark.parametrize("name", METHODS)
def test_a_record_says_all_there_is_to_say(name: str) -> None:
    method = METHODS[name]
    assert method.name == name
    assert method.words[0].isupper()
    assert method.description[0].isupper()
    assert method.description.endswith(".")
    assert method.question
    assert method.high
    assert not (method.one_sided and method.low)
    assert set(method.needs) <= set(NEEDS)
    words = [option.name for option in method.options]
    assert len(set(words)) == len(words)
    for option in method.options:
        assert option.words
        if option.check is None:
            assert option.checked(option.default) == option.default


def test_the_methods_of_the_literature_are_there_in_the_order_of_the_menu() -> None:
    groups = [method.group for method in METHODS.values()]
    assert groups == sorted(groups, key=GROUPS.index)
    names = {
        "grad_cam", *AT_INPUT, "implicit_saliency", "counterfactual", "contrast_uncertainty", "smallest_change",
        "feature_activation", "human_map",
    }  # fmt: skip
    assert names <= set(METHODS)
    assert [name for name, method in METHODS.items() if not method.takes_gains] == [
        "contrast_uncertainty", "smallest_change", "human_map",
    ]  # fmt: skip
    assert METHODS["human_map"].unmeasured.startswith("it does not come from the model")


def test_the_table_is_made_from_the_records() -> None:
    rows = {row.name: row for row in room.table()}
    assert list(rows) == list(METHODS)
    assert rows["smooth_grad"] == (
        "smooth_grad",
        "SmoothGrad",
        "gradient",
        "a change here raises or lowers P",
        "channel: 'largest' or a whole number of at least 0 (largest); n_samples: a whole number from 1 to 1000 (25); "
        "noise_level: a number from 0 to 1 (0.15); seed: a whole number from 0 to 2147483647 (0)",
        "Smilkov et al., 2017, arXiv 1706.03825",
    )
    assert rows["helpful"].colours == "positive: helpful; negative: harmful (purple and green)"
    assert rows["counterfactual"].needs == "classes, gradient"


# ------------------------------------------------------------------ legends

CLASS_Q = {"contrast": Contrast("class", OTHER)}
CONFIDENCE = {"contrast": Contrast("confidence")}
SIGNED: list[tuple[dict[str, Any], str, str, str]] = [
    ({}, f"why {P}?", f"lowers {P}", f"raises {P}"),
    (CLASS_Q, f"why {P}, rather than {OTHER}?", f"speaks for {OTHER}", f"speaks against {OTHER}, for {P}"),
    (CONFIDENCE, f"why not {P} with 100 % confidence?", f"speaks for {P}", "speaks for the other classes"),
    (
        {"contrast": Contrast("class", P), "target": OTHER},
        f"why {OTHER}, rather than {P}? gradient of {OTHER} minus gradient of {P}",
        f"speaks for {P}",
        f"speaks against {P}, for {OTHER}",
    ),
    (
        {"contrast": SCORE_Q},
        "why 0.116, rather than 0.8?",
        "raises the score, towards Q",
        "lowers the score, away from Q",
    ),
    (
        {"contrast": BELOW},
        "why 0.116, rather than 0.05?",
        "lowers the score, towards Q",
        "raises the score, away from Q",
    ),
]


@pytest.mark.parametrize(("fields", "question", "low", "high"), SIGNED)
def test_what_the_sign_of_a_channel_means(
    scores: Sources, classes: Sources, fields: dict[str, Any], question: str, low: str, high: str
) -> None:
    sources = scores if fields.get("contrast") in (SCORE_Q, BELOW) else classes
    options = (("channel", 1),)
    found = saliency(sources, "input_x_gradient", options=options, **fields)
    assert found.title.endswith(f" · Input x gradient · {question}")
    assert (found.low, found.high, found.one_sided) == (low, high, False)
    found = saliency(sources, "gradient", options=options, **fields)
    assert (found.low, found.high) == (f"a larger value {low}", f"a larger value {high}")
    found = saliency(sources, "positive_saliency", options=options, **fields)
    assert (found.low, found.high, found.one_sided) == ("", f"a larger value {high}", True)
    assert found.map.min() >= 0


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, f"raises or lowers {P}"),
        (CLASS_Q, f"speaks for {P} or for {OTHER}"),
        (CONFIDENCE, f"speaks for {P} or for the other classes"),
        ({"contrast": SCORE_Q}, "takes the score towards Q or away from it"),
    ],
)
def test_a_size_over_channels_has_one_side(
    scores: Sources, classes: Sources, fields: dict[str, Any], words: str
) -> None:
    sources = scores if fields.get("contrast") is SCORE_Q else classes
    for name in ("gradient", "guided_backpropagation", "smooth_grad"):
        found = saliency(sources, name, **fields)
        assert (found.low, found.high, found.one_sided) == ("", f"a change here {words}", True)
        assert found.map.min() >= 0
    assert saliency(sources, "input_x_gradient", **fields).high == words


def test_one_colour_scale_for_every_q(scores: Sources) -> None:
    """The map grows with |y - Q| and the scale does not; guided backpropagation has a scale on each side."""
    for name in ("gradient", "input_x_gradient"):
        near, far, below = (saliency(scores, name, contrast=Contrast("score", q)) for q in (0.3, 0.9, 0.05))
        assert near.limit == pytest.approx(far.limit, rel=1e-4)
        assert near.limit == pytest.approx(below.limit, rel=1e-4)
        assert np.abs(far.map).max() == pytest.approx(
            np.abs(near.map).max() * (0.9 - 0.1157) / (0.3 - 0.1157), rel=1e-2
        )
        assert "one colour scale for every Q from 0 to 1" in near.note
    near, far, below = (
        saliency(scores, "guided_backpropagation", contrast=Contrast("score", q)) for q in (0.3, 0.9, 0.05)
    )
    assert near.limit == pytest.approx(far.limit, rel=1e-4)
    assert below.limit < 0.5 * near.limit
    assert "for every Q on this side of the score" in near.note
    smooth = saliency(scores, "smooth_grad", contrast=SCORE_Q)
    assert smooth.note.endswith("Each copy has a score of its own, and so its own distance from Q.")
    assert smooth.limit == pytest.approx(float(np.abs(smooth.map).max()))


def test_implicit_saliency_says_what_it_is(scores: Sources, classes: Sources) -> None:
    found = saliency(classes, "implicit_saliency", options={"kind": "product", "labels": 2})
    assert found.title.endswith("Implicit saliency (reconstruction) · what would contradicting labels change?")
    assert found.note.endswith("Mean over the 2 most probable labels.")
    flat = saliency(classes, "implicit_saliency")
    assert flat.degenerate == "constant"
    assert flat.note.endswith("averages over places, so that g has none: choose the kind product.")
    spread = saliency(classes, "implicit_saliency", options={"kind": "product", "combine": "variance"})
    assert spread.high == "the labels differ here"
    idle = saliency(classes, "implicit_saliency", options={"kind": "norms", "labels": "others"}, **CLASS_Q)
    assert "Labels and combine act only without Q" in idle.note
    assert idle.title.endswith(f"why {P}, rather than {OTHER}?")
    score = saliency(scores, "implicit_saliency", options={"kind": "norms"}, contrast=SCORE_Q)
    assert "one colour scale for every Q" in score.note
    feature = saliency(scores, "implicit_saliency", options={"kind": "feature"}, contrast=SCORE_Q)
    assert "which no label changes" in feature.note
    assert "one colour scale" not in feature.note
    with pytest.raises(ValueError, match="a variance needs at least 2 labels and a kind that depends on them"):
        saliency(classes, "implicit_saliency", options={"kind": "feature", "combine": "variance"})


# ------------------------------------------------------------------ what does not act


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The methods whose functions ran."""
    names: list[str] = []

    def counting(method: Method) -> Method:
        def make(request: Any, options: dict[str, Any]) -> Explained:
            names.append(method.name)
            return method.make(request, options)

        return replace(method, make=make)

    for name, method in list(METHODS.items()):
        monkeypatch.setitem(METHODS, name, counting(method))
    return names


GAINS = {"gains": ((2, 0.0),)}
ALL_ONE = "The gains do not act on this map: "
UNHEARD: list[tuple[str, str, dict[str, Any], str]] = [
    ("classes", "contrast_uncertainty", GAINS, f"{ALL_ONE}it is that of all gains 1."),
    ("classes", "contrast_uncertainty", CLASS_Q, "Q does not act on this map: it is over every Q."),
    ("classes", "counterfactual", CLASS_Q, "Q does not act on this map: it asks about P alone."),
    ("classes", "feature_activation", CONFIDENCE, "Q does not act on this map: it asks about no score."),
    ("scores", "behaviour", {"contrast": SCORE_Q}, "Q does not act on this map: it asks about P alone."),
    (
        "scores", "gradient", {"contrast": Contrast("score", 0.8, "tiles")},
        "Tiles do not act on this map: it asks of the whole image.",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("of", "name", "fields", "sentence"), UNHEARD)
def test_what_does_not_act_is_said_and_costs_nothing(
    request: pytest.FixtureRequest, ran: list[str], of: str, name: str, fields: dict[str, Any], sentence: str
) -> None:
    sources = request.getfixturevalue(of)
    tiles = {"contrast": SCORE_Q} if name == "gradient" else {}
    plain = saliency(sources, name, **tiles)
    assert sentence not in plain.note
    found = saliency(sources, name, **fields)
    assert found.note == f"{plain.note} {sentence}".strip()
    np.testing.assert_array_equal(found.map, plain.map)
    assert ran == [name]


def test_gains_change_the_scores_beside_a_map_that_they_do_not_change(scores: Sources) -> None:
    query = Query(image=scores.images.names[0], method="smallest_change", contrast=SCORE_Q)
    plain = answer(scores, query, "explanation")
    gained = answer(scores, replace(query, gains=((2, 0.0), (7, 2.0))), "explanation")
    expected = answer(scores, replace(query, method="grad_cam", gains=((2, 0.0), (7, 2.0))), "output")
    assert gained.output.value == pytest.approx(expected.value)
    assert gained.output.value != pytest.approx(plain.output.value, rel=1e-4)
    assert gained.saliency.note.endswith(f"{ALL_ONE}removals start from all gains 1.")
    assert gained.query.gains == ((2, 0.0), (7, 2.0))
