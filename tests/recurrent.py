"""A network that reads its feature maps column by column."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Reader(nn.Module):
    """Maps, then a recurrent part of two layers with dropout between them, then three scores."""

    def __init__(self, kind: str = "LSTM", maps: int = 12) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.features = nn.Sequential(nn.Conv2d(3, maps, 5, 4, 2), nn.ReLU())
            self.reader = getattr(nn, kind)(maps, 16, 2, batch_first=True, dropout=0.5)
            self.head = nn.Linear(16, 3)

    def forward(self, images: Tensor) -> Tensor:
        return self.read(self.features(images))

    def read(self, maps: Tensor) -> Tensor:
        found, _ = self.reader(maps.mean(2).transpose(1, 2))
        scores: Tensor = self.head(found[:, -1])
        return scores
