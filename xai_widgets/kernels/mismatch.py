"""Implicit saliency (reconstruction): what a label that contradicts the network's expectation would change.

The gradient that a conflicting label sends back to a layer marks what the network relied on. No reference code is
public: this follows the text of the paper and does not claim its figures.

Reference: Sun, Prabhushankar and AlRegib, 2020, arXiv 2008.01874.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from xai_widgets.kernels import degrade
from xai_widgets.kernels.affine import arithmetic_of
from xai_widgets.kernels.batches import at_once, check_batch, on_any_tail
from xai_widgets.kernels.cam import Replayable, contrast_weights, slope_of
from xai_widgets.kernels.cam.base import Score, Step, check_placed, classes_of, recording, replayed, wide_of
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
from xai_widgets.kernels.robustness import Robustness as Robustness
from xai_widgets.kernels.robustness import robustness as robustness
from xai_widgets.kernels.robustness import robustness_of as robustness_of
from xai_widgets.kernels.tail import Tail

NAME = "implicit saliency (reconstruction)"
KINDS = ("mismatch", "feature", "product", "norms")
COMBINATIONS = ("mean", "variance")


def label_set(scores: Float[Tensor, "1 k"], which: str | int) -> Int[Tensor, " m"]:
    """The labels to contradict with: "all", "others" (all but the predicted), or the m most probable.

    Raises:
        TypeError, ValueError: scores that are not finite, of several images or of fewer than two classes; another set.
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
    *,
    labels: str | int = "all",
    kind: str = "mismatch",
    combine: str = "mean",
    smoothing: float = 0.0,
    batch: int | None = None,
    step: Step = None,
) -> Float[Tensor, "h w"]:
    """One map of one image, from the gradients g of the cross entropy with each label at the layer's maps A.

    Several layers side by side are one call for the tail of each; `implicit_saliency_of` takes several images. `kind`
    holds two lists in one: the pseudo maps of a label (|g|, |g A|, the product of norms) are "mismatch", "product" and
    "norms"; the choices mismatch only, feature only and product are "mismatch", "feature" and "product", so that the
    product of both is |g A|, not that of norms.

    Args:
        score: from what the network returns to logits (n k), or an `outputs.Outputs`.
        labels: see `label_set`.
        kind: the pseudo map of one label. "mismatch": mean over maps of |g|; "feature": of |A|; "product": of |g A|;
            "norms": |g_u| |a_u| at each place u, the size of a 1 x 1 convolution's weight gradient there.
        combine: "mean" or "variance" (population) over labels.
        smoothing: standard deviation of a Gaussian, in places of the map; 0 for none.
        batch: labels at a time; found from the memory of the layer if left out.
        step: called before each batch; may raise to cancel.

    Raises:
        TypeError, ValueError: options that are none of these; a tail of several images, or whose layer is not in raster
            order; fewer than two classes, or classes that do not exclude each other; scores or gradients that are not
            finite.
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}.")
    if combine not in COMBINATIONS:
        raise ValueError(f"combine must be mean or variance, got {combine!r}.")
    smoothing = real_number("smoothing", smoothing)
    if not 0 <= smoothing < math.inf:
        raise ValueError(f"smoothing must be 0 or more and finite, got {smoothing}.")
    check_batch(batch)
    chosen = label_set(_logits(tail, score), labels)
    maps = tail.maps.detach()
    maps = maps.to(wide_of(maps))
    if combine == "variance" and (kind == "feature" or len(chosen) < 2):
        raise ValueError(
            "a variance needs at least 2 labels and a kind that depends on them (mismatch, product, norms), "
            f"got {len(chosen)} and {kind!r}: it would be 0 everywhere."
        )
    if kind == "feature":
        return _smooth(maps.abs().mean(1), smoothing)[0]
    mean = torch.zeros_like(maps[0, 0])
    square = torch.zeros_like(mean)  # of the distance from the mean: no difference of large sums
    seen = 0

    def run(tail: Replayable, start: int, end: int) -> Tensor:
        return _pseudo_maps(tail.maps.detach(), label_gradients(tail, score, chosen[start:end]), kind)

    size = batch or at_once(4 * maps.nbytes, maps.device)
    for some in on_any_tail(tail, len(chosen), size, run, step=step):
        for one in some:
            seen += 1
            difference = one - mean
            mean = mean + difference / seen
            square = square + difference * (one - mean)
    return _smooth((mean if combine == "mean" else square / seen)[None], smoothing)[0]


@runtime_checkable
class Several(Protocol):
    """The tail of several images, which gives that of each, such as a `tail.Tail`."""

    def images(self) -> Sequence[Replayable]: ...


def implicit_saliency_of(
    tail: Several,
    score: Score,
    *,
    labels: str | int = "all",
    kind: str = "mismatch",
    combine: str = "mean",
    smoothing: float = 0.0,
    batch: int | None = None,
    step: Step = None,
) -> Float[Tensor, "n h w"]:
    """The map of each image of a tail: see `implicit_saliency`.

    Args:
        tail: of several images; each is asked on its own, with labels of its own.
        labels, kind, combine, smoothing, batch, step: as of `implicit_saliency`.

    Raises:
        TypeError, ValueError: as of `implicit_saliency`.
    """
    found = [
        implicit_saliency(
            one, score, labels=labels, kind=kind, combine=combine, smoothing=smoothing, batch=batch, step=step
        )
        for one in tail.images()
    ]
    return torch.stack(found)


def label_gradients(
    tail: Replayable, score: Score, labels: Int[Tensor, " m"] | Sequence[int | str]
) -> Float[Tensor, "m c h w"]:
    """The gradient of the cross entropy with each label at the layer's maps, of one image.

    Raises:
        TypeError, ValueError: as of `implicit_saliency`; labels that do not exist.
    """
    _check_tail(tail)
    count = _count(labels)
    read, names = _exclusive(score)
    with recording(tail):
        scored = partial(scores_from, read, rows=count)
        leaf, scores = replayed(tail, scored, tail.maps.expand(count, -1, -1, -1))
        logits = scores.detach()
        _check_logits(logits)
        some = targets_of(labels, logits, names, "a label")
        return slope_of(leaf, scores, contrast_weights(logits, some))


def uniform_gradient(tail: Replayable, score: Score) -> Float[Tensor, "c h w"]:
    """The same for the uniform label: the mean of the signed gradients over all labels.

    Raises:
        TypeError, ValueError: as of `implicit_saliency`.
    """
    _check_tail(tail)
    read, _ = _exclusive(score)
    with recording(tail):
        leaf, scores = replayed(tail, partial(scores_from, read, rows=1), None)
        logits = scores.detach()
        _check_logits(logits)
        return slope_of(leaf, scores, logits.to(wide_of(logits)).softmax(1) - 1 / logits.shape[1])[0]


def _logits(tail: Replayable, score: Score) -> Float[Tensor, "1 k"]:
    _check_tail(tail)
    read, _ = _exclusive(score)
    with torch.no_grad(), arithmetic_of(tail):
        scores = scores_from(read, tail.result if isinstance(tail, Tail) else tail(tail.maps.detach()), 1)
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
    """Where a map is 0 everywhere its gradient does not matter to |g A|."""
    maps = maps.to(wide_of(maps, gradients))
    if kind == "product":
        gradients = torch.where((maps == 0).all(3, keepdim=True).all(2, keepdim=True), 0, gradients)
    check_finite("the gradient of the cross entropy at the maps", gradients)
    if kind == "norms":
        return gradients.norm(dim=1) * maps.norm(dim=1)
    return (gradients if kind == "mismatch" else gradients * maps).abs().mean(1)


def _smooth(saliency: Float[Tensor, "n h w"], sigma: float) -> Float[Tensor, "n h w"]:
    return degrade.blur(saliency[:, None], sigma)[:, 0] if sigma else saliency
