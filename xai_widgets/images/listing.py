"""What a set holds, from a folder, files, arrays or a table: a row an image, a sentence for what cannot be used."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from xai_widgets.images import reading, table
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

    def complain(self, name: str, sentence: str) -> None:
        """An image may have several faults; all are told."""
        self.problems[name] = f"{self.problems[name]} {sentence}" if name in self.problems else sentence


def list_images(
    source: Any,
    *,
    folder: Path | None,
    column: str | None,
    ratings: Any,
    labels: Any,
    bounds: tuple[float, float] | None,
) -> Listing:
    """Everything in `source`, checked as far as that costs little: names, headers, ratings."""
    found = _rows_of(source, folder, column, ratings, labels)
    if ratings is not None and not isinstance(ratings, str):
        _give(found, "rating", ratings)
        found.rated = True
    if labels is not None and not isinstance(labels, str):
        _give(found, "label", labels)
    first: dict[str, Row] = {}
    found.rows = [row for row in found.rows if _usable(row, first.setdefault(row.name, row), found)]
    for row in found.rows:
        row.label = _label(row.label)
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
        return _from_table(table.from_frame(source), folder or Path(), column, ratings, labels)
    if isinstance(source, str | os.PathLike):
        path = Path(source).expanduser()
        if path.is_file() and path.suffix.lower() in table.ENDINGS:
            return _from_table(table.from_csv(path), folder or path.parent, column, ratings, labels)
        if path.is_dir():
            return _from_folder(path)
        if path.is_file():
            return _from_list([path], folder, f"The file {path.name!r}")
        raise ValueError(f"Images come from a folder, a table or an image file that exists, got {str(path)!r}.")
    for keyword, value in {"column": column, "ratings": ratings, "labels": labels}.items():
        if isinstance(value, str):
            kind = type(source).__name__
            raise ValueError(f"{keyword}={value!r} names a column, which only a table has, got images from a {kind}.")
    if isinstance(source, Mapping):
        return Listing("The mapping", [Row(str(name), origin, f"item {name!r}") for name, origin in source.items()])
    if isinstance(source, Image.Image) or _is_single(source):
        source = [source]
    if not isinstance(source, Iterable):
        raise ValueError(f"Images come from a folder, files, arrays or a table, got {shown(source)}.")
    return _from_list(list(source), folder, f"The {type(source).__name__}")


def _is_single(source: Any) -> bool:
    """An array of one image, (h w) or (h w 3 or 4), rather than a stack."""
    shape = tuple(getattr(source, "shape", ()))
    return len(shape) == 2 or (len(shape) == 3 and shape[2] in (3, 4))


def _from_folder(folder: Path) -> Listing:
    """All image files in it and below, in natural order; hidden ones, such as notebook checkpoints, are left out."""
    endings, paths = reading.suffixes(), []
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith((".", "__"))]
        seen = [name for name in files if not name.startswith(".")]
        paths += [Path(place, name) for name in seen if os.path.splitext(name)[1].lower() in endings]
    paths.sort(key=lambda path: natural(str(path)))
    rows = [Row(name, path, "file") for name, path in zip(_names(paths, folder), paths, strict=True)]
    return Listing(f"The folder {str(folder)!r}", rows)


def _from_list(items: list[Any], folder: Path | None, what: str) -> Listing:
    paths = {i: (folder or Path()) / Path(item) for i, item in enumerate(items) if isinstance(item, str | os.PathLike)}
    names = dict(zip(paths, _names(paths.values(), folder), strict=True))
    rows = [Row(names.get(i, f"image {i}"), paths.get(i, item), f"item {i}") for i, item in enumerate(items)]
    return Listing(what, rows)


def _from_table(cells: Table, folder: Path, column: str | None, ratings: Any, labels: Any) -> Listing:
    image = cells.image_column(column)
    rating = cells.column(ratings if isinstance(ratings, str) else None, table.RATING_COLUMNS)
    label = cells.column(labels if isinstance(labels, str) else None, table.LABEL_COLUMNS)
    human_map = cells.column(None, table.HUMAN_MAP_COLUMNS)
    found = Listing(cells.name, problems=dict(cells.problems), rated=rating is not None)
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
        rating = float(row.rating)
    except (TypeError, ValueError, OverflowError):
        rating = math.nan
    if math.isfinite(rating) and (bounds is None or bounds[0] <= rating <= bounds[1]):
        return rating
    found.complain(row.name, f"The rating of {row.name!r} must be {allowed}, got {shown(row.rating)}.")
    return None


def _human_map(row: Row, found: Listing) -> Path | None:
    if row.human_map is None:
        return None
    try:
        reading.read_header(row.human_map)
    except ValueError as error:
        found.complain(row.name, f"The human map of {row.name!r} {error}")
        return None
    return Path(row.human_map)


def _label(value: Any) -> str | None:
    """As text; a whole number that a gap in the column made 3.0 is 3."""
    if _missing(value):
        return None
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def _missing(value: Any) -> bool:
    if value is None or value is pd.NA or value is pd.NaT:
        return True
    if isinstance(value, str):
        return not value.strip()
    return isinstance(value, float | np.floating) and math.isnan(value)
