"""One image as one model sees it at one layer, looked up once for an answer."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from xai_widgets.engine.query import Contrast, Gains, Query, class_of
from xai_widgets.kernels import degrade
from xai_widgets.kernels.ablation import with_gains
from xai_widgets.kernels.baselines import mean_baseline
from xai_widgets.kernels.draws import seeded
from xai_widgets.kernels.tail import Tail

if TYPE_CHECKING:
    from xai_widgets.engine.answers import Box
    from xai_widgets.engine.sources import Sources
    from xai_widgets.images import ImageSet
    from xai_widgets.models import ImageModel, ModelNow, Prepared

Value = TypeVar("Value")
SMALL = 64  # a network that fails with a side below this fails because of it
LOOKED_UP = (
    "model", "layer", "now", "digest", "key", "prepared", "tail", "scores", "predicted", "rating", "label", "box",
)  # fmt: skip
BASELINE_IMAGES = 16  # of a set, whose mean is the baseline of a map


@dataclass(frozen=True)
class Asked:
    """Q for one image: what "rating" and the names of classes stand for there."""

    kind: str  # class | score | confidence
    form: str  # of a score: plain | tiles
    index: int = 0  # of a class
    score: float = 0.0


@dataclass(frozen=True, eq=False)
class Subject:
    """What a query is about: an image of a set, a model, a layer, P and Q.

    Weights and file are looked at once, when they are first asked for: an answer is about them as they were then.

    Attributes:
        changed_pixels: (3 h w) in [0, 1], an image that is seen in the place of the set's; nothing about it is kept.
    """

    sources: Sources
    query: Query
    changed_pixels: Tensor | None = None

    @cached_property
    def model(self) -> ImageModel:
        """The model, or the training run of it, that is asked.

        Raises:
            ValueError: there is no such model or run.
        """
        model, run = self.sources.model(self.query.model), self.query.run
        if not 0 <= run < len(model.runs):
            raise ValueError(f"run must be from 0 to {len(model.runs) - 1} for {model.name}, got {run}.")
        return model.runs[run] if run else model

    @property
    def images(self) -> ImageSet:
        return self.sources.images

    @property
    def image(self) -> str:
        return self.query.image

    @cached_property
    def layer(self) -> str:
        if self.query.layer:
            return self.query.layer
        return self.sources.model(self.query.model).layer

    @cached_property
    def now(self) -> ModelNow:
        """The model as it is now."""
        return self.model.now()

    @property
    def weights(self) -> str:
        """Digest of the weights, as they were when the answer began."""
        return str(self.now.key[0])  # type: ignore[index]

    @cached_property
    def digest(self) -> str:
        """Of the image's content."""
        return self.images.digest(self.image)

    @cached_property
    def key(self) -> tuple[Hashable, ...]:
        """What every answer depends on."""
        return self.now.key, self.layer, self.digest, self.query.degradation

    def remember(self, name: str, make: Callable[[], Value], *more: Hashable) -> Value:
        """What was made for this subject, or made now; of an image that was changed nothing is kept."""
        if self.changed_pixels is not None:
            return make()
        return self.sources.cache.remember((name, *self.key, *more), make)

    def otherwise(self, **changes: Any) -> Subject:
        """The same image, model and layer, asked otherwise, with one look at weights and file for both.

        Args:
            changes: fields of the query that leave image, model, layer, run and degradation as they are.
        """
        other = Subject(self.sources, replace(self.query, **changes), self.changed_pixels)
        vars(other).update({name: known for name, known in vars(self).items() if name in LOOKED_UP})
        return other

    # ------------------------------------------------------------------ what the network sees

    @cached_property
    def prepared(self) -> Prepared:
        return self.remember("prepared", self._prepare)

    def _prepare(self) -> Prepared:
        prepared = self.model.prepare(self.images.photo(self.image))
        return prepared if self.query.degradation is None else replace(prepared, pixels=self._degraded(prepared.pixels))

    def _degraded(self, pixels: Tensor) -> Tensor:
        wanted = self.query.degradation
        if wanted is None:
            return pixels
        if not self.model.can_degrade:
            raise ValueError(
                f"images cannot be degraded for {self.model.name}, since its transform cannot be split; give a pair "
                "(geometry, normalise)."
            )
        images = pixels[None]
        if wanted.kind == "blur":
            return degrade.blur(images, wanted.level)[0]
        kinds: dict[str, Callable[..., Tensor]] = {
            "salt_and_pepper": degrade.salt_and_pepper,
            "gaussian_noise": degrade.gaussian_noise,
        }
        if wanted.kind not in kinds:
            raise ValueError(f"degradation must be one of {', '.join((*kinds, 'blur'))}, got {wanted.kind!r}.")
        return kinds[wanted.kind](images, wanted.level, generator=seeded(wanted.seed))[0]

    @property
    def pixels(self) -> Tensor:
        """(3 h w) in [0, 1], at the network's size."""
        return self.prepared.pixels if self.changed_pixels is None else self.changed_pixels

    @property
    def inputs(self) -> Tensor:
        """What the network eats for this image, (1 ...)."""
        if self.model.can_degrade:
            return self.model.normalise(self.pixels[None])
        if self.query.degradation is not None:
            self._degraded(self.pixels)
        return self.model.inputs(self.images.photo(self.image))

    @cached_property
    def tail(self) -> Tail:
        """The remembered trunk of this image."""
        known = self.remember("tail", self._run_trunk)
        if known.shell is not self.now.shell:  # the same weights were written again: it would refuse to go on
            self.sources.cache.drop(("tail", *self.key))
            known = self.remember("tail", self._run_trunk)
        return known

    def _run_trunk(self) -> Tail:
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

    # ------------------------------------------------------------------ P, Q and what is known

    @cached_property
    def scores(self) -> Tensor:
        """All scores with all gains 1, (k), on the CPU: what is read of them again must not wait for a device."""

        def read() -> Tensor:
            with torch.no_grad():
                return self.model.scores(self.tail.result)[0].detach().cpu().clone()

        return self.remember("own scores", read)

    @cached_property
    def predicted(self) -> int:
        """The class with the largest score; 0 for a regressor."""
        return int(self.scores.argmax()) if self.model.task == "classification" else 0

    @cached_property
    def target(self) -> int:
        """P, by number.

        Raises:
            ValueError: there is no such class.
        """
        asked = self.query.target
        return self.predicted if asked is None else class_of(asked, self.model.labels, self.model.outputs)

    @cached_property
    def contrast(self) -> Asked | None:
        """Q, as what it stands for here.

        Raises:
            ValueError: there is no such class, or the rating is asked for and not known.
        """
        contrast = self.query.contrast
        return None if contrast is None else asked_of(contrast, self)

    @property
    def value(self) -> float:
        """The explained score with all gains 1."""
        return float(self.scores[self.target])

    @cached_property
    def rating(self) -> float | None:
        return self.images.rating(self.image) if self.model.task == "regression" else None

    @cached_property
    def label(self) -> int | None:
        """The class that is known to be right."""
        return label_of(self.model, self.images, self.image)

    @property
    def score_range(self) -> tuple[float, float]:
        """Of the score; the same whatever is asked about this image."""
        return score_range(self.model, self.images, *self.sources.seen(self.now.key), self.value)

    @property
    def words(self) -> str:
        """What is explained, by name: a class, or the score."""
        return "the score" if self.model.task == "regression" else self.name_of(self.target)

    @property
    def score_words(self) -> str:
        """The number that is explained, by name."""
        return "the score" if self.model.task == "regression" else f"the score of {self.name_of(self.target)}"

    def name_of(self, index: int) -> str:
        """A class by name."""
        return self.model.name_of(index)

    @cached_property
    def box(self) -> Box:
        """The part of the photo that the network saw; all of what it saw where its place is not known."""

        def measure() -> Box:
            if not self.prepared.placed:
                return 0.0, 0.0, 1.0, 1.0
            height, width = self.images.photo(self.image).shape[:2]
            left, top, right, bottom = self.prepared.box
            return left / width, top / height, right / width, bottom / height

        return self.remember("box", measure)

    # ------------------------------------------------------------------ gains

    @cached_property
    def baseline(self) -> Tensor | None:
        """What a map is replaced by, (c), or None for zero: one number a map, its mean over images of the set."""
        if self.query.baseline == "zero":
            return None
        return self.sources.cache.remember(("baseline", self.now.key, self.layer, self.baseline_key), self._mean_maps)

    @cached_property
    def baseline_key(self) -> tuple[Hashable, ...]:
        """What the baseline depends on: nothing, or the images of the set that it is the mean of."""
        if self.query.baseline == "zero":
            return ()
        return tuple(self.images.digest(name) for name in self._baseline_images())

    def _baseline_images(self) -> tuple[str, ...]:
        names = self.images.names
        return names[:: max(len(names) // BASELINE_IMAGES, 1)][:BASELINE_IMAGES]

    def _mean_maps(self) -> Tensor:
        plain = replace(self.query, degradation=None, baseline="zero")
        some = (Subject(self.sources, replace(plain, image=name)) for name in self._baseline_images())
        return mean_baseline(one.tail.maps.detach() for one in some)

    def gain_row(self, gains: Gains) -> Tensor | None:
        """The gains of all maps (1 c); None where all are 1.

        Raises:
            ValueError: there is no such map.
        """
        if not gains:
            return None
        maps = self.tail.maps
        values = np.ones((1, maps.shape[1]))
        last = gains[-1][0]  # they are sorted
        if last >= maps.shape[1]:
            raise ValueError(f"a feature map is named by its number, 0 to {maps.shape[1] - 1}; got {last}.")
        for index, gain in gains:
            values[0, index] = gain
        return torch.from_numpy(values).to(maps.dtype).to(maps.device)  # sent once, not map by map

    def changed(self, gains: Gains) -> Tensor | None:
        """The maps (1 c h w) with these gains; None where all are 1."""
        row = self.gain_row(gains)
        return None if row is None else with_gains(self.tail.maps, row, self.baseline)


def asked_of(contrast: Contrast, subject: Subject) -> Asked:
    """Q by number."""
    model = subject.model
    if model.task == "regression":
        value = subject.rating if contrast.asks_rating else contrast.value
        if value is None:
            raise ValueError(f"the rating of {subject.image!r} is not known, so it cannot be Q; give a number.")
        if contrast.kind != "score" or isinstance(value, str):
            raise ValueError(f"{model.name} gives one score, so that Q must be a score, got {contrast.value!r}.")
        return Asked("score", contrast.form, score=float(value))
    if contrast.kind == "confidence":
        return Asked("confidence", contrast.form, index=subject.target)
    if contrast.kind == "score":
        raise ValueError(f"{model.name} tells classes apart, so that Q must be a class, got {contrast.value!r}.")
    return Asked("class", contrast.form, index=class_of(contrast.value, model.labels, model.outputs))


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
    """On the CPU, in float32."""
    return np.ascontiguousarray(tensor.detach().float().cpu().numpy())
