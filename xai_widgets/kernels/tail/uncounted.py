"""Writes to weights that torch does not count: through `parameter.data`, through NumPy, and by fused optimizers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count, groupby
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook

PHASES = 64  # looks in which every row of every tensor is seen once

_turns = count(1)
_fused: WeakKeyDictionary[Optimizer, int] = WeakKeyDictionary()  # the turn of the last step of each
_last = 0  # turn of the last step of any


def _note(optimizer: Optimizer, *_: object) -> None:
    global _last
    if any(group.get("fused") for group in optimizer.param_groups):
        _fused[optimizer] = _last = next(_turns)


register_optimizer_step_post_hook(_note)


class Uncounted:
    """Values of some tensors, one of each row, as they are now.

    A look compares one of 64 parts of them, the next look the next part: about 0.1 ms for a ResNet-50. Tensors on an
    accelerator are compared by a thorough look alone, since it waits for the device. What changes a row and not its
    first value is not seen.

    Args:
        tensors: weights and buffers.
    """

    def __init__(self, tensors: Iterable[Tensor]) -> None:
        tensors = list(tensors)
        self._ids = set(map(id, tensors))
        self._seen = _last
        self._phase, self._written = 0, False
        plain = [tensor for tensor in tensors if _is_plain(tensor)]
        arrays = (first for tensor in plain if tensor.device.type == "cpu" for first in _firsts_here(tensor))
        self._now = sorted(arrays, key=lambda array: array.itemsize)
        self._before = [array.copy() for array in self._now]
        self._parts: dict[int, tuple[list[np.ndarray], bytes]] = {}  # what a look compares, made when first needed
        self._there = [_firsts(tensor) for tensor in plain if tensor.device.type != "cpu"]
        self._there_before = [first.clone() for first in self._there]

    def unchanged(self, *, thorough: bool = False) -> bool:
        """Are they still the same, as far as this look sees?

        Args:
            thorough: compare all rows, those on an accelerator too.
        """
        if not self._written:
            self._written = self._stepped() or not self._same_part()
        if thorough and not self._written:
            same = map(np.array_equal, self._now, self._before)
            self._written = not (all(same) and all(map(torch.equal, self._there, self._there_before)))
        return not self._written

    def _same_part(self) -> bool:
        """Is the next part the same? A row of each tensor, or more."""
        self._phase = phase = (self._phase + 1) % PHASES
        if phase not in self._parts:
            parts = ([array[phase % len(array) :: PHASES] for array in arrays] for arrays in (self._now, self._before))
            now, before = parts
            self._parts[phase] = now, _bytes(before)
        now, values = self._parts[phase]
        return _bytes(now) == values

    def _stepped(self) -> bool:
        """Has a fused optimizer made a step with one of these tensors?"""
        if self._seen == _last:
            return False
        later = [optimizer for optimizer, turn in list(_fused.items()) if turn > self._seen]
        self._seen = _last
        groups = (group["params"] for optimizer in later for group in optimizer.param_groups)
        return any(id(tensor) in self._ids for group in groups for tensor in group)


def _bytes(arrays: list[np.ndarray]) -> bytes:
    """Of all values, those of one size after the other."""
    return b"".join(np.concatenate(list(some)).tobytes() for _, some in groupby(arrays, lambda array: array.itemsize))


def _is_plain(tensor: Tensor) -> bool:
    """Do its values lie in memory as they are?"""
    strided = tensor.layout == torch.strided and tensor.device.type != "meta"
    return strided and not tensor.is_quantized and not tensor.is_complex() and tensor.numel() > 0


def _firsts(tensor: Tensor) -> Tensor:
    """The first value of each row."""
    values = tensor.detach()
    for axis in range(values.dim() - 1, 0, -1):
        values = values.select(axis, 0)
    return values.reshape(1) if not values.dim() else values


def _firsts_here(tensor: Tensor) -> Iterator[np.ndarray]:
    """The first value of each row as whole numbers, a view; nothing where NumPy cannot read the memory."""
    try:
        values = tensor.detach()
        array = (values.view(torch.int16) if values.dtype == torch.bfloat16 else values).numpy()
    except (RuntimeError, TypeError, NotImplementedError):  # a kind of tensor that has no plain memory after all
        return
    whole = array.view(f"i{array.itemsize}") if array.ndim else array.reshape(1).view(f"i{array.itemsize}")
    first: Any = (slice(None), *[0] * (whole.ndim - 1))
    yield whole[first]
