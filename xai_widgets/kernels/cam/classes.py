"""Contrast of classes: "why P, rather than Q?", for one Q or for every class at once, and "what if not P?".

Reference: Prabhushankar, Kwon, Temel and AlRegib, 2020, arXiv 2008.00178.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from xai_widgets.kernels.affine import AFFINE, is_affine, unit_of
from xai_widgets.kernels.cam.base import Replayable, Score, Step, cam_of, one_hot, recording, replayed
from xai_widgets.kernels.saliency import signed_scale

WORKING_SET = 32 * 2**20  # bytes of copies that are in memory at once


def contrast_weights(logits: Float[Tensor, "n k"], q: int) -> Float[Tensor, "n k"]:
    """Weights w of the class contrast, the Grad-CAM of the cross entropy with class q: sum_c w_c CAM_c.

    w = softmax - one_hot(q), with w_q as minus the sum of the others: for a confident network 1 - p_q is 0 in
    float32, the sum is not. So q may be the predicted class ("why not with 100 % confidence?").
    """
    if not 0 <= q < logits.shape[1]:
        raise ValueError(f"the contrast class must be 0 to {logits.shape[1] - 1}, got {q}.")
    is_q = torch.arange(logits.shape[1], device=logits.device) == q
    others = logits.log_softmax(1).exp().where(~is_q, logits.new_zeros(()))
    return torch.where(is_q, -others.sum(1, keepdim=True), others)


def class_contrast(
    tail: Replayable,
    score: Callable[[Any], Tensor],
    q: int,
    *,
    maps: Float[Tensor, "n c h w"] | None = None,
) -> Float[Tensor, "n h w"]:
    """Why what is predicted, rather than class q? Signed; for the predicted class: why not with full confidence?"""
    return cam_of(tail, score, partial(contrast_weights, q=q), maps=maps)[1]


def counterfactual(
    tail: Replayable,
    score: Score,
    target: Int[Tensor, " n"] | int | None = None,
    *,
    maps: Float[Tensor, "n c h w"] | None = None,
) -> Float[Tensor, "n h w"]:
    """What if not this class? The Grad-CAM of minus its logit; the predicted class by default."""

    def weights(logits: Tensor) -> Tensor:
        return -one_hot(logits.argmax(1) if target is None else target, logits)

    return cam_of(tail, score, weights, maps=maps)[1]


def class_cams(
    tail: Replayable, score: Score, *, batch: int | None = None, step: Step = None
) -> Float[Tensor, "n k h w"]:
    """The signed Grad-CAM of every class.

    Where the tail is affine, its weights are read off from one constant map at a time, all classes at once; whether it
    is affine is tried with random maps first. Otherwise one backward pass a class, in batches.

    Args:
        batch: copies at once; found from the memory of the layer if left out.
        step: called before each batch; may raise to cancel.
    """
    with torch.inference_mode(False), torch.no_grad():
        weights = _affine_weights(tail, score, batch, step)
    if weights is None:
        weights = _slopes(tail, score, batch, step)
    return torch.einsum("nkc,nchw->nkhw", weights, tail.maps.detach())


def all_contrasts(
    tail: Replayable, score: Score, *, batch: int | None = None, step: Step = None
) -> Float[Tensor, "n k h w"]:
    """Why what is predicted, rather than Q? For every class Q, from the Grad-CAMs of all classes."""
    with torch.no_grad():
        logits = score(tail(tail.maps))
    return contrasts_of(class_cams(tail, score, batch=batch, step=step), logits)


def contrasts_of(cams: Float[Tensor, "n k h w"], logits: Float[Tensor, "n k"]) -> Float[Tensor, "n k h w"]:
    """sum_c p_c CAM_c - CAM_Q for every Q, from the Grad-CAMs of all classes.

    Written with D_c = CAM_c - CAM_P for the predicted class P, as sum over c != P of p_c D_c, minus D_Q: so it stays
    exact for Q = P in a confident network, where 1 - p_P is 0.
    """
    if logits.shape[1] < 2:
        raise ValueError("a contrast of classes needs the logits of at least 2 classes, got one score.")
    predicted = logits.argmax(1, keepdim=True)
    distance = cams - cams.take_along_dim(predicted[..., None, None], 1)
    share = logits.log_softmax(1).exp()  # D_P is 0 and leaves p_P out
    return torch.einsum("nk,nkhw->nhw", share, distance)[:, None] - distance


class Uncertainty(NamedTuple):
    """Variance over the contrasts with all classes, and how many were left out because they are zero or not finite."""

    variance: Float[Tensor, "n h w"]
    left_out: Int[Tensor, " n"]


def contrast_uncertainty(contrasts: Float[Tensor, "n k h w"]) -> Uncertainty:
    """Population variance over all Q of the contrasts, each over its own max|.|; NaN where none is left.

    For confident networks nearly all contrasts are one picture, and the variance is small.
    """
    flat = contrasts.flatten(2)
    kept = flat.isfinite().all(2) & (flat != 0).any(2)
    mask = kept[..., None, None]
    scaled = signed_scale(torch.where(mask, contrasts, 0).flatten(0, 1)).reshape(contrasts.shape)
    count = kept.sum(1)[:, None, None]
    mean = scaled.sum(1) / count
    spread = torch.where(mask, scaled - mean[:, None], 0).square().sum(1) / count
    return Uncertainty(spread, (~kept).sum(1))


def _affine_weights(tail: Replayable, score: Score, batch: int | None, step: Step) -> Float[Tensor, "n k c"] | None:
    """Spatial means of dy_k / dA_i of a tail that is affine in its maps; None if it is not."""
    if not is_affine(tail, score, step=step):
        return None
    maps = tail.maps.detach()
    count, (height, width) = maps.shape[1], maps.shape[2:]
    unit = unit_of(maps)
    origin = score(tail(torch.zeros_like(maps)))
    size = batch or max(1, WORKING_SET // max(maps[0].nbytes, 1))
    probes = unit * torch.eye(count, dtype=maps.dtype, device=maps.device)
    parts = []
    for some in probes.split(size if len(maps) == 1 else 1):
        if step is not None:
            step()
        constant = some[:, :, None, None].expand(max(len(maps), len(some)), -1, height, width)
        rows = (score(tail(constant)) - origin) / unit
        parts.append(rows[None] if len(maps) == 1 else rows[:, None])
    weights = torch.cat(parts, 1).mT / (height * width)
    return weights if _agrees(tail, score, weights) else None


def _agrees(tail: Replayable, score: Score, weights: Float[Tensor, "n k c"]) -> bool:
    """One backward pass, of a random sum of the scores: at the maps themselves a tail may bend where probes do not."""
    with recording():
        leaf, y = replayed(tail, score, None)
        asked = torch.randn(y.shape[1], generator=torch.Generator().manual_seed(1)).to(y)
        (slope,) = torch.autograd.grad(y, leaf, asked.expand_as(y))
    found, expected = slope.mean((2, 3)), torch.einsum("k,nkc->nc", asked, weights)
    return bool(((found - expected).abs() <= 10 * AFFINE[weights.dtype] * found.abs().amax()).all())


def _slopes(tail: Replayable, score: Score, batch: int | None, step: Step) -> Float[Tensor, "n k c"]:
    """The same by a backward pass for each class: copies of one image with a class each, or class by class."""
    maps = tail.maps.detach()
    with recording():
        leaf, y = replayed(tail, score, None)
        classes = y.shape[1]
        size = (batch or max(1, WORKING_SET // max(4 * maps[0].nbytes, 1))) if len(maps) == 1 else 1
        parts = []
        for some in torch.arange(classes, device=maps.device).split(size):
            if step is not None:
                step()
            if len(some) > 1:
                leaf, y = replayed(tail, score, maps.expand(len(some), -1, -1, -1))
            asked = y.gather(1, some.expand(len(y), 1) if len(some) == 1 else some[:, None])
            (slope,) = torch.autograd.grad(asked.sum(), leaf, retain_graph=len(some) == 1)
            means = slope.mean((2, 3))
            parts.append(means[None] if len(maps) == 1 else means[:, None])
    return torch.cat(parts, 1)
