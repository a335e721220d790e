"""Rows of axes in a figure of given width, as high as they need; matplotlib places everything in them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure, SubFigure
from matplotlib.gridspec import GridSpec, SubplotSpec
from matplotlib.layout_engine import ConstrainedLayoutEngine

from xai_widgets.figures.style import FAINT, MM, PAD_MM, SIZE, Plan, shortened

Canvas = Figure | SubFigure
TALLEST_MM = 190.0  # a row, so that a page holds it with its caption
TALL_MM = 600.0  # a first height: the rows are then taken at their own
LAYOUT_DPI = 100.0  # text is as wide at each resolution, so that no large picture is needed to place it
HEADING_LINES, CAPTION_LINES = 8, 60


@dataclass
class Rows:
    """The rows that a scene is drawn in: a part of the grid each, and how high it is for its width.

    Attributes:
        grid: has as many rows as there are heights.
        axes: the first of each row.
        heights: of each row in mm, for its width in mm.
    """

    grid: GridSpec
    axes: list[Axes] = field(default_factory=list)
    heights: list[Callable[[float], float]] = field(default_factory=list)

    def add(self, axes: Axes, height: Callable[[float], float]) -> Axes:
        """Take the next row for these axes."""
        self.axes.append(axes)
        self.heights.append(height)
        return axes

    @property
    def next(self) -> SubplotSpec:
        """The place of the next row, over all columns."""
        return self.grid[len(self.axes), :]


def blank(plan: Plan) -> Figure:
    """A figure of the width that was asked for, without pyplot."""
    figure = Figure(figsize=(plan.width_mm * MM, TALL_MM * MM), dpi=LAYOUT_DPI)
    FigureCanvasAgg(figure)
    pad = PAD_MM * MM
    figure.set_layout_engine(ConstrainedLayoutEngine(w_pad=pad, h_pad=pad, wspace=0.02, hspace=0.0))
    return figure


def write_around(figure: Canvas, heading: str, caption: str, width_mm: float) -> None:
    """The heading above, the caption below, both in lines of the figure's width."""
    room, left = width_mm - 2 * PAD_MM, PAD_MM / width_mm
    if heading:
        figure.suptitle(shortened(heading, room, HEADING_LINES, SIZE + 1), x=left, ha="left", fontsize=SIZE + 1)
    if caption:
        text = figure.supxlabel(shortened(caption, room, CAPTION_LINES), x=left, ha="left", fontsize=SIZE, color=FAINT)
        text.set_linespacing(1.25)


def fit(figure: Figure, rows: Rows, dpi: float) -> None:
    """Give each row its height and the figure what they need together, then keep everything where it is."""
    engine = figure.get_layout_engine()
    assert engine is not None
    engine.execute(figure)
    width, height = figure.get_size_inches() / MM
    slots = [axes.get_position(original=True) for axes in rows.axes]
    wanted = [min(of(slot.width * width), TALLEST_MM) for of, slot in zip(rows.heights, slots, strict=True)]
    rows.grid.set_height_ratios(wanted)
    beside = height - sum(slot.height * height for slot in slots)  # heading, caption, labels, margins
    figure.set_size_inches(width * MM, (beside + sum(wanted)) * MM)
    engine.execute(figure)
    figure.set_layout_engine("none")
    figure.set_dpi(dpi)


def in_mm(rows: Rows, figure: Canvas, room: float, height: float) -> Axes:
    """A row whose unit is a millimetre, from its upper left corner."""
    axes = rows.add(figure.add_subplot(rows.next), lambda _: height)
    axes.set(xlim=(0, room), ylim=(height, 0), aspect="auto")
    axes.set_axis_off()
    return axes


def inset(host: Axes, x: float, y: float, width: float, height: float) -> Axes:
    """Axes at a place in mm, counted from the upper left corner."""
    room, tall = host.get_xlim()[1], host.get_ylim()[0]
    axes = host.inset_axes((x / room, 1 - (y + height) / tall, width / room, height / tall))
    axes.set_in_layout(False)
    return axes


def write(host: Axes, text: str, x: float, y: float, size: float, **options: Any) -> None:
    """Words at a place in mm; their upper edge there."""
    style: dict[str, Any] = {"va": "top", "linespacing": 1.15} | options
    host.text(x, y, text, fontsize=size, **style).set_in_layout(False)
