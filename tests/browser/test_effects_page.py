"""P against Q in a page: the choice of what effects are of turns bank and plane, with all their words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tiny
from contrast import PALE_ON_CANVAS
from playwright.sync_api import expect
from test_access_page import ODD, WATCH_TEXT, violations
from viewpage import ViewPage

from xai_widgets import ImageModel, ImageSet, Session
from xai_widgets.views import ImpactPlane, MapBank

P, Q = "<b>cup</b>", "crew"
DIFFERENCE = f"{P} − {Q}"
Open = Callable[..., ViewPage]


@pytest.fixture
def session(make_session: Callable[..., Session]) -> Session:
    session = make_session(tiny.classifier(), ImageSet(list(tiny.photos()), labels=["cat", "crew", "dog"], name="tiny"))
    session.ask(contrast=Q)
    assert session.wait(60)
    return session


def choice(page: ViewPage) -> Any:
    return page.find("[role=group][aria-label='Effect on']")


def drawn(page: ViewPage) -> set[str]:
    """What stands on the canvas."""
    page.page.evaluate("window.drawn.clear()")
    page.theme("dark")
    page.theme("light")
    page.page.wait_for_timeout(150)  # a theme is read a moment later
    page.frames(10)
    return set(page.page.evaluate("[...window.drawn.values()].map(({ text }) => text)"))


def test_the_plane_turns_from_p_minus_q_to_p_and_back(opened: Open, session: Session) -> None:
    page = opened(ImpactPlane(session))
    page.page.evaluate(WATCH_TEXT)
    assert session.margins is not None
    assert session.impacts is not None
    scene = page.widgets["view"].picture()
    assert {f"Δ({DIFFERENCE}) when removed", "Δ cross entropy when removed", f"for {P}", f"for {Q}"} <= drawn(page)
    assert {f"▲ {scene.counts[1]}: helpful", f"▼ {scene.counts[4]}: harmful"} <= drawn(page)
    expect(choice(page).locator("[aria-pressed=true]")).to_have_text(DIFFERENCE)
    expect(page.find(".xw-facts")).to_contain_text(f"maps for {P}")
    page.find("[role=option]").focus()
    page.page.keyboard.press("Home")
    strongest = int(np.abs(session.margins.delta).argmax())
    expect(page.find(".xw-tip")).to_contain_text(f"map {strongest}: Δ({DIFFERENCE}) ")
    expect(page.find(".xw-tip")).to_contain_text(f"for {P if session.margins.delta[strongest] < 0 else Q}")
    choice(page).locator("button", has_text=P).first.click()
    page.deliver(session)
    assert session.look.effect_on == "score"
    words = drawn(page)
    assert f"Δ {P} when removed" in words
    assert not [word for word in words if DIFFERENCE in word]
    choice(page).locator("button", has_text=DIFFERENCE).click()
    page.deliver(session)
    assert f"Δ({DIFFERENCE}) when removed" in drawn(page)
    session.ask(contrast=None)
    page.deliver(session)
    expect(choice(page)).to_be_hidden()
    assert "Δ score when removed" in drawn(page)


def test_the_bank_counts_and_selects_what_is_for_p_and_for_q(opened: Open, session: Session) -> None:
    page, names = opened(MapBank(session)), ("helpful_raises", "helpful_lowers", "harmful_raises", "harmful_lowers")
    roles = page.widgets["view"].picture().roles
    for number, name in enumerate(names, 1):
        count, error = int((roles == number).sum()), "helps" if number < 3 else "harms"
        expect(page.find(f"[data-filter={name}]")).to_contain_text(f"{error}, for {P if number % 2 else Q}{count}")
    page.find("[data-filter=harmful_lowers]").click()
    page.find("button", has_text="Select shown").click()
    page.deliver(session)
    assert sorted(session.selected) == np.flatnonzero(roles == 4).tolist()
    page.find("[data-filter=all]").click()
    options = page.find("select[aria-label=Sort] option")
    assert {f"most for {P}", f"most for {Q}"} <= set(options.all_inner_texts())
    assert session.margins is not None
    assert session.impacts is not None
    for shown, words in ((session.margins.delta, f"for {P}"), (session.impacts.delta_y, f"raises {P}")):
        page.find("select[aria-label=Sort]").select_option("raises")
        page.find("[role=slider]").focus()
        page.page.keyboard.press("Home")
        first = int(np.where(np.arange(tiny.MAPS) == tiny.DEAD, np.inf, shown).argmin())
        expect(page.find(".xw-detail strong")).to_contain_text(f"map {first} · gain 1.00 · {words}")
        choice(page).locator("button", has_text=P).first.click()
        page.deliver(session)
    expect(page.find("[data-filter=helpful_raises]")).to_contain_text("helps, raises")


@pytest.mark.parametrize("kind", [ImpactPlane, MapBank])
def test_names_of_any_kind_fit_and_can_be_read(opened: Open, make_session: Callable[..., Session], kind: Any) -> None:
    network = tiny.TinyNet(len(ODD))
    model = ImageModel(network, None, "features", labels=ODD, task="classification", name="odd")
    session = make_session(model, ImageSet(list(tiny.photos()), labels=[ODD[0]] * 3, name="tiny"))
    session.ask(target=3, contrast=2)
    assert session.wait(60)
    page = opened(kind(session), width=360, height=900)
    page.page.evaluate(WATCH_TEXT)
    assert page.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert violations(page) == []
    for theme in ("dark", "light"):
        page.page.evaluate("window.drawn.clear()")
        page.theme(theme)
        page.page.wait_for_timeout(150)
        page.frames(10)
        assert page.page.evaluate(PALE_ON_CANVAS) == [], theme
