"""The impact plane as a scene."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xai_widgets.engine import Impacts, Rating
from xai_widgets.scenes import Plane
from xai_widgets.session.describe.bank import about
from xai_widgets.session.describe.effects import effects, margin_words, on_difference, p_and_q, shown_subject
from xai_widgets.session.describe.plane_of_set import beside, counts_of, no_selected, no_set, of_the_set, on_a_line
from xai_widgets.session.describe.words import rated, sentence, short
from xai_widgets.session.facts import where

if TYPE_CHECKING:
    from xai_widgets.session.session import Session

NO_RATING = Rating()
SHARED = ("delta_y", "delta_error", "error", "roles", "role_words", "exact", "effects")  # with the bank


def plane(session: Session, *, of: str = "image") -> Plane:
    """What the impact plane shows: each map by what its removal changes.

    Args:
        of: "image" for the one that is explained; "set" for medians over the set, "selected" over the images that are
            selected, where these are known.
    """
    lacks = {"set": no_set(session), "selected": no_selected(session)}
    if not lacks.get(of, "image"):
        return of_the_set(session, of)
    known, impacts = effects(session), session.impacts
    shared = {name: known[name] for name in SHARED}
    by_error = impacts is not None and impacts.delta_error is not None
    said = _of_difference(session, known) if on_difference(session) else _of_score(session, known, by_error=by_error)
    return Plane(
        **(shared | said),
        selected=session.selected,
        about=about(session),
        no_set=lacks["set"],
        no_selected=lacks["selected"],
        counts=counts_of(known["roles"]),
        activation=None if session.maps is None else session.maps.maximum,
        **beside(session),
    )


def _of_score(session: Session, known: dict[str, Any], *, by_error: bool) -> dict[str, Any]:
    """What the plane says where delta y is of the explained score; where Q is a class, P is named."""
    impacts, p = session.impacts, shown_subject(session) if known["effects"] else ""
    words = session.model.score_words(session.target())
    change, named = (f"Δ {p}", (words[0].upper() + words[1:],)) if p else ("Δ score", _named(session))
    return {
        "change": change,
        "across": f"{change} when removed" if by_error else "rank, from raising to lowering",
        "up": f"Δ {known['error']} when removed" if by_error else f"{change} when removed",
        "title": f"Impact of each map{f' on {p}' if p else ''} · {where(session.sources, session.query)}",
        "facts": "" if impacts is None else facts(impacts, *named, known=session.known_rating()),
        "note": "" if impacts is None else _note(session, impacts, change),
    }


def _of_difference(session: Session, known: dict[str, Any]) -> dict[str, Any]:
    """What the plane says where delta y is of P - Q."""
    subject, names = shown_subject(session), p_and_q(session)
    by_error, change = bool(len(known["delta_error"])), f"Δ({subject})"
    margins, impacts = session.margins, session.impacts
    said = [margin_words(margins, *names)] if margins is not None else []
    if margins is not None and impacts is not None and by_error:
        said.append(sentence(_error_words(impacts)))
    return {
        "change": change,
        "ways": known["ways"],
        "across": f"{change} when removed" if by_error else f"rank, from what is for {' to what is for '.join(names)}",
        "up": f"Δ {known['error']} when removed" if by_error else f"{change} when removed",
        "title": f"Impact of each map on {subject} · {where(session.sources, session.query)}",
        "facts": " ".join(said),
        "note": "" if margins is None else f"{_of_error(session, impacts)} {margins.note}".strip(),
        # Both are told of one point, so it is exact where both are.
        "exact": known["exact"] & impacts.exact if impacts is not None and by_error else known["exact"],
    }


def _of_error(session: Session, impacts: Impacts | None) -> str:
    """What the error has to do with P and Q; or why it is not known."""
    if impacts is None:
        return ""
    if impacts.delta_error is None:
        return f"{_why_no_error(session)}: Δ({shown_subject(session)}) by rank instead."
    p, q = p_and_q(session)
    which = {p: "is P", q: "is Q"}.get(impacts.label, "is neither P nor Q")
    several = impacts.error.startswith("mean ")
    label = "" if several else f"The label {impacts.label} {which}. "
    return f"{label}The {impacts.error} does not ask about Q."


def _named(session: Session) -> tuple[str, ...]:
    """Which of several scores is explained."""
    model = session.model
    return () if model.has_classes or model.one_score else (model.name_of(session.target()),)


def facts(impacts: Impacts, name: str = "Score", *, known: Rating = NO_RATING) -> str:
    """Score, rating and residual; or the cross entropy with the label.

    Args:
        name: of the score, where there are several.
        known: the spread of the rating between raters.
    """
    if impacts.label:
        return f"{name} {short(impacts.value)}, {_error_words(impacts)}."
    if impacts.residual is None:
        return f"{name} {short(impacts.value)}"
    way = "too high" if impacts.residual > 0 else "too low" if impacts.residual < 0 else "just right"
    spread = None if known.sd is None else short(known.sd)
    rating = rated(short(impacts.value - impacts.residual), spread, known.raters)
    residual = short(impacts.residual, sign=True)
    return f"{name} {short(impacts.value)}, rating {rating}: residual r = {residual}, the score is {way}."


def _error_words(impacts: Impacts) -> str:
    """The error with a label, with all maps."""
    several = impacts.error.startswith("mean ")  # over all labels: those that hold and the others
    label = impacts.label if several else f"the label {impacts.label}"
    return f"{impacts.error} with {label} {short(impacts.error_value or 0.0)}"


def _note(session: Session, impacts: Impacts, change: str) -> str:
    if impacts.delta_error is not None:
        return " ".join(filter(None, (on_a_line(impacts.delta_y, impacts.delta_error), impacts.note)))
    return f"{_why_no_error(session)}: {change} by rank instead. {impacts.note}".strip()


def _why_no_error(session: Session) -> str:
    """That neither rating nor label is known."""
    model = session.model
    rating = f"{model.known_words(0 if model.has_classes else session.target())} is known for this image"
    missing = "label of this image names a class" if model.has_classes else rating
    return f"No {missing}, so the error cannot be told"
