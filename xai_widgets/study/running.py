"""Who makes the parts: this process, an executor, or one shard of several jobs."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import uuid4

from xai_widgets.engine import Engine, Job, Lane, Stopped
from xai_widgets.study.parts import Failed
from xai_widgets.study.plan import Task
from xai_widgets.study.work import CannotGoOn, Done, Work, do_elsewhere

PAUSE, MOST_PAUSE = 0.02, 1.0  # seconds between looks at what runs elsewhere
MOST_SAID = 200  # letters of somebody else's error
IN_FLIGHT = 1000  # tasks that are submitted and not done yet


class Submits(Protocol):
    """An executor: `concurrent.futures`, a client of dask's, submitit, or anything alike."""

    def submit(self, function: Callable[..., Any], /, *args: Any, **keys: Any) -> Any: ...


@dataclass
class Tally:
    """How far a study is.

    Attributes:
        total: images times tables, of all that is asked.
        done: of these, made, found or failed.
        failed: images without rows, and why, with the table.
    """

    total: int
    done: int = 0
    made: int = 0
    reused: int = 0
    failed: list[tuple[str, Failed]] = field(default_factory=list)

    def add(self, done: Done) -> None:
        self.made += done.images
        self.reused += done.reused
        self.failed += done.failed


Shown = Callable[[Tally], None]
Flying = dict[int, tuple[Task, Any]]  # what was submitted and is not done, by number


def size_of(task: Task) -> int:
    """Images times tables."""
    return len(task.images) * len(task.tables)


@contextmanager
def interruptible(stopped: threading.Event) -> Iterator[None]:
    """A block that an interrupt ends where `stopped` is looked at, and a second one at once.

    Raises:
        KeyboardInterrupt: at the end of the block, where there was one.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler:  # somebody else's
        yield
        return
    interrupted: list[int] = []

    def note(number: int, frame: Any) -> None:
        if interrupted:
            raise KeyboardInterrupt
        interrupted.append(number)
        stopped.set()

    signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if interrupted:
        raise KeyboardInterrupt("the study was stopped; what is done is kept.")


def run_here(work: Work, tasks: Sequence[Task], tally: Tally, show: Shown, stopped: Callable[[], bool]) -> None:
    """Make tasks in this process; where a session works with one of the models, on its engine's thread, after all else.

    Raises:
        CannotGoOn: nothing more can be made.
        Stopped: `stopped` said so.
    """
    for task in tasks:
        if stopped():
            raise Stopped("the study was stopped.")
        tally.add(_done_here(work, task, tally, show, stopped))


def _done_here(work: Work, task: Task, tally: Tally, show: Shown, stopped: Callable[[], bool]) -> Done:
    """A task that moves to the engine of a session that is opened meanwhile, and back where it is closed."""
    begun = tally.done

    def told(count: int) -> None:
        tally.done += count
        show(tally)

    while True:
        engine = _engine_of(work)
        try:
            if engine is None:
                return work.do(task, stop=lambda: stopped() or _engine_of(work) is not None, told=told)
            return _on_engine(engine, work, task, stopped, told)
        except Stopped:
            if stopped() or _engine_of(work) is engine:
                raise
            tally.done = begun


def _engine_of(work: Work) -> Engine | None:
    """The engine of a session that works with one of these networks."""
    loaded = [work.sources.model(name) for name in work.sources.given_names if work.sources.loaded(name)]
    return Engine.using([run.token for model in loaded for run in model.runs])


def _on_engine(
    engine: Engine, work: Work, task: Task, stopped: Callable[[], bool], told: Callable[[int], None]
) -> Done:
    results: list[Done] = []
    errors: list[BaseException] = []

    def do(job: Job) -> Done:
        def stop() -> bool:
            job.let_others()
            return stopped()

        return work.do(task, stop=stop, told=told)

    try:
        job = engine.worker.submit(Lane(work, "rest"), do, results.append, errors.append)
    except RuntimeError as error:
        raise Stopped("the engine was closed.") from error
    try:
        job.ended.wait()
    except BaseException:
        job.cancelled.set()
        job.ended.wait(60)
        raise
    if errors:
        raise errors[0]
    if not results:
        raise Stopped("the study was stopped.")
    return results[0]


def run_elsewhere(
    executor: Submits, work: Work, tasks: Sequence[Task], tally: Tally, show: Shown, stopped: Callable[[], bool]
) -> None:
    """Submit tasks and take what comes back. Only names are sent: the processes read the study in its folder.

    Raises:
        CannotGoOn: a process was ended, the scheduler is gone, or nothing can be made there.
        Stopped: `stopped` said so.
    """
    names = str(work.plan.folder), work.asked.key, uuid4().hex
    left: Iterator[Task] = iter(tasks)
    flying: Flying = {}
    pause = PAUSE
    try:
        while True:
            _submit(executor, left, flying, names, tally)
            if not flying:
                return
            done = [number for number, (_, future) in flying.items() if _is_done(future, tally)]
            for number in done:
                task, future = flying.pop(number)
                tally.add(_result(future, tally))
                tally.done += size_of(task)
                show(tally)
            if stopped():
                raise Stopped("the study was stopped.")
            pause = PAUSE if done else min(1.5 * pause, MOST_PAUSE)
            time.sleep(pause)
    finally:
        for _, future in flying.values():
            _let_go(future)


def check_executor(executor: Any) -> None:
    """Refuse what cannot make a study.

    Raises:
        TypeError: it has no `submit`, such as a pool of processes that is not opened yet.
        ValueError: its processes are forks of this one, in which torch waits for threads that are not there.
    """
    if not callable(getattr(executor, "submit", None)):
        raise TypeError(
            f"an executor has a method `submit`, and {type(executor).__name__} has none; processes of this machine are "
            "given so: with xai_widgets.study.pool.processes(4) as pool: study.run(executor=pool)"
        )
    context = getattr(executor, "_mp_context", None) if isinstance(executor, ProcessPoolExecutor) else None
    if context is not None and context.get_start_method() == "fork":
        raise ValueError(
            "processes that are forked from this one may wait for ever for threads of torch; take "
            "xai_widgets.study.pool.processes(4) as the executor, or give the pool "
            'mp_context=multiprocessing.get_context("spawn").'
        )


def _submit(executor: Submits, left: Iterable[Task], flying: Flying, names: tuple[str, str, str], tally: Tally) -> None:
    folder, key, run = names
    while len(flying) < IN_FLIGHT and (task := next(iter(left), None)) is not None:
        try:
            flying[task.number] = task, executor.submit(do_elsewhere, folder, key, task.number, run)
        except Exception as error:
            raise _gone(error, tally) from error


def _is_done(future: Any, tally: Tally) -> bool:
    try:
        return bool(future.done())
    except Exception as error:  # of a scheduler that is gone
        raise _gone(error, tally) from error


def _result(future: Any, tally: Tally) -> Done:
    try:
        found = future.result()
    except (Stopped, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise _gone(error, tally) from error
    if not isinstance(found, Done):
        raise _gone(TypeError(f"a process returned {type(found).__name__}"), tally)
    if found.refused:
        raise CannotGoOn(found.refused)
    return found


def _gone(error: BaseException, tally: Tally) -> CannotGoOn:
    said = " ".join(str(error).split())[:MOST_SAID] or type(error).__name__
    return CannotGoOn(
        f"a process of the executor ended, or the scheduler is gone ({said}). {tally.done:,} of {tally.total:,} images "
        "and tables are done and kept: run the study again."
    )


def _let_go(future: Any) -> None:
    """What has not begun is not wanted any more."""
    with suppress(Exception):  # of a scheduler that is gone
        future.cancel()
