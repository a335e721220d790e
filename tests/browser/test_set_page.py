"""What is known of a whole set, in a page: filters and orders, medians on the plane, bands of the radar."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect
from viewpage import ViewPage
from whole_sets import COUNT, KNOWN

from xai_widgets import Session
from xai_widgets.engine import Sources
from xai_widgets.engine.set_answers import SetAnswers
from xai_widgets.views import Gallery, ImpactPlane, MetricRadar

Open = Callable[..., ViewPage]


@pytest.fixture
def session(make_session: Callable[..., Session], crops_sources: Sources, crops_known: SetAnswers) -> Session:
    session = make_session(crops_sources, None)
    session.ask(image="1.png")
    session.bring(crops_known)
    assert session.wait(20)
    return session


def photograph(page: ViewPage, folder: Path, name: str) -> None:
    for theme in ("light", "dark"):
        page.theme(theme)
        page.root.screenshot(path=str(folder / f"{name}-{theme}.png"))
    page.theme("light")


def test_the_gallery_is_filtered_and_sorted_by_any_column(opened: Open, session: Session, screenshots: Path) -> None:
    page = opened(Gallery(session), width=360)
    count, by = page.find(".xw-head [role=status]"), page.find("select[aria-label='Filter by']")
    by.select_option("camera")
    page.find("select[aria-label='Values that are shown']").select_option("a9")
    page.deliver(session)
    page.find("select[aria-label='Values that are shown']").select_option("A")
    page.deliver(session)
    expect(count).to_have_text(f"{len(session.shown_images)} of {COUNT} shown")
    by.select_option("entropy")
    low, high = page.find("input[aria-label='At least']"), page.find("input[aria-label='At most']")
    assert low.get_attribute("placeholder")
    low.fill("0.2")
    high.fill("0,99")
    high.press("Enter")
    page.deliver(session)
    chips = page.find(".xw-chip[data-column]")
    assert [text.removesuffix(" ✕") for text in chips.all_inner_texts()] == ["camera: a9, A", "1 − entropy 0.2 to 0.99"]
    assert 0 < len(session.shown_images) < COUNT
    expect(page.find(".xw-cell")).to_have_count(len(session.shown_images))
    photograph(page, screenshots, "gallery-filtered")
    chips.nth(0).click()
    page.deliver(session)
    page.find(".xw-chip").first.click()
    page.deliver(session)
    assert session.filters == ()
    expect(count).to_have_text(f"{COUNT}")
    page.find("select[aria-label='Sort by']").select_option("entropy")
    for message in page.sent():
        assert message.get("content", {}).get("kind") != "filter"
    view = page.widgets["view"]
    view.order = "entropy"  # as the page has set it
    page.refresh()
    values = session.columns_of_images["entropy"].values
    missing = sum(value != value for value in values)
    expect(count).to_have_text(f"{COUNT}, {missing} without a value last")
    photograph(page, screenshots, "gallery-sorted")


def test_the_plane_turns_to_the_set_and_selects_there(opened: Open, session: Session, screenshots: Path) -> None:
    plane = ImpactPlane(session)
    page = opened(plane, width=520)
    page.find("button[aria-label^='Medians']").click()
    page.deliver(session)
    assert (plane.of, plane.shown) == ("set", "set")
    expect(page.find(".xw-facts")).to_contain_text(f"{KNOWN} images of {COUNT} so far from the study crops")
    page.drag(page.find("canvas"), (0.2, 0.06), (0.98, 0.8))
    page.deliver(session)
    assert session.selected
    page.find(".xw-cursor").focus()
    page.page.keyboard.press("Home")
    page.frames()
    expect(page.find(".xw-tip")).to_contain_text("median Δ score")
    photograph(page, screenshots, "plane-of-the-set")
    session.ask(layer=next(layer.name for layer in session.layers() if layer.name != session.query.layer))
    session.wait(20)
    page.refresh()
    assert (plane.of, plane.shown) == ("set", "image")
    expect(page.find("button[aria-label^='Medians']")).to_be_disabled()
    expect(page.find(".xw-of")).to_contain_text("needs impacts of the set")


def test_the_radar_has_bands_and_shows_what_pulls_it_down(opened: Open, session: Session, screenshots: Path) -> None:
    radar = MetricRadar(session)
    page = opened(radar, width=900)
    page.page.locator(".xw-radar .polar .point").first.wait_for()
    page.find(".xw-axis").first.click()
    page.deliver(session)
    page.find(".xw-pull button").click()
    page.deliver(session)
    assert [one.column for one in session.filters] == ["entropy"]
    assert [one.name.split(" (")[0] for one in radar.picture().sets] == ["the set", "shown images"]
    expect(page.find(".xw-pull button")).to_have_attribute("aria-pressed", "true")
    photograph(page, screenshots, "radar-of-the-set")
    page.find(".xw-pull button").click()
    page.deliver(session)
    assert session.filters == ()
