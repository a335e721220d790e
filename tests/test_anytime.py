"""Effects at any time: the estimate first, the order of what becomes exact, and stopping."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from families import FAMILIES, scores_of

from xai_widgets.kernels.ablation import delta_y, first_order
from xai_widgets.kernels.anytime import anytime_delta_y, estimated_delta_y
from xai_widgets.kernels.tail import Tail


@pytest.fixture(scope="module")
def tail() -> Tail:
    network = FAMILIES["vgg"].network().double()
    with torch.no_grad():  # a dead map
        network.get_parameter("features.12.weight")[4], network.get_parameter("features.12.bias")[4] = 0, -9
    return Tail(network, "features.13", FAMILIES["vgg"].images().double())


def test_the_estimate_is_first_order_and_dead_maps_are_exact(tail: Tail) -> None:
    estimate = estimated_delta_y(tail, scores_of, 2)
    dead = (tail.maps[0] == 0).flatten(1).all(1)
    assert torch.equal(estimate.exact, dead)
    assert 0 < estimate.share < 1
    torch.testing.assert_close(estimate.delta_y[~dead], first_order(tail, scores_of, 2)[~dead])
    assert not estimate.delta_y[dead].any()


@pytest.mark.parametrize("baseline", [None, 0.3])
def test_exact_values_stream_in_the_order_of_the_estimate(tail: Tail, baseline: float | None) -> None:
    count = tail.maps.shape[1]
    level = None if baseline is None else torch.full((count,), baseline).double()
    answers = list(anytime_delta_y(tail, scores_of, 2, baseline=level, seconds=1e-9))
    estimate, exact = answers[0], delta_y(tail, scores_of, 2, baseline=level, batch=4)
    assert len(answers) > 4
    assert [answer.done for answer in answers] == [False] * (len(answers) - 1) + [True]
    for before, after in pairwise(answers):
        fresh = after.exact & ~before.exact
        assert fresh.any()
        assert (before.exact <= after.exact).all()
        assert after.share > before.share
        left = ~after.exact
        if left.any():
            assert estimate.delta_y[fresh].abs().min() >= estimate.delta_y[left].abs().max()
        torch.testing.assert_close(after.delta_y[after.exact], exact[after.exact], atol=1e-10, rtol=0)
        assert torch.equal(after.delta_y[left], estimate.delta_y[left])
    torch.testing.assert_close(answers[-1].delta_y, exact, atol=1e-10, rtol=0)


def test_the_first_answer_of_an_affine_tail_is_exact() -> None:
    network, images = FAMILIES["resnet"].network().double(), FAMILIES["resnet"].images().double()
    tail = Tail(network, "layer4", images)
    (only,) = anytime_delta_y(tail, scores_of, 1)
    assert only.done
    torch.testing.assert_close(only.delta_y, delta_y(tail, scores_of, 1, batch=8), atol=1e-10, rtol=0)


def test_it_may_be_left_or_cancelled_and_the_tail_goes_on(tail: Tail) -> None:
    expected = delta_y(tail, scores_of, 1)
    for _ in zip(range(3), anytime_delta_y(tail, scores_of, 1, seconds=1e-9), strict=False):
        pass
    calls = iter(range(10))

    def step() -> None:
        if next(calls) == 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        list(anytime_delta_y(tail, scores_of, 1, seconds=1e-9, step=step))
    assert torch.equal(delta_y(tail, scores_of, 1), expected)
