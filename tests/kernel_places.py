"""What kernels take, made on a device and in a precision: networks, tails, images, maps, numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor, nn

from xai_widgets.kernels import (
    ablation,
    agreement,
    cam,
    endings,
    measures,
)
from xai_widgets.kernels.cam import base
from xai_widgets.kernels.tail import Shell, Tail


class Small(nn.Module):
    """Six maps of 8 x 8 at `features`; what follows bends."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.features = nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1), nn.ReLU())
            self.mix = nn.Sequential(nn.Conv2d(6, 8, 3, 1, 1), nn.ReLU())
            self.head = nn.Linear(8, outputs)

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.head(self.mix(self.features(images)).mean((2, 3)))
        return scores


def as_it_is(result: Tensor) -> Tensor:
    return result


class Place:
    """What kernels take, on one device and in one precision; drawn on the CPU in float64, so everywhere the same."""

    def __init__(self, device: torch.device | str, dtype: torch.dtype = torch.float32) -> None:
        self.device, self.dtype = torch.device(device), dtype

    def put(self, tensor: Tensor) -> Tensor:
        return tensor.to(self.dtype).to(self.device) if tensor.is_floating_point() else tensor.to(self.device)

    def uniform(self, *shape: int, seed: int = 0, low: float = 0.0, high: float = 1.0) -> Tensor:
        drawn = torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        return self.put(low + (high - low) * drawn)

    def signed(self, *shape: int, seed: int = 0) -> Tensor:
        return self.uniform(*shape, seed=seed, low=-1.0)

    def mask(self, *shape: int, seed: int = 0) -> Tensor:
        drawn = torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        return self.put(drawn < 0.3)

    def indices(self, *values: int) -> Tensor:
        return torch.tensor(values, device=self.device)

    @property
    def generator(self) -> torch.Generator:
        return torch.Generator().manual_seed(1)

    def shell(self, outputs: int) -> Shell:
        return Shell(Small(outputs).to(self.dtype).to(self.device))

    @cached_property
    def images(self) -> Tensor:
        return self.uniform(2, 3, 16, 16, seed=3)

    @cached_property
    def maps(self) -> Tensor:
        return self.uniform(2, 6, 8, 8, seed=4)

    @cached_property
    def one(self) -> Tail:
        """Three classes, one image."""
        return Tail(self.shell(3), "features", self.images[:1])

    @cached_property
    def two(self) -> Tail:
        """Three classes, two images."""
        return Tail(self.shell(3), "features", self.images)

    @cached_property
    def regression(self) -> Tail:
        return Tail(self.shell(1), "features", self.images[:1])

    def explain(self, images: Tensor) -> Tensor:
        return self.explainer(images, None).maps

    @cached_property
    def explainer(self) -> measures.Explainer:
        return measures.grad_cam_explainer(partial(Tail, self.one.shell, "features"), as_it_is)

    @cached_property
    def clean(self) -> measures.Clean:
        return measures.clean_of(self.explainer, self.images)

    def tiles(self, tiles: Tensor) -> tuple[Tensor, Tensor]:
        tail = Tail(self.regression.shell, "features", tiles)
        scores, cams = cam.cam_of(tail, as_it_is, torch.ones_like)
        return scores[:, 0], cams


def patches(result: Tensor) -> Tensor:
    """Scores of patches where the network is `patchy`."""
    return result


def patchy(place: Place) -> Tail:
    """2 x 2 patches, each of its own quarter."""

    class Patches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.features = Small(1).features
            self.pool = nn.AvgPool2d(4)

        def forward(self, images: Tensor) -> Tensor:
            pooled: Tensor = self.pool(self.features(images)).square().sum(1)
            return pooled

    return Tail(Patches().to(place.dtype).to(place.device), "features", place.images)


def inside(place: Place, work: Callable[[Tensor, Tensor, Tensor], Any]) -> Any:
    """What the parts of Grad-CAM take: a leaf, its scores, and weights of them."""
    with base.recording():
        return work(*base.replayed(place.two, as_it_is, None), place.signed(2, 3))


def of_maps(place: Place, work: Callable[[Tensor, Tensor], Any]) -> Any:
    """Two stacks of non-negative maps."""
    return work(place.uniform(3, 8, 8, seed=5), place.uniform(3, 8, 8, seed=6))


def effects(place: Place, work: Callable[[Tensor, Tensor, Tensor, Tensor], Any]) -> Any:
    """delta y, delta error, score and rating of two images."""
    change, score, rating = place.signed(2, 6, seed=7), place.uniform(2, seed=8), place.uniform(2, seed=9)
    return work(change, ablation.delta_error(change, score, rating), score, rating)


def noises(place: Place) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in range(2)]


def ending(place: Place) -> Shell:
    """Of a network that ends in a softmax."""
    network = nn.Sequential(Small(3), nn.Softmax(1)).to(place.dtype).to(place.device)
    return Shell(network)


def some(found: endings.Ending | None) -> endings.Ending:
    assert found is not None
    return found


def last(values: Iterator[Any]) -> Any:
    return list(values)[-1]


def human(place: Place) -> Callable[[Tensor], Tensor]:
    density = place.uniform(1, 8, 8, seed=10)
    return lambda maps: agreement.cc(maps, density)
