"""The contrast picker as a scene."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from xai_widgets.engine import Contrast, Query, label_of
from xai_widgets.engine.query import BASELINES
from xai_widgets.models.meaning import words_of
from xai_widgets.scenes import Choice, Picker
from xai_widgets.session.describe.stage import choices
from xai_widgets.session.describe.unheard import unheard
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
OF_FEWEST = (
    NO_Q,
    *(
        (where, "The few feature maps, found greedily, without which the score reaches Q.")
        for where in ("above", "below")
    ),
    ("same", "Q is the score itself: no feature map has to go."),
)
SAYS = {"grad_cam": OF_GRAD_CAM, "smallest_change": OF_FEWEST}
PLAIN = ("grad_cam", "plain", "plain")
FEWEST = ("smallest_change", "plain", "smallest change")
OF_SCORES = (
    (*PLAIN, "Grad-CAM: one picture for the whole photo"),
    ("grad_cam", "tiles", "tiles", "Grad-CAM part by part, each with its own score"),
    (*FEWEST, "The few feature maps without which the score reaches Q"),
)
OF_CLASSES = ((*PLAIN, "Grad-CAM of the contrast"), (*FEWEST, "The few feature maps without which Q is ahead of P"))
PAIRS = 6
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
        says=SAYS.get(query.method, OF_OTHERS),
        recent=session.recent()[0],
        pairs=pairs(session),
        ways=OF_CLASSES if classifier else OF_SCORES,
        way=way(query, OF_CLASSES if classifier else OF_SCORES),
        choices=options(query),
        scored=len(session.predictions) + len(session.failures) >= len(session.images),
    )


def pairs(session: Session) -> tuple[tuple[int, int, str], ...]:
    """(P, Q, words) that are worth asking: the two likeliest, the known label, and those that were asked."""
    model, output = session.model, session.output
    if not model.has_classes or output is None or output.probabilities is None:
        return ()
    found = {}
    if model.exclusive and model.outputs > 1:
        first, second = np.argsort(-output.probabilities, kind="stable")[:2].tolist()
        found[first, second] = "the two likeliest"
        label = label_of(model, session.images, session.query.image)
        if label is not None and label != first:
            found[first, label] = "predicted, label"
    for pair in session.recent()[1]:
        found.setdefault(pair, "asked before")
    return tuple((p, q, words) for (p, q), words in found.items())[:PAIRS]


def way(query: Query, ways: tuple[tuple[str, str, str, str], ...]) -> int:
    """Which of the ways to ask about Q is asked; -1 where another method is shown."""
    tiles = query.contrast is not None and query.contrast.kind == "score" and query.contrast.form == "tiles"
    asked = (query.method, "tiles" if tiles and query.method == "grad_cam" else "plain")
    return next((place for place, (method, form, *_) in enumerate(ways) if (method, form) == asked), -1)


def options(query: Query) -> tuple[Choice, ...]:
    """What can be chosen about the way that is asked."""
    if query.contrast is None:
        return ()
    if query.method == "grad_cam":
        return choices(query) if query.contrast.form == "tiles" else ()
    if query.method != "smallest_change":
        return ()
    hint = "What a feature map that is taken away becomes: 0, or its mean over images of the set."
    return (
        *choices(query),
        Choice(name="baseline", words="removed maps become", value=query.baseline, choices=BASELINES, hint=hint),
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
