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
    sign = {0.5: "−", -0.5: ""}.get(away)
    assert ("on one line" in plane.note) == (sign is not None)
    assert sign is None or f"All maps lie on one line, Δ error = {sign}Δ score." in plane.note
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


def test_quadrants_are_counted_and_named_muted_and_active_maps_are_told(scored: Any) -> None:
    plane = ImpactPlane(scored)
    assert plane.counts == np.bincount(scored.impacts.roles, minlength=5).tolist()
    np.testing.assert_array_equal(floats(plane.more["activation"]), scored.maps.maximum)
    plane.comm.take()
    plane.comm.click(kind="mute", indices=[2, 5])
    assert plane.more["muted"] == [2, 5]
    scored.name_map(5, "wheels")
    assert plane.more["names"] == [[5, "wheels"]]
    assert plane.comm.take()[0] == [["more"], ["more"]]
    scored.set_gain(7, 0.5)
    assert plane.comm.take()[0] == [], "a drag of a gain is nothing to the plane"
    plane.comm.click(kind="restore", indices=[2])
    assert plane.more["muted"] == [5]
    plane.comm.click(kind="solo", indices=[1])
    assert np.flatnonzero(scored.gains()).tolist() == [1]
    plane.close()


def test_a_map_that_is_pointed_at_shows_its_picture_and_what_is_known(scored: Any) -> None:
    plane = ImpactPlane(scored)
    plane.comm.click(kind="look", index=3)
    assert plane.seen["index"] == 3
    picture = np.frombuffer(plane.seen["picture"], np.uint8).reshape(plane.seen["shape"])
    np.testing.assert_array_equal(picture, scored.maps.thumbs[3])
    assert plane.seen["facts"][-1].startswith(f"on {scored.query.image}: Δy ")
    plane.comm.click(kind="card", index=3)
    assert plane.card["index"] == 3
    plane.comm.click(kind="look", index=tiny.MAPS)
    assert plane.seen["index"] == 3
    plane.close()


@pytest.mark.parametrize(
    "content",
    [{"kind": "select", "indices": "1"}, {"kind": "mute", "indices": [tiny.MAPS]}, {"kind": "solo"}, {"kind": "of"},
     {"kind": "look", "index": "3"}, {"kind": "of", "name": ["set"]}, {"kind": "of", "name": "selected"},
     {"kind": "card", "index": -1}, {"kind": "restore", "indices": [[1]]}],
)  # fmt: skip
def test_a_message_of_the_wrong_shape_is_one_sentence_and_does_no_harm(scored: Any, content: dict[str, Any]) -> None:
    plane = ImpactPlane(scored)
    plane.comm.click(**content)
    assert scored.error
    assert (scored.query.gains, scored.selected, plane.of, plane.seen) == ((), (), "image", {})
    plane.close()


def test_the_plane_of_selected_images_has_their_medians(scored: Any) -> None:
    plane, names = ImpactPlane(scored), scored.images.names
    assert "two selected images" in plane.more["no_selected"]
    scored.selected_images = names[:2]
    assert plane.more["no_selected"] == "needs impacts of the 2 selected images"
    assert plane.more["offers"][0] == ["selected", "Compute the 2 selected"]
    plane.comm.click(kind="compute", name="selected")
    assert scored.wait(60, whole_set=True)
    assert scored.of_set.having["impacts"] == set(names[:2]), "and of no other"
    plane.comm.click(kind="of", name="selected")
    assert (plane.shown, scored.error) == ("selected", "")
    rows = [scored.of_set.images.index(name) for name in names[:2]]
    np.testing.assert_allclose(floats(plane.delta_y), np.median(scored.of_set.delta_y[rows], 0), rtol=1e-6)
    assert plane.facts.startswith("Medians over 2 selected images made in this explorer")
    assert "over the selected images" in plane.title
    plane.comm.click(kind="compute", name="set")
    assert scored.wait(60, whole_set=True)
    assert scored.knows_set("impacts") == "all"
    np.testing.assert_allclose(floats(plane.delta_y), np.median(scored.of_set.delta_y[rows], 0), rtol=1e-6)
    scored.selected_images = ()
    assert plane.shown == "image"
    with pytest.raises(ValueError, match="image must be one of"):
        scored.know_set("impacts", images=["elsewhere.png"])
    plane.close()
