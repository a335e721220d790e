"""Removals where the tail is not affine: two peers, a convolution without its weights, and dead maps."""

from __future__ import annotations

import pytest
import torch
from families import FAMILIES
from torch import Tensor, nn

from xai_widgets.kernels import ablation
from xai_widgets.kernels.affine import is_affine
from xai_widgets.kernels.tail import Tail


def scores(result: Tensor) -> Tensor:
    return result


@pytest.fixture(scope="module")
def resnet() -> nn.Module:
    return FAMILIES["resnet"].network()


@pytest.fixture(scope="module")
def tail(resnet: nn.Module) -> Tail:
    """Of maps after a ReLU, with a block of two convolutions behind them."""
    return Tail(resnet, "layer3", FAMILIES["resnet"].images())


def test_ablation_cam_weighs_by_minus_delta_y_over_y(resnet: nn.Module, tail: Tail) -> None:
    from pytorch_grad_cam import AblationCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    assert not is_affine(tail, scores)
    y, layer = tail.result[0], resnet.get_submodule("layer3")
    for target in (int(y.argmax()), int(y.argmin())):
        with AblationCAM(resnet, [layer], batch_size=64) as peer:
            chosen = [ClassifierOutputTarget(target)]
            weights = peer.get_cam_weights(tail.inputs, layer, chosen, tail.maps.numpy(), None)[0]
        delta = ablation.delta_y(tail, scores, target)
        assert delta.abs().max() > 1e-2 * y[target].abs()
        torch.testing.assert_close(torch.from_numpy(weights), -delta / y[target], atol=2e-5, rtol=1e-4)
    assert y.max() > 0 > y.min(), "at a negative score its weights have the wrong sign"


def test_feature_ablation_of_captum_is_minus_delta_y(resnet: nn.Module, tail: Tail) -> None:
    from captum.attr import LayerFeatureAblation

    mask = torch.arange(tail.maps.shape[1])[None, :, None, None].expand_as(tail.maps)
    with torch.no_grad():
        peer = LayerFeatureAblation(resnet, resnet.get_submodule("layer3")).attribute(
            tail.inputs, target=5, layer_mask=mask, perturbations_per_eval=64
        )
    delta = ablation.delta_y(tail, scores, 5)
    assert delta.abs().max() > 1e-2
    torch.testing.assert_close(-peer[0, :, 0, 0], delta, atol=2e-5, rtol=1e-4)


# A convolution without its weights


class Block(nn.Module):
    """A convolution, what may follow it before the next layer sees its maps, and a tail that is not affine."""

    def __init__(self, *, norm: bool = False, shortcut: bool = False, bias: bool = False) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.conv = nn.Conv2d(3, 6, 3, 1, 1, bias=bias)
            self.norm: nn.Module = nn.BatchNorm2d(6) if norm else nn.Identity()
            self.side = nn.Conv2d(3, 6, 1) if shortcut else None
            self.relu, self.next, self.head = nn.ReLU(), nn.Conv2d(6, 8, 3), nn.Linear(8, 4)
            if self.conv.bias is not None:
                nn.init.uniform_(self.conv.bias, 0.1, 0.5)
            if norm:
                self.norm(torch.rand(8, 6, 4, 4) + 0.3)  # running statistics that are not 0 and 1
                nn.init.uniform_(self.get_parameter("norm.bias"), 0.1, 0.5)
        self.double().eval()

    def forward(self, x: Tensor) -> Tensor:
        maps = self.norm(self.conv(x))
        if self.side is not None:
            maps = maps + self.side(x)
        scores: Tensor = self.head(self.next(self.relu(maps)).tanh().mean((2, 3)))
        return scores


def without_weights(network: Block, inputs: Tensor, *, bias: bool = False) -> Tensor:
    """The change of score 1 when the weights of one map of the convolution are zero, for each of its maps."""
    changes = []
    for index in range(6):
        with torch.no_grad():
            kept = {name: parameter.clone() for name, parameter in network.conv.named_parameters()}
            y = network(inputs)[0, 1]
            network.conv.weight[index] = 0
            if bias and network.conv.bias is not None:
                network.conv.bias[index] = 0
            changes.append(network(inputs)[0, 1] - y)
            for name, parameter in network.conv.named_parameters():
                parameter.copy_(kept[name])
    return torch.stack(changes)


IMAGE = torch.randn(1, 3, 12, 12, generator=torch.Generator().manual_seed(1)).double()


def test_zero_weights_are_a_removal_where_neither_bias_nor_norm_nor_shortcut_follows() -> None:
    network = Block()
    delta = ablation.delta_y(Tail(network, "relu", IMAGE), scores, 1)
    assert delta.abs().max() > 1e-3
    torch.testing.assert_close(delta, without_weights(network, IMAGE), atol=1e-12, rtol=0)


@pytest.mark.parametrize("follows", ["bias", "norm", "shortcut"])
def test_zero_weights_are_no_removal_of_what_the_next_layer_sees(follows: str) -> None:
    network = Block(**{follows: True})
    delta = ablation.delta_y(Tail(network, "relu", IMAGE), scores, 1)
    silent = without_weights(network, IMAGE)
    assert (delta - silent).abs().max() > 0.1 * delta.abs().max()
    # At the convolution itself its own output is removed, which is what zero weights and a zero bias give.
    named = ablation.delta_y(Tail(network, "conv", IMAGE), scores, 1)
    torch.testing.assert_close(named, without_weights(network, IMAGE, bias=True), atol=1e-12, rtol=0)
    assert torch.allclose(named, silent, atol=1e-12) == (follows != "bias")
    assert torch.allclose(named, delta, atol=1e-12) == (follows == "bias")


# Dead maps


class Dead(nn.Module):
    """Map 1 is 0 everywhere, map 4 is 0.7 everywhere; the tail is affine or not."""

    def __init__(self, affine: bool) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.layer = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU())
            self.mix, self.head = nn.Conv2d(6, 64, 3), nn.Sequential(nn.Linear(64, 256), nn.Tanh(), nn.Linear(256, 3))
        if affine:
            self.head[1] = nn.Identity()
        with torch.no_grad():
            for index, level in ((1, -1.0), (4, 0.7)):
                self.get_parameter("layer.0.weight")[index] = 0
                self.get_parameter("layer.0.bias")[index] = level
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.head(self.mix(self.layer(x)).mean((2, 3)))
        return scores


@pytest.mark.parametrize("batch", [None, 1, 3, 64])
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_map_that_equals_its_baseline_changes_nothing_exactly(
    dtype: torch.dtype, affine: bool, batch: int | None
) -> None:
    tail = Tail(Dead(affine).to(dtype), "layer", IMAGE.to(dtype))
    assert is_affine(tail, scores) == affine
    level = torch.linspace(-0.2, 0.3, 6).to(dtype)
    level[4] = tail.maps[0, 4, 0, 0]
    for baseline, nothing in ((None, [1]), (level, [4]), (tail.maps[0].clone(), [0, 1, 2, 3, 4, 5])):
        for target in range(3):
            delta = ablation.delta_y(tail, scores, target, baseline=baseline, batch=batch)
            assert (delta == 0).nonzero().flatten().tolist() == nothing
            y = tail.result[:, target]
            error = ablation.delta_error(delta[None], y, torch.full((1,), 0.3, dtype=dtype))
            assert bool((error[0, nothing] == 0).all())
            assert bool((ablation.roles(delta[None], error, y)[0, nothing] == 0).all())
