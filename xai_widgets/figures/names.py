"""What the panels of a grid are called: a letter, and what sets each apart."""

from __future__ import annotations

from string import ascii_lowercase

from xai_widgets.figures.style import one_line
from xai_widgets.scenes import Grid


def named(scene: Grid, place: int) -> list[str]:
    """What sets a panel apart: the headings of its row and column, and its title."""
    columns = min(scene.columns, len(scene.panels))
    rows = ((scene.down, place // columns), (scene.across, place % columns), (scene.titles, place))
    found = [one_line(words[at]) for words, at in rows if at < len(words)]
    return [text for text in found if text and text != one_line(scene.panels[place].name)]


def called(scene: Grid, place: int) -> str:
    """A panel by its letter and what sets it apart, such as "b (rather than 0.5)"."""
    words = ", ".join(named(scene, place)).rstrip("?")
    return f"{ascii_lowercase[place]} ({words})" if words else ascii_lowercase[place]
