"""Entropy of a map and SSIM of two: known answers, peers, and maps that say nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest
import reference
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.metrics import structural_similarity
from torch import Tensor, inf, nan

from xai_widgets.kernels import measures
from xai_widgets.kernels.measures import similarity
from xai_widgets.kernels.saliency import resize


def rand(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# Entropy


def test_entropy_of_a_uniform_map_is_one_and_of_one_pixel_zero() -> None:
    uniform, pixel = torch.full((1, 7, 9), 0.1), torch.zeros(1, 7, 9)
    pixel[0, 3, 4] = 5
    assert measures.entropy(uniform).item() == pytest.approx(1, abs=1e-6)
    assert measures.entropy(pixel).item() == 0


def test_entropy_is_the_literal_one_for_every_map_of_a_batch() -> None:
    maps = rand(3, 6, 5)
    maps[1, :3] = 0
    expected = [reference.entropy(saliency.numpy()) for saliency in maps]
    np.testing.assert_allclose(measures.entropy(maps), expected, atol=1e-12)


def test_entropy_is_that_of_scipy() -> None:
    maps = rand(3, 14, 9)
    maps[2] = maps[2] ** 20
    expected = scipy.stats.entropy(maps.flatten(1).numpy(), base=2, axis=1) / math.log2(14 * 9)
    np.testing.assert_allclose(measures.entropy(maps), expected, atol=1e-12)


def test_entropy_does_not_depend_on_the_scale() -> None:
    maps = rand(1, 7, 7).float()
    huge, tiny = maps / maps.max() * 3e38, maps * 1e-30
    for scaled in (huge, tiny):
        torch.testing.assert_close(measures.entropy(scaled), measures.entropy(maps))


def test_entropy_is_undefined_without_a_distribution() -> None:
    maps = rand(4, 5, 5)
    maps[0], maps[1, 0, 0], maps[2, 0, 0], maps[3, 0, 0] = 0, -1, nan, inf
    assert measures.entropy(maps).isnan().all()
    assert measures.entropy(rand(2, 1, 1)).isnan().all()


# SSIM


@pytest.mark.parametrize(("height", "width"), [(3, 3), (4, 9), (6, 5), (7, 7), (14, 14), (8, 224), (224, 224)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_ssim_is_that_of_scikit_image(height: int, width: int, dtype: torch.dtype) -> None:
    a, b = rand(2, height, width), rand(2, height, width, seed=1)
    b[1] = 0.9 * a[1] + 0.1 * b[1]
    a, b = (maps.to(dtype) for maps in (a / a.amax((1, 2), keepdim=True), b / b.amax((1, 2), keepdim=True)))
    window = max(size for size in (3, 5, 7) if size <= min(height, width))
    values = measures.ssim(a, b)
    assert values.dtype == dtype
    for x, y, value in zip(a.double().numpy(), b.double().numpy(), values.tolist(), strict=True):
        assert value == pytest.approx(structural_similarity(x, y, win_size=window, data_range=1), abs=1e-6)


def test_ssim_scales_each_map_by_its_maximum() -> None:
    a, b = rand(2, 9, 8), rand(2, 9, 8, seed=1)
    expected = [reference.ssim(x.numpy(), y.numpy()) for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(measures.ssim(a * 7, b * 1e-3), expected, atol=1e-9)


def test_ssim_without_float64_is_near(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = rand(2, 30, 30).float(), rand(2, 30, 30, seed=1).float()
    exact = measures.ssim(a, b)
    monkeypatch.setattr(similarity, "widest", lambda device: torch.float32)
    torch.testing.assert_close(measures.ssim(a, b), exact, atol=1e-4, rtol=0)


@pytest.mark.parametrize("sides", [(2, 9), (9, 1), (1, 1)])
def test_ssim_needs_three_places_a_side(sides: tuple[int, int]) -> None:
    assert measures.ssim(rand(2, *sides), rand(2, *sides, seed=1)).isnan().all()


maps_of_any_kind = arrays(
    np.float32,
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    elements=st.one_of(st.sampled_from([0.0, 1.0, np.float32(3e38), np.float32(1e-38)]), st.floats(0, 1, width=32)),
)


@settings(deadline=None)
@given(maps_of_any_kind, st.floats(0, float(np.float32(3e38)), width=32))
def test_a_constant_map_is_like_no_map(saliency: np.ndarray, value: float) -> None:
    some = torch.from_numpy(saliency)[None]
    constant = torch.full_like(some, value)
    assert measures.ssim(some, constant).isnan().all()
    assert measures.ssim(constant, some).isnan().all()
    assert measures.ssim(constant, constant).isnan().all()


@settings(deadline=None)
@given(maps_of_any_kind, maps_of_any_kind)
def test_ssim_lies_between_minus_one_and_one_or_is_undefined(a: np.ndarray, b: np.ndarray) -> None:
    sides = [min(x, y) for x, y in zip(a.shape, b.shape, strict=True)]
    a, b = (m[: sides[0], : sides[1]] for m in (a, b))
    value = measures.ssim(torch.from_numpy(a.copy())[None], torch.from_numpy(b.copy())[None]).item()
    constant = a.min() == a.max() or b.min() == b.max()
    assert math.isnan(value) if constant else (math.isnan(value) or -1.000001 <= value <= 1.000001)


@pytest.mark.parametrize("value", [nan, inf])
def test_a_map_with_a_value_that_is_not_finite_is_like_no_map(value: float) -> None:
    broken = rand(1, 8, 8)
    broken[0, 2, 2] = value
    assert measures.ssim(broken, rand(1, 8, 8)).isnan().all()
    assert measures.ssim(broken, broken).isnan().all()


def test_a_plateau_that_was_resized_is_constant() -> None:
    plateau = resize(torch.full((1, 5, 5), 0.3), (31, 31))
    assert plateau.amin() != plateau.amax()
    assert measures.ssim(plateau, plateau).isnan().all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_entropy_of_many_places_in_half_precision(dtype: torch.dtype) -> None:
    uniform, noise = torch.ones(1, 256, 256), torch.rand(1, 256, 256, generator=torch.Generator().manual_seed(0))
    assert measures.entropy(uniform.to(dtype)).item() == 1
    torch.testing.assert_close(measures.entropy(noise.to(dtype)).float(), measures.entropy(noise), atol=5e-3, rtol=0)
