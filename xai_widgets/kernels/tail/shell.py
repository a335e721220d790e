"""A private copy of a network's modules that shares its weights, in which every call can be watched or replaced.

The user's own network is never patched. A cell that called it at the same time would get wrong numbers, silently.
"""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from itertools import chain
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from xai_widgets.kernels.precision import ieee, without_cudnn
from xai_widgets.kernels.tail.copies import HOOKS, copy_of
from xai_widgets.kernels.tail.feeds import Feed
from xai_widgets.kernels.tail.results import storage_bytes
from xai_widgets.kernels.tail.weights import Weights


@runtime_checkable
class Run(Protocol):
    """One run of a shell's network: what happens at each call of a module."""

    def call(self, name: str, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What the caller of module `name` gets; `forward` is the module's own."""
        ...


def unwrapped(network: nn.Module) -> nn.Module:
    """The eager network inside DataParallel and `torch.compile`.

    Raises:
        TypeError: no nn.Module, or one of TorchScript.
    """
    while True:
        if not isinstance(network, nn.Module):
            what = f"the class {network.__name__}" if isinstance(network, type) else type(network).__name__
            raise TypeError(f"the network must be an nn.Module, got {what}.")
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
        hooks: keep the user's hooks in the copy. A hook that changes nothing (see `hooks_matter`) is better left out:
            it would store what is computed here among what the user computes.
        source: the network whose weights are looked at, where `network` is a copy of it on another device.
        feed: how the network is called with several images a sample, which lie in the channels of one tensor.

    Raises:
        TypeError: no nn.Module, or one of TorchScript.
    """

    def __init__(
        self, network: nn.Module, *, hooks: bool = True, source: nn.Module | None = None, feed: Feed | None = None
    ) -> None:
        self.original = unwrapped(network)
        self.feed = feed
        self.lock = threading.RLock()
        self._source = self.original if source is None else source
        self.layouts: dict[str, Any] = {}  # how the caller wants layers to be read
        self._hooks = hooks
        self._run: Run | None = None
        self._owner = 0  # the thread of the run
        self._backward = threading.local()  # `run`: a weak reference to the run whose calls a backward pass repeats
        self._copy()

    @property
    def nbytes(self) -> int:
        """Bytes of weights and buffers that are in memory as long as this shell is, each storage once.

        Those of the user's network count too, since the shell refers to it: shells of one network share them.
        """
        networks = {id(network): network for network in (self.original, self._source, self.network)}
        held = (chain(network.parameters(), network.buffers()) for network in networks.values())
        return storage_bytes(chain(self.weights.tensors, *held))

    def fresh(self, *, thorough: bool = False) -> bool:
        """False when a weight of the user's network was moved, replaced or written since this copy was made.

        A look of about 0.2 ms, a thorough one of some milliseconds; see `Weights` for what they see.
        """
        return self.weights.unchanged(thorough=thorough)

    def renew(self) -> None:
        """Copy the user's network again where it changed since."""
        with self.lock:
            if self._source is self.original and not self.fresh():
                self._copy()

    def _copy(self) -> None:
        self.weights = Weights(self._source)
        with torch.inference_mode(False):
            self.network = copy_of(self.original).eval()
        if not self._hooks:
            for module in self.network.modules():
                for kept in HOOKS:
                    setattr(module, kept, OrderedDict())
        self.names = {module: name for name, module in self.network.named_modules()}
        self.structures: dict[Any, Any] = {}  # what is known of the order of calls, by input size and layer
        for module, name in self.names.items():
            _make_eager(module)
            forward = self.feed(module.forward) if self.feed is not None and not name else module.forward
            module.forward = self._watch(name, forward)

    @contextmanager
    def running(self, run: Run) -> Iterator[nn.Module]:
        """A block in which `run` decides on each call of a module, in exact arithmetic; with the network to call."""
        with self.lock, ieee():
            before = self._run, self._owner
            self._run, self._owner = run, threading.get_ident()
            try:
                yield self.network
            finally:
                self._run, self._owner = before

    def recall(self, run: Run, result: list[Tensor]) -> None:
        """Let `run` decide also on what a backward pass from `result` calls again: checkpointing does.

        The graph of `result` keeps the run. The shell does not, or it would keep what the run remembers as well.
        """
        weakly = weakref.ref(run)

        def begin(gradients: Any, run: Run = run) -> None:
            self._backward.run = weakly

        for tensor in result:
            if tensor.grad_fn is not None:
                tensor.grad_fn.register_prehook(begin)

    def _watch(self, name: str, forward: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(forward)  # some networks look at the signature of their parts
        def watched(*args: Any, **kwargs: Any) -> Any:
            run = self._run
            if torch._C._current_graph_task_id() != -1 and (run is None or self._owner != threading.get_ident()):
                run = getattr(self._backward, "run", _nothing)()
            return forward(*args, **kwargs) if run is None else run.call(name, forward, args, kwargs)

        return watched


def _nothing() -> None:
    """In the place of a weak reference, where there is no run."""


def _make_eager(module: nn.Module) -> None:
    """Undo what runs several modules as one: compiled parts and fused kernels."""
    if "_orig_mod" in module._modules:
        vars(module).pop("forward", None)
        module.__class__ = _Uncompiled
    if isinstance(module, nn.TransformerEncoderLayer):
        module.register_forward_pre_hook(_as_it_is)  # where there is a hook, torch runs its parts one by one
    if type(module).__name__ == "Linear" and type(module).__module__.endswith("quantized.dynamic.modules.linear"):
        module.forward = _row_by_row(module.forward)
    if isinstance(module, nn.RNNBase) and any(weight.is_cuda for weight in module.parameters()):
        module.forward = without_cudnn(module.forward)


def _row_by_row(forward: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """A layer that is quantised while it runs takes its scale from the whole batch: here from each image alone."""
    return lambda x: torch.cat([forward(row) for row in x.split(1)]) if x.dim() > 1 else forward(x)


class _Uncompiled(nn.Module):
    """Replaces what `torch.compile` returned for a part of the network."""

    def __getattr__(self, name: str) -> Any:
        return getattr(super().__getattr__("_orig_mod"), name) if name != "_orig_mod" else super().__getattr__(name)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self._orig_mod(*args, **kwargs)


def _as_it_is(module: nn.Module, args: Any) -> None:
    """A hook that changes nothing."""
    return None


def hooks_matter(network: nn.Module, inputs: Tensor, feed: Feed | None = None) -> bool:
    """Do the user's hooks change what the network returns? Runs them once, where there are any.

    Raises:
        TypeError: no nn.Module, or one of TorchScript.
    """
    plain = unwrapped(network)
    if not any(getattr(module, kept) for module in plain.modules() for kept in HOOKS):
        return False
    with torch.inference_mode(False), torch.no_grad():
        images = inputs.clone()
        bare = Shell(plain, hooks=False, feed=feed)
        _spoil_computed(plain, bare)
        try:
            without = bare.network(images.clone())
        except Exception:  # a weight that a hook makes before each forward
            return True
        within = Shell(plain, feed=feed).network(images)
    pairs = zip(tree_leaves(without), tree_leaves(within), strict=False)
    return any(isinstance(a, Tensor) and not (isinstance(b, Tensor) and torch.equal(a, b)) for a, b in pairs)


def _spoil_computed(network: nn.Module, shell: Shell) -> None:
    """Fill with NaN what hooks compute before each forward, such as a normalised weight: its last value is no use."""
    for module, twin in zip(network.modules(), shell.network.modules(), strict=True):
        if module._forward_pre_hooks:
            for name, value in list(vars(twin).items()):
                if isinstance(value, Tensor) and value.is_floating_point():
                    vars(twin)[name] = torch.full_like(value, torch.nan)
