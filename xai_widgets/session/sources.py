"""What a session is made of: the models and the images that it is given, in any of the forms that are taken."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress

from xai_widgets.engine.sources import Models as Models
from xai_widgets.engine.sources import Sources
from xai_widgets.engine.sources import image_set_of as image_set_of
from xai_widgets.images import ImageSet
from xai_widgets.models import ImageModel

TRIES = 8  # images that are read before one is shown


def first_readable(images: ImageSet) -> str:
    """The first image that can be read; the very first where several cannot, as its sentence says why."""
    for name in images.names[:TRIES]:
        with suppress(ValueError, OSError):
            images.photo(name)
            return name
    return images.names[0]


class ByName(Mapping[str, ImageModel]):
    """All models of some sources by name; one that comes from a source is loaded when it is looked up."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def __getitem__(self, name: str) -> ImageModel:
        try:
            return self._sources.model(name)
        except ValueError:
            raise KeyError(name) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._sources.names)

    def __len__(self) -> int:
        return len(self._sources.names)
