"""Images (n c h w) in [0, 1] corrupted, moved or turned, and the way back for maps of what was moved.

Blur is a Gaussian's standard deviation in pixels of the images everywhere.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float, Shaped
from PIL import Image
from torch import Tensor

from xai_widgets.kernels import draws
from xai_widgets.kernels.checks import (
    check_finite,
    check_same,
    check_tensor,
    positive_number,
    real_number,
    whole_number,
)
from xai_widgets.kernels.draws import Seeds
from xai_widgets.kernels.precision import products
from xai_widgets.kernels.saliency import as_floating

NOISES = ("salt_and_pepper", "gaussian_noise", "blur")
LEVELS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
BLURS = (1, 2, 5, 10, 20, 30, 40, 50)  # pixels at a side of 224; the widest is the published one
GRADES = 11  # evenly spaced sigmas of the graded blur, 0 among them
WIDEST = 50  # sides: a wider blur is the mean, as this one is
PEAK_SIGMA = 10 / 224  # of the shorter side
ROUNDING = 1e-2  # what a weight in low precision may be off
BEYOND = 0.1  # what sharpening by resampling may add on either side of [0, 1]
IMAGES = ("images", "channels", "rows", "columns")

# Changed images (n c h w) of images (n c h w) in [0, 1], a level and a generator, which the change need not use.
Change = Callable[[Tensor, float, torch.Generator], Tensor]


def check_range(name: str, images: Tensor) -> None:
    """Refuse what is not (n c h w) in [0, 1], at least one image, naming the first that is wrong.

    Raises:
        TypeError: whole numbers, such as pixels of 0 to 255.
        ValueError: another shape, or a value that is not finite or clearly outside of [0, 1].
    """
    check_tensor(name, images, IMAGES)
    check_finite(name, images)
    low, high = images.flatten(1).amin(1), images.flatten(1).amax(1)
    outside = (high > 1 + BEYOND) | (low < -BEYOND)
    if bool(outside.any()):
        index = int(outside.nonzero()[0])
        least, most = float(low[index]), float(high[index])
        raise ValueError(
            f"{name} must lie in [0, 1], got {least:.3g} to {most:.3g} at index {index}; {_remedy(least, most)}."
        )


def _remedy(least: float, most: float) -> str:
    if least < -BEYOND:
        return "give the pixels as they are before they are normalised"
    if most < 10:
        return "scale them to [0, 1]"
    return "divide by 255" if most <= 256 else "divide by the largest value that a pixel can have, as 4095 or 65535"


def noise_levels(kind: str, side: int) -> tuple[float, ...]:
    """The levels of the measure of noise: of blur in pixels, a tenth of the shorter side times each of `LEVELS`."""
    return tuple(level * side / 10 for level in LEVELS) if kind == "blur" else LEVELS


def blur_levels(side: int) -> tuple[float, ...]:
    """Sigmas in pixels for images of this shorter side, up to the published 50 at a side of 224."""
    return tuple(sigma * side / 224 for sigma in BLURS)


def check_noise(kind: str, levels: Sequence[float], side: int, *, per_channel: bool = False) -> None:
    """Refuse what `corrupted` does not know.

    Args:
        kind: One of `NOISES`.
        levels: At least one.
        side: The shorter one of the images: a blur is at most a quarter of it.
        per_channel: For salt and pepper only.

    Raises:
        TypeError: a level that is no number.
        ValueError: anything else that is not known.
    """
    if kind not in NOISES:
        raise ValueError(f"kind must be one of {', '.join(NOISES)}, got {kind!r}.")
    if per_channel and kind != "salt_and_pepper":
        raise ValueError(f"per_channel is a choice of salt_and_pepper alone, got it with {kind}.")
    if not len(levels):
        raise ValueError("levels must hold at least one level, got none.")
    for level in levels:
        if kind != "blur":
            _check_share("levels", level)
        elif not 0 <= real_number("levels", level) <= side / 4:
            raise ValueError(
                f"levels of blur are sigmas in pixels and must lie between 0 and {side / 4:g}, a quarter of the "
                f"shorter side, got {level}."
            )


def corrupted(
    images: Float[Tensor, "n c h w"],
    kind: str,
    level: float,
    *,
    generator: Seeds,
    per_channel: bool = False,
) -> Float[Tensor, "n c h w"]:
    """Images with one kind of noise; a level of 0 changes nothing.

    Args:
        images: in [0, 1].
        kind: "salt_and_pepper" (the level is a share of pixels), "gaussian_noise" (a standard deviation), or "blur"
            (sigma in pixels, at most a quarter of the shorter side).
        level: from 0 to 1, but for blur.
        generator: a seed or a generator, whose noise every image gets, or one of them an image.
        per_channel: salt and pepper drawn for each channel on its own, and not for whole pixels.

    Raises:
        TypeError: no tensor of floating-point numbers, no seed.
        ValueError: images outside of [0, 1], an unknown kind, a level outside of its range.
    """
    check_range("images", images)
    check_noise(kind, (level,), min(images.shape[-2:]), per_channel=per_channel)
    if kind == "salt_and_pepper":
        return salt_and_pepper(images, level, generator=generator, per_channel=per_channel)
    if kind == "gaussian_noise":
        return gaussian_noise(images, level, generator=generator)
    return blur(images, level)


def salt_and_pepper(
    images: Float[Tensor, "n c h w"],
    share: float,
    *,
    generator: Seeds,
    per_channel: bool = False,
) -> Float[Tensor, "n c h w"]:
    """A share of the pixels set to black or white, half each; see `corrupted` for the generator.

    Args:
        per_channel: drawn for each channel on its own, and not for whole pixels.

    Raises:
        TypeError: no tensor of floating-point numbers, no seed.
        ValueError: images outside of [0, 1], a share outside of [0, 1].
    """
    check_range("images", images)
    _check_share("share", share)
    n, channels, height, width = images.shape
    shape = (1, channels if per_channel else 1, height, width)

    masks = draws.for_images(
        generator, n, lambda source: torch.stack(draws.below((share, share / 2), shape, source, images.device), 1)
    )
    hit, black = masks.unbind(1)
    return images.where(~hit, images.new_ones(())).where(~black, images.new_zeros(()))


def gaussian_noise(
    images: Float[Tensor, "n c h w"],
    std: float,
    *,
    generator: Seeds,
) -> Float[Tensor, "n c h w"]:
    """Images plus normal noise of this standard deviation in every channel, cut at 0 and 1; see `corrupted`.

    Raises:
        TypeError: no tensor of floating-point numbers, no seed.
        ValueError: images outside of [0, 1], a standard deviation outside of [0, 1].
    """
    check_range("images", images)
    _check_share("std", std)
    shape = (1, *images.shape[1:])
    noise = draws.for_images(generator, len(images), lambda source: draws.normal(shape, source, images))
    return (images + std * noise).clamp(0, 1)


def pure_noise(images: Float[Tensor, "n c h w"], *, generator: Seeds) -> Float[Tensor, "n c h w"]:
    """Images of uniform random noise and nothing else, with the size, device and precision of the given ones.

    Args:
        images: whose pixels are not used.
        generator: see `corrupted`.

    Raises:
        TypeError: no tensor of floating-point numbers, no seed.
        ValueError: other axes, another number of seeds than of images, a generator that is not on the CPU.
    """
    check_tensor("images", images, IMAGES)
    shape = (1, *images.shape[1:])
    noise = draws.for_images(generator, len(images), lambda source: draws.uniform(shape, source, images))
    return noise.expand_as(images).contiguous()


def changed(
    images: Float[Tensor, "n c h w"],
    kind: str | Change,
    level: float,
    *,
    generator: torch.Generator,
    per_channel: bool = False,
) -> Float[Tensor, "n c h w"]:
    """One of `NOISES`, see `corrupted`, or a change of the caller's own: a function of images, level and generator.

    Raises:
        TypeError: as `corrupted`; the caller's change gives no images.
        ValueError: as `corrupted`; the caller's change gives images of another size, or outside of [0, 1].
    """
    if isinstance(kind, str):
        return corrupted(images, kind, level, generator=generator, per_channel=per_channel)
    other = kind(images.clone(), level, generator)
    check_range("images of the change", other)
    check_same(("images of the change", other), ("images", images), IMAGES)
    return other


def blur(images: Float[Tensor, "n c h w"], sigma: float) -> Float[Tensor, "n c h w"]:
    """Gaussian blur of sigma pixels, cut off at 4 sigma, with reflecting borders (d c b a | a b c d).

    Raises:
        TypeError: no tensor of floating-point numbers, a sigma that is no number.
        ValueError: another shape; a sigma below 0 or not finite.
    """
    if not 0 <= real_number("sigma", sigma) < math.inf:
        raise ValueError(f"sigma must be 0 or more and finite, got {sigma}.")
    check_tensor("images", images, IMAGES)
    height, width = images.shape[-2:]
    sigma = min(float(sigma), float(WIDEST * max(height, width)))
    if int(4 * sigma + 0.5) == 0:
        return images.clone()
    planes = images.to(torch.promote_types(images.dtype, torch.float32))  # rounded once, at the end
    rows = _blur_matrix(height, sigma, planes)
    columns = rows if height == width else _blur_matrix(width, sigma, planes)
    with products(planes.device):
        return (rows @ planes @ columns.mT).to(images.dtype)


def jpeg(images: Float[Tensor, "n c h w"], quality: int) -> Float[Tensor, "n c h w"]:
    """Images of one or three channels as they come back from a JPEG file; the same quality gives the same pixels.

    Each is rounded to bytes, encoded by libjpeg with colours at half the resolution (4:2:0), and decoded.

    Args:
        images: in [0, 1].
        quality: from 1, the worst, to 100.

    Raises:
        TypeError: no tensor of floating-point numbers, a quality that is no whole number.
        ValueError: images outside of [0, 1] or of another number of channels, a quality outside of its range.
    """
    check_range("images", images)
    quality = whole_number("quality", quality)
    if not 1 <= quality <= 100:
        raise ValueError(f"quality must lie between 1 and 100, got {quality}.")
    if images.shape[1] not in (1, 3):
        raise ValueError(f"a JPEG has 1 or 3 channels, got images of {images.shape[1]}.")
    pixels = (images.detach().float().clamp(0, 1) * 255).round().to("cpu", torch.uint8).permute(0, 2, 3, 1)
    decoded = [_through_file(one.squeeze(-1).numpy(), quality) for one in pixels]
    return torch.stack(decoded).to(images) / 255


def _through_file(pixels: np.ndarray, quality: int) -> Shaped[Tensor, "c h w"]:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality, subsampling="4:2:0")
    back = np.array(Image.open(file))
    return torch.from_numpy(back.reshape(*back.shape[:2], -1)).permute(2, 0, 1)


def graded_blur(
    images: Float[Tensor, "#n c h w"],
    weight: Shaped[Tensor, "n h w"],
    exponent: float = 4.0,
) -> Float[Tensor, "n c h w"]:
    """Blur that is strong where the weight (in [0, 1]) is large: sigma = 10 weight^exponent px at a side of 224.

    Blended from evenly spaced sigmas, the image itself among them. One image serves any number of weights.

    Raises:
        TypeError: as `graded_blurs`.
        ValueError: as `graded_blurs`.
    """
    check_tensor("images", images, IMAGES)
    weight = as_floating("weight", weight)
    one = len(images) == 1
    blended = graded_blurs(images, weight[None] if one else weight[:, None], exponent)
    return blended[0] if one else blended[:, 0]


def graded_blurs(
    images: Float[Tensor, "n c h w"],
    weight: Shaped[Tensor, "n m h w"],
    exponent: float = 4.0,
) -> Float[Tensor, "n m c h w"]:
    """The graded blur of each image for several weights, which share its blurred copies; see `graded_blur`.

    Raises:
        TypeError: no tensors of floating-point numbers, an exponent that is no number.
        ValueError: sizes that do not go together, a weight outside of [0, 1], an exponent of 0 or less.
    """
    positive_number("exponent", exponent)
    check_tensor("images", images, IMAGES)
    weight = as_floating("weight", weight, ("images", "weights", "rows", "columns"))
    check_same(("weight", weight[:, 0]), ("images", images[:, 0]), ("images", "rows", "columns"))
    check_finite("weight", weight)
    if bool(((weight < -ROUNDING) | (weight > 1 + ROUNDING)).any()):
        raise ValueError(f"weight must lie in [0, 1], got {float(weight.min()):.3g} to {float(weight.max()):.3g}.")
    peak = PEAK_SIGMA * min(images.shape[-2:])
    planes = images.to(torch.promote_types(images.dtype, torch.float32))
    grade = ((GRADES - 1) * weight.to(planes).clamp(0, 1).pow(exponent))[:, :, None]
    blended = planes[:, None] * (1 - grade).clamp(min=0)
    for step in range(1, GRADES):
        share = (1 - (grade - step).abs()).clamp(min=0)
        blended = blended.addcmul(share, blur(planes, peak * step / (GRADES - 1))[:, None])
    return blended.to(images.dtype)


def shift(images: Float[Tensor, "n c h w"], dy: int, dx: int) -> Float[Tensor, "n c h w"]:
    """What is seen moves dy rows down and dx columns right; the border that comes in repeats the edge.

    Raises:
        TypeError: no tensor of floating-point numbers, a step that is no whole number.
        ValueError: another shape.
    """
    check_tensor("images", images, IMAGES)
    dy, dx = whole_number("dy", dy), whole_number("dx", dx)
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
    """Undo a shift: the maps of the image and of the shifted image, both cut to the positions that both show.

    Raises:
        TypeError: no tensors.
        ValueError: maps of other axes or sizes.
    """
    check_same(("maps", maps), ("shifted maps", shifted), ("images", "rows", "columns"))
    height, width = maps.shape[-2:]
    rows, columns = max(0, height - abs(dy)), max(0, width - abs(dx))
    up, down, left, right = max(0, -dy), max(0, dy), max(0, -dx), max(0, dx)
    return maps[:, up:, left:][:, :rows, :columns], shifted[:, down:, right:][:, :rows, :columns]


def flip(images: Float[Tensor, "... h w"], *, vertical: bool = False) -> Float[Tensor, "... h w"]:
    """Left and right exchanged, or top and bottom; its own way back."""
    return images.flip(-2 if vertical else -1)


def turn(images: Float[Tensor, "... h w"], quarters: int) -> Float[Tensor, "... H W"]:
    """Turned by quarters, counter-clockwise; the way back is `turn` by minus as many.

    Raises:
        TypeError: quarters that are no whole number.
    """
    quarters = whole_number("quarters", quarters)
    return torch.rot90(images, quarters, (-2, -1))


def _check_share(name: str, value: float) -> None:
    if not 0 <= real_number(name, value) <= 1:
        raise ValueError(f"{name} must lie between 0 and 1, got {value}.")


def _blur_matrix(side: int, sigma: float, like: Tensor) -> Float[Tensor, "side side"]:
    """Blurring one side, as a matrix: a radius beyond the image is no special case, and every device has a product.

    A pixel is seen directly, and mirrored at either border; both again after every two sides.
    """
    radius = int(4 * sigma + 0.5)
    reach = radius // (2 * side) + 1
    periods = 2 * side * torch.arange(-reach, reach + 1, device=like.device)[:, None]
    offsets = torch.arange(1 - side, side, device=like.device)
    distance = torch.stack((periods + offsets, periods + offsets + side))
    density = torch.exp(-0.5 * (distance.to(like.dtype) / sigma) ** 2)
    direct, mirrored = torch.where(distance.abs() <= radius, density, 0).sum(1)
    matrix = direct.flip(0).unfold(0, side, 1).flip(0) + mirrored.unfold(0, side, 1)
    return matrix / matrix.sum(1, keepdim=True)
