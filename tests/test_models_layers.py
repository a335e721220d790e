"""The layers of a model: which are listed, what they cost, which is the default, how one is named."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
import torchvision
from small_networks import PRESET, ClassMaps, Small, photo
from torch import nn

from xai_widgets.models import ImageModel


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        yield


@pytest.fixture
def small() -> Small:
    return Small().eval()


def test_resnet_layers_are_listed_in_order() -> None:
    network = torchvision.models.resnet18(num_classes=10).eval()
    model = ImageModel(network, PRESET)
    assert model.layer == "layer3", "at 64 x 64 it is the last with 4 x 4 places"
    layers = {layer.name: layer for layer in model.layers()}
    assert [name for name in layers if name.startswith("layer") and "." not in name] == [
        f"layer{i}" for i in range(1, 5)
    ]
    assert (layers["layer3"].kind, layers["layer3"].maps) == ("maps", 256)
    assert (layers["layer1"].height, layers["layer3"].height) == (16, 4)
    assert "avgpool" not in layers
    assert "fc" not in layers
    costs = [layer.cost for layer in model.layers()]
    assert costs == sorted(costs, reverse=True)
    assert 0.9 < costs[0] < 0.97
    assert 0 < layers["layer4"].cost < 0.001
    assert layers["layer4.1.conv1"].note == (
        "convolution followed by batch norm and activation: the removal acts on the convolution's own output"
    )
    assert "batch norm, shortcut and activation" in layers["layer4.1.conv2"].note
    assert "called 2 times" in layers["layer4.1.relu"].note
    assert layers["layer3"].note == "default: the last layer with maps of at least 4 x 4 places"
    assert layers["layer4"].note == ""
    assert layers["layer4"].placed


def test_costs_are_shares_of_all_multiply_adds(small: Small) -> None:
    model = ImageModel(small, PRESET)
    stem, body, head = 32 * 32 * 8 * 3 * 9, 16 * 16 * 12 * 8 * 9, 12 * 5
    costs = {layer.name: layer.cost for layer in model.layers()}
    assert costs["stem"] == pytest.approx((body + head) / (stem + body + head))
    assert costs["body"] == pytest.approx(head / (stem + body + head))


def test_layers_have_the_size_that_a_photo_gives_them(small: Small) -> None:
    model = ImageModel(small, None)
    sizes = {layer.name: (layer.height, layer.width) for layer in model.layers(photo(80, 160))}
    assert sizes["stem"] == (40, 80)
    assert sizes["body"] == (20, 40)
    assert model.inputs(photo(80, 160)).shape == (1, 3, 80, 160)


def small_swin() -> nn.Module:
    sizes = {"patch_size": [4, 4], "window_size": [4, 4], "embed_dim": 16, "depths": [1, 1], "num_heads": [2, 2]}
    return torchvision.models.SwinTransformer(**sizes, num_classes=4)


@pytest.mark.parametrize(
    ("make", "layer", "kind"),
    [
        (lambda: torchvision.models.vgg11(num_classes=4), "features.18", "maps"),
        (lambda: torchvision.models.squeezenet1_1(num_classes=4), "features.7", "maps"),
        (small_swin, "norm", "channels_last"),
    ],
    ids=["vgg11", "squeezenet1_1", "swin"],
)
def test_default_layers(make: Callable[[], nn.Module], layer: str, kind: str) -> None:
    model = ImageModel(make().eval(), PRESET)
    assert model.layer == layer
    assert next(info.kind for info in model.layers() if info.name == layer) == kind


def test_the_default_is_a_coarser_layer_where_finer_ones_lack_or_cost_much() -> None:
    few = nn.Sequential(nn.Conv2d(3, 8, 32, 32), nn.ReLU(), nn.Flatten(), nn.Linear(32, 3))
    dear = nn.Sequential(
        nn.Conv2d(3, 8, 8, 8), nn.Conv2d(8, 512, 3, 3), nn.Conv2d(512, 512, 1), nn.Flatten(), nn.Linear(2048, 3)
    )
    for network, layer, why in (
        (few, "0", "none has 4 x 4 places"),
        (dear, "2", "more than half of a forward pass comes after the last one of 4 x 4 places"),
    ):
        model = ImageModel(network.eval(), PRESET)
        assert model.layer == layer
        note = next(info.note for info in model.layers() if info.name == layer)
        assert note.startswith(f"default: the last layer with rows and columns; {why}")


def vision_transformer() -> nn.Module:
    return torchvision.models.VisionTransformer(
        image_size=64, patch_size=16, num_layers=2, num_heads=2, hidden_dim=32, mlp_dim=64, num_classes=4
    ).eval()


def test_a_class_token_hides_what_comes_after_the_last_attention() -> None:
    model = ImageModel(vision_transformer(), PRESET)
    assert model.layer == "encoder.layers.encoder_layer_1.ln_1"
    info = next(layer for layer in model.layers() if layer.name == model.layer)
    assert (info.kind, info.maps, info.height, info.width) == ("tokens", 32, 4, 4)
    assert "tokens without a position (1)" in info.note


def test_class_maps_are_not_the_default() -> None:
    assert ImageModel(ClassMaps().eval(), PRESET).layer == "features"


def test_a_layer_is_named_by_name_or_module(small: Small) -> None:
    model = ImageModel(nn.DataParallel(small), PRESET, layer=small.body[0])
    assert model.layer == "body.0"
    assert model.layer_named("module.stem") == "stem"
    assert model.layer_named(small.stem) == "stem"
    small.alias = small.body
    assert ImageModel(small, PRESET, layer="alias.0").layer == "body.0"


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        ("bodi", ["no layer 'bodi'", "'body'"]),
        ("head", ["'head'", "no spatial maps", "(1 5)", "'body'"]),
        ("pool", ["no spatial maps", "(1 12 1 1)"]),
        ("", ["no layer ''"]),
        (nn.ReLU(), ["ReLU given as layer is not a part"]),
    ],
)
def test_a_layer_that_cannot_be_explained_is_refused(small: Small, layer: Any, words: list[str]) -> None:
    with pytest.raises(ValueError) as error:
        ImageModel(small, PRESET, layer=layer)
    assert all(word in str(error.value) for word in words), error.value


def test_a_layer_that_does_not_run_is_refused(small: Small) -> None:
    small.spare = nn.Conv2d(3, 3, 1)
    with pytest.raises(ValueError, match="'spare' of Small does not run"):
        ImageModel(small, PRESET, layer="spare")


def test_a_network_without_maps_has_scores_and_gradients_of_the_input() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64 * 64, 3)).eval()
    model = ImageModel(network, PRESET)
    assert (model.layer, model.has_gradient()) == ("image", True)
    assert "no layer whose output has maps" in model.sealed
