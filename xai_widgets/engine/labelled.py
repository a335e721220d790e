"""What each map does to the cross entropy with a known label: the error of a classifier.

Of labels that do not exclude each other, where all that hold are known, it is the mean binary cross entropy over all
labels; where one label alone is known, the binary cross entropy of that one.

Reference: Truong, Pesenti and Hasson, 2024, arXiv 2409.16292, where the error is that of a score with a rating.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from xai_widgets.kernels.ablation import (
    anytime_delta_logits,
    delta_binary_cross_entropy,
    delta_cross_entropy,
    first_order,
    own_scores,
)
from xai_widgets.kernels.anytime import SECONDS_OF_A_BATCH, Effects, first_known
from xai_widgets.kernels.cam import contrast_weights
from xai_widgets.kernels.gains import Baseline
from xai_widgets.kernels.home import home
from xai_widgets.kernels.outputs import Outputs
from xai_widgets.kernels.tail import Tail


@dataclass(frozen=True)
class LabelledEffects(Effects):
    """Effects on the logit of P, and on the cross entropy with the label; on the CPU.

    Attributes:
        delta_error: growth of the cross entropy without each map; exact where `exact`, else a first-order estimate.
    """

    delta_error: Float[Tensor, " c"]


Label = int | tuple[int, ...]  # one that holds, or all that do


def holding(scores: Float[Tensor, "... k"], label: tuple[int, ...]) -> Bool[Tensor, " k"]:
    """Which of the labels hold."""
    found = torch.zeros(scores.shape[-1], dtype=torch.bool, device=scores.device)
    found[list(label)] = True
    return found


def logits_with(score: Outputs, scores: Float[Tensor, "n k"], label: int) -> tuple[Float[Tensor, "n m"], int]:
    """The logits of the cross entropy with a label, from explained scores or from changes of them, and its place there.

    Of classes that exclude each other these are their logits. Else the label holds or does not: 0 and its logit, whose
    cross entropy is the binary one.
    """
    if score.exclusive:
        return score.as_logits(scores), label
    own = scores[:, label : label + 1]
    return torch.cat((torch.zeros_like(own), own), 1), 1


def cross_entropy(score: Outputs, scores: Float[Tensor, " k"], label: Label) -> float:
    """With a label, of the explained scores of one image."""
    if isinstance(label, tuple):
        wanted = holding(scores, label).double()
        return float(torch.nn.functional.binary_cross_entropy_with_logits(scores.double(), wanted))
    logits, place = logits_with(score, scores[None].double(), label)
    return -float(logits[0].log_softmax(0)[place])


def growth(
    score: Outputs, scores: Float[Tensor, " k"], changes: Float[Tensor, "c k"], label: Label
) -> Float[Tensor, " c"]:
    """Growth of the cross entropy with a label for changes of the explained scores of one image."""
    if isinstance(label, tuple):
        return delta_binary_cross_entropy(scores, changes, holding(scores, label)).mean(1)
    logits, place = logits_with(score, scores[None], label)
    return delta_cross_entropy(logits[0], logits_with(score, changes, label)[0], place)


def _slope(score: Outputs, scores: Float[Tensor, "1 k"], label: Label) -> Float[Tensor, "1 m"]:
    """Of the cross entropy in the logits that it is of, also of a sure network."""
    if isinstance(label, tuple):
        return (scores.sigmoid() - holding(scores, label).to(scores)) / scores.shape[1]
    return contrast_weights(*logits_with(score, scores, label))


def estimated_labelled(
    tail: Tail, score: Outputs, target: int, label: Label, *, baseline: Baseline = None
) -> LabelledEffects:
    """Both effects to first order, from a backward pass each; maps that are zero are exact.

    Where the network cuts gradients off, nothing is estimated: 0 for every map.
    """
    weights = _slope(score, own_scores(tail, score), label)

    def error(result: Any) -> Tensor:
        scores = score(result)
        logits = scores if isinstance(label, tuple) else logits_with(score, scores, label)[0]
        return (logits.to(weights.dtype) * weights).sum(1, keepdim=True)

    known = first_known(tail, score, target, baseline=baseline)
    change = torch.zeros_like(known.delta_y)
    if known.estimated:
        change = torch.where(known.exact, 0, first_order(tail, error, baseline=baseline))
    return LabelledEffects(*home(known.delta_y, known.exact, change))


def anytime_labelled(
    tail: Tail,
    score: Outputs,
    target: int,
    label: Label,
    *,
    baseline: Baseline = None,
    seconds: float = SECONDS_OF_A_BATCH,
) -> Iterator[LabelledEffects]:
    """The estimate; then, after each micro-batch, what is exact by then, in the order of the estimate.

    A removal gives the scores of all classes, so that both effects come from the same ones.
    """
    known = estimated_labelled(tail, score, target, label, baseline=baseline)
    yield known
    if known.done:
        return
    order = known.delta_y.abs().argsort(descending=True, stable=True)
    order = order[~known.exact[order]]
    scores = own_scores(tail, score)[0].detach().cpu()
    for index, rows in anytime_delta_logits(tail, score, order, baseline=baseline, seconds=seconds):
        change, error, exact = known.delta_y.clone(), known.delta_error.clone(), known.exact.clone()
        place, moved = home(index, rows)
        change[place], error[place], exact[place] = (
            moved[:, target].to(change), growth(score, scores, moved, label).to(error), True,
        )  # fmt: skip
        known = LabelledEffects(change, exact, error)
        yield known
