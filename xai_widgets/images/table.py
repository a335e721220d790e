"""A table file or a DataFrame as rows of cells, numbers with a point as their decimal mark."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd

from xai_widgets.images import columns as known_columns
from xai_widgets.images import numbers, texts
from xai_widgets.images.problems import Problem

ENDINGS = (".csv", ".tsv", ".txt")
EXCEL = (".xlsx", ".xlsm")
_ELSEWHERE = {
    (".xls", ".ods", ".numbers"): "save it as CSV or .xlsx",
    (".json", ".jsonl", ".feather", ".pkl"): "read it with pandas and give the DataFrame, and folder=",
}
ALL = (*ENDINGS, *EXCEL, ".parquet", *(ending for some in _ELSEWHERE for ending in some))
DELIMITERS = ",;\t"
HEADINGS = 10  # rows of a sheet among which its column names may be
PROBED = 50  # rows whose names are looked up to tell encodings apart


@dataclass(frozen=True)
class Table:
    """Cells by row, with what a sentence calls the table and each of its rows."""

    name: str
    columns: tuple[str, ...]
    rows: list[tuple[str, dict[str, Any]]]  # "row 7", cells by column
    problems: list[Problem] = field(default_factory=list)  # of rows that were left out
    notices: tuple[str, ...] = ()
    delimiter: str = ""

    def image_column(self, found: dict[str, str]) -> str:
        """The column of image paths.

        Raises:
            ValueError: there is none.
        """
        if "image" in found:
            return found["image"]
        allowed = ", ".join(known_columns.USUAL["image"][:5])
        raise ValueError(
            f"{self.name} has no column of image paths: one called {allowed} or the like, or `column=`, is needed, "
            f"got {', '.join(map(repr, self.columns))}."
        )


def is_table(path: Path) -> bool:
    """Whether a file is taken as a table, by its ending."""
    return path.suffix.lower() in ALL


def from_frame(frame: pd.DataFrame, name: str = "The DataFrame") -> Table:
    """A DataFrame as rows, numbered from 0.

    Raises:
        ValueError: two columns have one name.
    """
    columns = _unique(name, frame.columns)
    cells = zip(*(frame.iloc[:, i].tolist() for i in range(len(columns))), strict=True)
    rows = [(f"row {i}", dict(zip(columns, row, strict=True))) for i, row in enumerate(cells)]
    return Table(name, columns, rows)


def from_file(path: Path, *, encoding: str | None = None, exist: Callable[[list[str]], int] = len) -> Table:
    """A CSV file, an Excel sheet, or a Parquet file.

    Args:
        exist: how many of some names are those of files.

    Raises:
        ValueError: it is no table that can be read.
    """
    ending, name = path.suffix.lower(), f"The table {path.name!r}"
    with path.open("rb") as file:
        zipped = file.read(4) == b"PK\3\4"
    advice = next((words for endings, words in _ELSEWHERE.items() if ending in endings), None)
    if advice is not None:
        raise ValueError(f"{name} is of a kind that is not read, {ending}: {advice}.")
    if ending in EXCEL or (zipped and ending in ENDINGS):
        return _from_excel(path, name)
    if ending == ".parquet":
        try:
            return from_frame(pd.read_parquet(path), name)
        except (OSError, ValueError) as error:
            raise ValueError(f"{name} must be a Parquet file, got an error ({error}).") from error
    return _from_csv(path, name, encoding, exist)


def with_numbers(table: Table, found: dict[str, str], decimal: str | None) -> Table:
    """Numbers that are written with a decimal comma, or with thousands, as Python writes them; and what is said of it.

    Args:
        found: the columns by what they hold; images, labels and the like stay as they are.
        decimal: the decimal mark of all; None: what each column shows, or the others where it shows none.
    """
    text = {found[kind] for kind in ("image", "label", "human_map", "split", "reference") if kind in found}
    cells = {
        name: [cell for _, row in table.rows if isinstance(cell := row[name], str) and cell.strip()]
        for name in table.columns
        if name not in text
    }
    marks = {name: decimal or numbers.mark_of(some) for name, some in cells.items()}
    clear = {mark for mark in marks.values() if mark in numbers.MARKS}
    usual = clear.pop() if len(clear) == 1 else ""
    rated = {found[kind] for kind in ("rating", *known_columns.SPREADS) if kind in found}
    changed: dict[str, tuple[str, str]] = {}
    for name, some in cells.items():
        mark = marks[name] or usual or _likely(some, table.delimiter)
        plain = dict(zip(some, numbers.in_plain(some, mark), strict=True))
        other = next(((old, new) for old, new in plain.items() if old.strip() != new), None)
        if other is None or not (name in rated or _of_numbers(some, plain)):
            continue
        changed[name] = other
        for _, row in table.rows:
            if isinstance(row[name], str):
                row[name] = plain.get(row[name], row[name])
    said = (*table.notices, *_said_of(changed, decimal))
    return Table(table.name, table.columns, table.rows, table.problems, said, table.delimiter)


def _of_numbers(some: list[str], plain: dict[str, str]) -> bool:
    """Whether most cells of a column are numbers, those aside that say that there is none."""
    fits = [numbers.is_number(plain[cell]) for cell in some if cell.strip().casefold() not in numbers.MISSING]
    return sum(fits) > len(fits) / 2


def _likely(some: list[str], delimiter: str) -> str:
    """The decimal mark where no number shows it: commas are that where they do not separate cells."""
    return "," if delimiter in (";", "\t") and any("," in cell for cell in some) else "."


def _said_of(changed: dict[str, tuple[str, str]], decimal: str | None) -> Iterator[str]:
    if changed and decimal is None:
        (old, new), names = next(iter(changed.values())), ", ".join(map(repr, changed))
        yield f"Numbers in {names} have other marks: {old.strip()} is read as {new}. decimal= says otherwise."


def _from_excel(path: Path, name: str) -> Table:
    if find_spec("openpyxl") is None:
        raise ValueError(f"{name} is an Excel file: save it as CSV, or install openpyxl, which reads it.")
    try:
        with pd.ExcelFile(path, engine="openpyxl") as sheets:
            names = [str(one) for one in sheets.sheet_names]
            sheet, skipped = _with_images(sheets, name)
            table = from_frame(pd.read_excel(sheets, sheet_name=sheet, skiprows=skipped, dtype=object), name)
    except (OSError, KeyError, ValueError) as error:
        raise ValueError(f"{name} must be an Excel file (.xlsx), got an error ({error}).") from error
    rows = [(f"row {number}", row) for number, (_, row) in enumerate(table.rows, 2 + skipped)]
    which = f"{names[sheet]!r}, the first" + (" with a column of images" if sheet else "")
    said = [f"{name} has {len(names)} sheets: {which}, is read."] if len(names) > 1 else []
    if skipped:
        said.append(f"The column names of {name.removeprefix('The table ')} are those in row {skipped + 1}.")
    return Table(name, table.columns, rows, [], tuple(said))  # rows are numbered as the spreadsheet counts


def _with_images(sheets: pd.ExcelFile, name: str) -> tuple[int, int]:
    """The first sheet with a column of images, else the first, and how many rows stand above its column names."""
    for sheet in range(len(sheets.sheet_names)):
        head = pd.read_excel(sheets, sheet_name=sheet, header=None, nrows=HEADINGS, dtype=object)
        for place, row in enumerate(head.itertuples(index=False)):
            columns = tuple(dict.fromkeys(cell for cell in row if isinstance(cell, str)))
            if "image" in known_columns.chosen(name, columns, {}):
                return sheet, place
    return 0, 0


def _from_csv(path: Path, name: str, encoding: str | None, exist: Callable[[list[str]], int]) -> Table:
    """Comma, semicolon or tab, whichever the first line has most of. Rows are numbered as in a spreadsheet."""

    def fits(text: str) -> int:
        try:
            table = _table(name, text)
            column = known_columns.chosen(name, table.columns, {}).get("image")
        except (ValueError, csv.Error):
            return 0
        named = [str(row[column]) for _, row in table.rows if column] if column else []
        return exist([one for one in named if not one.isascii()][:PROBED])

    try:
        text, taken = texts.decoded(path.read_bytes(), name, encoding, fits)
        table = _table(name, text)
    except csv.Error as error:
        raise ValueError(f"{name} must be comma-separated text, got an error ({error}).") from None
    plain = encoding is not None or taken.startswith("utf-8")
    said = () if plain else (f"{name} was read as {taken}, not UTF-8. encoding= says otherwise.",)
    return Table(name, table.columns, table.rows, table.problems, said, table.delimiter)


def _table(name: str, text: str) -> Table:
    text = text.lstrip("\ufeff")
    skipped = 0
    if text[:4].lower() == "sep=":  # for Excel
        text, skipped = text.partition("\n")[2], 1
    header = text.partition("\n")[0]
    delimiter = max(DELIMITERS, key=lambda mark: len(next(csv.reader([header], delimiter=mark), [])))
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    columns = _unique(name, next(lines, []))
    if not columns:
        raise ValueError(f"{name} is empty: a line of column names is needed.")
    rows, problems = [], []
    for cells in lines:
        place = f"row {lines.line_num + skipped}"
        if len(cells) > len(columns):
            problems.append(Problem(place, _too_many(place, name, len(columns), len(cells)), "row"))
        elif any(cell.strip() for cell in cells):
            rows.append((place, dict.fromkeys(columns, "") | dict(zip(columns, cells, strict=False))))
    return Table(name, columns, rows, problems, delimiter=delimiter)


def _too_many(place: str, name: str, most: int, got: int) -> str:
    of = name.removeprefix("The table ")
    return f"{place.capitalize()} of {of} is left out: at most {most} cells are allowed, got {got}."


def _unique(name: str, columns: Iterable[Any]) -> tuple[str, ...]:
    columns = tuple(str(column) for column in columns)
    twice = [column for column, count in Counter(columns).items() if count > 1]
    if twice:
        raise ValueError(f"{name} must have different column names, got {twice[0]!r} more than once.")
    return columns
