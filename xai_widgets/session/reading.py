"""What a session file holds: every field of it is checked, and a refusal says where."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import xai_widgets
from xai_widgets.engine import METHODS, PARTS, Contrast, Degradation, Query
from xai_widgets.engine.methods import options_of
from xai_widgets.engine.options import resolved
from xai_widgets.engine.parts.region import check_one, checked_box, checked_mask
from xai_widgets.engine.query import BASELINES, FORMS, KINDS_OF_CONTRAST
from xai_widgets.session import plain_data
from xai_widgets.session.board import MOST_PANELS, Board
from xai_widgets.session.filters import IMAGES, Filter
from xai_widgets.session.history import LONGEST_NAME, MOST_NAMED, MOST_UNNAMED, State
from xai_widgets.session.look import Look
from xai_widgets.session.map_names import LONGEST_NAME as LONGEST_MAP_NAME
from xai_widgets.session.map_names import MOST_GROUPS, LayerNames
from xai_widgets.session.plain_data import either, maybe, named, number, pair, record, several, switch, text, whole
from xai_widgets.session.saved import FORMAT, MOST_BYTES, VERSION, Saved, SavedModel, is_absolute

MOST_STATES = MOST_UNNAMED + MOST_NAMED + 2  # the first and the present one stay in any case
MOST_MAPS, MOST_NAMES, MOST_FILTERS, LONGEST = 100_000, 100_000, 1_000, 2_000
MOST_PLACES = 4096  # of a side of a layer's grid
KEPT = (
    "present", "look", "measuring", "pins", "selected", "selected_images", "filters", "slices", "map_names", "region",
)  # fmt: skip


def read(path: str | os.PathLike[str]) -> Saved:
    """What a file holds.

    Raises:
        TypeError: `path` is no file name.
        ValueError: it cannot be read, or is no session file that this version understands; the sentence says where.
    """
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"path must be a file name, got {type(path).__name__}.")
    with named_file(path):
        return parsed(_content(Path(path).expanduser()))


@contextmanager
def named_file(path: str | os.PathLike[str]) -> Iterator[None]:
    """Say of which file a ValueError is."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"the session file {Path(path).name!r} cannot be opened: {error}") from None


def _content(file: Path) -> str:
    try:
        known = file.stat()  # first, since opening a pipe would wait for ever
        if not stat.S_ISREG(known.st_mode):
            raise ValueError("it is no file.")
        if known.st_size > MOST_BYTES:
            raise ValueError(f"it has {known.st_size / 2**20:.0f} MiB, and {MOST_BYTES // 2**20} are allowed.")
        with file.open("rb") as handle:
            return handle.read(MOST_BYTES).decode("utf-8-sig")
    except OSError as error:
        raise ValueError(f"{(error.strerror or type(error).__name__).lower()}.") from None
    except UnicodeDecodeError:
        raise ValueError("it is not JSON: it holds bytes that are no text.") from None


def parsed(content: str) -> Saved:
    """What a text holds.

    Raises:
        ValueError: it is no session file that this version understands; the sentence says where.
    """
    data = plain_data.from_json(content)
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise ValueError(f'it is no session file: the field "format" must be {FORMAT!r}.')
    version = data.get("version")
    if isinstance(version, int) and not isinstance(version, bool) and version > VERSION:
        by = f" by xai_widgets {data['product']!r:.40}" if isinstance(data.get("product"), str) else ""
        raise ValueError(
            f"it was written{by} in the newer format {version}, and this is xai_widgets "
            f"{xai_widgets.__version__}, which reads up to {VERSION}; update it."
        )
    found: Saved = _FILE(data, "")
    return found


def _relative(value: Any, where: str) -> str:
    name = text(LONGEST, empty=False)(value, where)
    if is_absolute(name):
        plain_data.refuse(where, "a name and no absolute path", name)
    return name


def _asked(**given: Any) -> Query:
    query = Query(**given)
    options_of(query)
    return query


def _of_board(panels: Sequence[Query], columns: int, active: int, **rest: Any) -> State:
    return State(rest["number"], rest["parent"], rest.get("name", ""), Board(tuple(panels), columns, active))


def _filtering(**given: Any) -> Filter:
    for place, name in enumerate(given.get("values", ()) if given["column"] == IMAGES else ()):
        _relative(name, f"values[{place}]")
    if not 0 < given.get("lowest", 1) <= 1:
        raise ValueError(f"lowest must be a share of the images, above 0 and at most 1, got {given['lowest']!r}.")
    return Filter(**given)


def _measuring(**given: str) -> dict[str, str]:
    resolved("the part 'measures'", PARTS["measures"].options, given)
    return given


def _whole_file(*, models: Sequence[SavedModel], images: dict[str, Any], states: Sequence[State], **rest: Any) -> Saved:
    names = [model.name for model in models]
    if len(set(names)) < len(names):
        raise ValueError("models must have different names.")
    _check_tree(states, rest["present"])
    kept = {name: rest[name] for name in KEPT if name in rest}
    return Saved(models=tuple(models), images=images["name"], digests=images["digests"], states=tuple(states), **kept)


def _of_layer(*, model: str, run: int, layer: str, names: Any = (), groups: Any = ()) -> LayerNames:
    for what, some in (("names", [index for index, _ in names]), ("names", [words for _, words in names]),
                       ("groups", [words for words, _ in groups])):  # fmt: skip
        if len(set(some)) < len(some):
            raise ValueError(f"{what} must differ.")
    return LayerNames(model, run, layer, tuple(sorted(names)), tuple(groups))


def _of_region(**given: Any) -> dict[str, Any]:
    check_one(given.get("mask", ()), given.get("box", ()))
    return {name: (checked_box if name == "box" else checked_mask)(value) for name, value in given.items()}


def _check_tree(states: Sequence[State], present: int) -> None:
    known: set[int] = set()
    words: set[str] = set()
    for place, state in enumerate(states):
        where = f"states[{place}]"
        if state.number in known:
            raise ValueError(f"{where}.number must differ from those before it, got {state.number}.")
        if (state.parent is None) != (place == 0):
            raise ValueError(f"{where}.parent must be null for the first state alone, got {state.parent}.")
        if state.parent is not None and state.parent not in known:
            raise ValueError(f"{where}.parent must be the number of a state before it, got {state.parent}.")
        if state.name and state.name in words:
            raise ValueError(f"{where}.name must differ from those before it, got {state.name!r}.")
        known.add(state.number)
        words.add(state.name)
    if present not in known:
        raise ValueError(f"present must be the number of a state, got {present}.")


_LEAST, _MOST = -(2**63), 2**63
_DIGEST = text(64, empty=False)
_CLASS = either(text(LONGEST), whole(0, 10_000_000))
_CONTRAST = record(
    {"kind": plain_data.word(KINDS_OF_CONTRAST)},
    {"value": either(number, text(LONGEST)), "form": plain_data.word(FORMS)},
    Contrast,
)
_DEGRADATION = record({"kind": text(LONGEST), "level": number}, {"seed": whole(_LEAST, _MOST)}, Degradation)
_QUERY = record(
    {"image": _relative, "model": _relative, "layer": text(LONGEST)},
    {
        "run": whole(0, 1_000_000),
        "target": maybe(_CLASS),
        "contrast": maybe(_CONTRAST),
        "method": plain_data.word(METHODS),
        "options": named(plain_data.free(MOST_MAPS), 100, text(LONGEST)),
        "gains": several(pair(whole(0, MOST_MAPS), number), MOST_MAPS),
        "baseline": plain_data.word(BASELINES),
        "degradation": maybe(_DEGRADATION),
        "shown": text(LONGEST),
        "call": maybe(whole(0, 1_000_000)),
    },
    _asked,
)
_STATE = record(
    {
        "number": whole(0, _MOST),
        "parent": maybe(whole(0, _MOST)),
        "columns": whole(1, MOST_PANELS),
        "active": whole(0, MOST_PANELS - 1),
        "panels": several(_QUERY, MOST_PANELS, 1),
    },
    {"name": text(LONGEST_NAME)},
    _of_board,
)
_LOOK = record(
    {},
    {
        **dict.fromkeys(("opacity", "divider", "top"), number),
        "other": whole(-1, MOST_PANELS - 1),
        **{name: text(LONGEST) for name in ("palette", "sign", "secondary", "scale", "over", "effect_on")},
        **dict.fromkeys(("smooth", "grey", "reference"), switch),
    },
    Look,
)
_FILTER = record(
    {"column": text(LONGEST, empty=False)},
    {
        **dict.fromkeys(("low", "high", "lowest"), number),
        "values": several(text(LONGEST), MOST_NAMES, 1),
    },
    _filtering,
)
_FILTERS = several(_FILTER, MOST_FILTERS)
_MAP_NAME = text(LONGEST_MAP_NAME, empty=False)
_NAMES = record(
    {"model": _relative, "run": whole(0, 1_000_000), "layer": text(LONGEST)},
    {
        "names": several(pair(whole(0, MOST_MAPS), _MAP_NAME), MOST_MAPS),
        "groups": several(pair(_MAP_NAME, several(whole(0, MOST_MAPS), MOST_MAPS, 1)), MOST_GROUPS),
    },
    _of_layer,
)
_ROW = several(whole(0, 1), MOST_PLACES, 1)
_FILE = record(
    {
        "format": text(LONGEST),
        "version": whole(VERSION, VERSION),
        "product": text(LONGEST),
        "models": several(record({"name": _relative, "digests": several(_DIGEST, 1_000)}, {}, SavedModel), 1_000, 1),
        "images": record({"name": _relative, "digests": named(_DIGEST, MOST_NAMES, _relative)}, {}),
        "present": whole(0, _MOST),
        "look": _LOOK,
        "measuring": record({}, {option.name: text(LONGEST) for option in PARTS["measures"].options}, _measuring),
        "pins": several(_relative, MOST_NAMES),
        "selected": several(whole(0, MOST_MAPS), MOST_MAPS),
        "selected_images": several(_relative, MOST_NAMES),
        "states": several(_STATE, MOST_STATES, 1),
    },
    {
        "filters": _FILTERS,
        "slices": named(_FILTERS, MOST_FILTERS, text(LONGEST_NAME, empty=False)),
        "map_names": several(_NAMES, MOST_NAMES),
        "region": record({}, {"box": several(number, 4, 4), "mask": several(_ROW, MOST_PLACES, 1)}, _of_region),
    },
    _whole_file,
)
