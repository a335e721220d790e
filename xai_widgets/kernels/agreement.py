"""How well a saliency map agrees with people: fixations, densities, annotations, or another saliency model.

Maps are one an image, (n h w), both of one size: `at_size` brings a map to that of the human map. They may be of any
real numbers: a mask or whole numbers, such as the bytes of a picture, count as float32, and half precision is computed
in float32. A constant map (max == min) has no correlation and no largest values: NaN, to be counted by the caller; its
AUC is 0.5. A map with a value that is not finite is NaN in every measure. Human maps may lie on another device.

Reference: MIT saliency benchmark; Bylinskii et al., 2019, arXiv 1604.03605.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from xai_widgets.kernels.checks import check_same, check_tensor
from xai_widgets.kernels.regions import top_share as top_share
from xai_widgets.kernels.saliency import AXES, WHOLE, as_floating, degenerate, resize

EPSILON = 2.2e-16
SHARES = (0.05, 0.1, 0.15)  # of pixels, at which relative risks are reported


def at_size(saliency: Shaped[Tensor, "n h w"], size: tuple[int, int]) -> Float[Tensor, "n H W"]:
    """`saliency.resize` for maps that are compared: a constant map stays one, whatever rounding would make of it.

    A map with a value that is not finite is NaN everywhere.

    Raises:
        TypeError: no tensor of numbers, or a size that is not two whole numbers.
        ValueError: other axes, or a side below 1.
    """
    maps = as_floating("saliency", saliency)
    resized = resize(maps, size)
    finite = _finite(maps)[:, None, None]
    constant = degenerate(maps)[:, None, None] & finite
    return torch.where(finite, torch.where(constant, maps[:, :1, :1], resized), math.nan)


def nss(saliency: Shaped[Tensor, "n h w"], fixations: Shaped[Tensor, "m y x"]) -> Float[Tensor, " n"]:
    """Normalised scanpath saliency: the mean over fixations of the map in units of its population standard deviation.

    NaN for an image without fixations, and for a constant map.

    Args:
        fixations: a mask, or numbers of which all that are not 0 are equal.

    Raises:
        TypeError: no tensors of numbers.
        ValueError: other axes, sizes that differ, or fixations of several values.
    """
    maps, fixed = _fixed(saliency, fixations)
    flat = _unit(maps.to(torch.promote_types(maps.dtype, torch.float32)))
    centred = flat - flat.mean(1, keepdim=True)
    total = torch.where(fixed, centred, 0).sum(1)
    undefined = degenerate(maps) | ~fixed.any(1)
    score = total / fixed.sum(1) / centred.square().mean(1).sqrt()
    return torch.where(undefined, math.nan, score).to(torch.promote_types(maps.dtype, torch.float32))


def cc(saliency: Shaped[Tensor, "n h w"], density: Shaped[Tensor, "m y x"]) -> Float[Tensor, " n"]:
    """Pearson correlation over pixels; NaN where either map is constant.

    Raises:
        TypeError: no tensors of numbers.
        ValueError: other axes, or sizes that differ.
    """
    maps, human, dtype = _pair(saliency, density)
    a, b = (flat - flat.mean(1, keepdim=True) for flat in (_unit(maps), _unit(human)))
    undefined = degenerate(maps) | degenerate(human)
    correlation = (a * b).sum(1) / (a.square().sum(1) * b.square().sum(1)).sqrt()
    return torch.where(undefined, math.nan, correlation).to(dtype)


def sim(saliency: Shaped[Tensor, "n h w"], density: Shaped[Tensor, "m y x"]) -> Float[Tensor, " n"]:
    """Similarity: the sum of the smaller of two maps, each from 0 to its maximum and then summing to 1.

    NaN where either map is constant.

    Raises:
        TypeError: no tensors of numbers.
        ValueError: other axes, or sizes that differ.
    """
    maps, human, dtype = _pair(saliency, density)
    p, q = (_share(_unit(some)) for some in (maps, human))
    undefined = degenerate(maps) | degenerate(human)
    return torch.where(undefined, math.nan, torch.minimum(p, q).sum(1)).to(dtype)


def kl(saliency: Shaped[Tensor, "n h w"], density: Shaped[Tensor, "m y x"]) -> Float[Tensor, " n"]:
    """Divergence of the map from the density in nats: sum d log(eps + d / (p + eps)).

    A constant map that is positive is a uniform distribution and has one: 0 from another constant map. NaN where either
    is all zero.

    Raises:
        TypeError: no tensors of numbers.
        ValueError: other axes, sizes that differ, or a map with negative values; cut them at 0 first.
    """
    maps, human, dtype = _pair(saliency, density)
    undefined = torch.zeros(len(maps), dtype=torch.bool, device=maps.device)
    for name, some in (("saliency", maps), ("density", human)):
        lowest, finite = some.flatten(1).amin(1), _finite(some)
        negative = (lowest < 0) & finite
        if bool(negative.any()):
            index = int(negative.nonzero()[0])
            raise ValueError(f"{name} must not be negative for KL, got {float(lowest[index]):.3g} at index {index}.")
        undefined = undefined | (some.flatten(1) == 0).all(1) | ~finite
    p, d = (_share(some.flatten(1) / _peak(some)) for some in (maps, human))
    return torch.where(undefined, math.nan, (d * torch.log(EPSILON + d / (p + EPSILON))).sum(1)).to(dtype)


def auc_judd(saliency: Shaped[Tensor, "n h w"], fixations: Shaped[Tensor, "m y x"]) -> Float[Tensor, " n"]:
    """Area under the curve of the map at fixations against all other pixels; exact, ties count half.

    Args:
        fixations: a mask, or numbers of which all that are not 0 are equal.

    Raises:
        TypeError: no tensors of numbers.
        ValueError: other axes, sizes that differ, or fixations of several values.
    """
    maps, every = _fixed(saliency, fixations)
    pairs = zip(every, maps.flatten(1), strict=True)
    areas = [auc(values[fixed], values[~fixed]) for fixed, values in pairs]
    return torch.where(_finite(maps), torch.stack(areas), math.nan)


def shuffled_auc(saliency: Shaped[Tensor, "n h w"], fixations: Shaped[Tensor, "m y x"]) -> Float[Tensor, " n"]:
    """Area under the curve of the map at its fixations against those of all other images.

    Repeats are kept, own positions not excluded. NaN where there is one image only.

    Args:
        fixations: a mask, or numbers of which all that are not 0 are equal.

    Raises:
        TypeError: no tensors of numbers.
        ValueError: other axes, sizes that differ, or fixations of several values.
    """
    maps, fixed = _fixed(saliency, fixations)
    counts = fixed.sum(0) - fixed.long()
    return auc_against(maps, fixed.reshape(maps.shape), counts.reshape(maps.shape))


def auc_against(
    saliency: Shaped[Tensor, "n h w"], fixations: Shaped[Tensor, "m y x"], counts: Int[Tensor, "o v u"]
) -> Float[Tensor, " n"]:
    """Area under the curve of the map at its fixations against places that are counted, such as fixations elsewhere.

    NaN for an image without fixations, or where nothing is counted.

    Args:
        fixations: a mask, or numbers of which all that are not 0 are equal.
        counts: how often each place is a negative, at least 0.

    Raises:
        TypeError: no tensors of numbers, or counts that are no whole numbers.
        ValueError: other axes, sizes that differ, or fixations of several values.
    """
    maps, fixed = _fixed(saliency, fixations)
    if not isinstance(counts, Tensor) or counts.dtype not in WHOLE:
        raise TypeError("counts must be a tensor of whole numbers, one a place.")
    check_same(("saliency", maps), ("counts", counts), AXES)
    areas = []
    for values, own, often in zip(maps.flatten(1), fixed, counts.to(maps.device).long().flatten(1), strict=True):
        some, order = values[often > 0].sort()
        up_to = torch.nn.functional.pad(often[often > 0][order].cumsum(0), (1, 0))
        asked, total = values[own], int(up_to[-1]) * int(own.sum())
        below = up_to[torch.searchsorted(some, asked)] + up_to[torch.searchsorted(some, asked, right=True)]
        areas.append(maps.new_tensor(int(below.sum()) / (2 * total) if total else math.nan))
    dtype = torch.promote_types(maps.dtype, torch.float32)
    return torch.where(_finite(maps), torch.stack(areas).to(dtype), math.nan)


def counts_at(counts: Int[Tensor, "h w"], size: tuple[int, int]) -> Int[Tensor, "H W"]:
    """How many fixations are at each place of a grid of another size: each is where the centre of its place lies."""
    found = counts
    for axis, side in enumerate(size):
        before = counts.shape[axis]
        places = ((2 * torch.arange(before, device=counts.device) + 1) * side) // (2 * before)
        shape = [*found.shape]
        shape[axis] = side
        found = found.new_zeros(shape).index_add_(axis, places, found)
    return found


def auc(positives: Float[Tensor, " p"], negatives: Float[Tensor, " q"]) -> Float[Tensor, ""]:
    """Chance that a positive is larger than a negative, ties counting half; NaN where there are none of either.

    Raises:
        TypeError: no tensors of floating-point numbers.
        ValueError: other axes than one.
    """
    for name, values in (("positives", positives), ("negatives", negatives)):
        check_tensor(name, values)
        if values.dim() != 1:
            raise ValueError(f"{name} must have one axis, got shape {tuple(values.shape)}.")
    dtype = torch.promote_types(torch.promote_types(positives.dtype, negatives.dtype), torch.float32)
    if not len(positives) or not len(negatives) or not bool(torch.cat((positives, negatives)).isfinite().all()):
        return positives.new_tensor(math.nan, dtype=dtype)
    ordered, asked = negatives.to(dtype).sort().values, positives.to(dtype)
    below = torch.searchsorted(ordered, asked) + torch.searchsorted(ordered, asked, right=True)
    # Whole numbers: a sum of many halves in float32 would be rounded.
    return positives.new_tensor(int(below.sum()) / (2 * len(negatives) * len(positives)), dtype=dtype)


def relative_risk(
    found: Shaped[Tensor, "n h w"], given: Shaped[Tensor, "m y x"], share: float, *, absolute: bool = False
) -> Float[Tensor, " n"]:
    """Relative risk RR(found | given): how much likelier a position is in `found` where it is in `given`.

    Both maps become masks of their largest values (`top_share`). The share of the positions of `given` that are in
    `found`, over the share of all other positions that are in `found`: swapping the two asks another question, since
    masks may differ in size. inf where the denominator is 0; NaN for 0 / 0, where a map is not finite, and where
    `given` holds no position or all.

    Args:
        found: the maps whose largest values are looked for.
        given: the maps that are the condition, such as the human ones.
        share: of the pixels, in both.
        absolute: both sides of signed maps are meant, by their size.

    Raises:
        TypeError: no tensors of numbers, or a share that is no number.
        ValueError: other axes, sizes that differ, or a share outside of [0, 1].
    """
    return _risk(*_masks(found, given, share, absolute))


class RelativeRisks(NamedTuple):
    """RR(found | given) of each image at each share, and how many images of a share have none to average.

    Attributes:
        shares: of the pixels, at most.
        risks: see `relative_risk`.
        infinite: images whose denominator is 0.
        undefined: images that are NaN.
        kept_found: positions in the mask of `found`: fewer than the share where equal values do not fit.
        kept_given: positions in the mask of `given`.
    """

    shares: tuple[float, ...]
    risks: Float[Tensor, "s n"]
    infinite: Int[Tensor, " s"]
    undefined: Int[Tensor, " s"]
    kept_found: Int[Tensor, "s n"]
    kept_given: Int[Tensor, "s n"]


def relative_risks(
    found: Shaped[Tensor, "n h w"],
    given: Shaped[Tensor, "m y x"],
    shares: tuple[float, ...] = SHARES,
    *,
    absolute: bool = False,
) -> RelativeRisks:
    """RR(found | given) at the top 5, 10 and 15 %, with what has no finite value counted, and the sizes of the masks.

    Raises:
        TypeError: shares that are no list of numbers; see `relative_risk`.
        ValueError: see `relative_risk`.
    """
    if not isinstance(shares, tuple | list) or not shares:
        raise TypeError(f"shares must be numbers, at least one, as (0.05, 0.1), got {shares!r}.")
    masks = [_masks(found, given, share, absolute) for share in shares]
    risks = torch.stack([_risk(*some) for some in masks])
    kept_found = torch.stack([mask.sum(1) for mask, _, _ in masks])
    kept_given = torch.stack([mask.sum(1) for _, mask, _ in masks])
    return RelativeRisks(tuple(shares), risks, risks.isinf().sum(1), risks.isnan().sum(1), kept_found, kept_given)


def _masks(found: Any, given: Any, share: float, absolute: bool) -> tuple[Tensor, Tensor, torch.dtype]:
    """Flat masks of the largest values; none in an image where either map is not finite."""
    first, second, dtype = _pair(found, given, ("found", "given"))
    finite = (_finite(first) & _finite(second))[:, None, None]
    a, b = (top_share(torch.where(finite, maps, 0), share, absolute=absolute).flatten(1) for maps in (first, second))
    return a, b, dtype


def _risk(found: Bool[Tensor, "n p"], given: Bool[Tensor, "n p"], dtype: torch.dtype) -> Float[Tensor, " n"]:
    wide = torch.promote_types(dtype, torch.float32)
    hits, misses, size = (mask.sum(1).to(wide) for mask in (found & given, found & ~given, given))
    return ((hits / size) / (misses / (given.shape[1] - size))).to(dtype)


def _finite(maps: Tensor) -> Tensor:
    return maps.flatten(1).isfinite().all(1)


def _pair(saliency: Any, other: Any, names: tuple[str, str] = ("saliency", "density")) -> tuple[Tensor, Tensor, Any]:
    """Both in one precision, float32 or more, on the device of the first, of equal sizes; the dtype of the result."""
    a, b = (as_floating(name, maps) for name, maps in zip(names, (saliency, other), strict=True))
    check_same((names[0], a), (names[1], b), AXES)
    dtype = torch.promote_types(torch.promote_types(a.dtype, b.dtype), torch.float32)
    wide = torch.promote_types(dtype, torch.float32)
    return a.to(wide), b.to(a.device, wide), dtype


def _fixed(saliency: Any, fixations: Any) -> tuple[Tensor, Bool[Tensor, "n p"]]:
    """The maps as floating-point numbers, and a flat mask of the fixations on their device."""
    maps = as_floating("saliency", saliency)
    if not isinstance(fixations, Tensor):
        raise TypeError(f"fixations must be a tensor, got {type(fixations).__name__}.")
    if not (fixations.dtype == torch.bool or fixations.dtype in WHOLE or fixations.is_floating_point()):
        raise TypeError(f"fixations must be a mask of bool, or of numbers, got {fixations.dtype}.")
    check_same(("saliency", maps), ("fixations", fixations), AXES)
    mask = fixations != 0
    values = fixations[mask]
    if fixations.dtype != torch.bool and values.numel() and not bool((values == values[0]).all()):
        raise ValueError(
            "fixations must be a mask: of bool, or numbers of which all that are not 0 are equal, got "
            f"{values.min().item():.4g} to {values.max().item():.4g}; a density goes with cc, sim or kl."
        )
    return maps, mask.flatten(1).to(maps.device)


def _unit(maps: Tensor) -> Tensor:
    """From 0 to 1, flat; a constant map is 0. Huge values do not overflow."""
    flat = maps.flatten(1) / _peak(maps)
    flat = flat - flat.amin(1, keepdim=True)
    top = flat.amax(1, keepdim=True)
    return flat / torch.where(top > 0, top, 1)


def _peak(maps: Tensor) -> Tensor:
    peak = maps.flatten(1).abs().amax(1, keepdim=True)
    return torch.where(peak > 0, peak, 1)


def _share(flat: Tensor) -> Tensor:
    total = flat.sum(1, keepdim=True)
    return flat / torch.where(total > 0, total, 1)
