"""How well a saliency map agrees with people: fixations, densities, annotations, or another saliency model.

Maps are one an image, (n h w), both of one size: `at_size` brings a map to that of the human map. A constant map
(max == min) has no correlation and no largest places: NaN, to be counted by the caller; its AUC is 0.5. A map with a
value that is not finite is NaN in every measure. Maps in half precision are computed in float32.

Reference: MIT saliency benchmark; Bylinskii et al., 2019, arXiv 1604.03605.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from xai_widgets.kernels.checks import check_finite, check_same, check_tensor, real_number
from xai_widgets.kernels.saliency import AXES, degenerate, resize

EPSILON = 2.2e-16
SHARES = (0.05, 0.1, 0.15)  # of pixels, at which relative risks are reported


def at_size(saliency: Float[Tensor, "n h w"], size: tuple[int, int]) -> Float[Tensor, "n H W"]:
    """Resized as for display; a constant map stays one, whatever rounding would make of it.

    A map with a value that is not finite is NaN everywhere.
    """
    resized = resize(saliency, size)
    finite = _finite(saliency)[:, None, None]
    constant = degenerate(saliency)[:, None, None] & finite
    return torch.where(finite, torch.where(constant, saliency[:, :1, :1], resized), math.nan)


def nss(saliency: Float[Tensor, "n h w"], fixations: Bool[Tensor, "m y x"]) -> Float[Tensor, " n"]:
    """Normalised scanpath saliency: the mean over fixations of the map in units of its population standard deviation.

    NaN for an image without fixations.
    """
    fixed = _fixed(saliency, fixations)
    flat = _unit(_wide(saliency))
    centred = flat - flat.mean(1, keepdim=True)
    total = torch.where(fixed, centred, 0).sum(1)
    undefined = degenerate(saliency) | ~fixed.any(1)
    found = total / fixed.sum(1) / centred.square().mean(1).sqrt()
    return torch.where(undefined, math.nan, found).to(saliency.dtype)


def cc(saliency: Float[Tensor, "n h w"], density: Float[Tensor, "m y x"]) -> Float[Tensor, " n"]:
    """Pearson correlation over pixels."""
    dtype = _dtype_of_pair(saliency, density)
    a, b = (flat - flat.mean(1, keepdim=True) for flat in (_unit(_wide(saliency)), _unit(_wide(density))))
    undefined = degenerate(saliency) | degenerate(density)
    found = (a * b).sum(1) / (a.square().sum(1) * b.square().sum(1)).sqrt()
    return torch.where(undefined, math.nan, found).to(dtype)


def sim(saliency: Float[Tensor, "n h w"], density: Float[Tensor, "m y x"]) -> Float[Tensor, " n"]:
    """Similarity: the sum of the smaller of two maps, each from 0 to its maximum and then summing to 1."""
    dtype = _dtype_of_pair(saliency, density)
    p, q = (_share(_unit(_wide(maps))) for maps in (saliency, density))
    undefined = degenerate(saliency) | degenerate(density)
    return torch.where(undefined, math.nan, torch.minimum(p, q).sum(1)).to(dtype)


def kl(saliency: Float[Tensor, "n h w"], density: Float[Tensor, "m y x"]) -> Float[Tensor, " n"]:
    """Divergence of the map from the density in nats: sum d log(eps + d / (p + eps)).

    A constant map that is positive has one. NaN where either is all zero, and where 0 would say nothing: both are
    constant, or have one place only.

    Raises:
        ValueError: a map has negative values; cut them at 0 first.
    """
    dtype = _dtype_of_pair(saliency, density)
    for name, maps in (("saliency", saliency), ("density", density)):
        lowest = maps.flatten(1).amin(1)
        negative = (lowest < 0) & _finite(maps)
        if bool(negative.any()):
            index = int(negative.nonzero()[0])
            raise ValueError(f"{name} must not be negative for KL, got {float(lowest[index]):.3g} at index {index}.")
    p, d = (_share(maps.flatten(1) / _peak(maps)) for maps in (_wide(saliency), _wide(density)))
    undefined = degenerate(saliency) & degenerate(density)  # one place is constant too
    for maps in (saliency, density):
        undefined = undefined | (maps.flatten(1) == 0).all(1) | ~_finite(maps)
    return torch.where(undefined, math.nan, (d * torch.log(EPSILON + d / (p + EPSILON))).sum(1)).to(dtype)


def auc_judd(saliency: Float[Tensor, "n h w"], fixations: Bool[Tensor, "m y x"]) -> Float[Tensor, " n"]:
    """Area under the curve of the map at fixations against all other pixels; exact, ties count half."""
    pairs = zip(_fixed(saliency, fixations), saliency.flatten(1), strict=True)
    areas = [auc(values[fixed], values[~fixed]) for fixed, values in pairs]
    return torch.where(_finite(saliency), torch.stack(areas), math.nan)


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
    for name, values in (("positives", positives), ("negatives", negatives)):
        check_tensor(name, values)
        if values.dim() != 1:
            raise ValueError(f"{name} must have one axis, got shape {tuple(values.shape)}.")
    dtype = torch.promote_types(positives.dtype, negatives.dtype)
    if not len(positives) or not len(negatives) or not bool(torch.cat((positives, negatives)).isfinite().all()):
        return positives.new_tensor(math.nan, dtype=dtype)
    wide = torch.promote_types(dtype, torch.float32)
    ordered, found = negatives.to(wide).sort().values, positives.to(wide)
    below = torch.searchsorted(ordered, found) + torch.searchsorted(ordered, found, right=True)
    # Whole numbers: a sum of many halves in float32 would be rounded.
    return positives.new_tensor(int(below.sum()) / (2 * len(negatives) * len(positives)), dtype=dtype)


def top_share(saliency: Float[Tensor, "n h w"], share: float) -> Bool[Tensor, "n h w"]:
    """A mask of the round(share * pixels) largest values, ties by lowest index.

    Raises:
        ValueError: a share outside of 0 to 1, or a value that is not finite and so has no rank.
    """
    check_tensor("saliency", saliency, AXES)
    share = _share_of_pixels(share)
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
    dtype = _dtype_of_pair(saliency, reference, "reference")
    undefined = degenerate(saliency) | degenerate(reference)
    found, wanted = (
        top_share(torch.where(undefined[:, None, None], 0, maps), share).flatten(1) for maps in (saliency, reference)
    )
    wide = torch.promote_types(dtype, torch.float32)
    hits, misses, size = ((mask.sum(1).to(wide)) for mask in (found & wanted, found & ~wanted, wanted))
    return torch.where(undefined, math.nan, (hits / size) / (misses / (wanted.shape[1] - size))).to(dtype)


class RelativeRisks(NamedTuple):
    """The relative risk of each image at each share, and how many images of a share have none to average.

    Attributes:
        shares: of the pixels.
        risks: see `relative_risk`.
        infinite: images without a false positive.
        undefined: images that are NaN.
    """

    shares: tuple[float, ...]
    risks: Float[Tensor, "s n"]
    infinite: Int[Tensor, " s"]
    undefined: Int[Tensor, " s"]


def relative_risks(
    saliency: Float[Tensor, "n h w"], reference: Float[Tensor, "m y x"], shares: tuple[float, ...] = SHARES
) -> RelativeRisks:
    """The relative risk at the top 5, 10 and 15 %, with what has no finite value counted."""
    if not isinstance(shares, tuple | list) or not shares:
        raise TypeError(f"shares must be numbers, at least one, as (0.05, 0.1), got {shares!r}.")
    risks = torch.stack([relative_risk(saliency, reference, share) for share in shares])
    return RelativeRisks(tuple(shares), risks, risks.isinf().sum(1), risks.isnan().sum(1))


def _share_of_pixels(share: float) -> float:
    number = real_number("share", share)
    if not 0 <= number <= 1:
        raise ValueError(f"share must be in [0, 1], got {number}.")
    return number


def _finite(maps: Tensor) -> Tensor:
    return maps.flatten(1).isfinite().all(1)


def _dtype_of_pair(saliency: Tensor, other: Tensor, name: str = "density") -> torch.dtype:
    """Of the result; both are checked."""
    check_tensor("saliency", saliency, AXES)
    check_tensor(name, other, AXES)
    check_same(("saliency", saliency), (name, other), AXES)
    return torch.promote_types(saliency.dtype, other.dtype)


def _fixed(saliency: Tensor, fixations: Tensor) -> Tensor:
    check_tensor("saliency", saliency, AXES)
    if not isinstance(fixations, Tensor) or fixations.dtype != torch.bool:
        given = fixations.dtype if isinstance(fixations, Tensor) else type(fixations).__name__
        raise TypeError(f"fixations must be a tensor, a mask of bool, got {given}.")
    check_same(("saliency", saliency), ("fixations", fixations), AXES)
    return fixations.flatten(1)


def _wide(maps: Tensor) -> Tensor:
    return maps.to(torch.promote_types(maps.dtype, torch.float32))


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
