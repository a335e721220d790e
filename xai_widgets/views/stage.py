"""Panels: each the photo, and the saliency over it."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image
from traitlets import Bool, Bytes, Dict, Int, List, Unicode

from xai_widgets import scenes
from xai_widgets.session import Session, describe
from xai_widgets.session.board import MOST_PANELS
from xai_widgets.session.panel import Panel
from xai_widgets.static import front_end, style
from xai_widgets.views._base import WHERE, View, plain
from xai_widgets.views._photos import Encoder, Photo, Request, Slots, reference_of, wanted_of
from xai_widgets.views._staying import Staying

PATIENCE = 1.0  # seconds that a display waits for the first answer, so that its picture is one
ITEM = ("name", "words", "group", "description")  # of a method
PLACES = ("columns", "active")
HEADINGS = ("across", "down", "titles", "about")
SAID = ("error", "receipt", "likeness", "alt")  # words of a panel; those that are empty do not travel
# Fields of the scene that are sent in another way.
OWN = ("acts", "common", "map", "name", "no_reference", "reference", "region", "score", "secondary")
OF_PANELS = ("photo", "methods", "pending", *SAID)  # fields of a stage that travel in the slots of its panel


def _slots(name: str, kind: Callable[[], Any]) -> dict[str, Any]:
    return {f"{name}_{place}": kind().tag(sync=True) for place in range(MOST_PANELS)}


class Stage(View):
    """Each panel: the photo with its saliency over it; what full colour means, and the value under the pointer.

    Of the panel at place `i` the browser has `cell_i` (words), `map_i` (scenes.Layer) and `over_i` (scenes.Secondary);
    arrays are float32 or bytes. Its photo is in `photo_j` (PNG or JPEG), where `j` stands in the cell: a photo that
    several panels show is sent once. An answer of one panel sends the slots of that panel alone. `photo`, `map`,
    `score` and so on are those of the active panel.
    """

    _esm = front_end("stage")
    _css = style("stage")
    watches = ("panels", "columns", "active", "look", "error", "region", "looked_into", "selected", "maps", "map_names")
    each = (
        *WHERE, "query.target", "query.contrast", "query.method", "query.options", "query.degradation",
        "output", "saliency", "secondary", "receipt", "likeness", "pending", "error",
    )  # fmt: skip
    both = ("look", "choices", "degrading")
    still_beside = True

    columns = Int(1, help="How many panels stand beside each other.").tag(sync=True)
    active = Int(0, help="The place of the active panel.").tag(sync=True)
    count = Int(1, help="Of panels.").tag(sync=True)
    across = List(Unicode(), help="The heading of each column.").tag(sync=True)
    down = List(Unicode(), help="The heading of each row.").tag(sync=True)
    titles = List(Unicode(), help="What sets each panel apart beyond its headings.").tag(sync=True)
    about = Unicode(help="What all panels have in common.").tag(sync=True)
    common = List(Dict(), help="Of each panel limit and words of the scale that it shares with others.").tag(sync=True)
    compare = List(Dict(), help="scenes.Comparison, as it was when the menu was opened last.").tag(sync=True)
    methods = List(Dict(), help="scenes.MethodItem: name, words, group, description.").tag(sync=True)
    reasons = Dict(help="Why a method cannot be asked, by its name.").tag(sync=True)
    method = Unicode().tag(sync=True)
    choices = Dict(help="values: scenes.Choice each; version: grows.").tag(sync=True)
    sample = List(Dict(), help="scenes.Choice of the image of a sample and of the call, where several.").tag(sync=True)
    contrast = Unicode(help="Q in words; empty where none is chosen.").tag(sync=True)
    unheard = Unicode(help="Why the map does not ask about Q.").tag(sync=True)
    no_secondary = Unicode(help="Why harmful maps cannot be shown.").tag(sync=True)
    reference = Dict(help="The undistorted photo: photo (PNG or JPEG), name; empty while not shown.").tag(sync=True)
    no_reference = Unicode(help="Why none can stand beside the picture.").tag(sync=True)
    region = Dict(help="scenes.Outline of the region that is asked about; empty where none is.").tag(sync=True)
    degrading = Dict(help="values: scenes.Choice of the kind and of the level; version: grows.").tag(sync=True)
    acts = Dict(help="scenes.Outline: where the chosen feature maps act; empty where none is.").tag(sync=True)
    checkable = Bool(False, help="Whether the map can be checked by removal.").tag(sync=True)
    look = Dict(help="scenes.Look; version: grows.").tag(sync=True)
    height = Int(400, min=80, help="Of a picture, at most, in CSS pixels.").tag(sync=True)
    locals().update(
        _slots("cell", lambda: Dict(help="photo: its slot; size, name, score, pending, error, receipt, likeness, alt."))
        | _slots("map", lambda: Dict(help="scenes.Layer; values and strength: float32."))
        | _slots("over", lambda: Dict(help="scenes.Secondary; values: float32, outline: bytes."))
        | _slots("photo", lambda: Bytes(help="PNG or JPEG."))
    )

    def __init__(self, session: Session, **traits: Any) -> None:
        self._menu: Any = None  # which the browser has
        self._photos = Slots(MOST_PANELS)
        self._reference: Photo | None = None
        self._stays = Staying()
        self._encoder = Encoder(self._arrived)
        self._there = threading.Event()  # photo and map of each panel are shown, or it is said why not
        super().__init__(session, **traits)

    # ------------------------------------------------------------------ of the active panel

    @property
    def cell(self) -> dict[str, Any]:
        """What the browser has of the active panel: photo (its slot), size, name, score, and words."""
        found: dict[str, Any] = getattr(self, f"cell_{self.active}")
        return found

    @property
    def map(self) -> dict[str, Any]:
        """scenes.Layer; empty while there is none."""
        found: dict[str, Any] = getattr(self, f"map_{self.active}")
        return found

    @property
    def secondary(self) -> dict[str, Any]:
        """scenes.Secondary; empty where it is not shown."""
        found: dict[str, Any] = getattr(self, f"over_{self.active}")
        return found

    @property
    def photo(self) -> bytes:
        """PNG or JPEG; empty where there is none."""
        slot = self.cell["photo"]
        found: bytes = b"" if slot < 0 else getattr(self, f"photo_{slot}")
        return found

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the photo itself."""
        width, height = self.cell["size"]
        return width, height

    @property
    def name(self) -> str:
        """Of the image whose photo it is."""
        return str(self.cell["name"])

    @property
    def score(self) -> dict[str, Any]:
        """scenes.Score: label, headline and facts; empty while it is not known."""
        found: dict[str, Any] = self.cell.get("score", {})
        return found

    @property
    def pending(self) -> str:
        """What is being done, while there is no map."""
        return str(self.cell.get("pending", ""))

    @property
    def receipt(self) -> str:
        """What the check by removal said."""
        return str(self.cell.get("receipt", ""))

    @property
    def alt(self) -> str:
        """The picture in words."""
        return str(self.cell.get("alt", ""))

    # ------------------------------------------------------------------ what is shown

    def told(self) -> tuple[Any, ...]:
        # Titles tell panels of different gains apart; where all have the same, a drag changes no word.
        gains = tuple(panel.query.gains for panel in self.session.panels)
        return (*super().told(), gains if len(set(gains)) > 1 else ())

    def draw(self) -> None:
        session = self.session
        grid = describe.grid(session, photo=False)
        self._photos.follow({panel.key: wanted_of(session, panel) for panel in session.panels})
        self._encoder.ask(filter(None, (*map(self._lacks, session.in_order()), self._lacks_reference())))
        shown = [
            scene if self._has_photo(panel) else describe.waiting(scene)
            for panel, scene in zip(session.panels, grid.panels, strict=True)
        ]
        stays = self._staying(shown)
        self._draw_panels(shown, stays)
        self._draw_board(grid, shown, scales=not stays)
        self._draw_active(shown[grid.active], lines=grid.active not in stays)
        there = (one.map is not None or bool(one.error) for one in shown)
        refused = len(shown) == 1 and session.error and self._has_photo(session.panel)
        beside = self._reference is not None or reference_of(session) is None
        if refused or (all(there) and beside and all(map(self._has_photo, session.panels))):
            self._there.set()
        else:
            self._there.clear()

    def _staying(self, shown: list[scenes.Stage]) -> set[int]:
        """The places where photo, map and score stay in sight, but where another panel needs the place of the photo."""
        panels = self.session.panels
        stays = self._stays.places(panels, shown)
        fresh = {self._photos.slot(panel.key) for place, panel in enumerate(panels) if place not in stays}
        return {place for place in stays if (slot := self._slot(place)) not in fresh or self._has_slot(slot)}

    def _slot(self, place: int) -> int:
        """The slot of the photo that the browser shows at a place."""
        return int(getattr(self, f"cell_{place}")["photo"])

    def _has_slot(self, slot: int) -> bool:
        """Whether the browser has the photo of a slot."""
        photo = self._photos.photos[slot]
        return bool(getattr(self, f"photo_{slot}") == (b"" if photo is None else photo.data))

    def _draw_panels(self, shown: list[scenes.Stage], stays: set[int]) -> None:
        """Photo, words and maps of each; of those that stay only what is being done."""
        held = {self._slot(place) for place in stays}
        for place in range(MOST_PANELS):
            photo = self._photos.photos[place]
            if place not in held:
                self._put(f"photo_{place}", b"" if photo is None else photo.data)
            if place in stays:
                self._put(f"cell_{place}", {**getattr(self, f"cell_{place}"), "pending": shown[place].pending})
                continue
            if place < len(shown):
                self._put(f"cell_{place}", self._cell(self.session.panels[place], shown[place]))
            elif place < self.count:
                self._put(f"cell_{place}", {})
            self._put(f"map_{place}", shown[place].map if place < len(shown) else None)
            self._put(f"over_{place}", shown[place].secondary if place < len(shown) else None)

    def _draw_board(self, grid: scenes.Grid, shown: list[scenes.Stage], *, scales: bool) -> None:
        """What is sent of all panels together; one alone needs no words that set it apart.

        Args:
            scales: also those that panels share.
        """
        self.count = len(shown)
        several = len(shown) > 1
        for name in PLACES:
            self._put(name, getattr(grid, name))
        for name in HEADINGS:
            value = getattr(grid, name)
            self._put(name, value if several else type(value)())
        if scales:
            self._put("common", [{"limit": one.common, "words": one.common_words} for one in shown] if several else [])

    def _draw_active(self, scene: scenes.Stage, *, lines: bool) -> None:
        """What is sent of the active panel alone.

        Args:
            lines: also those that lie over its picture.
        """
        if scene.methods is not self._menu:  # the same for every image but for the reasons
            self._menu = scene.methods
            self.methods = [{name: getattr(item, name) for name in ITEM} for item in scene.methods]
            self.reasons = {item.name: item.reason for item in scene.methods if item.reason}
        self.write(scene, but=(*OWN, *OF_PANELS))
        if lines:
            self._put("region", scene.region)
            self._put("acts", scene.acts)
        beside = self._reference
        self._put("no_reference", scene.no_reference or ("" if beside is None else beside.error))
        there = beside is not None and beside.data
        self._put("reference", {"photo": beside.data, "name": beside.wanted.image} if beside and there else None)

    def _cell(self, panel: Panel, scene: scenes.Stage) -> dict[str, Any]:
        """The words of a panel, and which photo it shows; what is empty does not travel."""
        photo = self._photos.photo(panel.key)
        cell = {
            "photo": self._photos.slot(panel.key),
            "size": [1, 1] if photo is None else list(photo.size),
            "name": scene.name if photo is None else photo.wanted.image,
            "score": None if scene.score is None else plain(scene.score),
            "pending": scene.pending,
        }
        said = {name: getattr(scene, name) for name in SAID}
        return {name: value for name, value in (cell | said).items() if value not in ("", None)}

    def _put(self, trait: str, value: Any) -> None:
        """Write a trait whose value is another than the browser has."""
        if not self._has(trait, value):
            self._seen[trait] = value
            setattr(self, trait, {} if value is None else value if isinstance(value, bytes) else plain(value))

    def _has_photo(self, panel: Panel) -> bool:
        """Whether the photo that a panel shows is that which its answer is about."""
        photo, answer = self._photos.photo(panel.key), panel.answers.saliency
        if photo is None or photo.wanted != wanted_of(self.session, panel):
            return False
        return answer is None or answer.content == photo.content

    def _lacks(self, panel: Panel) -> Request | None:
        """The photo that is to be read for a panel, if there is one."""
        photo, answer = self._photos.photo(panel.key), panel.answers.saliency
        wanted = wanted_of(self.session, panel)
        if photo is None or photo.wanted != wanted:
            return Request(wanted)
        if self._has_photo(panel) or any(one is answer for one in photo.answers):
            return None
        return Request(wanted, answer)  # the file was replaced

    def _lacks_reference(self) -> Request | None:
        """The undistorted photo that is to be read; one that is not shown any more is let go of."""
        wanted = reference_of(self.session)
        if self._reference is not None and self._reference.wanted == wanted:
            return None
        self._reference = None
        return None if wanted is None else Request(wanted)

    def _arrived(self, photo: Photo) -> None:
        """Show a photo, and the maps over it where they are there; on the encoder's thread."""
        session = self.session
        with session.lock, self.hold_sync():
            wanted = {panel.key: wanted_of(session, panel) for panel in session.panels}
            if self.comm is None or session.closed:
                return
            if photo.wanted.reference and photo.wanted == reference_of(session):
                self._reference = photo
            elif photo.wanted in wanted.values():
                self._photos.take(photo, wanted)
            else:
                return  # another image was picked meanwhile
            self.draw()

    # ------------------------------------------------------------------ what the reader does

    def gesture(self, kind: str, **details: Any) -> None:
        session = self.session
        if kind == "look":
            look = scenes.Look(**(plain(self._seen["look"]) | details))
            self.done(lambda: session.show(**details), look=look)  # the browser shows it already
        elif kind == "option":
            self.or_back(lambda: session.ask(options={details["name"]: details["value"]}), "choices")
        elif kind == "sample":
            session.ask(**{str(details["name"]): details["value"]})
        elif kind == "method":
            session.ask(method=details["name"])
        elif kind == "clear":
            session.ask(contrast=None)
        elif kind == "degrade":
            name, level, number = details.get("name"), details.get("level"), details.get("gesture")
            wanted, mark = ((name, level) if name else None), ("degrade", str(number))
            self.or_back(lambda: session.ask(degradation=wanted, gesture=mark), "degrading")
        elif kind == "region":
            session.look_into(details.get("box"))
        elif kind == "check":
            session.check()
        elif kind == "activate":
            session.activate(details["place"])
        elif kind == "add":
            session.add_panel()
        elif kind == "remove":
            session.remove_panel(details["place"])
        elif kind == "single":
            session.single()
        elif kind == "compare":  # the menu was opened
            self._put("compare", describe.comparisons(session))
        elif kind == "grid":
            session.grid(rows=details.get("rows"), columns=details.get("columns"))

    # ------------------------------------------------------------------ pictures that stay

    def scene(self) -> scenes.Stage | scenes.Grid | None:
        """What is shown; waits a moment where the first answer is on its way. None where there is no photo."""
        self._there.wait(PATIENCE)
        with self.session.lock:
            if not self.photo:
                return None
            panels, grid = self.session.panels, describe.grid(self.session, photo=False)
            shown = tuple(map(self._with_photo, panels, grid.panels))
            if self._reference is not None and self._reference.data:
                beside = replace(shown[grid.active], reference=_pixels(self._reference.data))
                shown = (*shown[: grid.active], beside, *shown[grid.active + 1 :])
        return shown[0] if len(shown) == 1 else replace(grid, panels=shown)

    def _with_photo(self, panel: Panel, scene: scenes.Stage) -> scenes.Stage:
        """A panel with the photo that the browser has of it."""
        photo = self._photos.photo(panel.key)
        if not self._has_photo(panel):  # the photo that is shown is still another one
            scene = describe.waiting(scene)
        if photo is None or not photo.data:
            return scene
        return replace(scene, photo=_pixels(photo.data), name=photo.wanted.image)

    def picture(self) -> scenes.Stage | scenes.Grid:
        """What is shown, as a scene, with all pixels of the photos."""
        return describe.stage(self.session) if len(self.session.panels) == 1 else describe.grid(self.session)

    def settle(self, seconds: float = 10.0) -> bool:
        """Wait until photo and map of what each panel asks are sent; False when the time is up. Not from a gesture."""
        return self._there.wait(seconds)

    def close(self) -> None:
        self._encoder.close()
        self._there.set()
        super().close()


def _pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
