"""One number or word for each image of the set: what a gallery sorts and filters by, from all that knows of images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from xai_widgets.engine import ratings_of
from xai_widgets.engine.set_answers import Column, SetAnswers
from xai_widgets.images.listing import natural

if TYPE_CHECKING:
    from xai_widgets.session.session import Session

RESERVED = ("given", "name", "mistake")  # orders of a gallery that are no columns
FILES = ("human_map", "reference")  # columns of the table that name files


class Columns(Mapping[str, Column]):
    """All columns by name: those of the session, then those of the table, then what is known of the set.

    Two of one name are told apart: the later one is called "entropy (table)" or "entropy (set)". A later one with the
    same values as the one before it is left out. Columns are made again only where what they are made of is another.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._made: dict[str, tuple[tuple[Any, ...], list[Column]]] = {}  # what each group was made of, and made
        self._all: dict[str, Column] = {}
        self._names: dict[str, str] = {}
        self._of: tuple[Any, ...] = ()
        self.version = 0

    def __getitem__(self, name: str) -> Column:
        return self._current()[name]

    def __iter__(self) -> Any:
        return iter(self._current())

    def __len__(self) -> int:
        return len(self._current())

    def of_set(self, name: str) -> str:
        """Under which name a column of what is known of the set stands here; "" where it is not there."""
        self._current()
        return self._names.get(name, "")

    def is_of_set(self, name: str) -> bool:
        """Whether a column is known from the set alone: another session has it only where that is brought too."""
        column = self._current().get(name)
        return column is None or (name in self._names.values() and column.group != "table")

    def _current(self) -> dict[str, Column]:
        session = self._session
        score = 0 if session.model.has_classes else session.target()
        asked = (session.query.model, session.query.run, score)
        groups = [
            self._group("own", (session.scores, session.predictions, *asked), own_columns),
            self._group("table", (session.images,), lambda session: table_columns(session.images.table)),
            self._group("set", (session.of_set,), lambda session: set_columns(session.of_set, session.images.names)),
        ]
        if len(self._of) != len(groups) or any(new is not old for new, old in zip(groups, self._of, strict=True)):
            self._of = tuple(groups)
            self._merge(*groups)
            self.version += 1
        return self._all

    def _group(self, name: str, of: tuple[Any, ...], make: Any) -> list[Column]:
        """A group as it was, where nothing that it is made of is another."""
        before = self._made.get(name)
        if before is not None and unchanged(of, before[0]):
            return before[1]
        made: list[Column] = make(self._session)
        self._made[name] = (of, made)
        return made

    def _merge(self, own: Iterable[Column], table: Iterable[Column], of_set: Iterable[Column]) -> None:
        self._all = {column.name: column for column in own}
        self._names = {}
        for column in table:
            self._add(column, "table")
        for column in of_set:
            self._names[column.name] = self._add(column, "set")

    def _add(self, column: Column, source: str) -> str:
        """Add a column, and say under which name it is there."""
        before, name = self._all.get(column.name), column.name
        if before is not None and same_values(before.values, column.values):
            return name
        if before is not None or name in RESERVED:
            name = f"{name} ({source})"
        words = column.words if name == column.name else f"{column.words or column.name} ({source})"
        self._all[name] = Column(name, words or name, column.values, column.group)
        return name


def own_columns(session: Session) -> list[Column]:
    """What the session itself knows: score, prediction, rating and residual, label, right or wrong; and the names."""
    model, images, table = session.model, session.images, session.images.table
    classes = model.has_classes
    scores = by_name(session.scores, images.names)
    found = [Column("score", "confidence" if classes else "score", scores)]
    if classes:
        words = {name: text.rpartition(" ")[0] for name, text in session.predictions.items()}
        predicted = np.array([words.get(name, "") for name in images.names], object)
        found.append(Column("prediction", "predicted class", predicted))
    target = 0 if classes else session.target()
    ratings = np.asarray(table["rating"] if classes else ratings_of(model, images, target), np.float64)
    if not np.isnan(ratings).all():
        found.append(Column("rating", "rating", ratings, "table"))
        if not classes:
            found.append(Column("residual", "residual (score − rating)", scores - ratings))
    label = texts(table["label"])
    if label.any():
        found.append(Column("label", "label", label, "table"))
    if classes and label.any() and (right := rightness(session, label)).any():
        found.append(Column("right", "right or wrong", right))
    return [*found, Column("image", "image", np.array(images.names, object), "names")]


def rightness(session: Session, labels: np.ndarray) -> np.ndarray:
    """(n) words: "right" where the predicted class is the label, or all labels are right, "wrong", or "" if unknown."""
    model, names = session.model, session.images.names
    if not model.exclusive:
        counts = session.right_labels()
        known = ((counts.get(name), model.outputs) for name in names)
        return np.array(["" if count is None else "right" if count == of else "wrong" for count, of in known], object)
    classes = {label.casefold() for label in model.labels or ()}
    said = (session.predictions.get(name, "").rpartition(" ")[0].casefold() for name in names)
    pairs = ((label.casefold(), word) for label, word in zip(labels, said, strict=True))
    return np.array(
        ["" if not word or label not in classes else "right" if word == label else "wrong" for label, word in pairs],
        object,
    )


def table_columns(table: pd.DataFrame) -> list[Column]:
    """The columns of the table that hold numbers or words, in its order."""
    found = []
    for name in table.columns:
        if name in FILES or table[name].isna().all():
            continue
        cells = table[name]
        number = pd.api.types.is_numeric_dtype(cells) and not pd.api.types.is_bool_dtype(cells)
        values = cells.to_numpy(np.float64, na_value=np.nan) if number else texts(cells)
        found.append(Column(str(name), str(name), values, "table"))
    return found


def set_columns(answers: SetAnswers | None, names: Iterable[str]) -> list[Column]:
    """The columns of what is known of the set, a value for each image of the session."""
    if answers is None or not answers.images:
        return []
    rows = {name: row for row, name in enumerate(answers.images)}
    places = np.array([rows.get(name, -1) for name in names], np.int64)
    found = []
    for column in answers.columns.values():
        values = np.asarray(column.values)
        number = is_number(values)
        missing: Any = np.nan if number else ""
        spread = values.astype(np.float64 if number else object)[places]
        found.append(Column(column.name, column.words, np.where(places < 0, missing, spread), column.group))
    return found


def unchanged(now: tuple[Any, ...], before: tuple[Any, ...]) -> bool:
    """Whether two rows of things are of the same things."""
    return len(now) == len(before) and all(a is b or a == b for a, b in zip(now, before, strict=True))


def is_number(values: np.ndarray) -> bool:
    """Whether a column holds numbers, and not words."""
    return bool(np.issubdtype(values.dtype, np.number))


def by_name(values: Mapping[str, float], names: Iterable[str]) -> np.ndarray:
    """The values of all images, NaN where there is none."""
    return np.array([values.get(name, np.nan) for name in names], np.float64)


def texts(cells: pd.Series) -> np.ndarray:
    """Cells as words, "" where there is none."""
    return np.array(["" if missing else str(cell) for cell, missing in zip(cells, cells.isna(), strict=True)], object)


def same_values(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two columns say the same of each image, float32 beside float64 included."""
    if is_number(a) != is_number(b):
        return False
    return np.allclose(a, b, rtol=1e-6, atol=0, equal_nan=True) if is_number(a) else bool((a == b).all())


def ranks(values: np.ndarray) -> np.ndarray:
    """(n) float32: the places of values in ascending order, equal ones at one place; NaN where there is no value.

    Words are ordered without regard to case, and numbers in them as numbers: "image 9" before "image 10".
    """
    known = ~np.isnan(values) if is_number(values) else values != ""
    found = np.full(len(values), np.nan, np.float32)
    if is_number(values):
        _, places = np.unique(values[known], return_inverse=True)
    else:
        words = sorted(set(values[known]), key=lambda word: (natural(word), word))
        order = {word: place for place, word in enumerate(words)}
        places = np.array([order[word] for word in values[known]], np.int64)
    found[known] = places
    return found
