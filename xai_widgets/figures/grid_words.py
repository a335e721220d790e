"""What a figure of several panels says in words: what all have in common, what sets each apart."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby
from string import ascii_lowercase

from xai_widgets.figures import over_words, stage_words
from xai_widgets.figures.legends import meaning
from xai_widgets.figures.names import named
from xai_widgets.figures.over import Over, laid
from xai_widgets.figures.panels import colours_of, has_colours, references, why_no_map
from xai_widgets.figures.stage import secondary_of
from xai_widgets.figures.style import number, one_line
from xai_widgets.scenes import Grid, Stage

MINUS = "Where there is {}, the strongest place lies {}"
SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")


def title(scene: Grid) -> str:
    """One line, for a file's title."""
    return " · ".join(filter(None, (f"{len(scene.panels)} saliency maps", one_line(scene.about))))


def caption(scene: Grid, interpolation: str) -> list[str]:
    """What all panels have in common, what differs, the colours; then what is true of some of them."""
    laid_over = over_words.told(scene)
    scene, over = laid(scene)
    panels = scene.panels
    parts = [f"All panels: {one_line(scene.about)}"] if scene.about else []
    for name, heads in (("Columns", scene.across), ("Rows", scene.down)):
        if any(heads):
            parts.append(f"{name}: {', '.join(one_line(head) or 'several' for head in heads)}")
    parts += _by_letter([one_line(text) for text in scene.titles])
    parts += [*_colours(panels, over), *laid_over]
    parts += _by_letter([why_no_map(panel) for panel in panels])
    shown = [
        stage_words.cells(panel.map, interpolation) if panel.map and has_colours(panel) else "" for panel in panels
    ]
    parts += _by_letter(shown)
    seconds = [secondary_of(panel) for panel in panels]
    parts += _by_letter([second.words if second is not None else "" for second in seconds])
    whole = [panel.map is None or tuple(panel.map.box) == stage_words.WHOLE for panel in panels]
    parts += [] if all(whole) else [stage_words.DIMMED]
    parts += _notes([panel.map.note if panel.map else "" for panel in panels])
    parts += _by_letter([panel.receipt for panel in panels])
    return [*parts, *_references(scene)]


def alt(scene: Grid) -> list[str]:
    """The picture in words: each panel by its letter."""
    laid_over = over_words.told(scene)
    scene, over = laid(scene)
    count, columns = len(scene.panels), min(scene.columns, len(scene.panels))
    across = f" in rows of {columns}" if columns < count else ""
    parts = [f"{count} photo{'s' * (count > 1)} with a map over {'each' if count > 1 else 'it'}{across}"]
    parts += [one_line(scene.about), *_colours(scene.panels, over), *laid_over]
    for place, panel in enumerate(scene.panels):
        said = [one_line(panel.name), *named(scene, place), stage_words.score(panel)]
        told = [f"{ascii_lowercase[place]}: {', '.join(filter(None, said))}", why_no_map(panel)]
        said_of = MINUS if over[place].minus else stage_words.STRONGEST
        parts += told + (stage_words.strongest(panel, said_of) if has_colours(panel) else [])
    return [*parts, *_references(scene)]


def _colours(panels: Sequence[Stage], over: Sequence[Over]) -> list[str]:
    """What colours mean, and what full colour is worth; by letters where it differs."""
    shared, _ = colours_of(panels, over)
    if shared is not None:
        apart = {place for place, one in enumerate(over) if one.minus and has_colours(panels[place])}
        meant = [meaning(panel if place in apart else shared.panel) for place, panel in enumerate(panels)]
        return [*(_by_letter(meant) if apart else meant[:1]), shared.note.capitalize()]
    found = _by_letter([meaning(panel, scale=False) if has_colours(panel) else "" for panel in panels])
    limits: dict[str, list[int]] = {}
    for place, panel in enumerate(panels):
        if panel.map is not None and has_colours(panel):
            limits.setdefault(number(panel.map.limit, signed=False), []).append(place)
    full = ", ".join(f"{limit} in {_ranges(places)}" for limit, places in limits.items())
    return [*found, f"Full colour at {full}"] if full else found


def _references(scene: Grid) -> list[str]:
    """Which letters are the undistorted photos, and why one that was asked for is not there."""
    first = len(scene.panels)
    shown = [f"{ascii_lowercase[first + at]}: reference of {one_line(one.name)}, the undistorted photo"
             for at, one in enumerate(references(scene))]  # fmt: skip
    lacking = [one.no_reference for one in scene.panels if one.look.reference and one.no_reference]
    return [*shown, *dict.fromkeys(lacking)]


def _notes(texts: Sequence[str]) -> list[str]:
    """Sentences, those that several panels share said once."""
    sentences = [[part.strip() for part in SENTENCE.split(text) if part.strip()] for text in texts]
    every = dict.fromkeys(part for parts in sentences for part in parts)
    return [line for part in every for line in _by_letter([part if part in parts else "" for parts in sentences])]


def _by_letter(texts: Sequence[str]) -> list[str]:
    """Each text once, with the letters of the panels that it is about; without letters where it is about all."""
    letters: dict[str, list[int]] = {}
    for place, text in enumerate(texts):
        if text:
            letters.setdefault(text, []).append(place)
    if len(letters) == 1 and len(next(iter(letters.values()))) == len(texts):
        return list(letters)
    return [f"{_ranges(places)}: {text}" for text, places in letters.items()]


def _ranges(places: Sequence[int]) -> str:
    """Places as letters, such as a–c, e."""
    found = []
    for _, group in groupby(enumerate(places), key=lambda pair: pair[1] - pair[0]):
        run = [ascii_lowercase[place] for _, place in group]
        found += run if len(run) < 3 else [f"{run[0]}–{run[-1]}"]
    return ", ".join(found)
