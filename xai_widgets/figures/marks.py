"""Roles and directions of feature maps as shapes, so that no colour is needed to tell them apart."""

from __future__ import annotations

from collections.abc import Sequence
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


def direction(delta_y: float, ways: Sequence[str] = ()) -> Mark:
    """What a map does to the score.

    Args:
        ways: the same in words, where it is of P - Q: for P, and for Q.
    """
    below, above = ways or ("raises the score", "lowers the score")
    if delta_y < 0:
        return Mark("▲", "△", "^", theme("raises"), below)
    if delta_y > 0:
        return Mark("▼", "▽", "v", theme("lowers"), above)
    return Mark("■", "□", "s", FAINT, "changes nothing")


def role(number: int) -> Mark:
    """What a map does to the error: a disc where it helps, a diamond where it harms, as in the map bank."""
    if number in (1, 2):
        return Mark("●", "○", "o", theme("helps"), "helpful")
    if number in (3, 4):
        return Mark("◆", "◇", "D", theme("harms"), "harmful")
    return Mark("■", "□", "s", FAINT, "neutral")


def place(mark: Mark) -> int:
    """Where a mark stands in a key."""
    return "●◆▲▼■".index(mark.full)


def has_roles(roles: NDArray[np.int8], delta_y: NDArray[np.float32]) -> bool:
    """Whether every map has a role: none has where the error is not known."""
    return len(roles) == len(delta_y) and len(delta_y) > 0


def by_effect(delta_y: NDArray[np.float32]) -> NDArray[np.int64]:
    """Numbers of the maps, the largest effect first; equal ones in their order, unknown ones last."""
    return np.argsort(-np.nan_to_num(np.abs(delta_y), nan=-1), kind="stable")
