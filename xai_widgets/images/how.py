"""How the numbers of files and arrays become pixels, by the caller's word."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

ORIENTATIONS = ("upright", "stored")
TRANSPARENCIES = ("white", "dropped")
_COLOURS = ({"red", "r"}, {"green", "g"}, {"blue", "b"})
Numbers = tuple[float, ...]


@dataclass(frozen=True)
class How:
    """What is said of all pictures of a set.

    Attributes:
        orientation: "upright": turned as EXIF says; "stored": as the pixels lie in the file.
        white: the value that is white in pictures that are not of 8 bits; None: what their type says.
        channels: a name for each channel that is kept; None for photographs.
        shown: the numbers of the channels that are shown, three or one.
        transparency: "white": what is transparent in a file lies on white; "dropped": colours are taken as they are.
        mean, std: what a normalisation subtracted and divided by, a number a channel; undone.
    """

    orientation: str = "upright"
    white: float | None = None
    channels: tuple[str, ...] | None = None
    shown: tuple[int, ...] = ()
    mean: Numbers | None = None
    std: Numbers | None = None
    transparency: str = "white"

    @property
    def count(self) -> int | None:
        """How many channels are kept; None for photographs."""
        return None if self.channels is None else len(self.channels)

    @property
    def mark(self) -> str:
        """What is added to the digest of a content: the same file read otherwise is another picture; "" as usual."""
        parts: tuple[Hashable, ...] = (self.orientation, self.white, self.channels, self.shown, self.mean, self.std)
        if self.transparency != "white":
            parts = (*parts, self.transparency)
        return "" if self == How() else repr(parts)


def how_of(
    *,
    orientation: Any = "upright",
    white: Any = None,
    channels: Any = None,
    shown: Any = None,
    mean: Any,
    std: Any,
    transparency: Any = "white",
) -> How:
    """The arguments of a set, checked.

    Raises:
        ValueError: one of them does not fit.
    """
    if orientation not in ORIENTATIONS:
        raise ValueError(f"orientation must be 'upright' or 'stored', got {orientation!r}.")
    if transparency not in TRANSPARENCIES:
        raise ValueError(f"transparency must be 'white' or 'dropped', got {transparency!r}.")
    if white is not None and not (isinstance(white, int | float) and math.isfinite(white) and white > 0):
        raise ValueError(f"white must be a positive number, such as 4095 for 12 bits, got {white!r}.")
    names = _names_of(channels)
    if shown is not None and names is None:
        raise ValueError(f"shown says which channels are shown and needs channels=, got {shown!r} alone.")
    if (mean is None) != (std is None):
        raise ValueError("mean and std undo a normalisation together: give both.")
    means, spreads = (
        None if given is None else _numbers(word, given) for word, given in (("mean", mean), ("std", std))
    )
    if spreads is not None and min(spreads) <= 0:
        raise ValueError(f"std must be positive numbers, got {std!r}.")
    places = () if names is None else _shown_of(names, shown)
    return How(orientation, None if white is None else float(white), names, places, means, spreads, transparency)


def _names_of(channels: Any) -> tuple[str, ...] | None:
    if channels is None:
        return None
    if isinstance(channels, int) and not isinstance(channels, bool) and channels > 0:
        return tuple(f"channel {index}" for index in range(channels))
    if isinstance(channels, Sequence) and not isinstance(channels, str | bytes) and channels:
        names = tuple(map(str, channels))
        if len(set(names)) == len(names):
            return names
    raise ValueError(f"channels must be how many there are, or a different name for each, got {channels!r}.")


def _shown_of(names: tuple[str, ...], shown: Any) -> tuple[int, ...]:
    """Those that are asked for; else red, green and blue by name, the first three, or the first as grey."""
    if shown is None:
        known = [next((i for i, name in enumerate(names) if name.casefold() in words), -1) for words in _COLOURS]
        if min(known) >= 0:
            return tuple(known)
        return (0, 1, 2) if len(names) >= 3 else (0,)
    asked = [shown] if isinstance(shown, int | str) else list(shown)
    found = [names.index(one) if one in names else one for one in asked]
    fits = all(isinstance(one, int) and 0 <= one < len(names) for one in found)
    if len(found) not in (1, 3) or not fits:
        raise ValueError(
            f"shown must be three channels, or one, by name or by number from 0 to {len(names) - 1}, got {shown!r}."
        )
    return tuple(int(one) for one in found)


def _numbers(word: str, given: Any) -> Numbers:
    try:
        numbers = tuple(float(one) for one in ([given] if isinstance(given, int | float) else given))
    except (TypeError, ValueError):
        numbers = ()
    if not numbers or not all(map(math.isfinite, numbers)):
        raise ValueError(f"{word} must be a number, or one for each channel, got {given!r}.")
    return numbers
