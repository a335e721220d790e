"""A pretend accelerator, to find on any machine what breaks on a GPU: tensors on `pretend:0` that compute on the CPU.

They refuse what CUDA refuses: to mix with tensors of the CPU (but those without axes, and indices of the CPU into a
tensor of the device), to be read by NumPy, to index a tensor of the CPU, to draw from a generator of the CPU.
`counting` counts operations on the device (views left out; on a GPU each is a launch), copies to it, and waits: copies
home, `item`, `float`, `bool`, `tolist`, boolean indices, and whatever else has a size that the device must tell first.
`no_waiting` refuses waits, in all threads.

Importing this makes `pretend` the accelerator of the whole process, so it needs a process of its own; torch 2.9 or
newer. `torch.zeros(..., device="pretend")`, `network.to("pretend")`, autocast, inference mode and generators work, in
all threads. Known limits: one device, no streams; of autocast only products and convolutions take the lower precision;
a generator of the device that is given to an operation of the CPU is not refused; it is slow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar
from weakref import WeakSet

import torch
import torch.utils.backend_registration as backends
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

NAME = "pretend"
backends._setup_privateuseone_for_python_backend(NAME)  # type: ignore[no-untyped-call]
DEVICE = torch.device(NAME, 0)
INDEXING = frozenset(("index", "index_put", "index_put_", "_index_put_impl_", "_unsafe_index"))
# What has a result whose value or size the device must tell.
WAITING = frozenset((
    "_local_scalar_dense", "is_nonzero", "equal", "nonzero", "masked_select", "_unique", "_unique2", "unique_dim",
    "unique_consecutive", "bincount",
))  # fmt: skip
# What does not come by the fallback: `torch.tensor(..., device=)`, and what torch makes empty and then resizes.
DIRECT = ("empty_strided", "_copy_from", "eye", "arange", "linspace", "logspace", "range", "randperm")
LOWER = ("conv1d", "conv2d", "conv3d", "matmul", "mm", "bmm", "addmm", "baddbmm", "linear", "einsum")  # of autocast


@dataclass
class Counts:
    """What the device did within a block."""

    operations: int = 0
    waits: int = 0
    sent: int = 0  # copies from the CPU


_total = Counts()
_forbidden = 0


@contextmanager
def counting() -> Iterator[Counts]:
    """The counts of this block, known when it ends."""
    began, found = Counts(**vars(_total)), Counts()
    try:
        yield found
    finally:
        for name, value in vars(_total).items():
            setattr(found, name, value - getattr(began, name))


@contextmanager
def no_waiting() -> Iterator[None]:
    """Refuse what waits for the device."""
    global _forbidden
    _forbidden += 1
    try:
        yield
    finally:
        _forbidden -= 1


def _wait(name: str) -> None:
    _total.waits += 1
    if _forbidden:
        raise RuntimeError(f"{name} waits for the device")


class Pretend(Tensor):
    """A tensor of the CPU that says it is elsewhere."""

    raw: Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @staticmethod
    def __new__(cls, raw: Tensor) -> Pretend:
        with torch.inference_mode(raw.is_inference()):  # a view of an ordinary tensor is one in inference mode too
            made: Pretend = Tensor._make_wrapper_subclass(
                cls, raw.size(), strides=raw.stride(), storage_offset=raw.storage_offset(), dtype=raw.dtype,
                layout=raw.layout, device=DEVICE, requires_grad=False,
            )  # fmt: skip
        made.raw = raw
        return made

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # type: ignore[override]
        return _run(func, *args, **(kwargs or {}))

    def __repr__(self, **_: Any) -> str:  # type: ignore[override]
        return f"Pretend({self.raw!r})"

    def tolist(self) -> Any:
        _wait("tolist")
        return self.raw.tolist()

    def untyped_storage(self) -> torch.UntypedStorage:
        return self.raw.untyped_storage()

    def data_ptr(self) -> int:
        return self.raw.data_ptr()

    def numpy(self, **_: Any) -> Any:  # type: ignore[override]
        raise TypeError(f"can't convert {DEVICE} device type tensor to numpy. Use Tensor.cpu() first.")

    def __array__(self, *_: Any, **__: Any) -> Any:
        return self.numpy()


class Generator(torch.Generator):
    """A generator of the pretend device, which draws on the CPU.

    torch hands on the generator, but not this object: it is known again by its state.
    """

    there: bool
    known: ClassVar[WeakSet[Generator]] = WeakSet()

    def __new__(cls, device: Any = "cpu") -> Generator:
        there = torch.device(device).type == NAME
        made: Generator = super().__new__(cls, "cpu" if there else device)  # type: ignore[call-arg]
        made.there = there
        if there:
            cls.known.add(made)
        return made

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return DEVICE if self.there else super().device

    @classmethod
    def is_known(cls, generator: torch.Generator) -> bool:
        return any(torch.equal(known.get_state(), generator.get_state()) for known in cls.known)


def _raw(leaf: Any) -> Any:
    return leaf.raw if isinstance(leaf, Pretend) else leaf


def _run(func: Any, *args: Any, **kwargs: Any) -> Any:
    """An operation with at least one tensor or result there."""
    name = func.overloadpacket.__name__
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
    mine = [tensor for tensor in tensors if isinstance(tensor, Pretend)]
    if name in ("copy_", "_copy_from"):
        return _copied(func, name, args, kwargs)
    asked = kwargs.get("device")
    there = torch.device(asked).type == NAME if asked is not None else bool(mine)
    if asked is not None:
        kwargs["device"] = torch.device("cpu")
    if not func.is_view and (mine or there):
        _count(func, name, tensors, bool(mine), there)
    if name != "_to_copy" and mine:
        _check_devices(name, args, tensors)
    if kwargs.get("generator") is not None and not Generator.is_known(kwargs["generator"]):
        raise RuntimeError(f"Expected a '{NAME}' device type for generator but found 'cpu' in {name}")
    result = func(*tree_map(_raw, args), **tree_map(_raw, kwargs))
    if not there:
        return result
    known = {id(tensor.raw): tensor for tensor in mine}  # in-place operations return their own wrapper
    return tree_map(lambda out: known.get(id(out), Pretend(out)) if type(out) is Tensor else out, result)


def _count(func: Any, name: str, tensors: list[Tensor], mine: bool, there: bool) -> None:
    _total.operations += not name.startswith(("empty", "new_empty"))
    _total.sent += name == "_to_copy" and not mine
    by_mask = name in INDEXING and any(tensor.dtype is torch.bool for tensor in tensors[1:])
    by_count = name == "repeat_interleave" and len(tensors) == 1 and func._overloadname == "Tensor"
    if name in WAITING or by_mask or by_count or (name == "_to_copy" and mine and not there):
        _wait(name)


def _copied(func: Any, name: str, args: Any, kwargs: Any) -> Any:
    """Across devices, as on a GPU."""
    into, source = (args[0], args[1]) if name == "copy_" else (args[1], args[0])
    _total.operations += 1
    _total.sent += isinstance(into, Pretend) and not isinstance(source, Pretend)
    if not isinstance(into, Pretend):
        _wait(name)
    _raw(into).copy_(_raw(source))
    return into


def _check_devices(name: str, args: Any, tensors: list[Tensor]) -> None:
    if name in INDEXING and not isinstance(args[0], Pretend):
        raise RuntimeError("indices should be either on cpu or on the same device as the indexed tensor (cpu)")
    for tensor in tensors:
        if not isinstance(tensor, Pretend) and tensor.dim() and name not in INDEXING:
            raise RuntimeError(f"Expected all tensors to be on the same device, but found {DEVICE} and cpu in {name}")


def _lowered(operation: Any) -> Callable[..., Any]:
    """An operation that takes the lower precision within autocast."""
    within = torch._C.DispatchKeySet(torch._C._dispatch_key_parse("AutocastPrivateUse1"))

    def run(*args: Any, **kwargs: Any) -> Any:
        dtype = torch.get_autocast_dtype(NAME)

        def cast(leaf: Any) -> Any:
            wide = isinstance(leaf, Tensor) and leaf.is_floating_point() and leaf.dtype != torch.float64
            return leaf.to(dtype) if wide else leaf

        with torch._C._ExcludeDispatchKeyGuard(within):
            return operation(*tree_map(cast, args), **tree_map(cast, kwargs))

    return run


def _register() -> tuple[Any, ...]:
    """Without these an operation without a tensor there (`zeros`, `tensor`, `.to`) would not find its way."""
    everything, aten = torch.library.Library("_", "IMPL"), torch.library.Library("aten", "IMPL")
    everything.fallback(_run, "PrivateUse1")  # type: ignore[no-untyped-call]
    everything.fallback(torch.library.fallthrough_kernel, "AutocastPrivateUse1")  # type: ignore[no-untyped-call]
    for name in DIRECT:
        for overload in getattr(torch.ops.aten, name).overloads():
            if "out" not in overload:
                operation = getattr(getattr(torch.ops.aten, name), overload)
                whole = name if overload == "default" else f"{name}.{overload}"
                aten.impl(whole, lambda *a, _of=operation, **k: _run(_of, *a, **k), "PrivateUse1")
    for name in LOWER:
        aten.impl(name, _lowered(getattr(torch.ops.aten, name)), "AutocastPrivateUse1")
    torch.pretend.get_amp_supported_dtype = lambda: [torch.bfloat16, torch.float16]  # type: ignore[attr-defined]
    torch.accelerator.get_memory_info = lambda device=None: (2**32, 2**33)  # type: ignore[assignment]
    torch.Generator = Generator  # type: ignore[misc]
    return everything, aten


_libraries = _register()
