"""What a figure says of what the reader laid over the panels."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal
from string import ascii_lowercase

from xai_widgets.figures.lines import Sign, strokes, thickness
from xai_widgets.figures.names import called
from xai_widgets.figures.over import (
    difference_of,
    divides,
    has_contours,
    has_outline,
    has_two,
    maps_of,
    one,
    other_of,
    subtracts,
)
from xai_widgets.figures.style import one_line
from xai_widgets.figures.two import Pair, alike, correlation, on_one_grid, risks, tops
from xai_widgets.scenes import Grid, Stage


def mark(scene: Grid) -> str:
    """In a few words beneath the active panel, what it shows beyond its own map; empty where that is nothing."""
    a, b = ascii_lowercase[scene.active], _letter(scene)
    if divides(scene):
        return f"left of the line {a}, right {b or 'the photo'}" if len(scene.panels) > 1 else ""
    if subtracts(scene):
        return f"{a} minus {b}"
    return f"contours: solid {a}, dashed {b}" if has_contours(scene) else ""


def signs(scene: Grid) -> list[Sign]:
    """The key of all lines."""
    active, made = scene.panels[scene.active], []
    if top := next((panel.look.top for panel in scene.panels if has_outline(panel)), 0):
        made.append(Sign(f"the top {100 * top:.0f} % of {_each(scene)}", strokes()["top"]))
    if has_contours(scene):
        shares = f"contours of the top {_shares()}, the thickest the top {100 * tops()[0]:.0f} %"
        for place, name in ((scene.active, "mine"), (other_of(scene) or 0, "its")):
            made.append(Sign(f"{called(scene, place)}: {shares}", replace(strokes()[name], thick=thickness()[0])))
    for outline, name, words in ((active.acts, "acts", _acts(active)), (active.region, "region", "the region")):
        if outline is not None and (outline.inside.size or outline.drawn):
            made.append(Sign(f"{_where(scene)}{words}", strokes()[name]))
    return made


def told(scene: Grid) -> list[str]:
    """All that is laid over the panels, in sentences."""
    active, made = scene.panels[scene.active], []
    where, several = _where(scene), len(scene.panels) > 1
    a, b = called(scene, scene.active), None if other_of(scene) is None else called(scene, other_of(scene) or 0)
    if divides(scene):
        left = f"{where}left of the line {a}" if several else "Left of the line the map over the photo"
        made.append(f"{left}, right of it {b or 'the photo alone'}")
    if subtracts(scene):
        made += [f"{where}the map of {a} minus that of {b}", difference_of(scene).note]
    if has_contours(scene):
        made.append(
            f"{where}contours of the top {_shares()}: solid {a}, dashed {b}; the thickest line is the top "
            f"{100 * tops()[0]:.0f} %"
        )
    made += _alike(scene)
    if top := next((panel.look.top for panel in scene.panels if has_outline(panel)), 0):
        own = f", in {ascii_lowercase[scene.active]} of its own and not of the difference" if subtracts(scene) else ""
        made.append(f"Outlined: the top {100 * top:.0f} % of {_each(scene)}{own}")
    made += [f"{where}{outline.words}" for outline in (active.acts, active.region) if outline and outline.words]
    return made


def of_one(scene: Stage) -> list[str]:
    """The same of a panel that is shown alone."""
    return told(one(scene))


def _alike(scene: Grid) -> list[str]:
    """How alike both maps are; of contours, with their relative risks."""
    other = other_of(scene)
    if other is None or not has_two(scene):
        return []
    mine, its = maps_of(scene)
    if mine.degenerate or its.degenerate:
        return []
    pair, name, where = on_one_grid(mine, its), called(scene, other), _where(scene)
    words = _correlation(correlation(pair), name, contrast=bool(scene.panels[scene.active].contrast))
    return [f"{where}{words}", *([f"{where}{_risks(pair, name)}"] if has_contours(scene) else [])]


def _correlation(r: float, name: str, *, contrast: bool) -> str:
    if not math.isfinite(r):
        return f"no correlation with {name}: one of the two is the same everywhere"
    little = f"{'the contrast' if contrast else 'this map'} tells little that is new"
    way = "" if r > 0 else "nearly the other way round, so "
    said = f": {way}{little}" if abs(r) >= alike() else ""
    return f"r = {'−' if r < 0 else ''}{_fixed(abs(r), 2).removeprefix('0')} with {name}{said}"


def _risks(pair: Pair, name: str) -> str:
    """Relative risks both ways, which are the same where both masks have as many places."""
    there, back = ([_risk(risk) for risk in some] for some in risks(pair))
    other = "" if there == back else f"; the other way {', '.join(back)}"
    return f"relative risk of this map given {name} {', '.join(there)} at the top {_shares()}{other}"


def _risk(risk: float) -> str:
    return _fixed(risk, 1) if math.isfinite(risk) else "∞" if risk == math.inf else "n/a"


def _fixed(value: float, digits: int) -> str:
    """With so many digits after the point, a half away from 0 as the front end has it."""
    return str(Decimal(value).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP))


def _shares() -> str:
    *some, last = (f"{100 * share:.0f}" for share in tops())
    return f"{', '.join(some)} and {last} %"


def _each(scene: Grid) -> str:
    return "each map" if len(scene.panels) > 1 else "the map"


def _acts(scene: Stage) -> str:
    return one_line(scene.acts.words).removeprefix("Dotted: ").rstrip(".") if scene.acts else ""


def _letter(scene: Grid) -> str:
    other = other_of(scene)
    return "" if other is None else ascii_lowercase[other]


def _where(scene: Grid) -> str:
    """Which panel a sentence is about, where there are several."""
    return f"{ascii_lowercase[scene.active]}: " if len(scene.panels) > 1 else ""
