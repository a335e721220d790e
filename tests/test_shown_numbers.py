"""The numbers that are shown for each method and each thumbnail, against literal versions of what METHODS says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tiny

from xai_widgets import ImageSet, Session
from xai_widgets.kernels.tail import Tail


def maps_of(session: Session) -> np.ndarray:
    """(c h w), from a tail of its own."""
    model = session.model
    tail = Tail(model.network, session.query.layer, model.inputs(session.images.photo(session.query.image)))
    return tail.maps[0].numpy()


def literal_delta_y(session: Session, maps: np.ndarray, target: int = 0) -> list[float]:
    """A linear head on means: minus weight times mean."""
    network = session.model.network
    assert isinstance(network, tiny.TinyNet)
    weights = network.head.weight.detach().numpy()[target]
    return [-float(weight) * float(one.mean()) for weight, one in zip(weights, maps, strict=True)]


def weights_of(method: str, delta_y: float, residual: float) -> float:
    """One map's weight in a display of section 1."""
    delta_error = abs(residual + delta_y) - abs(residual)
    if method == "behaviour":
        return -delta_y
    if method == "helpful":
        return delta_error
    return -delta_y if delta_error > 0 else 0.0


@pytest.fixture
def scored(make_session: Callable[..., Any]) -> Session:
    """Ratings so near the scores that removals cross them, so that maps of all roles occur."""
    model, photos = tiny.regressor(), tiny.photos()
    scores = [float(model.network(model.inputs(photo)).detach()) for photo in photos]
    ratings = [scores[0] - 0.004, scores[1] + 0.004, None]
    session: Session = make_session(model, ImageSet(list(photos), ratings=ratings))
    return session


@pytest.mark.parametrize("gains", [(), ((2, 0.0), (7, 1.5))])
@pytest.mark.parametrize("image", [0, 1])
@pytest.mark.parametrize("method", ["behaviour", "helpful", "primary"])
def test_a_map_is_the_sum_of_the_feature_maps_by_its_weights(
    scored: Session, method: str, image: int, gains: tuple[tuple[int, float], ...]
) -> None:
    scored.ask(image=scored.images.names[image], method=method, gains=gains)
    assert scored.wait(60)
    maps = maps_of(scored)
    rating, saliency = scored.images.rating(scored.query.image), scored.saliency
    assert saliency is not None
    assert scored.output is not None
    assert rating is not None
    expected = np.zeros(maps.shape[1:])
    for index, (one, change) in enumerate(zip(maps, literal_delta_y(scored, maps), strict=True)):
        expected += dict(gains).get(index, 1.0) * one * weights_of(method, change, scored.output.base - rating)
    assert np.abs(expected).max() > 0
    np.testing.assert_allclose(saliency.map, expected, atol=1e-5 * np.abs(expected).max())
    ends = {"behaviour": ("lowers the score", "raises the score"), "helpful": ("harmful", "helpful")}
    assert (saliency.low, saliency.high) == ends.get(method, ends["behaviour"])
    assert saliency.palette == ("purple-green" if method == "helpful" else "")


def test_the_three_displays_differ(scored: Session) -> None:
    """Else a swapped branch would pass the test above."""
    found = []
    for method in ("behaviour", "helpful", "primary"):
        scored.ask(method=method)
        assert scored.wait(60)
        assert scored.saliency is not None
        found.append(scored.saliency.map / np.abs(scored.saliency.map).max())
    assert scored.impacts is not None
    assert scored.impacts.roles is not None
    assert len(set(scored.impacts.roles.tolist())) >= 3
    for a, b in ((0, 1), (1, 2), (0, 2)):
        assert np.abs(found[a] - found[b]).max() > 1e-3  # a hundred times what is allowed above


def test_thumbnails_are_each_map_from_its_lowest_to_its_highest_value(scored: Session) -> None:
    maps, shown = maps_of(scored), scored.maps
    assert shown is not None
    for index, one in enumerate(maps):
        low, high = float(one.min()), float(one.max())
        for row in range(one.shape[0]):
            for column in range(one.shape[1]):
                share = 0.0 if high == low else (float(one[row, column]) - low) / (high - low)
                assert abs(int(shown.thumbs[index, row, column]) - 255 * share) <= 0.51
        assert shown.dead[index] == (not one.any())
    assert shown.dead[tiny.DEAD]


def test_effects_and_roles_of_a_rated_image(scored: Session) -> None:
    rating, impacts = scored.images.rating(scored.query.image), scored.impacts
    assert impacts is not None
    assert impacts.delta_error is not None
    assert impacts.roles is not None
    assert rating is not None
    residual = impacts.value - rating
    for index, change in enumerate(literal_delta_y(scored, maps_of(scored))):
        error = abs(residual + change) - abs(residual)
        assert impacts.delta_y[index] == pytest.approx(change, abs=1e-6)
        assert impacts.delta_error[index] == pytest.approx(error, abs=1e-6)
        role = 0 if abs(error) <= 2e-5 else (1 if error > 0 else 3) + int(change > 0)
        assert abs(abs(error) - 2e-5) < 2e-6 or impacts.roles[index] == role
