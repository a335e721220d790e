"""A session whose network is trained on, and answers that depend on more than they seem to."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import tiny
import torch
from torch import Tensor

from xai_widgets import ImageModel, ImageSet, Session
from xai_widgets.kernels import displays
from xai_widgets.kernels.saliency import weighted_sum


def correlation(a: np.ndarray, b: Tensor) -> float:
    return float(np.corrcoef(a.ravel(), b.numpy().ravel())[0, 1])


def test_all_that_is_shown_is_of_the_new_weights(make_session: Callable[..., Session]) -> None:
    network = tiny.TinyNet(3)
    model = ImageModel(network, None, "features", labels=("cat", "cup", "crew"))
    session = make_session(model, list(tiny.photos()))
    session.ask(target=1)
    assert session.wait()
    assert session.impacts is not None
    before, scores = session.impacts.delta_y, dict(session.scores)
    with torch.no_grad():
        network.head.weight.neg_()
    session.ask(method="behaviour")
    assert session.wait()
    assert session.impacts is not None
    assert session.saliency is not None
    np.testing.assert_allclose(session.impacts.delta_y, -before, atol=1e-6)
    maps = network.features(model.inputs(tiny.photos()[0])).detach()
    expected = weighted_sum(maps, displays.behaviour(torch.from_numpy(-before)[None]))[0]
    assert correlation(session.saliency.map, expected) == pytest.approx(1, abs=1e-4)
    assert "weights" in session.notice
    assert session.scores.keys() == scores.keys()
    assert session.scores != scores


def test_equal_weights_that_are_written_again_stop_nothing(make_session: Callable[..., Session]) -> None:
    model = tiny.classifier()
    session = make_session(model, list(tiny.photos()))
    model.network.load_state_dict(model.network.state_dict())
    session.ask(target=2)
    assert session.wait()
    assert session.error == ""
    assert session.output is not None
    assert session.output.target == 2


def test_stability_is_that_of_runs_as_they_are(make_session: Callable[..., Session]) -> None:
    first, second = tiny.TinyNet(), tiny.TinyNet()
    model = ImageModel(first, None, "features", range=(0, 1), runs=[second])
    session = make_session(model, tiny.rated())
    assert session.measures is not None
    before, name = session.measures.values["stability"], session.query.image
    with torch.no_grad():
        second.head.weight.copy_(torch.randn(1, tiny.MAPS, generator=torch.Generator().manual_seed(1)))
    session.ask(image=session.images.names[1])
    session.ask(image=name)
    assert session.wait()
    assert session.measures is not None
    assert session.measures.values["stability"] != before


def test_a_name_that_two_classes_bear_is_refused(make_session: Callable[..., Session]) -> None:
    model = ImageModel(tiny.TinyNet(3), None, "features", labels=("crane", "dog", "crane"))
    images = ImageSet(list(tiny.photos()), labels=["crane", "dog", "dog"])
    session = make_session(model, images)
    with pytest.raises(ValueError, match="several classes are called 'crane'"):
        session.ask(target="crane")
    assert session.impacts is not None
    assert session.impacts.delta_error is None  # which of the two is right is not known


def test_what_rounding_makes_is_in_no_picture_of_helpful_maps(make_session: Callable[..., Session]) -> None:
    network = tiny.TinyNet(2)
    with torch.no_grad():
        network.head.bias.copy_(torch.tensor([20.0, 0.0]))  # so sure that no removal moves the cross entropy
    model = ImageModel(network, None, "features", labels=("cat", "dog"))
    session = make_session(model, ImageSet(list(tiny.photos()), labels=["cat"] * 3))
    assert session.impacts is not None
    assert session.impacts.roles is not None
    assert not session.impacts.roles.any()
    for method in ("helpful", "primary"):
        session.ask(method=method)
        assert session.wait()
        assert session.saliency is not None
        assert not session.saliency.map.any()
