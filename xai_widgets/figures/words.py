"""What a figure says beside its pictures: a title, a caption, and the picture in words for those who do not see it."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from xai_widgets.figures import marks
from xai_widgets.figures.bank import order_of
from xai_widgets.figures.plane import has_error
from xai_widgets.figures.stage import depth, is_positive, palette_of, secondary_of
from xai_widgets.figures.style import number, one_line, printable
from xai_widgets.scenes import Bank, Layer, Plane, Radar, Stage

Drawable = Stage | Bank | Plane | Radar
WHOLE = (0.0, 0.0, 1.0, 1.0)


def _headed(scene: Bank | Plane) -> str:
    """The title, with image, model and P where the scene names them."""
    return " · ".join(filter(None, (scene.title, scene.about)))


def title(scene: Drawable) -> str:
    """One line: what is shown, for a file's title."""
    if isinstance(scene, Stage):
        return " · ".join(filter(None, (one_line(scene.name), one_line(scene.map.title) if scene.map else "")))
    if isinstance(scene, Radar):
        return "Measures of a saliency map: " + ", ".join(one_line(one.name) for one in scene.series)
    return one_line(_headed(scene))


def heading(scene: Drawable) -> str:
    """What stands above the pictures: the image with its score, the layer."""
    if isinstance(scene, Stage):
        return "\n".join(filter(None, (one_line(scene.name), score(scene))))
    return "" if isinstance(scene, Radar) else one_line(_headed(scene))


def score(scene: Stage) -> str:
    """What the network says, in one line."""
    said = scene.score
    return "" if said is None else one_line(" · ".join((f"{said.label} {said.headline}", *said.facts)))


def caption(scene: Drawable, interpolation: str = "native") -> str:
    """What stands below the pictures, in sentences."""
    if isinstance(scene, Stage):
        parts = _stage_caption(scene, interpolation)
    elif isinstance(scene, Bank):
        parts = [scene.note, scene.joint, "Dark: strong activation, each map on its own scale."]
    elif isinstance(scene, Plane):
        parts = [scene.facts, scene.note]
    else:
        parts = [scene.note, scene.stale]
    return " ".join(_sentences(parts))


def alt(scene: Drawable) -> str:
    """The picture in words."""
    if isinstance(scene, Stage):
        return printable(scene.alt) or " ".join(_sentences(_stage_alt(scene)))
    if isinstance(scene, Bank):
        return " ".join(_sentences(_bank_alt(scene)))
    if isinstance(scene, Plane):
        return " ".join(_sentences(_plane_alt(scene)))
    return " ".join(_sentences(_radar_alt(scene)))


def _sentences(parts: Iterable[str]) -> list[str]:
    """Lines as sentences: each ends with a full stop."""
    lines = [line.strip() for part in parts for line in printable(part).splitlines()]
    return [line if line[-1] in ".!?…" else f"{line}." for line in lines if line]


def _stage_caption(scene: Stage, interpolation: str) -> list[str]:
    layer = scene.map
    if layer is None:
        return [scene.pending]
    parts = [layer.title]
    if not layer.degenerate:  # its sentence stands in the picture
        parts += [_meaning(scene, layer), _cells(layer, interpolation)]
    second = secondary_of(scene)
    if second is not None:
        parts.append(second.words)
    if tuple(layer.box) != WHOLE:
        parts.append("Dimmed: what the network did not see")
    return [*parts, layer.note, scene.receipt]


def _meaning(scene: Stage, layer: Layer) -> str:
    """What each colour means, and what the full colour is worth."""
    low, high = (name.capitalize() for name in palette_of(scene).split("-"))
    unit = f" ({layer.unit})" if layer.unit else ""
    parts = [f"{high}: {layer.high}"]
    if is_positive(layer, scene.look):
        parts.append(f"full colour at {number(layer.limit)}{unit}")
    else:
        parts = [
            f"{low}: {layer.low}",
            f"{high.lower()}: {layer.high}",
            f"full colour at ±{number(layer.limit, signed=False)}{unit}",
        ]
    if layer.strength is not None:
        parts.append(depth(layer))
    return "; ".join(parts)


def _cells(layer: Layer, interpolation: str) -> str:
    rows, columns = layer.values.shape
    grid = layer.grid or f"{rows} × {columns} cells"
    return f"Map of {grid}, " + (
        "not smoothed" if interpolation == "native" else f"{interpolation} interpolation between them"
    )


def _stage_alt(scene: Stage) -> list[str]:
    layer = scene.map
    parts = [f"Photo {one_line(scene.name)}" + (f", {score(scene)}" if scene.score else "")]
    if layer is None:
        return [*parts, scene.pending]
    parts.append(f"Beside it the same photo with a map over it: {layer.title}")
    if layer.degenerate:
        return [*parts, layer.degenerate]
    parts.append(_meaning(scene, layer))
    values = np.nan_to_num(layer.values)
    for words, sign in ((layer.high, 1), ("" if is_positive(layer, scene.look) else layer.low, -1)):
        row, column = np.unravel_index((sign * values).argmax(), values.shape)
        if words and sign * values[row, column] > 0:
            parts.append(f"What most {words} lies {_place(layer, int(row), int(column))}")
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


def _bank_alt(scene: Bank) -> list[str]:
    parts = [f"{_headed(scene)}: {len(scene.thumbs)} feature maps as small pictures"]
    if len(scene.delta_y) == len(scene.thumbs) and len(scene.thumbs):
        first = [int(index) for index in order_of(scene)[:3]]
        effects = ", ".join(f"map {index} {number(float(scene.delta_y[index]))}" for index in first)
        parts.append(f"Removing a map changes {scene.subject} most for {effects}")
    muted = int((scene.gains == 0).sum())
    changed = int((scene.gains != 1).sum()) - muted
    parts += [f"{muted} muted"] if muted else []
    parts += [f"{changed} with another gain"] if changed else []
    return [*parts, scene.note]


def _plane_alt(scene: Plane) -> list[str]:
    count = len(scene.delta_y)
    if not has_error(scene):
        return [f"{_headed(scene)}: {count} feature maps by the change of the score when each is removed", scene.facts]
    parts = [f"{_headed(scene)}: {count} feature maps, {scene.across} against {scene.up}"]
    if marks.has_roles(scene.roles, scene.delta_y):
        numbers = np.bincount(scene.roles, minlength=len(scene.role_words))
        parts.append("; ".join(f"{n} {words}" for n, words in zip(numbers, scene.role_words, strict=False) if n))
    return [*parts, scene.facts]


def _radar_alt(scene: Radar) -> list[str]:
    parts = []
    for one in scene.series:
        said = []
        for place, axis in enumerate(scene.axes):
            value = one.values[place]
            text = one.texts[place] if one.texts else (f"{value:.3f}" if math.isfinite(value) else "n/a")
            said.append(f"{axis.label} {text}".replace("-", "−"))
        parts.append(f"{one_line(one.name)}: {', '.join(said)}")
    return ["Radar of measures, higher is better", *parts, scene.note]
