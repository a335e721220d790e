"""What a figure says beside its pictures: a title, a caption, and the picture in words for those who do not see it."""

from __future__ import annotations

import math

import numpy as np

from xai_widgets.figures import gallery, grid_words, marks, over_words, picker, stage_words
from xai_widgets.figures.bank import order_of
from xai_widgets.figures.plane import has_error
from xai_widgets.figures.style import number, one_line, printable, sentences
from xai_widgets.scenes import Bank, Gallery, Grid, Picker, Plane, Radar, Stage

NAMED = 12  # maps whose names a caption lists
Drawable = Stage | Grid | Bank | Plane | Radar | Gallery | Picker


def _headed(scene: Bank | Plane) -> str:
    """The title, with image, model and P where the scene names them."""
    return " · ".join(filter(None, (scene.title, scene.about)))


def _named(scene: Bank | Plane) -> str:
    """The names that the reader gave to feature maps."""
    some = [f"{index} {one_line(name)}" for index, name in scene.names[:NAMED]]
    more = f" and {len(scene.names) - NAMED} more" if len(scene.names) > NAMED else ""
    return f"Maps named by the reader: {', '.join(some)}{more}" if some else ""


def title(scene: Drawable) -> str:
    """One line: what is shown, for a file's title."""
    if isinstance(scene, Stage):
        return " · ".join(filter(None, (one_line(scene.name), one_line(scene.map.title) if scene.map else "")))
    if isinstance(scene, Grid):
        return grid_words.title(scene)
    if isinstance(scene, Gallery):
        return gallery.title(scene)
    if isinstance(scene, Picker):
        return picker.title(scene)
    if isinstance(scene, Radar):
        return "Measures of a saliency map: " + ", ".join(one_line(one.name) for one in (*scene.series, *scene.sets))
    return one_line(_headed(scene))


def heading(scene: Drawable) -> str:
    """What stands above the pictures: the image with its score, the layer."""
    if isinstance(scene, Stage):
        return "\n".join(filter(None, (one_line(scene.name), stage_words.score(scene))))
    if isinstance(scene, Grid):
        return one_line(scene.about)
    if isinstance(scene, Gallery | Picker):
        return title(scene)
    return "" if isinstance(scene, Radar) else one_line(_headed(scene))


def caption(scene: Drawable, interpolation: str = "native") -> str:
    """What stands below the pictures, in sentences."""
    if isinstance(scene, Stage):
        parts = stage_words.caption(scene, interpolation)
    elif isinstance(scene, Grid):
        parts = grid_words.caption(scene, interpolation)
    elif isinstance(scene, Gallery):
        parts = gallery.caption(scene)
    elif isinstance(scene, Picker):
        parts = picker.caption(scene)
    elif isinstance(scene, Bank):
        dark = "Dark: strong activation, each map on its own scale."
        parts = [_named(scene), scene.margin_words, scene.note, scene.joint, dark]
    elif isinstance(scene, Plane):
        parts = [_named(scene), scene.facts, scene.note]
    else:
        parts = [scene.note, scene.stale]
    return " ".join(sentences(parts))


def alt(scene: Drawable) -> str:
    """The picture in words."""
    if isinstance(scene, Stage):
        told = " ".join(sentences(over_words.of_one(scene) if scene.map is not None else []))
        return " ".join(filter(None, (printable(scene.alt) or " ".join(sentences(stage_words.alt(scene))), told)))
    if isinstance(scene, Grid):
        return " ".join(sentences(grid_words.alt(scene)))
    if isinstance(scene, Gallery):
        return " ".join(sentences(gallery.alt(scene)))
    if isinstance(scene, Picker):
        return " ".join(sentences(picker.alt(scene)))
    if isinstance(scene, Bank):
        return " ".join(sentences(_bank_alt(scene)))
    if isinstance(scene, Plane):
        return " ".join(sentences(_plane_alt(scene)))
    return " ".join(sentences(_radar_alt(scene)))


def _bank_alt(scene: Bank) -> list[str]:
    parts = [f"{_headed(scene)}: {len(scene.thumbs)} feature maps as small pictures"]
    if len(scene.delta_y) == len(scene.thumbs) and len(scene.thumbs):
        first = [int(index) for index in order_of(scene)[:3]]
        names = {index: f" “{one_line(name)}”" for index, name in scene.names}
        effects = ", ".join(f"map {i}{names.get(i, '')} {number(float(scene.delta_y[i]))}" for i in first)
        parts.append(f"Removing a map changes {scene.subject} most for {effects}")
    muted = int((scene.gains == 0).sum())
    changed = int((scene.gains != 1).sum()) - muted
    parts += [f"{muted} muted"] if muted else []
    parts += [f"{changed} with another gain"] if changed else []
    return [*parts, scene.note]


def _plane_alt(scene: Plane) -> list[str]:
    count = len(scene.delta_y)
    if not has_error(scene):
        of = scene.change if scene.ways else "the change of the score"
        return [f"{_headed(scene)}: {count} feature maps by {of} when each is removed", scene.facts]
    parts = [f"{_headed(scene)}: {count} feature maps, {scene.across} against {scene.up}"]
    if marks.has_roles(scene.roles, scene.delta_y):
        numbers = np.bincount(scene.roles, minlength=len(scene.role_words))
        parts.append("; ".join(f"{n} {words}" for n, words in zip(numbers, scene.role_words, strict=False) if n))
    return [*parts, scene.facts]


def _radar_alt(scene: Radar) -> list[str]:
    parts = []
    for one in (*scene.series, *scene.sets):
        said = []
        for place, axis in enumerate(scene.axes):
            value = one.values[place]
            text = one.texts[place] if one.texts else (f"{value:.3f}" if math.isfinite(value) else "n/a")
            said.append(f"{axis.label} {text}".replace("-", "−"))
        parts.append(f"{one_line(one.name)}: {', '.join(said)}")
    return ["Radar of measures, higher is better", *parts, scene.note]
