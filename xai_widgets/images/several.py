"""Several labels of one image: as a list, or as text with ";" or "|" between them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

BETWEEN = re.compile(r"([;|])")


def is_several(value: Any) -> bool:
    """Whether a label is a list, tuple, set or array of labels; an empty one says that no label holds."""
    return isinstance(value, list | tuple | set | frozenset) or getattr(value, "ndim", 0) == 1


def texts_of(values: Any) -> tuple[str, ...] | None:
    """Labels as text, in their order; None for what is no list of names or whole numbers that differ.

    A row of zeros and ones is none: it would be read as the numbers of classes.
    """
    given = sorted(values, key=str) if isinstance(values, set | frozenset) else list(values)
    given = [value.item() if getattr(value, "ndim", None) == 0 else value for value in given]
    texts = [str(value).strip() for value in given if _is_label(value)]
    return tuple(texts) if len(set(texts)) == len(given) and all(texts) else None


def parts_of(text: str, classes: Sequence[str], *, always: bool) -> tuple[str, ...]:
    """The labels that a text names; a class whose own name holds ";" or "|" stays whole.

    Args:
        classes: names that are known, compared in any case.
        always: whether parts may be other names too; else a text is parted where all parts are known.
    """
    if not BETWEEN.search(text):
        return (text,)
    known = {name.strip().casefold() for name in classes}
    if text.strip().casefold() in known:
        return (text,)
    pieces = BETWEEN.split(text)  # texts and what is between them, in turn
    longest = max((len(BETWEEN.findall(name)) for name in classes), default=0)
    found, at = [], 0
    while at < len(pieces):
        ends = range(min(len(pieces), at + 1 + 2 * longest), at, -2)
        fits = (end for end in ends if "".join(pieces[at:end]).strip().casefold() in known)
        end = next(fits, at + 1)
        found.append("".join(pieces[at:end]).strip())
        at = end + 1
    parts = tuple(dict.fromkeys(part for part in found if part))
    return parts if always or all(part.casefold() in known for part in parts) else (text,)


def _is_label(value: Any) -> bool:
    return isinstance(value, str | int | np.integer) and not isinstance(value, bool)
