"""What is asked of the scores: "why P?", "what if not P?", "why P, rather than Q?", as weights of them.

A question turns scores (n k) into weights (n k): the gradient of a function J of the scores. Every method that follows
a gradient (Grad-CAM, the maps of `gradients`, implicit saliency) differentiates the sum of the weighted scores, so that
each of them answers each question.

Reference: Prabhushankar, Kwon, Temel and AlRegib, 2020, arXiv 2008.00178, for contrast as a plug-in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from xai_widgets.kernels.cam.base import (
    Replayable,
    Score,
    Target,
    cam_at,
    check_placed,
    classes_of,
    differentiable,
    hot_at,
    leaf_of,
    one_hot,
    one_slope,
    predicted,
    recording,
    scales_of,
    unit_of_rows,
    weighted,
    wide_of,
    with_gradient,
)
from xai_widgets.kernels.cam.classes import contrast_weights
from xai_widgets.kernels.cam.scores import OTHER, Number, one_score
from xai_widgets.kernels.checks import finite_number, labels_of, numbers_of, one_an_image, scores_from, whole_number
from xai_widgets.kernels.home import home


@dataclass(frozen=True)
class Question:
    """Weights of the scores, (n k) -> (n k).

    Args:
        weigh: from scores, the function that read them (or None), and the choices, to the weights.
        choices: P and Q, each for all images or one an image.
        of_logits: it is asked of the logits of the classes, where these are other numbers than the scores (one logit
            for two classes).
        unit: the largest weight of each image is 1.
    """

    weigh: Callable[..., Tensor]
    choices: tuple[Any, ...]
    of_logits: bool = False
    unit: bool = False

    def __call__(self, scores: Float[Tensor, "n k"], score: Score | None = None) -> Float[Tensor, "n k"]:
        """The weights, for what `reader` reads; `score` may bring the names of the outputs.

        Raises:
            TypeError: a choice that is no number or name.
            ValueError: an output that does not exist, several scores and no choice of one, fewer than two classes.
        """
        return self.weigh(scores, score, *self.choices)

    def reader(self, score: Score) -> Score:
        """How to read what this question is asked of: as `score` does, or the logits that it brings for classes."""
        logits: Score = getattr(score, "logits", score)
        return logits if self.of_logits else score

    def part(self, start: int, end: int, images: int) -> Question:
        """This question, of some of the images.

        Raises:
            ValueError: a choice for another number of images.
        """
        for choice in self.choices:
            if one_an_image(choice) and len(choice) != images:
                raise ValueError(f"what is asked must be one an image, got {len(choice)} for {images}.")
        some = (choice[start:end] if one_an_image(choice) else choice for choice in self.choices)
        return replace(self, choices=tuple(some))


def of_output(target: Target | None = None) -> Question:
    """Why this output? The predicted one, of the largest score, if left out.

    Args:
        target: by number or by name, or one an image.

    Raises:
        TypeError: no number, name, or list or tensor of them.
    """
    return Question(_of_output, (_choice("target", target),), unit=True)


def of_counterfactual(target: Target | None = None) -> Question:
    """What if not this output? The gradient of minus its score.

    Args:
        target: see `of_output`.

    Raises:
        TypeError: as `of_output`.
    """
    return Question(lambda *asked: -_of_output(*asked), (_choice("target", target),))


def of_class_contrast(q: Target, target: Target | None = None) -> Question:
    """Why P, rather than class Q? For the predicted P the gradient of the cross entropy with Q, in stable form.

    Args:
        q: class Q by number or by name, or one an image.
        target: class P likewise; the predicted class if left out.

    Raises:
        TypeError: as `of_output`.
    """
    if q is None:
        raise TypeError("the contrast class must be a whole number, got None.")
    return Question(_of_class_contrast, (_choice("the contrast class", q), _choice("target", target)), of_logits=True)


def of_full_confidence(target: Target | None = None) -> Question:
    """Why not P with 100 % confidence? The class contrast with Q = P; P is the predicted class if left out.

    Args:
        target: class P by number or by name, or one an image.

    Raises:
        TypeError: as `of_output`.
    """
    return Question(_of_full_confidence, (_choice("target", target),), of_logits=True)


def of_score_contrast(q: Number, target: Target | None = None) -> Question:
    """Why this score, rather than q? The gradient of (y - q)^2.

    Args:
        q: the other score, or one an image.
        target: which score is asked about; needed where there are several.

    Raises:
        TypeError: q is no number.
        ValueError: q is not finite.
    """
    return Question(_of_score_contrast, (q if one_an_image(q) else finite_number(OTHER, q), _choice("target", target)))


def _of_output(scores: Tensor, score: Score | None, target: Any) -> Tensor:
    if target is None:
        return hot_at(predicted(score, scores), scores)
    return one_hot(target, scores, labels_of(score))


def _of_class_contrast(logits: Tensor, score: Score | None, q: Any, target: Any) -> Tensor:
    _, labels, exclusive = classes_of(score)
    return contrast_weights(logits, q, target, labels=labels, exclusive=exclusive)


def _of_full_confidence(logits: Tensor, score: Score | None, target: Any) -> Tensor:
    asked = logits.argmax(1) if target is None else target
    return _of_class_contrast(logits, score, asked, asked)


def _of_score_contrast(scores: Tensor, score: Score | None, q: Any, target: Any) -> Tensor:
    column = one_score("a contrast with a score", scores, target, labels_of(score))
    wide = scores.to(wide_of(scores))
    own = (wide * column).sum(1)
    return 2 * (own - numbers_of(OTHER, q, wide))[:, None] * column


def _choice(name: str, choice: Any) -> Any:
    if choice is None or isinstance(choice, str) or one_an_image(choice):
        return choice
    if isinstance(choice, Tensor) and choice.numel() == 1 and choice.dtype != torch.bool:
        choice = choice.item()
    return whole_number(name, choice)


def cam_of_question(
    tail: Replayable, score: Score, question: Question, *, maps: Float[Tensor, "n c h w"] | None = None
) -> tuple[Float[Tensor, "n k"], Float[Tensor, "n h w"]]:
    """The scores, as `score` reads them, and the signed Grad-CAM of a question, in one pass forwards and one back.

    Args:
        maps: instead of the tail's own, such as maps with gains.

    Raises:
        TypeError: as `cam.grad_cam`.
        ValueError: as `cam.grad_cam`; a question about an output that does not exist.
    """
    check_placed(tail)
    with recording(tail):
        leaf = leaf_of(tail, maps)
        result = tail(leaf)
        asked = differentiable(scores_from(question.reader(score), result, len(leaf)))
        scores = scores_from(score, result, len(leaf)) if question.of_logits else asked
        return scores.detach(), cam_at(leaf, asked, question(asked.detach(), score))


class Passes(NamedTuple):
    """What the passes of a question gave on the device, unchecked: static buffers where they were recorded.

    Attributes:
        scores: as the score reads them, (n k).
        cam: the signed Grad-CAM, (n h w).
    """

    scores: Tensor
    cam: Tensor


Pass = Callable[[Replayable, Score, Question, Tensor | None], Passes]


def passes(tail: Replayable, score: Score, question: Question, maps: Tensor | None = None) -> Passes:
    """The passes of `cam_of_question` without its checks of values, so that nothing waits for the device.

    Raises:
        NoGradient: the scores do not depend on the maps by a gradient.
        TypeError, ValueError: scores that are none, a question about an output that does not exist.
    """
    with recording(tail):
        leaf = leaf_of(tail, maps)
        result = tail(leaf)
        asked = with_gradient(scores_from(question.reader(score), result, len(leaf)))
        scores = scores_from(score, result, len(leaf)) if question.of_logits else asked
        weights, size = weights_of(question, asked.detach(), score)
        return Passes(scores.detach(), cam_unchecked(leaf, asked, weights, size))


def weights_of(question: Question, asked: Float[Tensor, "n k"], score: Score) -> tuple[Tensor, Tensor | None]:
    """The weights of a question with 1 as their largest, and the size that was divided out; None where it is 1."""
    weights = question(asked, score)
    if question.unit:
        return weights, None
    size = unit_of_rows(weights)
    return weights / size[:, None], size


def cam_unchecked(leaf: Tensor, asked: Tensor, weights: Tensor, size: Tensor | None) -> Float[Tensor, "n h w"]:
    """`cam.cam_at` without its checks. A weight that is not finite leaves no value of the map finite."""
    slope = one_slope(leaf, asked, weights, scales_of(leaf, asked)[0])
    cam = weighted(leaf, slope.mean((2, 3)))
    return cam if size is None else cam * size[:, None, None]


def read_cam(
    tail: Replayable,
    score: Score,
    question: Question,
    *,
    maps: Float[Tensor, "n c h w"] | None = None,
    by: Pass = passes,
    more: list[Tensor] | None = None,
) -> tuple[Float[Tensor, "n k"], Float[Tensor, "n h w"]]:
    """`cam_of_question` with both on the CPU, for one wait. Where a value is not finite all is checked step by step.

    Args:
        maps: instead of the tail's own.
        by: how the passes are made, such as those that were recorded.
        more: tensors that come to the CPU with them, each in the place of itself.

    Raises:
        TypeError, ValueError: as `cam_of_question`.
    """
    check_placed(tail)
    scores, cam, *others = home(*by(tail, score, question, maps), *(more or ()))
    if more is not None:
        more[:] = others
    if bool(scores.isfinite().all()) and bool(cam.isfinite().all()):
        return scores, cam
    scores, cam = home(*cam_of_question(tail, score, question, maps=maps))
    return scores, cam
