"""The effects of removals to first order, from one backward pass for each score."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from xai_widgets.kernels.batches import Step
from xai_widgets.kernels.checks import NoGradient, check_finite, has_no_slope, scores_from
from xai_widgets.kernels.gains import Baseline, level_of
from xai_widgets.kernels.scores import Score, Target, one_image, output_of
from xai_widgets.kernels.tail import Tail


def first_order(tail: Tail, score: Score, target: Target = 0, *, baseline: Baseline = None) -> Float[Tensor, " c"]:
    """An estimate of every delta y from one backward pass: minus gradient times (map - baseline), over all positions.

    Exact where the tail is affine. Where a map equals its baseline it adds 0, also if the gradient is not finite there,
    as that of a standard deviation over a map of zeros.

    Raises:
        TypeError: a score or a baseline that is no tensor of numbers, a target that is none.
        ValueError: the tail of several images, no such output, a score that is not finite or has no gradient, a
            baseline that does not fit.
    """
    return first_orders(tail, score, target, baseline)[:, 0]


def first_orders(
    tail: Tail, score: Score, target: Target | None, baseline: Baseline, step: Step = None
) -> Float[Tensor, "c o"]:
    """`first_order` of one output, or of all where the target is None: one pass forwards, one backwards for each.

    Args:
        step: called before each pass backwards; may raise to cancel.

    Raises:
        TypeError, ValueError: see `first_order`.
    """
    with tail.arithmetic(), torch.inference_mode(False), torch.enable_grad():
        leaf = one_image(tail).detach().clone().requires_grad_()
        scores = scores_from(score, tail(leaf), 1)
        outputs = range(scores.shape[1]) if target is None else [output_of(score, target, scores)]
        check_finite("the scores", scores.detach())
        if not scores.requires_grad:
            raise NoGradient("the score must depend on the layer's maps by steps that have a gradient, got a constant.")
        wide = torch.promote_types(torch.promote_types(leaf.dtype, scores.dtype), torch.float32)
        removed = leaf.detach().to(wide) - level_of(baseline, leaf.detach()).to(wide)
        columns = []
        for output in outputs:
            if step is not None:
                step()
            try:
                gradient = _gradient(scores[0, output], leaf, removed != 0, keep=output != outputs[-1]).to(wide)
            except RuntimeError as error:
                if not has_no_slope(error):
                    raise
                raise NoGradient(
                    "the network writes over values that its gradient needs, or has a step without one."
                ) from error
            columns.append(-torch.where(removed == 0, 0, gradient * removed).sum((0, 2, 3)))
        return torch.stack(columns, 1).to(scores.dtype)


def _gradient(y: Tensor, leaf: Tensor, read: Tensor, *, keep: bool) -> Tensor:
    """The gradient of one score.

    In float16 small slopes would be rounded to 0, so there the gradient of a multiple of the score is taken.

    Args:
        read: where the values of the gradient are used.
        keep: another backward pass follows.
    """
    if torch.float16 in (y.dtype, leaf.dtype):
        scale = 4096.0
        (gradient,) = torch.autograd.grad(y, leaf, torch.full_like(y, scale), retain_graph=True)
        gradient = gradient.float() / scale
        if bool(torch.where(read, gradient, 0).isfinite().all()):
            return gradient
    (gradient,) = torch.autograd.grad(y, leaf, retain_graph=keep)
    return gradient
