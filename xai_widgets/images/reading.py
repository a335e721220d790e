"""Any picture, file or array, as (h w 3) uint8.

Decisions: transparency lies on white; 16 bit is scaled by 65535; float is taken as [0, 1] and never stretched; of
several frames or pages the first is read; the orientation in EXIF is applied, colour profiles are not (nor does
torchvision).

Errors are a ValueError whose text continues a sentence that begins with the picture's name ("... is empty: ...").
"""

from __future__ import annotations

import struct
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageCms

from xai_widgets.images import files, tiff

MOST_PIXELS = 64_000_000  # about 0.7 GB while it is being read
T = TypeVar("T")
# EPS and WMF are handed to other programs; the rest Pillow only recognises.
_NOT_READ = frozenset({"EPS", "WMF", "MPEG", "BUFR", "GRIB", "HDF5", "IPTC"})
_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_warnings_lock = threading.Lock()


@dataclass(frozen=True)
class Header:
    """What a file says about itself before its pixels are read."""

    format: str
    width: int
    height: int
    reduction: int  # 2, 4 or 8 for a JPEG that is only read at that part of its size


def suffixes() -> frozenset[str]:
    """File name endings, in lower case, of what can be read."""
    endings = Image.registered_extensions().items()
    return frozenset(ending for ending, name in endings if name in Image.OPEN and name not in _NOT_READ)


def read_header(path: Path) -> Header:
    """Recognise a file and refuse what cannot be read, without decoding it.

    Raises:
        ValueError: it cannot be read; the text continues a sentence that begins with its name.
    """
    return _guarded(path, _header)


def read_photo(path: Path, *, side: int | None = None) -> NDArray[np.uint8]:
    """The picture as (h w 3); with `side`, JPEG may be read smaller, though not below `side` pixels.

    Raises:
        ValueError: it cannot be read; the text continues a sentence that begins with its name.
    """
    return _guarded(path, lambda file: _decode(file, side))


def photo_of(picture: ArrayLike | Image.Image) -> NDArray[np.uint8]:
    """An array, or an image of Pillow's, as (h w 3).

    Raises:
        ValueError: it cannot be read; the text continues a sentence that begins with its name.
    """
    if isinstance(picture, Image.Image):
        return _despite_warnings(lambda: _rgb(_turned(picture, _orientation(picture))))
    return _on_white(_in_bytes(check(picture)))


def check(picture: ArrayLike | Image.Image) -> NDArray[Any]:
    """The array as (h w c), its values not looked at.

    Raises:
        ValueError: its shape or size is not a picture's; the text continues a sentence that begins with its name.
    """
    array = np.asarray(picture)
    if array.ndim not in (2, 3) or 0 in array.shape or (array.ndim == 3 and array.shape[2] > 4):
        hint = ": the channels come last" if array.ndim == 3 and array.shape[0] in (1, 3, 4) else ""
        raise ValueError(f"must have the shape (h w), (h w 1), (h w 3) or (h w 4), got {array.shape}{hint}.")
    _refuse_large(array.shape[1], array.shape[0])
    return array if array.ndim == 3 else array[..., None]


def _guarded(path: Path, read: Callable[[IO[bytes]], T]) -> T:
    """Read from a file; whatever goes wrong becomes a ValueError that says what and what is allowed."""

    def attempt() -> T:
        with files.opened(path) as file:
            return read(file)

    if "\0" in str(path):
        raise ValueError("is no file name: text without the character NUL is needed.")
    try:
        if path.stat().st_size == 0 and path.is_file():
            raise ValueError("is empty: an image file is needed, got 0 bytes.")
        return _despite_warnings(attempt)
    except FileNotFoundError:
        raise ValueError(f"does not exist: a file is needed, got {str(path)!r}.") from None
    except IsADirectoryError:
        raise ValueError(f"is a folder: a file is needed, got {str(path)!r}.") from None
    except PermissionError:
        raise ValueError(f"may not be read: a file with read permission is needed, got {str(path)!r}.") from None
    except OSError as error:
        raise ValueError(f"cannot be read: a file is needed, got an error ({error.strerror or error}).") from error
    except MemoryError:
        raise ValueError("needs more memory than there is: a smaller image is needed.") from None


def _despite_warnings(attempt: Callable[[], T]) -> T:
    """Where the user turned warnings into errors, a harmless remark of Pillow's must not cost the picture.

    Filters are global and shared by threads, so they are left alone as long as nothing is raised.
    """
    try:
        return attempt()
    except Warning:
        with _warnings_lock, warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"PIL\.")
            return attempt()


def _opened(file: IO[bytes]) -> Image.Image | None:
    """`Image.open`, without its guard, which raises before the size can be told, and without what is not read."""
    Image.init()
    prefix = file.read(16)
    for name in [name for name in Image.ID if name not in _NOT_READ]:
        factory, accepts = Image.OPEN[name]
        verdict = accepts is None or accepts(prefix)
        if not verdict or isinstance(verdict, str):  # text: this build of Pillow lacks the format
            continue
        file.seek(0)
        try:
            image = factory(file, "")
        except (SyntaxError, IndexError, TypeError, struct.error):
            continue  # how Pillow's formats say "not mine"
        return None if tiff.misread(image) else image
    return None


def _header(file: IO[bytes]) -> Header:
    """Recognise and measure; ValueError for what is unknown or too large."""
    with _named_damage("image"):
        image = _opened(file)
    if image is not None:
        return Header(str(image.format), image.width, image.height, _reduction(image))
    width, height = _tiff_size(file)
    return Header("TIFF", width, height, 1)


def _decode(file: IO[bytes], side: int | None) -> NDArray[np.uint8]:
    with _named_damage("image"):
        image = _opened(file)
    if image is None:
        return _decode_tiff(file)
    reduction = _reduction(image)
    if side is not None and _shrinks(image):
        reduction = max(reduction, min(image.size) // side)
    with _named_damage(str(image.format)):
        if reduction > 1:
            image.draft(None, (-(-image.width // reduction), -(-image.height // reduction)))
        image.load()
    return _rgb(_turned(image, _orientation(image)))


def _decode_tiff(file: IO[bytes]) -> NDArray[np.uint8]:
    _tiff_size(file)
    with _named_damage("TIFF"):
        array, orientation = tiff.read_page(file)
    return np.array(_turned(Image.fromarray(photo_of(array)), orientation))


def _tiff_size(file: IO[bytes]) -> tuple[int, int]:
    """The size of a TIFF that Pillow does not know; ValueError for any other file, and for a large one."""
    if not tiff.is_tiff(file):
        raise ValueError("cannot be read: a file that Pillow or tifffile reads is needed, got no format known to them.")
    with _named_damage("TIFF"):
        width, height = tiff.size_of(file)
    _refuse_large(width, height)
    return width, height


def _reduction(image: Image.Image) -> int:
    """1, or what makes a large JPEG small enough; its decoder then never makes the large picture."""
    for reduction in (1, 2, 4, 8) if _shrinks(image) else (1,):
        if -(-image.width // reduction) * -(-image.height // reduction) <= MOST_PIXELS:
            return reduction
    return _refuse_large(image.width, image.height)


def _shrinks(image: Image.Image) -> bool:
    """Whether the decoder can shrink. A progressive file is kept whole by it, in two bytes a value."""
    return image.format in ("JPEG", "MPO") and not image.info.get("progressive")


def _refuse_large(width: int, height: int) -> int:
    if width * height > MOST_PIXELS:
        raise ValueError(
            f"is too large: at most {MOST_PIXELS:,} pixels are read (baseline JPEG: 64 times as many, reduced), "
            f"got {width:,} x {height:,}."
        )
    return 1


@contextmanager
def _named_damage(what: str) -> Iterator[None]:
    """Decoders fail in many ways, all of which mean that the file is not whole."""
    try:
        yield
    except (Warning, MemoryError):
        raise
    except Exception as error:
        reason = str(error).strip().rstrip(".") or type(error).__name__
        raise ValueError(f"is cut off or damaged: a whole {what} file is needed, got an error ({reason}).") from error


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Warning:
        raise
    except Exception:  # damaged metadata, of which there are many kinds, must not cost the picture
        return 1


def _turned(image: Image.Image, orientation: int) -> Image.Image:
    return image.transpose(_TURNS[orientation]) if orientation in _TURNS else image


def _rgb(image: Image.Image) -> NDArray[np.uint8]:
    """An image of Pillow's in any mode as (h w 3)."""
    if image.mode.startswith("I;16"):
        return _on_white(_in_bytes(np.asarray(image).astype(np.uint16)[..., None]))
    if image.mode == "I":
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65535:
            raise ValueError(f"must have values from 0 to 65535, got {values.min()} to {values.max()}.")
        return _on_white(_in_bytes(values.astype(np.uint16)[..., None]))
    if image.mode == "F":
        return _on_white(_in_bytes(np.asarray(image)[..., None]))
    if image.mode == "LAB":
        to_rgb = ImageCms.buildTransform(
            ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), inMode="LAB", outMode="RGB"
        )
        image = ImageCms.applyTransform(image, to_rgb) or image
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    return np.array(image.convert("RGB"))


def _in_bytes(array: NDArray[Any]) -> NDArray[np.uint8]:
    """Values as 0 to 255, by what their type says."""
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype == np.uint8:
        return array
    if not np.issubdtype(array.dtype, np.integer) and not np.issubdtype(array.dtype, np.floating):
        raise ValueError(f"must hold numbers or booleans, got the type {array.dtype}.")
    low, high = array.min(), array.max()
    if array.dtype == np.uint16:
        return ((array.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
    if np.issubdtype(array.dtype, np.integer):
        if low < 0 or high > 255:
            raise ValueError(f"must be uint8, uint16 or have values from 0 to 255, got {array.dtype} {low} to {high}.")
        return array.astype(np.uint8)
    if not (low >= -1e-4 and high <= 1 + 1e-4):  # a little beyond is rounding; NaN fails both
        raise ValueError(f"must have values from 0 to 1, being {array.dtype}, got {low:g} to {high:g}.")
    return (array.clip(0, 1) * 255 + 0.5).astype(np.uint8)


def _on_white(array: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(h w c) with 1 to 4 channels as (h w 3); channels 2 and 4 are opacity."""
    channels = array.shape[2]
    if channels in (2, 4):
        opacity = array[..., -1:].astype(np.uint16)
        array = ((array[..., :-1] * opacity + 255 * (255 - opacity) + 127) // 255).astype(np.uint8)
    return np.array(np.broadcast_to(array, (*array.shape[:2], 3)))
