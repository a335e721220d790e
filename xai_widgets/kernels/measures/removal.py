"""Focus: what the map, and the score, become when salient or other regions are blurred away."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from xai_widgets.kernels import degrade
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
from xai_widgets.kernels.saliency import resize

REMOVED = ("salient_removed", "other_removed")
SMOOTHING = 5 / 224  # of the shorter side: the Gaussian over the weight of the graded blur


class Focus(NamedTuple):
    """Salient and other regions blurred away (columns), of n images.

    Attributes:
        compared: SSIM with the clean map.
        scores: Of the clean image, and of the two; None where the method gives none.
        score: That of the clean image's target, of all three; NaN where a map is degenerate, unless it is zero, which
            blurs nothing, and where the method gives no scores.
    """

    compared: Compared
    scores: Float[Tensor, "n 3 k"] | None
    score: Float[Tensor, "n 3"]

    @property
    def change(self) -> Float[Tensor, "n 2"]:
        """Of the score of the clean image's target; 0 where the map is zero."""
        return self.score[:, 1:] - self.score[:, :1]

    @property
    def value(self) -> Float[Tensor, " n"]:
        """((1 - salient removed) + other removed) / 2: 1 where the map is all salient regions and nothing else."""
        salient, other = self.compared.values.unbind(1)
        return ((1 - salient) + other) / 2

    def rows(self, rule: str, *, first: int = 0) -> list[Row]:
        """A row for both removals, with the clean score, and for each its SSIM, its score and the change of that."""
        whole = self.compared.rows("focus", rule, [("", None, slice(None))], first=first)
        parts = [(name, None, slice(at, at + 1)) for at, name in enumerate(REMOVED)]
        each = self.compared.rows("focus", rule, parts, first=first)
        values = self.value.tolist()
        rows = [row._replace(value=value, quantity="focus") for row, value in zip(whole, values, strict=True)] + each
        if self.scores is None:
            return rows
        clean, removed = self.score[:, 0].tolist(), self.score[:, 1:].flatten().tolist()
        rows += [_of_score(row, value, "score") for row, value in zip(whole, clean, strict=True)]
        for quantity, found in (("score", removed), ("score_change", self.change.flatten().tolist())):
            rows += [_of_score(row, value, quantity) for row, value in zip(each, found, strict=True)]
        return rows


def _of_score(row: Row, value: float, quantity: str) -> Row:
    """A row of no map."""
    return row._replace(value=value, maps=0, degenerate=0, left_out=int(math.isnan(value)), quantity=quantity)


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
    return Focus(Compared(values, degenerate_clean, flagged, (height, width)), scores, clean.own(scores, 3))


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
