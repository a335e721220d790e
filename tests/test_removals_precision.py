"""Removals in every precision, on any default device; outputs by name, several images, gains that do not fit."""

from __future__ import annotations

import copy
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from unchecked import refused

from xai_widgets.kernels import ablation, anytime, receipts
from xai_widgets.kernels.cam import smallest_change
from xai_widgets.kernels.outputs import Outputs
from xai_widgets.kernels.precision import TOLERANCE
from xai_widgets.kernels.tail import Tail

HALVES = [torch.float16, torch.bfloat16]


class Network(nn.Module):
    """Map 3 is dead; the rest is pooled, or bends first."""

    def __init__(self, *, bends: bool = False, scale: float = 1.0, outputs: int = 3) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(2)
            self.layer = nn.Sequential(nn.Conv2d(3, 8, 3, 2), nn.ReLU())
            self.mix, self.head = nn.Conv2d(8, 8, 2), nn.Linear(8, outputs)
            nn.init.normal_(self.head.weight, std=3 * scale)
        with torch.no_grad():
            self.get_parameter("layer.0.weight")[3] = 0
            self.get_parameter("layer.0.bias")[3] = -1
        self.bends = bends
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        maps = self.layer(x)
        scores: Tensor = self.head((self.mix(maps).tanh() if self.bends else maps).mean((2, 3)))
        return scores


def images(n: int = 1) -> Tensor:
    return torch.rand(n, 3, 15, 17, generator=torch.Generator().manual_seed(4))


def tail_of(dtype: torch.dtype = torch.float32, n: int = 1, **options: Any) -> Tail:
    return Tail(Network(**options).to(dtype), "layer", images(n).to(dtype))


def scores(result: Tensor) -> Tensor:
    return result


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(3)


class Named:
    """A score whose outputs have names."""

    labels = ("cat", "dog", "bird")

    def __call__(self, result: Tensor) -> Tensor:
        return result


GROUPS = torch.rand(5, 8, generator=torch.Generator().manual_seed(5)) > 0.5


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


# Outputs by name, tails of several images


@pytest.mark.parametrize("target", ["dog", 1, torch.tensor(1), torch.tensor([1])])
def test_an_output_may_be_asked_for_by_name(target: Any) -> None:
    tail, score = tail_of(bends=True), Named()
    expected = ablation.delta_y(tail, scores, 1)
    assert torch.equal(ablation.delta_y(tail, score, target), expected)
    assert torch.equal(ablation.first_order(tail, score, target), ablation.first_order(tail, scores, 1))
    chance = ablation.delta_y(tail, ablation.probabilities(score), target)
    assert torch.equal(chance, ablation.delta_y(tail, ablation.probabilities(scores), 1))
    receipt = receipts.map_receipt(tail, score, [0], generator=seeded(), target=target)
    assert receipt.tested.target == 1
    assert receipt.change == pytest.approx(float(expected[0]), abs=1e-6)
    assert smallest_change(tail, score, 5.0, target=target).maps == smallest_change(tail, scores, 5.0, target=1).maps
    with refused(ValueError, "target must be one of 'dog'.*; got 'dgo'"):
        ablation.delta_y(tail, score, "dgo")


def test_several_images_are_their_images_one_by_one() -> None:
    tail = tail_of(torch.float64, 3, bends=True)
    ones = [Tail(tail.shell, "layer", tail.inputs[i : i + 1]) for i in range(3)]
    close = partial(torch.testing.assert_close, atol=1e-10, rtol=0)
    targets: list[int | str] = ["dog", 0, "bird"]
    found = ablation.delta_y_of(tail, Named(), targets)
    expected = torch.stack([ablation.delta_y(one, scores, t) for one, t in zip(ones, (1, 0, 2), strict=True)])
    close(found, expected)
    close(ablation.delta_y_of(tail, scores, 2), torch.stack([ablation.delta_y(one, scores, 2) for one in ones]))
    close(ablation.delta_logits_of(tail, scores), torch.stack([ablation.delta_logits(one, scores) for one in ones]))
    shared = torch.stack([ablation.group_scores(one, scores, GROUPS) for one in ones])
    close(ablation.group_scores_of(tail, scores, GROUPS), shared)
    own = torch.stack([GROUPS, ~GROUPS, GROUPS.flip(0)])
    expected = torch.stack([ablation.group_scores(o, scores, some) for o, some in zip(ones, own, strict=True)])
    close(ablation.group_scores_of(tail, scores, own), expected)
    with refused(ValueError, "masks must be of as many images as the tail, got 2 for 3"):
        ablation.group_scores_of(tail, scores, own[:2])
    with refused(ValueError, "target must be one an image, got 2 for 3"):
        ablation.delta_y_of(tail, scores, [0, 1])


def test_receipts_of_several_images_do_not_depend_on_their_batch() -> None:
    tail = tail_of(torch.float64, 3, bends=True)
    ones = [Tail(tail.shell, "layer", tail.inputs[i : i + 1]) for i in range(3)]
    saliency, generator = tail.maps.sum(1), seeded()
    found = receipts.place_receipts(tail, scores, saliency, generator=generator, target=[0, 1, 2], share=0.2)
    maps = receipts.map_receipts(tail, scores, [[0, 1], [2], [5, 6]], generator=[seeded() for _ in ones])
    same = receipts.map_receipts(tail, scores, torch.tensor([0, 4]), generator=seeded(), draws=25)
    for index, one in enumerate(ones):
        alone = receipts.place_receipt(one, scores, saliency[index], generator=seeded(), target=index, share=0.2)
        torch.testing.assert_close(found[index].random, alone.random, atol=1e-10, rtol=0)
        assert found[index].change == pytest.approx(alone.change, abs=1e-10)
        named = receipts.map_receipt(one, scores, [[0, 1], [2], [5, 6]][index], generator=seeded())
        torch.testing.assert_close(maps[index].random, named.random, atol=1e-10, rtol=0)
        assert maps[index].tested.maps == named.tested.maps
        assert (same[index].tested.maps, same[index].draws) == ((0, 4), 25)
    after = seeded()
    receipts.place_receipt(ones[0], scores, saliency[0], generator=after, share=0.2)
    assert torch.equal(generator.get_state(), after.get_state())  # it went on, once
    with refused(ValueError, "the maps must be one an image, got 2 for 3"):
        receipts.place_receipts(tail, scores, saliency[:2], generator=seeded())
    with refused(ValueError, "generators must be one an image, got 1 for 3"):
        receipts.place_receipts(tail, scores, saliency, generator=[seeded()])
    with refused(ValueError, "lists of feature maps must be one an image, got 2 for 3"):
        receipts.map_receipts(tail, scores, [[0], [1]], generator=seeded())


# Gains that do not fit

MAPS = torch.rand(3, 4, 5, 6)


@pytest.mark.parametrize(
    ("error", "message", "maps", "gains"),
    [
        (ValueError, "gains must have 1 row or one an image, got 2 rows for 3 images", MAPS, torch.ones(2, 4)),
        (ValueError, r"gains must be \(copies, 4 maps\), got shape \(4,\)", MAPS, torch.ones(4)),
        (TypeError, "gains must be a tensor, got ndarray", MAPS, torch.ones(1, 4).numpy()),
        (TypeError, "gains must be a tensor, got list", MAPS, [[1, 1, 1, 1]]),
        (TypeError, r"gains must be of floating-point numbers, got torch\.int64", MAPS, torch.ones(1, 4).long()),
        (ValueError, r"gains must lie in \[0, 2\], got nan for map 1", MAPS, torch.tensor([[1.0, torch.nan, 0, 3]])),
        (TypeError, "maps must be a tensor, got ndarray", MAPS.numpy(), torch.ones(1, 4)),
        (TypeError, r"maps must be of floating-point numbers, got torch\.uint8", MAPS.byte(), torch.ones(1, 4)),
        (ValueError, "maps must have the axes images, maps, rows, columns, got shape", MAPS[0], torch.ones(1, 4)),
    ],
)
def test_gains_that_do_not_fit_are_refused_in_words(
    error: type[Exception], message: str, maps: Any, gains: Any
) -> None:
    with refused(error, message):
        ablation.with_gains(maps, gains)


def test_gains_keep_the_precision_of_the_maps() -> None:
    found = ablation.with_gains(MAPS, torch.full((3, 4), 0.5, dtype=torch.float64), torch.ones(4).double())
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, MAPS / 2 + 0.5)
    assert ablation.with_gains(MAPS, torch.ones(1, 4)).shape == MAPS.shape
    assert ablation.with_gains(MAPS[:1], torch.ones(7, 4)).shape == (7, *MAPS.shape[1:])


# What outputs mean


def test_the_cross_entropy_and_the_probability_of_one_logit_for_two_classes() -> None:
    outputs = Outputs("binary", labels=["cat", "dog"])
    tail = tail_of(torch.float64, bends=True, outputs=1)
    z = tail.result[0, 0]
    change = ablation.delta_y(tail, scores, 0)
    chance = ablation.delta_y(tail, ablation.probabilities(outputs), "dog")
    torch.testing.assert_close(chance, (z + change).sigmoid() - z.sigmoid(), atol=1e-10, rtol=0)
    rows = ablation.delta_logits(tail, outputs.logits)
    error = ablation.delta_cross_entropy(outputs.logits(tail.result)[0], rows, 1)
    one = torch.ones_like(change)
    expected = F.binary_cross_entropy_with_logits(z + change, one, reduction="none")
    expected = expected - F.binary_cross_entropy_with_logits(z[None], one[:1])
    torch.testing.assert_close(error, expected, atol=1e-10, rtol=0)
    assert torch.equal(ablation.delta_y(tail, outputs.logits, "dog"), ablation.delta_y(tail, outputs, "dog"))
    with pytest.raises(ValueError, match="a probability needs classes; these outputs are scores"):
        ablation.probabilities(Outputs("regression"))(tail.result)


def test_a_picture_of_maps_that_are_not_in_raster_order_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    tail = tail_of(bends=True)
    monkeypatch.setattr(Tail, "placed", False)
    with pytest.raises(ValueError, match="the places of layer 'layer' are not in raster order"):
        smallest_change(tail, scores, 5.0)
    assert ablation.group_scores(tail, scores, GROUPS).isfinite().all()  # removals go on
