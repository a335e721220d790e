"""Where a map is largest: masks that point at a share of its pixels, for comparisons, receipts and outlines."""

from __future__ import annotations

from typing import Any

from jaxtyping import Bool, Shaped
from torch import Tensor

from xai_widgets.kernels.checks import check_finite, real_number
from xai_widgets.kernels.saliency import AXES, as_floating


def top_share(saliency: Shaped[Tensor, "n h w"], share: float, *, absolute: bool = False) -> Bool[Tensor, "n h w"]:
    """A mask of at most round(share * pixels) positions of the largest values, all of them above 0.

    A group of equal values that does not fit is left out whole, so that no position is chosen for where it lies: a map
    of one pixel keeps one, a constant map none. How many are kept is the sum of the mask.

    Args:
        saliency: the maps; of a signed map the positive side is meant.
        share: of the pixels, in [0, 1].
        absolute: both sides of a signed map are meant, by their size.

    Raises:
        TypeError: no tensor of numbers, or a share that is no number.
        ValueError: other axes, a share outside of [0, 1], or a value that is not finite and so has no rank.
    """
    maps = as_floating("saliency", saliency, AXES)
    share = share_of_pixels(share)
    check_finite("saliency", maps)
    values = (maps.abs() if absolute else maps).flatten(1)
    kept, pixels = round(share * values.shape[1]), values.shape[1]
    bound = values.new_zeros(len(values), 1)
    if kept < pixels:  # the largest value that may be left out: what equals it does not fit
        bound = values.sort(dim=1, descending=True).values[:, kept : kept + 1].clamp_min(0)
    constant = values.amax(1, keepdim=True) == values.amin(1, keepdim=True)
    return ((values > bound) & ~constant).reshape(maps.shape)


def share_of_pixels(share: Any) -> float:
    """A share of the pixels as a number.

    Raises:
        TypeError: no number.
        ValueError: outside of [0, 1].
    """
    number = real_number("share", share)
    if not 0 <= number <= 1:
        raise ValueError(f"share must be in [0, 1], got {number}.")
    return number
