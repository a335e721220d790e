"""TIFF files that Pillow does not know, or reads wrongly, by tifffile, which comes with scikit-image."""

from __future__ import annotations

from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

MARKS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_BITS, _PHOTOMETRIC, _ORIENTATION, _EXTRA = 258, 262, 274, 338  # tags
_WHITE_IS_ZERO, _SEPARATED = 0, 5  # photometric interpretations
_OPACITY = (1, 2)  # what an extra sample is


class Page(NamedTuple):
    """The first page: (h w c) of its own type, black being zero; whether the last channel is opacity."""

    array: NDArray[Any]
    orientation: int
    opacity: bool


class Size(NamedTuple):
    """What a file says of its first page."""

    width: int
    height: int
    bits: int
    orientation: int
    pages: int  # of full size
    channels: int  # of which the last may be opacity
    opacity: bool


def is_tiff(file: IO[bytes]) -> bool:
    file.seek(0)
    return file.read(4) in MARKS


def misread(image: Image.Image, channels: int | None = None) -> bool:
    """Whether Pillow takes 16 bit in colour or in planes as 8 bit, shows it as a negative, or drops a channel.

    Args:
        channels: how many are wanted; None: a photograph.
    """
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return False
    tags, bands = image.tag_v2, len(image.getbands())
    bits = tags.get(_BITS, (1,))
    deep = max(bits) > 8
    dropped = 0 in tags.get(_EXTRA, ()) and len(bits) > bands
    other = channels is not None and channels != bands
    return other or dropped or (deep and (len(bits) > 2 or tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO))


def size_of(file: IO[bytes]) -> Size:
    """Of the first page."""
    page = _opened(file).pages.first
    bits = 16 if page.dtype == np.uint16 else 8
    channels = 3 if page.photometric == _SEPARATED else int(page.samplesperpixel)
    size = int(page.imagewidth), int(page.imagelength)
    return Size(*size, bits, _orientation_of(page), pages_of(file), channels, _has_opacity(page))


def pages_of(file: IO[bytes]) -> int:
    """How many pages of full size there are; smaller copies of one are not counted."""
    return sum(not page.is_reduced for page in _opened(file).pages)


def read_page(file: IO[bytes], channels: int | None = None) -> Page:
    """The first page; where so many channels are wanted and each has a page of its own, all of them."""
    opened = _opened(file)
    page = opened.pages.first
    array = page.asarray()
    array = np.moveaxis(array, 0, -1) if page.axes == "SYX" else array
    array = array[..., None] if array.ndim == 2 else array
    if channels is not None and array.shape[-1] == 1 and len(opened.pages) == channels:
        array = np.stack([other.asarray() for other in opened.pages], -1)
    if page.photometric == _WHITE_IS_ZERO and array.dtype.kind == "u":
        array = np.iinfo(array.dtype).max - array
    if page.photometric == _SEPARATED and array.dtype.kind == "u" and array.shape[-1] == 4:  # ink, not light
        most = np.iinfo(array.dtype).max
        light = (most - array).astype(np.uint64)
        array = (light[..., :3] * light[..., 3:] // most).astype(array.dtype)
    return Page(array, _orientation_of(page), _has_opacity(page) and array.shape[-1] in (2, 4))


def _has_opacity(page: Any) -> bool:
    extra = page.extrasamples
    return int(page.samplesperpixel) in (2, 4) and bool(extra) and int(extra[-1]) in _OPACITY


def _orientation_of(page: Any) -> int:
    tag = page.tags.get(_ORIENTATION)
    return int(tag.value) if tag is not None else 1


def _opened(file: IO[bytes]) -> Any:
    import tifffile  # takes 50 ms, and few need it

    file.seek(0)
    return tifffile.TiffFile(file)
