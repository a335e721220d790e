"""All feature maps of a layer on one image, with a gain bar each."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from traitlets import Bool, Dict, Enum, Int, Unicode

from xai_widgets.session import Session
from xai_widgets.static import front_end, style
from xai_widgets.views._base import View

ORDERS = ("effect", "raises", "lowers", "helps", "harms", "role", "index")
FILTERS = ("all", "raises", "lowers", "helpful", "harmful", "changed", "muted", "selected")


class MapBank(View):
    """Every feature map as a thumbnail with its effect on the score; drag its bar for less or more of it."""

    _esm = front_end("map_bank.js")
    _css = style("map_bank.css")
    watches = ("query", "maps", "impacts", "selected", "status")

    maps = Dict(help="values: (c h w), one byte a pixel; count, h, w; dead: bytes; layer; key.").tag(sync=True)
    pending = Bool(True, help="What is shown belongs to an earlier query; the new maps are on their way.").tag(
        sync=True
    )
    impacts = Dict(help="delta_y, delta_error: float32; exact, roles: bytes; value, note, done, error (its name).").tag(
        sync=True
    )
    subject = Unicode("the score", help="What delta y is a change of, in words.").tag(sync=True)
    can_undo = Bool(False).tag(sync=True)
    # Both sides move these two: the version makes a return to what was sent last a change.
    gains = Dict(help="values: float32, version: grows.").tag(sync=True)
    chosen = Dict(help="values: uint32 numbers of the selected maps, version: grows.").tag(sync=True)
    order = Enum(ORDERS, "effect", help="What the maps are sorted by.").tag(sync=True, echo_update=False)
    show = Enum(FILTERS, "all", help="Which maps are shown.").tag(sync=True, echo_update=False)
    size = Enum(("small", "medium", "large"), "medium", help="Of a map.").tag(sync=True, echo_update=False)
    height = Int(420, min=80, help="Of the grid, at most, in CSS pixels.").tag(sync=True)

    def __init__(self, session: Session, **traits: Any) -> None:
        self._sent: dict[str, Any] = {}  # the answers that the browser has
        self._gains = np.ones(0, np.float32)  # what the browser shows, by our messages or by drags
        self._chosen: tuple[int, ...] = ()
        super().__init__(session, **traits)

    def draw(self) -> None:
        session = self.session
        self.pending = session.maps is None  # the old ones stay, dimmed: an empty grid would only flicker
        if self.pending:
            return
        if self._is_new("maps", session.maps):
            self._draw_maps(session.maps)
        if self._is_new("impacts", session.impacts):
            self._draw_impacts(session.impacts)
        gains = session.gains()
        if not np.array_equal(gains, self._gains):  # nothing echoes: a drag is on the screen already
            self._gains = gains
            self.gains = self._next(self.gains, gains)
        if session.selected != self._chosen:
            self._chosen = session.selected
            self.chosen = self._next(self.chosen, np.array(session.selected, np.uint32))
        self.can_undo = session.status.can_undo

    def gesture(self, kind: str, **details: Any) -> None:
        if kind == "gain":
            self._drag(**details)
        elif kind == "select":
            self._chosen = tuple(int(index) for index in details["indices"])
            self.session.select(self._chosen)
        elif kind in ("mute", "solo"):
            getattr(self.session, kind)(details["indices"])
        elif kind == "restore":
            self.session.ask(gains=dict.fromkeys(details["indices"], 1.0))
        elif kind == "invert":
            self.session.invert()
        elif kind == "reset":
            self.session.reset_gains()
        elif kind == "undo":
            self.session.undo()

    def _drag(self, indices: list[int], value: float, gesture: int | None = None) -> None:
        """Move bars; the browser shows it already."""
        before = self._gains
        self._gains = np.where(np.isin(np.arange(len(before)), indices), np.float32(value), before)
        try:
            self.session.set_gain(indices, float(value), gesture=gesture)
        except ValueError:
            self._gains = before
            self.gains = self._next(self.gains, before)  # the bars go back
            raise

    def _draw_maps(self, maps: Any) -> None:
        count, h, w = maps.thumbs.shape
        query = self.session.query
        self.maps = {
            "values": maps.thumbs.tobytes(),
            "count": count,
            "h": h,
            "w": w,
            "dead": _packed(maps.dead, np.uint8),
            "layer": maps.layer,
            "key": " ".join((query.image, query.model, query.layer)),  # new maps are sorted anew at once
        }

    def _draw_impacts(self, impacts: Any) -> None:
        self.subject = self._subject()
        if impacts is None:
            self.impacts = {}
            return
        self.impacts = {
            "delta_y": _packed(impacts.delta_y, np.float32),
            "exact": _packed(impacts.exact, np.uint8),
            "delta_error": _packed(impacts.delta_error, np.float32),
            "roles": _packed(impacts.roles, np.uint8),
            "value": float(impacts.value),
            "done": bool(impacts.done),
            "note": impacts.note,
            "error": impacts.error,
        }

    def _is_new(self, name: str, answer: Any) -> bool:
        """Whether the browser has another answer. Answers are never changed in place, so that identity tells."""
        if name in self._sent and self._sent[name] is answer:
            return False
        self._sent[name] = answer
        return True

    def _subject(self) -> str:
        labels, output = self.session.model.labels, self.session.output
        if self.session.model.task == "regression" or output is None:
            return "the score"
        return labels[output.target] if labels else f"class {output.target}"

    @staticmethod
    def _next(old: dict[str, Any], values: NDArray[Any]) -> dict[str, Any]:
        return {"values": values.tobytes(), "version": old.get("version", 0) + 1}


def _packed(values: Any, kind: type) -> bytes | None:
    return None if values is None else np.ascontiguousarray(values, kind).tobytes()
