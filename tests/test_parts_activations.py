"""What each feature map answers to: its largest activation and the crop around it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from asked import effects, query, shared
from tiny import TinyNet, photos, rated, regressor
from torch import Tensor, nn
from torchvision.transforms import CenterCrop, Compose, ToTensor

from xai_widgets import ImageModel, ImageSet
from xai_widgets.engine import Activations, Query, Sources, answer
from xai_widgets.engine.parts.activations import box_of_share, half_maximum


@pytest.mark.parametrize("model", ["demo/quality", "demo/scenes"])
def test_maximum_place_mean_and_whether_active(model: str) -> None:
    maps = effects(model).tail.maps[0].numpy()
    found: Activations = answer(shared(model), query(model), "activations")
    for index in range(len(maps)):
        place = np.unravel_index(maps[index].argmax(), maps[index].shape)  # ties by lowest index
        assert (found.row[index], found.column[index]) == place
        assert found.maximum[index] == pytest.approx(maps[index].max())
        assert found.mean[index] == pytest.approx(maps[index].mean(), abs=1e-5)
        assert found.active[index] == (maps[index].max() > 0)
    assert found.crops == {}
    assert found.notes == {}


def test_a_crop_lies_in_the_field_of_its_place() -> None:
    """One convolution of 5 x 5 pixels, stride 4: the field of a place is known."""
    sources = Sources(regressor(), rated())
    model = sources.model()
    asked = Query(image=sources.images.names[1])
    found: Activations = answer(sources, asked, "activations", crops=(1, 5, 17))
    assert set(found.crops) == {1, 17}
    assert found.notes[5] == "Map 5 is nowhere above 0 on this image, so that it has no crop."
    weight = dict(model.network.named_parameters())["features.0.weight"].detach()
    for index in (1, 17):
        row, column = int(found.row[index]), int(found.column[index])
        left, top, right, bottom = (64 * edge for edge in found.crops[index])
        assert 4 * column - 2 <= left
        assert right <= 4 * column + 3
        assert 4 * row - 2 <= top
        assert bottom <= 4 * row + 3
        size = weight[index].abs().sum(0)  # of the gradient, where the field lies inside of the image
        y, x = (
            slice(round(edge[0] - start), round(edge[1] - start))
            for edge, start in (((top, bottom), 4 * row - 2), ((left, right), 4 * column - 2))
        )
        seen_y, seen_x = slice(max(2 - 4 * row, 0), 66 - 4 * row), slice(max(2 - 4 * column, 0), 66 - 4 * column)
        assert float(size[y, x].sum()) >= 0.95 * float(size[seen_y, seen_x].sum()) - 1e-5
        assert "holds 95 % of its absolute gradient" in found.notes[index]


def test_a_small_box_around_a_point_that_holds_a_share() -> None:
    gradient = torch.zeros(10, 20)
    gradient[4, 8], gradient[4, 9], gradient[9, 19] = 90, 6, 4
    centre = (4.5 / 10, 8.5 / 20)
    assert box_of_share(gradient, centre, 0.9) == pytest.approx((8 / 20, 4 / 10, 9 / 20, 5 / 10))
    assert box_of_share(gradient, centre, 0.95) == pytest.approx((8 / 20, 4 / 10, 10 / 20, 5 / 10))
    assert box_of_share(gradient, centre, 1.0) == pytest.approx((8 / 20, 4 / 10, 1, 1)), "nothing may be lost"
    assert box_of_share(gradient, (0.5 / 10, 0.5 / 20), 0.9) == pytest.approx((0, 0, 9 / 20, 5 / 10)), (
        "around the point"
    )


def test_half_of_the_maximum_around_a_point() -> None:
    fine = np.zeros((8, 8), np.float32)
    fine[2:4, 2:6], fine[3, 3], fine[6:, 6:] = 0.6, 1.0, 0.9
    cell = (0.25, 0.25, 0.5, 0.5)
    assert half_maximum(fine, (3.5 / 8, 3.5 / 8), cell) == (2 / 8, 2 / 8, 6 / 8, 4 / 8), "what is apart is not in it"
    fine[3, 3] = -1
    assert half_maximum(fine, (3.5 / 8, 3.5 / 8), cell) == cell


class Global(nn.Module):
    """Squeeze and excitation: each place depends on the whole image."""

    def __init__(self, *, cuts: bool = False) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 4, 5, 4, 2), nn.ReLU())
        self.scaled, self.head, self.cuts = nn.Identity(), nn.Linear(4, 1), cuts

    def forward(self, images: Tensor) -> Tensor:
        maps = self.features(images)
        if self.cuts:
            maps = maps.detach()
        maps = self.scaled(maps * images.mean((1, 2, 3), keepdim=True).exp() ** 40)
        scores: Tensor = self.head(maps.mean((2, 3)))
        return scores


@pytest.mark.parametrize("cuts", [False, True])
def test_a_box_of_most_of_the_image_becomes_that_of_half_the_maximum(cuts: bool) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        network = Global(cuts=cuts)
    sources = Sources(ImageModel(network, None, "scaled", range=(0, 1), name="global"), rated())
    found: Activations = answer(sources, Query(image=sources.images.names[0]), "activations", crops=range(4))
    assert found.crops
    for index, (left, top, right, bottom) in found.crops.items():
        assert found.notes[index] == "The region around the largest activation that is above half of it."
        row, column = int(found.row[index]), int(found.column[index])
        assert left <= column / 16
        assert right >= (column + 1) / 16
        assert top <= row / 16
        assert bottom >= (row + 1) / 16


def test_a_crop_is_a_part_of_the_photo() -> None:
    """Not of what the network saw: here the middle of a photo of twice the width."""
    images = ImageSet({"one": photos()[0], "wide": np.concatenate([photos()[1], photos()[0], photos()[1]], 1)})
    cropped = ImageModel(
        TinyNet(), Compose([CenterCrop(64), ToTensor()]), "features", range=(0, 1), name="cropped"
    )  # fmt: skip
    sources = Sources(cropped, images)
    whole, part = (answer(sources, Query(image=name), "activations", crops=(17,)).crops[17] for name in images.names)
    assert part[1::2] == pytest.approx(whole[1::2])
    assert part[::2] == pytest.approx([(1 + edge) / 3 for edge in whole[::2]])


@pytest.mark.parametrize(
    ("crops", "message"),
    [
        ((24,), "crops must name feature maps, 0 to 23; got 24"),
        ((-1,), r"feature maps by number, such as \(3, 17\), got \(-1,\)"),
        ("all", "by number.* got 'all'"),
        ((0.5,), "by number"),
        (3, "by number"),
    ],
)
def test_crops_that_do_not_fit(crops: Any, message: str) -> None:
    sources = Sources(regressor(), rated())
    with pytest.raises(ValueError, match=message):
        answer(sources, Query(image=sources.images.names[0]), "activations", crops=crops)
