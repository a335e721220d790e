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
from xai_widgets.kernels.batches import Step, at_once, check_batch, in_batches, on_any_tail
from xai_widgets.kernels.cam.base import Replayable, Score, cam_of, one_hot, recording, replayed
from xai_widgets.kernels.checks import check_same, check_target, scores_from
from xai_widgets.kernels.saliency import signed_scale
from xai_widgets.kernels.tail import Tail


def contrast_weights(logits: Float[Tensor, "n k"], q: int) -> Float[Tensor, "n k"]:
    """Weights w of the class contrast, the Grad-CAM of the cross entropy with class q: sum_c w_c CAM_c.

    w = softmax - one_hot(q), with w_q as minus the sum of the others: for a confident network 1 - p_q is 0 in
    float32, the sum is not. So q may be the predicted class ("why not with 100 % confidence?").
    """
    _check_classes(logits)
    q = check_target(q, logits.shape[1], "the contrast class")
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
    check_batch(batch)
    with torch.inference_mode(False), torch.no_grad():
        weights = _affine_weights(tail, score, batch, step)
    if weights is None:
        weights = _slopes(tail, score, batch, step)
    return torch.einsum("nkc,nchw->nkhw", weights, tail.maps.detach().to(weights.dtype))


def all_contrasts(
    tail: Replayable, score: Score, *, batch: int | None = None, step: Step = None
) -> Float[Tensor, "n k h w"]:
    """Why what is predicted, rather than Q? For every class Q, from the Grad-CAMs of all classes."""
    with torch.no_grad():
        logits = scores_from(score, tail(tail.maps), len(tail.maps))
        _check_classes(logits)
    return contrasts_of(class_cams(tail, score, batch=batch, step=step), logits)


def contrasts_of(cams: Float[Tensor, "n k h w"], logits: Float[Tensor, "n k"]) -> Float[Tensor, "n k h w"]:
    """sum_c p_c CAM_c - CAM_Q for every Q, from the Grad-CAMs of all classes.

    Written with D_c = CAM_c - CAM_P for the predicted class P, as sum over c != P of p_c D_c, minus D_Q: so it stays
    exact for Q = P in a confident network, where 1 - p_P is 0.
    """
    _check_classes(logits)
    check_same(("the maps of classes", cams[:, :, 0, 0]), ("the logits", logits), ("images", "classes"))
    predicted = logits.argmax(1, keepdim=True)
    distance = cams - cams.take_along_dim(predicted[..., None, None], 1)
    share = logits.log_softmax(1).exp()  # D_P is 0 and leaves p_P out
    return torch.einsum("nk,nkhw->nhw", share, distance)[:, None] - distance


def _check_classes(logits: Tensor) -> None:
    if logits.shape[1] < 2:
        raise ValueError("a contrast of classes needs the logits of at least 2 classes, got one score.")


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

    def run(tail: Replayable, start: int, end: int) -> Tensor:
        place = tail.maps.device
        index = torch.arange(start, end, device=place)
        if isinstance(tail, Tail) and len(maps) == 1:
            own = torch.full((end - start, 1, height, width), unit, dtype=maps.dtype, device=place)
            result = tail.with_own(index, own, torch.zeros_like(tail.maps))
            return (scores_from(score, result, end - start) - origin.to(place))[None] / unit
        constant = unit * (torch.arange(count, device=place) == index[:, None]).to(maps.dtype)
        constant = constant[:, :, None, None].expand(max(len(maps), end - start), -1, height, width)
        rows = (score(tail(constant)) - origin.to(place)) / unit
        return rows[None] if len(maps) == 1 else rows[:, None]

    size = (batch or at_once(maps.nbytes, maps.device)) if len(maps) == 1 else 1
    parts = list(on_any_tail(tail, count, size, run, step=step))
    weights = torch.cat(parts, 1).mT / (height * width)
    return weights if _agrees(tail, score, weights) else None


def _agrees(tail: Replayable, score: Score, weights: Float[Tensor, "n k c"]) -> bool:
    """One backward pass, of a random sum of the scores: at the maps themselves a tail may bend where probes do not."""
    with recording():
        leaf, y = replayed(tail, score, None)
        asked = torch.randn(y.shape[1], generator=torch.Generator().manual_seed(1)).to(y)
        size = weights.norm(dim=2)  # so that each class counts as much
        asked = asked / torch.where(size > 0, size, 1)
        (slope,) = torch.autograd.grad(y, leaf, asked)
    found, expected = slope.mean((2, 3)), torch.einsum("nk,nkc->nc", asked, weights)
    return bool(((found - expected).abs() <= 10 * AFFINE[weights.dtype] * found.abs().amax()).all())


def _slopes(tail: Replayable, score: Score, batch: int | None, step: Step) -> Float[Tensor, "n k c"]:
    """The same by a backward pass for each class: copies of one image with a class each, or class by class."""
    maps = tail.maps.detach()
    if len(maps) > 1:
        return _slopes_of_batch(tail, score, step)
    with torch.no_grad():
        classes = scores_from(score, tail.result if isinstance(tail, Tail) else tail(maps), 1).shape[1]

    def run(tail: Replayable, start: int, end: int) -> Tensor:
        with recording():
            leaf, y = replayed(tail, score, tail.maps.detach().expand(end - start, -1, -1, -1))
            chosen = torch.arange(start, end, device=y.device)
            (slope,) = torch.autograd.grad(y.gather(1, chosen[:, None]).sum(), leaf)
            return slope.to(torch.promote_types(leaf.dtype, y.dtype)).mean((2, 3))[None]

    size = batch or at_once(4 * maps.nbytes, maps.device)
    return torch.cat(list(on_any_tail(tail, classes, size, run, step=step)), 1)


def _slopes_of_batch(tail: Replayable, score: Score, step: Step) -> Float[Tensor, "n k c"]:
    with recording():
        leaf, y = replayed(tail, score, None)
        wide = torch.promote_types(leaf.dtype, y.dtype)

        def run(start: int, end: int) -> Tensor:
            (slope,) = torch.autograd.grad(y[:, start].sum(), leaf, retain_graph=True)
            return slope.to(wide).mean((2, 3))[:, None]

        return torch.cat([part for _, _, part in in_batches(y.shape[1], 1, run, step=step)], 1)
