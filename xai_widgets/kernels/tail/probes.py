"""Do the places of a layer lie where they are in the image? Tried with noise in one patch of the input at a time.

Of each probe the centroid of what it changes is held against where the probe was. See METHODS, "Placed": Spearman's
correlation of at least 0.8 on both axes; and what changes most has to lie there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional
from torch.utils._pytree import tree_leaves

from xai_widgets.kernels import draws
from xai_widgets.kernels.ranks import rank_correlation
from xai_widgets.kernels.tail.layouts import Layout
from xai_widgets.kernels.tail.shell import Shell

AGREES = 0.8
MOVES = 0.6  # of the way that the probes move, what changes most moves too
SIDE = 4  # probes on a grid of 4 x 4
FINE = 8  # with so many places a side tokens permuted within a quadrant would pass the first round
PIXELS = 16 * 224 * 224  # of probes in one pass

Box = tuple[int, int, int, int]  # top, left, bottom, right, in pixels of the input
Key = tuple[str, int]


class _Reached(BaseException):
    """Ends a pass once the layer was reached; not an Exception, which a network may catch."""


class _Until:
    """A pass that goes no further than one call of one module."""

    def __init__(self, target: Key) -> None:
        self.target, self.output = target, None
        self._counts: Counter[str] = Counter()

    def call(self, name: str, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        key = (name, self._counts[name])
        self._counts[name] += 1
        output = forward(*args, **kwargs)
        if key == self.target:
            self.output = output
            raise _Reached
        return output


def placed_layout(
    shell: Shell, target: Key, leaf: int, layouts: list[Layout], inputs: Tensor, *, quick: bool = False
) -> Layout | None:
    """The first of some layouts in which the places follow the probes, on the image or on noise; None if none does.

    Args:
        leaf: which part of the layer's output holds the maps.
        inputs: (n ...), of which the first image is taken.
        quick: four probes in the corners, which suffice where operations show that rows and columns are axes.
    """
    if inputs.dim() != 4 or min(inputs.shape[-2:]) < SIDE:
        return None
    height, width = inputs.shape[-2:]
    whole, quadrant = (0, 0, height, width), (0, 0, height // 2, width // 2)
    generator = draws.seeded(0)
    image = inputs[:1].detach()
    for base in (image, _filled(image, whole, generator, 1.0)):
        passed = _following(shell, target, leaf, layouts, base, _patches(whole, quick=quick), generator)
        fine = [layout for layout in passed if min(layout.height, layout.width) >= FINE]
        if fine and not quick and min(height, width) >= 2 * SIDE:
            again = _following(shell, target, leaf, fine, base, _patches(quadrant), generator)
            passed = [layout for layout in passed if layout not in fine or layout in again]
        if passed:
            return passed[0]
    return None


def _patches(box: Box, *, quick: bool = False) -> list[Box]:
    """A grid of 4 x 4 in a part of the input, or its corners alone."""
    top, left, bottom, right = box
    rows, columns = ([a + (b - a) * i // SIDE for i in range(SIDE + 1)] for a, b in ((top, bottom), (left, right)))
    chosen = (0, SIDE - 1) if quick else range(SIDE)
    return [(rows[i], columns[j], rows[i + 1], columns[j + 1]) for i in chosen for j in chosen]


def _following(
    shell: Shell,
    target: Key,
    leaf: int,
    layouts: list[Layout],
    base: Float[Tensor, "1 c h w"],
    patches: list[Box],
    generator: torch.Generator,
) -> list[Layout]:
    """The layouts in which what changes lies where the probe was."""
    found: list[dict[int, Tensor]] = [{} for _ in layouts]
    image = (base.shape[-2], base.shape[-1])
    cells = round(SIDE * image[0] / (patches[-1][2] - patches[0][0]))  # as large as a probe
    size = max(1, min(len(patches), PIXELS // (base.shape[-2] * base.shape[-1])))
    for strength in (1.0, 4.0):  # a probe that changes nothing is replaced by a louder one
        missing = [index for index in range(len(patches)) if any(index not in known for known in found)]
        for start in range(0, len(missing), size):
            some = missing[start : start + size]
            images = [base, *(_filled(base, patches[index], generator, strength) for index in some)]
            output = _output(shell, target, leaf, torch.cat(images))
            for layout, known in zip(layouts, found, strict=True):
                known |= _places(layout.maps(output), some, cells)
    return [layout for layout, known in zip(layouts, found, strict=True) if _follows(layout, known, patches, image)]


def _output(shell: Shell, target: Key, leaf: int, images: Tensor) -> Tensor:
    until = _Until(target)
    try:
        with torch.no_grad(), shell.running(until) as network:
            network(images)
    except _Reached:
        pass
    output: Tensor = tree_leaves(until.output)[leaf]
    return output


def _places(maps: Float[Tensor, "images c h w"], probes: list[int], cells: int) -> dict[int, Tensor]:
    """Of each probe that changed anything: centroid and strongest place of the change, as shares of the sides."""
    change = (maps[1:].float() - maps[:1].float()).abs().sum(1)
    rows, columns = (
        (torch.arange(side, dtype=change.dtype, device=change.device) + 0.5) / side for side in change.shape[1:]
    )
    mass = change.sum((1, 2))
    centroids = [(change.sum(2) * rows).sum(1) / mass, (change.sum(1) * columns).sum(1) / mass]
    height, width = (min(side, cells) for side in change.shape[1:])
    strongest = functional.adaptive_avg_pool2d(change, (height, width)).flatten(1).argmax(1)
    corners = [(strongest // width + 0.5) / height, (strongest % width + 0.5) / width]
    works = ((mass > 0) & mass.isfinite()).tolist()
    places = torch.stack([*centroids, *corners], 1).to("cpu", torch.float64)
    return {probe: place for probe, place, work in zip(probes, places, works, strict=True) if work}


def _follows(layout: Layout, known: dict[int, Tensor], patches: list[Box], image: tuple[int, int]) -> bool:
    """Centroids in the order of the probes; and the strongest change where the probe was.

    The second, since a centroid follows also where the image lies in several small copies beside each other.
    """
    if 4 * len(known) < 3 * len(patches):
        return False
    found = torch.stack(list(known.values()))
    for axis, places in enumerate((layout.height, layout.width)):
        if places == 1:
            continue
        middles = [(patches[probe][axis] + patches[probe][axis + 2]) / (2 * image[axis]) for probe in known]
        # On fewer places than probes several probes share one.
        wanted = [(int(middle * places) + 0.5) / places if places < SIDE else middle for middle in middles]
        expected = torch.tensor(wanted, dtype=torch.float64, device="cpu")
        centroid, strongest = found[:, axis], found[:, axis + 2]
        from_mean = expected - expected.mean()
        slope = float((from_mean * strongest).sum() / from_mean.square().sum())
        if not (rank_correlation(centroid, expected) >= AGREES and slope >= MOVES):
            return False
    return True


def _filled(image: Float[Tensor, "1 c h w"], box: Box, generator: torch.Generator, strength: float) -> Tensor:
    """The image with noise of its own range in a box."""
    top, left, bottom, right = box
    low, high = image.amin(), image.amax()
    spread = torch.where(high > low, high - low, torch.ones_like(high))
    size = image.shape[1]
    fine = draws.uniform((1, size, bottom - top, right - left), generator, image)
    coarse = draws.uniform((1, size, 1, 1), generator, image)  # else little would be left where patches are averaged
    filled = image.clone()
    filled[:, :, top:bottom, left:right] = (low + high) / 2 + strength * spread * ((fine + coarse) / 2 - 0.5)
    return filled
