"""A line of the table of what people bring to the kernels, and the small network that most lines use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from xai_widgets.kernels.tail import Tail


def scores(result: Tensor) -> Tensor:
    return result


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def image(height: int = 24, width: int = 24, channels: int = 3) -> Tensor:
    return torch.rand(1, channels, height, width, generator=seeded(1), dtype=torch.float32, device="cpu")


def network(outputs: int = 2, channels: int = 3) -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        parts = [nn.Conv2d(channels, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, outputs)]
        return nn.Sequential(*parts).eval()


def tail(net: nn.Module | None = None, inputs: Tensor | None = None, layer: str = "1") -> Tail:
    return Tail(network() if net is None else net, layer, image() if inputs is None else inputs)


@dataclass(frozen=True)
class Case:
    """One line of the table: a letter of the list of kinds, the input, what is done, and what must come out."""

    kind: str
    given: str
    do: Callable[[], Any]
    value: Any = None
    sentence: str = ""
    error: type[Exception] = ValueError
    within: float = 1e-6


Outcome = Callable[[Callable[[], Any]], Callable[[], Any]]


def adding_to(cases: list[Case]) -> Callable[..., Outcome]:
    """A decorator that makes of what is done a line of the table."""

    def case(kind: str, given: str, **outcome: Any) -> Outcome:
        def add(do: Callable[[], Any]) -> Callable[[], Any]:
            cases.append(Case(kind, given, do, **outcome))
            return do

        return add

    return case
