"""All feature maps of a layer on one image, with a gain bar each."""

from __future__ import annotations

from typing import Any

import numpy as np
from traitlets import Bool, Dict, Enum, Int, List, Unicode, observe

from xai_widgets.scenes import Bank
from xai_widgets.session import describe
from xai_widgets.static import front_end, style
from xai_widgets.views import _message as message
from xai_widgets.views._base import WHERE
from xai_widgets.views._cards import WithCard

ORDERS = (
    "effect", "raises", "lowers", "helps", "harms", "role", "activation", "likeness", "region", "index",
    "set_delta_y", "set_delta_error", "set_active",
)  # fmt: skip
FILTERS = (
    "all", "raises", "lowers", "helpful", "harmful", "helpful_raises", "helpful_lowers", "harmful_raises",
    "harmful_lowers", "changed", "muted", "selected",
)  # fmt: skip


class MapBank(WithCard):
    """Every feature map as a thumbnail with its effect on the score; drag its bar for less or more of it.

    Where Q is another class, effects are those on P - Q, or on P alone: `session.show(effect_on=...)`.

    The card of a map shows the images of the set to which it answers most.
    """

    _esm = front_end("map_bank")
    _css = style("map_bank", "map_card", "effect_on")
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
        "map_names",
        "region",
        "margins",
        "look.effect_on",
    )
    groups = {  # noqa: RUF012
        "maps": ("thumbs", "dead", "activation", "title", "key"),
        "impacts": ("delta_y", "delta_error", "error", "roles", "exact", "value", "done", "note", "ways", "change"),
        "of_set": ("set_delta_y", "set_delta_error", "set_active", "set_source", "set_lacks"),
        "named": ("names", "groups"),
        "alike": ("like", "likeness"),
        "region": ("region_delta_y", "region_change"),
        "against": ("effects", "beside", "beside_exact", "beside_name", "margin_words"),
    }
    both = ("gains", "selected")

    maps = Dict(
        help="thumbs: (c h w), one byte a pixel, and their shape; dead: bytes; activation: float32; title; key."
    ).tag(sync=True)
    pending = Bool(True, help="What is shown belongs to an earlier query; the new maps are on their way.").tag(
        sync=True
    )
    impacts = Dict(
        help="delta_y, delta_error: float32; exact, roles: bytes; value, note, done, error (its name); ways, change."
    ).tag(sync=True)
    subject = Unicode("the score", help="What delta y is a change of, in words.").tag(sync=True)
    role_words = List(Unicode(), help="Of each role, by number.").tag(sync=True)
    joint = Unicode(help="What all muted maps change together.").tag(sync=True)
    can_undo = Bool(False).tag(sync=True)
    named = Dict(help="names: [number, name] of maps; groups: [name, numbers].").tag(sync=True)
    alike = Dict(help="likeness: float32, to the map `like`, -1 where none is chosen.").tag(sync=True)
    against = Dict(
        help="effects: P and P - Q in words; beside: float32, the effect that is not shown; beside_exact; beside_name; "
        "margin_words."
    ).tag(sync=True)
    region = Dict(
        help="region_delta_y: float32, what the removal of each map inside the region changes; region_change."
    ).tag(sync=True)
    # Both sides move these two: see View.both.
    gains = Dict(help="values: float32; version; heard.").tag(sync=True)
    selected = Dict(help="values: numbers of the selected maps; version; heard.").tag(sync=True)
    order = Enum(ORDERS, "effect", help="What the maps are sorted by.").tag(sync=True, echo_update=False)
    show = Enum(FILTERS, "all", help="Which maps are shown.").tag(sync=True, echo_update=False)
    find = Unicode(help="Only maps of these numbers, or whose name or group holds this text, are shown.").tag(
        sync=True, echo_update=False
    )
    size = Enum(("small", "medium", "large"), "medium", help="Of a map.").tag(sync=True, echo_update=False)
    of_set = Dict(
        help="set_delta_y, set_delta_error (medians), set_active (share): float32, a map each; set_source, set_lacks."
    ).tag(sync=True)
    _alike: tuple[np.ndarray, int, np.ndarray] | None = None  # maps, the chosen one, likeness to it
    height = Int(420, min=80, help="Of the grid, at most, in CSS pixels.").tag(sync=True)

    def picture(self) -> Bank:
        """What is shown, as a scene."""
        like, likeness = self._likeness()
        return describe.bank(self.session, like=like, likeness=likeness)

    def _likeness(self) -> tuple[int, np.ndarray | None]:
        """The first selected map, and how like the others are to it, where maps are sorted by that."""
        maps, selected = self.session.maps, self.session.selected
        if self.order != "likeness" or maps is None or not selected or selected[0] >= len(maps.thumbs):
            return -1, None
        if self._alike is None or self._alike[0] is not maps.thumbs or self._alike[1] != selected[0]:
            self._alike = (maps.thumbs, selected[0], self.session.likeness_to(selected[0]))
        return self._alike[1:]

    @observe("order")
    def _sorted_otherwise(self, change: Any) -> None:
        if "likeness" in (change["new"], change["old"]):
            with self.session.lock, self.hold_sync():
                self.draw()

    def draw(self) -> None:
        self.draw_card()
        scene = self.picture()
        if scene.pending:
            self.pending = True
            self.took(pending=True)
            return
        self.write(scene)

    def gesture(self, kind: str, **details: Any) -> None:
        session = self.session
        if kind == "gain":
            self._drag(message.numbers(details), message.amount(details), details.get("gesture"))
        elif kind == "group":
            session.group_maps(message.words(details, "words"), message.numbers(details))
        elif kind == "select":
            chosen = tuple(message.numbers(details))
            self.done(lambda: session.select(chosen), selected=chosen)
        elif kind in ("mute", "solo"):
            getattr(session, kind)(message.numbers(details))
        elif kind == "restore":
            session.ask(gains=dict.fromkeys(message.numbers(details), 1.0))
        elif kind == "reset":
            session.reset_gains()
        elif kind in ("invert", "undo", "redo"):
            getattr(session, kind)()
        else:
            super().gesture(kind, **details)

    def _drag(self, indices: list[int], value: float, gesture: Any = None) -> None:
        """Move bars; the browser shows it already."""
        before = self._seen["gains"] if "gains" in self._seen else self.session.gains()
        moved = np.isin(np.arange(len(before)), indices)
        gains = np.where(moved, np.float32(value), before)
        mark = gesture if isinstance(gesture, int | str) else None
        self.done(lambda: self.session.set_gain(indices, value, gesture=mark), gains=gains)
