"""P, and Q: "why P, rather than Q?"."""

from __future__ import annotations

import numpy as np

from xai_widgets.scenes._record import scene
from xai_widgets.scenes.stage import Choice


@scene
class Picker:
    """Classes with their probabilities, or the axis of the score.

    Attributes:
        task: "classification" where there are classes or labels, "regression" where there are scores.
        subject: image and model; a new one sorts the classes again.
        question: what is asked, in words.
        names: of all classes, or of several scores.
        probabilities: (k) float32; empty before they are known, and for a score.
        target: the number of P, a class or one of several scores, or -1.
        chosen: whether P was chosen, and is not the predicted class.
        kind: of Q: "", "class", "score" or "confidence".
        value: the number of class Q, or the score.
        form: of a score: "plain" or "tiles".
        word: "rating" where Q is the rating, whatever it is.
        axis: lowest and highest score.
        score: the score, or None before it is known.
        rating: the rating, or None.
        rating_sd: its standard deviation between raters, or None.
        raters: how many gave it, or None.
        quick: names and values of scores that are worth asking about.
        unheard: why the map that is shown does not ask about Q; empty where it does.
        exclusive: whether one class excludes the others, so that it can be asked why P has not all of the confidence.
        read_as: how the outputs are read, where this was found by looking; else empty.
        readings: (model, words) of what they could be read as instead.
        recent: classes that were chosen last as P or Q, by number.
        pairs: (P, Q, words) that were asked before, or are worth asking.
        ways: (method, form, words, title) of what can be asked about Q.
        way: the number of the one that is asked; -1 where another method is shown.
        choices: the options of the method that is asked.
        scored: whether the images of the set are scored, so that the picture of each class is the right one.
        says: what the map shows, by where Q is: "none", "above" the score, "below", the "same", or by "tiles".
    """

    task: str
    subject: str
    question: str
    names: tuple[str, ...]
    probabilities: np.ndarray
    target: int
    chosen: bool
    kind: str
    value: float
    form: str
    word: str
    axis: tuple[float, float]
    score: float | None
    rating: float | None
    quick: tuple[tuple[str, float], ...]
    rating_sd: float | None = None
    raters: int | None = None
    unheard: str = ""
    says: tuple[tuple[str, str], ...] = ()
    exclusive: bool = True
    read_as: str = ""
    readings: tuple[tuple[str, str], ...] = ()
    recent: tuple[int, ...] = ()
    pairs: tuple[tuple[int, int, str], ...] = ()
    ways: tuple[tuple[str, str, str, str], ...] = ()
    way: int = -1
    choices: tuple[Choice, ...] = ()
    scored: bool = False
