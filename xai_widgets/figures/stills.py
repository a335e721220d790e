"""The picture that a notebook keeps of what a view shows, for readers without a kernel."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from numpy.typing import NDArray
from PIL import Image

from xai_widgets.figures import words
from xai_widgets.figures.drawing import build, checked
from xai_widgets.figures.style import MM, Plan, settings
from xai_widgets.scenes import Bank, Gallery, Grid, Stage

PIXELS, WIDE, DPI = 512, 900, 120.0  # a width, that of a sheet of many pictures, and pixels an inch
MOST_BYTES = 400_000
STEPS = (5, 10, 20)  # between the shades of a channel: fewer bytes, and unlike 256 colours none seen to be wrong
SMALLER = 0.8  # of the width, where coarser shades do not do


def still(scene: Any) -> tuple[bytes, str]:
    """A PNG and what it shows in words."""
    scene = checked(scene)
    panels = scene.panels if isinstance(scene, Grid) else (scene,) if isinstance(scene, Stage) else ()
    interpolation = "bilinear" if panels and panels[0].look.smooth else "native"
    width = WIDE if isinstance(scene, Bank | Grid | Gallery) else PIXELS
    with settings():
        figure = build(scene, Plan(width / DPI / MM, DPI, interpolation))
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        pixels = np.asarray(canvas.buffer_rgba())[..., :3].copy()
    degenerate = scene.map.degenerate if isinstance(scene, Stage) and scene.map else ""
    lines = (words.heading(scene), degenerate, words.caption(scene, interpolation))
    return _small(pixels), "\n".join(filter(None, lines))


def _small(pixels: NDArray[np.uint8]) -> bytes:
    """A PNG of at most `MOST_BYTES`: with coarser shades where it must be, then with fewer pixels."""
    picture = Image.fromarray(pixels)
    while True:
        for step in STEPS:
            data = _encoded(np.asarray(picture), step)
            if len(data) <= MOST_BYTES:
                return data
        size = max(round(picture.width * SMALLER), 1), max(round(picture.height * SMALLER), 1)
        picture = picture.resize(size, Image.Resampling.LANCZOS)


def _encoded(pixels: NDArray[np.uint8], step: int) -> bytes:
    shades = ((pixels.astype(np.uint16) + step // 2) // step * step).clip(0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(shades).save(file, "PNG")
    return file.getvalue()
