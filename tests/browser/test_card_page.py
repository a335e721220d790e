"""The card of a feature map in a page: nine crops, a click on one, keys, and a pointer that rests."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import expect
from viewpage import ViewPage

from xai_widgets import Session
from xai_widgets.views import ImpactPlane, MapBank

Open = Callable[..., ViewPage]


@pytest.fixture
def session(set_at_once: None, make_session: Callable[..., Session]) -> Session:
    session = make_session()
    assert session.wait(120, whole_set=True)
    return session


def outside(page: ViewPage) -> dict[str, Any]:
    """How far the card reaches beyond the view, in CSS pixels."""
    found: dict[str, Any] = page.page.evaluate(
        """() => {
            const card = document.querySelector(".xw-card").getBoundingClientRect();
            const view = document.querySelector(".xw-maps").getBoundingClientRect();
            return { left: view.left - card.left, right: card.right - view.right, top: view.top - card.top,
                     bottom: card.bottom - view.bottom }; }"""
    )
    return found


def test_a_card_has_nine_crops_and_a_click_picks_its_image(opened: Open, session: Session, screenshots: Path) -> None:
    page = opened(MapBank(session), width=820, height=820)
    card, keyboard = page.find(".xw-card"), page.page.keyboard
    order = page.find("select").first
    assert order.locator("option[value=set_active]").is_enabled()
    expect(order.locator("option[value=set_delta_y]")).to_be_disabled()
    expect(order.locator("option[value=set_delta_y]")).to_contain_text("not computed yet")
    expect(card).to_be_hidden()
    page.find("[role=slider]").focus()
    keyboard.press("ArrowRight")
    keyboard.press("Enter")
    page.deliver(session)
    expect(card).to_be_visible()
    assert session.map_card is not None
    expect(card).to_contain_text(f"Map {session.map_card.index} of ")
    expect(card).to_contain_text("of the 256 images of this set")
    shown = "() => [...document.querySelectorAll('.xw-crop img')].filter((img) => img.naturalWidth > 0).length"
    page.page.wait_for_function(f"({shown})() === 9")
    assert max(outside(page).values()) <= 1
    assert page.page.evaluate("() => document.activeElement.className") == "xw-card", "the keyboard is in it"
    for theme in ("light", "dark"):
        page.theme(theme)
        page.page.screenshot(path=screenshots / f"card-{theme}.png")
    crop = card.locator(".xw-crop").nth(4)
    name = session.map_card.images[4]
    assert name in (crop.get_attribute("title") or "")
    crop.click()
    page.deliver(session)
    assert session.query.image == name
    expect(card).to_contain_text(f"on {name}: Δy ")
    expect(card.locator(".xw-crop").nth(4)).to_be_focused()
    keyboard.press("Escape")
    expect(card).to_be_hidden()
    expect(page.find("[role=slider]")).to_be_focused()
    page.deliver(session)
    assert session.map_card is None


def test_a_pointer_that_rests_opens_a_card_and_the_mark_keeps_it(opened: Open, session: Session) -> None:
    page = opened(MapBank(session), width=420, height=820)
    mouse, card, knob = page.page.mouse, page.find(".xw-card"), page.find("[role=slider]")
    box = knob.bounding_box()
    assert box is not None
    mouse.move(box["x"] + 25, box["y"] + 25)
    page.page.wait_for_function("() => window.sent.some(({ content }) => content?.kind === 'card')")
    page.deliver(session)
    expect(card).to_be_visible()
    assert max(outside(page).values()) <= 1, "a narrow view holds it too"
    mouse.move(box["x"] + 200, box["y"] + 3, steps=3)
    mouse.move(5, 5)
    page.page.wait_for_function("() => window.sent.some(({ content }) => content?.kind === 'card')")
    page.deliver(session)
    expect(card).to_be_hidden()
    size = box["width"] - 8
    mouse.move(box["x"] + 4 + size - 6, box["y"] + 4 + size - 6)
    mouse.down()
    mouse.up()
    page.deliver(session)
    expect(card).to_be_visible()
    assert session.selected == (), "the mark is not the map"
    mouse.move(5, 5)
    page.page.wait_for_timeout(500)
    expect(card).to_be_visible()
    card.locator(".xw-close").click()
    expect(card).to_be_hidden()


def test_the_plane_shows_the_map_and_its_card_and_mutes_it(opened: Open, session: Session, screenshots: Path) -> None:
    page = opened(ImpactPlane(session), width=480, height=620)
    keyboard, cursor, tip = page.page.keyboard, page.find(".xw-cursor"), page.find(".xw-tip")
    assert session.impacts is not None
    strongest = int(np.abs(session.impacts.delta_y).argmax())
    session.name_map(strongest, "<i>sky</i>")
    page.refresh()
    cursor.focus()
    page.page.wait_for_function("() => window.sent.some(({ content }) => content?.kind === 'look')")
    page.deliver(session)
    expect(tip).to_contain_text(f"map {strongest} “<i>sky</i>”: Δ score ")
    expect(tip).to_contain_text("active (largest value above 0) on ")
    page.page.wait_for_function("() => document.querySelector('.xw-tip img').naturalWidth === 20")
    keyboard.press("m")
    page.deliver(session)
    assert session.query.gains == ((strongest, 0.0),)
    expect(cursor).to_have_attribute("aria-label", re.compile(" · muted$"))
    keyboard.press("m")
    page.deliver(session)
    assert session.query.gains == ()
    keyboard.press("?")
    page.deliver(session)
    card = page.find(".xw-card")
    expect(card).to_contain_text(f"Map {strongest} “<i>sky</i>” of ")
    page.page.screenshot(path=screenshots / "plane-card.png")
    card.locator("input").fill("clouds")
    keyboard.press("Enter")
    page.deliver(session)
    assert session.name_of_map(strongest) == "clouds"
    keyboard.press("Escape")
    page.deliver(session)
    expect(card).to_be_hidden()
    expect(cursor).to_be_focused()
    assert session.map_card is None
    page.find("button", has_text="size: activation").click()
    expect(page.find("button", has_text="size: activation")).to_have_attribute("aria-pressed", "true")


def test_a_card_that_opened_under_a_resting_pointer_goes_with_it(opened: Open, session: Session) -> None:
    page = opened(ImpactPlane(session), width=480, height=620)
    mouse, card, cursor = page.page.mouse, page.find(".xw-card"), page.find(".xw-cursor")
    cursor.focus()
    page.frames()
    box = cursor.bounding_box()
    assert box is not None
    cursor.blur()
    page.frames()
    mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.page.wait_for_function("() => window.sent.some(({ content }) => content?.kind === 'card')")
    page.deliver(session)
    expect(card).to_be_visible()
    card.hover()
    page.page.wait_for_timeout(800)
    expect(card).to_be_visible()
    mouse.move(5, 5)
    expect(card).to_be_hidden()
    page.deliver(session)
    assert session.map_card is None
