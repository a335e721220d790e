"""What the removal of each feature map changes: the score against the error."""

from __future__ import annotations

from typing import Any

from traitlets import Bool, Bytes, Dict, Enum, Int, List, Unicode, observe

from xai_widgets.scenes import Plane
from xai_widgets.session import describe
from xai_widgets.static import front_end, style
from xai_widgets.views import _message as message
from xai_widgets.views._base import WHERE
from xai_widgets.views._cards import WithCard


class ImpactPlane(WithCard):
    """delta y against delta error of every map, four quadrants by role; without a rating delta y by rank.

    Where Q is another class, delta y is that of P - Q, or of P alone: `session.show(effect_on=...)`.

    `plane.of = "set"` shows the medians over the set with their intervals, and "selected" those over the images that
    are selected, where they are known.
    """

    _esm = front_end("impact_plane")
    _css = style("impact_plane", "map_card", "effect_on")
    watches = (
        *WHERE, "output.target", "maps", "impacts", "margins", "look.effect_on", "selected",
        "selected_images", "of_set", "map_names", "map_card", "status.background",
    )  # fmt: skip
    groups = {  # noqa: RUF012
        "more": ("names", "muted", "activation", "no_selected", "offers"),
        "against": ("effects", "ways", "change", "no_difference"),
    }

    delta_y = Bytes(help="float32, one a map.").tag(sync=True)
    delta_error = Bytes(help="float32, one a map; empty where neither a rating nor a label is known.").tag(sync=True)
    error = Unicode(help="Its name: error, or cross entropy.").tag(sync=True)
    roles = Bytes(help="int8: 0 neutral, 1 and 2 helpful, 3 and 4 harmful; odd ones raise the score.").tag(sync=True)
    role_words = List(Unicode(), help="Of each role, by number.").tag(sync=True)
    exact = Bytes(help="1 where the removal was computed, 0 where it is estimated.").tag(sync=True)
    selected = List(Int(), help="Numbers of the selected maps.").tag(sync=True)
    across = Unicode(help="Words of the horizontal axis.").tag(sync=True)
    up = Unicode(help="Words of the vertical axis.").tag(sync=True)
    title = Unicode().tag(sync=True)
    facts = Unicode(help="Score, rating and residual.").tag(sync=True)
    note = Unicode(help="What was removed, and what follows from the residual.").tag(sync=True)
    more = Dict(help="names: [number, name]; muted: numbers; activation: float32; no_selected; offers.").tag(sync=True)
    against = Dict(help="effects: P and P - Q in words; ways: what a map is for; change: its name; no_difference.").tag(
        sync=True
    )
    seen = Dict(help="Of the map that is pointed at: index, picture (bytes), its shape, facts in words.").tag(sync=True)
    sized = Bool(False, help="Whether a mark is as large as the map is active.").tag(sync=True, echo_update=False)
    of = Enum(("image", "set", "selected"), "image", help="Of what the plane is to be; `shown` is what it is.")
    shown = Unicode("image", help="Of what the plane is: image, set or selected.").tag(sync=True)
    no_set = Unicode(help="Why the set cannot be shown; empty where it can.").tag(sync=True)
    counts = List(Int(), help="How many maps have each role, by number.").tag(sync=True)
    delta_y_low = Bytes(help="float32: lower ends of the intervals of medians; empty where there are none.").tag(
        sync=True
    )
    delta_y_high = Bytes(help="Upper ends.").tag(sync=True)
    delta_error_low = Bytes(help="The same of delta error.").tag(sync=True)
    delta_error_high = Bytes(help="Upper ends.").tag(sync=True)

    def picture(self) -> Plane:
        """What is shown, as a scene."""
        return describe.plane(self.session, of=self.of)

    def told(self) -> tuple[Any, ...]:
        return (*super().told(), tuple(index for index, gain in self.session.query.gains if gain == 0))

    def draw(self) -> None:
        self.draw_card()
        if self.session.maps is None:
            self.seen = {}
        scene = self.picture()
        self.write(scene, but=("of",))
        self.shown = scene.of

    @observe("of")
    def _turned(self, _: Any) -> None:
        with self.session.lock, self.hold_sync():
            self.draw()

    def gesture(self, kind: str, **details: Any) -> None:
        session = self.session
        if kind == "select":
            session.select(message.numbers(details))
        elif kind in ("mute", "solo"):
            getattr(session, kind)(message.numbers(details))
        elif kind == "restore":
            session.ask(gains=dict.fromkeys(message.numbers(details), 1.0))
        elif kind == "look":
            self._look_at(message.whole(details))
        elif kind == "compute":
            session.know_set("impacts", images=session.selected_images if details.get("name") == "selected" else None)
        elif kind == "of":
            wanted = message.word(details, ("image", "set", "selected"))
            lacks = {"set": self.no_set, "selected": self.more.get("no_selected", "")}.get(wanted, "")
            if lacks:
                raise ValueError(f"the plane of the {'selected images' if wanted == 'selected' else 'set'} {lacks}.")
            self.of = wanted
        else:
            super().gesture(kind, **details)

    def _look_at(self, index: int) -> None:
        """Say more of the map that is pointed at."""
        maps = self.session.maps
        if maps is not None and 0 <= index < len(maps.thumbs):
            picture = maps.thumbs[index]
            self.seen = {
                "index": index,
                "picture": picture.tobytes(),
                "shape": list(picture.shape),
                "facts": list(describe.facts_of_map(self.session, index)),
            }
