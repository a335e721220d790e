"""Arrays of any type as bytes: photographs (h w 3), or all channels (h w c).

Errors are a ValueError whose text continues a sentence that begins with the picture's name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from xai_widgets.images.how import How

MOST_PIXELS = 64_000_000  # about 0.7 GB while it is being read
MOST_CHANNELS = 512
PLAIN = How()
WHITE_IS = "white= says which value is white"
_IMAGENET = "mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)"


def is_tensor(value: object) -> bool:
    """Whether it is a tensor of torch's; nothing is imported for it."""
    return any(kind.__module__.split(".")[0] == "torch" and kind.__name__ == "Tensor" for kind in type(value).__mro__)


def as_array(picture: Any) -> NDArray[Any]:
    """An array, or a tensor, whose channels come first, with its channels last."""
    if not is_tensor(picture):
        return np.asarray(picture)
    tensor = picture.detach().cpu()
    array: NDArray[Any] = (tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor).numpy()
    if array.ndim == 4 and len(array) == 1:
        array = array[0]
    last = array.ndim == 3 and array.shape[0] > 4 and array.shape[2] in (1, 3)
    return np.moveaxis(array, 0, -1) if array.ndim == 3 and not last else array


def check(picture: ArrayLike | Image.Image, how: How = PLAIN) -> NDArray[Any]:
    """The array as (h w c), its values not looked at.

    Raises:
        ValueError: its shape or size is not a picture's.
    """
    array = as_array(picture)
    if array.ndim not in (2, 3) or 0 in array.shape:
        raise ValueError(f"must have the shape {_allowed(how)}, got {array.shape}.")
    refuse_large(array.shape[1], array.shape[0])
    array = array if array.ndim == 3 else array[..., None]
    if how.channels is None:
        check_channels(array.shape)
    if how.channels is not None and array.shape[2] != len(how.channels):
        hint = " The channels come last." if array.shape[0] == len(how.channels) else ""
        raise ValueError(f"must have {len(how.channels)} channels (channels=), got {array.shape[2]}.{hint}")
    return array


def check_channels(shape: tuple[int, ...]) -> None:
    """Refuse what is no photograph, (h w c): it is not known what its channels are.

    Raises:
        ValueError: it has other than 1 or 3 channels.
    """
    if shape[2] not in (1, 3):
        raise ValueError(_refusal(shape))


def _allowed(how: How) -> str:
    return "(h w), (h w 1) or (h w 3)" if how.channels is None else f"(h w {len(how.channels)})"


def _refusal(shape: tuple[int, ...]) -> str:
    if shape[0] in (1, 3):
        return f"must have the shape {_allowed(PLAIN)}, got {shape}: the channels come last."
    if shape[2] in (2, 4):
        what, mode = ("fourth", "RGBA") if shape[2] == 4 else ("second", "LA")
        return (
            f"has {shape[2]} channels, and nothing says what the {what} is: channels={shape[2]} keeps all for a "
            f"network that takes them; opacity comes with a file or an image of Pillow's of mode {mode}."
        )
    kept = f": channels={shape[2]} keeps all for a network that takes them" if shape[2] <= MOST_CHANNELS else ""
    return f"must have the shape {_allowed(PLAIN)}, got {shape}{kept}."


def refuse_large(width: int, height: int) -> int:
    """1; ValueError for more pixels than are read."""
    if width * height > MOST_PIXELS:
        raise ValueError(
            f"is too large: at most {MOST_PIXELS:,} pixels are read (baseline JPEG: 64 times as many, reduced), "
            f"got {width:,} x {height:,}."
        )
    return 1


def in_bytes(array: NDArray[Any], how: How = PLAIN) -> NDArray[np.uint8]:
    """Values (h w c) as 0 to 255, by what the caller says, or their type.

    Raises:
        ValueError: they are no numbers, or beyond what their type is taken to mean.
    """
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype == np.uint8:
        return array
    if not np.issubdtype(array.dtype, np.integer) and not np.issubdtype(array.dtype, np.floating):
        raise ValueError(f"must hold numbers or booleans, got the type {array.dtype}.")
    if how.mean is not None and how.std is not None and np.issubdtype(array.dtype, np.floating):
        array = _undone(array, how.mean, how.std)
    low, high = array.min(), array.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        count = int((~np.isfinite(array)).sum())
        raise ValueError(
            f"must have finite values, got {count:,} of {array.size:,} that are NaN or infinite: fill them first, as "
            "with numpy.nan_to_num."
        )
    if how.white is not None:
        if low < 0:
            raise ValueError(f"must have values from 0, white being {how.white:g}, got {low:g} to {high:g}.")
        return (np.minimum(array.astype(np.float64) / how.white, 1) * 255 + 0.5).astype(np.uint8)
    if array.dtype == np.uint16:
        return ((array.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
    if np.issubdtype(array.dtype, np.integer):
        if low < 0 or high > 255:
            raise ValueError(
                f"must be uint8, uint16 or have values from 0 to 255, got {array.dtype} {low} to {high}"
                f"{'' if low < 0 else ': ' + WHITE_IS}."
            )
        return array.astype(np.uint8)
    most = 1e-4 if how.mean is None else 1e-2  # a little beyond is rounding; NaN fails both
    if not (low >= -most and high <= 1 + most):
        raise ValueError(
            f"must have values from 0 to 1, being {array.dtype}, got {low:g} to {high:g}{_why(low, high, how)}."
        )
    return (array.clip(0, 1) * 255 + 0.5).astype(np.uint8)


def _why(low: float, high: float, how: How) -> str:
    if how.mean is not None:
        return ""
    if low < 0:
        return f": where it was normalised, mean= and std= undo that, such as {_IMAGENET}"
    return f": {WHITE_IS}"


def _undone(array: NDArray[Any], mean: Sequence[float], std: Sequence[float]) -> NDArray[Any]:
    for word, numbers in (("mean", mean), ("std", std)):
        if len(numbers) not in (1, array.shape[2]):
            raise ValueError(f"has {array.shape[2]} channels: {word} must have as many numbers, got {len(numbers)}.")
    return array * np.asarray(std, array.dtype) + np.asarray(mean, array.dtype)


def on_white(array: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(h w c) with 1 to 4 channels as (h w 3); channels 2 and 4 are opacity, as their file says."""
    channels = array.shape[2]
    if channels in (2, 4):
        opacity = array[..., -1:].astype(np.uint16)
        array = ((array[..., :-1] * opacity + 255 * (255 - opacity) + 127) // 255).astype(np.uint8)
    return np.array(np.broadcast_to(array, (*array.shape[:2], 3)))


def shown_of(bands: NDArray[np.uint8], how: How) -> NDArray[np.uint8]:
    """The channels (h w c) that are shown, as (h w 3)."""
    if how.channels is None:
        return bands
    return np.array(np.broadcast_to(bands[..., how.shown], (*bands.shape[:2], 3)))
