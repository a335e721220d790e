"""What the score and its error become when feature maps are removed or weighted.

Reference: Truong, Pesenti and Hasson, 2024, arXiv 2409.16292; gains generalise removal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from time import perf_counter
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from xai_widgets.kernels.tail import Tail

Score = Callable[[Any], Tensor]  # the network's return value -> (n k)

TOLERANCE = {torch.float64: 1e-6}  # batching alone moves a float32 score by up to 1.5e-5
ROLES = (
    "neutral",
    "helpful, raises the score",
    "helpful, lowers the score",
    "harmful, raises the score",
    "harmful, lowers the score",
)
WORKING_SET = 32 * 2**20  # bytes of changed copies that are in memory at once; more was slower on every CPU tried


def with_gains(
    maps: Float[Tensor, "n c h w"],
    gains: Float[Tensor, "m c"],
    baseline: Float[Tensor, " c"] | None = None,
) -> Float[Tensor, "b c h w"]:
    """Maps times their gains, towards the baseline (zero): g A + (1 - g) b. Gain 1 is A, bit by bit."""
    changed = maps * gains[:, :, None, None]
    if baseline is not None:
        changed = changed + ((1 - gains) * baseline)[:, :, None, None]
    return changed


def dead(maps: Float[Tensor, "n c h w"], baseline: Float[Tensor, " c"] | None = None) -> Bool[Tensor, "n c"]:
    """Maps that equal their baseline everywhere, whose removal changes nothing."""
    level = maps.new_zeros(()) if baseline is None else baseline[:, None, None]
    return (maps == level).flatten(2).all(2)


def removal_scores(
    tail: Tail,
    score: Score,
    order: Int[Tensor, " i"] | None = None,
    *,
    baseline: Float[Tensor, " c"] | None = None,
    batch: int | None = None,
    seconds: float | None = None,
) -> Iterator[tuple[Int[Tensor, " b"], Float[Tensor, "b k"]]]:
    """The scores without one map each, for one image, a micro-batch at a time.

    Args:
        order: which maps, in which order; all by index if left out.
        batch: copies at once; found from the memory of the layer, and halved when memory runs out, if left out.
        seconds: how long a micro-batch may take; the number of copies follows what was measured.
    """
    maps = _one_image(tail)
    order = torch.arange(maps.shape[1], device=maps.device) if order is None else order
    bytes_of_copy = maps.nbytes * 4
    size = batch or max(1, min(len(order), WORKING_SET // max(bytes_of_copy, 1)))
    if seconds is not None and batch is None:
        size = min(size, 8)
    done = 0
    while done < len(order):
        index = order[done : done + size]
        began = perf_counter()
        try:
            with torch.inference_mode():
                scores = score(tail(_without(maps, index, baseline)))
        except torch.OutOfMemoryError:
            if size == 1:
                raise
            size = max(1, size // 2)
            continue
        done += len(index)
        if seconds is not None and batch is None:
            spent = max(perf_counter() - began, 1e-4)
            size = max(1, min(int(len(index) * min(seconds / spent, 4.0)), WORKING_SET // max(bytes_of_copy, 1)))
        yield index, scores


def delta_y(
    tail: Tail,
    score: Score,
    target: int = 0,
    *,
    baseline: Float[Tensor, " c"] | None = None,
    batch: int | None = None,
) -> Float[Tensor, " c"]:
    """Change of one score when each map is removed; positive: the map lowered the score.

    captum's LayerFeatureAblation gives the negative of it.
    """
    maps = _one_image(tail)
    y = score(tail.result)[0, target]
    change = maps.new_zeros(maps.shape[1])
    alive = (~dead(maps, baseline)[0]).nonzero().flatten()
    for index, scores in removal_scores(tail, score, alive, baseline=baseline, batch=batch):
        change[index] = scores[:, target] - y
    return change


def first_order(tail: Tail, score: Score, target: int = 0) -> Float[Tensor, " c"]:
    """An estimate of every delta y from one backward pass: minus gradient times map, summed over places."""
    with torch.enable_grad():
        leaf = _one_image(tail).detach().clone().requires_grad_()
        y = score(tail(leaf))[0, target]
        (gradient,) = torch.autograd.grad(y, leaf)
    return -(gradient * leaf.detach()).sum((0, 2, 3))


def delta_error(
    delta_y: Float[Tensor, "n c"],
    score: Float[Tensor, " n"],
    rating: Float[Tensor, " n"],
) -> Float[Tensor, "n c"]:
    """Growth of the absolute error when a map is removed; positive: the map helps."""
    residual = (score - rating)[:, None]
    return (residual + delta_y).abs() - residual.abs()


def roles(
    delta_y: Float[Tensor, "n c"],
    delta_error: Float[Tensor, "n c"],
    score: Float[Tensor, " n"],
) -> Int[Tensor, "n c"]:
    """Which of `ROLES` each map has; neutral where the error moves by no more than rounding."""
    tolerance = TOLERANCE.get(delta_y.dtype, 2e-5) * score.abs().clamp_min(1)[:, None]
    harmful = torch.where(delta_error < 0, 2, 0)
    role = 1 + (delta_y > 0).long() + harmful
    return torch.where(delta_error.abs() <= tolerance, 0, role)


def one_sided(delta_y: Float[Tensor, "n c"], residual: Float[Tensor, " n"]) -> Bool[Tensor, " n"]:
    """Is every |delta y| at most |r|? Then delta error is sign(r) delta y, and all helpful maps push the same way."""
    return (delta_y.abs() <= residual.abs()[:, None]).all(1)


def _one_image(tail: Tail) -> Tensor:
    if len(tail.inputs) != 1:
        raise ValueError(f"removals take the tail of one image, got one of {len(tail.inputs)}.")
    return tail.maps


def _without(maps: Tensor, index: Tensor, baseline: Tensor | None) -> Tensor:
    changed = maps.repeat(len(index), 1, 1, 1)
    rows = torch.arange(len(index), device=maps.device)
    changed[rows, index] = maps.new_zeros(()) if baseline is None else baseline[index, None, None]
    return changed
