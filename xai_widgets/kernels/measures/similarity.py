"""How alike two maps are: SSIM, and for which maps it is not defined."""

from __future__ import annotations

import math
from typing import Any

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from xai_widgets.kernels.checks import check_same
from xai_widgets.kernels.precision import widest
from xai_widgets.kernels.saliency import degenerate

AXES = ("images", "rows", "columns")
AT_ONCE = 2**16  # pixels of pairs of maps at a time: their sums stay in a processor's cache
C1, C2 = 0.01**2, 0.03**2  # of SSIM, for a data range of 1
PLATEAU = 4  # roundings of its largest value by which a constant map may vary, as it does after it was resized


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

    Raises:
        TypeError: no tensors, or some of complex numbers.
        ValueError: other axes, or maps of two sizes.
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
    return torch.where(degenerate_maps(a) | degenerate_maps(b), math.nan, torch.cat(values))


def _ssim(a: Float[Tensor, "n h w"], b: Float[Tensor, "n h w"], window: int) -> Float[Tensor, " n"]:
    """The mean over all windows of, with m for means, v for variances and cov for the covariance in a window,

        (2 m_x m_y + C1) (2 cov + C2) / ((m_x^2 + m_y^2 + C1) (v_x + v_y + C2))

    where x and y are the maps scaled to a maximum of 1. Variances and the covariance are those of a sample: the mean
    square minus the squared mean, times N / (N - 1) for the N pixels of a window.
    """
    dtype = widest(a.device)
    x, y = scaled(a.to(dtype)), scaled(b.to(dtype))
    sample = window**2 / (window**2 - 1)
    m_x, m_y = _means(x, window), _means(y, window)
    squares = (m_x * m_x).addcmul_(m_y, m_y)
    products = m_x.mul_(m_y)
    covariance = _means(x * y, window).sub_(products).mul_(sample)
    variances = _means((x * x).addcmul_(y, y), window).sub_(squares).mul_(sample)
    above = products.mul_(2).add_(C1).mul_(covariance.mul_(2).add_(C2))
    similar = above.div_(squares.add_(C1)).div_(variances.add_(C2))
    return similar.mean((-2, -1)).to(torch.promote_types(a.dtype, torch.float32))


def degenerate_maps(maps: Shaped[Tensor, "n h w"]) -> Bool[Tensor, " n"]:
    """Which maps no SSIM is defined for: constant up to rounding, never positive, or with a value that is not finite.

    Raises:
        TypeError: no tensor, or one of complex numbers.
        ValueError: other axes.
    """
    return degenerate(as_maps("maps", maps), rounding=PLATEAU, signed=False)


def scaled(maps: Float[Tensor, "n h w"]) -> Float[Tensor, "n h w"]:
    """Each map over its maximum; a map that is never positive stays as it is."""
    peak = maps.amax((-2, -1), keepdim=True)
    return maps / torch.where(peak > 0, peak, 1)


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
