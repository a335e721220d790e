"""Which parts of an answer a change makes stale, and where answers go. What is computed how is the engine's matter."""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections.abc import Callable, Hashable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from xai_widgets.engine import METHODS, PARTS, Engine, Explanation, Job, Lane, Output, Query, Subject, answer
from xai_widgets.engine.options import resolved
from xai_widgets.engine.parts import stale_fields

if TYPE_CHECKING:
    from xai_widgets.session.session import Session

PLACE = ("image", "model", "run", "layer", "degradation")  # what every part depends on
OFTEN = 0.1  # seconds between two looks at long work
FIRST = 64  # images whose scores come before the measures, which would else wait for a folder of thousands
PATIENCE = 0.7  # seconds after the last change of a gain before measures are taken again
NOTICED = 0.3  # seconds; an answer that takes longer is spoken of
SETTLING = 0.4  # seconds before what failed while weights were written is tried again
AT_ONCE = ("explanation", "maps", "impacts", "measures")
SCORES = {"scores": "scores", "rest": "rest", "again": "rest"}  # scores of the set, and how urgent they are


class Requests:
    """Sends what a session asks into the engine's lanes; answers arrive on the engine's thread."""

    def __init__(self, session: Session, engine: Engine) -> None:
        self.session, self.engine = session, engine
        self.owner: Hashable = object()
        self._jobs: dict[str, Job] = {}  # the last of each part
        self._words: dict[str, str] = {}  # what each does, for the reader
        self._jobs_lock = threading.Lock()
        self._shown = 0.0
        self._failing = ""  # the part that the session's error is of
        self._weights: dict[tuple[str, int], Hashable] = {}  # of each model and run, as it last answered
        self._took = 0.0  # seconds that the last map took

    # ------------------------------------------------------------------ on any thread

    def send(self, before: Query | None, query: Query) -> None:
        """Ask for all that a change from `before` makes stale."""
        session = self.session
        self.engine.use(session.sources.model(query.model), self.owner)
        parts = [*AT_ONCE]
        if session.look.secondary != "off" and session.knows_error():
            parts.insert(1, "secondary")
        if any(gain == 0 for _, gain in query.gains):
            parts.insert(2, "joint")
        elif session.joint is not None:
            session.joint = None
        for name in parts:
            fields = (*PLACE, *stale_fields(name, self._options(name)))
            if name == "measures" and self.on_demand(query):
                continue
            if before is None or before.differs(query, fields):
                moved = before is None or before.differs(query, (*PLACE, "target"))
                self.ask(name, after=0.0 if moved or name != "measures" else PATIENCE)
        if before is None or before.differs(query, ("model", "run")):
            names = session.images.names
            self._submit("scores", partial(self._scores, query, names[:FIRST], 0))
            self._submit("rest", partial(self._scores, query, names[FIRST:], FIRST))
        if before is None or before.differs(query, PLACE):
            self._tell(f"score and map of {query.image}", None)

    def scores(self, names: tuple[str, ...]) -> None:
        """Ask for the scores of some images again, beside those that are still to come."""
        before = len(self.session.images) - len(names)
        self._submit("again", partial(self._scores, self.session.query, names, before))

    def ask(self, part: str, *, after: float = 0.0, again: bool = False) -> None:
        """Ask for a part of the answer to the present query.

        Args:
            after: seconds before it is begun.
            again: whether it is computed although it is remembered.
        """
        query, options = self.session.query, self._options(part)
        work = partial(self._answer, query, part, options, again)
        self._submit(part, work, partial(self._put, query, part, options), after=after)

    def on_demand(self, query: Query) -> bool:
        """Whether the map that is measured takes too long, or cannot be measured, so that measures wait for a click."""
        return self.session.measuring["of"] == "shown" and METHODS[query.method].on_demand

    def check(self, part: str, options: Mapping[str, Any]) -> None:
        """Raise a ValueError where a part does not take these options."""
        resolved(f"the part {part!r}", PARTS[part].options, options)

    def cancel(self) -> None:
        """Stop what waits or runs."""
        with self._jobs_lock:
            for job in self._jobs.values():
                job.cancelled.set()
        self.engine.worker.cancel(self.owner)
        self._tell("", None)

    def close(self) -> None:
        """Stop all, and let go of what is remembered about models that nobody else works with."""
        self.cancel()
        if not self.engine.worker.closed:
            engine, owner = self.engine, self.owner  # and not this object, which holds the session
            engine.worker.submit(Lane(owner, "flush"), lambda job: engine.leave(owner))

    def wait(self, seconds: float) -> bool:
        """Wait for what was asked, and for what that asks in turn.

        Neither another session's work is waited for, nor measures that are taken again some time after a drag.
        """
        end = time.monotonic() + seconds
        while left := self._left():
            if not left[0].ended.wait(max(end - time.monotonic(), 0)):
                return False
        return True

    def _options(self, part: str) -> dict[str, Any]:
        return dict(self.session.measuring) if part == "measures" else {}

    def _left(self) -> list[Job]:
        with self._jobs_lock:
            some = [job for part, job in self._jobs.items() if part != "measures" or not job.begin]
        return [job for job in some if not job.ended.is_set()]

    def _submit(
        self,
        part: str,
        work: Callable[[Job], Any],
        done: Callable[[Any], None] | None = None,
        *,
        after: float = 0.0,
    ) -> None:
        lane = SCORES[part] if part in SCORES else PARTS[part].lane
        failed = partial(self._failed, part)
        job = self.engine.worker.submit(Lane(self.owner, lane, part), work, done, failed, after=after)
        with self._jobs_lock:
            self._jobs[part] = job
            self._words[part] = PARTS["scores" if part in SCORES else part].words

    # ------------------------------------------------------------------ on the engine's thread

    def _answer(self, query: Query, part: str, options: Mapping[str, Any], again: bool, job: Job) -> Any:
        began, told = time.monotonic(), True
        if part == "explanation":
            # What is quick is not spoken of: a drag would make the words flicker.
            told = self._took > NOTICED or METHODS[query.method].cost != "one pass"
        if told:
            self._tell(PARTS[part].words, None if PARTS[part].lane in ("answer", "maps") else 0.0)
        try:
            made = answer(
                self.session.sources,
                query,
                part,
                progress=partial(self._progress, query, part, options),
                stop=job.let_others,
                partial=part in ("explanation", "secondary"),
                again=again,
                **options,
            )
            if part == "explanation":
                self._note_weights(query, made.output.weights)
            return made
        finally:
            if part == "explanation":
                self._took = time.monotonic() - began
            if told:
                self._quiet(job)

    def _note_weights(self, query: Query, now: str) -> None:
        """Where they have changed since the last answer, what else is shown is of other weights: all is asked again."""
        which = query.model, query.run
        before, self._weights[which] = self._weights.get(which), now
        if before is None or before == now:
            return
        with self.session.lock:
            if not self.session.closed:
                self.session.forget_answers()
                self.session.scores, self.session.predictions = {}, {}
                self.session.say(f"The weights of {query.model} have changed; all is computed with the new ones.")
                self.send(None, self.session.query)

    def _progress(self, query: Query, part: str, options: Mapping[str, Any], incomplete: Any, share: float) -> None:
        if self._often() or part == "measures":
            self._tell(PARTS[part].words, share)
            self._put(query, part, options, incomplete)

    def _put(self, query: Query, part: str, options: Mapping[str, Any], made: Any) -> None:
        session = self.session
        with session.lock:
            if not self._wanted(query, part) or options != self._options(part):
                return
            if self._failing == part:  # an answer takes back what went wrong with it, and nothing else
                session.error = self._failing = ""
            if part == "explanation":
                self._show(query, made)
            else:
                setattr(session, part, made)
            if part == "impacts" and made.done:
                for name, shown in (("explanation", session.saliency), ("secondary", session.secondary)):
                    if shown is not None and not shown.done:
                        self.ask(name)
            if part in ("explanation", "secondary") and not made.done and not self._comes("impacts"):
                self.ask("impacts")  # they were stopped, or are no longer remembered

    def _show(self, query: Query, made: Explanation) -> None:
        session = self.session
        with session.hold_trait_notifications():
            if not self._failing:  # a gesture that was refused
                session.error = ""
            first = session.output is None
            session.output = replace(made.output, query=query)
            if query.method == session.query.method:
                # During a drag of Q an older Q is shown: its title says so, and a picture must not stand still.
                session.saliency = replace(made.saliency, query=query, done=made.done)
        if first:
            self._quiet()

    def _scores(self, query: Query, names: tuple[str, ...], before: int, job: Job) -> None:
        """Scores of some images, after those of `before` others."""
        session, count = self.session, before
        queries = [Query(image=name, model=query.model, run=query.run) for name in names]
        fresh: dict[str, Output] = {}

        def here() -> bool:
            return not session.closed and not query.differs(session.query, ("model", "run"))

        def take() -> None:
            with session.lock:
                if here():
                    session.add_scores(fresh)
                    session.failures = {name: why for name, why in session.failures.items() if name not in fresh}
            fresh.clear()

        def show(output: Output, share: float) -> None:
            nonlocal count
            count += 1
            fresh[output.query.image] = output
            if output.probabilities is None:
                key = Subject(session.sources, query).model.key
                session.sources.note_seen(key, output.value, output.value)
            if self._often():
                take()
                self._tell(f"scores {count} of {len(session.images)}", count / len(session.images))

        def failed(of: Query, error: BaseException) -> None:
            reason = " ".join(str(error).split()) or type(error).__name__
            known = isinstance(error, ValueError | OSError)
            with session.lock:
                if not here():
                    return
                session.failures = {
                    **session.failures, of.image: reason if known else f"{of.image}: {type(error).__name__}: {reason}"
                }  # fmt: skip

        try:
            if names:
                self._tell(f"scores {count} of {len(session.images)}", count / len(session.images))
            answer(session.sources, queries, "scores", progress=show, stop=job.let_others, failed=failed)
        finally:
            take()
            self._quiet(job)

    def _wanted(self, query: Query, part: str) -> bool:
        """Is this still what the reader looks at? The gains and Q of a drag may be a little older."""
        if self.session.closed:
            return False
        fields = stale_fields(part, self._options(part))
        drags = {"explanation": ("gains", "contrast", "method", "options"), "secondary": ("gains",)}.get(part, ())
        wanted = [name for name in (*PLACE, *fields) if name not in drags]
        return not query.differs(self.session.query, wanted)

    def _comes(self, part: str) -> bool:
        with self._jobs_lock:
            job = self._jobs.get(part)
        return job is not None and _goes_on(job)

    def _often(self) -> bool:
        now = time.monotonic()
        if now - self._shown < OFTEN:
            return False
        self._shown = now
        return True

    def _tell(self, busy: str, progress: float | None) -> None:
        with self.session.lock:
            if not self.session.closed:
                self.session.status = replace(self.session.status, busy=busy, progress=progress)

    def _quiet(self, job: Job | None = None, ended: str = "") -> None:
        """Say what is still to come, or that nothing is.

        Args:
            job: that is about to end.
            ended: the part that has just failed.
        """
        with self._jobs_lock:
            left = [name for name, one in self._jobs.items() if one is not job and name != ended and _goes_on(one)]
        session = self.session
        if session.saliency is None and "explanation" in left:  # the stage is empty: that is what is waited for
            self._tell(f"score and map of {session.query.image}", None)
            return
        left = [name for name in left if name != "explanation"]
        self._tell(self._words[left[0]] if left else "", None)

    def _failed(self, part: str, error: BaseException) -> None:
        session = self.session
        if self.weights_changed():
            self.ask("explanation", after=SETTLING)  # they were written while the network ran: the rest follows
            return
        expected = isinstance(error, ValueError | RuntimeError | OSError)
        text = "".join(traceback.format_exception(error))
        if not expected:
            print(text, file=sys.stderr)
        with session.lock:
            if not session.closed:
                session.traceback, self._failing = text, part
                session.error = str(error) if expected else f"{type(error).__name__}: {error}"
                self._quiet(ended=part)

    def weights_changed(self) -> bool:
        """Whether the weights are others than when the last answer began."""
        query = self.session.query
        return self._weights.get((query.model, query.run)) not in (None, self._digest(query))

    def _digest(self, query: Query) -> str:
        """Of the weights of the model and run that are asked."""
        return Subject(self.session.sources, query).model.digest()


def _goes_on(job: Job) -> bool:
    return not job.ended.is_set() and not job.cancelled.is_set()
