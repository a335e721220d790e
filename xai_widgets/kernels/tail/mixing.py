"""Convolutions and linear layers that mix maps, of copies that differ in one map each.

They are linear. With the image's maps A (1 c ...), and of copy j the map A'_j in the place of map i = map_index[j],

    layer(copy j) = layer(A) + W_i (A'_j - A_i)

where W_i is the part of the weights that reads map i. The first term is computed once for all copies.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from xai_widgets.kernels.home import home
from xai_widgets.kernels.tail.onemap import OneMap

DOMINANT = 1e3  # a map that is so much larger than all others is not corrected for: few correct digits would be left
GATHERED = 32 * 2**20  # bytes of a linear layer's weights that are gathered at once


class Convolution(NamedTuple):
    """The arguments of `aten.convolution`.

    Attributes:
        weight: (o, c / groups, rows, columns).
        bias: (o).
        stride, padding, dilation: of rows and columns, or one for both.
    """

    weight: Any
    bias: Tensor | None
    stride: list[int]
    padding: list[int]
    dilation: list[int]
    transposed: bool
    output_padding: list[int]
    groups: int


def convolved(func: Any, args: Any, kwargs: Any) -> Any:
    """A convolution over rows and columns: of each map alone, or of all maps."""
    one, conv = args[0], Convolution(*args[1:])
    if not isinstance(one, OneMap) or one.flat or one.base.dim() != 4:
        return NotImplemented
    if conv.transposed or isinstance(conv.weight, OneMap):
        return NotImplemented
    if conv.groups == one.base.shape[1] == len(conv.weight):
        return _convolved_apart(func, one, conv)
    if conv.groups == 1 and _can_be_corrected(one, conv.weight):
        return _convolved_together(func, one, conv)
    return NotImplemented


def _convolved_apart(func: Any, one: OneMap, conv: Convolution) -> OneMap:
    """One kernel for each map. The changed maps of all copies stand beside each other as the maps of one image."""
    copies = len(one.map_index)
    weight = conv.weight.index_select(0, one.map_index)  # (b 1 rows columns)
    bias = None if conv.bias is None else conv.bias.index_select(0, one.map_index)  # (b)
    own = func(one.own.transpose(0, 1), *conv._replace(weight=weight, bias=bias, groups=copies))  # (1 b ...)
    return one.like(func(one.base, *conv), own.transpose(0, 1))


def _convolved_together(func: Any, one: OneMap, conv: Convolution) -> Float[Tensor, "b o y x"]:
    """conv(copy j) = conv(A) + W_i * (A'_j - A_i), i = map_index[j]."""
    stride, padding, dilation = (tuple(some) * (2 // len(some)) for some in (conv.stride, conv.padding, conv.dilation))
    of_image = func(one.base, *conv)  # (1 o y x)
    flat = of_image.flatten(2)  # (1 o yx)
    change = one.own - one.replaced  # (b 1 h w)
    weight = conv.weight.index_select(1, one.map_index).transpose(0, 1).flatten(2)  # (b o rows*columns)
    if weight.shape[2] == 1 and not any(padding):  # a kernel of 1 x 1: a product
        columns = change[..., :: stride[0], :: stride[1]].flatten(2)  # (b 1 yx)
        result = torch.addcmul(flat, weight, columns)
    else:
        columns = F.unfold(change, conv.weight.shape[2:], dilation, padding, stride)  # (b rows*columns yx)
        result = torch.baddbmm(flat.expand(len(one.map_index), -1, -1), weight, columns)
    return result.unflatten(2, of_image.shape[2:])


def linear(func: Any, args: Any, kwargs: Any) -> Any:
    """Of `aten.linear`: input, weight (o i), bias (o)."""
    return _linear(args[0], args[1], args[2] if len(args) > 2 else kwargs.get("bias"))


def addmm(func: Any, args: Any, kwargs: Any) -> Any:
    """Of `aten.addmm`: bias, input, weight (i o)."""
    bias, one, weight = args
    return NotImplemented if kwargs or bias.dim() != 1 else _linear(one, weight.t(), bias)


def mm(func: Any, args: Any, kwargs: Any) -> Any:
    """Of `aten.mm`: input, weight (i o)."""
    return NotImplemented if isinstance(args[1], OneMap) else _linear(args[0], args[1].t(), None)


def _linear(one: Any, weight: Float[Tensor, "o i"], bias: Tensor | None) -> Any:
    """A linear layer on maps and positions on one axis: layer(A) + W_i (A'_j - A_i), i = map_index[j]."""
    if not isinstance(one, OneMap) or one.dim() != 2 or isinstance(weight, OneMap) or isinstance(bias, OneMap):
        return NotImplemented
    if not _can_be_corrected(one, weight):
        return NotImplemented
    result = F.linear(one.base.flatten(1), weight, bias).repeat(len(one.map_index), 1)  # (b o)
    change = (one.own - one.replaced).flatten(1)  # (b s), of s positions a map
    if change.shape[1] == 1:
        return result.addcmul_(change, weight.index_select(1, one.map_index).T)
    blocks = weight.unflatten(1, (one.base.shape[1], -1))  # (o c s)
    size = max(1, GATHERED // max(1, blocks[:, 0].nbytes))
    places, done = one.places, 0
    for some_change, some_index, some_result in zip(
        change.split(size), one.map_index.split(size), result.split(size), strict=True
    ):
        chosen = _blocks_of(blocks, some_index, places[done : done + size]).permute(1, 2, 0)  # (b s o)
        some_result += torch.bmm(some_change[:, None], chosen)[:, 0]
        done += size
    return result


def _blocks_of(blocks: Float[Tensor, "o c s"], index: Int[Tensor, " b"], places: list[int]) -> Float[Tensor, "o b s"]:
    """The weights that read some maps; without a copy where these maps follow each other."""
    if places == list(range(places[0], places[0] + len(places))):
        return blocks.narrow(1, places[0], len(places))
    return blocks.index_select(1, index)


def _can_be_corrected(one: OneMap, weight: Tensor) -> bool:
    """Are all maps finite, and is no replaced map so large that all others vanish beside it?"""
    places, known = one.places, one.known
    assert known is not None
    layer = weight.data_ptr(), tuple(one.base.shape)
    key = layer, known.turns[layer]
    known.turns[layer] += 1
    if key not in known.fits:
        known.fits[key] = _fits(one.base)
    return all(known.fits[key][place] for place in places)


def _fits(base: Float[Tensor, "1 c *rest"]) -> list[bool]:
    """Of each map of the image, whether copies without it can be corrected for it."""
    (largest,) = home(base.abs().flatten(2).amax(2)[0] if base.dim() > 2 else base.abs()[0])  # (c)
    first, *second = largest.topk(min(2, len(largest)))[0].tolist()
    others = torch.where(largest == first, second[0] if second else 0.0, first)
    small = (largest <= DOMINANT * others) | (largest == 0)
    return (small & largest.isfinite().all()).tolist()
