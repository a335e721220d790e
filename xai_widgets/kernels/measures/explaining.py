"""Maps of many images, clean and changed: what they are explained for, and how many at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from xai_widgets.kernels.batches import Step, check_batch, in_batches
from xai_widgets.kernels.checks import check_finite, check_tensor, targets_of
from xai_widgets.kernels.degrade import IMAGES, check_range
from xai_widgets.kernels.measures.methods import Explain, Explained, Explainer, Method, explainer_of
from xai_widgets.kernels.measures.rows import Compared
from xai_widgets.kernels.measures.similarity import as_maps, degenerate_maps, ssim

RULES = ("fixed", "repredicted")
PIXELS = 300_000  # of images at a time on a CPU: the outputs of the first layers stay in its cache
PIXELS_ELSEWHERE = 3_200_000
GROUP = 4  # batches' worth of changed images that are in memory

Target = int | str | Sequence[int | str] | Tensor  # an output of the network, by number or name, or one an image


def one_image(image: Any) -> Float[Tensor, "1 c h w"]:
    """A batch of the one image; raise TypeError or ValueError for what is no image (c h w)."""
    check_tensor("the image", image, IMAGES[1:])
    batch: Tensor = image[None]
    return batch


def explain_for(
    explain: Explain, image: Float[Tensor, "c h w"], *, rule: str = "fixed", target: Target | None = None
) -> Callable[[Tensor], Tensor]:
    """The maps of changed copies of one image, for the output predicted for the clean image, or for each copy.

    Args:
        explain: The method.
        image: In [0, 1].
        rule: "fixed": the output of the clean image; "repredicted": of each copy.
        target: The output, where it is not to be the predicted one.

    Raises:
        TypeError: as `clean_of`.
        ValueError: as `clean_of`.
    """
    explainer = explainer_of(explain)
    targets = clean_of(explainer, one_image(image), rule=rule, targets=target).targets

    def maps_of(images: Tensor) -> Tensor:
        return explainer(images, None if targets is None else targets.expand(len(images))).maps

    return maps_of


class Clean(NamedTuple):
    """The images as they are: maps, scores, and what their changed copies are explained for.

    Where `targets` is None, each copy is explained for what is predicted for it.
    """

    maps: Float[Tensor, "n H W"]
    scores: Float[Tensor, "n k"] | None
    targets: Int[Tensor, " n"] | None
    rule: str

    def beside(self, images: Float[Tensor, "n c h w"]) -> Clean:
        """Moved to the device of its images; raise ValueError where it is of another number of them."""
        if len(self.maps) != len(images):
            raise ValueError(f"clean must be of the same images, got {len(self.maps)} maps for {len(images)} images.")
        device = images.device
        scores, targets = (None if some is None else some.to(device) for some in (self.scores, self.targets))
        return Clean(as_maps("the clean maps", self.maps).to(device), scores, targets, self.rule)

    def own(self, scores: Float[Tensor, "n s k"] | None, copies: int) -> Float[Tensor, "n s"]:
        """Of the scores of copies those of the clean image's target, or of its predicted output; NaN without scores."""
        if scores is None or self.scores is None:
            return self.maps.new_full((len(self.maps), copies), math.nan)
        targets = self.scores.argmax(1) if self.targets is None else self.targets
        return scores.take_along_dim(targets[:, None, None], 2)[..., 0]


def clean_of(
    explain: Explain,
    images: Float[Tensor, "n c h w"],
    *,
    rule: str = "fixed",
    targets: Target | None = None,
    signed: bool = False,
    batch: int | None = None,
    step: Step = None,
) -> Clean:
    """The clean maps, and the target of each image.

    Args:
        explain: The method: a function of images, or of images and targets; see `explainer_of`.
        images: In [0, 1].
        rule: "fixed": every changed copy is explained for the output of its clean image; "repredicted": for its own.
        targets: Where it is not to be the predicted output: a number, a name, or a list or tensor with one an image;
            only for a fixed target.
        signed: Whether maps may have negative values.
        batch: Images at a time; found from their size if left out.
        step: Called before each batch; may raise to cancel.

    Raises:
        TypeError: no tensors of floating-point numbers, no such option, targets that are no whole numbers or names.
        ValueError: images that are not finite or outside of [0, 1], targets that are none or cannot be held fixed.
    """
    explainer = explainer_of(explain)
    if rule not in RULES:
        raise ValueError(f"the target rule must be {' or '.join(RULES)}, got {rule!r}.")
    check_range("images", images)
    asked = None if targets is None else _asked(targets, images, explainer, rule)
    maps, scores = explained(explainer, images, asked, signed=signed, batch=batch, step=step)
    if scores is not None:
        check_finite("scores", scores)
        if asked is not None:
            asked = targets_of(asked, scores, name="targets")
        elif rule == "fixed":
            asked = scores.argmax(1)
    elif explainer.targeted and asked is None and rule == "fixed":
        raise ValueError(
            "a method that takes targets must give its scores beside its maps, so that the output predicted for the "
            "clean image is known; or give targets, or the rule repredicted."
        )
    return Clean(maps, scores, asked, rule)


def explained(
    explain: Explain,
    images: Float[Tensor, "n c h w"],
    targets: Int[Tensor, " n"] | None,
    *,
    signed: bool = False,
    batch: int | None = None,
    step: Step = None,
) -> Explained:
    """All maps and scores, on the device of the images, in batches of about equal size, halved where memory runs out.

    Args:
        explain: The method; its network may be on another device.
        images: In [0, 1].
        targets: Of each image; None where they are predicted.
        signed: Whether maps may have negative values.
        batch, step: See `clean_of`.

    Raises:
        TypeError: the method gives no tensors.
        ValueError: other than one map and one row of scores an image, or negative values.
    """
    explainer = explainer_of(explain)
    check_tensor("images", images, IMAGES)
    size = batch_of(images, batch)
    scores: dict[int, Tensor] = {}

    def run(start: int, end: int) -> Tensor:
        mine = images[start:end].clone()  # a method may write into what it gets
        part = explainer(mine, None if targets is None else targets[start:end])
        if part.scores is not None:
            scores[start] = _checked_scores(part.scores, end - start).to(images.device)
        return _checked(part.maps, end - start, signed).to(images.device)

    even = math.ceil(len(images) / math.ceil(len(images) / size))
    maps = torch.cat([part for _, _, part in in_batches(len(images), even, run, step=step)])
    return Explained(maps, torch.cat(list(scores.values())) if scores else None)


def batch_of(images: Float[Tensor, "n c h w"], batch: int | None) -> int:
    """How many images at a time: as asked, or as many as are fastest on this kind of device.

    Raises:
        TypeError: a batch that is no whole number.
        ValueError: a batch below 1.
    """
    check_batch(batch)
    if batch is not None:
        return batch
    pixels = PIXELS if images.device.type == "cpu" else PIXELS_ELSEWHERE
    return max(1, pixels // (images.shape[-2] * images.shape[-1]))


def explained_copies(
    explainer: Explainer,
    images: Float[Tensor, "n c h w"],
    targets: Int[Tensor, " n"] | None,
    change: Callable[[int, int], Float[Tensor, "g s c h w"]],
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
        batch, step: See `clean_of`.
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
    values, flagged, start = [], [], 0
    for maps in parts:
        before = clean[start : start + len(maps), None].expand_as(maps).flatten(0, 1)
        values.append(ssim(before, maps.flatten(0, 1)).unflatten(0, maps.shape[:2]))
        flagged.append(degenerate_maps(maps.flatten(0, 1)).unflatten(0, maps.shape[:2]))
        start += len(maps)
    return Compared(torch.cat(values), degenerate_maps(clean), torch.cat(flagged), (clean.shape[1], clean.shape[2]))


def _asked(targets: Any, images: Tensor, explainer: Method, rule: str) -> Int[Tensor, " n"]:
    """One output an image; which outputs there are is known where they have names, else once there are scores."""
    if rule == "repredicted":
        raise ValueError("targets are given, so that they cannot be re-predicted: leave one of the two out.")
    if not explainer.targeted:
        raise ValueError("targets are given, but the method is a function of images alone: make it one of both.")
    outputs = len(explainer.labels) if explainer.labels else torch.iinfo(torch.int32).max
    shape_of_scores = images.new_zeros(()).expand(len(images), outputs)
    return targets_of(targets, shape_of_scores, explainer.labels, name="targets")


def _checked(maps: Tensor, count: int, signed: bool) -> Tensor:
    if maps.dim() != 3 or len(maps) != count:
        raise ValueError(f"a method must give one map an image, got {tuple(maps.shape)} for {count} images.")
    maps = as_maps("maps of a method", maps.detach())
    if not signed and bool((maps < 0).any()):
        raise ValueError("a method must give maps without negative values, cut them at 0 first.")
    return maps


def _checked_scores(scores: Any, count: int) -> Tensor:
    check_tensor("scores of a method", scores, ("images", "outputs"))
    if len(scores) != count:
        raise ValueError(f"a method must give one row of scores an image, got {len(scores)} for {count} images.")
    known: Tensor = scores.detach()
    return known
