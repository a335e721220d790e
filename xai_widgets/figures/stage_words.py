"""What a figure of a stage says in words."""

from __future__ import annotations

import numpy as np

from xai_widgets.figures import over_words
from xai_widgets.figures.legends import is_positive, meaning
from xai_widgets.figures.stage import secondary_of
from xai_widgets.figures.style import one_line
from xai_widgets.scenes import Layer, Stage

WHOLE = (0.0, 0.0, 1.0, 1.0)
DIMMED = "Dimmed: what the network did not see"
STRONGEST = "What most {} lies {}"


def score(scene: Stage) -> str:
    """What the network says, in one line."""
    said = scene.score
    return "" if said is None else one_line(" · ".join((f"{said.label} {said.headline}", *said.facts)))


def caption(scene: Stage, interpolation: str) -> list[str]:
    """Sentences below the pictures."""
    layer = scene.map
    if layer is None:
        return [scene.pending, *beside(scene)]
    parts = [layer.title]
    if not layer.degenerate:  # its sentence stands in the picture
        parts += [meaning(scene), cells(layer, interpolation)]
    second = secondary_of(scene)
    if second is not None:
        parts.append(second.words)
    if tuple(layer.box) != WHOLE:
        parts.append(DIMMED)
    return [*parts, *over_words.of_one(scene), *beside(scene), layer.note, scene.receipt]


def beside(scene: Stage) -> list[str]:
    """Of the undistorted photo, where it is shown; of one that cannot be read, why."""
    if scene.reference is not None:
        return ["Reference: the undistorted photo"]
    return [scene.no_reference] if scene.look.reference and scene.no_reference else []


def cells(layer: Layer, interpolation: str) -> str:
    """How many values a map has, and whether others are shown between them."""
    rows, columns = layer.values.shape
    grid = layer.grid or f"{rows} × {columns} cells"
    return f"Map of {grid}, " + (
        "not smoothed" if interpolation == "native" else f"{interpolation} interpolation between them"
    )


def alt(scene: Stage) -> list[str]:
    """The picture in words."""
    layer = scene.map
    parts = [f"Photo {one_line(scene.name)}" + (f", {score(scene)}" if scene.score else "")]
    if scene.reference is not None:
        parts.append("To its left the undistorted photo, its reference")
    if layer is None:
        return [*parts, scene.pending]
    parts.append(f"Beside it the same photo with a map over it: {layer.title}")
    if layer.degenerate:
        return [*parts, layer.degenerate]
    parts.append(meaning(scene))
    return [*parts, *strongest(scene)]


def strongest(scene: Stage, said: str = STRONGEST) -> list[str]:
    """Where the strongest values of a map lie.

    Args:
        said: how it is said, of what a sign means and a place.
    """
    layer, parts = scene.map, []
    assert layer is not None
    values = np.nan_to_num(layer.values)
    for words, sign in ((layer.high, 1), ("" if is_positive(layer, scene.look) else layer.low, -1)):
        row, column = np.unravel_index((sign * values).argmax(), values.shape)
        if words and sign * values[row, column] > 0:
            parts.append(said.format(words, _place(layer, int(row), int(column))))
    return parts


def _place(layer: Layer, row: int, column: int) -> str:
    """Where a cell lies in the photo, in words."""
    rows, columns = layer.values.shape
    left, top, right, bottom = layer.box
    x = left + (column + 0.5) / columns * (right - left)
    y = top + (row + 0.5) / rows * (bottom - top)
    across = "left" if x < 1 / 3 else "right" if x > 2 / 3 else ""
    up = "at the top" if y < 1 / 3 else "at the bottom" if y > 2 / 3 else ""
    if across and up:
        return f"{up} {across}"
    return up or (f"on the {across}" if across else "in the middle")
