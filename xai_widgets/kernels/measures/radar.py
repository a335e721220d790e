"""The five measures of many images at once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from xai_widgets.kernels.degrade import Change, check_range
from xai_widgets.kernels.draws import Seed, seed_of
from xai_widgets.kernels.measures.explaining import Clean, Step, Target, clean_of, explained
from xai_widgets.kernels.measures.levels import Levels, ladders_of
from xai_widgets.kernels.measures.methods import Explain, Method, explainer_of
from xai_widgets.kernels.measures.moves import group_means, resilience_of, resilience_rows
from xai_widgets.kernels.measures.noise import Noise, noise_of
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
        noise: By kind; the first with a column for noise alone, where that was asked.
        resilience: The columns of `GROUPS`.
        focus: Salient and other regions removed.
        stability: SSIM for each pair of runs; no column for one run.
        lost_runs: Which maps of the runs say nothing.
    """

    clean: Clean
    entropy: Float[Tensor, " n"]
    noise: dict[str, Noise]
    resilience: Compared
    focus: Focus
    stability: Float[Tensor, "n p"]
    lost_runs: Bool[Tensor, "n r"]

    def axes(self) -> Float[Tensor, "n 5"]:
        """The numbers of the radar, in the order of `AXES`: all are better when higher, and not cut at 0.

        1 - entropy; SSIM under salt and pepper on 10 % of the pixels; the mean of the three groups of resilience, of
        two where images are not square; ((1 - salient removed) + other removed) / 2 of focus; the mean over pairs of
        runs.
        """
        salted = self.noise.get("salt_and_pepper")
        known = salted is not None and HEADLINE in salted.levels
        noise = salted.values[:, salted.levels.index(HEADLINE)] if known and salted else self.entropy * math.nan
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
        for noise in self.noise.values():
            rows += noise.rows(rule, first=first)
        rows += resilience_rows(self.resilience, rule, first=first)
        rows += self.focus.rows(rule, first=first)
        size = (self.clean.maps.shape[1], self.clean.maps.shape[2])
        return rows + stability_rows(self.stability, self.lost_runs, size, rule, first=first)


def five_measures(
    runs: Sequence[Explain],
    images: Float[Tensor, "n c h w"],
    *,
    seeds: Sequence[Seed],
    rule: str = "fixed",
    targets: Target | None = None,
    kinds: Sequence[str] = ("salt_and_pepper",),
    changes: Mapping[str, Change] | None = None,
    levels: Levels = None,
    far_end: bool = False,
    per_channel: bool = False,
    exponent: float = 4.0,
    batch: int | None = None,
    step: Step = None,
) -> Radar:
    """Entropy, noise, resilience, focus and stability of the maps of many images, each explained once a change.

    What comes out does not depend on the order of the images or on the batch beyond rounding.

    Args:
        runs: The method on each training run; the first is measured, the others serve stability. Their networks may be
            on other devices: maps are compared on the device of the images.
        images: In [0, 1].
        seeds: One an image, of its noise: whole numbers or generators.
        rule: "fixed": every changed copy, and every run, is explained for the output that the first run gives the
            clean image; "anew": for what is predicted each time.
        targets: Where it is not to be the predicted output: a number, a name, or a list or tensor with one an image.
        kinds: Of noise, one at least.
        changes: Functions of images (1 c h w), level and generator that give images in [0, 1], by name, beside the
            kinds.
        levels: Of the noise, or of each by its name, of blur in pixels; found by `noise_levels` where left out, which
            of `changes` are to be given by name.
        far_end: Also uniform random noise alone.
        per_channel: Salt and pepper for each channel anew.
        exponent: Of the graded blur.
        batch: Images that are explained at a time; found from their size if left out.
        step: Called before each batch; may raise to cancel.

    Raises:
        TypeError: no tensors of floating-point numbers, no seeds, numbers or names.
        ValueError: images outside of [0, 1], no runs, maps of several sizes, a target, kind, level or other option that
            is not known.
    """
    if not runs:
        raise ValueError("runs must hold the method on at least one training run, got none.")
    check_range("images", images)
    numbers = _seeds(seeds, len(images))
    ladders = ladders_of(kinds, changes or {}, levels, min(images.shape[-2:]), per_channel=per_channel)
    first, *others = [explainer_of(run) for run in runs]
    clean = clean_of(first, images, rule=rule, targets=targets, batch=batch, step=step)
    stack = _maps_of_runs(clean, others, images, batch, step)
    noise = {
        name: noise_of(
            first, images, clean, generators=numbers, kind=(changes or {}).get(name, name), levels=ladder,
            per_channel=per_channel and name == "salt_and_pepper", far_end=far_end and not place,
            batch=batch, step=step,
        )._replace(kind=name)
        for place, (name, ladder) in enumerate(ladders.items())
    }  # fmt: skip
    return Radar(
        clean, entropy(clean.maps), noise,
        resilience_of(first, images, clean, batch=batch, step=step),
        focus_of(first, images, clean, exponent=exponent, batch=batch, step=step),
        pair_similarity(stack), runs_lost(stack),
    )  # fmt: skip


def _maps_of_runs(
    clean: Clean, others: list[Method], images: Tensor, batch: int | None, step: Step
) -> Float[Tensor, "r n h w"]:
    maps = [clean.maps]
    maps += [explained(other, images, clean.targets, batch=batch, step=step).maps for other in others]
    sizes = {tuple(some.shape[1:]) for some in maps}
    if len(sizes) > 1:
        raise ValueError(f"all runs must have maps of one size, got {' and '.join(f'{h} x {w}' for h, w in sizes)}.")
    return torch.stack([some.to(clean.maps) for some in maps])


def _seeds(seeds: Sequence[Seed], images: int) -> list[int]:
    """Whole numbers, from which the noise of each kind starts."""
    given = seeds.tolist() if isinstance(seeds, Tensor) else seeds
    if not hasattr(given, "__len__") or len(given) != images:
        count = len(given) if hasattr(given, "__len__") else given
        raise ValueError(f"seeds must be one an image, so that no noise depends on the order; got {count}.")
    return [seed_of(seed) for seed in given]
