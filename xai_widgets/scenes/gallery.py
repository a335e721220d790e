"""The images, with what is known about each."""

from __future__ import annotations

from dataclasses import field

import numpy as np

from xai_widgets.scenes._record import scene

EMPTY, NO_COUNTS, ALL_KEPT = np.zeros(0, np.float32), np.zeros(0, np.int32), np.zeros(0, bool)
for _array in (EMPTY, NO_COUNTS, ALL_KEPT):
    _array.flags.writeable = False


@scene
class ColumnItem:
    """A column by which images are sorted and filtered.

    Attributes:
        name: by which it is asked for.
        words: its heading.
        group: "scores", "measures", "agreement" or "table".
        low: the least number; NaN of a column of words.
        high: the largest number; NaN of a column of words.
        values: of a column of words, those that are there, the most frequent first; "" stands for none.
        counts: how many images have each of them.
        more: how many rarer values there are.
    """

    name: str
    words: str
    group: str
    low: float = float("nan")
    high: float = float("nan")
    values: tuple[str, ...] = ()
    counts: tuple[int, ...] = ()
    more: int = 0


@scene
class Chip:
    """A filter that holds.

    Attributes:
        column: its name.
        words: what is shown, such as "entropy 0.2 to 0.5" or "entropy: lowest quarter".
        known: whether the column is there; else the filter does nothing.
        low: the least number, where one was asked for.
        high: the largest.
        values: the words that are shown.
    """

    column: str
    words: str
    known: bool = True
    low: float | None = None
    high: float | None = None
    values: tuple[str, ...] = ()


@scene
class SliceItem:
    """A named part of the set.

    Attributes:
        name: as the reader calls it.
        count: how many images it has now.
        shown: whether it is what the filters show.
    """

    name: str
    count: int
    shown: bool = False


@scene
class Gallery:
    """All images of a set.

    Attributes:
        names: of all; elsewhere an image is its place in this list.
        labels: known classes, empty where there is none.
        notes: what else the table says, in words.
        thumbs: the first images with a picture each, PNG or JPEG, for a contact sheet; a view sends its own by itself.
        ratings: (n) float32, NaN where there is none.
        spreads: (n) float32, the standard deviation of each rating between raters, NaN where it is not known.
        raters: (n) int32, how many gave each rating, 0 where that is not known.
        splits: the part of the data that each image belongs to, such as "train" or "test"; empty where it is not known.
        scores: (n) float32, NaN where there is none yet.
        predicted: (n) int32 places in `classes`, -1 where there is none; empty of a regressor.
        classes: those that were predicted so far.
        task: "classification" where there are classes or labels, "regression" where there are scores.
        score_name: which of several scores is shown; empty of one score, and of classes.
        comparable: whether labels name classes of the model.
        agreed: (n) int32, how many of an image's labels are right, where several may hold; -1 where that is not known;
            empty where one class holds.
        of_labels: of how many.
        performance: how well the model does on all images, in one line; empty until all have scores.
        some: likewise of the selected images, or of those that the filters let through, so far; empty where it is all.
        limits: of scores and ratings.
        current: the image that is explained, or -1.
        pinned: images that are kept in sight.
        marked: images that the reader has chosen together.
        slices: what the images of a sample are called, of which the first is shown; empty where a sample is one image.
        problems: a sentence for each kind, which counts those of one kind; the first ones.
        problem_lists: of each of these kinds, the sentence of each image, row or file; the first ones, and none where
            there is one alone.
        problem_count: of all images, rows and kinds of files.
        references: images whose undistorted photo is known.
        failed: images on which the network failed.
        columns: by which images are sorted and filtered.
        chips: the filters that hold.
        kept: (n) bool, which images the filters let through; empty where there is no filter.
        named: the slices that the reader has named.
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
    slices: tuple[str, ...] = ()
    score_name: str = ""
    spreads: np.ndarray = field(default_factory=lambda: EMPTY)
    raters: np.ndarray = field(default_factory=lambda: NO_COUNTS)
    splits: tuple[str, ...] = ()
    references: tuple[int, ...] = ()
    agreed: np.ndarray = field(default_factory=lambda: NO_COUNTS)
    of_labels: int = 0
    performance: str = ""
    some: str = ""
    problem_lists: tuple[tuple[str, ...], ...] = ()
    columns: tuple[ColumnItem, ...] = ()
    chips: tuple[Chip, ...] = ()
    kept: np.ndarray = field(default_factory=lambda: ALL_KEPT)
    named: tuple[SliceItem, ...] = ()
