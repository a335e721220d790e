"""What is done to the image before the network sees it, as two controls."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from xai_widgets import scenes
from xai_widgets.session.describe.heads import KINDS

if TYPE_CHECKING:
    from xai_widgets.engine import Degradation
    from xai_widgets.session.panel import Panel
    from xai_widgets.session.session import Session

# Of each kind: lowest and highest level of the slider, where it begins, the unit, whether levels are whole.
LEVELS = {
    "salt_and_pepper": (0.0, 0.5, 0.1, "(share of the pixels, black or white)", False),
    "gaussian_noise": (0.0, 0.5, 0.1, "(standard deviation, of 0 to 1)", False),
    "blur": (0.0, 20.0, 2.0, "(sigma in pixels of the network's input)", False),
    "jpeg": (1.0, 100.0, 20.0, "of 100 (colours at half the resolution)", True),
}


def degrading(session: Session, panel: Panel) -> tuple[scenes.Choice, ...]:
    """The kind and its level, of the active panel; none where its model's images cannot be degraded."""
    if panel is not session.panel or not session.model_of(panel).can_degrade:
        return ()
    what = panel.query.degradation
    name = "" if what is None else what.kind
    kinds = scenes.Choice(
        name="kind", words="Degrade", value=name, choices=("", *KINDS), hint="Before the network sees the image."
    )
    if what is None:
        return (kinds,)
    low, high, _, unit, whole = LEVELS[name]
    level = scenes.Choice(
        name="level", words=KINDS[name], value=what.level, low=low, high=max(high, what.level), unit=unit, numbers=True,
        whole=whole, hint=said(what),
    )  # fmt: skip
    return kinds, level


def said(what: Degradation) -> str:
    """What the network saw, as a sentence."""
    seed = f", seed {what.seed}" if what.kind in ("salt_and_pepper", "gaussian_noise") else ""
    level = f"{what.level:g}" if math.isfinite(what.level) else "?"
    return f"The network saw this image degraded: {KINDS[what.kind]} {level} {LEVELS[what.kind][3]}{seed}."
