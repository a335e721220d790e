"""A figure as a file."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

from xai_widgets.figures.colours import INTERPOLATIONS
from xai_widgets.figures.drawing import FORMATS, checked, rendered
from xai_widgets.figures.style import Plan
from xai_widgets.figures.writing import check_free, put, target
from xai_widgets.scenes import Grid, Stage

NARROWEST_MM, WIDEST_MM = 40.0, 1000.0
LOWEST_DPI, HIGHEST_DPI, MOST_PIXELS = 36.0, 1200.0, 20_000


def write(scene: Any, path: str | os.PathLike[str], plan: Plan, *, overwrite: bool) -> Path:
    """Check everything first, draw, then write; see `figures.save`."""
    file, kind = target(path, FORMATS)
    scene = checked(scene)
    panels = scene.panels if isinstance(scene, Grid) else (scene,) if isinstance(scene, Stage) else ()
    if panels and all(panel.map is None for panel in panels):
        why = next(filter(None, (panel.error or panel.pending for panel in panels)), "its answer is on its way")
        raise ValueError(f"this {type(scene).__name__} has no map yet: {why.rstrip('.')}.")
    check_free(file, overwrite)
    put(file, rendered(scene, plan, kind), overwrite=overwrite)
    return file


def plan_of(*, width_mm: Any, dpi: Any, interpolation: Any, caption: Any, kind: str = "") -> Plan:
    """What was asked, if a figure can be drawn like that.

    Raises:
        TypeError: a width or dpi that is no number.
        ValueError: one that is out of range, or an interpolation that is not known.
    """
    width = _number("width_mm", width_mm, NARROWEST_MM, WIDEST_MM)
    dots = _number("dpi", dpi, LOWEST_DPI, min(HIGHEST_DPI, MOST_PIXELS / width * 25.4))
    known = ("native", *INTERPOLATIONS)
    if interpolation not in known:
        raise ValueError(f"interpolation must be one of {', '.join(known)}, got {interpolation!r}.")
    return Plan(width, dots, interpolation, bool(caption), vector=kind in ("pdf", "svg"))


def _number(name: str, value: Any, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number, got {value!r}.")
    if not (math.isfinite(value) and low <= value <= high):
        raise ValueError(f"{name} must be from {low:g} to {high:g}, got {value!r}.")
    return float(value)
