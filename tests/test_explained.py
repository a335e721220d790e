"""What the gradients at the input are of: a tail, a shell, a network in any mode, a model; SmoothGrad; who is asked."""

from __future__ import annotations

import math
from typing import Any

import pytest
import reference
import tiny
import torch
from captum.attr import NoiseTunnel, Saliency
from gradient_methods import METHODS, Method, smooth
from torch import Tensor, nn
from unchecked import refused
from untouched import untouched

from xai_widgets.kernels import gradients
from xai_widgets.kernels.gradients import of_class_contrast, of_counterfactual, of_output, of_score_contrast
from xai_widgets.kernels.tail import Shell, Tail

CLASSES = 4


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def network() -> nn.Sequential:
    """With batch norm and dropout, so that the mode matters."""
    return nn.Sequential(
        nn.Conv2d(3, 12, 3), nn.BatchNorm2d(12), nn.ReLU(), nn.Conv2d(12, 10, 3, 2), nn.ReLU(inplace=True),
        nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Dropout(), nn.Linear(40, 32), nn.ReLU(), nn.Linear(32, CLASSES),
    ).double().eval()  # fmt: skip


def images(n: int = 2) -> Tensor:
    return torch.rand(n, 3, 12, 11).double() - 0.3


def close(found: Tensor, expected: Tensor) -> None:
    assert expected.abs().max() > 0
    torch.testing.assert_close(found, expected, atol=1e-10, rtol=1e-8)


class Model:
    """As an ImageModel: a shell, and scores from what the network returns."""

    labels = ("ant", "bee", "cat", "dog")

    def __init__(self, net: nn.Module) -> None:
        self.shell = Shell(net)

    def scores(self, result: Tensor) -> Tensor:
        return 2 * result


# What is explained


@pytest.mark.parametrize("method", METHODS)
def test_a_network_in_training_mode_is_explained_as_in_eval_mode_and_left_alone(method: Method) -> None:
    net, inputs = network(), images()
    expected = method(net, inputs, of_output(1))
    net.train()
    for parameter in net.parameters():
        parameter.grad = torch.ones_like(parameter)
    seen: list[Tensor] = []
    net.register_forward_hook(lambda module, args, output: seen.append(output))
    same = untouched(net)
    for _ in range(2):
        assert torch.equal(method(net, inputs, of_output(1)), expected)
    same()
    assert net.training


@pytest.mark.parametrize("method", METHODS)
def test_tails_shells_networks_and_models_are_explained_alike(method: Method) -> None:
    net, inputs = network(), images()
    expected = method(net, inputs, of_output(2))
    tail = Tail(net, "0", inputs)
    assert torch.equal(method(tail, None, of_output(2)), expected)
    assert torch.equal(method(tail, inputs[:1], of_output(2)), method(net, inputs[:1], of_output(2)))
    assert torch.equal(method(Shell(net), inputs, of_output(2)), expected)
    close(method(Model(net), inputs, of_output(2)), 2 * expected)
    assert torch.equal(method(Model(net), inputs, of_output(2), score=lambda result: result), expected)


def test_an_image_model_is_explained_by_its_own_scores_and_names() -> None:
    model = tiny.classifier()
    inputs = model.inputs(tiny.photos()[0])
    expected = torch.autograd.grad(model.network(leaf := inputs.clone().requires_grad_())[0, 2], leaf)[0]
    found = gradients.gradient(model, inputs, of_output("crew"))
    torch.testing.assert_close(found, expected)
    assert found.abs().max() > 0


def test_what_cannot_be_explained_is_refused_in_one_sentence() -> None:
    net, inputs = network(), images()

    def forward(x: Tensor) -> Tensor:
        return net(x)

    for wrong, name in ((forward, "the function 'forward'"), (3, "int"), ("net", "str")):
        with refused(TypeError, rf"must be a Tail, a Shell, a network .* or a model .*, got {name}\.$"):
            gradients.gradient(wrong, inputs)  # type: ignore[arg-type]
    with refused(TypeError, "inputs must be given for Sequential; only a Tail brings its own"):
        gradients.gradient(net)


def test_the_predicted_output_is_asked_if_none_is_named() -> None:
    net, inputs = network(), images(3)
    predicted = net(inputs).argmax(1)
    assert torch.equal(gradients.gradient(net, inputs), gradients.gradient(net, inputs, of_output(predicted)))
    turned = gradients.gradient(net, inputs, of_counterfactual())
    assert torch.equal(turned, -gradients.gradient(net, inputs))


# Names, and questions of each image


def test_each_image_may_have_its_own_question() -> None:
    net, inputs = network(), images(3)
    p, q = [3, 0, 2], torch.tensor([1, 2, 2])
    for asked, alone in (
        (of_output(p), of_output),
        (of_counterfactual(torch.tensor(p)), of_counterfactual),
    ):
        expected = torch.cat([gradients.gradient(net, one[None], alone(c)) for one, c in zip(inputs, p, strict=True)])
        close(gradients.gradient(net, inputs, asked), expected)
    some = zip(inputs, p, q.tolist(), strict=True)
    expected = torch.cat([gradients.gradient(net, one[None], of_class_contrast(b, a)) for one, a, b in some])
    close(gradients.gradient(net, inputs, of_class_contrast(q, p)), expected)
    with pytest.raises(ValueError, match="what is asked must be one an image, got 2 for 3"):
        gradients.gradient(net, inputs, of_output([1, 2]))


def test_a_chosen_class_is_held_against_another_by_their_difference() -> None:
    net, inputs = network(), images(1)
    for p in {*range(CLASSES)} - {int(net(inputs).argmax())}:
        q = (p + 1) % CLASSES
        difference = [gradients.gradient(net, inputs, of_output(c)) for c in (p, q)]
        close(gradients.gradient(net, inputs, of_class_contrast(q, p)), difference[0] - difference[1])


def test_outputs_go_by_the_names_of_the_model() -> None:
    model, inputs = Model(network()), images()
    close(gradients.gradient(model, inputs, of_output("cat")), gradients.gradient(model, inputs, of_output(2)))
    named, numbered = of_class_contrast("ant", ["dog", "bee"]), of_class_contrast(0, [3, 1])
    close(gradients.gradient(model, inputs, named), gradients.gradient(model, inputs, numbered))
    with pytest.raises(ValueError, match="target must be one of 'cat'"):
        gradients.gradient(model, inputs, of_output("cats"))
    with pytest.raises(ValueError, match="target must be a number where the outputs have no names, got 'cat'"):
        gradients.gradient(network(), inputs, of_output("cat"))


def test_of_several_scores_one_is_held_against_another_score() -> None:
    net, inputs = network(), images()
    y = net(inputs)[:, 1].detach()
    expected = 2 * (y - 0.4)[:, None, None, None] * gradients.gradient(net, inputs, of_output(1))
    close(gradients.gradient(net, inputs, of_score_contrast(0.4, 1)), expected)
    other = torch.tensor([0.4, -2.0])
    expected = 2 * (y - other)[:, None, None, None] * gradients.gradient(net, inputs, of_output(1))
    close(gradients.gradient(net, inputs, of_score_contrast(other, 1)), expected)


# SmoothGrad


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_map_of_an_image_does_not_depend_on_its_batch(dtype: torch.dtype) -> None:
    net, inputs = network().to(dtype), (images(3) * torch.tensor([1.0, 3, 0.2])[:, None, None, None]).to(dtype)
    together = smooth(net, inputs, of_output(1), noise_level=0.4)
    alone = torch.cat([smooth(net, one[None], of_output(1), noise_level=0.4) for one in inputs])
    torch.testing.assert_close(together, alone, atol=1e-5 if dtype == torch.float32 else 1e-12, rtol=0)


def test_one_seed_is_one_noise_in_every_precision() -> None:
    seen: list[Tensor] = []

    class Looks(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(x.detach().double())
            return x.mean((2, 3))

    inputs, net = images(1), Looks()
    for dtype in (torch.float64, torch.float32, torch.float16):
        before = torch.get_default_dtype()
        torch.set_default_dtype(torch.float64 if dtype == torch.float32 else torch.float32)
        try:
            smooth(net, inputs.to(dtype), of_output(1), noise_level=0.5)
        finally:
            torch.set_default_dtype(before)
    exact, single, half = torch.cat(seen[0:3]), torch.cat(seen[3:6]), torch.cat(seen[6:9])
    assert (exact - inputs).abs().max() > 0.3
    torch.testing.assert_close(single, exact, atol=1e-6, rtol=0)
    torch.testing.assert_close(half, exact, atol=3e-3, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("method", METHODS)
def test_a_network_in_half_precision_gives_the_same_maps(method: Method, dtype: torch.dtype) -> None:
    net, inputs = network().to(dtype), images(1).to(dtype)
    exact = network_in(torch.float64, net)
    expected = method(exact, inputs.double(), of_output(1))
    found = method(net, inputs, of_output(1))
    assert found.dtype == torch.float32
    correlation = torch.corrcoef(torch.stack((found.double().flatten(), expected.flatten())))[0, 1]
    assert correlation > 0.99


def network_in(dtype: torch.dtype, net: nn.Module) -> nn.Module:
    other = network().to(dtype)
    other.load_state_dict(net.state_dict())
    return other.eval()


def test_small_slopes_are_not_lost_in_float16() -> None:
    """A mean over 10,000 places times 1e-3: each slope is 1e-7, which float16 alone rounds to a multiple of 6e-8."""

    class Mean(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return 1e-3 * (x * 1.3).mean((2, 3))

    found = gradients.gradient(Mean(), torch.rand(1, 2, 100, 100).half(), of_output(0))
    torch.testing.assert_close(found[0, 0], torch.full((100, 100), 1.3e-7), rtol=0.02, atol=0)


def test_smooth_grad_is_the_mean_of_signed_gradients_of_noisy_images() -> None:
    net, inputs = network(), images()
    found = gradients.smooth_grad(
        net, inputs, of_output(1), generator=torch.Generator().manual_seed(4), n_samples=5, noise_level=0.2
    )
    close(found, reference.smooth_grad(net, inputs, 1, torch.Generator().manual_seed(4), 5, 0.2))


def test_smooth_grad_is_that_of_captum_for_the_same_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    net, inputs = network(), images(1)
    generator = torch.Generator().manual_seed(5)
    noise = torch.cat([torch.randn(inputs.shape, generator=generator, dtype=inputs.dtype) for _ in range(6)])
    monkeypatch.setattr(torch, "normal", lambda mean, std: mean + std * noise)
    std = 0.2 * float(inputs.max() - inputs.min())
    peer = NoiseTunnel(Saliency(net)).attribute(
        inputs.clone().requires_grad_(), nt_type="smoothgrad", nt_samples=6, stdevs=std, target=2, abs=False
    )
    again = torch.Generator().manual_seed(5)
    found = gradients.smooth_grad(net, inputs, of_output(2), generator=again, n_samples=6, noise_level=0.2)
    torch.testing.assert_close(found, peer.detach(), atol=1e-7, rtol=1e-5)  # captum's std is in float32


def test_smooth_grad_without_noise_is_the_gradient(generator: torch.Generator) -> None:
    net, inputs = network(), images()
    found = gradients.smooth_grad(net, inputs, of_output(1), generator=generator, n_samples=3, noise_level=0.0)
    close(found, gradients.gradient(net, inputs, of_output(1)))


def test_smooth_grad_refuses_what_it_cannot_do(generator: torch.Generator) -> None:
    net, inputs = network(), images()
    with pytest.raises(ValueError, match="n_samples must be at least 1, got 0"):
        gradients.smooth_grad(net, inputs, of_output(1), generator=generator, n_samples=0)
    for level in (-0.1, math.nan, math.inf):
        with pytest.raises(ValueError, match="noise_level must be 0 or more and finite"):
            gradients.smooth_grad(net, inputs, of_output(1), generator=generator, noise_level=level)
    wrong: tuple[tuple[type[Exception], str, dict[str, Any]], ...] = (
        (TypeError, "n_samples must be a whole number, got 2.5", {"n_samples": 2.5}),
        (TypeError, "n_samples must be a whole number, got True", {"n_samples": True}),
        (TypeError, "n_samples must be a whole number, got None", {"n_samples": None}),
        (TypeError, "noise_level must be a number, got '0.1'", {"noise_level": "0.1"}),
        (TypeError, "generator must be a torch.Generator or a whole number, its seed, got '3'", {"generator": "3"}),
    )
    for error, message, options in wrong:
        with refused(error, message):
            gradients.smooth_grad(net, inputs, of_output(1), **{"generator": generator} | options)


def test_smooth_grad_may_be_cancelled(generator: torch.Generator) -> None:
    steps = iter(range(2))

    def step() -> None:
        if next(steps):
            raise InterruptedError

    with pytest.raises(InterruptedError):
        gradients.smooth_grad(network(), images(), of_output(1), generator=generator, step=step)
