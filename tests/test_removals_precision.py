"""Removals in every precision, on any default device; outputs by name, several images, gains that do not fit."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from half_networks import GROUPS, HALVES, scores, seeded, tail_of
from torch import Tensor, nn

from xai_widgets.kernels import ablation, anytime, receipts
from xai_widgets.kernels.cam import smallest_change
from xai_widgets.kernels.precision import TOLERANCE
from xai_widgets.kernels.tail import Tail

# Half precision


@pytest.mark.parametrize("bends", [False, True])
@pytest.mark.parametrize("dtype", HALVES)
def test_removals_in_half_precision_are_those_of_float32(dtype: torch.dtype, bends: bool) -> None:
    half = tail_of(dtype, bends=bends)
    wide = Tail(copy.deepcopy(half.shell.original).float(), "layer", half.inputs.float())
    near = TOLERANCE[dtype] * max(1.0, float(wide.result.abs().max()))
    level = wide.maps[0].mean((1, 2)) + 0.5
    for baseline in (None, level):
        calls: list[Any] = [
            lambda t: ablation.delta_y(t, scores, 1, baseline=baseline),  # noqa: B023
            lambda t: ablation.delta_logits(t, scores, baseline=baseline),  # noqa: B023
            lambda t: ablation.group_scores(t, scores, GROUPS, baseline=baseline),  # noqa: B023
            lambda t: ablation.first_order(t, scores, 1, baseline=baseline),  # noqa: B023
            lambda t: list(anytime.anytime_delta_y(t, scores, 1, baseline=baseline))[-1].delta_y,  # noqa: B023
        ]
        for call in calls:
            found, expected = call(half), call(wide)
            assert found.dtype == dtype
            torch.testing.assert_close(found.float(), expected, atol=near, rtol=0)
            assert float(expected.abs().max()) > 2 * near
    assert ablation.delta_y(half, scores, 1)[3] == 0
    assert ablation.closed_form(half, scores, 1) is None  # rounding hides whether the tail is affine


@pytest.mark.parametrize("dtype", HALVES)
def test_gains_of_large_maps_in_half_precision_do_not_overflow_on_the_way(dtype: torch.dtype) -> None:
    maps = torch.full((1, 2, 2, 2), 48000.0).to(dtype)
    level = torch.tensor([47104.0, 0.0]).to(dtype)
    found = ablation.with_gains(maps, torch.tensor([[2.0, 0.5]]), level)
    assert found.dtype == dtype
    expected = ablation.with_gains(maps.float(), torch.tensor([[2.0, 0.5]]), level.float())
    torch.testing.assert_close(found.float(), expected, atol=0, rtol=4e-3)
    assert torch.equal(ablation.with_gains(maps, torch.ones(1, 2, dtype=dtype), level), maps)


def test_small_slopes_of_float16_are_not_rounded_away() -> None:
    class Large(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Identity()
            self.weight = nn.Parameter(torch.tensor([2e-3, -1e-3, 5e-4]))

        def forward(self, x: Tensor) -> Tensor:
            return (self.layer(x).mean((2, 3)) * self.weight).sum(1, keepdim=True)

    maps = 100 * torch.rand(1, 3, 128, 128, generator=seeded())
    half = Tail(Large().half().eval(), "layer", maps.half())
    wide = Tail(Large().half().float().eval(), "layer", maps.half().float())
    found, expected = (ablation.first_order(tail, scores) for tail in (half, wide))
    torch.testing.assert_close(found.float(), expected, atol=0, rtol=5e-3)  # a slope is 1e-7: plainly off by 16 %


# Scores of another precision than the maps


@pytest.mark.parametrize(("inner", "outer"), [("bfloat16", "float32"), ("float16", "float32"), ("float32", "float64"),
                                              ("float32", "bfloat16")])  # fmt: skip
@pytest.mark.parametrize("bends", [False, True])
def test_scores_may_have_another_precision_than_the_maps(inner: str, outer: str, bends: bool) -> None:
    first, second = getattr(torch, inner), getattr(torch, outer)
    tail = tail_of(first, bends=bends)

    def other(result: Tensor) -> Tensor:
        return result.to(second)

    near = max(TOLERANCE[first], TOLERANCE[second]) * max(1.0, float(tail.result.abs().max()))
    plain = tail_of(bends=bends)
    for found, expected in (
        (ablation.delta_y(tail, other, 2), ablation.delta_y(plain, scores, 2)),
        (ablation.delta_y(tail, other, 2, batch=3), ablation.delta_y(plain, scores, 2)),
        (ablation.delta_logits(tail, other), ablation.delta_logits(plain, scores)),
        (ablation.group_scores(tail, other, GROUPS), ablation.group_scores(plain, scores, GROUPS)),
        (ablation.first_order(tail, other, 2), ablation.first_order(plain, scores, 2)),
    ):
        assert found.dtype == second
        torch.testing.assert_close(found.float(), expected, atol=2 * near, rtol=0)  # its weights are rounded too


@pytest.mark.parametrize("dtype", HALVES)
def test_rounding_of_the_network_is_no_change_of_its_score(dtype: torch.dtype) -> None:
    """Scores come back in float32, in steps of the network's own precision."""

    class Steps(nn.Module):
        """About 40 + map 0, in steps of 0.25 in bfloat16; map 1 adds 3."""

        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Identity()

        def forward(self, x: Tensor) -> Tensor:
            maps = self.layer(x).mean((2, 3))
            return (40 - maps[:, :1] - maps[:, 1:2]).to(dtype).float()

    maps = torch.tensor([0.25 if dtype == torch.bfloat16 else 0.03125, 3.0])[None, :, None, None].expand(1, 2, 4, 4)
    tail = Tail(Steps().to(dtype).eval(), "layer", maps.to(dtype))
    y = float(tail.result)
    found = smallest_change(tail, scores, y + 10)
    assert (found.maps, found.reached) == ((1,), False)  # what map 0 adds is rounding
    receipt = receipts.map_receipt(tail, scores, [0], generator=seeded())
    assert receipt.tested.tolerance == pytest.approx(TOLERANCE[dtype] * y)
    assert receipt.beats == 0


def test_the_precision_on_the_way_to_the_scores_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Tail, "precision", property(lambda tail: torch.bfloat16), raising=False)
    tail = tail_of(scale=0.05)
    y = max(1.0, abs(float(tail.result[0, 0])))
    assert receipts.map_receipt(tail, scores, [0], generator=seeded()).tested.tolerance == pytest.approx(0.02 * y)
    largest = float(ablation.delta_y(tail, scores).abs().max())
    assert 1e-3 < largest < 0.02
    assert smallest_change(tail, scores, 9.0).maps == smallest_change(tail, scores, -9.0).maps == ()


# A gradient without a value where a map is dead


class Spread(nn.Module):
    """Standard deviations over places, whose gradient at a constant map has no value; map 1 is dead."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Identity()
        self.weight = nn.Parameter(torch.tensor([2.0, 1.0, -3.0]).double())

    def forward(self, x: Tensor) -> Tensor:
        return (self.layer(x).var((2, 3)).sqrt() * self.weight).sum(1, keepdim=True)


def test_a_dead_map_without_a_gradient_does_not_spoil_the_estimate() -> None:
    maps = torch.rand(1, 3, 4, 5, generator=seeded()).double()
    maps[0, 1] = 0
    tail = Tail(Spread().eval(), "layer", maps)
    leaf = maps.clone().requires_grad_()
    (slope,) = torch.autograd.grad(tail.shell.original(leaf).sum(), leaf)
    assert slope[0, 1].isnan().any()
    expected = -tail.shell.original.get_parameter("weight").detach() * maps[0].flatten(1).std(1)
    torch.testing.assert_close(ablation.first_order(tail, scores), expected, atol=1e-12, rtol=0)
    torch.testing.assert_close(ablation.delta_y(tail, scores), expected, atol=1e-12, rtol=0)
    for known in anytime.anytime_delta_y(tail, scores):
        torch.testing.assert_close(known.delta_y, expected, atol=1e-12, rtol=0)


# The caller's modes


def test_what_comes_back_is_a_tensor_as_any_other() -> None:
    tail = tail_of(bends=True)
    found = [rows for _, rows in ablation.removal_scores(tail, lambda result: result[:, :2], batch=3)]
    found += [ablation.group_scores(tail, scores, GROUPS), ablation.delta_logits(tail, scores)]
    for values in found:
        assert not values.is_inference()
        leaf = torch.ones((), requires_grad=True)
        (values * leaf).sum().backward()
        values.add_(1)


def test_kernels_do_not_follow_the_default_device_or_precision() -> None:
    tail = tail_of(bends=True)
    maps, level = tail.maps.clone(), tail.maps[0].mean((1, 2))
    saliency, groups, gains = maps[0].sum(0), GROUPS, torch.full((2, 8), 0.5)
    change = ablation.delta_logits(tail, scores, batch=3)
    error = ablation.delta_cross_entropy(tail.result[0], change, 1)
    calls: list[Any] = [
        lambda: ablation.delta_y(tail, scores, 1, batch=3),
        lambda: ablation.delta_y(tail, scores, 1, baseline=level),
        lambda: ablation.delta_logits(tail, scores),
        lambda: ablation.group_scores(tail, scores, groups, baseline=level),
        lambda: ablation.first_order(tail, scores, 1),
        lambda: ablation.with_gains(maps, gains, level),
        lambda: ablation.roles(change[None, :, 0], error[None], tail.result[:, 0]),
        lambda: receipts.place_receipt(tail, scores, saliency, generator=seeded()).random,
        lambda: receipts.map_receipt(tail, scores, [0, 2], generator=seeded()).random,
        lambda: torch.tensor(smallest_change(tail, scores, 5.0).scores, device="cpu", dtype=torch.float64),
    ]
    expected = [call() for call in calls]
    torch.set_default_dtype(torch.float64)
    try:
        with torch.device("meta"):  # a tensor that is made without a device has no values here
            for call, values in zip(calls, expected, strict=True):
                assert torch.equal(call(), values)
    finally:
        torch.set_default_dtype(torch.float32)
