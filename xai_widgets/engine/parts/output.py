"""The scores of an image, and a map with the scores that go with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import isfinite

import numpy as np
import torch
from torch import Tensor

from xai_widgets.engine.answers import Explanation, Output, Saliency
from xai_widgets.engine.asking import Request
from xai_widgets.engine.methods import Explained, Method, explain, heard, method_named, missing, unheard
from xai_widgets.engine.methods.cams import scores_of
from xai_widgets.engine.parts.record import Part
from xai_widgets.engine.subject import Subject, array
from xai_widgets.kernels.home import home
from xai_widgets.kernels.precision import ieee, tolerance_of
from xai_widgets.kernels.saliency import ROUNDING, degeneracy
from xai_widgets.kernels.tail.results import same

SAME = ROUNDING * float(np.finfo(np.float32).eps)


def output(request: Request) -> Output:
    """The scores with the gains of the query."""
    return output_from(request.subject, scores_of(request.subject, request.changed))


def output_from(subject: Subject, scores: Tensor) -> Output:
    """From scores (k), with the gains of the query."""
    return _output(subject, scores.detach().cpu(), subject.scores, subject.target)


def _output(subject: Subject, scores: Tensor, base: Tensor, target: int) -> Output:
    chances, before = (subject.model.scores.chances(some[None]) for some in (scores, base))
    return Output(
        scores=array(scores),
        probabilities=None if chances is None else array(chances[0]),
        target=target,
        value=float(scores[target]),
        base=float(base[target]),
        base_probability=None if before is None else float(before[0, target]),
        rating=subject.rating,
        weights=subject.weights,
    )


def explanation(request: Request) -> Explanation:
    """The map of the query's method, and the scores.

    Raises:
        ValueError: the method needs what is not there, or the map is not finite.
    """
    subject, method = request.subject, method_named(request.query.method)
    if lacking := missing(method, subject):
        raise ValueError(lacking)
    if idle := unheard(method, request.query):
        return _as_heard(request, method, idle)
    explained = explain(method, request)
    scores = explained.scores
    out = request.ask("output") if scores is None else output_from(subject, scores)
    saliency = _saliency(request, method, explained)
    return Explanation(out, saliency, done=explained.done)


def _as_heard(request: Request, method: Method, idle: str) -> Explanation:
    """The map without gains or Q that do not act on it, made once for all of them; the scores with the gains.

    Args:
        idle: what does not act, in sentences.
    """
    plain = heard(method, request.query)
    subject = request.subject.otherwise(gains=plain.gains, contrast=plain.contrast)
    known: Explanation = request.of(subject).ask("explanation")
    note = " ".join(filter(None, (known.saliency.note, idle)))
    return Explanation(request.ask("output"), replace(known.saliency, note=note), done=known.done)


def _saliency(request: Request, method: Method, explained: Explained) -> Saliency:
    subject = request.subject
    values = array(explained.map)
    low, high = float(values.min()), float(values.max())
    if not (isfinite(low) and isfinite(high)):  # one value that is not finite is the least, the largest, or both
        wrong = int((~np.isfinite(values)).sum())
        raise ValueError(f"the map of {subject.image!r} has {wrong} values that are not finite.")
    strength = None if explained.strength is None else array(explained.strength)
    note, degenerate = " ".join(filter(None, (explained.note, subject.foreign))), ""
    if method.asks_p and request.contrast is None and subject.rounded_away:
        degenerate = "rounding"
    elif strength is not None or high - low <= SAME * max(abs(low), abs(high)):  # most maps differ somewhere
        shown = values if strength is None else values * strength
        degenerate = degeneracy(torch.from_numpy(shown)[None], rounding=ROUNDING)[0]
    if degenerate not in ("", "rounding"):
        note = " ".join(filter(None, ("The map is the same everywhere: it says nothing about places.", note)))
    p = subject.words
    question = explained.question or method.question.format(p=p)
    one_sided = method.one_sided if explained.one_sided is None else explained.one_sided
    worded = bool(explained.low or explained.high)
    limit = explained.limit
    if limit is None:
        limit = max(abs(low), abs(high), _base_limit(request))
    return Saliency(
        map=values,
        limit=limit,
        box=subject.box,
        content=subject.digest,
        title=f"{subject.model.name} · {subject.where} · {method.words} · {question}",
        low=explained.low if worded else method.low.format(p=p),
        high=explained.high if worded else method.high.format(p=p),
        note=note,
        one_sided=one_sided,
        unit=method.unit,
        palette=method.palette,
        degenerate=degenerate,
        strength=strength,
        strength_words=explained.strength_words,
        listed=explained.listed,
        done=explained.done,
    )


def _base_limit(request: Request) -> float:
    """The full colour with all gains 1, so that a map that fades is seen to fade; 0 where that is not asked."""
    if not request.gains or request.subject.changed_pixels is not None:
        return 0.0
    plain = request.subject.otherwise(gains=())
    base: Explanation = request.answer(plain, "explanation", {}, request.partial)
    return base.saliency.limit


def scores(request: Request) -> Output:
    """The scores of an image from the network itself, without what a layer's maps need: for galleries and tables."""
    subject = request.subject
    model, shell = subject.model, subject.now.shell
    with torch.no_grad(), ieee(), shell.lock:
        read = model.scores(shell.network(subject.inputs))[0].detach().cpu()
    target = int(read.argmax()) if model.has_classes else 0
    return _output(subject, read, read, target)


def scores_together(subjects: Sequence[Subject], inputs: Sequence[Tensor]) -> list[Output] | None:
    """`scores` of several images of one model in one pass; None where the network's images depend on each other.

    Args:
        inputs: what the network eats for each, (1 ...), of one size.
    """
    model, shell = subjects[0].model, subjects[0].now.shell
    with torch.no_grad(), ieee(), shell.lock:
        alone = model.scores(shell.network(inputs[0].clone()))  # a network may write over its input
        read = model.scores(shell.network(torch.cat(tuple(inputs))))
        read, alone = home(read, alone)
    if len(read) != len(subjects) or not same(read[:1], alone, tolerance_of(read.dtype)):
        return None
    targets = read.argmax(1).tolist() if model.has_classes else [0] * len(read)
    return [_output(one, row, row, target) for one, row, target in zip(subjects, read, targets, strict=True)]


EXPLAINED = ("target", "contrast", "method", "options", "gains", "baseline")
PARTS = (
    Part("output", "score", output, ("target", "gains", "baseline"), knows=True, lane="answer"),
    Part("explanation", "map", explanation, EXPLAINED, knows=True, lane="answer"),
    Part("scores", "scores of all images", scores, (), knows=True, lane="scores", together=scores_together),
)
