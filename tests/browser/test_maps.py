"""Map bank in a page: bars, selection, order that stays under the hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import tiny
import torch
from playwright.sync_api import expect
from viewpage import ViewPage

from xai_widgets import ImageModel, Session
from xai_widgets.views import MapBank

Open = Callable[..., ViewPage]


@pytest.fixture
def session(make_session: Callable[..., Session]) -> Session:
    return make_session(tiny.regressor(), tiny.rated())


def current(page: ViewPage) -> int:
    label = page.find("[role=slider]").get_attribute("aria-label") or ""
    return int(label.removeprefix("Gain of feature map "))


def walk(page: ViewPage, place: int) -> int:
    """Put the keyboard on the map at a place of the grid; its number."""
    page.find("[role=slider]").focus()
    page.page.keyboard.press("Home")
    for _ in range(place):
        page.page.keyboard.press("ArrowRight")
    return current(page)


def at(page: ViewPage, gain: float | None = None) -> tuple[float, float]:
    """A point of the current cell: on its thumbnail, or on its bar at a gain."""
    page.frames(1)
    box = page.find("[role=slider]").bounding_box()
    assert box is not None
    if gain is None:
        return box["x"] + box["width"] / 2, box["y"] + 20
    return box["x"] + 4 + (box["width"] - 8) * gain / 2, box["y"] + box["height"] - 10


def order_of(page: ViewPage, count: int) -> list[int]:
    return [walk(page, place) for place in range(count)]


def test_maps_stand_by_effect_and_say_it_in_words(opened: Open, session: Session) -> None:
    page = opened(MapBank(session))
    assert session.impacts is not None
    strongest = np.argsort(-np.abs(session.impacts.delta_y), kind="stable")[:5].tolist()
    assert order_of(page, 5) == strongest
    knob = page.find("[role=slider]")
    expect(knob).to_have_attribute("aria-valuenow", "1")
    walk(page, 0)
    way = "raises" if session.impacts.delta_y[strongest[0]] < 0 else "lowers"
    expect(page.find(".xw-detail")).to_contain_text(f"map {strongest[0]} · gain 1.00 · {way} the score")
    assert way in (knob.get_attribute("aria-valuetext") or "")


def test_a_bar_of_a_selected_map_moves_all_that_are_selected(opened: Open, session: Session) -> None:
    page = opened(MapBank(session), width=900)
    mouse, keyboard = page.page.mouse, page.page.keyboard
    first = walk(page, 1)
    mouse.click(*at(page))
    third = walk(page, 3)
    keyboard.down("Control")
    mouse.click(*at(page))
    keyboard.up("Control")
    page.deliver(session)
    assert session.selected == (first, third)
    mouse.move(*at(page, 1))
    mouse.down()
    mouse.move(*at(page, 1.5), steps=5)
    mouse.up()
    page.deliver(session)
    gains = dict(session.query.gains)
    assert set(gains) == {first, third}
    assert gains[first] == gains[third] == pytest.approx(1.5, abs=0.05)
    page.find("button", has_text="Undo").click()
    page.deliver(session)
    assert session.query.gains == ()
    expect(page.find("[role=slider]")).to_have_attribute("aria-valuenow", "1")


def test_shift_selects_the_maps_between(opened: Open, session: Session) -> None:
    page = opened(MapBank(session), width=900)
    order = order_of(page, 5)
    walk(page, 1)
    page.page.mouse.click(*at(page))
    page.page.keyboard.press("Shift+ArrowRight")
    page.page.keyboard.press("Shift+ArrowRight")
    page.deliver(session)
    assert session.selected == tuple(order[1:4])
    walk(page, 0)
    page.page.keyboard.press("Space")  # one more
    page.deliver(session)
    assert set(session.selected) == set(order[0:4])
    page.find("button", has_text="4 selected · clear").click()
    page.deliver(session)
    assert session.selected == ()


def test_maps_keep_their_places_under_the_pointer(opened: Open, session: Session) -> None:
    page = opened(MapBank(session), width=900)
    assert session.impacts is not None
    before = walk(page, 0)
    page.page.mouse.move(*at(page))
    session.impacts = replace(session.impacts, delta_y=session.impacts.delta_y[::-1].copy())
    page.refresh()
    expect(page.find(".xw-detail")).to_contain_text(f"map {before} ")
    again = page.find("button", has_text="Sort again")
    expect(again).to_be_visible()
    again.click()
    expect(again).to_be_hidden()
    assert walk(page, 0) == int(np.abs(session.impacts.delta_y).argmax()) != before


def test_while_a_bar_is_held_an_older_answer_does_not_move_it(opened: Open, session: Session) -> None:
    page = opened(MapBank(session), width=900)
    index = walk(page, 0)
    mouse = page.page.mouse
    mouse.move(*at(page, 1))
    mouse.down()
    mouse.move(*at(page, 0.3), steps=4)
    held = page.find("[role=slider]").get_attribute("aria-valuenow")
    session.set_gain([index, 9], 0.8)  # a cell, meanwhile
    page.refresh()
    assert page.find("[role=slider]").get_attribute("aria-valuenow") == held
    mouse.up()
    page.deliver(session)
    gains = dict(session.query.gains)
    assert gains[index] == pytest.approx(float(held or 0))
    assert gains[9] == 0.8


def test_filters_count_what_they_keep(opened: Open, session: Session) -> None:
    page = opened(MapBank(session))
    assert session.impacts is not None
    delta = session.impacts.delta_y
    for name, count in (("raises", (delta < 0).sum()), ("lowers", (delta > 0).sum())):
        chip = page.find(f"[data-filter={name}]")
        expect(chip).to_contain_text(f"{name} the score{count}")
        chip.click()
        expect(chip).to_have_attribute("aria-pressed", "true")
        wanted = -delta if name == "raises" else delta
        assert walk(page, 0) == int(wanted.argmax())
        page.find("button", has_text="Select shown").click()
        page.deliver(session)
        assert len(session.selected) == count
        page.find("button", has_text="clear").click()
        page.deliver(session)


def test_solo_first_keeps_the_first_maps_in_the_order_shown(opened: Open, session: Session) -> None:
    page = opened(MapBank(session))
    order = order_of(page, 3)
    page.find("input[type=number]").fill("3")
    page.find("button", has_text="Solo first").click()
    page.deliver(session)
    assert set(np.flatnonzero(session.gains()).tolist()) == set(order)


def test_thousands_of_maps_paint_only_what_is_seen(opened: Open, make_session: Callable[..., Session]) -> None:
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4096, 4, 4), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(),
        torch.nn.Linear(4096, 1),
    )  # fmt: skip
    session = make_session(ImageModel(network, None, "1"), tiny.rated())
    page = opened(MapBank(session, size="small"), width=1000)
    canvas = page.find("canvas")
    assert 0 < int(canvas.get_attribute("data-painted") or 0) < 300
    rows = int(page.find("[role=grid]").get_attribute("aria-rowcount") or 0)
    columns = int(page.find("[role=grid]").get_attribute("aria-colcount") or 0)
    assert 4096 <= rows * columns < 4096 + columns
    page.find("[role=slider]").focus()
    page.page.keyboard.press("End")
    page.frames()
    expect(page.find("[role=row]")).to_have_attribute("aria-rowindex", str(rows))
    box, window = page.find("[role=slider]").bounding_box(), page.find("[role=grid]").bounding_box()
    assert box is not None
    assert window is not None
    assert window["y"] <= box["y"] < window["y"] + window["height"]
