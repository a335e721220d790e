"""How it looks, and what runs: what no answer depends on."""

from __future__ import annotations

from dataclasses import dataclass

from xai_widgets.engine.query import one_of

PALETTES = ("blue-red", "purple-orange", "purple-green")
SIGNS = ("signed", "positive")
SECONDARY = ("off", "grey", "outline")
SCALES = ("each", "all")
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

    def __post_init__(self) -> None:
        if not (isinstance(self.opacity, int | float) and 0 <= self.opacity <= 1):
            raise ValueError(f"opacity must be in [0, 1], got {self.opacity!r}.")
        one_of("palette", self.palette, PALETTES)
        one_of("sign", self.sign, SIGNS)
        one_of("secondary", self.secondary, SECONDARY)
        one_of("scale", self.scale, SCALES)
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
