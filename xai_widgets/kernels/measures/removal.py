"""Focus: what the map, and the score, become when salient or other regions are blurred away."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from xai_widgets.kernels import degrade
from xai_widgets.kernels.agreement import auc
from xai_widgets.kernels.checks import check_finite, check_tensor, positive_number
from xai_widgets.kernels.degrade import IMAGES, check_range
from xai_widgets.kernels.measures.explaining import (
    Clean,
    Step,
    Target,
    clean_of,
    explained_copies,
    one_image,
)
from xai_widgets.kernels.measures.methods import Explain, explainer_of
from xai_widgets.kernels.measures.moves import at_size_of
from xai_widgets.kernels.measures.rows import Compared, Row
from xai_widgets.kernels.measures.similarity import as_maps, degenerate_maps, scaled, ssim
from xai_widgets.kernels.precision import widest
from xai_widgets.kernels.saliency import resize

REMOVED = ("salient_removed", "other_removed")
SMOOTHING = 5 / 224  # of the shorter side: the Gaussian over the weight of the graded blur


class Focus(NamedTuple):
    """Salient and other regions blurred away (columns), of n images.

    Attributes:
        compared: SSIM with the clean map.
        scores: Of the clean image, and of the two; None where the method gives none.
        change: Of the score of the clean image's target; 0 where the map is zero, which blurs nothing, and NaN where
            it is degenerate otherwise.
    """

    compared: Compared
    scores: Float[Tensor, "n 3 k"] | None
    change: Float[Tensor, "n 2"]

    @property
    def value(self) -> Float[Tensor, " n"]:
        """((1 - salient removed) + other removed) / 2: 1 where the map is all salient regions and nothing else."""
        salient, other = self.compared.values.unbind(1)
        return ((1 - salient) + other) / 2

    def rows(self, rule: str, *, first: int = 0) -> list[Row]:
        """A row for both removals, and for each its SSIM and the change of the score."""
        whole = self.compared.rows("focus", rule, [("", None, slice(None))], first=first)
        parts = [(name, None, slice(at, at + 1)) for at, name in enumerate(REMOVED)]
        each = self.compared.rows("focus", rule, parts, first=first)
        values, changes = self.value.tolist(), self.change.flatten().tolist()
        rows = [row._replace(value=value, quantity="focus") for row, value in zip(whole, values, strict=True)] + each
        if self.scores is None:
            return rows
        for row, value in zip(each, changes, strict=True):
            undefined = int(math.isnan(value))
            rows.append(row._replace(value=value, maps=0, degenerate=0, left_out=undefined, quantity="score_change"))
        return rows


def focus(
    explain: Explain,
    image: Float[Tensor, "c h w"],
    *,
    exponent: float = 4.0,
    target: Target | None = None,
    batch: int | None = None,
    step: Step = None,
) -> tuple[float, float]:
    """SSIM of the map with that of the image without its salient, and without its other regions; at image size.

    Args:
        explain: The method.
        image: In [0, 1].
        exponent: Of the graded blur.
        target: The output, where it is not to be the predicted one.
        batch: Images that are explained at a time; found from their size if left out.
        step: Called before each batch; may raise to cancel.

    Raises:
        TypeError: as `focus_of`.
        ValueError: as `focus_of`.
    """
    explainer, images = explainer_of(explain), one_image(image)
    clean = clean_of(explainer, images, targets=target, batch=batch, step=step)
    focused = focus_of(explainer, images, clean, exponent=exponent, batch=batch, step=step)
    salient, other = focused.compared.values[0].tolist()
    return salient, other


def focus_of(
    explain: Explain,
    images: Float[Tensor, "n c h w"],
    clean: Clean,
    *,
    exponent: float = 4.0,
    batch: int | None = None,
    step: Step = None,
) -> Focus:
    """SSIM of the maps of many images without salient or other regions, and their scores.

    The image of a degenerate map is not changed, and has no value.

    Args:
        explain: The method.
        images: In [0, 1].
        clean: Of these images.
        exponent: Of the graded blur.
        batch, step: See `clean_of`.

    Raises:
        TypeError: no tensors of floating-point numbers, an exponent that is no number.
        ValueError: images outside of [0, 1], an exponent of 0 or less, the clean maps of other images.
    """
    check_range("images", images)
    positive_number("exponent", exponent)
    explainer, clean = explainer_of(explain), clean.beside(images)
    degenerate_clean = degenerate_maps(clean.maps)
    (tried,) = (~degenerate_clean).nonzero(as_tuple=True)
    dtype = torch.promote_types(clean.maps.dtype, torch.float32)
    values = clean.maps.new_full((len(images), 2), math.nan, dtype=dtype)
    flagged = torch.zeros_like(values, dtype=torch.bool)
    scores = None if clean.scores is None else clean.scores[:, None].repeat(1, 3, 1)
    if scores is not None:
        zero = (clean.maps == 0).all(-1).all(-1)  # blurs nothing: the scores stay
        scores[degenerate_clean & ~zero, 1:] = math.nan
    chosen, saliency = images[tried], clean.maps[tried]
    targets = None if clean.targets is None else clean.targets[tried]

    def change(start: int, end: int) -> Tensor:
        return removals_of(chosen[start:end], saliency[start:end], exponent=exponent)

    for some, maps, after_scores in explained_copies(explainer, chosen, targets, change, 2, batch=batch, step=step):
        before = at_size_of(images, saliency[some])
        after = [at_size_of(images, changed) for changed in maps.unbind(1)]
        values[tried[some]] = torch.stack([ssim(before, changed) for changed in after], 1)
        flagged[tried[some]] = torch.stack([degenerate_maps(changed) for changed in maps.unbind(1)], 1)
        if scores is not None and after_scores is not None:
            scores[tried[some], 1:] = after_scores
    height, width = images.shape[-2:]
    return Focus(Compared(values, degenerate_clean, flagged, (height, width)), scores, _change(scores, clean))


def removals(
    image: Float[Tensor, "c h w"],
    saliency: Shaped[Tensor, "H W"],
    *,
    exponent: float = 4.0,
) -> Float[Tensor, "2 c h w"]:
    """The image with its salient, and with its other regions blurred away; a zero map blurs nothing in either.

    The weight of the graded blur is m, the `focus_mask`; of the removal of the other regions 1 - m, not scaled again.

    Args:
        image: In [0, 1].
        saliency: Not negative; it may be of another size, and on another device.
        exponent: Of the graded blur.

    Raises:
        TypeError: as `removals_of`.
        ValueError: as `removals_of`.
    """
    saliency = as_maps("saliency", saliency, ("rows", "columns"))
    return removals_of(one_image(image), saliency[None], exponent=exponent)[0]


def removals_of(
    images: Float[Tensor, "n c h w"],
    saliency: Shaped[Tensor, "n H W"],
    *,
    exponent: float = 4.0,
) -> Float[Tensor, "n 2 c h w"]:
    """Many images with their salient, and with their other regions blurred away; see `removals`.

    Raises:
        TypeError: no tensors, images that are no floating-point numbers.
        ValueError: other axes, another number of maps than of images, a map that is negative or not finite, an exponent
            of 0 or less.
    """
    check_tensor("images", images, IMAGES)
    saliency = as_maps("saliency", saliency)
    if len(saliency) != len(images):
        raise ValueError(f"saliency must be one map an image, got {len(saliency)} for {len(images)} images.")
    wide = torch.promote_types(saliency.dtype, images.dtype)
    mask = focus_mask_of(scaled(saliency).to(wide), (images.shape[-2], images.shape[-1])).to(images)
    other = torch.where(mask.amax((-2, -1), keepdim=True) > 0, 1 - mask, 0)
    return degrade.graded_blurs(images, torch.stack((mask, other), 1), exponent)


def focus_mask(saliency: Shaped[Tensor, "h w"], size: tuple[int, int]) -> Float[Tensor, "H W"]:
    """The weight m of the graded blur: how salient each pixel of an image of this size (rows, columns) is, from 0 to 1.

    The map at the image's size, smoothed by a Gaussian of 5 px at a side of 224, then scaled to a maximum of 1; of a
    zero map zero.

    Raises:
        TypeError: as `focus_mask_of`.
        ValueError: as `focus_mask_of`.
    """
    return focus_mask_of(as_maps("saliency", saliency, ("rows", "columns"))[None], size)[0]


def focus_mask_of(saliency: Shaped[Tensor, "n h w"], size: tuple[int, int]) -> Float[Tensor, "n H W"]:
    """The weights m of the graded blur for many maps; see `focus_mask`.

    Raises:
        TypeError: no tensor, a size that is not two whole numbers.
        ValueError: other axes, a map that is negative or not finite, a size below 1 x 1.
    """
    saliency = as_maps("saliency", saliency)
    check_finite("saliency", saliency)
    if bool((saliency < 0).any()):
        raise ValueError("saliency must not be negative, cut it at 0 first.")
    wide = scaled(saliency).to(torch.promote_types(saliency.dtype, torch.float32))
    weight = scaled(resize(wide, size))
    return scaled(degrade.blur(weight[:, None], SMOOTHING * min(size))[:, 0]).to(saliency.dtype)


def class_auroc(
    scores: Float[Tensor, "n m k"], labels: Int[Tensor, " n"], *, exclusive: bool = True
) -> Float[Tensor, "m k"]:
    """AUROC of each class's probability for telling its images from all others, for each of m conditions.

    For the scores of `Focus` these are the clean images, salient regions removed, other regions removed. A probability
    p is compared by log(p / (1 - p)), which a confident network does not round to 1 or 0. NaN for a class without
    images, or without others.

    Args:
        exclusive: whether one class excludes the others, so that their probabilities are a softmax; else each is the
            sigmoid of its own score (multilabel), see `outputs.Outputs.exclusive`.

    Raises:
        TypeError: scores that are no floating-point numbers, labels that are no whole numbers.
        ValueError: fewer than two classes, labels out of range, or scores that are not finite; leave out the images
            with a degenerate map.
    """
    check_tensor("scores", scores)
    if scores.dim() != 3:
        raise ValueError(f"scores must have the axes images, conditions, classes, got shape {tuple(scores.shape)}.")
    classes = scores.shape[-1]
    if classes < 2:
        raise ValueError("an AUROC from class probability needs scores of at least 2 classes, got one.")
    if not isinstance(labels, Tensor) or labels.is_floating_point() or labels.dtype == torch.bool:
        given = labels.dtype if isinstance(labels, Tensor) else type(labels).__name__
        raise TypeError(f"labels must be a tensor of whole numbers, got {given}.")
    labels = labels.to(scores.device)
    if labels.shape != scores.shape[:1]:
        raise ValueError(f"labels must be one an image, got shape {tuple(labels.shape)} for {len(scores)}.")
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < classes:
        wrong = labels[(labels < 0) | (labels >= classes)][0]
        raise ValueError(f"labels must be 0 to {classes - 1}, got {int(wrong)}.")
    check_finite("scores", scores)
    scores = scores.to(widest(scores.device))
    areas = []
    for c in range(classes):
        others = torch.cat((scores[..., :c], scores[..., c + 1 :]), 2)
        odds = scores[..., c] - others.logsumexp(2) if exclusive else scores[..., c]
        areas.append(torch.stack([auc(one[labels == c], one[labels != c]) for one in odds.unbind(1)]))
    return torch.stack(areas, 1)


def _change(scores: Tensor | None, clean: Clean) -> Float[Tensor, "n 2"]:
    own = clean.own(scores, 3)
    return own[:, 1:] - own[:, :1]
