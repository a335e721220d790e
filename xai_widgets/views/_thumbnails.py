"""Thumbnails on their way to the browser."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any


class Courier:
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
                except (ValueError, OSError) as error:
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
