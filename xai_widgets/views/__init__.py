"""The views of a session. Each is usable alone: `MapBank(session)`. Imported when first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xai_widgets.views.contrast_picker import ContrastPicker as ContrastPicker
    from xai_widgets.views.gallery import Gallery as Gallery
    from xai_widgets.views.impact_plane import ImpactPlane as ImpactPlane
    from xai_widgets.views.map_bank import MapBank as MapBank
    from xai_widgets.views.metric_radar import MetricRadar as MetricRadar
    from xai_widgets.views.stage import Stage as Stage
    from xai_widgets.views.status_bar import StatusBar as StatusBar

ROOMS = {
    "ContrastPicker": "contrast_picker",
    "Gallery": "gallery",
    "ImpactPlane": "impact_plane",
    "MapBank": "map_bank",
    "MetricRadar": "metric_radar",
    "Stage": "stage",
    "StatusBar": "status_bar",
}
__all__ = sorted(ROOMS)


def __getattr__(name: str) -> Any:
    if name not in ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{ROOMS[name]}"), name)
