"""The score and the saliency map of a query, in one pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from xai_widgets.engine.answers import Impacts, Output, Saliency
from xai_widgets.engine.lanes import Job
from xai_widgets.engine.subject import Gains, Subject, array
from xai_widgets.kernels import displays
from xai_widgets.kernels.cam import cam_of, contrast_weights, patch_contrast, tile_contrast
from xai_widgets.kernels.saliency import degenerate, weighted_sum
from xai_widgets.kernels.tail import Tail

NAMES = {
    "grad_cam": "Grad-CAM",
    "contrast": "contrast",
    "behaviour": "model behaviour",
    "helpful": "helpful and harmful maps",
    "primary": "helpful maps only",
}


def output_of(subject: Subject, gains: Gains) -> Output:
    """The scores with these gains."""
    changed = subject.changed(gains)
    with torch.no_grad():
        scores = subject.scores if changed is None else subject.model.scores(subject.tail(changed))[0]
        return _output(subject, scores)


def _output(subject: Subject, scores: Tensor) -> Output:
    classifier = subject.model.task == "classification"
    target = subject.target
    probabilities = array(scores.softmax(0)) if classifier else None
    return Output(
        scores=array(scores),
        probabilities=probabilities,
        target=target,
        value=float(scores[target]),
        base=subject.value,
        base_probability=float(subject.scores.softmax(0)[target]) if classifier else None,
        rating=subject.rating,
    )


def why(subject: Subject, gains: Gains) -> tuple[Output, Saliency]:
    """Grad-CAM of the explained output: why this score, why this class?"""
    output, cam = _cam(subject, gains, lambda scores: _one_hot(subject, scores))
    name = subject.words
    saliency = _saliency(subject, cam, "grad_cam", f"why {name}?", f"lowers {name}", f"raises {name}")
    return output, _on_base_scale(subject, saliency, gains, "grad_cam")


def rather_than_class(subject: Subject, gains: Gains, q: int) -> tuple[Output, Saliency]:
    """Why P, rather than class Q? For Q = P: why not P with full confidence?"""
    output, cam = _cam(subject, gains, lambda scores: contrast_weights(scores, q))
    labels = subject.model.labels
    other = labels[q] if labels else f"class {q}"
    predicted = int(subject.scores.argmax())
    if q == predicted:
        question = f"why not {other} with 100 % confidence?"
        low, high = f"speaks for {other}", "speaks for the other classes"
    else:
        name = labels[predicted] if labels else f"class {predicted}"
        question = f"why {name}, rather than {other}?"
        low, high = f"speaks for {other}", f"speaks against {other}, for {name}"
    return output, _saliency(subject, cam, "contrast", question, low, high)


def rather_than_score(subject: Subject, gains: Gains, q: float, form: str, job: Job) -> tuple[Output, Saliency]:
    """Why this score, rather than Q? Plain, or tile by tile."""
    if form == "tiles":
        return _by_tiles(subject, gains, q, job)
    output, cam = _cam(subject, gains, torch.ones_like)
    y = output.value
    picture = (2 * (y - q) * cam).relu()
    low, high = subject.score_range
    limit = 2 * max(abs(y - low), abs(high - y)) * float(cam.abs().max())
    note = (
        f"Factor 2 |y − Q| = {2 * abs(y - q):.3g}, one colour scale for every Q from {low:.3g} to {high:.3g}. "
        "With one score, every Q on the same side of it gives the same picture up to this factor; tiles tell more."
    )
    saliency = _saliency(subject, picture, "contrast", _score_question(y, q), "", _score_meaning(y, q), note)
    return output, replace(saliency, limit=limit, one_sided=True)


def _by_tiles(subject: Subject, gains: Gains, q: float, job: Job) -> tuple[Output, Saliency]:
    model, output = subject.model, output_of(subject, gains)
    if model.patch_scores is not None:
        maps = subject.changed(gains)
        picture = patch_contrast(subject.tail, model.patch_scores, q, maps=maps, step=job.breathe)[0]
        note = "By the network's own patch scores: each patch asks on its own side of Q."
    elif gains:
        raise ValueError(
            "a contrast by tiles of the image knows no gains, since each tile has feature maps of its own; "
            "reset the gains, or choose the plain form."
        )
    else:

        def explain(tiles: Tensor) -> tuple[Tensor, Tensor]:
            tail = Tail(model.shell, subject.layer, model.normalise(tiles))
            scores, cam = cam_of(tail, model.scores, torch.ones_like(model.scores(tail.result)))
            return scores[:, 0], cam

        pixels = subject.prepared.pixels
        picture = tile_contrast(explain, pixels, q, step=job.breathe).to(pixels.device)
        note = "By tiles of a quarter of the shorter side, each scored alone: each asks on its own side of Q."
    y = output.value
    high = "carries patches away from Q" if model.patch_scores is not None else "carries tiles away from Q"
    question = _score_question(y, q)
    return output, replace(_saliency(subject, picture, "contrast", question, "", high, note), one_sided=True)


def by_impacts(subject: Subject, gains: Gains, method: str, impacts: Impacts) -> tuple[Output, Saliency]:
    """Sum of the maps, weighted by what their removal changes."""
    maps = subject.changed(gains)
    maps = subject.tail.maps if maps is None else maps
    weights, low, high = _weights(subject, method, impacts)
    picture = weighted_sum(maps, weights.to(maps))[0]
    words = "Weights: single removals, zero baseline, all gains 1"
    if not impacts.done:
        words += f"; {int(impacts.exact.sum())} of {len(impacts.exact)} exact so far, the rest estimated"
    question = f"what each map does to {subject.words}" if method == "behaviour" else "what brings it nearer the rating"
    saliency = _saliency(subject, picture, method, question, low, high, f"{words}.")
    return output_of(subject, gains), replace(saliency, helpful=method == "helpful")


def _weights(subject: Subject, method: str, impacts: Impacts) -> tuple[Tensor, str, str]:
    raises = (f"lowers {subject.words}", f"raises {subject.words}")
    change = torch.from_numpy(impacts.delta_y)[None]
    if method == "behaviour":
        return displays.behaviour(change), *raises
    if impacts.delta_error is None:
        raise ValueError(f"{NAMES[method]} need a rating, and none is known for {subject.image!r}.")
    error = torch.from_numpy(impacts.delta_error)[None]
    if method == "helpful":
        return displays.human_behaviour(error), "harmful", "helpful"
    return displays.primary(change, error), *raises


def _cam(subject: Subject, gains: Gains, cotangent: Callable[[Tensor], Tensor]) -> tuple[Output, Tensor]:
    """Scores and CAM in one pass forward and back; the cotangent follows from the scores with these gains."""
    scores, cam = cam_of(subject.tail, subject.model.scores, cotangent, maps=subject.changed(gains))
    return _output(subject, scores[0]), cam[0]


def _one_hot(subject: Subject, scores: Tensor) -> Tensor:
    chosen = torch.zeros_like(scores)
    chosen[:, subject.target] = 1
    return chosen


def _saliency(
    subject: Subject, picture: Tensor, method: str, question: str, low: str, high: str, note: str = ""
) -> Saliency:
    values = array(picture)
    finite = np.isfinite(values)
    if not finite.all():
        raise ValueError(f"the map of {subject.image!r} has {int((~finite).sum())} values that are not finite.")
    if bool(degenerate(picture[None].detach())[0]):
        note = " ".join(filter(None, ("The map is the same everywhere: it says nothing about places.", note)))
    title = f"{subject.model.name} · {subject.layer} · {NAMES[method]} · {question}"
    limit = float(np.abs(values).max(initial=0))
    return Saliency(map=values, limit=limit, box=subject.box, title=title, low=low, high=high, note=note)


def _on_base_scale(subject: Subject, saliency: Saliency, gains: Gains, method: str) -> Saliency:
    """The colours of all gains 1, so that a map that fades is seen to fade."""
    if not gains:
        subject.engine.cache.put(("limit", method, *subject.key, subject.target), saliency.limit)
        return saliency
    limit = subject.engine.cache.get(("limit", method, *subject.key, subject.target))
    if limit is None:
        _, plain = why(subject, ())
        limit = plain.limit
    return replace(saliency, limit=max(limit, saliency.limit))


def _score_question(y: float, q: float) -> str:
    return f"why {y:.3g}, rather than {q:.3g}?"


def _score_meaning(y: float, q: float) -> str:
    return "prevents a higher score" if q > y else "merits a score above Q"
