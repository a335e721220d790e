"""Contrast of classes: "why P, rather than Q?", for one Q or for every class at once, and "what if not P?".

Reference: Prabhushankar, Kwon, Temel and AlRegib, 2020, arXiv 2008.00178.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from xai_widgets.kernels import draws
from xai_widgets.kernels.affine import AFFINE, is_affine
from xai_widgets.kernels.batches import Step, at_once, check_batch, in_batches, on_any_tail
from xai_widgets.kernels.cam.base import (
    Replayable,
    Score,
    Target,
    cam_of,
    check_placed,
    classes_of,
    finite_weights,
    hot_at,
    one_hot,
    predicted,
    recording,
    replayed,
    slope_of,
    wide_of,
)
from xai_widgets.kernels.checks import (
    check_classes,
    check_same,
    check_tensor,
    labels_of,
    one_an_image,
    scores_from,
    targets_of,
)
from xai_widgets.kernels.precision import products
from xai_widgets.kernels.saliency import signed_scale
from xai_widgets.kernels.tail import Tail, arithmetic_of
from xai_widgets.kernels.tail.results import unit_of

WHAT = "a contrast of classes"


def contrast_weights(
    logits: Float[Tensor, "n k"],
    q: Target,
    p: Target | None = None,
    *,
    labels: Sequence[str] | None = None,
    exclusive: bool = True,
) -> Float[Tensor, "n k"]:
    """Weights w of the contrast "why P, rather than Q?", which is sum_c w_c CAM_c.

    For the predicted P they are softmax - one_hot(q), so that the contrast is the Grad-CAM of the cross entropy with Q;
    for any other P one_hot(p) - one_hot(q). Both agree where P is certain. For Q = P ("why not P with 100 %
    confidence?") they are sum over c != P of p_c (e_c - e_P), for any P. w_q is minus the sum of the others: for a
    confident network 1 - p_q is 0 in float32, the sum is not.

    Args:
        q: class Q by number or by name, or one an image.
        p: class P likewise; the predicted class if left out.
        labels: the names of the classes.
        exclusive: False for classes that do not exclude each other (multilabel): one_hot(p) - one_hot(q) for every P,
            and Q must be another class.

    Raises:
        TypeError: a class that is no number or name, logits that are no tensor of floating-point numbers.
        ValueError: no such class, or fewer than two; of classes that do not exclude each other Q = P.
    """
    check_classes(WHAT, logits)
    logits = logits.to(wide_of(logits))
    largest = logits.argmax(1)
    other = targets_of(q, logits, labels, "the contrast class")
    asked = largest if p is None else targets_of(p, logits, labels)
    is_q, is_p = hot_at(other, logits), hot_at(asked, logits)
    if not exclusive:
        single = not one_an_image(q) and p is not None and not one_an_image(p)  # compared without a wait
        if q == p if single and type(q) is type(p) else bool((other == asked).any()):
            raise ValueError(
                "the contrast class must be another class than the target: of classes that do not exclude each other "
                "none can have 100 % of the confidence."
            )
        return is_p - is_q
    others = torch.where(is_q > 0, 0, logits.log_softmax(1).exp())
    entropy = torch.where(is_q > 0, -others.sum(1, keepdim=True), others)
    return torch.where(((asked == largest) | (asked == other))[:, None], entropy, is_p - is_q)


def class_contrast(
    tail: Replayable,
    score: Callable[[Any], Tensor],
    q: Target,
    *,
    target: Target | None = None,
    maps: Float[Tensor, "n c h w"] | None = None,
) -> Float[Tensor, "n h w"]:
    """Why P, rather than class Q? Signed; for Q = P: why not P with full confidence?

    Args:
        score: from what the network returns to logits (n k), or an `outputs.Outputs`.
        q: class Q by number or by name, or one an image.
        target: class P likewise; what is predicted for these maps if left out.

    Raises:
        TypeError: as `contrast_weights` and `grad_cam`.
        ValueError: as `contrast_weights` and `grad_cam`.
    """
    logits, labels, exclusive = classes_of(score)
    weigh = partial(contrast_weights, q=q, p=target, labels=labels, exclusive=exclusive)
    return cam_of(tail, logits, weigh, maps=maps)[1]


def counterfactual(
    tail: Replayable,
    score: Score,
    target: Target | None = None,
    *,
    maps: Float[Tensor, "n c h w"] | None = None,
) -> Float[Tensor, "n h w"]:
    """What if not this class? The Grad-CAM of minus its logit; the predicted class by default.

    Raises:
        TypeError: as `grad_cam`.
        ValueError: as `grad_cam`.
    """

    def weights(logits: Tensor) -> Tensor:
        return -one_hot(predicted(score, logits) if target is None else target, logits, labels_of(score))

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

    Raises:
        TypeError: as `grad_cam`; a batch that is no whole number.
        ValueError: as `grad_cam`; a batch below 1.
    """
    check_batch(batch)
    check_placed(tail)
    with torch.inference_mode(False), torch.no_grad():
        weights = _affine_weights(tail, score, batch, step)
    if weights is None:
        weights = _slopes(tail, score, batch, step)
    maps = tail.maps.detach()
    with products(maps.device):
        return torch.einsum("nkc,nchw->nkhw", finite_weights(weights, maps), maps.to(weights.dtype))


def all_contrasts(
    tail: Replayable,
    score: Score,
    *,
    target: Target | None = None,
    batch: int | None = None,
    step: Step = None,
) -> Float[Tensor, "n k h w"]:
    """Why P, rather than Q? For every class Q, from the Grad-CAMs of all classes.

    Args:
        score: from what the network returns to logits (n k), or an `outputs.Outputs`.
        target: class P by number or by name, or one an image; the predicted class if left out.
        batch: copies at once; found from the memory of the layer if left out.
        step: called before each batch; may raise to cancel.

    Raises:
        TypeError: as `class_contrast`; a batch that is no whole number.
        ValueError: as `class_contrast`; a batch below 1.
    """
    read, labels, exclusive = classes_of(score)
    with torch.no_grad(), arithmetic_of(tail):
        logits = scores_from(read, tail.result if isinstance(tail, Tail) else tail(tail.maps), len(tail.maps))
    check_classes(WHAT, logits)
    asked = None if target is None else targets_of(target, logits, labels)
    cams = class_cams(tail, read, batch=batch, step=step)
    return contrasts_of(cams, logits, asked, exclusive=exclusive)


def contrasts_of(
    cams: Float[Tensor, "n k h w"],
    logits: Float[Tensor, "n k"],
    target: Target | None = None,
    *,
    exclusive: bool = True,
) -> Float[Tensor, "n k h w"]:
    """The contrast of P with every Q, from the Grad-CAMs of all classes: see `contrast_weights`.

    Written with D_c = CAM_c - CAM_P, as sum over c != P of p_c D_c, minus D_Q: so it stays exact for Q = P in a
    confident network, where 1 - p_P is 0. For a P that is not predicted the sum is left out, save for Q = P.

    Args:
        target: class P, or one an image; the predicted class if left out.
        exclusive: False for classes that do not exclude each other: CAM_P - CAM_Q, and 0 for Q = P.

    Raises:
        TypeError: no tensors of floating-point numbers, a class that is no number.
        ValueError: no such class, fewer than two, or sizes that differ.
    """
    check_tensor("the maps of classes", cams, ("images", "classes", "rows", "columns"))
    check_classes(WHAT, logits)
    check_same(("the maps of classes", cams[:, :, 0, 0]), ("the logits", logits), ("images", "classes"))
    wide = wide_of(cams, logits)
    cams, logits = cams.to(wide), logits.to(wide)
    largest = logits.argmax(1)
    asked = largest if target is None else targets_of(target, logits)
    distance = cams - cams.take_along_dim(asked[:, None, None, None], 1)
    if not exclusive:
        return -distance
    share = logits.log_softmax(1).exp()  # D_P is 0 and leaves p_P out
    with products(cams.device):
        spread = torch.einsum("nk,nkhw->nhw", share, distance)[:, None]
    entropy = (asked == largest)[:, None] | (one_hot(asked, logits) > 0)
    return torch.where(entropy[..., None, None], spread - distance, -distance)


class Uncertainty(NamedTuple):
    """Variance over the contrasts with all classes, and how many were left out because they are zero or not finite."""

    variance: Float[Tensor, "n h w"]
    left_out: Int[Tensor, " n"]


def contrast_uncertainty(contrasts: Float[Tensor, "n k h w"]) -> Uncertainty:
    """Population variance over all Q of the contrasts, each over its own max|.|; NaN where none is left.

    For confident networks nearly all contrasts are the same map up to a factor, and the variance is small.

    Raises:
        TypeError: contrasts that are no tensor of floating-point numbers.
        ValueError: other axes than those of `all_contrasts`.
    """
    check_tensor("contrasts", contrasts, ("images", "classes", "rows", "columns"))
    contrasts = contrasts.to(wide_of(contrasts))
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
        device = tail.maps.device
        index = torch.arange(start, end, device=device)
        if isinstance(tail, Tail) and len(maps) == 1:
            own = torch.full((end - start, 1, height, width), unit, dtype=maps.dtype, device=device)
            result = tail.with_own(index, own, torch.zeros_like(tail.maps))
            return (scores_from(score, result, end - start) - origin.to(device))[None] / unit
        constant = unit * (torch.arange(count, device=device) == index[:, None]).to(maps.dtype)
        constant = constant[:, :, None, None].expand(max(len(maps), end - start), -1, height, width)
        rows = (score(tail(constant)) - origin.to(device)) / unit
        return rows[None] if len(maps) == 1 else rows[:, None]

    size = (batch or at_once(maps.nbytes, maps.device)) if len(maps) == 1 else 1
    parts = list(on_any_tail(tail, count, size, run, step=step))
    weights = torch.cat(parts, 1).mT / (height * width)
    return weights if _agrees(tail, score, weights) else None


def _agrees(tail: Replayable, score: Score, weights: Float[Tensor, "n k c"]) -> bool:
    """One backward pass, of a random sum of the scores: at the maps themselves a tail may bend where probes do not."""
    with recording(tail):
        leaf, y = replayed(tail, score, None)
        asked = draws.normal((y.shape[1],), draws.seeded(1), y)
        size = weights.norm(dim=2)  # so that each class counts as much
        asked = asked / torch.where(size > 0, size, 1)
        (slope,) = torch.autograd.grad(y, leaf, asked)
        means = slope.mean((2, 3))
        with products(weights.device):
            expected = torch.einsum("nk,nkc->nc", asked, weights)
    return bool(((means - expected).abs() <= 10 * AFFINE[weights.dtype] * means.abs().amax()).all())


def _slopes(tail: Replayable, score: Score, batch: int | None, step: Step) -> Float[Tensor, "n k c"]:
    """Spatial means of dy_k / dA_i by a backward pass for each class, of which one image takes several at once."""
    maps = tail.maps.detach()
    if len(maps) > 1:
        return _slopes_of_batch(tail, score, step)
    with torch.no_grad():
        classes = scores_from(score, tail.result if isinstance(tail, Tail) else tail(maps), 1).shape[1]

    def run(tail: Replayable, start: int, end: int) -> Tensor:
        with recording(tail):
            leaf, y = replayed(tail, score, tail.maps.detach().expand(end - start, -1, -1, -1))
            chosen = torch.arange(start, end, device=y.device)
            return slope_of(leaf, y, one_hot(chosen, y)).mean((2, 3))[None]

    size = batch or at_once(4 * maps.nbytes, maps.device)
    return torch.cat(list(on_any_tail(tail, classes, size, run, step=step)), 1)


def _slopes_of_batch(tail: Replayable, score: Score, step: Step) -> Float[Tensor, "n k c"]:
    with recording(tail):
        leaf, y = replayed(tail, score, None)

        def run(start: int, end: int) -> Tensor:
            return slope_of(leaf, y, one_hot(start, y), retain=True).mean((2, 3))[:, None]

        return torch.cat([part for _, _, part in in_batches(y.shape[1], 1, run, step=step)], 1)
