"""Every gradient method answers every question, and with gains it is that of a network with a hook on the layer."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from gradient_methods import METHODS, Method
from torch import Tensor, nn
from torch.nn import functional as F
from unchecked import refused
from untouched import untouched

from xai_widgets.kernels import gradients, mismatch
from xai_widgets.kernels.gains import with_gains
from xai_widgets.kernels.gradients import (
    Question,
    of_class_contrast,
    of_counterfactual,
    of_full_confidence,
    of_output,
    of_score_contrast,
)
from xai_widgets.kernels.outputs import Outputs
from xai_widgets.kernels.questions import cam_of_question
from xai_widgets.kernels.tail import Shell, Tail

CLASSES = 4
MAPS = 12


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def as_it_is(result: Tensor) -> Tensor:
    return result


def network(outputs: int = CLASSES) -> nn.Sequential:
    """The ReLU after layer "1" writes in place into what the layer hands on."""
    return nn.Sequential(
        nn.Conv2d(3, MAPS, 3), nn.BatchNorm2d(MAPS), nn.ReLU(inplace=True), nn.Conv2d(MAPS, 10, 3, 2), nn.ReLU(),
        nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(40, 32), nn.ReLU(), nn.Linear(32, outputs),
    ).double().eval()  # fmt: skip


def images(n: int = 2) -> Tensor:
    return torch.rand(n, 3, 12, 11).double() - 0.3


def gains(rows: int = 1) -> Tensor:
    some = 2 * torch.rand(rows, MAPS).double()
    some[:, 0], some[:, 1] = 0, 1
    return some


def hooked(net: nn.Module, layer: str, gain: Tensor, level: Tensor | float = 0.0) -> nn.Module:
    """A copy of the network whose layer returns g A + (1 - g) b, by a forward hook."""
    other = copy.deepcopy(net)
    weights = gain[:, :, None, None]

    def change(module: nn.Module, args: Any, output: Tensor) -> Tensor:
        return weights * output + (1 - weights) * level

    other.get_submodule(layer).register_forward_hook(change)
    return other


J: dict[str, tuple[Question, Callable[[Tensor], Tensor]]] = {
    "why P": (of_output(2), lambda y: y[:, 2].sum()),
    "what if not P": (of_counterfactual(2), lambda y: -y[:, 2].sum()),
    "why P, rather than Q": (
        of_class_contrast(1),
        lambda y: F.cross_entropy(y, torch.ones(len(y), dtype=torch.long), reduction="sum"),
    ),
    "why a chosen P, rather than Q": (
        of_class_contrast([1, 0], [3, 3]),
        lambda y: y[0, 3] - y[0, 1] + y[1, 3] - y[1, 0],
    ),
    "100 % confidence": (of_full_confidence(), lambda y: F.cross_entropy(y, y.argmax(1), reduction="sum")),
}
SCORE = (of_score_contrast(0.4), lambda y: (y[:, 0] - 0.4).square().sum())


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", [*J, "why this score, rather than q"])
def test_each_method_answers_each_question(name: str, method: Method) -> None:
    """Asked through a Tail with gains, against autograd of J itself on a copy with a hook."""
    net = network(CLASSES if name in J else 1)
    question, function = J.get(name, SCORE)
    inputs, gain = images(), gains()
    if name == "why a chosen P, rather than Q":
        assert (hooked(net, "1", gain)(inputs).argmax(1) != 3).all()  # so that J is a difference of two logits
    check = untouched(net)
    answer = method(Tail(net, "1", inputs), None, question, gains=gain)
    check()

    def literal(y: Tensor) -> Tensor:
        known = y.detach().requires_grad_()
        return torch.autograd.grad(function(known), known)[0]

    expected = method(hooked(net, "1", gain), inputs, literal)
    assert expected.abs().max() > 0
    torch.testing.assert_close(answer, expected, atol=1e-10, rtol=1e-8)


def test_the_gradient_with_gains_is_that_of_autograd() -> None:
    net, inputs = network(), images()
    level = torch.randn(MAPS).double()
    for layer, gain, baseline in (("1", gains(), None), ("1", gains(2), level), ("0", gains(2), level)):
        leaf = inputs.clone().requires_grad_()
        known = 0.0 if baseline is None else baseline[:, None, None]
        (expected,) = torch.autograd.grad(hooked(net, layer, gain, known)(leaf)[:, 2].sum(), leaf)
        made = Tail(net, layer, inputs)
        answer = gradients.gradient(made, None, of_output(2), gains=gain, baseline=baseline)
        torch.testing.assert_close(answer, expected, atol=1e-12, rtol=1e-10)
        alone = gradients.gradient(made, inputs[1:], of_output(2), gains=gain[-1:], baseline=baseline)
        torch.testing.assert_close(alone, expected[1:], atol=1e-12, rtol=1e-10)


def test_gains_of_1_change_nothing_and_gains_of_0_stop_what_passes_the_layer() -> None:
    net, inputs = network(), images()
    made = Tail(net, "1", inputs)
    plain = gradients.gradient(made, None, of_output(2))
    assert torch.equal(gradients.gradient(made, None, of_output(2), gains=torch.ones(1, MAPS).double()), plain)
    assert not gradients.gradient(made, None, of_output(2), gains=torch.zeros(1, MAPS).double()).any()


@pytest.mark.parametrize("kind", ["tokens", "channels_last"])
def test_gains_of_tokens_and_of_maps_in_the_last_axis(kind: str) -> None:
    """Tokens without a place keep their values."""

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.patches, self.layer = nn.Conv2d(3, MAPS, 3, 3), nn.LayerNorm(MAPS)
            self.first, self.head = nn.Parameter(torch.randn(1, 1, MAPS)), nn.Linear(MAPS, CLASSES)

        def forward(self, x: Tensor) -> Tensor:
            maps = self.patches(x)
            if kind == "channels_last":
                return self.head(self.layer(maps.permute(0, 2, 3, 1)).square().mean((1, 2)))
            tokens = torch.cat((self.first.expand(len(x), 1, -1), maps.flatten(2).transpose(1, 2)), 1)
            return self.head(self.layer(tokens).square().mean(1))

    net, inputs, gain = Net().double().eval(), torch.rand(2, 3, 12, 12).double(), gains(2)
    made = Tail(net, "layer", inputs)
    assert made.layout.kind == kind
    other = copy.deepcopy(net)

    def change(module: nn.Module, args: Any, output: Tensor) -> Tensor:
        if kind == "channels_last":
            return output * gain[:, None, None]
        return torch.cat((output[:, :1], output[:, 1:] * gain[:, None]), 1)

    other.layer.register_forward_hook(change)
    leaf = inputs.clone().requires_grad_()
    (expected,) = torch.autograd.grad(other(leaf)[:, 1].sum(), leaf)
    answer = gradients.gradient(made, None, of_output(1), gains=gain)
    torch.testing.assert_close(answer, expected, atol=1e-12, rtol=1e-10)


def test_gains_of_one_call_of_a_layer_that_is_called_twice() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.head = nn.Conv2d(3, 3, 3, padding=1), nn.Linear(3, CLASSES)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.conv(self.conv(x).tanh()).square().mean((2, 3)))

    net, inputs = Twice().double().eval(), images()
    gain = torch.tensor([[0.0, 0.5, 2.0]]).double()
    for call in (0, 1):
        leaf = inputs.clone().requires_grad_()
        first = net.conv(leaf) * (gain[:, :, None, None] if call == 0 else 1)
        second = net.conv(first.tanh()) * (gain[:, :, None, None] if call == 1 else 1)
        (expected,) = torch.autograd.grad(net.head(second.square().mean((2, 3)))[:, 1].sum(), leaf)
        made = Tail(net, "conv", inputs, call=call)
        torch.testing.assert_close(gradients.gradient(made, None, of_output(1), gains=gain), expected)


def test_gains_where_the_network_recomputes_parts_on_the_way_back() -> None:
    class Checkpointed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.part = nn.Sequential(nn.Conv2d(3, MAPS, 3), nn.Tanh())
            self.head = nn.Linear(MAPS, CLASSES)

        def forward(self, x: Tensor) -> Tensor:
            maps = torch.utils.checkpoint.checkpoint(self.part, x, use_reentrant=False)
            return self.head(maps.square().mean((2, 3)))

    net, inputs, gain = Checkpointed().double().eval(), images(), gains()
    leaf = inputs.clone().requires_grad_()
    maps = net.part[1](net.part[0](leaf) * gain[:, :, None, None])
    (expected,) = torch.autograd.grad(net.head(maps.square().mean((2, 3)))[:, 1].sum(), leaf)
    answer = gradients.gradient(Tail(net, "part.0", inputs), None, of_output(1), gains=gain)
    torch.testing.assert_close(answer, expected)


def test_100_percent_confidence_is_the_contrast_of_a_class_with_itself() -> None:
    logits = torch.randn(3, CLASSES).double()
    p = logits.argmax(1)
    assert torch.equal(of_full_confidence()(logits), of_class_contrast(p, p)(logits))
    assert torch.equal(of_full_confidence([0, 1, 2])(logits), of_class_contrast([0, 1, 2], [0, 1, 2])(logits))
    expected = logits.softmax(1) - F.one_hot(p, CLASSES)
    torch.testing.assert_close(of_full_confidence()(logits), expected)


def test_a_question_reads_the_logits_that_an_output_brings() -> None:
    binary = Outputs("binary", labels=("no", "yes"))
    z = torch.tensor([[1.25]]).double()
    assert of_output("yes").reader(binary)(z).tolist() == [[-1.25, 1.25]]
    question = of_class_contrast("no")
    assert question.reader(binary)(z).tolist() == [[0, 1.25]]
    weights = question(question.reader(binary)(z), binary)
    torch.testing.assert_close(weights[:, 1], z.sigmoid()[:, 0])
    assert question.reader(torch.sin) is torch.sin


@pytest.mark.parametrize(
    ("error", "message", "asked"),
    [
        (TypeError, "gains need a Tail, which says whose maps they multiply, got Sequential", lambda net, x: (net, x)),
        (TypeError, "gains need a Tail, .* got Shell", lambda net, x: (Shell(net), x)),
        (ValueError, r"gains need inputs of the size of the Tail's own, \(3, 12, 11\), got \(3, 12, 12\)",
         lambda net, x: (Tail(net, "1", x), torch.rand(1, 3, 12, 12).double())),
        (ValueError, "gains must have 1 row or one an image, got 2 rows for 1 images",
         lambda net, x: (Tail(net, "1", x), x[:1])),
    ],
)  # fmt: skip
def test_gains_without_a_layer_to_go_with_are_refused(
    error: type[Exception], message: str, asked: Callable[[nn.Module, Tensor], tuple[Any, Tensor]]
) -> None:
    with refused(error, message):
        gradients.gradient(*asked(network(), images()), gains=gains(2))


def test_gains_out_of_range_or_of_another_layer_are_refused() -> None:
    made = Tail(network(), "1", images())
    with refused(ValueError, r"gains must lie in \[0, 2\], got 3.0 for map 0"):
        gradients.gradient(made, gains=torch.full((1, MAPS), 3.0).double())
    with refused(ValueError, "gains must be .copies, 12 maps."):
        gradients.gradient(made, gains=torch.ones(1, 3).double())
    with refused(ValueError, "a baseline is what maps with a gain below 1 become, got one without gains"):
        gradients.gradient(made, baseline=torch.zeros(MAPS).double())


# Implicit saliency and Grad-CAM


def literal_gradient(net: nn.Module, layer: str, inputs: Tensor, gain: Tensor, function: Callable[..., Tensor]) -> Any:
    """What the layer hands on, with gains, and the gradient of J there, on a copy with a hook."""
    kept: list[Tensor] = []
    other = hooked(net, layer, gain)

    def keep(module: nn.Module, args: Any, output: Tensor) -> Tensor:
        kept.append(output.requires_grad_() if not output.requires_grad else output)
        return output.clone()

    other.get_submodule(layer).register_forward_hook(keep)
    (slope,) = torch.autograd.grad(function(other(inputs)), kept[0])
    return kept[0].detach(), slope


@pytest.mark.parametrize("name", [*J, "why this score, rather than q"])
def test_implicit_saliency_and_grad_cam_answer_each_question_with_gains(name: str) -> None:
    net = network(CLASSES if name in J else 1)
    question, function = J.get(name, SCORE)
    inputs, gain = images(), gains(2)
    handed, slope = literal_gradient(net, "1", inputs, gain, function)
    made = Tail(net, "1", inputs)
    maps = with_gains(made.maps, gain)
    expected = {
        "mismatch": slope.abs().mean(1),
        "feature": handed.abs().mean(1),
        "product": (slope * handed).abs().mean(1),
        "norms": slope.norm(dim=1) * handed.norm(dim=1),
    }
    for kind, wanted in expected.items():
        answer = mismatch.implicit_saliency_of(made, as_it_is, question, maps=maps, kind=kind)
        assert wanted.abs().max() > 0
        torch.testing.assert_close(answer, wanted, atol=1e-12, rtol=1e-9)
    scores, cam = cam_of_question(made, as_it_is, question, maps=maps)
    torch.testing.assert_close(scores, hooked(net, "1", gain)(inputs))
    torch.testing.assert_close(cam, (slope.mean((2, 3))[:, :, None, None] * handed).sum(1), atol=1e-12, rtol=1e-9)


def test_labels_of_maps_with_gains() -> None:
    net, inputs, gain = network(), images(1), gains()
    made = Tail(net, "1", inputs)
    maps = with_gains(made.maps, gain)
    each = []
    for label in range(CLASSES):
        target = torch.tensor([label])
        handed, slope = literal_gradient(net, "1", inputs, gain, lambda y, q=target: F.cross_entropy(y, q))
        each.append(slope[0])
    torch.testing.assert_close(
        mismatch.label_gradients(made, as_it_is, list(range(CLASSES)), maps=maps), torch.stack(each)
    )
    expected = torch.stack([(slope * handed[0]).abs().mean(0) for slope in each])
    answer = mismatch.implicit_saliency(made, as_it_is, maps=maps, kind="product", batch=3)
    torch.testing.assert_close(answer, expected.mean(0))
    answer = mismatch.implicit_saliency(made, as_it_is, maps=maps, kind="product", combine="variance")
    torch.testing.assert_close(answer, expected.var(0, correction=0))


def test_one_label_is_the_question_why_the_predicted_class_rather_than_it() -> None:
    made = Tail(network(), "1", images(1))
    (slope,) = mismatch.label_gradients(made, as_it_is, [3])
    answer = mismatch.implicit_saliency(made, as_it_is, of_class_contrast(3))
    torch.testing.assert_close(answer, slope.abs().mean(0))


def test_the_scores_beside_a_contrast_of_two_classes_are_those_that_are_shown() -> None:
    made, read = Tail(network(1), "1", images()), Outputs("binary")
    scores, cam = cam_of_question(made, read, of_class_contrast(0))
    torch.testing.assert_close(scores, read(made.result))
    z, (_, whole) = made.result, cam_of_question(made, as_it_is, of_output(0))
    expected = z.sigmoid()[:, :, None] * whole  # the cross entropy with the first class, of the logits (0, z)
    torch.testing.assert_close(cam, expected)


def test_a_question_beside_a_choice_of_labels_is_refused() -> None:
    made, asked = Tail(network(), "1", images(1)), of_class_contrast(3)
    with refused(ValueError, "a question takes the place of the labels, got it beside labels='others'"):
        mismatch.implicit_saliency(made, as_it_is, asked, labels="others")
    with refused(ValueError, "a variance over labels needs labels, got combine='variance' beside one question"):
        mismatch.implicit_saliency(made, as_it_is, asked, combine="variance")
    both = Tail(network(), "1", images(2))
    with refused(ValueError, "maps must be one set an image, got 1 for 2 images"):
        mismatch.implicit_saliency_of(both, as_it_is, asked, maps=both.maps[:1])
