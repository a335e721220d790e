"""The impact plane of a set: medians over images with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from xai_widgets.engine.over_images import median_roles
from xai_widgets.engine.set_answers import SetAnswers
from xai_widgets.scenes import CROSSED, Plane
from xai_widgets.scenes.gallery import EMPTY
from xai_widgets.session.describe.bank import baseline_words, images_words, source_of_images
from xai_widgets.session.describe.effects import effects
from xai_widgets.session.describe.roles import ROLE_WORDS
from xai_widgets.session.facts import where

if TYPE_CHECKING:
    from xai_widgets.session.session import Session

NO_IMPACTS = "needs impacts of the set: open a study, or compute them here"
PLANE = ("maximum", "delta_y", "delta_error")  # what the plane is made of, a row an image
FEWEST_ON_A_LINE = 3  # maps
WHY = {  # of ratings
    1: " On most of these images the score is too high, and no map outweighs that.",
    -1: " On most of these images the score is too low, and no map outweighs that.",
}
FEWEST = 6  # images with which a median has an interval of 95 %


def no_set(session: Session) -> str:
    """Why the plane cannot show the set; empty where it can."""
    answers = session.of_set
    known = answers is not None and answers.median_delta_y is not None and bool((answers.median_delta_y.n > 0).any())
    return "" if known else _of_other_baseline(session) or NO_IMPACTS


def no_selected(session: Session) -> str:
    """Why the plane cannot show the selected images; empty where it can."""
    count, answers = len(session.selected_images), session.of_set
    if count < 2:
        return "needs two selected images or more: select them in the gallery"
    there = frozenset() if answers is None else answers.having["impacts"]
    if there.isdisjoint(session.selected_images):
        return _of_other_baseline(session) or f"needs impacts of the {count:,} selected images"
    return ""


def _of_selected(answers: SetAnswers, names: Sequence[str]) -> SetAnswers:
    """What is known of these images alone."""
    wanted = set(names)
    rows = np.array([name in wanted for name in answers.images], bool)
    known = ((name, getattr(answers, name)) for name in PLANE)
    some: dict[str, Any] = {name: values[rows] for name, values in known if values is not None}
    columns = {name: replace(one, values=one.values[rows]) for name, one in answers.columns.items() if name == "score"}
    images = tuple(name for name in answers.images if name in wanted)
    return replace(answers, images=images, total=len(wanted), columns=columns, row=None, column=None, mean=None,
                   failed={name: why for name, why in answers.failed.items() if name in wanted}, **some)  # fmt: skip


def _of_other_baseline(session: Session) -> str:
    """What a study knows with another baseline than the one that is asked."""
    brought, asked = session.brought, session.query.baseline
    if brought is None or brought.delta_y is None or brought.baseline == asked:
        return ""
    has = f"{brought.source or 'the study'} has them with the {brought.baseline} baseline"
    return f"needs impacts of the set with the {asked} baseline ({has}): compute them here"


def of_the_set(session: Session, of: str = "set") -> Plane:
    """Each map by the median change of score and error over the set, or over the selected images."""
    answers = session.of_set
    assert answers is not None
    if of == "selected":
        answers = _of_selected(answers, session.selected_images)
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
        title=f"Impact of each map over the {'selected images' if of == 'selected' else 'set'} · {layer}",
        facts=_facts(answers, by_error, of),
        note=" ".join(filter(None, (_line(found, error), _note(session, answers, by_error)))),
        of=of,
        no_set=no_set(session),
        no_selected=no_selected(session),
        effects=effects(session)["effects"],
        no_difference="is known of single images only",
        counts=counts_of(roles),
        activation=_activation(answers),
        **beside(session),
    )


def _line(found: dict[str, Any], error: str) -> str:
    return on_a_line(found["delta_y"], found["delta_error"], why=error == "error")


def beside(session: Session) -> dict[str, Any]:
    """What the plane shows beside the points: names, what is muted, and what can be computed."""
    return {
        "names": session._names_here().names,
        "muted": tuple(index for index, gain in session.query.gains if gain == 0),
        "offers": _offers(session),
    }


def _offers(session: Session) -> tuple[tuple[str, str], ...]:
    """What is not known and can be computed on a click, and its words."""
    known, selected = session.of_set, session.selected_images
    if session.knows_set("impacts") in ("all", "coming"):
        return ()
    there = frozenset() if known is None else known.having["impacts"]
    left = [name for name in selected if name not in there]
    some = (("selected", f"Compute the {len(left):,} selected"),) if left and len(selected) > 1 else ()
    return (*some, ("set", f"Compute the set ({images_words(len(session.images))})"))


def counts_of(roles: np.ndarray) -> tuple[int, ...]:
    """How many maps have each role, by its number; nothing where roles are not known."""
    return tuple(np.bincount(roles, minlength=len(ROLE_WORDS)).tolist()) if len(roles) else ()


def on_a_line(change: np.ndarray, error: np.ndarray, *, why: bool = False) -> str:
    """That the plane is a line, where it is; empty where it is not.

    Args:
        why: whether to say of medians over images with ratings why that is so.
    """
    largest = float(np.nanmax(np.abs(change), initial=0.0))
    if len(error) != len(change) or len(change) < FEWEST_ON_A_LINE or not largest:
        return ""
    for sign, words in ((1, "Δ error = Δ score"), (-1, "Δ error = −Δ score")):
        if np.allclose(error, sign * change, rtol=0, atol=1e-5 * largest, equal_nan=True):
            return f"All maps lie on one line, {words}.{WHY[sign] if why else ''}"
    return ""


def _activation(answers: SetAnswers) -> np.ndarray | None:
    """The median over images of the largest value of each map."""
    if answers.maximum is None or not (~np.isnan(answers.maximum)).any(0).all():
        return None
    return np.nanmedian(answers.maximum, 0).astype(np.float32)


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


def _source(answers: SetAnswers) -> str:
    return " and ".join(source or "the set" for source, _ in answers.source_of("impacts"))


def _facts(answers: SetAnswers, by_error: bool, of: str) -> str:
    """How many images, where from, of which score, and what a removed map was replaced by."""
    change, error = answers.median_delta_y, answers.median_delta_error
    assert change is not None
    count = int(change.n.max())
    there = answers.having["impacts"]
    so_far = "" if len(there.union(answers.failed)) >= answers.total else f" of {answers.total:,} so far"
    target = f", delta y of {answers.targets}" if answers.targets else ""
    sources = answers.source_of("impacts")
    whence = f"{', ' if len(sources) > 1 else ' '}{source_of_images(sources)}"
    if of == "selected" and len(sources) > 1:
        whence = ""  # the counts are those of the whole set
    which = f"{count:,} selected image{'s' * (count != 1)}" if of == "selected" else images_words(count)
    said = f"Medians over {which}{so_far}{whence}{target}, {baseline_words(answers)}."
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
