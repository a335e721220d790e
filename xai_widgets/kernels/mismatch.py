"""Implicit saliency (reconstruction): what a label that contradicts the network's expectation would change.

The gradient that a conflicting label sends back to a layer marks what the network relied on. No reference code is
public: this follows the text of the paper and does not claim its figures.

Reference: Sun, Prabhushankar and AlRegib, 2020, arXiv 2008.01874.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from xai_widgets.kernels import degrade
from xai_widgets.kernels.batches import at_once, check_batch, on_any_tail
from xai_widgets.kernels.cam import Replayable, contrast_weights, slope_of
from xai_widgets.kernels.cam.base import (
    Score,
    Step,
    check_placed,
    classes_of,
    recording,
    replayed,
    wide_of,
    without_dead,
)
from xai_widgets.kernels.checks import (
    check_classes,
    check_finite,
    check_tensor,
    one_an_image,
    real_number,
    scores_from,
    targets_of,
    whole_number,
)
from xai_widgets.kernels.questions import Question
from xai_widgets.kernels.robustness import Robustness as Robustness
from xai_widgets.kernels.robustness import robustness as robustness
from xai_widgets.kernels.robustness import robustness_of as robustness_of
from xai_widgets.kernels.tail import Tail, arithmetic_of

NAME = "implicit saliency (reconstruction)"
KINDS = ("mismatch", "feature", "product", "norms")
COMBINATIONS = ("mean", "variance")


def label_set(scores: Float[Tensor, "1 k"], which: str | int) -> Int[Tensor, " m"]:
    """The labels to contradict with: "all", "others" (all but the predicted), or the m most probable.

    Raises:
        TypeError: scores that are no tensor of floating-point numbers.
        ValueError: scores that are not finite, of several images or of fewer than two classes; another set.
    """
    check_tensor("scores", scores, ("images", "classes"))
    if len(scores) != 1:
        raise ValueError(f"labels are chosen for one image, got the scores of {len(scores)}.")
    check_classes(NAME, scores)
    check_finite("scores", scores)
    order = scores[0].argsort(descending=True, stable=True)
    allowed = f"labels must be 'all', 'others' or a number from 1 to {len(order)}, got {which!r}."
    if isinstance(which, str):
        if which not in ("all", "others"):
            raise ValueError(allowed)
        return order[which == "others" :].sort().values
    try:
        most = whole_number("labels", which)
    except TypeError:
        raise TypeError(allowed) from None
    if not 1 <= most <= len(order):
        raise ValueError(allowed)
    return order[:most]


def implicit_saliency(
    tail: Replayable,
    score: Score,
    question: Question | None = None,
    *,
    maps: Float[Tensor, "1 c h w"] | None = None,
    labels: str | int = "all",
    kind: str = "mismatch",
    combine: str = "mean",
    smoothing: float = 0.0,
    batch: int | None = None,
    step: Step = None,
) -> Float[Tensor, "h w"]:
    """One map of one image, from gradients g at the layer's maps A: of the cross entropy with each label, by default.

    Several layers side by side are one call for the tail of each; `implicit_saliency_of` takes several images. `kind`
    holds two lists in one: the pseudo maps of a label (|g|, |g A|, the product of norms) are "mismatch", "product" and
    "norms"; the choices mismatch only, feature only and product are "mismatch", "feature" and "product", so that the
    product of both is |g A|, not that of norms.

    Args:
        score: from what the network returns to logits (n k), or an `outputs.Outputs`.
        question: asked instead of the labels, such as `questions.of_class_contrast(3)`: g is then the gradient of
            this one question, which may be about a score.
        maps: instead of the tail's own, such as maps with gains.
        labels: see `label_set`.
        kind: the pseudo map of one label. "mismatch": mean over maps of |g|; "feature": of |A|; "product": of |g A|;
            "norms": |g_u| |a_u| at each position u, the size of a 1 x 1 convolution's weight gradient there.
        combine: "mean" or "variance" (population) over labels.
        smoothing: standard deviation of a Gaussian, in positions of the map; 0 for none.
        batch: labels at a time; found from the memory of the layer if left out.
        step: called before each batch; may raise to cancel.

    Raises:
        TypeError: options that are no numbers; scores that are no tensor of floating-point numbers.
        ValueError: an unknown option; a tail of several images, or whose layer is not in raster order; fewer than two
            classes, or classes that do not exclude each other; a question beside a choice of labels or a variance over
            them; scores or gradients that are not finite.
    """
    smoothing = _check_options(kind, combine, smoothing, batch)
    _check_tail(tail)
    own = (tail.maps if maps is None else maps).detach()
    if question is not None:
        _check_one_question(labels, combine)
        gradient = partial(_asked_gradient, score=score, question=question, maps=maps)
        return _smooth(_pseudo_maps(own, gradient(tail), kind), smoothing)[0]
    chosen = label_set(_logits(tail, score, maps), labels)
    if combine == "variance" and (kind == "feature" or len(chosen) < 2):
        raise ValueError(
            "a variance needs at least 2 labels and a kind that depends on them (mismatch, product, norms), "
            f"got {len(chosen)} and {kind!r}: it would be 0 everywhere."
        )
    if kind == "feature":
        return _smooth(own.to(wide_of(own)).abs().mean(1), smoothing)[0]

    def run(tail: Replayable, start: int, end: int) -> Tensor:
        gradients = label_gradients(tail, score, chosen[start:end], maps=maps)
        return _pseudo_maps(own.to(gradients.device), gradients, kind)

    zero = torch.zeros_like(own[0, 0], dtype=wide_of(own))
    size = batch or at_once(4 * own.shape[1] * zero.nbytes, own.device)
    mean, variance = _mean_and_variance(on_any_tail(tail, len(chosen), size, run, step=step), zero)
    return _smooth((mean if combine == "mean" else variance)[None], smoothing)[0]


@runtime_checkable
class Several(Protocol):
    """The tail of several images, which gives that of each, such as a `tail.Tail`."""

    def images(self) -> Sequence[Replayable]: ...


def implicit_saliency_of(
    tail: Several,
    score: Score,
    question: Question | None = None,
    *,
    maps: Float[Tensor, "n c h w"] | None = None,
    labels: str | int = "all",
    kind: str = "mismatch",
    combine: str = "mean",
    smoothing: float = 0.0,
    batch: int | None = None,
    step: Step = None,
) -> Float[Tensor, "n h w"]:
    """The map of each image of a tail; `implicit_saliency` says what the options are.

    Args:
        tail: of several images; each is asked on its own, with labels of its own.
        question: one for all images, or with choices of P and Q one an image.
        maps: of all images, instead of the tail's own.

    Raises:
        TypeError: as `implicit_saliency`.
        ValueError: as `implicit_saliency`; maps or choices for another number of images.
    """
    tails = tail.images()
    if maps is not None and len(maps) != len(tails):
        raise ValueError(f"maps must be one set an image, got {len(maps)} for {len(tails)} images.")
    answers = []
    for index, one in enumerate(tails):
        asked = None if question is None else question.part(index, index + 1, len(tails))
        own = None if maps is None else maps[index : index + 1]
        answers.append(
            implicit_saliency(
                one, score, asked, maps=own, labels=labels, kind=kind, combine=combine, smoothing=smoothing,
                batch=batch, step=step,
            )
        )  # fmt: skip
    return torch.stack(answers)


def label_gradients(
    tail: Replayable,
    score: Score,
    labels: Int[Tensor, " m"] | Sequence[int | str],
    *,
    maps: Float[Tensor, "1 c h w"] | None = None,
) -> Float[Tensor, "m c h w"]:
    """The gradient of the cross entropy with each label at the layer's maps, of one image.

    Args:
        maps: instead of the tail's own.

    Raises:
        TypeError: labels that are no list or tensor of whole numbers or names.
        ValueError: labels that do not exist; a tail, or classes, that `implicit_saliency` refuses.
    """
    _check_tail(tail)
    count = _count(labels)
    read, names = _exclusive(score)
    own = tail.maps if maps is None else maps.to(tail.maps)
    with recording(tail):
        scored = partial(scores_from, read, rows=count)
        leaf, scores = replayed(tail, scored, own.expand(count, -1, -1, -1))
        logits = scores.detach()
        _check_logits(logits)
        some = targets_of(labels, logits, names, "a label")
        return _slope(leaf, scores, contrast_weights(logits, some))


def uniform_gradient(tail: Replayable, score: Score) -> Float[Tensor, "c h w"]:
    """The gradient of the cross entropy with the uniform label: the mean of the signed gradients over all labels.

    Raises:
        TypeError: as `implicit_saliency`.
        ValueError: as `implicit_saliency`.
    """
    _check_tail(tail)
    read, _ = _exclusive(score)
    with recording(tail):
        leaf, scores = replayed(tail, partial(scores_from, read, rows=1), None)
        logits = scores.detach()
        _check_logits(logits)
        return _slope(leaf, scores, logits.to(wide_of(logits)).softmax(1) - 1 / logits.shape[1])[0]


def _slope(leaf: Tensor, scores: Tensor, weights: Tensor) -> Tensor:
    """The gradient at the maps; a map that is 0 everywhere adds nothing where its own does not exist."""
    return without_dead(slope_of(leaf, scores, weights), leaf.detach())


def _asked_gradient(
    tail: Replayable, score: Score, question: Question, maps: Tensor | None
) -> Float[Tensor, "1 c h w"]:
    """The gradient of one question at the layer's maps."""
    with recording(tail):
        leaf, scores = replayed(tail, question.reader(score), maps)
        return _slope(leaf, scores, question(scores.detach(), score))


def _mean_and_variance(
    batches: Iterable[Float[Tensor, "m h w"]], zero: Float[Tensor, "h w"]
) -> tuple[Float[Tensor, "h w"], Float[Tensor, "h w"]]:
    """Over all maps of all batches, map by map: so the variance is no difference of large sums."""
    mean = square = zero
    seen = 0
    for batch in batches:
        for one in batch:
            seen += 1
            difference = one - mean
            mean = mean + difference / seen
            square = square + difference * (one - mean)
    return mean, square / seen


def _check_options(kind: str, combine: str, smoothing: float, batch: int | None) -> float:
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}.")
    if combine not in COMBINATIONS:
        raise ValueError(f"combine must be mean or variance, got {combine!r}.")
    smoothing = real_number("smoothing", smoothing)
    if not 0 <= smoothing < math.inf:
        raise ValueError(f"smoothing must be 0 or more and finite, got {smoothing}.")
    check_batch(batch)
    return smoothing


def _check_one_question(labels: str | int, combine: str) -> None:
    if labels != "all":
        raise ValueError(f"a question takes the place of the labels, got it beside labels={labels!r}.")
    if combine != "mean":
        raise ValueError(f"a variance over labels needs labels, got combine={combine!r} beside one question.")


def _logits(tail: Replayable, score: Score, maps: Tensor | None) -> Float[Tensor, "1 k"]:
    read, _ = _exclusive(score)
    with torch.no_grad(), arithmetic_of(tail):
        known = tail.result if maps is None and isinstance(tail, Tail) else None
        changed = tail.maps if maps is None else maps
        scores = scores_from(read, tail(changed.detach()) if known is None else known, 1)
    _check_logits(scores)
    return scores


def _exclusive(score: Score) -> tuple[Score, Sequence[str] | None]:
    read, names, exclusive = classes_of(score)
    if not exclusive:
        raise ValueError(f"{NAME} needs classes that exclude each other: the cross entropy with one label is asked.")
    return read, names


def _check_tail(tail: Replayable) -> None:
    check_placed(tail)
    if len(tail.maps) != 1:
        raise ValueError(
            f"implicit saliency takes the tail of one image, got one of {len(tail.maps)}; "
            "`implicit_saliency_of` takes several."
        )


def _check_logits(scores: Tensor) -> None:
    check_classes(NAME, scores)
    check_finite("scores", scores)


def _count(labels: Any) -> int:
    if not one_an_image(labels) or not len(labels):
        raise TypeError(f"labels must be a list or a tensor of whole numbers, at least one, got {labels!r}.")
    return len(labels)


def _pseudo_maps(
    maps: Float[Tensor, "1 c h w"], gradients: Float[Tensor, "m c h w"], kind: str
) -> Float[Tensor, "m h w"]:
    """A map of each gradient. Where a feature map is 0 everywhere, its gradient does not matter to |g A|."""
    maps = maps.to(wide_of(maps, gradients))
    if kind == "feature":
        return maps.abs().mean(1).expand(len(gradients), -1, -1)
    if kind == "product":
        gradients = torch.where((maps == 0).all(3, keepdim=True).all(2, keepdim=True), 0, gradients)
    check_finite("the gradient of the cross entropy at the maps", gradients)
    if kind == "norms":
        return gradients.norm(dim=1) * maps.norm(dim=1)
    return (gradients if kind == "mismatch" else gradients * maps).abs().mean(1)


def _smooth(saliency: Float[Tensor, "n h w"], sigma: float) -> Float[Tensor, "n h w"]:
    return degrade.blur(saliency[:, None], sigma)[:, 0] if sigma else saliency
