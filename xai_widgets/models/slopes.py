"""Whether a gradient of the scores comes to the image, and to the maps of a layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from xai_widgets.kernels.tail import Tail


def leads_to(scores: Tensor, image: Tensor | None, *, around: Tensor | None = None) -> bool:
    """Is there a way back from the scores to a leaf, through steps that have a gradient? Runs nothing.

    Args:
        around: a way that does not pass the step that made this tensor is looked for.
    """
    if image is None or not image.requires_grad or scores.grad_fn is None:
        return False
    seen, left = set[Any]() if around is None else {around.grad_fn}, [scores.grad_fn]
    while left:
        step = left.pop()
        if step not in seen:
            if getattr(step, "variable", None) is image:
                return True
            seen.add(step)
            left += [before for before, _ in step.next_functions if before is not None]
    return False


def comes_through(tail: Tail, scores: Callable[[Any], Tensor]) -> bool:
    """Does a gradient come from the scores to the maps of a tail of one image?

    Where the scores do not depend on the maps at all there is nothing to come through, and the answer is yes.
    """
    return _slope(tail, scores) or not _changes(tail, scores)


def _slope(tail: Tail, scores: Callable[[Any], Tensor]) -> bool:
    with tail.arithmetic(), torch.inference_mode(False), torch.enable_grad():
        leaf = tail.maps.detach().clone().requires_grad_()
        try:
            found = scores(tail(leaf))
            # NaN goes through a head of zeros too, but not through steps that are flat, such as round.
            nowhere = torch.full_like(found, torch.nan)
            (slope,) = torch.autograd.grad(found, leaf, nowhere, allow_unused=True)
        except RuntimeError:  # nothing was recorded, a value was written over, or a step has no gradient
            return False
    return slope is not None and bool(slope.ne(0).any())


def _changes(tail: Tail, scores: Callable[[Any], Tensor]) -> bool:
    """Do the scores change when all maps are removed?"""
    with tail.arithmetic(), torch.no_grad():
        return not torch.equal(scores(tail(torch.zeros_like(tail.maps))), scores(tail.result))
