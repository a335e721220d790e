"""What was computed, kept up to a number of bytes."""

from __future__ import annotations

import threading
from collections.abc import Hashable
from typing import Any

import numpy as np
from cachetools import LRUCache
from torch import Tensor


class Cache:
    """Answers by what they depend on; the least recently used go first. Safe to use from several threads."""

    def __init__(self, most: int) -> None:
        if most < 1:
            raise ValueError(f"the cache must hold at least 1 byte, got {most}.")
        self._items: LRUCache[Hashable, Any] = LRUCache(most, getsizeof=size_of)
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> Any | None:
        with self._lock:
            return self._items.get(key)

    def put(self, key: Hashable, value: Any) -> None:
        """Keep a value; one that is larger than the whole cache is not kept."""
        with self._lock:
            if size_of(value) <= self._items.maxsize:
                self._items[key] = value

    def drop(self, key: Hashable) -> None:
        """Forget one answer."""
        with self._lock:
            self._items.pop(key, None)

    def clear(self) -> None:
        with self._lock:
            self._items.clear()

    @property
    def nbytes(self) -> int:
        return int(self._items.currsize)

    @property
    def most(self) -> int:
        return int(self._items.maxsize)

    def __len__(self) -> int:
        return len(self._items)


def size_of(value: Any) -> int:
    """Bytes of the arrays and tensors in a value; a little for what is none."""
    if isinstance(value, np.ndarray | Tensor):
        return int(value.nbytes) + 200
    if isinstance(value, bytes | str):
        return len(value) + 100
    if isinstance(value, dict):
        return 200 + sum(size_of(item) for item in value.values())
    if isinstance(value, list | tuple):
        return 100 + sum(size_of(item) for item in value)
    if hasattr(value, "nbytes"):
        return int(value.nbytes) + 500
    if hasattr(value, "__dataclass_fields__"):
        return 200 + sum(size_of(getattr(value, name)) for name in value.__dataclass_fields__)
    return 64
