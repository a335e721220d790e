"""What is asked: a frozen value, all that an answer depends on besides the model and the image themselves.

Names stay names until an answer is made: P and Q as classes, "rating", the model's own layer. So the same query asks
the same of another image or model.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Protocol

FORMS = ("plain", "tiles")
KINDS_OF_CONTRAST = ("class", "score", "confidence")
BASELINES = ("zero", "mean")
DEGRADATIONS = ("salt_and_pepper", "gaussian_noise", "blur", "jpeg")
MOST_GAIN = 2.0
MOST_SEED = 2**31

Gains = tuple[tuple[int, float], ...]
Options = tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class Contrast:
    """Q in "why P, rather than Q?".

    Attributes:
        kind: "class", "score", or "confidence": why not P with 100 % confidence?
        value: the class by name or number; the score, or "rating", which is that of the image.
        form: of a score, "plain" or "tiles".
    """

    kind: str
    value: float | str = 0.0
    form: str = "plain"

    def __post_init__(self) -> None:
        one_of("kind", self.kind, KINDS_OF_CONTRAST)
        one_of("form", self.form, FORMS)

    @property
    def asks_rating(self) -> bool:
        """Whether Q is the rating of the image, whichever that is."""
        return self.kind == "score" and self.value == "rating"


@dataclass(frozen=True)
class Degradation:
    """What is done to the image before the network sees it.

    Attributes:
        kind: "salt_and_pepper", "gaussian_noise", "blur" or "jpeg".
        level: share of pixels, standard deviation in [0, 1], sigma in pixels of the network's input, or the quality of
            a JPEG, a whole number from 1 to 100.
        seed: of the noise.

    Raises:
        ValueError: another kind, level or seed.
    """

    kind: str
    level: float
    seed: int = 0

    def __post_init__(self) -> None:
        one_of("degradation", self.kind, DEGRADATIONS)
        level, seed = plain(self.level), plain(self.seed)
        if isinstance(level, bool) or not isinstance(level, int | float) or not 0 <= level < math.inf:
            raise ValueError(f"the level of a degradation must be a number from 0, got {self.level!r}.")
        if self.kind == "jpeg" and not (level == int(level) and 1 <= level <= 100):
            raise ValueError(f"the quality of a JPEG must be a whole number from 1 to 100, got {self.level!r}.")
        if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < MOST_SEED:
            raise ValueError(
                f"the seed of a degradation must be a whole number from 0 to {MOST_SEED - 1}, got {self.seed!r}."
            )
        object.__setattr__(self, "level", level)
        object.__setattr__(self, "seed", seed)


@dataclass(frozen=True)
class Query:
    """What is asked of one image.

    Attributes:
        image: its name in the set.
        model: its name; the first, if empty.
        layer: whose feature maps are meant; the model's own, if empty.
        run: which training run of the model, by number.
        target: P, a class by name or number; the predicted class, or the score, if None.
        contrast: Q; None for "why P?".
        method: how it is explained, a name in `methods.METHODS`.
        options: of the method, as pairs or a mapping; what is left out has its default.
        gains: of feature maps, 0 to 2, as pairs or a mapping; gain 1 is left out.
        baseline: what a map is replaced by: "zero", or "mean", one number a map over images of the set.
        degradation: of the image that is shown.
        shown: which image of a sample of several is shown, as `ImageSet.slices` calls it; the first, if empty. Maps lie
            on it, and it alone is degraded.
        call: which call of a layer that is called more than once, by number from 0; if None the one that belongs to
            the shown image, else the last.

    Raises:
        ValueError: a value that no image and no model could have.
    """

    image: str = ""
    model: str = ""
    layer: str = ""
    run: int = 0
    target: int | str | None = None
    contrast: Contrast | None = None
    method: str = "grad_cam"
    options: Options = ()
    gains: Gains = ()
    baseline: str = "zero"
    degradation: Degradation | None = None
    shown: str = ""
    call: int | None = None

    if TYPE_CHECKING:  # what may be given is more than what is kept

        def __init__(
            self,
            image: str = "",
            model: str = "",
            layer: str = "",
            run: int = 0,
            target: int | str | None = None,
            contrast: Contrast | None = None,
            method: str = "grad_cam",
            options: Options | Mapping[str, Any] = (),
            gains: Gains | Mapping[int, float] = (),
            baseline: str = "zero",
            degradation: Degradation | None = None,
            shown: str = "",
            call: int | None = None,
        ) -> None: ...

    def __post_init__(self) -> None:
        # An answer makes several queries, most of them without some of these.
        if not isinstance(self.gains, tuple) or self.gains:
            object.__setattr__(self, "gains", _gains(self.gains))
        if not isinstance(self.options, tuple) or self.options:
            object.__setattr__(self, "options", _options(self.options))
        if self.target is not None:
            object.__setattr__(self, "target", plain(self.target))
        if type(self.run) is not int:
            object.__setattr__(self, "run", _whole("run", self.run))
        if self.call is not None and type(self.call) is not int:
            object.__setattr__(self, "call", _whole("call", self.call))
        if not isinstance(self.shown, str):
            raise ValueError(f"shown must be the name of an image of the sample, got {self.shown!r}.")
        one_of("baseline", self.baseline, BASELINES)
        if self.degradation is not None and not isinstance(self.degradation, Degradation):
            raise ValueError(f"degradation must be a Degradation or None, got {self.degradation!r}.")

    def gain(self, index: int) -> float:
        """The gain of a feature map."""
        return dict(self.gains).get(index, 1.0)

    def with_gains(self, changes: Mapping[int, float]) -> Gains:
        """The gains after some were changed."""
        return _gains(dict(self.gains) | dict(changes))

    def differs(self, other: Query, names: Iterable[str]) -> bool:
        """Whether one of these fields is another one."""
        return any(getattr(self, name) != getattr(other, name) for name in names)


FIELDS = tuple(field.name for field in fields(Query))


def one_of(what: str, given: object, known: Collection[str]) -> str:
    """`given`, if it is one of the known names.

    Raises:
        ValueError: it is not; the sentence lists the nearest.
    """
    if isinstance(given, str) and given in known:
        return given
    names = list(known)
    near = difflib.get_close_matches(str(given), names, 3, 0.4) or names[:6]
    more = ", ..." if len(names) > len(near) else ""
    raise ValueError(f"{what} must be one of {', '.join(map(repr, near))}{more}; got {given!r}.")


def checked_gain(index: object, gain: object, count: int | None) -> tuple[int, float]:
    """A map's number and its gain.

    Args:
        count: how many maps there are, where that is known.

    Raises:
        ValueError: there is no such map, or the gain is out of range.
    """
    index, gain = plain(index), plain(gain)
    if isinstance(index, bool) or not isinstance(index, int) or index < 0 or (count is not None and index >= count):
        numbers = "from 0" if count is None else f"0 to {count - 1}"
        raise ValueError(f"a feature map is named by its number, {numbers}; got {index!r}.")
    if isinstance(gain, bool) or not isinstance(gain, int | float) or not 0 <= gain <= MOST_GAIN:
        raise ValueError(f"the gain of map {index} must be in [0, {MOST_GAIN:g}], got {gain!r}.")
    return index, float(gain)


def _whole(name: str, value: object) -> int:
    value = plain(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{name} must be a whole number, got {value!r}.")
    return value


class Named(Protocol):
    """A model, as far as names of its classes or scores go; see `models.named.Named`."""

    @property
    def labels(self) -> Sequence[str] | None: ...
    @property
    def outputs(self) -> int: ...
    @property
    def has_classes(self) -> bool: ...


def class_of(given: object, model: Named) -> int:
    """The number of a class or score that is named or numbered.

    Raises:
        ValueError: there is none, or several of that name.
    """
    given, labels, outputs = plain(given), model.labels, model.outputs
    one, many = ("class", "classes") if model.has_classes else ("score", "scores")
    if isinstance(given, str):
        names = list(labels or ())
        if not names:
            raise ValueError(f"the {many} have no names here; number one from 0 to {outputs - 1}, got {given!r}.")
        name = one_of(one, given, names)
        if names.count(name) > 1:
            places = ", ".join(str(place) for place, other in enumerate(names) if other == name)
            raise ValueError(f"several {many} are called {name!r} (numbers {places}); name one by its number.")
        return names.index(name)
    if isinstance(given, int | float) and not isinstance(given, bool) and int(given) == given and 0 <= given < outputs:
        return int(given)
    raise ValueError(f"a {one} is named, or numbered from 0 to {outputs - 1}; got {given!r}.")


def symbolic_class(given: object, model: Named) -> int | str:
    """A class or score as a query keeps it: by name where the name is its own, so that it means the same elsewhere.

    Raises:
        ValueError: there is none.
    """
    index, labels = class_of(given, model), model.labels
    return labels[index] if labels and list(labels).count(labels[index]) == 1 else index


def contrast_of(given: object, form: str, *, model: Named, rating: float | None) -> Contrast | None:
    """What a name, a number or a Contrast means as Q for a model.

    Raises:
        ValueError: a class or score that cannot be Q.
    """
    if given is None:
        return None
    if isinstance(given, Contrast):
        form, given = given.form, "confidence" if given.kind == "confidence" else given.value
    if not model.has_classes:
        return _score(given, one_of("form", form, FORMS), rating)
    if given == "confidence" and "confidence" not in (model.labels or ()):
        return Contrast("confidence")
    return Contrast("class", symbolic_class(given, model))


def _score(given: object, form: str, rating: float | None) -> Contrast:
    if given == "rating":
        if rating is None:
            raise ValueError("the rating of this image is not known, so it cannot be Q; give a number.")
        return Contrast("score", "rating", form)
    if isinstance(given, bool) or not isinstance(given, int | float) or not math.isfinite(given):
        raise ValueError(f"Q must be a finite score or 'rating' for a model that gives scores; got {given!r}.")
    return Contrast("score", float(given), form)


def _gains(given: Gains | Mapping[int, float]) -> Gains:
    pairs = given.items() if isinstance(given, Mapping) else given
    gains = dict(checked_gain(index, gain, None) for index, gain in pairs)
    kept = tuple(sorted((index, gain) for index, gain in gains.items() if gain != 1))
    return given if isinstance(given, tuple) and given == kept else kept  # panels share what they ask alike


def _options(given: Options | Mapping[str, Any]) -> Options:
    pairs = given.items() if isinstance(given, Mapping) else given
    return tuple(sorted((name, _fixed(value)) for name, value in dict(pairs).items()))


def _fixed(value: Any) -> Any:
    """Lists and arrays as tuples, so that queries can be compared."""
    value = value.tolist() if hasattr(value, "tolist") else value
    return tuple(_fixed(one) for one in value) if isinstance(value, list | tuple) else value


def plain(value: Any) -> Any:
    """A number of Python for one of NumPy or of a tensor; anything else as it is."""
    return value.item() if hasattr(value, "item") and getattr(value, "ndim", 1) == 0 else value
