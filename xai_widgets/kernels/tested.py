"""What a receipt says: what was taken away, how that changed the score, and how random choices change it."""

from __future__ import annotations

import math
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor


class Tested(NamedTuple):
    """What was taken away.

    Attributes:
        kind: "places" (positions, of all feature maps) or "maps" (feature maps, everywhere).
        taken: how many, in each random choice too.
        of: how many there are.
        asked: how many were asked for: more than were taken where equal values do not fit, or too few are above 0.
        share: the share of the positions that was asked for; None for maps.
        absolute: the largest absolute values were taken, of both signs.
        maps: the maps that were named; none for positions.
        layer: by name.
        baseline: what they became, in words.
        target: the output whose change is told.
        tolerance: how far rounding moves the score.
    """

    kind: str
    taken: int
    of: int
    asked: int
    share: float | None
    absolute: bool
    maps: tuple[int, ...]
    layer: str
    baseline: str
    target: int
    tolerance: float


class Receipt(NamedTuple):
    """The change of the score, beside the changes of random choices of equal size.

    Attributes:
        change: of what the map points at.
        random: of each random choice.
        mean: of the random choices.
        low: their 2.5 % quantile. A change from `low` to `high` is as random ones are, however many draws there are.
        high: their 97.5 % quantile.
        mean_low: the lower end of the 95 % bootstrap interval of the mean. The interval shrinks with more draws, and
            does not say whether a change is as random ones are.
        mean_high: its upper end.
        tested: what was taken away.
    """

    change: float
    random: Float[Tensor, " r"]
    mean: float
    low: float
    high: float
    mean_low: float
    mean_high: float
    tested: Tested

    @property
    def draws(self) -> int:
        """The number of random choices."""
        return len(self.random)

    @property
    def beats(self) -> float:
        """The share of random choices that move the score less, by more than rounding; NaN where a change is NaN."""
        if math.isnan(self.change) or bool(self.random.isnan().any()):
            return math.nan
        return float((self.random.abs() < abs(self.change) - self.tested.tolerance).double().mean())

    @property
    def text(self) -> str:
        """One sentence, for a caption."""
        tested = self.tested
        if tested.share is not None:
            values = "largest absolute values" if tested.absolute else "largest values"
            what = f"the {tested.taken} of {tested.of} positions with the {values} ({100 * tested.share:.3g} %)"
            if tested.taken < tested.asked:
                what = (
                    f"the {tested.taken} of {tested.of} positions with the {values} ({tested.asked} asked for, "
                    "without values that are equal and do not fit, or not above 0)"
                )
        else:
            what = f"map{'s' * (tested.taken > 1)} {', '.join(map(str, tested.maps))} of {tested.of}"
        return (
            f"Setting {what} at layer {tested.layer!r} to {tested.baseline} changes output {tested.target} by "
            f"{self.change:.4g}; {self.draws} random choices of as many change it by {self.mean:.4g} on average, "
            f"95 % of them by {self.low:.4g} to {self.high:.4g}, and {100 * self.beats:.3g} % of them move it less."
        )
