"""Map bank and stage in a page: bars, selection, order that stays under the hand, values under the pointer."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from playwright.sync_api import Browser, expect
from viewpage import ViewPage

from xai_widgets import ImageModel, ImageSet, Session
from xai_widgets.views import MapBank, Stage

Open = Callable[..., ViewPage]
EVIL = '<b>cat</b><img src=x onerror="window.hacked = 1">'


@pytest.fixture
def opened(chromium: Browser) -> Iterator[Open]:
    """Views in pages, which are left after the test."""
    made: list[tuple[Any, ViewPage]] = []

    def show(view: Any, **options: Any) -> ViewPage:
        made.append((view, ViewPage(chromium, view, **options)))
        return made[-1][1]

    yield show
    for view, page in made:
        page.leave()
        view.close()


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


# ---------------------------------------------------------------- stage


def point(page: ViewPage, u: float, v: float) -> str:
    box = page.find(".xw-frame").last.bounding_box()
    assert box is not None
    page.page.mouse.move(box["x"] + u * box["width"], box["y"] + v * box["height"])
    return page.find("output").inner_text().replace("−", "-")


def value_in(text: str) -> float:
    found = re.search(r"· ([-+]?[\d.]+(?:e[-+]?\d+)?) ·", text)
    assert found, text
    return float(found[1])


def test_the_value_under_the_pointer_is_that_of_torch_and_follows_the_map(opened: Open, session: Session) -> None:
    page = opened(Stage(session), width=700)
    for gain in (1.0, 0.0):
        assert session.impacts is not None
        session.set_gain(int(np.abs(session.impacts.delta_y).argmax()), gain)
        assert session.wait(30)
        page.refresh()
        said = page.find("output").inner_text().replace("−", "-") if gain == 0 else point(page, 0.31, 0.77)
        assert session.saliency is not None
        values = torch.from_numpy(session.saliency.map)[None, None]
        fine = torch.nn.functional.interpolate(values, (1000, 1000), mode="bilinear")[0, 0]
        near = fine[765:776, 305:316]
        slack = 0.01 * session.saliency.limit
        assert near.min() - slack <= value_in(said) <= near.max() + slack
    page.find("select[aria-label=Map]").select_option("cells")
    assert session.saliency is not None
    assert value_in(point(page, 0.31, 0.77)) == pytest.approx(float(session.saliency.map[12, 4]), rel=0.006)


def test_arrow_keys_read_the_map_cell_by_cell(opened: Open, session: Session) -> None:
    page = opened(Stage(session), width=700)
    page.find(".xw-frame").last.focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown"):
        page.page.keyboard.press(key)
    assert "cell 1, 1 of 16 × 16" in page.find("output").inner_text()
    page.find("select[aria-label=Map]").focus()
    expect(page.find("output")).to_contain_text("Point at a picture")


def test_a_look_redraws_at_once_and_is_sent_once(opened: Open, session: Session) -> None:
    page = opened(Stage(session), width=700)
    slider, canvas = page.find("input[type=range]"), page.find(".xw-frame canvas")
    box = slider.bounding_box()
    assert box is not None
    page.page.mouse.move(box["x"] + 0.75 * box["width"], box["y"] + box["height"] / 2)
    page.page.mouse.down()
    page.page.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + box["height"] / 2, steps=12)
    assert float(canvas.evaluate("canvas => getComputedStyle(canvas).opacity")) < 0.3
    assert page.sent() == []
    page.page.mouse.up()
    assert len(page.deliver(session)) == 1
    assert session.look.opacity < 0.3
    before = canvas.evaluate("canvas => canvas.toDataURL()")
    page.find("select[aria-label=Colours]").select_option("purple-orange")
    page.frames()
    assert canvas.evaluate("canvas => canvas.toDataURL()") != before
    assert len(page.deliver(session)) == 1
    assert session.look.palette == "purple-orange"
    session.show(palette="blue-red", opacity=0.75)  # from Python
    page.refresh()
    expect(page.find("select[aria-label=Colours]")).to_have_value("blue-red")
    expect(slider).to_have_value("0.75")


def test_outside_the_box_the_photo_is_dimmed_and_has_no_value(
    opened: Open, make_session: Callable[..., Session]
) -> None:
    wide = np.repeat(tiny.photos()[0], 2, axis=1)

    def left_half(photo: Any) -> tuple[torch.Tensor, tuple[int, int, int, int]]:
        pixels = torch.from_numpy(np.asarray(photo).copy()[:, : tiny.SIDE]).permute(2, 0, 1) / 255
        return pixels, (0, 0, tiny.SIDE, tiny.SIDE)

    model = ImageModel(tiny.TinyNet(), (left_half, lambda pixels: pixels), "features")
    session = make_session(model, ImageSet([wide]))
    page = opened(Stage(session), width=700)
    assert "outside what the network saw" in point(page, 0.8, 0.5)
    assert "cell 8, 8" in point(page, 0.26, 0.52)
    canvas, frame = page.find(".xw-frame canvas").bounding_box(), page.find(".xw-frame").last.bounding_box()
    assert canvas is not None
    assert frame is not None
    assert canvas["width"] == pytest.approx(frame["width"] / 2, abs=1)


def test_one_picture_where_there_is_no_room_for_two(opened: Open, session: Session) -> None:
    stage = Stage(session)
    page = opened(stage, width=1000)
    expect(page.find(".xw-plain")).to_be_visible()
    page.page.set_viewport_size({"width": 480, "height": 700})
    expect(page.find(".xw-plain")).to_be_hidden()
    assert page.root.evaluate("node => node.scrollWidth <= node.clientWidth")


def test_the_picture_stands_still_while_the_score_grows_an_arrow(opened: Open, session: Session) -> None:
    for width in (480, 700):
        session.reset_gains()
        assert session.wait(30)
        page = opened(Stage(session), width=width)
        before = page.find(".xw-frame").last.bounding_box()
        session.set_gain(3, 0.5)
        assert session.wait(30)
        page.refresh()
        expect(page.find(".xw-headline")).to_contain_text("→")
        assert page.find(".xw-frame").last.bounding_box() == before


def test_a_name_is_text(opened: Open, make_session: Callable[..., Session]) -> None:
    session = make_session(tiny.classifier(), ImageSet(list(tiny.photos()), labels=[EVIL, EVIL, EVIL]))
    page = opened(Stage(session), width=700)
    expect(page.find(".xw-facts")).to_contain_text(EVIL)
    assert page.page.locator("main b").count() == 0
    assert page.page.evaluate("window.hacked") is None
