"""A transform of which nothing is known but what it does: split by what it makes of test pictures, or not at all.

Pictures of one colour show what it does to numbers: a matrix and a shift, undone for all that it returns. What is left
is its geometry, if it does the same to every picture; pictures of coordinates show which part of a photo that covers.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from xai_widgets.models.geometry import Box, Picture, Prepared, box_of_chart, size_of_picture

Run = Callable[[Picture], Tensor]  # from a picture to what the network gets, (c h w)
Make = Callable[[np.ndarray], Picture]  # from bytes (h w c) to a picture as the transform wants it
LEVELS = (64, 128, 192)  # of grey, between black and white
ROUNDING = 1.6 / 255  # two roundings to whole numbers, and a little
STEEP = 50.0  # a matrix with a larger condition number is not undone


class Numbers:
    """What a transform does to the numbers of a pixel: (c k) of it and a shift (c); grey where it keeps no colour."""

    def __init__(self, matrix: Tensor, shift: Tensor, grey: bool) -> None:
        self._matrix, self._shift, self.grey = matrix, shift, grey
        self._undo = None if grey else torch.linalg.inv(matrix)

    def undone(self, values: Tensor) -> Tensor:
        """Pixels of a result (c h w)."""
        centred = values.double() - self._shift[:, None, None]
        if self._undo is None:
            return (centred[:1] / self._matrix[0].sum()).float()
        return torch.einsum("kc,chw->khw", self._undo, centred).float()

    def done(self, pixels: Tensor) -> Tensor:
        """What the network gets for pixels (n k h w)."""
        shift = self._shift.to(pixels)[:, None, None]
        if self.grey:
            return pixels[:, :1] * self._matrix.sum(1).to(pixels)[:, None, None] + shift
        return torch.einsum("ck,nkhw->nchw", self._matrix.to(pixels), pixels) + shift


class Probed:
    """The geometry of a transform whose numbers are known; boxes are measured once for each size of photos."""

    def __init__(self, run: Run, make: Make, channels: int, numbers: Numbers) -> None:
        self._run, self._make, self._channels, self._numbers = run, make, channels, numbers
        self._boxes: dict[tuple[int, int], Box | None] = {}

    def __call__(self, photo: Picture) -> Prepared:
        pixels, size = self.pixels(photo), size_of_picture(photo)
        box = self.box(size)
        shown = pixels.expand(3, -1, -1).contiguous() if len(pixels) == 1 else pixels
        if box is None:
            return Prepared(shown, (0.0, 0.0, float(pixels.shape[2]), float(pixels.shape[1])), placed=False)
        return Prepared(shown, box)

    @property
    def placed(self) -> bool:
        """Whether the box of every photo so far is known."""
        return None not in tuple(self._boxes.values())

    def pixels(self, photo: Picture) -> Tensor:
        """What is seen of a photo, (k h w) from 0 to 1, or (1 h w) where it is seen in grey."""
        return self._numbers.undone(self._run(photo))

    def box(self, size: tuple[int, int]) -> Box | None:
        """The part of photos of a size (height, width) that is seen."""
        if size not in self._boxes:
            height, width = size
            across = np.broadcast_to((np.arange(width) + 0.5)[None] / width, size)
            down = np.broadcast_to((np.arange(height) + 0.5)[:, None] / height, size)
            seen = [self._grey(values) for values in (across, down, np.ones(size), np.zeros(size))]
            chart = torch.stack([*seen[:2], seen[2] - seen[3]])
            self._boxes[size] = box_of_chart(chart, (width, height))
        return self._boxes[size]

    def bytes(self, values: np.ndarray) -> Tensor:
        """What is seen of bytes (h w c)."""
        return self.pixels(self._make(values))

    def _grey(self, values: np.ndarray) -> Tensor:
        levels = np.round(255 * values).astype(np.uint8)
        return self.bytes(np.repeat(levels[..., None], self._channels, 2))[0]


def probed(run: Run, make: Make, channels: int, sizes: tuple[tuple[int, int], ...]) -> tuple[Probed, Numbers] | None:
    """A transform as geometry and numbers, where its results show that it is that and nothing else.

    Args:
        sizes: (height, width) of test pictures.
    """
    numbers = _numbers(run, make, channels, sizes[0])
    if numbers is None:
        return None
    geometry = Probed(run, make, channels, numbers)
    fits = all(_moves_alike(geometry, channels, size) for size in sizes)
    return (geometry, numbers) if fits else None


def _numbers(run: Run, make: Make, channels: int, size: tuple[int, int]) -> Numbers | None:
    """From pictures of one colour; None where numbers are not multiplied and shifted alone."""

    def of(colour: np.ndarray) -> Tensor | None:
        result = run(make(np.broadcast_to(colour.astype(np.uint8), (*size, channels)).copy())).double()
        height, width = result.shape[1:]
        middle = result[:, height // 4 : height - height // 4, width // 4 : width - width // 4].flatten(1)
        even = bool(((middle.amax(1) - middle.amin(1)) <= 1e-3 * (1 + middle.abs().amax(1))).all())
        return middle.mean(1) if even and bool(torch.isfinite(middle).all()) else None

    black, white = of(np.zeros(channels)), of(np.full(channels, 255))
    singles = [of(255 * row) for row in np.eye(channels)]
    if black is None or white is None or any(one is None for one in singles):
        return None
    matrix = torch.stack([one - black for one in singles if one is not None], 1)
    scale = float((white - black).abs().max())
    for level in LEVELS:
        seen = of(np.full(channels, level))
        if seen is None or float((seen - black - (white - black) * level / 255).abs().max()) > 1e-3 * scale + 1e-9:
            return None
    if float((matrix.sum(1) - (white - black)).abs().max()) > 3 * ROUNDING * scale or scale == 0:
        return None  # channels are not simply added
    colours = torch.linalg.svdvals(matrix)
    if len(matrix) == channels and float(colours[0]) <= STEEP * float(colours[-1]):
        return Numbers(matrix, black, grey=False)
    rows = matrix / matrix.sum(1, keepdim=True)
    alike = bool(torch.isfinite(rows).all()) and float((rows - rows[:1]).abs().max()) <= 3 * ROUNDING
    return Numbers(matrix, black, grey=True) if alike and channels > 1 else None


def _moves_alike(geometry: Probed, channels: int, size: tuple[int, int]) -> bool:
    """Whether it takes the same part of every picture, where that is known, and does not look at what it shows."""
    box = geometry.box(size)
    if box is None:
        return False
    smooth = _smooth(size, channels)
    seen = geometry.bytes(smooth)
    wanted, inside = _sampled(smooth, box, (seen.shape[1], seen.shape[2]))
    wanted = wanted.mean(0, keepdim=True) if len(seen) == 1 else wanted
    if len(seen) == 1:  # grey, by weights of its own: where it is, is compared in grey pictures
        grey = np.repeat(smooth[..., :1], channels, 2)
        seen, wanted = geometry.bytes(grey), _sampled(grey, box, (seen.shape[1], seen.shape[2]))[0][:1]
    placed = float((seen - wanted).abs()[:, inside].max()) <= 0.03
    first = geometry.bytes(smooth)
    others = {"negative": (geometry.bytes(255 - smooth), 1 - first), "dark": (geometry.bytes(smooth // 2), first / 2)}
    same = all(float((got - due).abs()[:, inside].max()) <= 3 * ROUNDING for got, due in others.values())
    return placed and same and -0.1 <= float(first.min()) <= float(first.max()) <= 1.1


def _smooth(size: tuple[int, int], channels: int) -> np.ndarray:
    """A picture without fine detail, so that ways of resizing agree about it."""
    height, width = size
    down, across = np.mgrid[0:height, 0:width]
    waves = []
    for i in range(channels):
        along = np.sin(2 * np.pi * (across / width * (1 + i % 3) + 0.1 * i))
        waves.append(along * np.cos(2 * np.pi * (down / height * (1.3 - 0.2 * (i % 2)) + 0.3 * i)))
    return np.round(127.5 + 120 * np.stack(waves, 2)).astype(np.uint8)


def _sampled(picture: np.ndarray, box: Box, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """What lies in a box of a picture, (c h w), and which places are well inside the picture, (h w)."""
    height, width = picture.shape[:2]
    (left, top, right, bottom), (rows, columns) = box, size
    x = left + (np.arange(columns) + 0.5) / columns * (right - left)
    y = top + (np.arange(rows) + 0.5) / rows * (bottom - top)
    reach = (1.5 + (right - left) / columns, 1.5 + (bottom - top) / rows)  # of a resizing
    inside = ((y > reach[1]) & (y < height - reach[1]))[:, None] & ((x > reach[0]) & (x < width - reach[0]))[None]
    picture = _between(_between(picture.astype(np.float64), y - 0.5, 0), x - 0.5, 1)
    return torch.from_numpy(picture).permute(2, 0, 1).float() / 255, torch.from_numpy(inside)


def _between(values: np.ndarray, places: np.ndarray, axis: int) -> np.ndarray:
    """Values between those of rows or columns, linearly."""
    places = np.clip(places, 0, values.shape[axis] - 1)
    low = np.minimum(np.floor(places).astype(int), max(values.shape[axis] - 2, 0))
    high = np.minimum(low + 1, values.shape[axis] - 1)
    share = (places - low).reshape([-1 if one == axis else 1 for one in range(3)])
    found: np.ndarray = values.take(low, axis) * (1 - share) + values.take(high, axis) * share
    return found
