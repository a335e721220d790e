"""Five measures of a saliency map: of the one that is shown, or of the standard one."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from xai_widgets.engine import measuring, methods
from xai_widgets.engine.answers import Measures, Saliency
from xai_widgets.engine.asking import Request
from xai_widgets.engine.methods import Method, heard, method_named, missing
from xai_widgets.engine.methods.cams import scores_of
from xai_widgets.engine.options import Option
from xai_widgets.engine.parts.output import EXPLAINED
from xai_widgets.engine.parts.record import Part
from xai_widgets.engine.parts.sides import NO_NEGATIVE, SIDE, in_words, one_sided
from xai_widgets.engine.query import Query
from xai_widgets.engine.subject import Subject
from xai_widgets.kernels.ablation import own_scores, with_gains
from xai_widgets.kernels.cam import cam_of
from xai_widgets.kernels.measures import AXES, RULES
from xai_widgets.kernels.tail import Tail

Maps = tuple[Tensor, Tensor]  # (n h w), at least 0, and scores (n k)
Explain = Callable[[Tensor, Tensor | None], Maps]


def measures(request: Request) -> Measures:
    """Of the standard map, Grad-CAM of P, or of the one that is shown, with its method, Q and options.

    Both have the gains of the query, but for stability: a map of one training run is not that of another. Where the
    method cannot be measured, lacks what it needs, or has no negative part to measure, every note says why.
    """
    standard, side = request.options["of"] == "standard", request.options["side"]
    method = method_named("grad_cam" if standard else request.query.method)
    if not standard:  # what does not act on the map is not measured either
        plain = heard(method, request.query)
        request = request.of(request.subject.otherwise(gains=plain.gains, contrast=plain.contrast))
    saliency = None if standard else _on_the_stage(request, method)
    no_negative = saliency is not None and saliency.one_sided
    reason = method.unmeasured or missing(method, request.subject)
    axes = CHOSEN[request.options["axes"]]
    if reason or (no_negative and side == "negative"):
        nothing = measuring.nothing_measured((reason or NO_NEGATIVE).rstrip("."), axes)
        return replace(nothing, one_sided=no_negative)
    explain = _standard if standard or _is_standard(request.query) else _shown

    def show(known: Measures) -> None:
        request.show(replace(known, one_sided=no_negative), len(known.notes) / len(axes))

    title = f"{method.words} of {request.subject.layer}" if saliency is None else saliency.title
    others = _other_runs(request) if "stability" in axes else []
    found = measuring.measures_of(
        request.subject,
        explain(request),
        f"{title}, {in_words(side, one_sided=no_negative)}{_gains_in_words(request)}",
        runs=[explain(_of_run(request, run)) for run in others],
        numbers=(request.query.run, *others),
        alone=explain(_of_run(request, request.query.run)) if request.gains else None,
        axes=axes,
        rule=request.options["rule"],
        step=request.step,
        show=show,
    )
    return replace(found, one_sided=no_negative)


def _on_the_stage(request: Request, method: Method) -> Saliency | None:
    """The map that is shown of the photo, where it can be asked and measured."""
    if method.unmeasured or missing(method, request.subject):
        return None
    saliency: Saliency = request.ask("explanation").saliency
    return saliency


def _same(request: Request) -> Mapping[str, Any]:
    """Where no value is below 0, the absolute value is what is cut at 0."""
    options = request.options
    if options["of"] == "standard" or options["side"] != "absolute":
        return options
    saliency = _on_the_stage(request, method_named(request.query.method))
    return {**options, "side": "positive"} if saliency is not None and saliency.one_sided else options


def _gains_in_words(request: Request) -> str:
    count = len(request.gains)
    return f", {count} gain{'s' * (count > 1)} other than 1" if count else ""


def _is_standard(query: Query) -> bool:
    """Whether what is shown is the standard map, which is computed for several images at once."""
    return query.method == "grad_cam" and query.contrast is None


def _other_runs(request: Request) -> list[int]:
    runs = request.subject.sources.model(request.query.model).runs
    return [run for run in range(len(runs)) if run != request.query.run]


def _of_run(request: Request, run: int) -> Request:
    """The same request of a training run, without gains."""
    query = replace(request.query, run=run, gains=())
    return request.of(Subject(request.subject.sources, query, request.subject.changed_pixels))


def _standard(request: Request) -> Explain:
    """Grad-CAM of given targets, or of what is predicted for each image with all gains 1, as P is."""
    subject, side = request.subject, request.options["side"]
    model, shell = subject.model, subject.now.shell
    gains, baseline = subject.gain_row(request.gains), subject.baseline

    def explain(images: Tensor, targets: Tensor | None) -> Maps:
        tail = Tail(shell, subject.layer, subject.fed(images.to(model.device)), call=subject.call)
        maps = None if gains is None else with_gains(tail.maps.detach(), gains, baseline)
        own = own_scores(tail, model.scores)
        asked = own.argmax(1) if targets is None else targets.to(own.device)  # of scores there are always targets
        weights = torch.zeros_like(own).scatter_(1, asked[:, None], 1)
        scores, cams = cam_of(tail, model.scores, weights, maps=maps)
        return one_sided(cams, side), scores

    return explain


def _shown(request: Request) -> Explain:
    """The query's method, its question and its options, image by image."""
    method, side = method_named(request.query.method), request.options["side"]

    def one(pixels: Tensor, target: int | None) -> Maps:
        request.step()
        query = replace(request.query, target=target)
        subject = Subject(request.subject.sources, query, pixels)
        inner = replace(request, subject=subject, show=_unseen, partial=False)
        explained = methods.explain(method, inner)
        signed = explained.map if explained.strength is None else explained.map * explained.strength
        scores = scores_of(subject, inner.changed) if explained.scores is None else explained.scores
        return one_sided(signed, side), scores

    def explain(images: Tensor, targets: Tensor | None) -> Maps:
        asked = [None] * len(images) if targets is None else targets.tolist()
        found = [one(pixels, target) for pixels, target in zip(images, asked, strict=True)]
        return torch.stack([maps for maps, _ in found]), torch.stack([scores for _, scores in found])

    return explain


def _unseen(incomplete: Any, share: float) -> None:
    """What is not complete yet of a changed image concerns nobody."""


def _depends(options: Mapping[str, Any]) -> tuple[str, ...]:
    return EXPLAINED if options["of"] == "shown" else ("target", "gains", "baseline")


def _weights_of_runs(subject: Subject, options: Mapping[str, Any]) -> Hashable:
    """Stability is that of all training runs as they are now; the one that is asked is in every key."""
    if "stability" not in CHOSEN[options["axes"]]:
        return ()
    runs = subject.sources.model(subject.query.model).runs
    return tuple(run.now().key for run in runs if run is not subject.model)


CHOSEN = {"all": AXES, "of one run": AXES[:-1], "stability": AXES[-1:]}
OPTIONS = (
    Option("of", "measured map", "standard", ("standard", "shown")),
    Option("rule", "target of changed images", RULES[0], RULES),
    SIDE,
    Option("axes", "which of the five measures", "all", tuple(CHOSEN)),
)
PARTS = (
    Part(
        "measures",
        "saliency measures",
        measures,
        _depends,
        knows=True,
        facts=_weights_of_runs,
        options=OPTIONS,
        same=_same,
        lane="measures",
    ),
)
