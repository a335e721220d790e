"""A stage: the photo, the photo with its map, and what the colours mean."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from numpy.typing import NDArray
from PIL import Image

from xai_widgets.figures.colours import coloured, corners, resized, under
from xai_widgets.figures.layout import Canvas, Rows
from xai_widgets.figures.style import INK, LINE, MM, PAD_MM, SIZE, Plan, number, one_line, shortened, width_of
from xai_widgets.scenes import Layer, Look, Secondary, Stage

BAR_MM, SQUARE_MM = 3.0, 14.0  # heights of a legend with one dimension, and with two
GREY = 70.0  # the full colour of the secondary layer, of 255
STEPS = 256


def paint_stage(scene: Stage, figure: Canvas, plan: Plan) -> Rows:
    """Photo and map side by side; below them a legend a layer."""
    assert scene.photo is not None
    layer = scene.map
    second = secondary_of(scene)
    legends = 0 if layer is None else 1 + (second is not None)
    grid = figure.add_gridspec(1 + legends, 1 if layer is None else 2)
    rows = Rows(grid)
    height, width = scene.photo.shape[:2]
    photo = rows.add(figure.add_subplot(grid[0, 0]), lambda mm: mm * height / width)
    _show(photo, scene.photo, plan)
    if layer is None:
        return rows
    panel = figure.add_subplot(grid[0, 1])
    _show(panel, under(scene.photo, layer.box, grey=scene.look.grey), plan)
    if layer.degenerate:
        _say(rows, figure, layer.degenerate, plan)
    else:
        _lay_map(panel, scene, layer, plan)
        _legend(rows, figure, layer, scene.look, plan)
    if second is not None:
        _lay_secondary(panel, scene, second)
        _second_legend(rows, figure, second, scene.look, plan)
    return rows


def secondary_of(scene: Stage) -> Secondary | None:
    """The secondary layer, where it is switched on."""
    return None if scene.look.secondary == "off" or scene.map is None else scene.secondary


def palette_of(scene: Stage) -> str:
    """The palette of the map: its own, or the reader's choice."""
    return (scene.map.palette if scene.map else "") or scene.look.palette


def is_positive(layer: Layer, look: Look) -> bool:
    """Whether only values above 0 are shown."""
    return layer.one_sided or look.sign == "positive"


def depth(layer: Layer) -> str:
    """What the second dimension of a map means."""
    return f"saturated: {layer.strength_words or 'strong'}, pale: little of it"


def _show(axes: Axes, photo: NDArray[np.uint8], plan: Plan) -> None:
    """A photo in its own pixels, made smaller where the figure has fewer."""
    height, width = photo.shape[:2]
    most = max(round(plan.width_mm / 2 * MM * plan.dpi), 1)
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


def _lay_map(axes: Axes, scene: Stage, layer: Layer, plan: Plan) -> None:
    assert scene.photo is not None
    values, strength = layer.values, layer.strength
    if plan.interpolation != "native":
        size = _fine(layer, scene.photo, plan)
        values = resized(values, size, plan.interpolation)
        strength = None if strength is None else resized(strength, size, plan.interpolation)
    sign = "positive" if is_positive(layer, scene.look) else "signed"
    colours, cover = coloured(values, layer.limit, palette=palette_of(scene), sign=sign, strength=strength)
    _lay(axes, np.dstack([colours / 255, scene.look.opacity * cover]), layer.box, scene.photo)


def _fine(layer: Layer, photo: NDArray[np.uint8], plan: Plan) -> tuple[int, int]:
    """As many rows and columns as the figure has pixels for the map."""
    height, width = photo.shape[:2]
    scale = plan.width_mm / 2 * MM * plan.dpi / max(width, height)
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


def _say(rows: Rows, figure: Canvas, sentence: str, plan: Plan) -> None:
    """A sentence where the legend would stand."""
    axes = rows.add(figure.add_subplot(rows.next), lambda _: 0.5)
    axes.set_axis_off()
    axes.set_title(shortened(sentence, plan.width_mm - 4 * PAD_MM, 6, SIZE + 1), fontsize=SIZE + 1)


def _legend(rows: Rows, figure: Canvas, layer: Layer, look: Look, plan: Plan) -> None:
    """The colours from end to end, with what they mean, zero and both ends."""
    positive, flat = is_positive(layer, look), layer.strength is None
    meaning = layer.unit if flat else f"{layer.unit}\n{depth(layer)}"
    unit = shortened(meaning, plan.width_mm - 4 * PAD_MM, 3)
    axes = rows.add(figure.add_subplot(rows.next), lambda _: BAR_MM if flat else SQUARE_MM)
    across = np.linspace(0 if positive else -1, 1, STEPS)[None]
    strength = None if flat else np.linspace(1, 0, STEPS // 4)[:, None].repeat(STEPS, 1)
    values = across if flat else across.repeat(STEPS // 4, 0)
    colours, cover = coloured(values, 1, palette=layer.palette or look.palette, strength=strength)
    _bar(axes, colours, cover, positive=positive, limit=layer.limit, unit=unit)
    _ends(axes, "" if positive else one_line(layer.low), one_line(layer.high), plan)
    if not flat:
        axes.set_yticks([0, 1], ["pale", "saturated"])
        axes.yaxis.tick_right()


def _second_legend(rows: Rows, figure: Canvas, second: Secondary, look: Look, plan: Plan) -> None:
    """What grey, or the line, means."""
    if look.secondary == "outline" or second.limit <= 0:
        sign = "▭ " if look.secondary == "outline" and second.outline.any() else ""
        return _say(rows, figure, f"{sign}{second.words}", plan)
    axes = rows.add(figure.add_subplot(rows.next), lambda _: BAR_MM)
    _, cover = coloured(np.linspace(0, 1, STEPS)[None], 1, sign="positive")
    _bar(axes, np.full((1, STEPS, 3), GREY, np.float32), cover, positive=True, limit=second.limit, unit="")
    axes.set_title(shortened(second.words, plan.width_mm - 4 * PAD_MM, 3), loc="right")


def _bar(
    axes: Axes,
    colours: NDArray[np.float32],
    cover: NDArray[np.float32],
    *,
    positive: bool,
    limit: float,
    unit: str,
) -> None:
    """Colours on white from the low end to the high one."""
    shown = (colours * cover[..., None] + 255 * (1 - cover[..., None])).round().astype(np.uint8)
    low = 0 if positive else -1
    axes.imshow(shown, extent=(low, 1, 0, 1), aspect="auto", interpolation="none")
    ends = {0: "0", 1: number(limit)} if positive else {-1: number(-limit), 0: "0", 1: number(limit)}
    axes.set_xticks(list(ends), list(ends.values()))
    first, *_, last = axes.get_xticklabels()
    first.set_horizontalalignment("left")
    last.set_horizontalalignment("right")
    axes.set_yticks([])
    axes.set_xlabel(unit)
    axes.spines[:].set_color(LINE)


def _ends(axes: Axes, low: str, high: str, plan: Plan) -> None:
    """What both ends mean, above them; one above the other where a line is too short."""
    room = plan.width_mm - 4 * PAD_MM
    if low and width_of(low) + width_of(high) > 0.95 * room:
        low, high = shortened(f"← {low}", room, 3), shortened(f"{high} →", room, 3)
        low, high = low + "\n" * len(high.split("\n")), high
    axes.set_title(low, loc="left")
    axes.set_title(shortened(high, room, 3), loc="right")
