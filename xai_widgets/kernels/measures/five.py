"""The five measures one after the other, each as a record: what scripts and the engine are built on.

`measured` takes any method that explains images (`methods.explainer_of`) whichever one it is.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from xai_widgets.kernels.degrade import NOISES, Change, check_range
from xai_widgets.kernels.draws import Seeds, seed_of
from xai_widgets.kernels.measures.explaining import Clean, Step, Target, clean_of, explained
from xai_widgets.kernels.measures.levels import Levels, ladders_of
from xai_widgets.kernels.measures.methods import Explain, Method, explainer_of
from xai_widgets.kernels.measures.moves import NO_TURNS, group_means, resilience_of, resilience_rows
from xai_widgets.kernels.measures.noise import Noise, noise_of
from xai_widgets.kernels.measures.removal import REMOVED, Focus, focus_of
from xai_widgets.kernels.measures.rows import Compared, Row
from xai_widgets.kernels.measures.runs import FEW_RUNS, degenerate_runs, pair_similarity, stability_rows
from xai_widgets.kernels.measures.spread import entropy, entropy_rows

AXES = ("entropy", "noise", "resilience", "focus", "stability")
HEADLINE = 0.1  # share of pixels with salt and pepper, on the radar


@dataclass(frozen=True, eq=False)
class Measured(ABC):
    """One measure of n images.

    Attributes:
        axis: of the radar, one of `AXES`.
        clean: the maps of the images as they are, and what they are explained for.
    """

    axis: ClassVar[str]
    clean: Clean

    @property
    @abstractmethod
    def values(self) -> Float[Tensor, " n"]:
        """The number of the radar for each image: higher is better; not cut at 0; NaN where it is not defined."""

    @property
    @abstractmethod
    def tested(self) -> str:
        """What was tested, in one sentence."""

    @property
    def missing(self) -> str:
        """What could not be measured of these images and runs, and why; empty where all could."""
        return ""

    @property
    def available(self) -> bool:
        """Whether the measure as a whole could be taken; `missing` may still name a part that could not."""
        return True

    @abstractmethod
    def rows(self, *, first: int = 0) -> list[Row]:
        """What a table keeps: every value of every image, the number of the radar first where it is a mean.

        Args:
            first: the number of the first image.
        """

    @abstractmethod
    def parts(self, image: int = 0) -> dict[str, Any]:
        """What the number of one image is made of: numbers by name, and lists that go together."""

    def row(self, image: int = 0) -> Row:
        """How the number of one image was taken: maps that were compared, their size, how many are degenerate."""
        return next(row for row in self.rows() if row.image == image)


@dataclass(frozen=True, eq=False)
class Entropy(Measured):
    """How far a map is spread out: 1 - entropy."""

    axis = "entropy"
    result: Float[Tensor, " n"]

    @property
    def values(self) -> Float[Tensor, " n"]:
        return 1 - self.result

    @property
    def tested(self) -> str:
        return "1 − entropy"

    def rows(self, *, first: int = 0) -> list[Row]:
        return entropy_rows(self.clean, self.result, first=first)

    def parts(self, image: int = 0) -> dict[str, Any]:
        return {"entropy": self.result[image].item()}


@dataclass(frozen=True, eq=False)
class Ladder(Measured):
    """How a map stands up to one kind of noise: SSIM at each level; `result` has the entropies and scores too.

    Attributes:
        result: the first ladder holds the number of the radar, SSIM under salt and pepper on 10 % of the pixels.
        further: whether this is a ladder of another kind of noise, which comes after the five.
        pure: SSIM of each clean map with that of pure noise, the end of every ladder, where it was asked for.
    """

    axis = "noise"
    result: Noise
    further: bool = False
    pure: Float[Tensor, " n"] | None = None

    @property
    def values(self) -> Float[Tensor, " n"]:
        column = self._headline
        return self.result.values[:, column] if column is not None else self.result.clean_entropy * math.nan

    @property
    def tested(self) -> str:
        tested = f"SSIM with the map under {self.result.kind.replace('_', ' ')}"
        return tested if self._headline is None else f"{tested}, {HEADLINE:.0%} of pixels"

    @property
    def _headline(self) -> int | None:
        known = not self.further and self.result.kind == "salt_and_pepper" and HEADLINE in self.result.levels
        return self.result.levels.index(HEADLINE) if known else None

    def rows(self, *, first: int = 0) -> list[Row]:
        return self.result.rows(self.clean.rule, first=first)

    def row(self, image: int = 0) -> Row:
        rows = [row for row in self.rows() if row.image == image]
        return next((row for row in rows if self._headline is not None and row.level == HEADLINE), rows[0])

    def parts(self, image: int = 0) -> dict[str, Any]:
        ssim = self.result.values[image].tolist()
        if self.further:
            return {self.result.kind: ssim if self.pure is None else [*ssim, self.pure[image].item()]}
        ends = ["pure noise"] * (len(ssim) - len(self.result.levels))
        return {"levels": [*self.result.levels, *ends], "ssim": ssim}


@dataclass(frozen=True, eq=False)
class Resilience(Measured):
    """Does the map move with the image? The mean of the means of shifts, flips and quarter turns."""

    axis = "resilience"
    result: Compared

    @property
    def values(self) -> Float[Tensor, " n"]:
        return group_means(self.result).nanmean(1)

    @property
    def tested(self) -> str:
        return "SSIM with the map of the shifted, flipped or turned image, moved back"

    @property
    def missing(self) -> str:
        return NO_TURNS if self.result.missing else ""

    def rows(self, *, first: int = 0) -> list[Row]:
        return resilience_rows(self.result, self.clean.rule, first=first)

    def parts(self, image: int = 0) -> dict[str, Any]:
        return {row.part: row.value for row in self.rows() if row.image == image and row.part}


@dataclass(frozen=True, eq=False)
class Focused(Measured):
    """Is the map about the regions that it marks? Both salient and other regions are blurred away."""

    axis = "focus"
    result: Focus

    @property
    def values(self) -> Float[Tensor, " n"]:
        return self.result.value

    @property
    def tested(self) -> str:
        return "((1 − SSIM without salient regions) + SSIM without the others) / 2, graded blur"

    def rows(self, *, first: int = 0) -> list[Row]:
        return self.result.rows(self.clean.rule, first=first)

    def parts(self, image: int = 0) -> dict[str, Any]:
        ssim = dict(zip(REMOVED, self.result.compared.values[image].tolist(), strict=True))
        salient, other = self.result.change[image].tolist()
        return ssim | {"score_change_salient": salient, "score_change_other": other}


@dataclass(frozen=True, eq=False)
class Stability(Measured):
    """Are the maps of several training runs alike? The mean SSIM over pairs of runs.

    Attributes:
        result: SSIM of each pair of runs; no column for one run.
        degenerate: which maps of the runs are.
        runs: how many there are.
        numbers: of the runs; from 0 where there are none.
    """

    axis = "stability"
    result: Float[Tensor, "n p"]
    degenerate: Bool[Tensor, "n r"]
    numbers: tuple[int, ...] = ()

    @property
    def runs(self) -> int:
        return self.degenerate.shape[1]

    @property
    def values(self) -> Float[Tensor, " n"]:
        return self.result.nanmean(1)

    @property
    def tested(self) -> str:
        return f"mean SSIM over pairs of {self.runs} training runs"

    @property
    def missing(self) -> str:
        return "" if self.available else FEW_RUNS

    @property
    def available(self) -> bool:
        return self.runs > 1

    def rows(self, *, first: int = 0) -> list[Row]:
        size = (self.clean.maps.shape[1], self.clean.maps.shape[2])
        return stability_rows(self.result, self.degenerate, size, self.clean.rule, numbers=self.numbers, first=first)

    def parts(self, image: int = 0) -> dict[str, Any]:
        return {"runs": self.runs}


def measured(
    explain: Explain,
    images: Float[Tensor, "n c h w"],
    clean: Clean | None = None,
    *,
    runs: Sequence[Explain] = (),
    numbers: Sequence[int] = (),
    alone: Explain | None = None,
    axes: Sequence[str] = AXES,
    generators: Seeds = 0,
    rule: str = "fixed",
    targets: Target | None = None,
    kinds: Sequence[str] = NOISES,
    changes: Mapping[str, Change] | None = None,
    levels: Levels = None,
    pure_noise: bool = True,
    per_channel: bool = False,
    exponent: float = 4.0,
    batch: int | None = None,
    step: Step = None,
) -> Iterator[Measured]:
    """Entropy, noise, resilience, focus and stability of a method's maps, then the ladders of further kinds of noise.

    What is not asked for in `axes` is not computed.

    Args:
        explain: the method, on the training run that is measured.
        images: in [0, 1].
        clean: of these images, where it is known; its rule and targets are then those that are meant.
        runs: the method on the other training runs, for stability. Their networks may be on other devices.
        numbers: of the training runs, the measured one first, by which rows name them; from 0 if left out.
        alone: the method on the training run that is measured, as it is on the others, where `explain` is not: gains of
            feature maps mean nothing for another run. The maps of `explain` if left out.
        axes: which of the five.
        generators: seeds or generators of the noise, one an image, or one of which all images get the same noise.
        rule: "fixed": every changed copy, and every run, is explained for the output of the clean image;
            "repredicted": for what is predicted each time.
        targets: where the output is not to be the predicted one: a number, a name, or one an image.
        kinds: of noise, at least one. The first ladder is that of salt and pepper where it is among them.
        changes: functions of images (1 c h w), level and generator that give images in [0, 1], by name.
        levels: of the noise, or of each kind by its name, of blur in pixels; found by `noise_levels` where left out.
        pure_noise: uniform random noise and nothing else as the end of every ladder; it is explained once.
        per_channel: salt and pepper drawn for each channel on its own.
        exponent: of the graded blur.
        batch: images that are explained at a time; found from their size if left out.
        step: called before each batch; may raise to cancel.

    Raises:
        TypeError: no tensors of floating-point numbers, no seeds, numbers or names.
        ValueError: images outside of [0, 1], maps of several sizes, an axis, target, kind, level or other option that
            is not known, targets beside clean maps.
    """
    check_range("images", images)
    if unknown := [axis for axis in axes if axis not in AXES]:
        raise ValueError(f"axes must be of {', '.join(AXES)}, got {unknown[0]!r}.")
    if clean is not None and targets is not None:
        raise ValueError("targets are those of the clean maps where these are given: leave one of the two out.")
    method, others = explainer_of(explain), [explainer_of(run) for run in runs]
    own = explainer_of(alone) if alone is not None and others else None
    ladders = ladders_of(kinds, changes or {}, levels, min(images.shape[-2:]), per_channel=per_channel)
    seeds = _seeds(generators, len(images))

    def ladder(clean: Clean, name: str, pure: Tensor | None, *, further: bool) -> Ladder:
        noise = noise_of(
            method, images, clean, generators=seeds, kind=(changes or {}).get(name, name), levels=ladders[name],
            per_channel=per_channel and name == "salt_and_pepper", pure_noise=pure_noise and not further, batch=batch,
            step=step,
        )  # fmt: skip
        return Ladder(clean, noise._replace(kind=name), further, pure)

    def each(clean: Clean) -> Iterator[Measured]:
        if "entropy" in axes:
            yield Entropy(clean, entropy(clean.maps))
        maps = None  # of the runs, before the long work: their sizes may differ
        if "stability" in axes:
            maps = _maps_of_runs(clean, own, others, images, batch, step)
        first, *more = sorted(ladders, key=lambda name: name != "salt_and_pepper")
        noise = ladder(clean, first, None, further=False) if "noise" in axes else None
        if noise is not None:
            yield noise
        if "resilience" in axes:
            yield Resilience(clean, resilience_of(method, images, clean, batch=batch, step=step))
        if "focus" in axes:
            yield Focused(clean, focus_of(method, images, clean, exponent=exponent, batch=batch, step=step))
        if maps is not None:
            yield Stability(clean, pair_similarity(maps), degenerate_runs(maps), tuple(numbers))
        if noise is None:
            return
        for name in more:
            yield ladder(clean, name, noise.result.values[:, -1] if pure_noise else None, further=True)

    if clean is None:
        clean = clean_of(method, images, rule=rule, targets=targets, batch=batch, step=step)
    return each(clean.beside(images))


def _maps_of_runs(
    clean: Clean, own: Method | None, others: Sequence[Method], images: Tensor, batch: int | None, step: Step
) -> Float[Tensor, "r n h w"]:
    maps = [clean.maps] if own is None else []
    methods = others if own is None else [own, *others]
    maps += [explained(method, images, clean.targets, batch=batch, step=step).maps for method in methods]
    sizes = dict.fromkeys(tuple(some.shape[1:]) for some in maps)
    if len(sizes) > 1:
        raise ValueError(f"all runs must have maps of one size, got {' and '.join(f'{h} x {w}' for h, w in sizes)}.")
    return torch.stack([some.to(clean.maps) for some in maps])


def _seeds(generators: Seeds, images: int) -> list[int]:
    """A whole number for each image, from which the noise of every kind starts."""
    if isinstance(generators, int | torch.Generator):
        return [seed_of(generators)] * images
    given = generators.tolist() if isinstance(generators, Tensor) else generators
    count = len(given) if hasattr(given, "__len__") else given
    if count != images:
        raise ValueError(f"seeds must be one an image, so that no noise depends on the order; got {count}.")
    return [seed_of(seed) for seed in given]
