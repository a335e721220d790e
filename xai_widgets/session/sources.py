"""What a session is made of: the models and the images that it is given, in any of the forms that are taken."""

from __future__ import annotations

from contextlib import suppress

from xai_widgets.engine.sources import Models as Models
from xai_widgets.engine.sources import image_set_of as image_set_of
from xai_widgets.images import ImageSet

TRIES = 8  # images that are read before one is shown


def first_readable(images: ImageSet) -> str:
    """The first image that can be read; the very first where several cannot, as its sentence says why."""
    for name in images.names[:TRIES]:
        with suppress(ValueError, OSError):
            images.photo(name)
            return name
    return images.names[0]
