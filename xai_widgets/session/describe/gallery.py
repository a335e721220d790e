"""The gallery as a scene."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from xai_widgets.engine import column_of, ratings_of, unusable
from xai_widgets.engine.performance import Performance
from xai_widgets.engine.sample import shown_in_words
from xai_widgets.images import ImageSet, Problem, grouped
from xai_widgets.images.known import MORE
from xai_widgets.scenes import Gallery
from xai_widgets.session.columns import unchanged
from xai_widgets.session.describe.filters import Filtering, slice_items
from xai_widgets.session.describe.words import decimals_of, fixed

if TYPE_CHECKING:
    from xai_widgets.session.session import Session

MOST_PROBLEMS = 100
MOST_RANKED = 1e6  # images times classes with an AUROC here, for half a second; a script has it of all
NOTED = ("rating", "label", "human_map", *MORE)  # columns that have a place of their own
NO_CLASSES = np.zeros(0, np.int32)
NO_CLASSES.flags.writeable = False


class GalleryScenes:
    """Scenes of a gallery, one after the other: what does not change is made once."""

    def __init__(self, images: ImageSet) -> None:
        table = images.table
        self._images = images
        self._names = tuple(images.names)
        self._places = {name: place for place, name in enumerate(self._names)}
        self._labels = tuple("" if pd.isna(label) else str(label) for label in table["label"])
        self._notes = notes_of(table)
        self._known = known_of(images)
        self._of: Any = None  # the scores that `_scored` is of
        self._scored: dict[str, Any] = {}
        self._filtering = Filtering()
        self._some_of: tuple[Any, ...] = ()  # what `_some` is of
        self._some = ""

    def scene(self, session: Session, *, scores: bool = True) -> Gallery:
        """What the gallery shows now.

        Args:
            scores: whether to look for new scores; else those of the last scene.
        """
        if scores or not self._scored:
            self._score(session)
        failed = [Problem(name, sentence, "network") for name, sentence in session.failures.items()]
        known = [*self._images.problem_list(), *unusable(session.model, self._images)]
        problems = [one for one in known if one.name not in session.failures] + failed
        kinds = grouped(problems)[:MOST_PROBLEMS]
        return Gallery(
            names=self._names,
            labels=self._labels,
            **self._known,
            **self._scored,
            current=self._places.get(session.query.image, -1),
            pinned=self._numbers(session.pins),
            marked=self._numbers(session.selected_images),
            failed=self._numbers(session.failures),
            problems=tuple(kind.words for kind in kinds),
            problem_lists=tuple(kind.sentences[:MOST_PROBLEMS] if len(kind) > 1 else () for kind in kinds),
            problem_count=len(problems),
            slices=self._images.slices,
            **self._filtering.fields(session, fresh=scores),
            some=self._of_some(session, fresh=scores),
            named=slice_items(session) if session.slices else (),
        )

    def _of_some(self, session: Session, *, fresh: bool) -> str:
        """How well the model does on what is selected, or on what the filters let through."""
        about = (session.selected_images, session.filters, session.of_set)
        if fresh or not unchanged(about, self._some_of):
            names = session.selected_images or (session.shown_images if session.filters else ())
            found = session.performance_among(names, MOST_RANKED) if names else None
            words = performance_words(found, self._decimals(session))
            what = "selected" if session.selected_images else "shown"
            self._some_of, self._some = about, f"{what}: {words}" if words else ""
        return self._some

    def _numbers(self, names: Iterable[str]) -> tuple[int, ...]:
        return tuple(self._places[name] for name in names if name in self._places)

    def _score(self, session: Session) -> None:
        """Scores are never changed in place, so that identity tells whether there are others."""
        model = session.model
        target = 0 if model.has_classes else session.target()
        about = (session.scores, session.query.model, session.query.run, target, len(session.failures))
        if self._of is not None and about[0] is self._of[0] and about[1:] == self._of[1:]:
            return
        self._of = about
        scores = np.full(len(self._names), np.nan, np.float32)
        for name, score in session.scores.items():
            scores[self._places[name]] = score
        known = {label.casefold() for label in model.labels or ()}
        classifier = model.has_classes
        ratings = self._images.table["rating"] if classifier else ratings_of(model, self._images, target)
        of_rating = classifier or column_of(model, self._images, target) == "rating"
        self._scored = {
            **(spreads_of(self._images.table) if of_rating else {}),
            "notes": self._with_slices(model.images),
            "task": "classification" if classifier else "regression",
            "score_name": "" if classifier or model.one_score else model.name_of(target),
            "ratings": frozen(np.array(ratings, np.float32)),
            "scores": frozen(scores),
            "performance": performance_words(session.performance_within(MOST_RANKED), self._decimals(session)),
            **self._right(session),
            "limits": tuple(map(float, session.score_range())),
            "comparable": model.exclusive and any(label.casefold() in known for label in self._labels),
            **(self._classes(session) if classifier else {"classes": (), "predicted": NO_CLASSES}),
        }

    def _decimals(self, session: Session) -> int:
        return 2 if session.model.has_classes else decimals_of(*session.score_range())

    def _right(self, session: Session) -> dict[str, Any]:
        """How many labels of each image are right, where several may hold."""
        right = session.right_labels()
        if not right:
            return {"agreed": NO_CLASSES, "of_labels": 0}
        agreed = np.full(len(self._names), -1, np.int32)
        for name, count in right.items():
            agreed[self._places[name]] = count
        return {"agreed": frozen(agreed), "of_labels": session.model.outputs}

    def _with_slices(self, taken: int) -> tuple[str, ...]:
        """The notes after what a sample holds, and of which image the scores are where a network takes one of them."""
        slices = self._images.slices
        if not slices:
            return self._notes
        of = f"; scores are of the {shown_in_words(slices[0])}" if taken == 1 else ""
        held = f"{len(slices)} images: {', '.join(slices)}{of}"
        return tuple(" · ".join(filter(None, (held, note))) for note in self._notes)

    def _classes(self, session: Session) -> dict[str, Any]:
        classes: dict[str, int] = {}
        predicted = np.full(len(self._names), -1, np.int32)
        for name, words in session.predictions.items():
            predicted[self._places[name]] = classes.setdefault(words.rpartition(" ")[0], len(classes))
        return {"classes": tuple(classes), "predicted": frozen(predicted)}


def gallery(session: Session) -> Gallery:
    """What a gallery of the session's images shows."""
    return GalleryScenes(session.images).scene(session)


def performance_words(found: Performance | None, decimals: int) -> str:
    """How well a model does, in one line: "accuracy 0.83 · AUROC 0.91 (n = 24)"."""
    if found is None:
        return ""
    several = f" (mean of {found.labels:,})" if found.labels > 1 else ""
    parts = {
        "accuracy": fixed(found.accuracy, 2) if found.accuracy is not None else "",
        "AUROC": f"{fixed(found.auroc, 2)}{several}" if found.auroc is not None else "",
        "r": fixed(found.r, 2) if found.r is not None else "",
        "RMSE": fixed(found.rmse, decimals) if found.rmse is not None else "",
    }
    trained = f", {found.trained:,} of them trained on" if found.trained else ""
    told = " · ".join(f"{name} {text}" for name, text in parts.items() if text)
    return f"{told} · n = {found.n:,}{trained}"


def known_of(images: ImageSet) -> dict[str, Any]:
    """Split and reference, where any is known."""
    found: dict[str, Any] = {}
    table = images.table
    if "split" in table:
        found["splits"] = tuple("" if pd.isna(split) else str(split) for split in table["split"])
    if "reference" in table or "reference" in images.slices:
        found["references"] = tuple(place for place, name in enumerate(images.names) if images.has_reference(name))
    return found


def spreads_of(table: pd.DataFrame) -> dict[str, Any]:
    """Spread of ratings and number of raters, where they are known."""
    found: dict[str, Any] = {}
    if "rating_sd" in table:
        found["spreads"] = frozen(table["rating_sd"].to_numpy(np.float32))
    if "raters" in table:
        found["raters"] = frozen(table["raters"].fillna(0).to_numpy(np.int32))
    return found


def notes_of(table: pd.DataFrame) -> tuple[str, ...]:
    """Further columns in words, such as "camera A · iso 100"."""
    further = [column for column in table.columns if column not in NOTED]

    def words(row: tuple[Any, ...]) -> str:
        told = ((name, _in_words(value)) for name, value in zip(further, row, strict=True))
        return " · ".join(f"{name} {text}" for name, text in told if text)[:300]

    return tuple(words(row) for row in table[further].itertuples(index=False, name=None))


def frozen(values: np.ndarray) -> np.ndarray:
    """The array, which nobody writes from here on."""
    values.flags.writeable = False
    return values


def _in_words(value: Any) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return "" if text in ("nan", "None", "<NA>", "NaT") else text
