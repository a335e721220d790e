"""The Grad-CAM of "why P, rather than Q?" for many classes Q, and how far each is from that of "why P?"."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from xai_widgets.engine.answers import Contrasts
from xai_widgets.engine.asking import Request
from xai_widgets.engine.known import no_confidence
from xai_widgets.engine.options import Option
from xai_widgets.engine.parts.record import Part
from xai_widgets.engine.subject import array
from xai_widgets.kernels.agreement import cc
from xai_widgets.kernels.batches import at_once, on_tail
from xai_widgets.kernels.checks import whole_number
from xai_widgets.kernels.home import home
from xai_widgets.kernels.questions import cam_of_question, of_class_contrast, of_output
from xai_widgets.kernels.tail import Tail

SECONDS_OF_A_BATCH = 0.04
COPIES = 4  # of the maps that a pass holds: themselves, their gradient, and what a copy needs besides


def contrasts(request: Request) -> Contrasts:
    """A map for each class Q, with the gains of the query; those that are made stream in, in the order asked for.

    Raises:
        ValueError: a network without classes, no such class, or Q = P where classes do not exclude each other.
    """
    subject, model = request.subject, request.subject.model
    if not model.has_classes:
        raise ValueError(f"maps of all Q are made for classes, and {model.name} gives scores.")
    subject.check_placed("a contrast")
    chosen = _chosen(request)
    changed, score, p = request.changed, model.scores, subject.target
    why = home(cam_of_question(subject.tail, score, of_output(p), maps=changed)[1])[0]
    maps = torch.full((len(chosen), *why.shape[1:]), math.nan, dtype=why.dtype)

    def run(tail: Tail, start: int, end: int) -> Tensor:
        own = (tail.maps if changed is None else changed.to(tail.maps)).detach()
        question = of_class_contrast(chosen[start:end], p)
        return cam_of_question(tail, score, question, maps=own.expand(end - start, -1, -1, -1))[1]

    size = at_once(COPIES * subject.tail.maps.nbytes, subject.tail.maps.device)
    batches = on_tail(subject.tail, len(chosen), size, run, step=request.step, seconds=SECONDS_OF_A_BATCH)
    for start, end, found in batches:
        if start:
            request.show(_so_far(chosen, maps, why, start), start / len(chosen))
        maps[start:end] = home(found)[0]
    return _so_far(chosen, maps, why, len(chosen))


def _so_far(chosen: Sequence[int], maps: Tensor, why: Tensor, count: int) -> Contrasts:
    some = maps[:count]
    return Contrasts(
        classes=np.array(chosen[:count], np.int32),
        maps=array(some).copy(),
        why=array(why[0]),
        distance=array(1 - cc(some, why.expand_as(some))),
        done=count == len(chosen),
    )


def _chosen(request: Request) -> list[int]:
    """The classes Q that are asked for; of none, all that can be asked."""
    subject, model = request.subject, request.subject.model
    given = request.options["classes"]
    if not given:
        return [index for index in range(model.outputs) if model.exclusive or index != subject.target]
    if max(given) >= model.outputs:
        raise ValueError(f"classes must be from 0 to {model.outputs - 1} for {model.name}, got {max(given)}.")
    if not model.exclusive and subject.target in given:
        raise ValueError(f"Q must be another label than P: {no_confidence(model)}")
    return list(given)


def checked_classes(given: Any) -> tuple[int, ...]:
    """Classes by number, each once, in their order.

    Raises:
        ValueError: no whole numbers from 0 on.
    """
    values = given.tolist() if isinstance(given, np.ndarray | Tensor) else given
    if isinstance(values, Sequence) and not isinstance(values, str):
        try:
            return tuple(dict.fromkeys(whole_number("a class", value, 0) for value in values))
        except (TypeError, ValueError):
            pass
    raise ValueError(f"classes must be classes by number, such as (3, 17), got {given!r}.")


OPTIONS = (Option("classes", "classes Q; all of them if none is named", (), check=checked_classes),)
PARTS = (Part("contrasts", "maps of the classes Q", contrasts, ("target", "gains", "baseline"), options=OPTIONS),)
