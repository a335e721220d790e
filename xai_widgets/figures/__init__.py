"""Scenes as pictures that stay: PDF, SVG and PNG files, and the still picture of a notebook.

Matplotlib is imported when the first figure is drawn.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from xai_widgets.figures.colours import coloured as coloured
from xai_widgets.figures.colours import overlay as overlay
from xai_widgets.figures.colours import ramps as ramps

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from xai_widgets.figures.words import Drawable


def save(
    scene: Drawable,
    path: str | os.PathLike[str],
    *,
    width_mm: float = 180.0,
    dpi: float = 300.0,
    interpolation: str = "native",
    caption: bool = True,
    overwrite: bool = False,
) -> Path:
    """Draw a scene into a file; its ending says how: .pdf, .svg or .png.

    Text stays text in PDF and SVG. Title, caption and the picture in words stand in the file's metadata. The same scene
    gives the same bytes. Matplotlib's settings are used for a moment; the fonts are those of `matplotlib.rcParams`.

    Args:
        scene: what a view shows.
        path: the file; its folder must exist.
        width_mm: of the figure, from 40; a journal's column has 85 to 90, its page 180. The height follows.
        dpi: pixels an inch of a PNG, and the most that a photo keeps.
        interpolation: of a stage's map: "native" shows its cells, "bilinear" and "bicubic" the values between them.
        caption: write heading and caption into the picture too.
        overwrite: write over a file that exists.

    Returns:
        The file.

    Raises:
        TypeError: what is no such scene, path or number.
        ValueError: an unknown ending or interpolation, a width or dpi out of range, a folder that does not exist or
            cannot be written, a scene that has nothing to draw yet.
        FileExistsError: the file exists, and `overwrite` is False.
    """
    from xai_widgets.figures.drawing import FORMATS
    from xai_widgets.figures.files import plan_of, write
    from xai_widgets.figures.writing import target

    _, kind = target(path, FORMATS)
    plan = plan_of(width_mm=width_mm, dpi=dpi, interpolation=interpolation, caption=caption, kind=kind)
    return write(scene, path, plan, overwrite=overwrite)


def draw(
    scene: Drawable,
    *,
    width_mm: float = 180.0,
    dpi: float = 300.0,
    interpolation: str = "native",
    caption: bool = True,
) -> Figure:
    """The matplotlib figure of a scene, to be looked at or changed; see `save`."""
    from xai_widgets.figures.drawing import build, checked
    from xai_widgets.figures.files import plan_of
    from xai_widgets.figures.style import settings

    plan = plan_of(width_mm=width_mm, dpi=dpi, interpolation=interpolation, caption=caption)
    with settings():
        return build(checked(scene), plan)


def caption(scene: Drawable, *, interpolation: str = "native") -> str:
    """What stands below the figure of a scene: method, what the colours mean, notes, receipt, grid."""
    from xai_widgets.figures import drawing, words

    return words.caption(drawing.checked(scene), interpolation)


def alt(scene: Drawable) -> str:
    """The figure of a scene in words, for those who do not see it."""
    from xai_widgets.figures import drawing, words

    return words.alt(drawing.checked(scene))


def still(scene: Drawable) -> tuple[bytes, str]:
    """What a view shows, to be kept in a notebook: a PNG, and heading and caption in words.

    At most 512 pixels wide, a bank, a grid and a gallery 900; never more than 400 kB.

    Raises:
        TypeError: what is no such scene.
        ValueError: a scene that has nothing to draw yet.
    """
    from xai_widgets.figures import stills

    return stills.still(scene)


def can_draw(scene: Drawable) -> bool:
    """Whether there is something to draw in a scene yet."""
    from xai_widgets.figures.drawing import missing

    return not missing(scene)
