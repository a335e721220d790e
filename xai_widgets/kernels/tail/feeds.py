"""Networks that take several images a sample, such as two of a stereo pair, or a photo and its undistorted reference.

All kernels keep one tensor: the images of a sample lie behind each other in its channels, (n images*c h w), and the
copy of the network in a `Shell` takes them apart again as its forward begins. So the names of layers stay the user's
own, gradients are those of all images, and a change of one image is a change of its channels. It follows that the
images of a sample have one size.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from torch import Tensor

FORMS = ("separate", "list", "stack", "channels")
Call = str | Callable[..., Any]


@dataclass(frozen=True)
class Feed:
    """How a network is called with the images of a sample.

    Attributes:
        images: how many a sample has.
        call: "separate" for network(a, b), "list" for network([a, b]), "stack" for network(x) with x (n images c h w),
            "channels" for x (n images*c h w); or a function of the network and the images (n c h w) that calls it.

    Raises:
        ValueError: another word, or fewer than two images.
    """

    images: int
    call: Call = "separate"

    def __post_init__(self) -> None:
        if isinstance(self.images, bool) or not isinstance(self.images, int) or self.images < 2:
            raise ValueError(f"images must be a whole number from 2 for a network of several, got {self.images!r}.")
        if not callable(self.call) and self.call not in FORMS:
            raise ValueError(f"call must be one of {', '.join(map(repr, FORMS))} or a function, got {self.call!r}.")

    def __call__(self, forward: Callable[..., Any]) -> Callable[[Tensor], Any]:
        """The network's forward as one of all images in one tensor."""

        @wraps(forward)
        def fed(inputs: Tensor) -> Any:
            if self.call == "channels":
                return forward(inputs)
            if self.call == "stack":
                return forward(inputs.unflatten(1, (self.images, -1)))
            images = [image.contiguous() for image in inputs.chunk(self.images, 1)]
            if callable(self.call):
                return self.call(forward, *images)
            return forward(images) if self.call == "list" else forward(*images)

        return fed

    @property
    def words(self) -> str:
        """As code: "network(a, b)"."""
        names = ", ".join("abcdefgh"[: self.images])
        if callable(self.call):
            return f"{getattr(self.call, '__name__', 'call')}(network, {names})"
        forms = {"separate": f"({names})", "list": f"([{names}])", "stack": f"(stack([{names}], 1))"}
        return "network" + forms.get(self.call, f"(cat([{names}], 1))")


def part_of(inputs: Tensor, place: int, images: int) -> Tensor:
    """The channels of one image of each sample: (n c ...) of (n images*c ...)."""
    return inputs.chunk(images, 1)[place]
