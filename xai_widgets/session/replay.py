"""What a session file asks, for the models and images that are there now: what fits, what does not, what differs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from xai_widgets.engine import Query, Sources
from xai_widgets.session.board import Board
from xai_widgets.session.changes import changed, with_model
from xai_widgets.session.filters import IMAGES, Filter
from xai_widgets.session.map_names import LayerNames
from xai_widgets.session.regions import means_the_same
from xai_widgets.session.samples import first_shown
from xai_widgets.session.saved import Saved

INSTEAD = {
    "run": "run 0 is asked",
    "layer": "the model's own layer is explained",
    "shown": "the first image of the sample is shown",
    "call": "the call that belongs to the image is meant",
    "target": "P is what the model predicts",
    "contrast": "there is no Q",
    "method": "Grad-CAM is shown",
    "baseline": "a removed map is 0",
    "degradation": "the image is shown as it is",
    "gains": "all gains are 1",
}


def fitted(saved: Saved, sources: Sources, *, replay: bool) -> tuple[Saved, tuple[str, ...]]:
    """The same, asked of these models and images, and a sentence for each thing that differs.

    Args:
        replay: whether others may stand in the place of models and images that are not there, and what these cannot
            answer is left out.

    Raises:
        ValueError: without `replay`, something is not there or cannot be asked.
    """
    fit = _Fit(saved, sources, replay)
    states = tuple(replace(state, board=fit.board(state.number, state.board)) for state in saved.states)
    before, now = saved.board.query, replace(saved, states=states).board.query
    known = fit.images | {name: name for name in sources.images.names}
    found = replace(
        saved,
        states=states,
        pins=fit.kept("pinned", saved.pins, known),
        selected_images=fit.kept("selected", saved.selected_images, known),
        selected=fit.selected(saved.selected, before, now),
        filters=fit.filters(saved.filters, known),
        slices={name: some for name, kept in saved.slices.items() if (some := fit.filters(kept, known))},
        map_names=fit.named(saved.map_names),
        region=saved.region if means_the_same(saved.region, before, now) else {},
    )
    return found, (*fit.said, *_other_contents(saved, sources, fit))


class _Fit:
    """Fits questions one by one, and remembers what was said."""

    def __init__(self, saved: Saved, sources: Sources, replay: bool) -> None:
        self._sources, self._replay = sources, replay
        self._set = saved.images
        self.said: dict[str, None] = {}
        self._queries: dict[Query, Query] = {}
        queries = [query for state in saved.states for query in state.board.queries]
        wanted = dict.fromkeys(query.model for query in queries)
        self.models = {name: sources.named(name) for name in wanted if sources.reads(name)}
        others = [name for name in wanted if name not in self.models]
        self.models |= self._in_place("model", others, sources.given_names)
        self.images = self._in_place("image", dict.fromkeys(query.image for query in queries), sources.images.names)

    def board(self, number: int, board: Board) -> Board:
        return replace(board, queries=tuple(self._query(number, *panel) for panel in enumerate(board.queries)))

    def kept(self, how: str, names: Iterable[str], known: Mapping[str, str]) -> tuple[str, ...]:
        """The images among these names that are there, or stand in the place of one that is not."""
        for name in names:
            if name not in known:
                self._tell(f"There is no image {name!r} in {self._sources.images.name!r}, which was {how}.")
        return tuple(dict.fromkeys(known[name] for name in names if name in known))

    def filters(self, filters: Iterable[Filter], known: Mapping[str, str]) -> tuple[Filter, ...]:
        """Filters; of one that shows images by name, those that are there. The views tell of columns that are not."""
        found = []
        for one in filters:
            values = self.kept("in a slice", one.values, known) if one.column == IMAGES else one.values
            if values or not one.values:
                found.append(replace(one, values=values))
        return tuple(found)

    def selected(self, indices: tuple[int, ...], before: Query, now: Query) -> tuple[int, ...]:
        """The feature maps that are selected, where they are the same as before."""
        count = self._count(now)
        if not before.differs(now, ("model", "layer")) and all(count is None or index < count for index in indices):
            return indices
        if indices:
            self._tell(f"The selected maps of layer {before.layer!r} are not those of {now.layer!r} of {now.model!r}.")
        return ()

    def named(self, all_names: Iterable[LayerNames]) -> tuple[LayerNames, ...]:
        """The names of maps whose model and layer are there."""
        kept = []
        for one in all_names:
            there = one.model in self._sources.given_names
            if there and self._sources.loaded(one.model):
                counts = {layer.name: layer.maps for layer in self._sources.model(one.model).layers()}
                numbers = [index for index, _ in one.names] + [index for _, maps in one.groups for index in maps]
                there = max(numbers, default=-1) < counts.get(one.layer, 0)
            if there:
                kept.append(one)
            else:
                self.said[
                    f"The names of maps of layer {one.layer!r} of {one.model!r} are not kept: it is not here."
                ] = None
        return tuple(kept)

    def _in_place(self, what: str, wanted: Iterable[str], there: tuple[str, ...]) -> dict[str, str]:
        """For each name what stands in its place: itself where it is there, else the next one that is not used yet."""
        wanted = list(wanted)
        missing = [name for name in wanted if name not in there]
        if missing and not self._replay:
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            place = f"the set {self._sources.images.name!r} has no such" if what == "image" else "there is no such"
            file = f" of the set {self._set!r}" if what == "image" else ""
            raise ValueError(
                f"it asks about the {what} {missing[0]!r}{file}{more}, and {place} {what}; replay takes others instead."
            )
        free = [name for name in there if name not in wanted] or list(there)
        found = {name: name for name in wanted if name in there}
        for number, name in enumerate(missing):
            found[name] = free[number % len(free)]
            where = f" in {self._sources.images.name!r}" if what == "image" else ""
            self._tell(f"There is no {what} {name!r}{where}: {found[name]!r} stands in its place.")
        return found

    def _query(self, number: int, panel: int, query: Query) -> Query:
        if query not in self._queries:
            try:
                self._queries[query] = self._asked(query)
            except ValueError as error:
                raise ValueError(f"state {number}, panel {panel}: {error}") from None
        return self._queries[query]

    def _asked(self, query: Query) -> Query:
        model = self._sources.model(self.models[query.model])
        wanted = replace(query, image=self.images[query.image])
        if model.name != query.model:
            wanted, lost = with_model(wanted, model.name, self._sources)
            self._tell(lost)
        found = Query(wanted.image, model.name, model.layer, shown=first_shown(self._sources.images))
        for step in _steps(wanted):
            name = next(iter(step))
            if name == "gains" and found.layer != wanted.layer:
                self._tell(f"The gains at layer {wanted.layer!r} are dropped: the maps of {found.layer!r} are others.")
                continue
            form = wanted.contrast.form if name == "contrast" and wanted.contrast else None
            try:
                found, _ = changed(found, self._sources, step, form, self._count(found) if name == "gains" else None)
            except ValueError as error:
                if not self._replay:
                    raise
                self._tell(f"{model.name}: {str(error).rstrip('.')}, so {INSTEAD[name]}.")
        return found

    def _count(self, query: Query) -> int | None:
        """How many maps the layer of a question has, where that is known."""
        layers = self._sources.model(query.model).layers()
        return next((layer.maps or None for layer in layers if layer.name == query.layer), None)

    def _tell(self, sentence: str) -> None:
        if sentence and not self._replay:
            raise ValueError(sentence)
        if sentence:
            self.said[sentence] = None


def _steps(query: Query) -> list[dict[str, Any]]:
    """What leads to a question from that of the model's own layer, in an order in which each can be asked."""
    first = ("run", "layer", "shown", "call", "target")
    steps: list[dict[str, Any]] = [{name: value} for name in first if (value := getattr(query, name)) is not None]
    if query.contrast is not None:
        steps.append({"contrast": query.contrast})
    steps.append({"method": query.method, "options": dict(query.options)})
    steps += [{"baseline": query.baseline}, {"degradation": query.degradation}]
    return [*steps, {"gains": dict(query.gains)}] if query.gains else steps


def _other_contents(saved: Saved, sources: Sources, fit: _Fit) -> list[str]:
    """What has the same name and is another: weights, the set, the content of an image."""
    said = []
    for model in saved.models:
        if fit.models.get(model.name) != model.name:
            continue
        for number, (before, run) in enumerate(zip(model.digests, sources.model(model.name).runs, strict=False)):
            if before != run.digest():
                which = f" of run {number}" if number else ""
                said.append(f"The weights{which} of {model.name!r} are others than before.")
    if saved.images != sources.images.name:
        said.append(f"The images are those of the set {sources.images.name!r}, and were of {saved.images!r}.")
    for name, digest in saved.digests.items():
        if name in sources.images:
            with suppress(ValueError, OSError):  # what cannot be read is said where it is shown
                if sources.images.sample_digest(name) != digest:
                    said.append(f"The image {name!r} has another content than before.")
    return said
