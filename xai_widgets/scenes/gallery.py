"""The images, with what is known about each."""

from __future__ import annotations

import numpy as np

from xai_widgets.scenes._record import scene


@scene
class Gallery:
    """All images of a set.

    Attributes:
        names: of all; elsewhere an image is its place in this list.
        labels: known classes, empty where there is none.
        notes: what else the table says, in words.
        thumbs: the first images with a picture each, PNG or JPEG, for a contact sheet; a view sends its own by itself.
        ratings: (n) float32, NaN where there is none.
        scores: (n) float32, NaN where there is none yet.
        predicted: (n) int32 places in `classes`, -1 where there is none; empty of a regressor.
        classes: those that were predicted so far.
        task: "regression" or "classification".
        comparable: whether labels name classes of the model.
        limits: of scores and ratings.
        current: the image that is explained, or -1.
        pinned: images that are kept in sight.
        marked: images that the reader has chosen together.
        problems: a sentence each; the first ones.
        problem_count: of all.
        failed: images on which the network failed.
    """

    names: tuple[str, ...]
    labels: tuple[str, ...]
    notes: tuple[str, ...]
    thumbs: tuple[tuple[int, bytes], ...] = ()
    ratings: np.ndarray
    scores: np.ndarray
    predicted: np.ndarray
    classes: tuple[str, ...]
    task: str
    comparable: bool
    limits: tuple[float, float]
    current: int
    pinned: tuple[int, ...]
    problems: tuple[str, ...]
    problem_count: int
    failed: tuple[int, ...] = ()
    marked: tuple[int, ...] = ()
