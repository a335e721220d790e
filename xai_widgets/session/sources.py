"""What a session is made of: the models and the images that it is given, in any of the forms that are taken."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from xai_widgets.images import ImageSet, load_images
from xai_widgets.models import ImageModel, load_model

TRIES = 8  # images that are read before one is shown
Models = ImageModel | str | Sequence[ImageModel | str]


def models_of(given: Models) -> dict[str, ImageModel]:
    some = [given] if isinstance(given, ImageModel | str) else list(given)
    models = [load_model(one) if isinstance(one, str) else one for one in some]
    for model in models:
        if not isinstance(model, ImageModel):
            raise TypeError(f"a session takes ImageModel objects or names of models, got {type(model).__name__}.")
    if not models:
        raise ValueError("a session needs at least one model, got none.")
    names = [model.name for model in models]
    if len(set(names)) < len(names):
        raise ValueError(f"models of one session need different names, got {', '.join(names)}.")
    return dict(zip(names, models, strict=True))


def image_set_of(given: Any) -> ImageSet:
    if isinstance(given, ImageSet):
        return given
    return load_images(given) if isinstance(given, str) else ImageSet(given)


def first_readable(images: ImageSet) -> str:
    """The first image that can be read; the very first where several cannot, as its sentence says why."""
    for name in images.names[:TRIES]:
        with suppress(ValueError, OSError):
            images.photo(name)
            return name
    return images.names[0]


def plain(number: Any) -> Any:
    """A Python number for a number of NumPy."""
    return number.item() if isinstance(number, np.generic) else number
