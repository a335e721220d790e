"""One worker thread, and the lanes in which requests wait for it.

What waits is replaced by a newer request of its lane. What runs is finished when it is short, or else the picture
would stand still during a drag; long work calls `let_others` between its batches, where it lets more urgent requests
run, and stops when it was cancelled or replaced.
"""

from __future__ import annotations

import atexit
import itertools
import sys
import threading
import time
import traceback
import weakref
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any

# Most urgent first; "others" are scores and maps of panels that are not the active one, "set" is what is made of all
# images while nothing else is to be done.
KINDS = (
    "call",
    "answer",
    "maps",
    "others",
    "impacts",
    "scores",
    "measures",
    "detail",
    "rest",
    "record",
    "set",
    "flush",
)


class Stopped(Exception):
    """The one who asked wants something else, or nothing more."""


@dataclass(frozen=True)
class Lane:
    """Where a request waits: whose it is, how urgent its kind is, and its name among those of that kind."""

    owner: Hashable
    kind: str
    name: str = ""

    @property
    def urgency(self) -> int:
        return KINDS.index(self.kind)


@dataclass
class Job:
    """One request: `work(job)` runs on the worker's thread, then `done(result)` or `failed(error)`."""

    lane: Lane
    work: Callable[[Job], Any]
    done: Callable[[Any], None] | None = None
    failed: Callable[[BaseException], None] | None = None
    worker: Worker | None = None
    number: int = 0
    begin: float = 0.0  # not before this time of `time.monotonic`
    cancelled: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)

    def let_others(self) -> None:
        """Between two batches: let more urgent work run.

        Raises:
            Stopped: this is wanted no more.
        """
        if self.worker is not None:
            self.worker.let_others(self)


@dataclass(frozen=True)
class Cancel:
    """A wish that what was submitted before it for an owner, of these kinds or of all, stops."""

    owner: Hashable
    kinds: tuple[str, ...]
    everything: bool = False

    def matches(self, lane: Lane) -> bool:
        return self.everything or (lane.owner == self.owner and (not self.kinds or lane.kind in self.kinds))


# At exit the interpreter would stop a thread in the middle of a computation, and the process would abort.
_workers: weakref.WeakSet[Worker] = weakref.WeakSet()


@atexit.register
def _end_workers() -> None:
    for worker in list(_workers):
        worker.close()


class Worker:
    """A thread that owns the networks. Submitting never waits for it.

    Args:
        begin: called first on that thread.
    """

    def __init__(self, begin: Callable[[], object] | None = None) -> None:
        self._begin = begin
        self._inbox: SimpleQueue[Job | Cancel] = SimpleQueue()
        self._waiting: dict[Lane, Job] = {}
        self._running: list[Job] = []  # the last one runs, those before it let_others
        self._numbers = itertools.count()
        self._closed = False
        self._thread = threading.Thread(target=self._loop, name="xai_widgets engine", daemon=True)
        self._thread.start()
        _workers.add(self)

    def submit(
        self,
        lane: Lane,
        work: Callable[[Job], Any],
        done: Callable[[Any], None] | None = None,
        failed: Callable[[BaseException], None] | None = None,
        *,
        after: float = 0.0,
    ) -> Job:
        """Put a request into its lane and return at once; it is not begun before so many seconds have passed."""
        begin = time.monotonic() + after if after else 0.0
        job = Job(lane, work, done, failed, self, next(self._numbers), begin)
        if self._closed:
            raise RuntimeError("the engine is closed; make a new one.")
        self._inbox.put(job)
        if not self._thread.is_alive():  # it was closed meanwhile
            job.ended.set()
        return job

    def call(self, work: Callable[[Job], Any]) -> Any:
        """Run `work` before all else and return its result; errors are raised here. An interrupt cancels it."""
        if threading.current_thread() is self._thread:
            return work(self._running[-1])
        results: list[Any] = []
        errors: list[BaseException] = []
        job = self.submit(Lane(object(), "call"), work, results.append, errors.append)
        try:
            job.ended.wait()
        except BaseException:
            job.cancelled.set()
            raise
        if errors:
            raise errors[0]
        if not results:
            raise Stopped("the call was cancelled.")
        return results[0]

    def cancel(self, owner: Hashable, *kinds: str) -> None:
        """Stop what waits or runs for an owner, of these kinds or of all, at the next batch."""
        self._inbox.put(Cancel(owner, kinds))

    @property
    def closed(self) -> bool:
        return self._closed

    def wait(self, seconds: float) -> bool:
        """Wait until nothing waits or runs; False when the time is up first."""
        return self.submit(Lane(object(), "flush"), lambda job: None).ended.wait(seconds)

    def close(self) -> None:
        """Cancel everything and end the thread. May be called twice."""
        self._closed = True
        self._inbox.put(Cancel(None, (), everything=True))
        if threading.current_thread() is not self._thread:
            self._thread.join(10)

    def let_others(self, job: Job) -> None:
        """See `Job.let_others`."""
        self._receive(wait=False)
        newer = self._waiting.get(job.lane)
        if job.cancelled.is_set() or (newer is not None and newer.number > job.number):
            raise Stopped
        while (urgent := self._next()) is not None and urgent.lane.urgency < job.lane.urgency:
            self._run(self._waiting.pop(urgent.lane))
            self._receive(wait=False)
            if job.cancelled.is_set() or job.lane in self._waiting:
                raise Stopped

    def _loop(self) -> None:
        if self._begin is not None:
            self._begin()
        while not self._closed:
            self._receive(wait=True)
            job = self._next()
            if job is not None:
                self._run(self._waiting.pop(job.lane))
            job = None  # a finished request must not keep its views alive
        self._end_all()

    def _end_all(self) -> None:
        """Nobody waits for what a closed worker will not do, nor for what came in while it was closing."""
        self._receive(wait=False)
        for left in self._waiting.values():
            left.ended.set()
        self._waiting.clear()

    def _receive(self, wait: bool) -> None:
        """Sort what was submitted into its lanes; with `wait` only return when there is something to do."""
        while True:
            seconds = self._pause() if wait else 0.0
            try:
                job = self._inbox.get(timeout=seconds) if seconds != 0 else self._inbox.get_nowait()
            except Empty:
                return
            wait = False
            if isinstance(job, Cancel):
                for other in [*self._waiting.values(), *self._running]:
                    if job.matches(other.lane):
                        other.cancelled.set()
                        if self._waiting.get(other.lane) is other:
                            self._waiting.pop(other.lane).ended.set()
                continue
            replaced = self._waiting.pop(job.lane, None)
            if replaced is not None:
                replaced.ended.set()
            self._waiting[job.lane] = job

    def _next(self) -> Job | None:
        """The most urgent of those that may begin."""
        now = time.monotonic()
        ready = (job for job in self._waiting.values() if job.begin <= now)
        first = min(ready, key=lambda job: (job.lane.urgency, job.number), default=None)
        waits = first is not None and first.lane.kind == "flush" and len(self._waiting) > 1
        return None if waits and any(job.lane.kind != "flush" for job in self._waiting.values()) else first

    def _pause(self) -> float | None:
        """Seconds until something that waits may begin; None where nothing waits."""
        first = min((job.begin for job in self._waiting.values() if job.lane.kind != "flush"), default=None)
        if first is None and self._waiting:
            return 0.0
        return None if first is None else max(first - time.monotonic(), 0.0)

    def _run(self, job: Job) -> None:
        self._running.append(job)
        try:
            if not job.cancelled.is_set():
                result = job.work(job)
                if job.done is not None:
                    job.done(result)
        except Stopped:
            pass
        except BaseException as error:  # the worker outlives a failed request, also one that asks Python to end
            self._fail(job, error)
        finally:
            self._running.pop()
            job.ended.set()

    @staticmethod
    def _fail(job: Job, error: BaseException) -> None:
        try:
            if job.failed is None:
                traceback.print_exception(error, file=sys.stderr)
            else:
                job.failed(error)
        except BaseException as second:
            traceback.print_exception(second, file=sys.stderr)
