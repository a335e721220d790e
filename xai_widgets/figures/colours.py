"""The colours of maps and marks: those of the front end, read from its own files, so that all pictures agree."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from xai_widgets.static import FOLDER

COVER = 0.8  # how steeply a value covers the photo, as in the front end
LUMA = np.array([[0.2126], [0.7152], [0.0722]], np.float32)
INTERPOLATIONS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
SERIES = ("#3a87c8", "#d5622b", "#1a9a74", "#c467a0", "#c08a00", "#8a8a8a")  # told apart by the colour-blind too


@cache
def ramps() -> dict[str, NDArray[np.float32]]:
    """Colours from -1 to 1 by palette, (stops 3) of 255."""
    stops = json.loads(found("shared/palettes.js", r"RAMPS = (\{.*?\});"))
    return {name: np.array(colours, np.float32) for name, colours in stops.items()}


@cache
def pale() -> int:
    """Red, green and blue of a colour without saturation, of 255."""
    return int(found("shared/palettes.js", r"PALE = (\d+);"))


@cache
def theme(name: str) -> str:
    """A colour of the light theme, such as `raises`, as #rrggbb."""
    return found("shared/theme.css", rf"--xw-{name}:[^;]*?(#[0-9a-f]{{6}})")


def found(file: str, pattern: str) -> str:
    """What a file of the front end says: the first group of the pattern."""
    match = re.search(pattern, (FOLDER / file).read_text(encoding="utf-8"), re.DOTALL)
    if match is None:
        raise RuntimeError(f"{file} must hold what matches {pattern!r}, got nothing.")
    return match[1]


def coloured(
    values: NDArray[np.floating],
    limit: float,
    *,
    palette: str = "blue-red",
    sign: str = "signed",
    strength: NDArray[np.floating] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Colours (... 3) of 255 and how much each covers (...) in [0, 1]: nothing at 0, all from `limit` on.

    Args:
        values: signed; NaN counts as 0.
        limit: the value of the full colour.
        strength: shaped like the values, in [0, 1]: how saturated each colour is; full where left out.

    Raises:
        ValueError: a palette or sign that is not known.
    """
    if palette not in ramps():
        raise ValueError(f"palette must be one of {', '.join(ramps())}, got {palette!r}.")
    if sign not in ("signed", "positive"):
        raise ValueError(f"sign must be signed or positive, got {sign!r}.")
    known = np.nan_to_num(np.asarray(values, np.float64))
    with np.errstate(over="ignore"):  # what is far beyond the limit has the full colour
        share = known / limit if limit > 0 else np.zeros_like(known)
    share = np.clip(share, 0 if sign == "positive" else -1, 1)
    stops = ramps()[palette]
    at = (share + 1) / 2 * (len(stops) - 1)
    colours = np.stack([np.interp(at, np.arange(len(stops)), stops[:, channel]) for channel in range(3)], axis=-1)
    if strength is not None:
        colours = pale() + np.clip(_finite(strength), 0, 1)[..., None] * (colours - pale())
    return colours.astype(np.float32), (np.abs(share) ** COVER).astype(np.float32)


def overlay(
    photo: NDArray[np.uint8],
    saliency: NDArray[np.floating],
    *,
    limit: float,
    box: Sequence[float] = (0, 0, 1, 1),
    opacity: float = 0.75,
    palette: str = "blue-red",
    sign: str = "signed",
    smooth: bool = True,
    grey: bool = False,
) -> NDArray[np.uint8]:
    """A photo (H W 3) with a map (h w) over the box that it covers; what lies beside the box is dimmed.

    Args:
        photo: the whole photo.
        saliency: the map, at its own size.
        limit: the value of the full colour.
        box: left, top, right, bottom, as shares of the photo.
        opacity: of the full colour.
        palette: one of `ramps()`.
        sign: "signed", or "positive" for what is above 0 only.
        smooth: up-sample the map, or show its cells.
        grey: show the photo without its colours.
    """
    height, width = photo.shape[:2]
    picture = under(photo, box, grey=grey).astype(np.float32)
    left, top, right, bottom = corners(box, width, height)
    fine = resized(saliency, (max(bottom - top, 1), max(right - left, 1)), "bilinear" if smooth else "native")
    colours, cover = coloured(fine, limit, palette=palette, sign=sign)
    cover = opacity * cover[..., None]
    part = picture[top:bottom, left:right]
    cover, colours = cover[: part.shape[0], : part.shape[1]], colours[: part.shape[0], : part.shape[1]]
    picture[top:bottom, left:right] = part * (1 - cover) + colours * cover
    return picture.round().clip(0, 255).astype(np.uint8)


def under(photo: NDArray[np.uint8], box: Sequence[float], *, grey: bool) -> NDArray[np.uint8]:
    """A photo (H W 3) as it lies under a map: without its colours, dimmed where the network did not look."""
    height, width = photo.shape[:2]
    picture = photo.astype(np.float32)
    if grey:
        picture = np.repeat(picture @ LUMA, 3, axis=2)
    left, top, right, bottom = corners(box, width, height)
    inside = np.zeros((height, width, 1), bool)
    inside[top:bottom, left:right] = True
    return np.where(inside, picture, picture / 2).round().clip(0, 255).astype(np.uint8)


def corners(box: Sequence[float], width: int, height: int) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of a box in pixels."""
    left, right = (round(side * width) for side in (box[0], box[2]))
    top, bottom = (round(side * height) for side in (box[1], box[3]))
    return left, top, right, bottom


def resized(values: NDArray[np.floating], size: tuple[int, int], interpolation: str) -> NDArray[np.float32]:
    """A map (h w) at another size: cells with sharp edges ("native"), or values between them.

    As torch interpolates, corners not aligned and antialiased where a side shrinks; values that are not finite are 0.
    """
    if interpolation == "native":
        rows, columns = ((np.arange(n) * m // n) for n, m in zip(size, values.shape, strict=True))
        return _finite(values)[rows][:, columns]
    picture = Image.fromarray(_finite(values)).resize(size[::-1], INTERPOLATIONS[interpolation])
    return np.asarray(picture, np.float32)


def _finite(values: NDArray[np.floating]) -> NDArray[np.float32]:
    return np.nan_to_num(np.asarray(values, np.float32), posinf=0, neginf=0)
