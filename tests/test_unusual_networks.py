"""Networks that are written, wrapped, or called in unusual ways."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from families import FAMILIES, LOUD, check_gradient, check_removal, scores_of
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune, spectral_norm, weight_norm
from torch.utils.checkpoint import checkpoint

from xai_widgets.kernels.tail import Shell, Tail


def plain() -> nn.Sequential:
    """Convolutions with an in-place activation between them, and a linear head."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        parts = (
            nn.Conv2d(3, 6, 3, 2, 1), nn.ReLU(), nn.Conv2d(6, 6, 3, 1, 1), nn.ReLU(inplace=True),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 5),
        )  # fmt: skip
        return nn.Sequential(*parts).eval()


def images(height: int = 32, width: int = 32) -> Tensor:
    return torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(1))


def check(network: nn.Module, layer: str, inputs: Tensor | None = None) -> Tail:
    inputs = images() if inputs is None else inputs
    tail = Tail(network, layer, inputs)
    assert check_removal(network, tail, inputs) > LOUD
    assert check_gradient(network, tail, inputs) > LOUD
    return tail


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


class Checkpointed(nn.Module):
    def __init__(self, reentrant: bool) -> None:
        super().__init__()
        self.first, self.reentrant = nn.Conv2d(3, 6, 3, 2, 1), reentrant
        self.middle = nn.Sequential(nn.Conv2d(6, 6, 3, 1, 1), nn.Tanh(), nn.Conv2d(6, 6, 3, 1, 1), nn.Tanh())

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = checkpoint(self.middle, self.first(x), use_reentrant=self.reentrant)
        return y.square().mean((2, 3))


def test_two_gradients_of_a_checkpointed_network_do_not_mix() -> None:
    network = Checkpointed(False).eval()
    shell = Shell(network)
    tail = Tail(shell, "middle.1", images())

    def expected(leaf: Tensor) -> Tensor:
        own = leaf.detach().clone().requires_grad_()
        y = network.middle[3](network.middle[2](own)).square().mean((2, 3))
        return torch.autograd.grad(y[0, 0], own)[0]

    leaves = [(tail.maps * gain).requires_grad_() for gain in (0.5, 1.5)]
    first, second = (tail(leaf)[0, 0] for leaf in leaves)
    Tail(shell, "first", images())  # another pass between forward and backward
    assert torch.allclose(torch.autograd.grad(first, leaves[0])[0], expected(leaves[0]), atol=1e-7)
    assert torch.allclose(torch.autograd.grad(second, leaves[1])[0], expected(leaves[1]), atol=1e-7)
    both = torch.autograd.grad(tail(leaves[0])[0, 0] + tail(leaves[1])[0, 0], leaves)
    assert all(torch.allclose(a, expected(leaf), atol=1e-7) for a, leaf in zip(both, leaves, strict=True))


@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad")
def test_a_gradient_that_cannot_be_had_is_refused_in_words() -> None:
    tail = Tail(Checkpointed(True).eval(), "middle.1", images())
    with pytest.raises(RuntimeError, match=r"layer 'middle.1' runs where the network records no gradient .*removals"):
        tail(tail.maps.clone().requires_grad_())
    assert torch.equal(tail(tail.maps), tail.result)


@pytest.mark.parametrize("guard", [torch.inference_mode, torch.no_grad])
def test_a_network_that_guards_its_own_forward(guard: Any) -> None:
    class Guarded(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = plain()

        def forward(self, x: Tensor) -> Any:
            with guard():
                return self.net(x)

    tail = Tail(Guarded().eval(), "net.0", images())
    assert check_removal(tail.shell.original, tail, images()) > LOUD
    with pytest.raises(RuntimeError, match="records no gradient"):
        tail(tail.maps.clone().requires_grad_())


def test_callers_and_weights_in_inference_mode() -> None:
    network = plain()
    with torch.inference_mode():
        tail = Tail(network, "0", images())
        strange, frozen = images(), plain()
        assert torch.equal(tail(tail.maps), tail.result)
    assert check_removal(network, tail, images()) > LOUD
    assert check_gradient(network, tail, images()) > LOUD  # what was remembered can be part of a gradient
    check_gradient(network, Tail(network, "2", strange), images())
    leaf = Tail(frozen, "0", images()).maps.clone().requires_grad_()
    check_gradient(network, Tail(frozen, "0", images()), images())
    assert leaf.requires_grad


def test_parts_that_are_compiled_are_run_as_they_were_written() -> None:
    inner, outer = plain(), nn.Sequential(plain(), nn.Linear(5, 5)).eval()
    outer[0] = torch.compile(inner)  # type: ignore[assignment]
    tail = Tail(outer, "0._orig_mod.0", images())
    assert torch.allclose(tail.result, outer[1](inner(images())), atol=1e-6)
    in_place = plain()
    in_place[2].compile()
    assert torch.allclose(Tail(in_place, "0", images()).result, plain()(images()), atol=1e-6)
    assert in_place[2]._compiled_call_impl is not None


def test_a_network_that_computes_in_lower_precision_inside() -> None:
    class Automatic(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = FAMILIES["resnet"].network()

        def forward(self, x: Tensor) -> Tensor:
            with torch.autocast("cpu", torch.bfloat16):
                scores: Tensor = self.net(x).float()
            return scores

    tail = Tail(Automatic().eval(), "net.layer2", FAMILIES["resnet"].images())
    assert tail.maps.dtype == torch.bfloat16
    assert tail.structure.left_out, "rounding must not be taken for a dependence of images on each other"
    assert torch.equal(tail(tail.maps), tail.result)


def test_images_of_a_batch_that_depend_on_each_other_are_refused_in_a_batch_too() -> None:
    network = plain()
    network[1] = nn.BatchNorm2d(6, track_running_stats=False)
    network.eval()
    with pytest.raises(ValueError, match="its images depend on each other"):
        Tail(network, "0", torch.cat((images(), images() * 2, images() + 1)))


class Locked(nn.Module):
    """What cannot be copied stands beside lists of parts and functions that refer to the module."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()
        self.first, self.last = nn.Conv2d(3, 6, 3, 2, 1), nn.Conv2d(6, 6, 3)
        self.order = [self.first, self.last]
        self.pool = self._mean

    def _mean(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))

    def forward(self, x: Tensor) -> Tensor:
        with self.lock:
            for part in self.order:
                x = part(x).relu()
        return self.pool(x)


def test_parts_in_lists_beside_what_cannot_be_copied() -> None:
    check(Locked().eval(), "first")
    check(Locked().eval(), "last")


def test_a_hook_that_cannot_be_copied_stays_with_the_user() -> None:
    network, kept = plain(), {"lock": threading.Lock()}

    class Looker:
        def __init__(self) -> None:
            self.lock, self.seen = kept["lock"], 0

        def look(self, *args: Any) -> None:
            self.seen += 1

    looker = Looker()
    network[0].register_forward_hook(looker.look)
    check(network, "2")
    assert list(network[0]._forward_hooks.values()) == [looker.look]


def test_the_cell_of_a_user_that_runs_beside_gets_its_own_gradients() -> None:
    network, inputs = plain(), images()

    def slope() -> Tensor:
        return torch.autograd.grad(network(inputs)[0, 1], network.get_parameter("0.weight"))[0]

    expected, wrong, stop = slope(), list[int](), threading.Event()
    shell = Shell(network)
    tail = Tail(shell, "0", inputs)

    def work() -> None:
        while not stop.is_set():
            leaf = torch.zeros_like(tail.maps).requires_grad_()
            torch.autograd.grad(tail(leaf)[0, 0], leaf)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(60):
            wrong += [1] * (not torch.equal(slope(), expected))
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not wrong
