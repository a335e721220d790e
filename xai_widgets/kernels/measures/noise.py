"""Noise: how a map stands up to a corrupted image, and what becomes of the score."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from xai_widgets.kernels import degrade
from xai_widgets.kernels.degrade import Change, check_range
from xai_widgets.kernels.draws import Seed, Seeds, generator_of, one_an_image, repeatable
from xai_widgets.kernels.measures.explaining import (
    Clean,
    Step,
    Target,
    clean_of,
    compared,
    explained_copies,
    one_image,
)
from xai_widgets.kernels.measures.levels import levels_of, name_of
from xai_widgets.kernels.measures.methods import Explain, explainer_of
from xai_widgets.kernels.measures.rows import Compared, Row
from xai_widgets.kernels.measures.spread import entropy

PURE = "pure_noise"


class Noise(NamedTuple):
    """What becomes of the maps and scores of n images at s levels of noise.

    Where pure noise was asked for, it is one more column at the end.

    Attributes:
        kind: Of the noise.
        levels: Of blur sigmas in pixels.
        compared: SSIM with the clean map, at the maps' own resolution.
        entropy: Of the maps.
        score: Of the clean image's target, or of its predicted output; NaN where the method gives no scores.
        scores: All of them.
        clean_entropy: Of the clean maps.
        clean_score: Of the clean images.
    """

    kind: str
    levels: tuple[float, ...]
    compared: Compared
    entropy: Float[Tensor, "n s"]
    score: Float[Tensor, "n s"]
    scores: Float[Tensor, "n s k"] | None
    clean_entropy: Float[Tensor, " n"]
    clean_score: Float[Tensor, " n"]

    @property
    def values(self) -> Float[Tensor, "n s"]:
        """The SSIM."""
        return self.compared.values

    def rows(self, rule: str, *, first: int = 0) -> list[Row]:
        """For each image the SSIM, entropy and score at each level, and of pure noise; the clean image is level 0.

        Args:
            rule: What was explained: "fixed" or "repredicted".
            first: The number of the first image.
        """
        parts: list[tuple[str, float | None, slice]]
        parts = [(self.kind, level, slice(column, column + 1)) for column, level in enumerate(self.levels)]
        if self.values.shape[1] > len(self.levels):
            parts.append((PURE, None, slice(len(self.levels), None)))
        rows = self.compared.rows("noise", rule, parts, first=first)
        rows += self._rows_of("entropy", self.clean_entropy, self.entropy, rule, first)
        return rows if self.scores is None else rows + self._rows_of("score", self.clean_score, self.score, rule, first)

    def _rows_of(
        self, quantity: str, clean: Float[Tensor, " n"], changed: Float[Tensor, "n s"], rule: str, first: int
    ) -> list[Row]:
        """A row for each image, the clean one first, and column; scores are made of no map."""
        names: list[tuple[str, float | None]] = [(self.kind, 0.0), *((self.kind, level) for level in self.levels)]
        names += [(PURE, None)] * (changed.shape[1] - len(self.levels))
        values = torch.cat((clean[:, None], changed), 1).tolist()
        flagged = torch.cat((self.compared.degenerate_clean[:, None], self.compared.degenerate), 1).tolist()
        rows = []
        for index, columns in enumerate(values):
            for column, ((part, level), value) in enumerate(zip(names, columns, strict=True)):
                if column == 0 and 0 in self.levels:
                    continue  # it has a row of its own
                maps, degenerate = (1, int(flagged[index][column])) if quantity == "entropy" else (0, 0)
                named = first + index, "noise", part, level, value, *self.compared.size, rule
                rows.append(Row(*named, maps, degenerate, int(math.isnan(value)), quantity))
        return rows


def noise_robustness(
    explain: Explain,
    image: Float[Tensor, "c h w"],
    *,
    generator: Seed,
    kind: str | Change = "salt_and_pepper",
    levels: Sequence[float] | None = None,
    per_channel: bool = False,
    pure_noise: bool = False,
    target: Target | None = None,
    batch: int | None = None,
    step: Step = None,
) -> Float[Tensor, " s"]:
    """SSIM of the image's map and the map of the noisy image, for each level, at the maps' own resolution.

    `noise_of` says what the arguments are.

    Args:
        target: The output, where it is not to be the predicted one.

    Raises:
        TypeError: no tensors of floating-point numbers, no seed, no numbers.
        ValueError: an image outside of [0, 1], an unknown kind, or levels out of range.
    """
    explainer, images = explainer_of(explain), one_image(image)
    check_range("the image", images)
    levels = levels_of(kind, levels, min(image.shape[-2:]), per_channel=per_channel)
    generators = [generator_of(generator)]
    clean = clean_of(explainer, images, targets=target, batch=batch, step=step)
    noise = noise_of(
        explainer, images, clean, generators=generators, kind=kind, levels=levels, per_channel=per_channel,
        pure_noise=pure_noise, batch=batch, step=step,
    )  # fmt: skip
    return noise.values[0]


def noise_of(
    explain: Explain,
    images: Float[Tensor, "n c h w"],
    clean: Clean,
    *,
    generators: Seeds,
    kind: str | Change = "salt_and_pepper",
    levels: Sequence[float] | None = None,
    per_channel: bool = False,
    pure_noise: bool = False,
    batch: int | None = None,
    step: Step = None,
) -> Noise:
    """SSIM of the maps of many images with those of the noisy images, their entropies and scores; a column a level.

    Args:
        explain: The method.
        images: In [0, 1].
        clean: Of these images.
        generators: Seeds or generators, one an image, so that the noise of an image depends on no other; or one, of
            which all images get the same noise. Every level starts from the same numbers, so that its noise does not
            depend on which other levels are asked for.
        kind: "salt_and_pepper" (a level is a share of pixels), "gaussian_noise" (a standard deviation), "blur" (sigma
            in pixels), or a function of images (1 c h w), level and generator that gives images in [0, 1].
        levels: From 0 to 1, of blur to a quarter of the shorter side; found by `noise_levels` if left out, which of a
            function are to be given.
        per_channel: Salt and pepper drawn for each channel on its own.
        pure_noise: One more column at the end, for an image of uniform random noise and nothing else.
        batch: Images that are explained at a time; found from their size if left out.
        step: Called before each batch; may raise to cancel.

    Raises:
        TypeError: no tensors of floating-point numbers, no seeds, no numbers.
        ValueError: images outside of [0, 1], an unknown kind, levels out of range, or another number of seeds.
    """
    check_range("images", images)
    explainer, clean = explainer_of(explain), clean.beside(images)
    ladder = levels_of(kind, levels, min(images.shape[-2:]), per_channel=per_channel)
    starts = [repeatable(generator) for generator in one_an_image(generators, len(images))]

    def noisy(index: int) -> Tensor:
        image, start = images[index : index + 1], starts[index]
        changed = [degrade.changed(image, kind, level, generator=start(), per_channel=per_channel) for level in ladder]
        if pure_noise:
            changed.append(degrade.pure_noise(image, generator=start()))
        return torch.cat(changed)

    def change(start: int, end: int) -> Tensor:
        return torch.stack([noisy(index) for index in range(start, end)])

    count = len(ladder) + pure_noise
    parts = list(explained_copies(explainer, images, clean.targets, change, count, batch=batch, step=step))
    known = [scores for _, _, scores in parts if scores is not None]
    scores = torch.cat(known) if known else None
    spread = torch.cat([entropy(maps.flatten(0, 1)).unflatten(0, maps.shape[:2]) for _, maps, _ in parts])
    return Noise(
        name_of(kind), ladder, compared(clean.maps, [maps for _, maps, _ in parts]), spread,
        clean.own(scores, count), scores, entropy(clean.maps),
        clean.own(None if clean.scores is None else clean.scores[:, None], 1)[:, 0],
    )  # fmt: skip
