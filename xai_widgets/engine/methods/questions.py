"""What is asked, for kernels and in words: "why P?", or "why P, rather than Q?"."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from xai_widgets.engine.known import no_confidence
from xai_widgets.engine.subject import Subject
from xai_widgets.kernels.questions import Question, of_class_contrast, of_full_confidence, of_output, of_score_contrast

MERITS, PREVENTS = "merits a score above Q", "prevents Q"


class Words(NamedTuple):
    """A question, and what the values of its map mean."""

    question: str
    low: str
    high: str


def asked(subject: Subject) -> Question:
    """The question J that every method by the gradient answers."""
    contrast, p = subject.contrast, subject.target
    if contrast is None:
        return of_output(p)
    if contrast.kind == "score":
        return of_score_contrast(contrast.score, p)
    if not full_confidence(subject):
        return of_class_contrast(contrast.index, p)
    if not subject.model.exclusive:
        raise ValueError(f"Q must be another label than P, {subject.name_of(p)}: {no_confidence(subject.model)}")
    return of_full_confidence(p)


def full_confidence(subject: Subject) -> bool:
    """Is it asked why P has not all of the confidence? Of classes that exclude each other Q = P asks the same."""
    contrast = subject.contrast
    return contrast is not None and contrast.kind != "score" and contrast.index == subject.target


def why(subject: Subject) -> Words:
    """Why P?"""
    p = subject.words
    return Words(f"why {p}?", f"lowers {p}", f"raises {p}")


def why_not_class(subject: Subject, predicted: int, what: str = "CAM") -> Words:
    """Why P, rather than class Q? For Q = P: why not P with full confidence?

    Args:
        predicted: the class with the largest score as it was read, with the gains of the query.
        what: of which a difference is taken where P is not predicted.
    """
    contrast = subject.contrast
    p, name = subject.target, subject.name_of(subject.target)
    if contrast is None:
        return why(subject)
    if full_confidence(subject):
        question = f"why not {name} with 100 % confidence?"
        return Words(question, f"speaks for {name}", "speaks for the other classes")
    other = subject.name_of(contrast.index)
    question = f"why {name}, rather than {other}?"
    if p != predicted or not subject.model.exclusive:
        question += f" {what} of {name} minus {what} of {other}"
    return Words(question, f"speaks for {other}", f"speaks against {other}, for {name}")


def why_not_score(y: float, q: float, name: str = "the score") -> Words:
    """Why this score, rather than Q? For maps that are cut at 0.

    Args:
        name: of the score; said where there are several.
    """
    high = "prevents a higher score" if q > y else MERITS
    which = "" if name == "the score" else f"{name} "
    return Words(f"why {which}{y:.3g}, rather than {q:.3g}?", "", high)


def away_from_score(y: float, q: float, name: str = "the score") -> Words:
    """Why this score, rather than Q? For signed maps of the gradient of (y - Q)^2: positive leads away from Q."""
    question = why_not_score(y, q, name).question
    if q == y:
        return Words(question, f"takes {name} towards Q", f"takes {name} away from Q")
    away, back = ("lowers", "raises") if q > y else ("raises", "lowers")
    return Words(question, f"{back} {name}, towards Q", f"{away} {name}, away from Q")


def either(subject: Subject) -> str:
    """What a value without a sign means."""
    contrast, p = subject.contrast, subject.words
    if contrast is None:
        return f"raises or lowers {p}"
    if contrast.kind == "score":
        return f"takes {p} towards Q or away from it"
    other = "the other classes" if full_confidence(subject) else subject.name_of(contrast.index)
    return f"speaks for {p} or for {other}"


class Scale(NamedTuple):
    """One colour scale for every Q: how much each map of (y - Q)^2 grows with Q."""

    factor: float  # 2 (y - Q)
    largest: float  # of any Q in the range of the score, without a sign
    note: str

    def limit(self, picture: Tensor) -> float:
        """The value of the full colour of a map that grows with the factor."""
        peak = float(picture.abs().max())
        return peak * self.largest / abs(self.factor) if self.factor else peak


def one_scale(
    subject: Subject,
    y: float,
    q: float,
    more: str = "tiles differ from Q to Q",
    *,
    of_its_side: bool = False,
) -> Scale:
    """Of a contrast with a score, which is one picture for every Q on a side of y.

    Args:
        more: what differs from Q to Q, where something does.
        of_its_side: the two sides of y have pictures of their own, so that each has its own scale.
    """
    low, high = subject.score_range
    below, above = max(abs(y - low), abs(y - q)), max(abs(high - y), abs(y - q))
    largest = (below if q < y else above) if of_its_side else max(abs(y - low), abs(high - y))
    span = "on this side of the score" if of_its_side else f"from {low:.3g} to {high:.3g}"
    note = (
        f"Factor 2 |y − Q| = {2 * abs(y - q):.3g}, one colour scale for every Q {span}. "
        f"With one score, every Q on the same side of it gives the same picture up to this factor; {more}."
    )
    return Scale(2 * (y - q), 2 * largest, note)
