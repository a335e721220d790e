"""Receipts against literal removals; random choices of equal size, seeded; maps that name nothing are refused."""

from __future__ import annotations

import math
from itertools import count
from typing import Any

import pytest
import reference
import torch
from captum.attr import LayerFeatureAblation
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch import Tensor, nn
from unchecked import refused, unchecked

from xai_widgets.kernels import receipts
from xai_widgets.kernels.tail import Tail

SIDE = (5, 6)


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Sequential(nn.Conv2d(3, 8, 2, 2), nn.ReLU())
        self.head = nn.Linear(8 * 30, 3)

    def forward(self, images: Tensor) -> Tensor:
        return torch.tanh(self.head(self.layer(images).flatten(1)))


@pytest.fixture(scope="module")
def tail() -> Tail:
    return make_tail()


def make_tail(n: int = 1) -> Tail:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Tail(Network().double().eval(), "layer", torch.rand(n, 3, 10, 12).double())


def score(result: Tensor) -> Tensor:
    return result


def seeded(seed: int = 3) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def saliency(seed: int = 1) -> Tensor:
    return torch.rand(SIDE, generator=seeded(seed)).double()


@pytest.mark.parametrize("batch", [None, 1, 7])
@pytest.mark.parametrize("kind", ["zero", "mean", "map"])
def test_the_places_of_the_largest_values_are_taken_away(tail: Tail, kind: str, batch: int | None) -> None:
    level = {"zero": None, "mean": tail.maps.mean((0, 2, 3)), "map": tail.maps[0].flip(0)}[kind]
    found = receipts.place_receipt(
        tail, score, saliency(), generator=seeded(), target=2, share=0.2, baseline=level, batch=batch
    )
    maps = tail.maps.clone()
    places = sorted(range(30), key=lambda place: -saliency().flatten()[place])[:6]
    for place in places:
        y, x = divmod(place, 6)
        for i in range(8):
            maps[0, i, y, x] = {
                "zero": 0.0,
                "mean": level[i] if level is not None else 0,
                "map": tail.maps[0, 7 - i, y, x],
            }[kind]
    expected = float((score(tail(maps)) - score(tail.result))[0, 2])
    assert expected != 0
    assert found.change == pytest.approx(expected, abs=1e-12)


def test_the_named_maps_are_taken_away_together(tail: Tail) -> None:
    found = receipts.map_receipt(tail, score, torch.tensor([6, 1, 6]), generator=seeded(), target=1)
    maps = tail.maps.clone()
    maps[:, [1, 6]] = 0
    assert found.change == pytest.approx(float((score(tail(maps)) - score(tail.result))[0, 1]), abs=1e-12)
    pairs = []
    for i in range(8):
        for j in range(i):
            maps = tail.maps.clone()
            maps[:, [i, j]] = 0
            pairs.append(float((score(tail(maps)) - score(tail.result))[0, 1]))
    for value in found.random.tolist():  # each random choice is two different maps
        assert min(abs(value - pair) for pair in pairs) < 1e-12
    assert len(set(found.random.tolist())) > 5


def test_ties_at_the_bottom_are_not_tested(tail: Tail) -> None:
    """A share of 0.5 of a map with 4 places above 0 would be filled up with the first of those that are 0."""
    values = torch.zeros(SIDE).double()
    values[3, 1:3], values[4, 5], values[0, 0] = 1, 0.5, -2
    found = receipts.place_receipt(tail, score, values, generator=seeded(), target=2, share=0.5)
    maps = tail.maps.clone()
    maps[..., 3, 1:3] = 0
    maps[..., 4, 5] = 0
    assert found.change == pytest.approx(float((score(tail(maps)) - score(tail.result))[0, 2]), abs=1e-12)
    tested = found.tested
    assert (tested.taken, tested.asked, tested.of, tested.absolute) == (3, 15, 30, False)
    assert found.text.startswith(
        "Setting the 3 of 30 positions with the largest values (15 asked for, without values that are equal and do not "
        "fit, or not above 0) at layer 'layer' to zero changes output 2 by "
    )
    both = receipts.place_receipt(tail, score, values, generator=seeded(), target=2, share=0.5, absolute=True)
    maps[..., 0, 0] = 0
    assert both.change == pytest.approx(float((score(tail(maps)) - score(tail.result))[0, 2]), abs=1e-12)
    assert "the 4 of 30 positions with the largest absolute values (15 asked for" in both.text
    mask = receipts.place_receipt(tail, score, values > 0.9, generator=seeded(), share=0.1)
    assert (mask.tested.taken, mask.tested.asked) == (2, 3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_random_choices_depend_on_the_seed_alone(dtype: torch.dtype) -> None:
    single = Tail(Network().to(dtype).eval(), "layer", torch.rand(1, 3, 10, 12, dtype=dtype))
    chosen = torch.zeros(1, 30, dtype=torch.bool)
    chosen[0, :4] = True
    generator = seeded()
    drawn = torch.rand(25, 30, generator=seeded(), dtype=torch.float64).argsort(dim=1)[:, :4].sort().values
    masks = receipts._random(chosen, 25, generator)
    assert torch.equal(masks.nonzero()[:, 1].reshape(25, 4), drawn)
    first, again = (receipts.place_receipt(single, score, saliency(), generator=seeded()).random for _ in range(2))
    assert torch.equal(first, again)


def test_random_places_are_as_many(tail: Tail) -> None:
    class Watched(nn.Module):
        """The number of places that are zero in every map."""

        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Conv2d(3, 4, 2, 2)

        def forward(self, images: Tensor) -> Tensor:
            return (self.layer(images) == 0).all(1).sum((1, 2)).double()[:, None]

    watched = Tail(Watched().double().eval(), "layer", tail.inputs)
    found = receipts.place_receipt(watched, score, saliency(), generator=seeded(), share=0.3, draws=25)
    taken = [int(found.change), *found.random.int().tolist()]
    assert taken == [9] * 26
    assert (found.mean, found.low, found.high, found.beats) == (9, 9, 9, 0)


def test_the_same_seed_gives_the_same_receipt_and_another_another(tail: Tail) -> None:
    first, again, other = (
        receipts.place_receipt(tail, score, saliency(), generator=seeded(seed)) for seed in (3, 3, 4)
    )
    assert torch.equal(first.random, again.random)
    assert (first.low, first.mean, first.high) == (again.low, again.mean, again.high)
    assert not torch.equal(first.random, other.random)
    assert first.low < first.mean < first.high
    assert first.mean == pytest.approx(float(first.random.mean()))


@pytest.mark.parametrize("kind", ["places", "maps"])
@pytest.mark.parametrize("level", [None, 0.25])
def test_a_receipt_is_minus_the_ablation_of_one_group_by_captum(tail: Tail, kind: str, level: float | None) -> None:
    baseline = None if level is None else torch.full((8,), level).double()
    group = torch.zeros(1, 8, *SIDE, dtype=torch.long)
    if kind == "places":
        found = receipts.place_receipt(tail, score, saliency(), generator=seeded(), target=2, baseline=baseline)
        group[:, :, saliency() >= saliency().flatten().sort().values[-3]] = 1
    else:
        found = receipts.map_receipt(tail, score, [1, 6], generator=seeded(), target=2, baseline=baseline)
        group[:, [1, 6]] = 1
    network = tail.shell.original
    peer = LayerFeatureAblation(network, network.get_submodule("layer")).attribute(
        tail.inputs, layer_baselines=level or 0.0, target=2, layer_mask=group
    )
    assert found.change == pytest.approx(-float(peer[group == 1][0]), abs=1e-12)


def test_the_range_is_that_of_the_draws_and_does_not_shrink(tail: Tail) -> None:
    few, many = (
        receipts.place_receipt(tail, score, saliency(), generator=seeded(), draws=draws) for draws in (100, 1600)
    )
    for found in (few, many):
        assert found.draws == len(found.random)
        inside = (found.random >= found.low) & (found.random <= found.high)
        assert float(inside.double().mean()) == pytest.approx(0.95, abs=0.011)
        reach = 1.96 * float(found.random.std()) / math.sqrt(found.draws)
        assert found.mean_high - found.mean_low == pytest.approx(2 * reach, rel=0.15)
        assert found.low < found.mean_low < found.mean < found.mean_high < found.high
    assert many.high - many.low == pytest.approx(few.high - few.low, rel=0.3)
    assert many.mean_high - many.mean_low == pytest.approx((few.mean_high - few.mean_low) / 4, rel=0.3)


def test_a_difference_within_rounding_beats_nothing(tail: Tail) -> None:
    found = receipts.place_receipt(tail, score, saliency(), generator=seeded())
    assert found.tested.tolerance == 1e-6  # of a float64 score below 1
    near = found._replace(change=0.3, random=torch.full((20,), 0.3 - 0.9e-6).double())
    assert near.beats == 0
    assert near._replace(random=near.random - 1e-6).beats == 1
    assert math.isnan(near._replace(change=math.nan).beats)
    near.random[3] = math.nan
    assert math.isnan(near.beats)
    single = Tail(Network().eval(), "layer", torch.rand(1, 3, 10, 12))
    large = receipts.map_receipt(single, lambda result: 50 + result, [0], generator=seeded())
    assert large.tested.tolerance == pytest.approx(50 * 2e-5, rel=0.1)


def test_a_removal_without_a_value_gives_no_interval(tail: Tail) -> None:
    def spoilt(result: Tensor) -> Tensor:
        return torch.where(result == tail.result, result, math.nan)

    found = receipts.map_receipt(tail, spoilt, [0], generator=seeded())
    values = (found.change, found.mean, found.low, found.high, found.mean_low, found.mean_high, found.beats)
    assert all(math.isnan(value) for value in values)
    with pytest.raises(ValueError, match="the score must be finite, got nan"):
        receipts.map_receipt(tail, lambda result: result * math.nan, [0], generator=seeded())


def test_a_receipt_says_what_was_tested(tail: Tail) -> None:
    level = tail.maps.mean((0, 2, 3))
    places = receipts.place_receipt(tail, score, saliency(), generator=seeded(), target=2, share=0.2, baseline=level)
    tested = places.tested
    assert (tested.kind, tested.taken, tested.of, tested.share, tested.maps) == ("places", 6, 30, 0.2, ())
    assert (tested.layer, tested.baseline, tested.target) == ("layer", "a baseline number for each map", 2)
    assert places.text == (
        "Setting the 6 of 30 positions with the largest values (20 %) at layer 'layer' to a baseline number for each "
        f"map changes output 2 by {places.change:.4g}; 20 random choices of as many change it by {places.mean:.4g} on "
        f"average, 95 % of them by {places.low:.4g} to {places.high:.4g}, and {100 * places.beats:.3g} % of them move "
        "it less."
    )
    maps = receipts.map_receipt(tail, score, [6, 1, 6], generator=seeded(), draws=30)
    assert (maps.tested.kind, maps.tested.taken, maps.tested.maps) == ("maps", 2, (1, 6))
    assert maps.text.startswith("Setting maps 1, 6 of 8 at layer 'layer' to zero changes output 0 by ")
    assert "; 30 random choices of as many" in maps.text
    one = receipts.map_receipt(tail, score, [3], generator=seeded(), baseline=tail.maps[0].flip(0))
    assert one.text.startswith("Setting map 3 of 8 at layer 'layer' to a baseline map for each map changes")


def test_indices_may_be_a_list_or_a_tensor(tail: Tail) -> None:
    found = [
        receipts.map_receipt(tail, score, indices, generator=seeded()).change
        for indices in ([1, 6], (6, 1), torch.tensor([1, 6, 6]))
    ]
    assert found[0] == found[1] == found[2]
    array: Any = torch.tensor([1, 6]).numpy()
    with unchecked():
        assert receipts.map_receipt(tail, score, array, generator=seeded()).change == found[0]


def test_the_places_that_matter_most_beat_chance(tail: Tail) -> None:
    weight = tail.shell.network.get_parameter("head.weight")[0].reshape(8, *SIDE)
    contribution = (weight * tail.maps[0]).sum(0).detach()
    found = receipts.place_receipt(tail, score, contribution, generator=seeded(), share=0.3)
    assert found.change < found.low
    assert found.beats == 1
    literal = sum(abs(value) < abs(found.change) for value in found.random.tolist()) / 20
    assert found.beats == literal


VALUES = st.one_of(st.floats(-1, 1), st.sampled_from([0.0, 0.1, 1e300, -1e300, math.nan, math.inf]))


@settings(deadline=None, max_examples=60)
@given(hnp.arrays("float64", SIDE, elements=VALUES))
def test_a_map_that_points_nowhere_gets_no_receipt(values: object) -> None:
    given_map, tail = torch.as_tensor(values), make_tail()
    if not bool(given_map.isfinite().all()):
        with pytest.raises(ValueError, match="the map must be finite, got"):
            receipts.place_receipt(tail, score, given_map, generator=seeded())
        return
    chosen = reference.top_share(given_map.numpy(), 0.1)
    if given_map.max() == given_map.min():
        message = "the map is constant"
    elif given_map.max() <= 0:
        message = "the map has no value above 0; for both sides of a signed map pass absolute=True"
    elif not chosen.any():
        message = r"the largest value of the map is that of \d+ of 30 positions, more than the 3 of a share of 0\.1"
    else:
        found = receipts.place_receipt(tail, score, given_map, generator=seeded())
        assert math.isfinite(found.change)
        assert (found.tested.taken, found.tested.asked) == (int(chosen.sum()), 3)
        return
    with pytest.raises(ValueError, match=message):
        receipts.place_receipt(tail, score, given_map, generator=seeded())


@pytest.mark.parametrize(
    ("error", "message", "options"),
    [
        (ValueError, "as many rows as the layer, got 4 for 5", {"saliency": torch.rand(4, 6)}),
        (ValueError, "as many columns as the layer, got 7 for 6", {"saliency": torch.rand(5, 7)}),
        (ValueError, "the map must have the axes rows, columns, got shape", {"saliency": torch.rand(1, 5, 6)}),
        (TypeError, "the map must be a tensor, got ndarray", {"saliency": torch.rand(5, 6).numpy()}),
        (ValueError, "draws must be at least 20, got 19", {"draws": 19}),
        (ValueError, "draws must be at most 10000, got 1000000", {"draws": 10**6}),
        (TypeError, r"draws must be a whole number, got 25\.0", {"draws": 25.0}),
        (TypeError, "draws must be a whole number, got None", {"draws": None}),
        (ValueError, "target must be 0 to 2, got 3", {"target": 3}),
        (ValueError, "target must be 0 to 2, got -1", {"target": -1}),
        (TypeError, "target must be a whole number, got True", {"target": True}),
        (ValueError, r"share must be in \[0, 1\], got 1\.1", {"share": 1.1}),
        (ValueError, r"a share of 0\.01 of 30 positions is none", {"share": 0.01}),
        (ValueError, r"a share of 1\.0 of 30 positions is all, so that no other choice is as large", {"share": 1}),
        (ValueError, r"a share of 0\.99 of 30 positions is all", {"share": 0.99}),
        (TypeError, "share must be a number, got '0.1'", {"share": "0.1"}),
        (ValueError, "the tail of one image, got one of 2", {"tail": make_tail(2)}),
        (TypeError, "generator must be a torch.Generator or a whole number, its seed, got '3'", {"generator": "3"}),
        (ValueError, "batch must be at least 1, got 0", {"batch": 0}),
        (TypeError, "the score must be a tensor .* got dict", {"score": lambda result: {"logits": result}}),
        (ValueError, "the score must be .*; for one output", {"score": lambda result: result[:, 0]}),
        (ValueError, "the score must have one row for each image", {"score": lambda result: result[:1]}),
    ],
)
def test_bad_questions_are_refused(tail: Tail, error: type[Exception], message: str, options: dict[str, Any]) -> None:
    asked: dict[str, Any] = {"tail": tail, "score": score, "saliency": saliency(), "generator": seeded()} | options
    with refused(error, message):
        receipts.place_receipt(**asked)


@pytest.mark.parametrize(
    ("error", "message", "indices"),
    [
        (ValueError, "numbered from 0 to 7, at least one; got", []),
        (ValueError, "numbered from 0 to 7, at least one; got", [8]),
        (ValueError, "numbered from 0 to 7, at least one; got", torch.tensor([-1, 2])),
        (ValueError, "all 8 feature maps are named, so that no other choice is as large", range(8)),
        (TypeError, "a feature map must be a whole number, got True", torch.ones(8, dtype=torch.bool)),
        (TypeError, r"a feature map must be a whole number, got 1\.0", torch.ones(2)),
        (TypeError, "feature maps must be a list or a tensor of whole numbers, got 3", 3),
        (TypeError, "feature maps must be a list or a tensor of whole numbers, got '12'", "12"),
    ],
)
def test_maps_that_are_none_are_refused(tail: Tail, error: type[Exception], message: str, indices: Any) -> None:
    with refused(error, message):
        receipts.map_receipt(tail, score, indices, generator=seeded())


def test_a_receipt_may_be_cancelled_and_leaves_the_maps_alone(tail: Tail) -> None:
    kept, steps = tail.maps.clone(), count()

    def cancel() -> None:
        if next(steps) == 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        receipts.place_receipt(tail, score, saliency(), generator=seeded(), batch=5, step=cancel)
    assert torch.equal(tail.maps, kept)
