"""One change, one draw: all traits are set, then those who follow hear of it."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock
from typing import Any

from traitlets import All, HasTraits, observe


class OneChange(HasTraits):
    """How views hear of changes; a part of `Session`."""

    lock: RLock  # type: ignore[valid-type]
    _depth = 0  # changes within changes

    def __init__(self, **traits: Any) -> None:
        self._views: weakref.WeakSet[Any] = weakref.WeakSet()
        super().__init__(**traits)

    @contextmanager
    def changing(self) -> Iterator[None]:
        """One change: all traits are set, then observers hear of it, and each view draws at most once."""
        with self.lock:
            self._depth += 1
            try:
                with self.hold_trait_notifications():
                    yield
            finally:
                self._depth -= 1
                if not self._depth:
                    for view in list(self._views):
                        view.follow()

    @observe(All)
    def _set_alone(self, _: Any) -> None:
        """A trait was set by itself."""
        if not self._depth:
            with self.changing():
                pass

    def attach(self, view: Any) -> None:
        """From now on a view hears of changes: `view.follow()`."""
        self._open()
        self._views.add(view)

    def detach(self, view: Any) -> None:
        self._views.discard(view)

    def _open(self) -> None:
        """Raise a RuntimeError where nothing can be asked any more."""
