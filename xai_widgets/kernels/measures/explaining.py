"""Maps of many images, clean and changed: what they are explained for, and how many at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from xai_widgets.kernels.batches import Step, check_batch, in_batches
from xai_widgets.kernels.cam.base import Replayable, cam_of, one_hot
from xai_widgets.kernels.checks import check_finite
from xai_widgets.kernels.degrade import check_range
from xai_widgets.kernels.measures.rows import Compared
from xai_widgets.kernels.measures.similarity import says_nothing, ssim

RULES = ("fixed", "anew")
PIXELS = 300_000  # of images at a time on a CPU: the outputs of the first layers stay in its cache
PIXELS_ELSEWHERE = 3_200_000
GROUP = 4  # batches' worth of changed images that are in memory


class Explained(NamedTuple):
    """Maps without negative values, and the scores of the network; None where the method gives none."""

    maps: Float[Tensor, "m H W"]
    scores: Float[Tensor, "m k"] | None


Explain = Callable[[Tensor], Tensor]
Explainer = Callable[[Tensor, Tensor | None], Explained]


def grad_cam_explainer(tail_of: Callable[[Tensor], Replayable], score: Callable[[Any], Tensor]) -> Explainer:
    """Grad-CAM, cut at 0, of the given outputs, or where none are given of the one that is predicted for each image.

    Args:
        tail_of: Images (m 3 h w) in [0, 1] to the tail of the network for them. On a CPU convolutions of images in
            the order of torch.channels_last are faster, where the network takes them.
        score: What the network returns to (m k) scores.
    """

    def explain(images: Tensor, targets: Tensor | None) -> Explained:
        chosen = _predicted if targets is None else partial(one_hot, targets)
        scores, cams = cam_of(tail_of(images), score, chosen)
        return Explained(cams.relu(), scores)

    return explain


def explainer_of(explain: Explain) -> Explainer:
    """Any function from images to maps, which sees to its target itself and gives no scores."""
    return lambda images, targets: Explained(explain(images), None)


def explain_for(explainer: Explainer, image: Float[Tensor, "3 h w"], *, rule: str = "fixed") -> Explain:
    """The maps of changed copies of one image, for the output predicted for the clean image, or "anew" for each."""
    targets = clean_of(explainer, image[None], rule=rule).targets

    def explain(images: Tensor) -> Tensor:
        return explainer(images, None if targets is None else targets.expand(len(images))).maps

    return explain


class Clean(NamedTuple):
    """The images as they are: maps, scores, and what their changed copies are explained for (None: predicted anew)."""

    maps: Float[Tensor, "n H W"]
    scores: Float[Tensor, "n k"] | None
    targets: Int[Tensor, " n"] | None
    rule: str


def clean_of(
    explainer: Explainer,
    images: Float[Tensor, "n 3 h w"],
    *,
    rule: str = "fixed",
    targets: Int[Tensor, " n"] | None = None,
    batch: int | None = None,
    step: Step = None,
) -> Clean:
    """The clean maps, and the target of each image.

    Args:
        explainer: The method.
        images: In [0, 1].
        rule: "fixed": every changed copy is explained for the output of its clean image; "anew": for its own.
        targets: Of each image, where it is not to be the predicted output; only for a fixed target.
        batch: Images at a time; found from their size if left out.
        step: Called before each batch; may raise to cancel.
    """
    if rule not in RULES:
        raise ValueError(f"the target rule must be {' or '.join(RULES)}, got {rule!r}.")
    check_range("images", images)
    if targets is not None:
        _check_targets(targets, images, rule)
    maps, scores = explained(explainer, images, targets, batch=batch, step=step)
    if rule == "fixed" and targets is None and scores is not None:
        check_finite("scores", scores)
        targets = scores.argmax(1)
    return Clean(maps, scores, targets, rule)


def explained(
    explainer: Explainer,
    images: Float[Tensor, "n 3 h w"],
    targets: Int[Tensor, " n"] | None,
    *,
    batch: int | None = None,
    step: Step = None,
) -> Explained:
    """All maps and scores, in batches of about equal size, halved where memory runs out."""
    size = batch_of(images, batch)
    scores: dict[int, Tensor | None] = {}

    def run(start: int, end: int) -> Tensor:
        mine = images[start:end].clone()  # a method may write into what it gets
        found = explainer(mine, None if targets is None else targets[start:end])
        scores[start] = None if found.scores is None else found.scores.detach()
        return _checked(found.maps.detach(), end - start)

    even = math.ceil(len(images) / math.ceil(len(images) / size))
    maps = torch.cat([found for _, _, found in in_batches(len(images), even, run, step=step)])
    known = [some for some in scores.values() if some is not None]
    return Explained(maps, torch.cat(known) if known else None)


def batch_of(images: Float[Tensor, "n 3 h w"], batch: int | None) -> int:
    """How many images at a time: as asked, or as many as the processor's cache likes."""
    check_batch(batch)
    if batch is not None:
        return batch
    pixels = PIXELS if images.device.type == "cpu" else PIXELS_ELSEWHERE
    return max(1, pixels // (images.shape[-2] * images.shape[-1]))


def explained_copies(
    explainer: Explainer,
    images: Float[Tensor, "n 3 h w"],
    targets: Int[Tensor, " n"] | None,
    change: Callable[[int, int], Float[Tensor, "g s 3 h w"]],
    copies: int,
    *,
    batch: int | None = None,
    step: Step = None,
) -> Iterator[tuple[slice, Float[Tensor, "_ s H W"], Float[Tensor, "g s k"] | None]]:
    """The maps and scores of changed copies, some images at a time and filling batches across them.

    Args:
        explainer: The method.
        images: Clean.
        targets: Of each image; None where they are predicted.
        change: From the first image to before the last one to their changed copies.
        copies: How many of each image.
        batch: As of `clean_of`.
        step: As of `clean_of`.
    """
    group = max(1, GROUP * batch_of(images, batch) // copies)
    for start in range(0, len(images), group):
        some = slice(start, min(start + group, len(images)))
        changed = change(some.start, some.stop).flatten(0, 1)
        asked = None if targets is None else targets[some].repeat_interleave(copies)
        maps, scores = explained(explainer, changed, asked, batch=batch, step=step)
        sizes = (some.stop - some.start, copies)
        yield some, maps.unflatten(0, sizes), None if scores is None else scores.unflatten(0, sizes)


def compared(clean: Float[Tensor, "n H W"], parts: list[Float[Tensor, "_ s H W"]]) -> Compared:
    """SSIM of each clean map with those of the changed copies of its image, at the maps' own size."""
    values, lost, start = [], [], 0
    for maps in parts:
        before = clean[start : start + len(maps), None].expand_as(maps).flatten(0, 1)
        values.append(ssim(before, maps.flatten(0, 1)).unflatten(0, maps.shape[:2]))
        lost.append(says_nothing(maps.flatten(0, 1)).unflatten(0, maps.shape[:2]))
        start += len(maps)
    return Compared(torch.cat(values), says_nothing(clean), torch.cat(lost), (clean.shape[1], clean.shape[2]))


def _predicted(scores: Float[Tensor, "n k"]) -> Float[Tensor, "n k"]:
    return one_hot(scores.argmax(1), scores)


def _check_targets(targets: Tensor, images: Tensor, rule: str) -> None:
    if rule == "anew":
        raise ValueError("targets are given, so that they cannot be predicted anew: leave one of the two out.")
    if targets.is_floating_point() or targets.dtype == torch.bool:
        raise TypeError(f"targets must be whole numbers, got {targets.dtype}.")
    if targets.shape != images.shape[:1]:
        raise ValueError(f"targets must be one an image, got {tuple(targets.shape)} for {len(images)} images.")


def _checked(maps: Tensor, count: int) -> Tensor:
    if maps.dim() != 3 or len(maps) != count:
        raise ValueError(f"a method must give one map an image, got {tuple(maps.shape)} for {count} images.")
    if bool((maps < 0).any()):
        raise ValueError("a method must give maps without negative values, cut them at 0 first.")
    return maps
