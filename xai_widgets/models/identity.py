"""The identity of a network: a digest of its weights. `kernels.tail.Weights` tells cheaply that they changed."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from itertools import chain

import torch
from torch import Tensor, nn


def digest_of(network: nn.Module) -> str:
    """Names, shapes, types and values of all weights and buffers, in 32 hexadecimal digits."""
    digest = blake2b(digest_size=16)
    for name, tensor in _tensors(network):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
        values = tensor.detach().cpu().contiguous().reshape(-1)
        if values.numel():
            digest.update(values.view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _tensors(network: nn.Module) -> Iterator[tuple[str, Tensor]]:
    return chain(network.named_parameters(), network.named_buffers())
