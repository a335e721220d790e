"""What was computed, kept up to a number of bytes, and no longer than the model that it is about."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
from torch import Tensor

from xai_widgets.engine.recordings import Recordings

Value = TypeVar("Value")


class Cache:
    """Answers by what they depend on; the least recently used go first. Safe to use from several threads.

    Args:
        most: bytes that are kept at most. The weights of networks are not counted among them: they belong to models.

    Raises:
        ValueError: less than one byte.
    """

    def __init__(self, most: int) -> None:
        if most < 1:
            raise ValueError(f"the cache must hold at least 1 byte, got {most}.")
        self.most = most
        self.recordings: Recordings = Recordings(self, record=False)  # an engine brings its own, made on its worker
        self._items: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()
        self._gone: deque[Hashable] = deque()  # marks of models that are no more
        self._thread = threading.local()

    def get(self, key: Hashable) -> Any | None:
        """What is kept under this key."""
        self._settle()
        with self._lock:
            if key not in self._items:
                return None
            if not self._passes:
                self._items.move_to_end(key)
            return self._items[key][0]

    def put(self, key: Hashable, value: Any) -> None:
        """Keep a value; one that is larger than the whole cache is not kept."""
        self._settle()
        size = size_of(value)
        left: list[Any] = []  # freed when the lock is: what a value holds may come back here as it goes
        with self._lock:
            left += self._pop([key])
            if size > self.most:
                return
            self._items[key] = value, size
            self._bytes += size
            self._items.move_to_end(key, last=not self._passes)
            while self._bytes > self.most:
                left += self._pop([next(iter(self._items))])

    @contextmanager
    def passing(self, passes: bool) -> Iterator[None]:
        """What this thread keeps meanwhile is the first to go: a pass over a set leaves what a reader works with."""
        before, self._thread.passes = self._passes, passes
        try:
            yield
        finally:
            self._thread.passes = before

    @property
    def _passes(self) -> bool:
        return getattr(self._thread, "passes", False)

    def remember(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """What is kept under this key, or what is made now."""
        known: Value | None = self.get(key)
        if known is None:
            known = make()
            self.put(key, known)
        return known

    def drop(self, key: Hashable) -> None:
        """Forget one answer."""
        with self._lock:
            left = self._pop([key])
        del left

    def drop_about(self, token: Hashable) -> None:
        """Forget all answers about one model, whose mark is a part of their keys."""
        with self._lock:
            left = self._pop([key for key in self._items if _holds(key, token)])
        del left

    def forget_later(self, token: Hashable) -> None:
        """Forget all about one model at the next use of this memory.

        A model is freed at any moment, also in the middle of another call here, which must not be waited for.
        """
        self._gone.append(token)

    def _settle(self) -> None:
        while self._gone:
            self.drop_about(self._gone.popleft())

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            left = self._pop(list(self._items))
        del left

    @property
    def nbytes(self) -> int:
        """Of what is kept, without the weights of networks."""
        self._settle()
        return self._bytes

    @property
    def weights(self) -> int:
        """Bytes of the networks that what is kept refers to, each network once."""
        self._settle()
        with self._lock:
            shells = {id(shell): shell for value, _ in self._items.values() if (shell := getattr(value, "shell", None))}
        return sum(int(shell.nbytes) for shell in shells.values())

    def __len__(self) -> int:
        self._settle()
        return len(self._items)

    def _pop(self, keys: Iterable[Hashable]) -> list[Any]:
        taken = [self._items.pop(key) for key in keys if key in self._items]
        self._bytes -= sum(size for _, size in taken)
        return [value for value, _ in taken]


def _holds(key: Hashable, token: Hashable) -> bool:
    return key is token or (isinstance(key, tuple) and any(_holds(part, token) for part in key))


def size_of(value: Any) -> int:
    """Bytes of the arrays and tensors in a value; a little for what is none."""
    if value is None or isinstance(value, bool | int | float):  # most fields of an answer
        return 64
    if isinstance(value, bytes | str):
        return len(value) + 100
    if isinstance(value, np.ndarray | Tensor):
        return int(value.nbytes) + 200
    if isinstance(value, dict):
        return 200 + sum(size_of(item) for item in value.values())
    if isinstance(value, list | tuple):
        return 100 + sum(size_of(item) for item in value)
    if hasattr(value, "nbytes"):
        return int(value.nbytes) + 500
    if hasattr(value, "__dataclass_fields__"):
        return 200 + sum(map(size_of, map(value.__getattribute__, value.__dataclass_fields__)))
    return 64
