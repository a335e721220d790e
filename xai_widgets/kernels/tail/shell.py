"""A private copy of a network's modules that shares its weights, in which every call can be watched or replaced.

The user's own network is never patched: a cell that called it at the same time would get wrong numbers, silently.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves


HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


@runtime_checkable
class Run(Protocol):
    """One pass through a shell: what happens at each call of a module."""

    def call(self, name: str, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any: ...


def unwrapped(network: nn.Module) -> nn.Module:
    """The eager network inside DataParallel and `torch.compile`."""
    while True:
        if isinstance(network, torch.jit.ScriptModule):
            raise TypeError(
                "the network is a TorchScript module, whose layers cannot be changed; an eager nn.Module is needed."
            )
        inner = getattr(network, "_orig_mod", None)
        if inner is None and isinstance(network, nn.DataParallel | nn.parallel.DistributedDataParallel):
            inner = network.module
        if not isinstance(inner, nn.Module):
            return network
        network = inner


class Shell:
    """An eager copy in eval mode. Parameters are shared, buffers copied; no parameter records a gradient.

    Args:
        network: the user's own.
        hooks: keep the user's hooks in the copy. A hook that only looks (see `hooks_matter`) should not: it would
            store what is computed here among what the user computes.
    """

    def __init__(self, network: nn.Module, *, hooks: bool = True) -> None:
        self.original = unwrapped(network)
        self.lock = threading.RLock()
        self._state = _state_of(self.original)
        self.network = _copy_of(self.original).eval()
        if not hooks:
            for module in self.network.modules():
                for kept in HOOKS:
                    getattr(module, kept).clear()
        self.names = {module: name for name, module in self.network.named_modules()}
        self.structures: dict[Any, Any] = {}  # what is known of the order of calls, by input size and layer
        self._run: Run | None = None
        self._recorded: Run | None = None
        for module, name in self.names.items():
            module.forward = self._watch(name, module.forward)

    def fresh(self) -> bool:
        """False when a weight of the user's network was moved, replaced or written since this copy was made."""
        return self._state == _state_of(self.original)

    @contextmanager
    def running(self, run: Run) -> Iterator[nn.Module]:
        """Let `run` decide on each call of a module within this block."""
        with self.lock:
            before, self._run = self._run, run
            try:
                yield self.network
            finally:
                self._run = before
                if torch.is_grad_enabled():
                    self._recorded = run  # checkpointing calls modules again during the backward pass

    def _watch(self, name: str, forward: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*args: Any, **kwargs: Any) -> Any:
            run = self._run
            if run is None and torch._C._current_graph_task_id() != -1:
                run = self._recorded
            return forward(*args, **kwargs) if run is None else run.call(name, forward, args, kwargs)

        return watched


def hooks_matter(network: nn.Module, inputs: Tensor) -> bool:
    """Do the user's hooks change what the network returns? Runs them once, where there are any."""
    plain = unwrapped(network)
    if not any(getattr(module, kept) for module in plain.modules() for kept in HOOKS):
        return False
    with torch.no_grad():
        try:
            without = Shell(plain, hooks=False).network(inputs.clone())
        except Exception:  # a weight that a hook makes before each forward
            return True
        within = Shell(plain).network(inputs.clone())
    pairs = zip(tree_leaves(without), tree_leaves(within), strict=False)
    return any(isinstance(a, Tensor) and not (isinstance(b, Tensor) and torch.equal(a, b)) for a, b in pairs)


def _state_of(network: nn.Module) -> tuple[tuple[int, int, int], ...]:
    def version(tensor: Tensor) -> int:
        return 0 if tensor.is_inference() else tensor._version

    tensors = [*network.parameters(), *network.buffers()]
    return tuple((id(tensor), tensor.data_ptr(), version(tensor)) for tensor in tensors)


def _copy_of(network: nn.Module) -> nn.Module:
    memo: dict[int, Any] = {}
    for parameter in network.parameters():
        memo[id(parameter)] = nn.Parameter(parameter.detach(), requires_grad=False)
    for buffer in network.buffers():
        memo[id(buffer)] = buffer.detach().clone()  # a forward that counts must not count for the user
    try:
        return copy.deepcopy(network, memo)
    except Exception:  # an attribute that cannot be copied (a file, a lock, a computed weight)
        return _structural_copy(network, dict(memo), {})


def _structural_copy(module: nn.Module, tensors: dict[int, Any], made: dict[int, nn.Module]) -> nn.Module:
    """New modules with the same attributes; only registered modules, parameters and buffers are replaced."""
    if id(module) in made:
        return made[id(module)]
    twin = made[id(module)] = module.__class__.__new__(module.__class__)
    twin.__dict__ = {
        name: value.copy() if isinstance(value, dict) and name.startswith("_") else value
        for name, value in module.__dict__.items()
    }
    for kept in (twin._parameters, twin._buffers):
        for name, tensor in kept.items():
            kept[name] = tensors.get(id(tensor), tensor)
    for name, child in module._modules.items():
        twin._modules[name] = None if child is None else _structural_copy(child, tensors, made)
    if "forward" in twin.__dict__:  # a method bound to the user's own module would run that one
        bound = twin.__dict__["forward"]
        if getattr(bound, "__self__", None) is module:
            twin.__dict__["forward"] = bound.__func__.__get__(twin)
    return twin
