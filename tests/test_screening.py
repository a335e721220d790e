"""The screening pass: what it reports, and that what it calls exact is."""

from __future__ import annotations

import math

import pytest
import torch
import torchvision
from scipy.stats import spearmanr
from torch import Tensor

from xai_widgets.kernels.ablation import delta_y
from xai_widgets.kernels.screening import rank_correlation, screened_delta_y
from xai_widgets.kernels.tail import Tail


def score(result: Tensor) -> Tensor:
    return result


@pytest.fixture(scope="module")
def tail() -> Tail:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = torchvision.models.resnet18(weights=None).eval()
    return Tail(network, "layer3", torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1)))


def test_the_strongest_maps_are_exact_and_the_rest_is_near(tail: Tail) -> None:
    full = delta_y(tail, score, 3)
    found = screened_delta_y(tail, score, 3, top=40)
    assert int(found.exact.sum()) >= 40
    torch.testing.assert_close(found.delta_y[found.exact], full[found.exact], atol=1e-5, rtol=0)
    assert rank_correlation(found.delta_y, full) > 0.9
    assert 0.9 < found.rank_agreement <= 1
    strongest = full.abs().argsort(descending=True)[:10]
    assert found.exact[strongest].all()


def test_all_maps_may_be_computed_again(tail: Tail) -> None:
    found = screened_delta_y(tail, score, 3, top=256)
    assert found.exact.all()
    torch.testing.assert_close(found.delta_y, delta_y(tail, score, 3), atol=1e-5, rtol=0)


def test_ranks_with_ties_are_those_of_scipy(generator: torch.Generator) -> None:
    a = torch.randint(0, 5, (40,), generator=generator).double()
    b = a + torch.randint(0, 4, (40,), generator=generator)
    assert rank_correlation(a, b) == pytest.approx(spearmanr(a.numpy(), b.numpy()).statistic, abs=1e-12)
    assert math.isnan(rank_correlation(a, torch.ones(40).double()))


def test_bad_arguments_are_named(tail: Tail) -> None:
    with pytest.raises(ValueError, match="top must be 1 to 256, the number of maps; got 0"):
        screened_delta_y(tail, score, top=0)
    with pytest.raises(ValueError, match=r"got torch\.int8"):
        screened_delta_y(tail, score, precision=torch.int8)
