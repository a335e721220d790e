"""Copies that differ in one map each: every rule against ordinary copies, and what is not covered by one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from families import FAMILIES, close, scores_of
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from xai_widgets.kernels.ablation import delta_y, removal_scores
from xai_widgets.kernels.tail import Tail
from xai_widgets.kernels.tail.onemap import OneMap

MAPS, SIDE = 6, 9
INDEX = torch.tensor([4, 0, 5])


@pytest.fixture
def copies(generator: torch.Generator) -> OneMap:
    base = torch.randn(1, MAPS, SIDE, SIDE, generator=generator, dtype=torch.float64)
    own = torch.randn(len(INDEX), 1, SIDE, SIDE, generator=generator).double()
    with torch.inference_mode():
        return OneMap(base, own, INDEX)


def written_out(value: Any) -> Any:
    return value.dense() if isinstance(value, OneMap) else value


class Twice(nn.Module):
    """One plane of weights a map, on two maps a map."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(MAPS, 2 * MAPS, 3, groups=MAPS)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.convolution(x)
        return out


def norm() -> nn.Module:
    module = nn.BatchNorm2d(MAPS)
    nn.init.normal_(module.weight)
    nn.init.normal_(module.bias)
    module.running_mean, module.running_var = torch.randn(MAPS), torch.rand(MAPS) + 0.5
    return module


CONSTANT = torch.linspace(-1, 1, MAPS * SIDE * SIDE).double().view(1, MAPS, SIDE, SIDE)
STILL_SPARSE: dict[str, Callable[[], Any]] = {
    "relu": nn.ReLU,
    "relu in place": lambda: nn.ReLU(inplace=True),
    "relu6": nn.ReLU6,
    "leaky relu": nn.LeakyReLU,
    "elu": lambda: nn.ELU(inplace=True),
    "selu": nn.SELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "mish": nn.Mish,
    "hard swish": nn.Hardswish,
    "hard sigmoid": nn.Hardsigmoid,
    "softplus": nn.Softplus,
    "tanh": nn.Tanh,
    "clamp": lambda: lambda x: x.clamp(-0.3, 0.4),
    "arithmetic": lambda: lambda x: 1 - 2 * x / 3 + 0.5,
    "square root of squares": lambda: lambda x: (x**2 + 1).sqrt(),
    "dropout": lambda: nn.Dropout().eval(),
    "batch norm": lambda: norm().eval(),
    "max pool": lambda: nn.MaxPool2d(3, 2, 1),
    "mean pool": lambda: nn.AvgPool2d(2),
    "adaptive mean": lambda: nn.AdaptiveAvgPool2d(4),
    "adaptive one": lambda: nn.AdaptiveAvgPool2d(1),
    "adaptive maximum": lambda: nn.AdaptiveMaxPool2d(2),
    "mean": lambda: lambda x: x.mean((2, 3)),
    "mean, kept": lambda: lambda x: x.mean((-1, -2), keepdim=True),
    "maximum": lambda: lambda x: x.amax((2, 3)),
    "sum of rows": lambda: lambda x: x.sum(-1),
    "reflected border": lambda: nn.ReflectionPad2d(2),
    "zero border": lambda: nn.ZeroPad2d((1, 2, 0, 1)),
    "repeated border": lambda: nn.ReplicationPad2d(1),
    "upsampling": lambda: nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False),
    "nearest": lambda: nn.Upsample(scale_factor=2),
    "depthwise": lambda: nn.Conv2d(MAPS, MAPS, 3, groups=MAPS),
    "depthwise, strided": lambda: nn.Conv2d(MAPS, MAPS, 3, 2, 1, 2, groups=MAPS, bias=False),
    "flat": nn.Flatten,
    "flat, then relu": lambda: nn.Sequential(nn.Flatten(), nn.ReLU(inplace=True)),
    "squeezed": lambda: lambda x: x.mean((2, 3), keepdim=True).squeeze(-1).squeeze(-1),
    "a constant beside": lambda: lambda x: torch.cat((CONSTANT.expand(len(x), -1, -1, -1), x), 1),
    "plus a constant": lambda: lambda x: x + CONSTANT,
    "times a constant": lambda: lambda x: CONSTANT.expand_as(x) * x,
    "minus a mean": lambda: lambda x: x - CONSTANT.mean((2, 3), keepdim=True),
    "gated": lambda: lambda x: x * x.sigmoid(),
    "plus a plane": lambda: lambda x: x + CONSTANT[:, :1],
    "self": lambda: lambda x: x.relu_().add_(x),
}
MIXED: dict[str, Callable[[], Any]] = {
    "1 x 1": lambda: nn.Conv2d(MAPS, 4, 1),
    "1 x 1, strided": lambda: nn.Conv2d(MAPS, 4, 1, 2, bias=False),
    "3 x 3": lambda: nn.Conv2d(MAPS, 5, 3, 1, 1),
    "3 x 3, strided": lambda: nn.Conv2d(MAPS, 5, 3, 2, 1),
    "dilated": lambda: nn.Conv2d(MAPS, 5, 3, padding=2, dilation=2),
    "oblong": lambda: nn.Conv2d(MAPS, 3, (1, 5), (2, 1)),
    "same": lambda: nn.Conv2d(MAPS, 3, 3, padding="same"),
    "circular": lambda: nn.Conv2d(MAPS, 3, 3, padding=1, padding_mode="circular"),
    "grouped": lambda: nn.Conv2d(MAPS, 4, 3, groups=2),
    "two a map": Twice,
    "turned": lambda: nn.ConvTranspose2d(MAPS, 3, 3),
    "linear": lambda: nn.Sequential(nn.Flatten(), nn.Linear(MAPS * SIDE**2, 7)),
    "pooled, linear": lambda: nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(MAPS, 7, bias=False)),
    "one dimension": lambda: nn.Sequential(
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.BatchNorm1d(MAPS).eval(), nn.Linear(MAPS, 3)
    ),
    "norm over maps": lambda: nn.GroupNorm(1, MAPS),
    "softmax": lambda: nn.Softmax2d(),
    "response norm": lambda: nn.LocalResponseNorm(3),
    "channels last": lambda: lambda x: x.permute(0, 2, 3, 1).contiguous(),
    "shuffled": lambda: nn.ChannelShuffle(2),
    "two halves": lambda: lambda x: x.chunk(2, 1)[1] * 2,
    "beside others": lambda: lambda x: torch.cat((F.softmax(x, 1), x, x), 1),
    "beside copies": lambda: lambda x: torch.cat((x, F.softmax(x, 1)), 1),
    "plus others": lambda: lambda x: x - F.softmax(x, 1),
    "others plus it": lambda: lambda x: F.softmax(x, 1).add_(x, alpha=2),
    "it plus others, in place": lambda: lambda x: x.mul_(F.softmax(x, 1)),
    "a part is written": lambda: lambda x: _written(x),
    "excited": lambda: lambda x: x * x.mean((2, 3), True).softmax(1),
    "maximum over maps": lambda: lambda x: x.amax(1),
    "all": lambda: lambda x: x.mean(),
    "as one row": lambda: lambda x: x.view(len(x), MAPS, -1).transpose(1, 2) @ torch.ones(MAPS, 2).to(x.dtype),
}


def _written(x: Tensor) -> Tensor:
    x[:, 1:3] = 7
    return x + 1


def apply(make: Callable[[], Any], x: Any) -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = make()
    if isinstance(module, nn.Module):
        module = module.double()
    with torch.inference_mode():
        return module(x)


@pytest.mark.parametrize("name", STILL_SPARSE)
def test_what_works_on_each_map_alone_keeps_one_map_a_copy(name: str, copies: OneMap) -> None:
    image = copies.base
    before = image.clone()
    expected = apply(STILL_SPARSE[name], copies.dense())
    found = apply(STILL_SPARSE[name], copies)
    assert isinstance(found, OneMap)
    assert found.ordinary is None
    torch.testing.assert_close(found.dense(), expected, atol=1e-12, rtol=0)
    assert found.shape == expected.shape
    assert torch.equal(image, before), "the image's own maps belong to the tail"


@pytest.mark.parametrize("name", MIXED)
def test_what_mixes_maps_gives_ordinary_copies(name: str, copies: OneMap) -> None:
    image = copies.base
    before = image.clone()
    expected = apply(MIXED[name], copies.dense())
    found = written_out(apply(MIXED[name], copies))
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=0)
    assert torch.equal(image, before), "the image's own maps belong to the tail"


def test_what_is_written_through_a_view_is_written(copies: OneMap) -> None:
    whole = copies.dense()
    with torch.inference_mode():
        copies.flatten(2).flatten(1).relu_()
        torch.testing.assert_close(copies.dense(), whole.relu())
        copies[:, :2].zero_()
        copies.flatten(1)[:, -1] = 3
    whole = whole.relu()
    whole[:, :2], whole[:, -1, -1, -1] = 0, 3
    torch.testing.assert_close(copies.dense(), whole)


class Spy(TorchDispatchMode):
    """How many copies the convolutions and products of a pass were given written out."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, bool]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        if name in ("convolution", "conv2d", "linear", "addmm"):
            self.seen.append((name, any(isinstance(leaf, OneMap) for leaf in tree_leaves(args))))
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize(
    ("name", "layer"), [("resnet", "layer3"), ("vgg", "features.14"), ("densenet", "features.denseblock2")]
)
def test_the_first_layer_that_mixes_maps_is_corrected_not_computed_anew(name: str, layer: str) -> None:
    network, inputs = FAMILIES[name].network(), FAMILIES[name].images()
    tail = Tail(network, layer, inputs)
    assert tail.sparse.right
    with Spy() as spy:
        tail.without(torch.arange(4), torch.zeros(1, 1, 1))
    assert spy.seen[0][1]
    assert not spy.seen[-1][1]


class Peeks(nn.Module):
    """Its tail takes the numbers out, which copies that are not written out do not have."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.head = nn.Conv2d(3, MAPS, 3), nn.Linear(MAPS, 2)

    def forward(self, x: Tensor) -> Tensor:
        maps = torch.from_numpy(self.layer(x).relu().numpy()) if not torch.is_grad_enabled() else self.layer(x).relu()
        scores: Tensor = self.head(maps.mean((2, 3))).tanh()
        return scores


def test_where_it_would_be_wrong_ordinary_copies_are_made() -> None:
    torch.manual_seed(0)
    tail = Tail(Peeks().double().eval(), "layer", torch.randn(1, 3, 8, 8).double())
    assert not tail.sparse.right
    found = torch.cat([scores for _, scores in removal_scores(tail, scores_of)])
    for index in range(MAPS):
        maps = tail.maps.clone()
        maps[:, index] = 0
        torch.testing.assert_close(found[index], tail(maps)[0], atol=1e-12, rtol=0)


@pytest.mark.parametrize("baseline", ["number", "map"])
@pytest.mark.parametrize("name", ["resnet", "vgg", "efficientnet", "mobilenet v2", "regnet", "inception", "convnext"])
def test_removals_equal_ordinary_copies_in_any_order(name: str, baseline: str, generator: torch.Generator) -> None:
    network, inputs = FAMILIES[name].network().double(), FAMILIES[name].images().double()
    layers = [layer for layer, module in network.named_modules() if layer and not list(module.children())]
    for layer in layers[1 : -3 : max(1, len(layers) // 3)]:
        try:
            tail = Tail(network, layer, inputs)
        except ValueError:
            continue
        shape = tail.maps.shape[1:] if baseline == "map" else tail.maps.shape[1:2]
        level = torch.randn(shape, generator=generator).double()
        order = torch.randperm(tail.maps.shape[1], generator=generator)[:5]
        found = dict(zip(order.tolist(), removal_scores(tail, scores_of, order, baseline=level, batch=1), strict=True))
        together = torch.cat([s for _, s in removal_scores(tail, scores_of, order, baseline=level, batch=3)])
        for row, index in enumerate(order.tolist()):
            maps = tail.maps.clone()
            maps[:, index] = level[index]
            expected = scores_of(tail(maps))
            assert close(found[index][1], expected, 1e-10)
            assert close(together[row : row + 1], expected, 1e-10)


class Dominated(nn.Module):
    """Where maps mix, one is far larger than all others, or not finite; at the layer it is the weakest."""

    def __init__(self, bias: float) -> None:
        super().__init__()
        self.layer, self.fc = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(4, 5)
        self.mix = nn.Conv2d(4, 4, 3, padding="valid")
        with torch.no_grad():
            self.get_parameter("layer.bias")[2] = bias

    def forward(self, x: Tensor) -> Tensor:
        x = self.mix((-self.layer(x)).exp())
        scores: Tensor = self.fc(F.layer_norm(x, x.shape[1:]).mean((2, 3)))
        return scores


@pytest.mark.parametrize("bias", [-25.0, -200.0])
def test_a_map_that_dominates_is_taken_away_not_subtracted(bias: float) -> None:
    torch.manual_seed(0)
    tail = Tail(Dominated(bias).eval(), "layer", torch.rand(1, 3, 9, 9))
    maps = tail.maps.clone()
    maps[:, 2] = 0
    expected = tail(maps)[0]
    assert expected.isfinite().all()
    for batch in (1, 2, 4):
        found = torch.cat([scores for _, scores in removal_scores(tail, scores_of, batch=batch)])[2]
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_lower_precision_inside_keeps_its_precision() -> None:
    network, inputs = FAMILIES["vgg"].network(), FAMILIES["vgg"].images()
    tail = Tail(network, "features.14", inputs)
    exact = delta_y(tail, scores_of, 1, batch=8)
    rough = torch.cat([scores for _, scores in removal_scores(tail.lowered(torch.bfloat16), scores_of)])
    assert rough.dtype == torch.bfloat16
    assert {autocast.dtype for autocast in tail.structure.sparse} == {None, torch.bfloat16}
    assert torch.allclose(rough[:, 1].float() - tail.result[0, 1], exact, atol=0.05 * float(tail.result.abs().max()))
