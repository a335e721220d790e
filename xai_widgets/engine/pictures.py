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
from xai_widgets.kernels.saliency import weighted_sum
from xai_widgets.kernels.tail import Tail

NAMES = {
    "grad_cam": "Grad-CAM",
    "contrast": "contrast",
    "behaviour": "model behaviour",
    "helpful": "helpful and harmful maps",
    "primary": "helpful maps only",
}

MERITS, PREVENTS = "merits a score above Q", "prevents Q"


def output_of(subject: Subject, gains: Gains) -> Output:
    """The scores with these gains."""
    changed = subject.changed(gains)
    if changed is None:
        return _output(subject, subject.scores)
    with torch.no_grad():
        return _output(subject, subject.model.scores(subject.tail(changed))[0])


def _output(subject: Subject, scores: Tensor) -> Output:
    classifier = subject.model.task == "classification"
    scores, base, target = scores.detach().cpu(), subject.scores, subject.target
    return Output(
        scores=array(scores),
        probabilities=array(scores.softmax(0)) if classifier else None,
        target=target,
        value=float(scores[target]),
        base=float(base[target]),
        base_probability=float(base.softmax(0)[target]) if classifier else None,
        rating=subject.rating,
    )


def why(subject: Subject, gains: Gains) -> tuple[Output, Saliency]:
    """Grad-CAM of the explained output: why this score, why this class?"""
    output, picture = _cam(subject, gains, lambda scores: _one_hot(subject, scores))
    name = subject.words
    saliency = _saliency(subject, picture, "grad_cam", f"why {name}?", f"lowers {name}", f"raises {name}")
    return output, _on_base_scale(subject, saliency, gains, "grad_cam")


def rather_than_class(subject: Subject, gains: Gains, q: int) -> tuple[Output, Saliency]:
    """Why P, rather than class Q? For Q = P: why not P with full confidence?

    Of the predicted class the cross entropy with Q is read; of a class that was chosen, CAM of P minus CAM of Q.
    """
    p = subject.target
    output, picture = _cam(subject, gains, lambda scores: contrast_weights(scores, q, p=p))
    name, other = subject.name_of(p), subject.name_of(q)
    if q == p:
        question = f"why not {name} with 100 % confidence?"
        return output, _saliency(
            subject, picture, "contrast", question, f"speaks for {name}", "speaks for the other classes"
        )
    question = f"why {name}, rather than {other}?"
    if p != int(output.scores.argmax()):
        question += f" CAM of {name} minus CAM of {other}"
    low, high = f"speaks for {other}", f"speaks against {other}, for {name}"
    return output, _saliency(subject, picture, "contrast", question, low, high)


def rather_than_score(subject: Subject, gains: Gains, q: float, form: str, job: Job) -> tuple[Output, Saliency]:
    """Why this score, rather than Q? Plain, or tile by tile."""
    if form == "tiles":
        return _by_tiles(subject, gains, q, job)
    output, cam = _cam(subject, gains, torch.ones_like)
    y = output.value
    low, high = subject.score_range
    limit = 2 * max(abs(y - low), abs(high - y)) * float(np.abs(cam).max(initial=0))
    note = (
        f"Factor 2 |y − Q| = {2 * abs(y - q):.3g}, one colour scale for every Q from {low:.3g} to {high:.3g}. "
        "With one score, every Q on the same side of it gives the same picture up to this factor; tiles tell more."
    )
    picture = np.maximum(2 * (y - q) * cam, 0).astype(np.float32)
    saliency = _saliency(subject, picture, "contrast", _score_question(y, q), "", _score_meaning(y, q), note)
    return output, replace(saliency, limit=limit, one_sided=True)


def _by_tiles(subject: Subject, gains: Gains, q: float, job: Job) -> tuple[Output, Saliency]:
    """Two layers, of the parts that score above Q and of those below; where both are, the larger is shown."""
    model, output = subject.model, output_of(subject, gains)
    if model.patch_scores is not None:
        maps = subject.changed(gains)
        tiled = patch_contrast(subject.tail, model.patch_scores, q, maps=maps, step=job.breathe)
        picture, part = tiled.signed[0], "patch"
        note = "By the network's own patch scores: each patch asks on its own side of Q."
    elif gains:
        raise ValueError(
            "a contrast by tiles of the image knows no gains, since each tile has feature maps of its own; "
            "reset the gains, or choose the plain form."
        )
    else:

        def explain(tiles: Tensor) -> tuple[Tensor, Tensor]:
            tail = Tail(subject.now.shell, subject.layer, model.normalise(tiles))
            scores, cam = cam_of(tail, model.scores, torch.ones_like)
            return scores[:, 0].to(tiles), cam.to(tiles)  # put together where the tiles were cut

        picture, part = tile_contrast(explain, subject.prepared.pixels, q, step=job.breathe).signed, "tile"
        note = (
            "By tiles of a quarter of the shorter side, each scored alone: each asks on its own side of Q. "
            "Where one that merits a score above Q and one that prevents it overlap, the larger is shown."
        )
    question = f"{_score_question(output.value, q)} {part} by {part}"
    return output, _saliency(subject, array(picture), "contrast", question, PREVENTS, MERITS, note)


def by_impacts(subject: Subject, gains: Gains, method: str, impacts: Impacts) -> tuple[Output, Saliency]:
    """Sum of the maps, weighted by what their removal changes."""
    maps = subject.changed(gains)
    maps = subject.tail.maps if maps is None else maps
    weights, low, high = _weights(subject, method, impacts)
    picture = weighted_sum(maps.detach(), weights.to(maps.device))[0]
    words = "Weights: single removals, zero baseline, all gains 1"
    if not impacts.done:
        words += f"; {int(impacts.exact.sum())} of {len(impacts.exact)} exact so far, the rest estimated"
    question = f"what each map does to {subject.words}"
    if method != "behaviour":
        label = impacts.label
        question = f"what lowers the cross entropy with {label}" if label else "what brings it nearer the rating"
    saliency = _saliency(subject, array(picture), method, question, low, high, f"{words}.")
    return output_of(subject, gains), replace(saliency, helpful=method == "helpful")


def _weights(subject: Subject, method: str, impacts: Impacts) -> tuple[Tensor, str, str]:
    raises = (f"lowers {subject.words}", f"raises {subject.words}")
    change = torch.from_numpy(impacts.delta_y)[None]
    if method == "behaviour":
        return displays.behaviour(change), *raises
    if impacts.delta_error is None:
        wanted = "a rating" if subject.model.task == "regression" else "a label that names a class"
        raise ValueError(f"{NAMES[method]} need {wanted}, and none is known for {subject.image!r}.")
    error = torch.from_numpy(impacts.delta_error)[None]
    neutral = None if impacts.roles is None else torch.from_numpy(impacts.roles == 0)[None]  # what rounding makes
    if method == "helpful":
        return displays.human_behaviour(error, neutral=neutral), "harmful", "helpful"
    return displays.primary(change, error, neutral=neutral), *raises


def _cam(subject: Subject, gains: Gains, cotangent: Callable[[Tensor], Tensor]) -> tuple[Output, np.ndarray]:
    """Scores and CAM in one pass forward and back; the cotangent follows from the scores with these gains."""
    scores, cam = cam_of(subject.tail, subject.model.scores, cotangent, maps=subject.changed(gains))
    return _output(subject, scores[0]), array(cam[0])


def _one_hot(subject: Subject, scores: Tensor) -> Tensor:
    chosen = torch.zeros_like(scores)
    chosen[:, subject.target] = 1
    return chosen


def _saliency(
    subject: Subject, values: np.ndarray, method: str, question: str, low: str, high: str, note: str = ""
) -> Saliency:
    finite = np.isfinite(values)
    if not finite.all():
        raise ValueError(f"the map of {subject.image!r} has {int((~finite).sum())} values that are not finite.")
    if values.max() == values.min():
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
    return "prevents a higher score" if q > y else MERITS
