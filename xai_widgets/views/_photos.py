"""Photos of a stage: which are wanted, in which slot each is sent, and the thread that reads them."""

from __future__ import annotations

import io
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from xai_widgets.session import Session, facts
from xai_widgets.session.panel import Panel

LONGEST = 1024  # pixels of a photo's longer side as it is sent
LOSSLESS = 320 * 320  # a photo of so few pixels travels as PNG: a JPEG would add distortions of its own
READS = 3  # of a file that is written meanwhile


class Wanted(NamedTuple):
    """Which photo: of an image, or where a model does not say where its maps lie, what that model sees of it.

    `reference` means its undistorted photo; `degradation` is what is done to the image before the network sees it.
    """

    image: str
    model: Any
    images: Any
    reference: bool = False
    degradation: Any = None


class Request(NamedTuple):
    """A photo that is to be read, and the answer that says that the file is another one than before, if it is that."""

    wanted: Wanted
    answer: Any = None


@dataclass(frozen=True, eq=False)
class Photo:
    """A photo as it is sent.

    Attributes:
        wanted: which it is.
        content: a digest of what was read.
        data: PNG or JPEG; empty where it cannot be read.
        size: width and height of the photo itself.
        answers: those that asked for it to be read again.
        error: why a reference cannot be read; of the photo itself the panel says so.
    """

    wanted: Wanted
    content: str
    data: bytes
    size: tuple[int, int]
    answers: tuple[Any, ...] = ()
    error: str = ""


def wanted_of(session: Session, panel: Panel) -> Wanted:
    """The photo under the map of a panel."""
    model = session.model_of(panel)
    images = session.images.slice(panel.query.shown)
    what = panel.query.degradation
    return Wanted(panel.query.image, None if model.placed and what is None else model, images, degradation=what)


def reference_of(session: Session) -> Wanted | None:
    """The undistorted photo beside the active panel, where the reader wants it and it is known."""
    image, model = session.query.image, session.model
    if not session.look.reference or not session.images.has_reference(image):
        return None
    return Wanted(image, None if model.placed else model, session.images, reference=True)


class Slots:
    """Which photo is in which slot, and which slot each panel shows: its own photo, or the last one that it had."""

    def __init__(self, count: int) -> None:
        self.photos: list[Photo | None] = [None] * count
        self._shown: dict[int, int] = {}  # slot by the key of a panel

    def follow(self, wanted: Mapping[int, Wanted]) -> None:
        """Let each panel show the photo that it wants, where that is there; empty the slots that nobody shows."""
        here = {key: self._slot_of(photo) for key, photo in wanted.items()}
        self._shown = {
            key: slot
            for key in wanted
            if (slot := self._shown.get(key) if here[key] is None else here[key]) is not None
        }
        used = set(self._shown.values())
        self.photos = [photo if slot in used else None for slot, photo in enumerate(self.photos)]

    def take(self, photo: Photo, wanted: Mapping[int, Wanted]) -> None:
        """A photo has arrived: it goes where it was before, or over one that nobody will show any more."""
        slot = self._slot_of(photo.wanted)
        if slot is None:
            kept = {shown for key, shown in self._shown.items() if wanted.get(key) != photo.wanted}
            mine = [self._shown[key] for key, one in wanted.items() if one == photo.wanted and key in self._shown]
            free = [slot for slot in (*mine, *range(len(self.photos))) if slot not in kept]
            slot = free[0]  # there are as many slots as panels
        elif (before := self.photos[slot]) is not None:
            photo = replace(photo, answers=(*before.answers[-len(self.photos) :], *photo.answers))
        self.photos[slot] = photo
        self.follow(wanted)

    def slot(self, key: int) -> int:
        """The slot that a panel shows; -1 where it shows none yet."""
        return self._shown.get(key, -1)

    def photo(self, key: int) -> Photo | None:
        """The photo that a panel shows."""
        return self.photos[self._shown[key]] if key in self._shown else None

    def _slot_of(self, wanted: Wanted) -> int | None:
        held = (slot for slot, photo in enumerate(self.photos) if photo is not None and photo.wanted == wanted)
        return next(held, None)


class Encoder:
    """Reads and encodes photos, one after the other, on a thread of its own and under no lock of the session.

    The thread ends when nothing is asked for any more.
    """

    def __init__(self, deliver: Callable[[Photo], None]) -> None:
        self._deliver = deliver
        self._lock = threading.Lock()
        self._queue: list[Request] = []
        self._under_way: Request | None = None
        self._busy = self._closed = False

    def ask(self, requests: Iterable[Request]) -> None:
        """Ask for these photos and for no other; what is on its way is not asked for twice."""
        with self._lock:
            if self._closed:
                return
            self._queue = [one for one in _once(requests) if one != self._under_way]
            if self._queue and not self._busy:
                self._busy = True
                threading.Thread(target=self._run, name="xai_widgets photo", daemon=True).start()

    def close(self) -> None:
        with self._lock:
            self._closed, self._queue = True, []

    def _run(self) -> None:
        while True:
            with self._lock:
                self._under_way = self._queue.pop(0) if self._queue else None
                if self._under_way is None:
                    self._busy = False
                    return
                request = self._under_way
            photo = read(request)
            with self._lock:
                closed = self._closed
            if closed:
                continue
            try:
                self._deliver(photo)
            except Exception:  # of a view that could not be drawn; the next photo is another matter
                traceback.print_exc(file=sys.stderr)


def _once(requests: Iterable[Request]) -> Sequence[Request]:
    found: list[Request] = []
    for request in requests:
        if request not in found:
            found.append(request)
    return found


def read(request: Request) -> Photo:
    """The photo and of which content it is; without a photo where it cannot be read, as the error line says why."""
    wanted = request.wanted
    if wanted.reference:
        return _read_reference(wanted)
    (name, model, images, _, what), answers = wanted, () if request.answer is None else (request.answer,)
    content = ""
    try:
        for _ in range(READS):
            content = images.digest(name)
            photo = images.photo(name) if model is None else facts.picture(model, images, name, what)
            if images.digest(name) == content:
                break
        return Photo(wanted, content, encoded(photo), (photo.shape[1], photo.shape[0]), answers)
    except Exception:  # whatever a file or a transform does; it must not end in a thread's traceback
        return Photo(wanted, content, b"", (1, 1), answers)


def _read_reference(wanted: Wanted) -> Photo:
    name, model, images = wanted[:3]
    try:
        photo = images.reference(name) if model is None else facts.reference(model, images, name)
        assert photo is not None
        return Photo(wanted, "", encoded(photo), (photo.shape[1], photo.shape[0]))
    except Exception as error:  # as above
        return Photo(wanted, "", b"", (1, 1), error=" ".join(str(error).split()))


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
