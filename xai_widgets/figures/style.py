"""How figures look: matplotlib's settings for as long as one is drawn, text that cannot break it, fixed inks."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import matplotlib
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

MM = 1 / 25.4  # inches
INK, FAINT, LINE = "#212121", "#616161", "#d5d5d5"
SIZE, SMALL = 7.0, 6.0  # points
PAD_MM = 1.0
FONTS = ("font.family", "font.sans-serif", "font.serif", "font.monospace")
SETTINGS = {
    "font.size": SIZE,
    "text.color": INK,
    "text.parse_math": False,  # a file name may hold "$"
    "text.hinting": "none",  # as wide at each resolution as it is measured
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "axes.linewidth": 0.6,
    "axes.titlesize": SIZE,
    "axes.titlepad": 3.0,
    "axes.labelpad": 2.0,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.0,
    "ytick.major.size": 2.0,
    "legend.frameon": False,
    "pdf.fonttype": 42,  # TrueType: text that a journal can edit and a reader can search
    "svg.fonttype": "none",  # text as text
    "svg.hashsalt": "xai_widgets",  # the same scene gives the same bytes
}
_lock = threading.RLock()


@dataclass(frozen=True)
class Plan:
    """What was asked of a figure.

    Attributes:
        width_mm: of the whole figure.
        dpi: pixels an inch, of a PNG and of photos.
        interpolation: of a map: "native", "bilinear" or "bicubic".
        caption: whether heading and caption are drawn.
        vector: whether the file keeps images at their own size.
    """

    width_mm: float = 180.0
    dpi: float = 300.0
    interpolation: str = "native"
    caption: bool = True
    vector: bool = False


@contextmanager
def settings() -> Iterator[None]:
    """Matplotlib with its own defaults, the reader's fonts and our sizes; the reader's settings come back afterwards.

    They are global, so two figures are drawn one after the other.
    """
    with _lock:
        present: Any = matplotlib.rcParams
        default = {name: value for name, value in matplotlib.rcParamsDefault.items() if not name.startswith("backend")}
        mine: dict[Any, Any] = {**default, **SETTINGS, **{name: present[name] for name in FONTS}}
        with matplotlib.rc_context(mine):
            # A character that the font lacks is drawn as a box. Only warnings that come through here are meant.
            warnings.filterwarnings("ignore", r"Glyph \d+", UserWarning, r"xai_widgets\.figures")
            yield


def printable(text: str) -> str:
    """Text without what no file format can hold: control characters and halves of a character."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", " ")
    return "".join("\ufffd" if _is_broken(character) else character for character in text)


def _is_broken(character: str) -> bool:
    code = ord(character)
    control = code < 0x20 or 0x7F <= code < 0xA0
    return (control and character != "\n") or 0xD800 <= code < 0xE000 or code & 0xFFFE == 0xFFFE


def one_line(text: str) -> str:
    """A name in one line."""
    return " ".join(printable(text).split())


def width_of(text: str, size: float = SIZE) -> float:
    """How wide a line is, in mm."""
    font: Any = matplotlib.rcParams
    return _measured(text, size, *(tuple(font[name]) for name in FONTS))


@lru_cache(maxsize=4096)
def _measured(text: str, size: float, *fonts: tuple[str, ...]) -> float:
    """The same, remembered by the reader's fonts: a line is measured again and again while it is fitted."""
    width, _, _ = text_to_path.get_text_width_height_descent(text, FontProperties(size=size), False)
    return float(width) / 72 / MM


def wrapped(text: str, width_mm: float, size: float = SIZE) -> str:
    """Text in lines of this width; words that are longer than a line are cut.

    Matplotlib wraps too, but reads "$" as mathematics when it measures, and lets long file names run off the page.
    """
    lines: list[str] = []
    for paragraph in printable(text).split("\n"):
        line = ""
        for word in paragraph.split():
            longer = f"{line} {word}".strip()
            if width_of(longer, size) <= width_mm:
                line = longer
                continue
            lines += [line] if line else []
            *full, line = _cut(word, width_mm, size)
            lines += full
        lines.append(line)
    return "\n".join(lines).strip("\n")


def shortened(text: str, width_mm: float, lines: int, size: float = SIZE) -> str:
    """Text in at most so many lines of this width; what is left out is marked, and stands in the file's metadata."""
    kept = wrapped(text, width_mm, size).split("\n")
    if len(kept) > lines:
        kept = [*kept[: lines - 1], f"{kept[lines - 1][:-1]}…"]
    return "\n".join(kept)


def middled(text: str, width_mm: float, lines: int, size: float = SIZE) -> str:
    """A name in at most so many lines of this width, without its middle where it is too long: ends tell names apart."""
    name = one_line(text)
    whole = wrapped(name, width_mm, size)
    if whole.count("\n") < lines:
        return whole
    least, most = 1, len(name) - 1  # characters that are kept; the least is taken as it is
    while least < most:
        kept = (least + most + 1) // 2
        fits = wrapped(_without_middle(name, kept), width_mm, size).count("\n") < lines
        least, most = (kept, most) if fits else (least, kept - 1)
    return wrapped(_without_middle(name, least), width_mm, size)


def _without_middle(name: str, kept: int) -> str:
    return f"{name[: kept - kept // 2]}…{name[len(name) - kept // 2 :]}"


def line_mm(size: float) -> float:
    """How high a line of words is, with what separates it from the next."""
    return 1.3 * size / 72 / MM


def _cut(word: str, width_mm: float, size: float) -> list[str]:
    """A word in pieces that fit."""
    pieces = []
    while len(word) > 1 and width_of(word, size) > width_mm:
        fitting = max(int(len(word) * width_mm / width_of(word, size)), 1)
        while fitting > 1 and width_of(word[:fitting], size) > width_mm:
            fitting -= 1
        pieces.append(word[:fitting])
        word = word[fitting:]
    return [*pieces, word]


def number(value: float, *, signed: bool = True) -> str:
    """Three digits, with a minus sign that is one."""
    return f"{value:+.3g}".replace("-", "−") if signed and value else f"{value:.3g}".replace("-", "−")


def sentences(parts: Iterable[str]) -> list[str]:
    """Lines as sentences: each ends with a full stop."""
    lines = [line.strip() for part in parts for line in printable(part).splitlines()]
    return [line if line[-1] in ".!?…" else f"{line}." for line in lines if line]
