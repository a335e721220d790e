"""How many copies are run at once: a share of the free memory, fewer when it runs out, on the CPU as a last resort."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from time import perf_counter
from typing import Any, NamedTuple

import torch
from torch import Tensor

from xai_widgets.kernels.checks import whole_number
from xai_widgets.kernels.tail import Shell, Tail, hooks_matter

Step = Callable[[], None] | None  # called before each batch; may raise to cancel
Run = Callable[[int, int], Tensor]  # what is computed for the items from `start` to before `end`

FEW = 64  # an accelerator takes as long for fewer
MORE = 0.25  # seconds that a batch may take beyond what one of a single item takes
WORKING_SET = 32 * 2**20  # bytes of changed copies that are in memory at once; more was slower on every CPU tried


def working_set(device: torch.device) -> int:
    """Bytes of changed copies at once: an eighth of an accelerator's free memory; on a CPU little, which is faster."""
    if device.type == "cpu" or not hasattr(torch.accelerator, "get_memory_info"):
        return WORKING_SET
    return max(WORKING_SET, room(device) // 8)


def room(device: torch.device) -> int:
    """Bytes that this process may still take of an accelerator: of a part of it, where it may take no more."""
    free, whole = torch.accelerator.get_memory_info(device)
    if device.type != "cuda":
        return int(free)
    taken = torch.cuda.memory_allocated(device)
    free += torch.cuda.memory_reserved(device) - taken  # what torch holds and nothing uses
    share = getattr(torch.cuda, "get_per_process_memory_fraction", lambda device: 1.0)(device)
    return max(0, min(int(free), int(share * whole) - taken))


def at_once(bytes_of_item: int, device: torch.device) -> int:
    """How many items fit into the working set, at least one."""
    return max(1, working_set(device) // max(bytes_of_item, 1))


def check_batch(batch: int | None) -> None:
    """Refuse a number of items at once that makes no sense; None stands for as many as memory allows.

    Raises:
        TypeError: no whole number.
        ValueError: below one.
    """
    if batch is not None:
        whole_number("batch", batch, 1)


def ran_out_of_memory(error: BaseException) -> bool:
    """Was an error raised for want of memory, of an accelerator or of the machine?"""
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
    first: int = 8,
) -> Iterator[tuple[int, int, Tensor]]:
    """For one batch of items after another: its first item, the item after its last, and what `run` gives for it.

    Args:
        size: items in a batch; halved when memory runs out.
        step: called before each batch; may raise to cancel.
        seconds: how long a batch may take; its size follows what was measured, up to `size`. Where a batch of one item
            takes nearly as long as one of many, as where it reads the weights of a large linear layer, up to twice
            that long.
        retreat: where not even one item fits: gives another way to run, or raises.
        first: items of the first batch, where its time is limited and not known.

    Raises:
        ValueError: seconds that are not above 0.
        RuntimeError, MemoryError: not even one item fits, and there is no other way to run.
    """
    if seconds is not None and not seconds > 0:
        raise ValueError(f"seconds must be above 0, got {seconds}.")
    largest, done = size, 0
    pace = None if seconds is None else _Pace(seconds)
    size = size if seconds is None else min(size, first)
    while done < count:
        if step is not None:
            step()
        end, began = min(done + size, count), perf_counter()
        tried = _tried(run, done, end, size, retreat)
        size, run = tried.size, tried.run
        if tried.values is None:
            largest = size
            continue
        if pace is not None:
            size = min(pace.after(end - done, max(perf_counter() - began, 1e-4)), largest)
        yield done, end, tried.values
        done = end


class _Pace:
    """How many items fit into the time of a batch, from what the smallest and the largest batch so far took."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._few = self._many = (0, 0.0)

    def after(self, count: int, spent: float) -> int:
        """The size of the next batch, at least 1, at most four times the last.

        Args:
            count: items of the last batch.
            spent: seconds that it took.
        """
        if not self._few[0] or count <= self._few[0]:
            self._few = count, spent
        if count >= self._many[0]:
            self._many = count, spent
        (few, least), (many, most) = self._few, self._many
        each = (most - least) / (many - few) if many > few else spent / count
        start = min(max(least - each * few, 0.0), least)  # of a batch, however few its items
        seconds = max(self._seconds, min(2 * start, start + MORE))
        return max(1, int(min((seconds - start) / each, 4 * count) if each > 0 else 4 * count))


class _Tried(NamedTuple):
    """A batch that was run, or did not fit (no values); and how to go on."""

    values: Tensor | None
    size: int
    run: Run


def _tried(run: Run, start: int, end: int, size: int, retreat: Callable[[BaseException], Run] | None) -> _Tried:
    try:
        return _Tried(run(start, end), size, run)
    except (RuntimeError, MemoryError) as error:
        if not ran_out_of_memory(error):
            raise
        if end - start > 1:
            return _Tried(None, (end - start) // 2, run)
        if retreat is None:
            raise
        return _Tried(None, size, retreat(error))


def on_tail(
    tail: Tail,
    count: int,
    size: int,
    run: Callable[[Tail, int, int], Tensor],
    *,
    step: Step = None,
    seconds: float | None = None,
) -> Iterator[tuple[int, int, Tensor]]:
    """`in_batches` with the tail of one image: the CPU goes on where an accelerator does not hold one copy.

    Where the time of a batch is limited, an accelerator begins with as many items as the last image of the layer took.

    Args:
        run: from a tail and the items from `start` to before `end` to what is computed for them. It brings its tensors
            to the device of that tail; what it gives comes back to the device of `tail`.

    Raises:
        ValueError: seconds that are not above 0.
        torch.OutOfMemoryError: the CPU does not hold one copy either.
        RuntimeError: the weights of the network changed before the CPU could go on.
    """
    home = tail.maps.device

    def here(start: int, end: int) -> Tensor:
        return run(tail, start, end)

    def retreat(error: BaseException) -> Run:
        other = on_cpu(tail, error)
        return lambda start, end: run(other, start, end).to(home)

    if home.type == "cpu" or seconds is None:
        yield from in_batches(count, size, here, step=step, seconds=seconds, retreat=retreat)
        return
    pace, began = tail.structure.pace, perf_counter()
    first = pace.get(tail.autocast, FEW)
    for start, end, values in in_batches(count, size, here, step=step, seconds=seconds, retreat=retreat, first=first):
        yield start, end, values
        spent = perf_counter() - began  # with the wait of who asked: an accelerator only begins when `run` returns
        if end - start >= min(FEW, count):
            pace[tail.autocast] = max(FEW, int((end - start) * seconds / spent))
        began = perf_counter()


def on_any_tail(
    tail: Any, count: int, size: int, run: Callable[[Any, int, int], Tensor], *, step: Step = None
) -> Iterator[Tensor]:
    """What `run` gives for one batch after another: by `on_tail` for a `Tail` of one image, else by `in_batches`.

    Raises:
        torch.OutOfMemoryError, RuntimeError, MemoryError: not even one item fits.
    """
    if isinstance(tail, Tail) and len(tail.inputs) == 1:
        batches = on_tail(tail, count, size, run, step=step)
    else:
        batches = in_batches(count, size, partial(run, tail), step=step)
    yield from (values for _, _, values in batches)


def on_cpu(tail: Tail, error: BaseException) -> Tail:
    """A tail of the same inputs on the CPU, with a warning that says so.

    Raises:
        torch.OutOfMemoryError: the tail is on the CPU already.
        RuntimeError: the weights of the network changed since the tail was made.
    """
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
        inputs = tail.inputs.cpu()
        shell = Shell(network, hooks=hooks_matter(network, inputs[:1], tail.shell.feed), feed=tail.shell.feed)
        return Tail(shell, tail.layer, inputs, call=tail.structure.target[1], layout=tail.layout)
