"""Does the probability of a class tell its images from all others? The AUROC that stands beside focus."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from xai_widgets.kernels.checks import check_finite, check_tensor
from xai_widgets.kernels.precision import widest


def class_log_odds(scores: Float[Tensor, "n m k"], *, exclusive: bool = True) -> Float[Tensor, "n m k"]:
    """log(p / (1 - p)) of each class, p its probability, in the widest precision of the device.

    It orders images as p does, and a confident network does not round it to 1 or 0.

    Args:
        scores: Logits, or logarithms of probabilities; NaN stays NaN.
        exclusive: Whether one class excludes the others, so that their probabilities are a softmax; else each is the
            sigmoid of its own score (multilabel), see `outputs.Outputs.exclusive`.

    Raises:
        TypeError: scores that are no floating-point numbers.
        ValueError: other axes, or fewer than two classes.
    """
    check_tensor("scores", scores)
    if scores.dim() != 3:
        raise ValueError(f"scores must have the axes images, conditions, classes, got shape {tuple(scores.shape)}.")
    if scores.shape[-1] < 2:
        raise ValueError("an AUROC from class probability needs scores of at least 2 classes, got one.")
    wide = scores.to(widest(scores.device))
    if not exclusive:
        return wide
    none = wide.new_full((*wide.shape[:2], 1), -torch.inf)
    before = torch.cat((none, wide[..., :-1].logcumsumexp(2)), 2)
    after = torch.cat((wide[..., 1:].flip(2).logcumsumexp(2).flip(2), none), 2)
    return wide - torch.logaddexp(before, after)


def class_auroc(
    scores: Float[Tensor, "n m k"], labels: Int[Tensor, " n"] | Bool[Tensor, "n k"], *, exclusive: bool = True
) -> Float[Tensor, "m k"]:
    """AUROC of each class's probability for telling its images from all others, for each of m conditions.

    For the scores of `Focus` these are the clean images, salient regions removed, other regions removed. A probability
    is compared by its `class_log_odds`. NaN for a class without images, or without others.

    Args:
        labels: the class of each image; or which labels hold, where several may.
        exclusive: see `class_log_odds`.

    Raises:
        TypeError: scores that are no floating-point numbers, labels that are neither whole numbers nor truth values.
        ValueError: fewer than two classes, labels out of range, or scores that are not finite; leave out the images
            with a degenerate map.
    """
    odds = class_log_odds(scores, exclusive=exclusive)
    known = _which(labels, len(scores), scores.shape[-1])
    check_finite("scores", scores)
    return auroc_of_odds(odds, known)


def auroc_of_odds(
    odds: Float[Tensor, "n m k"], labels: Int[Tensor, " n"] | Bool[Tensor, "n k"]
) -> Float[Tensor, "m k"]:
    """`class_auroc`, from `class_log_odds`; NaN where one of a class is not finite."""
    known = _which(labels, len(odds), odds.shape[-1]).to(odds.device)
    return torch.stack([_areas(one, known) for one in odds.unbind(1)])


def _which(labels: Any, n: int, classes: int) -> Bool[Tensor, "n k"]:
    """Which label each image has, from the number of its class or from truth values."""
    if isinstance(labels, Tensor) and labels.dtype == torch.bool and labels.dim() == 2:
        if labels.shape != (n, classes):
            raise ValueError(f"labels must be ({n} images, {classes} labels), got shape {tuple(labels.shape)}.")
        return labels
    if not isinstance(labels, Tensor) or labels.is_floating_point() or labels.dtype == torch.bool:
        given = labels.dtype if isinstance(labels, Tensor) else type(labels).__name__
        raise TypeError(f"labels must be a tensor of whole numbers, got {given}.")
    if labels.shape != (n,):
        raise ValueError(f"labels must be one an image, got shape {tuple(labels.shape)} for {n}.")
    if n and not 0 <= int(labels.min()) <= int(labels.max()) < classes:
        wrong = labels[(labels < 0) | (labels >= classes)][0]
        raise ValueError(f"labels must be 0 to {classes - 1}, got {int(wrong)}.")
    return labels[:, None] == torch.arange(classes, device=labels.device)


def _areas(values: Float[Tensor, "n k"], known: Bool[Tensor, "n k"]) -> Float[Tensor, " k"]:
    """The AUROC of each column from ranks; ties count half. NaN where all are known, or none."""
    columns = values.T.contiguous()
    ordered = columns.sort(1).values
    below = torch.searchsorted(ordered, columns)
    up_to = torch.searchsorted(ordered, columns, right=True)
    ranks = (below + up_to + 1).to(values) / 2
    own, others = known.sum(0), (~known).sum(0)
    areas = ((ranks * known.T).sum(1) - own * (own + 1) / 2) / (own * others)
    return areas.masked_fill(~columns.isfinite().all(1), torch.nan)
