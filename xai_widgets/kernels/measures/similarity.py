"""How alike two maps are: SSIM, and which maps have no likeness to any other."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from xai_widgets.kernels.checks import check_same

AXES = ("images", "rows", "columns")
AT_ONCE = 2**16  # places of pairs of maps: their sums stay in a processor's cache


def as_maps(name: str, maps: Any, axes: tuple[str, ...] = AXES) -> Tensor:
    """Maps of floating-point numbers; a mask becomes a map of 0 and 1, and whole numbers stay what they are.

    Raises:
        TypeError: no tensor, or one of complex numbers.
        ValueError: other axes, or no rows or columns.
    """
    if not isinstance(maps, Tensor):
        raise TypeError(f"{name} must be a tensor, got {type(maps).__name__}.")
    if maps.is_complex():
        raise TypeError(f"{name} must be of real numbers, got {maps.dtype}.")
    if maps.dim() != len(axes) or not maps.shape[-2:].numel():
        raise ValueError(f"{name} must have the axes {', '.join(axes)}, got shape {tuple(maps.shape)}.")
    return maps if maps.is_floating_point() else maps.to(torch.float32)


def ssim(a: Shaped[Tensor, "n h w"], b: Shaped[Tensor, "n h w"]) -> Float[Tensor, " n"]:
    """Structural similarity of two maps, each scaled by its own maximum: uniform window, sample covariance.

    The window is 7 x 7 or the largest odd one that fits. NaN where either map is constant, not finite or never
    positive, and for sides below 3. Equal to scikit-image's structural_similarity of the scaled maps, data_range=1.
    `b` may be on another device; the result is where `a` is.

    Raises: as of `as_maps`; ValueError also for maps of two sizes.
    """
    a, b = as_maps("a", a), as_maps("b", b)
    check_same(("a", a), ("b", b), AXES)
    b = b.to(a.device)
    side = min(7, *a.shape[-2:])
    window = side - (side + 1) % 2
    if window < 3 or not len(a):
        return a.new_full(a.shape[:1], math.nan, dtype=torch.promote_types(a.dtype, torch.float32))
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
    return similar.mean((-2, -1)).to(torch.promote_types(a.dtype, torch.float32))


def says_nothing(maps: Shaped[Tensor, "n h w"]) -> Bool[Tensor, " n"]:
    """Constant up to rounding, never positive, or with a value that is not finite: what SSIM is not defined for.

    A plateau that was resized differs in its last bits, and those are no structure.

    Raises: as of `as_maps`.
    """
    maps = as_maps("maps", maps)
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

    if window == 3:
        return (plane.narrow(axis, 0, count) + plane.narrow(axis, 1, count)).add_(plane.narrow(axis, 2, count))
    pairs = count + window - 2
    twos = plane.narrow(axis, 0, pairs) + plane.narrow(axis, 1, pairs)
    fours = twos.narrow(axis, 0, count) + twos.narrow(axis, 2, count)
    if window == 5:
        return fours.add_(plane.narrow(axis, 4, count))
    return fours.add_(twos.narrow(axis, 4, count)).add_(plane.narrow(axis, 6, count))
