"""Gradients at the input against captum, pytorch-grad-cam, slow literal versions and known answers."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import reference
import torch
from captum.attr import GuidedBackprop, InputXGradient, Saliency
from pytorch_grad_cam import GuidedBackpropReLUModel
from torch import Tensor, nn
from torch.nn import functional as F
from unchecked import refused

from xai_widgets.kernels import gradients
from xai_widgets.kernels.gradients import of_class_contrast, of_counterfactual, of_output, of_score_contrast

CLASSES = 4
METHODS = (
    gradients.gradient,
    gradients.input_x_gradient,
    gradients.guided_backpropagation,
    gradients.positive_saliency,
)
Method = Callable[..., Tensor]


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


class Modules(nn.Sequential):
    """ReLU as a module of its own each time, in place or not."""

    def __init__(self, activation: Callable[[], nn.Module], classes: int = CLASSES) -> None:
        super().__init__(
            nn.Conv2d(3, 12, 3), nn.BatchNorm2d(12), activation(), nn.Conv2d(12, 10, 3, 2), activation(),
            nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(40, 32), activation(), nn.Linear(32, classes),
        )  # fmt: skip


class Called(nn.Module):
    """The same network with its ReLUs called as `relu` says."""

    def __init__(self, modules: Modules, relu: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(modules)
        self.relu = relu

    def forward(self, x: Tensor) -> Tensor:
        for index, part in enumerate(self.parts):
            x = self.relu(x) if index in (2, 4, 8) else part(x)
        return x


class Lambda(nn.Module):
    """A function as a network."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def network(activation: Callable[[], nn.Module] = nn.ReLU, classes: int = CLASSES) -> Modules:
    return Modules(activation, classes).double().eval()


def images(n: int = 2) -> Tensor:
    return torch.rand(n, 3, 12, 11).double() - 0.3


def close(found: Tensor, expected: Tensor) -> None:
    assert expected.abs().max() > 0
    torch.testing.assert_close(found, expected, atol=1e-10, rtol=1e-8)


# Peers


def test_vanilla_and_input_x_gradient_are_those_of_captum() -> None:
    net, inputs = network(), images()
    close(
        gradients.gradient(net, inputs, of_output(2)),
        Saliency(net).attribute(inputs.clone().requires_grad_(), target=2, abs=False),
    )
    peer = InputXGradient(net).attribute(inputs.clone().requires_grad_(), target=1)
    close(gradients.input_x_gradient(net, inputs, of_output(1)), peer.detach())


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


# Contrast as a plug-in


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("q", range(CLASSES))
def test_every_map_reads_the_contrast_of_classes(method: Method, q: int) -> None:
    net, inputs = network(), images()

    def loss(x: Tensor) -> Tensor:
        return F.cross_entropy(net(x), torch.tensor([q, q]), reduction="none")[:, None]

    close(method(net, inputs, of_class_contrast(q)), method(Lambda(loss), inputs, of_output(0)))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("q", [-3.0, 0.1, 3.0])
def test_every_map_reads_the_contrast_of_scores(method: Method, q: float) -> None:
    net, inputs = network(classes=1), images()
    squared = method(Lambda(lambda x: (net(x) - q) ** 2), inputs, of_output(0))
    close(method(net, inputs, of_score_contrast(q)), squared)
    with pytest.raises(ValueError, match="a network of one score, got 4"):
        method(network(), inputs, of_score_contrast(q))


def test_a_linear_map_of_the_contrasts_cancels_and_a_counterfactual_turns_the_sign() -> None:
    net, inputs = network(), images(1)
    p = net(inputs).softmax(1)[0].detach()
    parts = [p[q] * gradients.gradient(net, inputs, of_class_contrast(q)) for q in range(CLASSES)]
    torch.testing.assert_close(torch.stack(parts).sum(0), torch.zeros_like(inputs), atol=1e-12, rtol=0)
    close(gradients.gradient(net, inputs, of_counterfactual(2)), -gradients.gradient(net, inputs, of_output(2)))


def test_smooth_grad_asks_the_contrast_of_each_copy() -> None:
    net, inputs = network(), images()

    def loss(x: Tensor) -> Tensor:
        return F.cross_entropy(net(x), torch.tensor([1, 1]), reduction="none")[:, None]

    smooth = partial(gradients.smooth_grad, n_samples=4, noise_level=0.3)
    seeds = [torch.Generator().manual_seed(7) for _ in range(2)]
    found = smooth(net, inputs, of_class_contrast(1), generator=seeds[0])
    close(found, smooth(Lambda(loss), inputs, of_output(0), generator=seeds[1]))


@pytest.mark.parametrize("margin", [30.0, 80.0, 95.0])
def test_full_confidence_does_not_underflow_on_the_way_back(margin: float) -> None:
    net, inputs = network().float(), images(1).float()
    raw = net(inputs).detach()[0]
    factor = margin / float(raw.max() - raw.topk(2).values[1])
    p = int(raw.argmax())
    found = gradients.gradient(Lambda(lambda x: factor * net(x) * 1e-3 * 1e3), inputs, of_class_contrast(p))
    net.double()
    exact = gradients.gradient(Lambda(lambda x: factor * net(x)), inputs.double(), of_class_contrast(p))
    assert 0 < exact.abs().max() < 1e-6
    assert (found.double() - exact).abs().max() < 0.02 * exact.abs().max()


# Bad input


@pytest.mark.parametrize("method", METHODS)
def test_what_cannot_be_asked_is_refused(method: Method) -> None:
    net, inputs = network(), images(3)
    for target in (-1, CLASSES):
        with pytest.raises(ValueError, match=f"target must be 0 to 3, got {target}"):
            method(net, inputs, of_output(target))
    with pytest.raises(ValueError, match="contrast class must be 0 to 3, got 4"):
        method(net, inputs, of_class_contrast(4))
    with pytest.raises(ValueError, match="steps that have a gradient"):
        method(Lambda(lambda x: net(x).detach()), inputs, of_output(0))
    for bad in (math.nan, math.inf):
        broken = inputs.clone()
        broken[2, 0, 0, 0] = bad
        with pytest.raises(ValueError, match=f"inputs must be finite, got {bad} at index 2"):
            method(net, broken, of_output(0))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("error", "message", "change"),
    [
        (ValueError, "scores must be finite, got nan at index 1", lambda y: y * torch.tensor([[1.0], [math.nan]])),
        (ValueError, "the score must be .*; for one output an image return", lambda y: y[:, 0]),
        (ValueError, "the score must have one row an image, got 1 for 2", lambda y: y[:1]),
        (TypeError, "the score must be a tensor of floating-point numbers, .* got dict", lambda y: {"logits": y}),
    ],
)
def test_a_network_that_gives_no_scores_is_refused(
    method: Method, error: type[Exception], message: str, change: Callable[[Tensor], Any]
) -> None:
    net = network()
    with refused(error, message):
        method(Lambda(lambda x: change(net(x))), images(), of_output(0))


@pytest.mark.parametrize(
    ("error", "message", "ask"),
    [
        (TypeError, "target must be a whole number, got True", lambda: of_output(True)),
        (TypeError, "target must be a whole number, got 1.5", lambda: of_counterfactual(1.5)),  # type: ignore[arg-type]
        (TypeError, "contrast class must be a whole number, got 1.0", lambda: of_class_contrast(1.0)),  # type: ignore[arg-type]
        (TypeError, "the other score must be a number, got None", lambda: of_score_contrast(None)),  # type: ignore[arg-type]
        (ValueError, "the other score must be finite, got nan", lambda: of_score_contrast(math.nan)),
    ],
)
def test_a_question_that_is_none_is_refused(error: type[Exception], message: str, ask: Callable[[], object]) -> None:
    with refused(error, message):
        ask()


def test_weights_and_inputs_that_do_not_fit_are_refused() -> None:
    wrong: tuple[tuple[type[Exception], str, Any, Any], ...] = (
        (ValueError, "weights of the scores and scores must have as many outputs, got 1 and 4", images(),
         lambda y: y[:, :1]),
        (ValueError, "weights of the scores must be finite, got nan", images(), lambda y: y * math.nan),
        (ValueError, "contrast of classes needs at least 2 classes", images(), of_class_contrast(0)),
        (TypeError, "inputs must be a tensor, got ndarray", images().numpy(), of_output(0)),
        (TypeError, "inputs must be of floating-point numbers", images().long(), of_output(0)),
        (ValueError, "inputs must hold at least one image", images()[:0], of_output(0)),
    )  # fmt: skip
    for error, message, inputs, cotangent in wrong:
        net = network(classes=1 if "at least 2" in message else CLASSES)
        with refused(error, message):
            gradients.gradient(net, inputs, cotangent)
    with refused(ValueError, "attribution must have the axes images, channels, rows, columns"):
        gradients.over_channels(images()[0])


@pytest.mark.parametrize("method", METHODS)
def test_modes_and_inputs_of_the_caller_are_left_alone_and_a_batch_is_its_images(method: Method) -> None:
    net, inputs = network(), images()
    kept, expected = inputs.clone(), method(net, inputs, of_output(0))
    for mode in (torch.no_grad(), torch.inference_mode()):
        with mode:
            assert torch.equal(method(net, inputs, of_output(0)), expected)

    def writes(x: Tensor) -> Tensor:
        return net(x.mul_(1))

    close(method(Lambda(writes), inputs, of_output(0)), expected)
    assert torch.equal(inputs, kept)
    assert not expected.requires_grad
    close(torch.cat([method(net, one[None], of_output(0)) for one in inputs]), expected)
    single = method(network_of(net), inputs.float(), of_output(0))
    torch.testing.assert_close(single.double(), expected, atol=1e-5, rtol=1e-4)


def network_of(net: Modules) -> Modules:
    single = Modules(nn.ReLU).eval()
    single.load_state_dict(
        {name: value.float() for name, value in net.state_dict().items() if value.is_floating_point()}, strict=False
    )
    return single


def test_the_display_takes_the_largest_magnitude_over_channels() -> None:
    attribution = torch.tensor([[[[1.0, -2.0]], [[-3.0, 0.5]], [[2.0, 1.0]]]])
    assert gradients.over_channels(attribution).tolist() == [[[3.0, 2.0]]]
