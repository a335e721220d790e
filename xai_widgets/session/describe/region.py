"""A region of the photo on the stage, and where the chosen feature maps act."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from xai_widgets import scenes
from xai_widgets.engine.parts.region import Inside, acting, share_inside
from xai_widgets.session.describe.words import minus, sentence, short

if TYPE_CHECKING:
    from xai_widgets.engine import Region
    from xai_widgets.session.panel import Panel
    from xai_widgets.session.session import Session

ALIKE = 0.95  # of a correlation
NAMED = 5  # maps that are named one by one
NOWHERE = np.zeros((0, 0), bool)
_acting: WeakKeyDictionary[Any, tuple[tuple[int, ...], np.ndarray]] = WeakKeyDictionary()


def region(session: Session, panel: Panel) -> scenes.Outline | None:
    """The region that is asked about, in the active panel; None where there is none."""
    into, found = session.looked_into, panel.answers.region
    if not into or panel is not session.panel:
        return None
    drawn = tuple(into.get("box", ()))
    if found is None or found.mask is None:
        inside = np.array(into["mask"], bool) if "mask" in into else NOWHERE
        box = panel.answers.saliency.box if panel.answers.saliency is not None else (0.0, 0.0, 1.0, 1.0)
        words = "" if panel.error else "Region: each map is being removed there."
        return scenes.Outline(inside=inside, box=box, drawn=drawn, words=words)
    lies = (
        None
        if panel.answers.saliency is None
        else share_inside(panel.answers.saliency, found.mask, into.get("box", ()))
    )
    model, p, q = session.model, session.target(), found.against
    if q is None:
        asked = _Asked(model.score_words(p), "raises it", "lowers it")
    else:
        names = [model.name_of(index) for index in (p, q)]
        asked = _Asked(model.lead_words(p, q), *(f"is for {name}" for name in names))
    words = _words(found, lies, asked, changed=bool(panel.query.gains))
    return scenes.Outline(inside=found.mask, box=found.box, drawn=drawn, words=words)


class _Asked(NamedTuple):
    """What removals are read of, in words."""

    score: str
    below: str  # what a map, or the region, does without which it falls
    above: str  # and without which it rises


def _words(found: Region, lies: Inside | None, asked: _Asked, *, changed: bool) -> str:
    """How much of the map lies inside, and what removals there do.

    Args:
        changed: whether gains are other than 1, which the map follows and removals do not.
    """
    share, above, below, area = lies or (found.share, math.nan, math.nan, found.area)
    lies_there = f"{f'{share:.0%} of the map' if np.isfinite(share) else 'a map of zeros'} on {area:.0%} of its area"
    if np.isfinite(above) and np.isfinite(below):
        lies_there += f", {above:.0%} of what is above 0 and {below:.0%} of what is below"
    said = [lies_there.replace("%", " %")]
    if np.isfinite(found.joint):
        gains = ", all gains at 1" if changed else ""
        way = f": the region {asked.below if found.joint < 0 else asked.above}" if found.joint else ""
        without = f"without all maps there {asked.score} changes by {short(found.joint, sign=True)}"
        said.insert(0, f"{without}{gains}{way}")
    said[0] = f"Region: {said[0]}"
    known = np.isfinite(found.delta_y)
    if known.any():
        change = np.where(known, found.delta_y, 0)
        most = int(np.abs(change).argmax())
        if change[most]:
            does = asked.below if change[most] < 0 else asked.above
            said.append(f"Alone, map {most} moves it most: {short(float(change[most]), sign=True)}, so it {does}")
        if found.done and (half := len(found.carriers())):
            make = "s make" if half > 1 else " makes"
            said.append(f"{half} map{make} half of what {asked.below} there, each removed alone")
    if not found.done:
        said.append(f"{int(known.sum()):,} of {len(known):,} maps are known")
    return " ".join(map(sentence, said))


def likeness(panel: Panel) -> str:
    """How much a map that asks about Q tells beside Grad-CAM, by their correlation."""
    found = panel.answers.likeness
    if found is None:
        return ""
    if not np.isfinite(found.r):
        return "No correlation with Grad-CAM: one of the two maps is the same everywhere."
    r = minus(f"{found.r:.2f}".replace("0.", ".", 1))
    if abs(found.r) < ALIKE:
        return f"r = {r} with Grad-CAM."
    way = "" if found.r > 0 else "it is nearly the other way round, "
    return f"r = {r} with Grad-CAM: {way}the contrast tells little that is new."


def acts(session: Session, panel: Panel) -> scenes.Outline | None:
    """Where the chosen feature maps act, in the active panel; None where none is chosen."""
    maps, chosen, shown = panel.answers.maps, session.selected, panel.answers.saliency
    if panel is not session.panel or maps is None or shown is None or not chosen or maps.thumbs.shape[1:] == (1, 1):
        return None
    if max(chosen) >= len(maps.thumbs):
        return None
    known, inside = _acting.get(maps, ((), NOWHERE))
    if known != chosen:
        inside = acting(maps, chosen)
        _acting[maps] = chosen, inside
    words = f"Dotted: the top 10 % of the activation of {maps_in_words(chosen)}."
    return scenes.Outline(inside=inside, box=shown.box, words=words if inside.any() else f"{words} There is none.")


def maps_in_words(chosen: Sequence[int]) -> str:
    """Which maps: their numbers where they are few."""
    if len(chosen) == 1:
        return f"map {chosen[0]}"
    if len(chosen) > NAMED:
        return f"each of {len(chosen):,} chosen maps"
    return f"each of the maps {', '.join(map(str, chosen[:-1]))} and {chosen[-1]}"
