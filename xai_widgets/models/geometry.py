"""Where a pixel is: steps that move pixels, and the box of the photo that they leave."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np
import torch
import torchvision.transforms as v1
from PIL import Image
from torch import Tensor
from torchvision.transforms import v2
from torchvision.transforms.functional import get_dimensions

Box = tuple[float, float, float, float]
Step = Callable[[Any], Any]
Picture = Image.Image | np.ndarray  # of Pillow's, for one channel or three; else bytes (h w c)

RESIZES = (v1.Resize, v2.Resize)
CROPS = (v1.CenterCrop, v2.CenterCrop)
PADS = (v1.Pad, v2.Pad)
MOST_PIXELS = 100_000_000  # of a resized photo; 1.2 GB as float32


@dataclass(frozen=True)
class Prepared:
    """What a network sees of a photo.

    Attributes:
        pixels: (3 h w), float32, in [0, 1]; (c h w) for a network that takes 2, or more than 3, channels.
        box: left, top, right and bottom of what `pixels` covers, in pixels of the photo, counted between pixels: the
            whole photo is (0, 0, width, height). Where the transform pads, the box reaches beyond the photo.
        placed: False where it is not known which part of the photo this is; the box is then that of `pixels` itself.
    """

    pixels: Tensor
    box: Box
    placed: bool = True


@dataclass(frozen=True)
class Frame:
    """Where an image lies on the photo: its upper left corner, and photo pixels per pixel."""

    left: float = 0.0
    top: float = 0.0
    across: float = 1.0
    down: float = 1.0

    def cropped(self, left: float, top: float) -> Frame:
        """After the corner was moved by some pixels of the image."""
        return Frame(self.left + left * self.across, self.top + top * self.down, self.across, self.down)

    def resized(self, before: tuple[int, int], after: tuple[int, int]) -> Frame:
        """After the image was resized from one (height, width) to another."""
        return Frame(self.left, self.top, self.across * before[1] / after[1], self.down * before[0] / after[0])

    def box(self, size: tuple[int, int]) -> Box:
        """The part of the photo that an image of this (height, width) covers."""
        height, width = size
        return self.left, self.top, self.left + width * self.across, self.top + height * self.down


def within(box: Box, values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The part of a map of a whole photo (rows columns) that lies in a box of the photo, at the map's own resolution.

    Cut at whole places of the map, so that fixations stay what they are; 0 where the box reaches beyond the photo.

    Args:
        size: height and width of the photo.
    """
    height, width = values.shape
    left, right = (round(side * width / size[1]) for side in (box[0], box[2]))
    top, bottom = (round(side * height / size[0]) for side in (box[1], box[3]))
    right, bottom = max(right, left + 1), max(bottom, top + 1)
    found = np.zeros((bottom - top, right - left), values.dtype)
    rows, columns = slice(max(top, 0), min(bottom, height)), slice(max(left, 0), min(right, width))
    part = values[rows, columns]
    found[rows.start - top : rows.start - top + part.shape[0], columns.start - left :][:, : part.shape[1]] = part
    return found


def as_image(photo: np.ndarray | Image.Image, channels: int = 3) -> Picture:
    """A photo as a picture of Pillow's in RGB, or in grey for one channel; any other number as bytes (h w c).

    Raises:
        TypeError: it is neither an array nor a Pillow image.
        ValueError: the array is not (h w), (h w 3) or (h w c) of bytes, or empty.
    """
    if isinstance(photo, Image.Image):
        if channels not in (1, 3):
            return _all_channels(np.asarray(photo), channels)
        mode = "RGB" if channels == 3 else "L"
        return photo if photo.mode == mode else photo.convert(mode)
    if not isinstance(photo, np.ndarray):
        raise TypeError(f"a photo must be an array (h w 3) of uint8 or a Pillow image, got {type(photo).__name__}.")
    if channels not in (1, 3):
        return _all_channels(photo, channels)
    if photo.ndim == 3 and photo.shape[2] == 1:
        photo = photo[..., 0]
    allowed = photo.ndim == 2 or (photo.ndim == 3 and photo.shape[2] == 3)
    if photo.dtype != np.uint8 or not allowed or not photo.size:
        raise ValueError(f"a photo must be an array (h w 3) of uint8, got {photo.shape} of {photo.dtype}.")
    return Image.fromarray(np.ascontiguousarray(photo)).convert("RGB" if channels == 3 else "L")


def _all_channels(photo: np.ndarray, channels: int) -> np.ndarray:
    if photo.dtype != np.uint8 or photo.ndim != 3 or photo.shape[2] != channels or not photo.size:
        raise ValueError(
            f"an image for a network of {channels} channels must be an array (h w {channels}) of uint8, got "
            f"{photo.shape} of {photo.dtype}: ImageSet(..., channels={channels}) keeps all channels."
        )
    return photo


def with_channels(photo: Image.Image, channels: int) -> Picture:
    """A photograph with so many channels, made of its own, for tests."""
    if channels in (1, 3):
        return as_image(photo, channels)
    pixels = np.array(photo)
    return np.stack([np.roll(pixels[..., i % 3], (11 * (i // 3), 7 * (i // 3)), (0, 1)) for i in range(channels)], 2)


def size_of_picture(picture: Picture) -> tuple[int, int]:
    """Height and width."""
    return picture.shape[:2] if isinstance(picture, np.ndarray) else (picture.height, picture.width)


def moves(step: Step) -> bool:
    """Whether the effect of a step on the box is known. Subclasses may do anything, so they are not."""
    return type(step) in (*RESIZES, *CROPS, *PADS)


def through(steps: Sequence[Step], image: Any) -> tuple[Any, Frame]:
    """An image after some steps, and where it lies on the photo.

    Raises:
        ValueError: a step changes the size in a way that is not known, or makes too large an image.
    """
    frame = Frame()
    for step in steps:
        before = size_of(image)
        _check_size(step, before)
        image = step(image)
        frame = _moved(step, frame, before, size_of(image))
    return image, frame


def size_of(image: Any) -> tuple[int, int]:
    """Height and width."""
    if isinstance(image, np.ndarray):
        return image.shape[0], image.shape[1]
    _, height, width = get_dimensions(image)
    return height, width


def _moved(step: Step, frame: Frame, before: tuple[int, int], after: tuple[int, int]) -> Frame:
    if type(step) in RESIZES:
        return frame.resized(before, after)
    if type(step) in CROPS:
        return frame.cropped(_corner(before[1], after[1]), _corner(before[0], after[0]))
    if type(step) in PADS:
        left, top = _padding(step)
        return frame.cropped(-left, -top)
    if before != after:
        raise ValueError(
            f"the step {_name(step)} of the transform changed the size of a photo from {before[1]} x {before[0]} to "
            f"{after[1]} x {after[0]}, so that maps cannot be placed; give a pair (geometry, normalise)."
        )
    return frame


def _corner(side: int, crop: int) -> int:
    # torchvision's own arithmetic: a side that is too short is padded first.
    return -((crop - side) // 2) if crop > side else round((side - crop) / 2.0)


def _padding(step: Any) -> tuple[int, int]:
    padding = step.padding
    sides = [padding] if isinstance(padding, int) else list(padding)
    return (sides[0], sides[0]) if len(sides) == 1 else (sides[0], sides[1])


def _check_size(step: Any, size: tuple[int, int]) -> None:
    """The shorter side of a very narrow photo cannot be brought to a given length."""
    if type(step) not in RESIZES or step.size is None or getattr(step, "max_size", None):
        return
    sides = [step.size] if isinstance(step.size, int) else list(step.size)
    if len(sides) == 1 and sides[0] ** 2 * max(size) / min(size) > MOST_PIXELS:
        raise ValueError(
            f"a photo of {size[1]} x {size[0]} pixels is too narrow to be resized to a shorter side of {sides[0]}: "
            f"at most {MOST_PIXELS:,} pixels may come out."
        )


def _name(step: object) -> str:
    return getattr(step, "__name__", type(step).__name__)


def whole(photo: Picture) -> Prepared:
    """The photo at its own size."""
    values = torch.from_numpy(np.array(photo))
    pixels = (values[None].expand(3, -1, -1) if values.dim() == 2 else values.permute(2, 0, 1)).float() / 255
    height, width = size_of_picture(photo)
    return Prepared(pixels.contiguous(), (0.0, 0.0, float(width), float(height)))


class GivenGeometry:
    """The user's own function from a photo to pixels, or to pixels and their box.

    A box that is not given is measured, by sending pictures through that are a map of their own coordinates.
    """

    def __init__(self, function: Step, channels: int = 3) -> None:
        self._function, self._channels = function, channels
        self._measured: dict[tuple[int, int], Box | None] = {}

    def __call__(self, photo: Picture) -> Prepared:
        pixels, box = self._run(photo)
        if box is None:
            size = size_of_picture(photo)[::-1]
            if size not in self._measured:
                self._measured[size] = measured_box(lambda picture: self._run(picture)[0], size, self._channels)
            box = self._measured[size]
        if box is None:
            return Prepared(pixels, (0.0, 0.0, float(pixels.shape[2]), float(pixels.shape[1])), placed=False)
        return Prepared(pixels, box)

    @property
    def placed(self) -> bool:
        """Whether the box of every photo so far is known."""
        return None not in tuple(self._measured.values())

    def _run(self, photo: Picture) -> tuple[Tensor, Box | None]:
        given = self._function(photo)
        if isinstance(given, Prepared):
            given = given.pixels, given.box
        pixels, box = given if isinstance(given, tuple) and len(given) == 2 else (given, None)
        pixels = torch.as_tensor(pixels) if isinstance(pixels, np.ndarray | Tensor) else pixels
        if not isinstance(pixels, Tensor) or pixels.dim() != 3 or pixels.shape[0] not in (1, self._channels):
            got = tuple(pixels.shape) if isinstance(pixels, Tensor) else type(pixels).__name__
            raise ValueError(f"geometry must return pixels (3 h w), alone or with their box, got {got}.")
        pixels = pixels.detach().as_subclass(Tensor)
        if not pixels.is_floating_point() or not -0.1 <= float(pixels.min()) <= float(pixels.max()) <= 1.1:
            low, high = float(pixels.min()), float(pixels.max())
            raise ValueError(f"geometry must return floats in [0, 1], got {pixels.dtype} from {low:g} to {high:g}.")
        pixels = pixels.float().expand(3, -1, -1) if len(pixels) == 1 else pixels.float()
        return pixels.contiguous(), None if box is None else checked_box(box)


def checked_box(box: Any) -> Box:
    """A box as four floats.

    Raises:
        ValueError: it is not left, top, right, bottom.
    """
    try:
        left, top, right, bottom = (float(side) for side in box)
    except (TypeError, ValueError):
        raise ValueError(f"a box must be four numbers (left, top, right, bottom), got {box!r}.") from None
    if not all(map(isfinite, (left, top, right, bottom))) or left >= right or top >= bottom:
        raise ValueError(f"a box must be (left, top, right, bottom) with left < right and top < bottom, got {box!r}.")
    return left, top, right, bottom


def measured_box(geometry: Callable[[Picture], Tensor], size: tuple[int, int], channels: int = 3) -> Box | None:
    """What a geometry covers of pictures of `size` (width, height); None where it turns, mirrors or bends.

    Args:
        channels: of the pictures; all get the same, so that a geometry may mix or drop them.
    """
    width, height = size
    values = np.full((3, height, width), 255, np.uint8)  # the last marks what is photo and not padding
    values[0] = np.round(255 * (np.arange(width) + 0.5) / width)[None]
    values[1] = np.round(255 * (np.arange(height) + 0.5) / height)[:, None]
    if channels == 3:
        return box_of_chart(geometry(Image.fromarray(np.moveaxis(values, 0, 2))), size)
    pictures = (Image.fromarray(one) if channels == 1 else np.repeat(one[..., None], channels, 2) for one in values)
    try:
        return box_of_chart(torch.stack([geometry(picture)[0] for picture in pictures]), size)
    except ValueError:  # it looks at what a picture shows, and makes of an even one no numbers, or another size
        return None


def box_of_chart(chart: Tensor, size: tuple[int, int]) -> Box | None:
    """What part of a photo is seen, from what is seen of its coordinates; None where it turns, mirrors or bends.

    Args:
        chart: (3 h w): across and down as shares of the photo, and 1 for what is photo and not padding.
        size: width and height of the photo.
    """
    width, height = size
    seen = chart.double().numpy()
    rows, columns = np.nonzero(seen[2] > 0.99)
    if len(rows) < 16:
        return None
    places = np.stack([columns + 0.5, rows + 0.5, np.ones(len(rows))], 1)
    sides = []
    for channel, length, axis in ((0, width, 0), (1, height, 1)):
        value = seen[channel, rows, columns] * length
        inner = (value > 0.05 * length) & (value < 0.95 * length)  # resizing blurs the borders
        if inner.sum() < 16:
            return None
        slopes, *_ = np.linalg.lstsq(places[inner], value[inner], rcond=None)
        wrong = np.abs(places[inner] @ slopes - value[inner]).max() > 0.02 * length
        tilted = abs(slopes[1 - axis] * seen.shape[1 + axis]) > 0.01 * length
        if wrong or tilted or slopes[axis] <= 0:
            return None
        sides.append((slopes[2], slopes[2] + slopes[axis] * seen.shape[2 - axis]))
    (left, right), (top, bottom) = sides
    return float(left), float(top), float(right), float(bottom)
