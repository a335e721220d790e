"""What is done to an image before the network sees it."""

from __future__ import annotations

from torch import Tensor

from xai_widgets.engine.query import DEGRADATIONS, Degradation
from xai_widgets.kernels import degrade
from xai_widgets.kernels.draws import seeded


def degraded(pixels: Tensor, wanted: Degradation) -> Tensor:
    """Pixels (c h w) in [0, 1] with noise, blurred, or as they come back from a JPEG; the same seed, the same noise.

    Raises:
        ValueError: an unknown kind, a level that it does not take, or an image that cannot be a JPEG.
    """
    images, kind = pixels[None], wanted.kind
    if kind == "blur":
        return degrade.blur(images, wanted.level)[0]
    if kind == "jpeg":
        return degrade.jpeg(images, int(wanted.level))[0]
    if kind == "salt_and_pepper":
        return degrade.salt_and_pepper(images, wanted.level, generator=seeded(wanted.seed))[0]
    if kind == "gaussian_noise":
        return degrade.gaussian_noise(images, wanted.level, generator=seeded(wanted.seed))[0]
    raise ValueError(f"degradation must be one of {', '.join(DEGRADATIONS)}, got {kind!r}.")
