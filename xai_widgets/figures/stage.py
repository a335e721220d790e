"""A stage: the photo, the photo with its map, and what the colours mean."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from PIL import Image

from xai_widgets.figures.colours import coloured, corners, resized, under
from xai_widgets.figures.layout import Canvas, Rows, in_mm
from xai_widgets.figures.legends import GREY, is_positive, legend, palette_of, say, second_legend
from xai_widgets.figures.lines import ABOVE, key_mm, paint_lines, paint_signs
from xai_widgets.figures.over import Over, one, over_of
from xai_widgets.figures.over_words import signs
from xai_widgets.figures.style import FAINT, INK, MM, PAD_MM, SMALL, Plan
from xai_widgets.scenes import Layer, Secondary, Stage

NOTHING = Over()


def paint_stage(scene: Stage, figure: Canvas, plan: Plan) -> Rows:
    """The reference where it is shown, photo and map side by side; below them a legend a layer."""
    assert scene.photo is not None
    layer = scene.map
    second = secondary_of(scene)
    key = [] if layer is None else signs(one(scene))
    legends = 0 if layer is None else 1 + (second is not None) + bool(key)
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
    paint_map(figure.add_subplot(grid[0, columns - 1]), scene, plan, mm, over_of(scene))
    if layer.degenerate:
        say(rows, figure, layer.degenerate, plan)
    else:
        legend(rows, figure, layer, scene.look, plan)
    if second is not None:
        second_legend(rows, figure, second, scene.look, plan)
    if key:
        room = plan.width_mm - 4 * PAD_MM
        paint_signs(in_mm(rows, figure, room, key_mm(key, room, SMALL) + 0.5), key, (0.0, 0.5, room), SMALL)
    return rows


def paint_map(axes: Axes, scene: Stage, plan: Plan, width_mm: float, over: Over = NOTHING) -> None:
    """The photo with what lies over it, this wide; without a map the photo alone."""
    assert scene.photo is not None
    height, width = scene.photo.shape[:2]
    _photo_and_map(axes, scene, plan, width_mm, (width, height))
    second = secondary_of(scene)
    if second is not None:
        _lay_secondary(axes, scene, second)
    if over.right is not None:
        _lay_right(axes, over.right, plan, width_mm, (width, height), scene.look.divider)
    paint_lines(axes, over.lines, (width, height), width_mm)


def _photo_and_map(axes: Axes, scene: Stage, plan: Plan, width_mm: float, size: tuple[int, int]) -> None:
    """Both over so many units of the axes, whatever the size of the photo is."""
    assert scene.photo is not None
    layer = scene.map
    photo = scene.photo if layer is None else under(scene.photo, layer.box, grey=scene.look.grey)
    _show(axes, photo, plan, width_mm, size)
    if layer is not None and not layer.degenerate:
        _lay_map(axes, scene, layer, plan, width_mm, size)


def _lay_right(axes: Axes, scene: Stage, plan: Plan, width_mm: float, size: tuple[int, int], divider: float) -> None:
    """Another panel on the right of a line; of another shape it is stretched, as on the stage."""
    below = len(axes.images)
    _photo_and_map(axes, scene, plan, width_mm, size)
    x, (width, height) = divider * size[0], size
    for picture in axes.images[below:]:
        picture.set_zorder(ABOVE - 1)  # the outlines of what lies on the left are covered too
        picture.set_clip_path(Rectangle((x, 0), width - x, height, transform=axes.transData))
    for colour, thick in ((INK, 2.2), ("white", 1.2)):
        line = LineCollection([[(x, 0), (x, height)]], colors=colour, linewidths=thick, capstyle="butt")
        axes.add_collection(line, autolim=False).set_zorder(ABOVE - 1)


def secondary_of(scene: Stage) -> Secondary | None:
    """The secondary layer, where it is switched on."""
    return None if scene.look.secondary == "off" or scene.map is None else scene.secondary


def _show(
    axes: Axes, photo: NDArray[np.uint8], plan: Plan, width_mm: float, size: tuple[int, int] | None = None
) -> None:
    """A photo in its own pixels, made smaller where the figure has fewer.

    Args:
        size: width and height in units of the axes; those of the photo where left out.
    """
    height, width = photo.shape[:2]
    across, down = size or (width, height)
    most = max(round(width_mm * MM * plan.dpi), 1)
    picture = Image.fromarray(photo)
    if width > most:
        picture = picture.resize((most, max(round(height * most / width), 1)), Image.Resampling.LANCZOS)
    # A file with vectors keeps the photo's own pixels.
    axes.imshow(np.asarray(picture), extent=(0, across, down, 0), interpolation="none" if plan.vector else "auto")
    axes.set_axis_off()


def _lay(
    axes: Axes, picture: NDArray[np.floating], box: tuple[float, float, float, float], size: tuple[int, int]
) -> None:
    """An image (h w 4) over the box of a photo of this width and height; the axes keep showing all of it."""
    width, height = size
    left, top, right, bottom = corners(box, width, height)
    axes.imshow(picture, extent=(left, max(right, left + 1), max(bottom, top + 1), top), interpolation="none")
    axes.set(xlim=(0, width), ylim=(height, 0))


def _lay_map(axes: Axes, scene: Stage, layer: Layer, plan: Plan, width_mm: float, size: tuple[int, int]) -> None:
    values, strength = layer.values, layer.strength
    if plan.interpolation != "native":
        fine, unknown = _fine(layer, size, width_mm * MM * plan.dpi), ~np.isfinite(values)
        values = resized(values, fine, plan.interpolation)
        if unknown.any():  # nothing lies between a value and none
            values = np.where(resized(unknown.astype(np.float32), fine, plan.interpolation) != 0, np.nan, values)
        strength = None if strength is None else resized(strength, fine, plan.interpolation)
    sign = "positive" if is_positive(layer, scene.look) else "signed"
    colours, cover = coloured(values, layer.limit, palette=palette_of(scene), sign=sign, strength=strength)
    _lay(axes, np.dstack([colours / 255, scene.look.opacity * cover]), layer.box, size)


def _fine(layer: Layer, size: tuple[int, int], pixels: float) -> tuple[int, int]:
    """As many rows and columns as the figure has pixels for the map."""
    width, height = size
    scale = pixels / max(width, height)
    left, top, right, bottom = layer.box
    return max(round((bottom - top) * height * scale), 1), max(round((right - left) * width * scale), 1)


def _lay_secondary(axes: Axes, scene: Stage, second: Secondary) -> None:
    """Grey where it is strong, or a line around its strongest cells."""
    assert scene.map is not None
    assert scene.photo is not None
    height, width = scene.photo.shape[:2]
    if scene.look.secondary == "grey":
        _, cover = coloured(second.values, second.limit, sign="positive")
        grey = np.full((*cover.shape, 3), GREY / 255, np.float32)
        _lay(axes, np.dstack([grey, scene.look.opacity * cover]), scene.map.box, (width, height))
        return
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
