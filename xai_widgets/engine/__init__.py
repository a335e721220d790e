"""The engine: queries in, answers out. One worker, a bounded memory, a record for each method and each part."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Collection, Hashable
from functools import partial
from typing import ClassVar

import torch

from xai_widgets.engine.answering import answer as answer
from xai_widgets.engine.answers import Activations as Activations
from xai_widgets.engine.answers import Agreement as Agreement
from xai_widgets.engine.answers import Contrasts as Contrasts
from xai_widgets.engine.answers import Explanation as Explanation
from xai_widgets.engine.answers import Impacts as Impacts
from xai_widgets.engine.answers import Joint as Joint
from xai_widgets.engine.answers import Likeness as Likeness
from xai_widgets.engine.answers import Maps as Maps
from xai_widgets.engine.answers import Margins as Margins
from xai_widgets.engine.answers import Measures as Measures
from xai_widgets.engine.answers import Output as Output
from xai_widgets.engine.answers import Receipt as Receipt
from xai_widgets.engine.answers import Region as Region
from xai_widgets.engine.answers import Saliency as Saliency
from xai_widgets.engine.answers import Secondary as Secondary
from xai_widgets.engine.cache import Cache as Cache
from xai_widgets.engine.degraded import degraded as degraded
from xai_widgets.engine.known import Rating as Rating
from xai_widgets.engine.known import column_of as column_of
from xai_widgets.engine.known import is_known_of as is_known_of
from xai_widgets.engine.known import known_rating as known_rating
from xai_widgets.engine.known import label_of as label_of
from xai_widgets.engine.known import no_confidence as no_confidence
from xai_widgets.engine.known import rating_of as rating_of
from xai_widgets.engine.known import ratings_of as ratings_of
from xai_widgets.engine.known import score_range as score_range
from xai_widgets.engine.known import stated_range as stated_range
from xai_widgets.engine.known import unfitting as unfitting
from xai_widgets.engine.known import unusable as unusable
from xai_widgets.engine.lanes import KINDS as KINDS
from xai_widgets.engine.lanes import Job as Job
from xai_widgets.engine.lanes import Lane as Lane
from xai_widgets.engine.lanes import Stopped as Stopped
from xai_widgets.engine.lanes import Worker
from xai_widgets.engine.limits import cache_bytes_of, threads_of
from xai_widgets.engine.methods import METHODS as METHODS
from xai_widgets.engine.methods import Method as Method
from xai_widgets.engine.parts import PARTS as PARTS
from xai_widgets.engine.query import Contrast as Contrast
from xai_widgets.engine.query import Degradation as Degradation
from xai_widgets.engine.query import Query as Query
from xai_widgets.engine.recordings import Recorder as Recorder
from xai_widgets.engine.recordings import Recordings
from xai_widgets.engine.set_answers import Column as Column
from xai_widgets.engine.set_answers import SetAnswers as SetAnswers
from xai_widgets.engine.sources import ModelSource as ModelSource
from xai_widgets.engine.sources import Sources as Sources
from xai_widgets.engine.subject import Subject as Subject
from xai_widgets.engine.unsettled import WeightsChanging as WeightsChanging
from xai_widgets.kernels.ablation import ROLES as ROLES
from xai_widgets.models import ImageModel


class Engine:
    """A worker thread that owns the networks, and a memory of what was answered.

    Args:
        cache_bytes: how much is remembered at most, without the weights of networks; by default what the variable
            XAI_WIDGETS_CACHE_BYTES says, such as 256M, else 1 GiB.
        threads: on how many CPU threads the worker computes; by default what XAI_WIDGETS_THREADS says, else as torch
            does. Cells keep their own number of threads.
        record: whether answers that are asked again are recorded on an accelerator and replayed with one launch, see
            `kernels.tail.recording`; by default on a card of CUDA's. Or a `Recorder`.

    Raises:
        ValueError: less than one byte or thread.
    """

    _shared: Engine | None = None
    _shared_lock = threading.Lock()
    _open: ClassVar[weakref.WeakSet[Engine]] = weakref.WeakSet()

    def __init__(
        self, cache_bytes: int | None = None, *, threads: int | None = None, record: bool | Recorder | None = None
    ) -> None:
        self.threads = threads_of(threads)
        self.cache = Cache(cache_bytes_of(cache_bytes))
        self.worker = Worker(None if self.threads is None else partial(torch.set_num_threads, self.threads))
        self.recordings = self.cache.recordings = Recordings(self.cache, self.worker, record)
        self._users: dict[Hashable, set[Hashable]] = {}  # who works with a model, by the model's mark
        self._followed: weakref.WeakSet[ImageModel] = weakref.WeakSet()  # models whose end is heard of
        self._users_lock = threading.Lock()
        Engine._open.add(self)

    @classmethod
    def using(cls, tokens: Collection[Hashable]) -> Engine | None:
        """An engine whose sessions work with one of these models, given by their marks; None where there is none."""
        for engine in list(cls._open):
            with engine._users_lock:
                if not engine.worker.closed and any(engine._users.get(token) for token in tokens):
                    return engine
        return None

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
                if run not in self._followed:
                    self._followed.add(run)
                    weakref.finalize(run, self.cache.forget_later, run.token)
                self._users.setdefault(run.token, set()).add(user)

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
        self.recordings.settle()
