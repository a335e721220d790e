"""The photo, and the saliency over it."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from traitlets import Bool, Bytes, Dict, Int, List, Tuple, Unicode

from xai_widgets import scenes
from xai_widgets.session import Session, describe, facts
from xai_widgets.static import front_end, style
from xai_widgets.views._base import View, plain

LONGEST = 1024  # pixels of a photo's longer side as it is sent
LOSSLESS = 320 * 320  # a photo of so few pixels travels as PNG: a JPEG would add distortions of its own
PATIENCE = 1.0  # seconds that a display waits for the first answer, so that its picture is one
ITEM = ("name", "words", "group", "description")  # of a method
READS = 3  # of a file that is written meanwhile


class Stage(View):
    """The photo beside the photo with its saliency; what full colour means, and the value under the pointer."""

    _esm = front_end("stage.js")
    _css = style("stage.css")
    watches = ("query", "output", "saliency", "secondary", "receipt", "look", "error", "status")
    both = ("look", "choices")

    photo = Bytes(help="PNG or JPEG.").tag(sync=True)
    size = Tuple(Int(), Int(), default_value=(1, 1), help="Width and height of the photo itself.").tag(sync=True)
    name = Unicode(help="Of the image whose photo it is; shown as text.").tag(sync=True)
    map = Dict(help="scenes.Layer; values and strength: float32.").tag(sync=True)
    secondary = Dict(help="scenes.Secondary; values: float32, outline: bytes.").tag(sync=True)
    score = Dict(help="scenes.Score: label, headline and facts, in words.").tag(sync=True)
    methods = List(Dict(), help="scenes.MethodItem: name, words, group, description.").tag(sync=True)
    reasons = Dict(help="Why a method cannot be asked, by its name.").tag(sync=True)
    method = Unicode().tag(sync=True)
    choices = Dict(help="values: scenes.Choice each; version: grows.").tag(sync=True)
    contrast = Unicode(help="Q in words; empty where none is chosen.").tag(sync=True)
    unheard = Unicode(help="Why the map does not ask about Q.").tag(sync=True)
    no_secondary = Unicode(help="Why harmful maps cannot be shown.").tag(sync=True)
    checkable = Bool(False, help="Whether the map can be checked by removal.").tag(sync=True)
    receipt = Unicode(help="What the check by removal said.").tag(sync=True)
    pending = Unicode(help="What is being done, while there is no map.").tag(sync=True)
    alt = Unicode(help="The picture in words.").tag(sync=True)
    look = Dict(help="scenes.Look; version: grows.").tag(sync=True)
    height = Int(400, min=80, help="Of a picture, at most, in CSS pixels.").tag(sync=True)

    def __init__(self, session: Session, **traits: Any) -> None:
        self._shown: _Photo | None = None  # what the browser has
        self._menu: Any = None  # which it has
        self._sought: Any = None  # the answer to which another photo was asked for
        self._encoder = _Encoder(self._arrived)
        self._there = threading.Event()  # photo and map are shown, or it is said why not
        super().__init__(session, **traits)

    def draw(self) -> None:
        session, photo, wanted = self.session, self._shown, _wanted(self.session)
        scene, answer = describe.stage(session, photo=False), session.saliency
        mine = photo is not None and photo.wanted == wanted
        if photo is None or not mine:
            self._encoder.ask(wanted)
        elif answer is not None and answer.content != photo.content:  # the file was replaced
            mine = False
            if answer is not self._sought:
                self._sought = answer
                self._encoder.ask(wanted, again=True)
        if not mine:
            scene = describe.waiting(scene)
        if scene.methods is not self._menu:  # the same for every image but for the reasons
            self._menu = scene.methods
            self.methods = [{name: getattr(item, name) for name in ITEM} for item in scene.methods]
            self.reasons = {item.name: item.reason for item in scene.methods if item.reason}
        self.write(replace(scene, name=self.name if self._shown else scene.name), but=("photo", "methods"))
        if mine and (session.error or scene.map is not None):
            self._there.set()
        else:
            self._there.clear()

    def gesture(self, kind: str, **details: Any) -> None:
        session = self.session
        if kind == "look":
            look = scenes.Look(**(plain(self._seen["look"]) | details))
            self.took(look=look)  # the browser shows it already
            self._or_back("look", lambda: session.show(**details))
        elif kind == "method":
            session.ask(method=details["name"])
        elif kind == "option":
            self._or_back("choices", lambda: session.ask(options={details["name"]: details["value"]}))
        elif kind == "clear":
            session.ask(contrast=None)
        elif kind == "check":
            session.check()

    def scene(self) -> scenes.Stage | None:
        """What is shown; waits a moment where the first answer is on its way. None where there is no photo."""
        self._there.wait(PATIENCE)
        with self.session.lock:
            if not self.photo:
                return None
            pixels = np.asarray(Image.open(io.BytesIO(self.photo)).convert("RGB"))
            scene = describe.stage(self.session, photo=False)
            if scene.name != self.name or not self.map:  # the photo that is shown is still another one
                scene = describe.waiting(scene)
            return replace(scene, photo=pixels, name=self.name)

    def picture(self) -> scenes.Stage:
        """What is shown, as a scene, with all pixels of the photo."""
        return describe.stage(self.session)

    def settle(self, seconds: float = 10.0) -> bool:
        """Wait until photo and map of what is asked are sent; False when the time is up. Not from a gesture."""
        return self._there.wait(seconds)

    def close(self) -> None:
        self._encoder.close()
        self._there.set()
        super().close()

    def _changed(self, change: Any) -> None:
        # What is being done is said here only while nothing is shown; progress would draw ten times a second.
        if change["name"] != "status" or not self.map:
            super()._changed(change)

    def _or_back(self, name: str, act: Callable[[], None]) -> None:
        """Do what the browser shows already; where that is refused, the browser goes back."""
        try:
            act()
        except ValueError:
            self.forget(name)
            self.draw()
            raise

    def _arrived(self, photo: _Photo) -> None:
        """Show a photo, and the map with it where that is there; on the encoder's thread."""
        with self.session.lock, self.hold_sync():
            if self.comm is None or self.session.closed or photo.wanted != _wanted(self.session):
                return  # another image was picked meanwhile
            self._shown = photo
            self.photo, self.size, self.name = photo.data, photo.size, photo.wanted.image
            self.draw()


class _Wanted(NamedTuple):
    """Which photo: of an image, or where a model does not say where its maps lie, what that model sees of it."""

    image: str
    model: Any
    images: Any


class _Photo(NamedTuple):
    wanted: _Wanted
    content: str  # a digest
    data: bytes
    size: tuple[int, int]


def _wanted(session: Session) -> _Wanted:
    model = session.model
    return _Wanted(session.query.image, None if model.can_degrade else model, session.images)


class _Encoder:
    """Reads and encodes the photo that was asked for last, on a thread of its own and under no lock of the session.

    The thread ends when nothing is asked for any more.
    """

    def __init__(self, deliver: Callable[[_Photo], None]) -> None:
        self._deliver = deliver
        self._lock = threading.Lock()
        self._next: _Wanted | None = None
        self._under_way: _Wanted | None = None
        self._busy = self._closed = False

    def ask(self, wanted: _Wanted, *, again: bool = False) -> None:
        """Ask for a photo; what is on its way is not asked for twice, unless the file may be another one by now."""
        with self._lock:
            if self._closed or (wanted == self._under_way and not again):
                return
            self._next = self._under_way = wanted
            if not self._busy:
                self._busy = True
                threading.Thread(target=self._run, name="xai_widgets photo", daemon=True).start()

    def close(self) -> None:
        with self._lock:
            self._closed, self._next = True, None

    def _run(self) -> None:
        while True:
            with self._lock:
                wanted, self._next = self._next, None
                if wanted is None:
                    self._busy, self._under_way = False, None
                    return
            photo = _read(wanted)
            with self._lock:
                newer = self._next is not None or self._closed
            if not newer:
                self._deliver(photo)


def _read(wanted: _Wanted) -> _Photo:
    """The photo and of which content it is; without a photo where it cannot be read, as the error line says why."""
    name, model, images = wanted
    content = ""
    try:
        for _ in range(READS):
            content = images.digest(name)
            photo = images.photo(name) if model is None else facts.picture(model, images, name)
            if images.digest(name) == content:
                break
        return _Photo(wanted, content, encoded(photo), (photo.shape[1], photo.shape[0]))
    except Exception:  # whatever a file or a transform does; it must not end in a thread's traceback
        return _Photo(wanted, content, b"", (1, 1))


def encoded(photo: NDArray[np.uint8]) -> bytes:
    """A photo (h w 3) as PNG or JPEG, at most `LONGEST` pixels long."""
    picture = Image.fromarray(photo)
    picture.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    if picture.width * picture.height <= LOSSLESS:
        picture.save(file, "PNG", compress_level=4)
    else:
        picture.save(file, "JPEG", quality=93, subsampling=0)
    return file.getvalue()
