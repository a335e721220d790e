"""Class activation maps by the gradient: why P, and why P rather than Q, for classes and for scores."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from xai_widgets.engine.asking import Request
from xai_widgets.engine.methods import questions
from xai_widgets.engine.methods.record import Explained, Method
from xai_widgets.engine.options import Option, differing
from xai_widgets.engine.reading import cam_with_gains
from xai_widgets.engine.subject import Subject, array
from xai_widgets.kernels.cam import cam_of, patch_contrast, tile_contrast
from xai_widgets.kernels.cam.base import one_hot
from xai_widgets.kernels.questions import of_output
from xai_widgets.kernels.tail import Tail

TILED = "in a contrast of scores by tiles, of a network without patch scores of its own"
WINDOW = Option(
    "window", "side of a tile", "quarter", ("quarter",), 1, unit="pixels of the network's input", acts=TILED
)
STRIDE = Option("stride", "from tile to tile", "half", ("half",), 1, unit="pixels of the network's input", acts=TILED)
IDLE = f"Window and stride act only {TILED}."


def grad_cam(request: Request, options: dict[str, Any]) -> Explained:
    """Grad-CAM of P, or of what is asked with Q."""
    subject, contrast = request.subject, request.contrast
    note = IDLE if differing((WINDOW, STRIDE), options) else ""
    if contrast is not None and contrast.kind == "score":
        if contrast.form == "tiles":
            return _tiles(request, contrast.score, options)
        return _plain(request, contrast.score, note)
    asked = questions.asked(subject)
    scores, cam = cam_with_gains(request, asked)
    words = questions.why(subject)
    if contrast is not None:
        words = questions.why_not_class(subject, int(scores[0].argmax()))
    return Explained(cam[0], scores[0], *words, note)


def _plain(request: Request, q: float, note: str) -> Explained:
    """Why this score, rather than Q: 2 (y - Q) times the CAM, cut at 0, on one scale for every Q."""
    subject = request.subject
    scores, cam = cam_with_gains(request, of_output(subject.target))
    y, values = float(scores[0, subject.target]), array(cam[0])
    scale = questions.one_scale(subject, y, q)
    limit = scale.largest * float(np.abs(values).max(initial=0))
    picture = torch.from_numpy(np.maximum(scale.factor * values, 0).astype(np.float32))
    words, note = questions.why_not_score(y, q, subject.words), f"{scale.note} {note}".strip()
    return Explained(picture, scores[0], *words, note, limit, one_sided=True)


def _tiles(request: Request, q: float, options: dict[str, Any]) -> Explained:
    """Two layers, of the parts that score above Q and of those below; where both are, the larger is shown."""
    subject, model = request.subject, request.subject.model
    scores = scores_of(subject, request.changed)
    y = float(scores[subject.target])
    if model.patch_scores is not None and model.one_score:
        tiled = patch_contrast(subject.tail, model.patch_scores, q, maps=request.changed, step=request.step)
        signed, part = tiled.signed[0], "patch"
        note = "By the network's own patch scores: each patch asks on its own side of Q."
        if differing((WINDOW, STRIDE), options):
            note = f"{note} {IDLE}"
    elif request.gains:
        raise ValueError(
            "a contrast by tiles of the image takes no gains, since each tile has feature maps of its own; "
            "reset the gains, or choose the plain form."
        )
    else:
        signed, part = _of_tiles(request, q, options), "tile"
        note = (
            f"By tiles of {_side(options['window'], 'a quarter of the shorter side')}, each scored alone: each asks on "
            "its own side of Q. Where one that merits a score above Q and one that prevents it overlap, the larger is "
            "shown."
        )
    question = f"{questions.why_not_score(y, q, subject.words).question} {part} by {part}"
    return Explained(signed, scores, question, questions.PREVENTS, questions.MERITS, note)


def _of_tiles(request: Request, q: float, options: dict[str, Any]) -> Tensor:
    subject, model = request.subject, request.subject.model

    def explain(tiles: Tensor) -> tuple[Tensor, Tensor]:
        tail = Tail(subject.now.shell, subject.layer, subject.fed(tiles), call=subject.call)
        scores, cam = cam_of(tail, model.scores, partial(one_hot, subject.target))
        return scores[:, subject.target].to(tiles), cam.to(tiles)  # put together where the tiles were cut

    window, stride = (None if isinstance(options[name], str) else options[name] for name in ("window", "stride"))
    return tile_contrast(explain, subject.pixels, q, window=window, stride=stride, step=request.step).signed


def _side(window: int | str, usual: str) -> str:
    return usual if isinstance(window, str) else f"{window} × {window} pixels"


def scores_of(subject: Subject, changed: Tensor | None) -> Tensor:
    """All scores (k), with the maps of the layer as they are, or changed."""
    if changed is None:
        return subject.scores
    with torch.no_grad():
        scores: Tensor = subject.model.scores(subject.tail(changed))[0]
    return scores


METHODS = (
    Method(
        name="grad_cam",
        words="Grad-CAM",
        unit="gradient × activation",
        group="gradient",
        description="Where the layer's maps push the explained score, by its gradient at the maps.",
        make=grad_cam,
        question="why {p}?",
        low="lowers {p}",
        high="raises {p}",
        needs=("gradient",),
        takes_contrast=True,
        takes_tiles=True,
        options=(WINDOW, STRIDE),
        source="Selvaraju et al., 2017, arXiv 1610.02391; contrast: Prabhushankar et al., 2020, arXiv 2008.00178",
    ),
)
