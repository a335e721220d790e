"""Maps that show nothing are told in one way: zero, constant, or not finite."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from unchecked import refused

from xai_widgets.kernels import measures
from xai_widgets.kernels.saliency import degeneracy, degenerate, resize

STRUCTURE = torch.tensor([[0.0, 1.0], [2.0, 3.0]])
KINDS = {
    "zero": torch.zeros(2, 2),
    "constant": torch.full((2, 2), -0.1),
    "not finite": torch.tensor([[0.0, 1.0], [math.nan, 3.0]]),
    "": STRUCTURE,
}


def test_each_map_says_why_it_shows_nothing() -> None:
    maps = torch.stack([*KINDS.values(), torch.full((2, 2), math.inf), -STRUCTURE])
    assert degeneracy(maps) == (*KINDS, "not finite", "")
    assert degenerate(maps).tolist() == [True, True, True, False, True, False]


def test_maps_that_may_not_be_negative_are_zero_without_a_positive_value() -> None:
    maps = torch.stack((-STRUCTURE, STRUCTURE - 1, torch.full((2, 2), -0.1), torch.full((2, 2), 0.1)))
    assert degeneracy(maps, signed=False) == ("zero", "", "zero", "constant")
    assert measures.degenerate_maps(maps).tolist() == [True, False, True, True]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_plateau_that_was_resized_is_constant_up_to_rounding(dtype: torch.dtype) -> None:
    plateau = torch.full((1, 3, 5), 0.1, dtype=dtype)
    plateau[0, 0, 0] = plateau[0, 0, 0].nextafter(torch.ones((), dtype=dtype))
    assert degeneracy(plateau) == ("",)
    assert degeneracy(plateau, rounding=4) == ("constant",)
    assert degeneracy(resize(torch.full((1, 3, 5), 0.1, dtype=dtype), (31, 17)), rounding=4) == ("constant",)
    small = torch.tensor([[[1.0, 1 + 16 * torch.finfo(dtype).eps]]], dtype=dtype)
    assert degeneracy(small, rounding=4) == ("",)


@pytest.mark.parametrize("maps", [torch.zeros(1, 2, 2, dtype=torch.bool), torch.zeros(1, 2, 2, dtype=torch.uint8)])
def test_masks_and_bytes_are_maps(maps: Tensor) -> None:
    assert degeneracy(maps) == ("zero",)
    assert degeneracy(maps + 1) == ("constant",)


def test_what_is_no_map_is_refused() -> None:
    with refused(ValueError, "saliency must have the axes images, rows, columns"):
        degeneracy(STRUCTURE)
    with refused(TypeError, "saliency must be a tensor, got list"):
        degenerate([[0.0]])  # type: ignore[arg-type]


def literal(a: Tensor, b: Tensor) -> float:
    """SSIM of two maps window by window, by the formula."""
    x, y = a / a.max(), b / b.max()
    values = []
    for top in range(a.shape[0] - 6):
        for left in range(a.shape[1] - 6):
            u, v = (plane[top : top + 7, left : left + 7].flatten() for plane in (x, y))
            covariance = ((u - u.mean()) * (v - v.mean())).sum() / 48
            above = (2 * u.mean() * v.mean() + 0.01**2) * (2 * covariance + 0.03**2)
            below = (u.mean() ** 2 + v.mean() ** 2 + 0.01**2) * (u.var() + v.var() + 0.03**2)
            values.append(float(above / below))
    return sum(values) / len(values)


def test_ssim_is_its_formula() -> None:
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.rand(2, 11, 9, generator=generator, dtype=torch.float64) for _ in range(2))
    expected = torch.tensor([literal(x, y) for x, y in zip(a, b, strict=True)], dtype=torch.float64)
    torch.testing.assert_close(measures.ssim(a, b), expected)
