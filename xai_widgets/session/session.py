"""The session: what is asked, and where the reader points. It draws nothing and knows no view."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from traitlets import Bool, Dict, Instance, Int, Unicode, observe
from traitlets import Tuple as TupleTrait

from xai_widgets.engine import (
    Engine,
    Impacts,
    Joint,
    Likeness,
    Maps,
    Margins,
    Measures,
    Output,
    Query,
    Receipt,
    Region,
    Saliency,
    Secondary,
    Sources,
    Subject,
    unfitting,
    unusable,
)
from xai_widgets.engine.methods import method_named, missing
from xai_widgets.engine.query import checked_gain, one_of, plain
from xai_widgets.engine.set_answers import SetAnswers
from xai_widgets.images import grouped
from xai_widgets.models import ImageModel
from xai_widgets.session import facts
from xai_widgets.session.board import Board
from xai_widgets.session.candidates import CandidatesOfQ, Compared
from xai_widgets.session.cards import Cards, MapCard
from xai_widgets.session.changes import all_possible, changed, following, possible
from xai_widgets.session.gains import Gains
from xai_widgets.session.history import History
from xai_widgets.session.image_maps import ImageMaps
from xai_widgets.session.known import Known
from xai_widgets.session.look import MEASURING, Look, Status
from xai_widgets.session.map_names import MapNames
from xai_widgets.session.outside import Outside
from xai_widgets.session.panel import Panel
from xai_widgets.session.panels import Panels
from xai_widgets.session.regions import Regions
from xai_widgets.session.requests import OTHERS, Requests
from xai_widgets.session.samples import first_shown
from xai_widgets.session.slices import Slices
from xai_widgets.session.sources import ByName, Models, first_readable
from xai_widgets.session.steps import Steps
from xai_widgets.session.watch import Watch
from xai_widgets.session.whole_set import WholeSet


class Session(
    Panels, Steps, Outside, Gains, MapNames, Known, Slices, WholeSet, Cards, ImageMaps, CandidatesOfQ, Regions
):
    """The only state that views share. A gesture calls `ask`; answers arrive as traits, from the engine's thread.

    `query`, `output`, `saliency` and the other answers are those of the active panel, `session.panel`.

    Args:
        model: an ImageModel, a ModelSource, a name for `load_model`, or several of these; the first is asked.
        images: a set, or what `ImageSet` and `load_images` take.
        engine: the engine of this process, if left out.
        image: the first of the set, if left out.
        layer: the model's own, if left out.
    """

    panels = TupleTrait(read_only=True, help="All panels, row by row; 1 to 12.")
    columns = Int(1, read_only=True, help="How many panels stand beside each other.")
    active = Int(0, read_only=True, help="The number of the active panel.")
    query = Instance(Query, args=(), read_only=True, help="What is explained, and how.")
    output = Instance(Output, allow_none=True, read_only=True, help="Scores; in a drag a little older than the query.")
    saliency = Instance(Saliency, allow_none=True, read_only=True)
    secondary = Instance(Secondary, allow_none=True, read_only=True, help="Harmful maps, where the look shows them.")
    maps = Instance(Maps, allow_none=True, read_only=True)
    impacts = Instance(Impacts, allow_none=True, read_only=True)
    joint = Instance(Joint, allow_none=True, read_only=True, help="What all muted maps change together.")
    measures = Instance(Measures, allow_none=True, read_only=True)
    receipt = Instance(Receipt, allow_none=True, read_only=True, help="The check of the map, where it was asked for.")
    likeness = Instance(Likeness, allow_none=True, read_only=True, help="Of a map that asks about Q to Grad-CAM.")
    margins = Instance(Margins, allow_none=True, read_only=True, help="What each map does for P against a class Q.")
    region = Instance(Region, allow_none=True, read_only=True, help="What maps do inside a region: see `look_into`.")
    looked_into = Dict(help="The region that is asked about: box or mask; empty where none is.")
    look = Instance(Look, args=(), help="How it looks.")
    selected = TupleTrait(help="Feature maps that the reader points at, by number.")
    selected_images = TupleTrait(help="Images that the reader has chosen together, by name.")
    pins = TupleTrait(help="Images that are kept in sight, by name.")
    measuring = Dict(
        MEASURING, help="Of which map measures are taken (of), of which part of it (side), for which target (rule)."
    )
    scores = Dict(help="Score, or probability of the predicted class, by image; comes in bit by bit.")
    predictions = Dict(help="The predicted class and its probability, or the score, in words, by image.")
    replaced = TupleTrait(((), 0), help="Images whose files were written again, and how often that was seen.")
    failures = Dict(help="Images on which the network failed, and why, by name.")
    of_set = Instance(SetAnswers, allow_none=True, read_only=True, help="What is known of all images.")
    map_card = Instance(MapCard, allow_none=True, help="The feature map whose card is open, and its crops; see `card`.")
    compared_q = Instance(
        Compared, allow_none=True, help="Classes Q that are compared by their maps; see `candidates`."
    )
    status = Instance(Status, args=(), help="What runs, and how far it is.")
    idle = Bool(True, help="Whether nothing runs.")
    steps = TupleTrait((False, False), help="Whether there is a step back, and one forward.")
    error = Unicode(help="One line; empty when all is well.")
    notice = Unicode(help="One line that is no error.")

    def __init__(
        self,
        model: Models | Sources,
        images: Any,
        *,
        engine: Engine | None = None,
        image: str | None = None,
        layer: str | None = None,
    ) -> None:
        self.lock = threading.RLock()  # cells, gestures and the engine come on different threads
        self.closed = False
        self.traceback = ""
        self._outputs, self._brought = {}, {}
        self._said = ""  # the notice that the next gesture takes back
        engine = engine or Engine.shared()
        self.sources = model if isinstance(model, Sources) else Sources(model, images, cache=engine.cache)
        self.images = self.sources.images
        first = self.sources.model()
        start = Query(
            image=first_readable(self.images) if image is None else one_of("image", image, self.images.names),
            model=self.sources.names[0],
            layer=first.layer if layer is None else first.layer_named(layer),
            shown=first_shown(self.images),
        )
        start, lacking = possible(start, self.sources)
        known = [said for said in first.notices if said.lower() not in lacking.lower()]
        left_out = (*map(str, grouped(unusable(first, self.images))), *unfitting(first, self.images))
        notice = " ".join(filter(None, (*known, *self.images.notices, *left_out, lacking)))
        super().__init__(status=Status(device=str(first.device)), notice=notice)
        board = self._first = Board((start,))
        self._history = History(board)
        self._requests = Requests(self, engine)
        with self.changing():
            self._arrange(board)
            self._requests.send(self.panel, None)
            self._requests.scoring.all(start)
            self._begin_set()
        self._watch = Watch(self)

    # ------------------------------------------------------------------ what is asked

    @property
    def model(self) -> ImageModel:
        """The model, or the training run of it, that is asked."""
        return self.model_of(self.panel)

    @property
    def models(self) -> Mapping[str, ImageModel]:
        """All models by name; one that comes from a source is loaded when it is looked up."""
        return ByName(self.sources)

    @property
    def engine(self) -> Engine:
        return self._requests.engine

    def ask(self, *, gesture: Hashable = None, form: str | None = None, linked: bool = True, **changes: Any) -> None:
        """Change parts of the active panel's question; names and numbers become what they mean for the model.

        Args:
            gesture: steps with the same mark are one step of the history.
            form: of a contrast with a score: "plain" or "tiles".
            linked: whether others that ask the same in what is changed follow; exact copies are set apart by it.
            changes: image, model, run, layer, target (class P), contrast (class or score Q, "rating", "confidence" or
                None), method, options (of the method, by name), gains (number -> gain), baseline, degradation (such as
                ("blur", 2.0): kind, level and perhaps a seed; or None), shown (which image of a sample of several, by
                name or number), call (of a layer that is called more than once, by number; None for that of the image).

        Raises:
            ValueError: a name or number that is not known; nothing is changed then.
        """
        self._prepare(changes)
        with self.changing():
            self._open()
            asked, said = self._changed(self.active, changes, form)
            moved, notices = [(self.active, asked)], [said]
            names = {*changes, *(() if form is None else ("contrast",))}
            for place, same in following(self.board, names) if linked else ():
                some = {name: value for name, value in changes.items() if name in same}
                try:
                    query, _ = self._changed(place, some, form if "contrast" in same else None)
                    moved.append((place, query))
                except ValueError as error:
                    notices.append(f"Panel {place + 1} does not follow: {error}")
            self._go(self.board.with_queries(moved), gesture, said=" ".join(filter(None, notices)))

    def _changed(self, place: int, changes: Mapping[str, Any], form: str | None) -> tuple[Query, str]:
        panel = self.panels[place]
        maps = None if {"model", "layer", "run"} & set(changes) else panel.answers.maps
        return changed(panel.query, self.sources, changes, form, None if maps is None else len(maps.thumbs))

    def _prepare(self, changes: Mapping[str, Any]) -> None:
        """Load a model that comes from a source before the lock is taken: others wait for the lock meanwhile."""
        name = changes.get("model")
        if isinstance(name, str) and not self.sources.ready(name):
            self.runs(f"loading {name}", None)
            try:
                self.sources.model(name)
            finally:
                self.runs("", None)

    def runs(self, busy: str, progress: float | None) -> None:
        """Say what runs, and how far it is; empty words where nothing does."""
        with self.changing():
            self.status = replace(self.status, busy=busy, progress=progress)

    @observe("status")
    def _sum_up(self, change: Any) -> None:
        """What changes seldom, for views that need not hear of each step of long work."""
        busy = change["new"].busy
        self.idle = not busy
        for panel in self.panels:
            if panel.answers.saliency is None:
                panel.pending = "" if panel.error else busy or "no map yet"

    def went_wrong(self, panel: Panel, words: str) -> None:
        """Say what went wrong with a panel; no words where it is all right again."""
        with self.changing():
            panel.error = words
            if panel is self.panel:
                self.error = words

    def change_model(self, name: str) -> None:
        """Ask another model; one that is not in memory is loaded first, on the engine's thread.

        Raises:
            ValueError: there is no such model.
        """
        if self.sources.ready(name):
            self.ask(model=name)
        else:
            panel = self.panel
            self._requests.load(name, lambda _: self._ask_loaded(panel, name))

    def _ask_loaded(self, panel: Panel, name: str) -> None:
        """Ask a model that has been loaded, in the panel for which it was chosen."""
        with self.changing():
            if not self.closed and panel in self.panels:
                place = self.panels.index(panel)
                query, said = self._changed(place, {"model": name}, None)
                self._go(self.board.with_queries([(place, query)]), said=said)

    def lacking(self, method: str) -> str:
        """What a method needs and is not there, as a sentence; empty where it can be asked."""
        return missing(method_named(method), Subject(self.sources, self.query))

    def knows_error(self, panel: Panel | None = None) -> bool:
        """Whether it is known how wrong the model is: by a rating of the score, or a label that names a class."""
        subject = Subject(self.sources, (panel or self.panel).query)
        return subject.rating is not None or subject.label is not None

    def _go(self, board: Board, gesture: Hashable = None, *, step: bool = True, said: str = "") -> None:
        """Make `board` the one that is asked."""
        before = self.board
        if board == before:
            return
        with self.changing():
            for name in {query.model for query in board.queries}:
                self.sources.model(name)  # one that cannot be loaded is refused before anything has moved
            board, lacking = all_possible(board, before, self.sources)
            self._say(" ".join(filter(None, (lacking or said,))))
            if step:
                self._history.turn(before.active)
                self._history.add(board, gesture)
            self._show(board, after=OTHERS if gesture is not None else 0.0)
            self._tell_history()

    def _say(self, notice: str) -> None:
        """A notice about this gesture; what was said about an earlier one is no longer true."""
        if notice or self.notice == self._said:
            self.notice = notice
        self._said = notice

    def say(self, notice: str) -> None:
        """A notice that holds until the next gesture."""
        with self.changing():
            self.notice = self._said = notice

    # ------------------------------------------------------------------ where the reader points

    def select(self, indices: Iterable[int]) -> None:
        """Point at feature maps."""
        with self.changing():
            count = len(self.maps.thumbs) if self.maps is not None else None
            self.selected = tuple(dict.fromkeys(checked_gain(plain(index), 1, count)[0] for index in indices))

    def pin(self, name: str, kept: bool = True) -> None:
        """Keep an image in sight, or let it go."""
        with self.changing():
            one_of("image", name, self.images.names)
            if kept != (name in self.pins):
                others = tuple(pin for pin in self.pins if pin != name)
                self.pins = (*others, name) if kept else others

    def show(self, **changes: Any) -> None:
        """Change how it looks, by the names of `Look`: opacity, palette, top, over, divider and so on.

        Raises:
            ValueError: something else, or a value that it does not take.
        """
        with self.changing():
            for name in changes:
                one_of("what is seen", name, list(Look.__dataclass_fields__))
            look, before = replace(self.look, **changes), self.look
            switched = look.secondary != "off" and before.secondary == "off"
            if switched and not self.knows_error():
                raise ValueError(facts.no_harmful(Subject(self.sources, self.query)))
            lacking = facts.no_reference(self.images, self.query.image) if look.reference else ""
            if lacking and not before.reference:
                raise ValueError(lacking)
            self.look = look
            for panel in self.panels:
                if look.secondary == "off":
                    panel.take(secondary=None)
                elif switched and self.knows_error(panel):
                    self._requests.ask("secondary", panel)

    # ------------------------------------------------------------------ long work

    def start_over(self) -> None:
        """Ask what was asked first; it is a step, so that it can be undone. How it looks stays."""
        with self.changing():
            self._open()
            self._go(self._first)

    def measure(self, *, of: str | None = None, rule: str | None = None, side: str | None = None) -> None:
        """Take the measures of this image, now; where the map cannot be measured, their notes say why.

        Args:
            of: "standard" for Grad-CAM, or "shown" for the map on the stage.
            rule: "fixed" for the target of the clean image, or "repredicted" for that of each changed image.
            side: of a signed map, "positive" for what is cut at 0, "absolute" for the absolute value, or "negative"
                for the size of what is below 0.

        Raises:
            ValueError: another word.
        """
        with self.changing():
            self._open()
            given = (("of", of), ("rule", rule), ("side", side))
            chosen = {name: value for name, value in given if value is not None}
            self._requests.check("measures", self.measuring | chosen)
            self.measuring = self.measuring | chosen
            for panel in self.panels:
                panel.take(measures=None)  # of the others they are taken when these become active
            self._requests.ask("measures", again=True)

    def check(self) -> None:
        """Check the map that is shown by intervention: its receipt arrives as a trait."""
        with self.lock:
            self._open()
            self._requests.ask("receipt")

    def cancel(self) -> None:
        """Stop what runs and what waits, at the next batch."""
        with self.changing():
            self._requests.cancel()
            self.say("Stopped.")

    def wait(self, seconds: float = 120, *, measures: bool = False, whole_set: bool = False) -> bool:
        """Wait until all that this session asked is answered; False when the time is up. Not from a gesture.

        Args:
            seconds: at most.
            measures: whether to wait also for measures that are taken again a moment after a drag.
            whole_set: whether to wait also for what is made of all images in the background.
        """
        return self._requests.wait(seconds, measures=measures, whole_set=whole_set)

    def close(self) -> None:
        """Close the views, stop what runs, let go of what is remembered. May be called twice."""
        with self.lock:
            if self.closed:
                return
            self.closed = True
            self._requests.close()
            self._watch.close()
            self.images.forget()  # a notebook holds what its cells returned, long after it is closed
            views = list(self._views)
        for view in views:
            view.close()
        self.unobserve_all()

    def _open(self) -> None:
        if self.closed:
            raise RuntimeError("this session is closed; make a new one.")
        if self.engine.worker.closed:
            raise RuntimeError("the engine of this session is closed; make a new session.")
