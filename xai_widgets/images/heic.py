"""HEIC and HEIF photographs, as telephones take them, by pillow-heif where it is installed.

`pip install "xai-widgets[heic]"`. Its format is not made known to Pillow as a whole: that is the caller's to do.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import IO

from PIL import Image

ENDINGS = (".heic", ".heif", ".hif")
MISSING = 'is a HEIC photograph, which pillow-heif reads: pip install "xai-widgets[heic]".'
_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")


def installed() -> bool:
    return find_spec("pillow_heif") is not None


def is_heic(prefix: bytes) -> bool:
    """Whether a file that begins so, 12 bytes or more, is one. AVIF, which Pillow reads, has other brands."""
    return prefix[4:8] == b"ftyp" and prefix[8:12] in _BRANDS


def opened(file: IO[bytes]) -> Image.Image:
    """The photograph, upright.

    Raises:
        ValueError: pillow-heif is missing.
    """
    if not installed():
        raise ValueError(MISSING)
    from pillow_heif import HeifImageFile

    file.seek(0)
    image: Image.Image = HeifImageFile(file)
    return image
