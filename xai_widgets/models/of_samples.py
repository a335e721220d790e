"""The part of a model that knows of samples of several images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image
from torch import Tensor

from xai_widgets.models import several
from xai_widgets.models.checks import own_randomness
from xai_widgets.models.geometry import Picture, with_channels

if TYPE_CHECKING:
    from xai_widgets.kernels.tail import Feed, Shell
    from xai_widgets.models.choice import Layers


class OfSamples:
    """The part of `ImageModel` for networks that take several images a sample."""

    if TYPE_CHECKING:  # of `ImageModel`
        name: str
        device: torch.device
        _feed: Feed | None
        _layers: Layers
        _lock: Any
        _calls: dict[str, tuple[int, ...]]
        channels: int

        @property
        def shell(self) -> Shell: ...
        def _inputs(self, photo: Picture) -> Tensor: ...

    @property
    def images(self) -> int:
        """How many images of a sample the network takes."""
        return 1 if self._feed is None else self._feed.images

    def call_of(self, layer: str, image: int) -> int:
        """Which call of a layer belongs to an image of a sample: the last that no other image changes; else the last.

        Found once by changing one image after the other, and remembered.
        """
        if self._feed is None:
            return -1
        with self._lock:
            if layer not in self._calls:
                inputs = self._layers.inputs.to(self.device)
                with own_randomness(self.device):
                    self._calls[layer] = several.calls_of_images(self.shell, layer, inputs, self.images)
            return self._calls[layer][image]

    def together(self, images: Sequence[Tensor]) -> Tensor:
        """The input (n images*c h w) of the network for the images of samples, (n c h w) or (1 c h w) each.

        Raises:
            ValueError: they are not as many as the network takes, or not of one size.
        """
        return several.together(self.name, images, self.images)

    def _of_sample(self, photo: Image.Image, feed: Feed | None) -> Tensor:
        """The input for a test photograph, and of a network of several images for others beside it."""
        count = 1 if feed is None else feed.images
        photos = several.sample_of(photo, count)
        return torch.cat([self._inputs(with_channels(one, self.channels)) for one in photos], 1)
