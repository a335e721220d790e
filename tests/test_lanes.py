"""Lanes, the worker's thread, and what is remembered."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial

import numpy as np
import pytest
import torch

from xai_widgets import Engine
from xai_widgets.engine import Cache, Job, Lane, Stopped
from xai_widgets.engine.cache import size_of
from xai_widgets.engine.lanes import Worker


@pytest.fixture
def worker() -> Iterator[Worker]:
    worker = Worker()
    yield worker
    worker.close()


class Gate:
    """Work that waits until it is let go, letting others run or not."""

    def __init__(self, *, lets_others: bool = False) -> None:
        self.began, self.go = threading.Event(), threading.Event()
        self.lets_others = lets_others

    def __call__(self, job: Job) -> str:
        self.began.set()
        while not self.go.wait(0.005):
            if self.lets_others:
                job.let_others()
        return "done"


def test_what_waits_is_replaced_and_what_runs_is_finished(worker: Worker) -> None:
    gate, seen = Gate(), list[object]()
    worker.submit(Lane("me", "answer"), gate, seen.append)
    assert gate.began.wait(5)
    for number in range(50):
        worker.submit(Lane("me", "answer"), partial(lambda n, job: n, number), seen.append)
    gate.go.set()
    assert worker.wait(5)
    assert seen == ["done", 49]


def test_urgent_work_runs_between_two_batches_of_long_work(worker: Worker) -> None:
    order: list[str] = []
    gate = Gate(lets_others=True)
    worker.submit(Lane("me", "impacts"), gate, order.append)
    assert gate.began.wait(5)
    urgent = worker.submit(Lane("me", "answer"), lambda job: "urgent", order.append)
    later = worker.submit(Lane("me", "measures"), lambda job: "later", order.append)
    assert urgent.ended.wait(5)
    assert order == ["urgent"]
    assert not later.ended.is_set()
    gate.go.set()
    assert worker.wait(5)
    assert order == ["urgent", "done", "later"]


def test_long_work_stops_when_it_is_replaced_or_cancelled(worker: Worker) -> None:
    seen: list[str] = []
    first, second = Gate(lets_others=True), Gate(lets_others=True)
    worker.submit(Lane("me", "impacts"), first, seen.append)
    assert first.began.wait(5)
    job = worker.submit(Lane("me", "impacts"), second, seen.append)
    assert second.began.wait(5), "the newer request of the lane takes over"
    worker.cancel("somebody else")
    worker.cancel("me", "measures")
    assert not job.ended.wait(0.05)
    worker.cancel("me")
    assert job.ended.wait(5)
    assert seen == []


def test_a_cancel_reaches_what_waits_but_not_what_comes_after(worker: Worker) -> None:
    gate, seen = Gate(), list[object]()
    worker.submit(Lane("other", "call"), gate)
    worker.submit(Lane("me", "answer"), lambda job: 1, seen.append)
    worker.cancel("me")
    worker.submit(Lane("me", "measures"), lambda job: 2, seen.append)
    gate.go.set()
    assert worker.wait(5)
    assert seen == [2]


def test_an_error_is_handed_over_and_the_worker_lives(worker: Worker, capsys: pytest.CaptureFixture[str]) -> None:
    errors: list[BaseException] = []

    def fail(job: Job) -> None:
        raise ValueError("a mistake")

    worker.submit(Lane("me", "answer"), fail, None, errors.append)
    worker.submit(Lane("me", "maps"), fail)
    assert worker.wait(5)
    assert [str(error) for error in errors] == ["a mistake"]
    assert "a mistake" in capsys.readouterr().err
    with pytest.raises(ValueError, match="a mistake"):
        worker.call(fail)
    assert worker.call(lambda job: worker.call(lambda inner: 7)) == 7, "a call on the worker's own thread runs at once"


def test_submitting_never_waits(worker: Worker) -> None:
    """A thousand requests while the worker does other work: all are taken, and the last of their lane is run."""
    gate, seen = Gate(), list[object]()
    worker.submit(Lane("me", "answer"), gate)
    assert gate.began.wait(5)
    jobs = [worker.submit(Lane("me", "maps"), partial(lambda n, job: n, number), seen.append) for number in range(1000)]
    assert not gate.go.is_set()
    assert not any(job.ended.is_set() for job in jobs)
    assert not worker.wait(0.01)
    gate.go.set()
    assert worker.wait(5)
    assert seen == [999]
    assert all(job.ended.is_set() for job in jobs)


def test_a_closed_worker_takes_nothing_and_ends_its_thread() -> None:
    worker, gate = Worker(), Gate(lets_others=True)
    job = worker.submit(Lane("me", "impacts"), gate)
    assert gate.began.wait(5)
    worker.close()
    worker.close()
    assert job.ended.is_set()
    assert not worker._thread.is_alive()
    with pytest.raises(RuntimeError, match="closed"):
        worker.submit(Lane("me", "impacts"), gate)


def test_a_script_may_end_while_the_engine_works() -> None:
    script = """
from xai_widgets import Session
session = Session("demo/quality", "demo/quality")
print(session.query.image)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith(".png")
    assert done.stderr == ""


def test_the_cache_is_bounded_in_bytes() -> None:
    cache = Cache(10_000)
    for number in range(20):
        cache.put(number, np.zeros(250, np.float32))
    assert cache.nbytes <= 10_000
    assert len(cache) == 8
    assert cache.get(19) is not None
    assert cache.get(0) is None
    cache.put("large", torch.zeros(10_000))
    assert cache.get("large") is None
    assert size_of({"a": [np.zeros(10), "text", b"bytes", None]}) > 80
    with pytest.raises(ValueError, match="at least 1 byte, got 0"):
        Cache(0)


def test_a_call_waits_for_its_result_and_hands_on_errors(engine: Engine) -> None:
    assert engine.worker.call(lambda job: 3) == 3

    def give_up(job: Job) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        engine.worker.call(give_up)


def test_what_is_to_begin_later_waits_and_is_waited_for(worker: Worker) -> None:
    order: list[str] = []
    began = time.monotonic()
    worker.submit(Lane("me", "answer"), lambda job: "later", order.append, after=0.15)
    worker.submit(Lane("me", "rest"), lambda job: "now", order.append)
    assert worker.wait(5)
    assert order == ["now", "later"]
    assert time.monotonic() - began >= 0.15
    worker.submit(Lane("me", "answer"), lambda job: "replaced", order.append, after=60)
    worker.submit(Lane("me", "answer"), lambda job: "new", order.append)
    assert worker.wait(5)
    assert order[2:] == ["new"]


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, MemoryError, KeyError])
def test_whatever_is_raised_ends_that_request_only(worker: Worker, kind: type[BaseException]) -> None:
    errors: list[BaseException] = []

    def leave(job: Job) -> None:
        raise kind("out")

    worker.submit(Lane("me", "answer"), leave, None, errors.append)
    assert worker.wait(5)
    assert [type(error) for error in errors] == [kind]
    with pytest.raises(kind):
        worker.call(leave)
    assert worker.call(lambda job: 3) == 3


def test_what_is_remembered_goes_with_its_model() -> None:
    cache, token, other = Cache(10_000), object(), object()
    cache.put(("tail", ("digest", token), "layer"), np.zeros(10))
    cache.put(("tail", ("digest", other), "layer"), np.zeros(10))
    cache.drop_about(token)
    assert len(cache) == 1
    assert cache.get(("tail", ("digest", other), "layer")) is not None
    assert cache.nbytes == np.zeros(10).nbytes + 200
