"""Images (n 3 h w) in [0, 1] made worse, moved or turned, and the way back for maps of what was moved."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from xai_widgets.kernels.checks import (
    check_finite,
    check_generator,
    check_same,
    check_tensor,
    positive_number,
    real_number,
)

NOISES = ("salt_and_pepper", "gaussian_noise", "blur")
LEVELS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
GRADES = 11  # evenly spaced sigmas of the graded blur, 0 among them
WIDEST = 50  # sides: a wider blur is the mean, as this one is
PEAK_SIGMA = 10 / 224  # of the shorter side
BEYOND = 0.1  # what sharpening by resampling may add on either side of [0, 1]


def check_range(name: str, images: Tensor) -> None:
    """Refuse what is not (n 3 h w) in [0, 1], at least one image, naming the first that is wrong.

    Raises:
        TypeError: whole numbers, such as pixels of 0 to 255.
        ValueError: another shape, or a value that is not finite or clearly outside of [0, 1].
    """
    check_tensor(name, images, ("images", "channels", "rows", "columns"))
    if images.shape[1] != 3:
        raise ValueError(f"{name} must have 3 channels, red, green and blue, got {images.shape[1]}.")
    check_finite(name, images)
    for extreme in (images.flatten(1).amax(1), images.flatten(1).amin(1)):
        outside = (extreme > 1 + BEYOND) | (extreme < -BEYOND)
        if bool(outside.any()):
            index = int(outside.nonzero()[0])
            raise ValueError(f"{name} must lie in [0, 1], got {float(extreme[index]):.3g} at index {index}.")


def check_noise(kind: str, levels: Sequence[float], *, per_channel: bool = False) -> None:
    """Refuse what `worsened` does not know."""
    if kind not in NOISES:
        raise ValueError(f"kind must be one of {', '.join(NOISES)}, got {kind!r}.")
    if per_channel and kind != "salt_and_pepper":
        raise ValueError(f"per_channel is a choice of salt_and_pepper alone, got it with {kind}.")
    if not len(levels):
        raise ValueError("levels must hold at least one level, got none.")
    for level in levels:
        _check_share("levels", level)


def worsened(
    images: Float[Tensor, "n 3 h w"],
    kind: str,
    level: float,
    *,
    generator: torch.Generator,
    per_channel: bool = False,
) -> Float[Tensor, "n 3 h w"]:
    """One kind of noise, from a level of 0 (nothing) to 1.

    Args:
        images: in [0, 1].
        kind: "salt_and_pepper" (the level is a share of pixels), "gaussian_noise" (a standard deviation), or "blur"
            (sigma is the level times a tenth of the shorter side).
        level: from 0 to 1.
        generator: on the images' device.
        per_channel: salt and pepper for each channel anew, and not for whole pixels.
    """
    check_noise(kind, (level,), per_channel=per_channel)
    if kind == "salt_and_pepper":
        return salt_and_pepper(images, level, generator=generator, per_channel=per_channel)
    if kind == "gaussian_noise":
        return gaussian_noise(images, level, generator=generator)
    return blur(images, level * min(images.shape[-2:]) / 10)


def salt_and_pepper(
    images: Float[Tensor, "n 3 h w"],
    share: float,
    *,
    generator: torch.Generator,
    per_channel: bool = False,
) -> Float[Tensor, "n 3 h w"]:
    """A share of the pixels set to black or white, half each; `per_channel` draws anew for every channel."""
    _check_share("share", share)
    check_generator(generator, images, "the images")
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
    check_generator(generator, images, "the images")
    draw = torch.randn(images.shape, generator=generator, device=images.device, dtype=images.dtype)
    return (images + std * draw).clamp(0, 1)


def blur(images: Float[Tensor, "n c h w"], sigma: float) -> Float[Tensor, "n c h w"]:
    """Gaussian blur of sigma pixels, cut off at 4 sigma, with reflecting borders (d c b a | a b c d)."""
    if not 0 <= real_number("sigma", sigma) < math.inf:
        raise ValueError(f"sigma must be 0 or more and finite, got {sigma}.")
    check_tensor("images", images, ("images", "channels", "rows", "columns"))
    height, width = images.shape[-2:]
    sigma = min(float(sigma), float(WIDEST * max(height, width)))
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
    one = len(images) == 1
    blended = graded_blurs(images, weight[None] if one else weight[:, None], exponent)
    return blended[0] if one else blended[:, 0]


def graded_blurs(
    images: Float[Tensor, "n 3 h w"],
    weight: Float[Tensor, "n m h w"],
    exponent: float = 4.0,
) -> Float[Tensor, "n m 3 h w"]:
    """The same for several weights of each image, which share its blurs."""
    positive_number("exponent", exponent)
    peak = PEAK_SIGMA * min(images.shape[-2:])
    grade = ((GRADES - 1) * weight.clamp(0, 1).pow(exponent))[:, :, None]
    blended = images[:, None] * (1 - grade).clamp(min=0)
    for step in range(1, GRADES):
        share = (1 - (grade - step).abs()).clamp(min=0)
        blended = blended.addcmul(share, blur(images, peak * step / (GRADES - 1))[:, None])
    return blended


def shift(images: Float[Tensor, "n c h w"], dy: int, dx: int) -> Float[Tensor, "n c h w"]:
    """What is seen moves dy rows down and dx columns right; the border that comes in repeats the edge."""
    height, width = images.shape[-2:]
    rows = (torch.arange(height, device=images.device) - dy).clamp(0, height - 1)
    columns = (torch.arange(width, device=images.device) - dx).clamp(0, width - 1)
    return images.index_select(-2, rows).index_select(-1, columns)


def overlap(
    maps: Float[Tensor, "n h w"],
    shifted: Float[Tensor, "n h w"],
    dy: int,
    dx: int,
) -> tuple[Float[Tensor, "n H W"], Float[Tensor, "n H W"]]:
    """Undo a shift: the maps of the image and of the shifted image, both cut to the places that both saw."""
    check_same(("maps", maps), ("shifted maps", shifted), ("images", "rows", "columns"))
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
    if not 0 <= real_number(name, value) <= 1:
        raise ValueError(f"{name} must lie between 0 and 1, got {value}.")


def _blur_matrix(side: int, sigma: float, like: Tensor) -> Float[Tensor, "side side"]:
    """Blurring one side, as a matrix: a radius beyond the image is no special case, and every device has a product.

    A pixel is seen directly, and mirrored at either border; both again after every two sides.
    """
    radius = int(4 * sigma + 0.5)
    dtype = torch.promote_types(like.dtype, torch.float32)
    if radius == 0:
        return torch.eye(side, device=like.device, dtype=like.dtype)
    reach = radius // (2 * side) + 1
    periods = 2 * side * torch.arange(-reach, reach + 1, device=like.device)[:, None]
    offsets = torch.arange(1 - side, side, device=like.device)

    def seen(distance: Tensor) -> Tensor:
        density = torch.exp(-0.5 * (distance.to(dtype) / sigma) ** 2)
        return torch.where(distance.abs() <= radius, density, 0).sum(0)

    direct, mirrored = seen(periods + offsets), seen(periods + offsets + side)
    matrix = direct.flip(0).unfold(0, side, 1).flip(0) + mirrored.unfold(0, side, 1)
    return (matrix / matrix.sum(1, keepdim=True)).to(like.dtype)
