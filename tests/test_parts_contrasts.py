"""Maps of all classes Q: each that of the question about it, beside their distance to "why P?"."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tiny
import torch
from asked import SOME, fresh, query, shared, tail_of

from xai_widgets import ImageModel
from xai_widgets.engine import Contrast, Contrasts, Query, Sources, answer
from xai_widgets.kernels.cam import all_contrasts

SCENES = "demo/scenes"


def test_every_class_is_asked_as_the_kernel_asks_all_at_once() -> None:
    sources, asked = shared(SCENES), query(SCENES)
    found: Contrasts = answer(sources, asked, "contrasts")
    model = sources.model()
    every = all_contrasts(tail_of(sources, asked), model.scores)[0].numpy()
    assert found.classes.tolist() == list(range(model.outputs))
    np.testing.assert_allclose(found.maps, every, rtol=1e-3, atol=1e-4 * np.abs(every).max())
    assert found.done


@pytest.mark.parametrize("changes", [{}, {"gains": SOME}, {"target": 1}])
def test_the_maps_are_those_of_the_question_and_the_distance_is_a_correlation(changes: dict[str, Any]) -> None:
    sources, asked = shared(SCENES), query(SCENES, **changes)
    p = answer(sources, asked, "output").target
    some = tuple(index for index in (5, 0, 2, p) if index < sources.model().outputs)
    found: Contrasts = answer(sources, asked, "contrasts", classes=some)
    assert found.classes.tolist() == list(dict.fromkeys(some))
    why = answer(sources, asked, "explanation").saliency.map
    np.testing.assert_allclose(found.why, why, rtol=1e-4, atol=1e-5 * np.abs(why).max())
    for q, values, distance in zip(found.classes.tolist(), found.maps, found.distance, strict=True):
        wanted = answer(sources, query(SCENES, **changes, contrast=Contrast("class", q)), "explanation").saliency.map
        np.testing.assert_allclose(values, wanted, rtol=1e-3, atol=1e-4 * np.abs(wanted).max())
        assert distance == pytest.approx(1 - np.corrcoef(values.ravel(), why.ravel())[0, 1], abs=1e-4)


def test_maps_stream_in_and_another_q_costs_nothing() -> None:
    seen: list[Any] = []
    sources = fresh(SCENES)
    asked = query(SCENES)
    answer(sources, asked, "contrasts", progress=lambda made, share: seen.append((len(made.classes), made.done, share)))
    assert all(0 < count < sources.model().outputs and not done and 0 < share < 1 for count, done, share in seen)
    first: Contrasts = answer(sources, asked, "contrasts")
    other: Contrasts = answer(sources, query(SCENES, contrast=Contrast("class", 1)), "contrasts")
    assert other.maps is first.maps


def test_a_map_that_is_the_same_everywhere_has_no_distance() -> None:
    network = tiny.TinyNet(3)
    with torch.no_grad():
        network.head.weight[1] = network.head.weight[0]  # a Q that cannot be told from P ...
        network.head.bias[2] = 100  # ... where neither is predicted
    sources = Sources(ImageModel(network, None, "features", labels=("a", "b", "c")), tiny.rated())
    found: Contrasts = answer(sources, Query(image=sources.images.names[0], target=0), "contrasts", classes=(1,))
    assert (found.maps == 0).all()
    assert np.isnan(found.distance).all()


def test_what_cannot_be_asked_is_refused() -> None:
    labels = ImageModel(tiny.TinyNet(3), None, "features", labels=("a", "b", "c"), task="multilabel")
    several, images = Sources(labels, tiny.rated()), tiny.rated()
    asked = Query(image=images.names[0], target=1)
    assert answer(several, asked, "contrasts").classes.tolist() == [0, 2]
    with pytest.raises(ValueError, match="Q must be another label than P"):
        answer(several, asked, "contrasts", classes=(0, 1))
    with pytest.raises(ValueError, match=r"classes must be from 0 to 2 for .*, got 3"):
        answer(several, asked, "contrasts", classes=(3,))
    for wrong in ("cat", (-1,), (0.5,), 3):
        with pytest.raises(ValueError, match="classes must be classes by number"):
            answer(several, asked, "contrasts", classes=wrong)
    with pytest.raises(ValueError, match="made for classes, and tiny gives scores"):
        answer(Sources(tiny.regressor(), images), Query(image=images.names[0]), "contrasts")
