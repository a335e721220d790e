"""Which panels keep photo, map and score in sight while another degradation of their image is asked."""

from __future__ import annotations

from collections.abc import Sequence

from xai_widgets import scenes
from xai_widgets.engine import Query
from xai_widgets.session.panel import OF_THE_PLACE, Panel

ALL_ELSE = tuple(name for name in OF_THE_PLACE if name != "degradation")


class Staying:
    """Remembers what the map of each panel answers.

    Photo, map and score stay together until all three of the next level are there, so that none stands beside another.
    """

    def __init__(self) -> None:
        self._whole: dict[int, tuple[int, Query]] = {}  # by the key of a panel: its place, and what its map answers
        self._stays: set[int] = set()  # keys of the panels that stay

    def places(self, panels: Sequence[Panel], shown: Sequence[scenes.Stage]) -> set[int]:
        """The places of the panels that stay, by what is shown of each now."""
        whole, stayed = self._whole, self._stays
        self._whole, self._stays = {}, set()
        found: set[int] = set()
        for place, (panel, scene) in enumerate(zip(panels, shown, strict=True)):
            key, before = panel.key, whole.get(panel.key)
            if scene.map is not None:
                self._whole[key] = place, panel.query
            elif before and not scene.error and _is_degraded_anew(place, panel.query, *before, again=key in stayed):
                self._whole[key] = before
                self._stays.add(key)
                found.add(place)
        return found


def _is_degraded_anew(place: int, query: Query, where: int, before: Query, *, again: bool) -> bool:
    """Whether a question differs from that of the map in sight in how the image is degraded, and in nothing else.

    Args:
        again: the map stays already: a slider may come back to its level.
    """
    if place != where or (query.degradation == before.degradation and not again):
        return False  # weights or the file are others, where nothing else is
    return not query.differs(before, ALL_ELSE)
