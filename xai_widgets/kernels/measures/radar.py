"""The five measures of many images at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from xai_widgets.kernels.degrade import LEVELS, check_noise
from xai_widgets.kernels.measures.explaining import Clean, Explainer, Step, clean_of, explained
from xai_widgets.kernels.measures.moves import group_means, resilience_of, resilience_rows
from xai_widgets.kernels.measures.noise import noise_of, noise_rows
from xai_widgets.kernels.measures.removal import Focus, focus_of
from xai_widgets.kernels.measures.rows import Compared, Row
from xai_widgets.kernels.measures.runs import pair_similarity, runs_lost, stability_rows
from xai_widgets.kernels.measures.spread import entropy, entropy_rows

AXES = ("entropy", "noise", "resilience", "focus", "stability")
HEADLINE = 0.1  # share of pixels with salt and pepper, on the radar


@dataclass(frozen=True, eq=False)
class Radar:
    """Five measures of n images; NaN is not defined.

    Attributes:
        clean: Maps, scores and targets of the images as they are.
        entropy: 1 for a uniform map.
        noise: By kind; a column a level, and one more of the first kind for noise alone where that was asked.
        levels: Of the noise.
        resilience: The columns of `GROUPS`.
        focus: Salient and other regions removed.
        stability: SSIM for each pair of runs; no column for one run.
        lost_runs: Which maps of the runs say nothing.
    """

    clean: Clean
    entropy: Float[Tensor, " n"]
    noise: dict[str, Compared]
    levels: tuple[float, ...]
    resilience: Compared
    focus: Focus
    stability: Float[Tensor, "n p"]
    lost_runs: Bool[Tensor, "n r"]

    def axes(self) -> Float[Tensor, "n 5"]:
        """The numbers of the radar, in the order of `AXES`: all are better when higher, and not cut at 0.

        1 - entropy; SSIM under salt and pepper on 10 % of the pixels; the mean of the three groups of resilience; of
        focus ((1 - salient removed) + other removed) / 2; the mean over pairs of runs.
        """
        salted = self.noise.get("salt_and_pepper")
        known = HEADLINE in self.levels and salted is not None
        noise = salted.values[:, self.levels.index(HEADLINE)] if known and salted else self.entropy * math.nan
        resilience = group_means(self.resilience).nanmean(1)
        columns = 1 - self.entropy, noise, resilience, self.focus.value, self.stability.nanmean(1)
        return torch.stack([column.to(self.entropy) for column in columns], 1)

    def rows(self, *, first: int = 0) -> list[Row]:
        """What a table keeps: every value of every image, and what it is the value of.

        Args:
            first: The number of the first image.
        """
        rule = self.clean.rule
        rows = entropy_rows(self.clean, self.entropy, first=first)
        for kind, compared in self.noise.items():
            rows += noise_rows(compared, kind, self.levels, rule, first=first)
        rows += resilience_rows(self.resilience, rule, first=first)
        rows += self.focus.rows(rule, first=first)
        size = (self.clean.maps.shape[1], self.clean.maps.shape[2])
        return rows + stability_rows(self.stability, self.lost_runs, size, rule, first=first)


def five_measures(
    runs: Sequence[Explainer],
    images: Float[Tensor, "n 3 h w"],
    *,
    seeds: Sequence[int],
    rule: str = "fixed",
    targets: Int[Tensor, " n"] | None = None,
    kinds: tuple[str, ...] = ("salt_and_pepper",),
    levels: tuple[float, ...] = LEVELS,
    far_end: bool = False,
    per_channel: bool = False,
    exponent: float = 4.0,
    batch: int | None = None,
    step: Step = None,
) -> Radar:
    """Entropy, noise, resilience, focus and stability of the maps of many images, each explained once a change.

    What comes out does not depend on the order of the images or on the batch beyond rounding.

    Args:
        runs: The method on each training run; the first is measured, the others serve stability.
        images: In [0, 1].
        seeds: One an image, of its noise.
        rule: "fixed": every changed copy, and every run, is explained for the output that the first run gives the
            clean image; "anew": for what is predicted each time.
        targets: Of each image, where it is not to be the predicted output.
        kinds: Of noise.
        levels: Of each kind, from 0 to 1.
        far_end: Also uniform random noise alone.
        per_channel: Salt and pepper for each channel anew.
        exponent: Of the graded blur.
        batch: Images that are explained at a time; found from their size if left out.
        step: Called before each batch; may raise to cancel.
    """
    _check(runs, images, seeds, kinds, levels, per_channel)
    first, *others = runs
    clean = clean_of(first, images, rule=rule, targets=targets, batch=batch, step=step)
    maps = [clean.maps]
    maps += [explained(other, images, clean.targets, batch=batch, step=step).maps for other in others]
    sizes = {tuple(some.shape[1:]) for some in maps}
    if len(sizes) > 1:
        raise ValueError(f"all runs must have maps of one size, got {' and '.join(f'{h} x {w}' for h, w in sizes)}.")
    stack = torch.stack([some.to(clean.maps) for some in maps])
    noise = {
        kind: noise_of(
            first, images, clean, generators=[torch.Generator(images.device).manual_seed(seed) for seed in seeds],
            kind=kind, levels=levels, per_channel=per_channel and kind == "salt_and_pepper",
            far_end=far_end and kind == kinds[0], batch=batch, step=step,
        )
        for kind in kinds
    }  # fmt: skip
    return Radar(
        clean, entropy(clean.maps), noise, tuple(levels),
        resilience_of(first, images, clean, batch=batch, step=step),
        focus_of(first, images, clean, exponent=exponent, batch=batch, step=step),
        pair_similarity(stack), runs_lost(stack),
    )  # fmt: skip


def _check(
    runs: Sequence[Explainer],
    images: Tensor,
    seeds: Sequence[int],
    kinds: tuple[str, ...],
    levels: tuple[float, ...],
    per_channel: bool,
) -> None:
    if not runs:
        raise ValueError("runs must hold the method on at least one training run, got none.")
    if isinstance(seeds, int) or len(seeds) != len(images):
        given = seeds if isinstance(seeds, int) else len(seeds)
        raise ValueError(f"seeds must be one an image, so that no noise depends on the order; got {given}.")
    if not kinds:
        raise ValueError("kinds must hold at least one kind of noise, got none.")
    for kind in kinds:
        check_noise(kind, levels)
    if per_channel and "salt_and_pepper" not in kinds:
        raise ValueError("per_channel is a choice of salt_and_pepper, which is not among the kinds.")
