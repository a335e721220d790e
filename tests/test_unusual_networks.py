"""Networks that are written, wrapped, or called in unusual ways."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from families import LOUD, check_gradient, scores_of
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune, spectral_norm, weight_norm
from unusual_checks import check, images, plain

from xai_widgets.kernels.tail import Tail


def normed(layer: nn.Module) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # torch's own: there is a newer way
        weight_norm(layer)


COMPUTED: dict[str, Callable[[Any], Any]] = {
    "weight_norm": normed,
    "spectral_norm": spectral_norm,
    "parametrized weight_norm": parametrizations.weight_norm,
    "parametrized spectral_norm": parametrizations.spectral_norm,
    "orthogonal": parametrizations.orthogonal,
    "pruned": partial(prune.l1_unstructured, name="weight", amount=0.3),
}


@pytest.mark.parametrize("way", COMPUTED)
def test_weights_that_are_computed_before_each_forward(way: str) -> None:
    network = plain()
    COMPUTED[way](network[2])
    network.train()(torch.cat((images(), images())))  # leaves computed weights behind, with a gradient
    network.eval()
    for layer in ("0", "2"):
        check(network, layer)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(1.1)
    check(network, "0")  # not with the weight that the last forward left


def test_weights_that_are_frozen() -> None:
    network = plain().requires_grad_(False)
    check(network, "0")
    assert not any(parameter.requires_grad for parameter in network.parameters())


class Two(nn.Module):
    """Takes a second input."""

    def __init__(self) -> None:
        super().__init__()
        self.net, self.other = plain(), nn.Linear(2, 5)

    def forward(self, x: Tensor, other: Tensor) -> Tensor:
        scores: Tensor = self.net(x) + self.other(other)
        return scores


class Wrapper(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.inner = network

    def forward(self, x: Tensor) -> Any:
        return self.inner(x, OTHER.expand(len(x), -1))


OTHER = torch.tensor([[0.3, -2.0]])


def test_a_second_input_bound_by_a_wrapper_a_partial_or_a_closure() -> None:
    check(Wrapper(Two()).eval(), "inner.net.0")
    bound: Any = Two().eval()
    bound.forward = partial(bound.forward, other=OTHER)
    check(bound, "net.0")
    closed: Any = Two().eval()
    before = closed.forward
    closed.forward = lambda x: before(x, OTHER)
    check(closed, "net.0")
    itself: Any = Two().eval()
    itself.forward = lambda x: Two.forward(itself, x, OTHER)
    check(itself, "net.0")


def test_a_network_in_training_mode_that_refers_to_itself_is_not_touched() -> None:
    network: Any = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()).train()
    network.forward = lambda x: nn.Sequential.forward(network, x).mean((2, 3))
    before = network[1].running_mean.clone()
    Tail(network, "0", images())
    assert torch.equal(network[1].running_mean, before)
    assert network.training


class Answer:
    """A result that is no pytree."""

    def __init__(self, logits: Tensor) -> None:
        self.logits = logits


class Objects(nn.Module):
    """Returns objects, also between its parts."""

    class Stem(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 6, 3, 2, 1)

        def forward(self, x: Tensor) -> Answer:
            return Answer(self.conv(x))

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.last, self.head = self.Stem(), nn.Conv2d(6, 6, 3), nn.Linear(6, 5)

    def forward(self, x: Tensor) -> Answer:
        return Answer(self.head(self.last(self.stem(x).logits).relu().mean((2, 3))))


def test_results_that_are_objects() -> None:
    network = Objects().eval()
    check(network, "stem.conv")
    tail = check(network, "last")
    assert {name for name, _ in tail.structure.left_out} == {"stem.conv"}
    with pytest.raises(ValueError, match=r"cannot be read as feature maps .* such as 'stem.conv'\."):
        Tail(network, "stem", images())


class Heads(nn.Module):
    """Two outputs, of which one does not depend on the layer, and a part that is read as an array."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.left, self.right = nn.Conv2d(3, 6, 3, 2, 1), nn.Conv2d(6, 6, 3), nn.Conv2d(6, 4, 3)
        self.scale = nn.AdaptiveAvgPool2d(1)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        x = self.stem(x)
        factor = torch.from_numpy(self.scale(x).detach().numpy().sum((1, 2, 3)))
        return {"left": self.left(x).relu().mean((2, 3)), "right": self.right(x), "factor": factor}


def test_an_output_that_does_not_depend_on_the_layer_comes_back_too() -> None:
    network = Heads().eval()
    tail = Tail(network, "left", images())
    with torch.no_grad():
        expected = network(images())
    for result in (tail.result, tail(tail.maps)):
        assert all(torch.equal(result[name], expected[name]) for name in expected)
    assert torch.equal(tail(tail.maps.repeat(2, 1, 1, 1))["right"], expected["right"].expand(2, -1, -1, -1))


class Unread(nn.Module):
    """Returns maps beside what the network goes on with."""

    class Body(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 6, 3, 2, 1)

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            maps = self.conv(x)
            return maps, maps.relu().mean((2, 3))

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = self.Body(), nn.Linear(6, 5)

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.head(self.body(x)[1])
        return scores


def test_maps_that_nothing_reads_are_refused() -> None:
    check(Unread().eval(), "body.conv")
    with pytest.raises(ValueError, match=r"nothing reads the maps that layer 'body' returns.*such as 'body.conv'\."):
        Tail(Unread().eval(), "body", images())


class Counted(nn.Module):
    """A part returns a number that depends on how many images there are."""

    class Part(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 6, 3, 2, 1)

        def forward(self, x: Tensor) -> tuple[Tensor, int]:
            return self.conv(x), len(x)

    def __init__(self) -> None:
        super().__init__()
        self.part, self.last, self.head = self.Part(), nn.Conv2d(6, 6, 3), nn.Linear(6, 5)

    def forward(self, x: Tensor) -> Tensor:
        x, count = self.part(x)
        scores: Tensor = self.head(self.last(x).relu().reshape(count, 6, -1).mean(2))
        return scores


def test_a_part_that_returns_the_number_of_images() -> None:
    check(Counted().eval(), "last")


def test_inside_a_fused_encoder() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True)
        network = nn.Sequential(nn.Conv2d(3, 16, 8, 8), nn.Flatten(2), nn.Unflatten(1, (16,)), _Turned(layer)).eval()
    for name in ("0", "3.layer.linear1", "3.layer.self_attn", "3.layer.norm2"):
        tail = Tail(network, name, images())
        leaf = tail.maps.clone().requires_grad_()
        assert torch.autograd.grad(scores_of(tail(leaf)).sum(), leaf)[0].abs().max() > 0
        assert check_gradient(network, tail, images()) > LOUD


class _Turned(nn.Module):
    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        tokens: Tensor = self.layer(x.flatten(2).transpose(1, 2))
        return tokens.square().mean(1)
