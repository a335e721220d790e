"""What views ask of a session beside its answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from xai_widgets.engine import Output, Query, Sources
from xai_widgets.images import ImageSet
from xai_widgets.models import ImageModel, LayerInfo
from xai_widgets.session import facts


class Known:
    """Facts about what is asked and shown; a part of `Session`."""

    query: Query
    sources: Sources
    images: ImageSet
    output: Output | None
    scores: dict[str, float]
    predictions: dict[str, str]

    @property
    def model(self) -> ImageModel:
        raise NotImplementedError

    def layers(self) -> list[LayerInfo]:
        """The layers of the active model that can be explained."""
        return self.model.layers()

    def picture(self, name: str) -> np.ndarray:
        """What maps lie on, (h w 3) bytes: the photo, or what the network saw where its place there is not known."""
        return facts.picture(self.model, self.images, name)

    def ranked_classes(self, most: int | None = None) -> list[tuple[int, str, float]]:
        """(number, name, probability) of the classes, the most probable first; empty for a regressor."""
        return facts.ranked_classes(self.model, self.output, most)

    def score_range(self) -> tuple[float, float]:
        """The range of the score: stated, or that of the ratings and scores seen so far."""
        return facts.score_range_of(self.model, self.sources, self.output)

    def contrast(self) -> Any:
        """Q with what it stands for on this image: a number in the place of "rating" or of a name."""
        return facts.contrast_of(self.sources, self.query)

    def quick_scores(self) -> list[tuple[str, float]]:
        """Scores that are worth asking about, with their names."""
        rating = self.images.rating(self.query.image) if self.model.task == "regression" else None
        return facts.quick_scores(self.score_range(), rating)

    def add_scores(self, fresh: Mapping[str, Output]) -> None:
        """Take in the scores of images; new objects, so that views hear of it."""
        if not fresh:
            return
        words = {name: facts.in_words(self.model, output) for name, output in fresh.items()}
        self.predictions = {**self.predictions, **{name: text for name, (_, text) in words.items()}}
        self.scores = {**self.scores, **{name: value for name, (value, _) in words.items()}}
