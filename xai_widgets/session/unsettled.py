"""Waits with what is asked while the weights of a model are written, and says so once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from xai_widgets.engine import PARTS, Query, Subject, WeightsChanging

if TYPE_CHECKING:
    from xai_widgets.session.panel import Panel
    from xai_widgets.session.requests import Requests

SETTLING = 0.4  # seconds without a write after which weights are taken to rest
WAITING = "waiting for weights that are being changed"

Which = tuple[str, int]  # model and run


class Unsettled:
    """Of each model and run that was asked while its weights were written: how they were at the last look, and when.

    A network that is trained is not asked at every step: what came between two of them would be an answer by chance,
    and the work would slow the training down. A look costs 0.1 ms.
    """

    def __init__(self, requests: Requests) -> None:
        self._requests, self._session = requests, requests.session
        self._looks: dict[Which, tuple[Callable[[], bool], float]] = {}
        self._lock = threading.Lock()
        self._said = self._before = ""  # the notice, and the one in whose place it is

    def ask_again(self, panel: Panel, part: str) -> None:
        """Take what was asked while the weights were written as asked anew, for when they rest."""
        session, requests = self._session, self._requests
        with session.changing():
            if session.closed or panel not in session.panels:
                return
            if not requests.needs(panel, part):
                requests.quiet()
                return
            if not self.waits(panel.query):
                self._look(panel.query)
            self._say(_words(panel.query.model))
            if part in PARTS and part != "scores":
                requests.ask(part, panel, after=SETTLING)
                requests.call_it((panel.key, part), WAITING)
            else:
                requests.scoring.all(session.query, after=SETTLING)
            requests.quiet()

    def waits(self, query: Query) -> bool:
        """Whether there is something that waits for these weights."""
        with self._lock:
            return (query.model, query.run) in self._looks

    def check(self, query: Query) -> None:
        """Go on where the weights have rested long enough.

        Raises:
            WeightsChanging: they have not.
        """
        which = query.model, query.run
        with self._lock:
            known = self._looks.get(which)
        if known is None:
            return
        unchanged, since = known
        if not unchanged():
            self._look(query)
        elif time.monotonic() - since >= SETTLING:
            with self._lock:
                self._looks.pop(which, None)
            return
        raise WeightsChanging(_words(query.model))

    def rested(self) -> None:
        """There is an answer: take back what was said, or say it of the weights that are still waited for."""
        if not self._said:
            return
        session = self._session
        with session.changing():
            asked = {(panel.query.model, panel.query.run) for panel in session.panels}
            with self._lock:
                self._looks = {which: look for which, look in self._looks.items() if which in asked}
                left = [_words(model) for model, _ in self._looks]
            if self._said in left:
                return
            if not session.closed and session.notice == self._said:
                session.notice = left[0] if left else self._before
            self._said = left[0] if left else ""

    def _say(self, words: str) -> None:
        """Put a sentence in the place of the notice, which is kept; of several such sentences one is said."""
        session = self._session
        if session.notice == words:
            return
        if not self._said or session.notice != self._said:
            self._before = session.notice
        self._said = session.notice = words

    def _look(self, query: Query) -> None:
        model = Subject(self._session.sources, query).model
        with self._lock:
            self._looks[query.model, query.run] = model.look(), time.monotonic()


def _words(model: str) -> str:
    return f"The weights of {model} are being changed; what is asked is answered when they rest."
