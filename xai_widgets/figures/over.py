"""What the reader laid over the panels: a difference, a divider, contours, outlines, the region."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from xai_widgets.figures.lines import Line, Stroke, strokes, thickness
from xai_widgets.figures.names import called
from xai_widgets.figures.two import difference, on_one_grid, top_share, tops
from xai_widgets.scenes import Grid, Layer, Stage

RECTANGLE = np.ones((1, 1), bool)


@dataclass(frozen=True)
class Over:
    """What lies over one panel.

    Attributes:
        lines: from below to above.
        right: what is shown on the right of a divider, if there is one: a panel, or a photo without a map.
        minus: whether the panel shows a difference instead of its map.
    """

    lines: tuple[Line, ...] = ()
    right: Stage | None = None
    minus: bool = False


def scaled(scene: Grid) -> Grid:
    """The grid with full colour where the reader has it: at the largest value of each panel, or of all alike."""
    panels = [
        replace(panel, map=replace(panel.map, limit=panel.common))
        if panel.map is not None and panel.look.scale == "all" and panel.common > 0
        else panel
        for panel in scene.panels
    ]
    return replace(scene, panels=tuple(panels))


def laid(scene: Grid) -> tuple[Grid, tuple[Over, ...]]:
    """The grid as it is seen, and what lies over each of its panels."""
    shown, panels = scaled(scene), []
    over = [Over(_own_lines(panel)) for panel in scene.panels]
    at, other = scene.active, other_of(scene)
    over[at] = replace(over[at], lines=(*over[at].lines, *_contours(scene), *_places(scene.panels[at])))
    if divides(scene):
        right = alone(scene.panels[at]) if other is None else shown.panels[other]
        over[at] = replace(over[at], right=right if right.photo is not None else None)
    panels = list(shown.panels)
    if subtracts(scene):
        minus = difference_of(scene)
        panels[at] = replace(panels[at], map=replace(minus, note=""))  # said with what is subtracted
        over[at] = replace(over[at], minus=True)
    return replace(shown, panels=tuple(panels)), tuple(over)


def maps_of(scene: Grid) -> tuple[Layer, Layer]:
    """The active panel's own map, and that which is laid over it; see `has_two`."""
    mine, its = (scene.panels[place].map for place in (scene.active, other_of(scene) or 0))
    assert mine is not None
    assert its is not None
    return mine, its


def difference_of(scene: Grid) -> Layer:
    """The active panel's map minus that which is laid over it."""
    return difference(*maps_of(scene), (called(scene, scene.active), called(scene, other_of(scene) or 0)))


def over_of(scene: Stage) -> Over:
    """What lies over a panel that is shown alone."""
    _, (over,) = laid(one(scene))
    return over


def one(scene: Stage) -> Grid:
    """A panel that is shown alone, as a grid of one."""
    return Grid(panels=(scene,), columns=1)


def alone(scene: Stage) -> Stage:
    """The photo of a panel without anything over it."""
    return replace(scene, map=None, secondary=None, region=None, acts=None)


def other_of(scene: Grid) -> int | None:
    """The number of the panel that is laid over the active one; None where it is the photo, or nothing."""
    look = scene.panels[scene.active].look
    there = 0 <= look.other < len(scene.panels) and look.other != scene.active
    return look.other if there and look.over != "off" else None


def divides(scene: Grid) -> bool:
    """Whether a divider stands over the active panel."""
    look = scene.panels[scene.active].look
    return look.over == "divider" and look.other != scene.active


def has_two(scene: Grid) -> bool:
    """Whether the active panel and that which is laid over it both have a map."""
    other = other_of(scene)
    return other is not None and scene.panels[scene.active].map is not None and scene.panels[other].map is not None


def subtracts(scene: Grid) -> bool:
    """Whether the active panel shows a difference."""
    return scene.panels[scene.active].look.over == "difference" and has_two(scene)


def has_contours(scene: Grid) -> bool:
    """Whether contours of two maps lie over the active panel."""
    return scene.panels[scene.active].look.over == "contours" and has_two(scene)


def has_outline(scene: Stage) -> bool:
    """Whether the largest values of a panel's own map are outlined."""
    return scene.map is not None and not scene.map.degenerate and scene.look.top > 0


def _own_lines(scene: Stage) -> tuple[Line, ...]:
    """Around the largest values of a panel's own map."""
    if not has_outline(scene):
        return ()
    assert scene.map is not None
    return (Line(top_share(scene.map.values, scene.look.top), scene.map.box, strokes()["top"]),)


def _contours(scene: Grid) -> list[Line]:
    """Around the top shares of two maps; the active one's above."""
    if not has_contours(scene):
        return []
    mine, its = maps_of(scene)
    pair = on_one_grid(mine, its)
    return [
        Line(top_share(values, share), mine.box, Stroke(stroke.colour, thick, stroke.dash))
        for values, stroke in ((pair.b, strokes()["its"]), (pair.a, strokes()["mine"]))
        for share, thick in zip(tops(), thickness(), strict=True)
    ]


def _places(scene: Stage) -> list[Line]:
    """Where the chosen maps act, and the region: on the grid where it is known, else as it was drawn."""
    made = []
    if scene.acts is not None and scene.acts.inside.size:
        made.append(Line(scene.acts.inside, scene.acts.box, strokes()["acts"]))
    if scene.region is not None and scene.region.inside.size:
        made.append(Line(scene.region.inside, scene.region.box, strokes()["region"]))
    elif scene.region is not None and scene.region.drawn:
        made.append(Line(RECTANGLE, scene.region.drawn, strokes()["region"]))
    return made
