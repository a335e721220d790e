"""The contrast picker as a scene."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from xai_widgets.engine import METHODS, Contrast, Query
from xai_widgets.models.meaning import words_of
from xai_widgets.scenes import Picker
from xai_widgets.session.describe.words import short

if TYPE_CHECKING:
    from xai_widgets.session.session import Session

NONE = np.zeros(0, np.float32)
NONE.flags.writeable = False
NO_Q = ("none", "Choose a score Q: drag the marker, pick one, or type it.")
OF_GRAD_CAM = (
    NO_Q,
    ("above", "Q is above the score: the map shows what prevents a higher score."),
    ("below", "Q is below the score: the map shows what merits a score above Q."),
    ("same", "Q is the score itself: nothing is left to explain, the map is empty."),
    ("tiles", "Parts that score above Q show what merits it, parts below Q what prevents it: two colours."),
)
OF_OTHERS = (
    NO_Q,
    ("above", "The map is about the distance of the score to Q, which is above it."),
    ("below", "The map is about the distance of the score to Q, which is below it."),
    ("same", "Q is the score itself: there is no distance to explain."),
    ("tiles", "Only Grad-CAM asks tile by tile: this map is about the whole photo's distance to Q."),
)


def picker(session: Session) -> Picker:
    """What the contrast picker shows: P and Q, and what there is to choose from."""
    query, model, output = session.query, session.model, session.output
    classifier = model.has_classes
    known = output is not None and output.probabilities is not None
    asked, contrast, rating = query.contrast, session.contrast(), session.known_rating()
    return Picker(
        task="classification" if classifier else "regression",
        subject=" ".join((query.image, query.model)),
        question=question(session),
        names=() if model.one_score else model.names,
        probabilities=output.probabilities if output is not None and known else NONE,  # type: ignore[arg-type]
        target=-1 if output is None or model.one_score else output.target,
        chosen=query.target is not None,
        **chosen(asked, contrast),
        axis=(0.0, 1.0) if classifier else session.score_range(),
        score=None if classifier or output is None else float(output.value),
        rating=rating.value,
        rating_sd=rating.sd,
        raters=rating.raters,
        quick=() if classifier else tuple(session.quick_scores()),
        unheard=unheard(query),
        exclusive=model.exclusive,
        read_as=read_as(session),
        readings=tuple(session.readings()),
        says=OF_GRAD_CAM if query.method == "grad_cam" else OF_OTHERS,
    )


def chosen(asked: Contrast | None, contrast: Contrast | None) -> dict[str, Any]:
    """Q, by number; `word` where it is asked for by a word."""
    if asked is None or contrast is None:
        return {"kind": "", "value": 0.0, "form": "", "word": ""}
    value = contrast.value if contrast.kind == "score" else int(contrast.value)
    return {
        "kind": contrast.kind,
        "value": value,
        "form": contrast.form,
        "word": "rating" if asked.asks_rating else "",
    }


def read_as(session: Session) -> str:
    """How the outputs are read, where that was found by looking."""
    model = session.model
    return words_of(model.task, model.outputs) if session.readings() else ""


def unheard(query: Query) -> str:
    """Why the map that is shown does not ask about Q; empty where it does, or where there is no Q."""
    method = METHODS[query.method]
    if query.contrast is None or method.takes_contrast:
        return ""
    return f"The map that is shown ({method.words}) does not ask about Q."


def question(session: Session) -> str:
    """What is asked, in words."""
    query, model, output = session.query, session.model, session.output
    if not model.has_classes:
        y = "this score" if output is None else short(output.value)
        if output is not None and not model.one_score:
            y = f"{model.name_of(output.target)} {y}"
        contrast = session.contrast()
        other = f", rather than {short(float(contrast.value))}" if contrast is not None else ""
        return f"Why {y}{other}?"
    p = "P" if output is None else model.name_of(output.target)
    if query.contrast is None:
        return f"Why {p}?"
    q = query.contrast
    if q.kind == "confidence" or (model.exclusive and output is not None and q.value in (p, output.target)):
        return f"Why not {p} with 100 % confidence?"
    name = q.value if isinstance(q.value, str) else model.name_of(int(q.value))
    return f"Why {p}, rather than {name}?"
