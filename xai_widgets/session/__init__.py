"""The session: what is asked, and where the reader points. It draws nothing and knows no view."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Hashable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from traitlets import Dict, HasTraits, Instance, Unicode
from traitlets import Tuple as TupleTrait

from xai_widgets.engine import Engine, Impacts, Maps, Measures, Output, Saliency, label_of, score_range
from xai_widgets.models import ImageModel, LayerInfo
from xai_widgets.session.history import History
from xai_widgets.session.query import METHODS as METHODS
from xai_widgets.session.query import Contrast as Contrast
from xai_widgets.session.query import Look as Look
from xai_widgets.session.query import Query as Query
from xai_widgets.session.query import Status as Status
from xai_widgets.session.query import checked_gain, class_of, contrast_of, one_of
from xai_widgets.session.requests import BY_IMPACTS, Requests
from xai_widgets.session.sources import Models as Models
from xai_widgets.session.sources import first_readable, image_set_of, models_of, plain

NEED_ERROR = ("helpful", "primary")  # methods that need to know how wrong the model is


class Session(HasTraits):
    """The only state that views share. A gesture calls `ask`; answers arrive as traits, from the engine's thread.

    Args:
        model: a model, its name for `load_model`, or several of either; the first is asked.
        images: a set, or what `ImageSet` and `load_images` take.
        engine: the engine of this process, if left out.
        image: the first of the set, if left out.
        layer: the model's own, if left out.
    """

    query = Instance(Query, help="What is explained, and how.")
    look = Instance(Look, args=(), help="How it looks.")
    selected = TupleTrait(help="Feature maps that the reader points at, by number.")
    pins = TupleTrait(help="Images that are kept in sight, by name.")
    output = Instance(Output, allow_none=True, help="Scores; during a drag a little older than the query.")
    saliency = Instance(Saliency, allow_none=True)
    maps = Instance(Maps, allow_none=True)
    impacts = Instance(Impacts, allow_none=True)
    measures = Instance(Measures, allow_none=True)
    scores = Dict(help="Score, or probability of the predicted class, by image; comes in bit by bit.")
    predictions = Dict(help="The same in words, by image.")
    status = Instance(Status, args=())
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
        self.models = models_of(model)
        self.images = image_set_of(images)
        self._views: weakref.WeakSet[Any] = weakref.WeakSet()
        first = next(iter(self.models.values()))
        start = Query(
            image=first_readable(self.images) if image is None else one_of("image", image, self.images.names),
            model=first.name,
            layer=first.layer if layer is None else first.layer_named(layer),
        )
        super().__init__(query=start, status=Status(device=str(first.device)), notice=" ".join(first.notices))
        self._history = History(start)
        self._requests = Requests(self, engine or Engine.shared())
        self._requests.send(None, start)

    # ------------------------------------------------------------------ what is asked

    @property
    def model(self) -> ImageModel:
        return self.models[self.query.model]

    @property
    def engine(self) -> Engine:
        return self._requests.engine

    def ask(self, *, gesture: Hashable = None, form: str | None = None, **changes: Any) -> None:
        """Change parts of the query; names and numbers become what they mean for the model.

        Args:
            gesture: steps with the same mark are one step of the history.
            form: of a contrast with a score: "plain" or "tiles".
            changes: image, model, layer, target (class P), contrast (class or score Q, "rating", "confidence" or
                None), method, gains (number -> gain).

        Raises:
            ValueError: a name or number that is not known; nothing is changed then.
        """
        with self.lock:
            self._open()
            self._go(self._changed(changes, form), gesture)

    def _changed(self, changes: dict[str, Any], form: str | None) -> Query:
        for name in changes:
            one_of("what is asked", name, ["image", "model", "layer", "target", "contrast", "method", "gains"])
        query = self.query
        if "image" in changes:
            query = replace(query, image=one_of("image", changes["image"], self.images.names))
        if "model" in changes and changes["model"] != query.model:
            model = self.models[one_of("model", changes["model"], list(self.models))]
            query = Query(image=query.image, model=model.name, layer=model.layer)
        model = self.models[query.model]
        if "layer" in changes:
            layer = model.layer_named(changes["layer"])
            query = query if layer == query.layer else replace(query, layer=layer, gains=())
        if "target" in changes:
            target = changes["target"]
            place = None if target is None else class_of(target, model.labels, model.outputs)
            query = replace(query, target=place)
        query = self._with_contrast(query, model, changes, form)
        if "method" in changes:
            query = self._with_method(query, changes["method"])
        if "gains" in changes:
            query = replace(query, gains=query.with_gains(self._checked(changes["gains"], reset=query)))
        return query

    def _with_contrast(self, query: Query, model: ImageModel, changes: dict[str, Any], form: str | None) -> Query:
        if "contrast" in changes:
            given = changes["contrast"]
        elif form is not None and query.contrast is not None:
            given = "confidence" if query.contrast.kind == "confidence" else query.contrast.value
        else:
            return query
        was = query.contrast.form if query.contrast is not None else "plain"
        contrast = contrast_of(
            given,
            was if form is None else form,
            labels=model.labels,
            outputs=model.outputs,
            classifier=model.task == "classification",
            rating=self.images.rating(query.image),
        )
        method = "grad_cam" if contrast is None and query.method == "contrast" else query.method
        return replace(query, contrast=contrast, method="contrast" if contrast is not None else method)

    def _with_method(self, query: Query, method: object) -> Query:
        name = one_of("method", method, list(METHODS))
        if name == "contrast" and query.contrast is None:
            raise ValueError("a contrast needs Q: choose a class or a score to compare with.")
        if name in NEED_ERROR and not self.knows_error(query):
            raise ValueError(f"helpful maps need {self._error_source(query)}, and none is known for {query.image!r}.")
        return replace(query, method=name)

    def _rating(self, query: Query) -> float | None:
        regressor = self.models[query.model].task == "regression"
        return self.images.rating(query.image) if regressor else None

    def knows_error(self, query: Query | None = None) -> bool:
        """Is it known how wrong the model is: by a rating of the score, or a label that names a class?"""
        query = query or self.query
        model = self.models[query.model]
        return self._rating(query) is not None or label_of(model, self.images, query.image) is not None

    def _error_source(self, query: Query) -> str:
        regressor = self.models[query.model].task == "regression"
        return "a rating" if regressor else "a label that names a class"

    def _possible(self, query: Query) -> Query:
        """Grad-CAM where what is asked needs what is not known of this image; a notice says so."""
        missing = ""
        if query.method in NEED_ERROR and not self.knows_error(query):
            missing = "helpful maps"
        elif query.contrast is not None and query.contrast.asks_rating and self._rating(query) is None:
            missing, query = "the contrast with it", replace(query, contrast=None)
        if not missing:
            return query
        wanted = self._error_source(query).removeprefix("a ")
        self.notice = f"No {wanted} is known for {query.image!r}: Grad-CAM is shown instead of {missing}."
        return replace(query, method="grad_cam")

    def _go(self, query: Query, gesture: Hashable = None, *, step: bool = True) -> None:
        """Make `query` the one that is asked."""
        before = self.query
        if query == before:
            return
        query = self._possible(query)
        if step:
            self._history.add(query, gesture)
        self._forget(before, query)
        self.query = query
        self._tell_history()
        self._requests.send(before, query)

    def forget_answers(self) -> None:
        """Everything that was computed is of weights that are no more."""
        self.maps = self.impacts = self.measures = None
        self.scores, self.predictions = {}, {}

    def _forget(self, before: Query, query: Query) -> None:
        """An answer about another image, model or layer must not stand beside the new one."""
        if (before.image, before.model, before.layer) != (query.image, query.model, query.layer):
            self.output = self.saliency = self.maps = None
            self.impacts = self.measures = None
            self.error = ""
        elif before.target != query.target:
            self.saliency = self.impacts = self.measures = None
        if (before.model, before.layer) != (query.model, query.layer):
            self.selected = ()
        if before.model != query.model:
            self.scores, self.predictions = {}, {}
            model = self.models[query.model]
            self.notice = " ".join(model.notices)
            self.status = replace(self.status, device=str(model.device))

    # ------------------------------------------------------------------ gains

    def set_gain(self, indices: int | Iterable[int], gain: float, *, gesture: Hashable = None) -> None:
        """Set the gain, 0 to 2, of one map or of several."""
        some = [indices] if isinstance(indices, int) else list(indices)
        self.ask(gains=dict.fromkeys(some, gain), gesture=gesture)

    def mute(self, indices: Iterable[int]) -> None:
        self.ask(gains=dict.fromkeys(indices, 0.0))

    def solo(self, indices: Iterable[int]) -> None:
        """Mute all maps but these."""
        kept = set(indices)
        self.ask(gains={index: float(index in kept) for index in range(self._count())})

    def invert(self) -> None:
        """Mute what sounds, and restore what is muted."""
        with self.lock:
            self.ask(gains={index: float(self.query.gain(index) == 0) for index in range(self._count())})

    def reset_gains(self) -> None:
        with self.lock:
            self.ask(gains=dict.fromkeys(dict(self.query.gains), 1.0))

    def gains(self) -> np.ndarray:
        """All gains (c,) float32, as many as the layer has maps (none while that is not known)."""
        with self.lock:
            count = len(self.maps.thumbs) if self.maps is not None else 0
            values = np.ones(count, np.float32)
            for index, gain in self.query.gains:
                if index < count:
                    values[index] = gain
            return values

    def _count(self) -> int:
        if self.maps is not None:
            return len(self.maps.thumbs)
        known = [info.maps for info in self.layers() if info.name == self.query.layer]
        if not known:
            raise RuntimeError(f"the number of maps of {self.query.layer!r} is not known yet; try again in a moment.")
        return known[0]

    def _checked(self, gains: Any, reset: Query) -> dict[int, float]:
        same = (reset.model, reset.layer) == (self.query.model, self.query.layer)
        count = len(self.maps.thumbs) if same and self.maps is not None else None
        if not gains:
            return dict.fromkeys(dict(reset.gains), 1.0)
        items = gains.items() if isinstance(gains, dict) else gains
        return dict(checked_gain(plain(index), plain(gain), count) for index, gain in items)

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
        """Change how it looks: opacity, palette, sign, smooth."""
        with self.lock:
            for name in changes:
                one_of("what is seen", name, list(Look.__dataclass_fields__))
            self.look = replace(self.look, **changes)

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

    def measure(self) -> None:
        """Ask for the measures of this image again."""
        with self.lock:
            self._open()
            self.measures = None
            self._requests.measures(self.query)

    def cancel(self) -> None:
        """Stop what runs and what waits, at the next batch."""
        with self.lock:
            self._requests.cancel()
            self.notice = "Stopped."

    def wait(self, seconds: float = 120) -> bool:
        """Wait until all that this session asked is answered; False when the time is up. Not from a gesture."""
        return self._requests.wait(seconds)

    def close(self) -> None:
        """Close the views, stop what runs. May be called twice."""
        with self.lock:
            if self.closed:
                return
            self.closed = True
            self._requests.cancel()
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

    def _tell_history(self) -> None:
        self.status = replace(self.status, can_undo=self._history.can_undo, can_redo=self._history.can_redo)

    # ------------------------------------------------------------------ what views ask

    def layers(self) -> list[LayerInfo]:
        """The layers of the active model that can be explained."""
        return self.model.layers()

    def picture(self, name: str) -> np.ndarray:
        """What maps lie on, (h w 3) bytes: the photo, or what the network saw where its place there is not known."""
        photo = self.images.photo(name)
        if self.model.can_degrade:
            return photo
        prepared = self.model.prepare(photo)
        if prepared.placed:
            return photo
        return (prepared.pixels * 255).round().byte().permute(1, 2, 0).contiguous().cpu().numpy()

    def ranked_classes(self, most: int | None = None) -> list[tuple[int, str, float]]:
        """(place, name, probability) of the classes, the most probable first; empty for a regressor."""
        output = self.output
        if output is None or output.probabilities is None:
            return []
        labels = self.model.labels
        order = np.argsort(-output.probabilities, kind="stable")[:most]
        return [(int(i), labels[i] if labels else f"class {i}", float(output.probabilities[i])) for i in order]

    def score_range(self) -> tuple[float, float]:
        """The range of the score: stated, or that of the ratings and scores seen so far."""
        base = () if self.output is None else (self.output.base,)
        return score_range(self.model, self.images, *self.seen(), *base)

    def seen(self) -> tuple[float, ...]:
        """The lowest and the highest score of all images so far; none of a classifier."""
        scores = self.scores.values() if self.model.task == "regression" else ()
        return (min(scores), max(scores)) if scores else ()

    def contrast(self) -> Contrast | None:
        """Q with what it stands for on this image: the number in the place of "rating"."""
        contrast = self.query.contrast
        if contrast is None or not contrast.asks_rating:
            return contrast
        rating = self._rating(self.query)
        return None if rating is None else replace(contrast, value=rating)

    def quick_scores(self) -> list[tuple[str, float]]:
        """Scores that are worth asking about, with their names."""
        low, high = self.score_range()
        picks = [(f"{share:.0%}", low + share * (high - low)) for share in (0, 0.25, 0.5, 0.75, 1)]
        rating = self._rating(self.query)
        return picks if rating is None else [*picks, ("rating", rating)]

    def add_scores(self, fresh: dict[str, np.ndarray]) -> None:
        """Take in scores (k,) of images; new objects, so that views hear of it."""
        if not fresh:
            return
        words = {name: self._in_words(scores) for name, scores in fresh.items()}
        self.predictions = {**self.predictions, **{name: text for name, (_, text) in words.items()}}
        self.scores = {**self.scores, **{name: value for name, (value, _) in words.items()}}

    def _in_words(self, scores: np.ndarray) -> tuple[float, str]:
        if self.model.task == "regression":
            return float(scores[0]), f"{scores[0]:.3g}"
        shares = np.exp(scores - scores.max())
        best = int(scores.argmax())
        probability = float(shares[best] / shares.sum())
        labels = self.model.labels
        return probability, f"{labels[best] if labels else f'class {best}'} {probability:.2f}"


__all__ = ["BY_IMPACTS", "METHODS", "NEED_ERROR", "Contrast", "Look", "Models", "Query", "Session", "Status"]
