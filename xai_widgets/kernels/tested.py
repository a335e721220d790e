"""What a receipt says: what was taken away, what that changed, and what as much at random changes."""

from __future__ import annotations

import math
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor


class Tested(NamedTuple):
    """What was taken away.

    Attributes:
        kind: "places" (of all maps) or "maps" (everywhere).
        taken: how many of them, as in each random choice.
        of: how many there are.
        asked: how many were asked for: more than were taken where equal values do not fit, or too few are above 0.
        share: that was asked for, of places; None for maps.
        absolute: both sides of a signed map were meant, by their size.
        maps: that were named; none for places.
        layer: by name.
        baseline: what they became, in words.
        target: the output that was read.
        tolerance: by how much rounding moves the score.
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
    """The change of the score, beside those of random choices of equal size.

    Attributes:
        change: where the picture points.
        random: of each random choice.
        mean: of the random choices.
        low: 95 % of the random choices lie from here (their 2.5 % quantile) ...
        high: ... to here. A change within is an ordinary one, however many draws there are.
        mean_low: 95 % bootstrap interval of the mean alone, from here ...
        mean_high: ... to here. It shrinks as draws grow, and says nothing of whether a change is ordinary.
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
        return len(self.random)

    @property
    def beats(self) -> float:
        """The share of random choices that move the score less, by more than rounding; NaN if any has no value."""
        if math.isnan(self.change) or bool(self.random.isnan().any()):
            return math.nan
        return float((self.random.abs() < abs(self.change) - self.tested.tolerance).double().mean())

    @property
    def text(self) -> str:
        """One line for under a picture."""
        tested = self.tested
        if tested.share is not None:
            values = "largest absolute values" if tested.absolute else "largest values"
            what = f"the {tested.taken} of {tested.of} places with the {values} ({100 * tested.share:.3g} %)"
            if tested.taken < tested.asked:
                what = (
                    f"the {tested.taken} of {tested.of} places with the {values} ({tested.asked} asked for, without "
                    "values that are equal and do not fit, or not above 0)"
                )
        else:
            what = f"map{'s' * (tested.taken > 1)} {', '.join(map(str, tested.maps))} of {tested.of}"
        return (
            f"Setting {what} at layer {tested.layer!r} to {tested.baseline} changes output {tested.target} by "
            f"{self.change:.4g}; {self.draws} random choices of as many change it by {self.mean:.4g} on average, "
            f"95 % of them by {self.low:.4g} to {self.high:.4g}, and {100 * self.beats:.3g} % of them move it less."
        )
