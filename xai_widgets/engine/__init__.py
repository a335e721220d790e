"""The engine: one worker, a bounded memory, and the answers to what sessions ask."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

import torch

from xai_widgets.engine.answers import Impacts as Impacts
from xai_widgets.engine.answers import Maps as Maps
from xai_widgets.engine.answers import Measures as Measures
from xai_widgets.engine.answers import Output as Output
from xai_widgets.engine.answers import Saliency as Saliency
from xai_widgets.engine.cache import Cache
from xai_widgets.engine.lanes import KINDS as KINDS
from xai_widgets.engine.lanes import Cancelled as Cancelled
from xai_widgets.engine.lanes import Job as Job
from xai_widgets.engine.lanes import Lane as Lane
from xai_widgets.engine.lanes import Worker
from xai_widgets.engine.subject import Subject as Subject
from xai_widgets.engine.subject import label_of as label_of
from xai_widgets.engine.subject import score_range as score_range

Value = TypeVar("Value")
GIBIBYTE = 2**30


class Engine:
    """Answers questions on one worker thread and remembers what it computed.

    Args:
        cache_bytes: how much is remembered at most.
    """

    _shared: Engine | None = None
    _shared_lock = threading.Lock()

    def __init__(self, cache_bytes: int = GIBIBYTE) -> None:
        self.cache = Cache(cache_bytes)
        self.worker = Worker()

    @classmethod
    def shared(cls) -> Engine:
        """The engine that sessions use which bring none of their own, one a process."""
        with cls._shared_lock:
            if cls._shared is None or cls._shared.worker.closed:
                cls._shared = cls()
            return cls._shared

    def remember(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """What was made for this key, or made now."""
        known = self.cache.get(key)
        if known is None:
            known = make()
            self.cache.put(key, known)
        return known  # type: ignore[no-any-return]

    def submit(
        self,
        lane: Lane,
        work: Callable[[Job], Any],
        done: Callable[[Any], None] | None = None,
        failed: Callable[[Exception], None] | None = None,
    ) -> Job:
        """Put a request into a lane and return at once; see `Worker`."""
        return self.worker.submit(lane, work, done, failed)

    def call(self, work: Callable[[Job], Value]) -> Value:
        """Run `work` on the worker's thread before all else, and wait for it."""
        return self.worker.call(work)  # type: ignore[no-any-return]

    def cancel(self, owner: Hashable, *kinds: str) -> None:
        self.worker.cancel(owner, *kinds)

    def wait(self, seconds: float = 60) -> bool:
        """Wait until nothing waits or runs; False when the time is up first."""
        return self.worker.wait(seconds)

    def close(self) -> None:
        """Stop the worker and forget everything. May be called twice."""
        self.worker.close()
        self.cache.clear()

    @staticmethod
    def device() -> torch.device:
        """Where a model is put that names no device: the accelerator of this machine, else the CPU."""
        accelerator = torch.accelerator.current_accelerator(check_available=True)
        return accelerator if accelerator is not None else torch.device("cpu")
