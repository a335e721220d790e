"""Noise: how a map stands up to what makes the image worse."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from xai_widgets.kernels import degrade
from xai_widgets.kernels.checks import check_generator
from xai_widgets.kernels.degrade import LEVELS
from xai_widgets.kernels.measures.explaining import (
    Clean,
    Explain,
    Explainer,
    Step,
    clean_of,
    compared,
    explained_copies,
    explainer_of,
)
from xai_widgets.kernels.measures.rows import Compared, Row

ALONE = "noise_alone"


def noise_robustness(
    explain: Explain,
    image: Float[Tensor, "3 h w"],
    *,
    generator: torch.Generator,
    kind: str = "salt_and_pepper",
    levels: tuple[float, ...] = LEVELS,
    per_channel: bool = False,
    far_end: bool = False,
    batch: int | None = None,
    step: Step = None,
) -> Float[Tensor, " s"]:
    """SSIM of the image's map and the map of the noisy image, for each level, at the maps' own resolution.

    Args: as of `noise_of`.
    """
    explainer, images = explainer_of(explain), image[None]
    _check([generator], images, kind, levels, per_channel)
    clean = clean_of(explainer, images, batch=batch, step=step)
    found = noise_of(
        explainer, images, clean, generators=[generator], kind=kind, levels=levels, per_channel=per_channel,
        far_end=far_end, batch=batch, step=step,
    )  # fmt: skip
    return found.values[0]


def noise_of(
    explainer: Explainer,
    images: Float[Tensor, "n 3 h w"],
    clean: Clean,
    *,
    generators: Sequence[torch.Generator],
    kind: str = "salt_and_pepper",
    levels: tuple[float, ...] = LEVELS,
    per_channel: bool = False,
    far_end: bool = False,
    batch: int | None = None,
    step: Step = None,
) -> Compared:
    """The same for many images; a column a level.

    Args:
        explainer: The method.
        images: In [0, 1].
        clean: Of these images.
        generators: One an image, on the images' device: so the noise of an image depends on no other.
        kind: "salt_and_pepper" (a level is a share of pixels), "gaussian_noise" (a standard deviation), or "blur"
            (sigma is the level times a tenth of the shorter side).
        levels: From 0 to 1.
        per_channel: Salt and pepper for each channel anew.
        far_end: One more column at the end, for uniform random noise alone: the reaction to nonsense.
        batch: Images that are explained at a time; found from their size if left out.
        step: Called before each batch; may raise to cancel.
    """
    _check(generators, images, kind, levels, per_channel)

    def noisy(index: int) -> Tensor:
        image, generator = images[index : index + 1], generators[index]
        changed = [
            degrade.worsened(image, kind, level, generator=generator, per_channel=per_channel) for level in levels
        ]
        if far_end:
            changed.append(torch.rand(image.shape, generator=generator, device=image.device, dtype=image.dtype))
        return torch.cat(changed)

    def change(start: int, end: int) -> Tensor:
        return torch.stack([noisy(index) for index in range(start, end)])

    count = len(levels) + far_end
    parts = explained_copies(explainer, images, clean.targets, change, count, batch=batch, step=step)
    return compared(clean.maps, [maps for _, maps, _ in parts])


def noise_rows(
    compared: Compared,
    kind: str,
    levels: Sequence[float],
    rule: str,
    *,
    first: int = 0,
) -> list[Row]:
    """A row a level, and one of no level for noise alone where there is a column of it."""
    ladder: list[tuple[str, float | None, slice]]
    ladder = [(kind, level, slice(column, column + 1)) for column, level in enumerate(levels)]
    if compared.values.shape[1] > len(levels):
        ladder.append((ALONE, None, slice(len(levels), None)))
    return compared.rows("noise", rule, ladder, first=first)


def _check(
    generators: Sequence[torch.Generator], images: Tensor, kind: str, levels: tuple[float, ...], per_channel: bool
) -> None:
    degrade.check_noise(kind, levels, per_channel=per_channel)
    if len(generators) != len(images):
        raise ValueError(f"there must be one generator an image, got {len(generators)} for {len(images)} images.")
    for generator in generators:
        check_generator(generator, images, "the images")
