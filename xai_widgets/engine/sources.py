"""What an answer is about: models and images by name, and what is remembered of both."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from difflib import get_close_matches
from math import isfinite
from typing import Any

from xai_widgets.engine.cache import Cache
from xai_widgets.engine.query import one_of
from xai_widgets.images import ImageSet, load_images
from xai_widgets.models import ImageModel, ModelSource
from xai_widgets.models.loading import check_name
from xai_widgets.models.meaning import reading_of

CACHE_BYTES = 2**30
Model = ImageModel | ModelSource | str
Models = Model | Sequence[Model]


class Sources:
    """Models by name, loaded when first used, and one set of images.

    Args:
        models: one or several: an ImageModel, a ModelSource, or a name for `load_model`.
        images: a set, or what `ImageSet` and `load_images` take.
        cache: what was computed; a new one of 1 GiB, if left out.
        most_models: how many models that come from a source stay loaded; the least recently used leave.

    Raises:
        TypeError, ValueError: in one sentence, where something is not a model, two have one name, or images do not fit.
    """

    def __init__(self, models: Models, images: Any, *, cache: Cache | None = None, most_models: int = 4) -> None:
        if most_models < 1:
            raise ValueError(f"most_models must be at least 1, got {most_models}.")
        self._given = by_name(models)
        self._read: dict[str, ImageModel] = {}  # the same networks, with their outputs read otherwise
        counts = {model.channels for model in self._given.values() if isinstance(model, ImageModel)}
        self.images = image_set_of(images, counts.pop() if len(counts) == 1 else 3)
        self.cache = Cache(CACHE_BYTES) if cache is None else cache
        self._most = most_models
        self._loaded: OrderedDict[str, ImageModel] = OrderedDict()  # the least recently used first
        self.held: frozenset[str] = frozenset()  # names of models that are shown, and stay however many they are
        self._loading = {name: threading.RLock() for name in self._given}
        self._seen: dict[Hashable, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<Sources: {', '.join(self.names)}; {self.images!r}>"

    @property
    def names(self) -> tuple[str, ...]:
        """Of all models, the given ones first, then those that are another reading of one."""
        return (*self._given, *self._read)

    @property
    def given_names(self) -> tuple[str, ...]:
        """Of the models that were given."""
        return tuple(self._given)

    def reads(self, name: str) -> bool:
        """Whether this is the name of a given model with its outputs read otherwise."""
        return name not in self._given and reading_of(name)[0] in self._given

    def named(self, name: object) -> str:
        """A model by name; one such as "tiny [regression]" is the model `tiny` with its outputs read otherwise.

        Raises:
            ValueError: there is no such model, or its outputs cannot be read so.
        """
        if isinstance(name, str) and name in self.names:
            return name
        if not isinstance(name, str) or not self.reads(name):
            return one_of("model", name, self.names)
        base, task, output = reading_of(name)
        if self.plain_name(name) == base:
            return base
        first = self.model(base)
        with self._loading[base]:
            if name not in self._read:
                self._read[name] = first.read_as(task, output=output)
        return name

    def plain_name(self, name: str) -> str:
        """The name of a given model in the place of one that reads it as it is read already."""
        base, task, output = reading_of(name)
        return base if output is None and base in self._given and self.model(base).task == task else name

    @property
    def given(self) -> tuple[ImageModel | ModelSource, ...]:
        """The models as they were given, loaded or not."""
        return tuple(self._given.values())

    def model(self, name: str = "") -> ImageModel:
        """A model by name, the first where none is given; one that comes from a source is loaded when first used.

        Raises:
            ValueError: there is no such model, or its source cannot be loaded (see `ModelSource.load`).
        """
        name = self._given_name(name)
        if name in self._read:
            return self._read[name]
        given = self._of(name)
        if isinstance(given, ImageModel):
            return given
        model = self._known(name)
        if model is not None:
            return model
        with self._loading[name]:  # of two threads that want one model, one loads it; other models do not wait
            return self._known(name) or self._kept(name, given.load())

    def _given_name(self, name: str) -> str:
        """The first where none is given; another reading is made here."""
        if not name:
            return next(iter(self._given))
        return self.named(name) if self.reads(name) else name

    def _known(self, name: str) -> ImageModel | None:
        """A loaded model, which is now the last one that was used."""
        with self._lock:
            if name in self._loaded:
                self._loaded.move_to_end(name)
            return self._loaded.get(name)

    def _kept(self, name: str, model: ImageModel) -> ImageModel:
        """Take in a model that was just loaded; the least recently used leaves where there are too many."""
        gone: list[ImageModel] = []
        held = {self.base_name(shown) for shown in self.held}
        with self._lock:
            self._loaded[name] = model
            while len(self._loaded) > self._most:
                free = [known for known in self._loaded if known not in held and known != name]
                if not free:
                    break
                gone.append(self._loaded.pop(free[0]))
            gone += [self._read.pop(reading) for reading in list(self._read) if self._left(reading)]
        for run in (run for left in gone for run in left.runs):
            self.cache.drop_about(run.token)  # what is remembered of it would keep its network
        return model

    def base_name(self, name: str) -> str:
        """The given model of which this is a reading, or the name itself."""
        return reading_of(name)[0] if self.reads(name) else name

    def _left(self, reading: str) -> bool:
        """Whether a reading is of a model that has left; it would keep the network in memory."""
        base = self.base_name(reading)
        return not isinstance(self._given[base], ImageModel) and base not in self._loaded and reading not in self.held

    def loaded(self, name: str) -> bool:
        """Whether a model is in memory."""
        if self.reads(name):
            return name in self._read
        return isinstance(self._of(name), ImageModel) or name in self._loaded

    def ready(self, name: str) -> bool:
        """Whether a model need not be loaded or read otherwise first, or cannot be, since there is none."""
        return self.loaded(name) if name in self.names else not self.reads(name)

    def portable(self) -> dict[str, ModelSource]:
        """How another process makes each model.

        Raises:
            ValueError: a network was built or changed in this process, so that no other one can make it.
        """
        sources: dict[str, ModelSource] = {}
        for name in self._given:
            source = self.portable_of(name)
            if source is None:
                raise ValueError(
                    f"the network of {name!r} was built or changed in this process, so that no other one can make it; "
                    "give ModelSource('package.module:callable', weights='file.safetensors', ...) in its place."
                )
            sources[name] = source
        return sources

    def portable_of(self, name: str) -> ModelSource | None:
        """How another process makes a model; None where none can.

        Raises:
            ValueError: there is no such model.
        """
        given = self._of(name)
        return given if isinstance(given, ModelSource) else given.source

    def seen(self, model_key: Hashable) -> tuple[float, ...]:
        """The lowest and the highest score so far of this model's images; empty where there was none."""
        with self._lock:
            return self._seen.get(model_key, ())

    def note_seen(self, model_key: Hashable, low: float, high: float) -> None:
        """Take in scores of this model's images, from `low` to `high`; none that is not finite."""
        if not (isfinite(low) and isfinite(high)):
            return
        with self._lock:
            before = self._seen.get(model_key, (low, high))
            self._seen[model_key] = min(low, before[0]), max(high, before[1])

    def _of(self, name: str) -> ImageModel | ModelSource:
        if name not in self._given:
            near = get_close_matches(str(name), self.names, 3, 0.3) or self.names[:3]
            raise ValueError(f"there is no model {name!r}; the nearest are {', '.join(map(repr, near))}.")
        return self._given[name]


def by_name(models: Models) -> dict[str, ImageModel | ModelSource]:
    """Models in any of the forms that are taken, by name; nothing is loaded.

    Raises:
        TypeError: something is not a model.
        ValueError: there is no model, a name is not known to `load_model`, or two models have the same name.
    """
    some: list[Model] = [models] if isinstance(models, str) or not isinstance(models, Sequence) else list(models)
    found = [_checked(one) for one in some]
    if not found:
        raise ValueError("at least one model is needed, got none.")
    names = [one.name for one in found]
    if len(set(names)) < len(names):
        raise ValueError(f"models must have different names, got {', '.join(names)}; give name= to one of them.")
    return dict(zip(names, found, strict=True))


def _checked(model: object) -> ImageModel | ModelSource:
    if isinstance(model, str):
        check_name(model)
        return ModelSource(model)
    if not isinstance(model, ImageModel | ModelSource):
        kinds = "an ImageModel, a ModelSource or a name for load_model"
        raise TypeError(f"a model must be {kinds}, got {type(model).__name__}.")
    return model


def image_set_of(given: Any, channels: int = 3) -> ImageSet:
    """A set, or what `ImageSet` and `load_images` take, as a set; of so many channels, if these are no photographs."""
    if isinstance(given, ImageSet):
        return given
    options: dict[str, Any] = {} if channels in (1, 3) else {"channels": channels}
    return load_images(given, **options) if isinstance(given, str) else ImageSet(given, **options)
