"""The tail against an ordinary hooked forward of the user's own network."""

from __future__ import annotations

import copy
import threading
from typing import Any

import pytest
import torch
from random_networks import images, network_of
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves
from torch.utils.checkpoint import checkpoint
from untouched import untouched

from xai_widgets.kernels.tail import Shell, Tail
from xai_widgets.kernels.tail.results import with_leaf


def hooked(network: nn.Module, tail: Tail, inputs: Tensor, index: int) -> Any:
    """An ordinary forward of the user's network in which a hook sets one map of one call to zero."""
    name, wanted = tail.structure.target
    calls = 0

    def zero(module: nn.Module, args: Any, output: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls - 1 != wanted:
            return None
        whole = tree_leaves(output)[tail.structure.leaf]
        maps = tail.layout.maps(whole).clone()
        maps[:, index] = 0
        return with_leaf(output, tail.structure.leaf, tail.layout.activation(maps, whole))

    handle = dict(network.named_modules())[name].register_forward_hook(zero)
    with torch.no_grad():
        result = network(inputs.clone())
    handle.remove()
    return result


def check(network: nn.Module, tail: Tail, inputs: Tensor) -> None:
    with torch.no_grad():
        assert torch.equal(network(inputs.clone()), tail.result)
        assert torch.equal(tail(tail.maps), tail.result), "gain 1 must give the output bit by bit"
        index = int(tail.maps.abs().sum((0, 2, 3)).argmax())
        removed = tail.maps.clone()
        removed[:, index] = 0
        expected = hooked(network, tail, inputs, index)
        alone, both = tail(removed), tail(torch.cat((tail.maps, removed, removed)))
    scale = expected.abs().max().clamp_min(1e-3)
    assert (alone - expected).abs().max() <= 1e-5 * scale
    assert (both[1:] - expected).abs().max() <= 1e-4 * scale


def test_what_comes_before_and_beside_the_layer_is_left_out() -> None:
    network = network_of("inception_v3")
    tail = Tail(network, "Mixed_7c.branch1x1", images(1, 128))
    left_out = {name for name, _ in tail.structure.left_out}
    assert {"Conv2d_1a_3x3", "Mixed_7b", "Mixed_7c.branch3x3_1", "Mixed_7c.branch_pool"} <= left_out
    assert tail.nbytes < 4_000_000, "what nothing reads is not kept"


def test_each_image_of_a_batch_has_its_own_tail() -> None:
    network, inputs = network_of("resnet18"), images(3)
    tail = Tail(network, "layer3", inputs)
    maps = tail.maps.clone()
    maps[1, :50] = 0
    result = tail(maps)
    assert torch.equal(result[::2], tail(tail.maps)[::2])
    one = Tail(network, "layer3", inputs[1:2])
    assert torch.allclose(result[1:2], one(maps[1:2]), atol=1e-5)
    with pytest.raises(ValueError, match="takes as many copies, got 2"):
        tail(maps[:2])


def test_the_gradient_is_that_of_the_network() -> None:
    network, inputs = network_of("vgg11"), images()
    tail = Tail(network, "features.15", inputs)  # an in-place ReLU follows
    leaf = tail.maps.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(tail(leaf)[0, 3], leaf)
    kept: list[Tensor] = []

    def keep(module: nn.Module, args: Any, output: Tensor) -> Tensor:
        kept.append(output.detach().clone().requires_grad_())
        return kept[0].clone()

    handle = dict(network.named_modules())["features.15"].register_forward_hook(keep)
    (expected,) = torch.autograd.grad(network(inputs.clone())[0, 3], kept)
    handle.remove()
    assert torch.allclose(gradient, expected, atol=1e-7)
    assert torch.equal(leaf.detach(), tail.maps), "what comes after must not write into the maps"


class Twice(nn.Module):
    """Calls one block twice and returns a dict."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 6, 3, 2, 1)
        self.block = nn.Conv2d(6, 6, 3, 1, 1)
        self.act = nn.ReLU(inplace=True)
        self.head = nn.Linear(6, 2)

    def forward(self, x: Tensor) -> dict[str, Any]:
        x = self.act(self.first(x * 2))
        x = self.act(self.block(x)) + x
        x = self.act(self.block(x))
        return {"logits": self.head(x.mean((2, 3))), "words": "kept"}


@pytest.mark.parametrize("call", [0, 1, -1])
def test_a_layer_that_is_called_twice_is_offered_for_each_call(call: int) -> None:
    network, inputs = Twice().eval(), images()
    tail = Tail(network, "block", inputs, call=call)
    removed = tail.maps.clone()
    removed[:, 2] = 0
    result = tail(removed)
    assert torch.allclose(result["logits"], hooked(network, tail, inputs, 2)["logits"], atol=1e-6)
    assert result["words"] == "kept"
    with pytest.raises(ValueError, match="called 2 times"):
        Tail(network, "block", inputs, call=2)


class Checkpointed(nn.Module):
    """Runs its middle again during the backward pass."""

    def __init__(self, twice: bool = False) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 6, 3, 2, 1)
        self.middle = nn.Sequential(nn.Conv2d(6, 6, 3, 1, 1), nn.Tanh(), nn.Conv2d(6, 6, 3, 1, 1), nn.Tanh())
        self.again = twice

    def forward(self, x: Tensor) -> Tensor:
        x = checkpoint(self.middle, self.first(x), use_reentrant=False)
        if self.again:
            x = checkpoint(self.middle, x, use_reentrant=False)
        return (x * x).mean((2, 3))


def test_checkpointing_does_not_change_the_gradient() -> None:
    network, inputs = Checkpointed().eval(), images()
    tail = Tail(network, "middle.1", inputs)
    leaf = (tail.maps * 1.5).requires_grad_()
    (gradient,) = torch.autograd.grad(tail(leaf)[0, 0], leaf)
    plain = leaf.detach().clone().requires_grad_()
    y = network.middle[3](network.middle[2](plain))
    (expected,) = torch.autograd.grad((y * y).mean((2, 3))[0, 0], plain)
    assert torch.allclose(gradient, expected, atol=1e-7)

    tail = Tail(Checkpointed(twice=True).eval(), "middle.1", inputs, call=0)
    leaf = tail.maps.clone().requires_grad_()
    with pytest.raises(RuntimeError, match="switch checkpointing off"):
        torch.autograd.grad(tail(leaf)[0, 0], leaf)


class Silent(nn.Module):
    """Its in-place block is used for what it does, not for what it returns."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, 2, 1)
        self.act = nn.ReLU(inplace=True)
        self.last = nn.Conv2d(4, 4, 3, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        self.act(x)
        return self.last(x).mean((2, 3)) + x.mean((2, 3))


def test_where_leaving_out_would_be_wrong_everything_runs() -> None:
    network, inputs = Silent().eval(), images()
    tail = Tail(network, "last", inputs)
    check(network, tail, inputs)
    assert tail.structure.left_out == {}


def test_a_call_of_the_users_network_at_the_same_time_gets_its_own_numbers() -> None:
    network, inputs = network_of("resnet18"), images()
    with torch.no_grad():
        expected = network(inputs)
    tail = Tail(network, "layer2", inputs)
    stop, wrong = threading.Event(), []

    def work() -> None:
        while not stop.is_set():
            tail(torch.zeros_like(tail.maps))

    thread = threading.Thread(target=work)
    thread.start()
    try:
        for _ in range(30):
            with torch.no_grad():
                if not torch.equal(network(inputs), expected):
                    wrong.append(1)
    finally:
        stop.set()
        thread.join()
    assert not wrong


def test_weights_are_shared_and_a_change_is_seen() -> None:
    network, inputs = network_of("resnet18"), images()
    shell = Shell(network)
    assert shell.network.get_parameter("conv1.weight").data_ptr() == network.get_parameter("conv1.weight").data_ptr()
    assert shell.fresh()
    with torch.no_grad():
        network.get_parameter("fc.bias").add_(1)
    assert not shell.fresh()
    before = Tail(shell, "layer4", inputs).result
    with torch.no_grad():
        assert torch.equal(before, network(inputs))


def test_wrapped_networks_are_unwrapped() -> None:
    network, inputs = network_of("resnet18"), images()
    expected = Tail(network, "layer4", inputs).result
    wrappers: list[Any] = [nn.DataParallel(network), torch.compile(network)]
    for wrapped in wrappers:
        assert torch.equal(Tail(wrapped, "layer4", inputs).result, expected)


class Summed(nn.Module):
    """Returns, beside its scores, what has no row an image: a squeezed score, a sum, a constant."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, 2, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        y = self.first(x).relu().mean((2, 3))
        return y, y[:, 0].squeeze(), y.sum(), torch.ones(3)


def test_what_has_no_row_an_image_is_handed_through() -> None:
    network, inputs = Summed().eval(), images()
    tail = Tail(network, "first", inputs)
    removed = tail.maps.clone()
    removed[:, 0] = 0
    rows, squeezed, _, constant = tail(torch.cat((removed, tail.maps)))
    assert torch.allclose(rows[0], hooked(network, tail, inputs, 0)[0][0], atol=1e-6)
    assert torch.equal(squeezed, rows[:, 0])
    assert torch.equal(constant, torch.ones(3))


def test_a_hook_that_only_looks_does_not_see_our_runs() -> None:
    network, inputs = network_of("resnet18"), images()
    seen: list[int] = []
    network.get_submodule("layer4").register_forward_hook(lambda *args: seen.append(1))
    tail = Tail(network, "layer3", inputs)
    count = len(seen)
    tail(torch.zeros_like(tail.maps))
    assert len(seen) == count
    network.get_submodule("layer4").register_forward_hook(lambda module, args, output: output * 2)
    tail = Tail(network, "layer3", inputs)
    with torch.no_grad():
        assert torch.equal(tail(tail.maps), network(inputs))


class Uncopyable(nn.Module):
    """Holds what cannot be copied, and a weight that is computed anew for each forward."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()
        self.first = nn.Conv2d(3, 4, 3, 2, 1)
        self.last = nn.Linear(4, 1)

    def forward(self, x: Tensor) -> Tensor:
        with self.lock:
            return self.last(self.first(x).relu().mean((2, 3)))


def test_a_network_that_cannot_be_copied_is_worked_on_all_the_same() -> None:
    network, inputs = Uncopyable().train(), images()
    same = untouched(network)
    tail = Tail(network, "first", inputs)
    assert network.training
    same()
    network.eval()
    check(network, tail, inputs)


@pytest.mark.gpu
def test_the_same_on_an_accelerator() -> None:
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    if accelerator is None:
        pytest.skip("needs CUDA or MPS")
    network = network_of("resnet18")
    here = Tail(network, "layer3", images())
    there = Tail(copy.deepcopy(network).to(accelerator), "layer3", images().to(accelerator))
    maps = here.maps.clone()
    maps[:, :100] = 0
    assert torch.allclose(there(maps.to(accelerator)).cpu(), here(maps), atol=1e-3)
