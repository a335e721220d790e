"""Pictures that stay: what a view shows, from plain data, without a browser."""

from __future__ import annotations

import importlib.util
import io
import json
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from xai_widgets.kernels.saliency import resize
from xai_widgets.static import FOLDER

Box = tuple[float, float, float, float]
COVER = 0.8  # how steeply a value covers the photo, as in the front end
SIDE = 256  # pixels of a picture's longer side: a notebook keeps it as text
MARGIN, GAP, LINE = 10, 10, 18
INK, FAINT, PAPER = (33, 33, 33), (97, 97, 97), (255, 255, 255)


@cache
def ramps() -> dict[str, NDArray[np.float32]]:
    """Colours from -1 to 1 by palette, (stops 3) of 255; the front end's own, so that both show the same."""
    text = (FOLDER / "palettes.js").read_text(encoding="utf-8")
    found = re.search(r"RAMPS = (\{.*?\});", text, re.DOTALL)
    if found is None:
        raise RuntimeError("palettes.js must hold RAMPS as JSON, got none.")
    return {name: np.array(stops, np.float32) for name, stops in json.loads(found[1]).items()}


def coloured(
    values: NDArray[np.floating], limit: float, *, palette: str = "blue-red", sign: str = "signed"
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Colours (... 3) of 255 and how much each covers (...) in [0, 1]: nothing at 0, all from `limit` on."""
    if palette not in ramps():
        raise ValueError(f"palette must be one of {', '.join(ramps())}, got {palette!r}.")
    if sign not in ("signed", "positive"):
        raise ValueError(f"sign must be signed or positive, got {sign!r}.")
    share = np.nan_to_num(np.asarray(values, np.float32)) * (1 / limit if limit > 0 else 0)
    share = np.clip(share, 0 if sign == "positive" else -1, 1)
    stops = ramps()[palette]
    at = (share + 1) / 2 * (len(stops) - 1)
    colours = np.stack([np.interp(at, np.arange(len(stops)), stops[:, channel]) for channel in range(3)], axis=-1)
    return colours.astype(np.float32), np.abs(share) ** COVER


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
        limit: the value of the full colour.
        box: left, top, right, bottom, as shares of the photo.
        smooth: up-sample the map, or show its cells.
        grey: show the photo without its colours.
    """
    height, width = photo.shape[:2]
    left, right = (round(side * width) for side in (box[0], box[2]))
    top, bottom = (round(side * height) for side in (box[1], box[3]))
    picture = photo.astype(np.float32)
    if grey:
        picture = np.repeat(picture @ np.array([[0.2126], [0.7152], [0.0722]], np.float32), 3, axis=2)
    inside = np.zeros((height, width, 1), bool)
    inside[top:bottom, left:right] = True
    picture = np.where(inside, picture, picture / 2)
    fine = _fitted(saliency, (max(bottom - top, 1), max(right - left, 1)), smooth)
    colours, cover = coloured(fine, limit, palette=palette, sign=sign)
    cover = opacity * cover[..., None]
    part = picture[top:bottom, left:right]
    cover, colours = cover[: part.shape[0], : part.shape[1]], colours[: part.shape[0], : part.shape[1]]
    picture[top:bottom, left:right] = part * (1 - cover) + colours * cover
    return picture.round().clip(0, 255).astype(np.uint8)


def still(scene: dict[str, Any]) -> tuple[bytes, str]:
    """What a stage shows, as PNG and in words; see `Stage.scene`."""
    score, saliency = scene["score"], scene["map"]
    photo = Image.open(io.BytesIO(scene["photo"])).convert("RGB")
    scale = SIDE / max(photo.size)
    photo = photo.resize(
        (max(round(photo.width * scale), 1), max(round(photo.height * scale), 1)), Image.Resampling.LANCZOS
    )
    pictures = [photo]
    words = [scene["name"], " · ".join([f"{score['label']} {score['headline']}", *score["facts"]]) if score else ""]
    if saliency:
        look = scene["look"] | ({"palette": saliency["palette"]} if saliency["palette"] else {})
        look |= {"opacity": 0.0} if saliency["degenerate"] else {}
        over = overlay(np.asarray(photo), saliency["values"], limit=saliency["limit"], box=saliency["box"], **look)
        pictures.append(Image.fromarray(over))
        words += [saliency["title"], *saliency["degenerate"].splitlines(), *saliency["note"].splitlines()]
    shown = saliency if saliency and not saliency["degenerate"] else None
    sheet = _sheet(pictures, [line.strip() for line in words if line.strip()], shown, scene["look"])
    file = io.BytesIO()
    sheet.save(file, "PNG", optimize=True)
    return file.getvalue(), "\n".join(line.strip() for line in words if line.strip())


def _fitted(saliency: NDArray[np.floating], size: tuple[int, int], smooth: bool) -> NDArray[np.float32]:
    values = np.array(saliency, np.float32)  # a copy: what came as bytes cannot be written, and torch warns
    if smooth:
        return resize(torch.from_numpy(values)[None], size)[0].numpy()
    rows, columns = ((np.arange(n) * m // n) for n, m in zip(size, values.shape, strict=True))
    return values[rows][:, columns]


def _sheet(
    pictures: list[Image.Image], words: list[str], saliency: dict[str, Any] | None, look: dict[str, Any]
) -> Image.Image:
    """Two lines, the pictures side by side, what their colours mean, and further lines."""
    font, bold = _font(12), _font(15, bold=True)
    width = sum(picture.width for picture in pictures) + GAP * (len(pictures) - 1)
    width = max(width, 2 * SIDE)
    lines = [part for line in words[2:] for part in _wrapped(line, font, width)]
    key = 3 * LINE if saliency else 0
    height = 2 * MARGIN + 2 * LINE + 8 + pictures[0].height + 6 + key + LINE * len(lines)
    sheet = Image.new("RGB", (width + 2 * MARGIN, height), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((MARGIN, MARGIN), _cut(words[0], font, width), INK, font)
    draw.text((MARGIN, MARGIN + LINE), _cut(words[1], bold, width) if len(words) > 1 else "", INK, bold)
    top, left = MARGIN + 2 * LINE + 8, MARGIN
    for picture in pictures:
        sheet.paste(picture, (left, top))
        left += picture.width + GAP
    top += pictures[0].height + 6
    if saliency:
        _key(sheet, draw, (MARGIN, top, width), saliency, look, font)
        top += key
    for line in lines:
        draw.text((MARGIN, top), line, FAINT, font)
        top += LINE
    return sheet


def _key(
    sheet: Image.Image,
    draw: ImageDraw.ImageDraw,
    place: tuple[int, int, int],
    saliency: dict[str, Any],
    look: dict[str, Any],
    font: ImageFont.FreeTypeFont,
) -> None:
    """What the colours mean, in words and numbers."""
    left, top, width = place
    positive = look["sign"] == "positive" or saliency["one_sided"]
    values = np.linspace(0 if positive else -1, 1, width, dtype=np.float32)[None]
    colours, cover = coloured(values, 1, palette=saliency["palette"] or look["palette"])
    band = colours * cover[..., None] + 255 * (1 - cover[..., None])
    sheet.paste(Image.fromarray(band.astype(np.uint8)).resize((width, 10)), (left, top + LINE))
    limit = saliency["limit"]
    rows = (
        (top, INK, ("" if positive else saliency["low"], "", saliency["high"])),
        (top + LINE + 12, FAINT, ("0", "", f"{limit:+.3g}") if positive else (f"{-limit:+.3g}", "0", f"{limit:+.3g}")),
    )
    for y, ink, texts in rows:
        for text, share in zip(texts, (0, 0.5, 1), strict=True):
            text = text.replace("-", "−") if y > top else text
            draw.text((left + (width - font.getlength(text)) * share, y), text, ink, font)


@cache
def _font(size: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which matplotlib brings, since Pillow's own font lacks arrows."""
    home = importlib.util.find_spec("matplotlib")
    places = list(home.submodule_search_locations or ()) if home else []
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    for place in places:
        file = Path(place) / "mpl-data" / "fonts" / "ttf" / name
        if file.exists():
            return ImageFont.truetype(str(file), size)
    raise RuntimeError(f"pictures need the font {name} of matplotlib, and matplotlib {places or 'is not installed'}.")


def _cut(text: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    """As much of a line as fits."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(f"{text}…") > width:
        text = text[:-1]
    return f"{text}…"


def _wrapped(text: str, font: ImageFont.FreeTypeFont, width: int) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= width or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    return [_cut(line, font, width) for line in lines]
