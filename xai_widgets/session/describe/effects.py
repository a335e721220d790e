"""What the removal of each map changes, as bank and plane say it: of P, or of P - Q where Q is another class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from xai_widgets.engine import Impacts, Margins
from xai_widgets.engine.query import class_of
from xai_widgets.session.describe.roles import ROLE_WORDS, role_words, roles_against
from xai_widgets.session.describe.words import short

if TYPE_CHECKING:
    from xai_widgets.session.session import Session

NONE, NO_ROLES, NO_MARKS = np.zeros(0, np.float32), np.zeros(0, np.int8), np.zeros(0, bool)
for _empty in (NONE, NO_ROLES, NO_MARKS):
    _empty.flags.writeable = False


def rival(session: Session) -> int | None:
    """Q by number, where it is another class than P."""
    asked, model = session.query.contrast, session.model
    if asked is None or asked.kind != "class" or not model.has_classes:
        return None
    q = class_of(asked.value, model)
    return None if q == session.target() else q


def on_difference(session: Session) -> bool:
    """Whether effects are those on P - Q: as the reader chose, where Q is another class."""
    return session.look.effect_on == "difference" and rival(session) is not None


def p_and_q(session: Session) -> tuple[str, ...]:
    """P and Q by name; empty where Q is no other class."""
    q = rival(session)
    return () if q is None else tuple(session.model.name_of(index) for index in (session.target(), q))


def subject_words(session: Session) -> str:
    """What the explained score is: the score, a class, or one of several scores."""
    output = session.output
    return "the score" if output is None else session.model.words(output.target)


def shown_subject(session: Session) -> str:
    """What effects are changes of: "the score", a class, or "cup − crew"."""
    return " − ".join(p_and_q(session)) if on_difference(session) else subject_words(session)


def effects(session: Session) -> dict[str, Any]:
    """The fields that both the bank and the plane have."""
    names = p_and_q(session)
    chosen = {"effects": (subject_words(session), " − ".join(names)) if names else ()}
    if not on_difference(session):
        return {**of_score(session.impacts), "role_words": ROLE_WORDS, **chosen}
    found = _of_difference(session.margins, session.impacts)
    return {**found, "role_words": role_words(*names), "ways": tuple(f"for {name}" for name in names), **chosen}


def of_score(impacts: Impacts | None) -> dict[str, Any]:
    """Effects on the explained score."""
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


def _of_difference(margins: Margins | None, impacts: Impacts | None) -> dict[str, Any]:
    """Effects on P - Q, as far as they are there, beside those on the error, which has no part in Q."""
    found = of_score(None)
    if margins is None:
        return found
    found |= {
        "delta_y": margins.delta,
        "exact": margins.exact,
        "value": float(margins.value),
        "done": bool(margins.done),
        "note": margins.note,
    }
    if impacts is None or impacts.delta_error is None or len(impacts.delta_error) != len(margins.delta):
        return found
    return {
        **found,
        "delta_error": impacts.delta_error,
        "error": impacts.error,
        "roles": roles_against(impacts, margins.delta),
    }


def beside(session: Session) -> dict[str, Any]:
    """The other of both effects, where Q is another class: that on P beside that on P - Q, and the other way round."""
    p = " − ".join(p_and_q(session))
    impacts, margins = session.impacts, session.margins
    if not p or impacts is None or margins is None or len(impacts.delta_y) != len(margins.delta):
        return {}
    if on_difference(session):
        return {
            "beside": impacts.delta_y, "beside_exact": impacts.exact, "beside_name": f"Δ {subject_words(session)}",
        }  # fmt: skip
    return {"beside": margins.delta, "beside_exact": margins.exact, "beside_name": f"Δ({p})"}


def margin_words(found: Margins, p: str, q: str) -> str:
    """How many maps favour P over Q, each removed alone, and how many of them make half of what does."""
    favour, oppose = int((found.delta < 0).sum()), int((found.delta > 0).sum())
    about = "" if found.done else "about "
    maps = f"{about}{favour} map{'s' * (favour != 1)} for {p}, {oppose} for {q}"
    said = f"{p} − {q} = {short(found.value, sign=True)}: {maps}"
    half = found.carriers()
    if favour < 2:
        return f"{said}."
    one = len(half) == 1
    return f"{said}; {about}{len(half)} make{'s' * one} half of what is for {p}, each removed alone."
