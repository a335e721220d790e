"""Grad-CAM: "why P?", from the tail of a network alone.

References: Selvaraju et al., 2017.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from xai_widgets.kernels.affine import Replayable as Replayable
from xai_widgets.kernels.affine import arithmetic_of
from xai_widgets.kernels.batches import Step as Step
from xai_widgets.kernels.checks import Target as Target
from xai_widgets.kernels.checks import check_finite, labels_of, scores_from, targets_of
from xai_widgets.kernels.precision import ieee, products

Score = Callable[[Any], Tensor]

SCALES = (1024.0, 1.0)  # of a float16 backward pass, whose small slopes would be 0; the first that overflows nothing


def grad_cam(
    tail: Replayable,
    score: Callable[[Any], Tensor],
    target: Target,
    *,
    maps: Float[Tensor, "n c h w"] | None = None,
) -> Float[Tensor, "n h w"]:
    """Sum of the maps, each times the spatial mean of the gradient of the target's score; signed.

    Args:
        score: from what the network returns to scores (n k); `outputs.Outputs` brings names for them.
        target: an output by number or by name, or one an image.

    Raises:
        TypeError, ValueError: no such target; scores that are not (n k), not finite, or without a gradient; a gradient
            that is not finite at a map that is not 0 everywhere; a layer whose places are not in raster order.
    """
    return cam_of(tail, score, partial(one_hot, target, labels=labels_of(score)), maps=maps)[1]


def grad_cam_weights(
    tail: Replayable,
    score: Callable[[Any], Tensor],
    target: Target,
    *,
    maps: Float[Tensor, "n c h w"] | None = None,
) -> Float[Tensor, "n c"]:
    """The weight a_i of each map in Grad-CAM: the spatial mean of the gradient of the target's score.

    A map that is 0 everywhere adds nothing whatever its weight: 0 where its gradient is not finite.

    Raises:
        TypeError, ValueError: as of `grad_cam`; the order of places does not matter here.
    """
    with recording(tail):
        leaf, y = replayed(tail, score, maps)
        weights, size = _weights_at(leaf, y, one_hot(target, y.detach(), labels_of(score)))
        return weights * size


def cam_of(
    tail: Replayable,
    score: Callable[[Any], Tensor],
    cotangent: Float[Tensor, "n k"] | Callable[[Tensor], Tensor],
    *,
    maps: Float[Tensor, "n c h w"] | None = None,
) -> tuple[Float[Tensor, "n k"], Float[Tensor, "n h w"]]:
    """All scores, and the signed Grad-CAM of their sum, each times its cotangent (maybe a function of the scores).

    Raises:
        TypeError, ValueError: as of `grad_cam`.
    """
    check_placed(tail)
    with recording(tail):
        leaf, y = replayed(tail, score, maps)
        weights = cotangent if isinstance(cotangent, Tensor) else cotangent(y.detach())
        return y.detach(), cam_at(leaf, y, weights)


@contextmanager
def recording(tail: object = None) -> Iterator[None]:
    """Gradients are recorded here in exact arithmetic, whatever mode the caller is in; both passes lie within.

    Args:
        tail: in whose precision the passes run, also the one backwards: torch would take the caller's autocast.
    """
    with arithmetic_of(tail), ieee(), torch.inference_mode(False), torch.enable_grad():
        yield


def check_placed(tail: Replayable) -> None:
    """Raise ValueError where it is not known that the layer's places lie where they are in the image."""
    if not getattr(tail, "placed", True):
        raise ValueError(
            f"the places of layer {getattr(tail, 'layer', '')!r} are not in raster order, so that a map of them would "
            "be scrambled: say how they lie by `layout=`, or remove maps, which works as it is."
        )


class Classes(NamedTuple):
    """How the classes of a score are read: their logits, their names, and whether one of them excludes the others."""

    logits: Score
    labels: Sequence[str] | None
    exclusive: bool


def classes_of(score: Any) -> Classes:
    """As an `outputs.Outputs` says; any other function is taken to give the logits of exclusive classes."""
    return Classes(getattr(score, "logits", score), labels_of(score), getattr(score, "exclusive", True))


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


def wide_of(*tensors: Tensor) -> torch.dtype:
    """In which precision sums over them are taken: the widest of theirs, float32 at least."""
    dtype = torch.float32
    for tensor in tensors:
        dtype = torch.promote_types(dtype, tensor.dtype)
    return dtype


def slope_of(leaf: Tensor, y: Float[Tensor, "n k"], cotangent: Float[Tensor, "n k"], *, retain: bool = False) -> Tensor:
    """The gradient of the weighted scores at a leaf of n rows, in float32 at least.

    Weights of a confident network are tiny: at size 1 they do not underflow on the way back.
    """
    size = cotangent.abs().amax(1, keepdim=True)
    size = torch.where(size > 0, size, 1)
    slope = scaled_slope(leaf, y, cotangent / size, retain=retain)
    return slope * size.reshape(-1, *[1] * (leaf.dim() - 1))


def scaled_slope(leaf: Tensor, y: Tensor, cotangent: Tensor, *, retain: bool = False) -> Tensor:
    """The gradient for a cotangent of about size 1; in float16 by a factor that is taken out again."""
    wide = wide_of(leaf, y)
    for scale in SCALES if torch.float16 in (leaf.dtype, y.dtype) else SCALES[-1:]:
        again = scale != SCALES[-1]
        (slope,) = torch.autograd.grad(y, leaf, (cotangent * scale).to(y.dtype), retain_graph=retain or again)
        slope = slope.to(wide) / scale
        if again and bool(slope.isfinite().all()):
            break
    return slope


def cam_at(
    leaf: Float[Tensor, "n c h w"], y: Float[Tensor, "n k"], cotangent: Float[Tensor, "n k"]
) -> Float[Tensor, "n h w"]:
    """The signed Grad-CAM of the weighted scores."""
    weights, size = _weights_at(leaf, y, cotangent)
    with products(leaf.device):
        return torch.einsum("nchw,nc->nhw", leaf.detach().to(weights.dtype), weights) * size[..., None]


def _weights_at(leaf: Tensor, y: Tensor, cotangent: Tensor) -> tuple[Float[Tensor, "n c"], Float[Tensor, "n 1"]]:
    """Spatial means of the gradient of the weighted scores, and a size to multiply by at the very end."""
    size = cotangent.abs().amax(1, keepdim=True)
    size = torch.where(size > 0, size, 1)
    return heard(slope_of(leaf, y, cotangent / size).mean((2, 3)), leaf.detach()), size


def heard(weights: Float[Tensor, "n *k c"], maps: Float[Tensor, "n c h w"]) -> Float[Tensor, "n *k c"]:
    """Weights of maps, with 0 in the place of what is not finite for a map that is 0 everywhere.

    Raises:
        ValueError: a weight that is not finite, of any other map.
    """
    finite = weights.isfinite()
    if bool(finite.all()):
        return weights
    dead = (maps == 0).all(3).all(2)
    if weights.dim() == 3:
        dead = dead[:, None]
    weights = torch.where(~finite & dead, 0, weights)
    check_finite("the gradient of the score at the maps", weights)
    return weights


def predicted(score: Any, y: Float[Tensor, "n k"]) -> Int[Tensor, " n"]:
    """The class of the largest score; raise ValueError where the outputs are several scores, not classes."""
    if getattr(score, "task", None) == "regression" and y.shape[1] > 1:
        raise ValueError(f"of {y.shape[1]} scores none is the predicted one; choose one by `target`.")
    return y.argmax(1)


def one_hot(target: Target, y: Float[Tensor, "n k"], labels: Sequence[str] | None = None) -> Float[Tensor, "n k"]:
    """1 for the target of each image, 0 for the others."""
    chosen = targets_of(target, y, labels)
    return (chosen[:, None] == torch.arange(y.shape[1], device=y.device)).to(y.dtype)
