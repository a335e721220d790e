"""What the removal of each map changes: the score against the error."""

from __future__ import annotations

import numpy as np

from xai_widgets.scenes._record import scene


@scene
class Plane:
    """Delta y against delta error, or delta y by rank where the error is not known.

    Attributes:
        delta_y: (c) float32.
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
