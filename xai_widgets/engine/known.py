"""What is known of an image beside what a network says: its rating and label, the range of a score, Q by number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

from xai_widgets.engine.query import Contrast, class_of
from xai_widgets.images.cells import is_missing, number
from xai_widgets.images.cells import shown as shown_value
from xai_widgets.images.columns import USUAL
from xai_widgets.images.numbers import MISSING
from xai_widgets.images.problems import Problem

if TYPE_CHECKING:
    from xai_widgets.images import ImageSet
    from xai_widgets.models import ImageModel

_columns: WeakKeyDictionary[ImageSet, dict[tuple[str, Any], tuple[np.ndarray, list[Problem]]]] = WeakKeyDictionary()
_several: WeakKeyDictionary[ImageSet, dict[tuple[str, ...], bool]] = WeakKeyDictionary()
_places: WeakKeyDictionary[ImageSet, dict[str, int]] = WeakKeyDictionary()


@dataclass(frozen=True)
class Asked:
    """Q for one image: what "rating" and the names of classes stand for there."""

    kind: str  # class | score | confidence
    form: str  # of a score: plain | tiles
    index: int = 0  # of a class
    score: float = 0.0


@dataclass(frozen=True)
class Rating:
    """What people say of a score of an image, or nothing.

    Attributes:
        sd: its standard deviation between raters.
        raters: how many gave one.
    """

    value: float | None = None
    sd: float | None = None
    raters: int | None = None


def column_of(model: ImageModel, images: ImageSet, index: int) -> str | None:
    """The column of the known values of a score, whatever its case: that of its name, or of one score alone "rating".

    The standard deviations and numbers of raters of a table are those of its column "rating" alone.
    """
    if model.labels is not None:
        wanted = model.labels[index].strip().casefold()
        columns = {str(one).strip().casefold(): str(one) for one in reversed(images.table.columns)}
        if wanted in columns:
            return columns[wanted]
        if wanted in USUAL["rating"]:
            return "rating"  # such a column is read under this name
    return "rating" if model.one_score else None


def ratings_of(model: ImageModel, images: ImageSet, index: int) -> np.ndarray:
    """The known values (n) of a score, NaN where there is none or none that can be used.

    Args:
        index: which score.
    """
    column = column_of(model, images, index)
    return np.full(len(images.names), np.nan) if column is None else _checked(model, images, index, column)[0]


def unusable(model: ImageModel, images: ImageSet) -> list[Problem]:
    """The cells of the columns of a model's scores that are no values of these scores."""
    if model.has_classes:
        return []
    columns = ((index, column_of(model, images, index)) for index in range(model.outputs))
    return [one for index, column in columns if column for one in _checked(model, images, index, column)[1]]


def known_rating(model: ImageModel, images: ImageSet, image: str, index: int, shown: str = "") -> Rating:
    """The known value of a score of an image, and its spread where the table says of which it is.

    Args:
        shown: which image of a sample is seen; a network of one image is rated on the first alone.
    """
    if not is_known_of(model, images, shown):
        return Rating()
    column = column_of(model, images, index)
    if column == "rating":
        value = images.rating(image)
        return Rating() if value is None else Rating(value, images.rating_sd(image), images.raters(image))
    if images not in _places:
        _places[images] = {name: place for place, name in enumerate(images.names)}
    place = _places[images].get(image)
    if place is None:
        images.rating(image)  # which says that there is no such image
        return Rating()
    value = float(ratings_of(model, images, index)[place])
    return Rating(value if np.isfinite(value) else None)


def rating_of(model: ImageModel, images: ImageSet, image: str, index: int, shown: str = "") -> float | None:
    """The known value of a score of an image, as `known_rating`."""
    return known_rating(model, images, image, index, shown).value


def is_known_of(model: ImageModel, images: ImageSet, shown: str) -> bool:
    """Whether what the table says is of what the network sees: of the whole sample, or of its first image."""
    return model.images > 1 or not shown or shown in images.slices[:1]


def _checked(model: ImageModel, images: ImageSet, index: int, column: str) -> tuple[np.ndarray, list[Problem]]:
    """The values (n) of a column, NaN where there are none, and what is said of cells that are none."""
    bounds = None if column == "rating" else model.range_of(index)  # ratings are checked when the table is read
    known = _columns.setdefault(images, {})
    if (column, bounds) not in known:
        problems: list[Problem] = []
        values = [_value(name, column, cell, bounds, problems) for name, cell in images.table[column].items()]
        known[column, bounds] = np.array(values, np.float64), problems
    return known[column, bounds]


def _value(image: Any, column: str, cell: Any, bounds: tuple[float, float] | None, problems: list[Problem]) -> float:
    """A cell as a number, NaN where it is missing or, which is said, no value of the score."""
    if is_missing(cell) or (isinstance(cell, str) and cell.strip().casefold() in MISSING):
        return math.nan
    value = number(cell)
    if value is not None and (bounds is None or bounds[0] <= value <= bounds[1]):
        return value
    allowed = "a finite number" + (f" from {bounds[0]:g} to {bounds[1]:g}" if bounds else "")
    problems.append(Problem(image, f"{column!r} of {image!r} must be {allowed}, got {shown_value(cell)}.", "rating"))
    return math.nan


def score_range(model: ImageModel, images: ImageSet, index: int, *known: float) -> tuple[float, float]:
    """Of a score: stated by the model or the set, else that of the set's ratings and of the scores that are known.

    Args:
        index: which score.
        known: scores that the model gave so far.
    """
    stated = stated_range(model, images, index)
    if stated is not None:
        return stated
    ratings = ratings_of(model, images, index)
    ratings = ratings[np.isfinite(ratings)]
    some = [*known, *((float(ratings.min()), float(ratings.max())) if len(ratings) else ())]
    if not some:
        return 0.0, 1.0
    low, high = min(some), max(some)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def stated_range(model: ImageModel, images: ImageSet, index: int) -> tuple[float, float] | None:
    """Of a score: as the model says, or, of one score alone, the set."""
    return model.range_of(index) or (images.range if model.one_score else None)


def label_of(model: ImageModel, images: ImageSet, image: str, shown: str = "") -> int | tuple[int, ...] | None:
    """The class that an image's label names, by name (whatever its case), or by number where classes have no names.

    Of labels that do not exclude each other, in a set in which images may have several, the numbers of all that hold:
    the others do not.

    Args:
        shown: as in `known_rating`.
    """
    if not model.has_classes or not is_known_of(model, images, shown):
        return None
    names = names_of(model)
    parts = images.labels_of(image, names, several=not model.exclusive)
    found = [_class_named(part, names) for part in parts or ()]
    if parts is None or None in found:
        return None
    if not model.exclusive and has_several(model, images):
        return tuple(sorted({index for index in found if index is not None}))
    return found[0] if len(found) == 1 else None


def names_of(model: ImageModel) -> tuple[str, ...]:
    """Of its classes; their numbers where they have no names."""
    return tuple(model.labels or map(str, range(model.outputs)))


def has_several(model: ImageModel, images: ImageSet) -> bool:
    """Whether images of the set may have several labels: lists are given, or a text that names several."""
    names = names_of(model)
    known = _several.setdefault(images, {})
    if names not in known:
        parts = ((images.label(name), images.labels_of(name, names, several=True)) for name in images.names)
        known[names] = any(some is not None and some != (whole,) for whole, some in parts) or images.has_label_lists
    return known[names]


def _class_named(known: str, names: Sequence[str]) -> int | None:
    if known in names:
        return list(names).index(known) if list(names).count(known) == 1 else None
    alike = [index for index, name in enumerate(names) if name.casefold() == known.casefold()]
    return alike[0] if len(alike) == 1 else None


def unfitting(model: ImageModel, images: ImageSet) -> tuple[str, ...]:
    """Sentences on labels that name no class of a model, and on ratings beyond the range that it states."""
    if model.has_classes:
        return _no_class(model, images)
    found = []
    for index in range(model.outputs):
        stated, values = model.range_of(index), ratings_of(model, images, index)
        if stated is None:
            continue
        (beyond,) = np.nonzero((values < stated[0]) | (values > stated[1]))  # NaN is neither
        if len(beyond):
            some = "1 rating lies" if len(beyond) == 1 else f"{len(beyond):,} ratings lie"
            low, high = (f"{value:g}" for value in stated)
            found.append(
                f"{some} beyond the range of {model.name}, {low} to {high}, such as {values[beyond[0]]:g} of "
                f"{images.names[beyond[0]]!r}: ImageSet(..., range=({low}, {high})) leaves such ratings out."
            )
    return tuple(found)


def _no_class(model: ImageModel, images: ImageSet) -> tuple[str, ...]:
    labelled = {name: label for name in images.names if (label := images.label(name)) is not None}
    one_each = {label: name for name, label in labelled.items()}
    known = {label: label_of(model, images, name) for label, name in one_each.items()}
    unknown = [name for name, label in labelled.items() if known[label] is None]
    if not unknown:
        return ()
    some = "1 label names" if len(unknown) == 1 else f"{len(unknown):,} labels of {len(labelled):,} name"
    classes = (
        f"its classes are {', '.join(map(repr, model.labels[:3]))}" if model.labels else "labels= names its classes"
    )
    more = " and more" if model.labels and len(model.labels) > 3 else ""
    if model.exclusive and len(images.labels_of(unknown[0], names_of(model)) or ()) > 1:
        more += "; they exclude each other, so that one label an image is taken, and task='multilabel' takes several"
    numbers = ""
    if all(labelled[name].isdecimal() for name in unknown):
        last = model.outputs - 1
        numbers = f", and numbers are names only where none were given, from 0 to {last}; yours may begin with 1"
    first = f"{labelled[unknown[0]]!r} of {unknown[0]!r}"
    return (f"{some} no class of {model.name}, such as {first}: {classes}{more}{numbers}.",)


def asked_of(contrast: Contrast, model: ImageModel, image: str, target: int, rating: float | None) -> Asked:
    """Q by number.

    Args:
        target: P.
        rating: of the score that is explained.

    Raises:
        ValueError: it is no Q for this model, there is no such class, or the rating is asked for and not known.
    """
    if not model.has_classes:
        value = rating if contrast.asks_rating else contrast.value
        if value is None:
            raise ValueError(f"the rating of {image!r} is not known, so it cannot be Q; give a number.")
        if contrast.kind != "score" or isinstance(value, str):
            gives = "one score" if model.one_score else "scores"
            raise ValueError(f"{model.name} gives {gives}, so that Q must be a score, got {contrast.value!r}.")
        return Asked("score", contrast.form, score=float(value))
    if contrast.kind == "score":
        raise ValueError(f"{model.name} tells classes apart, so that Q must be a class, got {contrast.value!r}.")
    if contrast.kind == "confidence":
        if not model.exclusive:
            raise ValueError(no_confidence(model))
        return Asked("confidence", contrast.form, index=target)
    return Asked("class", contrast.form, index=class_of(contrast.value, model))


def no_confidence(model: ImageModel) -> str:
    """Why it cannot be asked why P has not all of the confidence."""
    return (
        f"the labels of {model.name} do not exclude each other, so that none takes confidence from P: choose one as Q."
    )
