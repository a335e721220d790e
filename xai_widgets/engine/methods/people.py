"""What people marked in an image."""

from __future__ import annotations

from typing import Any

import torch

from xai_widgets.engine.asking import Request
from xai_widgets.engine.methods.record import Explained, Method
from xai_widgets.kernels.saliency import resize


def human_map(request: Request, options: dict[str, Any]) -> Explained:
    """The part of the human map that the network saw, no finer than what it saw.

    Raises:
        ValueError: there is no human map, it cannot be read, or it is not known which part the network saw.
    """
    subject = request.subject
    known = subject.images.human_map(subject.image)
    if known is None:
        raise ValueError(f"there is no human map of {subject.image!r}.")
    seen = subject.model.human_map(known, subject.picture).to(torch.float32)
    height, width = (min(own, side) for own, side in zip(seen.shape, subject.pixels.shape[-2:], strict=True))
    return Explained(resize(seen[None], (height, width))[0])


METHODS = (
    Method(
        name="human_map",
        words="Human map",
        unit="share of the strongest mark",
        group="people",
        description="Where people looked or drew, in the part of the image that the network sees.",
        make=human_map,
        question="what did people mark?",
        low="",
        high="marked by people",
        needs=("human map",),
        one_sided=True,
        inside="",
        takes_gains=False,
        without_contrast="it does not come from the model",
        without_gains="it does not come from the model",
        asks_p=False,
        unmeasured="it does not come from the model, so that no change of the image or of the model changes it",
    ),
)
