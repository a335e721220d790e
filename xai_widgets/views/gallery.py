"""The images of a session as thumbnails, with score, rating and residual."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from traitlets import Bool, Bytes, Dict, Enum, Float, Int, List, Tuple, Unicode

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
    """All images with what is known about each: sort, search, pick one, pin some.

    `selected` holds the names that the reader marked with ctrl or shift.
    """

    _esm = front_end("gallery")
    _css = style("gallery")
    watches = (
        "query.image", "query.model", "query.run", "query.target", "scores", "predictions", "failures", "pins",
        "selected_images", "idle",
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
    order = Enum(ORDERS, "given").tag(sync=True, echo_update=False)
    descending = Bool(False).tag(sync=True, echo_update=False)
    height = Int(460, min=80, help="Of the grid, at most, in CSS pixels.").tag(sync=True)

    def __init__(self, session: Any, **traits: Any) -> None:
        self._scenes = describe.GalleryScenes(session.images)
        self._courier = Courier(session.images, self._deliver)
        self._references = Courier(References(session.images), self._deliver_reference)
        self._sent_at = 0.0
        self._scored = ("", 0)  # the model, and which run of it, whose scores are shown
        super().__init__(session, **traits)
        session.observe(self._replaced, "replaced")

    def draw(self) -> None:
        # Scores stream in: some calls are passed over, and a last one comes when nothing runs any more.
        now, model = time.monotonic(), (self.session.query.model, self.session.query.run)
        due = self.session.idle or now - self._sent_at > OFTEN or model != self._scored
        if due:
            self._sent_at, self._scored = now, model
        self.write(self._scenes.scene(self.session, scores=due))

    def picture(self) -> scenes.Gallery:
        """The first images and that which is explained, with thumbnails, as a scene."""
        with self.session.lock:
            scene = self._scenes.scene(self.session)
        shown = [*range(len(scene.names))[:SHEET]]
        if scene.current >= SHEET:
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
