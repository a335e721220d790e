"""Saliency (h w) from feature maps and one weight a map: sums, scales, sizes, and maps that show nothing."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor, einsum, isfinite, where
from torch.nn import functional as F

from xai_widgets.kernels.checks import check_finite, check_same, check_tensor, positive_number, whole_number
from xai_widgets.kernels.precision import products

AXES = ("images", "rows", "columns")
ROUNDING = 8  # units of the rounding of the largest value by which a constant map varies that was computed in float32
NORMALS = ("raw", "peak", "mass")
WHOLE = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)


def as_floating(name: str, maps: Any, axes: tuple[str, ...] = AXES) -> Tensor:
    """A mask, or a map of whole numbers such as bytes, in float32; a map of floating-point numbers as it is.

    Raises:
        TypeError: no tensor, or one of other numbers.
        ValueError: other axes, or none of one.
    """
    if isinstance(maps, Tensor) and (maps.dtype == torch.bool or maps.dtype in WHOLE):
        maps = maps.to(torch.float32)
    check_tensor(name, maps, axes)
    floating: Tensor = maps
    return floating


def weighted_sum(
    maps: Float[Tensor, "n c h w"],
    weights: Float[Tensor, "n c"],
    *,
    normal: str = "raw",
) -> Float[Tensor, "n h w"]:
    """Sum of the feature maps, each times its weight, never divided by the sum of the weights; in float32 at least.

    Args:
        maps: The feature maps.
        weights: One number a map; its sign becomes the sign of the saliency. 0 leaves a map out, also one that is not
            finite.
        normal: What each map is divided by first: nothing ("raw"), its max|A| ("peak"), or its sum|A| ("mass").

    Raises:
        TypeError: maps or weights are no tensors of floating-point numbers.
        ValueError: other axes or sizes, an unknown normal; a weight is not finite, or a map that is not left out.
    """
    if normal not in NORMALS:
        raise ValueError(f"normal must be one of {', '.join(NORMALS)}, got {normal!r}.")
    check_tensor("maps", maps, ("images", "maps", "rows", "columns"))
    check_tensor("weights", weights, ("images", "maps"))
    check_same(("maps", maps[:, :, 0, 0]), ("weights", weights), ("images", "maps"))
    check_finite("weights", weights)
    saliency = _summed(_normalised(maps, normal), weights)
    if not bool(isfinite(saliency).all()):  # rare: only then is a copy without the maps of weight 0 worth its memory
        used = where(weights[:, :, None, None] == 0, 0, maps)
        check_finite("maps of a weight that is not 0", used)
        saliency = _summed(_normalised(used, normal), weights)
    return saliency


def signed_scale(saliency: Shaped[Tensor, "n h w"], limit: float | None = None) -> Float[Tensor, "n h w"]:
    """Each map over its own max|.|: zero keeps its place, an all-zero map stays zero.

    Args:
        saliency: The maps; a mask or whole numbers are scaled in float32.
        limit: What all are divided by instead: one scale for pictures that are compared, such as the largest max|.| of
            them. What is larger comes out beyond 1, and is not cut.

    Raises:
        TypeError: no tensor of numbers.
        ValueError: other axes, or a limit that is not above 0 and finite.
    """
    maps = as_floating("saliency", saliency)
    return _over_peak(maps) if limit is None else maps / positive_number("limit", limit)


def degenerate(saliency: Shaped[Tensor, "n h w"], *, rounding: int = 0, signed: bool = True) -> Bool[Tensor, " n"]:
    """Which maps show nothing: zero or constant everywhere, or with a value that is not finite; see `degeneracy`.

    Raises:
        TypeError: no tensor of numbers.
        ValueError: other axes.
    """
    not_finite, zero, constant = _degenerate(saliency, rounding, signed)
    return not_finite | zero | constant


def degeneracy(saliency: Shaped[Tensor, "n h w"], *, rounding: int = 0, signed: bool = True) -> tuple[str, ...]:
    """Why each map shows nothing: "not finite", "zero", or "constant"; "" for a map that has a structure.

    Args:
        saliency: the maps.
        rounding: how much a constant map may vary, in units of the rounding of its largest value: 0 is constant to the
            last bit; after resizing a plateau differs by a few.
        signed: False where only positive values count, so that a map without any is zero.

    Raises:
        TypeError: no tensor of numbers.
        ValueError: other axes.
    """
    not_finite, zero, constant = (kind.tolist() for kind in _degenerate(saliency, rounding, signed))
    kinds = zip(not_finite, zero, constant, strict=True)
    return tuple("not finite" if a else "zero" if b else "constant" if c else "" for a, b, c in kinds)


def resize(saliency: Shaped[Tensor, "n h w"], size: tuple[int, int]) -> Float[Tensor, "n H W"]:
    """Bilinear to (rows, columns), corners not aligned, antialiased when either side shrinks.

    A constant map may differ in its last bits afterwards, and a value that is not finite spoils its neighbours. Use
    `agreement.at_size` for maps that are compared, which keeps constant maps constant. A mask or whole numbers are
    resized in float32.

    Raises:
        TypeError: no tensor of numbers, or a size that is not two whole numbers.
        ValueError: other axes, or a side below 1.
    """
    saliency = as_floating("saliency", saliency)
    rows, columns = _sides(size)
    if tuple(saliency.shape[-2:]) == (rows, columns):
        return saliency.clone()
    shrinks = rows < saliency.shape[-2] or columns < saliency.shape[-1]
    planes = saliency[:, None].to(torch.promote_types(saliency.dtype, torch.float32))  # a CPU may lack it in less
    resized = F.interpolate(planes, size=(rows, columns), mode="bilinear", align_corners=False, antialias=shrinks)
    return resized[:, 0].to(saliency.dtype)


def _degenerate(saliency: Any, rounding: int, signed: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Masks (n) of maps that are not finite, zero, and constant; a zero map is constant too."""
    maps = as_floating("saliency", saliency)
    high, low = maps.amax((-2, -1)), maps.amin((-2, -1))
    largest = high.abs().maximum(low.abs())
    constant = high == low
    if rounding:
        constant = ~(high - low > rounding * torch.finfo(maps.dtype).eps * largest)
    return ~isfinite(maps).all(-1).all(-1), (largest == 0) if signed else (high <= 0), constant


def _sides(size: Any) -> tuple[int, int]:
    try:
        rows, columns = size
    except (TypeError, ValueError):
        raise TypeError(f"size must be two whole numbers, (rows, columns), got {size!r}.") from None
    rows, columns = whole_number("rows of size", rows), whole_number("columns of size", columns)
    if min(rows, columns) < 1:
        raise ValueError(f"size must be at least 1 x 1, got {rows} x {columns}.")
    return rows, columns


def _normalised(maps: Float[Tensor, "n c h w"], normal: str) -> Float[Tensor, "n c h w"]:
    if normal == "raw":
        return maps
    maps = _over_peak(maps)
    if normal == "peak":
        return maps
    total = maps.abs().sum((-2, -1), keepdim=True, dtype=torch.promote_types(maps.dtype, torch.float32))
    return _quotient(maps, total)


def _summed(maps: Float[Tensor, "n c h w"], weights: Float[Tensor, "n c"]) -> Float[Tensor, "n h w"]:
    dtype = torch.promote_types(torch.promote_types(maps.dtype, weights.dtype), torch.float32)
    with products(maps.device):
        return einsum("nchw,nc->nhw", maps.to(dtype), weights.to(dtype))


def _over_peak(maps: Float[Tensor, "... h w"]) -> Float[Tensor, "... h w"]:
    return _quotient(maps, maps.abs().amax((-2, -1), keepdim=True))


def _quotient(maps: Float[Tensor, "... h w"], size: Float[Tensor, "... 1 1"]) -> Float[Tensor, "... h w"]:
    return where(size == 0, maps, maps / where(size == 0, size + 1, size))
