"""Which side of a signed map is meant where a measure takes maps without negative values."""

from __future__ import annotations

from torch import Tensor

from xai_widgets.engine.options import Option

SIDES = ("positive", "absolute", "negative")
SIDE = Option("side", "part of a signed map", "positive", SIDES)
IN_WORDS = {"positive": "cut at 0", "absolute": "absolute value", "negative": "negative part"}
ONE_SIDED = "no values below 0"
NO_NEGATIVE = "the map has no values below 0, and so no negative part; choose another part of it"


def in_words(side: str, *, one_sided: bool) -> str:
    """What of the map is measured; of one without values below 0 its absolute value is what is cut at 0."""
    return f"{ONE_SIDED}, so that cut at 0 and absolute value are the same" if one_sided else IN_WORDS[side]


def one_sided(signed: Tensor, side: str) -> Tensor:
    """The positive part, the absolute value, or the size of the negative part."""
    if side == "absolute":
        return signed.abs()
    return (-signed if side == "negative" else signed).clamp_min(0)
