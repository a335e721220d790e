"""From a query to the engine and back: which requests a change needs, and where their answers go."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable, Hashable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from xai_widgets.engine import (
    Cancelled,
    Engine,
    Impacts,
    Job,
    Lane,
    Maps,
    Measures,
    Output,
    Saliency,
    Subject,
    effects,
    pictures,
)
from xai_widgets.session.query import Query

if TYPE_CHECKING:
    from xai_widgets.session import Session

OFTEN = 0.1  # seconds between two looks at long work
FIRST = 64  # images whose scores come before the measures, which would else wait for a folder of thousands
LONG = ("maps", "impacts", "scores", "measures")
BY_IMPACTS = ("behaviour", "helpful", "primary")


class Requests:
    """Sends what a session asks into the engine's lanes; answers arrive on the engine's thread."""

    def __init__(self, session: Session, engine: Engine) -> None:
        self.session, self.engine = session, engine
        self.owner: Hashable = object()
        self._shown = 0.0
        self._failing = ""  # the kind of request that the session's error is of
        self._jobs: dict[str, Job] = {}  # the last of each kind
        self._partly: tuple[Hashable, Impacts | None] = (None, None)  # what has come in of effects, and of which
        self._weights: dict[str, Hashable] = {}  # of each model, as it last answered

    def subject(self, query: Query, seen: tuple[float, ...] = ()) -> Subject:
        session = self.session
        model = session.models[query.model]
        return Subject(self.engine, model, session.images, query.image, query.layer, query.target, seen)

    def send(self, before: Query | None, query: Query) -> None:
        """Ask for all that a change from `before` makes stale."""

        def moved(*names: str) -> bool:
            return before is None or any(getattr(before, name) != getattr(query, name) for name in names)

        if moved("image", "model", "layer"):
            self._failing = ""
        self.answer(query)
        if moved("image", "model", "layer"):
            self._submit("maps", lambda job: effects.feature_maps(self.subject(query)), self._put("maps", query))
        if moved("image", "model", "layer", "target"):
            self._submit("impacts", lambda job: self._impacts(query, job), self._impacts_done(query))
            self._submit("measures", lambda job: self._measures(query, job), self._put("measures", query))
        if moved("model"):
            names = self.session.images.names
            self._submit("scores", lambda job: self._scores(query, names[:FIRST], 0, job))
            self._submit("rest", lambda job: self._scores(query, names[FIRST:], FIRST, job))

    def answer(self, query: Query) -> None:
        self._submit("answer", lambda job: self._answer(query, job), self._answered(query))

    def measures(self, query: Query) -> None:
        """Measure anew, whatever is remembered."""
        self._submit("measures", lambda job: self._measures(query, job, again=True), self._put("measures", query))

    def cancel(self) -> None:
        self.engine.cancel(self.owner)

    def _submit(self, kind: str, work: Callable[[Job], Any], done: Callable[[Any], None] | None = None) -> None:
        self._jobs[kind] = self.engine.submit(Lane(self.owner, kind), work, done, partial(self._failed, kind))

    def wait(self, seconds: float) -> bool:
        """Wait for what was asked, and for what that asks in turn; another session's work is not waited for."""
        end = time.monotonic() + seconds
        while left := [job for job in list(self._jobs.values()) if not job.ended.is_set()]:
            if not left[0].ended.wait(max(end - time.monotonic(), 0)):
                return False
        return True

    # ------------------------------------------------------------------ on the engine's thread

    def _answer(self, query: Query, job: Job) -> tuple[Output, Saliency]:
        subject, contrast = self.subject(query, self.session.seen()), query.contrast
        self._look_at_weights(query, subject)
        if query.method == "contrast" and contrast is not None:
            if contrast.kind == "score":
                score = contrast.score(subject.rating)
                if score is None:
                    raise ValueError(f"the rating of {query.image!r} is not known, so it cannot be Q; give a number.")
                return pictures.rather_than_score(subject, query.gains, score, contrast.form, job)
            q = subject.target if contrast.kind == "confidence" else int(contrast.value)
            return pictures.rather_than_class(subject, query.gains, q)
        if query.method in BY_IMPACTS:
            return pictures.by_impacts(subject, query.gains, query.method, self._known_impacts(query, subject))
        return pictures.why(subject, query.gains)

    def _look_at_weights(self, query: Query, subject: Subject) -> None:
        """Where they have changed since the last answer, what else is shown is of other weights: all is asked again."""
        before, now = self._weights.get(query.model), subject.now.key
        self._weights[query.model] = now
        if before is None or before == now:
            return
        with self.session.lock:
            if not self.session.closed:
                self.session.forget_answers()
                self.session.notice = f"The weights of {query.model} have changed; all is computed with the new ones."
        self.send(None, query)

    def _answered(self, query: Query) -> Callable[[tuple[Output, Saliency]], None]:
        def show(answer: tuple[Output, Saliency]) -> None:
            session = self.session
            with session.lock:
                if not self._wanted(query):
                    return
                output, saliency = answer
                with session.hold_trait_notifications():  # a view that shows both draws once
                    if self._failing not in LONG:  # an answer does not take back what went wrong elsewhere
                        session.error = ""
                    session.output = replace(output, query=query)
                    if query.method == session.query.method:
                        # During a drag of Q an older Q is shown: its title says so, and a picture must not stand still.
                        session.saliency = replace(saliency, query=query)

        return show

    def _known_impacts(self, query: Query, subject: Subject) -> Impacts:
        """The exact impacts, those that have come in so far, or an estimate."""
        exact: Impacts | None = self.engine.cache.get(self._impacts_key(subject))
        if exact is not None:
            return exact
        key, partly = self._partly
        return partly if partly is not None and key == self._impacts_key(subject) else effects.estimated(subject)

    @staticmethod
    def _impacts_key(subject: Subject) -> Hashable:
        return ("impacts", *subject.key, subject.target, subject.rating, subject.label)

    def _impacts(self, query: Query, job: Job) -> Impacts:
        subject = self.subject(query)
        key = self._impacts_key(subject)
        known: Impacts | None = self.engine.cache.get(key)
        if known is not None:
            return known

        def show(impacts: Impacts) -> None:
            self._partly = key, impacts
            share = float(impacts.exact.mean())
            if self._often() and self._tell("effect of each map", share):
                self._put("impacts", query)(impacts)

        with _telling(self):
            impacts = effects.impacts_of(subject, job, show)
        self.engine.cache.put(key, impacts)
        return impacts

    def _impacts_done(self, query: Query) -> Callable[[Impacts], None]:
        put = self._put("impacts", query)

        def done(impacts: Impacts) -> None:
            put(impacts)
            if self.session.query.method in BY_IMPACTS:
                self.answer(self.session.query)

        return done

    def _measures(self, query: Query, job: Job, *, again: bool = False) -> Measures:
        subject = self.subject(query)
        others = (run for run in subject.model.runs if run is not subject.model)
        runs = tuple(run.now().key for run in others)  # stability is that of all of them
        key = ("measures", *subject.key, subject.target, runs)
        if again:
            self.engine.cache.drop(key)
        known: Measures | None = self.engine.cache.get(key)
        if known is not None:
            return known
        count = len(effects.AXES)

        def show(found: Measures) -> None:
            self._tell("saliency measures", len(found.notes) / count)
            self._put("measures", query)(found)

        with _telling(self):
            self._tell("saliency measures", 0.0)
            found = effects.measures_of(subject, job, show)
        self.engine.cache.put(key, found)
        return found

    def _scores(self, query: Query, names: tuple[str, ...], count: int, job: Job) -> None:
        """Scores of some images, after `count` others."""
        session = self.session
        subjects = (self.subject(replace(query, image=name)) for name in names)

        def show(fresh: dict[str, np.ndarray]) -> None:
            nonlocal count
            count += len(fresh)
            with session.lock:
                if session.query.model == query.model:
                    session.add_scores(fresh)
            if self._often():
                self._tell("scores of all images", min(count / len(session.images), 1.0))

        with _telling(self):
            effects.set_scores(subjects, job, show)

    def _put(self, name: str, query: Query) -> Callable[[Maps | Impacts | Measures], None]:
        def put(answer: Maps | Impacts | Measures) -> None:
            with self.session.lock:
                if self._wanted(query) and (name == "maps" or query.target == self.session.query.target):
                    setattr(self.session, name, replace(answer, query=query))

        return put

    def _wanted(self, query: Query) -> bool:
        """Is this still the image, the model and the layer that the reader looks at? Gains may be a little older."""
        return not self.session.closed and _same_place(query, self.session.query)

    def _often(self) -> bool:
        now = time.monotonic()
        if now - self._shown < OFTEN:
            return False
        self._shown = now
        return True

    def _tell(self, busy: str, progress: float | None) -> bool:
        with self.session.lock:
            if not self.session.closed:
                self.session.status = replace(self.session.status, busy=busy, progress=progress)
        return True

    def quiet(self) -> None:
        self._tell("", None)

    def _failed(self, kind: str, error: Exception) -> None:
        session = self.session
        expected = isinstance(error, ValueError | RuntimeError | OSError)
        text = "".join(traceback.format_exception(error))
        if not expected:
            print(text, file=sys.stderr)
        with session.lock:
            if not session.closed:
                session.traceback, self._failing = text, kind
                session.error = str(error) if expected else f"{type(error).__name__}: {error}"


class _telling:
    """Says that nothing runs when a long work ends, however it ends."""

    def __init__(self, requests: Requests) -> None:
        self.requests = requests

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None:
        self.requests.quiet()


def _same_place(a: Query, b: Query) -> bool:
    return (a.image, a.model, a.layer, a.target) == (b.image, b.model, b.layer, b.target)


__all__ = ["BY_IMPACTS", "Cancelled", "Requests"]
