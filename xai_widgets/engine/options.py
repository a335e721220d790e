"""Choices that a method or a part of an answer takes: a record each, from which menus and checks are made."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xai_widgets.engine.query import one_of


@dataclass(frozen=True)
class Option:
    """One choice.

    With choices and a least number either will do. Numbers are whole where the default is a whole number or a word.

    Attributes:
        name: in Python.
        words: for the reader.
        default: its value where nothing is chosen.
        choices: the values of a choice among a few, (False, True) for a switch; empty for a number or free values.
        low: the least number.
        high: the largest.
        unit: of a number.
        check: of a free value: returns it in a form that can be compared, or raises a ValueError.
        free: what a free value may be, in words.
        acts: when it has an effect, in words; empty for always.
    """

    name: str
    words: str
    default: Any
    choices: tuple[Any, ...] = ()
    low: float = -math.inf
    high: float = math.inf
    unit: str = ""
    check: Any = None
    free: str = ""
    acts: str = ""

    @property
    def whole(self) -> bool:
        """Whether its numbers are whole."""
        return isinstance(self.default, int | str)

    @property
    def takes_numbers(self) -> bool:
        return self.check is None and (not self.choices or math.isfinite(self.low))

    @property
    def allowed(self) -> str:
        """What can be chosen, in words."""
        if self.check is not None:
            return self.free or "a value of its own form"
        some = [repr(choice) for choice in self.choices]
        if self.takes_numbers:
            some.append(self._numbers())
        return some[0] if len(some) == 1 else f"{', '.join(some[:-1])} or {some[-1]}"

    def _numbers(self) -> str:
        number = "a whole number" if self.whole else "a number"
        if math.isfinite(self.low) and math.isfinite(self.high):
            return f"{number} from {self.low} to {self.high}"
        return f"{number} of at least {self.low}" if math.isfinite(self.low) else number

    def checked(self, value: Any) -> Any:
        """The value, if it can be chosen.

        Raises:
            ValueError: it cannot; the sentence says what can.
        """
        if self.check is not None:
            return self.check(value)
        if any(type(value) is type(choice) and value == choice for choice in self.choices):
            return value
        if not self.takes_numbers:
            if all(isinstance(choice, str) for choice in self.choices):
                return one_of(self.name, value, self.choices)
            raise ValueError(f"{self.name} must be {self.allowed}; got {value!r}.")
        kind = int if self.whole else int | float
        if isinstance(value, bool) or not isinstance(value, kind) or not self.low <= value <= self.high:
            raise ValueError(f"{self.name} must be {self.allowed}, got {value!r}.")
        if not math.isfinite(value):
            raise ValueError(f"{self.name} must be a finite number, got {value!r}.")
        return value if self.whole else float(value)


def differing(options: Sequence[Option], chosen: Mapping[str, Any]) -> list[str]:
    """Those of these options that do not have their default."""
    return [option.name for option in options if chosen[option.name] != option.default]


def resolved(
    what: str, options: Sequence[Option], given: Mapping[str, Any] | Iterable[tuple[str, Any]]
) -> dict[str, Any]:
    """All options with what was chosen, or their defaults.

    Args:
        what: whose options they are, for the sentence of an error.

    Raises:
        ValueError: an unknown option, with the nearest names, or a value that cannot be chosen.
    """
    chosen = dict(given)
    if not options and not chosen:
        return {}
    known = {option.name: option for option in options}
    for name in chosen:
        if not known:
            raise ValueError(f"{what} has no options, got {name!r}.")
        one_of(f"an option of {what}", name, known)
    return {name: option.checked(chosen.get(name, option.default)) for name, option in known.items()}
