"""How well a saliency map agrees with people: fixations, densities, annotations, or another saliency model.

Maps are one an image, (n h w), both of one size: `at_size` brings a map to that of the human map. A constant map
(max == min) has no correlation and no largest places: NaN, to be counted by the caller; its AUC is 0.5. A map with a
value that is not finite is NaN everywhere.

Reference: MIT saliency benchmark; Bylinskii et al., 2019, arXiv 1604.03605.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from xai_widgets.kernels.checks import check_finite, check_same
from xai_widgets.kernels.saliency import degenerate, resize

AXES = ("images", "rows", "columns")
EPSILON = 2.2e-16


def at_size(saliency: Float[Tensor, "n h w"], size: tuple[int, int]) -> Float[Tensor, "n H W"]:
    """Resized as for display; a constant map stays one, whatever rounding would make of it."""
    first = saliency[:, :1, :1]
    return torch.where(degenerate(saliency)[:, None, None], first, resize(saliency, size))


def nss(saliency: Float[Tensor, "n h w"], fixations: Bool[Tensor, "m y x"]) -> Float[Tensor, " n"]:
    """Normalised scanpath saliency: the mean over fixations of the map in units of its population standard deviation.

    NaN for an image without fixations.
    """
    fixed = _fixed(saliency, fixations)
    flat = _unit(saliency)
    centred = flat - flat.mean(1, keepdim=True)
    total = torch.where(fixed, centred, 0).sum(1)
    undefined = degenerate(saliency) | ~fixed.any(1)
    return torch.where(undefined, math.nan, total / fixed.sum(1) / centred.square().mean(1).sqrt())


def cc(saliency: Float[Tensor, "n h w"], density: Float[Tensor, "m y x"]) -> Float[Tensor, " n"]:
    """Pearson correlation over pixels."""
    check_same(("saliency", saliency), ("density", density), AXES)
    a, b = (flat - flat.mean(1, keepdim=True) for flat in (_unit(saliency), _unit(density)))
    undefined = degenerate(saliency) | degenerate(density)
    return torch.where(undefined, math.nan, (a * b).sum(1) / (a.square().sum(1) * b.square().sum(1)).sqrt())


def sim(saliency: Float[Tensor, "n h w"], density: Float[Tensor, "m y x"]) -> Float[Tensor, " n"]:
    """Similarity: the sum of the smaller of two maps, each from 0 to its maximum and then summing to 1."""
    check_same(("saliency", saliency), ("density", density), AXES)
    p, q = (_share(_unit(maps)) for maps in (saliency, density))
    undefined = degenerate(saliency) | degenerate(density)
    return torch.where(undefined, math.nan, torch.minimum(p, q).sum(1))


def kl(saliency: Float[Tensor, "n h w"], density: Float[Tensor, "m y x"]) -> Float[Tensor, " n"]:
    """Divergence of the map from the density in nats: sum d log(eps + d / (p + eps)); NaN where either is all zero.

    Raises:
        ValueError: a map has negative values; cut them at 0 first.
    """
    check_same(("saliency", saliency), ("density", density), AXES)
    for name, maps in (("saliency", saliency), ("density", density)):
        lowest = maps.flatten(1).amin(1)
        if bool((lowest < 0).any()):
            index = int((lowest < 0).nonzero()[0])
            raise ValueError(f"{name} must not be negative for KL, got {float(lowest[index]):.3g} at index {index}.")
    p, d = (_share(maps.flatten(1) / _peak(maps)) for maps in (saliency, density))
    undefined = torch.zeros_like(p[:, 0], dtype=torch.bool)
    for maps in (saliency, density):
        undefined = undefined | (maps.flatten(1) == 0).all(1) | ~_finite(maps)
    return torch.where(undefined, math.nan, (d * torch.log(EPSILON + d / (p + EPSILON))).sum(1))


def auc_judd(saliency: Float[Tensor, "n h w"], fixations: Bool[Tensor, "m y x"]) -> Float[Tensor, " n"]:
    """Area under the curve of the map at fixations against all other pixels; exact, ties count half."""
    pairs = zip(saliency.flatten(1), _fixed(saliency, fixations), strict=True)
    return torch.stack([auc(values[fixed], values[~fixed]) for values, fixed in pairs])


def shuffled_auc(saliency: Float[Tensor, "n h w"], fixations: Bool[Tensor, "m y x"]) -> Float[Tensor, " n"]:
    """The same with the fixations of all other images as negatives: repeats kept, own places not excluded.

    NaN for one image alone.
    """
    fixed = _fixed(saliency, fixations)
    every = fixed.sum(0)
    areas = []
    for values, own in zip(saliency.flatten(1), fixed, strict=True):
        areas.append(auc(values[own], values.repeat_interleave(every - own.long())))
    return torch.where(_finite(saliency), torch.stack(areas), math.nan)


def auc(positives: Float[Tensor, " p"], negatives: Float[Tensor, " q"]) -> Float[Tensor, ""]:
    """Chance that a positive is larger than a negative, ties counting half; NaN where there are none of either."""
    if not len(positives) or not len(negatives) or not bool(torch.cat((positives, negatives)).isfinite().all()):
        return positives.new_tensor(math.nan)
    ordered = negatives.sort().values
    below = torch.searchsorted(ordered, positives) + torch.searchsorted(ordered, positives, right=True)
    # Whole numbers: a sum of many halves in float32 would be rounded.
    return positives.new_tensor(int(below.sum()) / (2 * len(negatives) * len(positives)))


def top_share(saliency: Float[Tensor, "n h w"], share: float) -> Bool[Tensor, "n h w"]:
    """A mask of the round(share * pixels) largest values, ties by lowest index.

    Raises:
        ValueError: a share outside of 0 to 1, or a value that is not finite and so has no rank.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share must be in [0, 1], got {share}.")
    check_finite("saliency", saliency)
    flat = saliency.flatten(1)
    kept = round(share * flat.shape[1])
    order = flat.argsort(dim=1, descending=True, stable=True)[:, :kept]
    return torch.zeros_like(flat, dtype=torch.bool).scatter_(1, order, True).reshape(saliency.shape)


def relative_risk(
    saliency: Float[Tensor, "n h w"], reference: Float[Tensor, "m y x"], share: float
) -> Float[Tensor, " n"]:
    """True over false positive rate of the map's top share for that of the reference.

    inf where nothing is a false positive, NaN for 0 / 0 and where either map is constant.
    """
    check_same(("saliency", saliency), ("reference", reference), AXES)
    undefined = degenerate(saliency) | degenerate(reference)
    found, wanted = (
        top_share(torch.where(undefined[:, None, None], 0, maps), share).flatten(1) for maps in (saliency, reference)
    )
    hits, misses, size = ((mask.sum(1).to(saliency.dtype)) for mask in (found & wanted, found & ~wanted, wanted))
    return torch.where(undefined, math.nan, (hits / size) / (misses / (wanted.shape[1] - size)))


def _finite(maps: Tensor) -> Tensor:
    return maps.flatten(1).isfinite().all(1)


def _fixed(saliency: Tensor, fixations: Tensor) -> Tensor:
    if fixations.dtype != torch.bool:
        raise ValueError(f"fixations must be a mask of bool, got {fixations.dtype}.")
    check_same(("saliency", saliency), ("fixations", fixations), AXES)
    return fixations.flatten(1)


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
