"""Where a map lies, for networks that keep positions in many ways; and what is said where positions are others."""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np
import pytest
import timm
import torch
from place_families import ALL, PLACES, counted, model_of, outputs_of, where_it_lies
from torch import Tensor, nn
from torchvision import transforms

from xai_widgets import ImageModel, Session
from xai_widgets.kernels.tail import Layout, Shell, Tail
from xai_widgets.kernels.tail.structure import read_layer
from xai_widgets.session.axes import cells
from xai_widgets.views import StatusBar

PHOTOS = [np.random.default_rng(index).integers(0, 256, (60, 80, 3), dtype=np.uint8) for index in range(2)]
QUICK = {"nest": 8, "vit, 4 registers, no class token": 8}  # layers of them
MOST = int(os.environ.get("XAI_WIDGETS_PLACES", "0"))  # layers of each family, the usual ones too; 0: a few of some
WALKED = ALL if MOST else {name: family for name, family in PLACES.items() if name not in QUICK}
MOST_REFUSED = {  # of all layers; the others are in windows, or mix all places
    "hiera": 0.9, "nest": 0.8, "maxvit": 0.6, "mvit v2": 0.3, "mvit v2, class token": 0.5,
}  # fmt: skip


@pytest.mark.parametrize("name", QUICK)
def test_a_layer_that_is_explained_is_in_place(name: str) -> None:
    count = counted(PLACES[name], QUICK[name])
    assert not count.scrambled
    assert count.placed


@pytest.mark.slow
@pytest.mark.parametrize("name", WALKED)
def test_layers_that_are_explained_are_in_place(name: str) -> None:
    count = counted(ALL[name], MOST or 12)
    print(f"{name}: {count}")
    everything = len(count.placed) + len(count.spread) + len(count.scrambled) + len(count.refused)
    assert not count.scrambled
    assert count.placed
    assert len(count.refused) <= MOST_REFUSED.get(name, 0.25) * everything + 1


def test_the_check_finds_maps_that_are_out_of_order() -> None:
    network = nn.Sequential(nn.Conv2d(3, 6, 4, 4), nn.ReLU())
    images = [outputs_of(network, (64, 64), seed)["1"] for seed in range(3)]
    layout = Layout("maps", 6, 16, 16)
    order = torch.randperm(16, generator=torch.Generator().manual_seed(3))
    assert where_it_lies(images, layout) == "placed"
    for wrong in (lambda maps: maps.flip(3), lambda maps: maps.roll(8, 2), lambda maps: maps[..., order]):
        assert where_it_lies([[wrong(maps) for maps in outputs] for outputs in images], layout) != "placed"


class Attends(nn.Module):
    """Tokens of every other row and column ask all tokens; nothing adds what they ask with to what they are told."""

    def __init__(self, order: Tensor | None = None, keys: Tensor | None = None) -> None:
        super().__init__()
        self.stem, self.query, self.key = nn.Conv2d(3, 8, 4, 4), nn.Linear(8, 8), nn.Linear(8, 16)
        self.project, self.head = nn.Linear(8, 8), nn.Linear(8, 3)
        self.order = torch.arange(16) if order is None else order
        self.keys = torch.arange(64) if keys is None else keys

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.stem(x).flatten(2).transpose(1, 2)
        query = tokens.view(-1, 8, 8, 8)[:, ::2, ::2].reshape(-1, 16, 8)
        query = self.query(query if self.order[0] == 0 else query[:, self.order])
        key, value = self.key(tokens if self.keys[0] == 0 else tokens[:, self.keys]).chunk(2, -1)
        heads = [one.unflatten(2, (2, 4)).transpose(1, 2) for one in (query, key, value)]
        told = (heads[0] @ heads[1].transpose(-2, -1)).softmax(-1) @ heads[2]
        scores: Tensor = self.head(self.project(told.transpose(1, 2).flatten(2)).mean(1))
        return scores


class Lost(nn.Module):
    """Maps whose order no operation shows: places are taken one by one, in an order of the caller's choice."""

    def __init__(
        self, before: Callable[[Tensor], Tensor], after: Callable[[Tensor], Tensor] = lambda maps: maps
    ) -> None:
        super().__init__()
        self.stem, self.body, self.head = nn.Conv2d(3, 6, 4, 4), nn.Conv2d(6, 6, 1), nn.Linear(6, 2)
        self.before, self.after = before, after

    def forward(self, x: Tensor) -> Tensor:
        maps = self.after(self.stem(self.before(x)))
        maps = maps.flatten(2)[:, :, torch.arange(maps[0, 0].numel())].reshape(maps.shape)
        scores: Tensor = self.head(self.body(maps).square().mean((2, 3)))
        return scores


def shuffled(inner: int) -> Callable[[Tensor], Tensor]:
    """Places are permuted within squares of so many a side, alike in all."""
    order = torch.randperm(inner * inner, generator=torch.Generator().manual_seed(1))

    def shuffle(maps: Tensor) -> Tensor:
        windows = maps.unflatten(2, (-1, inner)).unflatten(4, (-1, inner)).transpose(3, 4)  # (n c rows columns i j)
        windows = windows.flatten(4)[..., order].unflatten(4, (inner, inner))
        return windows.transpose(3, 4).flatten(4, 5).flatten(2, 3)

    return shuffle


def blind_but(rows: slice, columns: slice) -> Callable[[Tensor], Tensor]:
    mask = torch.zeros(64, 64)
    mask[rows, columns] = 1
    return lambda x: x * mask


LEFT, MIDDLE = (slice(None), slice(0, 32)), (slice(16, 48), slice(16, 48))


@pytest.mark.parametrize(
    ("network", "placed"),
    [
        (lambda: Lost(lambda x: x), True),
        (lambda: Lost(lambda x: x, shuffled(2)), True),  # within 1 / 8 of the image: as near as probes tell
        (lambda: Lost(lambda x: x, shuffled(8)), False),
        (lambda: Lost(lambda x: x, shuffled(16)), False),
        (lambda: Lost(lambda x: x, lambda maps: maps.roll(8, 3)), False),
        (lambda: Lost(lambda x: x, lambda maps: maps + 3 * maps.mean((2, 3), keepdim=True)), True),
        (lambda: Lost(lambda x: x, lambda maps: shuffled(8)(maps) + maps.mean((2, 3), keepdim=True)), False),
        (lambda: Lost(blind_but(*LEFT)), True),
        (lambda: Lost(blind_but(*MIDDLE)), True),
        (lambda: Lost(blind_but(*LEFT), shuffled(4)), False),
        (lambda: Lost(blind_but(*LEFT), lambda maps: maps.roll(8, 3)), False),  # seen on the left, shown on the right
        (lambda: Lost(lambda x: x[:, :, :, :32]), False),  # the left half, as if it were the whole
        (lambda: Lost(lambda x: x[:, :, 16:48, 16:48]), False),
        (Attends, True),
        (lambda: Attends(keys=torch.randperm(64, generator=torch.Generator().manual_seed(2))), True),
        (lambda: Attends(order=torch.arange(15, -1, -1)), False),
    ],
)
def test_where_probes_and_queries_show_the_places(network: Callable[[], nn.Module], placed: bool) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = network().eval()
    layer = "project" if isinstance(net, Attends) else "body"
    side = 32 if layer == "project" else 64
    inputs = torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    assert read_layer(Shell(net), layer, inputs)[1].placed is placed


def corner_share(net: nn.Module, layer: str) -> float:
    """The share of a change in the low left corner of the image that lies there in the maps."""
    gray = torch.full((1, 3, 224, 224), 0.5)
    other = gray.clone()
    other[:, :, 168:, :56] = 1
    maps = [Tail(net, layer, image).maps for image in (gray, other)]
    change = (maps[1] - maps[0]).abs().sum((0, 1))
    half = len(change) // 2
    return float(change[half:, :half].sum() / change.sum())


@pytest.mark.slow
def test_case_6() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        hiera, davit = (timm.create_model(name).eval() for name in ("hiera_tiny_224", "davit_tiny"))
    assert corner_share(davit, "stages.2") > 0.8
    assert not Tail(hiera, "blocks.1", torch.rand(1, 3, 224, 224)).placed
    model = ImageModel(hiera, transforms.Compose([transforms.Resize((224, 224)), transforms.ToTensor()]))
    assert corner_share(hiera, model.layer) > 0.7, "0.78 to 0.80 with five seeds; 0.27 in the order of its tokens"


def test_case_7_four_registers_and_no_class_token() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = timm.create_model("vit_little_patch16_reg4_gap_256", img_size=128, depth=2, embed_dim=64, num_heads=2)
    model = ImageModel(net.eval(), transforms.Compose([transforms.Resize((128, 128)), transforms.ToTensor()]))
    layers = {layer.name: layer for layer in model.layers()}
    assert model.layer == "blocks"
    assert not [notice for notice in model.notices if "layer" in notice]
    default = layers["blocks"]
    assert (default.kind, default.maps, default.height, default.width) == ("tokens", 64, 8, 8)
    assert default.placed
    assert default.note.startswith("default: the last layer with maps of at least 4 x 4 places; tokens without a pos")
    assert not [name for name in layers if name.endswith(("q_norm", "k_norm"))], "heads x tokens x 16 are no maps"


class Windows(nn.Module):
    """Two layers in the order of the image, then tokens by windows: nothing after them is in place."""

    def __init__(self, stem: bool = True) -> None:
        super().__init__()
        self.stem, self.norm, self.head = nn.Conv2d(3, 6, 4, 4), nn.LayerNorm(6), nn.Linear(6, 2)
        self.before = stem

    def forward(self, x: Tensor) -> Tensor:
        if not self.before:
            x = x.unflatten(2, (2, -1)).unflatten(4, (2, -1)).permute(0, 1, 3, 2, 5, 4).flatten(2, 3).flatten(3)
        maps = self.stem(x)
        n, c, h, w = maps.shape
        tokens = maps.reshape(n, c, 2, h // 2, 2, w // 2).permute(0, 2, 4, 3, 5, 1).reshape(n, h * w, c)
        scores: Tensor = self.head(self.norm(tokens).square().mean(1))
        return scores


def windows(stem: bool = True) -> ImageModel:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = Windows(stem).eval()
    return ImageModel(net, transforms.Compose([transforms.Resize((32, 32)), transforms.ToTensor()]))


def test_a_layer_out_of_order_takes_removals_and_gains_and_shows_no_map_of_its_own() -> None:
    model = windows()
    assert model.layer == "stem"
    assert any(
        "'stem' is explained: the positions of later layers, such as 'norm', are" in one for one in model.notices
    )
    session = Session(model, PHOTOS)
    session.ask(layer="norm")
    session.wait()
    assert not session.error
    assert session.query.method == "gradient"
    assert session.notice.startswith('"Grad-CAM" needs a layer whose positions are those of the image, and those of')
    assert session.notice.endswith("Gradient is shown instead.")
    assert session.saliency is not None
    assert session.saliency.map.shape == (32, 32)
    assert session.impacts is not None
    assert session.impacts.done
    assert np.abs(session.impacts.delta_y).min() > 0
    assert session.maps is not None
    assert session.maps.thumbs.shape == (6, 1, 1), "no picture of positions that are not those of the image"
    before = session.output
    session.ask(gains={2: 0})
    session.wait()
    assert before is not None
    assert session.output is not None
    tail = Tail(model.shell, "norm", model.inputs(PHOTOS[0]))
    removed = tail.maps.clone()
    removed[:, 2] = 0
    np.testing.assert_allclose(session.output.scores, tail(removed)[0].detach(), atol=1e-5)
    for method in ("grad_cam", "behaviour", "feature_activation"):
        with pytest.raises(ValueError, match=r"needs a layer .* those of 'norm' are not: .* layout= how it is read"):
            session.ask(method=method)
    session.close()


def test_a_network_without_a_layer_in_place_opens_and_says_so() -> None:
    model = windows(stem=False)
    assert any("so that none of its maps is laid over the photo; scores, gains" in notice for notice in model.notices)
    session = Session(model, PHOTOS)
    session.wait()
    assert not session.error
    assert session.query.method == "gradient"
    session.close()
    told = ImageModel(model.network, transforms.ToTensor(), "norm", layout="tokens", task="classification")
    assert not told.notices
    assert not told.out_of_order("norm")


def test_the_menu_of_layers_tries_nothing_and_remembers_what_was_tried() -> None:
    model = model_of(PLACES["nest"])
    session = Session(model, PHOTOS)
    bar = StatusBar(session)
    listed = {layer["name"]: layer["placed"] for layer in bar.layers}
    assert set(listed.values()) == {True, None}
    name = next(name for name, placed in listed.items() if placed is None)
    assert model.layer_named(name) == name
    bar.draw()
    assert next(layer["placed"] for layer in bar.layers if layer["name"] == name) is False
    layers = [change["layer"] for change in cells(session, "layers")]
    assert model.layer in layers
    assert 2 <= len(layers) <= 5
    sizes = {layer.name: layer.height for layer in model.layers()}
    assert all(listed[name] for name in layers), "a preset shows no layer that was not shown to be in place"
    assert len({sizes[name] for name in layers}) > 1
    bar.close()
    session.close()
