"""How certain a mean is: over images, and for stability over images and runs."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from xai_widgets.kernels import draws as random
from xai_widgets.kernels.checks import check_tensor, real_number, whole_number
from xai_widgets.kernels.draws import Seed
from xai_widgets.kernels.measures.runs import pairs_of
from xai_widgets.kernels.precision import widest

AT_ONCE = 2**20  # values that are drawn at a time


class Interval(NamedTuple):
    """A mean, the ends of its interval, and how many images, and runs, it is the mean of.

    Attributes:
        mean: Over images.
        low: Lower end.
        high: Upper end.
        n: Images that have a value.
        runs: Training runs.
        std: The sample standard deviation over images (n - 1 below the line), as published tables print it; of
            stability, that of the means over pairs of runs. NaN for fewer than two images.
    """

    mean: float
    low: float
    high: float
    n: int
    runs: int = 1
    std: float = math.nan


def mean_defined(values: Float[Tensor, " n"]) -> tuple[float, int]:
    """The mean without NaN, and how many were left out; NaN when none is left.

    Raises:
        TypeError: no tensor of floating-point numbers.
        ValueError: another number of axes.
    """
    check_tensor("values", values)
    _check_axes(values, ("images",))
    return values.to(widest(values.device)).nanmean().item(), int(values.isnan().sum())


def bootstrap_interval(
    values: Float[Tensor, " n"],
    *,
    generator: Seed,
    draws: int = 2000,
    share: float = 0.95,
) -> tuple[float, float]:
    """The interval that holds this share of bootstrap means, NaN left out; NaN for fewer than two values.

    Raises:
        TypeError: as `interval_of_mean`.
        ValueError: as `interval_of_mean`.
    """
    interval = interval_of_mean(values, generator=generator, draws=draws, share=share)
    return interval.low, interval.high


def interval_of_mean(
    values: Float[Tensor, " n"],
    *,
    generator: Seed,
    draws: int = 2000,
    share: float = 0.95,
) -> Interval:
    """The mean over images without NaN, and the percentile interval of its bootstrap; NaN for fewer than two values.

    Args:
        values: One an image.
        generator: A seed, or a generator on the CPU.
        draws: Bootstrap samples.
        share: Of their means that the interval holds.

    Raises:
        TypeError: no tensor of floating-point numbers, no seed, no numbers.
        ValueError: another number of axes; draws or a share out of range.
    """
    source = _checked(values, ("images",), generator, draws, share)
    defined = values[~values.isnan()].to(widest(values.device))
    n = len(defined)
    if n < 2:
        return Interval(defined.nanmean().item(), math.nan, math.nan, n)

    def means(count: int) -> Tensor:
        return defined[random.whole(n, (count, n), source, values.device)].mean(1)

    low, high = _ends(_drawn(means, draws, n), share)
    return Interval(defined.mean().item(), low, high, n, std=defined.std().item())


def intervals_of_means(
    values: Float[Tensor, "n g"],
    *,
    generator: int,
    draws: int = 2000,
    share: float = 0.95,
) -> list[Interval]:
    """`interval_of_mean` of each column, all from one drawing of the samples, which takes the time for many images.

    Args:
        values: Of each image; columns with NaN are drawn on their own.
        generator: A seed, from which the samples of each column start.
        draws: Bootstrap samples.
        share: Of their means that the interval holds.

    Raises:
        TypeError: as `interval_of_mean`.
        ValueError: as `interval_of_mean`.
    """
    source = _checked(values, ("images", "columns"), generator, draws, share)
    n = len(values)
    whole = ~values.isnan().any(0) if n > 1 else values.new_zeros(values.shape[1], dtype=torch.bool)
    some = values[:, whole].to(widest(values.device))

    def means(count: int) -> Tensor:
        chosen = random.whole(n, (count, n), source, values.device)
        counts = some.new_zeros(count, n).scatter_add_(1, chosen, some.new_ones(()).expand(count, n))
        return counts @ some / n

    drawn = iter(_drawn(means, draws, n).unbind(1) if bool(whole.any()) else ())
    found = []
    for column, shared in zip(values.unbind(1), whole.tolist(), strict=True):
        if not shared:
            found.append(interval_of_mean(column, generator=generator, draws=draws, share=share))
            continue
        wide = column.to(some.dtype)
        found.append(Interval(wide.mean().item(), *_ends(next(drawn), share), n, std=wide.std().item()))
    return found


def interval_of_stability(
    values: Float[Tensor, "n p"],
    *,
    generator: Seed,
    draws: int = 2000,
    share: float = 0.95,
) -> Interval:
    """Mean stability over images, and its bootstrap over images and over runs, both drawn again for each sample.

    A pair of runs counts as often as both were drawn; a run beside itself is no pair, so that samples of one run alone
    are drawn again. For two runs the interval is that over images.

    Args:
        values: Of each image and pair of runs, as `pair_similarity` gives them; NaN is left out.
        generator: A seed, or a generator on the CPU.
        draws: Bootstrap samples.
        share: Of their means that the interval holds.

    Raises:
        TypeError: no tensor of floating-point numbers, no seed, no numbers.
        ValueError: another number of axes; draws or a share out of range.
    """
    source = _checked(values, ("images", "pairs of runs"), generator, draws, share)
    runs = (1 + math.isqrt(1 + 8 * values.shape[1])) // 2
    if runs * (runs - 1) // 2 != values.shape[1]:
        raise ValueError(f"values must have a column for each pair of runs (1, 3, 6, ...), got {values.shape[1]}.")
    known = values[~values.isnan().all(1)].to(widest(values.device))
    n = len(known)
    if not n or runs < 2:
        return Interval(math.nan, math.nan, math.nan, n, runs if values.shape[1] else 1)
    each_image = known.nanmean(1)
    mean = each_image.mean().item()
    if n < 2:
        return Interval(mean, math.nan, math.nan, n, runs)
    defined = (~known.isnan()).to(known.dtype)
    filled = known.nan_to_num()

    def means(count: int) -> Tensor:
        pairs = _pair_counts(runs, count, source).to(known)
        weight = _counts(n, count, source).to(known)
        each = (pairs @ filled.T) / (pairs @ defined.T)  # NaN where none of an image's pairs was drawn
        seen = ~each.isnan()
        return (weight * each.nan_to_num()).sum(1) / (weight * seen).sum(1)

    low, high = _ends(_drawn(means, draws, 4 * n), share)
    return Interval(mean, low, high, n, runs, each_image.std().item())


def _pair_counts(runs: int, count: int, generator: torch.Generator) -> Float[Tensor, "d p"]:
    """How often each pair is in a sample of runs that holds two different ones at least."""
    kept: list[Tensor] = []
    while sum(len(some) for some in kept) < count:
        drawn = _counts(runs, count, generator)
        kept.append(drawn[(drawn > 0).sum(1) > 1])
    sample = torch.cat(kept)[:count]
    first, second = pairs_of(runs, sample.device)
    return sample[:, first] * sample[:, second]


def _counts(n: int, count: int, generator: torch.Generator) -> Float[Tensor, "d n"]:
    """How often each of n is drawn, n times with putting back."""
    cpu = torch.device("cpu")
    chosen = random.whole(n, (count, n), generator, cpu)
    counts = torch.zeros(count, n, dtype=torch.float32, device=cpu)
    return counts.scatter_add_(1, chosen, counts.new_ones(()).expand(count, n))


def _drawn(means: Callable[[int], Tensor], draws: int, size: int) -> Float[Tensor, "d ..."]:
    """Some at a time: of many images all draws at once would not fit into memory."""
    at_once = max(1, AT_ONCE // size)
    return torch.cat([means(min(at_once, draws - start)) for start in range(0, draws, at_once)])


def _ends(means: Float[Tensor, " d"], share: float) -> tuple[float, float]:
    known = means[~means.isnan()]
    low, high = (known.quantile(rank).item() for rank in ((1 - share) / 2, (1 + share) / 2))
    return low, high


def _checked(values: Any, axes: tuple[str, ...], generator: Any, draws: Any, share: Any) -> torch.Generator:
    check_tensor("values", values)
    _check_axes(values, axes)
    whole_number("draws", draws, 1)
    if not 0 < real_number("share", share) < 1:
        raise ValueError(f"share must lie between 0 and 1, got {share}.")
    return random.generator_of(generator)


def _check_axes(values: Tensor, axes: tuple[str, ...]) -> None:
    if values.dim() != len(axes):
        raise ValueError(f"values must have the axes {', '.join(axes)}, got shape {tuple(values.shape)}.")
