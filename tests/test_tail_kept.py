"""What stays in memory with a tail: how much it says it is, and that all of it goes when its last owner does."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from xai_widgets import ImageModel
from xai_widgets.kernels import ablation, cam
from xai_widgets.kernels.tail import Shell, Tail

FLOAT = 4  # bytes


class Net(nn.Module):
    """Four maps of 6 x 6 at `layer`, from a trunk that is read again after it."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.stem = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.BatchNorm2d(4))
            self.layer = nn.Sequential(nn.Conv2d(4, 4, 3, 1, 1), nn.ReLU())
            self.head = nn.Linear(4, 2)

    def forward(self, images: Tensor) -> Tensor:
        stem = self.stem(images)
        out: Tensor = self.head((self.layer(stem) * stem).mean((2, 3)))
        return out


class Checkpointed(Net):
    """What comes after the layer runs again during a backward pass."""

    def forward(self, images: Tensor) -> Tensor:
        maps = self.layer(self.stem(images))
        out: Tensor = checkpoint(lambda x: self.head(x.mean((2, 3))), maps, use_reentrant=False)
        return out


def images(count: int = 1) -> Tensor:
    return torch.rand(count, 3, 12, 12, generator=torch.Generator().manual_seed(1))


def as_it_is(result: Tensor) -> Tensor:
    return result


def test_a_tail_counts_inputs_activations_and_result_once() -> None:
    tail = Tail(Net().eval(), "layer", images())
    inputs, stem, maps, result = 3 * 12 * 12, 4 * 6 * 6, 4 * 6 * 6, 2
    assert tail.nbytes == FLOAT * (inputs + stem + maps + result)
    assert tail.lowered(torch.bfloat16).nbytes == tail.nbytes


def test_a_layer_that_returns_more_than_its_maps_counts_all_of_it() -> None:
    class Two(Net):
        def __init__(self) -> None:
            super().__init__()
            self.pair = Pair()

        def forward(self, images: Tensor) -> Tensor:
            maps, other = self.pair(images)
            out: Tensor = self.head(maps.mean((2, 3))) + other.mean((1, 2, 3))[:, None]
            return out

    class Pair(nn.Module):
        def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
            return torch.cat((images, images[:, :1]), 1), 2 * images

    tail = Tail(Two().eval(), "pair", images())
    assert tail.nbytes == FLOAT * (3 * 144 + 4 * 144 + 3 * 144 + 2)


def test_a_shell_counts_the_weights_of_the_network_and_its_own_buffers() -> None:
    network = Net()
    shell = Shell(network)
    weights = sum(parameter.nbytes for parameter in network.parameters())
    buffers = sum(buffer.nbytes for buffer in network.buffers())
    assert shell.nbytes == weights + 2 * buffers, "parameters are shared, buffers are copied"
    assert Shell(network).nbytes == shell.nbytes


def test_a_shell_counts_shared_weights_once_and_both_networks_where_they_differ() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Linear(4, 4))
    network.append(network[1])
    assert Shell(network).nbytes == FLOAT * (4 * 3 * 9 + 4 + 16 + 4)
    there = nn.Sequential(nn.Conv2d(3, 4, 3))
    assert Shell(there, source=nn.Sequential(nn.Conv2d(3, 4, 3))).nbytes == 2 * FLOAT * (4 * 3 * 9 + 4)


def test_a_shell_counts_weights_that_were_replaced_until_it_is_renewed() -> None:
    network = Net()
    shell = Shell(network)
    before = shell.nbytes
    network.head = nn.Linear(4, 2)
    assert shell.nbytes == before + FLOAT * (4 * 2 + 2)
    shell.renew()
    assert shell.nbytes == before


@pytest.mark.parametrize("kind", [Net, Checkpointed])
def test_nothing_keeps_a_network_after_its_last_tail_shell_and_model(kind: type[Net]) -> None:
    network = kind().eval()
    model = ImageModel(network, None, "layer")
    tail = Tail(model.shell, "layer", images(2))
    ablation.delta_y_of(tail, as_it_is, batch=2)
    ablation.first_order(tail.images()[0], as_it_is)
    cam.grad_cam(tail, as_it_is, 1)
    things: dict[str, Any] = {"network": network, "model": model, "tail": tail, "shell": model.shell}
    things |= {"copy": model.shell.network, "weight": network.head.weight, "maps": tail.trunk.activation}
    gone = {name: weakref.ref(thing) for name, thing in things.items()}
    del network, model, tail, things
    gc.collect()
    assert [name for name, reference in gone.items() if reference() is not None] == []


@pytest.mark.parametrize("kind", [Net, Checkpointed])
def test_a_shell_does_not_keep_the_last_tail_that_was_differentiated(kind: type[Net]) -> None:
    shell = Shell(kind().eval())
    tail = Tail(shell, "layer", images())
    leaf = tail.maps.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(tail(leaf)[0, 0], leaf)
    assert gradient.abs().sum() > 0
    trunk, activation = weakref.ref(tail.trunk), weakref.ref(tail.trunk.activation)
    del tail, leaf
    gc.collect()
    assert trunk() is None
    assert activation() is None
