"""Copies of one image that differ from it in one feature map each, carried through a tail without being written out.

The removal of a single map is a sparse change. What works on each map alone (activations, batch norm in eval mode,
pooling, depthwise convolution) is computed once for the image and once for the changed map of each copy; the first
convolution or linear layer that mixes maps is linear, so that it is computed once for the image and corrected by the
changed map alone: of c maps its cost is divided by about c. From there on, and for any operation that is not known
here, the copies are ordinary tensors. Exact up to rounding; `Tail` tries it against ordinary copies before it is used.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

aten = torch.ops.aten
PAIRWISE = frozenset((aten.add, aten.sub, aten.mul, aten.div, aten.maximum, aten.minimum))
RULES: dict[Any, Callable[..., Any]] = {}  # by function; filled by `rules`


@dataclass
class Cell:
    """What copies stand for, shared by all views of them; `filled` once they are written out for good."""

    base: Tensor  # (1 c ...)
    own: Tensor  # (b 1 ...)
    filled: Tensor | None = None  # (b c ...)


class OneMap(Tensor):
    """Stands for (b c ...) where copy j is `base` (1 c ...) but for map which[j], which is `own`[j] (b 1 ...).

    `flat`: it stands for (b c*s), maps and places on one axis. Once something looks at it through a view of another
    kind, or writes a mixture into it, it holds an ordinary tensor.
    """

    cell: Cell
    which: Tensor
    rest: tuple[int, ...]
    flat: bool

    @staticmethod
    def __new__(cls, base: Tensor, own: Tensor, index: Int[Tensor, " b"], *, flat: bool = False) -> OneMap:
        return cls.on(Cell(base, own), index, base.shape[2:], flat=flat)

    @classmethod
    def on(cls, cell: Cell, index: Tensor, rest: tuple[int, ...], *, flat: bool = False) -> OneMap:
        """A view of a cell: the same copies with other axes after that of the maps."""
        maps = cell.base.shape[1]
        size = (len(index), maps * prod(rest)) if flat else (len(index), maps, *rest)
        made: OneMap = Tensor._make_wrapper_subclass(cls, size, dtype=cell.base.dtype, device=cell.base.device)
        made.cell, made.which, made.rest, made.flat = cell, index, tuple(rest), flat
        return made

    @property
    def base(self) -> Tensor:
        return self.cell.base.reshape(*self.cell.base.shape[:2], *self.rest)

    @property
    def own(self) -> Tensor:
        return self.cell.own.reshape(*self.cell.own.shape[:2], *self.rest)

    @property
    def filled(self) -> Tensor | None:
        return None if self.cell.filled is None else self.cell.filled.view(self.shape)

    def dense(self) -> Tensor:
        """The ordinary tensor that this stands for."""
        whole = self.filled
        return self._whole().view(self.shape) if whole is None else whole

    def fill(self) -> Tensor:
        """The same, which it holds from now on."""
        if self.cell.filled is None:
            self.cell.filled = self._whole()
        return self.cell.filled.view(self.shape)

    def write(self, found: OneMap) -> OneMap:
        """Another value in place, for all views; the image's own tensor stays what it was."""
        self.cell.base = found.base.reshape(self.cell.base.shape)
        self.cell.own = found.own.reshape(self.cell.own.shape)
        return self

    def _whole(self) -> Tensor:
        base, own = self.cell.base, self.cell.own
        last = base.dim() == 4 and not base.is_contiguous() and self.rest == tuple(base.shape[2:])
        order = torch.channels_last if last else torch.contiguous_format
        whole = base.expand(len(self.which), *base.shape[1:]).clone(memory_format=order)
        whole[torch.arange(len(whole), device=whole.device), self.which] = own[:, 0]
        return whole

    @property
    def before(self) -> Tensor:
        """The maps of the image that the copies have changed, (b 1 ...)."""
        return self.base[0].index_select(0, self.which)[:, None]

    def like(self, base: Tensor, own: Tensor) -> OneMap:
        return OneMap(base, own, self.which, flat=self.flat)

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # type: ignore[override]
        kwargs = kwargs or {}
        if any(isinstance(leaf, OneMap) and leaf.filled is not None for leaf in tree_leaves((args, kwargs))):
            args, kwargs = tree_map(_unless_sparse, (args, kwargs))
            return func(*args, **kwargs)
        packet, in_place = _out_of_place(func)
        rule = RULES.get(packet)
        if rule is not None and not (in_place and not isinstance(args[0], OneMap)):
            plain = getattr(packet, func._overloadname) if in_place else func
            found = rule(plain, args, kwargs)
            if found is not NotImplemented:
                return args[0].write(found) if in_place else found
        if packet in PAIRWISE:
            found = _beside_dense(func, args, kwargs)
            if found is not NotImplemented:
                return found
        return _densely(func, args, kwargs)


def _out_of_place(func: Any) -> tuple[Any, bool]:
    packet = func.overloadpacket
    name = packet.__name__
    if not name.endswith("_") or name.endswith("__") or not func._schema.is_mutable:
        return packet, False
    return getattr(aten, name[:-1], None), True


def _unless_sparse(leaf: Any) -> Any:
    return leaf.filled if isinstance(leaf, OneMap) and leaf.filled is not None else leaf


def _densely(func: Any, args: Any, kwargs: Any) -> Any:
    """With ordinary tensors; by its parts, if the function is made of others."""
    if func.has_kernel_for_dispatch_key(torch._C.DispatchKey.CompositeImplicitAutograd):
        found = func.decompose(*args, **kwargs)
        if found is not NotImplemented:
            return found
    looks = func.is_view or func._schema.is_mutable

    def dense(leaf: Any) -> Any:
        if not isinstance(leaf, OneMap):
            return leaf
        return leaf.fill() if looks else leaf.dense()

    args, kwargs = tree_map(dense, (args, kwargs))
    return func(*args, **kwargs)


def _beside_dense(func: Any, args: Any, kwargs: Any) -> Any:
    """With an ordinary tensor: the image's tensor for all copies, then again for the map that each has changed."""
    one = next(value for value in args[:2] if isinstance(value, OneMap))
    other = args[1] if one is args[0] else args[0]
    in_place = func._schema.is_mutable
    if one.flat or not isinstance(other, Tensor) or other.shape != one.shape or (in_place and one is args[0]):
        return NotImplemented
    rows = torch.arange(len(one.which), device=other.device)
    mine = (other.dense() if isinstance(other, OneMap) else other)[rows, one.which]
    whole = func(*((one.base if value is one else value) for value in args), **kwargs)
    whole = whole.dense() if isinstance(whole, OneMap) else whole
    both = (one.own[:, 0] if value is one else mine for value in args[:2])
    whole[rows, one.which] = func(*both, *args[2:], **kwargs)
    return whole


class Largest(TorchDispatchMode):
    """How many bytes the largest tensor has that is written within this block."""

    def __init__(self) -> None:
        super().__init__()
        self.nbytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        if not func.is_view:
            plain = (leaf for leaf in tree_leaves(found) if isinstance(leaf, Tensor) and not isinstance(leaf, OneMap))
            self.nbytes = max([self.nbytes, *(leaf.nbytes for leaf in plain)])
        return found
