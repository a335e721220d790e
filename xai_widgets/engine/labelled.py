"""What each map does to the cross entropy with a known label: the error of a classifier.

Reference: Truong, Pesenti and Hasson, 2024, arXiv 2409.16292, where the error is that of a score with a rating.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from xai_widgets.kernels.ablation import (
    Score,
    anytime_delta_logits,
    delta_cross_entropy,
    first_order,
    own_scores,
)
from xai_widgets.kernels.anytime import SECONDS_OF_A_BATCH, Effects, first_known
from xai_widgets.kernels.cam import contrast_weights
from xai_widgets.kernels.gains import Baseline
from xai_widgets.kernels.tail import Tail


@dataclass(frozen=True)
class LabelledEffects(Effects):
    """Effects on the logit of P, and on the cross entropy with the label; on the CPU.

    Attributes:
        delta_error: growth of the cross entropy without each map; exact where `exact`, else a first-order estimate.
    """

    delta_error: Float[Tensor, " c"]


def estimated_labelled(
    tail: Tail, score: Score, target: int, label: int, *, baseline: Baseline = None
) -> LabelledEffects:
    """Both effects to first order, from a backward pass each; maps that are zero are exact.

    Where the network cuts gradients off, nothing is estimated: 0 for every map.
    """
    weights = contrast_weights(own_scores(tail, score), label)  # the slope of the cross entropy, also of a sure network

    def error(result: Any) -> Tensor:
        return (score(result).to(weights.dtype) * weights).sum(1, keepdim=True)

    known = first_known(tail, score, target, baseline=baseline)
    growth = torch.zeros_like(known.delta_y)
    if known.estimated:
        growth = torch.where(known.exact, 0, first_order(tail, error, baseline=baseline))
    return LabelledEffects(known.delta_y.cpu(), known.exact.cpu(), growth.cpu())


def anytime_labelled(
    tail: Tail,
    score: Score,
    target: int,
    label: int,
    *,
    baseline: Baseline = None,
    seconds: float = SECONDS_OF_A_BATCH,
) -> Iterator[LabelledEffects]:
    """The estimate; then, after each micro-batch, what is exact by then, in the order of the estimate.

    A removal gives the logits of all classes, so that both effects come from the same ones.
    """
    known = estimated_labelled(tail, score, target, label, baseline=baseline)
    yield known
    if known.done:
        return
    order = known.delta_y.abs().argsort(descending=True, stable=True)
    order = order[~known.exact[order]].to(tail.maps.device)
    logits = own_scores(tail, score)[0].detach().cpu()
    for index, rows in anytime_delta_logits(tail, score, order, baseline=baseline, seconds=seconds):
        change, error, exact = known.delta_y.clone(), known.delta_error.clone(), known.exact.clone()
        place, moved = index.cpu(), rows.detach().cpu()
        change[place], error[place], exact[place] = (
            moved[:, target].to(change), delta_cross_entropy(logits, moved, label).to(error), True,
        )  # fmt: skip
        known = LabelledEffects(change, exact, error)
        yield known
