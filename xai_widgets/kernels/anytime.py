"""The effect of every map, at any time: an estimate at once, then exact values, the largest estimates first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from xai_widgets.kernels.ablation import Baseline, Score, closed_form, dead, first_order, own_scores, removal_scores
from xai_widgets.kernels.batches import Step
from xai_widgets.kernels.checks import NoGradient
from xai_widgets.kernels.home import home
from xai_widgets.kernels.tail import Tail

SECONDS_OF_A_BATCH = 0.04


@dataclass(frozen=True)
class Effects:
    """What is known so far.

    Attributes:
        delta_y: of every map; exact where `exact`, else a first-order estimate.
        exact: the maps whose removal was computed, or follows in closed form.
        estimated: False where the network cuts gradients off, so that delta y is 0 where it is not exact.
        left: how many maps are not exact yet; counted if left out, which waits for the device.
    """

    delta_y: Float[Tensor, " c"]
    exact: Bool[Tensor, " c"]
    estimated: bool = field(default=True, kw_only=True)
    left: int = field(default=-1, kw_only=True)

    def __post_init__(self) -> None:
        if self.left < 0:
            object.__setattr__(self, "left", int((~self.exact).sum()))

    @property
    def share(self) -> float:
        """The share of maps that are exact, in [0, 1]."""
        return 1 - self.left / max(len(self.exact), 1)

    @property
    def done(self) -> bool:
        """Are all maps exact?"""
        return not self.left


def estimated_delta_y(tail: Tail, score: Score, target: int = 0, *, baseline: Baseline = None) -> Effects:
    """Every effect to first order, from one backward pass through the tail; maps that are their baseline are exact.

    Raises:
        TypeError, ValueError: see `slopes.first_order`.
    """
    unchanged = dead(tail.maps, baseline)[0]
    change = first_order(tail, score, target, baseline=baseline)
    return Effects(torch.where(unchanged, 0, change), unchanged)


def first_known(tail: Tail, score: Score, target: int = 0, *, baseline: Baseline = None) -> Effects:
    """`estimated_delta_y`; where the network cuts gradients off, what is known without: maps that are their baseline.

    Raises:
        TypeError, ValueError: see `slopes.first_order`, but for a score without a gradient.
    """
    try:
        return estimated_delta_y(tail, score, target, baseline=baseline)
    except NoGradient:
        unchanged = dead(tail.maps, baseline)[0]
        return Effects(torch.zeros_like(unchanged, dtype=tail.maps.dtype), unchanged, estimated=False)


def anytime_delta_y(
    tail: Tail,
    score: Score,
    target: int = 0,
    *,
    baseline: Baseline = None,
    seconds: float = SECONDS_OF_A_BATCH,
    step: Step = None,
) -> Iterator[Effects]:
    """The estimate; then, after each micro-batch, all effects with those that are exact by then.

    The largest estimates become exact first. The last answer is `done`. Where the tail is affine the first answer is
    exact already. Where the network cuts gradients off, nothing is estimated and the order is that of the maps. To
    stop, leave the loop.

    Args:
        seconds: how long a micro-batch may take.
        step: called before each micro-batch; may raise to cancel.

    Raises:
        TypeError: a score or a baseline that is no tensor of numbers, a target that is none.
        ValueError: the tail of several images, no such output, a score that is not finite, a
            baseline that does not fit, seconds that are not above 0.
    """
    known = first_known(tail, score, target, baseline=baseline)
    if known.estimated:
        closed = closed_form(tail, score, target, baseline=baseline, estimate=known.delta_y, step=step)
        if closed is not None:
            known = Effects(closed, torch.ones_like(known.exact), left=0)
    yield known
    if known.done:
        return
    estimate, done = home(known.delta_y, known.exact)
    order = estimate.abs().argsort(descending=True, stable=True)
    order = order[~done[order]]
    y = own_scores(tail, score)[0, target]
    for index, scores in removal_scores(tail, score, order, baseline=baseline, seconds=seconds, step=step):
        change = known.delta_y.index_copy(0, index, (scores[:, target] - y).to(known.delta_y.dtype))
        known = Effects(change, known.exact.index_fill(0, index, True), left=known.left - len(index))
        yield known
