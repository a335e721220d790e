"""What the reader does: it draws nothing and knows no view."""

from __future__ import annotations

from xai_widgets.engine import Contrast as Contrast
from xai_widgets.engine import Query as Query
from xai_widgets.session.look import Look as Look
from xai_widgets.session.look import Status as Status
from xai_widgets.session.session import Session as Session
from xai_widgets.session.sources import Models as Models

__all__ = ["Contrast", "Look", "Models", "Query", "Session", "Status"]
