"""Map bank in a page: bars, selection, order that stays under the hand."""

from __future__ import annotations

import re
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

ROLES = {"helpful_raises": "helps, raises", "helpful_lowers": "helps, lowers", "harmful_raises": "harms, raises",
         "harmful_lowers": "harms, lowers"}  # fmt: skip
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
    session.panel.take(impacts=replace(session.impacts, delta_y=session.impacts.delta_y[::-1].copy()))
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
    delta, roles = session.impacts.delta_y, session.impacts.roles
    assert roles is not None
    expect(page.find("[data-filter=raises]")).to_be_hidden()  # four roles say more
    for number, (name, words) in enumerate(ROLES.items(), 1):
        chip, count = page.find(f"[data-filter={name}]"), int((roles == number).sum())
        expect(chip).to_contain_text(f"{words}{count}")
        if not count:
            continue
        chip.click()
        expect(chip).to_have_attribute("aria-pressed", "true")
        assert walk(page, 0) == int(np.where(roles == number, np.abs(delta), -1).argmax())
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


def test_control_z_takes_the_last_change_back_and_shift_makes_it_again(opened: Open, session: Session) -> None:
    page = opened(MapBank(session), width=900)
    index = walk(page, 0)
    keyboard = page.page.keyboard
    keyboard.press("0")
    page.deliver(session)
    assert session.query.gains == ((index, 0.0),)
    keyboard.press("Control+z")
    suppressed = "document.activeElement.hasAttribute('data-lm-suppress-shortcuts')"
    assert page.page.evaluate(suppressed), "or the notebook would undo too"
    page.deliver(session)
    assert session.query.gains == ()
    expect(page.find("[role=slider]")).to_have_attribute("aria-valuenow", "1")
    page.find("button", has_text="Invert").focus()  # anywhere in the bank
    keyboard.press("Control+Shift+Z")
    page.deliver(session)
    assert session.query.gains == ((index, 0.0),)
    page.find("input[type=number]").focus()
    keyboard.press("Control+z")  # of the number that is typed there
    assert page.asked() == []


def test_what_another_front_end_moved_is_shown(opened: Open, session: Session) -> None:
    bank = MapBank(session)
    page = opened(bank, width=900)
    first, second = walk(page, 0), walk(page, 1)
    page.page.keyboard.press("0")
    page.deliver(session)
    for step, value in enumerate((0.75, 0.25), 1):
        drag = {"kind": "gain", "indices": [first], "value": value, "gesture": 5, "step": step, "origin": "other"}
        bank.comm.arrive(drag=drag)
        page.refresh()
        walk(page, 0)
        expect(page.find("[role=slider]")).to_have_attribute("aria-valuenow", str(value))
    walk(page, 1)
    expect(page.find("[role=slider]")).to_have_attribute("aria-valuenow", "0")
    bank.comm.click(kind="select", indices=[second], origin="other", step=3)
    page.refresh()
    expect(page.find("[role=gridcell]")).to_have_attribute("aria-selected", "true")


def scrolled(page: ViewPage, dy: int) -> tuple[float, float]:
    """Turn the wheel by a notch; how far page and grid are scrolled when both have come to rest."""
    page.page.mouse.wheel(0, dy)
    where = "() => [window.scrollY, document.querySelector('.xw-window').scrollTop]"
    last = None
    while (now := page.page.evaluate(where)) != last:
        last = now
        page.frames(6)
    return now[0], now[1]


def test_a_page_that_scrolls_under_a_resting_pointer_goes_on(opened: Open, session: Session) -> None:
    page = opened(MapBank(session, size="large", height=200), width=480, height=600)
    page.page.evaluate("() => { document.body.style.margin = '900px 0 1500px'; }")
    page.page.mouse.move(200, 300)
    on_grid = "() => Boolean(document.elementFromPoint(200, 300)?.closest('.xw-window'))"
    while not page.page.evaluate(on_grid):
        before, _ = scrolled(page, 100)
    after, grid = scrolled(page, 60)
    assert (after - before, grid) == (60, 0), "the page goes on"
    page.page.mouse.move(205, 302)
    still, grid = scrolled(page, 60)
    assert still == after
    assert grid == 60, "the pointer has moved over the grid"
    while (now := scrolled(page, 400))[0] == after:
        assert now[1] > grid, "either the grid moves, or the page does"
        grid = now[1]
    assert now[0] > after, "at its end the wheel is the page's"


def test_a_name_is_given_in_the_card_found_and_grouped(opened: Open, session: Session) -> None:
    page = opened(MapBank(session), width=480)
    keyboard = page.page.keyboard
    index, other = walk(page, 0), walk(page, 1)
    walk(page, 0)
    keyboard.press("n")
    page.deliver(session)
    expect(page.find(".xw-card input")).to_be_focused()
    keyboard.type("<b>wheels</b>")
    keyboard.press("Enter")
    page.deliver(session)
    assert session.name_of_map(index) == "<b>wheels</b>"
    expect(page.find(".xw-card strong")).to_contain_text(f"Map {index} “<b>wheels</b>”")
    keyboard.press("Escape")
    expect(page.find(".xw-card")).to_be_hidden()
    page.deliver(session)
    expect(page.find("[role=slider]")).to_have_attribute("aria-label", re.compile(f"map {index} “<b>wheels"))
    page.find("input[type=search]").fill("WHEEL")
    expect(page.find("[role=grid]")).to_have_attribute("aria-rowcount", "1")
    page.find("input[type=search]").fill(f"{index}, {other}")
    page.find("button", has_text="Select shown").click()
    page.deliver(session)
    page.find("button", has_text="Group…").click()
    keyboard.type("both")
    keyboard.press("Enter")
    page.deliver(session)
    assert set(session.maps_of("both")) == {index, other}
    page.find("input[type=search]").fill("")
    page.find("button", has_text="2 selected · clear").click()
    page.deliver(session)
    page.find(".xw-chip", has_text="both2").click()
    page.deliver(session)
    assert set(session.selected) == {index, other}
    page.find("button", has_text="Group…").click()
    page.find("button", has_text="Take apart").click()
    page.deliver(session)
    assert session.map_names[0].groups == ()


def test_enter_leads_from_the_search_to_the_first_map_that_was_found(opened: Open, session: Session) -> None:
    page = opened(MapBank(session))
    find, keyboard = page.find("input[aria-label='Find maps']"), page.page.keyboard
    find.fill("3, 1")
    first = order_of(page, 1)[0]
    assert first in (1, 3)
    find.focus()
    keyboard.press("Enter")
    expect(page.find("[role=slider]")).to_be_focused()
    assert current(page) == first
    page.asked()
    keyboard.press("m")
    assert [one["content"]["indices"] for one in page.asked() if "content" in one] == [[first]]
    find.focus()
    keyboard.press("Escape")
    assert find.input_value() == ""
    assert len({*order_of(page, 4)}) == 4


def test_gains_are_typed_and_moved_finely_and_a_box_selects(opened: Open, session: Session) -> None:
    page = opened(MapBank(session), width=480)
    keyboard, mouse = page.page.keyboard, page.page.mouse
    index = walk(page, 0)
    keyboard.press("g")
    keyboard.type("0.35")
    keyboard.press("Enter")
    page.deliver(session)
    assert session.query.gains == ((index, 0.35),)
    expect(page.find("[role=slider]")).to_be_focused()
    keyboard.press("]")
    page.deliver(session)
    assert session.query.gains == ((index, 0.36),)
    keyboard.press("g")
    keyboard.type("7")
    keyboard.press("Enter")
    page.deliver(session)
    assert "must be in [0, 2], got 7" in session.error
    expect(page.find("input[aria-label=Gain]")).to_have_value("0.36")
    keyboard.press("1")
    page.deliver(session)
    start = at(page, 1)
    width = (at(page, 2)[0] - start[0]) / 1.0
    mouse.move(*start)
    mouse.down()
    keyboard.down("Shift")
    mouse.move(start[0] + 1, start[1])
    mouse.move(start[0] + 1 + width, start[1], steps=4)
    mouse.up()
    keyboard.up("Shift")
    page.deliver(session)
    gain = dict(session.query.gains)[index]
    assert gain == pytest.approx(1.1, abs=0.02), "a tenth of the way"
    first = walk(page, 0)
    begin = at(page)
    third = walk(page, 2)
    end = at(page)
    mouse.move(*begin)
    mouse.down()
    mouse.move(*end, steps=5)
    mouse.up()
    page.deliver(session)
    assert {first, third} < set(session.selected)
    assert len(session.selected) == 3
