"""The median over images of each feature map, with an interval that assumes no distribution.

Reference: Conover, Practical Nonparametric Statistics, 1999, section 3.2: the interval of a quantile lies between two
of the ordered values, whose ranks follow from the binomial distribution.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from xai_widgets.kernels.checks import check_tensor, real_number


class Medians(NamedTuple):
    """Of each column over its rows, NaN left out.

    Attributes:
        median: NaN where no row has a value; of an even number the mean of the two in the middle.
        low: Lower end of the interval; NaN where too few rows have a value for one.
        high: Upper end.
        n: How many rows have a value.
    """

    median: Float[Tensor, " c"]
    low: Float[Tensor, " c"]
    high: Float[Tensor, " c"]
    n: Int[Tensor, " c"]


def medians(values: Float[Tensor, "n c"], *, share: float = 0.95) -> Medians:
    """The median of each column and the interval that covers it with at least this probability.

    Six values are the fewest that have an interval of 95 %.

    Args:
        values: A row an image, a column a map; NaN is left out.
        share: The probability.

    Raises:
        TypeError: no tensor of floating-point numbers, or a share that is no number.
        ValueError: other axes, or a share outside of (0, 1).
    """
    check_tensor("values", values)
    if values.dim() != 2:
        raise ValueError(f"values must have the axes images, maps; got shape {tuple(values.shape)}.")
    if not 0 < real_number("share", share) < 1:
        raise ValueError(f"share must lie between 0 and 1, got {share}.")
    ordered = values.sort(0).values  # NaN comes last
    known = (~values.isnan()).sum(0)
    if not len(values):
        nothing = values.new_full((values.shape[1],), math.nan)
        return Medians(nothing, nothing, nothing, known)
    middle = (_at(ordered, (known - 1).div(2, rounding_mode="floor"), known) + _at(ordered, known // 2, known)) / 2
    below = torch.zeros_like(known)
    for count in known.unique().tolist():
        below[known == count] = rank_below(count, share)
    low, high = _at(ordered, below - 1, known), _at(ordered, known - below, known)
    missing = below < 1
    return Medians(middle, low.masked_fill(missing, math.nan), high.masked_fill(missing, math.nan), known)


def rank_below(count: int, share: float) -> int:
    """The rank from below, from 1, of the lower end of the interval of the median of `count` values; 0 for none."""
    rest, chance = (1 - share) / 2, 0.5**count  # that no value lies below the median
    if not chance:  # of over 1,074 values: the normal distribution gives the same rank
        return math.floor((count - 1 - math.sqrt(2 * count) * _inverse_erf(share)) / 2) + 1
    total, rank = chance, 0
    while total <= rest:
        rank += 1
        chance *= (count - rank + 1) / rank
        total += chance
    return rank


def _inverse_erf(share: float) -> float:
    return float(torch.erfinv(torch.tensor(share, dtype=torch.float64, device="cpu")))


def _at(ordered: Tensor, places: Tensor, known: Tensor) -> Tensor:
    """The value of each column at a place; NaN where the column has none."""
    found = ordered.gather(0, places.clamp(0, len(ordered) - 1)[None])[0]
    return found.masked_fill(known == 0, math.nan)
