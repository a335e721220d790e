from __future__ import annotations

import pytest
import reference
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, inf, nan

from xai_widgets.kernels.saliency import NORMALS, degenerate, resize, signed_scale, weighted_sum


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("normal", NORMALS)
def test_weighted_sum_is_the_literal_sum(normal: str) -> None:
    maps, weights = randn(2, 5, 4, 3), randn(2, 5, seed=1)
    maps[0, 2] = 0
    kept = maps.clone()
    torch.testing.assert_close(
        weighted_sum(maps, weights, normal=normal), reference.weighted_sum(maps, weights, normal)
    )
    assert torch.equal(maps, kept)


def test_mass_sums_to_the_weights() -> None:
    maps, weights = randn(2, 5, 4, 3).abs(), randn(2, 5, seed=1)
    total = weighted_sum(maps, weights, normal="mass").sum((1, 2))
    torch.testing.assert_close(total, weights.sum(1))


def test_weights_that_sum_to_zero_are_no_division_by_zero() -> None:
    maps = randn(1, 2, 3, 3)
    saliency = weighted_sum(maps, torch.tensor([[1.0, -1.0]], dtype=torch.float64))
    torch.testing.assert_close(saliency[0], maps[0, 0] - maps[0, 1])


def test_huge_maps_keep_finite_shares() -> None:
    maps = torch.full((1, 1, 8, 8), 3e38)
    torch.testing.assert_close(weighted_sum(maps, torch.ones(1, 1), normal="mass"), torch.full((1, 8, 8), 1 / 64))


def test_an_unknown_normal_is_refused() -> None:
    with pytest.raises(ValueError, match="one of raw, peak, mass, got 'sum'"):
        weighted_sum(randn(1, 1, 2, 2), randn(1, 1), normal="sum")


def test_a_weight_that_is_no_number_is_named() -> None:
    with pytest.raises(ValueError, match="weights must be finite, got inf at index 1"):
        weighted_sum(randn(2, 2, 3, 3), torch.tensor([[1.0, 2.0], [0.0, inf]], dtype=torch.float64))


def test_signed_scale_keeps_zero_and_the_sign() -> None:
    saliency = torch.tensor([[[-4.0, 0.0], [1.0, 2.0]], [[0.0, 0.0], [0.0, 0.0]]])
    expected = torch.tensor([[[-1.0, 0.0], [0.25, 0.5]], [[0.0, 0.0], [0.0, 0.0]]])
    assert torch.equal(signed_scale(saliency), expected)


@settings(deadline=None)
@given(st.floats(width=32), st.integers(1, 5), st.integers(1, 5))
def test_one_value_everywhere_is_degenerate(value: float, height: int, width: int) -> None:
    assert degenerate(torch.full((2, height, width), value)).tolist() == [True, True]


@settings(deadline=None)
@given(st.sampled_from([nan, inf, -inf]), st.integers(0, 11))
def test_a_value_that_is_not_finite_is_degenerate(value: float, place: int) -> None:
    saliency = randn(1, 3, 4)
    assert not degenerate(saliency).item()
    saliency.view(-1)[place] = value
    assert degenerate(saliency).item()


def test_resize_is_bilinear_with_corners_not_aligned() -> None:
    resized = resize(torch.tensor([[[0.0, 1.0]]]), (1, 4))
    torch.testing.assert_close(resized, torch.tensor([[[0.0, 0.25, 0.75, 1.0]]]))


def test_shrinking_is_antialiased() -> None:
    stripes = (torch.arange(64) % 2).double().expand(1, 64, 64)
    shrunk = resize(stripes, (64, 8))[:, :, 1:-1]
    torch.testing.assert_close(shrunk, torch.full_like(shrunk, 0.5), atol=0.02, rtol=0)


def test_resize_to_the_same_size_is_a_copy() -> None:
    saliency = randn(1, 3, 4)
    resized = resize(saliency, (3, 4))
    assert torch.equal(resized, saliency)
    assert resized.data_ptr() != saliency.data_ptr()


def test_resize_to_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1 x 1, got 0 x 4"):
        resize(randn(1, 3, 4), (0, 4))
