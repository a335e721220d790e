"""Masks of the largest values: groups of equal values are kept or left out whole, wherever they lie."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import reference
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch import Tensor, inf, nan
from unchecked import refused, unchecked

from xai_widgets.kernels import agreement
from xai_widgets.kernels.regions import top_share

DTYPES = [torch.float16, torch.bfloat16, torch.float32, torch.float64]


def one_pixel(row: int, column: int) -> Tensor:
    maps = torch.zeros(1, 14, 14)
    maps[0, row, column] = 1
    return maps


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_map_of_one_pixel_keeps_one_and_a_constant_map_none(dtype: torch.dtype) -> None:
    mask = top_share(one_pixel(9, 4).to(dtype), 0.1)
    assert mask[0].nonzero().tolist() == [[9, 4]]
    for value in (0.0, 0.1, -0.3):
        for share in (0.1, 1.0):
            assert not top_share(torch.full((2, 5, 6), value, dtype=dtype), share).any()


def test_two_maps_that_share_nothing_have_no_relative_risk_above_1() -> None:
    """With ties at 0 filling the first rows it was 221."""
    found, human = one_pixel(12, 3), one_pixel(10, 10)
    assert agreement.relative_risk(found, human, 0.1).tolist() == [0.0]
    assert agreement.relative_risk(found, found, 0.1).tolist() == [inf]
    risks = agreement.relative_risks(torch.cat((found, found)), torch.cat((human, found)), (0.05, 0.1))
    assert risks.risks.tolist() == [[0.0, inf]] * 2
    assert risks.infinite.tolist() == [1, 1]
    assert risks.kept_found.tolist() == risks.kept_given.tolist() == [[1, 1]] * 2


def test_a_group_that_does_not_fit_is_left_out_whole() -> None:
    saliency = torch.tensor([[[0.0, 1.0, 1.0], [1.0, 2.0, 0.0]]])
    assert top_share(saliency, 0.5).nonzero()[:, 1:].tolist() == [[1, 1]]  # 3 asked for; the three 1s would make 4
    assert int(top_share(saliency, 4 / 6).sum()) == 4
    assert int(top_share(saliency, 1.0).sum()) == 4  # 0 is not above 0


def test_of_a_signed_map_the_positive_side_is_meant_unless_both_are_asked_for() -> None:
    signed = torch.tensor([[[-5.0, 1.0, 0.5, -3.0, 0.2, 0.0, -0.1, -0.2, -0.3, -0.4]]])
    assert top_share(signed, 0.5)[0, 0].tolist() == [False, True, True, False, True, *[False] * 5]
    assert top_share(signed, 0.3, absolute=True)[0, 0].tolist() == [True, True, False, True, *[False] * 6]
    assert not top_share(-signed.abs(), 0.5).any()
    found, human = signed, -signed
    assert agreement.relative_risk(found, human, 0.3).tolist() == [0.0]
    assert agreement.relative_risk(found, human, 0.3, absolute=True).tolist() == [inf]


VALUES = st.one_of(st.integers(-3, 3).map(float), st.floats(-2, 2, width=32))


@settings(deadline=None, max_examples=200)
@given(hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=6), elements=VALUES),
       st.floats(0, 1), st.booleans())  # fmt: skip
def test_a_mask_is_the_literal_one_and_follows_its_map(values: np.ndarray, share: float, absolute: bool) -> None:
    mask = top_share(torch.from_numpy(values)[None], share, absolute=absolute)[0].numpy()
    assert np.array_equal(mask, reference.top_share(values, share, absolute))
    assert mask.sum() <= round(share * values.size)
    moved = top_share(torch.from_numpy(values[::-1, ::-1].copy())[None], share, absolute=absolute)[0].numpy()
    assert np.array_equal(moved, mask[::-1, ::-1])


@pytest.mark.parametrize(("share", "kept"), [(0.0, 0), (0.1, 6), (0.15, 9), (0.5, 32), (1.0, 63)])
def test_without_ties_the_rounded_share_is_kept(share: float, kept: int, generator: torch.Generator) -> None:
    saliency = torch.rand(3, 9, 7, generator=generator).double() + 0.01
    assert top_share(saliency, share).sum((1, 2)).tolist() == [kept] * 3


def test_which_map_is_the_condition_matters() -> None:
    found, human = torch.zeros(1, 4, 5), torch.zeros(1, 4, 5)
    found[0, 0, :2] = 1  # 2 of 20 positions, one of them in the human mask of 4
    human[0, 0, 1:5] = 1
    risk = agreement.relative_risk(found, human, 0.2)
    assert float(risk) == pytest.approx((1 / 4) / (1 / 16))
    assert float(agreement.relative_risk(human, found, 0.2)) == pytest.approx((1 / 2) / (3 / 18))


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int64])
def test_masks_and_bytes_are_maps_too(dtype: torch.dtype) -> None:
    human = torch.zeros(1, 10, 10)
    human[0, 3:5, 3:6] = 200
    annotation = (human != 0) if dtype == torch.bool else human.to(dtype)
    assert torch.equal(top_share(annotation, 0.1), human != 0)
    found = torch.arange(100.0).reshape(1, 10, 10)
    assert agreement.relative_risk(found, annotation, 0.6).dtype == torch.float32
    expected = agreement.relative_risk(found, human, 0.6)
    assert torch.equal(agreement.relative_risk(found, annotation, 0.6), expected)
    assert math.isfinite(float(expected))


def test_a_share_may_be_a_tensor_without_axes(generator: torch.Generator) -> None:
    saliency = torch.rand(1, 9, 7, generator=generator)
    share: Any = torch.tensor(0.1)
    with unchecked():
        assert torch.equal(top_share(saliency, share), top_share(saliency, 0.1))


@pytest.mark.parametrize(
    ("error", "message", "saliency", "share"),
    [
        (TypeError, "share must be a number, got '0.1'", torch.rand(1, 3, 4), "0.1"),
        (TypeError, "share must be a number, got True", torch.rand(1, 3, 4), True),
        (TypeError, r"share must be a number, got a tensor of shape \(1,\)", torch.rand(1, 3, 4), torch.ones(1)),
        (ValueError, r"share must be in \[0, 1\], got nan", torch.rand(1, 3, 4), nan),
        (ValueError, r"share must be in \[0, 1\], got 10", torch.rand(1, 3, 4), 10),
        (ValueError, "saliency must be finite, got inf at index 0", torch.full((1, 3, 4), inf), 0.1),
        (TypeError, "saliency must be a tensor, got ndarray", np.ones((1, 3, 4)), 0.1),
        (TypeError, r"saliency must be of floating-point numbers, got torch\.complex64", torch.ones(1, 1, 1) * 1j, 0.1),
        (ValueError, "saliency must have the axes images, rows, columns", torch.rand(3, 4), 0.1),
    ],
)
def test_bad_questions_are_refused(error: type[Exception], message: str, saliency: Any, share: Any) -> None:
    with refused(error, message):
        top_share(saliency, share)
