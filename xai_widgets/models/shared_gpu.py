"""A GPU that many processes share: each takes at most a part of its memory."""

from __future__ import annotations

import math
import os

import torch

VARIABLE = "XAI_WIDGETS_GPU_SHARE"
_capped: set[int] = set()


def share() -> float | None:
    """The part of a GPU's memory that this process may take, above 0 and at most 1; None: all that is free.

    Raises:
        ValueError: the variable is no such number.
    """
    text = os.environ.get(VARIABLE, "").strip()
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value <= 1:
        raise ValueError(f"{VARIABLE} must be a part of a GPU's memory, above 0 and at most 1, got {text!r}.")
    return value


def cap(device: torch.device) -> None:
    """Keep this process within its share of a GPU; the first time that it is worked on.

    torch keeps to it for all of the process, also for what cells allocate themselves; what does not fit raises
    OutOfMemoryError. The CUDA context, some 0.5 GB a process, is not counted.

    Raises:
        ValueError: the variable is no part of a GPU's memory.
    """
    if device.type != "cuda" or (wanted := share()) is None:
        return
    index = torch.cuda.current_device() if device.index is None else device.index
    if index not in _capped:
        torch.cuda.set_per_process_memory_fraction(wanted, index)
        _capped.add(index)
