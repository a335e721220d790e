"""What every kernel refuses in the same words: values that are not finite, sizes that differ, a generator elsewhere."""

from __future__ import annotations

import torch
from torch import Tensor


def check_finite(name: str, values: Tensor) -> None:
    """Raise ValueError that names the first entry, along the first axis, with a NaN or infinite value."""
    if not values.numel() or bool(values.isfinite().all()):
        return
    rows = values.reshape(len(values), -1) if values.dim() else values.reshape(1, 1)
    index = int((~rows.isfinite()).any(1).nonzero()[0])
    value = rows[index][~rows[index].isfinite()][0].item()
    raise ValueError(f"{name} must be finite, got {value} at index {index}.")


def check_same(first: tuple[str, Tensor], second: tuple[str, Tensor], axes: tuple[str, ...]) -> None:
    """Raise ValueError that names the axis and both sizes where two tensors differ."""
    (a, x), (b, y) = first, second
    for name, tensor in (first, second):
        if tensor.dim() != len(axes):
            raise ValueError(f"{name} must have the axes {', '.join(axes)}, got shape {tuple(tensor.shape)}.")
    for axis, name in enumerate(axes):
        if x.shape[axis] != y.shape[axis]:
            raise ValueError(f"{a} and {b} must have as many {name}, got {x.shape[axis]} and {y.shape[axis]}.")


def check_target(target: int, outputs: int, name: str = "target") -> None:
    """Raise ValueError that lists the range where there is no such output."""
    if not 0 <= target < outputs:
        raise ValueError(f"{name} must be 0 to {outputs - 1}, got {target}.")


def check_generator(generator: torch.Generator, like: Tensor, what: str) -> None:
    """Raise ValueError where a generator does not draw on the tensor's device."""
    device, wanted = generator.device, like.device
    if device.type != wanted.type or (wanted.index or 0) != (device.index or 0):
        raise ValueError(f"generator must be on {wanted}, the device of {what}; it is on {device}.")
