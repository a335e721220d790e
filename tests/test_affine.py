"""Tails that are nearly affine, and maps in lower precision than the scores: closed forms against copies and CAMs."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from xai_widgets.kernels import ablation
from xai_widgets.kernels.affine import is_affine
from xai_widgets.kernels.cam import class_cams, grad_cam
from xai_widgets.kernels.tail import Tail


class Two(nn.Module):
    """A large linear output beside a small one that bends, or one on a large bias."""

    def __init__(self, large: float, bend: float, bias: float = 0.0) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 12, 3, 2, 1), nn.ReLU())
        self.head = nn.Linear(12, 2)
        self.large, self.bend, self.bias = large, bend, bias

    def forward(self, x: Tensor) -> Tensor:
        first, second = self.head(self.features(x).mean((2, 3))).unbind(1)
        return torch.stack((self.large * first, torch.sigmoid(self.bend * second) + self.bias), 1)


@pytest.mark.parametrize(
    ("large", "bend", "bias"), [(7101.0, 8.0, 0.0), (1.0, 0.5, 0.0), (1e5, 32.0, 0.0), (1.0, 8.0, 1e5)]
)
def test_an_output_that_bends_is_seen_beside_a_large_one(large: float, bend: float, bias: float) -> None:
    torch.manual_seed(0)
    network = Two(large, bend, bias).eval()
    inputs = torch.rand(1, 3, 16, 16)
    tail = Tail(network, "features", inputs)
    assert not is_affine(tail, lambda result: result, 1)
    found = ablation.delta_y(tail, lambda result: result, 1)
    precise = Tail(Two(large, bend, bias).eval().double(), "features", inputs.double())
    precise.shell.original.load_state_dict({k: v.double() for k, v in network.state_dict().items()})
    precise = Tail(precise.shell.original, "features", inputs.double())
    expected = ablation.delta_y(precise, lambda result: result, 1, batch=4)
    torch.testing.assert_close(found.double(), expected, atol=1e-5 if not bias else 2e-2, rtol=0)
    cams = class_cams(tail, lambda result: result)[0, 1].double()
    torch.testing.assert_close(cams, grad_cam(precise, lambda result: result, 1)[0], atol=1e-5, rtol=1e-4)


def test_a_bend_beyond_the_probes_or_below_them_is_met_by_real_removals() -> None:
    torch.manual_seed(0)
    pooled = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2))
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), *pooled).eval().double()
    tail = Tail(network, "1", torch.rand(1, 3, 9, 9).double())

    def cut(result: Tensor) -> Tensor:
        return result.clamp(-1e4, 1e4)

    level = torch.full((8,), 1e6).double()
    exact = ablation.delta_y(tail, cut, baseline=level, batch=4)
    torch.testing.assert_close(ablation.delta_y(tail, cut, baseline=level), exact, atol=1e-6, rtol=0)
    assert ablation.closed_form(tail, cut, baseline=level) is None
    assert ablation.closed_form(tail, cut) is not None


class Counted:
    """A score that bends beyond a limit, or everywhere, and counts how often it is read."""

    def __init__(self, limit: float, bend: float = 0.0) -> None:
        self.limit, self.bend, self.read = limit, bend, 0

    def __call__(self, result: Tensor) -> Tensor:
        self.read += 1
        return (result + self.bend * result.relu()).clamp(-self.limit, self.limit)


def test_what_was_found_of_a_layer_is_remembered_and_tried_at_the_next_image() -> None:
    torch.manual_seed(0)
    head = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3))
    first = Tail(nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), *head).eval(), "1", torch.rand(1, 3, 9, 9))
    images = (torch.rand(1, 3, 9, 9), 1e8 * torch.rand(1, 3, 9, 9))
    alike, large = (Tail(first.shell, "1", image) for image in images)

    def found(score: Counted, tail: Tail) -> tuple[bool, int]:
        before = score.read
        affine = is_affine(tail, score, 1)
        expected = ablation.delta_y(tail, score, 1, batch=4)
        torch.testing.assert_close(ablation.delta_y(tail, score, 1), expected, atol=1e-5, rtol=1e-4)
        return affine, score.read - before

    straight, bent = Counted(1e5), Counted(1e5, 0.1)
    (affine, calls), (again, fewer) = found(straight, first), found(straight, alike)
    assert affine
    assert again
    assert fewer <= calls - 5
    assert not found(straight, large)[0], "which bends at this image alone"
    (affine, calls), (again, fewer) = found(bent, first), found(bent, alike)
    assert not affine
    assert not again
    assert fewer == calls - 1, "it is not tried"


def test_new_weights_are_tried_anew() -> None:
    torch.manual_seed(0)
    bends = nn.PReLU(init=1.0)
    head = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), bends, nn.Linear(8, 3))
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), *head).eval()
    inputs = torch.rand(1, 3, 9, 9)
    tail, score = Tail(network, "1", inputs), Counted(1e5)
    assert is_affine(tail, score)
    with torch.no_grad():
        bends.weight.fill_(0.3)
    assert not is_affine(Tail(tail.shell, "1", inputs), score)


@pytest.mark.parametrize(("maps", "classes", "size"), [(2048, 1000, 0.25), (512, 1, 0.1), (96, 10, 100.0)])
@pytest.mark.parametrize("bias", [0.0, 50.0])
def test_an_ordinary_head_is_affine_whatever_its_bias(maps: int, classes: int, size: float, bias: float) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, maps, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(maps, classes)
    ).eval()
    tail = Tail(network, "1", torch.full((1, 3, 4, 4), size))
    assert is_affine(tail, lambda result: result + bias)
    assert not is_affine(tail, lambda result: result + bias + 1e-2 * result.relu())


def test_an_output_that_is_constant_is_affine_and_every_class_of_many_is(generator: torch.Generator) -> None:
    torch.manual_seed(0)
    for classes in (2, 1000):
        network = nn.Sequential(
            nn.Conv2d(3, 64, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, classes)
        ).eval()
        with torch.no_grad():
            network[4].weight[1] = 0  # type: ignore[union-attr, operator, index]
        tail = Tail(network, "1", torch.rand(1, 3, 16, 16, generator=generator))
        assert is_affine(tail, lambda result: result)
        assert is_affine(tail, lambda result: 50 + result[:, 1:2], 0)


class Lower(nn.Module):
    """Computes its maps in bfloat16, and its scores in float32."""

    def __init__(self, bend: bool) -> None:
        super().__init__()
        self.features, self.head = nn.Sequential(nn.Conv2d(3, 12, 3, 2, 1), nn.ReLU()), nn.Linear(12, 3)
        self.bend = bend

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            maps = self.features(x)
        pooled = maps.float().mean((2, 3))
        scores: Tensor = self.head(pooled.tanh() if self.bend else pooled)
        return scores


@pytest.mark.parametrize("bend", [True, False])
def test_maps_in_lower_precision_than_the_scores(bend: bool) -> None:
    torch.manual_seed(0)
    tail = Tail(Lower(bend).eval(), "features", torch.rand(1, 3, 16, 16))
    assert tail.maps.dtype == torch.bfloat16
    expected = []
    for index in range(12):
        maps = tail.maps.clone()
        maps[:, index] = 0
        expected.append((tail(maps) - tail.result)[0, 1])
    found = ablation.delta_y(tail, lambda result: result, 1)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, torch.stack(expected), atol=1e-6, rtol=0)
    assert ablation.first_order(tail, lambda result: result, 1).dtype == torch.float32
    cam = grad_cam(tail, lambda result: result, 1)
    torch.testing.assert_close(class_cams(tail, lambda result: result)[:, 1], cam, atol=1e-3, rtol=0)
    assert cam.dtype == torch.float32
