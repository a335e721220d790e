"""How numbers are written: minus signs, arrows, decimals."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping


def minus(text: str) -> str:
    """With true minus signs, so that columns line up."""
    return text.replace("-", "−")


def signs(text: str) -> str:
    """A text with true minus signs before its numbers; hyphens of words stay."""
    return re.sub(r"(?<!\w)-(?=\.?\d)", "−", text)


def fixed(value: float, decimals: int, *, sign: bool = False) -> str:
    """A number with so many decimals; no minus before zero."""
    text = f"{value:+.{decimals}f}" if sign else f"{value:.{decimals}f}"
    return minus(text) if float(text) else f"{0:.{decimals}f}"


def short(value: float, *, sign: bool = False) -> str:
    """A number with three digits."""
    return minus(f"{value:+.3g}" if sign else f"{value:.3g}")


def arrow(base: float, value: float, changed: bool, decimals: int) -> str:
    """From what it was to what it is; what it is alone where nothing changed."""
    now = fixed(value, decimals)
    return f"{fixed(base, decimals)} → {now}" if changed else now


def rated(rating: str, spread: str | None, raters: int | None) -> str:
    """A rating with its standard deviation between raters and how many these are: "62 ± 11 (n = 24)"."""
    return rating + (f" ± {spread}" if spread else "") + (f" (n = {raters:,})" if raters else "")


def split_words(split: str | None) -> str:
    """To which part of the data an image belongs; what a network was trained on is said as that."""
    return {None: "", "train": "trained on (train split)"}.get(split, f"{split} split")


def decimals_of(low: float, high: float) -> int:
    """How many decimals tell a thousandth of a range."""
    return min(max(3 - math.floor(math.log10(max(high - low, 1e-6))), 0), 6)


def sentence(text: str) -> str:
    """One line that begins with a capital and ends with a full stop; nothing stays nothing."""
    text = " ".join(text.split())
    if not text:
        return ""
    return text[0].upper() + text[1:] + ("" if text[-1] in ".?!" else ".")


def doing(busy: str, progress: float | None) -> str:
    """What is being done: with its share, where it does not count what is done already."""
    if not busy:
        return "ready"
    counts = re.search(r"\d+ of \d+", busy)
    return busy if progress is None or counts else f"{busy} {round(100 * min(max(progress, 0), 1))} %"


def named(index: int, names: Mapping[int, str]) -> str:
    """A feature map: the name that the reader gave it with its number, or its number alone."""
    return f"{names[index]} ({index})" if names.get(index) else f"{index}"
