"""One panel of a grid: its picture, the words beneath it, and a small legend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from matplotlib.axes import Axes

from xai_widgets.figures.layout import inset, write
from xai_widgets.figures.legends import depth, is_positive, meaning, paint_bar, palette_of
from xai_widgets.figures.over import Over
from xai_widgets.figures.stage import NOTHING, paint_map
from xai_widgets.figures.stage_words import score
from xai_widgets.figures.style import (
    FAINT,
    INK,
    LINE,
    Plan,
    line_mm,
    middled,
    number,
    one_line,
    shortened,
    width_of,
)  # fmt: skip
from xai_widgets.scenes import Grid, Stage

LETTER_MM = 3.4  # what a letter takes above its picture
BAR_MM, SQUARE_MM = 1.6, 6.0  # heights of a small legend with one dimension, and with two
EMPTY = 0.75  # height over width of a frame without a photo
TITLE_LINES, SCORE_LINES, WHY_LINES, END_LINES = 2, 3, 6, 3


@dataclass(frozen=True)
class Key:
    """A small legend.

    Attributes:
        panel: whose colours it explains.
        width: in mm.
        words: whether it says what both ends mean, and the unit.
        note: a further line.
    """

    panel: Stage
    width: float
    words: bool = True
    note: str = ""


@dataclass(frozen=True)
class Cell:
    """What stands in a panel.

    Attributes:
        panel: the scene.
        wide: the picture, in mm.
        high: likewise.
        words: beneath it, with their colours.
        key: a legend of its own, if it has one.
        over: what lies over it.
    """

    panel: Stage
    wide: float
    high: float
    words: tuple[tuple[str, str], ...]
    key: Key | None
    over: Over = NOTHING

    @property
    def lines(self) -> int:
        """How many lines of words there are."""
        return sum(text.count("\n") + 1 for text, _ in self.words)

    def paint(self, axes: Axes, plan: Plan) -> None:
        """The map over its photo, or an empty frame."""
        if self.panel.photo is not None:
            paint_map(axes, self.panel, plan, self.wide, self.over)
            return
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_color(LINE)


def has_colours(panel: Stage) -> bool:
    """Whether a map is shown."""
    return panel.map is not None and not panel.map.degenerate


def why_no_map(panel: Stage) -> str:
    """Why a panel shows no map, in a sentence; empty where it does."""
    if panel.map is not None:
        return one_line(panel.map.degenerate)
    return one_line(panel.error or panel.pending or "No map yet.")


def colours_of(panels: Sequence[Stage], over: Sequence[Over] = ()) -> tuple[Key | None, str]:
    """The legend that all panels share; else what the colours of all mean, where only the scale differs.

    Args:
        over: what lies over each: one that shows a difference has a legend of its own.
    """
    apart = [place for place, one in enumerate(over) if one.minus]
    shown = [panel for place, panel in enumerate(panels) if has_colours(panel) and place not in apart]
    if len({_meaning(panel) for panel in shown}) != 1 or (apart and len(shown) == 1):
        return None, ""
    if len({panel.map.limit for panel in shown if panel.map}) == 1:
        which = "all other panels" if apart else "all panels"
        return Key(shown[0], 0.0, note=f"same scale in {which}" if len(shown) > 1 else ""), ""
    return None, f"{meaning(shown[0], scale=False)}. Each panel has its own scale."


def _meaning(panel: Stage) -> tuple[Any, ...]:
    """What is to be the same in panels of one legend, but for the scale."""
    layer = panel.map
    assert layer is not None
    positive = is_positive(layer, panel.look)
    low = "" if positive else layer.low
    return palette_of(panel), positive, low, layer.high, layer.unit, layer.strength is None, layer.strength_words


def cell_of(
    panel: Stage, title: str, width: float, tall: float, size: float, *, key: bool, meaning: bool, mark: str = ""
) -> Cell:
    """A panel this wide with a picture at most so high.

    Args:
        title: what sets it apart beyond its headings.
        mark: what it shows beyond its own map.
        size: of the words, in points.
        key: whether it has a legend of its own.
        meaning: whether that legend says what the colours mean.
    """
    shape = (EMPTY, 1.0) if panel.photo is None else panel.photo.shape
    wide = min(width, tall * shape[1] / shape[0])
    words = [
        (middled(one_line(title), width, TITLE_LINES, size), INK),
        (shortened(mark, width, TITLE_LINES, size), INK),
        (middled(score(panel), width, SCORE_LINES, size), FAINT),
        (shortened(why_no_map(panel), width, WHY_LINES, size), INK),
    ]
    own = Key(panel, width, words=meaning) if key and has_colours(panel) else None
    return Cell(panel, wide, wide * shape[0] / shape[1], tuple(pair for pair in words if pair[0]), own)


def references(scene: Grid) -> list[Stage]:
    """The first panel of each image whose undistorted photo is shown."""
    found: dict[str, Stage] = {}
    for panel in scene.panels:
        if panel.reference is not None:
            found.setdefault(panel.name, panel)
    return list(found.values())


def reference_of(panel: Stage, width: float, tall: float, size: float) -> Cell:
    """The undistorted photo of a panel, this wide and at most so high."""
    alone = replace(panel, photo=panel.reference, map=None, secondary=None)
    cell = cell_of(alone, "", width, tall, size, key=False, meaning=False)
    words = middled(f"reference of {one_line(panel.name)}", width, TITLE_LINES, size)
    return replace(cell, words=((words, INK),))


# ---------------------------------------------------------------------- legends


def key_height(key: Key, size: float) -> float:
    """In mm, with what separates it from words above."""
    return 0.5 + _bar_mm(key) + line_mm(size) * (1 + sum(lines for *_, lines in _key_words(key, size)))


def paint_key(host: Axes, key: Key, at: tuple[float, float, float], size: float) -> None:
    """The colours, numbers at both ends and at zero, what the ends mean.

    Args:
        host: axes in mm.
        at: left and upper edge, and width.
    """
    left, top, width = at
    layer, bar = key.panel.map, _bar_mm(key)
    assert layer is not None
    top += 0.5
    axes = inset(host, left, top, width, bar)
    paint_bar(axes, layer, key.panel.look)
    axes.set_xticks([])  # the numbers stand beneath, where they fit
    y = top + bar + 0.4
    for text, share, side in _numbers(key, size):
        write(host, text, left + share * width, y, size, ha=side)
    y += line_mm(size)
    for text, side, lines in _key_words(key, size):
        x = left if side == "left" else left + width
        write(host, text, x, y, size, ha=side, multialignment=side)
        y += lines * line_mm(size)


def _bar_mm(key: Key) -> float:
    assert key.panel.map is not None
    return BAR_MM if key.panel.map.strength is None else SQUARE_MM


def _numbers(key: Key, size: float) -> list[tuple[str, float, str]]:
    """Numbers, where they stand as shares of the bar, and how; those that have no room are left out."""
    layer = key.panel.map
    assert layer is not None
    room = key.width - 1.0
    high = number(layer.limit)
    if is_positive(layer, key.panel.look):
        both = [("0", 0.0, "left"), (high, 1.0, "right")]
        return both if width_of(f"0{high}", size) < room else [(high, 1.0, "right")]
    low = number(-layer.limit)
    ends = [(low, 0.0, "left"), (high, 1.0, "right")]
    if 2 * max(width_of(low, size), width_of(high, size)) + width_of("0", size) + 1.0 < room:
        return [ends[0], ("0", 0.5, "center"), ends[1]]
    if width_of(low + high, size) < room:
        return ends
    return [(f"±{number(layer.limit, signed=False)}", 0.5, "center")]


def _key_words(key: Key, size: float) -> list[tuple[str, str, int]]:
    """Lines beneath the numbers, on which side each stands, and by how many lines the next one is lower."""
    layer = key.panel.map
    assert layer is not None
    if not key.words:
        return []
    low = "" if is_positive(layer, key.panel.look) else one_line(layer.low)
    high = one_line(layer.high)
    if low and width_of(low, size) + width_of(high, size) + 2.0 < key.width:
        ends = [(low, "left", 0), (high, "right", 1)]
    else:
        ends = [(_end(f"← {low}", key, size), "left", 0)] if low else []
        ends += [(_end(f"{high} →" if low else high, key, size), "right", 0)]
        ends = [(text, side, _lines(text)) for text, side, _ in ends]
    further = (layer.unit, "" if layer.strength is None else depth(layer), key.note)
    text = shortened(" · ".join(filter(None, map(one_line, further))), key.width, END_LINES, size)
    return [*ends, (text, "left", _lines(text))] if text else ends


def _end(text: str, key: Key, size: float) -> str:
    return shortened(text, key.width, END_LINES, size)


def _lines(text: str) -> int:
    return text.count("\n") + 1
