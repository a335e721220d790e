"""What is said of a set as a whole after a look at its files: turned photographs, dark files of 16 bits, channels."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from xai_widgets.images import reading
from xai_widgets.images.how import How
from xai_widgets.images.pixels import as_array

LOOKED_INTO = 8  # files of 16 bits, spread over the set
DARK = 65536 // 16
Pictures = Sequence[tuple[Any, reading.Header | None]]  # what each comes from, and its header if that is a file


def notices_of(pictures: Pictures, how: How) -> list[str]:
    """Sentences on what was taken by looking, each with the argument that says otherwise."""
    return [
        said
        for said in (_turned(pictures, how), _transparent(pictures, how), _dark(pictures, how), _channels(how))
        if said
    ]


def _turned(pictures: Pictures, how: How) -> str:
    turned = sum(header is not None and 2 <= header.orientation <= 8 for _, header in pictures)
    if not turned or how.orientation == "stored":
        return ""
    some = "1 file is" if turned == 1 else f"{turned:,} files are"
    return (
        f"{some} turned upright by the orientation in EXIF (of {len(pictures):,}). Image.open and torchvision's "
        "ImageFolder leave files as they are stored: orientation='stored' does so too."
    )


def _transparent(pictures: Pictures, how: How) -> str:
    """Of files that are transparent in places: those of photographs mostly are not, though they could be."""
    some = [origin for origin, header in pictures if header is not None and header.opacity]
    if not some or how.transparency == "dropped" or how.channels is not None:
        return ""
    for origin in some[:: -(-len(some) // LOOKED_INTO)]:
        with suppress(ValueError, OSError):  # it is told when it is read
            if reading.is_transparent(origin):
                count = "1 file has" if len(some) == 1 else f"{len(some):,} files have"
                return (
                    f"{count} transparency (of {len(pictures):,}), and what is transparent lies on white. "
                    "Image.convert('RGB') takes the colours as they are: transparency='dropped' does so too."
                )
    return ""


def _dark(pictures: Pictures, how: How) -> str:
    """Of pictures of 16 bits whose values need only 12: white is 65535, so that they are nearly black."""
    deep = [origin for origin, header in pictures if _is_deep(origin, header)]
    if not deep:
        return ""
    count = "1 image of 16 bits is" if len(deep) == 1 else f"{len(deep):,} images of 16 bits are"
    handed = f"{count} handed on in 8 (of {len(pictures):,}): a transform is given values from 0 to 255."
    if how.white is not None:
        return handed
    brightest = -1
    for origin in deep[:: -(-len(deep) // LOOKED_INTO)]:
        with suppress(ValueError, OSError):  # it is told when it is read
            most = reading.brightest(origin) if isinstance(origin, Path) else int(as_array(origin).max())
            brightest = max(brightest, most)
        if brightest >= DARK:
            return handed
    if brightest < 0:
        return ""
    bits = max(brightest, 1).bit_length()
    white = 4095 if bits > 10 else 2**bits - 1
    return (
        f"{handed} They are dark: the largest value of those looked into is {brightest:,}, and 65,535 is white. "
        f"white={white} makes {white:,} white."
    )


def _is_deep(origin: Any, header: reading.Header | None) -> bool:
    if header is not None:
        return header.bits == 16
    return getattr(origin, "dtype", None) == np.uint16


def _channels(how: How) -> str:
    if how.channels is None:
        return ""
    names = [repr(how.channels[place]) for place in how.shown]
    seen = f"{', '.join(names[:-1])} and {names[-1]} are shown as red, green and blue" if len(names) > 1 else ""
    return (
        f"Images of {len(how.channels)} channels, 8 bits each: {seen or f'{names[0]} is shown, as grey'} (shown=). "
        "A network of so many channels is fed all of them, any other one what is shown."
    )
