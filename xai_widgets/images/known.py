"""What is known of the images of a set: of each by name, and of all as a DataFrame."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from xai_widgets.images.listing import Row
from xai_widgets.images.several import parts_of

MORE = ("rating_sd", "raters", "split", "reference")


class Known:
    """What is known of an image, by its name."""

    names: tuple[str, ...]

    def _row(self, name: str) -> Row:
        raise NotImplementedError

    def rating(self, name: str) -> float | None:
        """The known score, if there is a usable one.

        Raises:
            ValueError: There is no such image.
        """
        return self._row(name).rating

    def label(self, name: str) -> str | None:
        """The known class; several labels as one text, see `labels_of`.

        Raises:
            ValueError: There is no such image.
        """
        return self._row(name).label

    def labels_of(self, name: str, classes: Sequence[str] = (), *, several: bool = False) -> tuple[str, ...] | None:
        """All known labels of an image; empty where it is known that none holds, None where nothing is known.

        Args:
            classes: Names of classes, by which a text such as "cat; dog" or "cat|dog" is parted where all parts are
                among them. A class whose own name holds ";" or "|" stays whole.
            several: Whether such a text is parted although a part is no name of a class.

        Raises:
            ValueError: There is no such image.
        """
        row = self._row(name)
        if row.labels is not None or row.label is None:
            return row.labels
        return parts_of(row.label, classes, always=several)

    @property
    def has_label_lists(self) -> bool:
        """Whether the labels of any image were given as a list."""
        return any(self._row(name).labels is not None for name in self.names)

    def rating_sd(self, name: str) -> float | None:
        """The standard deviation of the rating between raters, where it is known.

        Raises:
            ValueError: There is no such image.
        """
        return self._row(name).rating_sd

    def raters(self, name: str) -> int | None:
        """How many people the rating is of, where that is known.

        Raises:
            ValueError: There is no such image.
        """
        count = self._row(name).raters
        return None if count is None else int(count)

    def split(self, name: str) -> str | None:
        """The part of the data that an image belongs to: "train", "val", "test", or as the table has it.

        Raises:
            ValueError: There is no such image.
        """
        return self._row(name).split

    def has_human_map(self, name: str) -> bool:
        """Whether there is one; its file is not read.

        Raises:
            ValueError: There is no such image.
        """
        return self._row(name).human_map is not None


def table_of(rows: list[Row]) -> pd.DataFrame:
    """Rating, label, human_map, `MORE` where it is known, and further columns; text of numbers becomes numbers."""
    index = pd.Index([row.name for row in rows], name="image", dtype=object)
    known = {
        "rating": pd.Series([row.rating for row in rows], index, dtype=float),
        "label": pd.Series([row.label for row in rows], index, dtype=object),
        "human_map": pd.Series([row.human_map and str(row.human_map) for row in rows], index, dtype=object),
    }
    for name in MORE:
        values = [getattr(row, name) for row in rows]
        if any(value is not None for value in values):
            kept = [value if value is None or name not in ("split", "reference") else str(value) for value in values]
            known[name] = pd.Series(kept, index, dtype=object if name in ("split", "reference") else float)
    further = dict.fromkeys(key for row in rows for key in row.extra if key not in known)
    extra = {key: _typed(pd.Series([row.extra.get(key) for row in rows], index, dtype=object)) for key in further}
    return pd.DataFrame(known | extra)


def _typed(column: pd.Series) -> pd.Series:
    try:
        return pd.to_numeric(column.replace("", None))
    except (ValueError, TypeError):
        return column.infer_objects()
