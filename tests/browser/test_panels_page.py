"""Several panels in a page: made by the menu, activated, zoomed together, read at one place, on one scale."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
from explorerpage import CANVAS
from playwright.sync_api import Locator, expect
from stages import settled
from viewpage import ViewPage

from xai_widgets import ImageSet, Session, figures
from xai_widgets.views import Stage

Open = Callable[..., ViewPage]
EVIL = '<b>cat</b><img src=x onerror="window.hacked = 1">' + "long" * 30


@pytest.fixture
def session(make_session: Callable[..., Session]) -> Session:
    return make_session(tiny.regressor(), tiny.rated())


def panel(page: ViewPage, place: int) -> Locator:
    return page.find(".xw-panel").nth(place)


def frame(page: ViewPage, place: int) -> Locator:
    return panel(page, place).locator(".xw-frame")


def at(page: ViewPage, place: int, u: float, v: float) -> tuple[float, float]:
    box = frame(page, place).bounding_box()
    assert box is not None
    return box["x"] + u * box["width"], box["y"] + v * box["height"]


def minus(text: str) -> float:
    return float(text.replace("−", "-"))


def painted(canvas: Locator) -> np.ndarray:
    height, width, values = canvas.evaluate(CANVAS)
    return np.array(values, np.uint8).reshape(height, width, 4)


def repaints(page: ViewPage) -> list[int]:
    page.frames()
    return [int(one.get_attribute("data-painted") or 0) for one in page.find(".xw-panel .xw-map").all()]


def six(session: Session) -> Stage:
    session.grid(rows={"image": session.images.names[:2]}, columns={"contrast": (None, 0.25, "rating")})
    return settled(Stage(session))


def test_a_strip_of_q_is_made_by_the_menu_and_read(opened: Open, session: Session) -> None:
    page = opened(settled(Stage(session)), width=900)
    expect(page.find(".xw-plain")).to_be_visible()
    page.find(".xw-compare").click()
    page.deliver(session)
    expect(page.find(".xw-preset", has_text="all runs")).to_contain_text("tiny has one run only.")
    page.find(".xw-preset", has_text="all runs").click(force=True)
    assert page.asked() == []
    page.find(".xw-preset", has_text="Q from the top").click()
    page.deliver(session)
    expect(page.find(".xw-sheet")).to_be_hidden()
    expect(page.find(".xw-panel")).to_have_count(5)
    expect(page.find(".xw-plain")).to_have_count(0)
    assert page.find(".xw-across").all_inner_texts() == [f"rather than {q}" for q in ("1", "0.75", "0.5", "0.25", "0")]
    for place, one in enumerate(session.panels):
        assert one.answers.output is not None
        said = panel(page, place).locator(".xw-its strong")
        assert minus(said.inner_text()) == pytest.approx(one.answers.output.value, abs=6e-4)
        expect(said).to_be_visible()
    page.find("select[aria-label=Map]").select_option("cells")
    page.page.mouse.move(*at(page, 2, 0.31, 0.77))
    for place, one in enumerate(session.panels):  # each at the same place of its own photo
        assert one.answers.saliency is not None
        value = float(one.answers.saliency.map[12, 4])
        shown = panel(page, place).locator(".xw-small").inner_text()
        assert minus(shown) == pytest.approx(value, rel=0.006, abs=1e-9)
        expect(panel(page, place).locator(".xw-probe")).to_be_visible()
    assert "cell 12, 4 of 16 × 16" in page.find("output").inner_text()


def test_rows_and_columns_are_chosen_and_too_many_are_refused(opened: Open, session: Session) -> None:
    for name in session.images.names[:2]:
        session.pin(name)
    page = opened(settled(Stage(session)), width=900)
    page.find(".xw-compare").click()
    page.deliver(session)
    rows, columns, show = (
        page.find(f"select[aria-label={name}]") if name != "show" else page.find(".xw-show")
        for name in ("Rows", "Columns", "show")
    )
    expect(show).to_be_disabled()
    rows.select_option("Q")
    columns.select_option("questions")
    expect(page.find(".xw-why")).to_have_text("5 × 4 are 20 panels; there may be 12.")
    expect(show).to_be_disabled()
    assert [text.split(": ")[0] for text in rows.locator("option:disabled").all_inner_texts()] == [
        "all gains 1, and as they are", "the map, and where people looked", "models", "runs",
        "images of the sample", "calls of the layer",
    ]  # fmt: skip
    rows.select_option("image")
    show.click()
    page.deliver(session)
    expect(page.find(".xw-panel")).to_have_count(8)
    assert page.find(".xw-down").all_inner_texts() == list(session.images.names[:2])
    assert page.find(".xw-across").all_inner_texts()[0] == "why the score?"
    page.find("button", has_text="only this panel").click()
    page.deliver(session)
    expect(page.find(".xw-panel")).to_have_count(1)
    expect(page.find(".xw-plain")).to_be_visible()
    page.find("button", has_text="+ panel").click()
    page.deliver(session)
    assert len(session.panels) == 2


def test_click_and_keys_make_a_panel_active_and_remove_one(opened: Open, session: Session) -> None:
    page = opened(six(session), width=900)
    expect(page.find("[aria-current=true]")).to_have_count(1)
    expect(frame(page, 0)).to_have_attribute("aria-current", "true")
    page.page.mouse.click(*at(page, 4, 0.5, 0.5))
    page.deliver(session)
    assert session.active == 4
    expect(frame(page, 4)).to_have_attribute("aria-current", "true")
    expect(page.find(".xw-active")).to_have_count(1)
    expect(page.find(".xw-chip")).to_contain_text("rather than 0.25")
    keyboard = page.page.keyboard
    frame(page, 4).focus()
    for key in ("ArrowUp", "ArrowRight", "ArrowRight"):
        keyboard.press(key)
    expect(frame(page, 3)).to_be_focused()
    keyboard.press("Enter")
    page.deliver(session)
    assert session.active == 3
    expect(frame(page, 3)).to_be_focused()
    keyboard.press("Shift+ArrowRight")
    expect(page.find("output")).to_contain_text("cell 0, 0 of 16 × 16")
    panel(page, 5).hover()
    panel(page, 5).locator(".xw-remove").click()
    page.deliver(session)
    assert len(session.panels) == 5
    assert session.active == 3, "to remove a panel is not to make it active"


def test_zoom_and_pan_are_of_all_panels_together(opened: Open, session: Session) -> None:
    page = opened(six(session), width=900)
    page.find("select[aria-label=Map]").select_option("cells")
    page.deliver(session)
    frame(page, 1).scroll_into_view_if_needed()
    page.page.mouse.move(*at(page, 1, 0.27, 0.73))
    before = [one.inner_text() for one in page.find(".xw-small").all()]
    page.page.keyboard.down("Control")
    page.page.mouse.wheel(0, -400)
    page.page.keyboard.up("Control")
    views = page.find(".xw-panel .xw-view")
    moves = {one.evaluate("node => node.style.transform") for one in views.all()}
    assert len(moves) == 1
    assert re.search(r"scale\((?!1\))", next(iter(moves)))
    page.page.mouse.move(*at(page, 1, 0.27, 0.73))
    assert [one.inner_text() for one in page.find(".xw-small").all()] == before, "the place under the pointer stays"
    page.drag(frame(page, 1), (0.25, 0.75), (0.75, 0.25))
    after = {one.evaluate("node => node.style.transform") for one in views.all()}
    assert len(after) == 1
    assert after != moves
    assert session.active == 0, "a drag is no click"
    assert [message for message in page.sent() if message["content"]["kind"] != "look"] == []
    frame(page, 1).dblclick(position={"x": 30, "y": 60})
    assert {one.evaluate("node => node.style.transform") for one in views.all()} == {""}
    frame(page, 0).focus()
    page.page.keyboard.press("+")
    assert "scale(1.4)" in views.nth(5).evaluate("node => node.style.transform")
    page.page.keyboard.press("0")
    assert views.nth(5).evaluate("node => node.style.transform") == ""


def test_one_panel_zooms_with_the_photo_beside_it(opened: Open, session: Session) -> None:
    page = opened(settled(Stage(session)), width=900)
    page.find(".xw-frame").last.focus()
    page.page.keyboard.press("+")
    seen = "nodes => nodes.filter((node) => node.getClientRects().length).map((node) => node.style.transform)"
    scaled = page.find(".xw-view").evaluate_all(seen)  # the reference is not shown
    assert len(scaled) == 2
    assert scaled[0] == scaled[1] != ""
    assert page.asked() == []


def test_only_the_panel_whose_answer_changed_is_painted(opened: Open, session: Session) -> None:
    page = opened(six(session), width=900)
    before = repaints(page)
    pixels = painted(panel(page, 0).locator(".xw-map"))
    session.ask(gains={3: 0.25}, gesture=1, linked=False)
    assert session.wait(30)
    page.refresh()
    after = repaints(page)
    assert after[0] > before[0]
    assert after[1:] == before[1:]
    assert not np.array_equal(painted(panel(page, 0).locator(".xw-map")), pixels)


def test_one_scale_for_all_needs_no_answer(opened: Open, session: Session) -> None:
    session.grid(columns={"image": session.images.names[:3]})
    session.show(smooth=False)
    page = opened(settled(Stage(session)), width=900)
    limits = [one.answers.saliency.limit for one in session.panels if one.answers.saliency is not None]
    maps = [one.answers.saliency.map for one in session.panels if one.answers.saliency is not None]
    ends = [panel(page, place).locator(".xw-mini > span").last for place in range(3)]
    for end, limit in zip(ends, limits, strict=True):
        assert minus(end.inner_text()) == pytest.approx(limit, rel=0.06)
    page.find("select[aria-label=Scale]").select_option("all")
    page.frames()
    for place, (end, values) in enumerate(zip(ends, maps, strict=True)):  # before the kernel hears of it
        assert minus(end.inner_text()) == pytest.approx(max(limits), rel=0.06)
        _, cover = figures.coloured(values, max(limits))
        np.testing.assert_allclose(painted(panel(page, place).locator(".xw-map"))[..., 3], 255 * cover, atol=4)
    expect(page.find(".xw-together")).to_have_text("Same scale in all panels.")
    page.deliver(session)
    assert session.look.scale == "all"
    expect(page.find("select[aria-label=Scale]")).to_have_value("all")


def test_the_look_is_of_all_panels(opened: Open, session: Session) -> None:
    page = opened(six(session), width=900)
    page.find("input[aria-label='Opacity of the map']").fill("0.2")
    opacities = page.find(".xw-panel .xw-map").evaluate_all(
        "nodes => nodes.map((node) => getComputedStyle(node).opacity)"
    )
    assert opacities == ["0.2"] * 6
    page.deliver(session)
    assert session.look.opacity == pytest.approx(0.2)


def test_errors_and_what_is_done_are_said_in_their_panel(opened: Open, session: Session) -> None:
    page = opened(six(session), width=900)
    session.panels[2].take(saliency=None, output=None)
    session.went_wrong(session.panels[2], EVIL)
    session.panels[1].take(saliency=None)
    session.panels[1].pending = "checking the layer"
    page.refresh()
    expect(panel(page, 2).locator(".xw-wrong")).to_have_text(EVIL)
    expect(panel(page, 2).locator(".xw-doing")).to_be_hidden()
    expect(panel(page, 1).locator(".xw-doing")).to_have_text("Checking the layer.")
    expect(panel(page, 0).locator(".xw-wrong")).to_be_hidden()
    assert page.page.evaluate("window.hacked") is None


def test_names_are_text_and_long_ones_are_shortened(
    opened: Open, make_session: Callable[..., Session], tmp_path: Path
) -> None:
    labels = [EVIL] * 3
    session = make_session(tiny.classifier(), ImageSet(list(tiny.photos()), labels=labels))
    session.grid(columns={"image": session.images.names[:2]}, rows={"contrast": (None, "<b>cup</b>")})
    page = opened(settled(Stage(session)), width=500)
    assert page.page.evaluate("window.hacked") is None
    side = page.find(".xw-down > span").nth(1)
    expect(side).to_have_attribute("title", re.compile("<b>cup</b>|confidence"))
    assert page.root.evaluate("node => node.scrollWidth <= node.clientWidth")
    for score in page.find(".xw-its strong").all():
        assert score.evaluate("node => node.scrollWidth <= node.parentElement.clientWidth + 1")


@pytest.mark.parametrize(("count", "width"), [(2, 420), (6, 420), (6, 1000), (12, 1366), (12, 700)])
def test_a_panel_never_hides_its_score(
    opened: Open, make_session: Callable[..., Session], screenshots: Path, count: int, width: int
) -> None:
    names = [f"photograph {'of a rather long name ' * 3}{place}" for place in range(count)]
    pictures: dict[str, Any] = {name: tiny.photos()[place % 3] for place, name in enumerate(names)}
    session = make_session(tiny.regressor(), ImageSet(pictures))
    session.set_gain(3, 0.5)
    across = {2: 2, 6: 3, 12: 12}[count]
    session.grid(columns={"image": names[:across]}, rows={"contrast": (None, 0.25)} if across < count else None)
    assert len(session.panels) == count
    page = opened(settled(Stage(session)), width=width, height=800)
    for theme in ("dark", "light"):
        page.theme(theme)
        page.page.screenshot(path=str(screenshots / f"panels-{count}-{width}-{theme}.png"))
    assert page.page.evaluate("document.documentElement.scrollWidth") <= width, "the grid scrolls, and not the page"
    for place in range(len(session.panels)):
        words = panel(page, place).locator(".xw-its strong")
        words.scroll_into_view_if_needed()
        expect(words).to_be_visible()
        inside = """node => {
            const [a, b] = [node, node.closest(".xw-panel")].map((one) => one.getBoundingClientRect());
            return a.left >= b.left - 1 && a.right <= b.right + 1 && a.bottom <= b.bottom + 1; }"""
        assert words.evaluate(inside)
        assert words.evaluate("node => parseFloat(getComputedStyle(node).fontSize)") >= 10
    heading = page.find(".xw-across").first
    assert names[0] == heading.get_attribute("title")
    assert len(heading.inner_text()) < len(names[0])
    assert "…" in heading.inner_text()
