"""What sets panels apart, in words: headings of rows and columns, titles, and what all have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from xai_widgets.engine import METHODS, Contrast, Degradation, Query
from xai_widgets.engine.methods import options_of
from xai_widgets.engine.sample import shown_in_words
from xai_widgets.models import ImageModel
from xai_widgets.session.describe.words import minus, named, short

ORDER = (
    "image", "shown", "model", "run", "layer", "call", "degradation", "target", "contrast", "method", "options",
    "baseline", "gains",
)  # fmt: skip
KINDS = {
    "salt_and_pepper": "salt and pepper",
    "gaussian_noise": "Gaussian noise",
    "blur": "blur",
    "jpeg": "JPEG of quality",
}
LISTED = 6  # gains that are named one by one
Row = Mapping[str, str]  # the words of a panel by field


class Heads(NamedTuple):
    """Words around panels, each of them whole: who shows them shortens them."""

    across: tuple[str, ...]
    down: tuple[str, ...]
    titles: tuple[str, ...]
    common: tuple[str, ...]  # fields in which all panels are alike


def headed(table: Sequence[Row], columns: int) -> Heads:
    """Headings of rows and columns, and titles of panels, from the words of each panel.

    A field that differs between panels stands above a column or beside a row that has it to itself, or where all
    columns, or all rows, each have one of their own; else in the titles.

    Args:
        table: of each panel, row by row; the same fields in each.
    """
    fields = [name for name in ORDER if name in table[0]]
    differ = [name for name in fields if len({row[name] for row in table}) > 1]
    across = _heads([table[column::columns] for column in range(columns)], differ)
    down = _heads([table[start : start + columns] for start in range(0, len(table), columns)], differ)
    titles = []
    for place, row in enumerate(table):
        said = across[place % columns].keys() | down[place // columns].keys()
        titles.append(_joined(row[name] for name in differ if name not in said))
    return Heads(
        tuple(_joined(head.values()) for head in across),
        tuple(_joined(head.values()) for head in down),
        tuple(titles),
        tuple(name for name in fields if name not in differ),
    )


def _heads(groups: Sequence[Sequence[Row]], differ: Iterable[str]) -> list[dict[str, str]]:
    """Of each row, or of each column, the fields that head it."""
    heads: list[dict[str, str]] = [{} for _ in groups]
    for name in differ:
        held = [{row[name] for row in group} for group in groups]
        each = all(len(words) == 1 for words in held)
        for place, (group, words) in enumerate(zip(groups, held, strict=True)):
            others = set().union(*(held[:place] + held[place + 1 :]))
            if each or (len(words) == 1 and len(group) > 1 and not words & others):
                heads[place][name] = next(iter(words))
    return heads


def _joined(words: Iterable[str]) -> str:
    return " · ".join(filter(None, words))


# ---------------------------------------------------------------------- the words of each panel


def table_of(
    queries: Sequence[Query], models: Sequence[ImageModel], names: Sequence[Mapping[int, str]] = ()
) -> list[dict[str, str]]:
    """The words of each panel by field; two panels have the same words of a field where they ask the same in it.

    Args:
        names: of each panel what the reader calls feature maps, by number.
    """
    pairs = list(zip(queries, models, strict=True))
    columns: dict[str, list[str]] = {
        name: _told_apart([getattr(query, name) for query in queries], [_WORDS[name](*pair) for pair in pairs])
        for name in ORDER
        if name not in ("options", "gains")
    }
    gains = [query.gains for query in queries]
    columns["gains"] = _told_apart(gains, _gains(gains, names or [{}] * len(gains)))
    columns["options"] = _options(queries)
    return [{name: columns[name][place] for name in ORDER} for place in range(len(queries))]


def unusual(query: Query, model: ImageModel) -> list[str]:
    """Fields that are worth saying of all panels: what is not as it is at first."""
    first = Query(image=query.image, model=query.model, layer=query.layer, method=query.method)
    plain = [name for name in ORDER if getattr(query, name) == getattr(first, name)]
    always = ("image", "model", "layer", "contrast", "method", *(["run"] if len(model.runs) > 1 else []))
    return [name for name in ORDER if name in always or name not in plain]


def _told_apart(values: Sequence[object], words: Sequence[str]) -> list[str]:
    """The words, with a number where those of different values are the same."""
    known: dict[str, list[object]] = {}
    found = []
    for value, text in zip(values, words, strict=True):
        same = known.setdefault(text, [])
        if value not in same:
            same.append(value)
        number = same.index(value)
        found.append(f"{text} ({number + 1})" if number else text)
    return found


def _contrast(query: Query, model: ImageModel) -> str:
    asked: Contrast | None = query.contrast
    if asked is None:
        return f"why {_target(query, model)}?"
    if asked.kind == "confidence":
        return "rather than with 100 % confidence"
    if asked.kind == "class":
        return f"rather than {_class(asked.value, model)}"
    value = "the rating" if asked.asks_rating else short(float(asked.value))
    return f"rather than {value}" + (", by tiles" if asked.form == "tiles" else "")


def _target(query: Query, model: ImageModel) -> str:
    if query.target is None:
        return "the predicted class" if model.has_classes else model.words(0)
    if model.one_score:
        return "the score"
    return _class(query.target, model)


def _class(name: float | str, model: ImageModel) -> str:
    if isinstance(name, str):
        return name
    with suppress(ValueError, IndexError):
        return model.name_of(int(name))
    return f"class {int(name)}"


def _degradation(query: Query, _: ImageModel) -> str:
    what: Degradation | None = query.degradation
    if what is None:
        return "not degraded"
    return f"{KINDS[what.kind]} {what.level:g}" + (f", seed {what.seed}" if what.seed else "")


def _gains(all_: Sequence[tuple[tuple[int, float], ...]], names: Sequence[Mapping[int, str]]) -> list[str]:
    """How many maps are changed; which, where that alone would say the same of different gains, or one has a name."""
    words = [f"{len(gains)} map{'s' * (len(gains) > 1)} changed" if gains else "base" for gains in all_]
    for place, (gains, known) in enumerate(zip(all_, names, strict=True)):
        alike = {other for other in all_ if len(other) == len(gains)}
        if len(alike) > 1 or any(index in known for index, _ in gains[:LISTED]):
            some = ", ".join(f"{named(index, known)} × {gain:.3g}" for index, gain in gains[:LISTED])
            more = f" and {len(gains) - LISTED} more" if len(gains) > LISTED else ""
            words[place] = f"map{'s' * (len(gains) > 1)} {some}{more}"
    return words


def _options(queries: Sequence[Query]) -> list[str]:
    """Of each panel the options in which it differs from another one of the same method."""
    chosen = [options_of(query) for query in queries]
    found = []
    for query, mine in zip(queries, chosen, strict=True):
        alike = [other for one, other in zip(queries, chosen, strict=True) if one.method == query.method]
        known = {option.name: option.words for option in METHODS[query.method].options}
        differ = [name for name, value in mine.items() if any(other[name] != value for other in alike)]
        found.append(", ".join(f"{known.get(name, name)} {minus(_value(mine[name]))}" for name in differ))
    return _told_apart([query.options for query in queries], found) if any(found) else found


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else f"{value}".replace("_", " ")


_WORDS: dict[str, Callable[[Query, ImageModel], str]] = {
    "image": lambda query, _: query.image,
    "model": lambda query, _: query.model,
    "run": lambda query, _: f"run {query.run}",
    "layer": lambda query, _: query.layer,
    "shown": lambda query, _: shown_in_words(query.shown),
    "call": lambda query, _: "call of the image" if query.call is None else f"call {query.call}",
    "degradation": _degradation,
    "target": lambda query, model: f"P {_target(query, model)}",
    "contrast": _contrast,
    "method": lambda query, _: METHODS[query.method].words,
    "baseline": lambda query, _: f"{query.baseline} baseline",
}
