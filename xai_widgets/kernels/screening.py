"""A first pass over all maps in reduced precision, whose strongest maps are computed again exactly.

Only used where it is asked for. It reports how far the two passes agree, and which values are exact.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from xai_widgets.kernels.ablation import Baseline, Score, dead, own_scores, removal_scores
from xai_widgets.kernels.checks import scores_from, whole_number
from xai_widgets.kernels.ranks import rank_correlation as rank_correlation
from xai_widgets.kernels.scores import output_of
from xai_widgets.kernels.tail import Tail

PRECISIONS = (torch.bfloat16, torch.float16)


@dataclass(frozen=True)
class Screening:
    """Effects of a first pass in reduced precision, some of them computed again.

    Attributes:
        delta_y: of every map; exact where `exact`, else in the reduced precision.
        exact: the maps that were computed again.
        rank_agreement: Spearman's correlation of both passes over the maps of the second; NaN for fewer than two.
        precision: of the first pass.
    """

    delta_y: Float[Tensor, " c"]
    exact: Bool[Tensor, " c"]
    rank_agreement: float
    precision: torch.dtype


def screened_delta_y(
    tail: Tail,
    score: Score,
    target: int | str = 0,
    *,
    top: int = 32,
    precision: torch.dtype = torch.bfloat16,
    baseline: Baseline = None,
) -> Screening:
    """delta y of every map in reduced precision, and of the `top` strongest again in the network's own.

    Args:
        top: 1 to the number of maps.
        precision: bfloat16 or float16; torch.autocast decides which operations use it.

    Raises:
        TypeError: a top that is no whole number, a score or a baseline that is no tensor of numbers.
        ValueError: the tail of several images, a top or a precision that is not offered, no such output, a score that
            is not finite, a baseline that does not fit.
    """
    maps = tail.maps
    if len(tail.inputs) != 1:
        raise ValueError(f"screening takes the tail of one image, got one of {len(tail.inputs)}.")
    top = whole_number("top", top)
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be torch.bfloat16 or torch.float16, got {precision}.")
    if not 1 <= top <= maps.shape[1]:
        raise ValueError(f"top must be 1 to {maps.shape[1]}, the number of maps; got {top}.")
    exactly = own_scores(tail, score)
    target = output_of(score, target, exactly)
    alive = (~dead(maps, baseline)[0]).nonzero().flatten()
    rough = exactly.new_zeros(maps.shape[1])
    lower = tail.lowered(precision)
    # The unchanged score in the same precision, or its rounding would be taken for an effect of every map.
    with lower.arithmetic():
        y = scores_from(score, lower(maps), 1)[0, target].to(exactly.dtype)
    for index, scores in removal_scores(lower, score, alive, baseline=baseline):
        rough[index] = scores[:, target].to(exactly.dtype) - y
    order = alive[rough[alive].abs().argsort(descending=True, stable=True)][:top]
    change = rough.clone()
    for index, scores in removal_scores(tail, score, order, baseline=baseline):
        change[index] = scores[:, target] - exactly[0, target]
    exact = dead(maps, baseline)[0]
    exact[order] = True
    return Screening(change, exact, rank_correlation(rough[order], change[order]), precision)
