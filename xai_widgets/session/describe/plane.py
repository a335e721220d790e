"""The impact plane as a scene."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xai_widgets.engine import Impacts, Rating
from xai_widgets.scenes import Plane
from xai_widgets.session.describe.bank import about, effects
from xai_widgets.session.describe.plane_of_set import beside, counts_of, no_selected, no_set, of_the_set, on_a_line
from xai_widgets.session.describe.roles import ROLE_WORDS
from xai_widgets.session.describe.words import rated, short
from xai_widgets.session.facts import where

if TYPE_CHECKING:
    from xai_widgets.session.session import Session

NO_RATING = Rating()


def plane(session: Session, *, of: str = "image") -> Plane:
    """What the impact plane shows: each map by what its removal changes.

    Args:
        of: "image" for the one that is explained; "set" for medians over the set, "selected" over the images that are
            selected, where these are known.
    """
    lacks = {"set": no_set(session), "selected": no_selected(session)}
    if not lacks.get(of, "image"):
        return of_the_set(session, of)
    impacts = session.impacts
    known = effects(impacts)
    by_error = impacts is not None and impacts.delta_error is not None
    return Plane(
        **{name: known[name] for name in ("delta_y", "delta_error", "error", "roles", "exact")},
        role_words=ROLE_WORDS,
        selected=session.selected,
        across="Δ score when removed" if by_error else "rank, from raising to lowering",
        up=f"Δ {known['error']} when removed" if by_error else "Δ score when removed",
        about=about(session),
        title=f"Impact of each map · {where(session.sources, session.query)}",
        facts="" if impacts is None else facts(impacts, *_named(session), known=session.known_rating()),
        note="" if impacts is None else _note(session, impacts),
        no_set=lacks["set"],
        no_selected=lacks["selected"],
        counts=counts_of(known["roles"]),
        activation=None if session.maps is None else session.maps.maximum,
        **beside(session),
    )


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
        several = impacts.error.startswith("mean ")  # over all labels: those that hold and the others
        label = impacts.label if several else f"the label {impacts.label}"
        error = f"{impacts.error} with {label} {short(impacts.error_value or 0.0)}"
        return f"{name} {short(impacts.value)}, {error}."
    if impacts.residual is None:
        return f"{name} {short(impacts.value)}"
    way = "too high" if impacts.residual > 0 else "too low" if impacts.residual < 0 else "just right"
    spread = None if known.sd is None else short(known.sd)
    rating = rated(short(impacts.value - impacts.residual), spread, known.raters)
    residual = short(impacts.residual, sign=True)
    return f"{name} {short(impacts.value)}, rating {rating}: residual r = {residual}, the score is {way}."


def _note(session: Session, impacts: Impacts) -> str:
    if impacts.delta_error is not None:
        return " ".join(filter(None, (on_a_line(impacts.delta_y, impacts.delta_error), impacts.note)))
    model = session.model
    rating = f"{model.known_words(0 if model.has_classes else session.target())} is known for this image"
    missing = "label of this image names a class" if model.has_classes else rating
    why = f"No {missing}, so the error cannot be told: Δ score by rank instead."
    return f"{why} {impacts.note}".strip()
