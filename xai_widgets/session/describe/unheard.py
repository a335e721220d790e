"""Whether the map that is shown asks about Q, in words."""

from __future__ import annotations

from xai_widgets.engine import METHODS, Query


def unheard(query: Query) -> str:
    """Why the map that is shown does not ask about Q; empty where it does, or where there is no Q."""
    method = METHODS[query.method]
    if query.contrast is None or method.takes_contrast:
        return ""
    return f"The map that is shown ({method.words}) does not ask about Q."
