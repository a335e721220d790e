"""Networks of torchvision with weights that are drawn from one seed, and images for them."""

from __future__ import annotations

import torch
import torchvision
from torch import Tensor, nn


def network_of(name: str) -> nn.Module:
    options = {"aux_logits": True, "init_weights": False} if name == "inception_v3" else {}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network: nn.Module = torchvision.models.get_model(name, weights=None, **options).eval()
    return network


def images(count: int = 1, side: int = 64) -> Tensor:
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(1))
