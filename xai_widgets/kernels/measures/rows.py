"""What is kept of a comparison of maps, and the rows of a table that it becomes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from jaxtyping import Bool, Float
from torch import Tensor


class Row(NamedTuple):
    """One value of one image, and what it is the value of.

    Attributes:
        image: Its number among the images.
        measure: entropy, noise, resilience, focus or stability.
        part: What was done to the image: a kind of noise, "pure_noise", shifts, flips, turns, salient_removed,
            other_removed; empty for a measure as a whole, as the radar shows it, but for the entropy itself.
        level: Of noise, of blur a sigma in pixels of the image, 0 for the clean image; None for everything else.
        value: NaN where it is not defined.
        height: Rows of the maps as they were compared.
        width: Columns of them.
        target: "fixed" (the output of the clean image) or "repredicted" (the one predicted for each changed image).
        maps: How many maps the value is made of.
        degenerate: How many of them have no structure (zero, constant, or not finite); a clean map counts once.
        left_out: How many comparisons are not in the mean.
        quantity: What the value is: ssim, entropy, score (of the target), score_change, or focus.
        note: What a reader must know of the value; mostly empty.
    """

    image: int
    measure: str
    part: str
    level: float | None
    value: float
    height: int
    width: int
    target: str
    maps: int
    degenerate: int
    left_out: int
    quantity: str = "ssim"
    note: str = ""


class Compared(NamedTuple):
    """SSIM of the clean map of n images with s changed ones, which of these maps are degenerate, and their size.

    Attributes:
        values: NaN where it is not defined.
        degenerate_clean: Which clean maps are degenerate: zero, constant, or not finite.
        degenerate: Which of the others are.
        size: Rows and columns as they were compared.
        missing: Columns of changes that these images do not have; their values are NaN.
    """

    values: Float[Tensor, "n s"]
    degenerate_clean: Bool[Tensor, " n"]
    degenerate: Bool[Tensor, "n s"]
    size: tuple[int, int]
    missing: tuple[int, ...] = ()

    def rows(
        self,
        measure: str,
        target: str,
        parts: Sequence[tuple[str, float | None, slice]],
        *,
        first: int = 0,
    ) -> list[Row]:
        """A row for each image and part: the mean over the part's columns, those without a value left out.

        Args:
            measure: Of what.
            target: The rule.
            parts: Names, levels and columns.
            first: The number of the first image.
        """
        values, clean = self.values.tolist(), self.degenerate_clean.tolist()
        changed = self.degenerate.tolist()
        made = [column not in self.missing for column in range(self.values.shape[1])]
        rows = []
        for index in range(len(values)):
            for part, level, columns in parts:
                mean, left_out = mean_of(values[index][columns])
                bad = [some for some, known in zip(changed[index][columns], made[columns], strict=True) if known]
                maps, degenerate = (1 + len(bad), clean[index] + sum(bad)) if bad else (0, 0)
                named = first + index, measure, part, level, mean, *self.size, target
                rows.append(Row(*named, maps, degenerate, left_out))
        return rows


def mean_of(values: Sequence[float]) -> tuple[float, int]:
    """The mean without NaN, NaN where none is left, and how many were left out."""
    defined = [value for value in values if not math.isnan(value)]
    return sum(defined) / len(defined) if defined else math.nan, len(values) - len(defined)
