"""What torch says of a device that fails, in one sentence that says what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import torch

LACKS = re.compile(r"\"?([\w:.]+)\"? not implemented for '(\w+)'")
NAMES = {"Half": "float16", "BFloat16": "bfloat16", "Float": "float32", "Double": "float64"}
CAPTURE = ("captur",)  # of CUDA errors that are about a capture, after which the device goes on
LOST = "CUDA error:"
FLOAT = "give the model in float32, as by network.float(), or load it with device='cpu'."


class DeviceFault(RuntimeError):
    """A device cannot do what was asked, in one sentence."""


@contextmanager
def in_one_sentence() -> Iterator[None]:
    """A block in which an error of a device is said in one sentence; any other error passes.

    Raises:
        RuntimeError: memory that is full, a device that is lost, an operation or a precision that it lacks; as a
            `DeviceFault`.
    """
    try:
        yield
    except (RuntimeError, TypeError, NotImplementedError) as error:
        sentence = said(error)
        if not sentence:
            raise
        raise DeviceFault(sentence) from error


def said(error: BaseException) -> str:
    """An error of a device as a sentence; empty for any other error."""
    if isinstance(error, DeviceFault):
        return ""
    first = " ".join(str(error).strip().partition("\n")[0].split())
    if isinstance(error, torch.OutOfMemoryError) or "CUDA error: out of memory" in first:
        return _memory(first)
    if _is_cuda(error, first):
        return _cuda(first)
    if found := LACKS.search(first):
        precision = NAMES.get(found[2], found[2])
        return f"this device cannot compute {found[1]} in {precision}; {FLOAT}"
    if isinstance(error, TypeError) and "MPS" in first and "float64" in first:
        return f"Apple's GPU has no float64; {FLOAT}"
    return ""


def _is_cuda(error: BaseException, first: str) -> bool:
    kind = getattr(torch, "AcceleratorError", ())
    return first.startswith(LOST) or bool(kind and isinstance(error, kind))


def _memory(first: str) -> str:
    tried = re.search(r"Tried to allocate ([\d.]+ \w+)", first)
    wanted = f" ({tried[1]} more were wanted)" if tried else ""
    return (
        f"the memory of the accelerator is full{wanted}; free what else uses it, choose a later layer or smaller "
        "images, or load the model with device='cpu'."
    )


def _cuda(first: str) -> str:
    what = first.removeprefix(LOST).strip().rstrip(".")
    if any(word in what for word in CAPTURE):
        return f"a recording on the accelerator was disturbed by other work on it ({what}); ask again."
    if "no kernel image" in what:
        return "this build of torch has no code for this card; install another, or load the model with device='cpu'."
    return (
        f"the accelerator failed, and stays lost to this process ({what}); restart the kernel. What was asked can be "
        "saved before."
    )
