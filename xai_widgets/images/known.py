"""What is known of the images of a set: of each by name, and of all as a DataFrame."""

from __future__ import annotations

import pandas as pd

from xai_widgets.images.listing import Row

MORE = ("rating_sd", "raters", "split", "reference")


class Known:
    """What is known of an image, by its name."""

    def _row(self, name: str) -> Row:
        raise NotImplementedError

    def rating(self, name: str) -> float | None:
        """The known score, if there is a usable one.

        Raises:
            ValueError: There is no such image.
        """
        return self._row(name).rating

    def label(self, name: str) -> str | None:
        """The known class.

        Raises:
            ValueError: There is no such image.
        """
        return self._row(name).label

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
