"""Spearman's rank correlation."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from xai_widgets.kernels.checks import check_same


def rank_correlation(a: Float[Tensor, " c"], b: Float[Tensor, " c"]) -> float:
    """Spearman's correlation, ties at their mean rank; NaN where either is constant or holds a NaN.

    Raises:
        TypeError: no tensors.
        ValueError: other axes, or numbers of values that differ.
    """
    check_same(("the first", a), ("the second", b), ("values",))
    if bool(a.isnan().any()) or bool(b.isnan().any()):
        return math.nan
    x, y = (_ranks(values.cpu().double()) for values in (a, b))
    x, y = x - x.mean(), y - y.mean()
    size = float((x.square().sum() * y.square().sum()).sqrt())
    return float((x * y).sum()) / size if size > 0 else math.nan


def _ranks(values: Float[Tensor, " c"]) -> Float[Tensor, " c"]:
    """Mean ranks, from 0 or 0.5 on: only their differences count."""
    ordered = values.sort().values
    values = values.contiguous()
    first = torch.searchsorted(ordered, values)
    last = torch.searchsorted(ordered, values, right=True)
    return (first + last).to(values.dtype) / 2
