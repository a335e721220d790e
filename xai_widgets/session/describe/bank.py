"""The map bank as a scene."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from xai_widgets.engine import Impacts, Joint, Maps
from xai_widgets.scenes import Bank
from xai_widgets.session.describe.roles import ROLE_WORDS
from xai_widgets.session.describe.words import short
from xai_widgets.session.facts import where

if TYPE_CHECKING:
    from xai_widgets.session.session import Session

NO_MAPS = Maps(np.zeros((0, 0, 0), np.uint8), np.zeros(0, bool), "", "maps")
NONE = np.zeros(0, np.float32)
NO_ROLES, NO_MARKS = np.zeros(0, np.int8), np.zeros(0, bool)
for _empty in (NO_MAPS.thumbs, NO_MAPS.dead, NONE, NO_ROLES, NO_MARKS):
    _empty.flags.writeable = False


def bank(session: Session) -> Bank:
    """What the map bank shows: every feature map, its gain, and what its removal changes."""
    maps = session.maps or NO_MAPS
    query = session.query
    return Bank(
        thumbs=maps.thumbs,
        dead=maps.dead,
        gains=session.gains(),
        selected=session.selected,
        title=f"{where(session.sources, query)} · {len(maps.thumbs)} maps" if len(maps.thumbs) else "on their way",
        subject=subject_words(session),
        **effects(session.impacts),
        role_words=ROLE_WORDS,
        about=about(session),
        pending=session.maps is None,  # the old ones stay, dimmed: an empty grid would only flicker
        key=" ".join((query.image, query.shown, query.model, query.layer, str(query.call), str(query.run))),
        joint=joint_words(session.joint, session.impacts),
        can_undo=session.steps[0],
    )


def about(session: Session) -> str:
    """What a figure that stands alone is about: image, model, layer and P."""
    query = session.query
    return " · ".join((query.image, session.model.name, where(session.sources, query), subject_words(session)))


def effects(impacts: Impacts | None) -> dict[str, Any]:
    """The fields that both the bank and the plane have."""
    if impacts is None:
        return {
            "delta_y": NONE, "delta_error": NONE, "error": "", "roles": NO_ROLES, "exact": NO_MARKS,
            "value": float("nan"), "done": False, "note": "",
        }  # fmt: skip
    return {
        "delta_y": impacts.delta_y,
        "delta_error": NONE if impacts.delta_error is None else impacts.delta_error,
        "error": impacts.error,
        "roles": NO_ROLES if impacts.roles is None else impacts.roles,
        "exact": impacts.exact,
        "value": float(impacts.value),
        "done": bool(impacts.done),
        "note": impacts.note,
    }


def subject_words(session: Session) -> str:
    """What delta y is a change of: the score, a class, or one of several scores."""
    output = session.output
    return "the score" if output is None else session.model.words(output.target)


def joint_words(joint: Joint | None, impacts: Impacts | None) -> str:
    """What all muted maps change together, beside the sum of what each changes alone."""
    if joint is None or not joint.muted:
        return ""
    count = len(joint.muted)
    what = f"{count} map{'s' * (count > 1)} muted: {short(joint.delta_y, sign=True)} together"
    if count == 1 or not np.isfinite(joint.delta_y_sum):
        return f"{what}."
    about = "" if impacts is not None and impacts.exact[list(joint.muted)].all() else "about "
    return f"{what}, {about}{short(joint.delta_y_sum, sign=True)} as a sum of single removals."
