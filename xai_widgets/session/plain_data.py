"""Plain data from outside, checked field by field: a reader a kind of value, put together to a table of fields.

A reader takes a value and where it stands, and returns it checked. It raises a ValueError that says where and what.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from typing import Any, NoReturn

from xai_widgets.engine.query import one_of

Reader = Callable[[Any, str], Any]
LONGEST_NUMBER = 30  # digits
DEEPEST = 5  # lists within lists of a free value


def refuse(where: str, allowed: str, given: object) -> NoReturn:
    """Say what is wrong."""
    if isinstance(given, dict | list):
        shown = "an object" if isinstance(given, dict) else "a list"
    else:
        shown = repr(given) if len(repr(given)) <= 60 else f"{repr(given)[:56]}..."
    raise ValueError(f"{where} must be {allowed}, got {shown}.")


def from_json(text: str) -> Any:
    """The data of a text.

    Raises:
        ValueError: it is not JSON, holds NaN or infinity, names a field twice, or is nested too deeply.
    """
    try:
        return json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant, parse_int=_short)
    except json.JSONDecodeError as error:
        raise ValueError(f"it is not JSON: {error.msg} in line {error.lineno}.") from None
    except RecursionError:
        raise ValueError("it is nested too deeply.") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the field {next(name for name in names if names.count(name) > 1)!r:.80} is there twice.")
    return found


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"numbers must be finite, got {text}.")


def _short(digits: str) -> int:
    if len(digits) > LONGEST_NUMBER:
        raise ValueError(f"numbers must have at most {LONGEST_NUMBER} digits, got {len(digits)}.")
    return int(digits)


def text(most: int, *, empty: bool = True) -> Reader:
    """Text of at most so many characters."""

    def read(value: Any, where: str) -> str:
        if not isinstance(value, str) or len(value) > most or not (value or empty):
            refuse(where, f"text of {0 if empty else 1} to {most} characters", value)
        return value

    return read


def whole(low: int, high: int) -> Reader:
    """A whole number in a range."""

    def read(value: Any, where: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            refuse(where, f"a whole number from {low} to {high}", value)
        return value

    return read


def number(value: Any, where: str) -> float:
    """A finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= 1e300:
        refuse(where, "a finite number", value)
    return value


def switch(value: Any, where: str) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        refuse(where, "true or false", value)
    return value


def word(known: Collection[str]) -> Reader:
    """One of the known words; the sentence names the nearest."""

    def read(value: Any, where: str) -> str:
        if not isinstance(value, str):
            refuse(where, "a word", value)
        return one_of(where, value, known)

    return read


def either(*readers: Reader) -> Reader:
    """What one of several readers takes."""

    def read(value: Any, where: str) -> Any:
        refusals = []
        for reader in readers:
            try:
                return reader(value, where)
            except ValueError as error:
                refusals.append(str(error).removeprefix(f"{where} must be ").rpartition(", got ")[0])
        refuse(where, " or ".join(refusals), value)

    return read


def maybe(reader: Reader) -> Reader:
    """null, or what a reader takes."""
    return lambda value, where: None if value is None else reader(value, where)


def several(reader: Reader, most: int, least: int = 0) -> Reader:
    """A list of values of one kind, as a tuple."""

    def read(value: Any, where: str) -> tuple[Any, ...]:
        if not isinstance(value, list) or not least <= len(value) <= most:
            allowed = f"a list of {least} to {most} items"
            if isinstance(value, list):
                raise ValueError(f"{where} must be {allowed}, got {len(value)}.")
            refuse(where, allowed, value)
        return tuple(reader(one, f"{where}[{place}]") for place, one in enumerate(value))

    return read


def pair(first: Reader, second: Reader) -> Reader:
    """A list of two."""

    def read(value: Any, where: str) -> tuple[Any, Any]:
        if not isinstance(value, list) or len(value) != 2:
            refuse(where, "a list of two", value)
        return first(value[0], f"{where}[0]"), second(value[1], f"{where}[1]")

    return read


def named(reader: Reader, most: int, name: Reader) -> Reader:
    """An object whose fields are names of the reader's own."""

    def read(value: Any, where: str) -> dict[str, Any]:
        if not isinstance(value, dict) or len(value) > most:
            refuse(where, f"an object of at most {most} fields", value)
        return {name(one, f"a name in {where}"): reader(held, f"{where}[{one!r:.80}]") for one, held in value.items()}

    return read


def free(most: int) -> Reader:
    """Text, a number, a switch, nothing, or a list of these."""

    def read(value: Any, where: str, depth: int = 0) -> Any:
        if value is None or isinstance(value, bool) or (isinstance(value, str) and len(value) <= most):
            return value
        if isinstance(value, int | float):
            return number(value, where)
        if isinstance(value, list) and depth < DEEPEST and len(value) <= most:
            return tuple(read(one, f"{where}[{place}]", depth + 1) for place, one in enumerate(value))
        refuse(where, f"text, a number, a switch, null or a list of at most {most}", value)

    return read


def record(needed: Mapping[str, Reader], optional: Mapping[str, Reader], make: Callable[..., Any] = dict) -> Reader:
    """An object with known fields.

    Args:
        make: from the fields to the value; a ValueError of it is told with the place.
    """
    known = {**needed, **optional}

    def read(value: Any, where: str) -> Any:
        here = where or "the file"
        if not isinstance(value, dict):
            refuse(here, f"an object with {', '.join(needed or optional)}", value)
        for name in value:
            one_of(f"a field of {here}", name, known)
        for name in needed:
            if name not in value:
                raise ValueError(f"{here} must have the field {name!r}.")
        found = {name: known[name](held, f"{where}.{name}".lstrip(".")) for name, held in value.items()}
        try:
            return make(**found)
        except ValueError as error:
            raise ValueError(f"{here}: {error}") from None

    return read
