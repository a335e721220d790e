"""What the removal of each feature map changes: the score against the error."""

from __future__ import annotations

from typing import Any

from traitlets import Bytes, Int, List, Unicode

from xai_widgets.scenes import Plane
from xai_widgets.session import describe
from xai_widgets.static import front_end, style
from xai_widgets.views._base import WHERE, View


class ImpactPlane(View):
    """delta y against delta error of every map, four quadrants by role; without a rating delta y by rank."""

    _esm = front_end("impact_plane")
    _css = style("impact_plane")
    watches = (*WHERE, "output.target", "impacts", "selected")

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

    def picture(self) -> Plane:
        """What is shown, as a scene."""
        return describe.plane(self.session)

    def draw(self) -> None:
        self.write(self.picture())

    def gesture(self, kind: str, **details: Any) -> None:
        if kind == "select":
            self.session.select(int(index) for index in details["indices"])
