"""TIFF files that Pillow does not know, or reads wrongly, by tifffile, which comes with scikit-image."""

from __future__ import annotations

from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

MARKS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_BITS, _PHOTOMETRIC, _ORIENTATION, _PLANES = 258, 262, 274, 284  # tags
_WHITE_IS_ZERO, _SEPARATED = 0, 5  # photometric interpretations


def is_tiff(file: IO[bytes]) -> bool:
    file.seek(0)
    return file.read(4) in MARKS


def misread(image: Image.Image) -> bool:
    """Whether Pillow takes 16 bit in planes as 8 bit, or shows it as a negative."""
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return False
    tags = image.tag_v2
    deep = max(tags.get(_BITS, (1,))) > 8
    return deep and (tags.get(_PLANES) == 2 or tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO)


def size_of(file: IO[bytes]) -> tuple[int, int]:
    """Width and height of the first page."""
    page = _first_page(file)
    return int(page.imagewidth), int(page.imagelength)


def read_page(file: IO[bytes]) -> tuple[NDArray[Any], int]:
    """The first page as (h w c) of its own type, black being zero, and its EXIF orientation."""
    page = _first_page(file)
    array = page.asarray()
    array = np.moveaxis(array, 0, -1) if page.axes == "SYX" else array
    array = array[..., None] if array.ndim == 2 else array
    tag = page.tags.get(_ORIENTATION)
    orientation = int(tag.value) if tag is not None else 1
    if page.photometric == _WHITE_IS_ZERO and array.dtype.kind == "u":
        array = np.iinfo(array.dtype).max - array
    if page.photometric == _SEPARATED and array.dtype.kind == "u" and array.shape[-1] == 4:  # ink, not light
        most = np.iinfo(array.dtype).max
        light = (most - array).astype(np.uint64)
        array = (light[..., :3] * light[..., 3:] // most).astype(array.dtype)
    return array, orientation


def _first_page(file: IO[bytes]) -> Any:
    import tifffile  # takes 50 ms, and few need it

    file.seek(0)
    return tifffile.TiffFile(file).pages.first
