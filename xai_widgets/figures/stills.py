"""The picture that a notebook keeps of a stage, for readers without a kernel."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from xai_widgets.figures import words
from xai_widgets.figures.drawing import build, checked
from xai_widgets.figures.style import MM, Plan, settings
from xai_widgets.scenes import Stage

PIXELS, DPI = 512, 120.0
STEP = 5  # between the shades of a channel: half the bytes, and unlike 256 colours none that is seen to be wrong


def still(scene: Any) -> tuple[bytes, str]:
    """A PNG of at most 512 pixels' width and what it shows in words."""
    scene = checked(scene)
    if not isinstance(scene, Stage):
        raise TypeError(f"scene must be a Stage, got {type(scene).__name__}.")
    interpolation = "bilinear" if scene.look.smooth else "native"
    with settings():
        figure = build(scene, Plan(PIXELS / DPI / MM, DPI, interpolation))
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        pixels = np.asarray(canvas.buffer_rgba())[..., :3].astype(np.uint16)
    file = io.BytesIO()
    Image.fromarray(((pixels + STEP // 2) // STEP * STEP).astype(np.uint8)).save(file, "PNG")
    degenerate = scene.map.degenerate if scene.map else ""
    lines = (words.heading(scene), degenerate, words.caption(scene, interpolation))
    return file.getvalue(), "\n".join(filter(None, lines))
