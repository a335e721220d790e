"""A script, a click and a batch get the same answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tiny

from xai_widgets import Contrast, ImageSet, Query, Session, Sources, answer

REGRESSOR: list[dict[str, Any]] = [
    {},
    {"gains": {3: 0.0, 5: 1.5}},
    {"method": "helpful"},
    {"method": "smooth_grad", "options": {"n_samples": 4, "seed": 2}},
    {"contrast": 0.25},
    {"contrast": "rating", "form": "tiles"},
]
CLASSIFIER: list[dict[str, Any]] = [
    {"target": "cat", "contrast": "crew"},
    {"contrast": "confidence", "method": "gradient"},
    {"method": "primary", "gains": {2: 0.5}},
]


def same(a: Any, b: Any) -> None:
    close(a.saliency.map, b.saliency.map)
    assert (a.saliency.title, a.saliency.low, a.saliency.high) == (b.saliency.title, b.saliency.low, b.saliency.high)
    close([a.saliency.limit, a.output.value, a.output.base], [b.saliency.limit, b.output.value, b.output.base])
    close(a.output.scores, b.output.scores)


def close(one: Any, other: Any) -> None:
    """Equal but for the last bits: how removals are cut into batches follows the time that they take."""
    scale = float(np.abs(other).max())
    np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6 * scale)


@pytest.mark.parametrize(
    ("kind", "changes"),
    [("score", some) for some in REGRESSOR] + [("classes", some) for some in CLASSIFIER],
    ids=lambda given: ",".join(map(str, given.values())) or "plain" if isinstance(given, dict) else given,
)
def test_a_script_gets_what_a_click_gets(make_session: Callable[..., Session], kind: str, changes: Any) -> None:
    model = tiny.regressor() if kind == "score" else tiny.classifier()
    images = tiny.rated() if kind == "score" else ImageSet(list(tiny.photos()), labels=["cat", "crew", "cat"])
    session = make_session(model, images)
    session.ask(image=images.names[1], **changes)
    assert session.wait(60)
    assert session.error == ""
    asked = session.query
    # A script of its own: nothing is shared but the files.
    sources = Sources(tiny.regressor() if kind == "score" else tiny.classifier(), images)
    query = Query(
        image=asked.image, target=asked.target, contrast=asked.contrast, method=asked.method, options=asked.options,
        gains=asked.gains,
    )  # fmt: skip
    alone = answer(sources, query, "explanation")
    several = answer(sources, [Query(image=images.names[0]), query], "explanation")[1]
    clicked = answer(session.sources, asked, "explanation")
    assert session.saliency is not None
    close(session.saliency.map, alone.saliency.map)
    assert session.saliency.title == alone.saliency.title
    same(clicked, alone)
    same(several, alone)


def test_names_mean_the_same_elsewhere() -> None:
    """One query asks the same of another image: P and Q by name, Q as the rating of that image."""
    sources = Sources(tiny.regressor(), tiny.rated())
    names, query = sources.images.names, Query(contrast=Contrast("score", "rating"))
    for name, rating in zip(names[:2], (0.25, 0.75), strict=True):
        found = answer(sources, Query(image=name, contrast=query.contrast), "explanation")
        assert found.saliency.title.endswith(f"rather than {rating:.3g}?")
    with pytest.raises(ValueError, match="rating of 'image 2' is not known"):
        answer(sources, Query(image=names[2], contrast=query.contrast), "explanation")
