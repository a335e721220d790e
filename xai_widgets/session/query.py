"""What is asked and how it looks: two frozen values, so that the first is a cache key and both can be kept."""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from dataclasses import dataclass

PALETTES = ("blue-red", "purple-orange", "purple-green")
SIGNS = ("signed", "positive")
FORMS = ("plain", "tiles")
METHODS = {
    "grad_cam": "Grad-CAM: where the layer's maps push the explained score, by its gradient",
    "contrast": "contrast: why this, rather than Q",
    "behaviour": "model behaviour: all maps, weighted by what the score loses without each",
    "helpful": "helpful and harmful: all maps, weighted by how much the error grows without each",
    "primary": "helpful maps only, by what they do to the score",
}
MOST_GAIN = 2.0

Gains = tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Contrast:
    """Q in "why P, rather than Q?": a class by its place, a score, or full confidence in P, which is Q = P."""

    kind: str  # class | score | confidence
    value: float | str = 0.0  # of a score also "rating": that of the image which is shown
    form: str = "plain"  # of a score: plain | tiles

    @property
    def asks_rating(self) -> bool:
        """Is Q the rating, whatever it is?"""
        return self.value == "rating"

    def score(self, rating: float | None) -> float | None:
        """Q as a number, for an image of this rating; None where the rating is asked for and not known."""
        return rating if isinstance(self.value, str) else self.value


@dataclass(frozen=True)
class Query:
    """All that an answer depends on, and so its cache key. Gain 1 is left out of the gains."""

    image: str = ""
    model: str = ""
    layer: str = ""
    target: int | None = None  # P; None: the predicted class, or the score
    contrast: Contrast | None = None
    method: str = "grad_cam"
    gains: Gains = ()

    def gain(self, index: int) -> float:
        return dict(self.gains).get(index, 1.0)

    def with_gains(self, changes: dict[int, float]) -> Gains:
        """The gains after some were changed."""
        gains = dict(self.gains) | changes
        return tuple(sorted((index, gain) for index, gain in gains.items() if gain != 1))


@dataclass(frozen=True)
class Look:
    """What is only seen; the browser redraws at once, and nothing is computed."""

    opacity: float = 0.75
    palette: str = "blue-red"
    sign: str = "signed"
    smooth: bool = True

    def __post_init__(self) -> None:
        if not (isinstance(self.opacity, int | float) and 0 <= self.opacity <= 1):
            raise ValueError(f"opacity must be in [0, 1], got {self.opacity!r}.")
        one_of("palette", self.palette, PALETTES)
        one_of("sign", self.sign, SIGNS)


@dataclass(frozen=True)
class Status:
    """What runs, where, and whether there is a step back or forward."""

    device: str = ""
    busy: str = ""
    progress: float | None = None
    can_undo: bool = False
    can_redo: bool = False


def one_of(what: str, given: object, known: Sequence[str]) -> str:
    """`given`, if it is one of the known names; else an error that lists the nearest."""
    if isinstance(given, str) and given in known:
        return given
    near = difflib.get_close_matches(str(given), known, 3, 0.4) or list(known[:6])
    more = ", ..." if len(known) > len(near) else ""
    raise ValueError(f"{what} must be one of {', '.join(map(repr, near))}{more}; got {given!r}.")


def checked_gain(index: object, gain: object, count: int | None) -> tuple[int, float]:
    """A gain that may be set; raises where the map does not exist or the gain is out of range."""
    if isinstance(index, bool) or not isinstance(index, int) or index < 0 or (count is not None and index >= count):
        most = "" if count is None else f" to {count - 1}"
        raise ValueError(f"a feature map is named by its number, 0{most}; got {index!r}.")
    if isinstance(gain, bool) or not isinstance(gain, int | float) or not 0 <= gain <= MOST_GAIN:
        raise ValueError(f"the gain of map {index} must be in [0, {MOST_GAIN:g}], got {gain!r}.")
    return index, float(gain)


def contrast_of(
    given: object, form: str, *, labels: Sequence[str] | None, outputs: int, classifier: bool, rating: float | None
) -> Contrast | None:
    """What a name, a number or a Contrast means as Q for this model."""
    if given is None:
        return None
    if isinstance(given, Contrast):
        form, given = given.form, "confidence" if given.kind == "confidence" else given.value
    if not classifier:
        return _score(given, one_of("form", form, FORMS), rating)
    if given == "confidence":
        return Contrast("confidence")
    return Contrast("class", float(class_of(given, labels, outputs)))


def class_of(given: object, labels: Sequence[str] | None, outputs: int) -> int:
    """The place of a class that is named or numbered."""
    if isinstance(given, str):
        names = list(labels or ())
        name = one_of("class", given, names)
        if names.count(name) > 1:
            places = ", ".join(str(place) for place, other in enumerate(names) if other == name)
            raise ValueError(f"several classes are called {name!r} (numbers {places}); name one by its number.")
        return names.index(name)
    if isinstance(given, int | float) and not isinstance(given, bool) and int(given) == given and 0 <= given < outputs:
        return int(given)
    raise ValueError(f"a class is named, or numbered from 0 to {outputs - 1}; got {given!r}.")


def _score(given: object, form: str, rating: float | None) -> Contrast:
    if given == "rating":
        if rating is None:
            raise ValueError("the rating of this image is not known, so it cannot be Q; give a number.")
        return Contrast("score", "rating", form)
    if isinstance(given, bool) or not isinstance(given, int | float) or not math.isfinite(given):
        raise ValueError(f"Q must be a finite score or 'rating' for a model that gives one score; got {given!r}.")
    return Contrast("score", float(given), form)
