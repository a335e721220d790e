"""Contrast of scores by the smallest change: the few maps without which the score crosses Q.

Found greedily on exact joint removals, so not always the fewest.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from xai_widgets.kernels.ablation import Baseline, dead, group_scores
from xai_widgets.kernels.cam.base import Score, Step, check_placed
from xai_widgets.kernels.checks import finite_number
from xai_widgets.kernels.saliency import weighted_sum
from xai_widgets.kernels.scores import Target, output_of, rounding_of
from xai_widgets.kernels.tail import Tail


class SmallestChange(NamedTuple):
    """Maps in the order of their removal, and what became of the score.

    Attributes:
        maps: their numbers.
        scores: with all maps, and after each removal.
        reached: whether the score crossed Q.
        saliency: the removed maps, each times how far its removal carried the score.
    """

    maps: tuple[int, ...]
    scores: tuple[float, ...]
    reached: bool
    saliency: Float[Tensor, "h w"]

    @property
    def text(self) -> str:
        """One line for the reader."""
        path = ", ".join(map(str, self.maps)) or "none"
        if self.reached and not self.maps:
            return f"The score is {self.scores[0]:.4g} as it is; nothing has to be removed."
        if self.reached:
            return f"Without maps {path} the score is {self.scores[-1]:.4g} (found greedily, not always the fewest)."
        return f"Not reachable: after maps {path} the score is {self.scores[-1]:.4g}, and no map carries it further."


def smallest_change(
    tail: Tail,
    score: Score,
    q: float,
    *,
    target: Target = 0,
    baseline: Baseline = None,
    batch: int | None = None,
    step: Step = None,
) -> SmallestChange:
    """Remove the map that carries the score furthest towards q, again and again, until it crosses q.

    Each step tries every map that is left together with those that are removed already. A gain within rounding, in the
    coarsest precision on the way to the score, is none.

    Args:
        q: the other score.
        target: the output, by number or by name.
        batch: copies at once; found from the memory of the layer if left out.
        step: called before each batch; may raise to cancel.

    Raises:
        TypeError: q is no number; a score or a baseline that is no tensor of numbers, a target that is none.
        ValueError: q or the score is not finite; the tail of several images, or of a layer whose positions are not in
            raster order (`group_scores` works there); no such output; a baseline that does not fit.
    """
    check_placed(tail)
    q = finite_number("the other score", q)
    none = torch.zeros(1, tail.maps.shape[1], dtype=torch.bool, device=tail.maps.device)
    scores = group_scores(tail, score, none, baseline=baseline, step=step)
    target = output_of(score, target, scores)
    y = float(scores[0, target])
    way = math.copysign(1, q - y)
    tolerance = rounding_of(tail, scores)
    left = (~dead(tail.maps, baseline)[0]).nonzero().flatten()
    removed, path = none, [y]
    order: list[int] = []
    while way * (q - path[-1]) > 0 and len(left):
        masks = removed.repeat(len(left), 1)
        masks[torch.arange(len(left), device=left.device), left] = True
        values = group_scores(tail, score, masks, baseline=baseline, batch=batch, step=step)[:, target]
        gain = (way * (values - path[-1])).nan_to_num(-math.inf, math.inf, -math.inf)
        best = int((gain == gain.max()).nonzero()[0])
        if not float(gain[best]) > tolerance * max(1.0, abs(path[-1])):
            break
        order.append(int(left[best]))
        path.append(float(values[best]))
        removed, left = masks[best : best + 1], torch.cat((left[:best], left[best + 1 :]))
    weights = tail.maps.new_zeros(1, tail.maps.shape[1])
    for index, before, after in zip(order, path, path[1:], strict=False):
        weights[0, index] = abs(after - before)
    saliency = weighted_sum(tail.maps, weights)[0]
    return SmallestChange(tuple(order), tuple(path), not way * (q - path[-1]) > 0, saliency)
