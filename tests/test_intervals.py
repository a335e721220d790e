"""Bootstrap intervals: against scipy and a literal version, whatever is drawn at a time."""

from __future__ import annotations

import math

import numpy as np
import pytest
import reference
import scipy.stats
import torch
from torch import Tensor, nan
from unchecked import refused

from xai_widgets.kernels import measures
from xai_widgets.kernels.measures import intervals


def seeded(seed: int = 7) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def skewed(n: int = 60) -> Tensor:
    return torch.distributions.Exponential(1.0).icdf(torch.rand(n, generator=seeded(1), dtype=torch.float64))


def stable(n: int = 12, runs: int = 4) -> Tensor:
    """A column a pair of runs, of which the last run is unlike the others."""
    values = 0.8 + 0.1 * torch.rand(n, runs * (runs - 1) // 2, generator=seeded(2), dtype=torch.float64)
    pairs = [(a, b) for a in range(runs) for b in range(a + 1, runs)]
    values[:, [b == runs - 1 for _, b in pairs]] -= 0.5
    return values


# Over images


def test_the_interval_holds_the_mean_and_follows_its_generator(generator: torch.Generator) -> None:
    values = torch.cat((torch.randn(400, generator=generator), torch.full((5,), nan)))
    intervals = [measures.bootstrap_interval(values, generator=torch.Generator().manual_seed(7)) for _ in range(2)]
    low, high = intervals[0]
    assert intervals[0] == intervals[1]
    assert low < values.nanmean().item() < high
    assert high - low == pytest.approx(2 * 1.96 / 20, rel=0.15)


@pytest.mark.parametrize("values", [[], [0.5], [0.5, nan]])
def test_an_interval_needs_two_values(values: list[float], generator: torch.Generator) -> None:
    interval = measures.bootstrap_interval(torch.tensor(values, dtype=torch.float32), generator=generator)
    assert all(math.isnan(end) for end in interval)


@pytest.mark.parametrize("share", [0.95, 0.8])
def test_the_interval_is_that_of_scipy(share: float) -> None:
    values = skewed()
    found = measures.interval_of_mean(values, generator=seeded(), draws=20_000, share=share)
    peer = scipy.stats.bootstrap(
        (values.numpy(),), np.mean, confidence_level=share, n_resamples=20_000, method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval  # fmt: skip
    width = peer.high - peer.low
    assert found.low == pytest.approx(peer.low, abs=0.03 * width)
    assert found.high == pytest.approx(peer.high, abs=0.03 * width)
    assert (found.mean, found.n, found.runs) == (pytest.approx(values.mean().item()), 60, 1)


def test_an_interval_counts_what_is_defined(generator: torch.Generator) -> None:
    found = measures.interval_of_mean(torch.tensor([0.1, nan, 0.3, nan]), generator=generator)
    assert (found.mean, found.n) == (pytest.approx(0.2), 2)
    lone = measures.interval_of_mean(torch.tensor([0.1, nan]), generator=generator)
    assert (lone.mean, lone.n) == (pytest.approx(0.1), 1)
    assert math.isnan(lone.low)
    assert measures.interval_of_mean(torch.tensor([nan]), generator=generator).n == 0


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_values_of_low_precision_have_the_interval_of_what_they_are(dtype: torch.dtype) -> None:
    values = skewed().to(dtype)
    found = measures.bootstrap_interval(values, generator=seeded())
    assert found == pytest.approx(measures.bootstrap_interval(values.double(), generator=seeded()))


def test_what_is_drawn_at_a_time_does_not_change_the_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = measures.interval_of_mean(skewed(), generator=seeded())
    monkeypatch.setattr(intervals, "AT_ONCE", 61)
    assert measures.interval_of_mean(skewed(), generator=seeded()) == pytest.approx(whole)


def test_many_images_are_not_all_drawn_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    randint = torch.randint

    def watched(high: int, size: tuple[int, ...], **options: object) -> Tensor:
        sizes.append(math.prod(size))
        return randint(high, size, **options)  # type: ignore[call-overload, no-any-return]

    monkeypatch.setattr(torch, "randint", watched)
    measures.bootstrap_interval(torch.rand(50_000, generator=seeded()), generator=seeded(), draws=100)
    measures.interval_of_stability(torch.rand(50_000, 3, generator=seeded()), generator=seeded(), draws=20)
    assert max(sizes) <= intervals.AT_ONCE
    assert sum(sizes) >= 50_000 * 120


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"generator": "7"}, TypeError, "generator must be a torch.Generator or a whole number, its seed, got '7'"),
        ({"draws": 0}, ValueError, "draws must be at least 1, got 0"),
        ({"share": 1.0}, ValueError, "share must lie between 0 and 1, got 1.0"),
    ],
)
def test_a_sample_that_is_not_defined_is_refused(
    options: dict[str, object], error: type[Exception], message: str
) -> None:
    for interval, values in ((measures.interval_of_mean, skewed()), (measures.interval_of_stability, stable())):
        with refused(error, message):
            interval(values, **{"generator": seeded(), **options})  # type: ignore[arg-type]


def test_beside_the_interval_stands_the_sample_standard_deviation() -> None:
    values = skewed()
    found = measures.interval_of_mean(torch.cat((values, torch.tensor([nan]))), generator=0)
    assert found.std == pytest.approx(np.std(values.numpy(), ddof=1))
    assert found.n == 60
    stability = measures.interval_of_stability(stable(), generator=0)
    assert stability.std == pytest.approx(np.std(stable().numpy().mean(1), ddof=1))
    for alone in (
        measures.interval_of_mean(values[:1], generator=0),
        measures.interval_of_mean(values[:0], generator=0),
    ):
        assert math.isnan(alone.std)


def test_a_whole_number_is_a_seed() -> None:
    for interval, values in ((measures.interval_of_mean, skewed()), (measures.interval_of_stability, stable())):
        assert interval(values, generator=7) == interval(values, generator=seeded(7))


# Over images and runs


@pytest.mark.parametrize("runs", [3, 4])
def test_the_interval_of_stability_is_the_literal_one(runs: int) -> None:
    values = stable(runs=runs)
    found = measures.interval_of_stability(values, generator=seeded(), draws=8000)
    means = reference.bootstrap_of_stability(values.numpy(), runs, 8000, seed=1)
    low, high = np.quantile(means, [0.025, 0.975])
    assert (found.n, found.runs) == (12, runs)
    assert found.mean == pytest.approx(values.mean().item())
    assert found.low == pytest.approx(low, abs=0.02)
    assert found.high == pytest.approx(high, abs=0.02)
    over_images = measures.bootstrap_interval(values.mean(1), generator=seeded())
    assert high - low > 3 * (over_images[1] - over_images[0])  # the runs are what is uncertain


def test_two_runs_have_the_interval_over_images() -> None:
    values = stable(40, runs=2)
    found = measures.interval_of_stability(values, generator=seeded(), draws=20_000)
    low, high = measures.bootstrap_interval(values[:, 0], generator=seeded(), draws=20_000)
    assert found[:3] == pytest.approx((values.mean().item(), low, high), abs=0.03 * (high - low))
    assert (found.n, found.runs) == (40, 2)


def test_a_pair_that_is_undefined_is_left_out() -> None:
    values = stable()
    values[3] = nan
    values[5, 2:] = nan
    found = measures.interval_of_stability(values, generator=seeded(), draws=400)
    assert found.n == 11
    assert found.mean == pytest.approx(values[~values.isnan().all(1)].nanmean(1).mean().item())
    assert found.low < found.mean < found.high


def test_no_interval_without_runs_or_images(generator: torch.Generator) -> None:
    for values, n, runs in ((torch.full((5, 3), nan), 0, 3), (stable()[:1], 1, 4), (torch.zeros(5, 0), 0, 1)):
        found = measures.interval_of_stability(values, generator=generator)
        assert math.isnan(found.low)
        assert math.isnan(found.high)
        assert (found.n, found.runs) == (n, runs)
    with pytest.raises(ValueError, match=r"a column for each pair of runs \(1, 3, 6, ...\), got 2"):
        measures.interval_of_stability(torch.zeros(5, 2), generator=generator)


def test_columns_together_have_the_intervals_of_each_alone() -> None:
    values = torch.randn(30, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    values[3, 1] = math.nan
    values[:, 2] = math.nan
    found = measures.intervals_of_means(values, generator=7)
    for together, column in zip(found, values.unbind(1), strict=True):
        alone = measures.interval_of_mean(column, generator=7)
        assert together == pytest.approx(alone, abs=1e-12, nan_ok=True)
    one = measures.intervals_of_means(values[:1], generator=7)
    assert one[0] == pytest.approx(measures.interval_of_mean(values[:1, 0], generator=7), nan_ok=True)
