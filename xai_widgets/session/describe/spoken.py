"""What a screen reader says of an answer."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from xai_widgets.engine import Output
from xai_widgets.session.describe.words import decimals_of, fixed

if TYPE_CHECKING:
    from xai_widgets.session.session import Session


def spoken(session: Session) -> str:
    """The score that is explained, and what it is without gains, in one sentence; empty before it is known."""
    output = session.output
    if output is None:
        return ""
    model = session.model
    name = "Score" if model.one_score else model.name_of(output.target)
    now, base = _written(session, output, True), _written(session, output, False)
    gains = f", {base} with all gains 1" if session.query.gains and base != now else ""
    return f"{name} {now}{gains}, {session.query.image}."


def _written(session: Session, output: Output, now: bool) -> str:
    """As per cent of a class, or as a score; with the gains as they are or with all of them 1."""
    if output.probabilities is not None:
        share = float(output.probabilities[output.target]) if now else output.base_probability
        return "unknown" if share is None else f"{fixed(100 * share, 1)} %"
    value = output.value if now else output.base
    return fixed(value, decimals_of(*session.score_range())) if math.isfinite(value) else "n/a"
