"""What the score and its error become when feature maps are removed, alone or together, or weighted.

A removed map becomes its baseline: zero, one number a map (c), or a map of its own (c h w), see `baselines`.

Reference: Truong, Pesenti and Hasson, 2024, arXiv 2409.16292; gains generalise removal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from xai_widgets.kernels.affine import is_affine
from xai_widgets.kernels.batches import Step, at_once, check_batch, on_tail
from xai_widgets.kernels.checks import check_finite, check_same, check_target, scores_from
from xai_widgets.kernels.tail import Tail

Score = Callable[[Any], Tensor]  # the network's return value -> (n k)
Baseline = Float[Tensor, " maps"] | Float[Tensor, "maps rows columns"] | None

# Of max(1, |y|): batching alone moves a float32 score by up to 1.5e-5, a bfloat16 score by 1e-3 and more.
TOLERANCE = {torch.float64: 1e-6, torch.float32: 2e-5, torch.float16: 2e-3, torch.bfloat16: 2e-2}
WHOLE = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)
ROLES = (
    "neutral",
    "helpful, raises the score",
    "helpful, lowers the score",
    "harmful, raises the score",
    "harmful, lowers the score",
)


def with_gains(
    maps: Float[Tensor, "n c h w"],
    gains: Float[Tensor, "m c"],
    baseline: Baseline = None,
) -> Float[Tensor, "b c h w"]:
    """Maps times their gains, towards the baseline (zero): g A + (1 - g) b. Gain 1 is A, bit by bit.

    Raises:
        ValueError: a gain outside [0, 2], a number of gains that is not that of the maps.
    """
    _check_gains(gains, maps)
    gain = gains[:, :, None, None]
    changed = torch.where(gain == 0, 0, maps * gain)  # also of a map that is not finite
    if baseline is not None:
        changed = changed + (1 - gains)[:, :, None, None] * level_of(baseline, maps)
    return changed


def _check_gains(gains: Tensor, maps: Tensor) -> None:
    if gains.dim() != 2 or gains.shape[1] != maps.shape[1]:
        raise ValueError(f"gains must be (copies, {maps.shape[1]} maps), got shape {tuple(gains.shape)}.")
    if not bool(((gains >= 0) & (gains <= 2)).all()):
        wrong = ~((gains >= 0) & (gains <= 2))
        row, index = wrong.nonzero()[0].tolist()
        raise ValueError(f"gains must lie in [0, 2], got {gains[row, index].item()} for map {index}.")


def level_of(baseline: Baseline, maps: Float[Tensor, "n c h w"]) -> Float[Tensor, "#c #h #w"]:
    """The baseline so that it broadcasts over maps, in their precision.

    Raises:
        ValueError: an axis differs from that of the maps, or a value is not finite.
    """
    if baseline is None:
        return maps.new_zeros(1, 1, 1)
    if not isinstance(baseline, Tensor) or not (baseline.is_floating_point() or baseline.dtype in WHOLE):
        given = baseline.dtype if isinstance(baseline, Tensor) else type(baseline).__name__
        raise TypeError(f"a baseline must be a tensor of numbers, (maps) or (maps, rows, columns), got {given}.")
    level = (baseline[:, None, None] if baseline.dim() == 1 else baseline).to(maps)
    if level.dim() != 3:
        raise ValueError(f"a baseline must be (maps) or (maps, rows, columns), got shape {tuple(baseline.shape)}.")
    for name, size, wanted in zip(("maps", "rows", "columns"), level.shape, maps.shape[1:], strict=True):
        if size != wanted and (name == "maps" or baseline.dim() == 3):
            raise ValueError(f"a baseline must have as many {name} as the layer, got {size} for {wanted}.")
    check_finite("a baseline", level)
    return level


def dead(maps: Float[Tensor, "n c h w"], baseline: Baseline = None) -> Bool[Tensor, "n c"]:
    """Maps that equal their baseline everywhere, whose removal changes nothing."""
    return (maps == level_of(baseline, maps)).flatten(2).all(2)


def removal_scores(
    tail: Tail,
    score: Score,
    order: Int[Tensor, " i"] | None = None,
    *,
    baseline: Baseline = None,
    batch: int | None = None,
    seconds: float | None = None,
    step: Step = None,
) -> Iterator[tuple[Int[Tensor, " b"], Float[Tensor, "b k"]]]:
    """The scores without one map each, for one image, a micro-batch at a time.

    Args:
        order: which maps, in which order; all by index if left out.
        batch: copies at once; found from the memory of the layer, and halved when memory runs out, if left out.
        seconds: how long a micro-batch may take; the number of copies follows what was measured.
        step: called before each micro-batch; may raise to cancel.
    """
    maps = _one_image(tail)
    check_batch(batch)
    order = torch.arange(maps.shape[1], device=maps.device) if order is None else _checked(order, maps)
    level = level_of(baseline, maps)

    def run(tail: Tail, start: int, end: int) -> Tensor:
        place = tail.maps.device
        with torch.inference_mode():
            return scores_from(score, tail.without(order[start:end].to(place), level.to(place)), end - start)

    size = batch or at_once(tail.sparse.bytes_of_copy, maps.device)
    for start, end, scores in on_tail(tail, len(order), size, run, step=step, seconds=seconds):
        yield order[start:end], scores


def delta_y(
    tail: Tail,
    score: Score,
    target: int = 0,
    *,
    baseline: Baseline = None,
    batch: int | None = None,
    step: Step = None,
) -> Float[Tensor, " c"]:
    """Change of one score when each map is removed; positive: the map lowered the score.

    One backward pass where the tail is affine, else one copy a map. captum's LayerFeatureAblation gives the negative.
    """
    maps = _one_image(tail)
    scores = own_scores(tail, score)
    target = check_target(target, scores.shape[1])
    check_batch(batch)
    closed = closed_form(tail, score, target, baseline=baseline, step=step) if batch is None else None
    if closed is not None:
        return closed
    y = scores[0, target]
    change = scores.new_zeros(maps.shape[1])
    alive = (~dead(maps, baseline)[0]).nonzero().flatten()
    for index, scores in removal_scores(tail, score, alive, baseline=baseline, batch=batch, step=step):
        change[index] = scores[:, target] - y
    return change


def closed_form(
    tail: Tail,
    score: Score,
    target: int = 0,
    *,
    baseline: Baseline = None,
    estimate: Float[Tensor, " c"] | None = None,
    step: Step = None,
) -> Float[Tensor, " c"] | None:
    """delta y from one backward pass where the tail is affine; None where it is not.

    The strongest effects are computed by removal too: with this baseline, and as large as the effects at stake, a tail
    may bend where probes did not show it.

    Args:
        estimate: what `first_order` gave, 0 for dead maps, where it is known.
        step: called before each batch; may raise to cancel.
    """
    if not is_affine(tail, score, target, step=step):
        return None
    change = estimate
    if change is None:
        change = torch.where(dead(tail.maps, baseline)[0], 0, first_order(tail, score, target, baseline=baseline))
    y = own_scores(tail, score)[0, target]
    strongest = change.abs().argsort(descending=True, stable=True)[:3]
    removed = torch.cat([s for _, s in removal_scores(tail, score, strongest, baseline=baseline, step=step)])[:, target]
    information = torch.finfo(change.dtype)
    allowed = (1e-4 if information.bits <= 32 else 1e-8) * change.abs().max() + 16 * information.eps * y.abs()
    return change if bool(((removed - y - change[strongest]).abs() <= allowed).all()) else None


def group_scores(
    tail: Tail,
    score: Score,
    masks: Bool[Tensor, "m _"],
    *,
    baseline: Baseline = None,
    batch: int | None = None,
    step: Step = None,
) -> Float[Tensor, "m k"]:
    """The scores without all the maps of a group, for one image; recomputed, since removals do not add up.

    Args:
        masks: for each group, which maps it removes; none is a group too.
        batch: groups at once; found from the memory of the layer if left out.
        step: called before each batch; may raise to cancel.
    """
    maps = _one_image(tail)
    if not isinstance(masks, Tensor) or masks.dtype != torch.bool or masks.dim() != 2:
        given = f"{masks.dtype} {tuple(masks.shape)}" if isinstance(masks, Tensor) else type(masks).__name__
        raise TypeError(f"masks must be a tensor of bool, (groups, maps), got {given}.")
    if masks.shape[1] != maps.shape[1]:
        raise ValueError(
            f"masks must have as many maps as layer {tail.layer!r}, got {masks.shape[1]} for {maps.shape[1]}."
        )
    level = level_of(baseline, maps)
    return place_scores(tail, score, masks[:, :, None, None], level, batch, step)


def place_scores(
    tail: Tail, score: Score, masks: Bool[Tensor, "m _ _ _"], level: Tensor, batch: int | None, step: Step
) -> Float[Tensor, "m k"]:
    """The scores with the level wherever a mask holds, for one image."""
    maps = _one_image(tail)
    check_batch(batch)

    def run(tail: Tail, start: int, end: int) -> Tensor:
        place = tail.maps.device
        with torch.inference_mode():
            changed = torch.where(masks[start:end].to(place), level.to(place), tail.maps)
            scores = scores_from(score, tail(changed), end - start)
            same = (changed == tail.maps).flatten(1).all(1, keepdim=True)  # dead maps: exactly what it was
            return torch.where(same, score(tail.result), scores)

    size = batch or at_once(4 * maps.nbytes, maps.device)
    y = own_scores(tail, score)
    return torch.cat([y[:0], *(scores for _, _, scores in on_tail(tail, len(masks), size, run, step=step))])


def probabilities(score: Score) -> Score:
    """A score of logits as one of class probabilities, by softmax."""

    def softmax(result: Any) -> Tensor:
        logits = score(result)
        if logits.dim() != 2 or logits.shape[1] < 2:
            raise ValueError("a probability needs the logits of at least 2 classes, got one score.")
        return logits.softmax(1)

    return softmax


def first_order(tail: Tail, score: Score, target: int = 0, *, baseline: Baseline = None) -> Float[Tensor, " c"]:
    """An estimate of every delta y from one backward pass: minus gradient times (map - baseline), over all places.

    Exact where the tail is affine.
    """
    with torch.inference_mode(False), torch.enable_grad():
        leaf = _one_image(tail).detach().clone().requires_grad_()
        scores = scores_from(score, tail(leaf), 1)
        target = check_target(target, scores.shape[1])
        check_finite("the scores", scores.detach())
        if not scores.requires_grad:
            raise ValueError("the score must depend on the layer's maps by steps that have a gradient, got a constant.")
        (gradient,) = torch.autograd.grad(scores[0, target], leaf)
        removed = leaf.detach() - level_of(baseline, leaf.detach())
        return -(gradient.to(scores.dtype) * removed).sum((0, 2, 3))


def delta_error(
    delta_y: Float[Tensor, "n c"],
    score: Float[Tensor, " n"],
    rating: Float[Tensor, " n"],
) -> Float[Tensor, "n c"]:
    """Growth of the absolute error when a map is removed; positive: the map helps."""
    _check_rows(delta_y, scores=score, ratings=rating)
    residual = (score - rating)[:, None]
    return (residual + delta_y).abs() - residual.abs()


def roles(
    delta_y: Float[Tensor, "n c"],
    delta_error: Float[Tensor, "n c"],
    score: Float[Tensor, " n"],
) -> Int[Tensor, "n c"]:
    """Which of `ROLES` each map has; neutral where the error moves by no more than rounding."""
    _check_rows(delta_y, scores=score)
    check_same(("delta y", delta_y), ("delta error", delta_error), ("images", "maps"))
    check_finite("delta error", delta_error)
    tolerance = TOLERANCE[delta_y.dtype] * score.abs().clamp_min(1)[:, None]
    harmful = torch.where(delta_error < 0, 2, 0)
    role = 1 + (delta_y > 0).long() + harmful
    return torch.where(delta_error.abs() <= tolerance, 0, role)


def one_sided(delta_y: Float[Tensor, "n c"], residual: Float[Tensor, " n"]) -> Bool[Tensor, " n"]:
    """Is every |delta y| at most |r|? Then delta error is sign(r) delta y, and all helpful maps push the same way."""
    _check_rows(delta_y, residuals=residual)
    return (delta_y.abs() <= residual.abs()[:, None]).all(1)


def own_scores(tail: Tail, score: Score) -> Float[Tensor, "n k"]:
    """The scores of the images as they are.

    Raises:
        ValueError: one is not finite; see `checks.scores_from`.
    """
    scores = scores_from(score, tail.result, len(tail.inputs))
    check_finite("the score", scores)
    return scores


def _checked(order: Any, maps: Tensor) -> Int[Tensor, " i"]:
    order = torch.as_tensor(order, device=maps.device)
    if order.dim() != 1 or order.dtype not in WHOLE:
        raise TypeError(f"order must be a list of maps by index, got {order.dtype} {tuple(order.shape)}.")
    wrong = (order < 0) | (order >= maps.shape[1])
    if bool(wrong.any()):
        raise ValueError(f"order must name maps 0 to {maps.shape[1] - 1}, got {int(order[wrong][0])}.")
    return order.long()


def _check_rows(delta_y: Tensor, **values: Tensor) -> None:
    """One value an image beside the effects of its maps."""
    if delta_y.dim() != 2:
        raise ValueError(f"delta y must have the axes images, maps, got shape {tuple(delta_y.shape)}.")
    check_finite("delta y", delta_y)
    for name, value in values.items():
        check_same(("delta y", delta_y[:, 0]), (name, value), ("images",))
        check_finite(name, value)


def _one_image(tail: Tail) -> Tensor:
    if len(tail.inputs) != 1:
        raise ValueError(f"removals take the tail of one image, got one of {len(tail.inputs)}.")
    return tail.maps
