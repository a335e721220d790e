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

Score = Callable[[Any], Tensor]
Step = Callable[[], None] | None


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
) -> tuple[Float[Tensor, "n c h w"], Float[Tensor, "n ..."]]:
    leaf = (tail.maps if maps is None else maps).detach().clone().requires_grad_()
    y = score(tail(leaf))
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
    return torch.einsum("nchw,nc->nhw", leaf.detach(), slope.mean((2, 3))) * size[..., None]


def one_hot(target: Tensor | int, y: Float[Tensor, "n k"]) -> Float[Tensor, "n k"]:
    classes = torch.arange(y.shape[1], device=y.device)
    chosen = torch.as_tensor(target, device=y.device).expand(len(y))
    if bool(((chosen < 0) | (chosen >= len(classes))).any()):
        raise ValueError(f"target must be 0 to {len(classes) - 1}, got {target}.")
    return (chosen[:, None] == classes).to(y.dtype)
