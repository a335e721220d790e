"""Guided backpropagation: a ReLU is found however it is called, and refused where it cannot be seen."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import pytest
import reference
import torch
from captum.attr import GuidedBackprop
from pytorch_grad_cam import GuidedBackpropReLUModel
from relu_networks import CLASSES, Called, Lambda, close, images, network
from torch import Tensor, nn
from torch.nn import functional as F

from xai_widgets.kernels import gradients
from xai_widgets.kernels.gradients import of_output


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.mark.filterwarnings("ignore:Setting backward hooks on ReLU")
def test_guided_backpropagation_is_that_of_captum() -> None:
    net, inputs = network(), images()
    found = gradients.guided_backpropagation(net, inputs, of_output(3))
    close(found, GuidedBackprop(net).attribute(inputs.clone().requires_grad_(), target=3))
    assert not torch.allclose(found, gradients.gradient(net, inputs, of_output(3)))


def test_guided_backpropagation_is_that_of_pytorch_grad_cam() -> None:
    net, inputs = network(), images(1)
    found = gradients.guided_backpropagation(net, inputs, of_output(3))[0]
    peer = GuidedBackpropReLUModel(net, "cpu")(inputs, 3)
    close(found, torch.from_numpy(peer).permute(2, 0, 1).double())


@pytest.mark.parametrize("target", range(CLASSES))
def test_guided_backpropagation_is_the_literal_rule(target: int) -> None:
    net, inputs = network(), images(1)
    expected = reference.guided_backpropagation(list(net), inputs, target)
    close(gradients.guided_backpropagation(net, inputs, of_output(target)), expected)
    close(gradients.positive_saliency(net, inputs, of_output(target)), expected.clamp(min=0))


# ReLU in all its ways


@pytest.mark.parametrize(
    "relu",
    [
        F.relu,
        torch.relu,
        torch.relu_,
        F.relu_,
        lambda x: F.relu(x, True),
        lambda x: F.relu(input=x, inplace=True),
        lambda x: F.relu(x, inplace=False),
        lambda x: x.relu(),
        lambda x: x.relu_(),
        nn.ReLU(inplace=True),
        nn.Threshold(0, 0),
        nn.Threshold(0.0, 0.0, inplace=True),
        lambda x: F.threshold(x, 0, 0),
        lambda x: torch.threshold(x, threshold=0, value=0),
        lambda x: torch.threshold_(x, 0, 0),
    ],
)
def test_a_relu_is_found_however_it_is_called(relu: Callable[[Tensor], Tensor]) -> None:
    net, inputs = network(), images()
    expected = gradients.guided_backpropagation(net, inputs, of_output(0))
    found = gradients.guided_backpropagation(Called(net, relu).eval(), inputs, of_output(0))
    close(found, expected)


def test_one_relu_module_called_many_times_is_guided_each_time() -> None:
    net, inputs = network(), images()
    shared = nn.ReLU(inplace=True)
    expected = gradients.guided_backpropagation(net, inputs, of_output(0))
    close(gradients.guided_backpropagation(Called(net, shared), inputs, of_output(0)), expected)


def test_a_relu_in_place_on_a_view_writes_into_its_base() -> None:
    def half(x: Tensor) -> Tensor:
        y = x * 1
        y[:, :2].relu_()
        return y.sum((2, 3))

    def apart(x: Tensor) -> Tensor:
        return torch.cat((x[:, :2].relu(), x[:, 2:]), 1).sum((2, 3))

    inputs = images()
    found = gradients.guided_backpropagation(Lambda(half), inputs, lambda scores: -torch.ones_like(scores))
    close(found, gradients.guided_backpropagation(Lambda(apart), inputs, lambda scores: -torch.ones_like(scores)))
    assert found[:, :2].abs().max() == 0


@pytest.mark.parametrize("relu", [nn.ReLU6, lambda: nn.ReLU6(inplace=True), lambda: Lambda(F.relu6)])
def test_relu6_is_guided_too_and_stays_closed_above_6(relu: Callable[[], nn.Module]) -> None:
    inputs = torch.tensor([[-1.0, 2.0, 3.0, 7.0]]).double()
    net = nn.Sequential(Lambda(lambda x: x * 1), relu(), Lambda(lambda x: x * torch.tensor([5.0, 5, -5, 5])))
    found = gradients.guided_backpropagation(net, inputs, torch.ones_like)
    assert found.tolist() == [[0, 5, 0, 0]]
    assert gradients.gradient(net, inputs, torch.ones_like).tolist() == [[0, 5, -5, 0]]


@pytest.mark.parametrize("other", [nn.GELU, nn.SiLU, nn.ELU, nn.LeakyReLU, nn.Hardswish, nn.Hardtanh, nn.Tanh])
def test_other_activations_keep_their_gradient_and_alone_are_refused(other: Callable[[], nn.Module]) -> None:
    net, inputs = network(other), images()
    with pytest.raises(ValueError, match="needs a network with ReLU or ReLU6, none was called"):
        gradients.guided_backpropagation(net, inputs, of_output(0))
    mixed = nn.Sequential(nn.Conv2d(3, 4, 3), other(), nn.Flatten(), nn.ReLU(), nn.Linear(360, 2)).double()
    expected = reference.guided_backpropagation(list(mixed), inputs[:1], 1)
    close(gradients.guided_backpropagation(mixed, inputs[:1], of_output(1)), expected)


def test_another_threshold_keeps_its_gradient() -> None:
    inputs = images()
    with pytest.raises(ValueError, match="needs a network with ReLU"):
        gradients.guided_backpropagation(Lambda(lambda x: F.threshold(x, 0.5, 0).mean((2, 3))), inputs, of_output(0))


def scripted(relu: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that scripts are deprecated
        compiled: Callable[[Tensor], Tensor] = torch.jit.script(relu)
    return compiled


def relu6_of(x: Tensor) -> Tensor:
    return F.relu6(x)


def relu_of(x: Tensor) -> Tensor:
    return torch.relu(x) * 2


def threshold_of(x: Tensor) -> Tensor:
    return F.threshold(x, 0.0, 0.0)


@pytest.mark.parametrize("relu", [relu_of, relu6_of, threshold_of])
def test_a_relu_that_is_not_seen_is_refused_each_time(relu: Callable[[Tensor], Tensor]) -> None:
    part, inputs = scripted(relu), images()
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), Lambda(part), nn.Flatten(), nn.Linear(360, 2)).double()
    for _ in range(4):  # TorchScript runs a function twice as it is, and changed from then on
        with pytest.raises(ValueError, match=r"does not see .*ReLU.* give it .*, or ask `gradient`"):
            gradients.guided_backpropagation(net, inputs, of_output(0))
    gradients.gradient(net, inputs, of_output(0))


def test_a_scripted_network_is_refused() -> None:
    net = scripted(network())
    with pytest.raises(TypeError, match=r"the network is a TorchScript module, .* an eager nn.Module is needed"):
        gradients.guided_backpropagation(net, images(), of_output(0))  # type: ignore[arg-type]


@pytest.mark.parametrize(("nonlinearity", "seen"), [("relu", False), ("tanh", True)])
def test_a_relu_inside_of_a_recurrent_layer_is_refused(nonlinearity: str, seen: bool) -> None:
    recurrent = nn.RNN(11, 5, nonlinearity=nonlinearity, batch_first=True).double()
    net = nn.Sequential(Lambda(lambda x: F.relu(x.mean(1))), Lambda(lambda x: recurrent(x)[0][:, -1]))
    if seen:
        assert gradients.guided_backpropagation(net, images(), of_output(0)).abs().max() > 0
        return
    with pytest.raises(ValueError, match="a ReLU that is not called from Python"):
        gradients.guided_backpropagation(net, images(), of_output(0))


def test_a_slope_without_a_value_is_not_made_zero() -> None:
    found = gradients.guided_backpropagation(
        Lambda(lambda x: torch.where(x > 0, x.relu().mul(0).sqrt(), x).mean((2, 3))), images().abs() + 1, of_output(0)
    )
    assert found[:, 0].isnan().all()


def test_nothing_stays_guided_not_even_after_an_exception() -> None:
    net, inputs = network(), images()
    before = gradients.gradient(net, inputs, of_output(0))
    state = {name: value.clone() for name, value in net.state_dict().items()}

    def breaks(x: Tensor) -> Tensor:
        net(x)
        raise RuntimeError("on the way")

    with pytest.raises(RuntimeError, match="on the way"):
        gradients.guided_backpropagation(Lambda(breaks), inputs, of_output(0))
    assert torch.equal(gradients.gradient(net, inputs, of_output(0)), before)
    assert all(torch.equal(value, state[name]) for name, value in net.state_dict().items())
    assert all(parameter.grad is None for parameter in net.parameters())
    assert not any(module._forward_hooks or module._backward_hooks for module in net.modules())
