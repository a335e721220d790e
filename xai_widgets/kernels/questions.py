"""What is asked of the scores: "why P?", "what if not P?", "why P, rather than Q?", as weights of them.

A question turns scores (n k) into weights (n k): the gradient of a function J of the scores. Every method that follows
a gradient (Grad-CAM, the maps of `gradients`, implicit saliency) differentiates the sum of the weighted scores, so that
each of them answers each question.

Reference: Prabhushankar, Kwon, Temel and AlRegib, 2020, arXiv 2008.00178, for contrast as a plug-in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

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
    leaf_of,
    one_hot,
    predicted,
    recording,
    wide_of,
)
from xai_widgets.kernels.cam.classes import contrast_weights
from xai_widgets.kernels.cam.scores import OTHER, Number, one_score
from xai_widgets.kernels.checks import finite_number, labels_of, numbers_of, one_an_image, scores_from, whole_number


@dataclass(frozen=True)
class Question:
    """Weights of the scores, (n k) -> (n k).

    Args:
        weigh: from scores, the function that read them (or None), and the choices, to the weights.
        choices: P and Q, each for all images or one an image.
        of_logits: it is asked of the logits of the classes, where these are other numbers than the scores (one logit
            for two classes).
    """

    weigh: Callable[..., Tensor]
    choices: tuple[Any, ...]
    of_logits: bool = False

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
    return Question(_of_output, (_choice("target", target),))


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
    return one_hot(predicted(score, scores) if target is None else target, scores, labels_of(score))


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
