"""Several images in one pass on the pretend device: same scores, same order, and no image costs another its own."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from pretend_device import DEVICE, counting
from torch import Tensor, nn

from xai_widgets import ImageModel, ImageSet
from xai_widgets.engine import Query, Sources, answer


class Reads(nn.Module):
    """Counts its passes; may read all images of a batch, or refuse a bright one."""

    passes: ClassVar[list[int]] = [0]  # of all copies

    def __init__(self, mixes: bool = False, refuses: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.features = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
        self.head = nn.Linear(4, 3)
        self.mixes, self.refuses = mixes, refuses

    def forward(self, x: Tensor) -> Tensor:
        self.passes[0] += 1
        if self.refuses and float(x.amax()) > 0.99:
            raise RuntimeError("too bright")
        maps = self.features(x)
        maps = maps - maps.mean(0, keepdim=True) * (len(x) > 3) if self.mixes else maps
        return self.head(maps.mean((2, 3)))


def photos(bright: int | None = None) -> ImageSet:
    pixels = np.random.default_rng(0).integers(0, 200, (9, 20, 20, 3), dtype=np.uint8)
    pixels[4:6] = pixels[4:6, ::-1]
    if bright is not None:
        pixels[bright] = 255
    return ImageSet(list(pixels))


def asked(network: Reads, images: ImageSet, device: Any, **more: Any) -> tuple[list[Any], int]:
    sources = Sources(ImageModel(network.eval().to(device), None, "features"), images)
    before = network.passes[0]
    found = answer(sources, [Query(image=name) for name in images.names], "scores", **more)
    assert [one.query.image for one in found if one is not None] == [
        name for name, one in zip(images.names, found, strict=True) if one is not None
    ]
    return found, network.passes[0] - before


@pytest.mark.parametrize("mixes", [False, True])
def test_scores_are_those_of_each_image_alone(mixes: bool) -> None:
    images = photos()
    (found, passes), (expected, _) = asked(Reads(mixes), images, DEVICE), asked(Reads(mixes), images, "cpu")
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.scores, other.scores, atol=2e-5)
        assert (one.target, one.query.image) == (other.target, other.query.image)
    assert passes == (2 + len(images.names) if mixes else 2), "one of all images, one of the first alone"


def test_an_image_on_which_the_network_raises_costs_no_other() -> None:
    images = photos(bright=5)
    failed: list[str] = []
    found, _ = asked(Reads(refuses=True), images, DEVICE, failed=lambda query, error: failed.append(query.image))
    assert failed == [images.names[5]]
    assert [one is None for one in found] == [place == 5 for place in range(9)]


def test_what_is_known_of_a_layer_saves_operations_at_the_next_image() -> None:
    images = photos()
    sources = Sources(ImageModel(Reads().eval().to(DEVICE), None, "features"), images)
    taken = []
    for name in images.names[:2]:
        answer(sources, Query(image=name), "output")
        with counting() as counts:
            answer(sources, Query(image=name), "impacts")
        taken.append(counts)
    assert taken[1].operations < 0.6 * taken[0].operations
    assert taken[1].waits < taken[0].waits
