"""A network that bends or not, in any precision, tails of it, and groups of its maps."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from xai_widgets.kernels.tail import Tail

HALVES = [torch.float16, torch.bfloat16]


class Network(nn.Module):
    """Map 3 is dead; the rest is pooled, or bends first."""

    def __init__(self, *, bends: bool = False, scale: float = 1.0, outputs: int = 3) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(2)
            self.layer = nn.Sequential(nn.Conv2d(3, 8, 3, 2), nn.ReLU())
            self.mix, self.head = nn.Conv2d(8, 8, 2), nn.Linear(8, outputs)
            nn.init.normal_(self.head.weight, std=3 * scale)
        with torch.no_grad():
            self.get_parameter("layer.0.weight")[3] = 0
            self.get_parameter("layer.0.bias")[3] = -1
        self.bends = bends
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        maps = self.layer(x)
        scores: Tensor = self.head((self.mix(maps).tanh() if self.bends else maps).mean((2, 3)))
        return scores


def images(n: int = 1) -> Tensor:
    return torch.rand(n, 3, 15, 17, generator=torch.Generator().manual_seed(4))


def tail_of(dtype: torch.dtype = torch.float32, n: int = 1, **options: Any) -> Tail:
    return Tail(Network(**options).to(dtype), "layer", images(n).to(dtype))


def scores(result: Tensor) -> Tensor:
    return result


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(3)


class Named:
    """A score whose outputs have names."""

    labels = ("cat", "dog", "bird")

    def __call__(self, result: Tensor) -> Tensor:
        return result


GROUPS = torch.rand(5, 8, generator=torch.Generator().manual_seed(5)) > 0.5
