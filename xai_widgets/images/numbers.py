"""Numbers as people write them: 0.75, 0,75, 1.234,5, 1,234.5, 1 234,5."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_SPACES = " '\u2019\u00a0\u202f\u2009"  # between groups of three digits
_GROUPED = re.compile(rf"(?<=\d)[{_SPACES}](?=\d{{3}}(?!\d))")
_NUMBER = re.compile(r"[+-]?(?:\d[\d.,]*|[.,]\d+)(?:[eE][+-]?\d+)?")
_WHOLE = {mark: re.compile(rf"[+-]?\d{{1,3}}(?:\{mark}\d{{3}})+") for mark in ".,"}
MARKS = (".", ",")
MISSING = ("", "n/a", "na", "nan", "<na>", "#n/a", "nat", "null", "none", "-", "--", "?")  # in small letters


def mark_of(texts: Iterable[str], otherwise: str = "") -> str:
    """The decimal mark of a column: "." or ","; "?" where both occur; `otherwise` where nothing shows which.

    A mark with other than three digits after it, or with a zero before it, is a decimal one; and so is the last of two
    different ones. A mark that stands twice separates thousands.
    """
    shown = {_shown_by(text) for text in map(_bare, texts)} - {""}
    return shown.pop() if len(shown) == 1 else ("?" if shown else otherwise)


def plain(text: str, mark: str) -> str:
    """A number with a point as its decimal mark, and no thousands; any other text as it is."""
    bare = _bare(text)
    if not _NUMBER.fullmatch(bare):
        return text
    mark = _shown_by(bare) if mark == "?" else mark
    if mark not in MARKS:
        return bare if not set(MARKS) & set(bare) else text
    other = "," if mark == "." else "."
    whole, _, rest = bare.partition(mark)
    if mark in rest or other in rest or (other in whole and not _WHOLE[other].fullmatch(whole)):
        return text
    number = whole.replace(other, "") + (f".{rest}" if rest else "")
    return number


def in_plain(column: Sequence[str], mark: str) -> list[str]:
    """A whole column."""
    return [plain(text, mark) for text in column]


def is_number(text: str) -> bool:
    """Whether Python reads it."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def _bare(text: str) -> str:
    return _GROUPED.sub("", text.strip()).replace("\u2212", "-")


def _shown_by(bare: str) -> str:
    """The decimal mark that a text shows; "" for none."""
    if not _NUMBER.fullmatch(bare):
        return ""
    digits = re.split("[eE]", bare)[0].lstrip("+-")
    counts = {mark: digits.count(mark) for mark in MARKS}
    if all(counts.values()):
        last = max(MARKS, key=digits.rfind)
        return last if counts[last] == 1 else ""
    for mark, other in (MARKS, MARKS[::-1]):
        if counts[mark] > 1:
            return other if _WHOLE[mark].fullmatch(digits) else ""
        if counts[mark] == 1:
            whole, _, rest = digits.partition(mark)
            grouped = len(rest) == 3 and 1 <= len(whole) <= 3 and not whole.startswith("0")
            return "" if grouped else mark
    return ""
