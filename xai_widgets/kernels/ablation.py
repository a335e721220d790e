"""What the score and its error become when feature maps are removed, alone or together, or weighted.

Everything about removals can be imported from here: `removals` gives the scores, `gains` weights maps, `slopes` gives
estimates, and `errors` what a change of the score does to its error.

Reference: Truong, Pesenti and Hasson, 2024, arXiv 2409.16292; gains generalise removal.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from xai_widgets.kernels.affine import is_affine
from xai_widgets.kernels.batches import Step as Step
from xai_widgets.kernels.batches import check_batch
from xai_widgets.kernels.checks import labels_of, targets_of
from xai_widgets.kernels.errors import ROLES as ROLES
from xai_widgets.kernels.errors import delta_binary_cross_entropy as delta_binary_cross_entropy
from xai_widgets.kernels.errors import delta_cross_entropy as delta_cross_entropy
from xai_widgets.kernels.errors import delta_error as delta_error
from xai_widgets.kernels.errors import one_sided as one_sided
from xai_widgets.kernels.errors import residual as residual
from xai_widgets.kernels.errors import roles as roles
from xai_widgets.kernels.gains import Baseline as Baseline
from xai_widgets.kernels.gains import dead as dead
from xai_widgets.kernels.gains import level_of as level_of
from xai_widgets.kernels.gains import with_gains as with_gains
from xai_widgets.kernels.home import home
from xai_widgets.kernels.removals import checked_order
from xai_widgets.kernels.removals import group_scores as group_scores
from xai_widgets.kernels.removals import group_scores_of as group_scores_of
from xai_widgets.kernels.removals import place_scores as place_scores
from xai_widgets.kernels.removals import removal_scores as removal_scores
from xai_widgets.kernels.scores import Score as Score
from xai_widgets.kernels.scores import Target as Target
from xai_widgets.kernels.scores import images_of, one_image, output_of, rounding_of
from xai_widgets.kernels.scores import own_scores as own_scores
from xai_widgets.kernels.scores import probabilities as probabilities
from xai_widgets.kernels.slopes import first_order as first_order
from xai_widgets.kernels.slopes import first_orders
from xai_widgets.kernels.tail import Tail

FEW = 4  # from so many maps for each score on, a backward pass for each score costs less than a copy for each map


def delta_y(
    tail: Tail,
    score: Score,
    target: Target = 0,
    *,
    baseline: Baseline = None,
    batch: int | None = None,
    step: Step = None,
) -> Float[Tensor, " c"]:
    """Change of one score when each map is removed; positive: the map lowered the score.

    From one backward pass where the tail is affine, else from one copy for each map. captum's LayerFeatureAblation
    gives the negative.

    Args:
        target: the output, by number or by name.
        batch: copies at once, and no closed form; as many as memory allows if left out.
        step: called before each batch; may raise to cancel.

    Raises:
        TypeError: a score or a baseline that is no tensor of numbers, a target that is none.
        ValueError: the tail of several images (see `delta_y_of`), no such output, a score that is not finite, a
            baseline that does not fit.
    """
    maps = one_image(tail)
    scores = own_scores(tail, score)
    target = output_of(score, target, scores)
    check_batch(batch)
    closed = None
    if batch is None:
        closed = closed_form(tail, score, target, baseline=baseline, own=scores, step=step)
    if closed is not None:
        return closed
    y = scores[0, target]
    change = scores.new_zeros(maps.shape[1])
    (unchanged,) = home(dead(maps, baseline)[0])
    alive = (~unchanged).nonzero().flatten()
    for index, scores in removal_scores(tail, score, alive, baseline=baseline, batch=batch, step=step):
        change[index] = scores[:, target] - y
    return change


def delta_logits(
    tail: Tail,
    score: Score,
    *,
    baseline: Baseline = None,
    batch: int | None = None,
    step: Step = None,
) -> Float[Tensor, "c k"]:
    """Change of every score when each map is removed: what the cross entropy to a label needs.

    Args:
        score: for a cross entropy the logits of the classes, as `Outputs.logits` gives them.
        batch: copies at once, and no closed form; as many as memory allows if left out.
        step: called before each batch; may raise to cancel.

    Raises:
        TypeError: a score or a baseline that is no tensor of numbers.
        ValueError: the tail of several images, a score that is not finite, a baseline that does not fit.
    """
    y = own_scores(tail, score)
    change = y.new_zeros(one_image(tail).shape[1], y.shape[1])
    for index, rows in anytime_delta_logits(tail, score, baseline=baseline, batch=batch, step=step):
        change[index] = rows
    return change


def anytime_delta_logits(
    tail: Tail,
    score: Score,
    order: Int[Tensor, " i"] | Sequence[int] | None = None,
    *,
    baseline: Baseline = None,
    batch: int | None = None,
    seconds: float | None = None,
    step: Step = None,
) -> Iterator[tuple[Int[Tensor, " b"], Float[Tensor, "b k"]]]:
    """The rows of `delta_logits`, a micro-batch at a time; `delta_cross_entropy` takes the rows that are known so far.

    One copy without a map gives all scores of that map; one backward pass gives one score of all maps. Copies are
    used, whatever the number of classes, with one exception. Where copies have to be written out, the tail is affine
    and there are few scores for many maps, a backward pass for each score gives all rows at once.

    Args:
        order: which maps, in which order; all by index if left out. Maps that equal their baseline come first.
        batch: copies at once, and no closed form; as many as memory allows if left out.
        seconds: how long a micro-batch may take.
        step: called before each micro-batch; may raise to cancel.

    Yields:
        Some maps by index, and their rows.

    Raises:
        TypeError: an order that is no list of whole numbers, a score or a baseline that is no tensor of numbers.
        ValueError: the tail of several images, no such map, a score that is not finite or does not fit, as a baseline.
    """
    maps, y = one_image(tail), own_scores(tail, score)
    check_batch(batch)
    order = checked_order(order, maps)
    unchanged = dead(maps, baseline)[0][order]
    if batch is None and FEW * y.shape[1] <= len(order) and not tail.sparse.used:
        closed = _closed_logits(tail, score, baseline, step)
        if closed is not None:
            yield order, closed[order]
            return
    if bool(unchanged.any()):
        yield order[unchanged], y.new_zeros(int(unchanged.sum()), y.shape[1])
    alive = order[~unchanged]
    for index, scores in removal_scores(tail, score, alive, baseline=baseline, batch=batch, seconds=seconds, step=step):
        yield index, scores - y


def closed_form(
    tail: Tail,
    score: Score,
    target: Target = 0,
    *,
    baseline: Baseline = None,
    estimate: Float[Tensor, " c"] | None = None,
    own: Float[Tensor, "1 k"] | None = None,
    step: Step = None,
) -> Float[Tensor, " c"] | None:
    """delta y from one backward pass where the tail is affine; None where it is not.

    The strongest effects are also computed by removal: with this baseline a tail may bend where the probes of
    `is_affine` did not show it.

    Args:
        estimate: what `first_order` gave, 0 for dead maps, where it was computed before.
        own: what `own_scores` gave, where they were read before.
        step: called before each batch; may raise to cancel.

    Raises:
        TypeError: a score or a baseline that is no tensor of numbers, a target that is none.
        ValueError: the tail of several images, no such output, a score that is not finite, a baseline that does not
            fit.
    """
    own = own_scores(tail, score) if own is None else own
    target = output_of(score, target, own)
    if not is_affine(tail, score, target, step=step):
        return None
    change = estimate
    if change is None:
        change = torch.where(dead(tail.maps, baseline)[0], 0, first_order(tail, score, target, baseline=baseline))
    return change if _holds(tail, score, change[:, None], own[0, target, None], baseline, step, [target]) else None


def _closed_logits(tail: Tail, score: Score, baseline: Baseline, step: Step) -> Float[Tensor, "c k"] | None:
    """The closed form of every score."""
    if not is_affine(tail, score, step=step):
        return None
    change = torch.where(dead(tail.maps, baseline)[0][:, None], 0, first_orders(tail, score, None, baseline, step))
    return change if _holds(tail, score, change, own_scores(tail, score)[0], baseline, step) else None


def _holds(
    tail: Tail,
    score: Score,
    change: Float[Tensor, "c o"],
    y: Float[Tensor, " o"],
    baseline: Baseline,
    step: Step,
    outputs: list[int] | None = None,
) -> bool:
    """Are the strongest effects equal to those of removals, up to rounding?

    Args:
        y: the scores as they are.
        outputs: which scores these are; all if left out.
    """
    (size,) = home(change.abs().amax(1))
    strongest = size.argsort(descending=True, stable=True)[:3]
    removed = torch.cat([s for _, s in removal_scores(tail, score, strongest, baseline=baseline, step=step)])
    removed = removed if outputs is None else removed[:, outputs]
    information = torch.finfo(change.dtype)
    allowed = (1e-4 if information.bits <= 32 else 1e-8) * change.abs().amax(0) + 16 * information.eps * y.abs()
    largest = y.abs().maximum(removed.abs()).clamp_min(1)
    allowed = allowed.minimum(rounding_of(tail, removed) * largest)
    return bool(((removed - y - change[strongest]).abs() <= allowed).all())


def delta_y_of(
    tail: Tail,
    score: Score,
    target: Target | Sequence[int | str] = 0,
    *,
    baseline: Baseline = None,
    batch: int | None = None,
    step: Step = None,
) -> Float[Tensor, "n c"]:
    """`delta_y` of each image of a tail.

    Args:
        target: one output for all images, or one for each image, by number or by name.
        baseline: the same for all images.
        batch: copies at once, as in `delta_y`.
        step: called before each batch; may raise to cancel.

    Raises:
        TypeError: see `delta_y`.
        ValueError: see `delta_y`; another number of targets than of images.
    """
    targets = targets_of(target, own_scores(tail, score), labels_of(score)).tolist()
    rows = [
        delta_y(one, score, output, baseline=baseline, batch=batch, step=step)
        for one, output in zip(images_of(tail), targets, strict=True)
    ]
    return torch.stack(rows)


def delta_logits_of(
    tail: Tail, score: Score, *, baseline: Baseline = None, batch: int | None = None, step: Step = None
) -> Float[Tensor, "n c k"]:
    """`delta_logits` of each image of a tail, with the same arguments.

    Raises:
        TypeError: see `delta_logits`.
        ValueError: see `delta_logits`, but for the tail of several images.
    """
    return torch.stack([delta_logits(one, score, baseline=baseline, batch=batch, step=step) for one in images_of(tail)])
