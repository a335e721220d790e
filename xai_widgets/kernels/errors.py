"""From the change of a score to the change of its error, and the role that a map plays in it.

The error is the distance from a known rating, or for a classifier the cross entropy to a known label. Removals
themselves are in `ablation`, which offers all of this too.

Reference: Truong, Pesenti and Hasson, 2024, arXiv 2409.16292.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from xai_widgets.kernels.checks import check_classes, check_finite, check_same, check_tensor, target_of
from xai_widgets.kernels.precision import tolerance_of

ROLES = (
    "neutral",
    "helpful, raises the score",
    "helpful, lowers the score",
    "harmful, raises the score",
    "harmful, lowers the score",
)


def residual(score: Float[Tensor, " n"], rating: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    """The score minus the rating: above 0 where the score is too high.

    Raises:
        TypeError: no tensors of floating-point numbers.
        ValueError: other axes, sizes that differ, or a value that is not finite.
    """
    for name, values in (("scores", score), ("ratings", rating)):
        check_tensor(name, values, ("images",))
        check_finite(name, values)
    check_same(("scores", score), ("ratings", rating), ("images",))
    return score - rating


def delta_error(
    delta_y: Float[Tensor, "n c"],
    score: Float[Tensor, " n"],
    rating: Float[Tensor, " n"],
) -> Float[Tensor, "n c"]:
    """Growth of the absolute error when a map is removed; positive: the map helps.

    Raises:
        TypeError: no tensors of floating-point numbers.
        ValueError: other axes, sizes that differ, or a value that is not finite.
    """
    _check_rows(delta_y, scores=score, ratings=rating)
    distance = residual(score, rating)[:, None]
    return (distance + delta_y).abs() - distance.abs()


def delta_cross_entropy(
    logits: Float[Tensor, " k"], delta_logits: Float[Tensor, "c k"], label: int | Int[Tensor, ""]
) -> Float[Tensor, " c"]:
    """Growth of the cross entropy to a known label when a map is removed; positive: the map helps.

    With the probabilities p and the changes d of the logits it is log(sum_k p_k exp(d_k - d_label)). No difference of
    two cross entropies is taken, so it is right for a confident network too, whose own is 0 in float32.

    Args:
        logits: of one image as it is, those of a softmax over the classes; of a binary task too, see `Outputs.logits`.
        delta_logits: the change of every logit, a row for each map; any maps, since no row depends on another.
        label: the true class.

    Raises:
        TypeError: no tensors of floating-point numbers, or a label that is no whole number.
        ValueError: other axes, sizes that differ, one score alone, no such class, or a value that is not finite.
    """
    check_tensor("logits", logits, ("classes",))
    check_tensor("delta logits", delta_logits)
    if delta_logits.dim() != 2 or delta_logits.shape[1] != len(logits):
        raise ValueError(f"delta logits must be (maps, {len(logits)} classes), got shape {tuple(delta_logits.shape)}.")
    check_classes("a cross entropy", logits[None])
    label = target_of(label, len(logits), name="label")
    check_finite("logits", logits)
    check_finite("delta logits", delta_logits)
    dtype = torch.promote_types(logits.dtype, delta_logits.dtype)
    change = delta_logits.to(torch.promote_types(dtype, torch.float32))
    log_p = logits.to(change).log_softmax(0)  # (k)
    change = change - change[:, label : label + 1]  # d_k - d_label, (c k)
    # p (exp(d) - 1), as a difference of exponentials for large d: nothing cancels there, and exp(d) may overflow.
    small = change.clamp_max(1)
    terms = torch.where(change > 1, (log_p + change).exp() - log_p.exp(), log_p.exp() * small.expm1())
    growth = terms.sum(1)  # of the sum, which was 1; the label adds 0, however confident the network is
    near = growth.abs() < 0.5  # else by logarithms, which do not overflow
    return torch.where(near, torch.where(near, growth, 0).log1p(), (log_p + change).logsumexp(1)).to(dtype)


def delta_binary_cross_entropy(
    logits: Float[Tensor, " k"], delta_logits: Float[Tensor, "c k"], labels: Bool[Tensor, " k"]
) -> Float[Tensor, "c k"]:
    """Growth of the binary cross entropy of each label when a map is removed; positive: the map helps.

    Of labels that do not exclude each other; the error of an image is the mean or the sum over its labels. With s the
    probability of the wrong answer and d the change of the logit towards it, it is log(1 + s (exp(d) - 1)): no
    difference of two errors is taken.

    Args:
        logits: of one image as it is.
        delta_logits: the change of every logit, a row for each map.
        labels: which of them hold.

    Raises:
        TypeError: no tensors of floating-point numbers, or labels that are no tensor of truth values.
        ValueError: other axes, sizes that differ, or a value that is not finite.
    """
    check_tensor("logits", logits, ("labels",))
    check_tensor("delta logits", delta_logits)
    if delta_logits.dim() != 2 or delta_logits.shape[1] != len(logits):
        raise ValueError(f"delta logits must be (maps, {len(logits)} labels), got shape {tuple(delta_logits.shape)}.")
    if not isinstance(labels, Tensor) or labels.dtype != torch.bool:
        raise TypeError(f"labels must be a tensor of True and False, got {getattr(labels, 'dtype', labels)!r}.")
    if labels.shape != logits.shape:
        raise ValueError(f"labels must be as many as the logits, {len(logits)}, got shape {tuple(labels.shape)}.")
    check_finite("logits", logits)
    check_finite("delta logits", delta_logits)
    dtype = torch.promote_types(logits.dtype, delta_logits.dtype)
    wide = torch.promote_types(dtype, torch.float32)
    away = torch.where(labels, -1, 1).to(delta_logits.device, wide)  # from the right answer
    towards, change = away * logits.to(delta_logits.device, wide), away * delta_logits.to(wide)
    share = towards.sigmoid() * change.clamp_max(1).expm1()
    near = (change <= 1) & (share > -0.5)  # else by logarithms: exp(d) may overflow, and nothing cancels there
    logsigmoid = torch.nn.functional.logsigmoid
    far = torch.logaddexp(logsigmoid(-towards).expand_as(change), logsigmoid(towards) + change)
    return torch.where(near, torch.where(near, share, 0).log1p(), far).to(dtype)


def roles(
    delta_y: Float[Tensor, "n c"],
    delta_error: Float[Tensor, "n c"],
    score: Float[Tensor, " n"],
    *,
    precision: torch.dtype | None = None,
) -> Int[Tensor, "n c"]:
    """Which of `ROLES` each map has.

    Neutral where the error moves by no more than rounding. Neutral too where the score does not move at all: the error
    of a classifier may still move then, with the other logits.

    Args:
        delta_y: change of the score without each map; for a classifier that of the logit of P.
        delta_error: of the same maps.
        score: of each image; for a classifier the logit of P.
        precision: in which the scores were computed, see `Tail.precision`: a network in bfloat16 may return float32.
            That of the values themselves if left out.

    Raises:
        TypeError: no tensors of floating-point numbers, or a precision that is no dtype.
        ValueError: other axes, sizes that differ, or a value that is not finite.
    """
    _check_rows(delta_y, scores=score)
    check_same(("delta y", delta_y), ("delta error", delta_error), ("images", "maps"))
    check_tensor("delta error", delta_error)
    check_finite("delta error", delta_error)
    if precision is not None and not isinstance(precision, torch.dtype):
        raise TypeError(f"precision must be a torch.dtype, such as torch.bfloat16, got {precision!r}.")
    coarsest = tolerance_of(delta_y.dtype, score.dtype, *(() if precision is None else (precision,)))
    tolerance = coarsest * score.abs().clamp_min(1)[:, None]
    harmful = torch.where(delta_error < 0, 2, 0)
    role = 1 + (delta_y > 0).long() + harmful
    return torch.where((delta_error.abs() <= tolerance) | (delta_y == 0), 0, role)


def one_sided(delta_y: Float[Tensor, "n c"], residual: Float[Tensor, " n"]) -> Bool[Tensor, " n"]:
    """Is every |delta y| at most |r|? Then delta error is sign(r) delta y, and all helpful maps push the same way.

    Raises:
        TypeError: no tensors of floating-point numbers.
        ValueError: other axes, sizes that differ, or a value that is not finite.
    """
    _check_rows(delta_y, residuals=residual)
    return (delta_y.abs() <= residual.abs()[:, None]).all(1)


def _check_rows(delta_y: Any, **values: Any) -> None:
    """Check the effects of maps, and values of which there is one for each image."""
    check_tensor("delta y", delta_y)
    if delta_y.dim() != 2:
        raise ValueError(f"delta y must have the axes images, maps, got shape {tuple(delta_y.shape)}.")
    check_finite("delta y", delta_y)
    for name, value in values.items():
        check_tensor(name, value)
        check_same(("delta y", delta_y[:, 0]), (name, value), ("images",))
        check_finite(name, value)
