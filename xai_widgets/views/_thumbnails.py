"""Thumbnails on their way to the browser."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable
from typing import Any

from PIL import Image

Key = tuple[int, int]  # pixels of the longer side, number of the image


class References:
    """The undistorted photos of a set, as a courier reads them: by the names of the images that they belong to."""

    def __init__(self, images: Any) -> None:
        self._images, self.names = images, images.names

    def thumbnail(self, name: str, side: int) -> bytes:
        """As JPEG.

        Raises:
            ValueError: there is none, or it cannot be read.
        """
        photo = self._images.reference(name)
        if photo is None:
            raise ValueError(f"No reference image of {name!r} is known.")
        picture, file = Image.fromarray(photo), io.BytesIO()
        picture.thumbnail((side, side), Image.Resampling.LANCZOS)
        picture.save(file, "JPEG", quality=90, subsampling=0)
        return file.getvalue()


class Courier:
    """Reads thumbnails on a thread of its own, so that no gesture and no network waits for a disk.

    The thread ends when nothing is left to do. Who asked last comes first. A further request of the same front end
    stands for all that it still lacks: what it no longer names has left its sight, and is not read.
    """

    MOST = 400  # waiting, of one front end
    TOGETHER, PATIENCE = 16, 0.05  # thumbnails, seconds

    def __init__(self, images: Any, deliver: Callable[[int, dict[int, bytes], dict[int, str]], None]) -> None:
        self._images, self._deliver = images, deliver
        self._lock = threading.Lock()
        self._waiting: dict[str, dict[Key, None]] = {}  # by who asked
        self._thread: threading.Thread | None = None
        self._closed = False

    def ask(self, indices: list[int], side: int, who: str = "") -> None:
        """Return at once."""
        with self._lock:
            if self._closed:
                return
            self._waiting.pop(who, None)
            wanted = dict.fromkeys((side, index) for index in indices[: self.MOST])
            self._waiting = ({who: wanted} if wanted else {}) | self._waiting
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
        while (key := self._next()) is not None:
            side, found, failed = key[0], dict[int, bytes](), dict[int, str]()
            end = time.monotonic() + self.PATIENCE
            while key is not None:
                index = key[1]
                try:
                    found[index] = self._images.thumbnail(self._images.names[index], side)
                except (ValueError, OSError) as error:
                    failed[index] = str(error)
                self._remove(key)
                full = len(found) + len(failed) >= self.TOGETHER or time.monotonic() > end
                key = None if full else self._next(side)
            self._deliver(side, found, failed)

    def _next(self, side: int | None = None) -> Key | None:
        """The first that waits, if it is of this size; the thread ends where none waits for a new message."""
        with self._lock:
            key = next((key for wanted in self._waiting.values() for key in wanted), None)
            if key is None and side is None:
                self._thread = None
            return key if key is None or side in (None, key[0]) else None

    def _remove(self, key: Key) -> None:
        """This one has been read."""
        with self._lock:
            for wanted in self._waiting.values():
                wanted.pop(key, None)
            self._waiting = {who: wanted for who, wanted in self._waiting.items() if wanted}
