"""What every view is: it shows what a session asks, and turns what the reader does into `session.ask`."""

from __future__ import annotations

import base64
from contextlib import suppress
from typing import Any

import anywidget
from traitlets import Dict

from xai_widgets import figures
from xai_widgets.session import Session


class View(anywidget.AnyWidget):
    """Follows a session: `draw` writes the traits that are shown, `gesture` says what the reader did.

    A drag comes as the synced trait `drag` (the front end keeps only the latest while one is on its way), a click
    as a message. Neither is echoed. A view knows no other view.
    """

    watches: tuple[str, ...] = ()
    drag = Dict(help="kind, ..., step: written by the browser only.").tag(sync=True, echo_update=False)

    def __init__(self, session: Session, **traits: Any) -> None:
        self.session = session
        super().__init__(**traits)
        self.observe(self._dragged, "drag")
        self.on_msg(self._clicked)
        session.observe(self._changed, list(self.watches))
        session.attach(self)
        with session.lock, self.hold_sync():
            self.draw()

    def open(self) -> None:
        super().open()
        # ipykernel 7.4 hands a message to the thread that last wrote to this widget, so that gestures would wait for
        # a running cell; without this mark they come at once, as with 7.1 to 7.3. Absent names do no harm.
        with suppress(AttributeError):
            self.comm._reply_subshell_for = None

    def set_state(self, sync_data: dict[str, Any]) -> None:
        with self.session.lock:  # two threads that write one widget lose updates for good
            super().set_state(sync_data)

    def draw(self) -> None:
        """Write everything that is shown; only what differs is sent."""
        raise NotImplementedError

    def gesture(self, kind: str, **details: Any) -> None:
        """Turn what the reader did into a change of the session."""

    def scene(self) -> dict[str, Any] | None:
        """What is shown, as plain data for a picture that stays; None where there is nothing to keep."""
        return None

    def still(self) -> tuple[bytes, str] | None:
        """What is shown as a picture (PNG), and in words."""
        scene = self.scene()
        return None if scene is None else figures.still(scene)

    def _repr_mimebundle_(self, **options: Any) -> Any:
        """Beside the live view a picture, for a notebook that is opened without a kernel."""
        bundle = super()._repr_mimebundle_(**options)
        still = self.still() if bundle else None
        if bundle is None or still is None:
            return bundle
        data, metadata = bundle
        return data | {"image/png": base64.b64encode(still[0]).decode(), "text/plain": still[1]}, metadata

    def close(self) -> None:
        """Stop following and free the front end. May be called twice."""
        if self.comm is not None:
            self.session.unobserve(self._changed, list(self.watches))
            self.session.detach(self)
            self.layout.close()  # a widget of its own, which ipywidgets would keep
        super().close()

    def _changed(self, _: Any) -> None:
        with self.session.lock, self.hold_sync():
            self.draw()

    def _dragged(self, change: Any) -> None:
        if change["new"]:
            self._do({name: value for name, value in change["new"].items() if name != "step"}, change["new"])

    def _clicked(self, _: Any, content: Any, buffers: Any) -> None:
        if isinstance(content, dict) and "kind" in content:
            self._do(content, content)

    def _do(self, details: dict[str, Any], source: dict[str, Any]) -> None:
        """Run a gesture; a mistake of the reader becomes the session's error line."""
        with self.session.lock:
            try:
                self.gesture(**details)
            except (ValueError, RuntimeError) as error:
                self.session.error = str(error)
