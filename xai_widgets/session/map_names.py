"""Names that the reader gives to feature maps, and groups of maps with names. Both stay with their layer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from traitlets import Tuple as TupleTrait

from xai_widgets.engine import Maps, Query, Sources
from xai_widgets.engine.query import checked_gain, one_of, plain
from xai_widgets.session.likeness import likeness
from xai_widgets.session.literals import call
from xai_widgets.session.one_change import OneChange

LONGEST_NAME = 60  # characters of the name of a map or of a group
MOST_GROUPS = 100  # of one layer


@dataclass(frozen=True)
class LayerNames:
    """What the maps of one layer are called.

    Attributes:
        model: its name, as it was given to the session.
        run: the training run.
        layer: its name.
        names: (number, name) of each map that has a name, by number.
        groups: (name, numbers of its maps) of each group, in the order in which they were made.
    """

    model: str
    run: int
    layer: str
    names: tuple[tuple[int, str], ...] = ()
    groups: tuple[tuple[str, tuple[int, ...]], ...] = ()

    @property
    def place(self) -> tuple[str, int, str]:
        """Model, run and layer."""
        return self.model, self.run, self.layer


class MapNames(OneChange):
    """What a reader calls feature maps; a part of `Session`."""

    map_names = TupleTrait(read_only=True, help="A `LayerNames` of each layer whose maps have names or groups.")
    query: Query
    maps: Maps | None
    sources: Sources
    layers: Callable[[], list[Any]]
    _count: Callable[[], int]

    def name_map(self, index: int, words: str, **where: Any) -> None:
        """Name a feature map; an empty name takes it back. The name stays with the layer and is saved.

        Args:
            index: of the map.
            words: at most 60 characters.
            where: model, run and layer, where it is not the layer that is shown.

        Raises:
            ValueError: there is no such map, the name is no text or too long, or another map has it.
        """
        with self.changing():
            self._open()
            known, count = self._names_at(**where)
            number, words = checked_gain(plain(index), 1, count)[0], _checked_name("a feature map", words)
            names = {place: name for place, name in known.names if place != number}
            taken = [place for place, name in names.items() if words and name == words]
            if taken:
                raise ValueError(f"map {taken[0]} has the name {words!r} already; choose another.")
            if words:
                names[number] = words
            self._keep_names(replace(known, names=tuple(sorted(names.items()))))

    def group_maps(self, words: str, indices: Iterable[int], **where: Any) -> None:
        """Give feature maps a name together; without maps the group is taken apart. It stays with the layer.

        Args:
            words: the name of the group; one that is there already is made of these maps instead.
            indices: of the maps.
            where: as in `name_map`.

        Raises:
            ValueError: there is no such map, the name is no text, empty or too long, or there are too many groups.
        """
        with self.changing():
            self._open()
            known, count = self._names_at(**where)
            words = _checked_name("a group of maps", words)
            if not words:
                raise ValueError("a group of maps needs a name.")
            numbers = tuple(dict.fromkeys(checked_gain(plain(index), 1, count)[0] for index in indices))
            groups = {name: some for name, some in known.groups if numbers or name != words}
            if numbers:
                groups[words] = numbers
            if len(groups) > MOST_GROUPS:
                raise ValueError(f"at most {MOST_GROUPS} groups may have names in a layer; take one apart.")
            self._keep_names(replace(known, groups=tuple(groups.items())))

    def name_of_map(self, index: int) -> str:
        """What the reader calls a map of the layer that is shown; empty where it has no name."""
        return dict(self._names_here().names).get(index, "")

    def maps_of(self, name: str) -> tuple[int, ...]:
        """The numbers of the maps of a group, or of the one map with this name, such as for `mute`.

        Raises:
            ValueError: nothing here has this name.
        """
        here = self._names_here()
        known = {words: (index,) for index, words in here.names} | dict(here.groups)
        if not known:
            raise ValueError(f"no map and no group of this layer has a name yet, got {name!r}.")
        return known[one_of("the name of a map or of a group", name, known)]

    def likeness_to(self, index: int) -> np.ndarray:
        """How like each feature map is to one of them on this image: the correlation over places, from -1 to 1.

        Args:
            index: of the map that the others are compared with.

        Returns:
            (c,) float32; NaN for maps that are the same everywhere.

        Raises:
            ValueError: there is no such map.
            RuntimeError: the maps are still on their way.
        """
        maps = self.maps
        if maps is None:
            raise RuntimeError("the maps are still on their way; try again in a moment.")
        return likeness(maps.thumbs, checked_gain(plain(index), 1, len(maps.thumbs))[0])

    # ------------------------------------------------------------------ what a session does by itself

    def _place_of(self, query: Query) -> tuple[str, int, str]:
        """Model, run and layer of a question; however its outputs are read, the maps of a network are the same."""
        return self.sources.base_name(query.model), query.run, query.layer

    def _names_here(self) -> LayerNames:
        return self._names_of(self.query)

    def _names_of(self, query: Query) -> LayerNames:
        place = self._place_of(query)
        return next((one for one in self.map_names if one.place == place), LayerNames(*place))

    def _names_at(self, model: str | None = None, run: int | None = None, layer: str | None = None) -> Any:
        """The names of a layer, and how many maps it has where that is known."""
        here = self._place_of(self.query)
        base = here[0] if model is None else one_of("model", model, self.sources.given_names)
        number = here[1] if run is None else plain(run)
        if isinstance(number, bool) or not isinstance(number, int) or number < 0:
            raise ValueError(f"run must be a whole number from 0, got {run!r}.")
        known = {one.place: one for one in self.map_names}
        if self.sources.loaded(base):
            listed = {one.name: one.maps for one in self.sources.model(base).layers()}
            place = (base, number, here[2] if layer is None else one_of("layer", layer, listed))
            count = listed.get(place[2])
        else:
            place, count = (base, number, str(here[2] if layer is None else layer)), None
        if place == here and self.maps is not None:
            count = len(self.maps.thumbs)
        return known.get(place, LayerNames(*place)), count or None

    def _keep_names(self, named: LayerNames) -> None:
        others = tuple(one for one in self.map_names if one.place != named.place)
        self.set_trait("map_names", (*others, named) if named.names or named.groups else others)


def calls(all_names: Sequence[LayerNames], here: tuple[str, int, str]) -> list[str]:
    """The Python that gives these names."""
    found = []
    for one in all_names:
        pairs = zip(("model", "run", "layer"), one.place, here, strict=True)
        where = {name: value for name, value, present in pairs if value != present}
        found += [call("session.name_map", index, words, **where) for index, words in one.names]
        found += [call("session.group_maps", words, list(maps), **where) for words, maps in one.groups]
    return found


def _checked_name(what: str, words: Any) -> str:
    """One line of text, without blanks around it."""
    if not isinstance(words, str) or len(words.strip()) > LONGEST_NAME:
        raise ValueError(f"the name of {what} must be text of at most {LONGEST_NAME} characters, got {words!r:.80}.")
    return " ".join(words.split())
