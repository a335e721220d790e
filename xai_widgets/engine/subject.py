"""One image as one model sees it at one layer, looked up once for an answer."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from xai_widgets.engine.degraded import degraded
from xai_widgets.engine.known import Asked, asked_of, label_of, rating_of, score_range
from xai_widgets.engine.query import Gains, Query, class_of
from xai_widgets.engine.reading import own_scores
from xai_widgets.engine.sample import OfSample
from xai_widgets.engine.set_mean import SetMean, baseline_digests, baseline_images, mean_over
from xai_widgets.kernels.ablation import with_gains
from xai_widgets.kernels.faults import DeviceFault, said
from xai_widgets.kernels.tail import Tail

if TYPE_CHECKING:
    from xai_widgets.engine.ahead import Ready
    from xai_widgets.engine.answers import Box
    from xai_widgets.engine.sources import Sources
    from xai_widgets.images import ImageSet
    from xai_widgets.models import ImageModel, ModelNow, Prepared

Value = TypeVar("Value")
SMALL = 64  # a network that fails with a side below this fails because of it
LOOKED_UP = (
    "model", "layer", "now", "digest", "key", "prepared", "tail", "scores", "predicted", "rating", "label", "box",
    "place", "call", "calls", "others", "ready",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Subject(OfSample):
    """What a query is about: an image of a set, a model, a layer, P and Q.

    Weights and file are looked at once, when they are first asked for: an answer is about them as they were then.

    Attributes:
        changed_pixels: (3 h w) in [0, 1], an image that is seen in the place of the set's; nothing about it is kept.
        ahead: gives what another thread prepared of the image.
    """

    sources: Sources
    query: Query
    changed_pixels: Tensor | None = None
    ahead: Callable[[], Ready | None] | None = None

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
        """Of the content of the image that is shown."""
        return self.images.slice(self.query.shown).digest(self.image)

    @cached_property
    def key(self) -> tuple[Hashable, ...]:
        """What every answer depends on."""
        more = (self.images.digests(self.image), self.shown) if self.images.slices else ()
        return self.now.key, self.layer, self.digest, self.query.degradation, self.query.call, *more

    @property
    def layer_and_call(self) -> tuple[str, int]:
        """Whose maps are asked."""
        return self.layer, self.call

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
        other = Subject(self.sources, replace(self.query, **changes), self.changed_pixels, self.ahead)
        vars(other).update({name: known for name, known in vars(self).items() if name in LOOKED_UP})
        return other

    # ------------------------------------------------------------------ what the network sees

    @property
    def picture(self) -> np.ndarray:
        """What the model takes of the image that is shown: the photo (h w 3), or all its channels (h w c)."""
        return self.picture_of(self.query.shown)

    @cached_property
    def prepared(self) -> Prepared:
        return self.remember("prepared", self._prepare)

    def _prepare(self) -> Prepared:
        prepared = self.model.prepare(self.picture) if self.ready is None else self.ready.prepared
        return prepared if self.query.degradation is None else replace(prepared, pixels=self._degraded(prepared.pixels))

    @cached_property
    def ready(self) -> Ready | None:
        """What another thread prepared of this image as it is now, for the model as it is now."""
        ready = None if self.ahead is None else self.ahead()
        fits = ready is not None and ready.digest == self.digest and ready.model == self.now.key
        return ready if fits else None

    def _degraded(self, pixels: Tensor) -> Tensor:
        wanted = self.query.degradation
        if wanted is None:
            return pixels
        if not self.model.can_degrade:
            raise ValueError(
                f"images cannot be degraded for {self.model.name}, since its transform cannot be split; give a pair "
                "(geometry, normalise)."
            )
        return degraded(pixels, wanted)

    @property
    def pixels(self) -> Tensor:
        """(3 h w) in [0, 1], at the network's size."""
        return self.prepared.pixels if self.changed_pixels is None else self.changed_pixels

    @property
    def inputs(self) -> Tensor:
        """What the network eats for this image, (1 ...)."""
        if self.changed_pixels is None and self.ready is not None and self.ready.inputs:
            return self.ready.inputs.pop()
        if self.model.can_degrade:
            return self.fed(self.pixels[None])
        if self.query.degradation is not None:
            self._degraded(self.pixels)
        return self._beside_others(self.model.inputs(self.picture))

    @cached_property
    def tail(self) -> Tail:
        """The remembered trunk of this image."""
        known = self.remember("tail", self._run_trunk)
        if known.shell is not self.now.shell:  # the same weights were written again: it would refuse to go on
            self.sources.cache.drop(("tail", *self.key))
            known = self.remember("tail", self._run_trunk)
        return known

    def check_placed(self, what: str) -> None:
        """Refuse what needs places of the layer's maps, where these are not those of the image.

        Raises:
            ValueError: they are not.
        """
        if not self.tail.placed:
            raise ValueError(
                f"{what} needs a layer whose positions are those of the image, and those of {self.layer!r} are not; "
                "choose another layer."
            )

    def _run_trunk(self) -> Tail:
        inputs, recordings = self.inputs, self.sources.cache.recordings
        try:
            tail = recordings.tail_of(self, inputs, lambda: Tail(self.now.shell, self.layer, inputs, call=self.call))
            removals = partial(recordings.removals, self.now.key, self.layer_and_call)
            tail.recorded_removals = removals if recordings.records(inputs.device) else None
            return tail
        except (ValueError, RuntimeError) as error:
            height, width = inputs.shape[-2:]
            if min(height, width) >= SMALL or isinstance(error, DeviceFault) or said(error):
                raise
            raise ValueError(
                f"the image {self.image!r} is too small for {self.model.name}: it gets {height} x {width} pixels "
                f"of it: {' '.join(str(error).split()).rstrip('.')}."
            ) from error

    # ------------------------------------------------------------------ P, Q and what is known

    @cached_property
    def scores(self) -> Tensor:
        """All scores with all gains 1, (k), on the CPU: what is read of them again must not wait for a device."""

        return self.remember("own scores", lambda: own_scores(self))

    @cached_property
    def first_map(self) -> list[tuple[Tensor, Tensor]]:
        """Scores and Grad-CAM of P that came home with the scores: one wait for both. Taken when they are asked for."""
        return []

    @cached_property
    def predicted(self) -> int:
        """The class with the largest score; of scores the first."""
        return int(self.scores.argmax()) if self.model.has_classes else 0

    @cached_property
    def target(self) -> int:
        """P, by number.

        Raises:
            ValueError: there is no such class.
        """
        asked = self.query.target
        return self.predicted if asked is None else class_of(asked, self.model)

    @cached_property
    def contrast(self) -> Asked | None:
        """Q, as what it stands for here.

        Raises:
            ValueError: there is no such class, or the rating is asked for and not known.
        """
        contrast = self.query.contrast
        return None if contrast is None else asked_of(contrast, self.model, self.image, self.target, self.rating)

    @property
    def value(self) -> float:
        """The explained score with all gains 1."""
        return float(self.scores[self.target])

    @cached_property
    def rating(self) -> float | None:
        """Of the explained score."""
        return (
            None if self.model.has_classes else rating_of(self.model, self.images, self.image, self.target, self.shown)
        )

    @cached_property
    def label(self) -> int | tuple[int, ...] | None:
        """The class that is known to be right; of labels of which several may hold, all that do."""
        return label_of(self.model, self.images, self.image, self.shown)

    @property
    def score_range(self) -> tuple[float, float]:
        """Of the explained score; the same whatever is asked about this image."""
        seen = self.sources.seen((self.now.key, self.target))
        return score_range(self.model, self.images, self.target, *seen, self.value)

    @property
    def words(self) -> str:
        """What is explained, by name: a class, or a score."""
        return self.model.words(self.target)

    @property
    def score_words(self) -> str:
        """The number that is explained, by name."""
        return self.model.score_words(self.target)

    def name_of(self, index: int) -> str:
        """A class or score by name."""
        return self.model.name_of(index)

    @property
    def error_words(self) -> str:
        """The error that is known where a label is."""
        return f"mean {self.model.error_words}" if isinstance(self.label, tuple) else self.model.error_words

    @property
    def label_words(self) -> str:
        """The known label by name; of several those that hold, and that the others do not."""
        label = self.label
        if not isinstance(label, tuple):
            return "" if label is None else self.name_of(label)
        others = " and no other label" if len(label) < self.model.outputs else ""
        return ", ".join(map(self.name_of, label)) + others if label else "no label"

    @property
    def rounded_away(self) -> bool:
        """Is the explained score a logarithm of a probability that holds rounding only?"""
        if not self.model.scores.by_probability:
            return False
        return bool(self.model.scores.rounded_away(self.tail.result)[0, self.target])

    @cached_property
    def box(self) -> Box:
        """The part of the photo that the network saw; all of what it saw where its place is not known."""

        def measure() -> Box:
            if not self.prepared.placed:
                return 0.0, 0.0, 1.0, 1.0
            height, width = self.photo.shape[:2]
            left, top, right, bottom = self.prepared.box
            return left / width, top / height, right / width, bottom / height

        return self.remember("box", measure)

    # ------------------------------------------------------------------ gains

    @cached_property
    def baseline(self) -> Tensor | None:
        """What a map is replaced by, (c), or None for zero: one number a map, its mean over images of the set.

        Raises:
            ValueError: none of these images can be read and run.
        """
        return None if self.query.baseline == "zero" else self._set_mean.values

    @property
    def baseline_words(self) -> str:
        """Which images are left out of the baseline, as a sentence after others; empty where none is."""
        return "" if self.query.baseline == "zero" else self._set_mean.words

    @cached_property
    def _set_mean(self) -> SetMean:
        key = ("baseline", self.now.key, self.layer, self.call, self.shown, self.baseline_key)
        plain = replace(self.query, degradation=None, baseline="zero")

        def maps_of(name: str) -> Tensor:
            return Subject(self.sources, replace(plain, image=name)).tail.maps

        return self.sources.cache.remember(key, lambda: mean_over(baseline_images(self.images), maps_of))

    @cached_property
    def baseline_key(self) -> tuple[Hashable, ...]:
        """What the baseline depends on: nothing, or the images of the set that it is the mean of."""
        if self.query.baseline == "zero":
            return ()
        return tuple(baseline_digests(self.images))

    def gain_row(self, gains: Gains) -> Tensor | None:
        """The gains of all maps (1 c), on the CPU, where they are checked; None where all are 1.

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
        return torch.from_numpy(values).to(maps.dtype)

    def changed(self, gains: Gains) -> Tensor | None:
        """The maps (1 c h w) with these gains; None where all are 1."""
        row = self.gain_row(gains)
        return None if row is None else with_gains(self.tail.maps, row, self.baseline)


def array(tensor: Tensor) -> np.ndarray:
    """On the CPU, in float32."""
    return np.ascontiguousarray(tensor.detach().float().cpu().numpy())
