"""What a message of a browser holds, checked: a message of another shape is refused in one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MOST = 100_000  # numbers of one message


def numbers(details: Mapping[str, Any], name: str = "indices") -> list[int]:
    """A list of whole numbers.

    Raises:
        ValueError: it is something else.
    """
    given = details.get(name)
    if not isinstance(given, list | tuple) or len(given) > MOST or not all(map(_is_whole, given)):
        raise ValueError(f"{name} must be a list of whole numbers, got {given!r:.60}.")
    return [int(one) for one in given]


def whole(details: Mapping[str, Any], name: str = "index") -> int:
    """A whole number."""
    given = details.get(name)
    if not _is_whole(given):
        raise ValueError(f"{name} must be a whole number, got {given!r:.60}.")
    return int(given)  # type: ignore[arg-type]


def amount(details: Mapping[str, Any], name: str = "value") -> float:
    """A number."""
    given = details.get(name)
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise ValueError(f"{name} must be a number, got {given!r:.60}.")
    return float(given)


def words(details: Mapping[str, Any], name: str) -> str:
    """A text."""
    given = details.get(name)
    if not isinstance(given, str):
        raise ValueError(f"{name} must be text, got {given!r:.60}.")
    return given


def word(details: Mapping[str, Any], known: tuple[str, ...], name: str = "name") -> str:
    """One of a few words."""
    given = details.get(name)
    if not isinstance(given, str) or given not in known:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, known))}, got {given!r:.60}.")
    return given


def _is_whole(given: object) -> bool:
    return isinstance(given, int) and not isinstance(given, bool)
