"""The roles of feature maps in words, of the score that is explained or of P against Q."""

from __future__ import annotations

import numpy as np

from xai_widgets.engine import ROLES, Impacts

ROLE_WORDS = ("makes no difference to the error", *ROLES[1:])  # by number; the first is the neutral role


def role_words(p: str, q: str) -> tuple[str, ...]:
    """The same where a map is for P or for Q."""
    return (ROLE_WORDS[0], *(f"{error}, for {name}" for error in ("helpful", "harmful") for name in (p, q)))


def roles_against(impacts: Impacts, delta: np.ndarray) -> np.ndarray:
    """The role of each map: what it does to the error, and whether it is for P or for Q.

    Args:
        impacts: with the error.
        delta: (c,) change of P - Q without each map.
    """
    assert impacts.delta_error is not None
    assert impacts.moves is not None
    role = 1 + (delta > 0) + 2 * (impacts.delta_error < 0)
    return np.where(impacts.moves & (delta != 0), role, 0).astype(np.int8)
