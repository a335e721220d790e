"""The five measures of many images at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from xai_widgets.kernels.degrade import Change
from xai_widgets.kernels.draws import Seed
from xai_widgets.kernels.measures.explaining import Clean, Step, Target
from xai_widgets.kernels.measures.five import AXES as AXES
from xai_widgets.kernels.measures.five import Entropy, Focused, Ladder, Measured, Resilience, Stability, measured
from xai_widgets.kernels.measures.levels import Levels
from xai_widgets.kernels.measures.methods import Explain
from xai_widgets.kernels.measures.noise import Noise
from xai_widgets.kernels.measures.removal import Focus
from xai_widgets.kernels.measures.rows import Compared, Row

One = TypeVar("One", bound=Measured)


@dataclass(frozen=True, eq=False)
class Radar:
    """Five measures of n images; NaN is not defined.

    Attributes:
        measured: of each axis, in the order of `AXES`, then further ladders of noise.
        kinds: of noise, as they were asked for.
    """

    measured: tuple[Measured, ...]
    kinds: tuple[str, ...]

    @property
    def clean(self) -> Clean:
        """Maps, scores and targets of the images as they are."""
        return self.measured[0].clean

    @property
    def entropy(self) -> Float[Tensor, " n"]:
        """1 for a uniform map."""
        return self._one(Entropy).result

    @property
    def noise(self) -> dict[str, Noise]:
        """By kind. Salt and pepper, or else the first kind, ends with a column of pure noise where that was asked."""
        ladders = {one.result.kind: one.result for one in self.measured if isinstance(one, Ladder)}
        return {kind: ladders[kind] for kind in self.kinds}

    @property
    def resilience(self) -> Compared:
        """The columns of `moves.GROUPS`."""
        return self._one(Resilience).result

    @property
    def focus(self) -> Focus:
        """Salient and other regions removed."""
        return self._one(Focused).result

    @property
    def stability(self) -> Float[Tensor, "n p"]:
        """SSIM for each pair of runs; no column for one run."""
        return self._one(Stability).result

    def axes(self) -> Float[Tensor, "n 5"]:
        """The numbers of the radar, in the order of `AXES`: all are better when higher, and not cut at 0.

        1 - entropy; SSIM under salt and pepper on 10 % of the pixels; the mean of the three groups of resilience, of
        two where images are not square; ((1 - salient removed) + other removed) / 2 of focus; the mean over pairs of
        runs.
        """
        return torch.stack([one.values.to(self.entropy) for one in self.measured[: len(AXES)]], 1)

    def rows(self, *, first: int = 0) -> list[Row]:
        """What a table keeps: every value of every image, and what it is the value of.

        Args:
            first: The number of the first image.
        """
        rows = self._one(Entropy).rows(first=first)
        for noise in self.noise.values():
            rows += noise.rows(self.clean.rule, first=first)
        for kind in (Resilience, Focused, Stability):
            rows += self._one(kind).rows(first=first)
        return rows

    def _one(self, kind: type[One]) -> One:
        return next(one for one in self.measured if isinstance(one, kind))


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
    pure_noise: bool = False,
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
            clean image; "repredicted": for what is predicted each time.
        targets: Where it is not to be the predicted output: a number, a name, or a list or tensor with one an image.
        kinds: Of noise, one at least.
        changes: Functions of images (1 c h w), level and generator that give images in [0, 1], by name, beside the
            kinds.
        levels: Of the noise, or of each by its name, of blur in pixels; found by `noise_levels` where left out, which
            of `changes` are to be given by name.
        pure_noise: Also an image of uniform random noise and nothing else.
        per_channel: Salt and pepper drawn for each channel on its own.
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
    if not hasattr(seeds, "__len__"):
        raise ValueError(f"seeds must be one an image, so that no noise depends on the order; got {seeds}.")
    results = measured(
        runs[0], images, runs=runs[1:], generators=seeds, rule=rule, targets=targets, kinds=kinds, changes=changes,
        levels=levels, pure_noise=pure_noise, per_channel=per_channel, exponent=exponent, batch=batch, step=step,
    )  # fmt: skip
    return Radar(tuple(results), (*kinds, *(changes or {})))
