"""What a table says of an image, checked: rating, spread, label, split, and files beside it."""

from __future__ import annotations

import math
import re
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from xai_widgets.images import reading
from xai_widgets.images.several import is_several, texts_of

if TYPE_CHECKING:
    from xai_widgets.images.listing import Listing, Row


def check_row(row: Row, found: Listing, bounds: tuple[float, float] | None) -> None:
    """Check all that is known of an image; of what cannot be used nothing is kept, and that is said."""
    row.label = _labels(row, found) if is_several(row.label) else _label(row, found)
    for what in ("human_map", "reference"):
        setattr(row, what, _beside(row, what, found))
    row.rating = _rating(row, found, bounds) if found.rated else None
    _check_spread(row, found)
    row.split = split_named(row.split)


def shown(value: Any) -> str:
    """A value in a sentence, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:76]}..."


def _rating(row: Row, found: Listing, bounds: tuple[float, float] | None) -> float | None:
    allowed = "a finite number" + (f" from {bounds[0]:g} to {bounds[1]:g}" if bounds else "")
    if is_missing(row.rating):
        given = "nothing" if row.rating is None or isinstance(row.rating, str) else "NaN"
        found.complain(row.name, f"The rating of {row.name!r} must be {allowed}, got {given}.", "unrated")
        return None
    rating = number(row.rating)
    if rating is not None and (bounds is None or bounds[0] <= rating <= bounds[1]):
        return rating
    found.complain(row.name, f"The rating of {row.name!r} must be {allowed}, got {shown(row.rating)}.", "rating")
    return None


def _check_spread(row: Row, found: Listing) -> None:
    """The standard deviation of a rating, and how many gave one; of what cannot be used nothing is kept."""
    for what, words, allowed in (
        ("rating_sd", "standard deviation of the rating", "a finite number of at least 0"),
        ("raters", "number of raters", "a whole number of at least 1"),
    ):
        given = getattr(row, what)
        value = None if is_missing(given) else number(given)
        fits = value is not None and (value >= 0 if what == "rating_sd" else value >= 1 and value == int(value))
        setattr(row, what, value if fits else None)
        if not is_missing(given) and not fits:
            found.complain(row.name, f"The {words} of {row.name!r} must be {allowed}, got {shown(given)}.", "spread")


def number(given: Any) -> float | None:
    """A finite number; None for what is none."""
    try:
        of_many = isinstance(given, bytes) or np.ndim(given) > 0  # which may hold just one
        value = math.nan if of_many else float(given)
    except (TypeError, ValueError, OverflowError):
        return None
    return value if math.isfinite(value) else None


_SPLITS = {
    "train": ("train", "training", "trn", "tr", "trainset"),
    "val": ("val", "valid", "validation", "dev", "valset"),
    "test": ("test", "testing", "tst", "holdout", "hold-out", "eval", "evaluation", "testset"),
}


def split_named(value: Any) -> str | None:
    """A split by its usual name, "train", "val" or "test"; any other as it is."""
    if is_missing(value) or not is_text(value):
        return None
    whole = isinstance(value, float) and value.is_integer()
    text = str(int(value)) if whole else str(value).strip()
    return next((name for name, words in _SPLITS.items() if text.casefold() in words), text)


def _beside(row: Row, what: str, found: Listing) -> Path | None:
    """The file of a human map or of a reference image."""
    path, words = getattr(row, what), {"human_map": "human map", "reference": "reference image"}[what]
    if path is None:
        return None
    if not found.lets_in(path):
        sentence = f"The {words} of {row.name!r} is not used: it lies outside {str(found.root)!r}."
        found.complain(row.name, sentence, words.removesuffix(" image"))
        return None
    if why := _unsound(Path(path), found):
        found.complain(row.name, f"The {words} of {row.name!r} {why}", words.removesuffix(" image"))
        return None
    return Path(path)


def _unsound(path: Path, found: Listing) -> str:
    """Why a file cannot be read; empty where it can. A file that stands beside many images is looked at once."""
    if path not in found.unsound:
        try:
            reading.read_header(path)
            found.unsound[path] = ""
        except ValueError as error:
            found.unsound[path] = str(error)
    return found.unsound[path]


def _labels(row: Row, found: Listing) -> str | None:
    """A list of labels, which the row keeps; as one text."""
    row.labels = texts_of(row.label)
    if row.labels is None:
        wanted = "names or whole numbers that differ, those of the labels that hold"
        sentence = f"The labels of {row.name!r} must be {wanted}, got {shown(row.label)}."
        found.complain(row.name, sentence, "label")
        return None
    return "; ".join(row.labels) or None


def _label(row: Row, found: Listing) -> str | None:
    """As text; a whole number that a gap in the column made 3.0 is 3."""
    value = row.label.item() if getattr(row.label, "ndim", None) == 0 else row.label
    if is_missing(value):
        return None
    if not is_text(value):
        found.complain(row.name, f"The label of {row.name!r} must be text or a number, got {shown(value)}.", "label")
        return None
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    text = str(value).strip()
    return text.partition(".")[0] if re.fullmatch(r"-?\d+\.0+", text) else text


def is_text(value: Any) -> bool:
    """Whether a value can stand for a name: text that is not empty, or a number."""
    return isinstance(value, Real | np.bool_) or (isinstance(value, str) and bool(value.strip()))


def is_missing(value: Any) -> bool:
    if value is None or value is pd.NA or value is pd.NaT:
        return True
    if isinstance(value, str):
        return not value.strip()
    return isinstance(value, float | np.floating) and math.isnan(value)
