"""All feature maps of a layer on one image, with a gain bar each."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from traitlets import Bool, Bytes, Dict, Enum, Int, List, Unicode

from xai_widgets.scenes import Bank
from xai_widgets.session import describe
from xai_widgets.static import front_end, style
from xai_widgets.views._base import WHERE, View, plain

ORDERS = (
    "effect", "raises", "lowers", "helps", "harms", "role", "index", "set_delta_y", "set_delta_error", "set_active",
)  # fmt: skip
CROPS = tuple(f"crop_{place}" for place in range(9))  # of the images of a card
FILTERS = ("all", "raises", "lowers", "helpful", "harmful", "changed", "muted", "selected")


def _slots() -> dict[str, Any]:
    return {name: Bytes(help="JPEG.").tag(sync=True) for name in CROPS}


class MapBank(View):
    """Every feature map as a thumbnail with its effect on the score; drag its bar for less or more of it.

    The card of a map shows the images of the set to which it answers most. Its crops are `crop_0` to `crop_8`.
    """

    _esm = front_end("map_bank")
    _css = style("map_bank")
    watches = (
        *WHERE,
        "query.gains",
        "output.target",
        "maps",
        "impacts",
        "joint",
        "selected",
        "steps",
        "of_set",
        "map_card",
        "status.background",
    )
    groups = {  # noqa: RUF012
        "maps": ("thumbs", "dead", "title", "key"),
        "impacts": ("delta_y", "delta_error", "error", "roles", "exact", "value", "done", "note"),
        "of_set": ("set_delta_y", "set_delta_error", "set_active", "set_source", "set_lacks"),
    }
    both = ("gains", "selected")

    maps = Dict(help="thumbs: (c h w), one byte a pixel, and their shape; dead: bytes; title; key.").tag(sync=True)
    pending = Bool(True, help="What is shown belongs to an earlier query; the new maps are on their way.").tag(
        sync=True
    )
    impacts = Dict(help="delta_y, delta_error: float32; exact, roles: bytes; value, note, done, error (its name).").tag(
        sync=True
    )
    subject = Unicode("the score", help="What delta y is a change of, in words.").tag(sync=True)
    role_words = List(Unicode(), help="Of each role, by number.").tag(sync=True)
    joint = Unicode(help="What all muted maps change together.").tag(sync=True)
    can_undo = Bool(False).tag(sync=True)
    # Both sides move these two: see View.both.
    gains = Dict(help="values: float32; version; heard.").tag(sync=True)
    selected = Dict(help="values: numbers of the selected maps; version; heard.").tag(sync=True)
    order = Enum(ORDERS, "effect", help="What the maps are sorted by.").tag(sync=True, echo_update=False)
    show = Enum(FILTERS, "all", help="Which maps are shown.").tag(sync=True, echo_update=False)
    size = Enum(("small", "medium", "large"), "medium", help="Of a map.").tag(sync=True, echo_update=False)
    of_set = Dict(
        help="set_delta_y, set_delta_error (medians), set_active (share): float32, a map each; set_source, set_lacks."
    ).tag(sync=True)
    card = Dict(help="scenes.Card without the crops' data; empty where none is open.").tag(sync=True)
    locals().update(_slots())
    height = Int(420, min=80, help="Of the grid, at most, in CSS pixels.").tag(sync=True)

    def picture(self) -> Bank:
        """What is shown, as a scene."""
        return describe.bank(self.session)

    def draw(self) -> None:
        self._draw_card()
        scene = self.picture()
        if scene.pending:
            self.pending = True
            self.took(pending=True)
            return
        self.write(scene)

    def _draw_card(self) -> None:
        card = describe.card(self.session)
        crops = () if card is None else card.crops
        for place, name in enumerate(CROPS):
            setattr(self, name, crops[place].data if place < len(crops) else b"")
        words = tuple(replace(crop, data=b"") for crop in crops)
        self.card = {} if card is None else plain(replace(card, crops=words))

    def gesture(self, kind: str, **details: Any) -> None:
        if kind == "gain":
            self._drag(**details)
        elif kind == "card":
            self.session.card(details["index"], by=details.get("by", "maximum"))
        elif kind == "image":
            self.session.ask(image=details["name"])
        elif kind == "know":
            self.session.know_set(details["what"])
        elif kind == "select":
            chosen = tuple(int(index) for index in details["indices"])
            self.done(lambda: self.session.select(chosen), selected=chosen)
        elif kind in ("mute", "solo"):
            getattr(self.session, kind)(details["indices"])
        elif kind == "restore":
            self.session.ask(gains=dict.fromkeys(details["indices"], 1.0))
        elif kind == "reset":
            self.session.reset_gains()
        elif kind in ("invert", "undo", "redo"):
            getattr(self.session, kind)()

    def _drag(self, indices: list[int], value: float, gesture: int | None = None) -> None:
        """Move bars; the browser shows it already."""
        before = self._seen["gains"] if "gains" in self._seen else self.session.gains()
        moved = np.isin(np.arange(len(before)), indices)
        gains = np.where(moved, np.float32(value), before)
        self.done(lambda: self.session.set_gain(indices, float(value), gesture=gesture), gains=gains)
