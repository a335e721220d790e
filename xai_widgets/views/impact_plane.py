"""What the removal of each feature map changes: the score against the error."""

from __future__ import annotations

from typing import Any

import numpy as np
from traitlets import Bytes, Int, List, Unicode

from xai_widgets.static import front_end, style
from xai_widgets.views._base import View


class ImpactPlane(View):
    """delta y against delta error of every map, four quadrants by role; without a rating delta y by rank."""

    _esm = front_end("impact_plane.js")
    _css = style("impact_plane.css")
    watches = ("query", "impacts", "selected")

    delta_y = Bytes(help="float32, one a map.").tag(sync=True)
    delta_error = Bytes(help="The same; empty where neither a rating nor a label is known.").tag(sync=True)
    error = Unicode(help="Its name: error, or cross entropy.").tag(sync=True)
    roles = Bytes(help="int8: 0 neutral, 1 and 2 helpful, 3 and 4 harmful; odd ones raise the score.").tag(sync=True)
    exact = Bytes(help="1 where the removal was computed, 0 where it is estimated.").tag(sync=True)
    selected = List(Int(), help="Numbers of the selected maps.").tag(sync=True)
    title = Unicode().tag(sync=True)
    facts = Unicode(help="Score, rating and residual.").tag(sync=True)
    note = Unicode(help="What was removed, and what follows from the residual.").tag(sync=True)

    def __init__(self, session: Any, **traits: Any) -> None:
        self._sent: Any = self  # the answer that the browser has; none yet
        super().__init__(session, **traits)

    def draw(self) -> None:
        impacts = self.session.impacts
        self.selected = list(self.session.selected)
        self.title = f"Impact of each map · {self.session.query.layer}"
        if impacts is not self._sent:  # answers are never changed in place
            self._sent = impacts
            self._draw_impacts(impacts)

    def gesture(self, kind: str, **details: Any) -> None:
        if kind == "select":
            self.session.select(int(index) for index in details["indices"])

    def _draw_impacts(self, impacts: Any) -> None:
        self.delta_y = _packed(getattr(impacts, "delta_y", None), np.float32)
        self.delta_error = _packed(getattr(impacts, "delta_error", None), np.float32)
        self.error = getattr(impacts, "error", "")
        self.roles = _packed(getattr(impacts, "roles", None), np.int8)
        self.exact = _packed(getattr(impacts, "exact", None), np.uint8)
        self.facts = self._facts(impacts) if impacts is not None else ""
        self.note = self._note(impacts) if impacts is not None else ""

    def _facts(self, impacts: Any) -> str:
        rating = None if impacts.residual is None else impacts.value - impacts.residual
        if impacts.label:
            known = f"cross entropy with the label {impacts.label} {impacts.error_value:.3g}"
            return f"Score {impacts.value:.3g}, {known}."
        if rating is None:
            return f"Score {impacts.value:.3g}"
        way = "too high" if impacts.residual > 0 else "too low" if impacts.residual < 0 else "just right"
        residual = f"{impacts.residual:+.3g}".replace("-", "−")
        return f"Score {impacts.value:.3g}, rating {rating:.3g}: residual r = {residual}, the score is {way}."

    def _note(self, impacts: Any) -> str:
        if impacts.delta_error is not None:
            return str(impacts.note)
        if self.session.model.task == "classification":
            why = "No label of this image names a class, so the error cannot be told: Δ score by rank instead."
        else:
            why = "No rating is known for this image, so the error cannot be told: Δ score by rank instead."
        return f"{why} {impacts.note}".strip()


def _packed(values: Any, kind: type) -> bytes:
    return b"" if values is None else np.ascontiguousarray(values, kind).tobytes()
