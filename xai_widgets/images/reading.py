"""Any picture, file or array, as bytes: (h w 3), or all channels (h w c) where these are asked for.

Decisions, where the caller says nothing else (`how.py`): transparency lies on white, where a file says that a channel
is that; 16 bit is scaled by 65535; float is taken as [0, 1] and never stretched; of several pages or frames the first
is read; the orientation in EXIF is applied, colour profiles are not (nor does torchvision).

Errors are a ValueError whose text continues a sentence that begins with the picture's name ("... is empty: ...").
"""

from __future__ import annotations

import os
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

from xai_widgets.images import dicom, files, heic, pixels, tiff
from xai_widgets.images.how import How
from xai_widgets.images.pixels import PLAIN, check, check_channels, in_bytes, on_white, refuse_large

T = TypeVar("T")
# EPS and WMF are handed to other programs; the rest Pillow only recognises.
_NOT_READ = frozenset({"EPS", "WMF", "MPEG", "BUFR", "GRIB", "HDF5", "IPTC"})
MOVING = ("GIF", "PNG", "WEBP")  # formats whose frames follow each other in time
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
    """What a file says about itself before its pixels are read.

    Attributes:
        reduction: 2, 4 or 8 for a JPEG that is only read at that part of its size.
        bits: 16 where values may go to 65535 and no window says which of them are seen.
        orientation: that of EXIF; 1 is upright.
        pages: frames or pages, of which the first is read.
        opacity: whether it may be transparent in places.
    """

    format: str
    width: int
    height: int
    reduction: int = 1
    bits: int = 8
    orientation: int = 1
    pages: int = 1
    opacity: bool = False


def suffixes() -> frozenset[str]:
    """File name endings, in lower case, of what can be read."""
    endings = Image.registered_extensions().items()
    known = frozenset(ending for ending, name in endings if name in Image.OPEN and name not in _NOT_READ)
    known |= frozenset(dicom.ENDINGS if dicom.installed() else ())
    return known | frozenset(heic.ENDINGS if heic.installed() else ())


def read_header(path: Path, how: How = PLAIN) -> Header:
    """Recognise a file and refuse what cannot be read, without decoding it.

    Raises:
        ValueError: it cannot be read; the text continues a sentence that begins with its name.
    """
    return _guarded(path, lambda file: _header(file, how.count))


def recognised(path: Path) -> bool:
    """Whether a file without an ending that says so holds a picture."""
    try:
        read_header(path)
    except ValueError:
        return False
    return True


def read_photo(path: Path, *, side: int | None = None, how: How = PLAIN) -> NDArray[np.uint8]:
    """The picture as (h w 3), or with `how.channels` as (h w c).

    Args:
        side: JPEG may be read smaller, though not below so many pixels.

    Raises:
        ValueError: it cannot be read; the text continues a sentence that begins with its name.
    """
    return _guarded(path, lambda file: _decode(file, side, how))


def photo_of(picture: ArrayLike | Image.Image, how: How = PLAIN) -> NDArray[np.uint8]:
    """An array, a tensor, or an image of Pillow's, as (h w 3), or with `how.channels` as (h w c).

    Raises:
        ValueError: it cannot be read; the text continues a sentence that begins with its name.
    """
    if isinstance(picture, Image.Image):
        return _despite_warnings(lambda: _finished(_turned(picture, _orientation(picture), how), how))
    return _on_white(in_bytes(check(picture, how), how), how)


def is_transparent(path: Path) -> bool:
    """Whether a file is transparent anywhere.

    Raises:
        ValueError: it cannot be read.
    """

    def read(file: IO[bytes]) -> bool:
        image = _opened(file)
        with _named_damage("image"):
            if image is None or not image.has_transparency_data:
                return False
            return int(np.asarray(image.convert("RGBA"))[..., 3].min()) < 255

    return _guarded(path, read)


def brightest(path: Path) -> int:
    """The largest value of a file of 16 bits.

    Raises:
        ValueError: it cannot be read.
    """

    def read(file: IO[bytes]) -> int:
        image = _opened(file)
        with _named_damage("image"):
            if image is None:
                return int(tiff.read_page(file).array.max())
            image.load()
            most = int(np.asarray(image).max())
            return most if image.mode.startswith("I") else most * 257  # of a PNG in colour Pillow keeps the upper half

    return _guarded(path, read)


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
        if {"http:", "https:", "ftp:", "s3:", "gs:"} & set(path.parts):
            raise ValueError("is an address on the web: images are read from files, so download it first.") from None
        if path.is_symlink():
            raise ValueError(f"is a link to a file that does not exist, {os.readlink(path)!r}.") from None
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


def _opened(file: IO[bytes], channels: int | None = None) -> Image.Image | None:
    """`Image.open`, without its guard, which raises before the size can be told, and without what is not read."""
    Image.init()
    file.seek(0)
    prefix = file.read(16)
    if heic.is_heic(prefix):
        return heic.opened(file)
    if channels is not None and channels > 4 and prefix[:4] in tiff.MARKS:  # Pillow has no more
        return None
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
        return None if tiff.misread(image, channels) else image
    return None


def _header(file: IO[bytes], channels: int | None) -> Header:
    """Recognise and measure; ValueError for what is unknown or too large."""
    if dicom.is_dicom(file):
        with _named_damage("DICOM"):
            size = dicom.size_of(file)
        refuse_large(size.width, size.height)
        return Header("DICOM", size.width, size.height, pages=size.frames)
    with _named_damage("image"):
        image = _opened(file, channels)
    if image is not None:
        deep = image.mode.startswith("I") or _is_deep_png(file, image)
        pages = tiff.pages_of(file) if image.format == "TIFF" and getattr(image, "n_frames", 1) > 1 else _frames(image)
        turned = _orientation(image, header=True)
        name = str(image.format)
        bits, clear = 16 if deep else 8, image.has_transparency_data
        return Header(name, image.width, image.height, _reduction(image), bits, turned, pages, clear)
    found = _tiff_size(file)
    if channels is None and not found.opacity:
        check_channels((found.height, found.width, found.channels))
    return Header("TIFF", found.width, found.height, 1, found.bits, found.orientation, found.pages)


def _frames(image: Image.Image) -> int:
    """Of a picture that moves."""
    if image.format not in MOVING or not getattr(image, "is_animated", False):
        return 1
    try:
        return int(getattr(image, "n_frames", 1))
    except Exception:  # a later frame is damaged: the first one may be sound
        return 2


def _decode(file: IO[bytes], side: int | None, how: How) -> NDArray[np.uint8]:
    if dicom.is_dicom(file):
        with _named_damage("DICOM"):
            return _on_white(check(dicom.read(file, how.white), how), how)
    with _named_damage("image"):
        image = _opened(file, how.count)
    if image is None:
        return _decode_tiff(file, how)
    if how.white is not None and _is_deep_png(file, image) and not image.mode.startswith("I"):
        raise ValueError(
            "is a PNG with 16 bits in colour, of which Pillow reads 8: white= needs all, which a TIFF of it has."
        )
    reduction = _reduction(image)
    if side is not None and _shrinks(image):
        reduction = max(reduction, min(image.size) // side)
    with _named_damage(str(image.format)):
        if reduction > 1:
            image.draft(None, (-(-image.width // reduction), -(-image.height // reduction)))
        image.load()
    return _finished(_turned(image, _orientation(image), how), how)


def _decode_tiff(file: IO[bytes], how: How) -> NDArray[np.uint8]:
    _tiff_size(file)
    with _named_damage("TIFF"):
        array, orientation, opacity = tiff.read_page(file, how.count)
    known = array if opacity and how.channels is None else check(array, how)
    found = _on_white(in_bytes(known, how), how)
    if how.orientation == "stored" or orientation not in _TURNS:
        return found
    layers = [np.asarray(_turned(Image.fromarray(layer), orientation, how)) for layer in np.moveaxis(found, 2, 0)]
    return np.stack(layers, 2)


def _tiff_size(file: IO[bytes]) -> tiff.Size:
    """The size of a TIFF that Pillow does not know; ValueError for any other file, and for a large one."""
    if not tiff.is_tiff(file):
        raise ValueError(_unknown(file))
    with _named_damage("TIFF"):
        found = tiff.size_of(file)
    refuse_large(found.width, found.height)
    return found


def _unknown(file: IO[bytes]) -> str:
    """What is said of a file in no format that is read."""
    file.seek(0)
    if file.read(6).startswith((b"PK\3\4", b"\x1f\x8b", b"Rar!", b"7z\xbc\xaf", b"BZh", b"\xfd7zXZ")):
        return "is an archive: unpack it, and give the folder with the images."
    return "cannot be read: a file that Pillow or tifffile reads is needed, got no format known to them."


def _is_deep_png(file: IO[bytes], image: Image.Image) -> bool:
    if image.format != "PNG":
        return False
    place = file.tell()
    file.seek(24)
    bits = file.read(1)
    file.seek(place)
    return bits == b"\x10"


def _reduction(image: Image.Image) -> int:
    """1, or what makes a large JPEG small enough; its decoder then never makes the large picture."""
    for reduction in (1, 2, 4, 8) if _shrinks(image) else (1,):
        if -(-image.width // reduction) * -(-image.height // reduction) <= pixels.MOST_PIXELS:
            return reduction
    return refuse_large(image.width, image.height)


def _shrinks(image: Image.Image) -> bool:
    """Whether the decoder can shrink. A progressive file is kept whole by it, in two bytes a value."""
    return image.format in ("JPEG", "MPO") and not image.info.get("progressive")


@contextmanager
def _named_damage(what: str) -> Iterator[None]:
    """Decoders fail in many ways, all of which mean that the file is not whole."""
    try:
        yield
    except (Warning, MemoryError):
        raise
    except ValueError as error:
        if str(error).startswith(("is ", "has ", "must ")):  # a sentence of our own
            raise
        raise _damaged(what, error) from error
    except Exception as error:
        raise _damaged(what, error) from error


def _damaged(what: str, error: Exception) -> ValueError:
    reason = str(error).strip().rstrip(".") or type(error).__name__
    return ValueError(f"is cut off or damaged: a whole {what} file is needed, got an error ({reason}).")


def _orientation(image: Image.Image, *, header: bool = False) -> int:
    """That of EXIF. A look at the `header` leaves pixels alone, which Pillow would read for that of a PNG."""
    if header and image.format == "PNG" and not {"exif", "Raw profile type exif"} & image.info.keys():
        return 1
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Warning:
        raise
    except Exception:  # damaged metadata, of which there are many kinds, must not cost the picture
        return 1


def _turned(image: Image.Image, orientation: int, how: How) -> Image.Image:
    stored = how.orientation == "stored" or orientation not in _TURNS
    return image if stored else image.transpose(_TURNS[orientation])


def turned(values: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Values (h w) of a photo as it is stored, turned as an orientation of EXIF says."""
    return np.asarray(Image.fromarray(values).transpose(_TURNS[orientation]))


def _finished(image: Image.Image, how: How) -> NDArray[np.uint8]:
    """An image of Pillow's in any mode as (h w 3), or its channels."""
    if how.channels is not None:
        return in_bytes(check(np.asarray(_plain(image)), how), how)
    if image.mode == "I" and how.white is None:
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65535:
            raise ValueError(f"must have values from 0 to 65535, got {values.min()} to {values.max()}.")
        return on_white(in_bytes(values.astype(np.uint16)[..., None]))
    if image.mode.startswith("I") or image.mode == "F":
        return on_white(in_bytes(_plain(image), how)[..., None])
    if image.mode == "LAB":
        to_rgb = ImageCms.buildTransform(
            ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), inMode="LAB", outMode="RGB"
        )
        image = ImageCms.applyTransform(image, to_rgb) or image
    if image.has_transparency_data and how.transparency == "white":
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    return np.array(image.convert("RGB"))


def _plain(image: Image.Image) -> NDArray[Any]:
    """Its numbers, a channel each: those of a palette are looked up."""
    if image.mode == "P":
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    values = np.asarray(image)
    return values.astype(np.uint16) if image.mode.startswith("I;16") else values


def _on_white(array: NDArray[np.uint8], how: How) -> NDArray[np.uint8]:
    return array if how.channels is not None else on_white(array)
