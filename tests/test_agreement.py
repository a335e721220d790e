"""Agreement with human maps against literal versions, scikit-learn and scipy; maps that say nothing are flagged."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import jaxtyping
import numpy as np
import pytest
import reference
import scipy.stats
import sklearn.metrics
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch import Tensor, inf, nan

from xai_widgets.kernels import agreement
from xai_widgets.kernels.saliency import degenerate, resize

close = partial(torch.testing.assert_close, atol=1e-10, rtol=1e-10)
AGAINST_FIXATIONS = (agreement.nss, agreement.auc_judd, agreement.shuffled_auc)
AGAINST_MAPS = (agreement.cc, agreement.sim, agreement.kl)
Measure = Callable[[Tensor, Tensor], Tensor]


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


@contextmanager
def shapes_unchecked() -> Iterator[None]:
    """As a reader runs the package: shapes are checked by the kernels alone."""
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)


def expect(found: Tensor, wanted: list[float]) -> None:
    close(found, torch.tensor(wanted, dtype=found.dtype), equal_nan=True)


def rows(*maps: Tensor) -> Iterator[tuple[np.ndarray, ...]]:
    return zip(*(one.numpy() for one in maps), strict=True)


# Definitions and peers


def test_nss_is_the_mean_z_score_at_fixations(saliency: Tensor, fixations: Tensor) -> None:
    expect(
        agreement.nss(saliency, fixations),
        [float(((s - s.mean()) / s.std())[f].mean()) for s, f in rows(saliency, fixations)],
    )


def test_cc_is_that_of_scipy(saliency: Tensor, density: Tensor) -> None:
    expect(
        agreement.cc(saliency, density),
        [scipy.stats.pearsonr(s.ravel(), d.ravel()).statistic for s, d in rows(saliency, density)],
    )


def test_sim_is_the_literal_sum(saliency: Tensor, density: Tensor) -> None:
    expect(agreement.sim(saliency, density), [reference.similarity(s, d) for s, d in rows(saliency, density)])
    expect(agreement.sim(density, density), [1.0, 1.0, 1.0])


def test_kl_is_the_literal_sum_and_near_that_of_scipy(saliency: Tensor, density: Tensor) -> None:
    found = agreement.kl(saliency, density)
    expect(found, [reference.kl(s, d) for s, d in rows(saliency, density)])
    peer = [scipy.stats.entropy(d.ravel(), s.ravel()) for s, d in rows(saliency, density)]
    expect(found, peer)


def test_kl_where_the_map_is_zero_is_as_large_as_its_epsilon_allows() -> None:
    saliency, density = (
        torch.tensor([[[1.0, 0.0]]], dtype=torch.float64),
        torch.tensor([[[0.0, 1.0]]], dtype=torch.float64),
    )
    expect(agreement.kl(saliency, density), [math.log(2.2e-16 + 1 / 2.2e-16)])
    # eps stands inside of the logarithm too: d = 0 adds 0 log(eps), not NaN.
    expect(agreement.kl(saliency, saliency), [math.log(2.2e-16 + 1 / (1 + 2.2e-16))])


def test_auc_is_that_of_scikit_learn(saliency: Tensor, fixations: Tensor) -> None:
    tied = (saliency * 4).round()
    for maps in (saliency, tied):
        peer = [sklearn.metrics.roc_auc_score(f.ravel(), s.ravel()) for s, f in rows(maps, fixations)]
        expect(agreement.auc_judd(maps, fixations), peer)


def test_ties_of_a_positive_and_a_negative_count_half() -> None:
    assert agreement.auc(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 1.0, 3.0])).item() == pytest.approx(
        (2 / 2 + 2) / 6
    )
    assert agreement.auc(torch.tensor([0.0]), torch.tensor([-0.0])) == 0.5


def test_auc_of_many_pixels_is_not_rounded(generator: torch.Generator) -> None:
    saliency = torch.rand(1, 300, 400, generator=generator).mul(50).round()
    fixations = torch.rand(1, 300, 400, generator=generator) > 0.5
    peer = sklearn.metrics.roc_auc_score(fixations.flatten().numpy(), saliency.flatten().numpy())
    assert agreement.auc_judd(saliency, fixations).item() == pytest.approx(peer, abs=1e-7)
    assert agreement.auc_judd(saliency.double(), fixations).item() == pytest.approx(peer, abs=1e-13)


def test_shuffled_auc_keeps_repeats_and_own_places(saliency: Tensor) -> None:
    fixations = torch.zeros(3, 9, 7, dtype=torch.bool)
    for image, places in enumerate(([(0, 0), (4, 4)], [(0, 0), (2, 3)], [(0, 0), (2, 3), (8, 6)])):
        for y, x in places:
            fixations[image, y, x] = True
    wanted = []
    for image in range(3):
        values = saliency[image]
        negatives = [float(v) for other in range(3) if other != image for v in values[fixations[other]]]
        assert len(negatives) == int(fixations.sum() - fixations[image].sum())
        wanted.append(reference.auc(values[fixations[image]].tolist(), negatives))
    expect(agreement.shuffled_auc(saliency, fixations), wanted)


def test_shuffled_auc_of_one_image_has_no_negatives(saliency: Tensor, fixations: Tensor) -> None:
    assert agreement.shuffled_auc(saliency[:1], fixations[:1]).isnan().all()


@pytest.mark.parametrize("share", [0.05, 0.1, 0.15, 0.5])
def test_relative_risk_is_the_literal_ratio(saliency: Tensor, density: Tensor, share: float) -> None:
    wanted = [reference.relative_risk(s, d, share) for s, d in rows(saliency, density)]
    expect(agreement.relative_risk(saliency, density, share), wanted)


def test_relative_risk_of_equal_masks_is_infinite_and_of_no_mask_undefined(saliency: Tensor, density: Tensor) -> None:
    assert agreement.relative_risk(saliency, saliency * 2, 0.1).tolist() == [inf] * 3
    assert agreement.relative_risk(saliency, density, 0.001).isnan().all()
    assert agreement.relative_risk(saliency, density, 1.0).isnan().all()
    opposite = torch.arange(63.0).reshape(1, 9, 7)
    assert agreement.relative_risk(opposite, -opposite, 0.1).tolist() == [0]


@pytest.mark.parametrize(("share", "kept"), [(0.0, 0), (0.1, 6), (0.15, 9), (0.5, 32), (1.0, 63)])
def test_a_mask_keeps_the_rounded_share(share: float, kept: int, saliency: Tensor) -> None:
    mask = agreement.top_share(saliency, share)
    assert mask.sum((1, 2)).tolist() == [kept] * 3
    for found, one in rows(mask, saliency):
        assert np.array_equal(found, reference.top_share(one, share))


def test_ties_of_a_mask_go_to_the_lowest_index() -> None:
    saliency = torch.tensor([[[0.0, 1.0, 1.0], [1.0, 2.0, 0.0]]])
    assert agreement.top_share(saliency, 0.5).int().tolist() == [[[0, 1, 1], [0, 1, 0]]]


# Maps that say nothing


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
    assert torch.equal(agreement.at_size(density, (31, 45)), resize(density, (31, 45)))


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
        if bad == -inf and other is agreement.kl:
            continue
        assert other(broken, density).isnan().tolist() == [False, True, False]
        assert other(density, broken).isnan().tolist() == [False, True, False]
    assert agreement.relative_risk(broken, density, 0.1).isnan().tolist() == [False, True, False]
    with pytest.raises(ValueError, match=r"saliency must be finite, got .* at index 1"):
        agreement.top_share(broken, 0.1)


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
    if finite and bool((maps >= 0).all()) and maps.any() and other.any():
        assert float(agreement.kl(maps, other)) >= -1e-5


# Invariance and refusals


def test_a_batch_is_its_images_one_by_one_and_float32_agrees(
    saliency: Tensor, density: Tensor, fixations: Tensor
) -> None:
    for measure, other in [(m, fixations) for m in (agreement.nss, agreement.auc_judd)] + [
        (m, density) for m in AGAINST_MAPS
    ]:
        together = measure(saliency, other)
        alone = torch.cat([measure(saliency[i : i + 1], other[i : i + 1]) for i in range(3)])
        close(together, alone)
        single = measure(saliency.float(), other if other.dtype == torch.bool else other.float())
        torch.testing.assert_close(single.double(), together, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_the_scale_of_a_map_does_not_matter(scale: float, saliency: Tensor, density: Tensor, fixations: Tensor) -> None:
    scaled = (saliency * scale).float()
    for measure, other in [(m, fixations) for m in AGAINST_FIXATIONS] + [(m, density.float()) for m in AGAINST_MAPS]:
        torch.testing.assert_close(measure(scaled, other), measure(saliency.float(), other), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((2, 9, 7), "as many images, got 3 and 2"),
        ((3, 8, 7), "as many rows, got 9 and 8"),
        ((3, 9, 6), "as many columns, got 7 and 6"),
    ],
)
@pytest.mark.parametrize("measure", [*AGAINST_MAPS, *AGAINST_FIXATIONS])
def test_sizes_that_differ_are_named(measure: Measure, shape: tuple[int, ...], message: str, saliency: Tensor) -> None:
    other = torch.ones(shape, dtype=torch.bool if measure in AGAINST_FIXATIONS else torch.float64)
    with shapes_unchecked(), pytest.raises(ValueError, match=message):
        measure(saliency, other)


def test_other_bad_input_is_refused(saliency: Tensor, density: Tensor, fixations: Tensor) -> None:
    with pytest.raises(ValueError, match=r"saliency must not be negative for KL, got -0\.5 at index 2"):
        agreement.kl(torch.cat((saliency[:2], torch.full((1, 9, 7), -0.5).double())), density)
    with shapes_unchecked(), pytest.raises(ValueError, match=r"fixations must be a mask of bool, got torch\.int64"):
        agreement.nss(saliency, fixations.long())
    with pytest.raises(ValueError, match=r"share must be in \[0, 1\], got 10"):
        agreement.top_share(saliency, 10.0)
    with shapes_unchecked(), pytest.raises(ValueError, match="axes images, rows, columns, got shape"):
        agreement.cc(saliency[0], density[0])
