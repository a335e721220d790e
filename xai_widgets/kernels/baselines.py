"""What a removed feature map becomes, other than zero: its mean over a set, or the map of another image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from xai_widgets.kernels import draws
from xai_widgets.kernels.checks import check_finite, check_tensor
from xai_widgets.kernels.precision import widest
from xai_widgets.kernels.tail import Replayable

Maps = Tensor | Replayable  # (n c h w), or a tail that holds them


def mean_baseline(images: Iterable[Maps] | Maps) -> Float[Tensor, " c"]:
    """One number for each map: its mean over all images and positions.

    Args:
        images: maps (n c h w), or tails that hold them, which may differ in size; or one of these.

    Raises:
        TypeError: no list of maps or tails.
        ValueError: no image, other axes, numbers of maps that differ, or a value that is not finite.
    """
    total, positions, like = None, 0, None
    for maps in _checked(images):
        like = maps if like is None else like
        some = maps.to(widest(maps.device)).sum((0, 2, 3))
        total = some if total is None else total + some
        positions += maps.numel() // maps.shape[1]
    if total is None or like is None:
        raise ValueError("a mean over a set needs at least one image, got none.")
    return (total / positions).to(like.dtype)


def resampled_baseline(others: Iterable[Maps] | Maps, *, generator: draws.Seed) -> Float[Tensor, "c h w"]:
    """Each map as a whole from another image, which is drawn for every map by itself.

    Args:
        others: the images to draw from, without the one that is explained; all of one size. Maps (n c h w), tails that
            hold them, or one of these.
        generator: a seed, or a generator on the CPU: one seed draws the same images wherever the maps are.

    Raises:
        TypeError: no list of maps or tails, or neither a seed nor a generator.
        ValueError: no image, other axes, sizes or numbers of maps that differ, a value that is not finite, or a
            generator that is not on the CPU.
    """
    generator = draws.generator_of(generator)
    sizes: list[tuple[int, ...]] = []
    images: list[Tensor] = []
    for maps in _checked(others):
        sizes.append(tuple(maps.shape[-2:]))
        if sizes[-1] != sizes[0]:
            raise ValueError(
                "maps of all images must have as many rows and columns, got "
                f"{sizes[0][0]} x {sizes[0][1]} and {sizes[-1][0]} x {sizes[-1][1]}."
            )
        images.append(maps)
    if not images:
        raise ValueError("resampling needs at least one other image, got none.")
    known = torch.cat(images)
    count = known.shape[1]
    drawn = draws.whole(len(known), (count,), generator, known.device)
    return known[drawn, torch.arange(count, device=known.device)]


def _checked(images: Iterable[Maps] | Maps) -> Iterator[Float[Tensor, "n c h w"]]:
    """The maps of each entry of a set."""
    if isinstance(images, Replayable) or (isinstance(images, Tensor) and images.dim() == 4):
        images = [images]
    if not isinstance(images, Iterable):
        raise TypeError(f"images must be a list of maps or of tails, got {type(images).__name__}.")
    count = None
    for index, image in enumerate(images):
        maps: Any = image if isinstance(image, Tensor) else getattr(image, "maps", image)
        name = f"maps of images (entry {index} of the set)"
        check_tensor(name, maps, ("images", "maps", "rows", "columns"))
        count = maps.shape[1] if count is None else count
        if maps.shape[1] != count:
            raise ValueError(f"all images must have as many maps, got {count} and {maps.shape[1]} at index {index}.")
        check_finite(name, maps)
        yield maps.detach()
