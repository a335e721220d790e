"""What each map does for P against Q: the change of P - Q without it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from xai_widgets.engine.answers import Margins
from xai_widgets.engine.asking import Request
from xai_widgets.engine.known import Asked
from xai_widgets.engine.parts.effects import note_of, streamed
from xai_widgets.engine.parts.record import Part
from xai_widgets.engine.subject import Subject, array
from xai_widgets.kernels.anytime import Effects, anytime_delta_y
from xai_widgets.kernels.home import home
from xai_widgets.kernels.scores import Difference, Score, own_scores


class Explained(NamedTuple):
    """What removals are read of: one of the scores, or P - Q."""

    score: Score
    target: int
    value: float  # with all maps
    against: int | None  # Q


def explained_by(subject: Subject) -> Explained:
    """The explained score, or P - Q where Q is another class: of their logits, as a contrast of classes.

    A constant Q, as a rating, leaves every change as it is.
    """
    outputs, p, q = subject.model.scores, subject.target, rival(subject)
    if q is None:
        return Explained(outputs, p, float(subject.scores[p]), None)
    lead = Difference(outputs.logits, p, q)
    (value,) = home(own_scores(subject.tail, lead))
    return Explained(lead, 0, float(value), q)


def rival(subject: Subject) -> int | None:
    """Q by number, where it is another class than P."""
    asked: Asked | None = subject.contrast if subject.model.has_classes else None
    return asked.index if asked is not None and asked.kind == "class" and asked.index != subject.target else None


def margins(request: Request) -> Margins:
    """The change of P - Q without each map: estimated at once, then exact in the order of the estimate.

    Raises:
        ValueError: Q is no class.
    """
    subject = request.subject
    score, target, value, q = explained_by(subject)
    note = note_of(subject)
    if q is None:
        asked = subject.contrast
        if asked is None or asked.kind != "class":
            raise ValueError("the effect on P minus Q needs a class as Q; set contrast to one.")
        count = subject.tail.maps.shape[1]  # Q is P, and their difference 0 whatever is removed
        return Margins(np.zeros(count, np.float32), np.ones(count, bool), 0.0, subject.target, True, note)

    def found(known: Effects) -> Margins:
        change, exact = home(known.delta_y, known.exact)
        return Margins(array(change), exact.numpy().copy(), value, q, known.done, note)

    return streamed(request, anytime_delta_y(subject.tail, score, target, baseline=subject.baseline), found)


PARTS = (
    Part("margins", "effect of each map on P minus Q", margins, ("target", "contrast", "baseline"), lane="impacts"),
)
