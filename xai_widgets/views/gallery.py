"""The images of a session as thumbnails, with score, rating and residual."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd
from traitlets import Bool, Bytes, Enum, Float, Int, List, Tuple, Unicode

from xai_widgets.static import front_end, style
from xai_widgets.views._base import View

ORDERS = ("given", "name", "score", "rating", "residual", "label", "mistake")
SIDES = (96, 192, 384)
MOST_PROBLEMS = 100
OFTEN = 0.2  # seconds between two messages with scores while these stream in


class Gallery(View):
    """All images with what is known about each: sort, search, pick one, pin some.

    `selected` holds the names that the reader marked with ctrl or shift.
    """

    _esm = front_end("gallery.js")
    _css = style("gallery.css")
    watches = ("query", "scores", "predictions", "pins", "status")

    names = List(Unicode(), help="Of all images; elsewhere an image is its place in this list.").tag(sync=True)
    labels = List(Unicode(), help="Known classes, empty where there is none.").tag(sync=True)
    notes = List(Unicode(), help="What else the table says, in words.").tag(sync=True)
    ratings = Bytes(help="float32, NaN where there is none.").tag(sync=True)
    scores = Bytes(help="float32, NaN where there is none yet.").tag(sync=True)
    predicted = Bytes(help="int32 places in `classes`, -1 where there is none yet.").tag(sync=True)
    classes = List(Unicode(), help="That were predicted so far.").tag(sync=True)
    task = Enum(("regression", "classification"), "regression").tag(sync=True)
    comparable = Bool(False, help="Whether labels name classes of the model.").tag(sync=True)
    limits = Tuple(Float(), Float(), default_value=(0.0, 1.0), help="Of scores and ratings.").tag(sync=True)
    current = Int(-1, help="The image that is explained.").tag(sync=True)
    pinned = List(Int()).tag(sync=True)
    problems = List(Unicode(), help="A sentence each; the first ones.").tag(sync=True)
    problem_count = Int(0).tag(sync=True)
    order = Enum(ORDERS, "given").tag(sync=True, echo_update=False)
    descending = Bool(False).tag(sync=True, echo_update=False)
    height = Int(460, min=80, help="Of the grid, at most, in CSS pixels.").tag(sync=True)

    def __init__(self, session: Any, **traits: Any) -> None:
        self.selected: tuple[str, ...] = ()
        self._places = {name: i for i, name in enumerate(session.images.names)}
        self._courier = _Courier(session.images, self._deliver)
        self._shown: tuple[Any, str] = (None, "")
        self._sent_at = 0.0
        super().__init__(session, **traits)

    def draw(self) -> None:
        session = self.session
        if not self.names:
            self._draw_set(session.images)
        self.current = self._places.get(session.query.image, -1)
        self.pinned = [self._places[name] for name in session.pins if name in self._places]
        self._draw_problems()
        if self._has_news() and (not session.status.busy or time.monotonic() - self._sent_at > OFTEN):
            self._draw_scores()

    def gesture(self, kind: str, **details: Any) -> None:
        if kind == "pick":
            self.session.ask(image=details["name"])
        elif kind == "pin":
            for name in details["names"]:
                self.session.pin(name, bool(details["kept"]))
        elif kind == "select":
            self.selected = tuple(self.names[i] for i in self._checked(details["indices"]))
        elif kind == "need":
            side = min((side for side in SIDES if side >= details.get("side", 192)), default=SIDES[-1])
            self._courier.ask(self._checked(details["indices"]), side)

    def close(self) -> None:
        self._courier.close()
        super().close()

    def _checked(self, indices: Iterable[Any]) -> list[int]:
        known = [index for index in indices if isinstance(index, int) and 0 <= index < len(self.names)]
        return list(dict.fromkeys(known))

    def _draw_set(self, images: Any) -> None:
        table = images.table
        self.names = list(images.names)
        self.labels = ["" if pd.isna(label) else str(label) for label in table["label"]]
        self.notes = _notes(table)
        self.ratings = table["rating"].to_numpy(np.float32).tobytes()

    def _has_news(self) -> bool:
        """Whether there are other scores than the browser has; some calls are passed over while they stream in.

        A last call comes when nothing runs any more. Scores are never changed in place, so that identity tells.
        """
        scores, model = self._shown
        return scores is not self.session.scores or model != self.session.query.model

    def _draw_scores(self) -> None:
        session = self.session
        self._shown, self._sent_at = (session.scores, session.query.model), time.monotonic()
        self.task = session.model.task
        scores = np.full(len(self.names), np.nan, np.float32)
        for name, score in session.scores.items():
            scores[self._places[name]] = score
        self.scores = scores.tobytes()
        self.limits = tuple(map(float, session.score_range()))
        if self.task == "regression":
            self.predicted, self.comparable = b"", False
            return
        known = {label.casefold() for label in session.model.labels or ()}
        self.comparable = any(label.casefold() in known for label in self.labels)
        classes = {name: i for i, name in enumerate(self.classes)}
        predicted = np.full(len(self.names), -1, np.int32)
        for name, words in session.predictions.items():
            predicted[self._places[name]] = classes.setdefault(words.rpartition(" ")[0], len(classes))
        self.classes, self.predicted = list(classes), predicted.tobytes()

    def _draw_problems(self) -> None:
        problems = self.session.images.problems
        self.problem_count = len(problems)
        self.problems = list(problems.values())[:MOST_PROBLEMS]

    def _deliver(self, side: int, found: dict[int, bytes], failed: dict[int, str]) -> None:
        """Send thumbnails; on the courier's thread."""
        if self.comm is None:
            return
        content = {"kind": "thumbs", "side": side, "indices": list(found), "failed": list(failed.items())}
        self.send(content, list(found.values()))
        if failed:
            with self.session.lock, self.hold_sync():
                self._draw_problems()


class _Courier:
    """Reads thumbnails on a thread of its own, so that no gesture and no network waits for a disk.

    The thread ends when nothing is left to do. What was asked for last comes first, as it is what the reader sees.
    """

    MOST = 400  # waiting; older ones are asked for again when they come into sight
    TOGETHER, PATIENCE = 16, 0.05  # thumbnails, seconds

    def __init__(self, images: Any, deliver: Callable[[int, dict[int, bytes], dict[int, str]], None]) -> None:
        self._images, self._deliver = images, deliver
        self._lock = threading.Lock()
        self._waiting: dict[tuple[int, int], None] = {}
        self._thread: threading.Thread | None = None
        self._closed = False

    def ask(self, indices: list[int], side: int) -> None:
        """Return at once."""
        with self._lock:
            if self._closed:
                return
            wanted = dict.fromkeys((side, index) for index in indices) | self._waiting
            self._waiting = dict.fromkeys(list(wanted)[: self.MOST])
            if self._waiting and self._thread is None:
                self._thread = threading.Thread(target=self._run, name="thumbnails", daemon=True)
                self._thread.start()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._waiting.clear()

    def join(self, seconds: float = 30) -> None:
        """Wait until all is delivered."""
        thread = self._thread
        if thread is not None:
            thread.join(seconds)

    def _run(self) -> None:
        while some := self._next():
            side = some[0][0]
            found: dict[int, bytes] = {}
            failed: dict[int, str] = {}
            end = time.monotonic() + self.PATIENCE
            for place, (_, index) in enumerate(some):
                if found and time.monotonic() > end:
                    self._return(some[place:])
                    break
                name = self._images.names[index]
                try:
                    found[index] = self._images.thumbnail(name, side)
                except ValueError as error:
                    failed[index] = str(error)
            self._deliver(side, found, failed)

    def _next(self) -> list[tuple[int, int]]:
        """The first that wait, all of one size; the thread ends where there are none."""
        with self._lock:
            first = next(iter(self._waiting), None)
            some = [key for key in self._waiting if first is not None and key[0] == first[0]][: self.TOGETHER]
            for key in some:
                del self._waiting[key]
            if not some:
                self._thread = None
            return some

    def _return(self, some: list[tuple[int, int]]) -> None:
        with self._lock:
            if not self._closed:
                self._waiting = dict.fromkeys(some) | self._waiting


def _notes(table: pd.DataFrame) -> list[str]:
    """Further columns in words, such as "camera A · iso 100"."""
    further = [column for column in table.columns if column not in ("rating", "label", "human_map")]

    def words(row: tuple[Any, ...]) -> str:
        told = ((name, _in_words(value)) for name, value in zip(further, row, strict=True))
        return " · ".join(f"{name} {text}" for name, text in told if text)[:300]

    return [words(row) for row in table[further].itertuples(index=False, name=None)]


def _in_words(value: Any) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return "" if text in ("nan", "None", "<NA>", "NaT") else text
