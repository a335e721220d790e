"""Python as text: calls, with every value as a literal, so that no name can become code."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import Any

WIDTH = 100  # characters of a line
FEW = 6  # gains that are written one by one


class Code(str):
    """Python that stands as it is."""


def call(name: str, *values: Any, **named: Any) -> str:
    """A call, on one line where that is not too long."""
    arguments = [*map(literal, values), *(f"{key}={literal(value)}" for key, value in named.items())]
    line = f"{name}({', '.join(arguments)})"
    if len(line) <= WIDTH or len(arguments) < 2:
        return line
    return "\n".join([f"{name}(", *(f"    {argument}," for argument in arguments), ")"])


def literal(value: Any) -> str:
    """A value as it is written in Python.

    Raises:
        TypeError: it is no plain value.
    """
    if isinstance(value, Code):
        return str(value)
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{literal(key)}: {literal(held)}' for key, held in value.items())}}}"
    if isinstance(value, tuple):
        return f"({', '.join(map(literal, value))}{',' * (len(value) == 1)})"
    if isinstance(value, list):
        return f"[{', '.join(map(literal, value))}]"
    if value is None or isinstance(value, bool):
        return repr(value)
    for kind in (str, int, float):  # of NumPy's, and of other descendants, the plain value
        if isinstance(value, kind):
            return repr(kind(value))
    raise TypeError(f"{type(value).__name__} has no literal.")


def gains(values: Mapping[int, float]) -> Code:
    """Gains by map: one by one where they are few, else all maps of one gain together."""
    if len(values) <= FEW:
        return Code(literal(values))
    each: dict[float, list[int]] = {}
    for index, gain in sorted(values.items()):
        each.setdefault(gain, []).append(index)
    parts = [f"dict.fromkeys({_numbers(indices)}, {gain!r})" for gain, indices in each.items()]
    if len(parts) == 1:
        return Code(parts[0])
    if len(parts) > FEW:
        return Code(literal(values))
    return Code(f"{{{', '.join(f'**{part}' for part in parts)}}}")


def _numbers(indices: list[int]) -> str:
    """Whole numbers in order; runs of them as ranges."""
    runs = [[one for _, one in run] for _, run in groupby(enumerate(indices), lambda pair: pair[1] - pair[0])]
    parts = [[f"*range({run[0]}, {run[-1] + 1})"] if len(run) > 3 else [str(one) for one in run] for run in runs]
    some = [part for run in parts for part in run]
    return some[0][1:] if len(some) == 1 and some[0][0] == "*" else f"[{', '.join(some)}]"
