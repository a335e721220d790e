"""What a function does to copies that differ in one map each: `NotImplemented` where they have to be written out."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F
from torch.utils._pytree import tree_leaves

from xai_widgets.kernels.tail.onemap import PAIRWISE, RULES, OneMap

aten = torch.ops.aten
DOMINANT = 1e3  # a map so much larger than all others is not corrected for: little would be left of the digits
GATHERED = 32 * 2**20  # bytes of a linear layer's weights that are gathered at once

# Each place of each map alone; further arguments are numbers.
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
    """What looks at each place of each map alone."""
    one, *rest = args
    if not isinstance(one, OneMap) or any(isinstance(leaf, Tensor) for leaf in tree_leaves((rest, kwargs))):
        return NotImplemented
    if kwargs.get("memory_format") is not None:
        kwargs = {**kwargs, "memory_format": torch.preserve_format}
    return one.like(func(one.base, *rest, **kwargs), func(one.own, *rest, **kwargs))


def _planar(func: Any, args: Any, kwargs: Any) -> Any:
    """What looks at each map alone, over its rows and columns."""
    one, *rest = args
    if not isinstance(one, OneMap) or one.flat or one.base.dim() != 4:
        return NotImplemented
    base, own = func(one.base, *rest, **kwargs), func(one.own, *rest, **kwargs)
    if isinstance(base, Tensor):
        return one.like(base, own)
    return tuple(one.like(a, b) for a, b in zip(base, own, strict=True))


def _padded(func: Any, args: Any, kwargs: Any) -> Any:
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
    """Two operands, each a number, these copies, or a tensor that is the same for all copies."""
    one = next(value for value in args[:2] if isinstance(value, OneMap))
    if one.flat:
        return NotImplemented
    sides = [_sides(value, one) for value in args[:2]]
    if any(side is None for side in sides):
        return NotImplemented
    (a, c), (b, d) = sides  # type: ignore[misc]
    return one.like(func(a, b, *args[2:], **kwargs), func(c, d, *args[2:], **kwargs))


def _sides(value: Any, one: OneMap) -> tuple[Any, Any] | None:
    """What an operand is beside the image's tensor, and beside each copy's own map; None where it cannot be split."""
    if isinstance(value, OneMap):
        alike = value.base.dim() == one.base.dim() and value.base.shape[1] == one.base.shape[1] and not value.flat
        return (value.base, value.own) if alike and _same_index(value, one) else None
    if not isinstance(value, Tensor) or value.dim() == 0:
        return value, value
    if value.dim() > one.dim():
        return None
    value = value[(None,) * (one.dim() - value.dim())]
    if value.shape[0] != 1 and value.stride(0) != 0:
        return None
    value = value[:1]
    if value.shape[1] == 1:
        return value, value
    if value.shape[1] != one.base.shape[1]:
        return None
    return value, value[0].index_select(0, one.which)[:, None]


def _same_index(a: OneMap, b: OneMap) -> bool:
    return a.which is b.which or (a.which.shape == b.which.shape and bool((a.which == b.which).all()))


def _normed(func: Any, args: Any, kwargs: Any) -> Any:
    """Batch norm in eval mode; the changed maps of all copies stand beside each other as the maps of one image."""
    one, weight, bias, mean, variance = args[:5]
    flags = [value for value in (*args[5:], *kwargs.values()) if isinstance(value, bool)]
    numbers = [value for value in (*args[5:], *kwargs.values()) if isinstance(value, float)]
    in_training = func.overloadpacket is not aten._native_batch_norm_legit_no_training and (not flags or flags[0])
    if not isinstance(one, OneMap) or one.flat or mean is None or variance is None or in_training or len(numbers) < 2:
        return NotImplemented

    def norm(x: Tensor, chosen: Callable[[Tensor | None], Tensor | None]) -> Tensor:
        parts = [chosen(part) for part in (weight, bias, mean, variance)]
        return torch.batch_norm(x, *parts, False, 0.0, numbers[1], torch.backends.cudnn.enabled)  # type: ignore

    base = norm(one.base, lambda part: part)
    own = norm(one.own.transpose(0, 1), lambda part: None if part is None else part.index_select(0, one.which))
    found = one.like(base, own.transpose(0, 1))
    count = len(func._schema.returns)
    return found if count == 1 else (found, *(one.base.new_empty(0) for _ in range(count - 1)))


def _joined(func: Any, args: Any, kwargs: Any) -> Any:
    """Beside the maps of tensors that are the same for all copies."""
    parts = list(args[0])
    dim = args[1] if len(args) > 1 else kwargs.get("dim", 0)
    ones = [part for part in parts if isinstance(part, OneMap)]
    if len(ones) != 1 or ones[0].flat or dim % ones[0].dim() != 1:
        return NotImplemented
    one = ones[0]
    start = sum(part.shape[1] for part in parts[: next(i for i, part in enumerate(parts) if part is one)])
    index, copies = one.which + start, len(one.which)
    if all(part is one or part.shape[0] == 1 or part.stride(0) == 0 for part in parts):
        return OneMap(torch.cat([one.base if part is one else part[:1] for part in parts], 1), one.own, index)
    whole = torch.cat([one.base.expand(copies, *one.base.shape[1:]) if part is one else part for part in parts], 1)
    whole[torch.arange(copies, device=whole.device), index] = one.own[:, 0]
    return whole


def _viewed(func: Any, args: Any, kwargs: Any) -> Any:
    """Another shape that keeps copies and maps apart, or that lays maps and places on one axis."""
    one, size = args[0], list(args[1])
    if not isinstance(one, OneMap):
        return NotImplemented
    if -1 in size:
        size[size.index(-1)] = one.numel() // -prod(size)
    copies, maps = len(one.which), one.base.shape[1]
    if size == list(one.shape):
        return OneMap.on(one.cell, one.which, one.rest, flat=one.flat)
    if not one.flat and size[:2] == [copies, maps]:
        return OneMap.on(one.cell, one.which, tuple(size[2:]))
    if not one.flat and size == [copies, one.numel() // copies]:
        return OneMap.on(one.cell, one.which, (prod(one.rest),), flat=True)
    return NotImplemented


def _aliased(func: Any, args: Any, kwargs: Any) -> Any:
    return _viewed(func, (args[0], args[0].shape), {})


def _squeezed(func: Any, args: Any, kwargs: Any) -> Any:
    one = args[0]
    dims = [args[1]] if isinstance(args[1], int) else list(args[1])
    dims = [dim % one.dim() for dim in dims]
    if min(dims, default=0) < 2:
        return NotImplemented
    return _viewed(func, (one, [n for axis, n in enumerate(one.shape) if axis not in dims or n != 1]), {})


def _convolved(func: Any, args: Any, kwargs: Any) -> Any:
    """Linear: that of the image, corrected by the difference of the one map that a copy has changed."""
    one, weight, bias, stride, padding, dilation, transposed, extra, groups = args
    if not isinstance(one, OneMap) or one.flat or one.base.dim() != 4 or transposed or isinstance(weight, OneMap):
        return NotImplemented
    copies, maps = len(one.which), one.base.shape[1]
    if groups == maps == len(weight):
        kernels, levels = (None if part is None else part.index_select(0, one.which) for part in (weight, bias))
        side = (stride, padding, dilation, transposed, extra)
        own = func(one.own.transpose(0, 1), kernels, levels, *side, copies).transpose(0, 1)
        return one.like(func(one.base, *args[1:]), own)
    if groups != 1:
        return NotImplemented
    if not _can_be_corrected(one):
        return NotImplemented
    stride, padding, dilation = (tuple(some) * (2 // len(some)) for some in (stride, padding, dilation))
    base = func(one.base, *args[1:])
    change = one.own - one.before
    kernels = weight.index_select(1, one.which).transpose(0, 1).flatten(2)
    if kernels.shape[2] == 1 and not any(padding):
        columns = change[..., :: stride[0], :: stride[1]].flatten(2)
        return torch.addcmul(base.flatten(2), kernels, columns).unflatten(2, base.shape[2:])
    columns = F.unfold(change, weight.shape[2:], dilation, padding, stride)
    whole = torch.baddbmm(base.flatten(2).expand(copies, -1, -1), kernels, columns)
    return whole.unflatten(2, base.shape[2:])


def _can_be_corrected(one: OneMap) -> bool:
    """No map that is not finite, and none to be changed beside which all others vanish."""
    size = one.base.abs().flatten(2).amax(2)[0] if one.base.dim() > 2 else one.base.abs()[0]
    first, *second = size.topk(min(2, len(size)))[0].tolist()
    mine = size[one.which]
    others = torch.where(mine == first, second[0] if second else 0.0, first)
    return bool(torch.isfinite(size).all()) and bool(((mine <= DOMINANT * others) | (mine == 0)).all())


def _linear(one: Any, weight: Float[Tensor, "out i"], bias: Tensor | None) -> Any:
    """The same for a linear layer on maps and places on one axis."""
    if not isinstance(one, OneMap) or one.dim() != 2 or isinstance(weight, OneMap) or isinstance(bias, OneMap):
        return NotImplemented
    if not _can_be_corrected(one):
        return NotImplemented
    maps = one.base.shape[1]
    whole = F.linear(one.base.flatten(1), weight, bias).repeat(len(one.which), 1)
    change = (one.own - one.before).flatten(1)
    if change.shape[1] == 1:  # one place a map
        return whole.addcmul_(change, weight.index_select(1, one.which).T)
    blocks = weight.unflatten(1, (maps, -1))
    size = max(1, GATHERED // max(1, blocks[:, 0].nbytes))
    for some, index, part in zip(change.split(size), one.which.split(size), whole.split(size), strict=True):
        chosen = _consecutive(blocks, index)
        part += torch.bmm(some[:, None], chosen.permute(1, 2, 0))[:, 0]
    return whole


def _consecutive(blocks: Tensor, index: Tensor) -> Tensor:
    """The blocks of some maps; without a copy where they follow each other."""
    first, last = int(index[0]), int(index[-1])
    if last - first == len(index) - 1 and bool((index.diff() == 1).all()):
        return blocks.narrow(1, first, len(index))
    return blocks.index_select(1, index)


def _of_linear(func: Any, args: Any, kwargs: Any) -> Any:
    return _linear(args[0], args[1], args[2] if len(args) > 2 else kwargs.get("bias"))


def _of_addmm(func: Any, args: Any, kwargs: Any) -> Any:
    bias, one, weight = args
    return NotImplemented if kwargs or bias.dim() != 1 else _linear(one, weight.t(), bias)


def _of_mm(func: Any, args: Any, kwargs: Any) -> Any:
    return NotImplemented if isinstance(args[1], OneMap) else _linear(args[0], args[1].t(), None)


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
    aten.convolution: _convolved,
    aten.linear: _of_linear,
    aten.addmm: _of_addmm,
    aten.mm: _of_mm,
}
