"""A CSV file or a DataFrame as rows of cells."""

from __future__ import annotations

import csv
import difflib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

IMAGE_COLUMNS = ("image", "image_path", "path", "file", "filename", "file_name", "filepath", "file_path", "image_name")
RATING_COLUMNS = ("rating", "score", "mos", "y_true", "human_rating", "human_score")
LABEL_COLUMNS = ("label", "class", "category", "class_name")
HUMAN_MAP_COLUMNS = ("human_map", "human_map_path", "human map")
ENDINGS = (".csv", ".tsv", ".txt")


@dataclass(frozen=True)
class Table:
    """Cells by row, with what a sentence calls the table and each of its rows."""

    name: str
    columns: tuple[str, ...]
    rows: list[tuple[str, dict[str, Any]]]  # "row 7", cells by column
    problems: dict[str, str] = field(default_factory=dict)  # of rows that were left out

    def column(self, wanted: str | None, usual: tuple[str, ...]) -> str | None:
        """The column that was asked for, or the first usual one there is, in any case of letters.

        Raises:
            ValueError: there is no column that was asked for; the nearest are listed.
        """
        if wanted is not None:
            if wanted in self.columns:
                return wanted
            near = difflib.get_close_matches(str(wanted), self.columns, 3) or self.columns
            raise ValueError(f"{self.name} has no column {wanted!r}: its columns include {', '.join(map(repr, near))}.")
        found = {column.strip().casefold(): column for column in reversed(self.columns)}
        return next((found[name] for name in usual if name in found), None)

    def image_column(self, wanted: str | None) -> str:
        """The column of image paths.

        Raises:
            ValueError: there is none.
        """
        column = self.column(wanted, IMAGE_COLUMNS)
        if column is None:
            allowed = ", ".join(IMAGE_COLUMNS[:5])
            raise ValueError(
                f"{self.name} has no column of image paths: one called {allowed} or the like, or `column=`, is needed, "
                f"got {', '.join(map(repr, self.columns))}."
            )
        return column


def from_frame(frame: pd.DataFrame) -> Table:
    """A DataFrame as rows, numbered from 0.

    Raises:
        ValueError: two columns have one name.
    """
    columns = _unique("The DataFrame", frame.columns)
    cells = zip(*(frame.iloc[:, i].tolist() for i in range(len(columns))), strict=True)
    rows = [(f"row {i}", dict(zip(columns, row, strict=True))) for i, row in enumerate(cells)]
    return Table("The DataFrame", columns, rows)


def from_csv(path: Path) -> Table:
    """Comma, semicolon or tab, whichever the first line holds most of. Rows are numbered as in a spreadsheet.

    Raises:
        ValueError: it is no such text, has no column names, or two columns have one name.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = file.readline()
            file.seek(0)
            lines = csv.reader(file, delimiter=max(",;\t", key=header.count))
            return _table(path.name, lines)
    except UnicodeDecodeError as error:
        raise ValueError(f"The table {path.name!r} must be text in UTF-8, got other bytes ({error.reason}).") from None
    except csv.Error as error:
        raise ValueError(f"The table {path.name!r} must be comma-separated text, got an error ({error}).") from None


def _table(file_name: str, lines: Any) -> Table:
    name = f"The table {file_name!r}"
    columns = _unique(name, next(lines, []))
    if not columns:
        raise ValueError(f"{name} is empty: a line of column names is needed.")
    rows, problems = [], {}
    for cells in lines:
        place = f"row {lines.line_num}"
        if len(cells) > len(columns):
            problems[place] = (
                f"{place.capitalize()} of {file_name!r} is left out: at most {len(columns)} cells are allowed, "
                f"got {len(cells)}."
            )
        elif any(cell.strip() for cell in cells):
            rows.append((place, dict.fromkeys(columns, "") | dict(zip(columns, cells, strict=False))))
    return Table(name, columns, rows, problems)


def _unique(name: str, columns: Iterable[Any]) -> tuple[str, ...]:
    columns = tuple(str(column) for column in columns)
    twice = [column for column, count in Counter(columns).items() if count > 1]
    if twice:
        raise ValueError(f"{name} must have different column names, got {twice[0]!r} more than once.")
    return columns
