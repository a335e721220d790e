"""What the engine answers with: plain data that nobody changes, no tensors, nothing of a view."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from xai_widgets.kernels.measures.rows import Row

Box = tuple[float, float, float, float]  # left, top, right, bottom, as shares of the photo


class Answer:
    """What all answers have in common: their arrays cannot be written to, since an answer is remembered and shared."""

    def __post_init__(self) -> None:
        for value in vars(self).values():
            if isinstance(value, np.ndarray):
                value.flags.writeable = False


@dataclass(frozen=True, eq=False)
class Output(Answer):
    """The scores of one image, with the gains that were asked."""

    scores: np.ndarray  # (k,)
    probabilities: np.ndarray | None  # (k,), of classes
    target: int  # the explained class or score
    value: float  # its score
    base: float  # its score with all gains 1
    base_probability: float | None = None
    rating: float | None = None
    weights: str = ""  # digest of those that gave it
    query: Any = None

    @property
    def residual(self) -> float | None:
        """Score minus rating."""
        return None if self.rating is None else self.value - self.rating


@dataclass(frozen=True, eq=False)
class Saliency(Answer):
    """A map of one image, raw and signed, and all that a picture of it must say."""

    map: np.ndarray  # (h w) float32
    limit: float  # the value of the full colour; 0 for a map that is all zero
    box: Box
    title: str
    low: str  # what negative values mean
    high: str
    note: str = ""
    one_sided: bool = False  # negative values do not occur
    unit: str = ""  # of the values, in words
    palette: str = ""  # colours of its own, where those that the reader chose would mean something else
    content: str = ""  # of the image that it is a map of, as a digest
    degenerate: str = ""  # "zero", "constant", "rounding" or "not finite", where the map shows nothing
    strength: np.ndarray | None = None  # (h w) float32 in [0, 1], of a map with two dimensions: how saturated it is
    strength_words: str = ""  # what a saturated colour means, of a map with two dimensions
    listed: tuple[int, ...] | None = None  # feature maps that it is made of, where these are few
    done: bool = True  # whether nothing in it is estimated
    query: Any = None

    @property
    def weight(self) -> np.ndarray:
        """How much of it is where, (h w) and signed: the map, times its saturation where it has two dimensions."""
        return self.map if self.strength is None else self.map * self.strength


@dataclass(frozen=True, eq=False)
class Explanation(Answer):
    """A map and the scores that go with it, from the same pass."""

    output: Output
    saliency: Saliency
    done: bool = True  # whether nothing in it is estimated
    query: Any = None


@dataclass(frozen=True, eq=False)
class Maps(Answer):
    """The feature maps of one image at their own size, each stretched to a byte."""

    thumbs: np.ndarray  # (c h w) uint8
    dead: np.ndarray  # (c,) bool
    layer: str
    kind: str  # maps, tokens or channels_last
    maximum: np.ndarray | None = None  # (c,) float32, the largest value of each map
    query: Any = None


@dataclass(frozen=True, eq=False)
class Impacts(Answer):
    """What the removal of each map changes; exact where `exact`, else a first-order estimate."""

    delta_y: np.ndarray  # (c,) float32
    exact: np.ndarray  # (c,) bool
    value: float  # the score with all maps, of a classifier the logit of P
    delta_error: np.ndarray | None = None  # (c,), where the rating, or a label that names a class, is known
    roles: np.ndarray | None = None  # (c,) int8, places in kernels.ablation.ROLES
    moves: np.ndarray | None = None  # (c,) bool, whether the error changes by more than rounding
    residual: float | None = None  # of a rated score
    error: str = ""  # what delta error is a change of: "error", "cross entropy", "(mean) binary cross entropy"
    error_value: float | None = None  # with all maps
    label: str = ""  # of a classifier, the class that is known to be right, or several labels in words
    done: bool = False
    note: str = ""
    query: Any = None


@dataclass(frozen=True, eq=False)
class Measures(Answer):
    """Five saliency measures of one image; NaN where one does not apply."""

    values: dict[str, float]  # axis of the radar -> value in [0, 1], higher is better
    details: dict[str, dict[str, Any]] = field(default_factory=dict)  # what each is made of
    notes: dict[str, str] = field(default_factory=dict)  # what was tested
    done: bool = False
    one_sided: bool = False  # negative values do not occur in the measured map
    rows: tuple[Row, ...] = ()  # every value, and what it is of, as a table keeps them
    target: int | None = None  # the explained class or score; None where nothing was measured
    removal_scores: np.ndarray | None = None  # (3 k), of the image as it is, without salient, and without other regions
    query: Any = None


@dataclass(frozen=True, eq=False)
class Secondary(Answer):
    """Harmful maps, by how much they harm: a layer that is laid over any display."""

    map: np.ndarray  # (h w) float32, at least 0
    limit: float
    outline: np.ndarray  # (h w) bool, its top 10 %
    box: Box
    note: str = ""
    done: bool = True
    query: Any = None


@dataclass(frozen=True, eq=False)
class Joint(Answer):
    """What all muted maps change together, all others at gain 1, beside the sum of what each changes alone."""

    muted: tuple[int, ...]
    delta_y: float  # of the joint removal, computed
    delta_y_sum: float  # of single removals, exact; NaN while these are not known
    delta_error: float = float("nan")  # growth of the error; NaN where the error is not known
    note: str = ""
    done: bool = True
    query: Any = None


class OfRemovals(Answer):
    """What the removal of each map alone changes of a score."""

    @property
    def changes(self) -> np.ndarray:
        """(c,), of the score without each map; NaN where it is not known."""
        raise NotImplementedError

    def carriers(self, share: float = 0.5) -> tuple[int, ...]:
        """The fewest maps that make a share of all that single maps do for the score, the strongest first.

        Args:
            share: above 0, at most 1.

        Raises:
            ValueError: another share.
        """
        if not 0 < share <= 1:
            raise ValueError(f"share must be above 0 and at most 1, got {share}.")
        favours = np.maximum(-np.nan_to_num(self.changes.astype(np.float64)), 0)
        order = favours.argsort(kind="stable")[::-1]
        order = order[favours[order] > 0]
        reached = np.cumsum(favours[order])
        if not len(order):
            return ()
        count = int(np.searchsorted(reached, share * reached[-1] * (1 - 1e-12))) + 1
        return tuple(int(index) for index in order[:count])


@dataclass(frozen=True, eq=False)
class Margins(OfRemovals):
    """What the removal of each map changes of P - Q; exact where `exact`, else a first-order estimate."""

    delta: np.ndarray  # (c,) float32; below 0 where a map favours P
    exact: np.ndarray  # (c,) bool
    value: float  # P - Q with all maps
    against: int  # Q
    done: bool = False
    note: str = ""
    query: Any = None

    @property
    def changes(self) -> np.ndarray:
        return self.delta


@dataclass(frozen=True, eq=False)
class Region(OfRemovals):
    """What the removal of each map changes where it is removed inside a region only.

    It is a change of the explained score; where Q is another class, of P - Q.
    """

    delta_y: np.ndarray  # (c,) float32; NaN for maps that are not computed yet
    places: int  # of the layer's grid, inside the region
    of: int
    share: float  # of the shown map: sum of absolute values inside over all; NaN for a zero map
    area: float  # what a constant map would have
    joint: float = float("nan")  # change of the score without all maps inside the region, together
    mask: np.ndarray | None = None  # (h w) bool, the region on the layer's grid
    box: Box = (0.0, 0.0, 1.0, 1.0)  # what that grid covers of the photo
    against: int | None = None  # Q, where it is another class
    note: str = ""
    done: bool = True
    query: Any = None

    @property
    def changes(self) -> np.ndarray:
        return self.delta_y


@dataclass(frozen=True, eq=False)
class Likeness(Answer):
    """How alike the shown map is to plain Grad-CAM of the same layer, with the same gains."""

    r: float  # Pearson, over the places of the finer of both maps; NaN where one is constant
    done: bool = True
    query: Any = None


@dataclass(frozen=True, eq=False)
class Receipt(Answer):
    """A check of a map by intervention: the change of the score, beside that of random choices of equal size."""

    text: str
    change: float
    mean: float  # of the random choices
    low: float  # 95 % of the random choices lie from here ...
    high: float  # ... to here
    draws: int
    taken: int  # places of the layer's grid, or feature maps
    of: int
    beats: float = float("nan")  # share of the random choices that move the score less, by more than rounding
    kind: str = "places"  # or "maps"
    query: Any = None


@dataclass(frozen=True, eq=False)
class Activations(Answer):
    """How strongly each map answers to an image, and where."""

    maximum: np.ndarray  # (c,) float32
    row: np.ndarray  # (c,) int32, of the maximum, in places of the layer's grid; ties by lowest index
    column: np.ndarray  # (c,) int32
    mean: np.ndarray  # (c,) float32
    active: np.ndarray  # (c,) bool, whether the maximum is above 0
    grid: tuple[int, int] = (0, 0)  # rows and columns of the layer
    crops: dict[int, Box] = field(default_factory=dict)  # of maps that were asked for: the part of the photo
    notes: dict[int, str] = field(default_factory=dict)  # how each crop was found, or why there is none
    query: Any = None


@dataclass(frozen=True, eq=False)
class Contrasts(Answer):
    """Maps of "why P, rather than Q?" for classes Q, and how far each is from that of "why P?"."""

    classes: np.ndarray  # (m,) int32, each Q by number
    maps: np.ndarray  # (m, h, w), signed
    why: np.ndarray  # (h, w), of "why P?"
    distance: np.ndarray  # (m,) 1 - r, r the correlation over places; NaN where one map is the same everywhere
    done: bool = True
    query: Any = None


class Agreed(NamedTuple):
    """One measure of agreement of a map and another one, as a table keeps it.

    Attributes:
        measure: NSS, AUC, CC, SIM, KL; RR(map | other) or RR(other | map), the relative risk of the first given the
            second.
        share: of the places, of relative risks.
        value: NaN where there is none.
        kept_map: places in the mask of the map, of relative risks.
        kept_other: places in that of the other one.
        note: why there is no value.
    """

    measure: str
    share: float | None
    value: float
    kept_map: int | None = None
    kept_other: int | None = None
    note: str = ""


@dataclass(frozen=True, eq=False)
class Agreement(Answer):
    """How well a map agrees with a human map, or another one; NaN where a measure has no value."""

    values: dict[str, float]  # NSS, CC, SIM, KL, AUC, relative risks
    notes: dict[str, str] = field(default_factory=dict)
    rows: tuple[Agreed, ...] = ()
    size: tuple[int, int] = (0, 0)  # rows and columns of the other map, at which they are compared
    query: Any = None
