"""Several panels in rows and columns."""

from __future__ import annotations

from xai_widgets.scenes._record import scene
from xai_widgets.scenes.stage import Stage


@scene
class Grid:
    """All panels, row by row.

    Attributes:
        panels: 1 to 12, what each shows; what all have in common stands in each.
        columns: how many stand beside each other.
        active: the number of the panel that gestures are about.
        across: the heading of each column; empty where the panels of a column have nothing of their own in common.
        down: the heading of each row; likewise.
        titles: of each panel, what sets it apart from the others beyond its headings; empty where nothing does.
        about: what all panels have in common, such as model, layer and method.
    """

    panels: tuple[Stage, ...]
    columns: int
    active: int = 0
    across: tuple[str, ...] = ()
    down: tuple[str, ...] = ()
    titles: tuple[str, ...] = ()
    about: str = ""


@scene
class Comparison:
    """What rows or columns of panels can be about.

    Attributes:
        name: as `Session.grid` takes it.
        words: for the reader.
        reason: why it cannot be asked; empty where it can.
        count: how many rows or columns it makes.
        preset: whether it is a row of panels that is often wanted, and not a field of the question alone.
    """

    name: str
    words: str
    reason: str = ""
    count: int = 0
    preset: bool = False
