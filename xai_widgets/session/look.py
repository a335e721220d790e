"""How it looks, and what runs: what no answer depends on."""

from __future__ import annotations

from dataclasses import dataclass

from xai_widgets.engine.query import one_of
from xai_widgets.session.board import MOST_PANELS

PALETTES = ("blue-red", "purple-orange", "purple-green", "red-green")  # the last as in older publications
SIGNS = ("signed", "positive")
SECONDARY = ("off", "grey", "outline")
SCALES = ("each", "all")
TOPS = (0, 0.05, 0.1, 0.15)
OVER = ("off", "divider", "difference", "contours")
EFFECTS = ("difference", "score")
# Of which map measures are taken, for which target, and of which part of a signed map.
MEASURING = {"of": "standard", "rule": "fixed", "side": "positive"}


@dataclass(frozen=True)
class Look:
    """What is only seen; the browser redraws at once.

    Attributes:
        opacity: of the map over the photo, in [0, 1].
        palette: of a map that has no colours of its own.
        sign: "signed", or "positive" for positive values alone.
        smooth: whether the map is up-sampled, or shown as its cells.
        grey: whether the photo is shown without its colours under the map, so that every colour is the map's.
        secondary: harmful maps over the map that is shown: "off", "grey", or an "outline" of their top 10 %.
        reference: whether the undistorted photo stands beside the picture, where it is known.
        scale: of several panels: full colour at the largest value of "each", or of "all" that have the same unit.
        top: of the largest values of each map, the share that is outlined: 0.05, 0.1, 0.15, or 0 for no outline.
        over: what is laid over the active panel: nothing ("off"), or `other` on the right of a "divider"; instead of
            its map the "difference" of both; "contours" of the top 5, 10 and 15 % of both.
        other: the panel that is laid over it, by its number; -1 for the photo alone.
        divider: where it stands, from 0 to 1 of the picture's width.
        effect_on: of what bank and plane say the effects of maps: of the "difference" P - Q where Q is another class,
            else of P; or of the "score" of P alone.

    Raises:
        ValueError: another value.
    """

    opacity: float = 0.75
    palette: str = "blue-red"
    sign: str = "signed"
    smooth: bool = True
    grey: bool = True
    secondary: str = "off"
    scale: str = "each"
    reference: bool = False
    top: float = 0
    over: str = "off"
    other: int = -1
    divider: float = 0.5
    effect_on: str = "difference"

    def __post_init__(self) -> None:
        one_of("palette", self.palette, PALETTES)
        one_of("sign", self.sign, SIGNS)
        one_of("secondary", self.secondary, SECONDARY)
        one_of("scale", self.scale, SCALES)
        one_of("over", self.over, OVER)
        one_of("effect_on", self.effect_on, EFFECTS)
        for name in ("opacity", "divider"):
            value = getattr(self, name)
            if isinstance(value, bool) or not (isinstance(value, int | float) and 0 <= value <= 1):
                raise ValueError(f"{name} must be in [0, 1], got {value!r}.")
        if isinstance(self.top, bool) or self.top not in TOPS:
            raise ValueError(f"top must be one of {', '.join(map(str, TOPS))}, got {self.top!r}.")
        if isinstance(self.other, bool) or not isinstance(self.other, int) or not -1 <= self.other < MOST_PANELS:
            raise ValueError(f"other must be the number of a panel, or -1 for the photo, got {self.other!r}.")
        if not isinstance(self.reference, bool):
            raise ValueError(f"reference must be True or False, got {self.reference!r}.")


@dataclass(frozen=True)
class Status:
    """What runs, where, and how far it is."""

    device: str = ""
    busy: str = ""
    progress: float | None = None
    background: str = ""  # what is made of the whole set while nothing else runs
    share: float | None = None  # of it
