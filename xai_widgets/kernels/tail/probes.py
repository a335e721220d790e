"""Do the positions of a layer lie where they are in the image? Tried with noise in one patch of the input at a time.

Of each probe the centroid of what it changes is compared with where the probe was: Spearman's correlation must be at
least 0.8 on both axes. And what changes most must lie where the probe was. Where one image leaves this open, as with an
attention that carries a part of every change everywhere, the changes are summed over a few.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional
from torch.utils._pytree import tree_leaves

from xai_widgets.kernels import draws
from xai_widgets.kernels.ranks import rank_correlation
from xai_widgets.kernels.tail.calls import Key, Pass
from xai_widgets.kernels.tail.layouts import Layout
from xai_widgets.kernels.tail.shell import Shell

AGREES = 0.8  # the least rank correlation of centroids and probes
HOPE = 0.4  # below it, more images are not tried
MOVES = (0.6, 1.5)  # the slope of where the change is strongest against where the probe was
ASIDE = 1 / 8  # the most that all changes may lie beside their probes, as a share of the image
SIDE = 4  # probes on a grid of 4 x 4
MOVED = 3 * SIDE * SIDE // 4  # of these the least that have to change something
FINE = 8  # from so many rows or columns on, tokens that are permuted within a half of them would pass the first round
BASES = 4  # the image, and images of noise
PIXELS = 16 * 224 * 224  # of probes in one pass


class Patch(NamedTuple):
    """A part of the input, in pixels."""

    top: int
    left: int
    bottom: int
    right: int


class _Reached(BaseException):
    """Ends a pass once the layer was reached. It is no Exception, since a network may catch those."""


class _Until(Pass):
    """A pass that goes no further than one call of one module."""

    def __init__(self, target: Key) -> None:
        super().__init__()
        self.target = target
        self.output: Any = None

    def call(self, name: str, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        key = self.next_key(name)
        output = forward(*args, **kwargs)
        if key == self.target:
            self.output = output
            raise _Reached
        return output


@dataclass
class _Probes:
    """What noise in a patch changes, on the image and on images of noise; each pass is made once."""

    shell: Shell
    target: Key
    leaf: int
    layouts: list[Layout]
    bases: list[Tensor]  # (1 c h w) each
    generator: torch.Generator
    seen: dict[tuple[Patch, int], list[Tensor]] = field(default_factory=dict)

    def changes(self, part: Patch, number: int) -> list[Float[Tensor, "probes h w"]]:
        """For each layout, where the 16 probes of a part change the maps: of each the sum is 1, or 0 where it is dead.

        Args:
            number: of the bases over which the changes are summed.
        """
        for index in range(number):
            if (part, index) not in self.seen:
                self.seen[part, index] = self._on(self.bases[index], _grid_of(part))
        return [torch.stack(some).sum(0) for some in zip(*(self.seen[part, i] for i in range(number)), strict=True)]

    def _on(self, base: Float[Tensor, "1 c h w"], patches: list[Patch]) -> list[Tensor]:
        size = max(1, min(len(patches), PIXELS // (base.shape[-2] * base.shape[-1])))
        found = [
            torch.zeros(len(patches), one.height, one.width, dtype=torch.float64, device="cpu") for one in self.layouts
        ]
        for strength in (1.0, 4.0):  # a probe that changes nothing is replaced by a stronger one
            dead = ~torch.stack([change.flatten(1).any(1) for change in found]).any(0)
            missing = dead.nonzero()[:, 0].tolist()
            for start in range(0, len(missing), size):
                some = missing[start : start + size]
                images = [base, *(_filled(base, patches[index], self.generator, strength) for index in some)]
                output = _output(self.shell, self.target, self.leaf, torch.cat(images))
                for layout, change in zip(self.layouts, found, strict=True):
                    change[some] = _change(layout.maps(output))
        return found


def placed_layout(shell: Shell, target: Key, leaf: int, layouts: list[Layout], inputs: Tensor) -> Layout | None:
    """The first of some layouts in which the positions follow the probes; None if none does.

    Args:
        leaf: which leaf of the layer's output holds the maps.
        inputs: (n ...), of which the first image is taken.
    """
    if inputs.dim() != 4 or min(inputs.shape[-2:]) < SIDE:
        return None
    whole = Patch(0, 0, inputs.shape[-2], inputs.shape[-1])
    generator, image = draws.seeded(0), inputs[:1].detach()
    bases = [image, *(_filled(image, whole, generator, 1.0) for _ in range(BASES - 1))]
    probes = _Probes(shell, target, leaf, layouts, bases, generator)
    part: Patch | None = whole
    while part is not None:
        for number in range(1, BASES + 1):
            followed = [_follows(probes, index, part, number) for index in range(len(layouts))]
            for layout, agreement in zip(layouts, followed, strict=True):
                if agreement >= AGREES:
                    return layout
            if number > 1 and max(followed) < HOPE:
                break
        part = _heard(probes, part)
    return None


def _grid_of(part: Patch) -> list[Patch]:
    """The 4 x 4 patches of a part of the input."""
    ends = ((part.top, part.bottom), (part.left, part.right))
    rows, columns = ([a + (b - a) * i // SIDE for i in range(SIDE + 1)] for a, b in ends)
    return [Patch(rows[i], columns[j], rows[i + 1], columns[j + 1]) for i in range(SIDE) for j in range(SIDE)]


def _heard(probes: _Probes, part: Patch) -> Patch | None:
    """Where a network hears a part of the image alone, that part; else none.

    Probes that change nothing are replaced by probes in there.
    """
    number = min(2, BASES)
    moved = torch.stack([change.flatten(1).any(1) for change in probes.changes(part, number)]).any(0).tolist()
    patches = [patch for patch, one in zip(_grid_of(part), moved, strict=True) if one]
    if not patches or len(patches) >= MOVED:
        return None
    tops, lefts, bottoms, rights = zip(*patches, strict=True)
    heard = Patch(min(tops), min(lefts), max(bottoms), max(rights))
    return heard if heard != part and min(_size(heard)) >= SIDE else None


def _follows(probes: _Probes, index: int, part: Patch, number: int) -> float:
    """How well the changes of one layout lie where the probes were, as `_agreement`; within a half of each axis too.

    From 8 rows or columns on, tokens that are permuted within a half of them would pass the first round.
    """
    layout, image = probes.layouts[index], _size_of(probes.bases[0])
    agreement = _agreement(layout, probes.changes(part, number)[index], part, image)
    sizes = zip(_positions(layout, part, image), _size(part), strict=True)
    height, width = (size // 2 if cells >= FINE and size >= 2 * SIDE else size for cells, size in sizes)
    inner = Patch(part.top, part.left, part.top + height, part.left + width)
    if agreement < AGREES or inner == part:
        return agreement
    return min(agreement, _agreement(layout, probes.changes(inner, number)[index], inner, image))


def _size(part: Patch) -> tuple[int, int]:
    return part.bottom - part.top, part.right - part.left


def _size_of(image: Tensor) -> tuple[int, int]:
    return image.shape[-2], image.shape[-1]


def _positions(layout: Layout, part: Patch, image: tuple[int, int]) -> tuple[float, float]:
    """How many rows and columns of the maps lie in a part of the input."""
    rows, columns = (size / whole for size, whole in zip(_size(part), image, strict=True))
    return layout.height * rows, layout.width * columns


def _output(shell: Shell, target: Key, leaf: int, images: Tensor) -> Tensor:
    """What a call returns for some images."""
    until = _Until(target)
    try:
        with torch.no_grad(), shell.running(until) as network:
            network(images)
    except _Reached:
        pass
    output: Tensor = tree_leaves(until.output)[leaf]
    return output


def _change(maps: Float[Tensor, "images c h w"]) -> Float[Tensor, "probes h w"]:
    """Where each probe changed the maps, beside the first image, which has no probe: shares of the whole change."""
    change = (maps[1:].float() - maps[:1].float()).abs().sum(1)
    change = change.to("cpu", torch.float64)
    mass = change.sum((1, 2), keepdim=True)
    return torch.where((mass > 0) & mass.isfinite(), change / mass, 0.0)


def _agreement(layout: Layout, change: Float[Tensor, "probes h w"], part: Patch, image: tuple[int, int]) -> float:
    """The rank correlation of centroids and probes, of the axis where it is less; less where the change lies elsewhere.

    The centroids are those of the change within the part. And the change must be strongest where the probe was, since
    centroids follow also where the image lies in several small copies beside each other, or is cut out of a larger one.
    """
    rows, columns = (
        slice(start * count // whole, -(-end * count // whole))
        for start, end, count, whole in zip(part[:2], part[2:], change.shape[1:], image, strict=True)
    )
    inside = change[:, rows, columns]
    moved = inside.flatten(1).any(1)
    if int(moved.sum()) < MOVED:
        return -1.0
    strongest = _strongest(
        change[moved], round(SIDE * image[0] / _size(part)[0]), round(SIDE * image[1] / _size(part)[1])
    )
    worst, patches = 1.0, [patch for patch, one in zip(_grid_of(part), moved.tolist(), strict=True) if one]
    for axis, positions in enumerate((layout.height, layout.width)):
        if positions == 1:
            continue
        middles = [(patch[axis] + patch[axis + 2]) / (2 * image[axis]) for patch in patches]
        if _positions(layout, part, image)[axis] < SIDE:  # several probes share a position
            middles = [(int(middle * positions) + 0.5) / positions for middle in middles]
        expected = torch.tensor(middles, dtype=torch.float64, device="cpu")
        along = inside[moved].sum(2 - axis)  # (probes, positions)
        centroid = (along * torch.arange(along.shape[1], device="cpu")).sum(1) / along.sum(1)
        from_mean = expected - expected.mean()
        slope = float((from_mean * strongest[:, axis]).sum() / from_mean.square().sum())
        aside = abs(float((strongest[:, axis] - expected).mean()))
        if not (slope <= MOVES[1] and aside <= ASIDE):
            return -1.0
        worst = min(worst, float(rank_correlation(centroid, expected)), AGREES * slope / MOVES[0])
    return worst


def _strongest(change: Float[Tensor, "probes h w"], rows: int, columns: int) -> Float[Tensor, "probes 2"]:
    """The cell, about as large as a probe, with the strongest change, as shares of height and width."""
    height, width = min(change.shape[1], rows), min(change.shape[2], columns)
    largest = functional.adaptive_avg_pool2d(change, (height, width)).flatten(1).argmax(1)
    return torch.stack([(largest // width + 0.5) / height, (largest % width + 0.5) / width], 1).double()


def _filled(image: Float[Tensor, "1 c h w"], patch: Patch, generator: torch.Generator, strength: float) -> Tensor:
    """The image with noise of its own range in a patch."""
    low, high = image.amin(), image.amax()
    spread = torch.where(high > low, high - low, torch.ones_like(high))
    channels, height, width = image.shape[1], patch.bottom - patch.top, patch.right - patch.left
    fine = draws.uniform((1, channels, height, width), generator, image)
    coarse = draws.uniform((1, channels, 1, 1), generator, image)  # else little is left where patches are averaged
    noise = (low + high) / 2 + strength * spread * ((fine + coarse) / 2 - 0.5)
    filled = image.clone()
    filled[:, :, patch.top : patch.bottom, patch.left : patch.right] = noise
    return filled
