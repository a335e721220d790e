"""From queries to answers. Nothing but the arguments and what is remembered decides what comes out.

The same function serves a click, a script and a study. It runs on the thread that calls it, the worker's or a script's.
The keys under which answers are remembered are made here, and nowhere else.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from functools import partial as bound
from typing import Any, overload

from torch import Tensor

from xai_widgets.engine.ahead import Ahead
from xai_widgets.engine.asking import Request
from xai_widgets.engine.lanes import Stopped
from xai_widgets.engine.methods import method_named, options_of
from xai_widgets.engine.options import resolved
from xai_widgets.engine.parts import PARTS, Part, stale_fields
from xai_widgets.engine.query import Query, one_of
from xai_widgets.engine.sources import Sources
from xai_widgets.engine.subject import Subject
from xai_widgets.engine.unsettled import of_one_network
from xai_widgets.kernels.faults import in_one_sentence

TOGETHER = 16  # images of one pass
Progress = Callable[[Any, float], None]
Stop = Callable[[], object]
Failed = Callable[[Query, BaseException], None]


@overload
def answer(
    sources: Sources, queries: Query, part: str, *, progress: Progress | None = None, stop: Stop | None = None,
    partial: bool = False, again: bool = False, passing: bool = False, **options: Any,
) -> Any: ...  # fmt: skip
@overload
def answer(
    sources: Sources, queries: Sequence[Query], part: str, *, progress: Progress | None = None,
    stop: Stop | None = None, partial: bool = False, again: bool = False, passing: bool = False,
    failed: Failed | None = None, **options: Any,
) -> list[Any]: ...  # fmt: skip
def answer(
    sources: Sources,
    queries: Query | Sequence[Query],
    part: str,
    *,
    progress: Progress | None = None,
    stop: Stop | None = None,
    partial: bool = False,
    again: bool = False,
    passing: bool = False,
    failed: Failed | None = None,
    **options: Any,
) -> Any:
    """One part of the answer to a query, or to each of several.

    Args:
        sources: models, images and what is remembered.
        queries: one, or several.
        part: "explanation", "output", "maps", "impacts" or another name in `parts.PARTS`.
        progress: takes answers that are not complete yet and the share that is done, in [0, 1]; of several queries
            each answer when it is there.
        stop: called between micro-batches; what it returns, if true, ends the work.
        partial: whether what is known at once will do, such as effects of which some are estimated.
        again: whether it is computed again although it is remembered.
        passing: whether what is remembered on the way is the first to be forgotten, as of a pass over a whole set.
        failed: of several queries, takes one that has no answer and why; its place in the list is None then. Without
            it the first failure is raised.
        options: of the part.

    Returns:
        A frozen answer, with the query that it answers; of several queries a list in their order.

    Raises:
        ValueError: an unknown part, method, option, image, model or class, or a method without what it needs.
        DeviceFault: the memory of an accelerator is full, it is lost, or it lacks an operation or a precision.
        WeightsChanging: the weights of the network were written meanwhile.
        Stopped: `stop` said so.
    """
    record = PARTS[one_of("part", part, PARTS)]
    if isinstance(queries, str) or (not isinstance(queries, Query) and not all(map(_is_query, queries))):
        raise ValueError(f"what is asked must be a Query or several, as in Query(image={queries!r}).")
    chosen = resolved(f"the part {record.name!r}", record.options, options)
    with sources.cache.passing(passing):  # work that is let through meanwhile says so of its own
        return _answered(sources, queries, record, chosen, progress, stop, partial, again, failed)


def _answered(
    sources: Sources,
    queries: Query | Sequence[Query],
    record: Part,
    chosen: Mapping[str, Any],
    progress: Progress | None,
    stop: Stop | None,
    partial: bool,
    again: bool,
    failed: Failed | None,
) -> Any:
    """One answer, or those to several queries."""
    if isinstance(queries, Query):
        subject = Subject(sources, queries)
        with in_one_sentence(), of_one_network(subject):
            return _answer(subject, record, chosen, progress, stop, partial, again)
    answers: list[Any] = []
    with closing(Ahead(sources, queries)) as ahead:
        for number, query in enumerate(queries):
            _step(stop)
            if record.together is not None and not again and number % TOGETHER == 0:
                answer_together(ahead, range(number, min(number + TOGETHER, len(queries))), record, chosen, stop)
            made = None
            subject = ahead.subject(number)
            with _told(query, failed), in_one_sentence(), of_one_network(subject):
                made = _answer(subject, record, chosen, None, stop, partial, again)
            answers.append(made)
            if made is not None and progress is not None:
                progress(made, (number + 1) / len(queries))
    return answers


def answer_together(ahead: Ahead, numbers: range, part: Part, options: Mapping[str, Any], stop: Stop | None) -> None:
    """Remember the answers to some queries from one pass for all images of one size, on an accelerator.

    What is not made here, for whatever reason, is made when its turn comes.
    """
    groups: dict[Hashable, list[tuple[Subject, Hashable, Tensor]]] = {}
    for number in numbers:
        _step(stop)
        with suppress(Exception):  # it comes again at its turn, and is said
            subject = ahead.subject(number)
            if subject.model.device.type == "cpu":
                return  # there it is as much work
            key = key_of(subject, part, options)
            if subject.sources.cache.get(key) is None:
                inputs = subject.inputs
                groups.setdefault((subject.now.key, inputs.shape), []).append((subject, key, inputs))
    for group in groups.values():
        subjects, keys, images = zip(*group, strict=True)
        _step(stop)
        with suppress(Exception), of_one_network(subjects[0]):
            made = part.together(subjects, images) if part.together is not None and len(group) > 1 else None
            for key, one in zip(keys, made or (), strict=False):
                subjects[0].sources.cache.put(key, one)


def _answer(
    subject: Subject,
    part: Part,
    options: Mapping[str, Any],
    progress: Progress | None,
    stop: Stop | None,
    partial: bool,
    again: bool = False,
) -> Any:
    """What is remembered, where it is complete or will do; else what is made now."""
    if part.same is not None:
        options = part.same(Request(subject, options, bound(_step, stop), _unseen, bound(_part_of, stop)))
    kept = part.kept and subject.changed_pixels is None
    key = key_of(subject, part, options) if kept else None
    cache = subject.sources.cache
    known = cache.get(key) if kept and not again else None
    if known is not None and (partial or getattr(known, "done", True)):
        return replace(known, query=subject.query)

    def show(incomplete: Any, share: float) -> None:
        if kept:
            cache.put(key, incomplete)
        if progress is not None:
            progress(replace(incomplete, query=subject.query), share)

    request = Request(subject, options, bound(_step, stop), show, bound(_part_of, stop), partial)
    made = part.make(request)
    if kept and (getattr(made, "done", True) or part.lane != "answer"):
        cache.put(key, made)
    return replace(made, query=subject.query)


def _part_of(stop: Stop | None, subject: Subject, name: str, options: Mapping[str, Any], partial: bool) -> Any:
    part = PARTS[name]
    return _answer(subject, part, resolved(f"the part {name!r}", part.options, options), None, stop, partial)


def key_of(subject: Subject, part: Part, options: Mapping[str, Any]) -> Hashable:
    """All that this part of the answer depends on."""
    facts: tuple[Hashable, ...] = (subject.rating, subject.label) if part.knows else ()
    if part.facts is not None:
        facts = (*facts, part.facts(subject, options))
    fields = [
        _FACTS[name](subject) if name in _FACTS else getattr(subject.query, name)
        for name in stale_fields(part.name, options)
    ]
    return (part.name, *subject.key, *fields, *facts, tuple(sorted(options.items())))


def _method(subject: Subject) -> Hashable:
    name = subject.query.method
    return (name, subject.images.version(subject.image)) if "human map" in method_named(name).needs else name


def _contrast(subject: Subject) -> Hashable:
    contrast = subject.contrast
    return (contrast, subject.score_range) if contrast is not None and contrast.kind == "score" else contrast


_FACTS: dict[str, Callable[[Subject], Hashable]] = {  # fields of a query that stand for something else on an image
    "target": lambda subject: subject.target,
    "baseline": lambda subject: subject.baseline_key,
    "options": lambda subject: tuple(sorted(options_of(subject.query).items())),
    "method": _method,
    "contrast": _contrast,
}


def _unseen(incomplete: Any, share: float) -> None:
    """What is looked up first is shown when it is asked for."""


def _is_query(given: object) -> bool:
    return isinstance(given, Query)


def _step(stop: Stop | None) -> None:
    if stop is not None and stop():
        raise Stopped("the work was stopped.")


@contextmanager
def _told(query: Query, failed: Failed | None) -> Iterator[None]:
    """One of several queries that has no answer does not cost the others theirs."""
    try:
        yield
    except (Stopped, GeneratorExit):
        raise
    except BaseException as error:
        of_the_reader = isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread()
        if failed is None or of_the_reader:
            raise
        failed(query, error)
