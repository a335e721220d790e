"""Arguments of a study, in one form."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from xai_widgets.engine.options import resolved
from xai_widgets.engine.query import one_of
from xai_widgets.study.tables import TABLES, belonging

Layers = str | Sequence[str] | Mapping[str, str | Sequence[str]] | None
Tables = Sequence[str] | Mapping[str, Mapping[str, Any]]


def tables_of(given: Tables) -> dict[str, dict[str, Any]]:
    """Tables by name with all their options, those that belong to them included.

    Raises:
        ValueError: there is none, or an unknown table or option.
    """
    names = [given] if isinstance(given, str) else given
    chosen = dict(given) if isinstance(given, Mapping) else {name: {} for name in names}
    if not chosen:
        raise ValueError(f"a study needs at least one table: {', '.join(TABLES)}.")
    found = {}
    for name, options in chosen.items():
        for table in belonging(one_of("table", name, TABLES)):
            found[table.name] = resolved(f"the table {name!r}", table.options, options or {})
    return {name: found[name] for name in TABLES if name in found}


def listed(argument: str, given: Any) -> tuple[Any, ...]:
    """What a list holds, each once; a text is a list of one.

    Raises:
        ValueError: it is no list.
    """
    if not isinstance(given, str | Iterable):
        raise ValueError(f"{argument} must be a name or a list of names, got {given!r}.")
    return tuple(dict.fromkeys([given] if isinstance(given, str) else given))


def layers_of(given: Layers, models: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Layers by model; one that is not named has its own.

    Raises:
        ValueError: there is no such model.
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        return dict.fromkeys(models, listed("layers", given))
    return {one_of("model", name, models): listed("layers", layers or ()) for name, layers in given.items()}


def shard_of(given: tuple[int, int] | str) -> tuple[int, int]:
    """Which of how many shares, such as (3, 8) for "3/8".

    Raises:
        ValueError: it is neither.
    """
    try:
        index, count = (int(part) for part in (given.split("/") if isinstance(given, str) else given))
    except (TypeError, ValueError):
        raise ValueError(f"a shard must be given as '3/8', got {given!r}.") from None
    return index, count
