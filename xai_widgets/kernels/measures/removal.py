"""Focus: what the map, and the score, become when salient or other regions are blurred away."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from xai_widgets.kernels import degrade
from xai_widgets.kernels.agreement import auc
from xai_widgets.kernels.checks import check_finite
from xai_widgets.kernels.measures.explaining import (
    Clean,
    Explain,
    Explainer,
    Step,
    clean_of,
    explained_copies,
    explainer_of,
)
from xai_widgets.kernels.measures.moves import at_size_of
from xai_widgets.kernels.measures.rows import Compared, Row
from xai_widgets.kernels.measures.similarity import says_nothing, scaled, ssim, widest
from xai_widgets.kernels.saliency import resize

REMOVED = ("salient_removed", "other_removed")
SMOOTHING = 5 / 224  # of the shorter side: the Gaussian over the weight of the graded blur


class Focus(NamedTuple):
    """Salient and other regions blurred away (columns), of n images.

    Attributes:
        compared: SSIM with the clean map.
        scores: Of the clean image, and of the two; None where the method gives none.
        change: Of the score of the clean image's target; NaN where the map says nothing.
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
        """A row for both removals, and one for each."""
        whole = self.compared.rows("focus", rule, [("", None, slice(None))], first=first)
        parts = [(name, None, slice(at, at + 1)) for at, name in enumerate(REMOVED)]
        values = self.value.tolist()
        return [row._replace(value=value) for row, value in zip(whole, values, strict=True)] + self.compared.rows(
            "focus", rule, parts, first=first
        )


def focus(
    explain: Explain,
    image: Float[Tensor, "3 h w"],
    *,
    exponent: float = 4.0,
    batch: int | None = None,
    step: Step = None,
) -> tuple[float, float]:
    """SSIM of the map with that of the image without its salient, and without its other regions; at image size."""
    explainer = explainer_of(explain)
    clean = clean_of(explainer, image[None], batch=batch, step=step)
    found = focus_of(explainer, image[None], clean, exponent=exponent, batch=batch, step=step)
    salient, other = found.compared.values[0].tolist()
    return salient, other


def focus_of(
    explainer: Explainer,
    images: Float[Tensor, "n 3 h w"],
    clean: Clean,
    *,
    exponent: float = 4.0,
    batch: int | None = None,
    step: Step = None,
) -> Focus:
    """The same for many images, and beside it what the scores become. A map that says nothing is not tried."""
    lost_clean = says_nothing(clean.maps)
    (tried,) = (~lost_clean).nonzero(as_tuple=True)
    values = clean.maps.new_full((len(images), 2), math.nan)
    lost = torch.zeros_like(values, dtype=torch.bool)
    scores = None if clean.scores is None else clean.scores[:, None].repeat(1, 3, 1)
    if scores is not None:
        scores[lost_clean, 1:] = math.nan
    chosen, saliency = images[tried], clean.maps[tried]
    targets = None if clean.targets is None else clean.targets[tried]

    def change(start: int, end: int) -> Tensor:
        return removals_of(chosen[start:end], saliency[start:end], exponent=exponent)

    for some, maps, found in explained_copies(explainer, chosen, targets, change, 2, batch=batch, step=step):
        before = at_size_of(images, saliency[some])
        after = [at_size_of(images, changed) for changed in maps.unbind(1)]
        values[tried[some]] = torch.stack([ssim(before, changed) for changed in after], 1)
        lost[tried[some]] = torch.stack([says_nothing(changed) for changed in maps.unbind(1)], 1)
        if scores is not None and found is not None:
            scores[tried[some], 1:] = found
    height, width = images.shape[-2:]
    return Focus(Compared(values, lost_clean, lost, (height, width)), scores, _change(scores, clean, values))


def removals(
    image: Float[Tensor, "3 h w"],
    saliency: Float[Tensor, "H W"],
    *,
    exponent: float = 4.0,
) -> Float[Tensor, "2 3 h w"]:
    """The image with its salient, and with its other regions blurred away; for a zero map nothing is salient.

    The weight m of the graded blur is the map at the image's size, smoothed by a Gaussian of 5 px at a side of 224 and
    then scaled to a maximum of 1; the removal of the other regions has the weight 1 - m, and is not scaled again.
    """
    return removals_of(image[None], saliency[None], exponent=exponent)[0]


def removals_of(
    images: Float[Tensor, "n 3 h w"],
    saliency: Float[Tensor, "n H W"],
    *,
    exponent: float = 4.0,
) -> Float[Tensor, "n 2 3 h w"]:
    """The same for many images."""
    height, width = images.shape[-2:]
    weight = scaled(resize(scaled(saliency).to(images.dtype), (height, width)))
    weight = scaled(degrade.blur(weight[:, None], SMOOTHING * min(height, width))[:, 0])
    return degrade.graded_blurs(images, torch.stack((weight, 1 - weight), 1), exponent)


def class_auroc(scores: Float[Tensor, "n m k"], labels: Int[Tensor, " n"]) -> Float[Tensor, "m k"]:
    """AUROC of each class's probability (softmax) for telling its images from all others, for each of m conditions.

    For the scores of `Focus` these are the clean images, salient regions removed, other regions removed. A probability
    p is compared by log(p / (1 - p)), which a confident network does not round to 1 or 0. NaN for a class without
    images, or without others.

    Raises:
        ValueError: fewer than two classes, labels out of range, or scores that are not finite; leave out the images
            whose map says nothing.
    """
    classes = scores.shape[-1]
    if classes < 2:
        raise ValueError("an AUROC from class probability needs scores of at least 2 classes, got one.")
    if len(labels) != len(scores):
        raise ValueError(f"labels must be one an image, got {len(labels)} for {len(scores)} images.")
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < classes:
        wrong = labels[(labels < 0) | (labels >= classes)][0]
        raise ValueError(f"labels must be 0 to {classes - 1}, got {int(wrong)}.")
    check_finite("scores", scores)
    scores = scores.to(widest(scores.device))
    areas = []
    for c in range(classes):
        others = torch.cat((scores[..., :c], scores[..., c + 1 :]), 2)
        odds = scores[..., c] - others.logsumexp(2)
        areas.append(torch.stack([auc(one[labels == c], one[labels != c]) for one in odds.unbind(1)]))
    return torch.stack(areas, 1)


def _change(scores: Tensor | None, clean: Clean, like: Tensor) -> Float[Tensor, "n 2"]:
    if scores is None or clean.scores is None:
        return torch.full_like(like, math.nan)
    targets = clean.scores.argmax(1) if clean.targets is None else clean.targets
    own = scores.take_along_dim(targets[:, None, None], 2)[..., 0]
    return own[:, 1:] - own[:, :1]
