"""How often an answer waits for the device, and how many operations it takes, as the pretend device counts."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import torch
from pretend_answers import WANTED, counted
from pretend_device import DEVICE, counting, no_waiting
from stand_in_recorder import StandIn

from xai_widgets import load_images, load_model
from xai_widgets.engine import Cache, Contrast, Query, Sources, Subject, answer
from xai_widgets.engine.recordings import Recordings
from xai_widgets.kernels.home import home
from xai_widgets.kernels.removals import removal_scores
from xai_widgets.kernels.tail.recording import tally


def test_one_gain_keeps_its_budget() -> None:
    for name, counts in counted():
        assert (counts.waits, counts.sent) == (1, 1), name
        assert counts.operations <= WANTED[name], name


@cache
def sources(model: str) -> Sources:
    """With answers about two images, so that what is looked up once is known."""
    made = Sources(load_model(model, device=DEVICE), load_images({"demo/scenes": "demo/collages"}.get(model, model)))
    for image in made.images.names[:2]:
        for changes in ({}, {"gains": {0: 0.5}}, {"gains": {0: 0.5}, "baseline": "mean"}):
            answer(made, Query(image=image, **changes), "explanation")
    return made


ASKS: dict[str, dict[str, Any]] = {
    "a gain": {"gains": {0: 0.4}},
    "a gain towards the mean": {"gains": {0: 0.4}, "baseline": "mean"},
    "another image": {"image": 2},
}
BOTH = [(model, what) for model in ("demo/quality", "demo/scenes") for what in ASKS]
ASKS |= {
    "a contrast of scores": {"contrast": Contrast("score", 0.2)},
    "it, of another image": {"contrast": Contrast("score", 0.2), "image": 3},
    "a contrast of classes": {"contrast": Contrast("class", 1)},
    "full confidence": {"contrast": Contrast("confidence")},
    "another P": {"target": 2},
}
ONE = [("demo/quality", what) for what in list(ASKS)[3:5]] + [("demo/scenes", what) for what in list(ASKS)[5:]]


@pytest.mark.parametrize(("model", "what"), BOTH + ONE)
def test_an_answer_waits_once(model: str, what: str) -> None:
    made = sources(model)
    image = made.images.names[ASKS[what].get("image", 1)]
    with counting() as counts:
        answer(made, Query(**ASKS[what] | {"image": image}), "explanation")
    assert counts.waits == 1


def test_a_micro_batch_of_removals_does_not_wait() -> None:
    made = sources("demo/quality")
    subject = Subject(made, Query(image=made.images.names[1]))
    tail, score = subject.tail, subject.model.scores
    list(removal_scores(tail, score))
    stream = removal_scores(tail, score, batch=5)
    next(stream)  # the first one looks whether rows depend on each other
    with no_waiting():
        second = next(stream)
    with counting() as counts:
        home(*second)
    assert counts.waits == 1


def test_recorded_answers_wait_once_and_are_the_same() -> None:
    plain = sources("demo/quality")
    cache = Cache(2**28)
    cache.recordings = Recordings(cache, None, StandIn())
    made = Sources(plain.model(), plain.images, cache=cache)
    before = tally.counts["replayed"]
    for step, image in enumerate(made.images.names[:4]):
        query = Query(image=image, gains={0: 0.3 + 0.1 * step})
        with counting() as counts:
            found = answer(made, query, "explanation")
        expected = answer(plain, query, "explanation")
        assert abs(found.output.value - expected.output.value) < 2e-5
        assert abs(found.saliency.map - expected.saliency.map).max() <= 1e-5 * abs(expected.saliency.map).max()
    assert tally.counts["replayed"] > before
    assert counts.waits <= 3, "what the image scores, its map with gains, and its map without"


def test_tensors_of_several_precisions_come_home_together() -> None:
    values = [torch.rand(3, 2).half(), torch.rand(5).double(), torch.tensor(True), torch.rand(2, 2, 2), torch.rand(0)]
    with counting() as counts:
        found = home(*(value.to(DEVICE) for value in values))
    assert counts.waits == 1
    assert all(torch.equal(a, b) and a.dtype == b.dtype for a, b in zip(found, values, strict=True))
