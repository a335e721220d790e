"""A network with ReLUs, called in all ways, images of it, and how gradients are compared."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

CLASSES = 4


class Modules(nn.Sequential):
    """ReLU as a module of its own each time, in place or not."""

    def __init__(self, activation: Callable[[], nn.Module], classes: int = CLASSES) -> None:
        super().__init__(
            nn.Conv2d(3, 12, 3), nn.BatchNorm2d(12), activation(), nn.Conv2d(12, 10, 3, 2), activation(),
            nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(40, 32), activation(), nn.Linear(32, classes),
        )  # fmt: skip


class Called(nn.Module):
    """The same network with its ReLUs called as `relu` says."""

    def __init__(self, modules: Modules, relu: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(modules)
        self.relu = relu

    def forward(self, x: Tensor) -> Tensor:
        for index, part in enumerate(self.parts):
            x = self.relu(x) if index in (2, 4, 8) else part(x)
        return x


class Lambda(nn.Module):
    """A function as a network."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def network(activation: Callable[[], nn.Module] = nn.ReLU, classes: int = CLASSES) -> Modules:
    return Modules(activation, classes).double().eval()


def images(n: int = 2) -> Tensor:
    return torch.rand(n, 3, 12, 11).double() - 0.3


def close(found: Tensor, expected: Tensor) -> None:
    assert expected.abs().max() > 0
    torch.testing.assert_close(found, expected, atol=1e-10, rtol=1e-8)
