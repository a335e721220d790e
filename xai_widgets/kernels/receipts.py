"""The receipt of a map: what happens to the score when what it points at is taken away, beside random choices.

A picture says what was tested: the places of its largest values, or the feature maps that it names.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from xai_widgets.kernels.ablation import Baseline, Score, Step, level_of, place_scores
from xai_widgets.kernels.agreement import top_share
from xai_widgets.kernels.checks import check_finite, check_target
from xai_widgets.kernels.measures import bootstrap_interval, widest
from xai_widgets.kernels.saliency import degenerate
from xai_widgets.kernels.tail import Tail

FEWEST_DRAWS = 20


class Receipt(NamedTuple):
    """The change of the score, and of random choices of equal size: each, their mean, 95 % interval of the mean."""

    change: float
    random: Float[Tensor, " r"]
    mean: float
    low: float
    high: float

    @property
    def beats(self) -> float:
        """The share of random choices that move the score less."""
        return float((self.random.abs() < abs(self.change)).float().mean())


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
        share: of the places, of which round(share * places) are taken.
        draws: random choices, at least 20.
        batch: copies at once; found from the memory of the layer if left out.
        step: called before each batch; may raise to cancel.
    """
    _check(tail, draws)
    for name, size, wanted in zip(("rows", "columns"), saliency.shape, tail.maps.shape[-2:], strict=True):
        if size != wanted:
            raise ValueError(f"the map must have as many {name} as the layer, got {size} for {wanted}.")
    check_finite("the map", saliency)
    if bool(degenerate(saliency[None])):
        raise ValueError("the map is constant, so that it has no largest places to take away.")
    chosen = top_share(saliency[None].to(tail.maps.device), share).flatten(1)
    if not bool(chosen.any()):
        raise ValueError(f"a share of {share} of {saliency.numel()} places is none; choose a larger share.")
    masks = torch.cat((chosen, _random(chosen, draws, generator)))
    return _receipt(tail, score, masks.unflatten(1, (1, *saliency.shape)), target, baseline, batch, step)


def map_receipt(
    tail: Tail,
    score: Score,
    indices: Int[Tensor, " i"],
    *,
    generator: torch.Generator,
    target: int = 0,
    draws: int = FEWEST_DRAWS,
    baseline: Baseline = None,
    batch: int | None = None,
    step: Step = None,
) -> Receipt:
    """The named feature maps set to the baseline everywhere, together; random: as many maps, of all.

    Args: as of `place_receipt`.
    """
    _check(tail, draws)
    count = tail.maps.shape[1]
    if not len(indices) or int(indices.min()) < 0 or int(indices.max()) >= count:
        raise ValueError(f"feature maps are numbered from 0 to {count - 1}, at least one; got {indices.tolist()}.")
    named = torch.zeros(1, count, dtype=torch.bool, device=tail.maps.device)
    named[0, indices.to(named.device)] = True
    masks = torch.cat((named, _random(named, draws, generator)))
    return _receipt(tail, score, masks[:, :, None, None], target, baseline, batch, step)


def _random(chosen: Bool[Tensor, "1 p"], draws: int, generator: torch.Generator) -> Bool[Tensor, "draws p"]:
    """As many of all, drawn without putting back."""
    noise = torch.rand((draws, chosen.shape[1]), generator=generator, device=generator.device)
    first = noise.argsort(dim=1, stable=True)[:, : int(chosen.sum())]
    return torch.zeros_like(noise, dtype=torch.bool).scatter_(1, first, True).to(chosen.device)


def _receipt(
    tail: Tail,
    score: Score,
    masks: Bool[Tensor, "m _ _ _"],
    target: int,
    baseline: Baseline,
    batch: int | None,
    step: Step,
) -> Receipt:
    y = score(tail.result)
    check_target(target, y.shape[1])
    scores = place_scores(tail, score, masks, level_of(baseline, tail.maps), batch, step)
    change = (scores - y)[:, target]
    change = change.to(widest(change.device)).cpu()
    low, high = bootstrap_interval(change[1:], generator=torch.Generator().manual_seed(0))
    return Receipt(float(change[0]), change[1:], float(change[1:].mean()), low, high)


def _check(tail: Tail, draws: int) -> None:
    if len(tail.inputs) != 1:
        raise ValueError(f"a receipt takes the tail of one image, got one of {len(tail.inputs)}.")
    if draws < FEWEST_DRAWS:
        raise ValueError(f"draws must be at least {FEWEST_DRAWS}, got {draws}.")
