"""One worker thread, and the lanes in which requests wait for it.

What waits is replaced by a newer request of its lane. What runs is finished when it is short, or else the picture
would stand still during a drag; long work calls `breathe` between its batches, where it lets more urgent requests
run, and stops when it was cancelled or replaced.
"""

from __future__ import annotations

import atexit
import itertools
import sys
import threading
import traceback
import weakref
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any

KINDS = ("call", "answer", "maps", "impacts", "scores", "measures", "detail", "rest", "flush")  # most urgent first


class Cancelled(Exception):
    """The reader asked for something else, or for nothing more."""


@dataclass(frozen=True)
class Lane:
    """Where a request waits: whose it is, for which panel, and of which kind."""

    owner: Hashable
    kind: str
    panel: int = 0

    @property
    def urgency(self) -> int:
        return KINDS.index(self.kind)


@dataclass
class Job:
    """One request: `work(job)` runs on the worker's thread, then `done(result)` or `failed(error)`."""

    lane: Lane
    work: Callable[[Job], Any]
    done: Callable[[Any], None] | None = None
    failed: Callable[[Exception], None] | None = None
    worker: Worker | None = None
    number: int = 0
    cancelled: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)

    def breathe(self) -> None:
        """Between two batches: let more urgent work run; raise `Cancelled` when this is wanted no more."""
        if self.worker is not None:
            self.worker.breathe(self)


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
    """A thread that owns the networks. Submitting never waits for it."""

    def __init__(self) -> None:
        self._inbox: SimpleQueue[Job | Cancel] = SimpleQueue()
        self._waiting: dict[Lane, Job] = {}
        self._running: list[Job] = []  # the last one runs, those before it breathe
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
        failed: Callable[[Exception], None] | None = None,
    ) -> Job:
        """Put a request into its lane and return at once."""
        job = Job(lane, work, done, failed, self, next(self._numbers))
        if self._closed:
            raise RuntimeError("the engine is closed; make a new one.")
        self._inbox.put(job)
        return job

    def call(self, work: Callable[[Job], Any]) -> Any:
        """Run `work` before all else and return its result; errors are raised here. An interrupt cancels it."""
        if threading.current_thread() is self._thread:
            return work(self._running[-1])
        results: list[Any] = []
        errors: list[Exception] = []
        job = self.submit(Lane(object(), "call"), work, results.append, errors.append)
        try:
            job.ended.wait()
        except BaseException:
            job.cancelled.set()
            raise
        if errors:
            raise errors[0]
        if not results:
            raise Cancelled("the call was cancelled.")
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

    def breathe(self, job: Job) -> None:
        """See `Job.breathe`."""
        self._receive(wait=False)
        newer = self._waiting.get(job.lane)
        if job.cancelled.is_set() or (newer is not None and newer.number > job.number):
            raise Cancelled
        while (urgent := self._next()) is not None and urgent.lane.urgency < job.lane.urgency:
            self._run(self._waiting.pop(urgent.lane))
            self._receive(wait=False)
            if job.cancelled.is_set() or job.lane in self._waiting:
                raise Cancelled

    def _loop(self) -> None:
        while not self._closed:
            self._receive(wait=not self._waiting)
            job = self._next()
            if job is not None:
                self._run(self._waiting.pop(job.lane))
            job = None  # a finished request must not keep its views alive
        for left in self._waiting.values():
            left.ended.set()

    def _receive(self, wait: bool) -> None:
        """Sort what was submitted into its lanes; wait for the first if asked to."""
        while True:
            try:
                job = self._inbox.get(block=wait)
            except Empty:
                return
            wait = False
            if isinstance(job, Cancel):
                for other in [*self._waiting.values(), *self._running]:
                    if job.matches(other.lane):
                        other.cancelled.set()
                continue
            replaced = self._waiting.pop(job.lane, None)
            if replaced is not None:
                replaced.ended.set()
            self._waiting[job.lane] = job

    def _next(self) -> Job | None:
        return min(self._waiting.values(), key=lambda job: (job.lane.urgency, job.number), default=None)

    def _run(self, job: Job) -> None:
        self._running.append(job)
        try:
            if not job.cancelled.is_set():
                result = job.work(job)
                if job.done is not None:
                    job.done(result)
        except Cancelled:
            pass
        except Exception as error:  # the worker outlives a failed request
            self._fail(job, error)
        finally:
            self._running.pop()
            job.ended.set()

    @staticmethod
    def _fail(job: Job, error: Exception) -> None:
        try:
            if job.failed is None:
                traceback.print_exception(error, file=sys.stderr)
            else:
                job.failed(error)
        except Exception as second:
            traceback.print_exception(second, file=sys.stderr)
