"""One image as one model sees it at one layer: what every answer starts from."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from functools import cached_property
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
    from xai_widgets.models import ImageModel, ModelNow, Prepared

Gains = tuple[tuple[int, float], ...]
SMALL = 64  # a network that fails with a side below this fails because of it


@dataclass(frozen=True, eq=False)
class Subject:
    """An image of a set, a model, a layer, and the output that is explained (None: the predicted class).

    Made for one answer: the weights and the file are looked at once, when they are first asked for, and the answer is
    about them as they were then.

    Attributes:
        seen: scores of other images that count for the range of the score, where none is stated.
    """

    engine: Engine
    model: ImageModel
    images: ImageSet
    image: str
    layer: str
    asked_target: int | None = None
    seen: tuple[float, ...] = ()

    @cached_property
    def now(self) -> ModelNow:
        """The model as it is now."""
        return self.model.now()

    @cached_property
    def digest(self) -> str:
        """Of the image's content."""
        return self.images.digest(self.image)

    @property
    def key(self) -> tuple[Hashable, ...]:
        return self.now.key, self.layer, self.digest

    @cached_property
    def prepared(self) -> Prepared:
        key = ("prepared", self.now.key, self.digest)
        return self.engine.remember(key, lambda: self.model.prepare(self.images.photo(self.image)))

    @property
    def inputs(self) -> Tensor:
        """What the network eats for this image, (1 ...)."""
        if self.model.can_degrade:
            return self.model.normalise(self.prepared.pixels[None])
        return self.model.inputs(self.images.photo(self.image))

    @cached_property
    def tail(self) -> Tail:
        """The remembered trunk of this image."""

        def run() -> Tail:
            inputs = self.inputs
            try:
                return Tail(self.now.shell, self.layer, inputs)
            except (ValueError, RuntimeError) as error:
                height, width = inputs.shape[-2:]
                if min(height, width) >= SMALL:
                    raise
                raise ValueError(
                    f"the image {self.image!r} is too small for {self.model.name}: it gets {height} x {width} pixels "
                    f"of it: {' '.join(str(error).split()).rstrip('.')}."
                ) from error

        key = ("tail", *self.key)
        known: Tail = self.engine.remember(key, run)  # type: ignore[misc, assignment]
        if known.shell is not self.now.shell:  # the same weights were written again: it would refuse to go on
            self.engine.cache.drop(key)
            known = self.engine.remember(key, run)  # type: ignore[misc, assignment]
        return known

    @cached_property
    def scores(self) -> Tensor:
        """All scores with all gains 1, (k), on the CPU: what is read of them again must not wait for a device."""

        def read() -> Tensor:
            with torch.no_grad():
                return self.model.scores(self.tail.result)[0].detach().cpu().clone()

        return self.engine.remember(("own scores", *self.key), read)  # type: ignore[misc]

    @cached_property
    def predicted(self) -> int:
        """The class with the largest score; 0 for a regressor."""
        return int(self.scores.argmax()) if self.model.task == "classification" else 0

    @property
    def target(self) -> int:
        """P."""
        return self.predicted if self.asked_target is None else self.asked_target

    @property
    def value(self) -> float:
        return float(self.scores[self.target])

    @property
    def rating(self) -> float | None:
        return self.images.rating(self.image) if self.model.task == "regression" else None

    @cached_property
    def label(self) -> int | None:
        """The class that is known to be right."""
        return label_of(self.model, self.images, self.image)

    @property
    def score_range(self) -> tuple[float, float]:
        """Of the score; the same whatever is asked about this image."""
        return score_range(self.model, self.images, *self.seen, self.value)

    @property
    def words(self) -> str:
        """What is explained, by name: a class, or the score."""
        return "the score" if self.model.task == "regression" else self.name_of(self.target)

    def name_of(self, index: int) -> str:
        """A class by name."""
        labels = self.model.labels
        return labels[index] if labels else f"class {index}"

    @cached_property
    def box(self) -> Box:
        """The part of the photo that the network saw; all of what it saw where its place is not known."""

        def measure() -> Box:
            if not self.prepared.placed:
                return 0.0, 0.0, 1.0, 1.0
            height, width = self.images.photo(self.image).shape[:2]
            left, top, right, bottom = self.prepared.box
            return left / width, top / height, right / width, bottom / height

        return self.engine.remember(("box", self.now.key, self.digest), measure)

    def changed(self, gains: Gains) -> Tensor | None:
        """The maps with these gains; None where all are 1."""
        if not gains:
            return None
        maps = self.tail.maps
        values = torch.ones(1, maps.shape[1], dtype=maps.dtype, device="cpu")
        index, wanted = zip(*gains, strict=True)
        values[0, list(index)] = torch.tensor(wanted, dtype=maps.dtype, device="cpu")
        return with_gains(maps, values.to(maps.device))  # sent once, not map by map


def score_range(model: ImageModel, images: ImageSet, *known: float) -> tuple[float, float]:
    """Of a score: stated by the model or the set, else that of the set's ratings and of the scores that are known."""
    stated = model.range or images.range
    if stated is not None:
        return stated
    ratings = images.table["rating"].dropna()
    some = [*known, *((float(ratings.min()), float(ratings.max())) if len(ratings) else ())]
    if not some:
        return 0.0, 1.0
    low, high = min(some), max(some)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def label_of(model: ImageModel, images: ImageSet, image: str) -> int | None:
    """The class that an image's label names, by name (whatever its case), or by number where classes have no names."""
    known = images.label(image) if model.task == "classification" else None
    if known is None:
        return None
    names = model.labels or [str(index) for index in range(model.outputs)]
    if known in names:
        return list(names).index(known) if list(names).count(known) == 1 else None
    alike = [index for index, name in enumerate(names) if name.casefold() == known.casefold()]
    return alike[0] if len(alike) == 1 else None


def array(tensor: Tensor) -> np.ndarray:
    with torch.no_grad():
        return np.ascontiguousarray(tensor.detach().float().cpu().numpy())
