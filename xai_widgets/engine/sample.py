"""A sample of several images, of which one is shown: which photo, which call of the layer, what the network eats."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from xai_widgets.engine.query import Query
from xai_widgets.images.samples import shown_in_words as shown_in_words
from xai_widgets.kernels.tail.feeds import part_of
from xai_widgets.models import several

if TYPE_CHECKING:
    from xai_widgets.engine.sources import Sources
    from xai_widgets.images import ImageSet
    from xai_widgets.models import ImageModel, ModelNow


class OfSample:
    """The part of `Subject` for samples of several images.

    What changes pixels, such as a degradation or a measure, changes the image that is shown; the others of the sample
    stay as they are. A network that takes one image sees the one that is shown.
    """

    if TYPE_CHECKING:  # of `Subject`
        sources: Sources
        query: Query

        @property
        def model(self) -> ImageModel: ...
        @property
        def images(self) -> ImageSet: ...
        @property
        def image(self) -> str: ...
        @property
        def layer(self) -> str: ...
        @property
        def now(self) -> ModelNow: ...

    @property
    def of_first(self) -> bool:
        """Whether the first image of the sample is shown, which alone has a human map."""
        return not self.query.shown or self.query.shown in self.images.slices[:1]

    @property
    def photo(self) -> np.ndarray:
        """The image of the sample that is shown, (h w 3)."""
        return self.images.slice(self.query.shown).photo(self.image)

    def picture_of(self, shown: str) -> np.ndarray:
        """What the model takes of an image of the sample: the photo (h w 3), or all its channels (h w c)."""
        some = self.images.slice(shown)
        found: np.ndarray = (some.photo if self.model.channels == 3 else some.bands)(self.image)
        return found

    @cached_property
    def place(self) -> int:
        """Of the shown image among those that the network takes.

        Raises:
            ValueError: the network takes another number of images than a sample has.
        """
        if self.model.images == 1:
            return 0  # it sees the shown image alone
        held, taken = max(len(self.images.slices), 1), self.model.images
        if held != taken:
            raise ValueError(several.too_few(self.model.name, taken, held))
        return self.images.slices.index(self.shown)

    @cached_property
    def call(self) -> int:
        """Which call of the layer is meant; -1 for the last."""
        return self.model.call_of(self.layer, self.place) if self.query.call is None else self.query.call

    @cached_property
    def calls(self) -> int:
        """How often the layer is called, where the model lists it; else 1."""
        return next((info.calls for info in self.model.layers() if info.name == self.layer), 1)

    @property
    def shown(self) -> str:
        """Which image of the sample is shown, by name; empty where a sample is one image."""
        return self.query.shown or next(iter(self.images.slices), "")

    @property
    def where(self) -> str:
        """The layer in words, with its call and the shown image where there are several."""
        return " · ".join(filter(None, (shown_in_words(self.shown), self.layer_words)))

    @property
    def layer_words(self) -> str:
        """The layer in words, with its call where there are several."""
        return f"{self.layer}, call {self.call % self.calls}" if self.calls > 1 else self.layer

    @property
    def foreign(self) -> str:
        """A sentence where the call that is asked for is of another image than the one that is shown; else empty."""
        if self.query.call is None or self.model.images == 1:
            return ""
        own = [self.model.call_of(self.layer, place) for place in range(self.model.images)]
        if own[self.place] == self.call or self.call not in own:
            return ""
        other = shown_in_words(self.images.slices[own.index(self.call)])
        return f"Call {self.call} is of the {other}; its maps lie here over the {shown_in_words(self.shown)}."

    def fed(self, pixels: Tensor) -> Tensor:
        """What the network eats for images (n 3 h w) in [0, 1] in the place of the one that is shown, (n ...).

        The other images of the sample are as they are.

        Raises:
            ValueError: they have another size than the other images of the sample, or the transform cannot be split.
        """
        return self._beside_others(self.model.normalise(pixels))

    def _beside_others(self, values: Tensor) -> Tensor:
        if self.model.images == 1:
            return values
        others = self.others
        return self.model.together([*others[: self.place], values, *others[self.place :]])

    @cached_property
    def others(self) -> tuple[Tensor, ...]:
        """What the network eats for the other images of the sample, (1 c h w) each."""
        words = [word for place, word in enumerate(self.images.slices) if place != self.place]

        def make() -> tuple[Tensor, ...]:
            return tuple(self.model.inputs(self.picture_of(word)) for word in words)

        key = ("others", self.now.key, tuple(words), self.images.digests(self.image))
        return self.sources.cache.remember(key, make)

    def of_shown(self, values: Tensor) -> Tensor:
        """The part of the shown image of something that is shaped like the network's input, (n c h w)."""
        return values if self.model.images == 1 else part_of(values, self.place, self.model.images)
