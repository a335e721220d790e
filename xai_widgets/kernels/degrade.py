"""Images (n 3 h w) in [0, 1] made worse, moved or turned, and the way back for maps of what was moved."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

GRADES = 11  # evenly spaced sigmas of the graded blur, 0 among them
PEAK_SIGMA = 10 / 224  # of the shorter side


def salt_and_pepper(
    images: Float[Tensor, "n 3 h w"],
    share: float,
    *,
    generator: torch.Generator,
    per_channel: bool = False,
) -> Float[Tensor, "n 3 h w"]:
    """A share of the pixels set to black or white, half each; `per_channel` draws anew for every channel."""
    _check_share("share", share)
    n, channels, height, width = images.shape
    planes = channels if per_channel else 1
    draw = torch.rand((n, planes, height, width), generator=generator, device=images.device)
    peppered = images.where(draw >= share, images.new_ones(()))
    return peppered.where(draw >= share / 2, images.new_zeros(()))


def gaussian_noise(
    images: Float[Tensor, "n 3 h w"],
    std: float,
    *,
    generator: torch.Generator,
) -> Float[Tensor, "n 3 h w"]:
    """Images plus normal noise of this standard deviation in every channel, cut at 0 and 1."""
    _check_share("std", std)
    draw = torch.randn(images.shape, generator=generator, device=images.device, dtype=images.dtype)
    return (images + std * draw).clamp(0, 1)


def blur(images: Float[Tensor, "n c h w"], sigma: float) -> Float[Tensor, "n c h w"]:
    """Gaussian blur of sigma pixels, cut off at 4 sigma, with reflecting borders (d c b a | a b c d)."""
    if not 0 <= sigma < math.inf:
        raise ValueError(f"sigma must be 0 or more and finite, got {sigma}.")
    height, width = images.shape[-2:]
    rows = _blur_matrix(height, sigma, images)
    columns = rows if height == width else _blur_matrix(width, sigma, images)
    return rows @ images @ columns.mT


def graded_blur(
    images: Float[Tensor, "#n 3 h w"],
    weight: Float[Tensor, "n h w"],
    exponent: float = 4.0,
) -> Float[Tensor, "n 3 h w"]:
    """Blur that is strong where the weight (in [0, 1]) is large: sigma = 10 weight^exponent px at a side of 224.

    Blended from evenly spaced sigmas, the image itself among them. One image serves any number of weights.
    """
    peak = PEAK_SIGMA * min(images.shape[-2:])
    grade = ((GRADES - 1) * weight.clamp(0, 1).pow(exponent))[:, None]
    blended = images * (1 - grade).clamp(min=0)
    for step in range(1, GRADES):
        share = (1 - (grade - step).abs()).clamp(min=0)
        blended = blended + share * blur(images, peak * step / (GRADES - 1))
    return blended


def shift(images: Float[Tensor, "n c h w"], dy: int, dx: int) -> Float[Tensor, "n c h w"]:
    """What is seen moves dy rows down and dx columns right; the border that comes in repeats the edge."""
    height, width = images.shape[-2:]
    rows = (torch.arange(height, device=images.device) - dy).clamp(0, height - 1)
    columns = (torch.arange(width, device=images.device) - dx).clamp(0, width - 1)
    return images[..., rows[:, None], columns]


def overlap(
    maps: Float[Tensor, "n h w"],
    shifted: Float[Tensor, "n h w"],
    dy: int,
    dx: int,
) -> tuple[Float[Tensor, "n H W"], Float[Tensor, "n H W"]]:
    """Undo a shift: the maps of the image and of the shifted image, both cut to the places that both saw."""
    height, width = maps.shape[-2:]
    rows, columns = max(0, height - abs(dy)), max(0, width - abs(dx))
    up, down, left, right = max(0, -dy), max(0, dy), max(0, -dx), max(0, dx)
    return maps[:, up:, left:][:, :rows, :columns], shifted[:, down:, right:][:, :rows, :columns]


def flip(images: Float[Tensor, "... h w"], *, vertical: bool = False) -> Float[Tensor, "... h w"]:
    """Left and right exchanged, or top and bottom; its own way back."""
    return images.flip(-2 if vertical else -1)


def turn(images: Float[Tensor, "... h w"], quarters: int) -> Float[Tensor, "... H W"]:
    """Turned by quarters, counter-clockwise; the way back is `turn` by minus as many."""
    return torch.rot90(images, quarters, (-2, -1))


def _check_share(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise ValueError(f"{name} must lie between 0 and 1, got {value}.")


def _blur_matrix(side: int, sigma: float, like: Tensor) -> Float[Tensor, "side side"]:
    """Blurring one side, as a matrix: a radius beyond the image is no special case, and every device has a product."""
    radius = int(4 * sigma + 0.5)
    dtype = torch.promote_types(like.dtype, torch.float32)
    if radius == 0:
        return torch.eye(side, device=like.device, dtype=like.dtype)
    offsets = torch.arange(radius + 2, device=like.device, dtype=dtype)
    density = torch.exp(-0.5 * (offsets / sigma) ** 2) * (offsets <= radius)
    to, place = torch.meshgrid(*2 * [torch.arange(side, device=like.device)], indexing="ij")
    matrix = torch.zeros(side, side, device=like.device, dtype=dtype)
    reach = radius // (2 * side) + 1
    for period in range(-reach, reach + 1):
        for distance in (to - place + 2 * side * period, to + place + 1 + 2 * side * period):
            matrix = matrix + density[distance.abs().clamp(max=radius + 1)]
    return (matrix / matrix.sum(1, keepdim=True)).to(like.dtype)
