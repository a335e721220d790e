"""The undistorted photo of an image: in a column of the table, or as an image of its sample."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xai_widgets.images import pixels, reading
from xai_widgets.images.how import How
from xai_widgets.images.listing import Row

NAME = "reference"  # of the column, and of the image of a sample


class References:
    """The part of `ImageSet` for undistorted photos."""

    slices: tuple[str, ...]
    _row: Callable[[str], Row]
    _check_place: Callable[[Path], None]
    _how: How

    def slice(self, shown: str = "") -> Any:
        raise NotImplementedError

    def has_reference(self, name: str) -> bool:
        """Whether the undistorted photo of an image is known; its file is not read.

        Raises:
            ValueError: There is no such image.
        """
        return self._row(name).reference is not None or NAME in self.slices

    def reference(self, name: str) -> NDArray[np.uint8] | None:
        """The undistorted photo of an image, (h w 3), where there is one.

        It is that of the table's column "reference", or else the image of the sample that is called so.

        Raises:
            ValueError: There is no such image, or its reference cannot be read.
        """
        path = self._row(name).reference
        if path is None:
            found: NDArray[np.uint8] | None = self.slice(NAME).photo(name) if NAME in self.slices else None
            return found
        try:
            self._check_place(path)
            return pixels.shown_of(reading.read_photo(path, how=self._how), self._how)
        except ValueError as error:
            raise ValueError(f"The reference image of {name!r} {error}") from None
