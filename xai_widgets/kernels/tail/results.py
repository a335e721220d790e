"""What modules and networks return: the tensors in it, copies of it, and whether two of them are alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from copy import copy
from math import frexp
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

SIMPLE = (type(None), bool, int, float, complex, str, bytes, torch.dtype, torch.device, torch.layout)
# Of the largest magnitude: what another batch size may change by rounding.
ROUNDING = {torch.float64: 1e-9, torch.float32: 1e-4, torch.float16: 2e-2, torch.bfloat16: 1e-1}


def tensors_of(value: Any, depth: int = 3) -> Iterator[Tensor]:
    """All tensors, also those in the attributes of an object that is no pytree."""
    for leaf in tree_leaves(value):
        if isinstance(leaf, Tensor):
            yield leaf
        elif depth and not isinstance(leaf, SIMPLE) and not callable(leaf) and hasattr(leaf, "__dict__"):
            yield from tensors_of(list(vars(leaf).values()), depth - 1)


def unit_of(maps: Tensor) -> float:
    """A power of two about as large as the largest value, so that probes of that size lose nothing to rounding."""
    most = min(1e6, torch.finfo(maps.dtype).max / 64)  # so that 64 times as much is still finite
    largest = float(torch.nan_to_num(maps.abs().amax(), nan=1.0, posinf=most))
    return float(2.0 ** frexp(min(max(largest, 1e-3), most))[1])


def storage_bytes(tensors: Iterable[Tensor]) -> int:
    """Bytes of memory behind some tensors, each storage once. Sparse tensors, which have none, are left out."""
    storages = [tensor.untyped_storage() for tensor in tensors if tensor.layout is torch.strided]
    return sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values())


def is_opaque(leaf: Any) -> bool:
    """Is it something whose copies for other images cannot be made?"""
    return not isinstance(leaf, (Tensor, *SIMPLE))


def copied(value: Any) -> Any:
    """A copy of each tensor, without its gradient."""
    return tree_map(lambda leaf: leaf.detach().clone() if isinstance(leaf, Tensor) else leaf, value)


def ordinary(value: Any, depth: int = 3) -> Any:
    """A result whose tensors may be part of a gradient: those that were made in inference mode are copied."""

    def leaf_of(leaf: Any) -> Any:
        if isinstance(leaf, Tensor):
            return leaf.clone() if leaf.is_inference() else leaf
        if not depth or isinstance(leaf, SIMPLE) or callable(leaf) or not hasattr(leaf, "__dict__"):
            return leaf
        other = copy(leaf)
        vars(other).update({name: ordinary(part, depth - 1) for name, part in vars(leaf).items()})
        return other

    return tree_map(leaf_of, value)


def of_image(value: Any, axes: list[int | None], index: int, count: int) -> Any:
    """The part of one image in what was computed for `count` images.

    Args:
        axes: the batch axis of each leaf (None: it has none); leaves beyond the list have that of the first.
    """
    following = iter(axes)

    def part(leaf: Any) -> Any:
        axis = next(following, axes[0] if axes else None)
        if not isinstance(leaf, Tensor) or axis is None or axis >= leaf.dim() or leaf.shape[axis] % count:
            return leaf
        rows = leaf.shape[axis] // count  # windows: several rows an image
        return leaf.narrow(axis, index * rows, rows)

    return tree_map(part, value)


def with_leaf(output: Any, leaf: int, tensor: Tensor) -> Any:
    """`output` with one of its leaves replaced."""
    count = iter(range(1_000_000))
    return tree_map(lambda value: tensor if next(count) == leaf else value, output)


def stand_in(leaf: Any) -> Any:
    """A tensor of zeros of that shape without memory, in the place of one that nothing reads."""
    return leaf.new_zeros(()).expand(leaf.shape) if isinstance(leaf, Tensor) else leaf


def spread(tensor: Tensor, axis: int, count: int) -> Tensor:
    """`count` copies along the batch axis; images that fill several rows (windows) stay together."""
    if count == 1 or axis >= tensor.dim():
        return tensor
    if tensor.shape[axis] == 1:
        sizes = [-1] * tensor.dim()
        sizes[axis] = count
        return tensor.expand(sizes)
    copies = tensor.unsqueeze(axis)
    sizes = [-1] * copies.dim()
    sizes[axis] = count
    return copies.expand(sizes).flatten(axis, axis + 1)


def rows_are(both: Any, ones: tuple[Any, Any], tolerance: float) -> bool:
    """Is each row of a result for two images that of the image alone? What has no row for each image is left out.

    The images lie along the axis that has two places for two images and one for one, such as the second of the state
    that a recurrent layer returns; a network may leave that axis out for a single image.
    """
    for index, one in enumerate(ones):
        for leaf, alone in zip(tensors_of(both), tensors_of(one), strict=False):
            axis = _axis_of_two(tuple(leaf.shape), tuple(alone.shape))
            if axis is not None and not same(leaf.select(axis, index).flatten(), alone.flatten(), tolerance):
                return False
    return True


def _axis_of_two(both: tuple[int, ...], one: tuple[int, ...]) -> int | None:
    """The axis of two images, from the shapes of a result for two and for one; None where there is none."""
    if len(both) == len(one):
        differ = [axis for axis, sizes in enumerate(zip(both, one, strict=True)) if sizes[0] != sizes[1]]
        return differ[0] if len(differ) == 1 and (both[differ[0]], one[differ[0]]) == (2, 1) else None
    squeezed = tuple(size for size in one if size != 1)
    return 0 if both and both[0] == 2 and tuple(size for size in both[1:] if size != 1) == squeezed else None


def same(a: Any, b: Any, tolerance: float) -> bool:
    """Do the floating-point tensors of two results differ by no more than a share of their largest magnitude?"""
    left, right = list(tensors_of(a)), list(tensors_of(b))
    if len(left) != len(right):
        return False
    for x, y in zip(left, right, strict=True):
        if not x.is_floating_point():
            continue
        if x.shape != y.shape:
            return False
        if torch.equal(x, y):
            continue
        scale = max(float(torch.nan_to_num(y, posinf=0, neginf=0).abs().max()), 1e-3) if y.numel() else 1.0
        if not bool(torch.isclose(x, y, rtol=0.0, atol=tolerance * scale, equal_nan=True).all()):
            return False
    return True
