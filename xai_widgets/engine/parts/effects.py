"""The feature maps of a layer, and what the removal of each changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from xai_widgets.engine.answers import Impacts, Maps
from xai_widgets.engine.asking import Request
from xai_widgets.engine.labelled import LabelledEffects, anytime_labelled, cross_entropy, estimated_labelled
from xai_widgets.engine.parts.record import Part
from xai_widgets.engine.subject import Subject, array
from xai_widgets.kernels import ablation
from xai_widgets.kernels.anytime import Effects, anytime_delta_y, first_known
from xai_widgets.kernels.home import home

Made = TypeVar("Made")


def maps(request: Request) -> Maps:
    """Thumbnails of every map."""
    subject = request.subject
    values = subject.tail.maps[0].detach()
    largest = values.amax((1, 2)).float()
    low, high = values.amin((1, 2), keepdim=True), values.amax((1, 2), keepdim=True)
    if not subject.tail.placed:  # no picture: how active each map is, on one scale for all
        values = values.mean((1, 2), keepdim=True)
        low, high = values.amin(0, keepdim=True), values.amax(0, keepdim=True)
    span = torch.where(high > low, high - low, 1)
    thumbs = ((values - low) / span * 255).round().to(torch.uint8)
    dead = ablation.dead(subject.tail.maps.detach())[0]
    thumbs, dead, largest = home(thumbs, dead, largest)
    kind = subject.tail.layout.kind
    return Maps(thumbs.numpy(), dead.numpy(), subject.layer, kind, maximum=largest.numpy())


def impacts(request: Request) -> Impacts:
    """delta y of every map: estimated at once, then exact in the order of the estimate.

    Where the tail is affine, the estimate is exact and nothing is left to do. Where what is known so far will do, the
    estimate is the answer.
    """
    subject = request.subject
    tail, scores, target, label = subject.tail, subject.model.scores, subject.target, subject.label
    if request.partial:
        return estimated(subject)
    stream: Iterator[Effects] = anytime_delta_y(tail, scores, target, baseline=subject.baseline)
    if label is not None:
        stream = anytime_labelled(tail, scores, target, label, baseline=subject.baseline)
    return streamed(request, stream, partial(_impacts, subject))


def streamed(request: Request, stream: Iterator[Effects], made: Callable[[Effects], Made]) -> Made:
    """What is made of the last effects; of those before it is shown, and others get their turn."""
    for known in stream:
        if known.done:
            break
        request.show(made(known), known.share)
        request.step()
    return made(known)


def note_of(subject: Subject) -> str:
    """What was removed, as a sentence."""
    return f"Single removals, {subject.query.baseline} baseline, all gains 1.{subject.baseline_words}"


def estimated(subject: Subject) -> Impacts:
    """A first-order estimate of every effect, from one backward pass, or one more for the error with a label."""
    tail, scores, target, label = subject.tail, subject.model.scores, subject.target, subject.label
    if label is not None:
        known: Effects = estimated_labelled(tail, scores, target, label, baseline=subject.baseline)
    else:
        known = first_known(tail, scores, target, baseline=subject.baseline)
    return _impacts(subject, known, done=False)


def _impacts(subject: Subject, known: Effects, *, done: bool | None = None) -> Impacts:
    """On the CPU from here on: what follows is small."""
    change, exact = home(known.delta_y, known.exact)
    y = subject.scores[subject.target, None]
    impacts = Impacts(
        delta_y=array(change),
        exact=exact.numpy().copy(),
        value=float(y),
        done=known.done if done is None else done,
        note=note_of(subject),
    )
    if isinstance(known, LabelledEffects):
        return _with_label(subject, impacts, change, known.delta_error)
    return impacts if subject.rating is None else _with_rating(subject, impacts, change, y)


def _with_label(subject: Subject, impacts: Impacts, change: Tensor, growth: Tensor) -> Impacts:
    """With the cross entropy to the known label as the error."""
    label = subject.label
    assert label is not None
    y = subject.scores[subject.target, None].to(growth)
    # A mean over labels is rounded as its sum is, so that a map is neutral for as many labels as for one.
    whole = growth * (subject.model.outputs if isinstance(label, tuple) else 1)
    roles, moves = _roles(subject, change[None].to(growth), whole[None], y)
    return replace(
        impacts,
        delta_error=array(growth),
        roles=roles,
        moves=moves,
        error=subject.error_words,
        error_value=cross_entropy(subject.model.scores, subject.scores, label),
        label=subject.label_words,
    )


def _with_rating(subject: Subject, impacts: Impacts, change: Tensor, y: Tensor) -> Impacts:
    """With the distance to the rating as the error."""
    rating = torch.tensor([subject.rating], dtype=y.dtype, device="cpu")
    growth = ablation.delta_error(change[None], y, rating)
    roles, moves = _roles(subject, change[None], growth, y)
    residual, note = float(y - rating), impacts.note
    if bool(ablation.one_sided(change[None], y - rating)[0]) and residual:
        way = "lower" if residual > 0 else "raise"
        note += (
            f" No single map outweighs the residual of {residual:+.3g}, so every helpful map helps because it "
            f"{way}s the score: a fact of this image, not a fault."
        )
    return replace(
        impacts,
        delta_error=array(growth[0]),
        roles=roles,
        moves=moves,
        error="error",
        error_value=abs(residual),
        residual=residual,
        note=note,
    )


def _roles(subject: Subject, change: Tensor, growth: Tensor, y: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """The role of each map, and whether the error moves, whatever the score does."""
    of_any = torch.ones_like(change)  # a change for which no map is neutral because its score stays as it is
    role, any_role = (ablation.roles(of, growth, y, precision=subject.tail.precision)[0] for of in (change, of_any))
    return role.to(torch.int8).numpy(), (any_role > 0).numpy()


PARTS = (
    Part("maps", "feature maps", maps, lane="maps"),
    Part("impacts", "effect of each map", impacts, ("target", "baseline"), knows=True, lane="impacts"),
)
