"""A grid: several panels in rows and columns, a map over its photo each, with letters, headings and words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from string import ascii_lowercase

from matplotlib.axes import Axes

from xai_widgets.figures.layout import Canvas, Rows, in_mm, inset, write
from xai_widgets.figures.legends import second_words
from xai_widgets.figures.lines import Sign, key_mm, paint_signs
from xai_widgets.figures.over import Over, laid
from xai_widgets.figures.over_words import mark, signs
from xai_widgets.figures.panels import (
    LETTER_MM,
    Cell,
    Key,
    cell_of,
    colours_of,
    key_height,
    paint_key,
    reference_of,
    references,
)
from xai_widgets.figures.stage import secondary_of
from xai_widgets.figures.style import FAINT, PAD_MM, SMALL, Plan, line_mm, middled, one_line, wrapped
from xai_widgets.scenes import Grid

GAP_MM = 1.6  # between panels beside each other
NARROWEST_MM, WIDEST_MM = 14.0, 85.0  # of a panel: where more would be narrower, a row goes on below
WORDS_MM = 24.0  # what words beneath a narrow picture take, where there is room
TALLEST_MM = 85.0  # of a picture
UPRIGHT_MM = 12.0  # pictures at least so high have the heading of their row beside them, else it stands above
PAGE_MM = 215.0  # of all rows together
TINY = 5.0  # points, in narrow panels
KEY_MM = 70.0  # of a legend that all panels share
SIGNS_MM = 0.8  # what separates the key of lines from it


@dataclass(frozen=True)
class Seen:
    """A grid with what the reader laid over it.

    Attributes:
        grid: as it is seen.
        over: what lies over each panel.
        mark: what the active panel shows beyond its own map.
        signs: the key of all lines.
    """

    grid: Grid
    over: tuple[Over, ...]
    mark: str
    signs: tuple[Sign, ...]

    @property
    def colours(self) -> tuple[Key | None, str]:
        """The legend that all panels share, else what their colours mean; see `colours_of`."""
        return colours_of(self.grid.panels, self.over)


@dataclass(frozen=True)
class Sheet:
    """Sizes that all rows share.

    Attributes:
        room: width of all panels with the headings of rows.
        aside: width of what stands left of the panels.
        width: of a panel.
        tall: the most that a picture is high.
        beside: how many panels stand beside each other.
        size: of words, in points.
        upright: whether headings of rows stand beside their pictures; else above them.
    """

    room: float
    aside: float
    width: float
    tall: float
    beside: int
    size: float
    upright: bool

    def left(self, place: int) -> float:
        """Where the panel in this place of a row begins."""
        return self.aside + place * (self.width + GAP_MM)


@dataclass(frozen=True)
class Line:
    """Panels beside each other: a row of the grid, or a part of one that is too wide.

    Attributes:
        numbers: of the panels.
        cells: what stands in each.
        across: headings above them; empty where they stand above another line already.
        down: the heading of the row.
    """

    numbers: tuple[int, ...]
    cells: tuple[Cell, ...]
    across: tuple[str, ...]
    down: str

    @property
    def picture(self) -> float:
        """How high the pictures are."""
        return max(cell.high for cell in self.cells)

    @property
    def words(self) -> int:
        """Lines of words beneath them."""
        return max(cell.lines for cell in self.cells)


def paint_grid(scene: Grid, figure: Canvas, plan: Plan) -> Rows:
    """Row by row; below them the legend that all panels share."""
    grid, over = laid(scene)
    seen = Seen(grid, over, mark(scene), tuple(signs(scene)))
    shared, _ = seen.colours
    sheet, lines = _planned(seen, plan)
    foot = _foot_lines(seen, sheet)
    has_foot = bool(foot or seen.signs) or shared is not None
    rows = Rows(figure.add_gridspec(len(lines) + has_foot, 1))
    for line in lines:
        _paint_line(rows, figure, line, sheet, plan)
    if has_foot:
        _paint_foot(rows, figure, seen, sheet, foot)
    return rows


# ---------------------------------------------------------------------- sizes


def _planned(seen: Seen, plan: Plan) -> tuple[Sheet, list[Line]]:
    """The largest pictures with which all rows stand on a page."""
    scene, tall = seen.grid, TALLEST_MM
    while True:
        sheet = _sheet(scene, plan, tall)
        lines = _lines(seen, sheet)
        if any(scene.down) and min(line.picture for line in lines) < UPRIGHT_MM:
            sheet = _sheet(scene, plan, tall, upright=False)
            lines = _lines(seen, sheet)
        if sum(_height(line, sheet) for line in lines) <= PAGE_MM or tall < NARROWEST_MM:
            return sheet, lines
        tall *= 0.93


def _sheet(scene: Grid, plan: Plan, tall: float, *, upright: bool = True) -> Sheet:
    columns = min(scene.columns, len(scene.panels))
    room = plan.width_mm - 2 * PAD_MM
    aside = 2 * line_mm(SMALL) + 1.0 if any(scene.down) and upright else 0.0
    most = max(int((room - aside + GAP_MM) / (NARROWEST_MM + GAP_MM)), 1)
    beside = math.ceil(columns / math.ceil(columns / most))  # parts of one row are about as long as each other
    width = min((room - aside + GAP_MM) / beside - GAP_MM, WIDEST_MM)
    shapes = [panel.photo.shape for panel in scene.panels if panel.photo is not None]
    needed = max((min(width, tall * shape[1] / shape[0]) for shape in shapes), default=width)
    width = min(width, max(needed, WORDS_MM))
    return Sheet(room, aside, width, tall, beside, SMALL if width >= WORDS_MM else TINY, upright)


def _lines(seen: Seen, sheet: Sheet) -> list[Line]:
    scene, made = seen.grid, []
    columns = min(scene.columns, len(scene.panels))
    for row, start in enumerate(range(0, len(scene.panels), columns)):
        numbers = range(start, min(start + columns, len(scene.panels)))
        for first in range(0, len(numbers), sheet.beside):
            some = tuple(numbers[first : first + sheet.beside])
            cells = [_cell(seen, number, sheet) for number in some]
            heads = [scene.across[number - start] if scene.across else "" for number in some]
            above = row == 0 or sheet.beside < columns
            down = scene.down[row] if row < len(scene.down) else ""
            made.append(Line(some, tuple(cells), tuple(heads) if above and any(heads) else (), one_line(down)))
    return [*made, *_references(scene, sheet)]


def _cell(seen: Seen, number: int, sheet: Sheet) -> Cell:
    scene, over, (shared, one_meaning) = seen.grid, seen.over[number], seen.colours
    title = scene.titles[number] if number < len(scene.titles) else ""
    cell = cell_of(
        scene.panels[number], title, sheet.width, sheet.tall, sheet.size,
        key=shared is None or over.minus, meaning=not one_meaning or over.minus,
        mark=seen.mark if number == scene.active else "",
    )  # fmt: skip
    return replace(cell, over=over)


def _references(scene: Grid, sheet: Sheet) -> list[Line]:
    """The undistorted photos, below all panels, an image once."""
    cells = [reference_of(panel, sheet.width, sheet.tall, sheet.size) for panel in references(scene)]
    return [
        Line(tuple(range(first + len(scene.panels), first + len(scene.panels) + len(some))), some, (), "")
        for first in range(0, len(cells), sheet.beside)
        for some in [tuple(cells[first : first + sheet.beside])]
    ]


def _height(line: Line, sheet: Sheet) -> float:
    return _top(line, sheet) + line.picture + _below(line, sheet) + 1.0


def _top(line: Line, sheet: Sheet) -> float:
    """What stands above the pictures: a heading of the row where it cannot stand beside it, of columns, letters."""
    level = line_mm(SMALL) if line.down and not sheet.upright else 0.0
    heads = max((text.count("\n") + 1 for text in _heads(line, sheet)), default=0)
    return level + heads * line_mm(sheet.size) + (0.8 if heads else 0.0) + LETTER_MM


def _below(line: Line, sheet: Sheet) -> float:
    keys = max((key_height(cell.key, sheet.size) for cell in line.cells if cell.key is not None), default=0.0)
    return 0.7 + line.words * line_mm(sheet.size) + keys


def _heads(line: Line, sheet: Sheet) -> list[str]:
    return [middled(text, sheet.width, 2, sheet.size) for text in line.across]


# ---------------------------------------------------------------------- painting


def _paint_line(rows: Rows, figure: Canvas, line: Line, sheet: Sheet, plan: Plan) -> None:
    host = in_mm(rows, figure, sheet.room, _height(line, sheet))
    top, centre = _top(line, sheet), sheet.width / 2
    for place, text in enumerate(_heads(line, sheet)):
        y = top - LETTER_MM - 0.8
        write(host, text, sheet.left(place) + centre, y, sheet.size, ha="center", va="bottom")
    _paint_row_heading(host, line, sheet, top)
    for place, (number, cell) in enumerate(zip(line.numbers, line.cells, strict=True)):
        left = sheet.left(place)
        letter = ascii_lowercase[number]
        write(host, letter, left, top - 0.9, SMALL + 2, weight="bold", va="baseline")
        _paint_picture(host, cell, left, top, line.picture, sheet, plan)
        y = top + line.picture + 0.7
        for text, colour in cell.words:
            write(host, text, left, y, sheet.size, color=colour)
            y += (text.count("\n") + 1) * line_mm(sheet.size)
        if cell.key is not None:
            at = top + line.picture + 0.7 + line.words * line_mm(sheet.size)
            paint_key(host, cell.key, (left, at, sheet.width), sheet.size)


def _paint_row_heading(host: Axes, line: Line, sheet: Sheet, top: float) -> None:
    """Beside the pictures from below to above, or over low ones."""
    if not line.down:
        return
    if not sheet.upright:
        write(host, middled(line.down, sheet.room, 1, SMALL), 0, 0, SMALL)
        return
    text = middled(line.down, line.picture, 2, SMALL)
    write(host, text, sheet.aside - 1.0, top + line.picture / 2, SMALL, rotation=90, ha="right", va="center",
          multialignment="center")  # fmt: skip


def _paint_picture(host: Axes, cell: Cell, left: float, top: float, high: float, sheet: Sheet, plan: Plan) -> None:
    """The map over its photo, in the middle of the panel; an empty frame where there is no photo."""
    x, y = left + (sheet.width - cell.wide) / 2, top + (high - cell.high) / 2
    cell.paint(inset(host, x, y, cell.wide, cell.high), plan)


# ---------------------------------------------------------------------- what all panels share


def _foot_lines(seen: Seen, sheet: Sheet) -> list[str]:
    """Sentences about the colours that all panels share, where there is no one legend; the secondary layer."""
    shared, one_meaning = seen.colours
    said = [one_meaning] if shared is None and one_meaning else []
    for panel in seen.grid.panels:
        second = secondary_of(panel)
        said += [second_words(second, panel.look)] if second is not None else []
    return [wrapped(text, sheet.room - sheet.aside, SMALL) for text in dict.fromkeys(said)]


def _paint_foot(rows: Rows, figure: Canvas, seen: Seen, sheet: Sheet, said: Sequence[str]) -> None:
    """The shared legend, sentences, the key of lines."""
    (shared, _), room = seen.colours, sheet.room - sheet.aside
    width = min(KEY_MM, room)
    key = None if shared is None else replace(shared, width=width)
    high = 0.0 if key is None else key_height(key, SMALL)
    lines = sum(text.count("\n") + 1 for text in said)
    under = SIGNS_MM + key_mm(seen.signs, room, SMALL) if seen.signs else 0.0
    host = in_mm(rows, figure, sheet.room, high + lines * line_mm(SMALL) + under + 0.5)
    if key is not None:
        paint_key(host, key, (sheet.aside, 0.0, width), SMALL)
    y = high
    for text in said:
        write(host, text, sheet.aside, y, SMALL, color=FAINT)
        y += (text.count("\n") + 1) * line_mm(SMALL)
    paint_signs(host, seen.signs, (sheet.aside, y + SIGNS_MM, room), SMALL)
