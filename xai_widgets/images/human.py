"""A human map and its photo: turned as that is, and of its proportions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xai_widgets.images import reading
from xai_widgets.images.how import How

if TYPE_CHECKING:
    from xai_widgets.images.listing import Listing

Size = tuple[int, int]  # height, width
NEAR = 0.05  # by how much of the longer one sides may differ from the proportions of a photo
SIDEWAYS = 5  # from this orientation of EXIF on, height and width are exchanged


def as_photo(values: NDArray[np.float32], photo: reading.Header, how: How) -> NDArray[np.float32]:
    """A map (h w) over the photo as it is read: turned with it, where it was drawn on the stored one.

    Args:
        photo: the header of its file.
    """
    height, width = values.shape
    if _lies((height, width), photo, how) != "stored":
        return values
    return np.ascontiguousarray(reading.turned(values, photo.orientation))


def stretched(given: reading.Header, photo: reading.Header, how: How) -> str:
    """A sentence where a map has neither the shape of its photo as it is read nor as it is stored.

    Args:
        given: the header of the map.
        photo: that of the photo.
    """
    size = _sizes(given, how)[-1]
    if _lies(size, photo, how) != "stretched":
        return ""
    high, wide = _sizes(photo, how)[-1]
    return f"It is {size[0]} x {size[1]}, stretched over its photo of {high} x {wide}."


def check_all(found: Listing, how: How) -> None:
    """Say which maps are turned with their photos, and which may not lie where they were drawn."""
    turned = 0
    for row in found.rows:
        if not isinstance(row.human_map, Path) or row.header is None:
            continue
        header = reading.read_header(row.human_map)
        size = _sizes(header, how)[-1]
        lies = _lies(size, row.header, how)
        turned += lies == "stored"
        of = f"The human map of {row.name!r}"
        if lies == "stretched":
            found.complain(row.name, f"{of} {stretched(header, row.header, how).removeprefix('It ')}", "stretched")
        if lies == "either" and header.orientation == 1:
            found.complain(row.name, f"{of} is taken as drawn on the photo as EXIF turns it.", "drawn")
    if turned:
        some = "1 human map has" if turned == 1 else f"{turned:,} human maps have"
        found.said.append(
            f"{some} the shape of a photo as it is stored: turned with it as EXIF says; the map of an upright "
            "photo has its shape."
        )


def _lies(size: Size, photo: reading.Header, how: How) -> str:
    """What a map of a size fits: the photo as it is "upright", as it is "stored", "either", or none, "stretched"."""
    stored, upright = _sizes(photo, how)
    if not _alike(size, upright):
        return "stored" if _alike(size, stored) else "stretched"
    moved = how.orientation != "stored" and 2 <= photo.orientation <= 8
    return "either" if moved and _alike(size, stored) else "upright"


def _sizes(photo: reading.Header, how: How) -> tuple[Size, Size]:
    """Of the photo as it is stored, and as it is read."""
    stored = photo.height, photo.width
    sideways = how.orientation != "stored" and SIDEWAYS <= photo.orientation <= 8
    return stored, stored[::-1] if sideways else stored


def _alike(one: Size, other: Size) -> bool:
    """Whether two sizes have one shape, up to a place of the smaller one."""
    expected = one[0] * other[1] / other[0], one[1] * other[0] / other[1]  # width by height, height by width
    apart = abs(one[1] - expected[0]), abs(one[0] - expected[1])
    return any(gap <= max(1.0, NEAR * side) for gap, side in zip(apart, one[::-1], strict=True))
