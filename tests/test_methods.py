"""Every method through the engine, against its kernel called directly, on the demonstration's networks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from xai_widgets import ImageModel
from xai_widgets.engine import METHODS, Contrast, Query, Sources, answer
from xai_widgets.kernels import cam, gradients, mismatch
from xai_widgets.kernels.ablation import with_gains
from xai_widgets.kernels.gradients import Question, of_class_contrast, of_full_confidence, of_output, of_score_contrast
from xai_widgets.kernels.tail import Tail

GAINS = ((3, 0.0), (5, 1.75), (60, 0.25))
MAPS = 96
P, Q = "moon", "coffee"
SMOOTH = {"n_samples": 2, "noise_level": 0.1, "seed": 4}
IMPLICIT = {"labels": 3, "kind": "product", "smoothing": 0.5}


@dataclass(frozen=True)
class Case:
    """What a kernel is given: one image of one network, its gains, and the question."""

    tail: Tail
    model: ImageModel
    question: Question
    contrast: Contrast | None
    p: int
    row: Tensor | None

    @property
    def score(self) -> Callable[[Any], Tensor]:
        return self.model.scores

    @property
    def maps(self) -> Tensor:
        return self.tail.maps if self.row is None else with_gains(self.tail.maps, self.row)

    def at_input(self, method: Callable[..., Tensor], **more: Any) -> Tensor:
        """The largest size over channels."""
        found = method(self.tail, None, self.question, gains=self.row, score=self.score, **more)
        return found[0].abs().amax(0)


def grad_cam(case: Case) -> Tensor:
    contrast = case.contrast
    if contrast is None:
        return cam.grad_cam(case.tail, case.score, case.p, maps=case.maps)[0]
    if contrast.kind == "score":
        return cam.score_contrast(case.tail, case.score, float(contrast.value), maps=case.maps)[0]
    other = case.p if contrast.kind == "confidence" else case.model.labels.index(contrast.value)  # type: ignore[union-attr]
    return cam.class_contrast(case.tail, case.score, other, target=case.p, maps=case.maps)[0]


def smooth_grad(case: Case) -> Tensor:
    generator = torch.Generator().manual_seed(4)
    return case.at_input(gradients.smooth_grad, generator=generator, n_samples=2, noise_level=0.1)


def implicit(case: Case) -> Tensor:
    options: dict[str, Any] = {"kind": "product", "smoothing": 0.5, "maps": case.maps}
    if case.contrast is None:
        return mismatch.implicit_saliency(case.tail, case.score, labels=3, **options)
    return mismatch.implicit_saliency(case.tail, case.score, case.question, **options)


DIRECT: dict[str, Callable[[Case], Tensor]] = {
    "grad_cam": grad_cam,
    "gradient": lambda case: case.at_input(gradients.gradient),
    "input_x_gradient": lambda case: case.at_input(gradients.input_x_gradient),
    "guided_backpropagation": lambda case: case.at_input(gradients.guided_backpropagation),
    "positive_saliency": lambda case: case.at_input(gradients.positive_saliency),
    "smooth_grad": smooth_grad,
    "implicit_saliency": implicit,
    "counterfactual": lambda case: -cam.grad_cam(case.tail, case.score, case.p, maps=case.maps)[0],
    "feature_activation": lambda case: case.maps[0].mean(0),
}
OPTIONS: dict[str, dict[str, Any]] = {"smooth_grad": SMOOTH, "implicit_saliency": IMPLICIT}
CONTRASTS = [name for name, method in METHODS.items() if method.takes_contrast and name in DIRECT]


@cache
def sources(task: str) -> Sources:
    model, images = ("demo/scenes", "demo/collages") if task == "classes" else ("demo/quality", "demo/quality")
    return Sources(model, images)


@cache
def tail_of(task: str) -> Tail:
    known = sources(task)
    model = known.model()
    return Tail(model.network, model.layer, model.inputs(known.images.photo(known.images.names[2])))


def case_of(task: str, question: Question, contrast: Contrast | None, p: int | None, gains: bool) -> Case:
    tail, model = tail_of(task), sources(task).model()
    row = None
    if gains:
        row = torch.ones(1, MAPS)
        for index, gain in GAINS:
            row[0, index] = gain
    chosen = int(model.scores(tail.result)[0].argmax()) if p is None else p
    return Case(tail, model, question, contrast, chosen, row)


def explained(task: str, name: str, gains: bool, **fields: Any) -> Any:
    known = sources(task)
    query = Query(
        image=known.images.names[2], method=name, options=tuple(OPTIONS.get(name, {}).items()),
        gains=GAINS if gains else (), **fields,
    )  # fmt: skip
    return answer(known, query, "explanation")


def agree(found: Any, expected: Tensor) -> None:
    values = expected.detach().numpy()
    assert np.abs(values).max() > 0
    assert found.shape == values.shape
    np.testing.assert_allclose(found, values, rtol=1e-4, atol=2e-6 * np.abs(values).max())


@pytest.mark.parametrize("gains", [False, True], ids=["", "gains"])
@pytest.mark.parametrize(
    ("task", "name"),
    [
        (task, name)
        for name in DIRECT
        for task in ("score", "classes")
        if not (task == "score" and name in ("implicit_saliency", "counterfactual"))
    ],
)
def test_each_method_is_its_kernel(task: str, name: str, gains: bool) -> None:
    case = case_of(task, of_output(), None, None, gains)
    found = explained(task, name, gains)
    agree(found.saliency.map, DIRECT[name](case))
    scores = case.model.scores(case.tail(case.maps))[0].detach().numpy()
    np.testing.assert_allclose(found.output.scores, scores, rtol=1e-4, atol=1e-6)


def asked(name: str) -> tuple[str, Question, Contrast, int | None, dict[str, Any]]:
    """Task, question J, Q, P, and fields of the query."""
    labels = sources("classes").model().labels
    assert labels is not None
    p, q = labels.index(P), labels.index(Q)
    if name == "a score":
        return "score", of_score_contrast(0.25), Contrast("score", 0.25), None, {}
    if name == "a class":
        return "classes", of_class_contrast(q), Contrast("class", Q), None, {}
    if name == "a class, of a chosen P":
        return "classes", of_class_contrast(q, p), Contrast("class", Q), p, {"target": P}
    return "classes", of_full_confidence(), Contrast("confidence"), None, {}


@pytest.mark.parametrize(
    ("of", "gains"),
    [("a score", True), ("a class", True), ("a class, of a chosen P", False), ("100 % confidence", False)],
)
@pytest.mark.parametrize("name", CONTRASTS)
def test_each_contrast_is_the_question_asked_of_the_kernel(name: str, of: str, gains: bool) -> None:
    task, question, contrast, p, fields = asked(of)
    case = case_of(task, question, contrast, p, gains)
    found = explained(task, name, gains, contrast=contrast, **fields)
    agree(found.saliency.map, DIRECT[name](case))


def test_the_rating_as_q_is_the_score_that_it_is() -> None:
    known = sources("score")
    rating = known.images.rating(known.images.names[2])
    assert rating is not None
    by_word = explained("score", "gradient", False, contrast=Contrast("score", "rating"))
    by_number = explained("score", "gradient", False, contrast=Contrast("score", rating))
    np.testing.assert_array_equal(by_word.saliency.map, by_number.saliency.map)


@pytest.mark.parametrize("channel", [0, 2])
def test_a_channel_is_shown_with_its_signs(channel: int) -> None:
    case = case_of("classes", of_output(), None, None, False)
    known = sources("classes")
    query = Query(image=known.images.names[2], method="input_x_gradient", options=(("channel", channel),))
    found = answer(known, query, "explanation").saliency
    expected = gradients.input_x_gradient(case.tail, None, of_output(), score=case.score)[0, channel]
    agree(found.map, expected)
    assert found.map.min() < 0 < found.map.max()
    name = known.model().name_of(case.p)
    assert (found.low, found.high, found.one_sided) == (f"lowers {name}", f"raises {name}", False)


def test_contrast_uncertainty_is_the_variance_over_all_q() -> None:
    case = case_of("classes", of_output(), None, None, False)
    contrasts = cam.all_contrasts(case.tail, case.score)
    found = explained("classes", "contrast_uncertainty", False).saliency
    agree(found.map, cam.contrast_uncertainty(contrasts).variance[0])
    assert "15 of 15 classes" in found.note
    literal = contrasts[0] / contrasts[0].abs().amax((1, 2), keepdim=True)
    agree(found.map, literal.var(0, correction=0))
