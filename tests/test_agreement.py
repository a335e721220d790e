"""Agreement with human maps against literal versions, scikit-learn and scipy; maps that say nothing are flagged."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import reference
import scipy.stats
import sklearn.metrics
import torch
from agreement_checks import AGAINST_FIXATIONS, AGAINST_MAPS, Measure, close, expect, rows
from torch import Tensor, inf
from unchecked import refused

from xai_widgets.kernels import agreement


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
    assert agreement.relative_risk(density, saliency, 1.0).isnan().all()
    opposite = 1 + torch.arange(63.0).reshape(1, 9, 7)
    assert agreement.relative_risk(opposite, 64 - opposite, 0.1).tolist() == [0]


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


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_agrees_up_to_its_rounding(
    dtype: torch.dtype, generator: torch.Generator, fixations: Tensor
) -> None:
    saliency, density = (torch.rand(3, 300, 300, generator=generator).to(dtype) for _ in range(2))
    fixed = saliency > 0.9
    for measure, other in [(m, density) for m in AGAINST_MAPS] + [(m, fixed) for m in AGAINST_FIXATIONS]:
        found = measure(saliency, other)
        assert found.dtype == torch.float32  # computed there, and kept
        whole = measure(saliency.double(), other if other.dtype == torch.bool else other.double())
        torch.testing.assert_close(found.double(), whole, atol=1e-3, rtol=1e-2)
    risks = agreement.relative_risk(saliency, density, 0.1)
    torch.testing.assert_close(
        risks.double(), agreement.relative_risk(saliency.double(), density.double(), 0.1), atol=1e-3, rtol=1e-2
    )


def test_relative_risks_count_what_has_no_finite_value(saliency: Tensor, density: Tensor) -> None:
    other = density.clone()
    other[0], other[1] = saliency[0], 0.5
    found = agreement.relative_risks(saliency, other)
    assert found.shares == agreement.SHARES == (0.05, 0.1, 0.15)
    for share, risks in zip(found.shares, found.risks, strict=True):
        close(risks, agreement.relative_risk(saliency, other, share), equal_nan=True)
    assert found.infinite.tolist() == [1, 1, 1]
    assert found.undefined.tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((2, 9, 7), "as many images, got 3 and 2"),
        ((3, 8, 7), "as many rows, got 9 and 8"),
        ((3, 9, 6), "as many columns, got 7 and 6"),
        ((3, 9), "must have the axes images, rows, columns, got shape"),
    ],
)
@pytest.mark.parametrize("measure", [*AGAINST_MAPS, *AGAINST_FIXATIONS])
def test_sizes_that_differ_are_named(measure: Measure, shape: tuple[int, ...], message: str, saliency: Tensor) -> None:
    other = torch.ones(shape, dtype=torch.bool if measure in AGAINST_FIXATIONS else torch.float64)
    with refused(ValueError, message):
        measure(saliency, other)


@pytest.mark.parametrize("measure", [*AGAINST_MAPS, *AGAINST_FIXATIONS])
def test_what_is_no_map_is_named(measure: Measure, saliency: Tensor, density: Tensor, fixations: Tensor) -> None:
    other, name = (fixations, "fixations") if measure in AGAINST_FIXATIONS else (density, "density")
    wrong: tuple[tuple[Any, str], ...] = (
        (saliency.numpy(), "saliency must be a tensor, got ndarray"),
        (saliency * 1j, r"saliency must be of floating-point numbers, got torch\.complex128"),
    )
    for maps, message in wrong:
        with refused(TypeError, message):
            measure(maps, other)
    human: Any = other.numpy()
    with refused(TypeError, f"{name} must be a tensor.*, got ndarray"):
        measure(saliency, human)
    with refused(TypeError, f"{name} must be .*, got torch\\.complex"):
        measure(saliency, other * 1j)
    with refused(ValueError, "saliency must have at least 1 of images, got shape"):
        measure(saliency[:0], other[:0])


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int32, torch.int64, torch.float64])
def test_human_maps_may_be_masks_or_bytes(dtype: torch.dtype, saliency: Tensor, fixations: Tensor) -> None:
    for value in (1, 255):
        human = fixations if dtype == torch.bool else fixations.to(dtype) * value
        for against in AGAINST_FIXATIONS:
            assert torch.equal(against(saliency, human), against(saliency, fixations))
        for measure in AGAINST_MAPS:
            close(measure(saliency, human), measure(saliency, fixations.double()))
            own = measure(human, human).double()
            torch.testing.assert_close(own, measure(fixations.double(), fixations.double()), atol=1e-6, rtol=1e-6)
        resized = agreement.at_size(human, (20, 9)).double()
        torch.testing.assert_close(resized, agreement.at_size(human.double(), (20, 9)), atol=1e-3, rtol=0)


def test_a_density_is_no_set_of_fixations(saliency: Tensor, density: Tensor) -> None:
    for human in (density, density.mul(255).byte()):
        with refused(ValueError, "fixations must be a mask: .* got .* to .*; a density goes with cc, sim or kl"):
            agreement.nss(saliency, human)


@pytest.mark.parametrize(
    ("error", "message", "name", "given"),
    [
        (ValueError, "positives must have one axis, got shape", "auc", lambda s: (s, s[0, 0])),
        (TypeError, "negatives must be of floating-point numbers", "auc", lambda s: (s[0, 0], s[0, 0].long())),
        (TypeError, "positives must be a tensor, got list", "auc", lambda s: ([1.0], s[0, 0])),
        (ValueError, r"share must be in \[0, 1\], got 10", "relative_risk", lambda s: (s, s, 10)),
        (TypeError, r"shares must be numbers, at least one, .* got \(\)", "relative_risks", lambda s: (s, s, ())),
        (TypeError, "shares must be numbers, .* got 0.1", "relative_risks", lambda s: (s, s, 0.1)),
        (ValueError, "given must have the axes", "relative_risk", lambda s: (s, s[0], 0.1)),
        (TypeError, r"size must be two whole numbers, .* got 5", "at_size", lambda s: (s, 5)),
    ],
)
def test_other_bad_input_is_refused(
    error: type[Exception], message: str, name: str, given: Callable[[Tensor], tuple[Any, ...]], saliency: Tensor
) -> None:
    with refused(error, message):
        getattr(agreement, name)(*given(saliency))


def test_a_divergence_of_negative_maps_is_refused(saliency: Tensor, density: Tensor) -> None:
    with pytest.raises(ValueError, match=r"saliency must not be negative for KL, got -0\.5 at index 2"):
        agreement.kl(torch.cat((saliency[:2], torch.full((1, 9, 7), -0.5).double())), density)
