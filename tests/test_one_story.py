"""All views tell one story: P, Q, score and titles are the same in each, after any series of gestures."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest
import tiny

from xai_widgets import Explorer, ImageSet
from xai_widgets.kernels.cam import class_cams
from xai_widgets.kernels.tail import Tail
from xai_widgets.session.describe.effects import rival

LABELS = ("cat", "<b>cup</b>", "crew")


def number(text: str) -> float:
    """The last number of a line, as a view writes it."""
    return float(re.findall(r"[-−]?[\d.]+", text)[-1].replace("−", "-"))


def explained(explorer: Explorer) -> dict[str, str]:
    """P, as each view names it."""
    stage, picker, bank = explorer.stage, explorer.contrast, explorer.bank
    measures = explorer.session.measures
    assert measures is not None
    title = str(stage.map["title"])
    found = re.search(r"why (?:not )?(.*?)(?:, rather than .*| with 100 % confidence)?\?", title)
    found = found or re.search(r"does to (.*)", title)
    assert found, title
    named = {
        "stage": stage.score["label"],
        "title": found[1],
        "picker": picker.names[picker.target],
        "bank": bank.subject,
        "measures": str(measures.notes["entropy"]),
    }
    named["measures"] = re.findall(r"fixed target: ([^;]*)", named["measures"])[0]
    return named


def question_of(explorer: Explorer) -> str:
    """What the picker asks, as its front end writes it."""
    picker = explorer.contrast
    p, contrast = picker.names[picker.target], picker.contrast
    same = contrast["kind"] == "class" and contrast["value"] == picker.target
    if contrast["kind"] == "confidence" or same:
        return f"why not {p} with 100 % confidence?"
    return f"why {p}, rather than {picker.names[contrast['value']]}?" if contrast["kind"] else f"why {p}?"


@pytest.fixture
def classes(make_session: Callable[..., Any]) -> Iterator[Explorer]:
    images = ImageSet(list(tiny.photos()), labels=["cat", "crew", "nothing that it knows"])
    explorer = Explorer(make_session(tiny.classifier(), images))
    yield explorer
    explorer.close()


@pytest.fixture
def scored(make_session: Callable[..., Any]) -> Iterator[Explorer]:
    explorer = Explorer(make_session(tiny.regressor(), tiny.rated()))
    yield explorer
    explorer.close()


def class_gesture(explorer: Explorer, draw: random.Random) -> None:
    """One of the gestures of a reader, drawn at random."""
    session, picker = explorer.session, explorer.contrast
    index = draw.randrange(3)
    choices: list[Callable[[], Any]] = [
        lambda: explorer.gallery.comm.click(kind="pick", name=session.images.names[index]),
        lambda: picker.comm.click(kind="choose", slot="P", index=index),
        lambda: picker.comm.click(kind="choose", slot="Q", index=index),
        lambda: picker.comm.click(kind="confidence"),
        lambda: picker.comm.click(kind="clear"),
        lambda: session.ask(target=LABELS[index], contrast=LABELS[draw.randrange(3)]),
        lambda: explorer.stage.comm.click(kind="method", name=draw.choice(("grad_cam", "behaviour"))),
        lambda: explorer.bank.comm.click(kind="mute", indices=[index]),
        lambda: explorer.status.comm.click(kind="undo"),
        lambda: explorer.status.comm.click(kind="redo"),
    ]
    draw.choice(choices)()


@pytest.mark.parametrize("seed", range(4))
def test_one_class_is_explained_in_every_view(classes: Explorer, seed: int) -> None:
    draw, session = random.Random(seed), classes.session
    for _ in range(12):
        class_gesture(classes, draw)
        assert session.wait(60)
        assert classes.stage.settle(30)
        assert session.error == ""
        output, stage, picker = session.output, classes.stage, classes.contrast
        assert output is not None
        assert output.probabilities is not None
        named = explained(classes)
        q = rival(session)
        if q is not None:  # effects are those on P - Q
            assert named.pop("bank") == f"{LABELS[output.target]} − {LABELS[q]}"
        assert set(named.values()) == {LABELS[output.target]}, (session.query, named)
        if session.query.target is not None:
            assert LABELS[output.target] == session.query.target
        shares = np.frombuffer(picker.probabilities, np.float32)
        assert number(stage.score["headline"]) == pytest.approx(100 * shares[picker.target], abs=0.051)
        assert number(stage.score["facts"][0]) == pytest.approx(output.value, abs=0.0051)
        value = output.base if session.margins is None or q is None else session.margins.value
        assert classes.bank.impacts["value"] == pytest.approx(value, abs=1e-5)
        assert number(re.split("[,:]", classes.plane.facts)[0]) == pytest.approx(value, rel=6e-3)
        place = classes.gallery.current
        known = np.frombuffer(classes.gallery.scores, np.float32)[place]
        predicted = classes.gallery.classes[np.frombuffer(classes.gallery.predicted, np.int32)[place]]
        if not session.query.gains:
            assert predicted == LABELS[int(output.scores.argmax())]
            assert known == pytest.approx(output.probabilities.max(), abs=1e-5)
        if session.query.contrast is not None and session.query.method == "grad_cam":
            assert question_of(classes) in stage.map["title"]
        assert session.query.layer in classes.plane.title
        assert session.query.layer in classes.radar.note
        assert session.query.image in classes.radar.note


@pytest.mark.parametrize("seed", range(2))
def test_one_score_stands_in_every_view(scored: Explorer, seed: int) -> None:
    draw, session = random.Random(seed), scored.session
    for _ in range(12):
        q = draw.choice((0.0, 0.25, 1.0, "rating"))
        gain, index = draw.choice((0.0, 0.5, 1.75)), draw.randrange(tiny.MAPS)
        choices: list[Callable[[], Any]] = [
            lambda: scored.gallery.comm.click(kind="pick", name=session.images.names[draw.randrange(2)]),
            partial(session.ask, contrast=q, form="plain"),
            partial(session.set_gain, index, gain),
            lambda: scored.stage.comm.click(kind="method", name=draw.choice(("grad_cam", "helpful", "primary"))),
            lambda: scored.status.comm.click(kind="undo"),
        ]
        draw.choice(choices)()
        assert session.wait(60)
        assert session.error == ""
        output = session.output
        assert output is not None
        assert scored.contrast.score == pytest.approx(output.value)
        assert number(scored.stage.score["headline"]) == pytest.approx(output.value, abs=6e-4)
        assert scored.bank.impacts["value"] == pytest.approx(output.base, abs=1e-5)
        assert np.frombuffer(scored.gallery.scores, np.float32)[scored.gallery.current] == pytest.approx(
            output.base, abs=1e-5
        )
        rating = session.images.rating(session.query.image)
        assert scored.contrast.rating == output.rating == rating
        assert number(scored.stage.score["facts"][-1]) == pytest.approx(output.value - (rating or 0), abs=6e-4)
        if session.query.contrast is not None and session.query.method == "grad_cam":
            asked = scored.contrast.contrast["value"]
            assert f"why {output.value:.3g}, rather than {asked:.3g}?" in scored.stage.map["title"]
            assert session.saliency is not None
            assert session.saliency.query.contrast == session.query.contrast


def test_a_class_that_is_chosen_is_contrasted(classes: Explorer) -> None:
    """P = moon, Q = coffee: CAM of P minus CAM of Q, and the title says so."""
    session, model = classes.session, classes.session.model
    output = session.output
    assert output is not None
    p, q = (int(i) for i in np.argsort(output.scores)[:2])  # neither is the predicted class
    session.ask(target=LABELS[p], contrast=LABELS[q])
    assert session.wait(60)
    tail = Tail(model.network, session.query.layer, model.inputs(session.images.photo(session.query.image)))
    cams = class_cams(tail, model.scores)[0].numpy()
    assert session.saliency is not None
    np.testing.assert_allclose(session.saliency.map, cams[p] - cams[q], atol=1e-6)
    assert session.saliency.title.endswith(f"? CAM of {LABELS[p]} minus CAM of {LABELS[q]}")
    session.ask(contrast="confidence")
    assert session.wait(60)
    shares = output.probabilities
    assert shares is not None
    np.testing.assert_allclose(
        session.saliency.map, sum(shares[c] * (cams[c] - cams[p]) for c in range(3) if c != p), atol=1e-6
    )
    assert f"why not {LABELS[p]} with 100 % confidence?" in session.saliency.title
