"""Networks that let no gradient through, and those that run only as a whole: what works works, the rest is said."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision import transforms

from xai_widgets import ImageModel, Session
from xai_widgets.engine.methods import METHODS

TRANSFORM = transforms.Compose([transforms.Resize((64, 64)), transforms.ToTensor()])
PHOTOS = [np.random.default_rng(index).integers(0, 256, (80, 96, 3), dtype=np.uint8) for index in range(2)]
REMOVALS = {"behaviour", "feature_activation"}
AT_THE_INPUT = {"gradient", "input_x_gradient", "smooth_grad"}
WHY = "This network is {}: it has no layers that can be looked into; give the nn.Module it was made from."


class Net(nn.Module):
    def __init__(self, way: Callable[[Any, Tensor], Tensor], out: int = 16) -> None:
        super().__init__()
        self.body, self.head, self.way = small()[:4], nn.Linear(out, 1), way

    def forward(self, x: Tensor) -> Tensor:
        return self.way(self, x)


def small() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 16, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(16, 3),
    ).eval()  # fmt: skip


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch finds scripts and its own quantisation out of date
        torch.manual_seed(0)
        yield


def without_gradient(net: Any, x: Tensor) -> Tensor:
    with torch.no_grad():
        maps = net.body(x)
    scores: Tensor = net.head(maps.mean((2, 3)))
    return scores


def detached(net: Any, x: Tensor) -> Tensor:
    scores: Tensor = net.head(net.body(x).mean((2, 3)).detach())
    return scores


def rounded(net: Any, x: Tensor) -> Tensor:
    scores: Tensor = net.head((net.body(x).mean((2, 3)) * 50).round())
    return scores


def largest(net: Any, x: Tensor) -> Tensor:
    scores: Tensor = net.head(functional.one_hot(net.body(x).flatten(2).argmax(2), 256).float().mean(1))
    return scores


def written_over(net: Any, x: Tensor) -> Tensor:
    means = net.body(x).mean((2, 3)).exp()
    means.log_()  # exp needs its result for its gradient
    scores: Tensor = net.head(means)
    return scores


def in_place(net: Any, x: Tensor) -> Tensor:
    maps = net.body(x)
    maps += 1
    maps.clamp_(min=1.1)
    scores: Tensor = net.head(maps.mean((2, 3)))
    return scores


def opened(network: Any) -> Session:
    session = Session(ImageModel(network, TRANSFORM), PHOTOS)
    session.wait()
    return session


def possible(session: Session) -> set[str]:
    return {name for name in METHODS if not session.lacking(name)}


@pytest.mark.parametrize("way", [without_gradient, detached, rounded, largest, written_over])
def test_what_needs_no_gradient_works_where_gradients_are_cut_off(way: Callable[[Any, Tensor], Tensor]) -> None:
    net = Net(way, 256 if way is largest else 16).eval()
    session = opened(net)
    assert not session.error
    assert session.query.method == "behaviour"
    assert session.notice.count("lets gradients through") == 1
    assert session.notice.endswith("Model behaviour is shown instead.")
    assert possible(session) == REMOVALS
    assert session.output is not None
    assert session.impacts is not None
    assert session.saliency is not None
    assert session.saliency.map.any()
    inputs = session.model.inputs(PHOTOS[0])
    with torch.no_grad():
        assert session.output.value == pytest.approx(float(net(inputs)), abs=1e-5)
        handle = net.get_submodule(session.query.layer).register_forward_hook(
            lambda module, args, output: output.index_fill(1, torch.tensor([3]), 0)
        )
        removed = float(net(inputs))
        handle.remove()
    assert session.impacts.delta_y[3] == pytest.approx(removed - session.output.value, abs=1e-5)
    session.ask(gains={3: 0})
    session.wait()
    assert session.output.value == pytest.approx(removed, abs=1e-5)
    session.ask(image="image 1")
    session.wait()
    assert session.query.method == "behaviour"
    assert not session.error
    session.close()


def test_a_head_that_writes_into_the_maps_has_its_gradient() -> None:
    net = Net(in_place).eval()
    session = opened(net)
    assert (session.query.method, session.query.layer) == ("grad_cam", "body")
    maps = net.body(session.model.inputs(PHOTOS[0])).detach().requires_grad_()
    ((maps + 1).clamp(min=1.1).mean((2, 3)) @ net.head.weight.T).sum().backward()
    assert maps.grad is not None
    expected = (maps.grad.mean((2, 3), keepdim=True) * maps).sum(1)[0].detach()
    assert session.saliency is not None
    np.testing.assert_allclose(session.saliency.map, expected, atol=1e-6)
    session.close()


def exported(batch: int, free: bool) -> Any:
    shapes = ({0: torch.export.Dim("batch")},) if free else None
    return torch.export.export(small(), (torch.rand(batch, 3, 64, 64),), dynamic_shapes=shapes)


SEALED: dict[str, tuple[str, Callable[[], Any]]] = {
    "script": ("scripted", lambda: torch.jit.script(small())),
    "script in training mode": ("scripted", lambda: torch.jit.script(small().train())),
    "trace": ("scripted", lambda: torch.jit.trace(small(), torch.rand(1, 3, 64, 64))),
    "exported for one image": ("exported", lambda: exported(1, False)),
    "exported module": ("exported", lambda: exported(2, True).module()),
}


@pytest.mark.parametrize("name", SEALED)
def test_a_network_that_runs_as_a_whole_has_scores_and_gradients_of_its_input(name: str) -> None:
    what, make = SEALED[name]
    session = opened(make())
    assert not session.error
    assert session.notice.endswith(f"{WHY.format(what)} Gradient is shown instead.")
    assert possible(session) == AT_THE_INPUT
    assert all(
        session.lacking(name) == WHY.format(what) for name in ("grad_cam", "guided_backpropagation", "behaviour")
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        plain = small()
    inputs = session.model.inputs(PHOTOS[0]).requires_grad_()
    scores = plain(inputs)[0]
    assert session.output is not None
    np.testing.assert_allclose(session.output.scores, scores.detach(), atol=1e-5)
    (slope,) = torch.autograd.grad(scores.max(), inputs)
    assert session.saliency is not None
    np.testing.assert_allclose(session.saliency.map, slope[0].abs().amax(0), atol=1e-6)
    assert [layer.note for layer in session.layers()] == ["the network's input: its channels stand for feature maps"]
    with pytest.raises(ValueError, match="has no layer 'body'"):
        session.ask(layer="body")
    session.close()


def test_weights_of_a_script_that_are_written_are_seen() -> None:
    network = torch.jit.script(small())
    model = ImageModel(network, TRANSFORM)
    before = model.digest()
    with torch.no_grad():
        next(iter(network.parameters())).add_(1)
    assert not model.fresh
    assert model.digest() != before


def test_a_layer_that_is_quantised_while_it_runs_treats_each_image_alone() -> None:
    network = torch.ao.quantization.quantize_dynamic(small(), {nn.Linear}, dtype=torch.qint8)
    session = opened(network)
    assert not session.error
    assert (session.query.layer, session.query.method) == ("2", "behaviour")
    assert possible(session) == REMOVALS
    assert session.impacts is not None
    inputs, maps = session.model.inputs(PHOTOS[0]), []
    with torch.no_grad():
        base = network(inputs)[0]
        for index in (0, 5):
            handle = network[2].register_forward_hook(
                lambda module, args, output, index=index: output.index_fill(1, torch.tensor([index]), 0)
            )
            maps.append((network(inputs)[0] - base)[int(base.argmax())])
            handle.remove()
    np.testing.assert_allclose(session.impacts.delta_y[[0, 5]], torch.stack(maps), atol=1e-6)
    session.close()


def test_a_network_that_is_quantised_throughout_has_its_scores() -> None:
    from torch.ao import quantization

    network: Any = nn.Sequential(quantization.QuantStub(), small(), quantization.DeQuantStub()).eval()
    network.qconfig = quantization.get_default_qconfig(torch.backends.quantized.engine)
    prepared = quantization.prepare(network)
    prepared(torch.rand(2, 3, 64, 64))
    quantised = quantization.convert(prepared)
    session = opened(quantised)
    assert session.error == WHY.format("quantised")
    assert not possible(session)
    assert session.output is not None
    with torch.no_grad():
        np.testing.assert_allclose(session.output.scores, quantised(session.model.inputs(PHOTOS[0]))[0], atol=1e-6)
    session.close()
