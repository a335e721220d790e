"""The methods as rows of a table, for documentation."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from xai_widgets.engine.methods.record import Method
from xai_widgets.engine.options import Option


class Row(NamedTuple):
    """One method, as documentation prints it; P stands for what is explained."""

    name: str
    words: str
    needs: str
    colours: str
    options: str
    source: str


def rows_of(methods: Iterable[Method]) -> tuple[Row, ...]:
    """A row a method."""
    return tuple(
        Row(
            name=method.name,
            words=method.words,
            needs=", ".join(method.needs),
            colours=_colours(method),
            options="; ".join(_option(option) for option in method.options),
            source=method.source,
        )
        for method in methods
    )


def markdown(rows: Iterable[Row]) -> str:
    """The table as the README has it."""
    lines = ["| `method=` | in words | needs | colours | options | source |", "|---|---|---|---|---|---|"]
    return "\n".join([*lines, *("| " + " | ".join((f"`{row.name}`", *row[1:])) + " |" for row in rows)])


def _colours(method: Method) -> str:
    low, high = method.low.format(p="P"), method.high.format(p="P")
    words = high if method.one_sided or not low else f"positive: {high}; negative: {low}"
    return f"{words} ({method.palette.replace('-', ' and ')})" if method.palette else words


def _option(option: Option) -> str:
    number = isinstance(option.default, int | float) and not isinstance(option.default, bool)
    default = f"{option.default:g} {option.unit}".strip() if number else option.default
    return f"{option.name}: {option.allowed} ({'none' if default == () else default})"
