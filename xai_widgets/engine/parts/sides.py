"""Which side of a signed map is meant where a measure takes maps without negative values."""

from __future__ import annotations

from torch import Tensor

from xai_widgets.engine.options import Option

SIDES = ("positive", "absolute", "negative")
SIDE = Option("side", "side of a signed map", "positive", SIDES)
IN_WORDS = {"positive": "cut at 0", "absolute": "absolute value", "negative": "negative part"}


def one_sided(signed: Tensor, side: str) -> Tensor:
    """The positive part, the absolute value, or the size of the negative part."""
    if side == "absolute":
        return signed.abs()
    return (-signed if side == "negative" else signed).clamp_min(0)
