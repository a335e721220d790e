"""From a scene to a figure, and to its bytes."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from xai_widgets.figures import words
from xai_widgets.figures.bank import paint_bank
from xai_widgets.figures.gallery import paint_gallery
from xai_widgets.figures.grid import paint_grid
from xai_widgets.figures.layout import Rows, blank, fit, write_around
from xai_widgets.figures.picker import paint_picker
from xai_widgets.figures.plane import paint_plane
from xai_widgets.figures.radar import paint_radar
from xai_widgets.figures.stage import paint_stage
from xai_widgets.figures.style import Plan, settings
from xai_widgets.scenes import Bank, Gallery, Grid, Picker, Plane, Radar, Stage

PAINTERS: dict[type, Callable[..., Rows]] = {
    Stage: paint_stage,
    Grid: paint_grid,
    Bank: paint_bank,
    Plane: paint_plane,
    Radar: paint_radar,
    Gallery: paint_gallery,
    Picker: paint_picker,
}
FORMATS = ("pdf", "svg", "png")


def checked(scene: Any) -> words.Drawable:
    """A scene that can be drawn.

    Raises:
        TypeError: anything else than a scene that can be drawn.
        ValueError: a scene with nothing in it yet.
    """
    if not isinstance(scene, Stage | Grid | Bank | Plane | Radar | Gallery | Picker):
        *names, last = (kind.__name__ for kind in PAINTERS)
        raise TypeError(f"scene must be a {', '.join(names)} or {last}, got {type(scene).__name__}.")
    lacking = missing(scene)
    if lacking:
        raise ValueError(f"this {type(scene).__name__} has nothing to draw yet: {lacking}.")
    return scene


def missing(scene: words.Drawable) -> str:
    """What a scene lacks to be drawn; empty where it can be."""
    if isinstance(scene, Stage):
        return "no photo" if scene.photo is None else ""
    if isinstance(scene, Grid):
        return "" if any(panel.photo is not None for panel in scene.panels) else "no photo"
    if isinstance(scene, Bank):
        return "" if scene.thumbs.size else "no feature maps"
    if isinstance(scene, Plane):
        return "" if len(scene.delta_y) else "no removals"
    if isinstance(scene, Gallery):
        return "" if scene.thumbs else "no thumbnails"
    if isinstance(scene, Picker):
        known = len(scene.probabilities) if scene.task == "classification" else scene.score is not None
        return "" if known else "no answer of the network"
    values = [value for one in (*scene.series, *scene.sets) for value in one.values]
    return "" if np.isfinite(values).any() else "no measures"


def build(scene: words.Drawable, plan: Plan) -> Figure:
    """The figure of a scene; call it inside `settings`."""
    figure = blank(plan)
    rows = PAINTERS[type(scene)](scene, figure, plan)
    if plan.caption:
        caption = words.caption(scene, plan.interpolation)
        write_around(figure, words.heading(scene), caption, plan.width_mm)
    fit(figure, rows, plan.dpi)
    return figure


def rendered(scene: words.Drawable, plan: Plan, kind: str) -> bytes:
    """The bytes of a file of this format, the same for the same scene."""
    file = io.BytesIO()
    with settings():
        build(scene, plan).savefig(file, format=kind, dpi=plan.dpi, metadata=_metadata(scene, plan, kind))
    return file.getvalue()


def _metadata(scene: words.Drawable, plan: Plan, kind: str) -> dict[str, Any]:
    """Title, caption and the picture in words; no date, so that the same scene gives the same bytes."""
    title = words.title(scene)
    caption = words.caption(scene, plan.interpolation)
    description = f"{words.alt(scene)}\n{caption}"
    if kind == "pdf":
        return {"Title": title, "Subject": description, "Creator": "xai_widgets", "CreationDate": None}
    if kind == "svg":
        return {"Title": title, "Description": description, "Creator": "xai_widgets", "Date": None}
    return {"Title": title, "Description": description, "Software": "xai_widgets"}
