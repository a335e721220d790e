"""Maps that a table names beside its images: where people looked or drew, or what another saliency model found."""

from __future__ import annotations

import difflib
import os
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xai_widgets.images import files, human, reading
from xai_widgets.images.cells import is_missing, shown
from xai_widgets.images.how import How
from xai_widgets.images.places import Places

if TYPE_CHECKING:
    import pandas as pd

    from xai_widgets.images.listing import Row

HUMAN = "human_map"


class Maps:
    """The part of `ImageSet` for maps beside images."""

    table: pd.DataFrame
    name: str
    _given: Mapping[str, Any]
    _how: How
    _places: Places | None = None

    if TYPE_CHECKING:  # of `ImageSet`

        def _row(self, name: str) -> Row: ...
        def _check_place(self, path: Path) -> None: ...

    def human_map(self, name: str, column: str = HUMAN) -> NDArray[np.float32] | None:
        """Where people looked or drew, (h w) from 0 to 1 at its own size, over the photo as it is read.

        A map that has the shape of a stored photo that EXIF turns is turned with it.

        Args:
            column: Of the table, that names the file; any other than "human_map" for maps of another kind, such as
                those of a saliency model.

        Raises:
            ValueError: There is no such image or column, or its map cannot be read.
        """
        row, path = self._row(name), self.map_file(name, column)
        if path is None:
            return None
        try:
            self._check_place(path)
            values = reading.read_photo(path, how=How(self._how.orientation)).mean(2, dtype=np.float32) / 255
            of_file = isinstance(row.origin, Path)
            return human.as_photo(values, reading.read_header(row.origin, self._how), self._how) if of_file else values
        except ValueError as error:
            raise ValueError(f"The {map_words(column)} of {name!r} {error}") from None

    def map_file(self, name: str, column: str = HUMAN) -> Path | None:
        """The file that a column of the table names for an image; None where it names none.

        Raises:
            ValueError: There is no such image or column, or the column holds something else than names of files.
        """
        row = self._row(name)
        if column == HUMAN:
            known: Path | None = row.human_map
            return known
        if column not in self.table.columns:
            near = difflib.get_close_matches(str(column), list(map(str, self.table.columns)), 3) or [HUMAN]
            some = ", ".join(map(repr, near))
            raise ValueError(f"{self.name!r} has no column {column!r} of maps: its columns include {some}.")
        cell = row.extra.get(column)
        if cell is None or is_missing(cell):
            return None
        if not isinstance(cell, str | os.PathLike):
            raise ValueError(f"the column {column!r} must name files of maps, got {shown(cell)} for {name!r}.")
        self._places = self._places or Places(_folder_of(self._given))
        return self._places.find(os.fspath(cell))

    def map_version(self, name: str, column: str = HUMAN) -> Hashable:
        """Which file it is, and what changes when that does; nothing is read.

        Raises:
            ValueError: As `map_file`.
        """
        path = self.map_file(name, column)
        return None if path is None else (str(path), files.version_of(path))

    def map_digest(self, name: str, column: str = HUMAN) -> str:
        """Of the content of the file; empty where there is none, or it cannot be read.

        Raises:
            ValueError: As `map_file`.
        """
        path = self.map_file(name, column)
        if path is None:
            return ""
        try:
            return files.digest_of(path)
        except (OSError, ValueError):
            return ""

    def map_fit(self, name: str, column: str = HUMAN) -> str:
        """A sentence where a map has not the shape of its photo; empty where it has, or is not there.

        Raises:
            ValueError: As `human_map`.
        """
        row, path = self._row(name), self.map_file(name, column)
        if path is None or row.header is None:
            return ""
        try:
            return human.stretched(reading.read_header(path), row.header, self._how)
        except ValueError as error:
            raise ValueError(f"The {map_words(column)} of {name!r} {error}") from None


def map_words(column: str) -> str:
    """A map in a sentence."""
    return "human map" if column == HUMAN else f"map {column!r}"


def _folder_of(given: Mapping[str, Any]) -> Path:
    """Where the relative paths of a table start."""
    folder, source = given["folder"], given["source"]
    if folder is not None:
        return Path(folder).expanduser()
    if isinstance(source, str | os.PathLike):
        return Path(source).expanduser().parent
    return Path()
