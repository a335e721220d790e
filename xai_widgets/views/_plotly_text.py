"""The text of plotly's front end, which the kernel sends and the page reads once, however many figures there are."""

from __future__ import annotations

import gzip
import hashlib
import threading
from functools import cache

import ipywidgets as widgets
import plotly.graph_objects as go
from traitlets import Bytes

_lock = threading.RLock()


@cache
def packed() -> tuple[bytes, str]:
    """Plotly's ES module, compressed, and the digest of its text."""
    text = str(go.FigureWidget._esm).encode()
    return gzip.compress(text, 1, mtime=0), hashlib.sha256(text).hexdigest()  # the harder levels take 0.2 s for 10 %


class PlotlyText(widgets.Widget):
    """Holds the text for the figures that are open, and is closed with the last of them.

    `static/shared/plotly_once.js` finds it in the page.
    """

    text = Bytes(help="An ES module, compressed with gzip.").tag(sync=True)

    _now: PlotlyText | None = None

    def __init__(self) -> None:
        super().__init__(text=packed()[0])
        self._users: set[int] = set()

    @classmethod
    def of(cls, figure: object) -> PlotlyText:
        """The one that is open, else a new one; `leave` ends it for this figure."""
        with _lock:
            if cls._now is None or cls._now.comm is None:  # closed, as by `Widget.close_all`
                cls._now = cls()
            cls._now._users.add(id(figure))
            return cls._now

    def leave(self, figure: object) -> None:
        """The figure is closed."""
        with _lock:
            self._users.discard(id(figure))
            if not self._users:
                self.close()
