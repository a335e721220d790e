"""What is known of the images of a set, as a DataFrame."""

from __future__ import annotations

import pandas as pd

from xai_widgets.images.listing import Row


def table_of(rows: list[Row]) -> pd.DataFrame:
    """Rating, label, human_map and further columns by name; text that is all numbers becomes numbers."""
    index = pd.Index([row.name for row in rows], name="image", dtype=object)
    known = {
        "rating": pd.Series([row.rating for row in rows], index, dtype=float),
        "label": pd.Series([row.label for row in rows], index, dtype=object),
        "human_map": pd.Series([row.human_map and str(row.human_map) for row in rows], index, dtype=object),
    }
    further = dict.fromkeys(key for row in rows for key in row.extra if key not in known)
    extra = {key: _typed(pd.Series([row.extra.get(key) for row in rows], index, dtype=object)) for key in further}
    return pd.DataFrame(known | extra)


def _typed(column: pd.Series) -> pd.Series:
    try:
        return pd.to_numeric(column.replace("", None))
    except (ValueError, TypeError):
        return column.infer_objects()
