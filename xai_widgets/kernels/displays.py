"""Saliency from removals: the weight that each feature map gets in each display.

`saliency.weighted_sum` makes the saliency of the weights. Each display needs a legend of its own, since red means
another thing in each. For a classifier with a known label the error is the cross entropy with that label, and delta y
is that of the logit of P. Helpful and harmful are the two sides of 0, so that a value of the size of rounding counts as
one of them: `neutral` leaves such maps out, for instance those with `ablation.roles(...) == 0`.

Reference: Truong, Pesenti and Hasson, 2024, arXiv 2409.16292.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from xai_widgets.kernels.checks import check_finite, check_same, check_tensor, positive_number, real_number
from xai_widgets.kernels.regions import top_share
from xai_widgets.kernels.saliency import weighted_sum

AXES = ("images", "maps")
TOP_SHARE = 0.1  # of the secondary layer, which is outlined


def behaviour(delta_y: Float[Tensor, "n c"]) -> Float[Tensor, "n c"]:
    """Model behaviour, for which no rating is needed: positive raises the score.

    Raises:
        TypeError: no tensor of floating-point numbers.
        ValueError: other axes, or a value that is not finite.
    """
    _check("delta y", delta_y)
    return -delta_y


def human_behaviour(
    delta_error: Float[Tensor, "n c"], *, neutral: Bool[Tensor, "n c"] | None = None
) -> Float[Tensor, "n c"]:
    """Positive is helpful, negative harmful, by how much the error grows.

    Args:
        delta_error: of each map.
        neutral: maps that are left out.

    Raises:
        TypeError: no tensor of floating-point numbers, or a mask that is none.
        ValueError: other axes, or a value that is not finite.
    """
    _check("delta error", delta_error)
    return _without(delta_error, neutral)


def by_push(
    delta_y: Float[Tensor, "n c"],
    delta_error: Float[Tensor, "n c"],
    *,
    neutral: Bool[Tensor, "n c"] | None = None,
) -> Float[Tensor, "n c"]:
    """Positive is helpful, negative harmful, by how far the map pushes the score: sign(delta error) abs(delta y).

    Raises:
        TypeError: no tensors of floating-point numbers, or a mask that is none.
        ValueError: axes or sizes that differ, or a value that is not finite.
    """
    _check_pair(delta_y, delta_error)
    return _without(delta_error, neutral).sign() * delta_y.abs()


def primary(
    delta_y: Float[Tensor, "n c"],
    delta_error: Float[Tensor, "n c"],
    *,
    neutral: Bool[Tensor, "n c"] | None = None,
) -> Float[Tensor, "n c"]:
    """Helpful maps only, by what they do to the score: positive raises it.

    Raises:
        TypeError: no tensors of floating-point numbers, or a mask that is none.
        ValueError: axes or sizes that differ, or a value that is not finite.
    """
    _check_pair(delta_y, delta_error)
    return torch.where(_without(delta_error, neutral) > 0, -delta_y, 0)


def harmful_only(
    delta_y: Float[Tensor, "n c"],
    delta_error: Float[Tensor, "n c"],
    *,
    neutral: Bool[Tensor, "n c"] | None = None,
) -> Float[Tensor, "n c"]:
    """Harmful maps only, by what they do to the score: positive raises it.

    Raises:
        TypeError: no tensors of floating-point numbers, or a mask that is none.
        ValueError: axes or sizes that differ, or a value that is not finite.
    """
    _check_pair(delta_y, delta_error)
    return torch.where(_without(delta_error, neutral) < 0, -delta_y, 0)


def secondary(delta_error: Float[Tensor, "n c"], *, neutral: Bool[Tensor, "n c"] | None = None) -> Float[Tensor, "n c"]:
    """Harmful maps only, by how much they harm; shown grey over any other display, or as an outline.

    Raises:
        TypeError: no tensor of floating-point numbers, or a mask that is none.
        ValueError: axes or sizes that differ, or a value that is not finite.
    """
    _check("delta error", delta_error)
    error = _without(delta_error, neutral)
    return torch.where(error < 0, -error, 0)


def unlabelled(delta_y: Float[Tensor, "n c"], importance: Float[Tensor, " c"]) -> Float[Tensor, "n c"]:
    """For an image without a rating: maps that are important over a data set, by their direction on this image.

    Raises:
        TypeError: no tensors of floating-point numbers.
        ValueError: axes or sizes that differ, or a value that is not finite.
    """
    _check("delta y", delta_y)
    check_tensor("importance", importance, ("maps",))
    check_same(("delta y", delta_y[0]), ("importance", importance), ("maps",))
    check_finite("importance", importance)
    return importance.clamp_min(0) * -delta_y.sign()


class Combined(NamedTuple):
    """Direction and helpfulness in one saliency.

    Attributes:
        direction: +1 where the maps raise the score together, -1 where they lower it: red or blue.
        saturation: in [0, 1], of the largest strength or of the limit: pale where no map is helpful.
        strength: of helpful maps, in units of the error: of pictures that are compared, the largest is their limit.
    """

    direction: Float[Tensor, "n h w"]
    saturation: Float[Tensor, "n h w"]
    strength: Float[Tensor, "n h w"]


def combined(
    maps: Float[Tensor, "n c h w"],
    delta_y: Float[Tensor, "n c"],
    delta_error: Float[Tensor, "n c"],
    *,
    neutral: Bool[Tensor, "n c"] | None = None,
    limit: float | None = None,
) -> Combined:
    """Hue: sign of sum(-delta_y_i A_i); saturation: sum(max(delta_error_i, 0) A_i), negative sums as 0.

    Args:
        maps: the feature maps.
        delta_y: of each.
        delta_error: of each.
        neutral: maps that are left out of the saturation; the hue is that of all maps.
        limit: the strength that is fully saturated, also what is above; each image's own largest if left out.

    Raises:
        TypeError: no tensors of floating-point numbers, or a mask that is none.
        ValueError: axes or sizes that differ, a value that is not finite, or a limit that is not above 0.
    """
    _check_pair(delta_y, delta_error)
    direction = weighted_sum(maps, behaviour(delta_y)).sign()
    strength = weighted_sum(maps, _without(delta_error, neutral).clamp_min(0)).clamp_min(0)
    if limit is not None:
        return Combined(direction, (strength / positive_number("limit", limit)).clamp_max(1), strength)
    peak = strength.amax((1, 2), keepdim=True)
    return Combined(direction, strength / torch.where(peak > 0, peak, 1), strength)


def outline(saliency: Shaped[Tensor, "n h w"], share: float = TOP_SHARE) -> Bool[Tensor, "n h w"]:
    """The region of the largest values of a secondary layer, at most that share of it: see `regions.top_share`.

    Raises:
        TypeError: no tensor of numbers, or a share that is no number.
        ValueError: other axes, a share that is not between 0 and 1, or a value that is not finite.
    """
    number = real_number("share", share)
    if not 0 < number < 1:
        raise ValueError(f"share must be between 0 and 1, got {number}.")
    return top_share(saliency, number)


def _without(delta_error: Tensor, neutral: Tensor | None) -> Tensor:
    if neutral is None:
        return delta_error
    if not isinstance(neutral, Tensor) or neutral.dtype != torch.bool:
        given = neutral.dtype if isinstance(neutral, Tensor) else type(neutral).__name__
        raise TypeError(f"neutral must be a tensor, a mask of bool, got {given}.")
    check_same(("delta error", delta_error), ("neutral", neutral), AXES)
    return torch.where(neutral, 0, delta_error)


def _check(name: str, values: Tensor) -> None:
    check_tensor(name, values, AXES)
    check_finite(name, values)


def _check_pair(delta_y: Tensor, delta_error: Tensor) -> None:
    _check("delta y", delta_y)
    _check("delta error", delta_error)
    check_same(("delta y", delta_y), ("delta error", delta_error), AXES)
