"""Five measures of a saliency map: entropy, noise, resilience, focus and stability, and the SSIM they rest on.

`explain` turns changed images (n 3 h w) in [0, 1] into maps (n h' w') of the target that is explained, not negative.
It gets `batch` images at a time; `step` is called before each batch and may raise to cancel. A map that is constant or
not finite makes its value NaN; `mean_defined` leaves those out and counts them.

Reference: Crum et al., Explain To Me, 2023.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache, partial
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from xai_widgets.kernels import degrade
from xai_widgets.kernels.saliency import degenerate, resize

Explain = Callable[[Tensor], Tensor]
Step = Callable[[], None] | None

LEVELS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
NOISES = ("salt_and_pepper", "gaussian_noise", "blur")
SMOOTHING = 5 / 224  # of the shorter side: the Gaussian over the weight of the graded blur


def entropy(saliency: Float[Tensor, "n h w"]) -> Float[Tensor, " n"]:
    """Spread of each map, of its greatest possible: 1 for a uniform map, 0 for one pixel, NaN where it is undefined.

    Undefined: an all-zero map, a negative or not finite value, a map of one place only.
    """
    height, width = saliency.shape[-2:]
    peak = saliency.amax((-2, -1), keepdim=True)
    share = saliency / peak  # first by the maximum: a sum of huge values is infinite
    share = share / share.sum((-2, -1), keepdim=True)
    bits = -torch.special.xlogy(share, share).sum((-2, -1))
    defined = (saliency >= 0).all(-1).all(-1) & saliency.isfinite().all(-1).all(-1) & (peak[:, 0, 0] > 0)
    return torch.where(defined, bits, math.nan) / (math.log(height * width) or math.nan)


def ssim(a: Float[Tensor, "n h w"], b: Float[Tensor, "n h w"]) -> Float[Tensor, " n"]:
    """Structural similarity of two maps, each scaled by its own maximum: uniform window, sample covariance.

    The window is 7 x 7 or the largest odd one that fits. NaN where either map is constant, not finite or never
    positive, and for sides below 3. Equal to scikit-image's structural_similarity of the scaled maps, data_range=1.
    """
    side = min(7, *a.shape[-2:])
    window = side - (side + 1) % 2
    if window < 3:
        return a.new_full(a.shape[:1], math.nan)
    undefined = _flat(a) | _flat(b)
    dtype = widest(a.device)
    x, y = (_scaled(maps.to(dtype)) for maps in (a, b))
    mean_x, mean_y, mean_xx, mean_yy, mean_xy = (_box(plane, window) for plane in (x, y, x * x, y * y, x * y))
    sample = window**2 / (window**2 - 1)
    variances = sample * (mean_xx - mean_x**2 + mean_yy - mean_y**2)
    covariance = sample * (mean_xy - mean_x * mean_y)
    c1, c2 = 0.01**2, 0.03**2
    similar = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    similar = similar / ((mean_x**2 + mean_y**2 + c1) * (variances + c2))
    return torch.where(undefined, math.nan, similar.mean((-2, -1))).to(a.dtype)


def noise_robustness(
    explain: Explain,
    image: Float[Tensor, "3 h w"],
    *,
    generator: torch.Generator,
    kind: str = "salt_and_pepper",
    levels: tuple[float, ...] = LEVELS,
    far_end: bool = False,
    batch: int = 8,
    step: Step = None,
) -> Float[Tensor, " s"]:
    """SSIM of the image's map and the map of the noisy image, for each level, at the maps' own resolution.

    Args:
        explain: Images to maps.
        image: In [0, 1].
        generator: On the image's device.
        kind: "salt_and_pepper" (a level is a share of pixels), "gaussian_noise" (a standard deviation), or "blur"
            (sigma is the level times a tenth of the shorter side).
        levels: As many values come back.
        far_end: One more value at the end, for uniform random noise alone: the reaction to nonsense.
        batch: Images that are explained at a time.
        step: Called before each batch.
    """
    if kind not in NOISES:
        raise ValueError(f"kind must be one of {', '.join(NOISES)}, got {kind!r}.")
    changed = [image[None], *(_worsened(image[None], kind, level, generator) for level in levels)]
    if far_end:
        changed.append(torch.rand(changed[0].shape, generator=generator, device=image.device, dtype=image.dtype))
    maps = _maps_of(explain, torch.cat(changed), batch, step)
    return ssim(maps[:1].expand_as(maps[1:]), maps[1:])


def resilience_by_transform(
    explain: Explain,
    image: Float[Tensor, "3 h w"],
    *,
    batch: int = 8,
    step: Step = None,
) -> dict[str, Tensor]:
    """SSIM of the image's map and the map of the moved image, moved back, at the image's resolution.

    Eight shifts by a fourteenth of the shorter side, two flips, two quarter turns (none for an image that is not
    square).
    """
    moves = _moves(*image.shape[-2:])
    changed = torch.cat([image[None], *(move.there(image[None]) for move in moves)])
    maps = _resized(_maps_of(explain, changed, batch, step), image)
    values: dict[str, list[Tensor]] = {"shifts": [], "flips": [], "turns": []}
    for move, moved in zip(moves, maps[1:], strict=True):
        values[move.group].append(ssim(*move.back(maps[:1], moved[None])))
    return {group: torch.cat(some) if some else image.new_zeros(0) for group, some in values.items()}


def resilience(
    explain: Explain,
    image: Float[Tensor, "3 h w"],
    *,
    batch: int = 8,
    step: Step = None,
) -> dict[str, float]:
    """The mean of each group of `resilience_by_transform`: shifts, flips, turns; NaN for turns of oblong images."""
    groups = resilience_by_transform(explain, image, batch=batch, step=step)
    return {name: mean_defined(values)[0] for name, values in groups.items()}


def removals(
    image: Float[Tensor, "3 h w"],
    saliency: Float[Tensor, "H W"],
    *,
    exponent: float = 4.0,
) -> Float[Tensor, "2 3 h w"]:
    """The image with its salient, and with its other regions blurred away; for a zero map nothing is salient.

    The weight of the graded blur is the map at the image's size, smoothed, its maximum 1; the other regions have
    1 minus that weight.
    """
    height, width = image.shape[-2:]
    weight = _scaled(resize(_scaled(saliency[None]).to(image.dtype), (height, width)))
    weight = _scaled(degrade.blur(weight[:, None], SMOOTHING * min(height, width))[:, 0])
    return degrade.graded_blur(image[None], torch.cat((weight, 1 - weight)), exponent)


def focus(
    explain: Explain,
    image: Float[Tensor, "3 h w"],
    *,
    exponent: float = 4.0,
    batch: int = 8,
    step: Step = None,
) -> tuple[float, float]:
    """SSIM of the map with that of the image without its salient, and without its other regions; at image size."""
    clean = _maps_of(explain, image[None], batch, step)
    if degenerate(clean).item():
        return math.nan, math.nan
    changed = _maps_of(explain, removals(image, clean[0], exponent=exponent), batch, step)
    before, salient, other = _resized(torch.cat((clean, changed)), image)[:, None]
    return ssim(before, salient).item(), ssim(before, other).item()


def stability(maps: Float[Tensor, "r h w"]) -> Float[Tensor, ""]:
    """Mean SSIM over all pairs of training runs, on one image; NaN for fewer than two runs."""
    first, second = torch.triu_indices(len(maps), len(maps), 1, device=maps.device)
    return ssim(maps[first], maps[second]).nanmean()


def mean_defined(values: Float[Tensor, " n"]) -> tuple[float, int]:
    """The mean without NaN, and how many were left out; NaN when none is left."""
    return values.nanmean().item(), int(values.isnan().sum())


def bootstrap_interval(
    values: Float[Tensor, " n"],
    *,
    generator: torch.Generator,
    draws: int = 2000,
    share: float = 0.95,
) -> tuple[float, float]:
    """The interval that holds this share of bootstrap means, NaN left out; NaN for fewer than two values."""
    defined = values[~values.isnan()]
    if len(defined) < 2:
        return math.nan, math.nan
    chosen = torch.randint(len(defined), (draws, len(defined)), generator=generator, device=values.device)
    means = defined[chosen].mean(1)
    low, high = (means.quantile(rank).item() for rank in ((1 - share) / 2, (1 + share) / 2))
    return low, high


@cache
def widest(device: torch.device) -> torch.dtype:
    """The most precise floating type that a device computes in; Apple's GPU has no float64."""
    try:
        torch.zeros(1, dtype=torch.float64, device=device)
    except TypeError:
        return torch.float32
    return torch.float64


def _worsened(
    image: Float[Tensor, "1 3 h w"],
    kind: str,
    level: float,
    generator: torch.Generator,
) -> Float[Tensor, "1 3 h w"]:
    if kind == "salt_and_pepper":
        return degrade.salt_and_pepper(image, level, generator=generator)
    if kind == "gaussian_noise":
        return degrade.gaussian_noise(image, level, generator=generator)
    return degrade.blur(image, level * min(image.shape[-2:]) / 10)


def _maps_of(explain: Explain, images: Float[Tensor, "n 3 h w"], batch: int, step: Step) -> Float[Tensor, "n H W"]:
    parts = []
    for some in images.split(batch):
        if step is not None:
            step()
        parts.append(explain(some).detach())
    maps = torch.cat(parts)
    if len(maps) != len(images):
        raise ValueError(f"explain must give one map an image, got {len(maps)} maps for {len(images)} images.")
    if bool((maps < 0).any()):
        raise ValueError("explain must give maps without negative values, cut them at 0 first.")
    return maps


def _resized(maps: Float[Tensor, "n h w"], image: Float[Tensor, "3 H W"]) -> Float[Tensor, "n H W"]:
    """At the image's size; a degenerate map stays one, whatever rounding makes of it."""
    height, width = image.shape[-2:]
    return torch.where(degenerate(maps)[:, None, None], math.nan, resize(maps, (height, width)))


class Move(NamedTuple):
    """A change of place: of images, and how a map is brought back to the places of the clean one."""

    group: str
    there: Callable[[Tensor], Tensor]
    back: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def _moves(height: int, width: int) -> list[Move]:
    reach = max(1, round(min(height, width) / 14))
    shifts = [(down * reach, right * reach) for down in (-1, 0, 1) for right in (-1, 0, 1) if down or right]
    moves = [
        Move("shifts", partial(degrade.shift, dy=y, dx=x), partial(degrade.overlap, dy=y, dx=x)) for y, x in shifts
    ]
    for vertical in (False, True):
        flip = partial(degrade.flip, vertical=vertical)
        moves.append(Move("flips", flip, partial(_undone, flip)))
    for quarters in (1, -1) if height == width else ():
        there, back = (partial(degrade.turn, quarters=way) for way in (quarters, -quarters))
        moves.append(Move("turns", there, partial(_undone, back)))
    return moves


def _undone(back: Callable[[Tensor], Tensor], clean: Tensor, moved: Tensor) -> tuple[Tensor, Tensor]:
    return clean, back(moved)


def _flat(maps: Float[Tensor, "n h w"]) -> Tensor:
    """Constant up to rounding: a plateau that was resized differs in its last bits, and those are no structure."""
    high, low = maps.amax((-2, -1)), maps.amin((-2, -1))
    spread = 4 * torch.finfo(maps.dtype).eps * high.abs().maximum(low.abs())
    return ~(high - low > spread) | (high <= 0) | ~maps.isfinite().all(-1).all(-1)


def _scaled(maps: Float[Tensor, "n h w"]) -> Float[Tensor, "n h w"]:
    peak = maps.amax((-2, -1), keepdim=True)
    return maps / torch.where(peak > 0, peak, 1)


def _box(plane: Float[Tensor, "n h w"], window: int) -> Float[Tensor, "n H W"]:
    """Means of all windows that lie inside, rows and columns one after the other."""
    rows = F.avg_pool2d(plane[:, None], (window, 1), stride=1)
    return F.avg_pool2d(rows, (1, window), stride=1)[:, 0]
