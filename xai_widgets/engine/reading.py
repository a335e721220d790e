"""Scores and maps of a subject, brought to the CPU for one wait of the device."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from xai_widgets.kernels.home import home
from xai_widgets.kernels.questions import Question, of_output

if TYPE_CHECKING:
    from xai_widgets.engine.asking import Request
    from xai_widgets.engine.subject import Subject


def own_scores(subject: Subject) -> Tensor:
    """All scores (k) with all gains 1. Where Grad-CAM of P is asked for too, its map comes home with them."""
    tail = subject.tail
    with torch.no_grad():
        own = subject.model.scores(tail.result)[0].detach()
    if own.device.type == "cpu" or not is_plain_cam(subject):
        return home(own)[0].clone()
    with suppress(ValueError, RuntimeError):  # said where the map is asked for
        known, found = None if subject.query.target is None else subject.target, [own]
        subject.first_map.append(subject.sources.cache.recordings.read_cam(subject, of_output(known), None, more=found))
        return found[0]
    return home(own)[0]


def cam_with_gains(request: Request, asked: Question) -> tuple[Tensor, Tensor]:
    """Scores (1 k) and Grad-CAM (1 h w) with the gains of the query."""
    subject = request.subject
    if is_plain_cam(subject) and subject.tail.maps.device.type != "cpu":
        _ = subject.scores  # where they are read now, the map comes with them
        if subject.first_map:
            return subject.first_map.pop()
    return subject.sources.cache.recordings.read_cam(subject, asked, request.changed)


def is_plain_cam(subject: Subject) -> bool:
    """Is the Grad-CAM of P with all gains 1 asked for? It can be made before the scores have told P."""
    query, contrast = subject.query, subject.query.contrast
    plain = contrast is None or (contrast.kind == "score" and contrast.form == "plain")
    return plain and not query.gains and query.method == "grad_cam"
