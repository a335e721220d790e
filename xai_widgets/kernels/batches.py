"""How much is done at once: a share of the memory that is left, halved when it runs out, the CPU as the last resort."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from xai_widgets.kernels.checks import whole_number
from xai_widgets.kernels.tail import Tail

Step = Callable[[], None] | None
Run = Callable[[int, int], Tensor]  # from the first item to before the last one

WORKING_SET = 32 * 2**20  # bytes of changed copies that are in memory at once; more was slower on every CPU tried


def working_set(device: torch.device) -> int:
    """Bytes of changed copies at once: a share of what an accelerator has left, little on a CPU, where it is faster."""
    if device.type == "cpu" or not hasattr(torch.accelerator, "get_memory_info"):
        return WORKING_SET
    free, _ = torch.accelerator.get_memory_info(device)
    return max(WORKING_SET, free // 8)


def at_once(bytes_of_item: int, device: torch.device) -> int:
    """How many items fit into the working set, at least one."""
    return max(1, working_set(device) // max(bytes_of_item, 1))


def check_batch(batch: int | None) -> None:
    """Raise where a number of items at once is no whole number, or below one."""
    if batch is not None:
        whole_number("batch", batch, 1)


def ran_out_of_memory(error: BaseException) -> bool:
    """Is it for want of memory, of an accelerator or of the machine?"""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def in_batches(
    count: int,
    size: int,
    run: Run,
    *,
    step: Step = None,
    seconds: float | None = None,
    retreat: Callable[[BaseException], Run] | None = None,
) -> Iterator[tuple[int, int, Tensor]]:
    """What `run` gives for `size` items after another, with the first item and the one after the last.

    Args:
        step: called before each batch; may raise to cancel.
        seconds: how long a batch may take; the number of items follows what was measured, `size` at most.
        retreat: where not even one item fits: another way to run, or an error.
    """
    if seconds is not None and not seconds > 0:
        raise ValueError(f"seconds must be above 0, got {seconds}.")
    most, done = size, 0
    size = size if seconds is None else min(size, 8)
    while done < count:
        if step is not None:
            step()
        end, began = min(done + size, count), perf_counter()
        found, size, run = _tried(run, done, end, size, retreat)
        if found is None:
            most = size
            continue
        if seconds is not None:
            spent = max(perf_counter() - began, 1e-4)
            size = max(1, min(int((end - done) * min(seconds / spent, 4.0)), most))
        yield done, end, found
        done = end


def _tried(
    run: Run, start: int, end: int, size: int, retreat: Callable[[BaseException], Run] | None
) -> tuple[Tensor | None, int, Run]:
    try:
        return run(start, end), size, run
    except (RuntimeError, MemoryError) as error:
        if not ran_out_of_memory(error):
            raise
        if end - start > 1:
            return None, (end - start) // 2, run
        if retreat is None:
            raise
        return None, size, retreat(error)


def on_tail(
    tail: Tail,
    count: int,
    size: int,
    run: Callable[[Tail, int, int], Tensor],
    *,
    step: Step = None,
    seconds: float | None = None,
) -> Iterator[tuple[int, int, Tensor]]:
    """The same with the tail of one image, which goes on on the CPU where an accelerator does not hold one copy.

    `run` takes its tensors to the device of the tail that it gets; what it gives comes back to where the tail was.
    """
    home = tail.maps.device

    def here(start: int, end: int) -> Tensor:
        return run(tail, start, end)

    def retreat(error: BaseException) -> Run:
        other = on_cpu(tail, error)
        return lambda start, end: run(other, start, end).to(home)

    yield from in_batches(count, size, here, step=step, seconds=seconds, retreat=retreat)


def on_any_tail(
    tail: Any, count: int, size: int, run: Callable[[Any, int, int], Tensor], *, step: Step = None
) -> Iterator[Tensor]:
    """What `run` gives, in batches: `on_tail` where the tail can be made anew on the CPU, else halved only."""
    if isinstance(tail, Tail) and len(tail.inputs) == 1:
        yield from (found for _, _, found in on_tail(tail, count, size, run, step=step))
    else:
        yield from (found for _, _, found in in_batches(count, size, partial(run, tail), step=step))


def on_cpu(tail: Tail, error: BaseException) -> Tail:
    """The same tail on the CPU, with a notice; an error in words where it is there already."""
    if tail.maps.device.type == "cpu":
        raise torch.OutOfMemoryError(
            f"one copy of the maps of layer {tail.layer!r} does not fit into memory."
        ) from error
    tail.check_weights()  # what was computed so far must be of the same network
    warnings.warn(
        f"the memory of {tail.maps.device} does not hold one copy of layer {tail.layer!r}; the CPU goes on.",
        RuntimeWarning,
        stacklevel=2,
    )
    network = copy.deepcopy(tail.shell.original).to("cpu")
    with tail.autocast.on("cpu"):
        return Tail(network, tail.layer, tail.inputs.cpu(), call=tail.structure.target[1], layout=tail.layout)
