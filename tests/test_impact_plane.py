"""The impact plane: what it shows is what the session computed, and a selection is the session's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tiny

from xai_widgets import ImageSet
from xai_widgets.views import ImpactPlane

Make = Callable[..., Any]


@pytest.fixture
def scored(make_session: Make) -> Any:
    return make_session(tiny.regressor(), tiny.rated())


def floats(data: bytes) -> np.ndarray:
    return np.frombuffer(data, np.float32)


def test_it_shows_the_impacts_of_the_session(scored: Any) -> None:
    plane, impacts = ImpactPlane(scored), scored.impacts
    np.testing.assert_array_equal(floats(plane.delta_y), impacts.delta_y)
    np.testing.assert_array_equal(floats(plane.delta_error), impacts.delta_error)
    np.testing.assert_array_equal(np.frombuffer(plane.roles, np.int8), impacts.roles)
    assert plane.exact == b"\x01" * len(impacts.delta_y)
    assert scored.query.layer in plane.title
    plane.close()


def test_quadrants_are_the_roles(scored: Any) -> None:
    """Right of zero: the score grows without the map, so the map lowers it."""
    plane = ImpactPlane(scored)
    x, y, role = floats(plane.delta_y), floats(plane.delta_error), np.frombuffer(plane.roles, np.int8)
    assert role.any()
    assert (np.sign(y[role > 0]) == np.where(role[role > 0] <= 2, 1, -1)).all()
    assert (np.sign(x[role > 0]) == np.where(role[role > 0] % 2 == 1, -1, 1)).all()
    plane.close()


def test_residual_and_the_fact_that_follows_from_it(scored: Any) -> None:
    plane = ImpactPlane(scored)
    for value, residual, said in (
        (0.618, 0.118, "Score 0.618, rating 0.5: residual r = +0.118, the score is too high."),
        (0.25, -0.5, "Score 0.25, rating 0.75: residual r = −0.5, the score is too low."),
        (-1.0, 0.0, "Score −1, rating −1: residual r = +0, the score is just right."),
    ):
        with scored.lock:
            scored.panel.take(impacts=replace(scored.impacts, value=value, residual=residual))
        assert plane.facts == said
    plane.close()


@pytest.mark.parametrize(
    ("away", "way"), [(0.5, "every helpful map helps because it raises the score"), (-0.5, "it lowers the score"),
                      (1e-4, ""), (-1e-4, "")],
)  # fmt: skip
def test_a_rating_that_is_far_away_makes_all_helpful_maps_push_one_way(
    make_session: Make, away: float, way: str
) -> None:
    """No map of the tiny network moves the score by 0.5, and several do by more than 0.0001."""
    model, photo = tiny.regressor(), tiny.photos()[0]
    score = float(model.network(model.inputs(photo)).detach())
    plane = ImpactPlane(make_session(model, ImageSet([photo], ratings=[score + away])))
    helpful = np.isin(np.frombuffer(plane.roles, np.int8), (1, 2))
    ways = set(np.sign(floats(plane.delta_y)[helpful]))
    assert ways == ({-1.0} if away == 0.5 else {1.0} if away == -0.5 else {-1.0, 1.0})
    assert way in plane.note
    assert ("a fact of this image" in plane.note) == bool(way)
    plane.close()


def test_without_a_rating_it_says_why(scored: Any) -> None:
    scored.ask(image=scored.images.names[2])
    scored.wait()
    plane = ImpactPlane(scored)
    assert len(floats(plane.delta_y)) == tiny.MAPS
    assert plane.delta_error == plane.roles == b""
    assert "No rating is known" in plane.note
    assert "rating" not in plane.facts
    plane.close()


def test_a_class_without_a_label_has_no_error(make_session: Make) -> None:
    plane = ImpactPlane(make_session(tiny.classifier(), tiny.rated()))
    assert plane.delta_error == b""
    assert "No label of this image names a class" in plane.note
    plane.close()


def test_a_selection_is_the_sessions(scored: Any) -> None:
    plane = ImpactPlane(scored)
    plane.comm.click(kind="select", indices=[5, 2])
    assert scored.selected == (5, 2)
    scored.select([1])
    assert plane.selected == [1]
    plane.comm.click(kind="select", indices=[])
    assert scored.selected == ()
    plane.close()


def test_a_map_that_does_not_exist_is_one_line(scored: Any) -> None:
    plane = ImpactPlane(scored)
    plane.comm.click(kind="select", indices=[10_000])
    assert scored.selected == ()
    assert "10000" in scored.error
    plane.close()


def test_a_selection_sends_no_impacts_again(scored: Any) -> None:
    plane = ImpactPlane(scored)
    plane.comm.take()
    scored.select(range(8))
    updates, size = plane.comm.take()
    assert updates == [["selected"]]
    assert size < 300
    plane.close()


def test_estimates_come_first_and_become_exact(scored: Any) -> None:
    plane, whole = ImpactPlane(scored), scored.impacts
    some = np.arange(len(whole.exact)) % 2 == 0
    with scored.lock:
        scored.panel.take(impacts=replace(whole, exact=some, done=False))
    assert np.frombuffer(plane.exact, np.uint8).astype(bool).tolist() == some.tolist()
    plane.comm.take()
    with scored.lock:
        scored.panel.take(impacts=whole)
    assert plane.comm.take()[0] == [["exact"]]
    plane.close()


def test_another_image_clears_it_at_once(scored: Any) -> None:
    plane = ImpactPlane(scored)
    with scored.lock:  # no answer can come in between
        scored.ask(image=scored.images.names[1])
        assert (plane.delta_y, plane.exact, plane.facts, plane.note) == (b"", b"", "", "")
    scored.wait()
    np.testing.assert_array_equal(floats(plane.delta_y), scored.impacts.delta_y)
    plane.close()
