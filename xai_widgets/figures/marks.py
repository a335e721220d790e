"""Roles and directions of feature maps as shapes, so that no colour is needed to tell them apart."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from xai_widgets.figures.colours import theme
from xai_widgets.figures.style import FAINT


class Mark(NamedTuple):
    """A shape, as a character and as matplotlib calls it, and its colour."""

    full: str
    hollow: str
    marker: str
    colour: str
    words: str


RAISES, LOWERS, NOTHING = -1, 1, 0  # by the sign of delta y: what falls without a map was raised by it


def direction(delta_y: float) -> Mark:
    """What a map does to the score."""
    if delta_y < 0:
        return Mark("▲", "△", "^", theme("raises"), "raises the score")
    if delta_y > 0:
        return Mark("▼", "▽", "v", theme("lowers"), "lowers the score")
    return Mark("■", "□", "s", FAINT, "changes nothing")


def role(number: int) -> Mark:
    """What a map does to the error: a disc where it helps, a diamond where it harms, as in the map bank."""
    if number in (1, 2):
        return Mark("●", "○", "o", theme("helps"), "helpful")
    if number in (3, 4):
        return Mark("◆", "◇", "D", theme("harms"), "harmful")
    return Mark("■", "□", "s", FAINT, "neutral")


ORDER = (*map(role, (1, 3, 0)), *map(direction, (-1.0, 1.0, 0.0)))  # in a key


def has_roles(roles: NDArray[np.int8], delta_y: NDArray[np.float32]) -> bool:
    """Whether every map has a role: none has where the error is not known."""
    return len(roles) == len(delta_y) and len(delta_y) > 0


def by_effect(delta_y: NDArray[np.float32]) -> NDArray[np.int64]:
    """Numbers of the maps, the largest effect first; equal ones in their order, unknown ones last."""
    return np.argsort(-np.nan_to_num(np.abs(delta_y), nan=-1), kind="stable")
