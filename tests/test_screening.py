"""The screening pass: what it reports, and that what it calls exact is."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torchvision
from scipy.stats import spearmanr
from torch import Tensor
from unchecked import refused

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
    return Tail(network, "layer3", torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(1)))


@pytest.fixture(scope="module")
def full(tail: Tail) -> Tensor:
    """Every removal of class 3, computed exactly."""
    return delta_y(tail, score, 3)


def test_the_strongest_maps_are_exact_and_the_rest_is_near(tail: Tail, full: Tensor) -> None:
    found = screened_delta_y(tail, score, 3, top=40)
    assert int(found.exact.sum()) >= 40
    torch.testing.assert_close(found.delta_y[found.exact], full[found.exact], atol=1e-5, rtol=0)
    assert rank_correlation(found.delta_y, full) > 0.9
    assert 0.9 < found.rank_agreement <= 1
    strongest = full.abs().argsort(descending=True)[:10]
    assert found.exact[strongest].all()


def test_all_maps_may_be_computed_again(tail: Tail, full: Tensor) -> None:
    found = screened_delta_y(tail, score, 3, top=256)
    assert found.exact.all()
    torch.testing.assert_close(found.delta_y, full, atol=1e-5, rtol=0)


def test_ranks_with_ties_are_those_of_scipy(generator: torch.Generator) -> None:
    a = torch.randint(0, 5, (40,), generator=generator).double()
    b = a + torch.randint(0, 4, (40,), generator=generator)
    assert rank_correlation(a, b) == pytest.approx(spearmanr(a.numpy(), b.numpy()).statistic, abs=1e-12)
    assert math.isnan(rank_correlation(a, torch.ones(40).double()))


def test_ranks_of_what_is_no_number_are_undefined() -> None:
    a = torch.arange(4.0)
    spoilt = torch.tensor([0.0, math.nan, 2.0, 3.0])
    assert math.isnan(rank_correlation(a, spoilt))
    assert math.isnan(rank_correlation(spoilt, a))
    assert math.isnan(rank_correlation(a[:1], a[:1]))
    assert rank_correlation(a, torch.tensor([0.0, 1.0, 2.0, math.inf])) == pytest.approx(1)
    with refused(ValueError, "the first and the second must have as many values, got 4 and 3"):
        rank_correlation(a, a[:3])


@pytest.mark.parametrize(
    ("error", "message", "options"),
    [
        (ValueError, "top must be 1 to 256, the number of maps; got 0", {"top": 0}),
        (ValueError, "top must be 1 to 256, the number of maps; got 257", {"top": 257}),
        (TypeError, r"top must be a whole number, got 4\.0", {"top": 4.0}),
        (TypeError, "top must be a whole number, got True", {"top": True}),
        (ValueError, r"got torch\.int8", {"precision": torch.int8}),
        (ValueError, "target must be 0 to 999, got -1", {"target": -1}),
        (ValueError, "target must be 0 to 999, got 1000", {"target": 1000}),
        (ValueError, "the score must be .*; for one output", {"score": lambda result: result[:, 0]}),
        (ValueError, "the score must be finite, got nan", {"score": lambda result: result * math.nan}),
        (TypeError, "the score must be a tensor .* got dict", {"score": lambda result: {"logits": result}}),
    ],
)
def test_bad_arguments_are_named(tail: Tail, error: type[Exception], message: str, options: dict[str, Any]) -> None:
    asked: dict[str, Any] = {"tail": tail, "score": score} | options
    with refused(error, message):
        screened_delta_y(**asked)


def test_several_images_are_refused(tail: Tail) -> None:
    two = Tail(tail.shell.original, "layer3", tail.inputs.repeat(2, 1, 1, 1))
    with pytest.raises(ValueError, match="screening takes the tail of one image, got one of 2"):
        screened_delta_y(two, score)
