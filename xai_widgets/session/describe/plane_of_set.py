"""The impact plane of a set: medians over images with their intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from xai_widgets.engine.over_images import median_roles
from xai_widgets.engine.set_answers import SetAnswers
from xai_widgets.scenes import CROSSED, Plane
from xai_widgets.scenes.gallery import EMPTY
from xai_widgets.session.describe.bank import baseline_words, images_words, source_of_images
from xai_widgets.session.describe.roles import ROLE_WORDS
from xai_widgets.session.facts import where

if TYPE_CHECKING:
    from xai_widgets.session.session import Session

NO_IMPACTS = "needs impacts of the set: a study, or session.know_set('impacts')"
FEWEST = 6  # images with which a median has an interval of 95 %


def no_set(session: Session) -> str:
    """Why the plane cannot show the set; empty where it can."""
    answers = session.of_set
    known = answers is not None and answers.median_delta_y is not None and bool((answers.median_delta_y.n > 0).any())
    return "" if known else _of_other_baseline(session) or NO_IMPACTS


def _of_other_baseline(session: Session) -> str:
    """What a study knows with another baseline than the one that is asked."""
    brought, asked = session.brought, session.query.baseline
    if brought is None or brought.delta_y is None or brought.baseline == asked:
        return ""
    has = f"{brought.source or 'the study'} has them with the {brought.baseline} baseline"
    return f"needs impacts of the set with the {asked} baseline ({has}): session.know_set('impacts')"


def of_the_set(session: Session) -> Plane:
    """Each map by the median change of score and error over the set."""
    answers = session.of_set
    assert answers is not None
    assert answers.median_delta_y is not None
    found = _medians(answers)
    roles = found["roles"]
    error = session.model.error_words
    by_error = bool(len(found["delta_error"]))
    layer = where(session.sources, session.query)
    return Plane(
        **found,
        error=error if by_error else "",
        role_words=ROLE_WORDS,
        exact=np.ones(len(found["delta_y"]), bool),
        selected=session.selected,
        across="median Δ score when removed" if by_error else "rank, from raising to lowering",
        up=f"median Δ {error} when removed" if by_error else "median Δ score when removed",
        about=" · ".join(
            filter(None, (_source(answers), session.model.name, answers.targets, baseline_words(answers)))
        ),
        title=f"Impact of each map over the set · {layer}",
        facts=_facts(answers, by_error),
        note=_note(session, answers, by_error),
        of="set",
        counts=tuple(np.bincount(roles, minlength=len(ROLE_WORDS)).tolist()) if len(roles) else (),
    )


def _medians(answers: SetAnswers) -> dict[str, Any]:
    """Medians, the ends of their intervals, and roles; what is not known is empty."""
    change, error = answers.median_delta_y, answers.median_delta_error
    found: dict[str, Any] = {"roles": np.zeros(0, np.int8)}
    for name, some in (("delta_y", change), ("delta_error", error)):
        known = some is not None and bool((some.n > 0).any())
        values = (some.median, some.low, some.high) if some is not None and known else (None,) * 3
        for end, one in zip(("", "_low", "_high"), values, strict=True):
            found[name + end] = EMPTY if one is None else one.numpy().astype(np.float32)
    if len(found["delta_error"]):
        roles = median_roles(answers)
        assert roles is not None
        found["roles"] = roles
    return found


def _about(session: Session, answers: SetAnswers) -> str:
    """What a figure that stands alone is about."""
    parts = (_source(answers), session.model.name, answers.targets, baseline_words(answers))
    return " · ".join(filter(None, parts))


def _source(answers: SetAnswers) -> str:
    return " and ".join(source or "the set" for source, _ in answers.source_of("impacts"))


def _facts(answers: SetAnswers, by_error: bool) -> str:
    """How many images, where from, of which score, and what a removed map was replaced by."""
    change, error = answers.median_delta_y, answers.median_delta_error
    assert change is not None
    count = int(change.n.max())
    there = answers.having["impacts"]
    so_far = "" if len(there.union(answers.failed)) >= answers.total else f" of {answers.total:,} so far"
    of = f", delta y of {answers.targets}" if answers.targets else ""
    sources = answers.source_of("impacts")
    whence = f"{', ' if len(sources) > 1 else ' '}{source_of_images(sources)}"
    said = f"Medians over {images_words(count)}{so_far}{whence}{of}, {baseline_words(answers)}."
    rated = int(error.n.max()) if by_error and error is not None else count
    return said if rated == count else f"{said} Δ error over the {rated:,} of them for which it is known."


def _note(session: Session, answers: SetAnswers, by_error: bool) -> str:
    """What the marks are, and what is missing."""
    change, error = answers.median_delta_y, answers.median_delta_error
    assert change is not None
    said = []
    if not by_error:
        what = "label" if session.model.has_classes else "rating"
        said.append(f"No {what} of these images is known, so the error cannot be told: Δ score by rank instead.")
    fewest = int(min(change.n.max(), error.n.max() if by_error and error is not None else change.n.max()))
    if fewest < FEWEST:
        said.append(f"A median has no interval of 95 % with fewer than {FEWEST} images.")
    else:
        whose = "" if len(change.n) <= CROSSED else ", of the maps that are selected or pointed at"
        said.append(f"Crosses: intervals of 95 % of the medians{whose}.")
    return " ".join(said)
