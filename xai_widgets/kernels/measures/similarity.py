"""How alike two maps are: SSIM, and which maps have no likeness to any other."""

from __future__ import annotations

import math
from functools import cache

import torch
from jaxtyping import Bool, Float
from torch import Tensor

AT_ONCE = 2**16  # places of pairs of maps: their sums stay in a processor's cache


def ssim(a: Float[Tensor, "n h w"], b: Float[Tensor, "n h w"]) -> Float[Tensor, " n"]:
    """Structural similarity of two maps, each scaled by its own maximum: uniform window, sample covariance.

    The window is 7 x 7 or the largest odd one that fits. NaN where either map is constant, not finite or never
    positive, and for sides below 3. Equal to scikit-image's structural_similarity of the scaled maps, data_range=1.
    """
    side = min(7, *a.shape[-2:])
    window = side - (side + 1) % 2
    if window < 3 or not len(a):
        return a.new_full(a.shape[:1], math.nan)
    size = max(1, AT_ONCE // a[0].numel()) if a.device.type == "cpu" else len(a)
    values = [_ssim(x, y, window) for x, y in zip(a.split(size), b.split(size), strict=True)]
    return torch.where(says_nothing(a) | says_nothing(b), math.nan, torch.cat(values))


def _ssim(a: Float[Tensor, "n h w"], b: Float[Tensor, "n h w"], window: int) -> Float[Tensor, " n"]:
    dtype = widest(a.device)
    x, y = (scaled(maps.to(dtype)) for maps in (a, b))
    mean_x, mean_y, mean_xy, power = (_means(plane, window) for plane in (x, y, x * y, (x * x).addcmul_(y, y)))
    sample = window**2 / (window**2 - 1)
    means, powers = mean_x * mean_y, (mean_x * mean_x).addcmul_(mean_y, mean_y)
    c1, c2 = 0.01**2, 0.03**2
    variances = (power - powers).mul_(sample).add_(c2)
    covariance = (mean_xy - means).mul_(2 * sample).add_(c2)
    similar = means.mul_(2).add_(c1).mul_(covariance).div_(powers.add_(c1)).div_(variances)
    return similar.mean((-2, -1)).to(a.dtype)


def says_nothing(maps: Float[Tensor, "n h w"]) -> Bool[Tensor, " n"]:
    """Constant up to rounding, never positive, or with a value that is not finite: what SSIM is not defined for.

    A plateau that was resized differs in its last bits, and those are no structure.
    """
    high, low = maps.amax((-2, -1)), maps.amin((-2, -1))
    spread = 4 * torch.finfo(maps.dtype).eps * high.abs().maximum(low.abs())
    return ~(high - low > spread) | (high <= 0) | ~maps.isfinite().all(-1).all(-1)


def scaled(maps: Float[Tensor, "n h w"]) -> Float[Tensor, "n h w"]:
    """Each map over its maximum; a map that is never positive stays as it is."""
    peak = maps.amax((-2, -1), keepdim=True)
    return maps / torch.where(peak > 0, peak, 1)


@cache
def widest(device: torch.device) -> torch.dtype:
    """The most precise floating type that a device computes in; Apple's GPU has no float64."""
    try:
        torch.zeros(1, dtype=torch.float64, device=device)
    except TypeError:
        return torch.float32
    return torch.float64


def _means(plane: Float[Tensor, "n h w"], window: int) -> Float[Tensor, "n H W"]:
    """Means of all windows that lie inside, rows and columns one after the other."""
    return _sums(_sums(plane, window, -2), window, -1).div_(window**2)


def _sums(plane: Float[Tensor, "n h w"], window: int, axis: int) -> Float[Tensor, "n H W"]:
    """Sums of 3, 5 or 7 neighbours, from sums of 2 and of 4; no running sum, whose rounding would pile up."""
    count = plane.shape[axis] - window + 1

    def at(values: Tensor, start: int, size: int = count) -> Tensor:
        return values.narrow(axis, start, size)

    if window == 3:
        return (at(plane, 0) + at(plane, 1)).add_(at(plane, 2))
    twos = at(plane, 0, count + window - 2) + at(plane, 1, count + window - 2)
    fours = at(twos, 0) + at(twos, 2)
    return fours.add_(at(plane, 4)) if window == 5 else fours.add_(at(twos, 4)).add_(at(plane, 6))
