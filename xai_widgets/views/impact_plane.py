"""What the removal of each feature map changes: the score against the error."""

from __future__ import annotations

from typing import Any

from traitlets import Bytes, Enum, Int, List, Unicode, observe

from xai_widgets.scenes import Plane
from xai_widgets.session import describe
from xai_widgets.static import front_end, style
from xai_widgets.views._base import WHERE, View


class ImpactPlane(View):
    """delta y against delta error of every map, four quadrants by role; without a rating delta y by rank.

    `plane.of = "set"` shows the medians over the set with their intervals, where they are known.
    """

    _esm = front_end("impact_plane")
    _css = style("impact_plane")
    watches = (*WHERE, "output.target", "impacts", "selected", "of_set")

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
    of = Enum(("image", "set"), "image", help="Of what the plane is to be; `shown` is what it is.")
    shown = Unicode("image", help="Of what the plane is: image or set.").tag(sync=True)
    no_set = Unicode(help="Why the set cannot be shown; empty where it can.").tag(sync=True)
    counts = List(Int(), help="How many maps have each role, by number; of the set only.").tag(sync=True)
    delta_y_low = Bytes(help="float32: lower ends of the intervals of medians; empty where there are none.").tag(
        sync=True
    )
    delta_y_high = Bytes(help="Upper ends.").tag(sync=True)
    delta_error_low = Bytes(help="The same of delta error.").tag(sync=True)
    delta_error_high = Bytes(help="Upper ends.").tag(sync=True)

    def picture(self) -> Plane:
        """What is shown, as a scene."""
        return describe.plane(self.session, of=self.of)

    def draw(self) -> None:
        scene = self.picture()
        self.write(scene, but=("of",))
        self.shown = scene.of

    @observe("of")
    def _turned(self, _: Any) -> None:
        with self.session.lock, self.hold_sync():
            self.draw()

    def gesture(self, kind: str, **details: Any) -> None:
        if kind == "select":
            self.session.select(int(index) for index in details["indices"])
        elif kind == "of":
            wanted = "set" if details["name"] == "set" else "image"
            if wanted == "set" and self.no_set:
                raise ValueError(f"the plane of the set {self.no_set}.")
            self.of = wanted
