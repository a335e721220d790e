"""What every panel must show."""

from __future__ import annotations

import numpy as np
import pytest

from xai_widgets import Session, Sources, answer


def agrees(session: Session) -> None:
    """Every panel shows what a script gets for its question, with an engine of its own."""
    sources = Sources([session.sources.model(name) for name in session.sources.names], session.images)
    for panel in session.panels:
        fresh = answer(sources, panel.query, "explanation")
        assert panel.answers.output.value == pytest.approx(fresh.output.value, abs=1e-6)
        np.testing.assert_allclose(panel.answers.saliency.map, fresh.saliency.map, atol=1e-6)
        assert panel.answers.saliency.title == fresh.saliency.title
        assert (panel.error, panel.answers.output.query) == ("", panel.query)
