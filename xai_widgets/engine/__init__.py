"""The engine: queries in, answers out. One worker, a bounded memory, a record for each method and each part."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Hashable

from xai_widgets.engine.answering import answer as answer
from xai_widgets.engine.answers import Activations as Activations
from xai_widgets.engine.answers import Agreement as Agreement
from xai_widgets.engine.answers import Explanation as Explanation
from xai_widgets.engine.answers import Impacts as Impacts
from xai_widgets.engine.answers import Joint as Joint
from xai_widgets.engine.answers import Maps as Maps
from xai_widgets.engine.answers import Measures as Measures
from xai_widgets.engine.answers import Output as Output
from xai_widgets.engine.answers import Receipt as Receipt
from xai_widgets.engine.answers import Region as Region
from xai_widgets.engine.answers import Saliency as Saliency
from xai_widgets.engine.answers import Secondary as Secondary
from xai_widgets.engine.cache import Cache as Cache
from xai_widgets.engine.lanes import KINDS as KINDS
from xai_widgets.engine.lanes import Job as Job
from xai_widgets.engine.lanes import Lane as Lane
from xai_widgets.engine.lanes import Stopped as Stopped
from xai_widgets.engine.lanes import Worker
from xai_widgets.engine.methods import METHODS as METHODS
from xai_widgets.engine.methods import Method as Method
from xai_widgets.engine.parts import PARTS as PARTS
from xai_widgets.engine.query import Contrast as Contrast
from xai_widgets.engine.query import Degradation as Degradation
from xai_widgets.engine.query import Query as Query
from xai_widgets.engine.sources import ModelSource as ModelSource
from xai_widgets.engine.sources import Sources as Sources
from xai_widgets.engine.subject import Subject as Subject
from xai_widgets.engine.subject import label_of as label_of
from xai_widgets.engine.subject import score_range as score_range
from xai_widgets.kernels.ablation import ROLES as ROLES
from xai_widgets.models import ImageModel

GIBIBYTE = 2**30


class Engine:
    """A worker thread that owns the networks, and a memory of what was answered.

    Args:
        cache_bytes: how much is remembered at most.
    """

    _shared: Engine | None = None
    _shared_lock = threading.Lock()

    def __init__(self, cache_bytes: int = GIBIBYTE) -> None:
        self.cache = Cache(cache_bytes)
        self.worker = Worker()
        self._users: dict[Hashable, set[Hashable]] = {}  # who works with a model, by the model's mark
        self._users_lock = threading.Lock()

    @classmethod
    def shared(cls) -> Engine:
        """The engine of all sessions that bring none of their own, one a process."""
        with cls._shared_lock:
            if cls._shared is None or cls._shared.worker.closed:
                cls._shared = cls()
            return cls._shared

    def wait(self, seconds: float = 60) -> bool:
        """Wait until nothing waits or runs; False when the time is up first."""
        return self.worker.wait(seconds)

    def use(self, model: ImageModel, user: Hashable) -> None:
        """Note that someone works with a model. What is remembered about it goes with the model, or with its users."""
        with self._users_lock:
            for run in model.runs:
                if run.token not in self._users:
                    self._users[run.token] = set()
                    weakref.finalize(run, self.cache.forget_later, run.token)
                self._users[run.token].add(user)

    def leave(self, user: Hashable) -> None:
        """Forget what is remembered about models that nobody else works with."""
        with self._users_lock:
            for users in self._users.values():
                users.discard(user)
            left = [token for token, users in self._users.items() if not users]
            for token in left:
                del self._users[token]
        for token in left:
            self.cache.drop_about(token)

    def close(self) -> None:
        """Stop the worker and forget everything. May be called twice."""
        self.worker.close()
        self.cache.clear()
