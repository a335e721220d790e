"""Longer answers: the effect of every map, the scores of a set, the five measures. Each breathes between batches."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from xai_widgets.engine.answers import Impacts, Maps, Measures
from xai_widgets.engine.lanes import Job
from xai_widgets.engine.subject import Subject, array, explained
from xai_widgets.kernels import ablation, measures
from xai_widgets.kernels.affine import is_affine
from xai_widgets.kernels.saliency import degenerate

SECONDS_OF_A_BATCH = 0.04
AXES = ("entropy", "noise", "resilience", "focus", "stability")
HEADLINE = 0.1  # share of pixels with salt and pepper, on the radar


def feature_maps(subject: Subject) -> Maps:
    """Thumbnails of every map."""
    maps = subject.tail.maps[0]
    low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
    span = torch.where(high > low, high - low, 1)
    thumbs = ((maps - low) / span * 255).round().to(torch.uint8)
    dead = ablation.dead(maps[None])[0]
    layout = subject.tail.layout
    return Maps(thumbs.cpu().numpy(), dead.cpu().numpy(), subject.layer, layout.kind)


def impacts_of(subject: Subject, job: Job, show: Callable[[Impacts], None] | None = None) -> Impacts:
    """delta y of every map: estimated at once, then exact in the order of the estimate; `show` gets what there is.

    Where the tail is affine, the estimate is exact and nothing is left to do.
    """
    tail, target = subject.tail, subject.target
    score = subject.model.scores
    change, alive = _estimate(subject)
    exact = ~alive
    y = subject.scores[target]
    if is_affine(tail, score):
        return _impacts(subject, change, torch.ones_like(exact), y, done=True)
    order = change.abs().argsort(descending=True, stable=True)
    order = order[alive[order]]
    if show is not None:
        show(_impacts(subject, change, exact, y))
    for index, scores in ablation.removal_scores(tail, score, order, seconds=SECONDS_OF_A_BATCH):
        change[index] = scores[:, target] - y
        exact[index] = True
        job.breathe()
        if show is not None:
            show(_impacts(subject, change, exact, y))
    return _impacts(subject, change, exact, y, done=True)


def estimated(subject: Subject) -> Impacts:
    """A first-order estimate of every effect, from one backward pass."""
    change, alive = _estimate(subject)
    return _impacts(subject, change, ~alive, subject.scores[subject.target])


def _estimate(subject: Subject) -> tuple[Tensor, Tensor]:
    alive = ~ablation.dead(subject.tail.maps)[0]
    change = ablation.first_order(subject.tail, subject.model.scores, subject.target)
    return torch.where(alive, change, 0), alive


def _impacts(subject: Subject, change: Tensor, exact: Tensor, y: Tensor, *, done: bool = False) -> Impacts:
    rating = subject.rating
    error = role = residual = None
    note = "Single removals, zero baseline, all gains 1."
    if rating is not None:
        score, known = y[None], torch.tensor([rating], dtype=y.dtype, device=y.device)
        growth = ablation.delta_error(change[None], score, known)
        error, role = array(growth[0]), ablation.roles(change[None], growth, score)[0].to(torch.int8).cpu().numpy()
        residual = float(score - known)
        if bool(ablation.one_sided(change[None], score - known)[0]) and residual:
            way = "lower" if residual > 0 else "raise"
            note += (
                f" No single map outweighs the residual of {residual:+.3g}, so every helpful map helps because it "
                f"{way}s the score: a fact of this image, not a fault."
            )
    return Impacts(
        delta_y=array(change), exact=exact.cpu().numpy().copy(), value=float(y), delta_error=error, roles=role,
        residual=residual, done=done, note=note,
    )  # fmt: skip


def set_scores(
    subjects: Iterable[Subject], job: Job, show: Callable[[dict[str, np.ndarray]], None]
) -> dict[str, np.ndarray]:
    """The scores (k,) of many images; an image that cannot be read is left out, since its set names it."""
    scores: dict[str, np.ndarray] = {}
    fresh: dict[str, np.ndarray] = {}
    for subject in subjects:
        try:
            scores[subject.image] = fresh[subject.image] = _scores(subject)
        except (ValueError, OSError):
            continue
        job.breathe()
        if len(fresh) >= 8:
            show(fresh)
            fresh = {}
    show(fresh)
    return scores


def _scores(subject: Subject) -> np.ndarray:
    key = ("scores", subject.model.key, subject.images.digest(subject.image))
    known: np.ndarray | None = subject.engine.cache.get(key)
    if known is None:
        model, shell = subject.model, subject.model.shell
        inputs = model.inputs(subject.images.photo(subject.image))
        with torch.no_grad(), shell.lock:
            known = array(model.scores(shell.network(inputs))[0])
        subject.engine.cache.put(key, known)
    return known


def measures_of(subject: Subject, job: Job, show: Callable[[Measures], None] | None = None) -> Measures:
    """The five measures of the image's Grad-CAM, cut at 0, for the output that the clean image has."""
    found = Found(subject)
    if not subject.model.can_degrade:
        found.refuse("the transform of this model cannot be split, so that its images cannot be degraded")
    else:
        pixels = subject.prepared.pixels
        for part in (_entropy, _noise, _resilience, _focus, _stability):
            part(found, subject, pixels, job)
            if show is not None:
                show(found.answer(done=False))
    return found.answer(done=True)


class Found:
    """The measures as they come in."""

    def __init__(self, subject: Subject) -> None:
        self.values = dict.fromkeys(AXES, math.nan)
        self.details: dict[str, dict[str, Any]] = {}
        self.notes: dict[str, str] = {}
        h, w = subject.tail.maps.shape[-2:]
        self.native = f"maps of {h} × {w}"
        target = f"fixed target: {subject.words}"
        self.rule = f"Grad-CAM of {subject.layer}, cut at 0; {target}"

    def put(self, axis: str, value: float, note: str, **details: Any) -> None:
        self.values[axis], self.notes[axis], self.details[axis] = value, note, details

    def refuse(self, reason: str) -> None:
        self.notes = dict.fromkeys(AXES, f"n/a: {reason}.")

    def answer(self, *, done: bool) -> Measures:
        return Measures(dict(self.values), dict(self.details), dict(self.notes), done)


def _entropy(found: Found, subject: Subject, pixels: Tensor, job: Job) -> None:
    maps = subject.explain(pixels[None])
    value = float(measures.entropy(maps)[0])
    lost = int(degenerate(maps)[0])
    note = f"1 − entropy; {found.rule}; {found.native}; {_counted(lost, 1)}."
    found.put("entropy", 1 - value, note, entropy=value)


def _noise(found: Found, subject: Subject, pixels: Tensor, job: Job) -> None:
    generator = torch.Generator(pixels.device).manual_seed(0)
    ladder = measures.noise_robustness(subject.explain, pixels, generator=generator, step=job.breathe).tolist()
    levels = list(measures.LEVELS)
    lost = sum(math.isnan(value) for value in ladder)
    note = (
        f"SSIM with the map under salt and pepper, {HEADLINE:.0%} of pixels; {found.rule}; {found.native}; "
        f"{_counted(lost, len(ladder))}."
    )
    found.put("noise", ladder[levels.index(HEADLINE)], note, levels=levels, ssim=ladder)


def _resilience(found: Found, subject: Subject, pixels: Tensor, job: Job) -> None:
    groups = {
        name: measures.mean_defined(values)
        for name, values in measures.resilience_by_transform(subject.explain, pixels, step=job.breathe).items()
    }
    lost = sum(count for _, count in groups.values())
    known = [value for value, _ in groups.values() if not math.isnan(value)]
    h, w = pixels.shape[-2:]
    note = (
        f"SSIM with the map of the shifted, flipped or turned image, moved back; {found.rule}; at {h} × {w}; "
        f"{_counted(lost, None)}."
    )
    details = {name: value for name, (value, _) in groups.items()}
    found.put("resilience", sum(known) / len(known) if known else math.nan, note, **details)


def _focus(found: Found, subject: Subject, pixels: Tensor, job: Job) -> None:
    salient, other = measures.focus(subject.explain, pixels, step=job.breathe)
    details: dict[str, Any] = {"salient_removed": salient, "other_removed": other}
    saliency = subject.explain(pixels[None])[0]
    blurred = measures.removals(pixels, saliency)
    with torch.no_grad(), subject.model.shell.lock:
        scores = subject.model.scores(subject.model.shell.network(subject.model.normalise(blurred)))
    changes = (scores[:, subject.target] - subject.scores[subject.target]).tolist()
    details |= {"score_change_salient": changes[0], "score_change_other": changes[1]}
    value = ((1 - salient) + other) / 2
    h, w = pixels.shape[-2:]
    note = (
        f"((1 − SSIM without salient regions) + SSIM without the others) / 2, graded blur; {found.rule}; at {h} × {w}; "
        f"{_counted(int(math.isnan(salient)) + int(math.isnan(other)), 2)}."
    )
    found.put("focus", value, note, **details)


def _stability(found: Found, subject: Subject, pixels: Tensor, job: Job) -> None:
    runs = subject.model.runs
    if len(runs) < 2:
        found.put("stability", math.nan, "n/a: at least two training runs of the model are needed.", runs=len(runs))
        return
    maps = []
    for run in runs:
        job.breathe()
        maps.append(explained(run, subject.layer, pixels[None].to(run.device), subject.target)[0].relu())
    stack = torch.stack([one.to(maps[0]) for one in maps])
    lost = int(degenerate(stack).sum())
    note = (
        f"mean SSIM over pairs of {len(runs)} training runs; {found.rule}; {found.native}; {_counted(lost, len(runs))}."
    )
    found.put("stability", float(measures.stability(stack)), note, runs=len(runs))


def _counted(lost: int, total: int | None) -> str:
    return f"{lost} degenerate" + (f" of {total}" if total else "")
