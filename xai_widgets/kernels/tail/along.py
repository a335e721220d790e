"""Along which axis of an output the positions of an input lie, where all of them lie along one.

An attention keeps the positions of its queries: row i of a product A B is made with row i of A, whatever B is, and
column j with column j of B. So the order of tokens comes through heads, products and back.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from torch import Tensor

VIEWS = frozenset("view _unsafe_view _reshape_alias reshape unsqueeze squeeze flatten unflatten".split())
PARTS = frozenset("slice split split_with_sizes unsafe_split unsafe_split_with_sizes chunk narrow".split())
PERMUTED = frozenset(("permute", "transpose", "t"))
PRODUCTS = frozenset(("bmm", "baddbmm"))
TAKEN = frozenset(("select", "unbind"))


def carried(name: str, args: Sequence[Any], source: Tensor, out: Tensor, *, same: bool) -> dict[int, int]:
    """For axes of an input of an operation, the axis of its output with the same positions.

    Args:
        same: it works on each element alone, or hands its input on.
    """
    size = source.dim()
    if same:
        return {axis: axis for axis in range(size)} if source.shape == out.shape else {}
    if name in VIEWS:
        return _viewed(tuple(source.shape), tuple(out.shape))
    if name in PERMUTED:
        dims = permutation(name, size, args)
        return {axis: dims.index(axis) for axis in range(size)}
    if name in PRODUCTS:
        left, right = args[-2:]
        return {axis: axis for axis, factor in ((1, left), (2, right)) if factor is source}
    if "scaled_dot_product" in name:
        return {size - 2: size - 2} if source is args[0] else {}
    if name in PARTS or name in TAKEN:
        cut = axis_of(name, args, size)
        gone = int(name in TAKEN)
        return {axis: axis - gone * (axis > cut) for axis in range(size) if axis != cut}
    return {}


def axis_of(name: str, args: Sequence[Any], size: int) -> int:
    """The axis along which an operation cuts or puts together."""
    argument = 1 if name in ("slice", "narrow", "cat") or name in TAKEN else 2
    return int(args[argument] if len(args) > argument else 0) % max(size, 1)


def permutation(name: str, size: int, args: Sequence[Any]) -> tuple[int, ...]:
    """Which axis of its input each axis of the output of a permutation is."""
    if name == "permute":
        return tuple(axis % size for axis in args[1])
    dims = list(range(size))
    if size > 1:
        a, b = (0, 1) if name == "t" else (args[1] % size, args[2] % size)
        dims[a], dims[b] = dims[b], dims[a]
    return tuple(dims)


def _viewed(a: tuple[int, ...], b: tuple[int, ...]) -> dict[int, int]:
    """Axes that a view leaves whole: as long as before, and after as many elements."""
    starts = {(prod(b[:axis]), length): axis for axis, length in enumerate(b) if length > 1}
    return {
        axis: starts[prod(a[:axis]), length]
        for axis, length in enumerate(a)
        if length > 1 and (prod(a[:axis]), length) in starts
    }
