"""What every view is: it shows what a session asks, and turns what the reader does into `session.ask`."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Hashable, Iterable, Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from typing import Any, ClassVar

import anywidget
import numpy as np
from traitlets import Dict

from xai_widgets.scenes import same
from xai_widgets.session import Session
from xai_widgets.views._once import once

# What most views say in words.
WHERE = ("query.image", "query.model", "query.run", "query.layer", "query.shown", "query.call")
WALKS = ("undo", "redo")
MOST_ORIGINS = 8  # whose moves are numbered in a trait; the one that moved longest ago is left out


class View(anywidget.AnyWidget):
    """Follows a session: `draw` writes the traits that are shown, `gesture` says what the reader did.

    A drag comes as the synced trait `drag` (the front end keeps only the latest while one is on its way), a click
    as a message. A view knows no other view.

    A widget may be shown several times: twice on a page, in two browser tabs, or again after the notebook was reopened.
    Each of these front ends says `here` once, with a name of its own, its origin, and numbers what it moves by itself.
    It shows that already, so nothing is sent where it is the only one; others are sent it, and one that opens later
    finds it in the synced state.

    Attributes:
        still_beside: whether a display carries a still picture at once; else one is there after "keep" alone.
        watches: traits of the session, or fields of them such as "query.image", each of which is a reason to draw.
        each: likewise of every panel and of its answers.
        groups: fields of the scene that travel together, by the trait that carries them, a Dict; any other field
            travels in the trait of its name, and one without a trait does not travel.
        both: traits that a front end moves too, by itself: a Dict each, whose version makes a return to what was sent
            last a change. `heard` is the number of the last move by each origin that is in it.
    """

    still_beside = False
    watches: tuple[str, ...] = ()
    each: tuple[str, ...] = ()
    groups: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    both: tuple[str, ...] = ()
    drag = Dict(help="kind, ..., step: written by the browser only.").tag(sync=True, echo_update=False)

    def __init_subclass__(cls, **options: Any) -> None:
        if isinstance(text := vars(cls).get("_esm"), str):
            cls._esm = once(text)  # the page would compile and keep it for every view that was ever made
        super().__init_subclass__(**options)

    def __init__(self, session: Session, **traits: Any) -> None:
        self.session = session
        self._seen: dict[str, Any] = {}  # fields of the scene as the browser has them
        self._followed: tuple[Any, ...] = ()  # what the session said when this was last drawn for it
        self._front_ends: set[str] = set()  # that said `here`; two are as good as many
        self._move = ("", 0)  # whose gesture is being done, and its number
        self._heard: dict[str, dict[str, int]] = {}  # by trait and origin
        self._unsent: set[str] = set()  # traits that a front end moved while there was no other
        self._keeping = ""  # the trait that is being set and not sent
        super().__init__(**traits)
        self.observe(self._dragged, "drag")
        self.on_msg(self._clicked)
        with session.lock, self.hold_sync():
            session.attach(self)
            self._followed = self.told()
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
            self._unsent.discard(trait)
            shape = f"{trait}_shape"
            with self.hold_sync():
                setattr(self, trait, self._content(trait, part))
                if trait in own and self.has_trait(shape):
                    setattr(self, shape, np.shape(part[trait]))

    def _content(self, trait: str, part: Mapping[str, Any]) -> Any:
        """What a trait holds when it shows these fields of a scene."""
        packed = _packed(part)
        content = packed if trait in self.groups else packed[trait]
        if trait in self.both:
            content = content if isinstance(content, dict) else {"values": content}
            content = content | {"version": getattr(self, trait).get("version", 0) + 1}
            if heard := self._heard.get(trait):
                content["heard"] = dict(heard)
        return {} if content is None and isinstance(self.traits()[trait], Dict) else content

    def took(self, **values: Any) -> None:
        """The browser has these fields of the scene, or does well with what it has: they are not sent."""
        self._seen |= values

    def moved(self, **values: Any) -> None:
        """The front end whose gesture is being done shows these fields of the scene already; see `View`."""
        self._seen |= values
        for trait in self._heard_of(values):
            names = self.groups.get(trait, (trait,))
            content = self._content(trait, {name: self._seen[name] for name in names})
            if len(self._front_ends) > 1:
                setattr(self, trait, content)
            else:
                self._unsent.add(trait)
                self._keep(trait, content)

    def done(self, act: Callable[[], None], **values: Any) -> None:
        """Do what a front end shows already, as these fields of the scene, or let it go back; see `moved`."""
        with self.session.changing():
            self.or_back(act, *values)
            self.moved(**values)

    def or_back(self, act: Callable[[], None], *names: str) -> None:
        """Do what the browser shows already in these fields of the scene; where that is refused, it goes back."""
        try:
            act()
        except ValueError:
            self.forget(*names)
            self.draw()
            raise

    def forget(self, *names: str) -> None:
        """What the browser has of these fields is not known: the next `write` sends them."""
        self._heard_of(names)
        for name in names:
            self._seen.pop(name, None)

    def _heard_of(self, names: Iterable[str]) -> set[str]:
        """The traits of these fields; the move that is being done is known in them from now on."""
        traits = {next((group for group, some in self.groups.items() if name in some), name) for name in names}
        origin, number = self._move
        for trait in traits & set(self.both) if origin else ():
            heard = self._heard.setdefault(trait, {})
            number = max(number, heard.pop(origin, 0))
            heard[origin] = number
            if len(heard) > MOST_ORIGINS:
                del heard[next(iter(heard))]
        return traits

    def _keep(self, trait: str, content: Any) -> None:
        """Set a trait for front ends that open later, and send nothing."""
        self._keeping = trait
        try:
            setattr(self, trait, content)
        finally:
            self._keeping = ""

    def send_state(self, key: Any = None) -> None:
        if not self._keeping or key != self._keeping:
            super().send_state(key)

    def _has(self, name: str, value: Any) -> bool:
        return name in self._seen and same(self._seen[name], value)

    def gesture(self, kind: str, **details: Any) -> None:
        """Turn what the reader did into a change of the session."""

    def picture(self) -> Any:
        """What is shown, as a scene; None of a view that has nothing to draw."""
        return None

    def scene(self) -> Any:
        """What is shown, for a picture that stays; None where there is nothing to keep."""
        with self.session.lock:
            return self.picture()

    def still(self) -> tuple[bytes, str] | None:
        """What is shown as a picture (PNG), and in words; None where there is nothing to draw yet."""
        from xai_widgets import figures  # they bring matplotlib, which takes a while

        scene = self.scene()
        if scene is None or not figures.can_draw(scene):
            return None
        return figures.still(scene)

    def _repr_mimebundle_(self, **options: Any) -> Any:
        """Beside the live view a picture, for a notebook that is opened without a kernel."""
        bundle = super()._repr_mimebundle_(**options)
        still = self.still() if bundle and self.still_beside else None
        if bundle is None or still is None:
            return bundle
        data, metadata = bundle
        return data | {"image/png": base64.b64encode(still[0]).decode(), "text/plain": still[1]}, metadata

    def close(self) -> None:
        """Stop following and free the front end. May be called twice."""
        if self.comm is not None:
            self.session.detach(self)
            self._followed = ()
            self.layout.close()  # a widget of its own, which ipywidgets would keep
        super().close()

    def follow(self) -> None:
        """The session has changed: draw, where something that is shown has."""
        with self.session.lock:
            now = self.told()
            if len(now) != len(self._followed) or not all(map(_is_still, now, self._followed)):
                self._followed = now
                with self.hold_sync():
                    self.draw()

    def told(self) -> tuple[Any, ...]:
        """What is a reason to draw, as it is now."""
        session = self.session
        found = [_field(session, name) for name in self.watches]
        for panel in session.panels if self.each else ():
            found += [panel, *(_field(panel if _has(panel, name) else panel.answers, name) for name in self.each)]
        return tuple(found)

    def _dragged(self, change: Any) -> None:
        if change["new"]:
            self._do(change["new"])

    def _clicked(self, _: Any, content: Any, buffers: Any) -> None:
        if not isinstance(content, dict) or "kind" not in content:
            return
        if content["kind"] == "here":
            self._opened(content.get("origin"))
        else:
            self._do(content)

    def _opened(self, origin: Any) -> None:
        """One more front end shows this widget: it may have been made from what was known before the last moves."""
        with self.session.lock:
            if isinstance(origin, str) and len(self._front_ends) < 2:
                self._front_ends.add(origin)
            unsent, self._unsent = self._unsent, set()
            if unsent:
                self.send_state(unsent)

    def _do(self, message: Mapping[str, Any]) -> None:
        """Run a gesture; a mistake of the reader becomes the session's error line."""
        details = {name: value for name, value in message.items() if name not in ("origin", "step")}
        origin, number = message.get("origin"), message.get("step")
        with self.session.changing():
            if isinstance(origin, str) and isinstance(number, int):
                self._move = origin, number
            try:
                if details.get("kind") in WALKS:  # by a key, in any view
                    getattr(self.session, details["kind"])()
                else:
                    self.gesture(**details)
            except (ValueError, RuntimeError) as error:
                self.session.error = str(error)
            finally:
                self._move = "", 0


def _field(of: Any, name: str) -> Any:
    for part in name.split("."):
        of = None if of is None else getattr(of, part)
    return of


def _has(panel: Any, name: str) -> bool:
    return bool(panel.has_trait(name.split(".")[0]))


def _is_still(now: Any, before: Any) -> bool:
    """Answers and tables of scores compare by identity, words and fields of a question by what they say."""
    return now is before or (isinstance(now, Hashable) and isinstance(before, Hashable) and now == before)


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
