"""The five measures of a map, as they come in: `measures.measured` in the words of the engine."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from xai_widgets.engine.answers import Measures
from xai_widgets.engine.subject import Subject
from xai_widgets.kernels import measures
from xai_widgets.kernels.measures import AXES, Explain, Ladder, Measured, Step
from xai_widgets.kernels.tail import Tail

OPAQUE = "the transform of this model cannot be split, so that its images cannot be degraded"
NO_GAINS = "all runs without gains, since a feature map of one run is not the same map of another"
LEVELS = "A level of Gaussian noise is a standard deviation, one of blur a sigma in tenths of the shorter side."


def measures_of(
    subject: Subject,
    explain: Explain,
    what: str,
    *,
    runs: Sequence[Explain] = (),
    alone: Explain | None = None,
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
        alone: the method without gains of feature maps, where `explain` has some: stability knows none.
        rule: "fixed" for the target of the subject, "repredicted" for what is predicted for each changed image.
        step: called before each batch; may raise to stop.
        show: gets what is measured so far, after each of the five.

    Raises:
        ValueError: an image that is too small for the network, or a method that gives something else.
    """
    rule = rule if subject.model.has_classes else "fixed"  # of scores none is predicted
    known = _Known(what, subject.words, rule, NO_GAINS if alone is not None and runs else "")
    if not subject.model.can_degrade:
        return known.nothing(OPAQUE)
    _ = subject.tail  # an image that is too small for the network is refused by its name
    images = subject.pixels[None]
    method = measures.explainer_of(explain)
    fixed = rule == "fixed" and method.targeted
    targets = torch.tensor([subject.target], device=images.device) if fixed else None
    for one in measures.measured(method, images, runs=runs, alone=alone, rule=rule, targets=targets, step=step):
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

    def __init__(self, what: str, target: str, rule: str, of_runs: str = "") -> None:
        asked = f"fixed target: {target}" if rule == "fixed" else "target predicted again for each changed image"
        self.asked = f"{what}; {asked}"
        self.of_runs = of_runs
        self.values = dict.fromkeys(AXES, math.nan)
        self.details: dict[str, dict[str, object]] = {}
        self.notes: dict[str, str] = {}

    def add(self, one: Measured) -> None:
        self.details.setdefault(one.axis, {}).update(one.parts())
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

    def nothing(self, why: str) -> Measures:
        self.notes = dict.fromkeys(AXES, f"n/a: {why}.")
        return self.answer(done=True)

    def answer(self, *, done: bool) -> Measures:
        details = {axis: dict(parts) for axis, parts in self.details.items()}
        return Measures(dict(self.values), details, dict(self.notes), done)
