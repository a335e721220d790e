"""The images of a folder, files, arrays or a table: one row an image, and one sentence for what cannot be used."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image

from xai_widgets.images import columns as known_columns
from xai_widgets.images import datasets, files, human, looking, pixels, raters, reading, table
from xai_widgets.images import folder as folders
from xai_widgets.images.cells import check_row, is_missing, is_text
from xai_widgets.images.cells import shown as shown
from xai_widgets.images.how import How
from xai_widgets.images.kinds import is_pair
from xai_widgets.images.pixels import PLAIN, check, is_tensor
from xai_widgets.images.places import Places, composed
from xai_widgets.images.problems import Problem
from xai_widgets.images.table import Table


@dataclass
class Row:
    """One image: where its pixels come from, and what is known about it."""

    name: str
    origin: Any  # a path, an array or an image of Pillow's
    place: str  # as a sentence says it: "row 7", "item 3"
    rating: Any = None
    label: Any = None
    labels: tuple[str, ...] | None = None  # all that hold, where a list of them was given
    human_map: Any = None
    rating_sd: Any = None  # of the rating, between raters
    raters: Any = None  # how many
    split: Any = None  # "train", "val", "test", or as the table has it
    reference: Any = None  # the undistorted photo
    header: reading.Header | None = None  # of a file
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass
class Listing:
    """The images that can be used, and a sentence for each thing that cannot."""

    what: str
    rows: list[Row] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    said: list[str] = field(default_factory=list)  # of the set as a whole
    rated: bool = False
    root: Path | None = None  # where its files are expected to lie; None: anywhere
    outside: list[str] = field(default_factory=list)  # files that lie elsewhere, as seen from there
    strict: bool = False  # leave those out
    called: str = "image"  # what its images are called before their names: "image", "right image of"
    unsound: dict[Path, str] = field(default_factory=dict)  # why a file beside images cannot be read; empty: it can
    _inside: files.Inside | None = None
    _there: dict[Path, dict[str, str]] = field(default_factory=dict)  # names in folders, by their digits

    @property
    def notices(self) -> tuple[str, ...]:
        """Sentences on the set as a whole."""
        if not self.outside or self.strict:
            return tuple(self.said)
        count = len(self.outside)
        where = "itself" if repr(str(self.root)) in self.what else repr(str(self.root))
        some = "a file is" if count == 1 else f"{count:,} files are"
        return (
            *self.said,
            f"{self.what} leads outside {where}: {some} read from elsewhere, such as "
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

    def near(self, path: Any) -> str:
        """Names in the folder of a file that is not there: that with the same number, else the first; as a sentence."""
        place = Path(path).parent
        if place not in self._there:
            names = sorted(os.listdir(place)) if place.is_dir() else []
            self._there[place] = {_digits(name): name for name in reversed(names) if not name.startswith(".")}
        there = self._there[place]
        known = there.get(_digits(Path(path).name) or "none") or next(iter(reversed(list(there.values()))), "")
        return f" Files there are named like {known!r}." if known else ""

    def complain(self, name: str, sentence: str, kind: str = "other") -> None:
        """Note a fault; an image may have several. Faults of one kind (`problems.KINDS`) are counted together."""
        self.problems.append(Problem(name, sentence, kind))


@dataclass(frozen=True)
class Asked:
    """The arguments of a set that say how its source is read.

    Attributes:
        columns: of a table, by what they hold.
    """

    folder: Path | None = None
    column: str | None = None
    ratings: Any = None
    labels: Any = None
    columns: Mapping[str, str | None] = field(default_factory=dict)
    encoding: str | None = None
    decimal: str | None = None

    def by_kind(self) -> dict[str, str | None]:
        """The columns that are asked for."""
        own = {"image": self.column, "rating": self.ratings, "label": self.labels}
        return dict(self.columns) | {kind: name for kind, name in own.items() if isinstance(name, str)}


def list_images(
    source: Any,
    asked: Asked,
    *,
    bounds: tuple[float, float] | None,
    root: Path | None = None,
    strict: bool = False,
    how: How = PLAIN,
) -> Listing:
    """Everything in `source`, checked as far as that costs little: names, headers, ratings.

    Raises:
        ValueError: no image can be used, or an argument does not fit.
    """
    found = _rows_of(source, asked, how)
    found.root, found.strict = root or found.root, strict
    for what, values in (("rating", asked.ratings), ("label", asked.labels)):
        if values is not None and not isinstance(values, str):
            _give(found, what, values)
            found.rated |= what == "rating"
    if found.rated:
        raters.together(found, bounds)
    first: dict[str, Row] = {}
    found.rows = [row for row in found.rows if _usable(row, first.setdefault(row.name, row), found, how)]
    for row in found.rows:
        check_row(row, found, bounds)
    human.check_all(found, how)
    if not found.rows:
        told = [one.sentence for one in found.problems]
        more = f" ({len(told) - 1} more problems)" if len(told) > 1 else ""
        raise ValueError(f"{found.what} has no image that can be used. {told[0] if told else ''}{more}".strip())
    found.said += looking.notices_of([(row.origin, row.header) for row in found.rows], how)
    return found


def _rows_of(source: Any, asked: Asked, how: How) -> Listing:
    if isinstance(source, pd.DataFrame):
        # Paths of a DataFrame are the caller's own, as those of a list are, unless a folder is said to hold them.
        return _from_table(table.from_frame(source), asked.folder, asked)
    if isinstance(source, str | os.PathLike):
        return _from_path(Path(source).expanduser(), asked)
    for keyword, value in {"column": asked.column, "ratings": asked.ratings, "labels": asked.labels}.items():
        if isinstance(value, str):
            kind = type(source).__name__
            raise ValueError(f"{keyword}={value!r} names a column, which only a table has, got images from a {kind}.")
    if isinstance(source, datasets.Items):
        return _from_items(source)
    if datasets.is_dataset(source):
        return _from_items(datasets.items_of(source, how=how))
    if isinstance(source, Mapping):
        return _from_mapping(source, asked.folder)
    if isinstance(source, Image.Image) or _is_single(source, how):
        source = [source]
    if not isinstance(source, Iterable):
        raise ValueError(f"Images come from a folder, files, arrays, a table or a dataset, got {shown(source)}.")
    items = list(source)
    if items and all(map(is_pair, items)):
        return _from_items(datasets.items_of(items, how=how))
    return _from_list(items, asked.folder, f"The {type(source).__name__}")


def _from_path(path: Path, asked: Asked) -> Listing:
    if path.is_file() and table.is_table(path):
        folder = asked.folder or path.parent
        cells = table.from_file(path, encoding=asked.encoding, exist=Places(folder).count)
        return _from_table(cells, folder, asked)
    if path.is_dir():
        return _from_folder(path)
    if path.exists():
        return _from_list([path], asked.folder, f"The file {path.name!r}")
    raise ValueError(f"Images come from a folder, a table or an image file that exists, got {str(path)!r}.")


def _from_items(items: datasets.Items) -> Listing:
    """The pairs of a dataset, with labels by name."""
    rows = [Row(one.name, one.origin, f"item {i}", label=one.label) for i, one in enumerate(items.items)]
    return Listing(items.what, rows, said=list(items.notices))


def _from_mapping(source: Mapping[Any, Any], folder: Path | None) -> Listing:
    found = Listing("The mapping")
    if words := getattr(source, "words", ""):  # further images of samples
        found.what, found.called = f"The set of each {words}", f"{words} of"
    for name, origin in source.items():
        place = f"item {shown(name)}"
        if is_text(name):
            is_path = isinstance(origin, str | os.PathLike)
            found.rows.append(Row(composed(str(name)), (folder or Path()) / origin if is_path else origin, place))
        else:
            sentence = f"{place.capitalize()} is left out: a name must be text or a number, got {shown(name)}."
            found.complain(place, sentence, "item")
    return found


def _is_single(source: Any, how: How) -> bool:
    """An array of one image, (h w) or (h w c), or a tensor (c h w), rather than a stack."""
    shape = tuple(getattr(source, "shape", ()))
    count = {3, 4} if how.channels is None else {len(how.channels)}
    if is_tensor(source) and len(shape) == 3:
        return shape[0] in count | {1} or shape[2] in count - {4}
    return len(shape) == 2 or (len(shape) == 3 and shape[2] in count)


def _from_folder(folder: Path) -> Listing:
    """All image files in it and below, in natural order."""
    found = folders.found_in(folder)
    paths = sorted(found.paths, key=lambda path: natural(str(path)))
    rows = [Row(name, path, "file") for name, path in zip(_names(paths, folder), paths, strict=True)]
    return Listing(f"The folder {str(folder)!r}", rows, found.problems, root=folder)


def _from_list(items: list[Any], folder: Path | None, what: str) -> Listing:
    paths = {i: (folder or Path()) / Path(item) for i, item in enumerate(items) if isinstance(item, str | os.PathLike)}
    names = dict(zip(paths, _names(paths.values(), folder), strict=True))
    rows = [Row(names.get(i, f"image {i}"), paths.get(i, item), f"item {i}") for i, item in enumerate(items)]
    return Listing(what, rows)


def _from_table(cells: Table, root: Path | None, asked: Asked) -> Listing:
    places, wanted = Places(root or Path()), asked.by_kind()
    kinds = known_columns.chosen(cells.name, cells.columns, wanted)
    image = cells.image_column(kinds)
    cells = table.with_numbers(cells, kinds, asked.decimal)
    found = Listing(cells.name, problems=list(cells.problems), rated="rating" in kinds, root=root)
    for place, row in cells.rows:
        if is_missing(row[image]):
            head = f"{place.capitalize()} has no image"
            found.complain(place, f"{head}: a path in column {image!r} is needed, got nothing.", "row")
            continue
        made = Row("", places.find(str(row[image])), place)
        for kind, column in kinds.items():
            is_path = kind in ("human_map", "reference")
            if kind != "image" and not (is_path and is_missing(row[column])):
                setattr(made, kind, places.find(str(row[column])) if is_path else row[column])
        made.extra = {key: value for key, value in row.items() if key not in kinds.values()}
        found.rows.append(made)
    for made, name in zip(found.rows, _names([made.origin for made in found.rows], root or Path()), strict=True):
        made.name = name
    if not {"rating", "label"} & kinds.keys():
        found.said += known_columns.no_rating(cells, kinds, wanted)
    found.said += [*cells.notices, *known_columns.notices(kinds, wanted), *places.notices]
    return found


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
    # A name may hold bytes that are not text, and its letters may be in two parts.
    return [composed(os.fsencode(name).decode("utf-8", "replace")) for name in names]


def _digits(name: str) -> str:
    """The numbers in a name, without zeros in front and without its ending."""
    return " ".join(str(int(number)) for number in re.findall(r"\d+", os.path.splitext(name)[0]))


def natural(text: str) -> list[tuple[int, int, str]]:
    """A sort key: "image 10" comes after "image 9", letters in any case."""
    parts = re.split(r"(\d+)", text.casefold())
    return [(0, int(part), "") if i % 2 else (1, 0, part) for i, part in enumerate(parts)]


def _give(found: Listing, what: str, values: Any) -> None:
    """Ratings or labels by name, or in order."""
    if isinstance(values, pd.Series) and not isinstance(values.index, pd.RangeIndex):
        values = values.to_dict()
    if isinstance(values, Mapping):
        values = {composed(str(name)): value for name, value in values.items()}
        for row in found.rows:
            setattr(row, what, values.get(row.name))
        for name in sorted(values.keys() - {row.name for row in found.rows}):
            found.complain(name, f"{name!r} has a {what} but no image: names must be those of images.", "unknown")
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


def _usable(row: Row, first: Row, found: Listing, how: How) -> bool:
    """Whether the image can be listed: its name is new and its header sound."""
    if first is not row:
        found.complain(
            f"{row.name} ({row.place})",
            f"{row.name!r} in {row.place} is left out: names must be unique, and it is in {first.place} already.",
            "twice",
        )
        return False
    if found.strict and not found.lets_in(row.origin):
        sentence = f"The {found.called} {row.name!r} is left out: it lies outside {str(found.root)!r}."
        found.complain(row.name, sentence, "outside")
        return False
    try:
        if isinstance(row.origin, Path):
            row.header = reading.read_header(row.origin, how)
            _remark(row.name, row.header, found, how)
        elif not isinstance(row.origin, datasets.Lazy | Image.Image):
            check(row.origin, how)
    except (ValueError, TypeError) as error:
        absent = str(error).startswith("does not exist")
        advice = found.near(row.origin) if absent else ""
        found.complain(row.name, f"The {found.called} {row.name!r} {error}{advice}", "absent" if absent else "file")
        return False
    return found.strict or found.lets_in(row.origin)


def _remark(name: str, header: reading.Header, found: Listing, how: How) -> None:
    """What is said of an image that is read in part."""
    if header.reduction > 1:
        found.complain(name, reduced_sentence(name, header, found.called), "reduced")
    if header.pages > 1 and not (how.channels and len(how.channels) == header.pages):
        what = "frames" if header.format in ("DICOM", *reading.MOVING) else "pages"
        more = "" if what == "frames" else f"; channels={header.pages} takes pages as channels"
        sentence = f"The {found.called} {name!r} has {header.pages:,} {what}, of which the first is read{more}."
        found.complain(name, sentence, "pages")


def reduced_sentence(name: str, header: reading.Header, called: str = "image") -> str:
    """What is said of an image that is read at a part of its size."""
    return (
        f"The {called} {name!r} is read at 1/{header.reduction} of its size: at most {pixels.MOST_PIXELS:,} pixels are "
        f"allowed, got {header.width:,} x {header.height:,}."
    )
