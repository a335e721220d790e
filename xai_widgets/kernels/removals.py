"""The scores of a network without some of a layer's feature maps, one at a time or a group together.

A removed map becomes its baseline: zero, one number for each map (c), or a map for each map (c h w), see `baselines`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from xai_widgets.kernels.batches import Step, at_once, check_batch, on_tail
from xai_widgets.kernels.checks import check_rows_apart, scores_from
from xai_widgets.kernels.gains import Baseline, level_of
from xai_widgets.kernels.home import home, sent
from xai_widgets.kernels.saliency import WHOLE
from xai_widgets.kernels.scores import Score, images_of, one_image, own_scores
from xai_widgets.kernels.tail import Tail


def removal_scores(
    tail: Tail,
    score: Score,
    order: Int[Tensor, " i"] | Sequence[int] | None = None,
    *,
    baseline: Baseline = None,
    batch: int | None = None,
    seconds: float | None = None,
    step: Step = None,
) -> Iterator[tuple[Int[Tensor, " b"], Float[Tensor, "b k"]]]:
    """The scores of one image without one map at a time, a micro-batch of maps after another.

    Args:
        order: which maps, in which order; all by index if left out.
        batch: copies at once; as many as memory allows if left out.
        seconds: how long a micro-batch may take; the number of copies follows what was measured.
        step: called before each micro-batch; may raise to cancel.

    Yields:
        Some maps by index, and their scores.

    Raises:
        TypeError: an order that is no list of whole numbers, a score or a baseline that is no tensor of numbers.
        ValueError: the tail of several images, no such map, a score or a baseline that does not fit.
    """
    maps = one_image(tail)
    check_batch(batch)
    places, order = places_of(order, maps)
    level = level_of(baseline, maps)

    replayed = tail.recorded_removals and batch is None and tail.recorded_removals(tail, score, level, len(order))
    given = tail

    def run(tail: Tail, start: int, end: int) -> Tensor:
        device = tail.maps.device
        found = replayed(tail, places[start:end], level) if replayed and tail is given else None
        if found is not None:
            return found
        with torch.inference_mode(), tail.arithmetic():
            result = tail.without(places[start:end], level.to(device))
            scores = scores_from(score, result, end - start)
            if not start:
                check_rows_apart(score, result, scores)
            return scores

    size = batch or at_once(tail.sparse.bytes_of_copy, maps.device)
    if replayed:  # one launch, however many copies
        size, seconds = replayed.size, None
    for start, end, scores in on_tail(tail, len(order), size, run, step=step, seconds=seconds):
        yield order[start:end], scores.clone()  # outside of inference mode, so that it may be part of a gradient


def group_scores(
    tail: Tail,
    score: Score,
    masks: Bool[Tensor, "m _"],
    *,
    baseline: Baseline = None,
    batch: int | None = None,
    step: Step = None,
) -> Float[Tensor, "m k"]:
    """The scores of one image without all the maps of a group; computed, since effects of removals do not add up.

    Args:
        masks: for each group, which maps it removes; a group may be empty.
        batch: groups at once; as many as memory allows if left out.
        step: called before each batch; may raise to cancel.

    Raises:
        TypeError: masks that are none, a score or a baseline that is no tensor of numbers.
        ValueError: the tail of several images (see `group_scores_of`), a score that is not finite, masks or a baseline
            that do not fit.
    """
    maps = one_image(tail)
    if not isinstance(masks, Tensor) or masks.dtype != torch.bool or masks.dim() != 2:
        given = f"{masks.dtype} {tuple(masks.shape)}" if isinstance(masks, Tensor) else type(masks).__name__
        raise TypeError(f"masks must be a tensor of bool, (groups, maps), got {given}.")
    if masks.shape[1] != maps.shape[1]:
        raise ValueError(
            f"masks must have as many maps as layer {tail.layer!r}, got {masks.shape[1]} for {maps.shape[1]}."
        )
    level = level_of(baseline, maps)
    return place_scores(tail, score, masks[:, :, None, None], level, batch, step)


def group_scores_of(
    tail: Tail,
    score: Score,
    masks: Bool[Tensor, "m c"] | Bool[Tensor, "n m c"],
    *,
    baseline: Baseline = None,
    batch: int | None = None,
    step: Step = None,
) -> Float[Tensor, "n m k"]:
    """`group_scores` of each image of a tail.

    Args:
        masks: the same groups for all images, or as many groups for each image.
        baseline: the same for all images.
        batch: groups at once, as in `group_scores`.
        step: called before each batch; may raise to cancel.

    Raises:
        TypeError: see `group_scores`.
        TypeError: see `group_scores`.
        ValueError: see `group_scores`; groups of another number of images.
    """
    images = images_of(tail)
    own = isinstance(masks, Tensor) and masks.dim() == 3
    if own and len(masks) != len(images):
        raise ValueError(f"masks must be of as many images as the tail, got {len(masks)} for {len(images)}.")
    pairs = zip(images, masks if own else [masks] * len(images), strict=True)
    return torch.stack(
        [group_scores(one, score, some, baseline=baseline, batch=batch, step=step) for one, some in pairs]
    )


def place_scores(
    tail: Tail, score: Score, masks: Bool[Tensor, "m _ _ _"], level: Tensor, batch: int | None, step: Step
) -> Float[Tensor, "m k"]:
    """The scores of one image whose maps are set to their baseline at some positions.

    Args:
        masks: where, for each copy; axes of length one stand for all maps, rows or columns.
        level: the baseline, see `gains.level_of`.
        batch: copies at once; as many as memory allows if left out.
        step: called before each batch; may raise to cancel.

    Raises:
        TypeError: a batch that is no whole number, a score that is no tensor of numbers.
        ValueError: the tail of several images, a batch below one, a score that does not fit.
    """
    maps = one_image(tail)
    check_batch(batch)

    def run(tail: Tail, start: int, end: int) -> Tensor:
        device = tail.maps.device
        with torch.inference_mode(), tail.arithmetic():
            changed = torch.where(masks[start:end].to(device), level.to(device), tail.maps)
            scores = scores_from(score, tail(changed), end - start)
            same = (changed == tail.maps).flatten(1).all(1, keepdim=True)  # dead maps: the very same scores
            return torch.where(same, score(tail.result), scores)

    size = batch or at_once(4 * maps.nbytes, maps.device)
    y = own_scores(tail, score)
    return torch.cat([y[:0], *(scores for _, _, scores in on_tail(tail, len(masks), size, run, step=step))])


def checked_order(order: Tensor | Sequence[int] | None, maps: Tensor) -> Int[Tensor, " i"]:
    """Maps by index, in some order; all of them where it is None.

    Raises:
        TypeError: no list of whole numbers.
        ValueError: no such map.
    """
    return places_of(order, maps)[1]


def places_of(order: Tensor | Sequence[int] | None, maps: Tensor) -> tuple[Int[Tensor, " i"], Int[Tensor, " i"]]:
    """`checked_order` on the CPU, and where the maps are: one wait where the order is there, none where it is here.

    Raises:
        TypeError: no list of whole numbers.
        ValueError: no such map.
    """
    if order is None:
        return torch.arange(maps.shape[1], device="cpu"), torch.arange(maps.shape[1], device=maps.device)
    try:
        order = order if isinstance(order, Tensor) else torch.as_tensor(order, device="cpu")
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"order must be a list of maps by index, got {order!r}.") from None
    if order.dim() != 1 or (order.dtype not in WHOLE and len(order)):
        raise TypeError(f"order must be a list of maps by index, got {order.dtype} {tuple(order.shape)}.")
    (places,) = home(order)
    wrong = (places < 0) | (places >= maps.shape[1])
    if bool(wrong.any()):
        raise ValueError(f"order must name maps 0 to {maps.shape[1] - 1}, got {int(places[wrong][0])}.")
    return places.long(), sent(order, maps.device).long()
