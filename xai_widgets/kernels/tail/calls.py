"""Which modules one pass calls, in which order, and what they return.

No tracing: a network is run as it is in a `Shell`, and its calls are watched.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from xai_widgets.kernels.tail.orders import Mark

Key = tuple[str, int]  # the dotted name of a module, and which of its calls in one pass: 0, 1, ...


@dataclass
class Call:
    """One call of a module in one pass.

    What a module returns may be a tensor or tensors in tuples, lists and dicts; its leaves are taken in order.

    Attributes:
        parent: the call within which this one was made.
        start: when it began, on a clock that counts beginnings and ends of calls.
        end: when it ended; -1 while it runs, or where it raised.
        shapes: the shape of each leaf; None for what is no tensor.
        dtypes: the precision of each leaf; None for what is no tensor.
        others: the leaves that are no tensors.
        requires_grad: autograd records how a leaf depends on what requires a gradient.
        leaves: the leaves themselves, where they are kept.
        checksums: a few numbers for each leaf that change when it does, where they are taken.
        marks: what is known of the order of each leaf's positions, where it is followed.
    """

    key: Key
    parent: Key | None
    start: int
    end: int = -1
    shapes: list[tuple[int, ...] | None] = field(default_factory=list)
    dtypes: list[torch.dtype | None] = field(default_factory=list)
    others: list[Any] = field(default_factory=list)
    requires_grad: bool = False
    leaves: list[Any] = field(default_factory=list)
    checksums: list[tuple[float, ...]] = field(default_factory=list)
    marks: list[dict[str, Mark]] = field(default_factory=list)


class Pass:
    """One run of a network that decides, in a subclass's `call`, what happens at each call of a module."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def next_key(self, name: str) -> Key:
        """The call of a module that begins now."""
        number = self._counts[name]
        self._counts[name] = number + 1
        return name, number


class Watch(Pass):
    """A pass that changes nothing and notes every call.

    Args:
        keep: keep what each module returned in its last call.
    """

    def __init__(self, *, keep: bool = False) -> None:
        super().__init__()
        self.calls: dict[Key, Call] = {}
        self._keep = keep
        self._running: list[Key] = []
        self._clock = 0

    def call(self, name: str, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        key = self.next_key(name)
        call = self.calls[key] = Call(key, self._running[-1] if self._running else None, self._tick())
        self._running.append(key)
        try:
            output = forward(*args, **kwargs)
        finally:
            self._running.pop()
        call.end = self._tick()
        leaves = tree_leaves(output)
        call.shapes = [tuple(leaf.shape) if isinstance(leaf, Tensor) else None for leaf in leaves]
        call.dtypes = [leaf.dtype if isinstance(leaf, Tensor) else None for leaf in leaves]
        call.others = [leaf for leaf in leaves if not isinstance(leaf, Tensor)]
        call.requires_grad = any(isinstance(leaf, Tensor) and leaf.requires_grad for leaf in leaves)
        if self._keep:
            self._keep_last(call, leaves)
        self.ended(call, leaves)
        return self.returned(call, output)

    def ended(self, call: Call, leaves: list[Any]) -> None:
        """What a subclass notes besides, when a call has ended."""

    def returned(self, call: Call, output: Any) -> Any:
        """What the caller of the module gets: its output, unless a subclass changes it."""
        return output

    def last_calls(self) -> dict[str, Call]:
        """The last call of each module by its name, in the order in which these calls ended."""
        latest_first = sorted((call for call in self.calls.values() if call.end >= 0), key=lambda call: -call.end)
        last: dict[str, Call] = {}
        for call in latest_first:
            last.setdefault(call.key[0], call)
        return dict(reversed(last.items()))

    def count(self, name: str) -> int:
        """How often a module was called."""
        return self._counts[name]

    def _keep_last(self, call: Call, leaves: list[Any]) -> None:
        name, number = call.key
        call.leaves = leaves
        if number:
            self.calls[name, number - 1].leaves = []

    def _tick(self) -> int:
        self._clock += 1
        return self._clock


def checksum_of(leaf: Any) -> tuple[float, ...]:
    """A few numbers that change when a tensor does; none for what is no tensor or is empty."""
    if not isinstance(leaf, Tensor) or not leaf.numel():
        return ()
    flat = leaf.detach().flatten()
    if flat.is_complex():
        flat = flat.abs()
    flat = flat.double() if flat.device.type != "mps" else flat.float()  # Apple's GPU has no float64
    half = flat.numel() // 2
    return (*torch.stack([flat.sum(), flat.abs().sum(), flat[:half].sum(), flat[::3].sum()]).tolist(),)
