"""Weights that change after a tail or a model was made: seen at the next use, by a look that costs little."""

from __future__ import annotations

from collections.abc import Callable
from time import thread_time
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from torch import Tensor, nn

from xai_widgets import ImageModel
from xai_widgets.kernels.tail.uncounted import PHASES
from xai_widgets.kernels.tail.weights import Weights


def network() -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        parts = (nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        return nn.Sequential(*parts, nn.Linear(6, 2)).eval()


def images() -> Tensor:
    return torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def step(net: Any, optimizer: Any = torch.optim.SGD, **options: Any) -> None:
    for parameter in net.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer(net.parameters(), 0.1, **options).step()


CHANGES: dict[str, Callable[[Any], Any]] = {
    "written in place": torch.no_grad()(lambda net: net[5].bias.add_(1)),
    "an optimizer's step": step,
    "a buffer": lambda net: net[1].running_mean.add_(1),
    "a new buffer": lambda net: net[1].register_buffer("other", torch.ones(1, device="cpu")),
    "a parameter replaced": lambda net: setattr(net[5], "bias", nn.Parameter(net[5].bias + 1)),
    "a module replaced": lambda net: net.__setitem__(2, nn.Tanh()),
    "a module more": lambda net: net.append(nn.Tanh()),
    "loaded": lambda net: net.load_state_dict({k: v + 1 for k, v in net.state_dict().items()}),
    "cast": lambda net: net.double(),
    "data replaced": lambda net: setattr(net[5].bias, "data", net[5].bias.data + 1),
    "written through data": lambda net: net[5].weight.data.mul_(1.5),
    "written through NumPy": lambda net: np.copyto(net[0].bias.detach().numpy(), 0.5),
    "a fused optimizer": lambda net: step(net, torch.optim.Adam, fused=True),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_look_sees(what: str) -> None:
    net = network()
    seen = Weights(net)
    net(images())
    assert seen.unchanged()
    CHANGES[what](net)
    assert not seen.unchanged()
    assert Weights(net).unchanged()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_a_row_that_is_written_through_data_is_seen_by_a_thorough_look_and_by_some_quick_ones(dtype: Any) -> None:
    net: Any = nn.Sequential(nn.Conv2d(3, 200, 3), nn.BatchNorm2d(200)).to(dtype).eval()
    seen, quick = Weights(net), Weights(net)
    net[0].weight.data[150] = 0  # a filter that is switched off
    assert not seen.unchanged(thorough=True)
    assert not seen.unchanged(), "it is remembered"
    assert not all(quick.unchanged() for _ in range(PHASES))


def test_a_fused_step_of_another_network_changes_nothing() -> None:
    net, other = network(), network()
    seen = Weights(net)
    step(other, torch.optim.Adam, fused=True)
    assert seen.unchanged(thorough=True)


def test_a_look_at_a_large_network_takes_less_than_a_millisecond() -> None:
    seen = Weights(torchvision.models.resnet50())
    times = []
    for _ in range(2 * PHASES):
        begun = thread_time()
        assert seen.unchanged()
        times.append(thread_time() - begun)
    assert min(times) < 1e-3


@pytest.mark.parametrize("what", ["written in place", "a buffer", "a parameter replaced"])
def test_a_model_says_in_one_look_what_it_is_now(what: str) -> None:
    net = network()
    model = ImageModel(net, None, "2")
    first = model.now()
    assert first == model.now()
    assert first.key == model.key
    assert first.shell is model.shell
    CHANGES[what](net)
    second = model.now()
    assert second.key != first.key
    assert second.shell is not first.shell
    with torch.no_grad():
        assert torch.equal(second.shell.network(images()), net(images()))
