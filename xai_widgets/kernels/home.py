"""Tensors that leave a device together, for one wait; and tensors that are sent to one, for none."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def home(*tensors: Tensor) -> list[Tensor]:
    """These tensors on the CPU, without their gradient: one copy and one wait for all of them.

    What is on the CPU already comes back as it is. The others must be on one device.
    """
    there = [tensor.detach() for tensor in tensors if tensor.device.type != "cpu"]
    brought = iter(_brought(there))
    return [tensor.detach() if tensor.device.type == "cpu" else next(brought) for tensor in tensors]


def sent(values: Tensor, device: torch.device, dtype: torch.dtype | None = None) -> Tensor:
    """Values on a device, in a precision. CUDA has taken memory that is not pinned when the call returns: no wait."""
    values = values if dtype is None else values.to(dtype)
    prompt = device.type == "cuda" and values.device.type == "cpu" and not values.is_pinned()
    return values.to(device, non_blocking=prompt)


def _brought(there: Sequence[Tensor]) -> list[Tensor]:
    if len(there) < 2:
        return [_copied(tensor) for tensor in there]
    with torch.inference_mode(False), torch.no_grad():
        if len({tensor.dtype for tensor in there}) == 1:
            flat = [tensor.reshape(-1) for tensor in there]
            parts = _copied(torch.cat(flat)).split([len(part) for part in flat])
            return [part.clone().reshape(tensor.shape) for part, tensor in zip(parts, there, strict=True)]
        return _of_mixed(there)


def _of_mixed(there: Sequence[Tensor]) -> list[Tensor]:
    """Of several precisions: as bytes, the widest first, so that each begins where its own kind may begin."""
    order = sorted(range(len(there)), key=lambda place: -there[place].element_size())
    packed = _copied(torch.cat([there[place].reshape(-1).view(torch.uint8) for place in order]))
    found: list[Tensor] = [packed] * len(there)
    for place, part in zip(order, packed.split([there[place].nbytes for place in order]), strict=True):
        found[place] = part.clone().view(there[place].dtype).reshape(there[place].shape)
    return found


def _copied(tensor: Tensor) -> Tensor:
    """One tensor on the CPU. From CUDA by pinned memory, and by an event that is this copy's own."""
    if not tensor.is_cuda:
        return tensor.cpu()
    with torch.inference_mode(False), torch.no_grad(), torch.cuda.device(tensor.device):
        pinned = torch.empty(tensor.shape, dtype=tensor.dtype, device="cpu", pin_memory=True)
        pinned.copy_(tensor, non_blocking=True)
        arrived = torch.cuda.Event()
        arrived.record()
        arrived.synchronize()
        return pinned.clone()  # pinned memory is scarce, and an answer is kept for long
