"""Maps that say nothing, or too much: constant, empty, not finite, tiny and huge ones."""

from __future__ import annotations

import math

import numpy as np
import pytest
import reference
import scipy.stats
import torch
from agreement_checks import AGAINST_FIXATIONS, AGAINST_MAPS, expect, rows
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from torch import Tensor, inf, nan

from xai_widgets.kernels import agreement
from xai_widgets.kernels.saliency import degenerate, resize


@pytest.fixture
def saliency(generator: torch.Generator) -> Tensor:
    return torch.rand(3, 9, 7, generator=generator, dtype=torch.float64)


@pytest.fixture
def density(generator: torch.Generator) -> Tensor:
    maps = torch.rand(3, 9, 7, generator=generator, dtype=torch.float64)
    return torch.where(maps > 0.6, maps, 0)


@pytest.fixture
def fixations(generator: torch.Generator) -> Tensor:
    return torch.rand(3, 9, 7, generator=generator) > 0.8


@pytest.mark.parametrize("value", [0.1, 0.3, 1e-30, 1e30, 0.0])
def test_a_constant_map_is_no_agreement(value: float, density: Tensor, fixations: Tensor) -> None:
    constant = torch.full_like(density, value)
    assert value != 0.1 or constant[0].numpy().std() > 0  # 1e-17, and the trap
    for measure in (
        agreement.nss(constant, fixations),
        agreement.cc(constant, density),
        agreement.cc(density, constant),
    ):
        assert measure.isnan().all()
    for found in (agreement.sim(constant, density), agreement.relative_risk(constant, constant, 0.1)):
        assert found.isnan().all()
    assert agreement.auc_judd(constant, fixations).tolist() == [0.5] * 3
    assert agreement.shuffled_auc(constant, fixations).tolist() == [0.5] * 3
    uniform = [scipy.stats.entropy(d.ravel(), np.ones(63)) if value else nan for (d,) in rows(density)]
    expect(agreement.kl(constant, density), uniform)


def test_a_constant_map_stays_constant_at_another_size(density: Tensor) -> None:
    constant = torch.full((2, 7, 7), 0.1)
    assert degenerate(agreement.at_size(constant, (31, 45))).all()


@pytest.mark.parametrize("size", [(31, 45), (4, 5), (4, 45), (31, 5)])
def test_a_map_is_brought_to_size_as_pillow_does(size: tuple[int, int], density: Tensor) -> None:
    peers = [Image.fromarray(one.float().numpy()).resize(size[::-1], Image.Resampling.BILINEAR) for one in density]
    found = agreement.at_size(density, size).float()
    torch.testing.assert_close(
        found, torch.from_numpy(np.stack([np.asarray(peer) for peer in peers])), atol=1e-6, rtol=0
    )


@pytest.mark.parametrize("bad", [nan, inf, -inf])
def test_a_map_with_one_value_that_is_not_finite_is_nan_everywhere(
    bad: float, saliency: Tensor, density: Tensor, fixations: Tensor
) -> None:
    broken = saliency.clone()
    broken[1, 0, 1] = bad
    found = agreement.at_size(broken, (31, 45))
    assert found.isnan().flatten(1).all(1).tolist() == [False, True, False]
    assert torch.equal(found[::2], resize(saliency[::2], (31, 45)))
    back = agreement.at_size(broken, (9, 7))
    humans = [(measure, fixations) for measure in AGAINST_FIXATIONS] + [(measure, density) for measure in AGAINST_MAPS]
    for measure, human in humans:
        assert measure(back, human).isnan().tolist() == [False, True, False]


def test_a_constant_map_that_is_positive_has_a_divergence(density: Tensor) -> None:
    constant = torch.full_like(density, 0.3)
    expect(agreement.kl(constant, constant * 2), [0.0] * 3)  # both are uniform
    expect(agreement.kl(density[:, :1, :1] + 1, density[:, 1:2, 1:2] + 2), [0.0] * 3)  # one place is all there is
    expect(agreement.kl(density + 0.1, constant), [reference.kl(s, c) for s, c in rows(density + 0.1, constant)])
    assert agreement.kl(constant, 0 * constant).isnan().all()
    assert agreement.kl(0 * constant, constant).isnan().all()


def test_an_image_without_fixations_or_of_fixations_only_is_undefined(saliency: Tensor) -> None:
    none = torch.zeros(3, 9, 7, dtype=torch.bool)
    assert agreement.nss(saliency, none).isnan().all()
    assert agreement.auc_judd(saliency, none).isnan().all()
    assert agreement.auc_judd(saliency, ~none).isnan().all()


@pytest.mark.parametrize("bad", [nan, inf, -inf])
def test_a_value_that_is_not_finite_spoils_its_own_image_only(
    bad: float, saliency: Tensor, density: Tensor, fixations: Tensor
) -> None:
    broken = saliency.clone()
    broken[1, 2, 3] = bad
    for measure in AGAINST_FIXATIONS:
        assert measure(broken, fixations).isnan().tolist() == [False, True, False]
        torch.testing.assert_close(measure(broken, fixations)[::2], measure(saliency, fixations)[::2])
    for other in AGAINST_MAPS:
        assert other(broken, density).isnan().tolist() == [False, True, False]
        assert other(density, broken).isnan().tolist() == [False, True, False]
    assert agreement.relative_risk(broken, density, 0.1).isnan().tolist() == [False, True, False]
    assert agreement.relative_risk(density, broken, 0.1).isnan().tolist() == [False, True, False]


VALUES = st.one_of(
    st.floats(-1, 1, width=32), st.floats(width=32), st.sampled_from([0.0, 0.1, 3e38, -3e38, 1e-45, nan, inf])
)


@settings(deadline=None, max_examples=200)
@given(
    hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=4), elements=VALUES), st.data()
)
def test_no_map_breaks_a_measure_and_degenerate_ones_are_flagged(values: np.ndarray, data: st.DataObject) -> None:
    other = torch.from_numpy(data.draw(hnp.arrays(np.float32, values.shape, elements=st.floats(0, 1, width=32))))[None]
    fixed = torch.from_numpy(data.draw(hnp.arrays(np.bool_, values.shape)))[None]
    maps = torch.from_numpy(values)[None]
    flat = bool(degenerate(maps))
    finite = bool(maps.isfinite().all())
    for name in ("nss", "cc", "sim"):
        found = getattr(agreement, name)(maps, fixed if name == "nss" else other)
        assert not flat or found.isnan()
    assert not flat or agreement.relative_risk(maps, other, 0.5).isnan()
    area = agreement.auc_judd(maps, fixed)
    if finite and flat and bool(fixed.any()) and not bool(fixed.all()):
        assert area == 0.5
    assert finite or area.isnan()
    if not flat and not bool(degenerate(other)):
        assert -1.0001 <= float(agreement.cc(maps, other)) <= 1.0001
        assert -0.0001 <= float(agreement.sim(maps, other)) <= 1.0001
    if bool((maps >= 0).all()) or not finite:
        divergence = float(agreement.kl(maps, other))
        defined = finite and maps.any() and other.any()
        assert divergence >= -1e-5 if defined else math.isnan(divergence)


NOTHING = st.one_of(
    st.sampled_from([0.0, 1e-38, 0.1, 1.0, 1e30]).map(lambda value: torch.full((1, 3, 4), value)),
    st.tuples(st.integers(0, 11), st.sampled_from([nan, inf, -inf])).map(
        lambda bad: torch.arange(12.0).index_fill(0, torch.tensor([bad[0]]), bad[1]).reshape(1, 3, 4)
    ),
    st.sampled_from([0.0, 1e-38, 1.0, 1e30, nan]).map(lambda value: torch.full((1, 1, 1), value)),
)


@settings(deadline=None, max_examples=100)
@given(NOTHING, st.sampled_from([torch.float16, torch.bfloat16, torch.float32, torch.float64]))
def test_a_map_that_says_nothing_never_agrees_with_itself(maps: Tensor, dtype: torch.dtype) -> None:
    maps = maps.to(dtype)
    fixed = torch.zeros(maps.shape, dtype=torch.bool)
    fixed[0, 0, 0] = True
    for measure in (agreement.cc, agreement.sim):
        assert measure(maps, maps).isnan().all()
    positive = bool(maps.isfinite().all()) and bool(maps.any())
    divergence = float(agreement.kl(maps, maps))
    assert abs(divergence) < 1e-5 if positive else math.isnan(divergence)
    assert agreement.nss(maps, fixed).isnan().all()
    assert agreement.relative_risks(maps, maps).undefined.tolist() == [1, 1, 1]
    for area in (agreement.auc_judd(maps, fixed), agreement.shuffled_auc(maps.repeat(2, 1, 1), fixed.repeat(2, 1, 1))):
        assert bool(((area == 0.5) | area.isnan()).all())


@settings(deadline=None, max_examples=100)
@given(
    hnp.arrays(np.float32, (3, 4), elements=st.integers(0, 100)).filter(lambda values: np.ptp(values) > 0),
    st.sampled_from([1e-38, 1e30]),
)
def test_tiny_and_huge_maps_agree_as_others_do(values: np.ndarray, scale: float) -> None:
    maps, other = torch.from_numpy(values)[None], torch.arange(12.0).reshape(1, 3, 4)
    fixed = other > 8
    for name, human in (("cc", other), ("sim", other), ("kl", other), ("nss", fixed), ("auc_judd", fixed)):
        measure = getattr(agreement, name)
        torch.testing.assert_close(measure(maps * scale, human), measure(maps, human), atol=1e-3, rtol=1e-3)
