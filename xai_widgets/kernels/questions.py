"""What is asked of the scores: "why P?", "what if not P?", "why P, rather than Q?", as weights of them.

A question goes to the maps of `gradients`, and to `cam.cam_of`: it takes scores (n k) to weights (n k), whose sum of
weighted scores is then differentiated. Contrast as a plug-in: Prabhushankar et al., 2020, arXiv 2008.00178.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from xai_widgets.kernels.cam.base import Score, Target, classes_of, one_hot, predicted, wide_of
from xai_widgets.kernels.cam.classes import contrast_weights
from xai_widgets.kernels.cam.scores import OTHER, Number, one_score
from xai_widgets.kernels.checks import finite_number, labels_of, numbers_of, one_an_image, whole_number


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
        """The weights; `score`, which read the scores, may bring the names of the outputs."""
        return self.weigh(scores, score, *self.choices)

    def part(self, start: int, end: int, images: int) -> Question:
        """The same question of some of the images.

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
        target: as of `of_output`.

    Raises:
        TypeError: as of `of_output`.
    """
    return Question(lambda *asked: -_of_output(*asked), (_choice("target", target),))


def of_class_contrast(q: Target, target: Target | None = None) -> Question:
    """Why P, rather than class Q? For the predicted P the gradient of the cross entropy with Q, in stable form.

    Args:
        q: class Q by number or by name, or one an image.
        target: class P likewise; the predicted class if left out.

    Raises:
        TypeError: as of `of_output`.
    """
    if q is None:
        raise TypeError("the contrast class must be a whole number, got None.")
    return Question(_of_class_contrast, (_choice("the contrast class", q), _choice("target", target)), of_logits=True)


def of_score_contrast(q: Number, target: Target | None = None) -> Question:
    """Why this score, rather than q? The gradient of (y - q)^2.

    Args:
        q: the other score, or one an image.
        target: which score is asked about; needed where there are several.

    Raises:
        TypeError, ValueError: no number, or one that is not finite.
    """
    return Question(_of_score_contrast, (q if one_an_image(q) else finite_number(OTHER, q), _choice("target", target)))


def _of_output(scores: Tensor, score: Score | None, target: Any) -> Tensor:
    return one_hot(predicted(score, scores) if target is None else target, scores, labels_of(score))


def _of_class_contrast(logits: Tensor, score: Score | None, q: Any, target: Any) -> Tensor:
    _, labels, exclusive = classes_of(score)
    return contrast_weights(logits, q, target, labels=labels, exclusive=exclusive)


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
