"""What the removal of each map changes: the score against the error, of one image or of a set."""

from __future__ import annotations

from dataclasses import field

import numpy as np

from xai_widgets.scenes._record import scene
from xai_widgets.scenes.gallery import EMPTY

CROSSED = 64  # maps, all of whose intervals are drawn; of more, those of the maps that are pointed at


@scene
class Plane:
    """Delta y against delta error, or delta y by rank where the error is not known.

    Attributes:
        delta_y: (c) float32, of the score, or of P - Q; of a set the median over images, NaN where none has a value.
        delta_error: (c) float32; empty where neither a rating nor a label is known.
        error: its name: "error", or "cross entropy".
        roles: (c) int8: 0 neutral, 1 and 2 helpful, 3 and 4 harmful; odd ones raise the score.
        role_words: the five roles in words, by number.
        exact: (c) bool, whether the removal was computed, or is estimated.
        selected: numbers of the maps that the reader points at.
        across: the words of the horizontal axis.
        up: the words of the vertical axis.
        title: the layer.
        about: image, model, layer and P, for a figure that stands alone.
        facts: score, rating and residual, or the cross entropy with the label.
        note: what was removed, and what follows from the residual.
        of: "image", "set" or "selected", the images that the reader has chosen together.
        no_set: why the set cannot be shown; empty where it can.
        no_selected: why the selected images cannot be shown; empty where they can.
        counts: how many maps have each role, by its number.
        names: (number, name) of each map that the reader has named.
        muted: numbers of the maps whose gain is 0.
        effects: what delta y can be of, in words: P, and P - Q; empty where Q is no other class.
        ways: of P - Q: what a map does without which it falls, and without which it rises, as ("for cup", "for crew");
            empty where delta y is of P, and maps raise or lower the score.
        change: the name of delta y.
        no_difference: why it cannot be of P - Q; empty where it can.
        offers: what can be computed: "set" or "selected", and the words of a button.
        activation: (c) float32, how active each map is: its largest value on the image, or over the images the median
            of these; None where that is not known.
        delta_y_low: (c) float32, lower ends of intervals of 95 % of medians, NaN where there is none; of several
            images only.
        delta_y_high: the upper end.
        delta_error_low: the same of delta error.
        delta_error_high: the upper end.
    """

    delta_y: np.ndarray
    delta_error: np.ndarray
    error: str
    roles: np.ndarray
    role_words: tuple[str, ...]
    exact: np.ndarray
    selected: tuple[int, ...]
    across: str
    up: str
    title: str
    facts: str
    note: str
    about: str = ""
    of: str = "image"
    no_set: str = ""
    no_selected: str = ""
    names: tuple[tuple[int, str], ...] = ()
    muted: tuple[int, ...] = ()
    offers: tuple[tuple[str, str], ...] = ()
    activation: np.ndarray | None = None
    counts: tuple[int, ...] = ()
    effects: tuple[str, ...] = ()
    ways: tuple[str, ...] = ()
    change: str = "Δ score"
    no_difference: str = ""
    delta_y_low: np.ndarray = field(default_factory=lambda: EMPTY)
    delta_y_high: np.ndarray = field(default_factory=lambda: EMPTY)
    delta_error_low: np.ndarray = field(default_factory=lambda: EMPTY)
    delta_error_high: np.ndarray = field(default_factory=lambda: EMPTY)
