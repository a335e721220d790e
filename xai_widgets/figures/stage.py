"""A stage: the photo, the photo with its map, and what the colours mean."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from numpy.typing import NDArray
from PIL import Image

from xai_widgets.figures.colours import coloured, corners, resized, under
from xai_widgets.figures.layout import Canvas, Rows
from xai_widgets.figures.legends import GREY, is_positive, legend, palette_of, say, second_legend
from xai_widgets.figures.style import FAINT, INK, MM, SMALL, Plan
from xai_widgets.scenes import Layer, Secondary, Stage


def paint_stage(scene: Stage, figure: Canvas, plan: Plan) -> Rows:
    """The reference where it is shown, photo and map side by side; below them a legend a layer."""
    assert scene.photo is not None
    layer = scene.map
    second = secondary_of(scene)
    legends = 0 if layer is None else 1 + (second is not None)
    beside = scene.reference is not None
    columns = beside + 1 + (layer is not None)
    grid = figure.add_gridspec(1 + legends, columns)
    rows = Rows(grid)
    height, width = scene.photo.shape[:2]
    mm = plan.width_mm / max(columns, 2)
    photo = rows.add(figure.add_subplot(grid[0, int(beside)]), lambda mm: mm * height / width)
    _show(photo, scene.photo, plan, mm)
    if scene.reference is not None:
        other = figure.add_subplot(grid[0, 0])
        _show(other, scene.reference, plan, mm)
        for axes, words in ((other, "reference"), (photo, "photo")):
            axes.set_title(words, loc="left", fontsize=SMALL, color=FAINT)
    if layer is None:
        return rows
    paint_map(figure.add_subplot(grid[0, columns - 1]), scene, plan, mm)
    if layer.degenerate:
        say(rows, figure, layer.degenerate, plan)
    else:
        legend(rows, figure, layer, scene.look, plan)
    if second is not None:
        second_legend(rows, figure, second, scene.look, plan)
    return rows


def paint_map(axes: Axes, scene: Stage, plan: Plan, width_mm: float) -> None:
    """The photo with what lies over it, this wide; without a map the photo alone."""
    assert scene.photo is not None
    layer, second = scene.map, secondary_of(scene)
    photo = scene.photo if layer is None else under(scene.photo, layer.box, grey=scene.look.grey)
    _show(axes, photo, plan, width_mm)
    if layer is not None and not layer.degenerate:
        _lay_map(axes, scene, layer, plan, width_mm)
    if second is not None:
        _lay_secondary(axes, scene, second)


def secondary_of(scene: Stage) -> Secondary | None:
    """The secondary layer, where it is switched on."""
    return None if scene.look.secondary == "off" or scene.map is None else scene.secondary


def _show(axes: Axes, photo: NDArray[np.uint8], plan: Plan, width_mm: float) -> None:
    """A photo in its own pixels, made smaller where the figure has fewer."""
    height, width = photo.shape[:2]
    most = max(round(width_mm * MM * plan.dpi), 1)
    picture = Image.fromarray(photo)
    if width > most:
        picture = picture.resize((most, max(round(height * most / width), 1)), Image.Resampling.LANCZOS)
    # A file with vectors keeps the photo's own pixels.
    axes.imshow(np.asarray(picture), extent=(0, width, height, 0), interpolation="none" if plan.vector else "auto")
    axes.set_axis_off()


def _lay(axes: Axes, picture: NDArray[np.floating], box: tuple[float, float, float, float], photo: NDArray) -> None:
    """An image (h w 4) over the box of the photo; the axes keep showing all of the photo."""
    height, width = photo.shape[:2]
    left, top, right, bottom = corners(box, width, height)
    axes.imshow(picture, extent=(left, max(right, left + 1), max(bottom, top + 1), top), interpolation="none")
    axes.set(xlim=(0, width), ylim=(height, 0))


def _lay_map(axes: Axes, scene: Stage, layer: Layer, plan: Plan, width_mm: float) -> None:
    assert scene.photo is not None
    values, strength = layer.values, layer.strength
    if plan.interpolation != "native":
        size = _fine(layer, scene.photo, width_mm * MM * plan.dpi)
        values = resized(values, size, plan.interpolation)
        strength = None if strength is None else resized(strength, size, plan.interpolation)
    sign = "positive" if is_positive(layer, scene.look) else "signed"
    colours, cover = coloured(values, layer.limit, palette=palette_of(scene), sign=sign, strength=strength)
    _lay(axes, np.dstack([colours / 255, scene.look.opacity * cover]), layer.box, scene.photo)


def _fine(layer: Layer, photo: NDArray[np.uint8], pixels: float) -> tuple[int, int]:
    """As many rows and columns as the figure has pixels for the map."""
    height, width = photo.shape[:2]
    scale = pixels / max(width, height)
    left, top, right, bottom = layer.box
    return max(round((bottom - top) * height * scale), 1), max(round((right - left) * width * scale), 1)


def _lay_secondary(axes: Axes, scene: Stage, second: Secondary) -> None:
    """Grey where it is strong, or a line around its strongest cells."""
    assert scene.map is not None
    assert scene.photo is not None
    if scene.look.secondary == "grey":
        _, cover = coloured(second.values, second.limit, sign="positive")
        grey = np.full((*cover.shape, 3), GREY / 255, np.float32)
        _lay(axes, np.dstack([grey, scene.look.opacity * cover]), scene.map.box, scene.photo)
        return
    height, width = scene.photo.shape[:2]
    left, top, right, bottom = corners(scene.map.box, width, height)
    rows, columns = second.outline.shape
    lines = borders(second.outline) * [(right - left) / columns, (bottom - top) / rows] + [left, top]
    for colour, thick in (("white", 1.8), (INK, 0.8)):
        axes.add_collection(LineCollection(list(lines), colors=colour, linewidths=thick, capstyle="projecting"))


def borders(region: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The sides (n 2 2) of cells between inside and outside of a region (h w), in cells: from (x, y) to (x, y)."""
    padded = np.pad(region, 1)
    y, x = np.nonzero(padded[1:-1, 1:] != padded[1:-1, :-1])
    upright = np.stack([np.stack([x, y], -1), np.stack([x, y + 1], -1)], 1)
    y, x = np.nonzero(padded[1:, 1:-1] != padded[:-1, 1:-1])
    level = np.stack([np.stack([x, y], -1), np.stack([x + 1, y], -1)], 1)
    return np.concatenate([upright, level]).astype(np.float64)
