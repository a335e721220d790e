"""A network small enough that an answer takes a millisecond, and photographs for it."""

from __future__ import annotations

from functools import cache

import numpy as np
import skimage.data
import skimage.transform
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from xai_widgets import ImageModel, ImageSet

MAPS, SIDE = 24, 64
DEAD = 5  # a map that is zero on every image


class TinyNet(nn.Module):
    """24 maps of 16 x 16 and a linear head on their means, so that delta y is known: minus weight times mean."""

    def __init__(self, outputs: int = 1) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.features = nn.Sequential(nn.Conv2d(3, MAPS, 5, 4, 2), nn.ReLU())
            self.head = nn.Linear(MAPS, outputs)
        with torch.no_grad():
            self.features[0].bias[DEAD] = -100  # type: ignore[operator]

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.head(self.features(images).mean((2, 3)))
        return scores


@cache
def photos() -> tuple[NDArray[np.uint8], ...]:
    """Three photographs of SIDE x SIDE."""
    found = (skimage.data.chelsea(), skimage.data.coffee(), skimage.data.astronaut())
    small = (skimage.transform.resize(photo, (SIDE, SIDE), anti_aliasing=True) for photo in found)
    return tuple((255 * photo).round().astype(np.uint8) for photo in small)


def regressor() -> ImageModel:
    return ImageModel(TinyNet(), None, "features", range=(0, 1), name="tiny")


def classifier() -> ImageModel:
    return ImageModel(
        TinyNet(3), None, "features", labels=("cat", "<b>cup</b>", "crew"), task="classification", name="tiny classes"
    )


def rated() -> ImageSet:
    """The photographs; the last one has no rating."""
    return ImageSet(list(photos()), ratings=[0.25, 0.75, None], name="tiny")
