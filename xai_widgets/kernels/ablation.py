"""What the score and its error become when feature maps are removed, alone or together, or weighted.

A removed map becomes its baseline: zero, one number a map (c), or a map of its own (c h w), see `baselines`.

Reference: Truong, Pesenti and Hasson, 2024, arXiv 2409.16292; gains generalise removal.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator
from time import perf_counter
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from xai_widgets.kernels.affine import is_affine
from xai_widgets.kernels.checks import check_finite, check_target
from xai_widgets.kernels.tail import Tail

Score = Callable[[Any], Tensor]  # the network's return value -> (n k)
Baseline = Float[Tensor, " maps"] | Float[Tensor, "maps rows columns"] | None
Step = Callable[[], None] | None

TOLERANCE = {torch.float64: 1e-6}  # batching alone moves a float32 score by up to 1.5e-5
ROLES = (
    "neutral",
    "helpful, raises the score",
    "helpful, lowers the score",
    "harmful, raises the score",
    "harmful, lowers the score",
)
WORKING_SET = 32 * 2**20  # bytes of changed copies that are in memory at once; more was slower on every CPU tried


def with_gains(
    maps: Float[Tensor, "n c h w"],
    gains: Float[Tensor, "m c"],
    baseline: Baseline = None,
) -> Float[Tensor, "b c h w"]:
    """Maps times their gains, towards the baseline (zero): g A + (1 - g) b. Gain 1 is A, bit by bit."""
    changed = maps * gains[:, :, None, None]
    if baseline is not None:
        changed = changed + (1 - gains)[:, :, None, None] * level_of(baseline, maps)
    return changed


def level_of(baseline: Baseline, maps: Float[Tensor, "n c h w"]) -> Float[Tensor, "#c #h #w"]:
    """The baseline so that it broadcasts over maps.

    Raises:
        ValueError: an axis differs from that of the maps, or a value is not finite.
    """
    if baseline is None:
        return maps.new_zeros(1, 1, 1)
    level = baseline[:, None, None] if baseline.dim() == 1 else baseline
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


def working_set(device: torch.device) -> int:
    """Bytes of changed copies at once: a share of what an accelerator has left, little on a CPU, where it is faster."""
    if device.type == "cpu" or not hasattr(torch.accelerator, "get_memory_info"):
        return WORKING_SET
    free, _ = torch.accelerator.get_memory_info(device)
    return max(WORKING_SET, free // 8)


def removal_scores(
    tail: Tail,
    score: Score,
    order: Int[Tensor, " i"] | None = None,
    *,
    baseline: Baseline = None,
    batch: int | None = None,
    seconds: float | None = None,
) -> Iterator[tuple[Int[Tensor, " b"], Float[Tensor, "b k"]]]:
    """The scores without one map each, for one image, a micro-batch at a time.

    Args:
        order: which maps, in which order; all by index if left out.
        batch: copies at once; found from the memory of the layer, and halved when memory runs out, if left out.
        seconds: how long a micro-batch may take; the number of copies follows what was measured.
    """
    maps = _one_image(tail)
    order = torch.arange(maps.shape[1], device=maps.device) if order is None else order
    bytes_of_copy = maps.nbytes * 4
    most = max(1, working_set(maps.device) // max(bytes_of_copy, 1))
    size = batch or min(len(order), most)
    if seconds is not None and batch is None:
        size = min(size, 8)
    done = 0
    while done < len(order):
        index = order[done : done + size]
        began = perf_counter()
        try:
            with torch.inference_mode():
                scores = score(tail(_without(maps, index, baseline)))
        except torch.OutOfMemoryError:
            if size == 1:
                tail, home = _last_resort(tail), maps.device
                rest = removal_scores(tail, score, order[done:].cpu(), baseline=_on_cpu(baseline), seconds=seconds)
                yield from ((index.to(home), scores.to(home)) for index, scores in rest)
                return
            size = max(1, size // 2)
            continue
        done += len(index)
        if seconds is not None and batch is None:
            spent = max(perf_counter() - began, 1e-4)
            size = max(1, min(int(len(index) * min(seconds / spent, 4.0)), most))
        yield index, scores


def delta_y(
    tail: Tail,
    score: Score,
    target: int = 0,
    *,
    baseline: Baseline = None,
    batch: int | None = None,
) -> Float[Tensor, " c"]:
    """Change of one score when each map is removed; positive: the map lowered the score.

    One backward pass where the tail is affine, else one copy a map. captum's LayerFeatureAblation gives the negative.
    """
    maps = _one_image(tail)
    scores = score(tail.result)
    check_target(target, scores.shape[1])
    if batch is None and is_affine(tail, score):
        return first_order(tail, score, target, baseline=baseline)
    y = scores[0, target]
    change = maps.new_zeros(maps.shape[1])
    alive = (~dead(maps, baseline)[0]).nonzero().flatten()
    for index, scores in removal_scores(tail, score, alive, baseline=baseline, batch=batch):
        change[index] = scores[:, target] - y
    return change


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
    size = batch or max(1, working_set(maps.device) // max(maps.nbytes * 4, 1))
    parts, done = [score(tail.result)[:0]], 0
    while done < len(masks):
        if step is not None:
            step()
        try:
            with torch.inference_mode():
                some = score(tail(torch.where(masks[done : done + size], level, maps)))
        except torch.OutOfMemoryError:
            if size == 1:
                raise
            size = max(1, size // 2)
            continue
        parts.append(some)
        done += len(some)
    return torch.cat(parts)


def probabilities(score: Score) -> Score:
    """A score of logits as one of class probabilities, by softmax."""

    def softmax(result: Any) -> Tensor:
        logits = score(result)
        if logits.shape[1] < 2:
            raise ValueError("a probability needs the logits of at least 2 classes, got one score.")
        return logits.softmax(1)

    return softmax


def first_order(tail: Tail, score: Score, target: int = 0, *, baseline: Baseline = None) -> Float[Tensor, " c"]:
    """An estimate of every delta y from one backward pass: minus gradient times (map - baseline), over all places.

    Exact where the tail is affine.
    """
    with torch.inference_mode(False), torch.enable_grad():
        leaf = _one_image(tail).detach().clone().requires_grad_()
        y = score(tail(leaf))[0, target]
        (gradient,) = torch.autograd.grad(y, leaf)
        removed = leaf.detach() - level_of(baseline, leaf.detach())
        return -(gradient * removed).sum((0, 2, 3))


def delta_error(
    delta_y: Float[Tensor, "n c"],
    score: Float[Tensor, " n"],
    rating: Float[Tensor, " n"],
) -> Float[Tensor, "n c"]:
    """Growth of the absolute error when a map is removed; positive: the map helps."""
    check_finite("ratings", rating)
    residual = (score - rating)[:, None]
    return (residual + delta_y).abs() - residual.abs()


def roles(
    delta_y: Float[Tensor, "n c"],
    delta_error: Float[Tensor, "n c"],
    score: Float[Tensor, " n"],
) -> Int[Tensor, "n c"]:
    """Which of `ROLES` each map has; neutral where the error moves by no more than rounding."""
    tolerance = TOLERANCE.get(delta_y.dtype, 2e-5) * score.abs().clamp_min(1)[:, None]
    harmful = torch.where(delta_error < 0, 2, 0)
    role = 1 + (delta_y > 0).long() + harmful
    return torch.where(delta_error.abs() <= tolerance, 0, role)


def one_sided(delta_y: Float[Tensor, "n c"], residual: Float[Tensor, " n"]) -> Bool[Tensor, " n"]:
    """Is every |delta y| at most |r|? Then delta error is sign(r) delta y, and all helpful maps push the same way."""
    return (delta_y.abs() <= residual.abs()[:, None]).all(1)


def _last_resort(tail: Tail) -> Tail:
    """The same tail on the CPU, where an accelerator does not hold even one copy."""
    if tail.maps.device.type == "cpu":
        raise torch.OutOfMemoryError(f"one copy of the maps of layer {tail.layer!r} does not fit into memory.")
    warnings.warn(
        f"the memory of {tail.maps.device} does not hold one copy of layer {tail.layer!r}; the CPU goes on.",
        RuntimeWarning,
        stacklevel=3,
    )
    network = copy.deepcopy(tail.shell.original).to("cpu")
    return Tail(network, tail.layer, tail.inputs.cpu(), call=tail.structure.target[1])


def _on_cpu(baseline: Baseline) -> Baseline:
    return None if baseline is None else baseline.cpu()


def _one_image(tail: Tail) -> Tensor:
    if len(tail.inputs) != 1:
        raise ValueError(f"removals take the tail of one image, got one of {len(tail.inputs)}.")
    return tail.maps


def _without(maps: Tensor, index: Tensor, baseline: Tensor | None) -> Tensor:
    changed = maps.repeat(len(index), 1, 1, 1)
    rows = torch.arange(len(index), device=maps.device)
    level = level_of(baseline, maps)
    changed[rows, index] = level if baseline is None else level[index]
    return changed
