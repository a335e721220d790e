"""That the user's network is what it was, and faults in the middle of our work."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules import module as hooks_of_all

HOOKS = (
    "_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks", "_state_dict_hooks",
    "_forward_hooks_with_kwargs", "_forward_pre_hooks_with_kwargs", "_forward_hooks_always_called",
)  # fmt: skip


def _bytes(tensor: Tensor | None) -> bytes | None:
    return None if tensor is None else tensor.detach().contiguous().flatten().view(torch.uint8).numpy().tobytes()


def _state(network: nn.Module) -> dict[str, Any]:
    tensors = {**dict(network.named_parameters()), **{f"{name} (b)": b for name, b in network.named_buffers()}}
    modules = list(network.named_modules())
    return {
        "bytes": {name: _bytes(tensor) for name, tensor in tensors.items()},
        "places": {name: (id(t), t.data_ptr(), t._version, t.dtype, t.stride()) for name, t in tensors.items()},
        "requires_grad": {name: tensor.requires_grad for name, tensor in tensors.items()},
        "grads": {name: (id(tensor.grad), _bytes(tensor.grad)) for name, tensor in tensors.items()},
        "mode": {name: module.training for name, module in modules},
        "class": {name: type(module) for name, module in modules},
        "forward": {name: vars(module).get("forward") for name, module in modules},
        "attributes": {name: {key: id(value) for key, value in vars(module).items()} for name, module in modules},
        "hooks": {name: [list(getattr(module, kept, {}).items()) for kept in HOOKS] for name, module in modules},
    }


def untouched(network: nn.Module) -> Callable[[], None]:
    """A check that the network is byte for byte what it is now."""
    before = _state(network)

    def check() -> None:
        after = _state(network)
        for part, was in before.items():
            changed = [name for name in was if after[part].get(name) != was[name]]
            assert not changed, f"{part} changed: {changed}"
            assert after[part].keys() == was.keys()

    return check


class Fault(RuntimeError):
    """Raised by a test in the middle of our work."""


class Interrupt(KeyboardInterrupt):
    """As when the reader stops the cell."""


class Faults:
    """Raises at one of the calls of a module, or of another function, and counts them.

    Args:
        not_of: whose modules must not be called.
        here: only calls on this thread count: engines of other tests may still be at work on theirs.
    """

    def __init__(
        self, at: int, error: type[BaseException] = Fault, *, not_of: nn.Module | None = None, here: bool = False
    ) -> None:
        self.at, self.error, self.calls = at, error, 0
        self._thread = threading.get_ident() if here else None
        self._theirs = set(not_of.modules()) if not_of is not None else set()

    def __call__(self, *args: Any) -> None:
        if self._thread not in (None, threading.get_ident()):
            return
        assert not args or args[0] not in self._theirs, "the user's own modules must not be called"
        self.calls += 1
        if self.calls - 1 == self.at:
            raise self.error(f"a fault at call {self.at}")


REGISTER: dict[str, Callable[[Any], Any]] = {
    "before a module": hooks_of_all.register_module_forward_pre_hook,
    "after a module": hooks_of_all.register_module_forward_hook,
    "backward": hooks_of_all.register_module_full_backward_pre_hook,
}


@contextmanager
def faults(
    at: int, where: str = "before a module", error: type[BaseException] = Fault, **which: Any
) -> Iterator[Faults]:
    """Raise at the call `at` of any module in this block; at -1 only count. `which` of them: see `Faults`."""
    fault = Faults(at, error, **which)
    handle = REGISTER[where](fault)
    try:
        yield fault
    finally:
        handle.remove()
