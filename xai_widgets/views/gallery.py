"""The images of a session as thumbnails, with score, rating and residual."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
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
OFTEN = 0.2  # seconds between two messages with scores while these stream in


class Gallery(View):
    """All images with what is known about each: sort, filter, search, pick one, pin some.

    `order` is "given", "name", "score", "rating", "residual", "label", "mistake", or the name of a column of
    `session.columns_of_images`. `selected` holds the names that the reader marked with ctrl or shift.
    """

    _esm = front_end("gallery")
    _css = style("gallery")
    watches = (
        "query.image", "query.model", "query.run", "query.target", "scores", "predictions", "failures", "pins",
        "selected_images", "idle", "filters", "of_set",
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
    height = Int(460, min=80, help="Of the grid, at most, in CSS pixels.").tag(sync=True)

    def __init__(self, session: Any, **traits: Any) -> None:
        self._scenes = describe.GalleryScenes(session.images)
        self._courier = Courier(session.images, self._deliver)
        self._references = Courier(References(session.images), self._deliver_reference)
        self._sent_at = 0.0
        self._scored = ("", 0)  # the model, and which run of it, whose scores are shown
        self._keyed: tuple[Any, ...] = ()  # what the keys are of
        super().__init__(session, **traits)
        session.observe(self._replaced, "replaced")

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
        """The places of all images in the column that is sorted by; the browser has those of other orders."""
        columns = self.session.columns_of_images
        column = None if self.order in ORDERS else columns.get(self.order)
        if column is None:
            if self._keyed:
                self._keyed, self.ranked = (), {}
        elif not self._keyed or self._keyed[0] != self.order or self._keyed[1] is not column.values:
            self._keyed = (self.order, column.values)
            self.ranked = describe.ranked(self.order, column)

    @validate("order")
    def _known_order(self, proposal: Any) -> str:
        order: str = proposal["value"]
        if order not in ORDERS and order not in self.session.columns_of_images:
            known = ", ".join(dict.fromkeys((*ORDERS, *self.session.columns_of_images)))
            raise TraitError(f"order must be one of {known}, got {order!r}.")
        return order

    @observe("order")
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
            self.session.ask(image=details["name"])
        elif kind == "pin":
            for name in details["names"]:
                self.session.pin(name, bool(details["kept"]))
        elif kind == "select":
            chosen = tuple(self._checked(details["indices"]))
            with self.session.changing():
                self.session.selected_images = tuple(self.names[index] for index in chosen)
                self.moved(marked=chosen)
        elif kind == "filter":
            given = {name: details.get(name) for name in ("low", "high", "values", "lowest")}
            self.session.filter(details["column"], **given)
        elif kind == "unfilter":
            self.session.clear_filter(details.get("column"))
        elif kind == "reference":
            self._references.ask(self._checked([details["index"]]), SIDES[-1], self._move[0])
        elif kind == "need":
            side = min((side for side in SIDES if side >= details.get("side", 192)), default=SIDES[-1])
            self._courier.ask(self._checked(details["indices"]), side, self._move[0])

    def close(self) -> None:
        self._courier.close()
        self._references.close()
        if self.comm is not None:
            self.session.unobserve(self._replaced, "replaced")
        super().close()

    def _replaced(self, change: Any) -> None:
        """Thumbnails of files that were written again are old."""
        places = {name: place for place, name in enumerate(self.names)}
        self.send({"kind": "replaced", "indices": [places[name] for name in change["new"][0] if name in places]})

    def _checked(self, indices: Iterable[Any]) -> list[int]:
        known = [index for index in indices if isinstance(index, int) and 0 <= index < len(self.names)]
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
