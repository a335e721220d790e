"""Named slices of the set, and what is chosen of it as a table; a part of `Session`."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from traitlets import Dict

from xai_widgets.engine.query import one_of
from xai_widgets.session.filters import IMAGES, Filter, Filters, chosen_images

LONGEST_NAME = 200  # characters
MOST_SLICES = 200

Slice = tuple[Filter, ...]


class Slices(Filters):
    """Filters under a name, which can be chosen again; and the images that are chosen together, with what is known."""

    slices = Dict(read_only=True, help="Filters by the name of a slice; kept in a session's file.")

    def slice(self, name: str, images: str | Iterable[str] | None = None) -> None:
        """Keep a part of the set under a name: the selected images, or where none is selected, the filters that hold.

        A slice of filters is again what passes them when it is chosen: with another model these may be other images.

        Args:
            name: of the slice; one of the same name is replaced.
            images: instead, these images by name.

        Raises:
            ValueError: no name, an image that is not there, or nothing is selected and nothing filtered.
        """
        with self.changing():
            name = _checked_name(name)
            chosen = self.selected_images if images is None else images
            some = tuple(dict.fromkeys((chosen,) if isinstance(chosen, str) else chosen))
            kept = chosen_images(some, self.images.names) if some or images is not None else None
            found = self.filters if kept is None else (kept,)
            if not found:
                raise ValueError(
                    "a slice needs images: select some, filter the set, or give images=; "
                    "nothing is selected and nothing is filtered."
                )
            if name not in self.slices and len(self.slices) >= MOST_SLICES:
                raise ValueError(f"there may be {MOST_SLICES} slices; drop one first.")
            self.set_trait("slices", {**self.slices, name: found})

    def choose_slice(self, name: str) -> None:
        """Show a slice: its filters hold in the place of those that held.

        Raises:
            ValueError: there is no such slice.
        """
        with self.changing():
            self.set_trait("filters", self.slices[self._known_slice(name)])

    def drop_slice(self, name: str) -> None:
        """Forget a slice; the filters that hold stay.

        Raises:
            ValueError: there is no such slice.
        """
        with self.changing():
            name = self._known_slice(name)
            self.set_trait("slices", {one: kept for one, kept in self.slices.items() if one != name})

    def slice_images(self, name: str) -> tuple[str, ...]:
        """The images of a slice, in the order of the set.

        Raises:
            ValueError: there is no such slice.
        """
        with self.lock:
            kept = self.kept_by(self.slices[self._known_slice(name)])
        return tuple(self.images.names[place] for place in np.flatnonzero(kept))

    def selection_frame(self) -> pd.DataFrame:
        """The selected images, or where none is selected those that the filters let through, with all that is known.

        Returns:
            A row an image, named by it, in the order of the selection; a column for each of `columns_of_images`:
            numbers or words, NaN where there is none.

        Raises:
            ValueError: an image that is selected is not in the set.
        """
        with self.lock:
            names = self.selected_images or self.shown_images
            places = {name: place for place, name in enumerate(self.images.names)}
            if unknown := [name for name in names if name not in places]:
                raise ValueError(f"There is no image {unknown[0]!r} in {self.images.name!r}, which is selected.")
            rows = np.array([places[name] for name in names], np.int64)
            index = pd.Index(names, name="image", dtype=object)
            columns = {
                name: _cells(column.values[rows]) for name, column in self.columns_of_images.items() if name != IMAGES
            }
            return pd.DataFrame(columns, index=index)

    def _known_slice(self, name: str) -> str:
        return one_of("slice", name, list(self.slices) or ["none, as no slice was named"])


def _checked_name(name: str) -> str:
    """The name without spaces around it.

    Raises:
        ValueError: it is empty, too long, or no text.
    """
    if not isinstance(name, str) or not name.strip() or len(name.strip()) > LONGEST_NAME:
        raise ValueError(f"the name of a slice must be 1 to {LONGEST_NAME} characters, got {name!r:.80}.")
    return name.strip()


def _cells(values: np.ndarray) -> np.ndarray:
    """Words as they are, None where there is none, which pandas takes for missing; numbers as a copy."""
    if values.dtype != object:
        return values.copy()
    return np.array([word or None for word in values], object)
