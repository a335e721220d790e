"""A network whose removals have a closed form: a linear head on pooled maps."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class Regressor(nn.Module):
    """A linear head on pooled maps, which gives closed forms; a tuple, as the networks of the field return it."""

    def __init__(self, bias: float = 0.5) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 12, 3, 2, 1), nn.ReLU())
        self.head = nn.Linear(12, 1)
        with torch.no_grad():
            self.get_parameter("features.0.weight")[4] = 0  # a dead map
            self.get_parameter("features.0.bias")[4] = -1
            self.head.bias.fill_(bias)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        maps = self.features(x)
        return self.head(maps.mean((2, 3))), maps


def score(result: Any) -> Tensor:
    return result[0]
