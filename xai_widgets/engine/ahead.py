"""Of several queries: the images of the next ones are read, prepared and sent while the one before is answered.

Networks run on the thread that answers. The other thread reads files and runs transforms of known libraries. The user's
own transforms and datasets run on the thread that answers.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from xai_widgets.engine.subject import Subject

if TYPE_CHECKING:
    from xai_widgets.engine.query import Query
    from xai_widgets.engine.sources import Sources
    from xai_widgets.models import Prepared

MOST = 4  # images that are prepared and not answered yet


@dataclass(frozen=True)
class Ready:
    """What was prepared of an image, and of which content and model.

    Attributes:
        digest: of the image, taken before it was read.
        model: the key of the model.
        inputs: what the network eats, on its device, to be taken once: a network may write over it. Empty where the
            thread that answers makes it.
    """

    digest: str
    model: object
    prepared: Prepared
    inputs: list[Tensor]


class Ahead:
    """A thread that prepares images for queries that are answered in their order. To be closed.

    Args:
        queries: of which at most `MOST` are prepared before they are asked for.
    """

    def __init__(self, sources: Sources, queries: Sequence[Query]) -> None:
        self._sources, self._queries = sources, queries
        self._changed = threading.Condition()
        self._done: dict[int, Ready | None] = {}  # by number, until it is asked for
        self._now, self._making, self._closed = 0, -1, False
        self._thread: threading.Thread | None = None
        if len({query.image for query in queries}) > 1:
            self._thread = threading.Thread(target=self._run, name="xai_widgets images", daemon=True)
            self._thread.start()

    def subject(self, number: int) -> Subject:
        """The subject of a query, whose turn it is now."""
        with self._changed:
            self._now = number
            self._done = {place: ready for place, ready in self._done.items() if place >= number}
            self._changed.notify_all()
        return Subject(self._sources, self._queries[number], ahead=lambda: self._take(number))

    def close(self) -> None:
        """End the thread, which finishes the image that it is at."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()
        self._done.clear()

    def _take(self, number: int) -> Ready | None:
        """What was prepared for a query. What is being made is waited for, what was not begun is not."""
        with self._changed:
            self._changed.wait_for(lambda: self._making != number)
            return self._done.pop(number, None)

    def _run(self) -> None:
        while (number := self._next()) is not None:
            try:
                with torch.no_grad():
                    ready = self._made(self._queries[number])
            except BaseException:  # the thread that answers meets it again, and says it
                ready = None
            with self._changed:
                self._making = -1
                if number >= self._now:
                    self._done[number] = ready
                self._changed.notify_all()
            del ready

    def _next(self) -> int | None:
        """The first query that is not prepared and comes after the one whose turn it is; None at the end."""
        with self._changed:
            last = -1
            while not self._closed:
                last = max(last, self._now, *self._done)
                if last + 1 >= len(self._queries):
                    return None
                if last + 1 <= self._now + MOST:
                    self._making = last + 1
                    return self._making
                self._changed.wait()
            return None

    def _made(self, query: Query) -> Ready | None:
        sources = self._sources
        if not sources.ready(query.model or sources.given_names[0]):
            return None  # models are loaded where they run
        subject = Subject(sources, query)
        slices = [sources.images.slice(word) for word in sources.images.slices or ("",)]
        if not subject.model.fresh or not all(some.any_thread(query.image) for some in slices):
            return None
        if sources.cache.get(("prepared", *subject.key)) is not None:
            return None
        picture = subject.picture
        if not subject.model.transform_is_known:
            return None  # it is read
        prepared = subject.model.prepare(picture)
        whole = subject.model.images == 1 and query.degradation is None
        inputs = [subject.model.normalise(prepared.pixels[None])] if whole else []
        return Ready(subject.digest, subject.now.key, prepared, inputs)
