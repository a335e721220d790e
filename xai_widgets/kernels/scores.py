"""What a score is, which of its outputs is meant, and how far rounding moves it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor

from xai_widgets.kernels.checks import check_finite, labels_of, scores_from, target_of
from xai_widgets.kernels.outputs import Outputs
from xai_widgets.kernels.precision import tolerance_of
from xai_widgets.kernels.tail import Tail

Score = Callable[[Any], Tensor]  # the network's return value -> (n k); its `labels`, if it has any, name the outputs
Target = int | str | Tensor  # one output: its number, its name, or a tensor with its number


def output_of(score: Score, target: Target, scores: Float[Tensor, "n k"]) -> int:
    """The index of one output, by number or by the name that the score gives it.

    Raises:
        TypeError: no whole number and no name.
        ValueError: no such output.
    """
    return target_of(target, scores.shape[1], labels_of(score))


@dataclass(frozen=True)
class Difference:
    """One output minus another, (n 1); equal where it reads the same, so that what was tried of it is known.

    Attributes:
        score: that both are of.
        p: the one.
        q: the other.
    """

    score: Score
    p: int
    q: int

    def __call__(self, result: Any) -> Float[Tensor, "n 1"]:
        scores = self.score(result)
        return scores[:, self.p, None] - scores[:, self.q, None]


def rounding_of(tail: Tail, scores: Tensor) -> float:
    """How far rounding may move a score, as a share of max(1, |score|): in the coarsest precision on the way to it."""
    return tolerance_of(tail.precision, scores.dtype)


def own_scores(tail: Tail, score: Score) -> Float[Tensor, "n k"]:
    """The scores of the images as they are.

    Raises:
        TypeError: a score that is no tensor of floating-point numbers.
        ValueError: a score that is not finite, is not (n k), or is a network in training mode.
        RuntimeError: the weights of the network changed since the tail was made.
    """
    tail.check_weights()
    with tail.arithmetic():
        scores = scores_from(score, tail.result, len(tail.inputs)).detach()  # a score may have weights of its own
    check_finite("the score", scores)
    return scores


def probabilities(score: Score) -> Score:
    """A score that gives class probabilities for one that gives logits: by softmax, or as an `Outputs` has them.

    Raises:
        ValueError: when the new score is called: there is one score alone, or the outputs are no classes.
    """
    own = score.probabilities if isinstance(score, Outputs) else None

    def chances(result: Any) -> Tensor:
        if own is not None:
            chance = own(result)
            if chance is None:
                raise ValueError("a probability needs classes; these outputs are scores.")
            return chance
        logits = score(result)
        if logits.dim() != 2 or logits.shape[1] < 2:
            raise ValueError("a probability needs the logits of at least 2 classes, got one score.")
        return logits.softmax(1)

    chances.labels = labels_of(score)  # type: ignore[attr-defined]
    return chances


def one_image(tail: Tail) -> Float[Tensor, "1 c h w"]:
    """The maps of a tail of one image.

    Raises:
        ValueError: a tail of several images.
    """
    if len(tail.inputs) != 1:
        raise ValueError(f"removals take the tail of one image, got one of {len(tail.inputs)}.")
    return tail.maps


def images_of(tail: Tail) -> list[Tail]:
    """A tail for each image, without running what comes before the layer again."""
    return tail.images()
