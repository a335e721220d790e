"""A session as a JSON file: what was asked and seen, by names and digests. Nothing in it is executed.

Models and images are not in it: whoever opens the file brings them, and digests tell whether they are the same.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import xai_widgets
from xai_widgets.engine import METHODS, PARTS, Contrast, Degradation, Query
from xai_widgets.engine.methods import options_of
from xai_widgets.engine.options import resolved
from xai_widgets.engine.query import BASELINES, FORMS, KINDS_OF_CONTRAST
from xai_widgets.session import plain_data
from xai_widgets.session.board import MOST_PANELS, Board
from xai_widgets.session.filters import IMAGES, Filter
from xai_widgets.session.history import LONGEST_NAME, MOST_NAMED, MOST_UNNAMED, State
from xai_widgets.session.look import Look
from xai_widgets.session.map_names import LONGEST_NAME as LONGEST_MAP_NAME
from xai_widgets.session.map_names import MOST_GROUPS, LayerNames
from xai_widgets.session.plain_data import either, maybe, named, number, pair, record, several, switch, text, whole

FORMAT, VERSION = "xai_widgets session", 1
MOST_BYTES = 64 * 2**20
MOST_STATES = MOST_UNNAMED + MOST_NAMED + 2  # the first and the present one stay in any case
MOST_MAPS, MOST_NAMES, MOST_FILTERS, LONGEST = 100_000, 100_000, 1_000, 2_000
DEFAULTS = Query()
KEPT = ("present", "look", "measuring", "pins", "selected", "selected_images", "filters", "slices", "map_names")


@dataclass(frozen=True)
class SavedModel:
    """A model by name, with the digests of the weights of its runs; none where it was not loaded."""

    name: str
    digests: tuple[str, ...] = ()


@dataclass(frozen=True)
class Saved:
    """All that a session file holds.

    Attributes:
        models: all models of the session, the first one first.
        images: the name of the set.
        digests: of the content of images, by name.
        states: the tree; parents come before what was made from them.
        present: the number of the present state.
        look: how it looks.
        measuring: of which map measures are taken, and for which target.
        pins: images that are kept in sight.
        selected: feature maps that the reader points at.
        selected_images: images that the reader has chosen together.
        filters: what is shown of the set.
        slices: filters by the name of a slice.
        map_names: what the reader calls feature maps, and groups of them, by layer.
    """

    models: tuple[SavedModel, ...]
    images: str
    states: tuple[State, ...]
    present: int
    digests: Mapping[str, str] = field(default_factory=dict)
    look: Look = field(default_factory=Look)
    measuring: Mapping[str, str] = field(default_factory=dict)
    pins: tuple[str, ...] = ()
    selected: tuple[int, ...] = ()
    selected_images: tuple[str, ...] = ()
    filters: tuple[Filter, ...] = ()
    slices: Mapping[str, tuple[Filter, ...]] = field(default_factory=dict)
    map_names: tuple[LayerNames, ...] = ()

    @property
    def board(self) -> Board:
        """What is asked at present."""
        return next(state.board for state in self.states if state.number == self.present)

    def image_names(self) -> tuple[str, ...]:
        """Of all images that are shown in a state, pinned or selected."""
        shown = [query.image for state in self.states for query in state.board.queries]
        return tuple(dict.fromkeys([*shown, *self.pins, *self.selected_images]))


# ---------------------------------------------------------------------- writing


def write(saved: Saved, path: Any, *, overwrite: bool) -> Path:
    """Write a file whole or not at all.

    Raises:
        TypeError: `path` is no file name.
        ValueError: it does not end with .json, it cannot be written, or something is named by an absolute path.
        FileExistsError: the file exists, and `overwrite` is False.
    """
    from xai_widgets.figures.writing import put, target

    file, _ = target(path, ("json",))
    models, images = [("the model", model.name) for model in saved.models], saved.image_names()
    for what, name in (("the set of images", saved.images), *models, *(("the image", name) for name in images)):
        if is_absolute(name):
            raise ValueError(
                f"{what} {name!r} is named by an absolute path, which a session file does not hold; give it another "
                "name, such as by a mapping from names to files."
            )
    data = to_text(saved).encode()
    if len(data) > MOST_BYTES:
        raise ValueError(
            f"a session file may have {MOST_BYTES // 2**20} MiB, and this one has {len(data) / 2**20:.0f}."
        )
    put(file, data, overwrite=overwrite)
    return file


def is_absolute(name: str) -> bool:
    """Whether a name says where a file lies on this computer, in the manner of any system."""
    there = PureWindowsPath(name)
    return PurePosixPath(name).is_absolute() or bool(there.drive or there.root)


def to_text(saved: Saved) -> str:
    """As JSON, in ASCII."""
    data = {
        "format": FORMAT,
        "version": VERSION,
        "product": xai_widgets.__version__,
        "models": [asdict(model) for model in saved.models],
        "images": {"name": saved.images, "digests": dict(saved.digests)},
        "present": saved.present,
        "look": asdict(saved.look),
        "measuring": dict(saved.measuring),
        "pins": saved.pins,
        "selected": saved.selected,
        "selected_images": saved.selected_images,
        "filters": [_filter(one) for one in saved.filters],
        "slices": {name: [_filter(one) for one in some] for name, some in saved.slices.items()},
        **({"map_names": [_names(one) for one in saved.map_names]} if saved.map_names else {}),
    }
    head = json.dumps(data, indent=1, allow_nan=False)
    rows = ",\n  ".join(json.dumps(_state(state), allow_nan=False) for state in saved.states)  # a line a state
    return f'{head[:-2]},\n "states": [\n  {rows}\n ]\n}}\n'


def _names(one: LayerNames) -> dict[str, Any]:
    return {"model": one.model, "run": one.run, "layer": one.layer, "names": one.names, "groups": one.groups}


def _state(state: State) -> dict[str, Any]:
    board = state.board
    queries = [_query(query) for query in board.queries]
    said = {"name": state.name} if state.name else {}
    return {
        "number": state.number,
        "parent": state.parent,
        **said,
        "columns": board.columns,
        "active": board.active,
        "panels": queries,
    }


def _filter(one: Filter) -> dict[str, Any]:
    return {name: value for name, value in asdict(one).items() if value not in (None, ())}


def _query(query: Query) -> dict[str, Any]:
    """What differs from the defaults, and always the image, the model and the layer."""
    values = {one.name: getattr(query, one.name) for one in fields(Query)}
    kept = {
        name: value
        for name, value in values.items()
        if name in ("image", "model", "layer") or value != getattr(DEFAULTS, name)
    }
    for name in ("contrast", "degradation"):
        if name in kept:
            kept[name] = asdict(kept[name])
    if "options" in kept:
        kept["options"] = dict(kept["options"])
    return kept


# ---------------------------------------------------------------------- reading


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
        **{name: text(LONGEST) for name in ("palette", "sign", "secondary", "scale", "over")},
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
    },
    _whole_file,
)
