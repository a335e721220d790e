"""Which axes of an output are maps, rows and columns: proved by operations and probes, never by proportions alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from families import FAMILIES, check_removal
from torch import Tensor, nn
from unchecked import refused

from xai_widgets import ImageModel
from xai_widgets.kernels.ablation import delta_y
from xai_widgets.kernels.tail import Layout, Shell, Tail
from xai_widgets.kernels.tail.layouts import layouts_of


class Do(nn.Module):
    """A step as a layer of its own."""

    def __init__(self, step: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.step = step

    def forward(self, x: Tensor) -> Any:
        return self.step(x)


def seeded(make: Callable[[], nn.Module]) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return make().eval()


def images(height: int = 64, width: int = 64, channels: int = 3) -> Tensor:
    return torch.rand(1, channels, height, width, generator=torch.Generator().manual_seed(1))


def convolutional(maps: int = 32, side: int = 3) -> nn.Module:
    parts = (nn.Conv2d(3, maps, side), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(maps, 2))
    return seeded(lambda: nn.Sequential(*parts))


def channels_last(maps: int) -> nn.Module:
    return seeded(
        lambda: nn.Sequential(
            nn.Conv2d(3, maps, 3), Do(lambda x: x.permute(0, 2, 3, 1)), nn.LayerNorm(maps), nn.Linear(maps, maps),
            nn.GELU(), Do(lambda x: x.mean((1, 2))), nn.Linear(maps, 2),
        )
    )  # fmt: skip


def layout_of(one: tuple[int, ...], two: tuple[int, ...], image: tuple[int, int]) -> Layout | None:
    """The likeliest."""
    return next(iter(layouts_of(one, two, image)), None)


def test_layouts() -> None:
    maps = layout_of((1, 8, 7, 7), (2, 8, 7, 7), (224, 224))
    assert maps is not None
    assert (maps.kind, maps.channels, maps.height) == ("maps", 8, 7)
    last = layout_of((1, 7, 7, 96), (2, 7, 7, 96), (224, 224))
    assert last is not None
    assert (last.kind, last.channels) == ("channels_last", 96)
    tokens = layout_of((1, 197, 32), (2, 197, 32), (224, 224))
    assert tokens is not None
    assert (tokens.kind, tokens.prefix, tokens.height) == ("tokens", 1, 14)
    wide = layout_of((1, 1 + 7 * 14, 32), (2, 1 + 7 * 14, 32), (112, 224))
    assert wide is not None
    assert (wide.height, wide.width) == (7, 14)
    first = layout_of((50, 1, 32), (50, 2, 32), (224, 224))
    assert first is not None
    assert (first.kind, first.batch_axis) == ("tokens", 1)
    whole = torch.randn(1, 197, 32)
    assert torch.equal(tokens.activation(tokens.maps(whole), whole), whole)
    assert torch.equal(
        first.activation(first.maps(torch.ones(50, 1, 32)), torch.ones(50, 1, 32)), torch.ones(50, 1, 32)
    )
    for one, two in (((1, 1000), (2, 1000)), ((64, 49, 96), (128, 49, 96)), ((1, 3, 8), (2, 3, 8))):
        assert layout_of(one, two, (224, 224)) is None
    unusual = layouts_of((1, 13, 8), (2, 13, 8), (224, 224))
    assert [(layout.prefix, layout.height) for layout in unusual] == [(4, 3), (9, 2)]


@pytest.mark.parametrize("size", [(66, 132), (132, 66), (34, 34), (4, 130)])
def test_maps_of_a_convolution_on_oblong_images(size: tuple[int, int]) -> None:
    net, inputs = convolutional(), images(*size)
    tail = Tail(net, "1", inputs)
    assert tail.maps.shape == (1, 32, size[0] - 2, size[1] - 2)
    assert torch.equal(tail.maps, net[:2](inputs))  # type: ignore[index]
    assert tail.placed
    weight = net[4].weight[1]  # type: ignore[index, union-attr]
    expected = -weight.detach() * tail.maps.mean((0, 2, 3))
    torch.testing.assert_close(delta_y(tail, lambda y: y, 1), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("maps", "size"), [(32, (34, 66)), (16, (18, 18)), (2, (40, 20)), (128, (66, 34)), (3, (9, 9))]
)
@pytest.mark.parametrize("layer", ["1", "2", "3", "4"])
def test_maps_on_the_last_axis_whatever_the_proportions(maps: int, size: tuple[int, int], layer: str) -> None:
    net, inputs = channels_last(maps), images(*size)
    tail = Tail(net, layer, inputs)
    whole = net[: int(layer) + 1](inputs)  # type: ignore[index]
    assert torch.equal(tail.maps, whole.permute(0, 3, 1, 2))
    assert tail.placed
    check_removal(net, tail, inputs)


def test_swin_on_odd_sizes() -> None:
    network = FAMILIES["swin, not square"].network()
    widths = {"features.0": 16, "features.1": 16, "features.1.0.mlp.0": 64, "features.2": 32, "features.3": 32}
    for height, width in ((61, 100), (33, 66), (40, 130), (75, 50), (32, 64)):
        shell, inputs = Shell(network), images(height, width)
        for layer, maps in widths.items():
            tail = Tail(shell, layer, inputs)
            rows, columns = (side // 4 for side in (height, width))
            if layer >= "features.2":
                rows, columns = -(-rows // 2), -(-columns // 2)
            assert tail.maps.shape == (1, maps, rows, columns), (layer, height, width)
            assert tail.placed


class Tokens(nn.Module):
    """Patches as tokens, after some without a place, in an order of its own; then blocks that mix no places."""

    def __init__(self, order: Tensor | None = None, prefix: int = 0, side: int = 8) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 16, 4, 4)
        self.first = nn.Parameter(torch.randn(1, prefix, 16))
        self.norm, self.block, self.head = nn.LayerNorm(16), nn.Linear(16, 16), nn.Linear(16, 2)
        self.order = torch.arange(side * side, device="cpu") if order is None else order

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patches(x).flatten(2).transpose(1, 2)[:, self.order]
        tokens = torch.cat((self.first.expand(len(x), -1, -1), tokens), 1)
        scores: Tensor = self.head((tokens + self.block(self.norm(tokens))).relu().mean(1))
        return scores


def grid(side: int = 8) -> Tensor:
    return torch.arange(side * side).reshape(side, side)


def within_quadrants() -> Tensor:
    """Each quadrant of 16 x 16 turned upside down."""
    quadrants = grid(16).reshape(2, 8, 2, 8).flip(1)
    return quadrants.flatten()


SCRAMBLED: dict[str, tuple[Callable[[], Tensor], int]] = {
    "at random": (lambda: torch.randperm(64, generator=torch.Generator().manual_seed(3)), 8),
    "columns first": (lambda: grid().T.flatten(), 8),
    "mirrored": (lambda: grid().flip(1).flatten(), 8),
    "windows": (lambda: grid().reshape(2, 4, 2, 4).permute(0, 2, 1, 3).flatten(), 8),
    "four small copies": (lambda: grid().reshape(4, 2, 4, 2).permute(1, 0, 3, 2).flatten(), 8),
    "sixteen small copies": (lambda: grid(16).reshape(4, 4, 4, 4).permute(1, 3, 0, 2).flatten(), 16),
    "within quadrants": (within_quadrants, 16),
}


@pytest.mark.parametrize("order", SCRAMBLED)
def test_tokens_in_another_order_are_not_placed_and_their_removals_are_right(order: str) -> None:
    make, side = SCRAMBLED[order]
    net, inputs = seeded(lambda: Tokens(make(), 1, side)), images(4 * side, 4 * side)
    for layer in ("norm", "block"):
        tail = Tail(net, layer, inputs)
        assert tail.maps.shape == (1, 16, side, side)
        assert not tail.placed
        check_removal(net, tail, inputs)
    assert Tail(net, "patches", inputs).placed


@pytest.mark.parametrize("prefix", [0, 1, 2, 3, 4, 5, 7, 8, 12])
@pytest.mark.parametrize("size", [(32, 32), (32, 48)])
def test_any_number_of_tokens_without_a_place(prefix: int, size: tuple[int, int]) -> None:
    rows, columns = (side // 4 for side in size)
    net = seeded(lambda: Tokens(torch.arange(rows * columns), prefix))
    tail = Tail(net, "block", images(*size))
    assert (tail.layout.prefix, tail.layout.height, tail.layout.width) == (prefix, rows, columns)
    assert tail.placed
    check_removal(net, tail, images(*size))


MOVED: dict[str, Callable[[Tensor], Tensor]] = {
    "transposed": lambda x: x.transpose(2, 3),
    "mirrored": lambda x: x.flip(3),
    "upside down": lambda x: x.flip(2).contiguous(),
    "interleaved": lambda x: x.unflatten(2, (2, -1)).transpose(2, 3).flatten(2, 3),
    "columns shuffled": lambda x: x[..., torch.randperm(x.shape[3], generator=torch.Generator().manual_seed(2))],
}


@pytest.mark.parametrize("how", [*MOVED, "not at all"])
def test_an_image_that_is_moved_before_the_convolution(how: str) -> None:
    move = MOVED.get(how, lambda x: x)
    net = seeded(lambda: nn.Sequential(Do(move), *convolutional(8).children()))
    tail = Tail(net, "2", images(40, 40))
    assert tail.maps.shape[1] == 8
    assert tail.placed == (how == "not at all")
    assert torch.equal(tail.maps, net[:3](images(40, 40)))  # type: ignore[index]


class Mixed(nn.Module):
    """A layer whose axes no operation shows, and in which no place changes alone."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.mix, self.head = nn.Conv2d(3, 6, 4, 4), Do(self._mixed), nn.Linear(6, 2)

    @staticmethod
    def _mixed(x: Tensor) -> Tensor:
        rows = x.flatten(2).softmax(2)
        return (rows @ rows.transpose(1, 2))[:, :, :, None].expand(-1, -1, -1, 6)[:, :4, :5]

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.head(self.mix(self.conv(x)).square().sum((1, 3))[:, :1].expand(-1, 6))
        return scores


def test_what_nothing_shows_is_refused_unless_it_is_told() -> None:
    net, inputs = seeded(Mixed), images(32, 32)
    with pytest.raises(
        ValueError, match=r"'mix' returns \(1, 4, 5, 6\) .* neither the operations .*layout=, .* 'conv'\."
    ):
        Tail(net, "mix", inputs)
    assert Tail(net, "mix", inputs, layout="maps").maps.shape == (1, 4, 5, 6)
    told = Tail(net, "mix", inputs, layout=Layout("channels_last", 6, 4, 5))
    assert told.maps.shape == (1, 6, 4, 5)
    assert told.placed
    for layout, message in (
        ("tokens", "layout 'tokens' does not fit layer 'mix', which returns"),
        (Layout("maps", 4, 5, 5), r"layout 'maps' of \(1, 4, 5, 5\) does not fit"),
        ("rows", "layout must be 'maps', 'channels_last', 'tokens' or a Layout, got 'rows'"),
    ):
        with refused(ValueError, message):
            Tail(net, "mix", inputs, layout=layout)
    wrong: Any = 3
    with refused(TypeError, "layout must be a name or a Layout, got int"):
        Tail(net, "mix", inputs, layout=wrong)


def test_a_layer_of_zeros_and_one_of_a_single_place() -> None:
    net = convolutional(8)
    with torch.no_grad():
        net[0].bias.fill_(-100)  # type: ignore[index, union-attr, operator]
    tail = Tail(net, "1", images(20, 40))
    assert not tail.maps.any()
    assert tail.maps.shape == (1, 8, 18, 38)
    assert tail.placed
    assert Tail(net, "2", images(20, 40)).maps.shape == (1, 8, 1, 1)


@pytest.mark.parametrize("channels", [1, 4])
def test_networks_of_one_and_of_four_channels(channels: int) -> None:
    net = seeded(lambda: nn.Sequential(nn.Conv2d(channels, 4, 3), *list(convolutional(4).children())[1:]))
    assert Tail(net, "1", images(66, 132, channels)).maps.shape == (1, 4, 64, 130)
    net = seeded(lambda: nn.Sequential(Do(lambda x: x.flip(3)), *net.children()))
    assert not Tail(net, "2", images(66, 132, channels)).placed


class Late(nn.Module):
    """Raster order at first, another order in the layer that would be explained."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 4, 4), nn.ReLU())
        self.late = Tokens(SCRAMBLED["windows"][0]())

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.late(x) + self.stem(x).mean((2, 3))[:, :2]
        return scores


def test_a_model_explains_a_layer_that_is_placed() -> None:
    net = seeded(Late)
    model = ImageModel(
        net, (lambda photo: torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(0)), lambda x: x)
    )
    assert model.layer == "late.patches"
    assert any(
        "'late.patches' is explained: the positions of later layers, such as 'late.norm', are" in n
        for n in model.notices
    )
    assert model.layer_named("stem") == "stem"
    assert model.layer_named("late.norm") == "late.norm", "its maps can be removed"
    assert "'late.norm' are not those of the image" in model.out_of_order("late.norm")
    assert not model.out_of_order("stem")
    told = ImageModel(net, None, "late.norm", layout="tokens")
    assert told.layer == "late.norm"
    photo = np.zeros((32, 32, 3), np.uint8)
    assert Tail(told.shell, told.layer, told.inputs(photo)).placed
    info = next(info for info in told.layers(photo) if info.name == "late.norm")
    assert (info.kind, info.maps, info.height, info.width) == ("tokens", 16, 8, 8)
