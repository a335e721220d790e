"""Gradients at the input against captum, pytorch-grad-cam, slow literal versions and known answers."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from captum.attr import InputXGradient, Saliency
from relu_networks import CLASSES, Lambda, Modules, close, images, network
from torch import Tensor, nn
from torch.nn import functional as F
from unchecked import refused

from xai_widgets.kernels import gradients
from xai_widgets.kernels.gradients import of_class_contrast, of_counterfactual, of_output, of_score_contrast

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


# Peers


def test_vanilla_and_input_x_gradient_are_those_of_captum() -> None:
    net, inputs = network(), images()
    close(
        gradients.gradient(net, inputs, of_output(2)),
        Saliency(net).attribute(inputs.clone().requires_grad_(), target=2, abs=False),
    )
    peer = InputXGradient(net).attribute(inputs.clone().requires_grad_(), target=1)
    close(gradients.input_x_gradient(net, inputs, of_output(1)), peer.detach())


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
        (ValueError, "the score must be .*; for one output return", lambda y: y[:, 0]),
        (ValueError, "the score must have one row for each image, got 1 for 2", lambda y: y[:1]),
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
