"""Methods through the engine on a network small enough that each answer is known: autograd of J, a linear head."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from small_networks import PRESET, Small
from tiny import MAPS, SIDE, TinyNet, classifier, photos, rated, regressor
from torch import Tensor
from torch.nn import functional as F

from xai_widgets import ImageModel, ImageSet
from xai_widgets.engine import Contrast, Query, Sources, answer
from xai_widgets.kernels.cam import grad_cam, tile_contrast
from xai_widgets.kernels.tail import Tail

GAINS = ((2, 0.0), (7, 1.5))
Q = 0.8


def explained(sources: Sources, method: str, **fields: Any) -> Any:
    query = Query(image=sources.images.names[0], method=method, **fields)
    return answer(sources, query, "explanation").saliency


def same(found: Any, expected: Any) -> None:
    values = np.asarray(expected)
    assert np.abs(values).max() > 0
    np.testing.assert_allclose(found, values, rtol=1e-4, atol=2e-6 * np.abs(values).max())


def hooked(net: torch.nn.Module) -> torch.nn.Module:
    """A copy of the network whose layer hands on its maps times the gains."""
    other, weights = copy.deepcopy(net), torch.ones(1, MAPS, 1, 1)
    for index, gain in GAINS:
        weights[0, index] = gain
    other.get_submodule("features").register_forward_hook(lambda module, args, output: weights * output)
    return other


def slope(net: torch.nn.Module, inputs: Tensor, j: Callable[[Tensor], Tensor]) -> Tensor:
    """The gradient of J at the input (3 h w), with the gains."""
    leaf = inputs.clone().requires_grad_()
    (found,) = torch.autograd.grad(j(hooked(net)(leaf)[0]), leaf)
    return found[0]


def entropy(q: int) -> Callable[[Tensor], Tensor]:
    return lambda y: F.cross_entropy(y[None], torch.tensor([q]))


PREDICTED, OTHER = 1, 2  # of the first photograph, with and without the gains
J: dict[str, tuple[Callable[[Tensor], Tensor], dict[str, Any]]] = {
    "why P": (lambda y: y[PREDICTED], {}),
    "why a chosen P": (lambda y: y[OTHER], {"target": OTHER}),
    "class": (entropy(OTHER), {"contrast": Contrast("class", OTHER)}),
    "Q = P": (entropy(PREDICTED), {"contrast": Contrast("class", PREDICTED)}),
    "confidence": (entropy(PREDICTED), {"contrast": Contrast("confidence")}),
    "class of a chosen P": (lambda y: y[OTHER] - y[0], {"target": OTHER, "contrast": Contrast("class", 0)}),
    "score": (lambda y: (y[0] - Q).square(), {"contrast": Contrast("score", Q)}),
}


@pytest.mark.parametrize("name", J)
def test_a_gradient_is_that_of_j_itself(name: str) -> None:
    j, fields = J[name]
    model, images = regressor() if name == "score" else classifier(), rated()
    sources = Sources(model, images)
    inputs = model.inputs(images.photo(images.names[0]))
    if name != "score":
        assert int(hooked(model.network)(inputs)[0].argmax()) == PREDICTED
    expected = slope(model.network, inputs, j)
    same(explained(sources, "gradient", gains=GAINS, **fields).map, expected.abs().amax(0))
    for channel in range(3):
        found = explained(sources, "gradient", gains=GAINS, options=(("channel", channel),), **fields)
        same(found.map, expected[channel])
    product = explained(sources, "input_x_gradient", gains=GAINS, **fields)
    same(product.map, (inputs[0] * expected).abs().amax(0))
    calm = explained(sources, "smooth_grad", gains=GAINS, options={"noise_level": 0, "n_samples": 2}, **fields)
    same(calm.map, expected.abs().amax(0))


def test_gains_with_the_mean_as_baseline() -> None:
    """A map of gain 0 becomes its mean over images of the set."""
    model, images = regressor(), rated()
    sources = Sources(model, images)
    tails = [Tail(model.network, "features", model.inputs(images.photo(name))) for name in images.names]
    level = torch.stack([tail.maps[0] for tail in tails]).mean((0, 2, 3))
    weights = torch.ones(MAPS)
    for index, gain in GAINS:
        weights[index] = gain
    net = copy.deepcopy(model.network)
    w, b = weights[:, None, None], level[:, None, None]
    net.get_submodule("features").register_forward_hook(lambda module, args, output: w * output + (1 - w) * b)
    leaf = model.inputs(images.photo(images.names[0])).clone().requires_grad_()
    (expected,) = torch.autograd.grad((net(leaf)[0, 0] - Q).square(), leaf)
    found = explained(sources, "gradient", gains=GAINS, baseline="mean", contrast=Contrast("score", Q))
    same(found.map, expected[0].abs().amax(0))


def means(model: ImageModel, images: ImageSet) -> Tensor:
    return Tail(model.network, "features", model.inputs(images.photo(images.names[0]))).maps.mean((2, 3))[0]


def greedy(parts: Tensor, start: float, q: float) -> list[int]:
    """With a linear head each map adds its part: those of the largest parts are removed until q is crossed."""
    way = 1.0 if q > start else -1.0
    order, y = [], start
    for index in (-way * parts).argsort(descending=True).tolist():
        if way * (q - y) <= 0:
            break
        order.append(index)
        y -= float(parts[index])
    return order


@pytest.mark.parametrize("side", [-1, 1])
def test_the_smallest_change_of_a_linear_head_is_its_largest_parts(side: int) -> None:
    model, images = regressor(), rated()
    tail = Tail(model.network, "features", model.inputs(images.photo(images.names[0])))
    head = model.network.get_submodule("head")
    parts = head.weight[0].detach() * means(model, images)  # type: ignore[operator,index]
    y = float(model.scores(tail.result)[0, 0])
    q = y + side * 0.95 * float(parts[side * parts < 0].abs().sum())
    found = explained(Sources(model, images), "smallest_change", contrast=Contrast("score", q))
    expected = greedy(parts, y, q)
    assert len(expected) > 2
    assert found.listed == tuple(expected)
    same(found.map, sum(parts[index].abs() * tail.maps[0, index].detach() for index in expected))
    assert found.note.startswith(f"Without maps {', '.join(map(str, expected))} the score is ")
    assert "found greedily, not always the fewest" in found.note
    assert found.one_sided


def test_the_smallest_change_between_classes_lets_q_overtake_p() -> None:
    model, images = classifier(), rated()
    sources = Sources(model, images)
    head = model.network.get_submodule("head")
    weight: Any = head.weight
    parts = (weight[PREDICTED] - weight[OTHER]).detach() * means(model, images)
    inputs = model.inputs(images.photo(images.names[0]))
    y = model.network(inputs)[0].detach()
    expected = greedy(parts, float(y[PREDICTED] - y[OTHER]), 0.0)
    found = explained(sources, "smallest_change", contrast=Contrast("class", OTHER))
    assert found.listed == tuple(expected)
    assert found.high == "maps without which crew overtakes <b>cup</b>"
    assert "behind crew (found greedily" in found.note
    back = explained(sources, "smallest_change", target=OTHER, contrast=Contrast("class", PREDICTED))
    assert back.high == "maps without which crew overtakes <b>cup</b>", "P is behind: its way is upwards"
    assert "ahead of <b>cup</b>" in back.note


def test_a_score_that_no_removal_reaches_is_said_to_be_out_of_reach() -> None:
    found = explained(Sources(regressor(), rated()), "smallest_change", contrast=Contrast("score", 1000.0))
    assert found.note.startswith("Not reachable: after maps ")
    assert found.high == "maps that carry it furthest towards Q"
    assert found.listed is not None
    assert len(found.listed) > 2


def test_zero_contrasts_are_counted_and_left_out() -> None:
    """Classes 0 and 1 have the same weights, and class 2 is predicted: the contrast of 0 with 1 is 0 everywhere."""
    net = TinyNet(3)
    with torch.no_grad():
        net.head.weight[1] = net.head.weight[0]
        net.head.bias.copy_(torch.tensor([0.0, 0.0, 50.0]))
    sources = Sources(ImageModel(net, None, "features", name="twins"), rated())
    found = explained(sources, "contrast_uncertainty", target=0)
    assert found.note.startswith("Population variance of the contrasts with 2 of 3 classes")
    assert "1 of 3 contrasts is 0 everywhere and left out." in found.note
    with torch.no_grad():
        net.head.weight.zero_()
    nothing = Sources(ImageModel(net, None, "features", name="without weights"), rated())
    with pytest.raises(ValueError, match="needs a contrast that is not 0 everywhere, and all 3 are"):
        explained(nothing, "contrast_uncertainty", target=0)


def test_one_map_is_shown_as_it_is_with_its_gain() -> None:
    model, images = regressor(), rated()
    maps = Tail(model.network, "features", model.inputs(images.photo(images.names[0]))).maps[0].detach()
    sources = Sources(model, images)
    same(explained(sources, "feature_activation", options=(("map", 7),), gains=GAINS).map, 1.5 * maps[7])
    assert explained(sources, "feature_activation", options=(("map", 2),), gains=GAINS).degenerate == "zero"
    assert explained(sources, "feature_activation", options=(("map", 7),)).one_sided
    with pytest.raises(ValueError, match="map must be 'mean' or a number from 0 to 23, got 24"):
        explained(sources, "feature_activation", options=(("map", 24),))


def test_tiles_take_window_and_stride() -> None:
    model, images = regressor(), rated()
    sources = Sources(model, images)
    query = Query(image=images.names[0], contrast=Contrast("score", Q, "tiles"))
    asked = replace(query, options=(("stride", 20), ("window", 32)))
    found = answer(sources, asked, "explanation").saliency

    def explain(tiles: Tensor) -> tuple[Tensor, Tensor]:
        tail = Tail(model.network, "features", tiles)
        return model.scores(tail.result)[:, 0].detach(), grad_cam(tail, model.scores, 0)

    pixels = model.inputs(images.photo(images.names[0]))[0]
    same(found.map, tile_contrast(explain, pixels, Q, window=32, stride=20).signed)
    assert found.note.startswith("By tiles of 32 × 32 pixels")
    usual = answer(sources, query, "explanation").saliency
    same(usual.map, tile_contrast(explain, pixels, Q, window=16, stride=8).signed)
    assert usual.note.startswith("By tiles of a quarter of the shorter side")
    idle = answer(sources, replace(asked, contrast=None), "explanation").saliency
    assert idle.note.startswith("Window and stride act only in a contrast of scores by tiles")
    with pytest.raises(ValueError, match=f"window must be 1 to {SIDE} pixels for this image, got 65"):
        answer(sources, replace(asked, options=(("window", 65),)), "explanation")


def with_human_map(folder: Path, photo: np.ndarray, marked: np.ndarray) -> ImageSet:
    Image.fromarray(photo).save(folder / "photo.png")
    Image.fromarray(marked).save(folder / "marked.png")
    return ImageSet(pd.DataFrame({"image": [folder / "photo.png"], "human_map": [folder / "marked.png"]}))


def test_a_human_map_is_shown_no_finer_than_what_the_network_sees(tmp_path: Path) -> None:
    large = np.random.default_rng(0).integers(0, 256, (2 * SIDE, 2 * SIDE), np.uint8)
    images = with_human_map(tmp_path, photos()[0], large)
    found = explained(Sources(regressor(), images), "human_map")
    values = torch.from_numpy(large)[None, None] / 255
    expected = F.interpolate(values, size=(SIDE, SIDE), mode="bilinear", align_corners=False, antialias=True)
    same(found.map, expected[0, 0])
    assert (found.low, found.high, found.one_sided) == ("", "marked by people", True)


def test_a_human_map_follows_the_crop_and_its_file(tmp_path: Path) -> None:
    """The preset keeps the middle of the photo; the map is a ramp from left to right, at a size of its own."""
    ramp = np.tile(np.arange(0, 240, 2).astype(np.uint8), (90, 1))  # one column a pixel of the photo, 2 / 255 each
    images = with_human_map(tmp_path, np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8), ramp)
    sources = Sources(ImageModel(Small().eval(), PRESET, name="crops"), images)
    found = explained(sources, "human_map")
    left, _, right, _ = found.box
    width = found.map.shape[1]
    expected = 2 / 255 * (120 * (left + (right - left) * (np.arange(width) + 0.5) / width) - 0.5)
    np.testing.assert_allclose(found.map[0], expected, atol=2 / 255)
    Image.fromarray(np.ascontiguousarray(ramp[:, ::-1])).save(tmp_path / "marked.png")
    turned = explained(sources, "human_map")
    np.testing.assert_allclose(turned.map[0], found.map[0][::-1], atol=2 / 255)
    (tmp_path / "marked.png").unlink()
    with pytest.raises(ValueError, match=r"The human map of 'photo\.png' "):
        explained(sources, "human_map")
