"""A session as a JSON file: what was asked and seen, by names and digests. Nothing in it is executed.

Models and images are not in it: whoever opens the file brings them, and digests tell whether they are the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import xai_widgets
from xai_widgets.engine import Query
from xai_widgets.session.board import Board
from xai_widgets.session.filters import Filter
from xai_widgets.session.history import State
from xai_widgets.session.look import Look
from xai_widgets.session.map_names import LayerNames

FORMAT, VERSION = "xai_widgets session", 1
MOST_BYTES = 64 * 2**20
DEFAULTS = Query()


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
        region: that is asked about: box or mask; empty where none is.
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
    region: Mapping[str, Any] = field(default_factory=dict)

    @property
    def board(self) -> Board:
        """What is asked at present."""
        return next(state.board for state in self.states if state.number == self.present)

    def image_names(self) -> tuple[str, ...]:
        """Of all images that are shown in a state, pinned or selected."""
        shown = [query.image for state in self.states for query in state.board.queries]
        return tuple(dict.fromkeys([*shown, *self.pins, *self.selected_images]))


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
        **({"region": dict(saved.region)} if saved.region else {}),
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
