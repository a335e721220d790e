"""A gallery: a contact sheet of the first images, with score, rating and name each."""

from __future__ import annotations

import io
import math

import numpy as np
from matplotlib.axes import Axes
from PIL import Image

from xai_widgets.figures.layout import Canvas, Rows, in_mm, inset, write
from xai_widgets.figures.style import FAINT, INK, LINE, PAD_MM, SMALL, Plan, line_mm, middled, number, one_line
from xai_widgets.scenes import Gallery

CELL_MM, GAP_MM = 24.0, 1.5  # about the width of a thumbnail; between two
LINES = 3  # of words: the name, and two for what is known of the image


def paint_gallery(scene: Gallery, figure: Canvas, plan: Plan) -> Rows:
    """All images that have a thumbnail, in lines."""
    room = plan.width_mm - 2 * PAD_MM
    columns = max(int((room + GAP_MM) / (CELL_MM + GAP_MM)), 1)
    cell = (room + GAP_MM) / columns - GAP_MM
    high = cell + 0.7 + LINES * line_mm(SMALL) + 1.0
    lines = math.ceil(len(scene.thumbs) / columns)
    rows = Rows(figure.add_gridspec(lines, 1))
    for line in range(lines):
        host = in_mm(rows, figure, room, high)
        for place, (index, data) in enumerate(scene.thumbs[line * columns : (line + 1) * columns]):
            x = place * (cell + GAP_MM)
            _paint_thumb(inset(host, x, 0, cell, cell), data, current=index == scene.current)
            _write(host, scene, index, (x, cell + 0.7), cell)
    return rows


def _paint_thumb(axes: Axes, data: bytes, *, current: bool) -> None:
    """A thumbnail in a square; the image that is explained is framed."""
    axes.set(xticks=[], yticks=[], xlim=(-1, 1), ylim=(-1, 1))
    axes.spines[:].set_color(INK if current else LINE)
    axes.spines[:].set_linewidth(1.4 if current else 0.5)
    with Image.open(io.BytesIO(data)) as opened:
        picture = np.asarray(opened.convert("RGB"))
    longest = max(picture.shape[:2])
    tall, wide = picture.shape[0] / longest, picture.shape[1] / longest
    axes.imshow(picture, extent=(-wide, wide, -tall, tall), interpolation="auto")
    axes.set(xlim=(-1, 1), ylim=(-1, 1))


def _write(host: Axes, scene: Gallery, index: int, at: tuple[float, float], width: float) -> None:
    x, y = at
    write(host, middled(scene.names[index], width, 1, SMALL), x, y, SMALL)
    write(host, middled(known(scene, index), width, LINES - 1, SMALL), x, y + line_mm(SMALL), SMALL, color=FAINT)


def known(scene: Gallery, index: int) -> str:
    """What is known of an image: what the network says, the rating, the label."""
    parts = []
    score, rating = float(scene.scores[index]), float(scene.ratings[index])
    if index in scene.failed:
        parts.append("the network failed")
    elif math.isfinite(score):
        predicted = int(scene.predicted[index]) if len(scene.predicted) else -1
        name = scene.classes[predicted] if predicted >= 0 else scene.score_name or "score"
        parts.append(f"{name} {number(score, signed=False)}")
    if math.isfinite(rating):
        parts.append(f"rating {number(rating, signed=False)}{_spread(scene, index)}")
    if scene.labels[index]:
        parts.append(f"label {scene.labels[index]}")
    if len(scene.agreed) and scene.agreed[index] >= 0:
        parts.append(f"{scene.agreed[index]} of {scene.of_labels} labels right")
    if scene.splits and scene.splits[index]:
        parts.append("trained on" if scene.splits[index] == "train" else scene.splits[index])
    return one_line(" · ".join(parts))


def _spread(scene: Gallery, index: int) -> str:
    """The standard deviation of a rating, and how many gave one."""
    sd = float(scene.spreads[index]) if len(scene.spreads) else math.nan
    count = int(scene.raters[index]) if len(scene.raters) else 0
    return (f" ± {number(sd, signed=False)}" if math.isfinite(sd) else "") + (f" (n = {count:,})" if count else "")


def title(scene: Gallery) -> str:
    """How many images there are."""
    count = len(scene.names)
    return f"{count} image{'s' * (count != 1)}"


def caption(scene: Gallery) -> list[str]:
    """Which images are shown, which is explained, and what is wrong with others."""
    some, count = len(scene.thumbs), len(scene.names)
    parts = [f"The first {some} of {count} images" if some < count else f"All {count} images"]
    if scene.chips:
        kept = int(scene.kept.sum())
        first = f"the first {some} of them" if some < kept else "all of them"
        parts = [f"{kept} of {count} images, {first} shown: {'; '.join(one_line(one.words) for one in scene.chips)}"]
    if scene.slices:
        held = f"{len(scene.slices)} images ({one_line(', '.join(scene.slices))})"
        parts.append(f"Each is a sample of {held}, of which the first is shown")
    if scene.current in dict(scene.thumbs):
        parts.append(f"Framed: {one_line(scene.names[scene.current])}, which is explained")
    if scene.performance:
        parts.append(f"All images: {scene.performance}")
    if scene.problem_count:
        parts.append(f"{scene.problem_count} with problems, such as: {one_line(scene.problems[0])}")
    return parts


def alt(scene: Gallery) -> list[str]:
    """Each image with what is known of it."""
    said = [(one_line(scene.names[index]), known(scene, index)) for index, _ in scene.thumbs]
    return [f"{title(scene)}: {'; '.join(', '.join(filter(None, pair)) for pair in said)}"]
