"""What is recorded for the answers of an engine: made when the worker is idle, dropped on any doubt.

An answer is recorded when it is asked a second time. Where a recording is missing, was refused or fails, the passes are
made one by one as before; `kernels.tail.recording.report` says how often, and why.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Hashable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from xai_widgets.engine.lanes import Lane, Worker
from xai_widgets.kernels.batches import at_once
from xai_widgets.kernels.checks import check_finite
from xai_widgets.kernels.questions import Pass, Passes, Question, passes, read_cam
from xai_widgets.kernels.recorded import Kept, RecordedCam, RecordedRemovals, RecordedTrunk
from xai_widgets.kernels.scores import Score
from xai_widgets.kernels.tail import Tail
from xai_widgets.kernels.tail.captures import undisturbed
from xai_widgets.kernels.tail.recording import Recorder, Unrecorded, recorder_for, tally

if TYPE_CHECKING:
    from xai_widgets.engine.cache import Cache
    from xai_widgets.engine.subject import Subject

TWICE = 2  # an answer is recorded when it is asked so often
REMEMBERED = 256  # keys of what was asked, or refused
COPIES = 256  # of removals that are recorded at once, at most


class Handle:
    """A recording in the cache. When it leaves, its memory is freed by the worker, which may be using it."""

    def __init__(self, kept: Kept, left: Callable[[Kept], None]) -> None:
        self.kept, self._left = kept, left

    @property
    def nbytes(self) -> int:
        """Of the device."""
        return self.kept.nbytes

    def __del__(self) -> None:
        self._left(self.kept)


class Recordings:
    """The recordings of an engine, one for each model, layer, size of input, kind of answer and precision.

    Args:
        cache: where they are kept, with what else is remembered.
        worker: makes them when it is idle, and frees them; without one both are done at once by who asks.
        record: True, or how; None: on a card of CUDA's, where a capture disturbs nothing else; False: nothing.
    """

    def __init__(self, cache: Cache, worker: Worker | None = None, record: bool | Recorder | None = None) -> None:
        self._cache, self._worker, self._record = cache, worker, record
        self._asked: Counter[Hashable] = Counter()
        self._refused: OrderedDict[Hashable, None] = OrderedDict()
        self._newest: dict[Hashable, Hashable] = {}  # of a model's mark and what is recorded of it, the key
        self._gone: deque[Kept] = deque()
        self._lock = threading.Lock()

    def records(self, device: torch.device) -> bool:
        """Are answers on this device recorded?"""
        return undisturbed(device) if self._record is None else bool(self._record)

    def read_cam(
        self, subject: Subject, question: Question, maps: Tensor | None, *, more: list[Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """See `questions.read_cam`: by a recording where there is one. What it wrote is home before the next begins."""
        tail = subject.tail
        if not self.records(tail.maps.device):
            return read_cam(tail, subject.model.scores, question, maps=maps, more=more)
        with tail.shell.lock:
            by = self._passes(subject, question)
            return read_cam(tail, subject.model.scores, question, maps=maps, by=by, more=more)

    def tail_of(self, subject: Subject, inputs: Tensor, run: Callable[[], Tail]) -> Tail:
        """The tail of some inputs: by a recording of its trunk where there is one, else as `run` makes it."""
        if not isinstance(inputs, Tensor) or not self.records(inputs.device):
            return run()
        key = _key(subject.now.key, subject.layer_and_call, "trunk", tuple(inputs.shape), inputs.dtype)
        kept = self._found(key)
        if kept is None:
            tail = run()
            self._count(key, lambda: RecordedTrunk(self._recorder(inputs.device), tail))
            return tail
        check_finite("inputs", inputs)
        try:
            with subject.now.shell.lock:
                tail = kept(inputs)
        except Exception as error:
            return self._otherwise(key, error, run)
        tally.add("replayed")
        return tail

    def removals(
        self, model: Hashable, layer: Hashable, tail: Tail, score: Score, level: Tensor, count: int
    ) -> Removed | None:
        """A recording of removals, where there is one for this score and baseline and it is worth its size.

        Args:
            model: the key of the model as it is now.
            layer: its name, and which call of it.
        """
        if not self.records(tail.maps.device) or tail.sparse.used or len(tail.inputs) != 1:
            return None
        size = min(COPIES, tail.maps.shape[1], at_once(tail.sparse.bytes_of_copy, tail.maps.device))
        if 4 * count < size:
            return None
        key = _key(model, layer, "removals", tuple(tail.inputs.shape), tail.autocast, tuple(level.shape))
        kept = self._found(key)
        if kept is None:
            make = partial(RecordedRemovals, tail=tail, score=score, size=size, level=level.detach().clone())
            self._count(key, lambda: make(self._recorder(tail.maps.device)))
            return None
        if not kept.takes(score):
            return None
        return Removed(kept, lambda error: self._drop(key, error))

    def settle(self) -> None:
        """Free the memory of what left the cache."""
        self._gone.clear()

    def _passes(self, subject: Subject, question: Question) -> Pass:
        tail, score = subject.tail, subject.model.scores
        of_logits = question.of_logits and question.reader(score) != score
        key = _key(subject.now.key, subject.layer_and_call, "cam", tuple(tail.inputs.shape), tail.autocast, of_logits)
        kept = self._found(key)
        if kept is None:
            self._count(key, lambda: RecordedCam(self._recorder(tail.maps.device), tail, score, of_logits=of_logits))
            return passes
        if not kept.takes(score):
            return passes
        return partial(self._replayed, key, kept)

    def _replayed(
        self, key: Hashable, kept: RecordedCam, tail: Any, score: Score, question: Question, maps: Tensor | None
    ) -> Passes:
        try:
            found = kept(tail, score, question, maps)
        except Exception as error:
            return self._otherwise(key, error, partial(passes, tail, score, question, maps))
        tally.add("replayed")
        return found

    def _otherwise(self, key: Hashable, error: Exception, run: Callable[[], Any]) -> Any:
        """What is computed where a replay failed. Where this fails too, what was asked is at fault: it stays."""
        found = run()
        self._drop(key, error)
        return found

    def _drop(self, key: Hashable, error: Exception) -> None:
        tally.add("dropped", error)
        self._refuse(key)
        self._cache.drop(key)

    def _refuse(self, key: Hashable) -> None:
        with self._lock:
            self._refused[key] = None
            while len(self._refused) > REMEMBERED:
                self._refused.popitem(last=False)

    def _found(self, key: Hashable) -> Any:
        """What is recorded under a key; what was recorded of the same with other weights is dropped."""
        handle = self._cache.get(key)
        about = _without_weights(key)
        with self._lock:
            if len(self._newest) > REMEMBERED:
                self._newest.clear()
            before = self._newest.get(about, key)
            self._newest[about] = key
        if before != key:
            self._cache.drop(before)
        return None if handle is None else handle.kept

    def _count(self, key: Hashable, make: Callable[[], Kept]) -> None:
        """It was asked and is not recorded: make it, the second time, when the worker has nothing else to do."""
        with self._lock:
            if len(self._asked) > REMEMBERED:
                self._asked.clear()
            self._asked[key] += 1
            if self._asked[key] < TWICE or key in self._refused:
                return
        if self._worker is None:
            self._make(key, make)
        else:
            with suppress(RuntimeError):  # it was closed meanwhile
                self._worker.submit(Lane(id(self), "record", str(hash(key))), lambda job: self._make(key, make))

    def _make(self, key: Hashable, make: Callable[[], Kept]) -> None:
        self.settle()
        if self._cache.get(key) is not None:
            return
        try:
            kept = make()
            self._cache.put(key, Handle(kept, self._left))
            if self._cache.get(key) is None:
                raise Unrecorded("it is larger than what the engine may remember")
        except Exception as error:
            tally.add("refused", error)
            self._refuse(key)
            return
        tally.add("made")

    def _left(self, kept: Kept) -> None:
        self._gone.append(kept)
        if self._worker is None:
            self.settle()
        else:
            with suppress(RuntimeError):
                self._worker.submit(Lane(id(self), "record", "free"), lambda job: self.settle())

    def _recorder(self, device: torch.device) -> Recorder:
        return recorder_for(device) if isinstance(self._record, bool | None) else self._record


class Removed:
    """A recording of removals as `removal_scores` uses it: None where it failed, and from then on."""

    def __init__(self, kept: RecordedRemovals, drop: Callable[[Exception], None]) -> None:
        self._kept: RecordedRemovals | None = kept
        self._drop = drop
        self.size = kept.size

    def __call__(self, tail: Tail, places: Tensor, level: Tensor) -> Tensor | None:
        """The scores without each of these maps."""
        if self._kept is None:
            return None
        try:
            with tail.shell.lock:
                found = self._kept(tail, places, level)
        except Exception as error:
            self._kept = None
            self._drop(error)
            return None
        tally.add("replayed")
        return found


def _key(model: Hashable, layer: Hashable, kind: str, *more: Hashable) -> tuple[Hashable, ...]:
    return ("recording", model, kind, layer, *more)


def _without_weights(key: Any) -> Hashable:
    """The key of the same with any weights: of a model it keeps the mark."""
    _, (_, mark), *rest = key
    return (mark, *rest)
