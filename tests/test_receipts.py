"""Receipts against literal removals; random choices of equal size, seeded; maps that name nothing are refused."""

from __future__ import annotations

import math
from itertools import count

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch import Tensor, nn

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


def test_the_interval_is_that_of_the_mean(tail: Tail) -> None:
    found = receipts.place_receipt(tail, score, saliency(), generator=seeded(), draws=400)
    reach = 1.96 * float(found.random.std()) / math.sqrt(400)
    assert found.high - found.low == pytest.approx(2 * reach, rel=0.15)


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
    elif given_map.max() == given_map.min():
        with pytest.raises(ValueError, match="the map is constant"):
            receipts.place_receipt(tail, score, given_map, generator=seeded())
    else:
        assert math.isfinite(receipts.place_receipt(tail, score, given_map, generator=seeded()).change)


def test_bad_questions_are_refused(tail: Tail) -> None:
    def places(tail: Tail = tail, values: Tensor | None = None, **options: object) -> None:
        values = saliency() if values is None else values
        receipts.place_receipt(tail, score, values, generator=seeded(), **options)  # type: ignore[arg-type]

    with pytest.raises(ValueError, match="as many rows as the layer, got 4 for 5"):
        places(values=torch.rand(4, 6))
    with pytest.raises(ValueError, match="as many columns as the layer, got 7 for 6"):
        places(values=torch.rand(5, 7))
    with pytest.raises(ValueError, match="draws must be at least 20, got 19"):
        places(draws=19)
    with pytest.raises(ValueError, match="target must be 0 to 2, got 3"):
        places(target=3)
    with pytest.raises(ValueError, match=r"share must be in \[0, 1\], got 1\.1"):
        places(share=1.1)
    with pytest.raises(ValueError, match=r"a share of 0\.01 of 30 places is none"):
        places(share=0.01)
    with pytest.raises(ValueError, match="the tail of one image, got one of 2"):
        places(tail=make_tail(2))
    for bad in ([], [8], [-1, 2]):
        with pytest.raises(ValueError, match="numbered from 0 to 7, at least one; got"):
            receipts.map_receipt(tail, score, torch.tensor(bad, dtype=torch.long), generator=seeded())


def test_a_receipt_may_be_cancelled_and_leaves_the_maps_alone(tail: Tail) -> None:
    kept, steps = tail.maps.clone(), count()

    def cancel() -> None:
        if next(steps) == 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        receipts.place_receipt(tail, score, saliency(), generator=seeded(), batch=5, step=cancel)
    assert torch.equal(tail.maps, kept)
