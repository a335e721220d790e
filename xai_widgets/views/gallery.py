"""The images of a session as thumbnails, with score, rating and residual."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from traitlets import Bool, Bytes, Dict, Enum, Float, Int, List, TraitError, Tuple, Unicode, observe, validate

from xai_widgets import scenes
from xai_widgets.session import describe
from xai_widgets.static import front_end, style
from xai_widgets.views._base import View
from xai_widgets.views._thumbnails import Courier, References

ORDERS = ("given", "name", "score", "rating", "residual", "label", "mistake")
SIDES = (96, 192, 384)
SHEET = 28  # images of a contact sheet
MOST_ORDERS = 3  # after the first
LARGEST = 320  # CSS pixels of a thumbnail
OFTEN = 0.2  # seconds between two messages with scores while these stream in


class Gallery(View):
    """All images with what is known about each: sort, filter, search, pick one, pin some.

    `order` is "given", "name", "score", "rating", "residual", "label", "mistake", or the name of a column of
    `session.columns_of_images`. `then` are orders for images that are equal in it, each with whether the largest come
    first, such as `[["camera", False], ["score", True]]`; `group` is a column by which images stand together.
    `selected` holds the names that the reader marked with ctrl or shift, or in the chart.
    """

    _esm = front_end("gallery")
    _css = style("gallery")
    watches = (
        "query.image", "query.model", "query.run", "query.target", "scores", "predictions", "failures", "pins",
        "selected_images", "idle", "filters", "of_set", "slices",
    )  # fmt: skip
    both = ("marked",)

    names = List(Unicode(), help="Of all images; elsewhere an image is its place in this list.").tag(sync=True)
    labels = List(Unicode(), help="Known classes, empty where there is none.").tag(sync=True)
    notes = List(Unicode(), help="What else the table says, in words.").tag(sync=True)
    ratings = Bytes(help="float32, NaN where there is none.").tag(sync=True)
    spreads = Bytes(help="float32: the standard deviation of each rating; empty where none is known.").tag(sync=True)
    raters = Bytes(help="int32: how many gave each rating, or 0; empty where none is known.").tag(sync=True)
    splits = List(Unicode(), help="train, val, test, ... of each image; empty where none is known.").tag(sync=True)
    references = List(Int(), help="Images whose undistorted photo is known.").tag(sync=True)
    scores = Bytes(help="float32, NaN where there is none yet.").tag(sync=True)
    predicted = Bytes(help="int32 places in `classes`, -1 where there is none yet.").tag(sync=True)
    classes = List(Unicode(), help="That were predicted so far.").tag(sync=True)
    task = Enum(("regression", "classification"), "regression").tag(sync=True)
    score_name = Unicode(help="Which of several scores is shown.").tag(sync=True)
    comparable = Bool(False, help="Whether labels name classes of the model.").tag(sync=True)
    limits = Tuple(Float(), Float(), default_value=(0.0, 1.0), help="Of scores and ratings.").tag(sync=True)
    agreed = Bytes(help="int32: how many labels of an image are right, -1 unknown; empty for classes.").tag(sync=True)
    of_labels = Int(0, help="Of how many.").tag(sync=True)
    performance = Unicode(help="How well the model does on all images, once all have scores.").tag(sync=True)
    some = Unicode(help="The same of the selected images, or of those that the filters let through.").tag(sync=True)
    current = Int(-1, help="The image that is explained.").tag(sync=True)
    pinned = List(Int()).tag(sync=True)
    marked = Dict(help="values: images that the reader has chosen together; version; heard.").tag(sync=True)
    failed = List(Int(), help="Images on which the network failed.").tag(sync=True)
    problems = List(Unicode(), help="A sentence for each kind, which counts them; the first ones.").tag(sync=True)
    problem_lists = List(
        List(Unicode()), help="Of each kind, the sentences of each image, row or file; the first ones."
    ).tag(sync=True)
    problem_count = Int(0).tag(sync=True)
    slices = List(Unicode(), help="What the images of a sample are called; empty where it is one.").tag(sync=True)
    columns = List(Dict(), help="By which images are sorted and filtered: name, words, group, and what is there.").tag(
        sync=True
    )
    chips = List(Dict(), help="The filters that hold.").tag(sync=True)
    kept = Bytes(help="1 where the filters let an image through; empty where there is no filter.").tag(sync=True)
    ranked = Dict(
        help="of: the column that is sorted by; values: float32, the place of each image in it, or NaN; words and "
        "numbers (float32): its heading and its values, where nothing else tells these."
    ).tag(sync=True)
    order = Unicode("given", help="See the class.").tag(sync=True, echo_update=False)
    descending = Bool(False).tag(sync=True, echo_update=False)
    then: Any = List(help="By what images are sorted that are equal so far: [order, descending] each.").tag(
        sync=True, echo_update=False
    )
    further = List(Dict(), help="As `ranked`, for each of `then`; empty of an order that needs no column.").tag(
        sync=True
    )
    group = Unicode("", help="The column by which images stand together, or none.").tag(sync=True, echo_update=False)
    grouping = Dict(help="of: the column; words: its heading; heads: of the groups; values: int32, each image's.").tag(
        sync=True
    )
    named = List(Dict(), help="The named slices, how many images each has, and which is shown.").tag(sync=True)
    size = Int(0, min=0, max=LARGEST, help="Of a thumbnail in CSS pixels; 0: as the room asks for.").tag(
        sync=True, echo_update=False
    )
    maps = Bool(False, help="Whether each thumbnail in sight carries the map of its image.").tag(
        sync=True, echo_update=False
    )
    explained = Unicode(help="What these maps are.").tag(sync=True)
    mapping = Dict(help="version: of the question that maps answer; palette, sign, opacity, grey.").tag(sync=True)
    height = Int(460, min=80, help="Of the grid, at most, in CSS pixels.").tag(sync=True)

    def __init__(self, session: Any, **traits: Any) -> None:
        self._scenes = describe.GalleryScenes(session.images)
        self._courier = Courier(session.images, self._deliver)
        self._references = Courier(References(session.images), self._deliver_reference)
        self._sent_at = 0.0
        self._scored = ("", 0)  # the model, and which run of it, whose scores are shown
        self._keyed: tuple[Any, ...] = ()  # what the keys are of
        self._version, self._mapped = 0, None  # of the question that maps answer
        self._asking: set[str] = set()  # front ends that asked for maps
        super().__init__(session, **traits)
        session.observe(self._replaced, "replaced")
        session.observe(self._maps_changed, ["query", "look"])

    def draw(self) -> None:
        # Scores stream in: some calls are passed over, and a last one comes when nothing runs any more.
        now, model = time.monotonic(), (self.session.query.model, self.session.query.run)
        due = self.session.idle or now - self._sent_at > OFTEN or model != self._scored
        if due:
            self._sent_at, self._scored = now, model
        self.write(self._scenes.scene(self.session, scores=due))
        if due:
            self._send_keys()

    def _send_keys(self) -> None:
        """The places of all images in the columns that are sorted or grouped by; the browser has those of ORDERS."""
        columns = self.session.columns_of_images
        orders = [self.order, *(order for order, _ in self.then)]
        wanted = [None if order in ORDERS else columns.get(order) for order in orders]
        group = columns.get(self.group) if self.group else None
        keyed = (*orders, self.group, *(None if one is None else one.values for one in (*wanted, group)))
        if len(keyed) == len(self._keyed) and all(map(_is_same, keyed, self._keyed)):
            return
        self._keyed = keyed
        made = [{} if one is None else describe.ranked(name, one) for name, one in zip(orders, wanted, strict=True)]
        self.ranked, self.further = made[0], made[1:]
        self.grouping = {} if group is None else describe.grouping(self.group, group)

    def _checked_order(self, order: Any) -> str:
        if order not in ORDERS and order not in self.session.columns_of_images:
            known = ", ".join(dict.fromkeys((*ORDERS, *self.session.columns_of_images)))
            raise TraitError(f"order must be one of {known}, got {order!r}.")
        return str(order)

    @validate("order")
    def _known_order(self, proposal: Any) -> str:
        return self._checked_order(proposal["value"])

    @validate("then")
    def _known_orders(self, proposal: Any) -> list[list[Any]]:
        found = []
        for one in proposal["value"][:MOST_ORDERS]:
            if not isinstance(one, list | tuple) or len(one) != 2 or not isinstance(one[1], bool):
                raise TraitError(f"then must be a list of [order, descending], such as [['name', False]], got {one!r}.")
            found.append([self._checked_order(one[0]), one[1]])
        return found

    @validate("group")
    def _known_group(self, proposal: Any) -> str:
        group: str = proposal["value"]
        if group and group not in self.session.columns_of_images:
            known = ", ".join(self.session.columns_of_images)
            raise TraitError(f"group must be one of {known}, or empty, got {group!r}.")
        return group

    @observe("order", "then", "group")
    def _ordered(self, _: Any) -> None:
        with self.session.lock, self.hold_sync():
            self._send_keys()

    def picture(self) -> scenes.Gallery:
        """The first images and that which is explained, with thumbnails, as a scene."""
        with self.session.lock:
            scene = self._scenes.scene(self.session)
        kept = np.flatnonzero(scene.kept).tolist() if scene.chips else range(len(scene.names))
        shown = [*kept[:SHEET]]
        if scene.current >= 0 and scene.current not in shown and not scene.chips:
            shown.append(scene.current)
        thumbs = []
        for index in shown:
            with suppress(ValueError, OSError):  # the gallery says what is wrong with it
                thumbs.append((index, self.session.images.thumbnail(scene.names[index], SIDES[1])))
        return replace(scene, thumbs=tuple(thumbs))

    def scene(self) -> scenes.Gallery:
        return self.picture()  # files are not read under the session's lock

    @property
    def selected(self) -> tuple[str, ...]:
        """Names of the images that the reader has chosen together."""
        names: tuple[str, ...] = self.session.selected_images
        return names

    def gesture(self, kind: str, **details: Any) -> None:
        if kind == "pick":
            self.session.ask(image=details.get("name"))
        elif kind == "pin":
            for name in _listed(details.get("names")):
                self.session.pin(name, bool(details.get("kept")))
        elif kind == "select":
            chosen = tuple(self._checked(details.get("indices")))
            with self.session.changing():
                self.session.selected_images = tuple(self.names[index] for index in chosen)
                self.moved(marked=chosen)
        elif kind == "filter":
            given = {name: details.get(name) for name in ("low", "high", "values", "lowest")}
            self.session.filter(details.get("column"), **given)  # type: ignore[arg-type]
        elif kind == "maps":
            self._ask_maps(details.get("indices"), details.get("version"))
        elif kind == "only":
            self.session.filter("image", values=[self.names[index] for index in self._checked(details.get("indices"))])
        elif kind == "slice":
            self.session.slice(details.get("name"))  # type: ignore[arg-type]
        elif kind == "choose slice":
            self.session.choose_slice(details.get("name"))  # type: ignore[arg-type]
        elif kind == "drop slice":
            self.session.drop_slice(details.get("name"))  # type: ignore[arg-type]
        elif kind == "unfilter":
            self.session.clear_filter(details.get("column"))
        elif kind == "reference":
            self._references.ask(self._checked([details.get("index")]), SIDES[-1], self._move[0])
        elif kind == "need":
            wanted = details.get("side")
            side = min((side for side in SIDES if type(wanted) is int and side >= wanted), default=SIDES[-1])
            self._courier.ask(self._checked(details.get("indices")), side, self._move[0])

    def close(self) -> None:
        self._courier.close()
        self._references.close()
        if self.comm is not None:
            self.session.unobserve(self._replaced, "replaced")
            self.session.unobserve(self._maps_changed, ["query", "look"])
            self._stop_maps()
        super().close()

    @observe("maps")
    def _maps_changed(self, _: Any) -> None:
        """Maps of another question are dropped in the browser, which asks for those in sight again."""
        asked = replace(self.session.query, image="") if self.maps else None
        with self.session.lock, self.hold_sync():
            if asked != self._mapped:
                self._mapped = asked
                self._version += 1
            if asked is None:
                self._stop_maps()
            else:
                self.explained = describe.map_words(self.session)
                self.mapping = {"version": self._version, **describe.map_look(self.session.look)}

    def _stop_maps(self) -> None:
        for origin in self._asking:
            with suppress(RuntimeError):  # the session was closed
                self.session.explain_images((), partial(self._deliver_map, 0), (id(self), origin))
        self._asking.clear()

    def _ask_maps(self, indices: Any, version: Any) -> None:
        """Maps of the images in sight; what was asked for before and is not named is not computed."""
        if self.maps and version == self._version:
            self._asking.add(self._move[0])
            names = [self.names[index] for index in self._checked(indices)]
            self.session.explain_images(names, partial(self._deliver_map, version), (id(self), self._move[0]))

    def _deliver_map(self, version: int, name: str, found: Any, why: str) -> None:
        """Send one map; on the engine's thread."""
        if self.comm is not None and self.maps and version == self._version:
            content, buffers = describe.small_map(found) if found is not None else ({}, [])
            place = self.session.images.names.index(name)
            self.send({"kind": "map", "version": version, "index": place, "why": why, **content}, buffers)

    def _replaced(self, change: Any) -> None:
        """Thumbnails of files that were written again are old."""
        places = {name: place for place, name in enumerate(self.names)}
        self.send({"kind": "replaced", "indices": [places[name] for name in change["new"][0] if name in places]})

    def _checked(self, indices: Any) -> list[int]:
        known = [index for index in _listed(indices) if type(index) is int and 0 <= index < len(self.names)]
        return list(dict.fromkeys(known))

    def _deliver_reference(self, side: int, found: dict[int, bytes], failed: dict[int, str]) -> None:
        """Send undistorted photos; on a courier's thread."""
        if self.comm is not None:
            content = {"kind": "reference", "indices": list(found), "failed": list(failed.items())}
            self.send(content, list(found.values()))

    def _deliver(self, side: int, found: dict[int, bytes], failed: dict[int, str]) -> None:
        """Send thumbnails; on the courier's thread."""
        if self.comm is None:
            return
        content = {"kind": "thumbs", "side": side, "indices": list(found), "failed": list(failed.items())}
        self.send(content, list(found.values()))
        if failed:
            with self.session.lock, self.hold_sync():
                self.draw()


def _listed(given: Any) -> list[Any]:
    """What a message lists; nothing where it is no list."""
    return list(given) if isinstance(given, list | tuple) else []


def _is_same(now: Any, before: Any) -> bool:
    """Columns compare by identity, names by what they say."""
    return now is before or (isinstance(now, str) and isinstance(before, str) and now == before)
