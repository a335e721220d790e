"""The session: what is asked, and where the reader points. It draws nothing and knows no view."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from traitlets import Bool, Dict, HasTraits, Instance, Unicode, observe
from traitlets import Tuple as TupleTrait

from xai_widgets.engine import (
    Engine,
    Impacts,
    Joint,
    Maps,
    Measures,
    Output,
    Query,
    Receipt,
    Saliency,
    Secondary,
    Sources,
    Subject,
)
from xai_widgets.engine.methods import method_named, missing
from xai_widgets.engine.query import checked_gain, one_of, plain
from xai_widgets.models import ImageModel
from xai_widgets.session import facts
from xai_widgets.session.changes import changed, possible
from xai_widgets.session.gains import Gains
from xai_widgets.session.history import History
from xai_widgets.session.known import Known
from xai_widgets.session.look import Look, Status
from xai_widgets.session.requests import Requests
from xai_widgets.session.sources import Models, first_readable
from xai_widgets.session.watch import Watch

MEASURING = {"of": "standard", "rule": "fixed"}


class Session(Gains, Known, HasTraits):
    """The only state that views share. A gesture calls `ask`; answers arrive as traits, from the engine's thread.

    Args:
        model: an ImageModel, a ModelSource, a name for `load_model`, or several of these; the first is asked.
        images: a set, or what `ImageSet` and `load_images` take.
        engine: the engine of this process, if left out.
        image: the first of the set, if left out.
        layer: the model's own, if left out.
    """

    query = Instance(Query, help="What is explained, and how.")
    look = Instance(Look, args=(), help="How it looks.")
    selected = TupleTrait(help="Feature maps that the reader points at, by number.")
    pins = TupleTrait(help="Images that are kept in sight, by name.")
    measuring = Dict(MEASURING, help="Of which map measures are taken (of), and for which target (rule).")
    output = Instance(Output, allow_none=True, help="Scores; during a drag a little older than the query.")
    saliency = Instance(Saliency, allow_none=True)
    secondary = Instance(Secondary, allow_none=True, help="Harmful maps, where the look shows them.")
    maps = Instance(Maps, allow_none=True)
    impacts = Instance(Impacts, allow_none=True)
    joint = Instance(Joint, allow_none=True, help="What all muted maps change together; None where none is muted.")
    measures = Instance(Measures, allow_none=True)
    receipt = Instance(Receipt, allow_none=True, help="The check of the map that is shown, where it was asked for.")
    scores = Dict(help="Score, or probability of the predicted class, by image; comes in bit by bit.")
    predictions = Dict(help="The predicted class and its probability, or the score, in words, by image.")
    replaced = TupleTrait(help="Images whose files were written again at the last look.")
    failures = Dict(help="Images on which the network failed, and why, by name.")
    status = Instance(Status, args=(), help="What runs, and how far it is.")
    idle = Bool(True, help="Whether nothing runs.")
    steps = TupleTrait(help="Whether there is a step back, and one forward.")
    error = Unicode(help="One line; empty when all is well.")
    notice = Unicode(help="One line that is no error.")

    def __init__(
        self,
        model: Models,
        images: Any,
        *,
        engine: Engine | None = None,
        image: str | None = None,
        layer: str | None = None,
    ) -> None:
        self.lock = threading.RLock()  # cells, gestures and the engine come on different threads
        self.closed = False
        self.traceback = ""
        self._said = ""  # the notice that the next gesture takes back
        engine = engine or Engine.shared()
        self.sources = Sources(model, images, cache=engine.cache)
        self.images = self.sources.images
        self._views: weakref.WeakSet[Any] = weakref.WeakSet()
        first = self.sources.model()
        start = Query(
            image=first_readable(self.images) if image is None else one_of("image", image, self.images.names),
            model=self.sources.names[0],
            layer=first.layer if layer is None else first.layer_named(layer),
        )
        notice = " ".join((*first.notices, *self.images.notices))
        super().__init__(query=start, status=Status(device=str(first.device)), notice=notice)
        self._history = History(start)
        self._requests = Requests(self, engine)
        self._requests.send(None, start)
        self._watch = Watch(self)

    # ------------------------------------------------------------------ what is asked

    @property
    def model(self) -> ImageModel:
        """The model, or the training run of it, that is asked."""
        return Subject(self.sources, self.query).model

    @property
    def models(self) -> Mapping[str, ImageModel]:
        """All models by name; one that comes from a source is loaded when it is looked up."""
        return _Models(self.sources)

    @property
    def engine(self) -> Engine:
        return self._requests.engine

    def ask(self, *, gesture: Hashable = None, form: str | None = None, **changes: Any) -> None:
        """Change parts of the query; names and numbers become what they mean for the model.

        Args:
            gesture: steps with the same mark are one step of the history.
            form: of a contrast with a score: "plain" or "tiles".
            changes: image, model, run, layer, target (class P), contrast (class or score Q, "rating", "confidence" or
                None), method, options (of the method, by name), gains (number -> gain), baseline, degradation.

        Raises:
            ValueError: a name or number that is not known; nothing is changed then.
        """
        self._prepare(changes)
        with self.lock:
            self._open()
            same = not {"model", "layer", "run"} & set(changes)
            count = len(self.maps.thumbs) if same and self.maps is not None else None
            query = changed(self.query, self.sources, changes, form, count)
            said = ""
            if query.method != self.query.method and not {"method", "model"} & set(changes):
                said = f"{method_named(self.query.method).words} does not ask about Q: Grad-CAM does, and is shown."
            self._go(query, gesture, said=said)

    def _prepare(self, changes: Mapping[str, Any]) -> None:
        """Load a model that comes from a source before the lock is taken: others wait for the lock meanwhile."""
        name = changes.get("model")
        if name in self.sources.names and not self.sources.loaded(name):
            self._doing(f"loading {name}")
            try:
                self.sources.model(name)
            finally:
                self._doing("")

    def _doing(self, words: str) -> None:
        with self.lock:
            self.status = replace(self.status, busy=words, progress=None)

    def lacking(self, method: str) -> str:
        """What a method needs and is not there, as a sentence; empty where it can be asked."""
        return missing(method_named(method), Subject(self.sources, self.query))

    def knows_error(self) -> bool:
        """Whether it is known how wrong the model is: by a rating of the score, or a label that names a class."""
        subject = Subject(self.sources, self.query)
        return subject.rating is not None or subject.label is not None

    def _go(self, query: Query, gesture: Hashable = None, *, step: bool = True, said: str = "") -> None:
        """Make `query` the one that is asked."""
        before = self.query
        if query == before:
            return
        query, notice = possible(query, self.sources)
        self._say(notice or said)
        if step:
            self._history.add(query, gesture)
        self._forget(before, query)
        self.query = query
        self._tell_history()
        self._requests.send(before, query)

    def _say(self, notice: str) -> None:
        """A notice about this gesture; what was said about an earlier one is no longer true."""
        if notice or self.notice == self._said:
            self.notice = notice
        self._said = notice

    def say(self, notice: str) -> None:
        """A notice that holds until the next gesture."""
        with self.lock:
            self.notice = self._said = notice

    @observe("status")
    def _sum_up(self, change: Any) -> None:
        """What changes seldom, for views that need not hear of each step of long work."""
        self.idle = not change["new"].busy
        self.steps = (change["new"].can_undo, change["new"].can_redo)

    def forget_answers(self) -> None:
        """Everything that was computed is of weights or of an image that are no more."""
        self.maps = self.impacts = self.measures = self.joint = self.secondary = self.receipt = None

    def _forget(self, before: Query, query: Query) -> None:
        """An answer about another image, model or layer must not stand beside the new one."""
        if before.differs(query, ("image", "model", "run", "layer", "degradation")):
            self.output = self.saliency = None
            self.forget_answers()
            self.error = ""
        elif before.target != query.target:
            self.saliency = self.secondary = self.impacts = self.measures = None
        if self.receipt is not None:
            self.receipt = None  # it is of the map that was shown
        if before.differs(query, ("model", "run", "layer")):
            self.selected = ()
        if before.differs(query, ("model", "run")):
            self.scores, self.predictions, self.failures = {}, {}, {}
            model = self.sources.model(query.model)
            self.notice, self._said = " ".join(model.notices), ""
            self.status = replace(self.status, device=str(model.device))

    # ------------------------------------------------------------------ where the reader points

    def select(self, indices: Iterable[int]) -> None:
        """Point at feature maps."""
        with self.lock:
            count = len(self.maps.thumbs) if self.maps is not None else None
            self.selected = tuple(dict.fromkeys(checked_gain(plain(index), 1, count)[0] for index in indices))

    def pin(self, name: str, kept: bool = True) -> None:
        """Keep an image in sight, or let it go."""
        with self.lock:
            one_of("image", name, self.images.names)
            if kept != (name in self.pins):
                others = tuple(pin for pin in self.pins if pin != name)
                self.pins = (*others, name) if kept else others

    def show(self, **changes: Any) -> None:
        """Change how it looks: opacity, palette, sign, smooth, grey, secondary.

        Raises:
            ValueError: something else, or a value that it does not take.
        """
        with self.lock:
            for name in changes:
                one_of("what is seen", name, list(Look.__dataclass_fields__))
            look, before = replace(self.look, **changes), self.look
            switched = look.secondary != "off" and before.secondary == "off"
            if switched and not self.knows_error():
                raise ValueError(facts.no_harmful(self.model, self.query.image))
            self.look = look
            if look.secondary == "off":
                self.secondary = None
            elif switched:
                self._requests.ask("secondary")

    # ------------------------------------------------------------------ steps, long work

    def undo(self) -> None:
        with self.lock:
            self._open()
            self._go(self._history.undo(), step=False)
            self._tell_history()

    def redo(self) -> None:
        with self.lock:
            self._open()
            self._go(self._history.redo(), step=False)
            self._tell_history()

    def measure(self, *, of: str | None = None, rule: str | None = None) -> None:
        """Take the measures of this image, now.

        Args:
            of: "standard" for Grad-CAM cut at 0, or "shown" for the map on the stage.
            rule: "fixed" for the target of the clean image, or "repredicted" for that of each changed image.

        Raises:
            ValueError: another word, or a map that cannot be measured.
        """
        with self.lock:
            self._open()
            chosen = {name: value for name, value in (("of", of), ("rule", rule)) if value is not None}
            self._requests.check("measures", self.measuring | chosen)
            self.measuring = self.measuring | chosen
            self.measures = None
            self._requests.ask("measures", again=True)

    def check(self) -> None:
        """Check the map that is shown by intervention: its receipt arrives as a trait."""
        with self.lock:
            self._open()
            self._requests.ask("receipt")

    def refresh(self, notice: str = "") -> None:
        """Ask for everything again, such as after the weights or the file of the image have changed.

        Args:
            notice: said to the reader.
        """
        with self.lock:
            if self.closed:
                return
            if notice:
                self.say(notice)
            self._requests.send(None, self.query)

    def weights_changed(self) -> bool:
        """Whether the weights are others than those of what is shown, also where another session noticed first."""
        return self._requests.weights_changed()

    def reread(self, names: Iterable[str]) -> None:
        """Take notice of images whose files were written again: their scores are asked for again."""
        with self.lock:
            if self.closed:
                return
            names = tuple(names)
            self.scores = {name: score for name, score in self.scores.items() if name not in names}
            self.failures = {name: words for name, words in self.failures.items() if name not in names}
            self.replaced = ()
            self.replaced = names
            self._requests.scores(names)
            if self.query.image in names:
                self.forget_answers()  # the old photo's, a receipt included
                self.refresh(f"The file of {self.query.image} has changed; it is read again.")

    def cancel(self) -> None:
        """Stop what runs and what waits, at the next batch."""
        with self.lock:
            self._requests.cancel()
            self.say("Stopped.")

    def wait(self, seconds: float = 120) -> bool:
        """Wait until all that this session asked is answered; False when the time is up. Not from a gesture."""
        return self._requests.wait(seconds)

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

    def attach(self, view: Any) -> None:
        self._open()
        self._views.add(view)

    def detach(self, view: Any) -> None:
        self._views.discard(view)

    def _open(self) -> None:
        if self.closed:
            raise RuntimeError("this session is closed; make a new one.")
        if self.engine.worker.closed:
            raise RuntimeError("the engine of this session is closed; make a new session.")

    def _tell_history(self) -> None:
        self.status = replace(self.status, can_undo=self._history.can_undo, can_redo=self._history.can_redo)


class _Models(Mapping[str, ImageModel]):
    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def __getitem__(self, name: str) -> ImageModel:
        if name not in self._sources.names:
            raise KeyError(name)
        return self._sources.model(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._sources.names)

    def __len__(self) -> int:
        return len(self._sources.names)
