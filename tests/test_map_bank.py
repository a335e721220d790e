"""The map bank without a browser: what is sent, what gestures do, and that nothing echoes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tiny import DEAD, MAPS, classifier, photos, rated, regressor
from traitlets import TraitError

from xai_widgets import ImageSet, Session
from xai_widgets.engine import Region
from xai_widgets.views import MapBank

Make = Callable[..., Session]


@pytest.fixture
def session(make_session: Make) -> Session:
    return make_session(regressor(), rated())


@pytest.fixture
def bank(session: Session) -> Iterator[MapBank]:
    bank = MapBank(session)
    bank.comm.take()
    yield bank
    bank.close()


def sent_gains(bank: MapBank) -> NDArray[np.float32]:
    return np.frombuffer(bank.gains["values"], np.float32)


def test_maps_and_effects_travel_as_bytes(session: Session, bank: MapBank) -> None:
    assert bank.maps["thumbs_shape"] == [MAPS, 16, 16]
    assert session.maps is not None
    assert session.impacts is not None
    np.testing.assert_array_equal(
        np.frombuffer(bank.maps["thumbs"], np.uint8).reshape(MAPS, 16, 16), session.maps.thumbs
    )
    assert np.frombuffer(bank.maps["dead"], np.uint8)[DEAD] == 1
    np.testing.assert_array_equal(np.frombuffer(bank.impacts["delta_y"], np.float32), session.impacts.delta_y)
    assert np.frombuffer(bank.impacts["exact"], np.uint8).all()
    assert set(np.frombuffer(bank.impacts["roles"], np.int8)) <= set(range(5))
    assert bank.impacts["value"] == pytest.approx(session.output.value)  # type: ignore[union-attr]
    assert bank.subject == "the score"


def test_opening_costs_the_maps_and_little_more(session: Session) -> None:
    bank = MapBank(session)
    _, size = bank.comm.take()
    source = len(bank._esm) + len(bank._css)
    assert MAPS * 16 * 16 < size < MAPS * 16 * 16 + 1.1 * source + 8_000
    bank.close()


def test_a_drag_moves_one_gain_and_nothing_echoes(session: Session, bank: MapBank) -> None:
    for step, value in enumerate((0.75, 0.5, 0.25), 1):
        bank.comm.arrive(drag={"kind": "gain", "indices": [3], "value": value, "gesture": 7, "step": step})
    assert session.wait(30)
    assert session.query.gains == ((3, 0.25),)
    names, _ = bank.comm.take()
    assert [name for name in names if name != ["can_undo"]] == []
    session.undo()  # one gesture is one step
    assert session.query.gains == ()
    assert sent_gains(bank)[3] == 1
    bank.comm.click(kind="redo")
    assert session.query.gains == ((3, 0.25),)
    assert sent_gains(bank)[3] == 0.25


def test_the_same_drag_twice_with_an_undo_between_reaches_both_sides(session: Session, bank: MapBank) -> None:
    versions = [bank.gains.get("version", 0)]
    for gesture in (1, 2):
        bank.comm.arrive(drag={"kind": "gain", "indices": [5], "value": 0.25, "gesture": gesture, "step": gesture})
        assert session.query.gains == ((5, 0.25),)
        bank.comm.click(kind="undo")
        assert session.query.gains == ()
        versions.append(bank.gains["version"])
    assert versions == sorted(set(versions))


def moved(bank: MapBank, index: int, value: float, step: int, origin: str = "tab") -> None:
    drag = {"kind": "gain", "indices": [index], "value": value, "gesture": 1, "step": step, "origin": origin}
    bank.comm.arrive(drag=drag)


def known_to_a_new_front_end(bank: MapBank) -> tuple[NDArray[np.float32], list[int]]:
    """Gains and selection in the state that a front end begins with."""
    state = bank.get_state(["gains", "selected"])
    return np.frombuffer(state["gains"]["values"], np.float32), state["selected"]["values"]


def test_a_front_end_that_opens_later_shows_the_session(session: Session, bank: MapBank) -> None:
    for step, value in enumerate((0.75, 0.25), 1):
        moved(bank, 3, value, step)
        gains, _ = known_to_a_new_front_end(bank)
        np.testing.assert_array_equal(gains, session.gains())  # during the drag too
    moved(bank, 7, 1.5, 3)
    bank.comm.click(kind="select", indices=[7, 3], origin="tab", step=4)
    gains, selected = known_to_a_new_front_end(bank)
    np.testing.assert_array_equal(gains, session.gains())
    assert np.flatnonzero(gains != 1).tolist() == [3, 7]
    assert tuple(selected) == session.selected == (7, 3)
    assert [
        names for names in bank.comm.take()[0] if names != ["can_undo"]
    ] == []  # and the one that dragged is sent nothing


def test_one_that_opened_before_is_told_when_it_says_so_and_from_then_on(session: Session, bank: MapBank) -> None:
    bank.comm.click(kind="here", origin="tab")
    moved(bank, 3, 0.5, 1)
    bank.comm.take()
    bank.comm.click(kind="here", origin="other")
    assert bank.comm.take()[0] == [["gains"]]
    moved(bank, 3, 0.25, 2)
    names, size = bank.comm.take()
    assert ["gains"] in names
    assert size < 4 * MAPS + 300
    assert sent_gains(bank)[3] == 0.25
    assert bank.gains["heard"] == {"tab": 2}
    bank.comm.click(kind="select", indices=[3], origin="other", step=9)
    assert bank.comm.take()[0] == [["selected"]]
    assert bank.selected["heard"] == {"other": 9}, "each trait has its own: drags wait in the browser, clicks do not"


def test_what_is_refused_is_answered_so_that_the_bar_goes_back(session: Session, bank: MapBank) -> None:
    moved(bank, 1, 9.0, 5)
    assert "[0, 2]" in session.error
    assert sent_gains(bank)[1] == 1
    assert bank.gains["heard"] == {"tab": 5}
    bank.comm.click(kind="select", indices=[MAPS], origin="tab", step=6)
    assert bank.selected["values"] == []
    assert bank.selected["heard"] == {"tab": 6}


def test_only_the_last_origins_are_remembered(session: Session, bank: MapBank) -> None:
    for step in range(20):
        moved(bank, 2, step / 10, step + 1, origin=f"tab {step}")
    assert list(bank.gains["heard"].items()) == [(f"tab {step}", step + 1) for step in range(12, 20)]
    moved(bank, 2, 0.5, -5, origin="tab 19")
    assert bank.gains["heard"]["tab 19"] == 20


def test_a_drag_of_one_selected_map_moves_all_selected(session: Session, bank: MapBank) -> None:
    bank.comm.click(kind="select", indices=[2, 7, 9])
    assert session.selected == (2, 7, 9)
    assert bank.comm.take() == ([], 0)
    bank.comm.arrive(drag={"kind": "gain", "indices": [2, 7, 9], "value": 1.5, "gesture": 1, "step": 1})
    assert session.query.gains == ((2, 1.5), (7, 1.5), (9, 1.5))


def test_clicks_mute_restore_solo_invert_and_reset(session: Session, bank: MapBank) -> None:
    bank.comm.click(kind="mute", indices=[1, 2])
    assert session.query.gains == ((1, 0.0), (2, 0.0))
    bank.comm.click(kind="restore", indices=[1])
    assert session.query.gains == ((2, 0.0),)
    bank.comm.click(kind="solo", indices=[4, 6])
    np.testing.assert_array_equal(np.flatnonzero(sent_gains(bank)), [4, 6])
    bank.comm.click(kind="invert")
    np.testing.assert_array_equal(np.flatnonzero(sent_gains(bank) == 0), [4, 6])
    bank.comm.click(kind="reset")
    assert session.query.gains == ()
    assert (sent_gains(bank) == 1).all()


def test_what_other_views_do_is_shown(session: Session, bank: MapBank) -> None:
    session.select([8, 3])
    assert bank.selected["values"] == [8, 3]
    session.set_gain(8, 0.5)
    assert sent_gains(bank)[8] == 0.5
    assert bank.can_undo
    session.undo()
    assert not bank.can_undo


def test_the_score_reacts_to_a_gain_as_the_network_says(session: Session, bank: MapBank) -> None:
    assert session.impacts is not None
    assert session.output is not None
    strongest = int(np.abs(session.impacts.delta_y).argmax())
    before = session.output.value
    bank.comm.click(kind="mute", indices=[strongest])
    assert session.wait(30)
    assert session.output.value == pytest.approx(before + session.impacts.delta_y[strongest], abs=1e-5)


def test_another_image_replaces_the_maps_and_forgets_old_effects(session: Session, bank: MapBank) -> None:
    first = bank.maps["key"]
    session.ask(image=session.images.names[1])
    assert session.wait(30)
    assert bank.maps["key"] != first
    assert not bank.pending
    assert session.impacts is not None
    np.testing.assert_array_equal(np.frombuffer(bank.impacts["delta_y"], np.float32), session.impacts.delta_y)


def test_while_new_maps_are_on_their_way_the_old_ones_are_marked(session: Session, bank: MapBank) -> None:
    maps = session.maps
    session.panel.take(maps=None)
    assert bank.pending
    assert bank.comm.take()[0] == [["pending"]]
    session.panel.take(maps=maps)
    assert not bank.pending


def test_an_image_without_a_rating_has_no_roles(session: Session, bank: MapBank) -> None:
    session.ask(image=session.images.names[2])
    assert session.wait(30)
    assert bank.impacts["roles"] == bank.impacts["delta_error"] == b""


def test_a_class_is_named_as_what_is_scored(make_session: Make) -> None:
    session = make_session(classifier(), ImageSet(list(photos())))
    bank = MapBank(session)
    assert session.output is not None
    assert bank.subject == ("cat", "<b>cup</b>", "crew")[session.output.target]
    session.ask(target="cat")
    assert session.wait(30)
    assert bank.subject == "cat"
    bank.close()


def test_mistakes_become_the_error_line(session: Session, bank: MapBank) -> None:
    bank.comm.click(kind="mute", indices=[MAPS])
    assert str(MAPS - 1) in session.error
    bank.comm.arrive(drag={"kind": "gain", "indices": [1], "value": 9.0, "gesture": 1, "step": 1})
    assert "[0, 2]" in session.error
    assert session.query.gains == ()
    assert sent_gains(bank)[1] == 1
    bank.comm.arrive(drag={"kind": "gain", "indices": [MAPS], "value": 1.5, "gesture": 2, "step": 2})
    assert str(MAPS - 1) in session.error


def test_order_and_filter_can_be_set_from_python_only_to_known_names(session: Session, bank: MapBank) -> None:
    bank.order = "lowers"
    bank.show = "harmful"
    names, _ = bank.comm.take()
    assert names == [["order"], ["show"]]
    with pytest.raises(TraitError, match="order"):
        bank.order = "beauty"


def test_names_and_groups_are_given_by_messages_and_travel_alone(session: Session, bank: MapBank) -> None:
    bank.comm.click(kind="name", index=3, words="wheels")
    bank.comm.click(kind="group", words="round", indices=[3, 5])
    assert (session.name_of_map(3), session.maps_of("round")) == ("wheels", (3, 5))
    assert bank.comm.take()[0] == [["named"], ["named"]]
    assert bank.named == {"names": [[3, "wheels"]], "groups": [["round", [3, 5]]]}
    bank.find = "wheels"
    bank.comm.click(kind="name", index=4, words="wheels")
    assert "map 3 has the name" in session.error


def test_likeness_is_sent_while_maps_are_sorted_by_it(session: Session, bank: MapBank) -> None:
    bank.comm.arrive(order="likeness")
    assert bank.alike.get("like", -1) == -1
    session.select([3, 5])
    assert bank.alike["like"] == 3
    np.testing.assert_array_equal(np.frombuffer(bank.alike["likeness"], np.float32), session.likeness_to(3))
    session.set_gain(3, 0.5)
    session.ask(image=session.images.names[1])
    assert session.wait(30)
    np.testing.assert_array_equal(np.frombuffer(bank.alike["likeness"], np.float32), session.likeness_to(3))
    bank.comm.arrive(order="effect")
    assert bank.alike == {"like": -1, "likeness": None}


def test_activation_and_the_effect_in_a_region_travel_where_they_are_known(session: Session, bank: MapBank) -> None:
    assert session.maps is not None
    sent = np.frombuffer(bank.maps["activation"], np.float32)
    np.testing.assert_array_equal(sent, session.maps.maximum)
    assert sent[DEAD] == 0
    assert bank.region["region_delta_y"] is None
    session.look_into((0.0, 0.0, 0.5, 1.0))
    assert session.wait(30)
    assert session.region is not None
    assert np.isfinite(session.region.delta_y).all()
    assert bank.region["region_delta_y"] == session.region.delta_y.astype(np.float32).tobytes()
    session.look_into(None)
    assert bank.region["region_delta_y"] is None
    session.panel.take(region=Region(np.zeros(MAPS - 1, np.float32), places=1, of=4, share=0.5, area=0.25))
    assert bank.region["region_delta_y"] is None, "of another layer"


@pytest.mark.parametrize(
    "content",
    [
        {"kind": "mute"}, {"kind": "solo", "indices": "12"}, {"kind": "solo", "indices": [1, None]},
        {"kind": "solo", "indices": [MAPS]}, {"kind": "select", "indices": {"1": 2}},
        {"kind": "restore", "indices": [-1]},
        {"kind": "gain", "indices": [1], "value": "all"}, {"kind": "gain", "value": 1}, {"kind": "card", "index": [1]},
        {"kind": "card", "index": 1, "by": 7}, {"kind": "name", "index": 1},
        {"kind": "name", "index": True, "words": "x"},
        {"kind": "group", "words": 3, "indices": [1]}, {"kind": "group", "words": "x", "indices": [1.5]},
        {"kind": "image", "name": ["a"]}, {"kind": "know", "what": None},
    ],
)  # fmt: skip
def test_a_message_of_the_wrong_shape_is_one_sentence_and_does_no_harm(
    session: Session, bank: MapBank, content: dict[str, Any]
) -> None:
    before = (session.query, session.selected, session.map_names, session.map_card)
    bank.comm.click(**content)
    assert session.error.count("\n") == 0
    assert session.error
    assert (session.query, session.selected, session.map_names, session.map_card) == before
