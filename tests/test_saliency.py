from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import reference
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor, inf, nan
from unchecked import refused

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


@pytest.mark.parametrize("normal", NORMALS)
@pytest.mark.parametrize("bad", [nan, inf, -inf])
def test_a_weight_of_zero_leaves_its_map_out_and_another_names_it(normal: str, bad: float) -> None:
    maps, weights = randn(2, 4, 3, 3), randn(2, 4, seed=1)
    weights[1, 2] = 0
    broken = maps.clone()
    broken[1, 2, 0, 1] = bad
    expected = weighted_sum(maps, weights, normal=normal)
    torch.testing.assert_close(weighted_sum(broken, weights, normal=normal), expected)
    weights[1, 2] = 1e-9
    with pytest.raises(
        ValueError, match=rf"maps of a weight that is not 0 must be finite, got {bad} at index 1 .*2, 0, 1"
    ):
        weighted_sum(broken, weights, normal=normal)


def test_shares_of_large_maps_in_half_precision_do_not_overflow() -> None:
    maps = torch.ones(1, 1, 300, 300, dtype=torch.float16)
    found = weighted_sum(maps, torch.full((1, 1), 9e4).half().clamp(max=6e4), normal="mass")
    assert found.dtype == torch.float32  # summed there, and kept
    torch.testing.assert_close(found.float(), torch.full((1, 300, 300), 6e4 / 9e4), atol=1e-3, rtol=0)


def test_signed_scale_with_one_limit_keeps_pictures_comparable() -> None:
    saliency = randn(3, 4, 5)
    limit = float(saliency.abs().max())
    torch.testing.assert_close(signed_scale(saliency, limit), saliency / limit)
    torch.testing.assert_close(signed_scale(saliency[:1], limit / 2), 2 * saliency[:1] / limit)


@pytest.mark.parametrize("limit", [0, -1.0, nan, inf])
def test_a_limit_is_more_than_zero(limit: float) -> None:
    with refused(ValueError, "limit must be more than 0 and finite, got"):
        signed_scale(randn(1, 2, 2), limit)


@pytest.mark.parametrize(
    ("error", "message", "maps", "weights"),
    [
        (ValueError, "maps and weights must have as many maps, got 3 and 1", randn(2, 3, 4, 4), randn(2, 1)),
        (ValueError, "maps and weights must have as many images, got 2 and 1", randn(2, 3, 4, 4), randn(1, 3)),
        (ValueError, "weights must have the axes images, maps, got shape", randn(1, 3, 4, 4), randn(3)),
        (ValueError, "maps must have the axes images, maps, rows, columns", randn(3, 4, 4), randn(1, 3)),
        (ValueError, "maps must have at least 1 of maps", randn(1, 0, 4, 4), randn(1, 0)),
        (TypeError, "weights must be a tensor, got list", randn(1, 1, 2, 2), [[1.0]]),
        (TypeError, "maps must be of floating-point numbers, got torch.int64", randn(1, 1, 2, 2).long(), randn(1, 1)),
    ],
)
def test_maps_and_weights_that_do_not_fit_are_named(
    error: type[Exception], message: str, maps: Any, weights: Any
) -> None:
    with refused(error, message):
        weighted_sum(maps, weights)


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


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int64])
def test_masks_and_bytes_are_computed_in_float32(dtype: torch.dtype) -> None:
    mask = torch.zeros(2, 4, 6)
    mask[0, 1:3, 2:5] = 1
    given = mask.to(dtype) if dtype == torch.bool else mask.mul(200).to(dtype)
    assert degenerate(given).tolist() == [False, True]
    assert torch.equal(signed_scale(given), mask)
    assert signed_scale(given, 2.0).dtype == torch.float32
    size = 1 if dtype == torch.bool else 200
    for shape in ((4, 6), (8, 12), (2, 3)):
        found = resize(given, shape)
        torch.testing.assert_close(found, resize(mask, shape) * size, atol=1e-4, rtol=0)
        assert float(resize(mask, (8, 12)).max()) > 0


def test_sums_in_half_precision_do_not_overflow_on_the_way() -> None:
    maps = torch.full((1, 8, 2, 2), 3e4, dtype=torch.float16)
    weights = torch.tensor([[1.0, 1, 1, 1, -1, -1, -1, -0.5]]).half()  # 120,000 before it comes back to 15,000
    assert weighted_sum(maps, weights)[0].float().flatten().tolist() == [15000.0] * 4


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


@pytest.mark.parametrize("size", [(7, 9), (13, 11), (7, 31), (40, 9), (60, 50), (20, 15)])
def test_resize_is_that_of_pillow(size: tuple[int, int]) -> None:
    saliency = randn(2, 20, 15)  # rows and columns: both shrink, one of them, or none
    peers = [
        np.asarray(Image.fromarray(one.float().numpy()).resize(size[::-1], Image.Resampling.BILINEAR))
        for one in saliency
    ]
    torch.testing.assert_close(resize(saliency, size).float(), torch.from_numpy(np.stack(peers)), atol=1e-6, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_resize_in_half_precision_is_that_of_float32(dtype: torch.dtype) -> None:
    saliency = randn(1, 8, 8).to(dtype)
    for size in ((3, 4), (20, 30)):
        assert torch.equal(resize(saliency, size), resize(saliency.float(), size).to(dtype))


@pytest.mark.parametrize(
    ("error", "message", "saliency", "size"),
    [
        (ValueError, "at least 1 x 1, got 0 x 4", randn(1, 3, 4), (0, 4)),
        (TypeError, r"size must be two whole numbers, \(rows, columns\), got 5", randn(1, 3, 4), 5),
        (TypeError, r"size must be two whole numbers, .*, got \(1, 2, 3\)", randn(1, 3, 4), (1, 2, 3)),
        (TypeError, r"columns of size must be a whole number, got 4\.0", randn(1, 3, 4), (3, 4.0)),
        (TypeError, "rows of size must be a whole number, got True", randn(1, 3, 4), (True, 4)),
        (ValueError, "saliency must have the axes images, rows, columns, got shape", randn(3, 4), (3, 4)),
        (ValueError, "saliency must have the axes images, rows, columns, got shape", randn(1, 1, 3, 4), (3, 4)),
        (TypeError, "saliency must be a tensor, got ndarray", np.ones((1, 3, 4)), (3, 4)),
    ],
)
def test_what_cannot_be_resized_is_refused(error: type[Exception], message: str, saliency: Any, size: Any) -> None:
    with refused(error, message):
        resize(saliency, size)
