"""Two small networks, a preset for them, and a photograph of noise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from torch import Tensor, nn
from torchvision.transforms._presets import ImageClassification

from xai_widgets.models.preprocessing import photographs

PRESET = ImageClassification(crop_size=64, resize_size=72)


class Small(nn.Module):
    """Two stages and a head; `form` makes of the logits what a network may return."""

    def __init__(self, form: Callable[[Tensor], Any] = lambda logits: logits, classes: int = 5) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        self.body = nn.Sequential(nn.Conv2d(8, 12, 3, stride=2, padding=1), nn.ReLU())
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(12, classes)
        self.form = form

    def forward(self, images: Tensor) -> Any:
        return self.form(self.head(self.pool(self.body(self.stem(images))).flatten(1)))


def photo(height: int = 90, width: int = 120) -> np.ndarray:
    return np.array(photographs(1, (height, width))[0])


class ClassMaps(nn.Module):
    """Ends in a convolution whose maps are the scores before pooling."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU())
        self.scores = nn.Conv2d(6, 4, 1)

    def forward(self, images: Tensor) -> Tensor:
        return self.scores(self.features(images)).mean((2, 3))
