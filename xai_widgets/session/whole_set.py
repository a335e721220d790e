"""What is known of the whole set of images: brought by a study, or made here in the background."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from xai_widgets.engine import PARTS, Job, Lane, Query, Sources, WeightsChanging, answer
from xai_widgets.engine.query import one_of
from xai_widgets.engine.set_answers import SetAnswers
from xai_widgets.images import ImageSet
from xai_widgets.models import ImageModel
from xai_widgets.session.look import Status
from xai_widgets.session.one_change import OneChange
from xai_widgets.session.samples import first_shown
from xai_widgets.session.set_queries import OF_THE_SET, plain_query, row_of, same_target, targets_of
from xai_widgets.session.set_rows import Rows, combined, record, without

if TYPE_CHECKING:
    from xai_widgets.session.requests import Requests

REST = 1.0  # seconds without a change of model or layer before the set is looked at
OFTEN = 0.5  # seconds between two updates of what is known
MOST = 2_000  # images of a set that is looked at without being asked
CHUNK = 32  # images that are asked together
KEPT = 4  # models and layers of which what was made is remembered
WHAT = ("activations", "impacts")
REPLACED = "its file was written again after this was computed"

Key = tuple[Hashable, ...]


class SetWork:
    """Asks the same of every image, when nothing else is to be done, and remembers the rows."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests
        self._known: OrderedDict[Key, dict[Key, Rows]] = OrderedDict()
        self._jobs: dict[str, Job] = {}

    def rows(self, query: Query, what: str, *, make: bool = False) -> Rows | None:
        """What was made so far; the least recently asked model and layer is forgotten where there are too many.

        Args:
            make: whether there are rows from now on.
        """
        key = tuple(getattr(query, name) for name in OF_THE_SET)
        if key not in self._known and not make:
            return None
        parts = self._known.setdefault(key, {})
        self._known.move_to_end(key)
        while len(self._known) > KEPT:
            self._known.popitem(last=False)
        place = (what,) if what == "activations" else (what, query.target, query.baseline)
        if place not in parts and make:
            others = [one for one in parts if one[0] == what]
            for old in others[: max(len(others) - KEPT + 1, 0)]:
                del parts[old]
            parts[place] = Rows(len(self._requests.session.images))
        return parts.get(place)

    def ask(self, query: Query, what: str, *, after: float = 0.0, only: Collection[str] | None = None) -> None:
        """Make what is not there yet, of all images or only of some; not before so many seconds."""
        rows = self.rows(query, what, make=True)
        assert rows is not None
        session = self._requests.session
        there = session.brought_images(what)
        some = list(session.images.names)
        if only is not None:  # first, where all are being made
            going = self.running(what)
            some = sorted((name for name in some if going or name in only), key=lambda name: name not in only)
        left = [name for name in some if name not in rows and name not in there]
        self.stop(what)
        if left:
            worker, lane = self._requests.engine.worker, Lane(self._requests.owner, "set", what)
            failed = partial(self._failed, query, what, only)
            self._jobs[what] = worker.submit(lane, partial(self._make, query, what, left), failed=failed, after=after)

    def stop(self, *what: str) -> None:
        """Stop what waits or runs, at the next batch; what was made so far stays."""
        for name in what or WHAT:
            if name in self._jobs:
                self._jobs.pop(name).cancelled.set()
        self._requests.session.looks_at_set("", None)

    def running(self, what: str) -> bool:
        return what in self._jobs and not self._jobs[what].ended.is_set()

    @property
    def jobs(self) -> list[Job]:
        """Those that go on."""
        return [job for job in self._jobs.values() if not (job.ended.is_set() or job.cancelled.is_set())]

    def forget(self, model: str, run: int) -> None:
        """What was made with other weights is no longer true."""
        self.stop()
        for key in [key for key in self._known if key[:2] == (model, run)]:
            del self._known[key]

    def drop(self, names: Iterable[str]) -> None:
        """These images are others now."""
        some = list(names)
        for parts in self._known.values():
            for rows in parts.values():
                rows.drop(some)

    # ------------------------------------------------------------------ on the engine's thread

    def _make(self, query: Query, what: str, names: list[str], job: Job) -> None:
        requests, session, rows = self._requests, self._requests.session, self.rows(query, what, make=True)
        assert rows is not None
        total, due = len(session.images), 0.0
        others = total - len(names) - len(rows) - len(rows.failed)  # that a study has brought
        base = plain_query(query, what)

        def take(always: bool = False) -> None:
            nonlocal due
            began = time.monotonic()
            if always or began >= due:
                if not job.cancelled.is_set():
                    count = others + len(rows) + len(rows.failed)
                    session.looks_at_set(f"{PARTS[what].words}, {count:,} of {total:,} images", count / total)
                now = time.monotonic()
                due = now + max(OFTEN, 10 * (now - began))  # medians of large sets take a while

        def show(made: Any, _: float) -> None:
            with session.lock:
                rows.add(made.query.image, **row_of(made))
            take()

        def failed(of: Query, error: BaseException) -> None:
            if isinstance(error, WeightsChanging):
                raise error  # no fault of the image: it is asked for again
            with session.lock:
                rows.fail(of.image, " ".join(str(error).split()) or type(error).__name__)
            take()

        try:
            requests.unsettled.check(query)
            take(always=True)
            for start in range(0, len(names), CHUNK):
                queries = [replace(base, image=name) for name in names[start : start + CHUNK]]
                answer(session.sources, queries, what, progress=show, stop=job.let_others, passing=True, failed=failed)
        finally:
            session.looks_at_set("", None)

    def _failed(self, query: Query, what: str, only: Collection[str] | None, error: BaseException) -> None:
        session = self._requests.session
        if not isinstance(error, WeightsChanging):
            self._requests.failed(session.panel, "set", error)
        elif not session.closed and not query.differs(session.query, OF_THE_SET):
            self.ask(query, what, after=REST, only=only)


class WholeSet(OneChange):
    """What a session knows of all images under the active panel's model, run and layer; a part of `Session`."""

    lock: Any
    closed: bool
    query: Query
    sources: Sources
    images: ImageSet
    status: Status
    of_set: SetAnswers | None
    say: Callable[[str], None]
    _requests: Requests
    _brought: dict[tuple[str, int, str], SetAnswers]
    _of_set_from: tuple[Any, ...] = ()
    _fill_card: Callable[[], None]
    _card_moved: Callable[[Query], None]
    _region_moved: Callable[[Query], None]
    _card_again: Callable[..., None]

    @property
    def model(self) -> ImageModel:
        raise NotImplementedError

    def bring(self, known: SetAnswers | Iterable[SetAnswers] | Mapping[Any, SetAnswers]) -> None:
        """Take in what a study knows of many images; what it knows is not computed again here.

        Args:
            known: of one model, run and layer, or of several; of two with the same the last one holds.

        Raises:
            TypeError: something else.
            ValueError: another set of images, a model that this session does not have, a layer without maps, or another
                number of maps.
        """
        given = [known] if isinstance(known, SetAnswers) else known.values() if isinstance(known, Mapping) else known
        some = list(given) if isinstance(given, Iterable) else [given]
        for one in some:
            if not isinstance(one, SetAnswers):
                raise TypeError(f"what is known of a set must be SetAnswers, got {type(one).__name__}.")
            self._check_brought(one)
        with self.changing():
            self._open()
            self._brought = {**self._brought, **{one.key: one for one in some}}
            self._requests.set_work.stop()
            self._begin_set()
            self._follow_set()

    def _check_brought(self, one: SetAnswers) -> None:
        if one.set_name and one.set_name != self.images.name:
            raise ValueError(
                f"what is known is of the set {one.set_name!r}, and this session shows {self.images.name!r}: "
                "open a session with the images of the study."
            )
        one_of("model", one.model, self.sources.names)
        if not self.sources.ready(one.model):
            return
        listed = {layer.name: layer.maps for layer in self.sources.model(one.model).layers()}
        layer = one_of("layer", one.layer, listed)
        for values in (one.maximum, one.delta_y):
            if values is not None and values.shape[1] != listed[layer]:
                maps = f"{listed[layer]:,} feature maps"
                raise ValueError(
                    f"{layer!r} of {one.model!r} has {maps}, and what is known of the set is of {values.shape[1]:,}; "
                    "was it computed with another model?"
                )

    def know_set(self, what: str = "activations", *, images: Collection[str] | None = None) -> None:
        """Look at every image of the set, in the background; `of_set` grows as images are done.

        "activations" is done without being asked for a set of at most 2,000 images. What is there already, or was
        brought by a study, is not computed again. `cancel` stops it, and a further call goes on.

        Args:
            what: "activations" for what each map answers to, or "impacts" for what the removal of each map changes: of
                the class or score that is explained, with the baseline that is asked.
            images: only of these, by name; of all if left out.

        Raises:
            ValueError: another word, or an image that is not in the set.
        """
        one_of("what", what, WHAT)
        only = None if images is None else {one_of("image", name, self.images.names) for name in images}
        with self.changing():
            self._open()
            if not self._is_brought(what):
                self._requests.set_work.ask(self.query, what, only=only)

    def knows_set(self, what: str = "activations") -> str:
        """How much is known: "all", "some", "coming" while it is being made, or "" for nothing."""
        one_of("what", what, WHAT)
        with self.lock:
            if self._is_brought(what):
                return "all"
            work = self._requests.set_work
            rows, there = work.rows(self.query, what), self.brought_images(what)
            count = sum(name in there or (rows is not None and name in rows) for name in self.images.names)
            if count >= len(self.images):
                return "all"
            return "coming" if work.running(what) else "some" if count else ""

    def looks_at_set(self, words: str, share: float | None) -> None:
        """Say how far it is, and show what is known; no words where nothing is being done."""
        with self.changing():
            if not self.closed:
                if (self.status.background, self.status.share) != (words, share):
                    self.status = replace(self.status, background=words, share=share)
                self._follow_set()

    # ------------------------------------------------------------------ what a session does by itself

    @property
    def _small(self) -> bool:
        """Whether the set is looked at without being asked."""
        return len(self.images) <= MOST

    def _begin_set(self) -> None:
        """Look at a set that is not too large when all else rests."""
        if self._small and not self._is_brought("activations"):
            self._requests.set_work.ask(self.query, "activations", after=REST)

    def _set_moved(self, before: Query) -> None:
        """The active panel asks something else."""
        now = self.query
        self._card_moved(before)
        self._region_moved(before)
        if now.differs(before, OF_THE_SET):
            self._requests.set_work.stop()
            self._begin_set()
            self._follow_set()
        elif now.differs(before, ("target", "baseline")):
            self._requests.set_work.stop("impacts")
            self._follow_set()

    def _set_reread(self, names: tuple[str, ...]) -> None:
        """The files of these images are others: what is known of them is no longer true."""
        work, why = self._requests.set_work, dict.fromkeys(names, REPLACED)
        asked = [what for what in WHAT if self.knows_set(what)]
        self._brought = {key: without(one, why) for key, one in self._brought.items()}
        work.drop(names)
        self._card_again(names)
        self._follow_set()
        for what in asked:
            if not self._is_brought(what):
                work.ask(self.query, what, after=REST)

    def _set_forget(self, model: str, run: int, *, brought: bool = True) -> None:
        """What was made of a model, and what was brought of it, is of other weights."""
        self._requests.set_work.forget(model, run)
        if brought:
            self._leave_out(model, run)
        if (model, run) == (self.query.model, self.query.run):
            self._card_again()
        self._begin_set()
        self._follow_set()

    def _leave_out(self, model: str, run: int) -> None:
        gone = [one for key, one in self._brought.items() if key[:2] == (model, run)]
        self._brought = {key: one for key, one in self._brought.items() if key[:2] != (model, run)}
        if gone:
            whose = gone[0].source or "a study"
            self.say(f"The weights of {model} have changed, so that what {whose} knows of all images is left out.")

    @property
    def brought(self) -> SetAnswers | None:
        """What was brought for the active panel; a study asks about the first image of each sample."""
        query = self.query
        if query.shown != first_shown(self.images) or query.call is not None:
            return None
        return self._brought.get((query.model, query.run, query.layer))

    def brought_images(self, what: str) -> frozenset[str]:
        """The images of which a study brought "activations" or "impacts" that are true here, or why they failed."""
        found = self.brought
        if found is None or not self._counts(found, what):
            return frozenset()
        return found.having[what].union(found.failed)

    def _counts(self, brought: SetAnswers, what: str) -> bool:
        """Whether what was brought is what is asked; impacts of a part of the set are not mixed with other ones."""
        if what == "activations":
            return brought.maximum is not None
        if brought.delta_y is None or brought.baseline != self.query.baseline:
            return False
        whole = brought.having[what].union(brought.failed).issuperset(self.images.names)
        return whole or same_target(self.model, self.query, brought.targets)

    def _is_brought(self, what: str) -> bool:
        there = self.brought_images(what)
        return bool(there) and there.issuperset(self.images.names)

    def _follow_set(self) -> None:
        """Put together what is known, where that has changed."""
        work, query, brought = self._requests.set_work, self.query, self.brought
        rows = [work.rows(query, what) for what in WHAT]
        now: tuple[Any, ...] = (brought, *rows, *(None if one is None else one.version for one in rows))
        now = (*now, query.model, query.layer, query.target, query.baseline)
        if len(now) == len(self._of_set_from) and all(
            a is b or a == b for a, b in zip(now, self._of_set_from, strict=True)
        ):
            return
        self._of_set_from = now
        counts = () if brought is None else [what for what in WHAT if self._counts(brought, what)]
        names = self.images.names
        found = combined(brought, record(self._empty(), names, *rows), names, counts)
        if found is not self.of_set:
            self.set_trait("of_set", found)
        self._fill_card()

    def _empty(self) -> SetAnswers:
        query, model = self.query, self.model
        listed = {layer.name: (layer.height, layer.width) for layer in model.layers()}
        return SetAnswers(
            query.model,
            query.run,
            query.layer,
            (),
            source="this explorer",
            grid=listed.get(query.layer, (0, 0)),
            targets=targets_of(model, query),
            baseline=query.baseline,
        )
