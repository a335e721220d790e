"""What functions do to copies that differ in one map each.

A rule takes a function of torch and its arguments. As long as maps do not mix it applies the function twice, to the
image's maps (1 c ...) and to the changed map of each copy (b 1 ...), and gives another `OneMap`. It gives
`NotImplemented` where the copies have to be written out.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from xai_widgets.kernels.tail import mixing
from xai_widgets.kernels.tail.onemap import PAIRWISE, RULES, OneMap

aten = torch.ops.aten

# Each position of each map alone; further arguments are numbers.
ELEMENTWISE = frozenset(
    (
        aten.relu, aten.hardtanh, aten.leaky_relu, aten.elu, aten.celu, aten.selu, aten.gelu, aten.silu, aten.mish,
        aten.sigmoid, aten.tanh, aten.hardsigmoid, aten.hardswish, aten.softplus, aten.threshold, aten.clamp,
        aten.clamp_min, aten.clamp_max, aten.abs, aten.neg, aten.square, aten.pow, aten.sqrt, aten.rsqrt, aten.exp,
        aten.log, aten.rsub, aten.reciprocal, aten.sign, aten.erf, aten.log1p, aten.expm1, aten.clone, aten._to_copy,
    )
)  # fmt: skip
# Each map alone, over its rows and columns.
PLANAR = frozenset(
    (
        aten.max_pool2d_with_indices, aten.avg_pool2d, aten._adaptive_avg_pool2d, aten.adaptive_max_pool2d,
        aten.upsample_nearest2d, aten.upsample_bilinear2d, aten.upsample_bicubic2d, aten.reflection_pad2d,
        aten.replication_pad2d,
    )
)  # fmt: skip
REDUCTIONS = frozenset((aten.mean, aten.sum, aten.amax, aten.amin))
VIEWS = frozenset((aten.view, aten._unsafe_view, aten._reshape_alias))


def _alone(func: Any, args: Any, kwargs: Any) -> Any:
    """A function of each position of each map alone."""
    one, *rest = args
    if not isinstance(one, OneMap) or any(isinstance(leaf, Tensor) for leaf in tree_leaves((rest, kwargs))):
        return NotImplemented
    if kwargs.get("memory_format") is not None:
        kwargs = {**kwargs, "memory_format": torch.preserve_format}
    return one.like(func(one.base, *rest, **kwargs), func(one.own, *rest, **kwargs))


def _planar(func: Any, args: Any, kwargs: Any) -> Any:
    """A function of each map alone, over its rows and columns."""
    one, *rest = args
    if not isinstance(one, OneMap) or one.flat or one.base.dim() != 4:
        return NotImplemented
    base, own = func(one.base, *rest, **kwargs), func(one.own, *rest, **kwargs)
    if isinstance(base, Tensor):
        return one.like(base, own)
    return tuple(one.like(a, b) for a, b in zip(base, own, strict=True))


def _padded(func: Any, args: Any, kwargs: Any) -> Any:
    """Rows and columns filled up with a constant."""
    return _planar(func, args, kwargs) if len(args[1]) <= 4 else NotImplemented


def _reduced(func: Any, args: Any, kwargs: Any) -> Any:
    """Means and sums over rows and columns."""
    one = args[0]
    dims = args[1] if len(args) > 1 else kwargs.get("dim")
    dims = [dims] if isinstance(dims, int) else dims
    if not isinstance(one, OneMap) or one.flat or not dims or any(d % one.dim() < 2 for d in dims):
        return NotImplemented
    return one.like(func(one.base, *args[1:], **kwargs), func(one.own, *args[1:], **kwargs))


def _paired(func: Any, args: Any, kwargs: Any) -> Any:
    """A function of two operands, each a number, these copies, or a tensor that is the same for all copies."""
    one = next(value for value in args[:2] if isinstance(value, OneMap))
    if one.flat:
        return NotImplemented
    first, second = (_split(value, one) for value in args[:2])
    if first is None or second is None:
        return NotImplemented
    base = func(first.base, second.base, *args[2:], **kwargs)
    return one.like(base, func(first.own, second.own, *args[2:], **kwargs))


class Operand(NamedTuple):
    """An operand for the image's maps (1 c ...), and one for the changed map of each copy (b 1 ...)."""

    base: Any
    own: Any


def _split(value: Any, one: OneMap) -> Operand | None:
    """Both operands in one argument of a function of `one`; None where the argument differs from copy to copy."""
    if isinstance(value, OneMap):
        alike = value.base.dim() == one.base.dim() and value.base.shape[1] == one.base.shape[1] and not value.flat
        return Operand(value.base, value.own) if alike and _same_index(value, one) else None
    if not isinstance(value, Tensor) or value.dim() == 0:
        return Operand(value, value)
    if value.dim() > one.dim():
        return None
    value = value[(None,) * (one.dim() - value.dim())]
    if value.shape[0] != 1 and value.stride(0) != 0:  # its rows differ from copy to copy
        return None
    value = value[:1]
    if value.shape[1] == 1:
        return Operand(value, value)
    if value.shape[1] != one.base.shape[1]:
        return None
    return Operand(value, value[0].index_select(0, one.map_index)[:, None])


def _same_index(a: OneMap, b: OneMap) -> bool:
    """Do the copies differ from the image in the same maps?"""
    return a.map_index is b.map_index or a.places == b.places


def _normed(func: Any, args: Any, kwargs: Any) -> Any:
    """Batch norm in eval mode. The changed maps of all copies stand beside each other as the maps of one image."""
    one, weight, bias, mean, variance = args[:5]
    options = (*args[5:], *kwargs.values())
    flags = [value for value in options if isinstance(value, bool)]
    numbers = [value for value in options if isinstance(value, float)]
    in_training = func.overloadpacket is not aten._native_batch_norm_legit_no_training and (not flags or flags[0])
    if not isinstance(one, OneMap) or one.flat or mean is None or variance is None or in_training or len(numbers) < 2:
        return NotImplemented

    def norm(x: Tensor, chosen: Callable[[Tensor | None], Tensor | None]) -> Tensor:
        parts = [chosen(part) for part in (weight, bias, mean, variance)]
        return torch.batch_norm(x, *parts, False, 0.0, numbers[1], torch.backends.cudnn.enabled)  # type: ignore

    base = norm(one.base, lambda part: part)
    own = norm(one.own.transpose(0, 1), lambda part: None if part is None else part.index_select(0, one.map_index))
    result = one.like(base, own.transpose(0, 1))
    statistics = len(func._schema.returns) - 1  # of a batch in training, returned beside; here they are empty
    return (result, *(one.base.new_empty(0) for _ in range(statistics))) if statistics else result


def _joined(func: Any, args: Any, kwargs: Any) -> Any:
    """Joined along the axis of maps with tensors that are the same for all copies, or differ from copy to copy."""
    parts = list(args[0])
    dim = args[1] if len(args) > 1 else kwargs.get("dim", 0)
    ones = [part for part in parts if isinstance(part, OneMap)]
    if len(ones) != 1 or ones[0].flat or dim % ones[0].dim() != 1:
        return NotImplemented
    one = ones[0]
    before = sum(part.shape[1] for part in parts[: next(i for i, part in enumerate(parts) if part is one)])
    index, copies = one.map_index + before, len(one.map_index)
    if all(part is one or part.shape[0] == 1 or part.stride(0) == 0 for part in parts):
        base = torch.cat([one.base if part is one else part[:1] for part in parts], 1)
        return OneMap(base, one.own, index).knowing(one, before)
    result = torch.cat([one.base.expand(copies, *one.base.shape[1:]) if part is one else part for part in parts], 1)
    result[torch.arange(copies, device=result.device), index] = one.own[:, 0]
    return result


def _viewed(func: Any, args: Any, kwargs: Any) -> Any:
    """Another shape that keeps copies and maps apart, or that puts maps and positions on one axis."""
    one, size = args[0], list(args[1])
    if not isinstance(one, OneMap):
        return NotImplemented
    if -1 in size:
        size[size.index(-1)] = one.numel() // -prod(size)
    copies, maps = len(one.map_index), one.base.shape[1]
    if size == list(one.shape):
        return OneMap.view_of(one.content, one.map_index, one.rest, flat=one.flat).knowing(one)
    if not one.flat and size[:2] == [copies, maps]:
        return OneMap.view_of(one.content, one.map_index, tuple(size[2:])).knowing(one)
    if not one.flat and size == [copies, one.numel() // copies]:
        return OneMap.view_of(one.content, one.map_index, (prod(one.rest),), flat=True).knowing(one)
    return NotImplemented


def _aliased(func: Any, args: Any, kwargs: Any) -> Any:
    """A view of the same shape."""
    return _viewed(func, (args[0], args[0].shape), {})


def _squeezed(func: Any, args: Any, kwargs: Any) -> Any:
    """Without some axes of rows or columns of length one."""
    one = args[0]
    dims = [args[1]] if isinstance(args[1], int) else list(args[1])
    dims = [dim % one.dim() for dim in dims]
    if min(dims, default=0) < 2:
        return NotImplemented
    return _viewed(func, (one, [n for axis, n in enumerate(one.shape) if axis not in dims or n != 1]), {})


RULES |= {
    **dict.fromkeys(ELEMENTWISE, _alone),
    **dict.fromkeys(PLANAR, _planar),
    **dict.fromkeys(PAIRWISE, _paired),
    **dict.fromkeys(REDUCTIONS, _reduced),
    **dict.fromkeys(VIEWS, _viewed),
    aten.constant_pad_nd: _padded,
    aten.detach: _aliased,
    aten.alias: _aliased,
    aten.squeeze: _squeezed,
    aten.cat: _joined,
    aten.batch_norm: _normed,
    aten.native_batch_norm: _normed,
    aten._native_batch_norm_legit_no_training: _normed,
    aten.cudnn_batch_norm: _normed,
    aten.miopen_batch_norm: _normed,
    aten.convolution: mixing.convolved,
    aten.linear: mixing.linear,
    aten.addmm: mixing.addmm,
    aten.mm: mixing.mm,
}
