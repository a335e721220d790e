"""DICOM files, read by pydicom where it is installed: `pip install "xai-widgets[dicom]"`.

Stored values become those of the modality (slope and intercept), then grey by the first window of the file; without a
window, what its bits can hold is black to white. MONOCHROME1 is inverted. Of several frames the first is read.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

MARK, AT = b"DICM", 128
ENDINGS = (".dcm", ".dicom", ".ima")
MISSING = 'is a DICOM file, which pydicom reads: pip install "xai-widgets[dicom]".'


class Size(NamedTuple):
    """What a file says of its picture."""

    width: int
    height: int
    frames: int
    bits: int


def is_dicom(file: IO[bytes]) -> bool:
    file.seek(AT)
    return file.read(len(MARK)) == MARK


def installed() -> bool:
    return find_spec("pydicom") is not None


def size_of(file: IO[bytes]) -> Size:
    """Of the picture; pixels are not read.

    Raises:
        ValueError: pydicom is missing, or the file holds no picture.
    """
    data = _dataset(file, stop_before_pixels=True)
    if not data.get("Rows") or not data.get("Columns"):
        raise ValueError(f"is a DICOM file without a picture: an image is needed, got {_kind(data)}.")
    return Size(int(data.Columns), int(data.Rows), int(data.get("NumberOfFrames") or 1), int(data.get("BitsStored", 8)))


def read(file: IO[bytes], white: float | None = None) -> NDArray[np.uint8]:
    """The first frame (h w c) as bytes.

    Args:
        white: the value of the modality that is white, where 0 is black; else the file's window says it.

    Raises:
        ValueError: pydicom is missing, or cannot read the pixels.
    """
    data = _dataset(file)
    pixels = _pixels(data)
    if pixels.ndim == 3:
        return (pixels >> max(int(data.BitsStored) - 8, 0)).astype(np.uint8) if pixels.dtype != np.uint8 else pixels
    slope, intercept = _number(data, "RescaleSlope", 1.0), _number(data, "RescaleIntercept", 0.0)
    values = pixels.astype(np.float64) * slope + intercept
    low, high = _window(data, slope, intercept) if white is None else (0.0, white)
    grey = ((values - low) / (high - low)).clip(0, 1)
    inverted = data.get("PhotometricInterpretation") == "MONOCHROME1"
    return (255 * (1 - grey if inverted else grey) + 0.5).astype(np.uint8)[..., None]


def _dataset(file: IO[bytes], **options: Any) -> Any:
    if not installed():
        raise ValueError(MISSING)
    import pydicom

    file.seek(0)
    return pydicom.dcmread(file, **options)


def _pixels(data: Any) -> NDArray[Any]:
    """The first frame, (h w) or in colour (h w 3)."""
    from pydicom.pixels import pixel_array

    if "PixelData" not in data and "FloatPixelData" not in data:
        raise ValueError(f"is a DICOM file without a picture: an image is needed, got {_kind(data)}.")
    try:
        found: NDArray[Any] = pixel_array(data, index=0)
    except (RuntimeError, NotImplementedError) as error:  # a compression that needs another package
        name = data.file_meta.get("TransferSyntaxUID")
        raise ValueError(
            f"is compressed as {getattr(name, 'name', name)}, which pydicom alone does not read: "
            "pip install pylibjpeg pylibjpeg-libjpeg pylibjpeg-openjpeg."
        ) from error
    return _coloured(data, found) if data.get("PhotometricInterpretation") == "PALETTE COLOR" else found


def _coloured(data: Any, found: NDArray[Any]) -> NDArray[Any]:
    from pydicom.pixels import apply_color_lut

    table: NDArray[Any] = apply_color_lut(found, data)
    return (table >> 8).astype(np.uint8) if table.dtype == np.uint16 else table


def _window(data: Any, slope: float, intercept: float) -> tuple[float, float]:
    """The values that are black and white."""
    centre, width = _number(data, "WindowCenter", np.nan), _number(data, "WindowWidth", np.nan)
    if np.isfinite(centre) and width > 1:
        # Values of the standard: white begins at centre - 0.5 + (width - 1) / 2.
        return centre - 0.5 - (width - 1) / 2, centre - 0.5 + (width - 1) / 2
    bits = int(data.get("BitsStored", 16))
    signed = bool(data.get("PixelRepresentation", 0))
    stored = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    ends = [value * slope + intercept for value in stored]
    return min(ends), max(ends)


def _number(data: Any, name: str, otherwise: float) -> float:
    """A number of the file; the first where there are several."""
    value = data.get(name)
    if value is None or value == "":
        return otherwise
    first = value if isinstance(value, int | float) else (value[0] if hasattr(value, "__getitem__") else value)
    return float(first)


def _kind(data: Any) -> str:
    named = getattr(data.get("SOPClassUID"), "name", "")
    return str(named or "none")
