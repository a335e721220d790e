"""What is known of many images, summed up: means with their intervals, and the role of each map by its medians."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import torch

from xai_widgets.engine.set_answers import SetAnswers
from xai_widgets.kernels.ablation import roles
from xai_widgets.kernels.measures.intervals import Interval, interval_of_mean

SEED = 0  # the same images have the same interval


@dataclass(frozen=True)
class Averages:
    """Means of columns over images.

    Attributes:
        intervals: mean, interval of 95 %, standard deviation and number of images, by the name of a column.
        images: how many images have a value in any of the columns.
        asked: how many images were asked for.
    """

    intervals: dict[str, Interval]
    images: int
    asked: int


def averages(answers: SetAnswers, columns: Collection[str], images: Collection[str] | None = None) -> Averages:
    """The means of columns of numbers, with bootstrap intervals over images; seeded.

    Args:
        answers: of the set.
        columns: by name; one that is not there is left out.
        images: over which, by name; over all if left out. Those that have no row are left out.
    """
    chosen = None if images is None else set(images)
    rows = np.array([chosen is None or name in chosen for name in answers.images], bool)
    found: dict[str, Interval] = {}
    known = np.zeros(int(rows.sum()), bool)
    for name in columns:
        if name in answers.columns:
            values = np.asarray(answers.columns[name].values, np.float64)[rows]
            known |= ~np.isnan(values)
            found[name] = interval_of_mean(torch.tensor(values, device="cpu"), generator=SEED)
    return Averages(found, int(known.sum()), len(answers.images) if chosen is None else len(chosen))


def median_roles(answers: SetAnswers) -> np.ndarray | None:
    """(c) int8, places in `ROLES`, by the medians of delta y and delta error; None where one of them is not known.

    Neutral where a median is no more than rounding, measured at the usual size of the score where that is a column, and
    where a map has no median.
    """
    change, error = answers.median_delta_y, answers.median_delta_error
    if change is None or error is None:
        return None
    known = ~(change.median.isnan() | error.median.isnan())
    score = torch.tensor([_usual_score(answers)], dtype=change.median.dtype, device="cpu")
    found = roles(change.median.nan_to_num()[None], error.median.nan_to_num()[None], score)[0]
    return np.asarray(torch.where(known, found, 0).numpy(), np.int8)


def _usual_score(answers: SetAnswers) -> float:
    """The median size of the score; 1, which changes no tolerance, where it is not known."""
    column = answers.columns.get("score")
    if column is None or not np.issubdtype(column.values.dtype, np.number):
        return 1.0
    sizes = np.abs(column.values[np.isfinite(column.values)])
    return float(np.median(sizes)) if len(sizes) else 1.0
