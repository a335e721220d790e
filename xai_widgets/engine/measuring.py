"""The five measures of a map, as they come in: `measures.measured` in the words of the engine."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from xai_widgets.engine.answers import Measures
from xai_widgets.engine.subject import Subject, array
from xai_widgets.kernels import measures
from xai_widgets.kernels.measures import AXES, Explain, Ladder, Measured, Row, Step
from xai_widgets.kernels.measures.five import Focused
from xai_widgets.kernels.tail import Tail

OPAQUE = "the transform of this model cannot be split, so that its images cannot be degraded"
NO_GAINS = "all runs without gains, since a feature map of one run is not the same map of another"
QUANTITIES = dict.fromkeys(AXES, "ssim") | {"entropy": "entropy", "focus": "focus"}  # of a measure as a whole
LEVELS = "A level of Gaussian noise is a standard deviation, one of blur a sigma in tenths of the shorter side."


def measures_of(
    subject: Subject,
    explain: Explain,
    what: str,
    *,
    runs: Sequence[Explain] = (),
    numbers: Sequence[int] = (),
    alone: Explain | None = None,
    axes: Sequence[str] = AXES,
    rule: str = "fixed",
    step: Step = None,
    show: Callable[[Measures], None] | None = None,
) -> Measures:
    """The five measures of any map of one image, then the ladders of further kinds of noise.

    Args:
        subject: the image.
        explain: images (n 3 h w) in [0, 1], or images and targets, to maps (n h' w') that are not negative, with
            scores or without; see `kernels.measures.explainer_of`.
        what: the map in words, such as "Grad-CAM of features, cut at 0".
        runs: the same method on the other training runs of the model, for stability.
        numbers: of these runs, that of the subject first.
        alone: the method without gains of feature maps, where `explain` has some: stability knows none.
        axes: which of the five.
        rule: "fixed" for the target of the subject, "repredicted" for what is predicted for each changed image.
        step: called before each batch; may raise to stop.
        show: gets what is measured so far, after each of the five.

    Raises:
        ValueError: an image that is too small for the network, or a method that gives something else.
    """
    rule = rule if subject.model.has_classes else "fixed"  # of scores none is predicted
    if not subject.model.can_degrade:
        return nothing_measured(OPAQUE, axes, rule)
    _ = subject.tail  # an image that is too small for the network is refused by its name
    known = _Known(subject, what, rule, NO_GAINS if alone is not None and runs else "")
    images = subject.pixels[None]
    method = measures.explainer_of(explain)
    fixed = rule == "fixed" and method.targeted
    targets = torch.tensor([subject.target], device=images.device) if fixed else None
    found = measures.measured(
        method, images, runs=runs, numbers=numbers, alone=alone, axes=axes, rule=rule, targets=targets, step=step
    )
    for one in found:
        known.add(one)
        if show is not None and not (isinstance(one, Ladder) and one.further):
            show(known.answer(done=False))
    return known.answer(done=True)


def grad_cams_of(subject: Subject) -> tuple[Explain, list[Explain]]:
    """Grad-CAM cut at 0, of the model of a subject and of its other training runs."""
    runs = subject.sources.model(subject.query.model).runs
    others = [Subject(subject.sources, replace(subject.query, run=run)) for run in range(len(runs))]
    return _grad_cam(subject), [_grad_cam(other) for other in others if other.model is not subject.model]


def _grad_cam(subject: Subject) -> Explain:
    """Of the weights as they are now."""
    model, shell = subject.model, subject.now.shell

    def tail_of(images: Tensor) -> Tail:
        return Tail(shell, subject.layer, subject.fed(images.to(model.device)), call=subject.call)

    return measures.grad_cam_explainer(tail_of, model.scores)


class _Known:
    """What is measured so far, in words."""

    def __init__(self, subject: Subject, what: str, rule: str, of_runs: str = "") -> None:
        self.target = subject.target
        asked = f"fixed target: {subject.words}" if rule == "fixed" else "target predicted again for each changed image"
        self.asked = f"{what}; {asked}"
        self.of_runs = of_runs
        self.values = dict.fromkeys(AXES, math.nan)
        self.details: dict[str, dict[str, object]] = {}
        self.notes: dict[str, str] = {}
        self.rows: tuple[Row, ...] = ()
        self.removal_scores: np.ndarray | None = None

    def add(self, one: Measured) -> None:
        self.details.setdefault(one.axis, {}).update(one.parts())
        self.rows = (*self.rows, *one.rows())
        if isinstance(one, Focused) and one.result.scores is not None:
            self.removal_scores = array(one.result.scores[0])
        if isinstance(one, Ladder) and one.further:
            if LEVELS not in self.notes[one.axis]:
                self.notes[one.axis] += f" {LEVELS}"
            return
        self.values[one.axis] = one.values[0].item()
        self.notes[one.axis] = self._note(one)

    def _note(self, one: Measured) -> str:
        if not one.available:
            return f"n/a: {one.missing}."
        row = one.row()
        words = [one.tested, self.asked, f"compared at {row.height} × {row.width}"]
        words += [f"{row.degenerate} of {row.maps} maps degenerate"]
        words += [f"{row.left_out} comparisons without a value left out"] if row.left_out else []
        words += [one.missing] if one.missing else []
        words += [self.of_runs] if self.of_runs and one.axis == "stability" else []
        return "; ".join(words) + "."

    def answer(self, *, done: bool) -> Measures:
        details = {axis: dict(parts) for axis, parts in self.details.items()}
        return Measures(
            dict(self.values), details, dict(self.notes), done, rows=self.rows, target=self.target,
            removal_scores=self.removal_scores,
        )  # fmt: skip


def nothing_measured(why: str, axes: Sequence[str] = AXES, rule: str = "fixed") -> Measures:
    """Of a map or a model that cannot be measured: every note and row says why."""
    note = f"n/a: {why}"
    rows = tuple(Row(0, axis, "", None, math.nan, 0, 0, rule, 0, 0, 0, QUANTITIES[axis], note) for axis in axes)
    return Measures(dict.fromkeys(AXES, math.nan), {}, dict.fromkeys(axes, f"{note}."), done=True, rows=rows)
