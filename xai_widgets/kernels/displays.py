"""From what removals change to a picture: the weights of the feature maps in each display of section 1.

Weights go into `saliency.weighted_sum`. Red means two things in two displays, so every picture carries its own legend.

Reference: Truong, Pesenti and Hasson, 2024, arXiv 2409.16292.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from xai_widgets.kernels.saliency import weighted_sum

TOP_SHARE = 0.1  # of the secondary layer, which is outlined


def behaviour(delta_y: Float[Tensor, "n c"]) -> Float[Tensor, "n c"]:
    """Model behaviour, for which no rating is needed: positive raises the score."""
    return -delta_y


def human_behaviour(delta_error: Float[Tensor, "n c"]) -> Float[Tensor, "n c"]:
    """Positive is helpful, negative harmful."""
    return delta_error


def primary(delta_y: Float[Tensor, "n c"], delta_error: Float[Tensor, "n c"]) -> Float[Tensor, "n c"]:
    """Helpful maps only, by what they do to the score: positive raises it."""
    return torch.where(delta_error > 0, -delta_y, 0)


def secondary(delta_error: Float[Tensor, "n c"]) -> Float[Tensor, "n c"]:
    """Harmful maps only, by how much they harm; shown grey over the primary layer."""
    return torch.where(delta_error < 0, -delta_error, 0)


def unlabelled(delta_y: Float[Tensor, "n c"], importance: Float[Tensor, " c"]) -> Float[Tensor, "n c"]:
    """For an image without a rating: maps that are important over a data set, by their direction on this image."""
    return importance.clamp_min(0) * -delta_y.sign()


class Combined(NamedTuple):
    """Direction and helpfulness in one picture.

    Attributes:
        direction: +1 where the maps raise the score together, -1 where they lower it: red or blue.
        saturation: in [0, 1], of the largest: pale where no map is helpful.
    """

    direction: Float[Tensor, "n h w"]
    saturation: Float[Tensor, "n h w"]


def combined(
    maps: Float[Tensor, "n c h w"], delta_y: Float[Tensor, "n c"], delta_error: Float[Tensor, "n c"]
) -> Combined:
    """Hue: sign of sum(-delta_y_i A_i); saturation: sum(max(delta_error_i, 0) A_i), negative sums as 0."""
    direction = weighted_sum(maps, behaviour(delta_y)).sign()
    strength = weighted_sum(maps, delta_error.clamp_min(0)).clamp_min(0)
    peak = strength.amax((1, 2), keepdim=True)
    return Combined(direction, strength / torch.where(peak > 0, peak, 1))


def outline(saliency: Float[Tensor, "n h w"], share: float = TOP_SHARE) -> Bool[Tensor, "n h w"]:
    """The region above the top share of places of a secondary layer; none in a map that is zero."""
    if not 0 < share < 1:
        raise ValueError(f"share must be between 0 and 1, got {share}.")
    edge = saliency.flatten(1).quantile(1 - share, dim=1)[:, None, None]
    return (saliency >= edge) & (saliency > 0)
