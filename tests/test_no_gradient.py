"""Networks that cut gradients off: scores, effects and all maps by removal are there all the same."""

from __future__ import annotations

import numpy as np
import pytest
import tiny
import torch
from torch import Tensor

from xai_widgets import ImageModel, ImageSet
from xai_widgets.engine import Query, Sources, answer
from xai_widgets.kernels.anytime import anytime_delta_y
from xai_widgets.kernels.tail import Tail


class Detached(tiny.TinyNet):
    """No gradient comes through."""

    def forward(self, images: Tensor) -> Tensor:
        with torch.no_grad():
            return super().forward(images)


class InPlace(tiny.TinyNet):
    """Writes over what a gradient needs."""

    def forward(self, images: Tensor) -> Tensor:
        maps = self.features(images)
        means = maps.mean((2, 3)).exp()
        means.log_()  # exp needs its result for its gradient
        scores: Tensor = self.head(means)
        return scores


@pytest.mark.parametrize("kind", [Detached, InPlace])
@pytest.mark.parametrize("outputs", [1, 3])
def test_effects_are_those_of_literal_removals(kind: type[tiny.TinyNet], outputs: int) -> None:
    network = kind(outputs)
    labels = ("cat", "cup", "crew") if outputs > 1 else None
    images = ImageSet(list(tiny.photos()), labels=["cat"] * 3) if outputs > 1 else tiny.rated()
    sources = Sources(ImageModel(network, None, "features", labels=labels, range=None, name="cut off"), images)
    query = Query(image=images.names[0])
    impacts = answer(sources, query, "impacts")
    assert impacts.done
    assert impacts.delta_error is not None
    weights = network.head.weight.detach()[answer(sources, query, "output").target]
    maps = network.features(sources.model().inputs(images.photo(query.image))).detach()[0]
    np.testing.assert_allclose(impacts.delta_y, (-weights * maps.mean((1, 2))).numpy(), atol=2e-5)
    first = answer(Sources(sources.model(), images), query, "impacts", partial=True)
    assert not first.delta_y.any()
    assert not first.done
    for method in ("behaviour", "helpful"):
        found = answer(sources, Query(image=query.image, method=method), "explanation")
        assert np.abs(found.saliency.map).max() > 0
    with pytest.raises(ValueError, match="gradient"):
        answer(sources, query, "explanation")


def test_nothing_is_taken_for_a_closed_form() -> None:
    network = Detached()
    tail = Tail(network, "features", torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)))
    *_, last = anytime_delta_y(tail, lambda scores: scores)
    assert last.done
    assert float(last.delta_y.abs().max()) > 0
