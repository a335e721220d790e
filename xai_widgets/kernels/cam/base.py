"""Grad-CAM: "why P?", from what follows one layer of a network.

Reference: Selvaraju et al., 2017.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from xai_widgets.kernels.batches import Step as Step
from xai_widgets.kernels.checks import (
    NoGradient,
    check_finite,
    labels_of,
    one_an_image,
    scores_from,
    target_of,
    targets_of,
)
from xai_widgets.kernels.checks import Target as Target
from xai_widgets.kernels.precision import ieee, products
from xai_widgets.kernels.tail import Replayable as Replayable
from xai_widgets.kernels.tail import Tail, arithmetic_of

Score = Callable[[Any], Tensor]

SCALES = (1024.0, 1.0)  # of the weights in a float16 backward pass: the first one that overflows nothing is used


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
        TypeError: a target that is no number or name, scores that are no tensor of floating-point numbers.
        ValueError: no such target; scores that are not (n k), not finite, or without a gradient; a gradient that is not
            finite at a map that is not 0 everywhere; a layer whose positions are not in raster order.
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

    A map that is 0 everywhere adds nothing whatever its weight: its weight is 0 where the gradient is not finite.

    Raises:
        TypeError: as `grad_cam`.
        ValueError: as `grad_cam`, but for the order of positions, which does not matter here.
    """
    with recording(tail):
        leaf, y = replayed(tail, score, maps)
        slope, size = unit_slope(leaf, y, one_hot(target, y.detach(), labels_of(score)))
        return finite_weights(slope.mean((2, 3)), leaf.detach()) * size[:, None]


def cam_of(
    tail: Replayable,
    score: Callable[[Any], Tensor],
    cotangent: Float[Tensor, "n k"] | Callable[[Tensor], Tensor],
    *,
    maps: Float[Tensor, "n c h w"] | None = None,
) -> tuple[Float[Tensor, "n k"], Float[Tensor, "n h w"]]:
    """All scores, and the signed Grad-CAM of their weighted sum.

    Args:
        cotangent: the weights, or a function of the scores that gives them.

    Raises:
        TypeError: as `grad_cam`.
        ValueError: as `grad_cam`.
    """
    check_placed(tail)
    with recording(tail):
        leaf, y = replayed(tail, score, maps)
        weights = cotangent if isinstance(cotangent, Tensor) else cotangent(y.detach())
        return y.detach(), cam_at(leaf, y, weights)


@contextmanager
def recording(tail: object = None) -> Iterator[None]:
    """Gradients are recorded within this block, in exact arithmetic, whatever mode the caller is in.

    Both the forward and the backward pass belong into it: torch would run the latter under the caller's autocast.

    Args:
        tail: in whose precision the passes run; the caller's if it is no Tail.
    """
    with arithmetic_of(tail), ieee(), torch.inference_mode(False), torch.enable_grad():
        yield


def check_placed(tail: Replayable) -> None:
    """Raise ValueError where it is not known that the layer's positions lie where they are in the image."""
    if not getattr(tail, "placed", True):
        raise ValueError(
            f"the positions of layer {getattr(tail, 'layer', '')!r} are not in raster order, so that a map of them "
            "would be scrambled: say how they lie by `layout=`, or remove maps, which works as it is."
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
) -> tuple[Float[Tensor, "n c h w"], Float[Tensor, "n k"]]:
    """A leaf of the maps, and the scores that follow from it.

    Raises:
        TypeError: scores that are no tensor of floating-point numbers.
        ValueError: scores that are not (n k), not finite, or without a gradient at the leaf.
    """
    leaf = leaf_of(tail, maps)
    return leaf, differentiable(scores_from(score, tail(leaf), len(leaf)))


def leaf_of(tail: Replayable, maps: Float[Tensor, "n c h w"] | None) -> Float[Tensor, "n c h w"]:
    """The maps, or those of the tail, as a tensor at which a gradient is recorded."""
    values = (tail.maps if maps is None else maps).detach()
    kept = isinstance(tail, Tail) and not values.is_inference()  # a tail writes into a copy
    return (values if kept else values.clone()).requires_grad_()


def differentiable(y: Float[Tensor, "n ..."]) -> Float[Tensor, "n ..."]:
    """These scores; raise ValueError where they are not finite, or do not depend on the maps by a gradient."""
    check_finite("the scores", y.detach())
    return with_gradient(y)


def with_gradient(y: Float[Tensor, "n ..."]) -> Float[Tensor, "n ..."]:
    """These scores, where they depend on the maps by a gradient.

    Raises:
        ValueError: they do not, as a `NoGradient`.
    """
    if not y.requires_grad:
        raise NoGradient("the score must depend on the layer's maps by steps that have a gradient, got a constant.")
    return y


def wide_of(*tensors: Tensor) -> torch.dtype:
    """In which precision sums over them are taken: the widest of theirs, float32 at least."""
    dtype = torch.float32
    for tensor in tensors:
        dtype = torch.promote_types(dtype, tensor.dtype)
    return dtype


def slope_of(leaf: Tensor, y: Float[Tensor, "n k"], weights: Float[Tensor, "n k"], *, retain: bool = False) -> Tensor:
    """The gradient of the weighted sum of the scores at a leaf of n rows, in float32 at least."""
    slope, size = unit_slope(leaf, y, weights, retain=retain)
    return slope * size.reshape(-1, *[1] * (leaf.dim() - 1))


def unit_slope(
    leaf: Tensor, y: Float[Tensor, "n k"], weights: Float[Tensor, "n k"], *, retain: bool = False
) -> tuple[Tensor, Float[Tensor, " n"]]:
    """The gradient for weights whose largest is 1, and the size that was divided out: their product is the gradient.

    The weights of a confident network may be as small as 1e-30, and a gradient computed from them would be 0. It is
    linear in the weights, so that their size can be multiplied in at the very end.
    """
    size = unit_of_rows(weights)
    return scaled_slope(leaf, y, weights / size[:, None], retain=retain), size


def unit_of_rows(weights: Float[Tensor, "n k"]) -> Float[Tensor, " n"]:
    """The largest weight of each image, without a sign; 1 where all are 0."""
    size = weights.abs().amax(1)
    return torch.where(size > 0, size, 1)


def scaled_slope(leaf: Tensor, y: Tensor, weights: Tensor, *, retain: bool = False) -> Tensor:
    """The gradient for weights of about size 1, in float32 at least.

    In float16 small slopes would be 0 on the way back. So the weights are multiplied by 1024 and the gradient divided
    by it, where nothing overflows.
    """
    scales = scales_of(leaf, y)
    for scale in scales:
        again = scale != scales[-1]
        slope = one_slope(leaf, y, weights, scale, retain=retain or again)
        if again and bool(slope.isfinite().all()):
            break
    return slope


def scales_of(leaf: Tensor, y: Tensor) -> tuple[float, ...]:
    """By what the weights are multiplied on the way back: the first one that overflows nothing."""
    return SCALES if torch.float16 in (leaf.dtype, y.dtype) else SCALES[-1:]


def one_slope(leaf: Tensor, y: Tensor, weights: Tensor, scale: float, *, retain: bool = False) -> Tensor:
    """The gradient with weights that are multiplied by `scale` on the way back, whether or not it overflows."""
    scaled = weights if scale == 1 else weights * scale
    (slope,) = torch.autograd.grad(y, leaf, scaled.to(y.dtype), retain_graph=retain)
    slope = slope.to(wide_of(leaf, y))
    return slope if scale == 1 else slope / scale


def cam_at(
    leaf: Float[Tensor, "n c h w"], y: Float[Tensor, "n k"], weights: Float[Tensor, "n k"]
) -> Float[Tensor, "n h w"]:
    """The signed Grad-CAM of the weighted sum of the scores.

    Raises:
        ValueError: a gradient that is not finite at a map that is not 0 everywhere.
    """
    slope, size = unit_slope(leaf, y, weights)
    return weighted(leaf, finite_weights(slope.mean((2, 3)), leaf.detach())) * size[:, None, None]


def weighted(leaf: Float[Tensor, "n c h w"], of_maps: Float[Tensor, "n c"]) -> Float[Tensor, "n h w"]:
    """The sum of the maps, each times its weight."""
    with products(leaf.device):
        return torch.einsum("nchw,nc->nhw", leaf.detach().to(of_maps.dtype), of_maps)


def without_dead(slope: Float[Tensor, "n c h w"], maps: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
    """The gradient; 0 where it is not finite and its map is 0 everywhere, as under a square root of the variance."""
    dead = (maps == 0).all(3, keepdim=True).all(2, keepdim=True)
    return torch.where(dead & ~slope.isfinite(), 0, slope)


def finite_weights(weights: Float[Tensor, "n *k c"], maps: Float[Tensor, "n c h w"]) -> Float[Tensor, "n *k c"]:
    """Weights of maps; 0 where one is not finite and its map is 0 everywhere, so that it adds nothing.

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
    """1 for the target of each image, 0 for the others.

    Raises:
        TypeError: a target that is no number or name.
        ValueError: no such output, or another number of targets than of images.
    """
    if not one_an_image(target):
        hot = torch.zeros(y.shape, dtype=y.dtype, device=y.device)
        hot[:, target_of(target, y.shape[1], labels)] = 1
        return hot
    return hot_at(targets_of(target, y, labels), y)


def hot_at(index: Int[Tensor, " n"], y: Float[Tensor, "n k"]) -> Float[Tensor, "n k"]:
    """1 at these outputs, one an image, which exist; 0 for the others."""
    return (index[:, None] == torch.arange(y.shape[1], device=y.device)).to(y.dtype)
