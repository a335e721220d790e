"""The receipt of a map: how the score changes when what the map points at is removed, beside random choices.

What a map points at are the positions of its largest values, or feature maps that are named. Random choices are of
equal size, so it must be neither none nor all of the positions or maps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Int, Shaped
from torch import Tensor

from xai_widgets.kernels.ablation import Baseline, Score, Step, Target, level_of, own_scores, place_scores
from xai_widgets.kernels.checks import check_finite, labels_of, targets_of, whole_number
from xai_widgets.kernels.draws import Seed, Seeds, generator_of, seeded, uniform
from xai_widgets.kernels.measures import bootstrap_interval
from xai_widgets.kernels.precision import widest
from xai_widgets.kernels.regions import share_of_pixels, top_share
from xai_widgets.kernels.saliency import as_floating, degenerate
from xai_widgets.kernels.scores import images_of, output_of, rounding_of
from xai_widgets.kernels.tail import Tail
from xai_widgets.kernels.tested import Receipt as Receipt
from xai_widgets.kernels.tested import Tested as Tested

FEWEST_DRAWS, MOST_DRAWS = 20, 10_000
RANGE = (0.025, 0.975)  # quantiles between which 95 % of the random choices lie


def place_receipt(
    tail: Tail,
    score: Score,
    saliency: Shaped[Tensor, "y x"],
    *,
    generator: Seed,
    target: Target = 0,
    share: float = 0.1,
    absolute: bool = False,
    draws: int = FEWEST_DRAWS,
    baseline: Baseline = None,
    batch: int | None = None,
    step: Step = None,
) -> Receipt:
    """The change when all feature maps become their baseline at the largest values of a map; beside random positions.

    The positions are those of `regions.top_share`: at most that share, all of them above 0, and equal values together
    or not at all. The receipt says how many they were.

    Args:
        saliency: at the layer's own size; a mask or whole numbers will do.
        generator: a seed, or a generator on the CPU: one seed draws the same positions wherever the maps are.
        target: the output, by number or by name.
        share: of the positions, of which at most round(share * positions) are taken: at least one, not all.
        absolute: take the largest absolute values, of both signs.
        draws: random choices, 20 to 10 000.
        batch: copies at once; as many as memory allows if left out.
        step: called before each batch; may raise to cancel.

    Raises:
        TypeError: no tensor, number or generator.
        ValueError: the tail of several images, a map that is constant, not finite or not of the layer's size, a share
            that names no position or all, a generator that is not on the CPU, no such output, a baseline that does not
            fit.
    """
    draws, generator = _check(tail, draws, generator)
    chosen, asked, share = _largest(tail, saliency, share, absolute)
    masks = torch.cat((chosen, _random(chosen, draws, generator))).unflatten(1, (1, *saliency.shape))
    choice = _Choice("places", int(chosen.sum()), chosen.shape[1], asked, share, absolute, ())
    return _receipt(tail, score, masks, choice, target, baseline, batch, step)


def map_receipt(
    tail: Tail,
    score: Score,
    indices: Int[Tensor, " i"] | Sequence[int],
    *,
    generator: Seed,
    target: Target = 0,
    draws: int = FEWEST_DRAWS,
    baseline: Baseline = None,
    batch: int | None = None,
    step: Step = None,
) -> Receipt:
    """The change when the named feature maps become their baseline, together; beside as many random feature maps.

    Args:
        indices: the maps; one that is named twice counts once.
        generator: a seed, or a generator on the CPU: one seed draws the same maps wherever they are.
        target: the output, by number or by name.
        draws: random choices, 20 to 10 000.
        batch: copies at once; as many as memory allows if left out.
        step: called before each batch; may raise to cancel.

    Raises:
        TypeError: no whole number, tensor or generator.
        ValueError: the tail of several images, no map or no such map, all maps, a generator that is not on the CPU, no
            such output, a baseline that does not fit.
    """
    draws, generator = _check(tail, draws, generator)
    of = tail.maps.shape[1]
    maps = _indices(indices, of)
    if len(maps) == of:
        raise ValueError(f"all {of} feature maps are named, so that no other choice is as large; name fewer.")
    named = torch.zeros(1, of, dtype=torch.bool, device=tail.maps.device)
    named[0, list(maps)] = True
    masks = torch.cat((named, _random(named, draws, generator)))[:, :, None, None]
    choice = _Choice("maps", len(maps), of, len(maps), None, False, maps)
    return _receipt(tail, score, masks, choice, target, baseline, batch, step)


def place_receipts(
    tail: Tail,
    score: Score,
    saliency: Shaped[Tensor, "n y x"],
    *,
    generator: Seeds,
    target: Target | Sequence[int | str] = 0,
    **options: Any,
) -> list[Receipt]:
    """`place_receipt` of each image of a tail.

    Args:
        saliency: a map for each image.
        generator: one for all images, which then get the same draws, or one for each image.
        target: one output for all images, or one for each image.
        options: all others of `place_receipt`.

    Raises:
        TypeError: see `place_receipt`.
        ValueError: see `place_receipt`; another number of maps, targets or generators than of images.
    """
    as_floating("the maps", saliency)
    if len(saliency) != len(tail.inputs):
        raise ValueError(f"the maps must be one for each image, got {len(saliency)} for {len(tail.inputs)}.")
    return [
        place_receipt(one, score, some, generator=draw, target=output, **options)
        for (one, output, draw), some in zip(_each(tail, score, target, generator), saliency, strict=True)
    ]


def map_receipts(
    tail: Tail,
    score: Score,
    indices: Int[Tensor, ...] | Sequence[int] | Sequence[Sequence[int]],
    *,
    generator: Seeds,
    target: Target | Sequence[int | str] = 0,
    **options: Any,
) -> list[Receipt]:
    """`map_receipt` of each image of a tail.

    Args:
        indices: the maps of all images, or a list for each image.
        generator: one for all images, which then get the same draws, or one for each image.
        target: one output for all images, or one for each image.
        options: all others of `map_receipt`.

    Raises:
        TypeError: see `map_receipt`.
        ValueError: see `map_receipt`; another number of lists, targets or generators than of images.
    """
    lists: Any = indices.tolist() if isinstance(indices, Tensor) else indices
    own = isinstance(lists, Sequence) and any(
        isinstance(some, Sequence) or (isinstance(some, Tensor) and some.dim()) for some in lists
    )
    if own and len(lists) != len(tail.inputs):
        raise ValueError(f"lists of feature maps must be one for each image, got {len(lists)} for {len(tail.inputs)}.")
    each = lists if own else [lists] * len(tail.inputs)
    return [
        map_receipt(one, score, some, generator=draw, target=output, **options)
        for (one, output, draw), some in zip(_each(tail, score, target, generator), each, strict=True)
    ]


def _indices(indices: Any, of: int) -> tuple[int, ...]:
    """Feature maps by index, once each and in order."""
    values = indices.tolist() if hasattr(indices, "tolist") else indices
    if not isinstance(values, Sequence) or isinstance(values, str):
        raise TypeError(f"feature maps must be a list or a tensor of whole numbers, got {indices!r}.")
    maps = sorted({whole_number("a feature map", value) for value in values})
    if not maps or maps[0] < 0 or maps[-1] >= of:
        raise ValueError(f"feature maps are numbered from 0 to {of - 1}, at least one; got {list(values)}.")
    return tuple(maps)


def _largest(tail: Tail, saliency: Any, share: Any, absolute: bool) -> tuple[Bool[Tensor, "1 p"], int, float]:
    """The positions of a map's largest values, how many were asked for, and the share as a number."""
    values = as_floating("the map", saliency, ("rows", "columns")).to(tail.maps.device)
    for name, size, wanted in zip(("rows", "columns"), values.shape, tail.maps.shape[-2:], strict=True):
        if size != wanted:
            raise ValueError(f"the map must have as many {name} as the layer, got {size} for {wanted}.")
    check_finite("the map", values)
    if bool(degenerate(values[None])):
        raise ValueError("the map is constant, so that no position has a largest value.")
    share, of = share_of_pixels(share), values.numel()
    asked = round(share * of)
    if not asked:
        raise ValueError(f"a share of {share} of {of} positions is none; choose a larger share.")
    chosen = top_share(values[None], share, absolute=absolute).flatten(1)
    count = int(chosen.sum())
    if count == of:
        raise ValueError(
            f"a share of {share} of {of} positions is all, so that no other choice is as large; choose less."
        )
    if count:
        return chosen, asked, share
    sizes = values.abs() if absolute else values
    if not bool((sizes > 0).any()):
        raise ValueError("the map has no value above 0; for both sides of a signed map pass absolute=True.")
    equal = int((sizes == sizes.max()).sum())
    raise ValueError(
        f"the largest value of the map is that of {equal} of {of} positions, more than the {asked} of a share of "
        f"{share}, so that none can be chosen before the others; choose a larger share."
    )


def _random(chosen: Bool[Tensor, "1 p"], draws: int, generator: torch.Generator) -> Bool[Tensor, "draws p"]:
    """Random choices of as many, without replacement: the first of all in a random order."""
    count, of = int(chosen.sum()), chosen.shape[1]
    wide = torch.empty(0, dtype=torch.float64, device="cpu")
    masks = torch.zeros(draws, of, dtype=torch.bool, device="cpu")
    for mask in masks:
        mask[uniform((of,), generator, wide).argsort(stable=True)[:count]] = True
    return masks.to(chosen.device)


def _each(tail: Tail, score: Score, target: Any, generator: Any) -> list[tuple[Tail, int, torch.Generator]]:
    """The tail, the output and the generator of each image; one generator for all draws the same for each."""
    images = images_of(tail)
    targets = targets_of(target, own_scores(tail, score), labels_of(score)).tolist()
    if isinstance(generator, list | tuple):
        if len(generator) != len(images):
            raise ValueError(f"generators must be one for each image, got {len(generator)} for {len(images)}.")
        return list(zip(images, targets, map(generator_of, generator), strict=True))
    generator = generator_of(generator)
    state = generator.get_state()
    copies = [torch.Generator("cpu").set_state(state) for _ in images[1:]]
    return list(zip(images, targets, [*copies, generator], strict=True))


class _Choice(NamedTuple):
    """What was taken, as the first seven fields of `Tested` say it."""

    kind: str
    taken: int
    of: int
    asked: int
    share: float | None
    absolute: bool
    maps: tuple[int, ...]


def _receipt(
    tail: Tail,
    score: Score,
    masks: Bool[Tensor, "m _ _ _"],
    choice: _Choice,
    target: Target,
    baseline: Baseline,
    batch: int | None,
    step: Step,
) -> Receipt:
    """The receipt of the first mask, beside those of the others, which are random."""
    y = own_scores(tail, score)
    target = output_of(score, target, y)
    scores = place_scores(tail, score, masks, level_of(baseline, tail.maps), batch, step)
    tolerance = rounding_of(tail, y) * max(1.0, abs(float(y[0, target])))
    tested = Tested(**choice._asdict(), layer=tail.layer, baseline=_words(baseline), target=target, tolerance=tolerance)
    before, after = (values[:, target].to(widest(values.device)).cpu() for values in (y, scores))
    change = after - before
    random = change[1:]
    low, high = (float(random.quantile(rank)) for rank in RANGE)
    mean_low, mean_high = math.nan, math.nan
    if bool(random.isfinite().all()):
        mean_low, mean_high = bootstrap_interval(random, generator=seeded(0))
    return Receipt(float(change[0]), random, float(random.mean()), low, high, mean_low, mean_high, tested)


def _words(baseline: Baseline) -> str:
    """What the maps became."""
    if baseline is None:
        return "zero"
    return "a baseline number for each map" if baseline.dim() == 1 else "a baseline map for each map"


def _check(tail: Tail, draws: int, generator: Seed) -> tuple[int, torch.Generator]:
    """The number of draws and the generator, where tail, draws and seed make sense."""
    if len(tail.inputs) != 1:
        raise ValueError(f"a receipt takes the tail of one image, got one of {len(tail.inputs)}.")
    draws = whole_number("draws", draws, FEWEST_DRAWS)
    if draws > MOST_DRAWS:
        raise ValueError(f"draws must be at most {MOST_DRAWS}, got {draws}.")
    return draws, generator_of(generator)
