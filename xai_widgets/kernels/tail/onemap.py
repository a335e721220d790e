"""Copies of one image that differ from it in one feature map each, carried through a tail without being written out.

The removal of a single map is a sparse change. What works on each map alone (activations, batch norm in eval mode,
pooling, depthwise convolution) is computed once for the image and once for the changed map of each copy. The first
convolution or linear layer that mixes maps is linear, so it is computed once for the image and corrected by the changed
map alone: of c maps its cost is divided by about c. From there on, and for any operation without a rule, the copies are
ordinary tensors. Exact up to rounding; `first_use` tries it against ordinary copies before it is used.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

aten = torch.ops.aten
PAIRWISE = frozenset((aten.add, aten.sub, aten.mul, aten.div, aten.maximum, aten.minimum))
# By function, what it does to a `OneMap`: (func, args, kwargs) -> result, or `NotImplemented`. Filled by `rules`.
RULES: dict[Any, Callable[[Any, Any, Any], Any]] = {}


@dataclass
class Content:
    """The numbers of some copies, shared by all views of them.

    Attributes:
        base: the maps of the image, (1 c ...).
        own: of each copy the one map in which it differs, (b 1 ...).
        ordinary: all copies as an ordinary tensor (b c ...), once something may write into it; then this alone counts.
    """

    base: Tensor
    own: Tensor
    ordinary: Tensor | None = None


@dataclass
class Known:
    """What the CPU knows of the copies of one replay, so that it need not ask the device in each micro-batch.

    Attributes:
        places: of each copy the map in which it differs.
        fits: of each layer that mixes maps, which maps can be corrected for. It is the same in every replay of a tail.
        turns: how often each of these layers was asked about in this replay.
    """

    places: list[int]
    fits: dict[Any, list[bool]] = field(default_factory=dict)
    turns: Counter[Any] = field(default_factory=Counter)


class OneMap(Tensor):
    """Stands for copies (b c ...): copy j is `base` (1 c ...) but for map `map_index[j]`, which is `own[j]` (1 ...).

    Attributes:
        content: the numbers.
        map_index: the map in which each copy differs, (b).
        rest: the axes of a map: rows and columns, or what a view made of them.
        flat: it stands for (b c*s), with maps and positions on one axis.
        known: what the CPU knows of the copies.
        before: how many maps of others come before those that `known` counts.
    """

    content: Content
    map_index: Tensor
    rest: tuple[int, ...]
    flat: bool
    known: Known | None = None
    before: int = 0

    @staticmethod
    def __new__(cls, base: Tensor, own: Tensor, index: Int[Tensor, " b"], *, flat: bool = False) -> OneMap:
        return cls.view_of(Content(base, own), index, base.shape[2:], flat=flat)

    @classmethod
    def view_of(cls, content: Content, index: Tensor, rest: tuple[int, ...], *, flat: bool = False) -> OneMap:
        """Copies with these numbers, and with other axes after that of the maps."""
        maps = content.base.shape[1]
        size = (len(index), maps * prod(rest)) if flat else (len(index), maps, *rest)
        made: OneMap = Tensor._make_wrapper_subclass(cls, size, dtype=content.base.dtype, device=content.base.device)
        made.content, made.map_index, made.rest, made.flat = content, index, tuple(rest), flat
        return made

    def like(self, base: Tensor, own: Tensor) -> OneMap:
        """Copies that differ in the same maps, with other numbers."""
        return OneMap(base, own, self.map_index, flat=self.flat).knowing(self)

    def knowing(self, other: OneMap, before: int = 0) -> OneMap:
        """These copies, of which the CPU knows what it knows of others; after more maps of others."""
        self.known, self.before = other.known, other.before + before
        return self

    @property
    def places(self) -> list[int]:
        """Of each copy the map in which it differs. Waits for the device where the CPU does not know it."""
        if self.known is None:
            self.known, self.before = Known(self.map_index.tolist()), 0
        return [place + self.before for place in self.known.places] if self.before else self.known.places

    @property
    def base(self) -> Tensor:
        """The maps of the image, (1 c ...)."""
        base = self.content.base
        return base.reshape(*base.shape[:2], *self.rest)

    @property
    def own(self) -> Tensor:
        """Of each copy the one map in which it differs, (b 1 ...)."""
        own = self.content.own
        return own.reshape(*own.shape[:2], *self.rest)

    @property
    def replaced(self) -> Tensor:
        """The maps of the image in whose place each copy has its own, (b 1 ...)."""
        return self.base[0].index_select(0, self.map_index)[:, None]

    @property
    def ordinary(self) -> Tensor | None:
        """The ordinary tensor that has taken the place of this one, if any has."""
        ordinary = self.content.ordinary
        return None if ordinary is None else ordinary.view(self.shape)

    def dense(self) -> Tensor:
        """The same numbers as an ordinary tensor."""
        ordinary = self.ordinary
        return self._written_out().view(self.shape) if ordinary is None else ordinary

    def become_ordinary(self) -> Tensor:
        """The same numbers as an ordinary tensor, which takes the place of this one and of all its views."""
        if self.content.ordinary is None:
            self.content.ordinary = self._written_out()
        return self.content.ordinary.view(self.shape)

    def write(self, result: OneMap) -> OneMap:
        """Take other numbers in place, for all views; the image's own tensor stays as it was."""
        self.content.base = result.base.reshape(self.content.base.shape)
        self.content.own = result.own.reshape(self.content.own.shape)
        return self

    def _written_out(self) -> Tensor:
        base, own = self.content.base, self.content.own
        last = base.dim() == 4 and not base.is_contiguous() and self.rest == tuple(base.shape[2:])
        order = torch.channels_last if last else torch.contiguous_format
        copies = base.expand(len(self.map_index), *base.shape[1:]).clone(memory_format=order)
        copies[torch.arange(len(copies), device=copies.device), self.map_index] = own[:, 0]
        return copies

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # type: ignore[override]
        """What a function gives: by its rule, else beside an ordinary tensor, else with ordinary copies."""
        kwargs = kwargs or {}
        if any(isinstance(leaf, OneMap) and leaf.ordinary is not None for leaf in tree_leaves((args, kwargs))):
            args, kwargs = tree_map(_ordinary_if_written, (args, kwargs))
            return func(*args, **kwargs)
        packet, in_place = _out_of_place(func)
        result = _by_rule(func, packet, in_place, args, kwargs)
        if result is NotImplemented and packet in PAIRWISE:
            result = _beside_ordinary(func, args, kwargs)
        return _with_ordinary_copies(func, args, kwargs) if result is NotImplemented else result


def _ordinary_if_written(leaf: Any) -> Any:
    return leaf.ordinary if isinstance(leaf, OneMap) and leaf.ordinary is not None else leaf


def _out_of_place(func: Any) -> tuple[Any, bool]:
    """The function, or of one that writes in place the one that does not (`relu` of `relu_`); and whether it does."""
    packet = func.overloadpacket
    name = packet.__name__
    if not name.endswith("_") or name.endswith("__") or not func._schema.is_mutable:
        return packet, False
    return getattr(aten, name[:-1], None), True


def _by_rule(func: Any, packet: Any, in_place: bool, args: Any, kwargs: Any) -> Any:
    rule = RULES.get(packet)
    if rule is None or (in_place and not isinstance(args[0], OneMap)):
        return NotImplemented
    if not in_place:
        return rule(func, args, kwargs)
    result = rule(getattr(packet, func._overloadname), args, kwargs)
    return result if result is NotImplemented else args[0].write(result)


def _beside_ordinary(func: Any, args: Any, kwargs: Any) -> Any:
    """A pairwise function of these copies and an ordinary tensor (b c ...).

    First with the image's maps for all copies; then again for the one map in which each copy differs.
    """
    one = next(value for value in args[:2] if isinstance(value, OneMap))
    other = args[1] if one is args[0] else args[0]
    writes_into_one = func._schema.is_mutable and one is args[0]
    if one.flat or not isinstance(other, Tensor) or other.shape != one.shape or writes_into_one:
        return NotImplemented
    copies = torch.arange(len(one.map_index), device=other.device)
    others_map = (other.dense() if isinstance(other, OneMap) else other)[copies, one.map_index]  # (b ...)
    result = func(*((one.base if value is one else value) for value in args), **kwargs)
    result = result.dense() if isinstance(result, OneMap) else result
    operands = (one.own[:, 0] if value is one else others_map for value in args[:2])
    result[copies, one.map_index] = func(*operands, *args[2:], **kwargs)
    return result


def _with_ordinary_copies(func: Any, args: Any, kwargs: Any) -> Any:
    """Through the functions of which this one is made, if it is; else with the copies written out.

    A function that returns a view of them, or writes into them, gets a tensor that takes their place for good.
    """
    if func.has_kernel_for_dispatch_key(torch._C.DispatchKey.CompositeImplicitAutograd):
        result = func.decompose(*args, **kwargs)
        if result is not NotImplemented:
            return result
    for_good = func.is_view or func._schema.is_mutable

    def ordinary(leaf: Any) -> Any:
        if not isinstance(leaf, OneMap):
            return leaf
        return leaf.become_ordinary() if for_good else leaf.dense()

    args, kwargs = tree_map(ordinary, (args, kwargs))
    return func(*args, **kwargs)


class Largest(TorchDispatchMode):
    """How many bytes the largest tensor has that is written within this block."""

    def __init__(self) -> None:
        super().__init__()
        self.nbytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if not func.is_view:
            ordinary = (
                leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor) and not isinstance(leaf, OneMap)
            )
            self.nbytes = max([self.nbytes, *(leaf.nbytes for leaf in ordinary)])
        return result
