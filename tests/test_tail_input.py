"""What a tail refuses in words, and that the reader's network is not touched on the way."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch
from random_networks import images, network_of
from torch import Tensor, nn
from torch.nn import functional
from unchecked import refused
from untouched import untouched

from xai_widgets.kernels.tail import Shell, Tail


class BatchNormed(nn.Module):
    """Uses the statistics of the batch also in eval mode, so that images depend on each other."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, 2, 1)
        self.norm = nn.BatchNorm2d(4, track_running_stats=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.first(x)).relu().pow(2).mean((2, 3))


class Noisy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return functional.dropout(self.first(x), 0.5, training=True).mean((2, 3))


@pytest.mark.parametrize("network", [BatchNormed(), Noisy()])
def test_images_that_depend_on_each_other_are_refused(network: nn.Module) -> None:
    with pytest.raises(ValueError, match="not deterministic in eval mode, or its images depend on each other"):
        Tail(network.eval(), "first", images())


def test_a_layer_without_maps_is_refused_in_words() -> None:
    network = network_of("resnet18")
    with pytest.raises(ValueError, match=r"layer 'fc' returns \(1, 1000\) for one image"):
        Tail(network, "fc", images())
    with pytest.raises(ValueError, match="layer 'nowhere' is not called"):
        Tail(network, "nowhere", images())
    tail = Tail(network, "layer4", images())
    with pytest.raises(ValueError, match=r"must be \(m, 512, 2, 2\), got \(1, 512, 3, 2\)"):
        tail(torch.zeros(1, 512, 3, 2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # torch's own, of tracing
        traced = torch.jit.trace(nn.Conv2d(3, 3, 1), images())
    with pytest.raises(TypeError, match="TorchScript"):
        Shell(traced)


def test_the_users_network_is_not_touched_also_after_a_failure() -> None:
    network = network_of("resnet18").train()
    same = untouched(network)
    shell = Shell(network)
    tail = Tail(shell, "layer3", images())
    leaf = tail.maps.clone().requires_grad_()
    torch.autograd.grad(tail(leaf)[0, 0], leaf)
    same()
    inner = shell.network.get_submodule("layer4.0.conv1")
    working = inner.forward

    def fail(*args: Any) -> Any:
        raise RuntimeError("a fault")

    inner.forward = fail  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="a fault"):
        tail(tail.maps)
    same()
    inner.forward = working  # type: ignore[method-assign]
    assert torch.equal(tail(tail.maps), tail.result)


@pytest.mark.parametrize(
    ("inputs", "layer", "call", "error", "message"),
    [
        (torch.zeros(1, 3, 8, 8).byte(), "0", -1, TypeError, r"of floating-point numbers, got torch\.uint8"),
        (np.zeros((1, 3, 8, 8)), "0", -1, TypeError, "inputs must be a tensor, got ndarray"),
        (torch.zeros(3, 8, 8), "0", -1, ValueError, r"an axis for images first, got shape \(3, 8, 8\)"),
        (torch.zeros(0, 3, 8, 8), "0", -1, ValueError, "at least 1 image, got shape"),
        (torch.full((2, 3, 8, 8), float("nan")), "0", -1, ValueError, "inputs must be finite, got nan at index 0"),
        (torch.zeros(1, 3, 8, 8).double(), "0", -1, TypeError, r"must be torch\.float32, as the .* got torch\.float64"),
        (torch.zeros(1, 3, 8, 8), 0, -1, TypeError, "layer must be the dotted name of a module, got int"),
        (torch.zeros(1, 3, 8, 8), "0", 1, ValueError, "call must be -1 to 0, got 1"),
        (torch.zeros(1, 3, 8, 8), "0", "0", TypeError, "call must be a whole number, got '0'"),
        (torch.zeros(1, 3, 8, 8), "00", -1, ValueError, "layer '00' is not called"),
    ],
)
def test_bad_input_is_refused_in_words(
    inputs: Any, layer: Any, call: Any, error: type[Exception], message: str
) -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2)).eval()
    with refused(error, message):
        Tail(network, layer, inputs, call=call)


@pytest.mark.parametrize("network", [None, nn.Linear, {}, len])
def test_what_is_no_network_is_refused_in_words(network: Any) -> None:
    with refused(TypeError, "the network must be an nn.Module, got"):
        Tail(network, "0", torch.zeros(1, 3, 8, 8))


def test_inputs_may_be_used_again_and_maps_that_were_written_are_noticed() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2)).eval()
    inputs = torch.randn(1, 3, 8, 8)
    tail = Tail(network, "0", inputs)
    expected = tail(tail.maps)
    inputs.mul_(3)
    assert torch.equal(tail(tail.maps), expected)
    with refused(TypeError, r"maps of layer '0' must be torch\.float32, got torch\.float64"):
        tail(tail.maps.double())
    tail.maps.mul_(2)
    with pytest.raises(RuntimeError, match="were written in place; change a copy"):
        tail(tail.maps)
