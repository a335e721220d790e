"""The images of a folder, files, arrays or a table: one row an image, and one sentence for what cannot be used."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from xai_widgets.images import files, reading, table
from xai_widgets.images.table import Table


@dataclass
class Row:
    """One image: where its pixels come from, and what is known about it."""

    name: str
    origin: Any  # a path, an array or an image of Pillow's
    place: str  # as a sentence says it: "row 7", "item 3"
    rating: Any = None
    label: Any = None
    human_map: Any = None
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass
class Listing:
    """The images that can be used, and a sentence for each thing that cannot."""

    what: str
    rows: list[Row] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)
    rated: bool = False
    root: Path | None = None  # where its files are expected to lie; None: anywhere
    outside: list[str] = field(default_factory=list)  # files that lie elsewhere, as seen from there
    strict: bool = False  # leave those out
    _inside: files.Inside | None = None

    @property
    def notices(self) -> tuple[str, ...]:
        """A sentence on files that lie elsewhere and are used all the same."""
        if not self.outside or self.strict:
            return ()
        count = len(self.outside)
        some = "a file is" if count == 1 else f"{count:,} files are"
        return (
            f"{self.what} leads outside {str(self.root)!r}: {some} read from elsewhere, such as "
            f"{shown(self.outside[0])}. root= says where files may lie, strict=True leaves the others out.",
        )

    def lets_in(self, path: object) -> bool:
        """Whether a file may be used: it lies where it is expected, or that is only noted."""
        if self.root is None or not isinstance(path, Path):
            return True
        if self._inside is None:
            self._inside = files.Inside(self.root)
        if self._inside.holds(path):
            return True
        try:
            seen = os.path.relpath(path, self.root)
        except ValueError:  # on another drive
            seen = str(path)
        self.outside.append(Path(seen).as_posix())
        return not self.strict

    def complain(self, name: str, sentence: str) -> None:
        """Note a fault; an image may have several."""
        self.problems[name] = f"{self.problems[name]} {sentence}" if name in self.problems else sentence


def list_images(
    source: Any,
    *,
    folder: Path | None,
    column: str | None,
    ratings: Any,
    labels: Any,
    bounds: tuple[float, float] | None,
    root: Path | None = None,
    strict: bool = False,
) -> Listing:
    """Everything in `source`, checked as far as that costs little: names, headers, ratings.

    Raises:
        ValueError: no image can be used, or an argument does not fit.
    """
    found = _rows_of(source, folder, column, ratings, labels)
    found.root, found.strict = root or found.root, strict
    if ratings is not None and not isinstance(ratings, str):
        _give(found, "rating", ratings)
        found.rated = True
    if labels is not None and not isinstance(labels, str):
        _give(found, "label", labels)
    first: dict[str, Row] = {}
    found.rows = [row for row in found.rows if _usable(row, first.setdefault(row.name, row), found)]
    for row in found.rows:
        row.label = _label(row, found)
        row.human_map = _human_map(row, found)
        row.rating = _rating(row, found, bounds) if found.rated else None
    if not found.rows:
        told = list(found.problems.values())
        more = f" ({len(told) - 1} more problems)" if len(told) > 1 else ""
        raise ValueError(f"{found.what} has no image that can be used. {told[0] if told else ''}{more}".strip())
    return found


def shown(value: Any) -> str:
    """A value in a sentence, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:76]}..."


def _rows_of(source: Any, folder: Path | None, column: str | None, ratings: Any, labels: Any) -> Listing:
    if isinstance(source, pd.DataFrame):
        # Paths of a DataFrame are the caller's own, as those of a list are, unless a folder is said to hold them.
        return _from_table(table.from_frame(source), folder, column, ratings, labels)
    if isinstance(source, str | os.PathLike):
        path = Path(source).expanduser()
        if path.is_file() and path.suffix.lower() in table.ENDINGS:
            return _from_table(table.from_csv(path), folder or path.parent, column, ratings, labels)
        if path.is_dir():
            return _from_folder(path)
        if path.exists():
            return _from_list([path], folder, f"The file {path.name!r}")
        raise ValueError(f"Images come from a folder, a table or an image file that exists, got {str(path)!r}.")
    for keyword, value in {"column": column, "ratings": ratings, "labels": labels}.items():
        if isinstance(value, str):
            kind = type(source).__name__
            raise ValueError(f"{keyword}={value!r} names a column, which only a table has, got images from a {kind}.")
    if isinstance(source, Mapping):
        return _from_mapping(source, folder)
    if isinstance(source, Image.Image) or _is_single(source):
        source = [source]
    if not isinstance(source, Iterable):
        raise ValueError(f"Images come from a folder, files, arrays or a table, got {shown(source)}.")
    return _from_list(list(source), folder, f"The {type(source).__name__}")


def _from_mapping(source: Mapping[Any, Any], folder: Path | None) -> Listing:
    found = Listing("The mapping")
    for name, origin in source.items():
        place = f"item {shown(name)}"
        if _is_text(name):
            is_path = isinstance(origin, str | os.PathLike)
            found.rows.append(Row(str(name), (folder or Path()) / origin if is_path else origin, place))
        else:
            found.complain(
                place, f"{place.capitalize()} is left out: a name must be text or a number, got {shown(name)}."
            )
    return found


def _is_single(source: Any) -> bool:
    """An array of one image, (h w) or (h w 3 or 4), rather than a stack."""
    shape = tuple(getattr(source, "shape", ()))
    return len(shape) == 2 or (len(shape) == 3 and shape[2] in (3, 4))


def _from_folder(folder: Path) -> Listing:
    """All image files in it and below, in natural order; hidden ones, such as notebook checkpoints, are left out."""
    endings, paths = reading.suffixes(), []
    for place, folders, inside in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith((".", "__"))]
        seen = [name for name in inside if not name.startswith(".")]
        paths += [Path(place, name) for name in seen if os.path.splitext(name)[1].lower() in endings]
    paths.sort(key=lambda path: natural(str(path)))
    rows = [Row(name, path, "file") for name, path in zip(_names(paths, folder), paths, strict=True)]
    return Listing(f"The folder {str(folder)!r}", rows, root=folder)


def _from_list(items: list[Any], folder: Path | None, what: str) -> Listing:
    paths = {i: (folder or Path()) / Path(item) for i, item in enumerate(items) if isinstance(item, str | os.PathLike)}
    names = dict(zip(paths, _names(paths.values(), folder), strict=True))
    rows = [Row(names.get(i, f"image {i}"), paths.get(i, item), f"item {i}") for i, item in enumerate(items)]
    return Listing(what, rows)


def _from_table(cells: Table, root: Path | None, column: str | None, ratings: Any, labels: Any) -> Listing:
    folder = root or Path()
    image = cells.image_column(column)
    rating = cells.column(ratings if isinstance(ratings, str) else None, table.RATING_COLUMNS)
    label = cells.column(labels if isinstance(labels, str) else None, table.LABEL_COLUMNS)
    human_map = cells.column(None, table.HUMAN_MAP_COLUMNS)
    found = Listing(cells.name, problems=dict(cells.problems), rated=rating is not None, root=root)
    for place, row in cells.rows:
        if _missing(row[image]):
            head = f"{place.capitalize()} has no image"
            found.complain(place, f"{head}: a path in column {image!r} is needed, got nothing.")
            continue
        made = Row("", _path(row[image], folder), place)
        made.rating = row[rating] if rating else None
        made.label = row[label] if label else None
        if human_map and not _missing(row[human_map]):
            made.human_map = _path(row[human_map], folder)
        made.extra = {key: value for key, value in row.items() if key not in (image, rating, label, human_map)}
        found.rows.append(made)
    for made, name in zip(found.rows, _names([made.origin for made in found.rows], folder), strict=True):
        made.name = name
    return found


def _path(cell: Any, folder: Path) -> Path:
    text = str(cell).strip()
    path = folder / text
    if "\\" in text and not path.exists():  # a table that was written on Windows
        return folder / text.replace("\\", "/")
    return path


def _names(paths: Iterable[Path], folder: Path | None) -> list[str]:
    """Relative to `folder`, or where all lie elsewhere, to the folder they share; with forward slashes."""
    absolute = [os.path.abspath(path) for path in paths]
    base = os.path.abspath(folder) if folder else None
    try:
        if base is None or not any(path.startswith(os.path.join(base, "")) for path in absolute):
            base = os.path.commonpath([os.path.dirname(path) for path in absolute])
        names = [Path(os.path.relpath(path, base)).as_posix() for path in absolute]
    except ValueError:  # several drives
        names = [os.path.basename(path) for path in absolute]
    return [os.fsencode(name).decode("utf-8", "replace") for name in names]  # a name may hold bytes that are not text


def natural(text: str) -> list[tuple[int, int, str]]:
    """A sort key: "image 10" comes after "image 9", letters in any case."""
    parts = re.split(r"(\d+)", text.casefold())
    return [(0, int(part), "") if i % 2 else (1, 0, part) for i, part in enumerate(parts)]


def _give(found: Listing, what: str, values: Any) -> None:
    """Ratings or labels by name, or in order."""
    if isinstance(values, pd.Series) and not isinstance(values.index, pd.RangeIndex):
        values = values.to_dict()
    if isinstance(values, Mapping):
        for row in found.rows:
            setattr(row, what, values.get(row.name))
        for name in set(map(str, values)) - {row.name for row in found.rows}:
            found.complain(name, f"{name!r} has a {what} but no image: names must be those of images.")
        return
    if isinstance(values, bytes | Set) or not isinstance(values, Iterable):
        raise ValueError(
            f"{what}s must be a column, a list in the order of the images or a mapping, got {shown(values)}."
        )
    values = list(values)
    if len(values) != len(found.rows):
        raise ValueError(f"{what}s must be as many as the images, {len(found.rows)}, got {len(values)}.")
    for row, value in zip(found.rows, values, strict=True):
        setattr(row, what, value)


def _usable(row: Row, first: Row, found: Listing) -> bool:
    """Whether the image can be listed: its name is new and its header sound."""
    if first is not row:
        found.complain(
            f"{row.name} ({row.place})",
            f"{row.name!r} in {row.place} is left out: names must be unique, and it is in {first.place} already.",
        )
        return False
    if not found.lets_in(row.origin):
        found.complain(row.name, f"The image {row.name!r} is left out: it lies outside {str(found.root)!r}.")
        return False
    try:
        if isinstance(row.origin, Path):
            header = reading.read_header(row.origin)
            if header.reduction > 1:
                found.complain(row.name, reduced_sentence(row.name, header))
        else:
            reading.check(row.origin)
    except (ValueError, TypeError) as error:
        found.complain(row.name, f"The image {row.name!r} {error}")
        return False
    return True


def reduced_sentence(name: str, header: reading.Header) -> str:
    """What is said of an image that is read at a part of its size."""
    return (
        f"The image {name!r} is read at 1/{header.reduction} of its size: at most {reading.MOST_PIXELS:,} pixels are "
        f"allowed, got {header.width:,} x {header.height:,}."
    )


def _rating(row: Row, found: Listing, bounds: tuple[float, float] | None) -> float | None:
    allowed = "a finite number" + (f" from {bounds[0]:g} to {bounds[1]:g}" if bounds else "")
    if _missing(row.rating):
        given = "nothing" if row.rating is None or isinstance(row.rating, str) else "NaN"
        found.complain(row.name, f"The rating of {row.name!r} must be {allowed}, got {given}.")
        return None
    try:
        of_many = isinstance(row.rating, bytes) or np.ndim(row.rating) > 0  # which may hold just one
        rating = math.nan if of_many else float(row.rating)
    except (TypeError, ValueError, OverflowError):
        rating = math.nan
    if math.isfinite(rating) and (bounds is None or bounds[0] <= rating <= bounds[1]):
        return rating
    found.complain(row.name, f"The rating of {row.name!r} must be {allowed}, got {shown(row.rating)}.")
    return None


def _human_map(row: Row, found: Listing) -> Path | None:
    if row.human_map is None:
        return None
    if not found.lets_in(row.human_map):
        found.complain(row.name, f"The human map of {row.name!r} is not used: it lies outside {str(found.root)!r}.")
        return None
    try:
        reading.read_header(row.human_map)
    except ValueError as error:
        found.complain(row.name, f"The human map of {row.name!r} {error}")
        return None
    return Path(row.human_map)


def _label(row: Row, found: Listing) -> str | None:
    """As text; a whole number that a gap in the column made 3.0 is 3."""
    value = row.label.item() if getattr(row.label, "ndim", None) == 0 else row.label
    if _missing(value):
        return None
    if not _is_text(value):
        found.complain(row.name, f"The label of {row.name!r} must be text or a number, got {shown(value)}.")
        return None
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def _is_text(value: Any) -> bool:
    """Whether a value can stand for a name: text that is not empty, or a number."""
    return isinstance(value, Real | np.bool_) or (isinstance(value, str) and bool(value.strip()))


def _missing(value: Any) -> bool:
    if value is None or value is pd.NA or value is pd.NaT:
        return True
    if isinstance(value, str):
        return not value.strip()
    return isinstance(value, float | np.floating) and math.isnan(value)
