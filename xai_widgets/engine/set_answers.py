"""What is known of many images under one model and one layer: from a study, or made in an open explorer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch

from xai_widgets.engine.answers import Answer
from xai_widgets.kernels.measures import HEADLINE
from xai_widgets.kernels.medians import Medians as Medians
from xai_widgets.kernels.medians import medians

TOP = 9  # images of a map card
MEASURES = {  # what the columns of the measures hold: higher is better
    "entropy": "1 − entropy",
    "noise": f"noise: SSIM, salt and pepper {100 * HEADLINE:.0f} %",
    "resilience": "resilience",
    "focus": "focus",
    "stability": "stability",
}


@dataclass(frozen=True)
class Column:
    """One number or word an image, by which a gallery sorts and filters.

    Attributes:
        name: as in the tables of a study, such as "residual", "entropy" or "CC".
        words: its heading, with the unit.
        values: (n), float with NaN where there is none, or text with "".
        group: "scores", "measures" or "agreement".
    """

    name: str
    words: str
    values: np.ndarray
    group: str = "scores"


@dataclass(frozen=True, eq=False)
class SetAnswers(Answer):
    """n images, c feature maps of one layer. NaN where an image has no value; None where nothing is known.

    Attributes:
        model, run, layer: whose.
        images: n names, in the order of the rows of all arrays.
        source: where this comes from, in words: "the study faces" or "this explorer".
        total: how many images there are; below it, the rest is still being made or failed.
        columns: by name; the axes of the radar are columns of the group "measures".
        maximum, mean: (n c) float32, the largest activation of each map and its mean over places.
        row, column: (n c) int32, the place of the maximum, in a grid of `grid` rows and columns.
        delta_y, delta_error: (n c) float32, what the removal of a map does to the score and to the error.
        targets: of which score delta y is, in words: "the score", "moon", "the predicted class of each image".
        failed: why an image has no row, by name.
        baseline: what a removed map was replaced by, "zero" or "mean".
        measured: of which maps the measures are, in words: "Grad-CAM, cut at 0, fixed target"; empty where not known.
        set_name: of which set of images this is; empty where not known.
        sources: whence the "columns", "activations" and "impacts" are, each with its number of images, where that is
            not `source` for all.
    """

    model: str
    run: int
    layer: str
    images: tuple[str, ...]
    source: str = ""
    total: int = 0
    columns: Mapping[str, Column] = field(default_factory=dict)
    maximum: np.ndarray | None = None
    mean: np.ndarray | None = None
    row: np.ndarray | None = None
    column: np.ndarray | None = None
    grid: tuple[int, int] = (0, 0)
    delta_y: np.ndarray | None = None
    delta_error: np.ndarray | None = None
    targets: str = ""
    failed: Mapping[str, str] = field(default_factory=dict)
    baseline: str = "zero"
    measured: str = ""
    set_name: str = ""
    sources: Mapping[str, tuple[tuple[str, int], ...]] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, int, str]:
        """Model, run and layer."""
        return self.model, self.run, self.layer

    @property
    def done(self) -> bool:
        """Whether every image is there or has failed."""
        return len(self.images) + len(self.failed) >= self.total

    @cached_property
    def having(self) -> Mapping[str, frozenset[str]]:
        """The images that have "activations" and those that have "impacts"."""
        return {"activations": self._with(self.maximum), "impacts": self._with(self.delta_y)}

    def _with(self, values: np.ndarray | None) -> frozenset[str]:
        if values is None:
            return frozenset()
        known = ~np.isnan(values).all(1)
        return frozenset(name for name, there in zip(self.images, known, strict=True) if there)

    def source_of(self, group: str) -> tuple[tuple[str, int], ...]:
        """Whence the "columns", "activations" or "impacts" are, each source with its number of images."""
        if group in self.sources:
            return self.sources[group]
        return ((self.source, len(self.having.get(group, self.images))),)

    @cached_property
    def median_delta_y(self) -> Medians | None:
        """Of each map over the images, with its interval of 95 %."""
        return _medians(self.delta_y)

    @cached_property
    def median_delta_error(self) -> Medians | None:
        return _medians(self.delta_error)

    @cached_property
    def active(self) -> np.ndarray | None:
        """(c) the share of images on which a map is active: its maximum is above 0. NaN rows are left out."""
        if self.maximum is None or not len(self.maximum):
            return None
        known = ~np.isnan(self.maximum)
        with np.errstate(invalid="ignore"):
            return np.asarray((self.maximum > 0).sum(0) / known.sum(0), np.float32)

    def top_images(self, index: int, count: int = TOP, *, by: str = "maximum") -> tuple[str, ...]:
        """The images on which a map has its largest activation, the largest first, ties in the order of the images.

        Args:
            index: of the map.
            by: "maximum", or "mean" over places.

        Raises:
            ValueError: activations are not known, or there is no such map.
        """
        values = self.maximum if by == "maximum" else self.mean
        if values is None:
            raise ValueError("the activations of this set are not known yet.")
        if not 0 <= index < values.shape[1]:
            raise ValueError(f"there is no map {index}: maps are 0 to {values.shape[1] - 1}.")
        one = values[:, index]
        order = np.argsort(-one, kind="stable")  # NaN comes last
        return tuple(self.images[place] for place in order[:count] if one[place] > 0)


def _medians(values: np.ndarray | None) -> Medians | None:
    if values is None or not len(values):
        return None
    return medians(torch.tensor(values, dtype=torch.float32, device="cpu"))
