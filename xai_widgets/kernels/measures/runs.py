"""Stability: are the maps of several training runs alike?"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from xai_widgets.kernels.measures.rows import Row, mean_of
from xai_widgets.kernels.measures.similarity import as_maps, degenerate_maps, ssim

AXES = ("runs", "images", "rows", "columns")
FEW_RUNS = "at least two training runs of the model are needed"


def stability(maps: Shaped[Tensor, "r h w"]) -> Float[Tensor, ""]:
    """Mean SSIM over all pairs of training runs, on one image; NaN for fewer than two runs.

    Raises:
        TypeError: no tensor, or one of complex numbers.
        ValueError: other axes, or no rows or columns.
    """
    maps = as_maps("maps", maps, ("runs", "rows", "columns"))
    return stability_of(maps[:, None])[0]


def stability_of(maps: Shaped[Tensor, "r n h w"]) -> Float[Tensor, " n"]:
    """Mean SSIM over all pairs of training runs, on each image; pairs without a value are left out.

    Raises:
        TypeError: as `stability`.
        ValueError: as `stability`.
    """
    return pair_similarity(maps).nanmean(1)


def pair_similarity(maps: Shaped[Tensor, "r n h w"]) -> Float[Tensor, "n p"]:
    """SSIM of each image's maps of two runs, for every pair of runs in the order (0, 1), (0, 2), ..., (1, 2), ...

    Raises:
        TypeError: as `stability`.
        ValueError: as `stability`.
    """
    maps = as_maps("maps", maps, AXES)
    first, second = pairs_of(len(maps), maps.device)
    values = ssim(maps[first].flatten(0, 1), maps[second].flatten(0, 1))
    return values.reshape(len(first), maps.shape[1]).T


def degenerate_runs(maps: Shaped[Tensor, "r n h w"]) -> Bool[Tensor, "n r"]:
    """Which maps of an image are degenerate: zero, constant, or not finite.

    Raises:
        TypeError: as `stability`.
        ValueError: as `stability`.
    """
    maps = as_maps("maps", maps, AXES)
    return degenerate_maps(maps.flatten(0, 1)).reshape(maps.shape[:2]).T


def stability_rows(
    values: Float[Tensor, "n p"],
    degenerate: Bool[Tensor, "n r"],
    size: tuple[int, int],
    rule: str,
    *,
    numbers: Sequence[int] = (),
    first: int = 0,
) -> list[Row]:
    """For each image the mean over pairs of runs, then each pair, such as "runs 0 and 2".

    Args:
        numbers: of the runs, in their order; from 0 if left out.
    """
    numbers = numbers or range(degenerate.shape[1])
    pairs = [tuple(some) for some in torch.stack(pairs_of(degenerate.shape[1]), 1).tolist()]
    names = [pair_name(numbers[a], numbers[b]) for a, b in pairs]
    rows = []
    for index, (found, flagged) in enumerate(zip(values.tolist(), degenerate.tolist(), strict=True), first):
        mean, left_out = mean_of(found)
        whole = Row(index, "stability", "", None, mean, *size, rule, len(flagged), sum(flagged), left_out)
        rows.append(whole if pairs else whole._replace(note=f"n/a: {FEW_RUNS}"))
        for (a, b), name, value in zip(pairs, names, found, strict=True):
            bad = flagged[a] + flagged[b]
            rows.append(whole._replace(part=name, value=value, maps=2, degenerate=bad, left_out=int(math.isnan(value))))
    return rows


def pair_name(one: int, other: int) -> str:
    """What a row calls two training runs."""
    return f"runs {min(one, other)} and {max(one, other)}"


def pairs_of(runs: int, device: torch.device | str = "cpu") -> tuple[Int[Tensor, " p"], Int[Tensor, " p"]]:
    first, second = torch.triu_indices(runs, runs, 1, device=device)
    return first, second
