"""What outputs mean in every answer and view: known answers by hand, and the cases of users."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from says import MANY, NAMES, PAIR, THREE, ByHand, Says, ask, heads, images, log_softmax, model, near
from test_outputs_everywhere import LABELS, SCORES
from torch import nn
from torch.nn import functional as F

from xai_widgets import ImageModel, figures
from xai_widgets.engine import METHODS, Contrast, Query, Sources, Subject, answer
from xai_widgets.engine.methods import missing
from xai_widgets.session import Session, describe
from xai_widgets.session.facts import in_words
from xai_widgets.views import ContrastPicker, Gallery

# ---------------------------------------------------------------------- known answers, by hand


@pytest.mark.parametrize("last", [None, nn.Softmax(1), nn.LogSoftmax(1), F.softmax, log_softmax])
def test_probabilities_are_taken_as_such(last: Any) -> None:
    last = (lambda y: F.softmax(y, 1)) if last is F.softmax else last
    known = Sources(model(3, last, 1.0, **NAMES), images())
    hand, p = ByHand(known), ByHand(known).z.softmax(0)
    by_logs = last is not None and not isinstance(last, nn.Module)
    made = ask(known, target="cat")
    near(made.output.probabilities, p)
    near(made.saliency.map, hand.cam([1, 0, 0]) - (hand.cam(p) if by_logs else 0))
    assert ("the log-probability of cat" in made.saliency.title) == by_logs
    best = int(p.argmax())
    for q in {0, 1, 2} - {best}:  # contrasts are the same, whatever is explained
        near(ask(known, contrast=Contrast("class", q)).saliency.map, hand.cam(p - F.one_hot(torch.tensor(q), 3)))
    rest = torch.where(torch.arange(3) == best, 0, p)
    sure = ask(known, contrast=Contrast("confidence")).saliency
    near(sure.map, hand.cam(rest - F.one_hot(torch.tensor(best), 3) * rest.sum()))
    impacts = ask(known, "impacts", target="cat")
    near(
        impacts.delta_error, F.cross_entropy(hand.without(), torch.full((tiny.MAPS,), 1), reduction="none") + p[1].log()
    )


def test_a_logarithm_that_is_rounding_is_flagged() -> None:
    known = Sources(model(3, lambda y: y.softmax(1), 60.0, **NAMES), images())
    assert ask(known).saliency.degenerate == "rounding" == ask(known, method="behaviour").saliency.degenerate
    assert not ask(known, contrast=Contrast("class", 1)).saliency.degenerate  # a difference of logarithms holds
    assert not ask(known, method="feature_activation").saliency.degenerate
    near(ask(known, contrast=Contrast("class", 1)).saliency.map, ByHand(known).cam([1, -1, 0]))
    assert not Sources(model(3, nn.Softmax(1), 60.0, **NAMES), images()).model().scores.by_probability


@pytest.mark.parametrize("last", [None, nn.Sigmoid(), torch.sigmoid])
def test_one_logit_tells_two_classes_apart(last: Any) -> None:
    known = Sources(model(1, last, **PAIR), images())
    hand = ByHand(known)
    z, cam = hand.z[0], hand.cam([1.0])
    output = ask(known, "output", target="dog")
    near(output.scores, torch.stack((-z, z)))
    near(output.probabilities, torch.stack(((-z).sigmoid(), z.sigmoid())))
    near(ask(known, target="cat").saliency.map, -cam)
    near(ask(known, target="dog", contrast=Contrast("class", "cat")).saliency.map, cam * (z.sigmoid() if z > 0 else 1))
    best, other = ("dog", "cat") if z > 0 else ("cat", "dog")
    wanted = {"cat": z.sigmoid() * cam, "dog": -(1 - z.sigmoid()) * cam}
    near(ask(known, target=best, contrast=Contrast("class", other)).saliency.map, wanted[other])
    near(ask(known, target=best, contrast=Contrast("confidence")).saliency.map, wanted[best])
    impacts = ask(known, "impacts", target="cat")  # its label is dog
    y, ones = hand.without()[:, 0], torch.ones(tiny.MAPS)
    growth = F.binary_cross_entropy_with_logits(y, ones, reduction="none") - F.softplus(-z)
    near(impacts.delta_error, growth)
    near(impacts.delta_y, z - y)
    assert impacts.error == "binary cross entropy"
    assert abs(impacts.error_value - float(F.softplus(-z))) < 1e-5


@pytest.mark.parametrize("last", [None, nn.Sigmoid(), torch.sigmoid])
def test_labels_do_not_exclude_each_other(last: Any) -> None:
    known = Sources(model(3, last, **MANY), images())
    hand = ByHand(known)
    made = ask(known, contrast=Contrast("class", "fish"), target="dog")
    near(made.output.probabilities, hand.z.sigmoid())
    near(made.saliency.map, hand.cam([0, 1, -1]))
    assert ask(known, "output").target == int(hand.z.argmax())
    impacts = ask(known, "impacts", target="fish")
    near(impacts.delta_y, hand.without()[:, 2] - hand.z[2])
    near(impacts.delta_error, F.softplus(-hand.without()[:, 1]) - F.softplus(-hand.z[1]))  # its label is dog
    joint = ask(known, "joint", gains={0: 0.0, 1: 0.0})
    gone = hand.z[1] - hand.weight[1, :2] @ hand.mean[:2]
    assert abs(joint.delta_error - float(F.softplus(-gone) - F.softplus(-hand.z[1]))) < 1e-4
    assert ask(known, "impacts", "b.png").delta_error is None  # its label is none of these
    for fields, sentence in (
        ({"contrast": Contrast("confidence")}, "do not exclude each other, so that none takes confidence from P"),
        (
            {"method": "implicit_saliency"},
            "needs Q, another label to compare with, since net gives labels that do not exclude each other",
        ),
        ({"contrast": Contrast("score", 0.5)}, "so that Q must be a class"),
    ):
        with pytest.raises(ValueError, match=sentence):
            ask(known, **fields)
    made = ask(known, method="implicit_saliency", contrast=Contrast("class", "fish"), target="dog")
    assert made.saliency.map.any()


def test_several_scores_are_each_a_score() -> None:
    known = Sources(model(3, task="regression", labels=THREE, ranges=[(-20, 20), None, (0, 1)]), images())
    hand = ByHand(known)
    for index, name in enumerate(THREE):
        made = ask(known, target=name)
        near(made.saliency.map, hand.cam(F.one_hot(torch.tensor(index), 3).float()))
        assert made.output.probabilities is None
        assert made.output.target == index
        assert made.saliency.title.endswith(f"why {name}?")
        assert made.saliency.high == f"raises {name}"
    assert ask(known, "output").target == 0  # no score is the predicted one
    assert Subject(known, Query(image="a.png", target="valence")).score_range == (-20, 20)
    ratings = [Subject(known, Query(image=image, target="arousal")).rating for image in known.images.names]
    assert ratings == [0.25, None, 0.75]
    assert Subject(known, Query(image="a.png", target="dominance")).rating is None  # "rating" is of no one of several
    impacts = ask(known, "impacts", target="arousal")
    y, without = hand.z[1], hand.without()[:, 1]
    near(impacts.delta_error, (without - 0.25).abs() - (y - 0.25).abs())
    for form in ("plain", "tiles"):
        made = ask(known, target="arousal", contrast=Contrast("score", 0.1, form))
        assert f"why arousal {float(y):.3g}, rather than 0.1?" in made.saliency.title
    plain = ask(known, target="arousal", contrast=Contrast("score", 0.1)).saliency.map
    near(plain, (2 * (y - 0.1) * hand.cam([0.0, 1, 0])).clamp_min(0))
    measured = answer(known, Query(image="a.png", target="arousal"), "measures", rule="repredicted")
    fixed = answer(known, Query(image="a.png", target="arousal"), "measures")
    assert measured.values == pytest.approx(fixed.values, nan_ok=True)
    assert "fixed target: arousal" in measured.notes["noise"]
    with pytest.raises(ValueError, match="score must be one of 'arousal'"):
        ask(known, target="arousel")


# ---------------------------------------------------------------------- every view


@pytest.fixture
def opened() -> Iterator[Callable[..., Session]]:
    sessions: list[Session] = []

    def make(found: ImageModel, photos: Any = None) -> Session:
        sessions.append(Session(found, images() if photos is None else photos))
        assert sessions[-1].wait()
        assert not sessions[-1].error
        return sessions[-1]

    yield make
    for session in sessions:
        session.close()


def test_several_scores_in_every_view(opened: Callable[..., Session]) -> None:
    session = opened(model(3, torch.sigmoid, labels=THREE))
    gallery, picker = Gallery(session), ContrastPicker(session)
    shown = describe.gallery(session)
    assert shown.score_name == "valence"
    assert shown.limits == (0, 1)
    assert shown.ratings.tolist() == [0.5] * 3
    picker.gesture("choose", slot="P", index=1)
    picker.gesture("score", value=0.75)
    assert session.wait()
    shown, scene = describe.gallery(session), describe.picker(session)
    every = {name: answer(session.sources, Query(image=name), "scores").scores[1] for name in session.images.names}
    np.testing.assert_allclose(shown.scores, list(every.values()), rtol=1e-6)
    assert shown.score_name == gallery.score_name == "arousal"
    np.testing.assert_equal(shown.ratings, np.array([0.25, np.nan, 0.75], np.float32))
    assert (scene.names, scene.target, scene.rating, scene.axis) == (THREE, 1, 0.25, (0, 1))
    assert scene.question == f"Why arousal {every['a.png']:.3g}, rather than 0.75?"
    assert ("rating", 0.25) in scene.quick
    said = describe.stage(session).score
    assert said is not None
    assert said.label == "arousal"
    assert "rating 0.250" in said.facts
    assert describe.bank(session).subject == "arousal"
    assert describe.plane(session).facts.startswith(f"arousal {every['a.png']:.3g}, rating 0.25: residual")
    picker.gesture("clear")
    assert session.query.target == "arousal"
    assert session.query.contrast is None
    for one in (describe.picker(session), gallery.scene(), describe.stage(session), describe.plane(session)):
        assert figures.alt(one)
        figures.still(one)
    session.ask(contrast=0.5)
    assert "Q 0.5 is kept" not in session.notice
    assert session.query.contrast == Contrast("score", 0.5)


def test_another_reading_is_one_click_away(opened: Callable[..., Session]) -> None:
    session = opened(model(3, torch.sigmoid, labels=THREE))
    picker = ContrastPicker(session)
    assert (picker.task, picker.read_as, picker.readings) == ("regression", SCORES, [["net [multilabel]", LABELS]])
    session.ask(target="arousal")
    picker.gesture("read", name="net [multilabel]")
    assert session.wait()
    assert not session.error
    assert session.query.model == "net [multilabel]"
    assert session.query.target == "arousal"
    assert (picker.task, picker.exclusive, picker.readings) == ("classification", False, [["net", SCORES]])
    assert describe.stage(session).score.headline.endswith(" %")  # type: ignore[union-attr]
    code = session.code()
    assert "model='net [multilabel]'" in code
    session.ask(target=None, contrast="valence")
    session.ask(target="valence")
    assert "do not exclude each other" in session.notice
    assert session.query.contrast is None
    session.read_as("regression")
    assert session.query.model == "net"
    assert session.query.target == "valence"
    session.undo()
    assert session.query.model == "net [multilabel]"
    with pytest.raises(ValueError, match="task='binary' needs one output"):
        session.read_as("binary")


def test_a_file_and_a_script_name_another_reading(opened: Callable[..., Session], tmp_path: Any) -> None:
    session = opened(model(3, heads))
    assert session.readings() == [("net [classes]", "'classes'")]
    session.read_as(output="classes")
    session.ask(target=2)
    file = session.save(tmp_path / "kept.json")
    other = Session.open(file, model=model(3, heads), images=images())
    try:
        assert other.wait()
        assert other.query == session.query
        assert other.model.outputs == 3
    finally:
        other.close()
    written = opened(model(3, heads))
    exec(session.code(), {"session": written})  # our own code
    assert written.query == session.query


MEANT = ((PAIR, 1), (MANY, 3), ({"task": "regression", "labels": THREE}, 3), (NAMES, 3))


@pytest.mark.parametrize(
    ("said", "outputs", "dtype"),
    [(*MEANT[0], torch.float32), (*MEANT[1], torch.float32), (*MEANT[2], torch.float16), (*MEANT[3], torch.bfloat16)],
)
def test_every_method_and_part_answers(said: dict[str, Any], outputs: int, dtype: Any) -> None:
    network = Says(outputs).to(dtype)
    known = Sources(ImageModel(network, None, "body.features", name="net", **said), images())
    contrast = Contrast("score", 0.2) if said["task"] == "regression" else Contrast("class", said["labels"][1])
    asked = Query(image="a.png", target=said["labels"][0], contrast=contrast, options={})
    done = []
    for name, method in METHODS.items():
        query = Query(**{**vars(asked), "method": name, "options": {"importance": (1.0,) * tiny.MAPS}
                         if name == "unlabelled" else {}})  # fmt: skip
        if not missing(method, Subject(known, query)):
            assert np.isfinite(answer(known, query, "explanation").saliency.map).all(), name
            done.append(name)
    assert {"grad_cam", "smooth_grad", "implicit_saliency", "behaviour", "smallest_change"} <= set(done)
    gains = Query(**{**vars(asked), "gains": {0: 0.0}})
    for part, options in (
        ("secondary", {}),
        ("joint", {}),
        ("receipt", {"absolute": True}),
        ("region", {"box": (0, 0, 0.5, 0.5)}),
    ):
        if said["task"] != "regression" or part not in ("secondary",):
            assert answer(known, gains, part, **options) is not None


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize(("outputs", "said"), [(1, {}), (1, PAIR), (3, NAMES), (3, MANY)])
def test_half_precision_in_every_view(dtype: Any, outputs: int, said: Any, opened: Callable[..., Session]) -> None:
    network = Says(outputs, nn.Sigmoid() if said is PAIR else None).to(dtype)
    session = opened(ImageModel(network, None, "body.features", name="half", **said))
    assert session.saliency is not None
    assert session.impacts is not None
    assert session.measures is not None
    assert all(np.isfinite(value) for name, value in session.measures.values.items() if name != "stability")
    session.ask(gains={0: 0.0, 3: 1.5})
    session.ask(contrast=0.1 if outputs == 1 and not said else "dog")
    session.ask(target="fish") if outputs == 3 else None
    assert session.wait()
    assert not session.error
    assert answer(session.sources, session.query, "receipt", absolute=True).draws
    exact = Sources(ImageModel(network.float(), None, "body.features", name="whole", **said), images())
    near(ask(session.sources, "scores").scores, torch.tensor(ask(exact, "scores").scores), 0.05)


# ---------------------------------------------------------------------- cases of users


def test_the_cases_of_users() -> None:
    sure = Sources(model(3, nn.Softmax(1), 9.0, labels=("a", "b", "c")), images())
    output = ask(sure, "output")
    p = ByHand(sure).z.softmax(0)
    assert in_words(sure.model(), output)[1] == f"a {float(p[0]):.2f}"
    assert float(p[0]) > 0.9
    both = (model(3, torch.sigmoid, labels=THREE), model(3, torch.sigmoid, range=(0, 1)))
    assert [one.task for one in both] == ["regression"] * 2
    assert [one.ranges for one in both] == [((0, 1),) * 3] * 2
    pair = Sources(model(1, labels=["cat", "dog"]), images())
    assert "why dog, rather than cat?" in ask(pair, target="dog", contrast=Contrast("class", "cat")).saliency.title
