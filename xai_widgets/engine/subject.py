"""One image as one model sees it at one layer: what every answer starts from."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from xai_widgets.kernels.ablation import with_gains
from xai_widgets.kernels.tail import Tail

if TYPE_CHECKING:
    from xai_widgets.engine import Engine
    from xai_widgets.engine.answers import Box
    from xai_widgets.images import ImageSet
    from xai_widgets.models import ImageModel, Prepared

Gains = tuple[tuple[int, float], ...]
SMALL = 64  # a network that fails with a side below this fails because of it


@dataclass(frozen=True, eq=False)
class Subject:
    """An image of a set, a model, a layer, and the output that is explained (None: the predicted class)."""

    engine: Engine
    model: ImageModel
    images: ImageSet
    image: str
    layer: str
    asked_target: int | None = None

    @property
    def key(self) -> tuple[Hashable, ...]:
        return self.model.key, self.layer, self.images.digest(self.image)

    @property
    def prepared(self) -> Prepared:
        key = ("prepared", self.model.key, self.images.digest(self.image))
        return self.engine.remember(key, lambda: self.model.prepare(self.images.photo(self.image)))

    @property
    def inputs(self) -> Tensor:
        """What the network eats for this image, (1 ...)."""
        if self.model.can_degrade:
            return self.model.normalise(self.prepared.pixels[None])
        return self.model.inputs(self.images.photo(self.image))

    @property
    def tail(self) -> Tail:
        """The remembered trunk of this image."""

        def run() -> Tail:
            inputs = self.inputs
            try:
                return Tail(self.model.shell, self.layer, inputs)
            except (ValueError, RuntimeError) as error:
                height, width = inputs.shape[-2:]
                if min(height, width) >= SMALL:
                    raise
                raise ValueError(
                    f"the image {self.image!r} is too small for {self.model.name}: it gets {height} x {width} pixels "
                    f"of it: {' '.join(str(error).split()).rstrip('.')}."
                ) from error

        return self.engine.remember(("tail", *self.key), run)  # type: ignore[misc]

    @property
    def scores(self) -> Tensor:
        """All scores with all gains 1, (k)."""
        return self.model.scores(self.tail.result)[0]

    @property
    def target(self) -> int:
        if self.asked_target is not None:
            return self.asked_target
        return int(self.scores.argmax()) if self.model.task == "classification" else 0

    @property
    def value(self) -> float:
        return float(self.scores[self.target])

    @property
    def rating(self) -> float | None:
        return self.images.rating(self.image) if self.model.task == "regression" else None

    @property
    def score_range(self) -> tuple[float, float]:
        """Of the score: stated, or that of the ratings and this image's own score; the same whatever is asked."""
        stated = self.model.range or self.images.range
        if stated is not None:
            return stated
        known = [rating for name in self.images.names if (rating := self.images.rating(name)) is not None]
        low, high = min([self.value, *known]), max([self.value, *known])
        return (low, high) if high > low else (low - 0.5, high + 0.5)

    @property
    def words(self) -> str:
        """What is explained, by name: a class, or the score."""
        labels = self.model.labels
        if self.model.task == "regression":
            return "the score"
        return labels[self.target] if labels else f"class {self.target}"

    @property
    def box(self) -> Box:
        """The part of the photo that the network saw; all of what it saw where its place is not known."""
        if not self.prepared.placed:
            return 0.0, 0.0, 1.0, 1.0
        height, width = self.images.photo(self.image).shape[:2]
        left, top, right, bottom = self.prepared.box
        return left / width, top / height, right / width, bottom / height

    def changed(self, gains: Gains) -> Tensor | None:
        """The maps with these gains; None where all are 1."""
        if not gains:
            return None
        maps = self.tail.maps
        values = maps.new_ones(1, maps.shape[1])
        for index, gain in gains:
            values[0, index] = gain
        return with_gains(maps, values)


def array(tensor: Tensor) -> np.ndarray:
    with torch.no_grad():
        return np.ascontiguousarray(tensor.detach().float().cpu().numpy())
