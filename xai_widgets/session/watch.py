"""Looks now and then whether the weights or the files of what is shown have changed without a gesture."""

from __future__ import annotations

import threading
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xai_widgets.images import Watch as Files
    from xai_widgets.session.session import Session

EVERY = 1.0  # seconds between two looks at the weights and at the image that is shown, 0.2 ms
SELDOM = 10  # looks between two at the files of all images, 5 microseconds each, and at the values of weights


class Watch:
    """A thread that lives as long as its session, which it does not keep alive."""

    def __init__(self, session: Session, every: float = EVERY) -> None:
        self._session = weakref.ref(session)
        self._files = session.images.watch()
        self._ended = threading.Event()
        self._every = every
        self._thread = threading.Thread(target=self._run, name="xai_widgets watch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread. May be called twice, and from any thread."""
        self._ended.set()

    def _run(self) -> None:
        looks = 0
        while not self._ended.wait(self._every):
            session, looks = self._session(), looks + 1
            if session is None or session.closed:
                return
            if session.engine.worker.closed:
                return
            with suppress(OSError, RuntimeError):  # a file or an engine may go away during the look
                look(session, self._files, everywhere=looks % SELDOM == 0)
            del session  # or it would live as long as the thread


def look(session: Session, files: Files, *, everywhere: bool) -> None:
    """Ask again for what is about weights or files that have changed.

    Args:
        files: of the session's images, as they were at the last look.
        everywhere: whether to look at all files and at the values of all weights, or at the files of the images that
            are shown and at what torch counts.
    """
    shown = session.board.queries
    if not all(session.sources.loaded(query.model) for query in shown):
        return
    changed = files.changed(None if everywhere else list(dict.fromkeys(query.image for query in shown)))
    if changed:
        session.reread(changed)
    elif session.output is not None and session.weights_changed(thorough=everywhere):
        session.refresh()
