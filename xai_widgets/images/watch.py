"""Which files of a set change while it is in use."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xai_widgets.images import ImageSet


class Watch:
    """Which files of a set change, for one who looks from time to time."""

    def __init__(self, images: ImageSet) -> None:
        self._images = images
        self._known = {name: images.version(name) for name in images}

    def changed(self, names: Iterable[str] | None = None) -> tuple[str, ...]:
        """Images whose file, or that of whose human map, was written, replaced or removed since the last look at it.

        One look takes some 5 microseconds an image; nothing is read.

        Args:
            names: Only these are looked at; by default all.

        Raises:
            ValueError: There is no such image.
        """
        now = {name: self._images.version(name) for name in (self._images if names is None else names)}
        changed = tuple(name for name, version in now.items() if version != self._known[name])
        self._known |= now
        return changed
