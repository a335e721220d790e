"""A first pass over all maps in reduced precision, whose strongest maps are computed again exactly.

Never used unless asked for: it reports how far the two agree, and says which values are exact.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from xai_widgets.kernels.ablation import Baseline, Score, dead, own_scores, removal_scores
from xai_widgets.kernels.checks import check_same, check_target, scores_from, whole_number
from xai_widgets.kernels.tail import Tail

PRECISIONS = (torch.bfloat16, torch.float16)


@dataclass(frozen=True)
class Screening:
    """What a screening pass found.

    Attributes:
        delta_y: of every map; exact where `exact`, else of the reduced precision.
        exact: the maps that were computed again.
        rank_agreement: Spearman's correlation of both passes over the maps of the second; NaN for fewer than two.
    """

    delta_y: Float[Tensor, " c"]
    exact: Bool[Tensor, " c"]
    rank_agreement: float


def screened_delta_y(
    tail: Tail,
    score: Score,
    target: int = 0,
    *,
    top: int = 32,
    precision: torch.dtype = torch.bfloat16,
    baseline: Baseline = None,
) -> Screening:
    """delta y of every map in reduced precision, and of the `top` strongest anew in the network's own.

    Args:
        top: 1 to the number of maps.
        precision: bfloat16 or float16; which operations take it is decided by torch.autocast.
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
    target = check_target(target, exactly.shape[1])
    alive = (~dead(maps, baseline)[0]).nonzero().flatten()
    rough = exactly.new_zeros(maps.shape[1])
    with torch.inference_mode(), torch.autocast(maps.device.type, precision):
        # In the same precision, or else its rounding would be taken for an effect of every map.
        y = scores_from(score, tail(maps), 1)[0, target].to(exactly.dtype)
        for index, scores in removal_scores(tail, score, alive, baseline=baseline):
            rough[index] = scores[:, target].to(exactly.dtype) - y
    order = alive[rough[alive].abs().argsort(descending=True, stable=True)][:top]
    found = rough.clone()
    for index, scores in removal_scores(tail, score, order, baseline=baseline):
        found[index] = scores[:, target] - exactly[0, target]
    exact = dead(maps, baseline)[0]
    exact[order] = True
    return Screening(found, exact, rank_correlation(rough[order], found[order]))


def rank_correlation(a: Float[Tensor, " c"], b: Float[Tensor, " c"]) -> float:
    """Spearman's correlation, ties at their mean rank; NaN where either is constant or holds a NaN."""
    check_same(("the first", a), ("the second", b), ("values",))
    if bool(a.isnan().any()) or bool(b.isnan().any()):
        return math.nan
    x, y = (_ranks(values.cpu().double()) for values in (a, b))
    x, y = x - x.mean(), y - y.mean()
    size = float((x.square().sum() * y.square().sum()).sqrt())
    return float((x * y).sum()) / size if size > 0 else math.nan


def _ranks(values: Float[Tensor, " c"]) -> Float[Tensor, " c"]:
    ordered = values.sort().values
    first = torch.searchsorted(ordered, values)
    last = torch.searchsorted(ordered, values, right=True)
    return (first + last).to(values.dtype) / 2
