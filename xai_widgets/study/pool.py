"""Processes of this machine that make parts, and end when they are told to or when this process is no more."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import wait
from typing import Any

import torch

from xai_widgets.study.work import stop_when


@contextmanager
def processes(count: int) -> Iterator[ProcessPoolExecutor]:
    """An executor of so many processes, which share the cores. At the end of the block they stop between two batches.

    Raises:
        ValueError: less than one process.
    """
    if count < 1:
        raise ValueError(f"a study needs at least one process, got {count}.")
    context = multiprocessing.get_context("spawn")  # a fork would take a part of torch along
    stop = context.Event()
    threads = max(1, torch.get_num_threads() // count)
    pool = ProcessPoolExecutor(count, mp_context=context, initializer=_begin, initargs=(stop, threads))
    try:
        with _not_for_children():
            for _ in range(count):
                pool.submit(_nothing)  # a process begins with a task that none is there for
        yield pool
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)


@contextmanager
def _not_for_children() -> Iterator[None]:
    """Processes that begin in the block do not hear of an interrupt from their first moment on.

    A terminal sends it to all, and one that still reads its modules would end with a traceback. Here it comes after.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _nothing() -> None:
    """A task."""


def _begin(stop: Any, threads: int) -> None:
    """In each process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one that began it says when it is over
    torch.set_num_threads(threads)
    stop_when(stop.is_set)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
