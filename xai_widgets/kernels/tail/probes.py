"""Do the positions of a layer lie where they are in the image? Tried with noise in one patch of the input at a time.

Of each probe the centroid of what it changes is compared with where the probe was: Spearman's correlation must be at
least 0.8 on both axes. And what changes most must lie where the probe was.
"""

from __future__ import annotations

from collections.abc import Callable
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
MOVES = 0.6  # the least slope of where the change is strongest against where the probe was
SIDE = 4  # probes on a grid of 4 x 4
FINE = 8  # from so many rows and columns on, tokens that are permuted within a quadrant would pass the first round
PIXELS = 16 * 224 * 224  # of probes in one pass


class Patch(NamedTuple):
    """A part of the input, in pixels."""

    top: int
    left: int
    bottom: int
    right: int


class Change(NamedTuple):
    """Where a probe changed the maps, as shares of their height and width.

    Attributes:
        centroid: of the summed absolute change, (2): row and column.
        strongest: the cell, as large as a probe, with the strongest mean change, (2).
    """

    centroid: Tensor
    strongest: Tensor


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


def placed_layout(shell: Shell, target: Key, leaf: int, layouts: list[Layout], inputs: Tensor) -> Layout | None:
    """The first of some layouts in which the positions follow the probes, on the image or on noise; None if none does.

    Args:
        leaf: which leaf of the layer's output holds the maps.
        inputs: (n ...), of which the first image is taken.
    """
    if inputs.dim() != 4 or min(inputs.shape[-2:]) < SIDE:
        return None
    height, width = inputs.shape[-2:]
    whole, quadrant = Patch(0, 0, height, width), Patch(0, 0, height // 2, width // 2)
    generator = draws.seeded(0)
    image = inputs[:1].detach()
    for base in (image, _filled(image, whole, generator, 1.0)):
        passed = _following(shell, target, leaf, layouts, base, _grid_of(whole), generator)
        fine = [layout for layout in passed if min(layout.height, layout.width) >= FINE]
        if fine and min(height, width) >= 2 * SIDE:
            again = _following(shell, target, leaf, fine, base, _grid_of(quadrant), generator)
            passed = [layout for layout in passed if layout not in fine or layout in again]
        if passed:
            return passed[0]
    return None


def _grid_of(part: Patch) -> list[Patch]:
    """The 4 x 4 patches of a part of the input."""
    ends = ((part.top, part.bottom), (part.left, part.right))
    rows, columns = ([a + (b - a) * i // SIDE for i in range(SIDE + 1)] for a, b in ends)
    return [Patch(rows[i], columns[j], rows[i + 1], columns[j + 1]) for i in range(SIDE) for j in range(SIDE)]


def _following(
    shell: Shell,
    target: Key,
    leaf: int,
    layouts: list[Layout],
    base: Float[Tensor, "1 c h w"],
    patches: list[Patch],
    generator: torch.Generator,
) -> list[Layout]:
    """The layouts in which the change of each probe lies where the probe was."""
    changes: list[dict[int, Change]] = [{} for _ in layouts]  # for each layout, by the index of the probe
    image = (base.shape[-2], base.shape[-1])
    cells = round(SIDE * image[0] / (patches[-1].bottom - patches[0].top))  # a side, so that a cell is as a probe
    size = max(1, min(len(patches), PIXELS // (image[0] * image[1])))
    for strength in (1.0, 4.0):  # a probe that changes nothing is replaced by a stronger one
        missing = [index for index in range(len(patches)) if any(index not in known for known in changes)]
        for start in range(0, len(missing), size):
            some = missing[start : start + size]
            images = [base, *(_filled(base, patches[index], generator, strength) for index in some)]
            output = _output(shell, target, leaf, torch.cat(images))
            for layout, known in zip(layouts, changes, strict=True):
                known |= _changes(layout.maps(output), some, cells)
    return [layout for layout, known in zip(layouts, changes, strict=True) if _follows(layout, known, patches, image)]


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


def _changes(maps: Float[Tensor, "images c h w"], probes: list[int], cells: int) -> dict[int, Change]:
    """Where each probe changed the maps, beside the first image, which has no probe; none for what changed nothing."""
    change = (maps[1:].float() - maps[:1].float()).abs().sum(1)  # (probes h w)
    rows, columns = (
        (torch.arange(side, dtype=change.dtype, device=change.device) + 0.5) / side for side in change.shape[1:]
    )
    mass = change.sum((1, 2))
    centroids = [(change.sum(2) * rows).sum(1) / mass, (change.sum(1) * columns).sum(1) / mass]
    height, width = (min(side, cells) for side in change.shape[1:])
    largest = functional.adaptive_avg_pool2d(change, (height, width)).flatten(1).argmax(1)
    strongest = [(largest // width + 0.5) / height, (largest % width + 0.5) / width]
    changed = ((mass > 0) & mass.isfinite()).tolist()
    where = torch.stack([*centroids, *strongest], 1).to("cpu", torch.float64)  # (probes 4)
    return {probe: Change(row[:2], row[2:]) for probe, row, moved in zip(probes, where, changed, strict=True) if moved}


def _follows(layout: Layout, changes: dict[int, Change], patches: list[Patch], image: tuple[int, int]) -> bool:
    """Are the centroids in the order of the probes, and is the change strongest where the probe was?

    The second, since centroids follow also where the image lies in several small copies beside each other.
    """
    if 4 * len(changes) < 3 * len(patches):
        return False
    for axis, positions in enumerate((layout.height, layout.width)):
        if positions == 1:
            continue
        middles = [(patches[probe][axis] + patches[probe][axis + 2]) / (2 * image[axis]) for probe in changes]
        # With fewer positions than probes several probes share one.
        wanted = [(int(middle * positions) + 0.5) / positions if positions < SIDE else middle for middle in middles]
        expected = torch.tensor(wanted, dtype=torch.float64, device="cpu")
        centroid = torch.stack([change.centroid[axis] for change in changes.values()])
        strongest = torch.stack([change.strongest[axis] for change in changes.values()])
        from_mean = expected - expected.mean()
        slope = float((from_mean * strongest).sum() / from_mean.square().sum())
        if not (rank_correlation(centroid, expected) >= AGREES and slope >= MOVES):
            return False
    return True


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
