"""Implicit saliency refuses what it is not defined for, in words."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from unchecked import refused, unchecked

from xai_widgets.kernels import measures, mismatch

SCORES = torch.tensor([[0.5, 2.0, 1.0]])


class Scripted:
    """A tail of two maps with three scores."""

    def __init__(self, n: int = 1, change: Callable[[Tensor], Any] = lambda scores: scores) -> None:
        self.maps = torch.rand(n, 2, 3, 4, generator=torch.Generator().manual_seed(0))
        self.change = change

    def __call__(self, maps: Tensor) -> Any:
        return self.change(maps.mean((2, 3)) @ torch.tensor([[1.0, -2.0, 0.5], [0.3, 1.0, -1.0]]))


def score(result: Any) -> Tensor:
    found: Tensor = result
    return found


def test_the_number_of_labels_may_be_of_numpy() -> None:
    most: Any = np.int64(2)
    with unchecked():
        assert mismatch.label_set(SCORES, most).tolist() == [1, 2]


@pytest.mark.parametrize(
    ("error", "message", "scores", "which"),
    [
        (
            ValueError,
            "implicit saliency .* needs at least 2 classes; this network gives one score",
            SCORES[:, :1],
            "all",
        ),
        (ValueError, "scores must be finite, got nan at index 0", SCORES * math.nan, "all"),
        (ValueError, "labels are chosen for one image, got the scores of 2", SCORES.repeat(2, 1), "all"),
        (ValueError, "scores must have the axes images, classes, got shape", SCORES[0], "all"),
        (TypeError, "scores must be a tensor, got list", [[1.0, 2.0]], "all"),
        (TypeError, "labels must be 'all', 'others' or a number from 1 to 3, got True", SCORES, True),
        (TypeError, r"labels must be 'all', 'others' or a number from 1 to 3, got 2\.0", SCORES, 2.0),
        (TypeError, "labels must be 'all', 'others' or a number from 1 to 3, got None", SCORES, None),
        (ValueError, "labels must be 'all', 'others' or a number from 1 to 3, got 4", SCORES, 4),
        (ValueError, "labels must be 'all', 'others' or a number from 1 to 3, got 'most'", SCORES, "most"),
    ],
)
def test_labels_that_are_none_are_refused(error: type[Exception], message: str, scores: Any, which: Any) -> None:
    with refused(error, message):
        mismatch.label_set(scores, which)


ASKED: dict[str, Callable[[Any], Tensor]] = {
    "map": lambda tail: mismatch.implicit_saliency(tail, score),
    "labels": lambda tail: mismatch.label_gradients(tail, score, torch.tensor([0, 1])),
    "uniform": lambda tail: mismatch.uniform_gradient(tail, score),
}


@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED)
@pytest.mark.parametrize(
    ("error", "message", "tail"),
    [
        (ValueError, "implicit saliency takes the tail of one image, got one of 2", Scripted(2)),
        (ValueError, "needs at least 2 classes; this network gives one score", Scripted(change=lambda y: y[:, :1])),
        (ValueError, "scores must be finite, got nan at index 0", Scripted(change=lambda y: y * math.nan)),
        (ValueError, "the score must be .*; for one output", Scripted(change=lambda y: y[:, 0])),
        (TypeError, "the score must be a tensor .* got dict", Scripted(change=lambda y: {"logits": y})),
        (ValueError, "the score must have one row for each image, got [24]", Scripted(change=lambda y: y.repeat(2, 1))),
    ],
)
def test_networks_that_have_no_labels_are_refused(
    asked: Callable[[Any], Tensor], error: type[Exception], message: str, tail: Scripted
) -> None:
    with refused(error, message):
        asked(tail)


@pytest.mark.parametrize(
    ("error", "message", "labels"),
    [
        (ValueError, "a label must be 0 to 2, got 3", torch.tensor([0, 3])),
        (TypeError, "a label must be a whole number, got 0.5", [0.5]),
        (TypeError, r"a label must be whole numbers, got torch\.bool", torch.tensor([True])),
        (TypeError, r"labels must be a list or a tensor of whole numbers, at least one, got \[\]", []),
        (TypeError, "labels must be a list or a tensor of whole numbers, at least one, got 2", 2),
    ],
)
def test_gradients_of_labels_that_are_none_are_refused(error: type[Exception], message: str, labels: Any) -> None:
    with refused(error, message):
        mismatch.label_gradients(Scripted(), score, labels)


def test_labels_may_be_a_list() -> None:
    found = mismatch.label_gradients(Scripted(), score, [2, 0])
    assert torch.equal(found, mismatch.label_gradients(Scripted(), score, torch.tensor([2, 0])))


@pytest.mark.parametrize(
    ("message", "options"),
    [
        (r"batch must be a whole number, got 2\.0", {"batch": 2.0}),
        ("batch must be a whole number, got 1.5", {"batch": 1.5}),
        ("smoothing must be a number, got '1'", {"smoothing": "1"}),
        ("smoothing must be a number, got None", {"smoothing": None}),
    ],
)
def test_options_of_another_type_are_refused(message: str, options: dict[str, Any]) -> None:
    with refused(TypeError, message):
        mismatch.implicit_saliency(Scripted(), score, **options)


def test_a_method_that_writes_into_its_images_harms_nobody(generator: torch.Generator) -> None:
    image = torch.rand(3, 12, 12, generator=generator)
    before = image.clone()

    def writes(images: Tensor) -> Tensor:
        return images.sub_(0.5).abs().mean(1)

    def reads(images: Tensor) -> Tensor:
        return images.mean(1)

    def score(maps: Tensor) -> Tensor:
        return maps.mean((1, 2))

    both, alone = (
        mismatch.robustness(methods, score, image, generator=torch.Generator().manual_seed(0))
        for methods in ({"writes": writes, "reads": reads}, {"reads": reads})
    )
    assert torch.equal(both["reads"].agreement, alone["reads"].agreement)
    assert both["reads"].clean == alone["reads"].clean
    measures.focus(writes, image)
    measures.resilience(writes, image)
    measures.noise_robustness(writes, image, generator=generator)
    assert torch.equal(image, before)
