"""Grad-CAM: "why P?", from the tail of a network alone.

References: Selvaraju et al., 2017.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from xai_widgets.kernels.affine import Replayable as Replayable
from xai_widgets.kernels.batches import Step as Step
from xai_widgets.kernels.checks import check_finite, check_target, scores_from

Score = Callable[[Any], Tensor]


def grad_cam(
    tail: Replayable,
    score: Callable[[Any], Tensor],
    target: Int[Tensor, " n"] | int,
    *,
    maps: Float[Tensor, "n c h w"] | None = None,
) -> Float[Tensor, "n h w"]:
    """Sum of the maps, each times the spatial mean of the gradient of the target's score; signed."""
    return cam_of(tail, score, partial(one_hot, target), maps=maps)[1]


def cam_of(
    tail: Replayable,
    score: Callable[[Any], Tensor],
    cotangent: Float[Tensor, "n k"] | Callable[[Tensor], Tensor],
    *,
    maps: Float[Tensor, "n c h w"] | None = None,
) -> tuple[Float[Tensor, "n k"], Float[Tensor, "n h w"]]:
    """All scores, and the signed Grad-CAM of their sum, each times its cotangent (maybe a function of the scores)."""
    with recording():
        leaf, y = replayed(tail, score, maps)
        weights = cotangent if isinstance(cotangent, Tensor) else cotangent(y.detach())
        return y.detach(), cam_at(leaf, y, weights)


@contextmanager
def recording() -> Iterator[None]:
    """Gradients are recorded here, whatever mode the caller is in."""
    with torch.inference_mode(False), torch.enable_grad():
        yield


def replayed(
    tail: Replayable,
    score: Callable[[Any], Tensor],
    maps: Float[Tensor, "n c h w"] | None,
    *,
    patches: bool = False,
) -> tuple[Float[Tensor, "n c h w"], Float[Tensor, "n ..."]]:
    """A leaf of the maps, and the scores of them, (n k), or those of patches, (n rows columns)."""
    leaf = (tail.maps if maps is None else maps).detach().clone().requires_grad_()
    result = tail(leaf)
    y = score(result) if patches else scores_from(score, result, len(leaf))
    check_finite("the scores", y.detach())
    if not y.requires_grad:
        raise ValueError("the score must depend on the layer's maps by steps that have a gradient, got a constant.")
    return leaf, y


def slope_of(leaf: Tensor, y: Float[Tensor, "n k"], cotangent: Float[Tensor, "n k"]) -> Tensor:
    """The gradient of the weighted scores at a leaf of n rows.

    Weights of a confident network are tiny: at size 1 they do not underflow on the way back.
    """
    size = cotangent.abs().amax(1, keepdim=True)
    size = torch.where(size > 0, size, 1)
    (slope,) = torch.autograd.grad(y, leaf, cotangent / size)
    return slope * size.reshape(-1, *[1] * (leaf.dim() - 1))


def cam_at(
    leaf: Float[Tensor, "n c h w"], y: Float[Tensor, "n k"], cotangent: Float[Tensor, "n k"]
) -> Float[Tensor, "n h w"]:
    size = cotangent.abs().amax(1, keepdim=True)
    slope = slope_of(leaf, y, cotangent / torch.where(size > 0, size, 1))
    wide = torch.promote_types(leaf.dtype, y.dtype)  # of a network that computes in lower precision inside
    return torch.einsum("nchw,nc->nhw", leaf.detach().to(wide), slope.to(wide).mean((2, 3))) * size[..., None]


def one_hot(target: Tensor | int, y: Float[Tensor, "n k"]) -> Float[Tensor, "n k"]:
    classes = torch.arange(y.shape[1], device=y.device)
    if isinstance(target, Tensor) and target.dim() == 1 and not target.is_floating_point():
        if len(target) != len(y):
            raise ValueError(f"target must have one class an image, got {len(target)} for {len(y)}.")
        for one in target.tolist():
            check_target(one, len(classes))
        chosen = target.to(y.device)
    else:
        chosen = torch.full((len(y),), check_target(target, len(classes)), device=y.device)
    return (chosen[:, None] == classes).to(y.dtype)
