"""What every view is: it shows what a session asks, and turns what the reader does into `session.ask`."""

from __future__ import annotations

import base64
import math
import operator
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from typing import Any, ClassVar

import anywidget
import numpy as np
from traitlets import Dict

from xai_widgets.scenes import same
from xai_widgets.session import Session


class View(anywidget.AnyWidget):
    """Follows a session: `draw` writes the traits that are shown, `gesture` says what the reader did.

    A drag comes as the synced trait `drag` (the front end keeps only the latest while one is on its way), a click
    as a message. Neither is echoed. A view knows no other view.

    Attributes:
        watches: traits of the session, each of which is a reason to draw.
        groups: fields of the scene that travel together, by the trait that carries them, a Dict; any other field
            travels in the trait of its name, and one without a trait does not travel.
        both: traits that the browser moves too, by itself: a Dict each, whose version makes a return to what was sent
            last a change.
    """

    watches: tuple[str, ...] = ()
    groups: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    both: tuple[str, ...] = ()
    drag = Dict(help="kind, ..., step: written by the browser only.").tag(sync=True, echo_update=False)

    def __init__(self, session: Session, **traits: Any) -> None:
        self.session = session
        self._seen: dict[str, Any] = {}  # fields of the scene as the browser has them
        self._drawn: tuple[Any, ...] = ()  # what the session said when this was last drawn for it
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

    def write(self, scene: Any, *, but: Iterable[str] = ()) -> None:
        """Write those traits whose part of the scene is another than the browser has; arrays travel as bytes.

        Beside an array of more than one dimension stands its shape, as `values_shape` beside `values`.

        Args:
            but: fields that the view sends in a way of its own.
        """
        grouped = {name for names in self.groups.values() for name in names} | set(but)
        own = {field.name: (field.name,) for field in fields(scene) if field.name not in grouped}
        for trait, names in (own | dict(self.groups)).items():
            part = {name: getattr(scene, name) for name in names}
            if not self.has_trait(trait) or all(self._has(name, value) for name, value in part.items()):
                continue
            self._seen |= part
            content = _packed(part) if trait in self.groups else _packed(part)[trait]
            if trait in self.both:
                content = content if isinstance(content, dict) else {"values": content}
                content = content | {"version": getattr(self, trait).get("version", 0) + 1}
            shape = f"{trait}_shape"
            with self.hold_sync():
                setattr(self, trait, {} if content is None and isinstance(self.traits()[trait], Dict) else content)
                if trait in own and self.has_trait(shape):
                    setattr(self, shape, np.shape(part[trait]))

    def took(self, **values: Any) -> None:
        """The browser has these fields of the scene already: it moved them itself, and nothing echoes."""
        self._seen |= values

    def forget(self, *names: str) -> None:
        """What the browser has of these fields is not known: the next `write` sends them."""
        for name in names:
            self._seen.pop(name, None)

    def _has(self, name: str, value: Any) -> bool:
        return name in self._seen and same(self._seen[name], value)

    def gesture(self, kind: str, **details: Any) -> None:
        """Turn what the reader did into a change of the session."""

    def scene(self) -> Any:
        """What is shown, for a picture that stays; None where there is nothing to keep."""
        return None

    def still(self) -> tuple[bytes, str] | None:
        """What is shown as a picture (PNG), and in words."""
        from xai_widgets import figures  # they bring matplotlib, which takes a while

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
            self._drawn = ()
            self.layout.close()  # a widget of its own, which ipywidgets would keep
        super().close()

    def _changed(self, _: Any) -> None:
        with self.session.lock, self.hold_sync():
            now = tuple(getattr(self.session, name) for name in self.watches)
            if len(now) == len(self._drawn) and all(map(operator.is_, now, self._drawn)):
                return  # several traits were set at once: the first of them drew this already
            self._drawn = now
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


def plain(value: Any) -> Any:
    """A part of a scene as what a message may hold: records as dicts, arrays as bytes, no number as None."""
    if isinstance(value, np.ndarray):
        return np.ascontiguousarray(value).tobytes()
    if is_dataclass(value) and not isinstance(value, type):
        return _packed({field.name: getattr(value, field.name) for field in fields(value)})
    if isinstance(value, tuple | list):
        return [plain(one) for one in value]
    if isinstance(value, Mapping):
        return {name: plain(one) for name, one in value.items()}
    if isinstance(value, np.generic):
        return plain(value.item())
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _packed(part: Mapping[str, Any]) -> dict[str, Any]:
    """Values by name, and the shapes of arrays that are no rows."""
    packed = {name: plain(value) for name, value in part.items()}
    many = {name: value for name, value in part.items() if isinstance(value, np.ndarray) and value.ndim > 1}
    return packed | {f"{name}_shape": list(value.shape) for name, value in many.items()}
