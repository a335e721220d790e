"""Networks that are called in unusual ways: checkpointed, guarded, compiled, hooked, or from two threads."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import torch
from families import FAMILIES, LOUD, check_gradient, check_removal
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from unusual_checks import check, images, plain

from xai_widgets.kernels.tail import Shell, Tail


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
