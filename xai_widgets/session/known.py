"""What views ask of a session beside its answers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from xai_widgets.engine import Output, Query, Rating, Sources, known_rating
from xai_widgets.engine.performance import Performance, performance_of, right_labels
from xai_widgets.engine.query import class_of
from xai_widgets.images import ImageSet
from xai_widgets.models import ImageModel, LayerInfo
from xai_widgets.models.meaning import reading_name, reading_of
from xai_widgets.session import facts


class Known:
    """Facts about what is asked and shown; a part of `Session`."""

    query: Query
    sources: Sources
    images: ImageSet
    output: Output | None
    scores: dict[str, float]
    predictions: dict[str, str]
    failures: dict[str, str]
    ask: Callable[..., None]
    _outputs: dict[str, Output]  # of the images, as the model that is asked gave them

    @property
    def model(self) -> ImageModel:
        raise NotImplementedError

    def layers(self) -> list[LayerInfo]:
        """The layers of the active model that can be explained."""
        return self.model.layers()

    def picture(self, name: str) -> np.ndarray:
        """What maps lie on, (h w 3) bytes: the photo, or what the network saw where its place there is not known."""
        return facts.picture(self.model, self.images.slice(self.query.shown), name)

    def ranked_classes(self, most: int | None = None) -> list[tuple[int, str, float]]:
        """(number, name, probability) of the classes, the most probable first; empty for a regressor."""
        return facts.ranked_classes(self.model, self.output, most)

    def score_range(self) -> tuple[float, float]:
        """The range of the score: stated, or that of the ratings and scores seen so far."""
        return facts.score_range_of(self.model, self.sources, self.output, 0 if self.output else self.target())

    def contrast(self) -> Any:
        """Q with what it stands for on this image: a number in the place of "rating" or of a name."""
        return facts.contrast_of(self.sources, self.query)

    def quick_scores(self) -> list[tuple[str, float]]:
        """Scores that are worth asking about, with their names."""
        return facts.quick_scores(self.score_range(), self.rating())

    def target(self) -> int:
        """P by number: the chosen class or score, else the predicted class, or the first score."""
        if self.output is not None and self.output.query is not None and self.output.query.target == self.query.target:
            return self.output.target
        chosen = self.query.target
        return 0 if chosen is None else class_of(chosen, self.model)

    def rating(self) -> float | None:
        """The known value of the score that is explained; None for classes."""
        return self.known_rating().value

    def known_rating(self) -> Rating:
        """The same with its spread between raters."""
        query = self.query
        if self.model.has_classes:
            return Rating()
        return known_rating(self.model, self.images, query.image, self.target(), query.shown)

    @property
    def performance(self) -> Performance | None:
        """How well the model does on the images that are scored so far and of which a rating or a label is known."""
        return self.performance_within()

    def performance_within(self, most: float = math.inf) -> Performance | None:
        """The same, without the AUROC where images times classes are more; None until all images are scored."""
        target = 0 if self.model.has_classes else self.target()
        if most < math.inf and len(self._outputs) + len(self.failures) < len(self.images):
            return None
        return performance_of(self.model, self.images, self._outputs, target, most=most)

    def performance_among(self, names: Iterable[str], most: float = math.inf) -> Performance | None:
        """The same over some of the images that are scored so far."""
        target = 0 if self.model.has_classes else self.target()
        some = {name: self._outputs[name] for name in names if name in self._outputs}
        return performance_of(self.model, self.images, some, target, most=most)

    def right_labels(self) -> dict[str, int]:
        """How many labels of an image are right at a probability of 0.5, by name, where all that hold are known."""
        return right_labels(self.model, self.images, self._outputs)

    def readings(self) -> list[tuple[str, str]]:
        """(model, words): the same network with its outputs read otherwise, where this was found by looking."""
        return [(self.sources.plain_name(name), words) for name, words in self.sources.model(self.query.model).readings]

    def read_as(self, task: str | None = None, *, output: str | None = None) -> None:
        """Ask the same of the network with its outputs read otherwise, as another model; see `ImageModel.read_as`."""
        base, before, head = reading_of(self.query.model)
        self.ask(model=reading_name(base, task or before, output or head))

    def add_scores(self, fresh: Mapping[str, Output]) -> None:
        """Take in the scores of images; new objects, so that views hear of it."""
        if not fresh:
            return
        self._outputs |= fresh
        target = 0 if self.model.has_classes else self.target()
        words = {name: facts.in_words(self.model, output, target) for name, output in fresh.items()}
        self.predictions = {**self.predictions, **{name: text for name, (_, text) in words.items()}}
        self.scores = {**self.scores, **{name: value for name, (value, _) in words.items()}}

    def _scored_again(self) -> None:
        """Another score is explained: the gallery shows that one of each image."""
        known, self._outputs, self.scores, self.predictions = self._outputs, {}, {}, {}
        self.add_scores(known)
