"""What else could be asked: classes Q by how different their map is, recent choices, and a picture of each class."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from traitlets import observe

from xai_widgets.engine import Contrasts, Job, Lane, Output, Query, Sources, Stopped, WeightsChanging, answer
from xai_widgets.engine.query import class_of, plain
from xai_widgets.images import ImageSet
from xai_widgets.models import ImageModel
from xai_widgets.scenes import Candidates
from xai_widgets.session import describe
from xai_widgets.session.history import State
from xai_widgets.session.one_change import OneChange
from xai_widgets.session.panel import OF_THE_PLACE, Panel
from xai_widgets.session.requests import Requests

USUAL, MOST = 24, 200  # classes Q that are compared
DEPENDS = (*OF_THE_PLACE, "target", "gains", "baseline")
PATIENCE = 0.4  # seconds after the last change of a drag before they are made again
SETTLING = 1.0  # seconds after which it is tried again, where the weights were being written
RECENT = 6


@dataclass(frozen=True, eq=False)
class Compared:
    """The classes Q that are compared, and what has arrived.

    Attributes:
        most: how many of the likeliest classes.
        query: of which question.
        made: the maps so far, most likely first; None before the first of them.
        error: why there are none.
        stale: whether the maps are those of an earlier question about the same image; new ones are on their way.
    """

    most: int
    query: Query
    made: Contrasts | None = None
    error: str = ""
    stale: bool = False


class CandidatesOfQ(OneChange):
    """What a session knows of other choices of P and Q; a part of `Session`."""

    query: Query
    output: Output | None
    sources: Sources
    images: ImageSet
    ask: Callable[..., None]
    target: Callable[[], int]
    compared_q: Compared | None
    closed: bool
    _outputs: dict[str, Output]
    _requests: Requests
    _recent: tuple[Any, Any] = (None, ((), ()))

    @property
    def states(self) -> tuple[State, ...]:
        raise NotImplementedError

    @property
    def panel(self) -> Panel:
        raise NotImplementedError

    @property
    def model(self) -> ImageModel:
        raise NotImplementedError

    def candidates(self, most: int | None = USUAL) -> Candidates | None:
        """Compare the classes Q: the map of each, by how different it is from that of "why P?".

        They arrive bit by bit; after `wait` the same call returns them all.

        Args:
            most: so many of the likeliest classes, at most 200; None stops it and forgets them.

        Returns:
            What is known now; None where it was stopped.

        Raises:
            ValueError: another number, or a model of scores.
        """
        with self.changing():
            self._open()
            if most is None:
                self.compared_q = None
                return None
            if not self.model.has_classes:
                raise ValueError(f"maps of all Q are made for classes, and {self.model.name} gives scores.")
            number = plain(most)
            if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= MOST:
                raise ValueError(f"the number of classes to compare must be from 1 to {MOST}, got {most!r}.")
            now = self.compared_q
            if now is None or now.most != number or now.error or now.query.differs(self.query, DEPENDS):
                self._compare(number)
            return describe.candidates(self)  # type: ignore[arg-type]

    def swap(self) -> None:
        """Ask why Q, rather than P.

        Raises:
            ValueError: Q is no class, or the same as P.
        """
        with self.changing():
            contrast, model = self.query.contrast, self.model
            if contrast is None or contrast.kind != "class" or self.output is None:
                raise ValueError("P and Q change places where Q is a class.")
            p, q = self.target(), class_of(contrast.value, model)
            if p == q:
                raise ValueError("P and Q are the same class; choose another one.")
            self.ask(target=q, contrast=p)

    def recent(self) -> tuple[tuple[int, ...], tuple[tuple[int, int], ...]]:
        """Classes that were chosen as P or Q, and pairs (P, Q) that were asked, the last ones first; by number."""
        if not self.model.has_classes:
            return (), ()
        with self.lock:
            query, states = self.query, self.states
            key = (states[-1].number, query.model, query.target, query.contrast)
            if self._recent[0] != key:
                self._recent = key, recently(states, query.model, self.model)
            return self._recent[1]

    def likeliest_image(self, index: int) -> tuple[str, float] | None:
        """The image of the set to which the model gives this class with the largest probability, and that probability.

        None before any image is scored.

        Raises:
            ValueError: there is no such class.
        """
        model = self.model
        if not model.has_classes:
            raise ValueError(f"{model.name} gives scores, and has no classes.")
        number = class_of(plain(index), model)
        with self.lock:
            known = {
                name: float(output.probabilities[number])
                for name, output in self._outputs.items()
                if output.probabilities is not None
            }
        name = max(known, key=known.__getitem__, default=None)
        return None if name is None else (name, known[name])

    # ------------------------------------------------------------------ what a session does by itself

    @observe("output")
    def _answered_anew(self, change: Any) -> None:
        """Answers of other weights, or of an image that was read again, come after nothing was known."""
        before, now = change["old"], change["new"]
        if self.compared_q is not None and now is not None and (before is None or before.weights != now.weights):
            self._candidates_moved(None)

    def _candidates_moved(self, before: Query | None) -> None:
        """Another question has other maps: they are made again where they are looked at."""
        now = self.compared_q
        if now is None or (before is not None and not self.query.differs(before, DEPENDS)):
            return
        if not self.model.has_classes:
            self.compared_q = None
        else:
            self._compare(now.most, after=PATIENCE)

    def _compare(self, most: int, *, after: float = 0.0) -> None:
        asked = self.query
        before = self.compared_q
        kept = before.made if before is not None and not asked.differs(before.query, OF_THE_PLACE) else None
        self.compared_q = wanted = Compared(most, asked, kept, stale=kept is not None)
        requests = self._requests
        lane, work = Lane(requests.owner, "detail", "candidates"), partial(self._make_candidates, wanted)
        failed = partial(self._no_candidates, wanted)
        requests.submit((0, "candidates"), lane, work, failed=failed, after=after)
        requests.call_it((0, "candidates"), "maps of the classes Q")

    # ------------------------------------------------------------------ on the engine's thread

    def _make_candidates(self, wanted: Compared, job: Job) -> None:
        """The maps of the likeliest classes; it stops at the next batch when they are looked at no more."""
        requests, query = self._requests, wanted.query

        def stop() -> None:
            if self.closed or (now := self.compared_q) is None or (now.most, now.query) != (wanted.most, query):
                raise Stopped
            job.let_others()

        def progress(made: Contrasts, share: float) -> None:
            requests.tell("maps of the classes Q", share)
            self._take_candidates(wanted, made)

        try:
            stop()
            requests.tell("maps of the classes Q", 0.0)
            output = answer(self.sources, query, "output", stop=stop)
            chosen = likeliest(output, self.sources.model(query.model).exclusive, wanted.most)
            made = answer(self.sources, query, "contrasts", progress=progress, stop=stop, classes=chosen)
            self._take_candidates(wanted, made)
        finally:
            requests.quiet(job)

    def _take_candidates(self, wanted: Compared, made: Contrasts) -> None:
        with self.changing():
            now = self.compared_q
            if not self.closed and now is not None and (now.most, now.query) == (wanted.most, wanted.query):
                self.compared_q = Compared(wanted.most, wanted.query, made)

    def _no_candidates(self, wanted: Compared, error: BaseException) -> None:
        with self.changing():
            now = self.compared_q
            if self.closed or now is None or (now.most, now.query) != (wanted.most, wanted.query):
                return
            if isinstance(error, WeightsChanging):
                self._compare(now.most, after=SETTLING)
                return
            words = " ".join(str(error).split()) or type(error).__name__
            self.compared_q = Compared(wanted.most, wanted.query, None, words)
        if not isinstance(error, ValueError | RuntimeError):
            self._requests.failed(self.panel, "candidates", error)


def likeliest(output: Output, exclusive: bool, most: int) -> tuple[int, ...]:
    """The likeliest classes Q by number, the likeliest first; P is one of them where Q = P can be asked."""
    values = output.scores if output.probabilities is None else output.probabilities
    order = np.argsort(-np.asarray(values, np.float64), kind="stable").tolist()
    return tuple(index for index in order if exclusive or index != output.target)[:most]


def recently(states: tuple[State, ...], name: str, model: ImageModel) -> tuple[tuple[int, ...], tuple[Any, ...]]:
    """Classes and pairs of classes that were asked of a model, the last ones first."""
    classes, pairs = dict[int, None](), dict[tuple[int, int], None]()
    for state in reversed(states):
        query = state.board.query
        if query.model != name:
            continue
        contrast = query.contrast
        q = class_of(contrast.value, model) if contrast is not None and contrast.kind == "class" else None
        p = None if query.target is None else class_of(query.target, model)
        classes |= dict.fromkeys(index for index in (q, p) if index is not None and index not in classes)
        if p is not None and q is not None and p != q:
            pairs.setdefault((p, q))
        if min(len(classes), len(pairs)) >= RECENT:
            break
    return tuple(classes)[:RECENT], tuple(pairs)[:RECENT]
