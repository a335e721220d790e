"""How much a map says that Grad-CAM does not."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from xai_widgets.engine.answers import Explanation, Likeness, Saliency
from xai_widgets.engine.asking import Request
from xai_widgets.engine.parts.output import EXPLAINED
from xai_widgets.engine.parts.record import Part
from xai_widgets.kernels.agreement import at_size, cc


def likeness(request: Request) -> Likeness:
    """The correlation of the map with Grad-CAM of the same P and gains, without Q."""
    shown: Explanation = request.ask("explanation")
    plain = request.of(request.subject.otherwise(method="grad_cam", contrast=None, options=()))
    base: Explanation = plain.ask("explanation")
    a, b = _weight(shown.saliency), _weight(base.saliency)
    size = (max(a.shape[1], b.shape[1]), max(a.shape[2], b.shape[2]))
    return Likeness(r=float(cc(at_size(a, size), at_size(b, size))[0]))


def _weight(saliency: Saliency) -> Tensor:
    return torch.from_numpy(saliency.weight.astype(np.float64))[None]


PARTS = (Part("likeness", "correlation with Grad-CAM", likeness, EXPLAINED, knows=True, lane="measures"),)
