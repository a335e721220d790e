"""How the output of a layer is read as feature maps (n c h w): as it is, channels last, or a sequence of tokens."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import gcd

import torch
from torch import Tensor

KINDS = ("maps", "channels_last", "tokens")
PREFIXES = (0, 1, 2, 5)  # class token, distillation token, registers; other numbers have to be proved
MOST_PREFIX = 12  # or half of all tokens, where these are more


@dataclass(frozen=True)
class Layout:
    """Which axes of a layer's output are images, maps and positions.

    Attributes:
        kind: "maps" (n c h w), "channels_last" (n h w c) or "tokens" (a sequence with a token for each position).
        prefix: tokens without a position, before the others.
        batch_axis: of tokens, 0 or 1.
    """

    kind: str
    channels: int
    height: int
    width: int
    prefix: int = 0
    batch_axis: int = 0

    def maps(self, activation: Tensor) -> Tensor:
        """The feature maps (n c h w) of a layer's output."""
        if self.kind == "maps":
            return activation
        if self.kind == "channels_last":
            return activation.movedim(-1, 1)
        tokens = activation.movedim(self.batch_axis, 0)[:, self.prefix :]
        return tokens.transpose(1, 2).unflatten(2, (self.height, self.width))

    def activation(self, maps: Tensor, whole: Tensor) -> Tensor:
        """The layer's output for `maps` (m c h w); tokens without a position are those of `whole` (1 or m images)."""
        if self.kind == "maps":
            return maps
        if self.kind == "channels_last":
            return maps.movedim(1, -1)
        tokens = maps.flatten(2).transpose(1, 2)
        if self.prefix:
            first = whole.movedim(self.batch_axis, 0)[:, : self.prefix]
            tokens = torch.cat((first.expand(len(maps), -1, -1), tokens), 1)
        return tokens.movedim(0, self.batch_axis)

    def shape(self) -> tuple[int, ...]:
        """The shape of the layer's output for one image."""
        if self.kind == "maps":
            return 1, self.channels, self.height, self.width
        if self.kind == "channels_last":
            return 1, self.height, self.width, self.channels
        tokens = self.prefix + self.height * self.width
        return (1, tokens, self.channels) if self.batch_axis == 0 else (tokens, 1, self.channels)


def layouts_of(one: tuple[int, ...], two: tuple[int, ...], image: tuple[int, int]) -> list[Layout]:
    """All layouts that fit a layer's output, from its shapes for one and for two images of `image` (height, width).

    The likeliest first: in the proportions of the image, and with a number of other tokens that is common. Which of
    them is right, the shapes alone do not tell.
    """
    axis = batch_axis(one, two)
    if axis is None or one[axis] != 1:
        return []
    if len(one) == 4 and axis == 0:
        _, a, b, c = one
        maps, last = Layout("maps", a, b, c), Layout("channels_last", c, a, b)
        return [last, maps] if _fit(a, b, image) > _fit(b, c, image) and a * b > 1 else [maps, last]
    if len(one) == 3 and axis in (0, 1):
        return _of_tokens(one[1 - axis], one[2], axis, image)
    return []


def is_common(layout: Layout) -> bool:
    """Has it no tokens without a position, or a number of them that is common?"""
    return layout.prefix in PREFIXES


def fits(layout: Layout, image: tuple[int, int]) -> bool:
    """Are rows and columns in the proportions of the image, or what patches of some size leave of them?"""
    return bool(_fit(layout.height, layout.width, image))


def _of_tokens(tokens: int, channels: int, axis: int, image: tuple[int, int]) -> list[Layout]:
    """Every grid in the proportions of the image, with what is left before it: no more than half of all tokens."""
    most = max(MOST_PREFIX, tokens // 2)
    some = [(tokens - rows * columns, fit, rows, columns) for rows, columns, fit in _grids(image)]
    some = [one for one in some if 0 <= one[0] <= most and one[0] <= tokens - 4]
    some.sort(key=lambda one: (one[0] not in PREFIXES, -one[1], one[0]))
    taken: dict[int, Layout] = {}
    for prefix, _, rows, columns in some:
        taken.setdefault(prefix, Layout("tokens", channels, rows, columns, prefix, axis))
    return list(taken.values())


@lru_cache(maxsize=64)
def _grids(image: tuple[int, int]) -> tuple[tuple[int, int, int], ...]:
    """Rows and columns that fit an image, and how well: 2 for its proportions, 1 for patches cut off or filled up."""
    height, width = image
    part = gcd(height, width)
    found = {(height // part * step, width // part * step): 2 for step in range(1, part + 1)}
    for patch in range(1, min(image) + 1):
        found.setdefault((height // patch, width // patch), 1)
        found.setdefault((-(-height // patch), -(-width // patch)), 1)
    return tuple((rows, columns, fit) for (rows, columns), fit in found.items())


def _fit(rows: int, columns: int, image: tuple[int, int]) -> int:
    """2: the proportions of the image; 1: these when patches of some size are cut off or filled up; else 0."""
    if rows * image[1] == columns * image[0]:
        return 2
    return int(any((rows, columns) == (a, b) for a, b, _ in _grids(image)))


def batch_axis(one: tuple[int, ...], two: tuple[int, ...]) -> int | None:
    """The axis that doubles between one and two images; None where there is none."""
    if len(one) != len(two):
        return None
    axes = [axis for axis, (a, b) in enumerate(zip(one, two, strict=True)) if a != b]
    return axes[0] if len(axes) == 1 and two[axes[0]] == 2 * one[axes[0]] else None
