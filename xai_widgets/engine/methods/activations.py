"""Where the feature maps of a layer are active, whatever follows from it."""

from __future__ import annotations

from typing import Any

from xai_widgets.engine.asking import Request
from xai_widgets.engine.methods.record import Explained, Method
from xai_widgets.engine.options import Option

MAP = Option("map", "feature map (mean: over all)", "mean", ("mean",), 0)


def feature_activation(request: Request, options: dict[str, Any]) -> Explained:
    """The mean over maps, or one map, with the gains of the query.

    Raises:
        ValueError: there is no such map.
    """
    maps, chosen = request.changed, options["map"]
    maps = (request.subject.tail.maps if maps is None else maps).detach()[0]
    if not isinstance(chosen, str) and chosen >= len(maps):
        raise ValueError(f"map must be 'mean' or a number from 0 to {len(maps) - 1}, got {chosen}.")
    one_sided = bool((maps >= 0).all())
    low = "" if one_sided else "active below 0"
    if isinstance(chosen, str):
        question = f"where are the {len(maps)} maps active, on average?"
        return Explained(maps.mean(0), question=question, low=low, high="active", one_sided=one_sided)
    question = f"where is map {chosen} active?"
    return Explained(maps[chosen], question=question, low=low, high="active", one_sided=one_sided)


METHODS = (
    Method(
        name="feature_activation",
        words="Feature activation",
        unit="activation",
        group="activation",
        description="The mean of the layer's maps, or one of them, as it is.",
        make=feature_activation,
        question="where are the maps active?",
        low="active below 0",
        high="active",
        options=(MAP,),
        asks_p=False,
        without_contrast="it asks about no score",
    ),
)
