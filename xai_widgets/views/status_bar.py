"""What runs and where, undo and redo, the model and its layer, and what went wrong."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from traitlets import Dict, List, Unicode

from xai_widgets.static import front_end, style
from xai_widgets.views._base import View


class StatusBar(View):
    """Device, progress, cancel, undo, redo, layer picker; one line for an error, one for a notice."""

    _esm = front_end("status_bar.js")
    _css = style("status_bar.css")
    watches = ("query", "status", "error", "notice")

    status = Dict(help="device, busy, progress, can_undo, can_redo.").tag(sync=True)
    error = Unicode(help="One line, shown as text.").tag(sync=True)
    notice = Unicode(help="One line that is no error.").tag(sync=True)
    model = Unicode(help="Name of the model.").tag(sync=True)
    layer = Unicode(help="Name of the layer whose maps are shown.").tag(sync=True)
    layers = List(Dict(), help="One dict a layer: name, maps, height, width, cost, note.").tag(sync=True)

    def __init__(self, session: Any, **traits: Any) -> None:
        self._listed: Any = None  # the model whose layers are listed
        super().__init__(session, **traits)

    def draw(self) -> None:
        session = self.session
        self.status = asdict(session.status)
        self.error = _one_line(session.error)
        self.notice = _one_line(session.notice)
        self.model = session.query.model
        self.layer = session.query.layer
        if session.model is not self._listed:
            self._listed = session.model
            self.layers = [asdict(layer) for layer in session.layers()]

    def gesture(self, kind: str, **details: Any) -> None:
        if kind in ("undo", "redo", "cancel"):
            getattr(self.session, kind)()
        elif kind == "layer":
            self.session.ask(layer=details["name"])
        elif kind == "dismiss" and details["what"] in ("error", "notice"):
            setattr(self.session, details["what"], "")


def _one_line(text: str) -> str:
    return " ".join(text.split())
