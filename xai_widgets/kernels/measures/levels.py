"""Which levels of noise are measured: of one kind, or of several by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from xai_widgets.kernels.checks import real_number
from xai_widgets.kernels.degrade import NOISES, Change, check_noise, noise_levels

Levels = Sequence[float] | Mapping[str, Sequence[float]] | None


def name_of(kind: str | Change) -> str:
    """The name of a kind of noise, or of a function that changes images."""
    return kind if isinstance(kind, str) else str(getattr(kind, "__name__", type(kind).__name__))


def levels_of(
    kind: str | Change, levels: Sequence[float] | None, side: int, *, per_channel: bool = False
) -> tuple[float, ...]:
    """The levels of one kind of noise, those of `noise_levels` if left out.

    Args:
        kind: One of `NOISES`, or a function that changes images, whose levels are to be given.
        levels: At least one.
        side: The shorter one of the images.
        per_channel: For salt and pepper only.

    Raises:
        TypeError: a kind that is neither, a level that is no number.
        ValueError: an unknown kind, no level, or one out of range.
    """
    if isinstance(kind, str):
        some = noise_levels(kind, side) if levels is None else tuple(levels)
        check_noise(kind, some, side, per_channel=per_channel)
        return tuple(float(level) for level in some)
    if not callable(kind):
        raise TypeError(f"kind must be the name of a noise, or a function that changes images, got {kind!r}.")
    if per_channel:
        raise ValueError(f"per_channel is a choice of salt_and_pepper alone, got it with {name_of(kind)}.")
    if levels is None or not len(levels):
        raise ValueError(f"levels must hold at least one level of {name_of(kind)}, got none.")
    return tuple(real_number("levels", level) for level in levels)


def ladders_of(
    kinds: Sequence[str], changes: Mapping[str, Change], levels: Levels, side: int, *, per_channel: bool = False
) -> dict[str, tuple[float, ...]]:
    """The levels of several kinds of noise by name, first those of `NOISES`, then changes of the caller's own.

    Raises:
        TypeError: a change that is no function, a level that is no number.
        ValueError: no kind, one that is unknown or given twice, levels that are none or of no kind.
    """
    names = [*kinds, *changes]
    if not names:
        raise ValueError("kinds must hold at least one kind of noise, got none.")
    for name in changes:
        if name in (*kinds, *NOISES):
            raise ValueError(f"a change must have a name of its own, got {name!r}, which is a kind of noise.")
    if per_channel and "salt_and_pepper" not in kinds:
        raise ValueError("per_channel is a choice of salt_and_pepper, which is not among the kinds.")
    by_name = _by_name(names, levels)
    if isinstance(levels, Sequence) and len(names) > 1 and ("blur" in names or changes):
        raise ValueError("levels must be given by the name of each kind of noise: those of blur are in pixels.")
    return {name: levels_of(changes.get(name, name), by_name.get(name), side) for name in names}


def _by_name(names: Sequence[str], levels: Levels) -> dict[str, Sequence[float]]:
    if levels is None:
        return {}
    if not isinstance(levels, Mapping):
        return dict.fromkeys(names, levels)
    for name in levels:
        if name not in names:
            raise ValueError(f"levels must be of {', '.join(names)}, got some of {name!r}.")
    return dict(levels)
