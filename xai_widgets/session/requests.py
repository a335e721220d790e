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

from xai_widgets.engine import METHODS, PARTS, Engine, Explanation, Job, Lane, Query, WeightsChanging, answer
from xai_widgets.engine.options import resolved
from xai_widgets.engine.parts import stale_fields
from xai_widgets.session.panel import BESIDE, OF_THE_PLACE, Panel
from xai_widgets.session.scoring import Scoring
from xai_widgets.session.unsettled import SETTLING, Unsettled
from xai_widgets.session.weights import Weights
from xai_widgets.session.whole_set import SetWork

if TYPE_CHECKING:
    from xai_widgets.session.session import Session

OFTEN = 0.1  # seconds between two looks at long work
PATIENCE = 0.7  # seconds after the last change of a gain before measures are taken again
OTHERS = 0.08  # seconds after the last change of a drag before the panels that are not active follow
NOTICED = 0.3  # seconds; an answer that takes longer is spoken of
ACTIVE = ("explanation", "maps", "impacts", "measures")  # what the views show of the active panel
ACTIVE_ALONE = ("maps", "impacts", "joint", "measures", *BESIDE)
OTHER = ("explanation",)  # what the stage shows of the others

Where = tuple[int, str]  # the key of a panel, or 0 for the set of images; and the part


class Requests:
    """Sends what a session asks into the engine's lanes; answers arrive on the engine's thread."""

    def __init__(self, session: Session, engine: Engine) -> None:
        self.session, self.engine = session, engine
        self.owner: Hashable = object()
        self.scoring = Scoring(self)
        self.set_work = SetWork(self)
        self.unsettled = Unsettled(self)
        self._jobs: dict[Where, Job] = {}  # the last of each part of each panel
        self._words: dict[Where, str] = {}  # what each does, for the reader
        self._jobs_lock = threading.Lock()
        self._shown = 0.0
        self._failing: dict[int, str] = {}  # the part that a panel's error is of
        self.weights = Weights(session)
        self._took = 0.0  # seconds that the last map took
        self._cancelled = False  # the scores of the set were stopped, and are asked for with the next question

    # ------------------------------------------------------------------ on any thread

    def send(self, panel: Panel, before: Query | None, *, after: float = 0.0) -> None:
        """Ask for all that a change of a panel's question from `before` makes stale; for all, where that is None.

        Args:
            after: seconds before it is begun, of a panel that is not active.
        """
        session, query = self.session, panel.query
        self.engine.use(session.sources.model(query.model), self.owner)
        active = panel is session.panel
        parts = self._parts(panel, active)
        for name in dict.fromkeys((*parts, *ACTIVE)):
            fields = (*OF_THE_PLACE, *stale_fields(name, self._options(name)))
            missing = name in parts and not self._there(panel, name) and not self._comes(panel, name)
            missing = missing and self._failing.get(panel.key) != name
            if before is not None and not before.differs(query, fields) and not missing:
                continue
            if name in parts:
                moved = before is None or before.differs(query, (*OF_THE_PLACE, "target"))
                later = PATIENCE if name in ("measures", "likeness") and not moved else 0.0
                self.ask(name, panel, after=later if active else after)
            elif not active:
                panel.take(**{name: None})  # it is asked for when the panel becomes active
        if self._cancelled and active:
            self._cancelled = False
            self.scoring.all(query)
        if before is None or before.differs(query, OF_THE_PLACE):
            self._failing.pop(panel.key, None)
            self.tell(f"score and map of {query.image}", None)
        elif self._failing.get(panel.key) in ("receipt", *BESIDE):  # it was of the map that was shown
            self._failing.pop(panel.key)
            self.session.went_wrong(panel, "")

    @staticmethod
    def _there(panel: Panel, name: str) -> bool:
        found = getattr(panel.answers, "saliency" if name == "explanation" else name)
        return found is not None and bool(getattr(found, "done", True))  # it has arrived whole

    def needs(self, panel: Panel, part: str) -> bool:
        """Whether a part that was asked for is still shown of a panel; what is not need not be asked again."""
        active = panel is self.session.panel
        if part in ("secondary", "joint", *BESIDE):
            return part in self._parts(panel, active)
        return active or part == "impacts" or part not in ACTIVE_ALONE

    def _parts(self, panel: Panel, active: bool) -> list[str]:
        """What is shown of a panel."""
        parts = [*(ACTIVE if active else OTHER)]
        if self.session.look.secondary != "off" and self.session.knows_error(panel):
            parts.insert(1, "secondary")
        if active and any(gain == 0 for _, gain in panel.query.gains):
            parts.insert(2, "joint")
        else:
            panel.take(joint=None)
        if active and self.on_demand(panel.query):
            parts.remove("measures")
        return self.session._with_beside(parts, panel, active)

    def rest(self, panel: Panel) -> None:
        """A panel is no longer the active one: what is shown of the active one alone need not be finished."""
        needed = ("impacts",) if panel.answers.saliency is None or not panel.answers.saliency.done else ()
        for name in set(ACTIVE_ALONE) - set(needed):
            if self._comes(panel, name) and (job := self._jobs.get((panel.key, name))):
                job.cancelled.set()
                panel.take(**{name: None})  # it is asked for again when the panel becomes active

    def complete(self, panel: Panel) -> None:
        """Ask for what is shown of the active panel and is not there: it has just become the active one."""
        for name in self._parts(panel, active=True):
            if not self._there(panel, name):
                self.ask(name, panel)

    def ask(self, part: str, panel: Panel | None = None, *, after: float = 0.0, again: bool = False) -> None:
        """Ask for a part of the answer to a panel's question.

        Args:
            panel: the active one, if None.
            after: seconds before it is begun.
            again: whether it is computed although it is remembered.
        """
        panel = self.session.panel if panel is None else panel
        query, options = panel.query, self._options(part)
        urgent = panel is self.session.panel or PARTS[part].lane not in ("answer", "maps")
        lane = Lane(self.owner, PARTS[part].lane if urgent else "others", f"{panel.key} {part}")
        work = partial(self._answer, panel, query, part, options, again)
        put = partial(self._put, panel, query, part, options)
        self.submit((panel.key, part), lane, work, put, partial(self.failed, panel, part), after=after)

    def load(self, name: str, then: Callable[[Any], None]) -> None:
        """Load a model that is not in memory, before all else that is asked, and do something then."""

        def work(job: Job) -> None:
            self.tell(f"loading {name}", None)
            self.session.sources.model(name)

        failed = partial(self.failed, self.session.panel, "model")  # a gesture that was refused
        self.submit((0, "model"), Lane(self.owner, "answer", "model"), work, then, failed)

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
        self.set_work.stop()
        self.engine.worker.cancel(self.owner)
        self._cancelled = True
        self.tell("", None)

    def drop(self, panel: Panel) -> None:
        """Stop what is done for a panel that is no more."""
        with self._jobs_lock:
            for where in [where for where in self._jobs if where[0] == panel.key]:
                self._jobs.pop(where).cancelled.set()
                self._words.pop(where, None)
        self._failing.pop(panel.key, None)

    def close(self) -> None:
        """Stop all, and let go of what is remembered about models that nobody else works with."""
        self.cancel()
        if not self.engine.worker.closed:
            engine, owner, images = self.engine, self.owner, self.session.images  # and not the session
            engine.worker.submit(Lane(owner, "flush"), lambda job: engine.leave(owner), lambda _: images.forget())

    def wait(self, seconds: float, *, measures: bool = False, whole_set: bool = False) -> bool:
        """Wait for what was asked, and for what that asks in turn; another session's work is not waited for.

        Args:
            seconds: at most.
            measures: whether to wait also for measures that are taken again some time after a drag.
            whole_set: whether to wait also for what is made of all images.
        """
        end = time.monotonic() + seconds
        while left := self._left(measures) or (self.set_work.jobs if whole_set else []):
            if not left[0].ended.wait(max(end - time.monotonic(), 0)):
                return False
        return True

    def call_it(self, where: Where, words: str) -> None:
        """Say what is waited for in other words."""
        with self._jobs_lock:
            self._words[where] = words

    def submit(
        self,
        where: Where,
        lane: Lane,
        work: Callable[[Job], Any],
        done: Callable[[Any], None] | None = None,
        failed: Callable[[BaseException], None] | None = None,
        *,
        after: float = 0.0,
    ) -> None:
        """Put work into a lane, and remember it as the last of its panel and part."""
        job = self.engine.worker.submit(lane, work, done, failed, after=after)
        with self._jobs_lock:
            older = self._jobs.get(where)
            if older is not None and older.lane != lane:  # in its own lane the newer one replaces it
                older.cancelled.set()
            self._jobs[where] = job
            self._words[where] = "loading" if where[1] == "model" else PARTS[_part(where[1])].words

    def _options(self, part: str) -> dict[str, Any]:
        session = self.session
        return dict({"measures": session.measuring, "region": session.looked_into}.get(part, {}))

    def _left(self, measures: bool) -> list[Job]:
        with self._jobs_lock:
            late = () if measures else ("measures", "likeness")
            jobs = [job for (_, part), job in self._jobs.items() if part not in late or not job.begin]
        return [job for job in jobs if not job.ended.is_set()]

    # ------------------------------------------------------------------ on the engine's thread

    def _answer(self, panel: Panel, query: Query, part: str, options: Mapping[str, Any], again: bool, job: Job) -> Any:
        began, told = time.monotonic(), True
        self.unsettled.check(query)
        if part == "explanation":
            # What is quick is not spoken of: a drag would make the words flicker.
            told = self._took > NOTICED or METHODS[query.method].cost != "one pass"
        if told:
            self.tell(PARTS[part].words, None if PARTS[part].lane in ("answer", "maps") else 0.0)
        try:
            made = answer(
                self.session.sources,
                query,
                part,
                progress=partial(self._progress, panel, query, part, options),
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
                self.quiet(job)

    def _note_weights(self, query: Query, now: str) -> None:
        """Where they have changed since the last answer, what else is shown is of other weights: all is asked again."""
        changed = self.weights.answered(query, now)
        self.unsettled.rested()
        if not changed:
            return
        with self.session.changing():
            if not self.session.closed:
                self.session.weights_are_new(query.model, query.run)

    def _progress(
        self, panel: Panel, query: Query, part: str, options: Mapping[str, Any], incomplete: Any, share: float
    ) -> None:
        if self.often() or part == "measures":
            self.tell(PARTS[part].words, share)
            self._put(panel, query, part, options, incomplete)

    def _put(self, panel: Panel, query: Query, part: str, options: Mapping[str, Any], made: Any) -> None:
        with self.session.changing():
            if not self._wanted(panel, query, part) or options != self._options(part):
                return
            if self._failing.get(panel.key) == part:  # an answer takes back what went wrong with it, and nothing else
                self._failing.pop(panel.key)
                self.session.went_wrong(panel, "")
            if part == "explanation":
                self._show(panel, query, made)
            else:
                panel.take(**{part: made})
            if part == "impacts" and made.done:
                for name, shown in (("explanation", panel.answers.saliency), ("secondary", panel.answers.secondary)):
                    if shown is not None and not shown.done:
                        self.ask(name, panel)
            if part in ("explanation", "secondary") and not made.done and not self._comes(panel, "impacts"):
                self.ask("impacts", panel)  # they were stopped, or are no longer remembered

    def _show(self, panel: Panel, query: Query, made: Explanation) -> None:
        session = self.session
        if panel.key not in self._failing and panel is session.panel:  # a gesture that was refused
            session.error = ""
        first = panel.answers.output is None
        panel.take(output=replace(made.output, query=query))
        if query.method == panel.query.method:
            # During a drag of Q an older Q is shown: its title says so, and a picture must not stand still.
            panel.take(saliency=replace(made.saliency, query=query, done=made.done))
        if first:
            self.quiet()

    def _wanted(self, panel: Panel, query: Query, part: str) -> bool:
        """Is this still what the reader looks at? The gains and Q of a drag may be a little older."""
        if self.session.closed or panel not in self.session.panels:
            return False
        fields = stale_fields(part, self._options(part))
        drags = {"explanation": ("gains", "contrast", "method", "options"), "secondary": ("gains",)}.get(part, ())
        wanted = [name for name in (*OF_THE_PLACE, *fields) if name not in drags]
        return not query.differs(panel.query, wanted)

    def _comes(self, panel: Panel, part: str) -> bool:
        with self._jobs_lock:
            return _goes_on(self._jobs.get((panel.key, part)))

    def often(self) -> bool:
        """Whether it is time for another look at long work."""
        now = time.monotonic()
        if now - self._shown < OFTEN:
            return False
        self._shown = now
        return True

    def tell(self, busy: str, progress: float | None) -> None:
        """Say what runs, and how far it is."""
        with self.session.changing():
            if not self.session.closed:
                self.session.runs(busy, progress)

    def quiet(self, job: Job | None = None, ended: Where | None = None) -> None:
        """Say what is still to come, or that nothing is.

        Args:
            job: that is about to end.
            ended: the panel and the part that have just failed.
        """
        with self._jobs_lock:
            left = [where for where, one in self._jobs.items() if one is not job and where != ended and _goes_on(one)]
        panel = self.session.panel
        if panel.answers.saliency is None and (panel.key, "explanation") in left:
            self.tell(f"score and map of {panel.query.image}", None)  # the stage is empty: that is what is waited for
            return
        left = [where for where in left if where[1] != "explanation"]
        self.tell(self._words[left[0]] if left else "", None)

    def failed(self, panel: Panel, part: str, error: BaseException) -> None:
        """Say what went wrong."""
        session = self.session
        if isinstance(error, WeightsChanging):
            self.unsettled.ask_again(panel, part)
            return
        if part in PARTS and self.weights_changed(panel):
            self.weights.retry(panel.query)
            self.ask("explanation", panel, after=SETTLING)  # written while the network ran: the rest follows
            return
        expected = isinstance(error, ValueError | RuntimeError | OSError)
        text = "".join(traceback.format_exception(error))
        if not expected:
            print(text, file=sys.stderr)
        with session.changing():
            if not session.closed and panel in session.panels:
                words = str(error) if expected else f"{type(error).__name__}: {error}"
                session.traceback = text
                if part not in PARTS or part == "scores":  # it is of no panel's answer
                    session.error = words
                    self.quiet(ended=(0, part))
                    return
                if not self.needs(panel, part):  # nobody looks at it any more
                    self.quiet(ended=(panel.key, part))
                    return
                if self.weights.were_retried(panel.query) and part == "explanation":
                    panel.forget(everything=True)  # it was of other weights
                self._failing[panel.key] = part
                session.went_wrong(panel, words)
                if part == "explanation" and panel.answers.output is None:
                    self.ask("output", panel)  # the score needs no map
                self.quiet(ended=(panel.key, part))

    def weights_changed(self, panel: Panel) -> bool:
        """Whether the weights are others than when the last answer began."""
        if self.unsettled.waits(panel.query):
            return False  # what was asked meanwhile comes when they rest
        return self.weights.changed(panel.query)


def _part(name: str) -> str:
    return name if name in PARTS else "scores"  # which come in several portions


def _goes_on(job: Job | None) -> bool:
    return job is not None and not job.ended.is_set() and not job.cancelled.is_set()
