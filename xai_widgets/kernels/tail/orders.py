"""In which order the positions of a tensor lie, as far as the operations of a pass show it.

The network's input lies row by row. Convolution, pooling, normalisation and what works on each position alone keep that
order, and each of them shows which axis holds the maps. What may move positions (a gather, a shift, windows cut out)
hands nothing on: there a new order begins, which has to be tried with probes, see `probes`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from xai_widgets.kernels.tail.along import PARTS, PERMUTED, VIEWS, axis_of, carried, permutation

Node = tuple[int, int, tuple[int, ...], tuple[int, ...], str]  # a tensor in memory, read in one way

# How a tensor may be read: rows and columns as its last two axes; channels last; positions as one last axis.
MAPS, LAST, FLAT = "maps", "last", "flat"
PLANAR = (
    "convolution",
    "conv2d",
    "pool2d",
    "2d_aa",
    "nearest2d",
    "exact2d",
    "bilinear2d",
    "bicubic2d",
    "_pad2d",
    "pixel_shuffle",
)
NORMS = ("batch_norm", "group_norm")
SAME = frozenset(
    "clone _to_copy contiguous detach alias native_dropout dropout hardswish _softmax softmax expand lift_fresh".split()
)
TURNED = frozenset("flip fliplr flipud rot90".split())


@dataclass(eq=False)
class Order:
    """One order of positions, shared by all tensors that hand it on, or that are added position by position.

    Attributes:
        proved: it is that of the network's input.
        shown: an operation works along its axis of maps.
        turned: it began where rows or columns were mirrored or exchanged.
        grids: rows and columns by the number of positions, where they are known.
        outputs: for each way to read them, the first and the last module whose output is in this order.
        merged: the order that this one was found to be equal to, and that stands for both from then on.
    """

    proved: bool = False
    shown: bool = False
    turned: bool = False
    grids: dict[int, tuple[int, int]] = field(default_factory=dict)
    outputs: dict[str, list[Any]] = field(default_factory=dict)
    merged: Order | None = None

    def root(self) -> Order:
        """The order that stands for this one and for all that were merged with it."""
        order = self
        while order.merged is not None:
            order = order.merged
        return order


@dataclass(frozen=True)
class Mark:
    """The order of a tensor's positions, and how many rows and columns they are, where that is known."""

    order: Order
    grid: tuple[int, int] | None


class Orders(TorchDispatchMode):
    """Follows the order of positions from the input on through all operations of a pass on one image."""

    def __init__(self, image: Tensor) -> None:
        super().__init__()
        self._marks: dict[Node, Mark] = {}
        self._paused = False
        self._live: set[int] = set()  # memory that depends on the image
        self._kept: list[Tensor] = []  # else an address could be used again
        self._note(image)
        if image.dim() == 4:
            self._marks[_node(image, MAPS)] = Mark(Order(proved=True, shown=True), _grid(image, MAPS))

    def of(self, tensor: Tensor) -> dict[str, Mark]:
        """What is known of a tensor, for each way to read it."""
        if tensor.layout is not torch.strided:
            return {}
        marks = {kind: self._marks.get(_node(tensor, kind)) for kind in (MAPS, LAST, FLAT)}
        return {kind: mark for kind, mark in marks.items() if mark is not None}

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Do not follow what is computed within this block: it is not of the network."""
        self._paused = True
        try:
            yield
        finally:
            self._paused = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        if self._paused:
            return output
        inputs = [leaf for leaf in tree_leaves((args, kwargs)) if _is_plain(leaf) and self._lives(leaf)]
        outputs = [leaf for leaf in tree_leaves(output) if _is_plain(leaf)]
        if inputs and outputs:
            for tensor in outputs:
                self._note(tensor)
            with suppress(IndexError, TypeError, AttributeError):  # arguments of another form: nothing is known then
                self._follow(func, args, inputs, outputs)
            with suppress(IndexError, TypeError, AttributeError):
                self._follow_axes(func, args, inputs, outputs)
        return output

    def _note(self, tensor: Tensor) -> None:
        self._kept.append(tensor)
        self._live.add(tensor.untyped_storage().data_ptr())

    def _lives(self, tensor: Tensor) -> bool:
        return tensor.untyped_storage().data_ptr() in self._live

    def _follow(self, func: Any, args: Any, inputs: list[Tensor], outputs: list[Tensor]) -> None:
        name, first, out = _name(func), inputs[0], outputs[0]
        if _same(func):
            alike = [tensor for tensor in inputs if tensor.shape == out.shape]
            if self._mixed(alike):
                self._begin(out, alike)
            else:
                for tensor in alike:
                    self._join(tensor, out)
        elif name in TURNED:
            self._begin(out, [first], turned=True)
        elif first.dim() == 4 and (any(part in name for part in PLANAR) or any(part in name for part in NORMS)):
            if out.dim() == 4 and args and first is args[0]:
                self._hand_on(first, out, MAPS, MAPS, shown=True)
        elif any(part in name for part in NORMS) and first.dim() == 2:  # of tokens, with the images in the same axis
            self._hand_on(first, out, LAST, LAST, shown=True)
        elif "layer_norm" in name or "rms_norm" in name:
            if len(args[1]) == 1:
                self._hand_on(first, out, LAST, LAST, shown=True)
        elif name in ("addmm", "mm", "linear"):
            rows, weight = (args[1], args[2]) if name == "addmm" else (args[0], args[1])
            if self._lives(rows) and not self._lives(weight):
                self._hand_on(rows, out, LAST, LAST, shown=True)
        elif name in VIEWS:
            self._view(first, out)
        elif name in PERMUTED:
            self._permute(first, out, permutation(name, first.dim(), args))
        elif name in PARTS or name == "cat":
            self._cut(name, args, inputs, outputs)
        elif name == "constant_pad_nd" and first.dim() == 4:
            for kind in (MAPS, LAST):
                self._hand_on(first, out, kind, kind)
        elif name in ("mean", "sum", "amax") and first.dim() == 4 and len(args) > 1:
            self._pooled(first, args[1])
        elif func._schema.is_mutable:
            self._forget(args[0] if args and isinstance(args[0], Tensor) else first)

    def _follow_axes(self, func: Any, args: Any, inputs: list[Tensor], outputs: list[Tensor]) -> None:
        """Hand the orders on that lie along one axis; where inputs differ in it, it is dropped."""
        known = [(source, self._along(source)) for source in inputs]
        known = [(source, orders) for source, orders in known if orders]
        if not known:
            return
        name, same = _name(func), _same(func)
        for out in outputs:
            found: dict[int, set[Order]] = {}
            for source, orders in known:
                kept = carried(name, args, source, out, same=same)
                for axis in kept.keys() & orders.keys():
                    found.setdefault(kept[axis], set()).add(orders[axis])
            for axis, some in found.items():
                place = _node(out, f"axis {axis}")
                if len(some) != 1:
                    self._marks.pop(place, None)
                    continue
                (order,) = some
                mark = self._marks[place] = Mark(order, order.grids.get(out.shape[axis]))
                kind = _kind_of(out, axis)
                if kind is not None:
                    self._marks.setdefault((*place[:4], kind), mark)

    def _along(self, tensor: Tensor) -> dict[int, Order]:
        """The orders of the positions that lie along one axis of a tensor, by the axis."""
        found = {}
        place = _node(tensor, "")[:4]
        for axis in range(tensor.dim()):
            mark = self._marks.get((*place, _kind_of(tensor, axis) or f"axis {axis}"))
            if mark is not None:
                found[axis] = mark.order.root()
        return found

    def _begin(self, tensor: Tensor, sources: list[Tensor], *, turned: bool = False) -> None:
        """A new order, of which only the axis of maps is known, where that of its sources is."""
        for kind in (MAPS, LAST, FLAT):
            marks = [self._marks.get(_node(source, kind)) for source in sources]
            shown = any(mark.order.root().shown for mark in marks if mark is not None)
            self._marks[_node(tensor, kind)] = Mark(Order(turned=turned, shown=shown), _grid(tensor, kind))

    def _mixed(self, tensors: list[Tensor]) -> bool:
        """Was one of some tensors that are put together turned, so that the order of none holds for the whole?"""
        for kind in (MAPS, LAST, FLAT):
            marks = [self._marks.get(_node(tensor, kind)) for tensor in tensors]
            orders = {id(mark.order.root()): mark.order.root() for mark in marks if mark is not None}
            if len(orders) > 1 and any(order.turned for order in orders.values()):
                return True
        return False

    def _hand_on(self, source: Tensor, target: Tensor, read: str, into: str, *, shown: bool = False) -> None:
        """Note that the positions of `target` are in the order of those of `source`."""
        known = self._marks.get(_node(source, read))
        if known is None:
            known = self._marks[_node(source, read)] = Mark(Order(), _grid(source, read))
        order = known.order.root()
        order.shown |= shown
        grid = _grid(target, into) or known.grid
        if grid is not None:
            order.grids[grid[0] * grid[1]] = grid
        other = self._marks.get(_node(target, into))
        if other is not None and other.order.root() is not order:
            self._merge(other.order.root(), order)
        self._marks[_node(target, into)] = Mark(order.root(), grid)

    @staticmethod
    def _merge(a: Order, b: Order) -> None:
        """Note that two orders are equal; `b` stands for both."""
        b.proved, b.shown, b.turned = a.proved or b.proved, a.shown or b.shown, a.turned or b.turned
        b.grids |= a.grids
        a.merged = b

    def _join(self, source: Tensor, target: Tensor) -> None:
        for kind in (MAPS, LAST, FLAT):
            self._hand_on(source, target, kind, kind)

    def _view(self, source: Tensor, target: Tensor) -> None:
        a, b = source.shape, target.shape
        if not a or not b:
            return
        if a[-1] == b[-1]:
            mark = self._marks.get(_node(source, LAST))
            grid = _grid(source, LAST) if mark is None else mark.grid
            if target.dim() != 4 or grid == tuple(b[1:3]):  # rows and columns again only as they were
                self._hand_on(source, target, LAST, LAST)
        if a[-2:] == b[-2:] and len(a) > 1:
            self._hand_on(source, target, MAPS, MAPS)
        if len(a) > 2 and len(b) == 3 and b[-1] == prod(a[-2:]) and b[0] == a[0]:
            self._hand_on(source, target, MAPS, FLAT)
        flat = self._marks.get(_node(source, FLAT))
        if flat is not None and len(a) == 3 and len(b) == 4 and flat.grid == tuple(b[-2:]) and a[1] == b[1]:
            self._hand_on(source, target, FLAT, MAPS)

    def _permute(self, source: Tensor, target: Tensor, dims: tuple[int, ...]) -> None:
        size = source.dim()
        if size == 4 and dims == (0, 1, 3, 2) and self._has_rows(source):
            self._begin(target, [source], turned=True)
        elif dims == (0, 2, 3, 1):
            self._hand_on(source, target, MAPS, LAST)
        elif dims == (0, 3, 1, 2):
            self._hand_on(source, target, LAST, MAPS)
        elif dims == (0, 2, 1):
            self._hand_on(source, target, FLAT, LAST)
            self._hand_on(source, target, LAST, FLAT)
        if size > 2 and dims[-2:] == (size - 2, size - 1):
            self._hand_on(source, target, MAPS, MAPS)
        longer = [axis for axis in dims[:-1] if source.shape[axis] > 1]
        if size > 1 and dims[-1] == size - 1 and longer == sorted(longer):
            self._hand_on(source, target, LAST, LAST)

    def _has_rows(self, tensor: Tensor) -> bool:
        """Are its last two axes known to be rows and columns? Those of an attention are others."""
        mark = self._marks.get(_node(tensor, MAPS))
        return mark is not None and (mark.order.root().proved or mark.order.root().shown)

    def _cut(self, name: str, args: Any, inputs: list[Tensor], outputs: list[Tensor]) -> None:
        """Parts along the axis of maps; of rows and columns where both have an axis of their own."""
        size = inputs[0].dim()
        if name == "cat" and self._mixed(inputs):
            self._begin(outputs[0], inputs)
            return
        axis = axis_of(name, args, size)
        whole = {MAPS: axis < size - 2 or (size == 4 and name != "cat"), LAST: axis == size - 1, FLAT: axis == 1}
        whole[LAST] |= size == 4 and name != "cat"
        for kind, keeps in whole.items():
            for source in inputs:
                for target in outputs if keeps or source.shape == outputs[0].shape else ():
                    self._hand_on(source, target, kind, kind)

    def _pooled(self, maps: Tensor, dims: Any) -> None:
        axes = {axis % 4 for axis in dims} if isinstance(dims, Sequence) else set()
        for kind, wanted in ((MAPS, {2, 3}), (LAST, {1, 2})):
            if axes == wanted:
                self._hand_on(maps, maps, kind, kind, shown=True)

    def _forget(self, written: Tensor) -> None:
        place = written.untyped_storage().data_ptr()
        self._marks = {node: mark for node, mark in self._marks.items() if node[0] != place}


def _node(tensor: Tensor, kind: str) -> Node:
    place = tensor.untyped_storage().data_ptr()
    return place, int(tensor.storage_offset()), tuple(tensor.shape), tensor.stride(), kind


def _grid(tensor: Tensor, kind: str) -> tuple[int, int] | None:
    if tensor.dim() != 4 or kind == FLAT:
        return None
    shape = tensor.shape
    return (shape[2], shape[3]) if kind == MAPS else (shape[1], shape[2])


def _kind_of(tensor: Tensor, axis: int) -> str | None:
    """How a tensor is read whose positions all lie along one axis."""
    shape = tensor.shape
    if axis == len(shape) - 2 and (len(shape) == 2 or (len(shape) == 3 and shape[0] == 1)):
        return LAST
    return FLAT if len(shape) == 3 and axis == 2 else None


def _name(func: Any) -> str:
    name: str = func.overloadpacket.__name__
    return name.rstrip("_") or name


def _same(func: Any) -> bool:
    """Does it work on each element alone, or hand its input on?"""
    return torch.Tag.pointwise in func.tags or _name(func) in SAME


def _is_plain(leaf: Any) -> bool:
    return isinstance(leaf, Tensor) and leaf.layout is torch.strided
