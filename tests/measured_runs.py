"""Three runs of a small network, explained by Grad-CAM, and all that is measured of them."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from xai_widgets.kernels import measures
from xai_widgets.kernels.tail import Shell, Tail

N, SIDE, CLASSES = 3, 28, 3
SEEDS = (3, 14, 15)


class Network(nn.Module):
    """No weight after the first layer is negative, so that every class has a map."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.features = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 8, 3, 1, 1), nn.ReLU())
            self.head = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, CLASSES))
            with torch.no_grad():
                for weight in self.head.parameters():
                    weight.abs_()

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = 20 * self.head(self.features(images).mean((2, 3)))
        return scores


def logits(result: Tensor) -> Tensor:
    return result


SHELLS = [Shell(Network(seed).double().eval()) for seed in range(3)]


def tail_of(shell: Shell, images: Tensor) -> Tail:
    return Tail(shell, "features", images.double())


RUNS = [measures.grad_cam_explainer(partial(tail_of, shell), logits) for shell in SHELLS]


def numbers(found: measures.Radar) -> list[Tensor]:
    """Everything that was measured."""
    ladders = [compared.values for compared in found.noise.values()]
    assert found.focus.scores is not None
    rest = [found.entropy, found.resilience.values, found.focus.compared.values, found.focus.change, found.stability]
    return [found.axes(), *ladders, *rest, found.focus.scores]
