"""What every scene is: frozen, with arrays that cannot be written, equal to another of the same content."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, dataclass_transform

import numpy as np


@dataclass_transform(frozen_default=True, kw_only_default=True, eq_default=False)
def scene(cls: Any) -> Any:
    """A class of scenes: its annotations are its fields, given by name."""
    cls.__post_init__, cls.__eq__, cls.__hash__ = _seal, _equal, None
    return dataclass(frozen=True, eq=False, kw_only=True)(cls)


def _seal(self: Any) -> None:
    for field in fields(self):
        value = getattr(self, field.name)
        if isinstance(value, np.ndarray):
            object.__setattr__(self, field.name, sealed(value))
        elif isinstance(value, list):
            object.__setattr__(self, field.name, tuple(value))


def sealed(values: np.ndarray) -> np.ndarray:
    """The array, if nobody can write it; else a copy that nobody can."""
    owner: Any = values
    while isinstance(owner, np.ndarray):
        if owner.flags.writeable:
            values = np.ascontiguousarray(values).copy()
            values.flags.writeable = False
            return values
        owner = owner.base
    return values


def _equal(self: Any, other: Any) -> bool:
    if type(self) is not type(other):
        return NotImplemented
    return all(same(getattr(self, field.name), getattr(other, field.name)) for field in fields(self))


def same(a: Any, b: Any) -> bool:
    """Whether two values of a scene are of the same content; NaN is NaN."""
    if a is b:
        return True
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        if not (isinstance(a, np.ndarray) and isinstance(b, np.ndarray)) or a.dtype != b.dtype or a.shape != b.shape:
            return False
        return bool(np.array_equal(a, b, equal_nan=a.dtype.kind == "f"))
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float) and isinstance(b, float):
        return a == b or (a != a and b != b)
    return bool(a == b)
