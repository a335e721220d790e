"""Saliency (h w) from feature maps and one weight a map: sums, scales, sizes, and maps that say nothing."""

from __future__ import annotations

from jaxtyping import Bool, Float
from torch import Tensor, einsum, isfinite, where
from torch.nn import functional as F

from xai_widgets.kernels.checks import check_finite

NORMALS = ("raw", "peak", "mass")


def weighted_sum(
    maps: Float[Tensor, "n c h w"],
    weights: Float[Tensor, "n c"],
    *,
    normal: str = "raw",
) -> Float[Tensor, "n h w"]:
    """Sum of the feature maps, each times its weight, never divided by the sum of the weights.

    Args:
        maps: The feature maps.
        weights: One number a map; its sign becomes the sign of the saliency.
        normal: What each map is divided by first: nothing ("raw"), its max|A| ("peak"), or its sum|A| ("mass").
    """
    if normal not in NORMALS:
        raise ValueError(f"normal must be one of {', '.join(NORMALS)}, got {normal!r}.")
    check_finite("weights", weights)
    if normal != "raw":
        maps = _over_peak(maps)
    if normal == "mass":
        maps = _quotient(maps, maps.abs().sum((-2, -1), keepdim=True))
    return einsum("nchw,nc->nhw", maps, weights)


def signed_scale(saliency: Float[Tensor, "n h w"]) -> Float[Tensor, "n h w"]:
    """Each map over its own max|.|: zero keeps its place, an all-zero map stays zero."""
    return _over_peak(saliency)


def degenerate(saliency: Float[Tensor, "n h w"]) -> Bool[Tensor, " n"]:
    """True for maps that say nothing: constant (max == min), or with a value that is not finite."""
    constant = saliency.amax((-2, -1)) == saliency.amin((-2, -1))
    return constant | ~isfinite(saliency).all(-1).all(-1)


def resize(saliency: Float[Tensor, "n h w"], size: tuple[int, int]) -> Float[Tensor, "n H W"]:
    """Bilinear to (rows, columns), corners not aligned, antialiased when either side shrinks."""
    if min(size) < 1:
        raise ValueError(f"size must be at least 1 x 1, got {size[0]} x {size[1]}.")
    if tuple(saliency.shape[-2:]) == tuple(size):
        return saliency.clone()
    shrinks = size[0] < saliency.shape[-2] or size[1] < saliency.shape[-1]
    resized = F.interpolate(saliency[:, None], size=size, mode="bilinear", align_corners=False, antialias=shrinks)
    return resized[:, 0]


def _over_peak(maps: Float[Tensor, "... h w"]) -> Float[Tensor, "... h w"]:
    return _quotient(maps, maps.abs().amax((-2, -1), keepdim=True))


def _quotient(maps: Float[Tensor, "... h w"], size: Float[Tensor, "... 1 1"]) -> Float[Tensor, "... h w"]:
    return where(size == 0, maps, maps / where(size == 0, size + 1, size))
