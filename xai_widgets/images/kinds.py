"""What the parts of an item are: images, masks, labels."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from PIL import Image

from xai_widgets.images import reading


def is_image(value: Any) -> bool:
    """A path with the ending of one, an image of Pillow's, or an array of two or three axes."""
    if isinstance(value, str | os.PathLike):
        return os.path.splitext(value)[1].lower() in reading.suffixes()
    return isinstance(value, Image.Image) or getattr(value, "ndim", 0) in (2, 3)


def is_label(value: Any) -> bool:
    """Text that is no path of an image, a number, a list of such texts, or nothing."""
    if isinstance(value, list | tuple):
        return bool(value) and all(isinstance(one, str) and not is_image(one) for one in value)
    if isinstance(value, str):
        return not is_image(value)
    return value is None or isinstance(value, int | float | np.number | np.bool_) or getattr(value, "ndim", -1) == 0


def is_pair(item: Any) -> bool:
    """Whether it is an image with its label; two images are a sample of two."""
    return isinstance(item, tuple | list) and len(item) == 2 and is_image(item[0]) and is_label(item[1])


def is_labelled_sample(item: Any) -> bool:
    """Whether it is several images with their label."""
    return isinstance(item, tuple | list) and len(item) > 2 and all(map(is_image, item[:-1])) and is_label(item[-1])


def images_in(item: Any) -> int:
    """How many images of one kind an item begins with: a mask or a map of depth is of another kind than a photo."""
    if not isinstance(item, tuple | list) or not item:
        return 1
    return max(next((i for i, one in enumerate(item) if not _is_alike(one, item[0])), len(item)), 1)


def _is_alike(one: Any, other: Any) -> bool:
    if not (is_image(one) and is_image(other)):
        return False
    if isinstance(one, str | os.PathLike) and isinstance(other, str | os.PathLike):
        return True
    if isinstance(one, Image.Image) and isinstance(other, Image.Image):
        return one.mode == other.mode
    return _kind_of(one) == _kind_of(other) is not None


def _kind_of(one: Any) -> tuple[Any, ...] | None:
    """Of an array or tensor its type, and how many axes and channels it has."""
    if not hasattr(one, "ndim"):
        return None
    return str(one.dtype), one.ndim, min(one.shape[0], one.shape[-1]) if one.ndim == 3 else 1
