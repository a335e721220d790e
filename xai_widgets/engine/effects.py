"""Longer answers: the effect of every map, the scores of a set, the five measures. Each breathes between batches."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from xai_widgets.engine.answers import Impacts, Maps, Measures
from xai_widgets.engine.labelled import LabelledEffects, anytime_labelled, estimated_labelled
from xai_widgets.engine.lanes import Job
from xai_widgets.engine.subject import Subject, array
from xai_widgets.kernels import ablation, measures
from xai_widgets.kernels.anytime import Effects, anytime_delta_y, estimated_delta_y
from xai_widgets.kernels.measures import AXES as AXES
from xai_widgets.kernels.measures import HEADLINE
from xai_widgets.kernels.precision import ieee
from xai_widgets.kernels.tail import Shell, Tail

if TYPE_CHECKING:
    from xai_widgets.models import ImageModel


def feature_maps(subject: Subject) -> Maps:
    """Thumbnails of every map."""
    maps = subject.tail.maps[0].detach()
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
    tail, scores, target, label = subject.tail, subject.model.scores, subject.target, subject.label
    stream: Iterator[Effects] = anytime_delta_y(tail, scores, target)
    if label is not None:
        stream = anytime_labelled(tail, scores, target, label)
    for known in stream:
        if known.done:
            break
        if show is not None:
            show(_impacts(subject, known))
        job.breathe()
    return _impacts(subject, known)


def estimated(subject: Subject) -> Impacts:
    """A first-order estimate of every effect, from one backward pass, or one more for the error with a label."""
    tail, scores, target, label = subject.tail, subject.model.scores, subject.target, subject.label
    if label is not None:
        return _impacts(subject, estimated_labelled(tail, scores, target, label), done=False)
    return _impacts(subject, estimated_delta_y(tail, scores, target), done=False)


def _impacts(subject: Subject, found: Effects, *, done: bool | None = None) -> Impacts:
    """On the CPU from here on: what follows is small."""
    change, exact = found.delta_y.detach().cpu(), found.exact.cpu()
    y, rating, label = subject.scores[subject.target, None], subject.rating, subject.label
    impacts = Impacts(
        delta_y=array(change), exact=exact.numpy().copy(), value=float(y),
        done=found.done if done is None else done, note="Single removals, zero baseline, all gains 1.",
    )  # fmt: skip
    precision = subject.tail.precision
    if isinstance(found, LabelledEffects) and label is not None:
        growth = found.delta_error
        role = ablation.roles(change[None].to(growth), growth[None], y.to(growth), precision=precision)[0]
        error = -float(subject.scores.double().log_softmax(0)[label])
        return replace(
            impacts, delta_error=array(growth), roles=_bytes(role), error="cross entropy", error_value=error,
            label=subject.name_of(label),
        )  # fmt: skip
    if rating is None:
        return impacts
    known = torch.tensor([rating], dtype=y.dtype, device="cpu")
    growth = ablation.delta_error(change[None], y, known)
    role = ablation.roles(change[None], growth, y, precision=precision)[0]
    residual, note = float(y - known), impacts.note
    if bool(ablation.one_sided(change[None], y - known)[0]) and residual:
        way = "lower" if residual > 0 else "raise"
        note += (
            f" No single map outweighs the residual of {residual:+.3g}, so every helpful map helps because it "
            f"{way}s the score: a fact of this image, not a fault."
        )
    return replace(
        impacts, delta_error=array(growth[0]), roles=_bytes(role), error="error", error_value=abs(residual),
        residual=residual, note=note,
    )  # fmt: skip


def _bytes(roles: Tensor) -> np.ndarray:
    return roles.to(torch.int8).numpy()


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
    key = ("scores", subject.now.key, subject.digest)
    known: np.ndarray | None = subject.engine.cache.get(key)
    if known is None:
        model, shell = subject.model, subject.now.shell
        inputs = model.inputs(subject.images.photo(subject.image))
        with torch.no_grad(), ieee(), shell.lock:
            known = array(model.scores(shell.network(inputs))[0])
        subject.engine.cache.put(key, known)
    return known


def measures_of(
    subject: Subject, job: Job, show: Callable[[Measures], None] | None = None, *, rule: str = "fixed"
) -> Measures:
    """The five measures of the image's Grad-CAM, cut at 0, for the output that the clean image has.

    With the rule "anew", for what is predicted for each changed image. The ladders of the other kinds of noise come
    last, when the five are shown.
    """
    found = Found(subject, rule)
    if not subject.model.can_degrade:
        found.refuse("the transform of this model cannot be split, so that its images cannot be degraded")
        return found.answer(done=True)
    _ = subject.tail  # an image that is too small for the network is refused by its name
    explainer = _explainer(subject.model, subject.layer, subject.now.shell)
    images = subject.prepared.pixels[None]
    targets = None if rule == "anew" else torch.tensor([subject.target], device=images.device)
    clean = measures.clean_of(explainer, images, rule=rule, targets=targets, step=job.breathe)
    case = Case(subject, explainer, images, clean, job)
    for part in (_entropy, _noise, _resilience, _focus, _stability):
        part(found, case)
        if show is not None:
            show(found.answer(done=False))
    _ladders(found, case)
    return found.answer(done=True)


class Case(NamedTuple):
    """One image to be measured, and its clean map."""

    subject: Subject
    explainer: measures.Explainer
    images: Tensor  # (1 3 h w) in [0, 1]
    clean: measures.Clean
    job: Job


class Found:
    """The measures as they come in."""

    def __init__(self, subject: Subject, rule: str = "fixed") -> None:
        self.values = dict.fromkeys(AXES, math.nan)
        self.details: dict[str, dict[str, Any]] = {}
        self.notes: dict[str, str] = {}
        self.rows: list[measures.Row] = []
        target = f"fixed target: {subject.words}" if rule == "fixed" else "target predicted anew for each changed image"
        self.rule = f"Grad-CAM of {subject.layer}, cut at 0; {target}"

    def put(self, value: float, tested: str, row: measures.Row, rows: Sequence[measures.Row], **details: Any) -> None:
        """A value of the radar, what it is, the row that says what it was made of, and all rows of its measure."""
        axis = row.measure
        counted = f"{row.degenerate} of {row.maps} maps degenerate"
        left_out = f"; {row.left_out} comparisons without a value left out" if row.left_out else ""
        self.values[axis], self.details[axis] = value, details
        note = f"; {row.note}" if row.note else ""
        self.notes[axis] = f"{tested}; {self.rule}; compared at {row.height} × {row.width}; {counted}{left_out}{note}."
        self.rows += rows

    def refuse(self, reason: str) -> None:
        self.notes = dict.fromkeys(AXES, f"n/a: {reason}.")

    def answer(self, *, done: bool) -> Measures:
        details = {axis: dict(some) for axis, some in self.details.items()}
        return Measures(dict(self.values), details, dict(self.notes), done)


def _entropy(found: Found, case: Case) -> None:
    rows = measures.entropy_rows(case.clean, measures.entropy(case.clean.maps))
    value = rows[0].value
    found.put(1 - value, "1 − entropy", rows[0], rows, entropy=value)


def _noise(found: Found, case: Case) -> None:
    rows = _ladder(case, "salt_and_pepper", far_end=True)
    headline = next(row for row in rows if row.level == HEADLINE)
    tested = f"SSIM with the map under salt and pepper, {HEADLINE:.0%} of pixels"
    levels = ["noise alone" if row.level is None else row.level for row in rows]
    found.put(headline.value, tested, headline, rows, levels=levels, ssim=[row.value for row in rows])


def _ladders(found: Found, case: Case) -> None:
    """Gaussian noise and blur beside salt and pepper; noise alone is the end of each."""
    for kind in measures.NOISES:
        if kind != "salt_and_pepper":
            rows = _ladder(case, kind)
            found.rows += rows
            found.details["noise"][kind] = [*(row.value for row in rows), found.details["noise"]["ssim"][-1]]
    found.notes["noise"] += (
        " A level of Gaussian noise is a standard deviation, one of blur a sigma in tenths of the shorter side."
    )


def _ladder(case: Case, kind: str, *, far_end: bool = False) -> list[measures.Row]:
    noise = measures.noise_of(
        case.explainer, case.images, case.clean, generators=[0], kind=kind, far_end=far_end, step=case.job.breathe
    )
    return [row for row in noise.rows(case.clean.rule) if row.quantity == "ssim"]


def _resilience(found: Found, case: Case) -> None:
    compared = measures.resilience_of(case.explainer, case.images, case.clean, step=case.job.breathe)
    rows = measures.resilience_rows(compared, case.clean.rule)
    tested = "SSIM with the map of the shifted, flipped or turned image, moved back"
    found.put(rows[0].value, tested, rows[0], rows, **{row.part: row.value for row in rows[1:]})


def _focus(found: Found, case: Case) -> None:
    focus = measures.focus_of(case.explainer, case.images, case.clean, step=case.job.breathe)
    rows = focus.rows(case.clean.rule)
    salient, other = focus.change[0].tolist()
    details = {row.part: row.value for row in rows[1:] if row.quantity == "ssim"}
    details |= {"score_change_salient": salient, "score_change_other": other}
    tested = "((1 − SSIM without salient regions) + SSIM without the others) / 2, graded blur"
    found.put(rows[0].value, tested, rows[0], rows, **details)


def _stability(found: Found, case: Case) -> None:
    subject, clean = case.subject, case.clean
    runs = subject.model.runs
    if len(runs) < 2:
        found.notes["stability"] = "n/a: at least two training runs of the model are needed."
        found.details["stability"] = {"runs": len(runs)}
        return
    maps = []
    for run in runs:
        case.job.breathe()
        targets = None if clean.targets is None else clean.targets.to(run.device)
        maps.append(
            _explainer(run, subject.layer, run.now().shell)(case.images.to(run.device), targets).maps.to(clean.maps)
        )
    stack = torch.stack(maps)
    size = (stack.shape[-2], stack.shape[-1])
    rows = measures.stability_rows(measures.pair_similarity(stack), measures.runs_lost(stack), size, clean.rule)
    found.put(rows[0].value, f"mean SSIM over pairs of {len(runs)} training runs", rows[0], rows, runs=len(runs))


def _explainer(model: ImageModel, layer: str, shell: Shell) -> measures.Explainer:
    """Of the weights as they were when the shell was handed out."""
    return measures.grad_cam_explainer(lambda images: Tail(shell, layer, model.normalise(images)), model.scores)
