"""On an accelerator: run once, record every launch, and replay them all as one, over new values in the same memory.

What is recorded may not wait for the device and may not send to it; `NoWaiting` finds that before anything is captured,
since a capture that fails leaves marks in torch. A capture refuses what other threads do on the card in no way: it is
made in the mode "thread_local", on a stream and with memory of its own. (In the mode "global" it would break the
training of a cell that runs beside it.)
"""

from __future__ import annotations

import gc
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from xai_widgets.kernels.tail.captures import Capture, capture_on, captured

Work = Callable[[], tuple[Tensor, ...]]  # reads tensors that stay where they are
WARM = 2  # runs before a capture, in which libraries choose their algorithms
WAITING = frozenset((
    "_local_scalar_dense", "is_nonzero", "equal", "nonzero", "masked_select", "_unique", "_unique2", "unique_dim",
    "unique_consecutive", "bincount",
))  # fmt: skip
INDEXING = frozenset(("index", "index_put", "index_put_", "_index_put_impl_", "_unsafe_index"))


class Unrecorded(RuntimeError):
    """Why something was not recorded, in one line."""


@runtime_checkable
class Recorded(Protocol):
    """Works that were recorded, each to be replayed with one launch.

    Attributes:
        outputs: of each work what it returned: tensors that each replay writes anew, to be copied before the next.
        nbytes: of the device, for as long as this lives.
    """

    outputs: list[tuple[Tensor, ...]]
    nbytes: int

    def replay(self, work: int = 0) -> None:
        """Do again what was recorded of a work; of several works in their order."""
        ...


@runtime_checkable
class Recorder(Protocol):
    """How works are recorded."""

    def record(self, works: Sequence[Work]) -> Recorded:
        """Run the works a few times, in their order, and record them.

        Raises:
            Exception: of a work, or of the capture; nothing is left behind then.
        """
        ...


class NoWaiting(TorchDispatchMode):
    """Refuses, within a block, what waits for the device or sends to it.

    Raises:
        Unrecorded: an operation of that kind.
    """

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        tensors = [leaf for leaf in tree_leaves((args, kwargs or {})) if isinstance(leaf, Tensor)]
        indices = tree_leaves(args[1]) if name in INDEXING else ()
        if name in WAITING or any(isinstance(index, Tensor) and index.dtype is torch.bool for index in indices):
            raise Unrecorded(f"{name} waits for the device")
        places = {leaf.device for leaf in (*tensors, *tree_leaves(result)) if isinstance(leaf, Tensor) and leaf.dim()}
        if name in ("_to_copy", "copy_", "_copy_from") and len(places) > 1:
            raise Unrecorded("something is copied between the CPU and the device")
        return result


def recorder_for(device: torch.device) -> Recorder:
    """How works on this device are recorded.

    Raises:
        RuntimeError: torch records nothing there; as an `Unrecorded`.
    """
    if device.type == "cuda" and hasattr(torch.cuda, "CUDAGraph"):
        return CudaGraphs(device)
    raise Unrecorded(f"torch records nothing on {device.type}")


class CudaGraphs:
    """Works as CUDA graphs, of one device.

    torch hands out the same few streams again and again, and what another thread ran on that of a capture would become
    a part of it. So all captures of a device share one, of the streams with high priority, which are rarely asked for.
    """

    _streams: ClassVar[dict[torch.device, Any]] = {}
    _lock: ClassVar[Any] = threading.Lock()  # one capture at a time

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def record(self, works: Sequence[Work]) -> Recorded:
        """See `Recorder`."""
        with self._lock, torch.cuda.device(self.device):
            stream = self._streams.pop(self.device, None) or torch.cuda.Stream(priority=-1)
            recorded = _Graphs(works, stream)
            self._streams[self.device] = stream  # where a capture failed it is used no more
            return recorded


class _Graphs:
    """The graphs of some works, which share their memory."""

    def __init__(self, works: Sequence[Work], stream: Any) -> None:
        before = torch.cuda.current_stream()
        held = torch.cuda.memory_reserved()
        self._pool = torch.cuda.graph_pool_handle()
        self._graphs: list[Capture] = []
        self.outputs: list[tuple[Tensor, ...]] = []
        stream.wait_stream(before)
        with torch.cuda.stream(stream):
            for turn in range(WARM):
                with NoWaiting() if not turn else _nothing():
                    for work in works:
                        work()
            with _no_collection():
                for work in works:
                    self._capture(work, stream)
        before.wait_stream(stream)
        self.nbytes = self._memory() or max(0, torch.cuda.memory_reserved() - held)

    def replay(self, work: int = 0) -> None:
        """One launch, on the current stream."""
        self._graphs[work].replay()

    def _capture(self, work: Work, stream: Any) -> None:
        capture = capture_on(torch.cuda.current_device(), stream, self._pool)
        self.outputs.append(captured(capture, work))
        self._graphs.append(capture)

    def _memory(self) -> int:
        """Bytes of the device in the pool of these graphs; 0 where torch does not tell."""
        with suppress(Exception):
            segments = torch.cuda.memory_snapshot()
            mine = (one for one in segments if tuple(one.get("segment_pool_id", ())) == tuple(self._pool))
            return sum(int(one["total_size"]) for one in mine)
        return 0


@contextmanager
def _nothing() -> Iterator[None]:
    yield


@contextmanager
def _no_collection() -> Iterator[None]:
    """No cycles are collected within: what is freed then may not be freed while a capture is under way."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


class Tally:
    """How many recordings of this process were made, replayed and given up, and why. Safe in several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.counts: Counter[str] = Counter()
        self.why: Counter[str] = Counter()

    def add(self, what: str, error: BaseException | None = None) -> None:
        """Count what happened: "made", "replayed", "refused" or "dropped"."""
        with self._lock:
            self.counts[what] += 1
            if error is not None:
                self.why[f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"] += 1


tally = Tally()


def report(device: torch.device | str) -> str:
    """In one line: whether recording works on a device, or why not; and what became of it in this process."""
    try:
        there = torch.empty(0, device=device).device
        works = _try(recorder_for(there), there)
    except Exception as error:  # a broken driver raises what it likes
        works = f"not recorded: {' '.join(str(error).split())[:160]}"
    counts = tally.counts
    if not counts:
        return works
    words = f"{works}; in this process {counts['made']} made, {counts['replayed']} replays"
    left = counts["refused"] + counts["dropped"]
    return words + (f", {left} given up ({tally.why.most_common(1)[0][0]})" if left and tally.why else "")


def _try(recorder: Recorder, device: torch.device) -> str:
    """Record a product, replay it over other values, and compare."""
    value = torch.ones(8, 8, device=device)
    recorded = recorder.record([lambda: (value @ value,)])
    value.fill_(2)
    recorded.replay()
    found, expected = recorded.outputs[0][0].cpu(), (value @ value).cpu()
    if not torch.equal(found, expected):
        raise Unrecorded("a replay gave another product")
    return "answers can be recorded"
