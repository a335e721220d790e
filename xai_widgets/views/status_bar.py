"""What runs and where, undo and redo, the model and its layer, and what went wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from traitlets import Bool, Dict, Int, List, Unicode

from xai_widgets.session import describe
from xai_widgets.static import front_end, style
from xai_widgets.views._base import WHERE, View


class StatusBar(View):
    """What runs and where, cancel, undo, redo, start over; model, training run and layer; an error and a notice.

    Args:
        keep: what a click on "keep" does; without it there is no such button.
    """

    _esm = front_end("status_bar")
    _css = style("status_bar")
    watches = (*WHERE, "status", "steps", "error", "notice", "maps")

    status = Dict(help="device, busy, progress, can_undo, can_redo; words: what is done.").tag(sync=True)
    error = Unicode(help="One line, shown as text.").tag(sync=True)
    notice = Unicode(help="One line that is no error.").tag(sync=True)
    model = Unicode(help="Name of the model.").tag(sync=True)
    models = List(Unicode(), help="Names of all models.").tag(sync=True)
    run = Int(0, help="Which training run of the model, from 0.").tag(sync=True)
    runs = Int(1, help="How many training runs the model has.").tag(sync=True)
    can_keep = Bool(False, help="Whether what is shown can be kept as a still figure.").tag(sync=True)
    # A drag costs this view no draw: the measures, which are taken when it rests, do.
    spoken = Unicode(help="The score in words, for a screen reader.").tag(sync=True)
    layer = Unicode(help="Name of the layer whose maps are shown.").tag(sync=True)
    layers = List(Dict(), help="One dict a layer: name, maps, height, width, cost, note, placed.").tag(sync=True)

    def __init__(self, session: Any, *, keep: Callable[[], Any] | None = None, **traits: Any) -> None:
        self._listed: Any = None  # the model whose layers are listed, with their sizes or without
        self._keep_figure = keep
        super().__init__(session, can_keep=keep is not None, **traits)

    def draw(self) -> None:
        session = self.session
        status = session.status
        busy, progress = (status.busy, status.progress) if status.busy else (status.background, status.share)
        self.status = {
            "device": status.device,
            "busy": busy,
            "progress": progress,
            "words": describe.doing(busy, progress),
            "can_undo": session.steps[0],
            "can_redo": session.steps[1],
        }
        self.error = _one_line(session.error)
        self.notice = _one_line(session.notice)
        self.model, self.models = session.query.model, list(session.sources.names)
        self.run, self.runs = session.query.run, len(session.sources.model(session.query.model).runs)
        self.layer = session.query.layer
        self.spoken = describe.spoken(session)
        sized = self._sized()
        known = sum(layer.placed is not None for layer in session.layers())
        if (session.model, sized, known) != self._listed:
            self._listed = session.model, sized, known
            unsized = {} if sized else {"height": 0, "width": 0}
            self.layers = [vars(layer) | unsized for layer in session.layers()]

    def _sized(self) -> bool:
        """Are the sizes of the layers those of this image too, or does the network take images of any size?"""
        maps, name = self.session.maps, self.session.query.layer
        listed = next(((layer.height, layer.width) for layer in self.session.layers() if layer.name == name), None)
        return maps is None or listed is None or maps.thumbs.shape[1:] == listed

    def gesture(self, kind: str, **details: Any) -> None:
        if kind in ("cancel", "start_over"):
            getattr(self.session, kind)()
        elif kind == "model":
            self.session.change_model(details["name"])
        elif kind == "run":
            self.session.ask(run=details["number"])
        elif kind == "keep" and self._keep_figure is not None:
            self._keep_figure()
        elif kind == "layer":
            self.session.ask(layer=details["name"])
        elif kind == "dismiss" and details["what"] in ("error", "notice"):
            setattr(self.session, details["what"], "")


def _one_line(text: str) -> str:
    return " ".join(text.split())
