"""Contrast for all classes at once, counterfactual, uncertainty, and the smallest change of a score."""

from __future__ import annotations

import math
from itertools import count

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from xai_widgets.kernels import cam
from xai_widgets.kernels.cam import classes
from xai_widgets.kernels.saliency import degenerate
from xai_widgets.kernels.tail import Tail

CLASSES = 7


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


class Network(nn.Module):
    """Maps of a layer, then what is asked for: a linear head on pooled or on all places, or one that is not linear."""

    def __init__(self, head: str, classes: int = CLASSES, scale: float = 1.0) -> None:
        super().__init__()
        self.layer = nn.Sequential(nn.Conv2d(3, 6, 3, 2), nn.ReLU())
        self.pooled = nn.Linear(6, classes)
        self.placed = nn.Linear(6 * 49, classes)
        self.kind, self.scale = head, scale
        nn.init.normal_(self.pooled.weight)
        nn.init.normal_(self.pooled.bias, std=100)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.layer(images)
        if self.kind == "linear on places":
            return self.scale * self.placed(maps.flatten(1))
        maps = {"relu": F.relu, "tanh": F.tanh, "almost": lambda x: F.hardshrink(x, 1e-3)}.get(
            self.kind, nn.Identity()
        )(maps)
        return self.scale * self.pooled(maps.mean((2, 3)))


AFFINE = ("linear", "linear on places")
OTHERS = ("relu", "tanh", "almost")


def logits(result: Tensor) -> Tensor:
    return result


def tail_of(head: str, n: int = 1, scale: float = 1.0, layer: str = "layer") -> Tail:
    return Tail(Network(head, scale=scale).double().eval(), layer, torch.rand(n, 3, 16, 16).double())


def one_by_one(tail: Tail) -> Tensor:
    return torch.stack([cam.grad_cam(tail, logits, c) for c in range(CLASSES)], 1)


# All classes at once


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("head", AFFINE + OTHERS)
def test_the_cams_of_all_classes_are_those_of_each(head: str, n: int) -> None:
    tail = tail_of(head, n, layer="layer.0" if head == "relu" else "layer")
    expected = one_by_one(tail)
    assert expected.abs().max() > 1e-3
    for batch in (None, 1, 4):
        torch.testing.assert_close(cam.class_cams(tail, logits, batch=batch), expected, atol=1e-10, rtol=1e-8)


@pytest.mark.parametrize("head", AFFINE + OTHERS)
def test_only_an_affine_tail_is_read_off_from_probes(head: str) -> None:
    tail = tail_of(head, layer="layer.0" if head == "relu" else "layer")
    found = classes._affine_weights(tail, logits, None, None)
    assert (found is not None) == (head in AFFINE)


@pytest.mark.parametrize("head", AFFINE)
def test_probes_in_float32_keep_five_digits_whatever_the_bias(head: str) -> None:
    network, inputs = Network(head).eval(), torch.rand(1, 3, 16, 16)
    tail = Tail(network, "layer", inputs)
    expected = one_by_one(tail)
    torch.testing.assert_close(cam.class_cams(tail, logits), expected, atol=1e-4 * float(expected.abs().max()), rtol=0)


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("head", AFFINE + OTHERS)
def test_all_contrasts_are_those_with_each_class(head: str, n: int) -> None:
    tail = tail_of(head, n, scale=0.02)
    contrasts = cam.all_contrasts(tail, logits)
    expected = torch.stack([cam.class_contrast(tail, logits, q) for q in range(CLASSES)], 1)
    torch.testing.assert_close(contrasts, expected, atol=1e-10, rtol=1e-7)
    total = torch.einsum("nk,nkhw->nhw", tail.result.softmax(1), contrasts)
    torch.testing.assert_close(total, torch.zeros_like(total), atol=1e-12, rtol=0)


@settings(deadline=None)
@given(st.lists(st.floats(-80, 80, width=32), min_size=2, max_size=6), st.integers(0, 100))
def test_no_contrast_of_a_confident_network_vanishes(values: list[float], seed: int) -> None:
    cams = torch.randn(1, len(values), 2, 3, generator=torch.Generator().manual_seed(seed))
    scores = torch.tensor([values], dtype=torch.float32)
    found = cam.contrasts_of(cams, scores)[0].double()
    share = scores.double().softmax(1)[0]
    wide = cams[0].double()
    for q in range(len(values)):
        expected = torch.stack([share[c] * (wide[c] - wide[q]) for c in range(len(values)) if c != q]).sum(0)
        torch.testing.assert_close(found[q], expected, rtol=1e-3, atol=float(expected.abs().max()) * 1e-4 + 1e-37)


def test_a_contrast_of_one_score_is_refused() -> None:
    with pytest.raises(
        ValueError, match="a contrast of classes needs at least 2 classes; this network gives one score"
    ):
        cam.contrasts_of(torch.zeros(1, 1, 2, 2), torch.zeros(1, 1))


def test_a_step_may_cancel_the_cams_of_all_classes() -> None:
    for head in ("linear", "tanh"):
        steps = count()

        def cancel() -> None:
            if next(steps) == 2:  # noqa: B023
                raise InterruptedError

        with pytest.raises(InterruptedError):
            cam.class_cams(tail_of(head), logits, batch=1, step=cancel)
        assert next(steps) == 3


# Counterfactual and uncertainty


def test_a_counterfactual_is_minus_the_cam_of_the_predicted_class() -> None:
    tail = tail_of("tanh", 3)
    predicted = tail.result.argmax(1)
    assert torch.equal(cam.counterfactual(tail, logits), -cam.grad_cam(tail, logits, predicted))
    assert torch.equal(cam.counterfactual(tail, logits, 2), -cam.grad_cam(tail, logits, 2))
    with pytest.raises(ValueError, match="target must be 0 to 6, got 7"):
        cam.counterfactual(tail, logits, 7)


def test_uncertainty_is_the_population_variance_of_scaled_maps() -> None:
    contrasts = torch.randn(2, 5, 3, 4, dtype=torch.float64)
    contrasts[1, 2] = 0
    contrasts[1, 4, 0, 0] = math.nan
    found = cam.contrast_uncertainty(contrasts)
    for image, chosen in enumerate(([0, 1, 2, 3, 4], [0, 1, 3])):
        maps = torch.stack([contrasts[image, q] / contrasts[image, q].abs().max() for q in chosen])
        torch.testing.assert_close(found.variance[image], maps.var(0, correction=0), atol=1e-12, rtol=1e-12)
    assert found.left_out.tolist() == [0, 2]


@pytest.mark.parametrize("value", [0.0, math.nan, math.inf])
def test_uncertainty_of_no_map_is_flagged(value: float) -> None:
    found = cam.contrast_uncertainty(torch.full((1, 3, 2, 2), value))
    assert found.variance.isnan().all()
    assert degenerate(found.variance).all()
    assert found.left_out.tolist() == [3]


@pytest.mark.parametrize("size", [1e-30, 1e30])
def test_uncertainty_knows_no_scale(size: float) -> None:
    contrasts = torch.randn(1, 4, 3, 3)
    torch.testing.assert_close(
        cam.contrast_uncertainty(contrasts * size).variance, cam.contrast_uncertainty(contrasts).variance
    )


# Smallest change


class Regressor(nn.Module):
    """Given maps, and a score of them that is a sum, or one in which removals do not add up."""

    def __init__(self, together: bool = False) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 4, 1, bias=False)
        self.together = together
        with torch.no_grad():
            self.layer.weight.copy_(torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]])[..., None, None])

    def forward(self, images: Tensor) -> Tensor:
        a, b, c, _ = self.layer(images).mean((2, 3)).unbind(1)
        return ((a * b if self.together else a + 2 * b) - c)[:, None]


def regressor(together: bool = False) -> Tail:
    images = torch.tensor([0.5, 0.3, 0.2]).double()[None, :, None, None] * torch.ones(1, 3, 4, 4).double()
    return Tail(Regressor(together).double().eval(), "layer", images)


def change(q: float, *, together: bool = False, batch: int | None = None) -> cam.SmallestChange:
    return cam.smallest_change(regressor(together), logits, q, batch=batch)


@pytest.mark.parametrize("batch", [None, 1])
def test_maps_are_removed_by_their_reach_until_the_score_is_crossed(batch: int | None) -> None:
    found = change(0.0, batch=batch)  # 0.9, without map 1: 0.3, without 0 too: -0.2
    assert (found.maps, found.reached) == ((1, 0), True)
    assert found.scores == pytest.approx((0.9, 0.3, -0.2), abs=1e-7)
    torch.testing.assert_close(found.saliency, torch.full((4, 4), 0.6 * 0.3 + 0.5 * 0.5).double(), atol=1e-7, rtol=0)
    assert found.text.startswith("Without maps 1, 0 the score is -0.2")


def test_a_score_above_may_be_out_of_reach() -> None:
    assert change(1.0).maps == (2,)
    found = change(2.0)
    assert (found.maps, found.reached) == ((2,), False)
    assert found.scores == pytest.approx((0.9, 1.1))
    assert found.text == "Not reachable: after maps 2 the score is 1.1, and no map carries it further."


class Mixed(nn.Module):
    """A small random network whose removals do not add up, with a dead map."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.layer = nn.Sequential(nn.Conv2d(3, 7, 3, 2), nn.ReLU())
            self.mix, self.hidden, self.head = nn.Conv2d(7, 9, 2), nn.Linear(9, 8), nn.Linear(8, 2)
            for module in (self.mix, self.hidden, self.head):
                nn.init.normal_(module.weight, std=0.8)
        with torch.no_grad():
            self.get_parameter("layer.0.weight")[2] = 0
            self.get_parameter("layer.0.bias")[2] = -1
        self.double().eval()

    def rest(self, maps: Tensor) -> Tensor:
        scores: Tensor = self.head(self.hidden(self.mix(maps).tanh().amax((2, 3))).sigmoid())
        return scores

    def forward(self, images: Tensor) -> Tensor:
        return self.rest(self.layer(images))


def greedy(network: Mixed, maps: Tensor, q: float, target: int, level: Tensor) -> tuple[list[int], list[float]]:
    """Map by map, every score from maps that are written out; the first of equal ones."""
    removed: list[int] = []

    def score_without(more: list[int]) -> float:
        changed = maps.clone()
        for index in [*removed, *more]:
            changed[0, index] = level[index]
        with torch.no_grad():
            return float(network.rest(changed)[0, target])

    path = [score_without([])]
    up = q > path[0]
    while path[-1] < q if up else path[-1] > q:
        tried = {i: score_without([i]) for i in range(maps.shape[1]) if i not in removed}
        best = max(tried, key=lambda i: tried[i] if up else -tried[i])
        if not (tried[best] - path[-1]) * (1 if up else -1) > 1e-6 * max(1.0, abs(path[-1])):
            break
        removed.append(best)
        path.append(tried[best])
    return removed, path


@pytest.mark.parametrize("seed", range(6))
def test_the_smallest_change_is_that_of_a_literal_greedy_search(seed: int) -> None:
    network = Mixed(seed)
    inputs = torch.rand(1, 3, 11, 11, generator=torch.Generator().manual_seed(seed)).double()
    tail = Tail(network, "layer", inputs)
    maps, target = network.layer(inputs).detach(), seed % 2
    y = float(tail.result[0, target])
    lengths, reached = [], []
    for level in (None, torch.linspace(0.5, 0, 7).double()):
        levels = torch.zeros(7).double() if level is None else level
        for distance in (-9.0, -0.5, -0.2, -0.03, 0.03, 0.2, 0.5, 9.0):
            q = y + distance
            removed, path = greedy(network, maps, q, target, levels)
            found = cam.smallest_change(tail, logits, q, target=target, baseline=level)
            assert found.maps == tuple(removed)
            assert found.scores == pytest.approx(path, abs=1e-10)
            assert found.reached == (path[-1] >= q if distance > 0 else path[-1] <= q)
            expected = torch.zeros_like(maps[0, 0])
            for index, before, after in zip(removed, path, path[1:], strict=False):
                expected = expected + abs(after - before) * maps[0, index]
            torch.testing.assert_close(found.saliency, expected, atol=1e-10, rtol=0)
            lengths.append(len(removed))
            reached.append(found.reached)
    assert max(lengths) >= 3
    assert any(reached)
    assert not all(reached)


def test_joint_removals_are_computed_not_added() -> None:
    found = change(-0.1, together=True)  # 0.15 - 0.2: without map 0 or 1 the product is gone, the other adds nothing
    assert (found.maps, found.reached) == ((0,), True)
    found = change(-0.5, together=True)
    assert (found.maps, found.reached) == ((0,), False)


def test_the_score_itself_is_reached_by_nothing() -> None:
    tail = regressor()
    found = cam.smallest_change(tail, logits, float(tail.result))
    assert (found.maps, found.reached) == ((), True)
    assert degenerate(found.saliency[None]).all()


def test_bad_questions_of_a_change_are_refused() -> None:
    with pytest.raises(ValueError, match="the other score must be finite, got nan"):
        change(math.nan)
    with pytest.raises(ValueError, match="target must be 0 to 0, got 1"):
        cam.smallest_change(regressor(), logits, 0.0, target=1)
    with pytest.raises(ValueError, match="the score must be finite, got nan at index 0"):
        cam.smallest_change(regressor(), lambda result: result * math.nan, 0.0)


def test_a_change_may_be_cancelled() -> None:
    steps = count()

    def cancel() -> None:
        if next(steps) == 3:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        cam.smallest_change(regressor(), logits, 0.0, batch=1, step=cancel)
