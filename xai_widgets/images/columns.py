"""Which column of a table holds what, by the words that people use."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from xai_widgets.images.cells import is_missing, number

if TYPE_CHECKING:
    from xai_widgets.images.table import Table

# In order of preference; compared in any case, blanks and hyphens as underscores. The first is the plain name.
USUAL: dict[str, tuple[str, ...]] = {
    "image": (
        "image", "image_path", "path", "file", "filename", "file_name", "filepath", "file_path", "image_name", "img",
        "img_name", "img_path", "image_file", "image_id", "dist_img", "distorted", "photo",
    ),
    "rating": ("rating", "score", "mos", "y_true", "human_rating", "human_score", "dmos", "mean_opinion_score"),
    "label": ("label", "class", "category", "class_name"),
    "human_map": ("human_map", "human_map_path"),
    "rating_sd": (
        "rating_sd", "sd", "std", "mos_sd", "mos_std", "sd_mos", "std_mos", "rating_std", "score_std", "stddev",
        "std_dev", "standard_deviation", "dmos_std",
    ),
    "raters": (
        "raters", "n_raters", "num_raters", "n", "n_ratings", "num_ratings", "votes", "n_votes", "num_votes", "c_total",
    ),
    "split": ("split", "subset", "fold", "partition"),
    "reference": (
        "reference", "ref", "ref_img", "reference_image", "ref_image", "ref_path", "reference_path", "ref_name",
    ),
}  # fmt: skip
SPREADS = ("rating_sd", "raters")  # of a rating, and meant only where there is one


def chosen(name: str, columns: tuple[str, ...], asked: Mapping[str, str | None]) -> dict[str, str]:
    """What each kind of column is called here; those that are not there are left out.

    Args:
        name: what sentences call the table.
        asked: column names by kind; None means that there is none, whatever it is called.

    Raises:
        ValueError: there is no column, or no kind of column, that was asked for; the nearest are listed.
    """
    for kind, wanted in asked.items():
        if kind not in USUAL:
            near = difflib.get_close_matches(str(kind), USUAL, 1) or list(USUAL)
            raise ValueError(f"columns= takes {', '.join(USUAL)}, got {kind!r}: try {near[0]!r}.")
        if wanted is not None and wanted not in columns:
            nearest = difflib.get_close_matches(str(wanted), columns, 3) or columns
            raise ValueError(f"{name} has no column {wanted!r}: its columns include {', '.join(map(repr, nearest))}.")
    found = {kind: column for kind, column in asked.items() if column is not None}
    plain = {_plain(column): column for column in reversed(columns)}
    for kind, usual in USUAL.items():
        free = (plain[word] for word in usual if word in plain and plain[word] not in found.values())
        if kind not in asked and (column := next(free, None)) is not None:
            found[kind] = column
    if "rating" not in found:
        found = {kind: column for kind, column in found.items() if kind not in SPREADS or kind in asked}
    return found


def notices(found: Mapping[str, str], asked: Mapping[str, Any]) -> tuple[str, ...]:
    """A sentence on columns that were taken by looking, where one is not called by its plain name."""
    taken = [(kind, column) for kind, column in found.items() if kind not in asked and _plain(column) != kind]
    taken = [(kind, column) for kind, column in taken if kind != "image"]
    if not taken:
        return ()
    words = ", ".join(f"{kind} from {column!r}" for kind, column in taken)
    return (f"Columns were taken by their names: {words}. columns= takes others, such as {{{taken[0][0]!r}: None}}.",)


def no_rating(table: Table, found: Mapping[str, str], asked: Mapping[str, Any]) -> tuple[str, ...]:
    """A sentence on columns of numbers where none of them is taken as the rating and nobody said that there is none."""
    if "rating" in asked or "label" in asked:
        return ()
    free = [
        column for column in table.columns if column not in found.values() and column.strip() and column != "Unnamed: 0"
    ]
    numeric = [column for column in free if _all_numbers(row[column] for _, row in table.rows)]
    if not numeric:
        return ()
    words = ", ".join(map(repr, numeric[:3])) + (f" and {len(numeric) - 3} more" if len(numeric) > 3 else "")
    several = "; the mean of several is a column that has to be made first" if len(numeric) > 1 else ""
    return (
        f"{table.name} has no column of ratings by its name: of those with numbers, {words}, "
        f"columns={{'rating': {numeric[0]!r}}} would take one{several}.",
    )


def _all_numbers(cells: Iterable[Any]) -> bool:
    given = [cell for cell in cells if not is_missing(cell)]
    return bool(given) and all(number(cell) is not None for cell in given)


def _plain(column: str) -> str:
    return "_".join(column.strip().casefold().replace("-", " ").replace("_", " ").split())
