"""The receipt of a map: what happens to the score when what it points at is taken away, beside random choices.

A picture says what was tested: the places of its largest values, or the feature maps that it names. Random choices are
of equal size, so there must be others: neither none nor all of the places or maps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from xai_widgets.kernels.ablation import TOLERANCE, Baseline, Score, Step, level_of, own_scores, place_scores
from xai_widgets.kernels.agreement import top_share
from xai_widgets.kernels.checks import (
    check_finite,
    check_generator,
    check_target,
    check_tensor,
    real_number,
    whole_number,
)
from xai_widgets.kernels.measures import bootstrap_interval, widest
from xai_widgets.kernels.saliency import degenerate
from xai_widgets.kernels.tail import Tail

FEWEST_DRAWS, MOST_DRAWS = 20, 10_000
RANGE = (0.025, 0.975)  # quantiles between which 95 % of the random choices lie


class Tested(NamedTuple):
    """What was taken away.

    Attributes:
        kind: "places" (of all maps) or "maps" (everywhere).
        taken: how many of them, as in each random choice.
        of: how many there are.
        share: that was asked for, of places; None for maps.
        maps: that were named; none for places.
        layer: by name.
        baseline: what they became, in words.
        target: the output that was read.
        tolerance: by how much rounding moves the score.
    """

    kind: str
    taken: int
    of: int
    share: float | None
    maps: tuple[int, ...]
    layer: str
    baseline: str
    target: int
    tolerance: float


class Receipt(NamedTuple):
    """The change of the score, beside those of random choices of equal size.

    Attributes:
        change: where the picture points.
        random: of each random choice.
        mean: of the random choices.
        low: 95 % of the random choices lie from here (their 2.5 % quantile) ...
        high: ... to here. A change within is an ordinary one, however many draws there are.
        mean_low: 95 % bootstrap interval of the mean alone, from here ...
        mean_high: ... to here. It shrinks as draws grow, and says nothing of whether a change is ordinary.
        tested: what was taken away.
    """

    change: float
    random: Float[Tensor, " r"]
    mean: float
    low: float
    high: float
    mean_low: float
    mean_high: float
    tested: Tested

    @property
    def draws(self) -> int:
        return len(self.random)

    @property
    def beats(self) -> float:
        """The share of random choices that move the score less, by more than rounding; NaN if any has no value."""
        if math.isnan(self.change) or bool(self.random.isnan().any()):
            return math.nan
        return float((self.random.abs() < abs(self.change) - self.tested.tolerance).double().mean())

    @property
    def text(self) -> str:
        """One line for under a picture."""
        tested = self.tested
        if tested.share is not None:
            what = f"the {tested.taken} of {tested.of} places with the largest values ({100 * tested.share:.3g} %)"
        else:
            what = f"map{'s' * (tested.taken > 1)} {', '.join(map(str, tested.maps))} of {tested.of}"
        return (
            f"Setting {what} at layer {tested.layer!r} to {tested.baseline} changes output {tested.target} by "
            f"{self.change:.4g}; {self.draws} random choices of as many change it by {self.mean:.4g} on average, "
            f"95 % of them by {self.low:.4g} to {self.high:.4g}, and {100 * self.beats:.3g} % of them move it less."
        )


def place_receipt(
    tail: Tail,
    score: Score,
    saliency: Float[Tensor, "y x"],
    *,
    generator: torch.Generator,
    target: int = 0,
    share: float = 0.1,
    draws: int = FEWEST_DRAWS,
    baseline: Baseline = None,
    batch: int | None = None,
    step: Step = None,
) -> Receipt:
    """All maps set to the baseline at the largest share of places of a map; random: as many places, of all.

    Args:
        saliency: at the layer's own size.
        generator: on any device: the same seed draws the same places wherever the maps are.
        share: of the places, of which round(share * places) are taken: at least one, not all.
        draws: random choices, 20 to 10 000.
        batch: copies at once; found from the memory of the layer if left out.
        step: called before each batch; may raise to cancel.
    """
    draws = _check(tail, draws, generator)
    check_tensor("the map", saliency, ("rows", "columns"))
    for name, size, wanted in zip(("rows", "columns"), saliency.shape, tail.maps.shape[-2:], strict=True):
        if size != wanted:
            raise ValueError(f"the map must have as many {name} as the layer, got {size} for {wanted}.")
    check_finite("the map", saliency)
    if bool(degenerate(saliency[None])):
        raise ValueError("the map is constant, so that it has no largest places to take away.")
    share = real_number("share", share)
    chosen = top_share(saliency[None].to(tail.maps.device), share).flatten(1)
    count, of = int(chosen.sum()), saliency.numel()
    if not count:
        raise ValueError(f"a share of {share} of {of} places is none; choose a larger share.")
    if count == of:
        raise ValueError(f"a share of {share} of {of} places is all, so that no other choice is as large; choose less.")
    masks = torch.cat((chosen, _random(chosen, draws, generator))).unflatten(1, (1, *saliency.shape))
    return _receipt(tail, score, masks, ("places", count, of, share, ()), target, baseline, batch, step)


def map_receipt(
    tail: Tail,
    score: Score,
    indices: Int[Tensor, " i"] | Sequence[int],
    *,
    generator: torch.Generator,
    target: int = 0,
    draws: int = FEWEST_DRAWS,
    baseline: Baseline = None,
    batch: int | None = None,
    step: Step = None,
) -> Receipt:
    """The named feature maps set to the baseline everywhere, together; random: as many maps, of all.

    Args: as of `place_receipt`; a map that is named twice counts once.
    """
    draws = _check(tail, draws, generator)
    of = tail.maps.shape[1]
    maps = _indices(indices, of)
    if len(maps) == of:
        raise ValueError(f"all {of} feature maps are named, so that no other choice is as large; name fewer.")
    named = torch.zeros(1, of, dtype=torch.bool, device=tail.maps.device)
    named[0, list(maps)] = True
    masks = torch.cat((named, _random(named, draws, generator)))[:, :, None, None]
    return _receipt(tail, score, masks, ("maps", len(maps), of, None, maps), target, baseline, batch, step)


def _indices(indices: Any, of: int) -> tuple[int, ...]:
    """Once each, in order."""
    values = indices.tolist() if hasattr(indices, "tolist") else indices
    if not isinstance(values, Sequence) or isinstance(values, str):
        raise TypeError(f"feature maps must be a list or a tensor of whole numbers, got {indices!r}.")
    maps = sorted({whole_number("a feature map", value) for value in values})
    if not maps or maps[0] < 0 or maps[-1] >= of:
        raise ValueError(f"feature maps are numbered from 0 to {of - 1}, at least one; got {list(values)}.")
    return tuple(maps)


def _random(chosen: Bool[Tensor, "1 p"], draws: int, generator: torch.Generator) -> Bool[Tensor, "draws p"]:
    """As many of all, drawn without putting back."""
    noise = torch.rand((draws, chosen.shape[1]), generator=generator, device=generator.device)
    first = noise.argsort(dim=1, stable=True)[:, : int(chosen.sum())]
    return torch.zeros_like(noise, dtype=torch.bool).scatter_(1, first, True).to(chosen.device)


def _receipt(
    tail: Tail,
    score: Score,
    masks: Bool[Tensor, "m _ _ _"],
    what: tuple[str, int, int, float | None, tuple[int, ...]],
    target: int,
    baseline: Baseline,
    batch: int | None,
    step: Step,
) -> Receipt:
    y = own_scores(tail, score)
    target = check_target(target, y.shape[1])
    scores = place_scores(tail, score, masks, level_of(baseline, tail.maps), batch, step)
    rounding = max(TOLERANCE.get(dtype, TOLERANCE[torch.float32]) for dtype in (y.dtype, tail.maps.dtype))
    tested = Tested(*what, tail.layer, _words(baseline), target, rounding * max(1.0, abs(float(y[0, target]))))
    change = (scores - y)[:, target]
    change = change.to(widest(change.device)).cpu()
    random = change[1:]
    low, high = (float(random.quantile(rank)) for rank in RANGE)
    of_mean = (math.nan, math.nan)
    if bool(random.isfinite().all()):
        of_mean = bootstrap_interval(random, generator=torch.Generator().manual_seed(0))
    return Receipt(float(change[0]), random, float(random.mean()), low, high, *of_mean, tested)


def _words(baseline: Baseline) -> str:
    if baseline is None:
        return "zero"
    return "one number a map" if baseline.dim() == 1 else "a map of their own each"


def _check(tail: Tail, draws: int, generator: torch.Generator) -> int:
    if len(tail.inputs) != 1:
        raise ValueError(f"a receipt takes the tail of one image, got one of {len(tail.inputs)}.")
    draws = whole_number("draws", draws, FEWEST_DRAWS)
    if draws > MOST_DRAWS:
        raise ValueError(f"draws must be at most {MOST_DRAWS}, got {draws}.")
    check_generator(generator, None, "the layer")
    return draws
