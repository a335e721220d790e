"""What one stream of a card is told to do, captured as a CUDA graph.

torch's own `CUDAGraph` marks the random generator of the card for as long as a capture lasts, and so for every thread:
dropout in a cell that trains on the card meanwhile fails ("Offset increment outside graph capture", seen in 3 of 1,561
steps on an H200). `AloneCapture` asks the CUDA runtime itself to capture, so that nothing but the one stream takes
part: 120 captures beside 2,297 such steps went well on both sides. Where the runtime is not found `TorchCapture` is
used, and nothing is recorded unless it is asked for.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch

THREAD_LOCAL = 1  # cudaStreamCaptureModeThreadLocal: what other threads ask of the card is not refused
NEEDED = ("_cuda_beginAllocateCurrentStreamToPool", "_cuda_endAllocateToPool", "_cuda_releasePool")


@runtime_checkable
class Capture(Protocol):
    """One graph; `begin` and `end` are called once, with the work between them."""

    def begin(self) -> None: ...
    def end(self) -> None: ...
    def replay(self) -> None:
        """One launch, on the current stream."""


def undisturbed(device: torch.device) -> bool:
    """Whether a capture on this device disturbs nothing that runs beside it."""
    return device.type == "cuda" and runtime() is not None


def capture_on(device: int, stream: Any, pool: Any) -> Capture:
    """How a stream is captured here.

    Args:
        device: its number.
        pool: of memory, as `torch.cuda.graph_pool_handle` gives it.
    """
    found = runtime()
    return TorchCapture(device, pool) if found is None else AloneCapture(found, device, stream, pool)


@cache
def runtime() -> Any | None:
    """The CUDA runtime that torch has loaded; None where it is not found, or torch has no pools for one stream."""
    if torch.version.cuda is None or not all(hasattr(torch._C, name) for name in NEEDED):
        return None
    for path in _loaded():
        with suppress(OSError, AttributeError):
            library = ctypes.CDLL(path)
            library.cudaGetErrorString.restype = ctypes.c_char_p
            for name in ("cudaStreamBeginCapture", "cudaStreamEndCapture", "cudaGraphLaunch"):
                getattr(library, name)
            return library
    return None


def _loaded() -> Iterator[str]:
    """Where the runtime lies: among the libraries of this process, or beside those of torch."""
    with suppress(OSError):  # Linux alone has this list
        for line in Path("/proc/self/maps").read_text().splitlines():
            if "libcudart" in (path := line.rpartition(" ")[2]):
                yield path
    yield from map(str, sorted((Path(torch.__file__).parent / "lib").glob("cudart64_*.dll")))


class AloneCapture:
    """A graph of the CUDA runtime, of one stream and with memory of its own.

    Args:
        library: see `runtime`.
        device, stream, pool: see `capture_on`.
    """

    def __init__(self, library: Any, device: int, stream: Any, pool: Any) -> None:
        self._library, self._device, self._stream, self._pool = library, device, stream, pool
        self._graph, self._launched = ctypes.c_void_p(), ctypes.c_void_p()
        self._holds = False

    def begin(self) -> None:
        """Capture what the stream is told from here on.

        Raises:
            RuntimeError: in CUDA's words; nothing is left behind.
        """
        torch._C._cuda_beginAllocateCurrentStreamToPool(self._device, self._pool)
        self._holds = True
        try:
            self._call("cudaStreamBeginCapture", ctypes.c_void_p(self._stream.cuda_stream), ctypes.c_int(THREAD_LOCAL))
        except RuntimeError:
            torch._C._cuda_endAllocateToPool(self._device, self._pool)
            raise

    def end(self) -> None:
        """End the capture and make it ready to be launched.

        Raises:
            RuntimeError: in CUDA's words, such as that something within waited.
        """
        try:
            self._call("cudaStreamEndCapture", ctypes.c_void_p(self._stream.cuda_stream), ctypes.byref(self._graph))
        finally:
            torch._C._cuda_endAllocateToPool(self._device, self._pool)
        flags = ctypes.c_ulonglong(0)
        self._call("cudaGraphInstantiateWithFlags", ctypes.byref(self._launched), self._graph, flags)

    def replay(self) -> None:
        """See `Capture`.

        Raises:
            RuntimeError: in CUDA's words.
        """
        stream = torch.cuda.current_stream(self._device).cuda_stream
        self._call("cudaGraphLaunch", self._launched, ctypes.c_void_p(stream))

    def _call(self, name: str, *arguments: Any) -> None:
        code = getattr(self._library, name)(*arguments)
        if code:
            self._library.cudaGetLastError()  # or torch would report it at its next call
            raise RuntimeError(f"CUDA error: {self._library.cudaGetErrorString(code).decode()} ({name})")

    def __del__(self) -> None:
        with suppress(Exception):  # the interpreter may be ending
            if self._launched:
                self._library.cudaGraphExecDestroy(self._launched)
            if self._graph:
                self._library.cudaGraphDestroy(self._graph)
            if self._holds:
                torch._C._cuda_releasePool(self._device, self._pool)


class TorchCapture:
    """A `torch.cuda.CUDAGraph`.

    Args:
        device, pool: see `capture_on`.
    """

    def __init__(self, device: int, pool: Any) -> None:
        self._device, self._pool, self._graph = device, pool, torch.cuda.CUDAGraph()

    def begin(self) -> None:
        """See `Capture`."""
        with _own_generator(self._device):
            self._graph.capture_begin(pool=self._pool, capture_error_mode="thread_local")

    def end(self) -> None:
        """See `Capture`. Where it fails torch would go on to think that one is under way, and keep memory for it."""
        try:
            self._graph.capture_end()
        except BaseException:
            for name in ("_cuda_endAllocateToPool", "_cuda_releasePool"):
                with suppress(Exception):
                    getattr(torch._C, name)(self._device, self._pool)
            raise

    def replay(self) -> None:
        """See `Capture`."""
        self._graph.replay()


@contextmanager
def _own_generator(device: int) -> Iterator[None]:
    """A capture that begins within takes another state of random numbers than that of the user, where torch has one.

    What draws numbers in another thread at that very moment still fails.
    """
    generator: Any = torch.cuda.default_generators[device]
    if hasattr(generator, "philox_state") or not hasattr(generator, "graphsafe_set_state"):
        yield
        return
    own = generator.graphsafe_get_state()
    generator.graphsafe_set_state(generator.clone_state())
    try:
        yield
    finally:
        generator.graphsafe_set_state(own)


def captured(capture: Capture, work: Callable[[], Any]) -> Any:
    """What a work returned while it was captured; the capture is ended where it fails.

    Raises:
        Exception: of the work, or of the capture.
    """
    capture.begin()
    try:
        found = work()
    except BaseException:
        with suppress(Exception):
            capture.end()
        raise
    capture.end()
    return found
