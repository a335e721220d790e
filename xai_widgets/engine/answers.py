"""What the engine answers with: plain data, no tensors, nothing of a view."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

Box = tuple[float, float, float, float]  # left, top, right, bottom, as shares of the photo


@dataclass(frozen=True, eq=False)
class Output:
    """The scores of one image, with the gains that were asked."""

    scores: np.ndarray  # (k,)
    probabilities: np.ndarray | None  # (k,), of a classifier
    target: int  # the explained output; 0 for a regressor
    value: float  # its score
    base: float  # its score with all gains 1
    base_probability: float | None = None
    rating: float | None = None
    query: Any = None

    @property
    def residual(self) -> float | None:
        """Score minus rating."""
        return None if self.rating is None else self.value - self.rating


@dataclass(frozen=True, eq=False)
class Saliency:
    """A map of one image, raw and signed, and all that a picture of it must say."""

    map: np.ndarray  # (h w) float32
    limit: float  # the value of the full colour; 0 for a map that is all zero
    box: Box
    title: str
    low: str  # what negative values mean
    high: str
    note: str = ""
    one_sided: bool = False  # negative values do not occur
    helpful: bool = False  # colours mean helpful and harmful, not raises and lowers
    query: Any = None


@dataclass(frozen=True, eq=False)
class Maps:
    """The feature maps of one image at their own size, each stretched to a byte."""

    thumbs: np.ndarray  # (c h w) uint8
    dead: np.ndarray  # (c,) bool
    layer: str
    kind: str  # maps, tokens or channels_last
    query: Any = None


@dataclass(frozen=True, eq=False)
class Impacts:
    """What the removal of each map changes; exact where `exact`, else a first-order estimate."""

    delta_y: np.ndarray  # (c,) float32
    exact: np.ndarray  # (c,) bool
    value: float  # the score with all maps, of a classifier the logit of P
    delta_error: np.ndarray | None = None  # (c,), where the rating, or a label that names a class, is known
    roles: np.ndarray | None = None  # (c,) int8, places in kernels.ablation.ROLES
    residual: float | None = None  # of a rated score
    error: str = ""  # what delta error is a change of: "error" of a score, "cross entropy" of a classifier
    error_value: float | None = None  # with all maps
    label: str = ""  # of a classifier, the class that is known to be right
    done: bool = False
    note: str = ""
    query: Any = None


@dataclass(frozen=True, eq=False)
class Measures:
    """Five saliency measures of one image; NaN where one does not apply."""

    values: dict[str, float]  # axis of the radar -> value in [0, 1], higher is better
    details: dict[str, dict[str, Any]] = field(default_factory=dict)  # what each is made of
    notes: dict[str, str] = field(default_factory=dict)  # what was tested
    done: bool = False
    query: Any = None
