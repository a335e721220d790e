"""A plain network, images for it, and the removal and the gradient of a tail against ordinary hooks."""

from __future__ import annotations

import torch
from families import LOUD, check_gradient, check_removal
from torch import Tensor, nn

from xai_widgets.kernels.tail import Tail


def plain() -> nn.Sequential:
    """Convolutions with an in-place activation between them, and a linear head."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        parts = (
            nn.Conv2d(3, 6, 3, 2, 1), nn.ReLU(), nn.Conv2d(6, 6, 3, 1, 1), nn.ReLU(inplace=True),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 5),
        )  # fmt: skip
        return nn.Sequential(*parts).eval()


def images(height: int = 32, width: int = 32) -> Tensor:
    return torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(1))


def check(network: nn.Module, layer: str, inputs: Tensor | None = None) -> Tail:
    inputs = images() if inputs is None else inputs
    tail = Tail(network, layer, inputs)
    assert check_removal(network, tail, inputs) > LOUD
    assert check_gradient(network, tail, inputs) > LOUD
    return tail
