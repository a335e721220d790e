"""Medians over images and their intervals, against the binomial distribution and against counting."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.stats import binom
from unchecked import refused

from xai_widgets.kernels.medians import medians, rank_below


@pytest.mark.parametrize("share", [0.5, 0.95, 0.99])
def test_ranks_are_those_of_the_binomial_distribution(share: float) -> None:
    for count in (1, 2, 5, 6, 9, 50, 201, 1000, 1074, 1075, 3000):
        rank, rest = rank_below(count, share), (1 - share) / 2
        assert rank == 0 or binom.cdf(rank - 1, count, 0.5) <= rest
        assert binom.cdf(rank, count, 0.5) > rest


def test_medians_of_columns_with_and_without_values() -> None:
    values = torch.randn(41, 5, generator=torch.Generator().manual_seed(0))
    values[:35, 1], values[:36, 2], values[:, 3] = math.nan, math.nan, math.nan
    values[7, 4] = math.inf
    found = medians(values)
    np.testing.assert_allclose(found.median[[0, 1, 2]], values.nanquantile(0.5, 0)[[0, 1, 2]])
    assert found.n.tolist() == [41, 6, 5, 0, 41]
    assert found.low[1] == values[35:, 1].min()
    assert found.high[1] == values[35:, 1].max()
    assert found.low[2].isnan()  # five values have no interval of 95 %
    assert found.median[3].isnan()
    ordered = values[:, 0].sort().values
    assert found.low[0] == ordered[rank_below(41, 0.95) - 1]
    assert found.high[0] == ordered[41 - rank_below(41, 0.95)]
    assert medians(values[:0]).median.isnan().all()


def test_the_interval_covers_the_median_as_often_as_it_says() -> None:
    drawn = torch.randn(21, 20_000, generator=torch.Generator().manual_seed(1))
    found = medians(drawn)
    covered = ((found.low <= 0) & (found.high >= 0)).double().mean()
    exact = 1 - 2 * binom.cdf(rank_below(21, 0.95) - 1, 21, 0.5)
    assert abs(float(covered) - exact) < 0.005
    assert exact >= 0.95


@pytest.mark.parametrize(("values", "share", "words"), [
    (torch.zeros(3), 0.95, "axes images, maps"), (torch.zeros(3, 2), 1.0, "between 0 and 1"),
    (torch.zeros(3, 2, dtype=torch.int64), 0.9, "floating-point"),
])  # fmt: skip
def test_what_cannot_be_used_is_refused(values: torch.Tensor, share: float, words: str) -> None:
    with refused(TypeError if values.dtype == torch.int64 else ValueError, words):
        medians(values, share=share)
