"""Which image of a sample is shown, and which call of a layer is meant: from what is asked to what a query holds."""

from __future__ import annotations

from typing import Any

from xai_widgets.engine.query import one_of, plain
from xai_widgets.images import ImageSet
from xai_widgets.models import ImageModel


def first_shown(images: ImageSet) -> str:
    """The image of a sample that is shown first; empty where a sample is one image."""
    return images.slices[0] if images.slices else ""


def shown_of(given: Any, images: ImageSet) -> str:
    """An image of the sample by name, or by number from 0; the first for None.

    Raises:
        ValueError: the samples have no such image.
    """
    given, slices = plain(given), images.slices
    if given is None or given == "":
        return first_shown(images)
    if not slices:
        raise ValueError(f"a sample of {images.name!r} is one image, so that no other can be shown, got {given!r}.")
    if isinstance(given, int) and not isinstance(given, bool):
        if not 0 <= given < len(slices):
            raise ValueError(f"an image of a sample is named, or numbered from 0 to {len(slices) - 1}; got {given}.")
        return slices[given]
    return one_of("shown", given, slices)


def calls(model: ImageModel, layer: str) -> int:
    """How often a pass calls a layer, where the model lists it; else 1."""
    return next((info.calls for info in model.layers() if info.name == layer), 1)


def call_of(given: Any, model: ImageModel, layer: str) -> int | None:
    """A call of a layer by number; None for the one that belongs to the shown image.

    Raises:
        ValueError: the layer is not called as often.
    """
    given, count = plain(given), calls(model, layer)
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, int) or not 0 <= given < count:
        times = "once" if count == 1 else f"{count} times"
        raise ValueError(
            f"layer {layer!r} is called {times}: call must be from 0 to {count - 1} or None, got {given!r}."
        )
    return given
