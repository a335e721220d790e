"""The text of a table, whatever computer wrote it."""

from __future__ import annotations

import codecs
from collections.abc import Callable

_MARKS = {  # byte-order marks; that of UTF-32 begins like that of UTF-16
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
# Tried for what is not UTF-8: Western Windows first, unless another one gives the names of files that exist.
_OTHERS = ("cp1252", "mac_roman", "cp850", "cp1250", "cp1251", "cp932", "gb18030", "latin-1")
_PROBE = 4096  # bytes


def decoded(
    data: bytes, name: str, encoding: str | None = None, fits: Callable[[str], int] = lambda text: 0
) -> tuple[str, str]:
    """The text, and the encoding that was taken.

    Args:
        name: what sentences call it.
        fits: how many names of a text are those of files; it decides between encodings that all are possible.

    Raises:
        ValueError: it is no text, or not in the encoding that was asked for.
    """
    if encoding is not None:
        return _asked(data, name, encoding), encoding
    known = next((code for mark, code in _MARKS.items() if data.startswith(mark)), None) or _without_mark(data)
    if known is None and b"\0" in data[:_PROBE]:
        raise ValueError(f"{name} must be text, such as a CSV file, got bytes that are none.")
    if known is not None:
        return _asked(data, name, known), known
    try:
        return data.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        pass
    texts = {code: text for code in _OTHERS if (text := _tried(data, code)) is not None}
    best = max(texts, key=lambda code: fits(texts[code]))  # the first of those that fit alike
    return texts[best], best


def _without_mark(data: bytes) -> str | None:
    """UTF-16 without a mark: of plain letters every second byte is 0."""
    probe = data[:_PROBE]
    even, odd = probe[::2].count(0), probe[1::2].count(0)
    if max(even, odd) * 4 > len(probe) > 1 and min(even, odd) * 20 <= len(probe):
        return "utf-16-le" if odd > even else "utf-16-be"
    return None


def _asked(data: bytes, name: str, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except LookupError:
        raise ValueError(f"encoding must be one that Python knows, such as 'cp1252', got {encoding!r}.") from None
    except UnicodeError as error:
        reason = getattr(error, "reason", error)
        raise ValueError(f"{name} must be text in {encoding}, got other bytes ({reason}).") from None


def _tried(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)
    except UnicodeError:
        return None
