"""On the stage in a page: a region by pointer and by keys, one panel laid over another, outlines."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect
from stages import settled
from viewpage import ViewPage

from xai_widgets import Session
from xai_widgets.views import Stage

Open = Callable[..., ViewPage]
FRAME = ".xw-panel .xw-frame"
INK = """(canvas) => !canvas.hidden
    && [...canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data].some(Boolean)"""


@pytest.fixture
def session(demo_session: Session) -> Session:
    return demo_session


def test_a_region_is_drawn_with_the_pointer_and_by_keys(opened: Open, session: Session) -> None:
    page = opened(settled(Stage(session, height=300)), width=700)
    brush, frame, lines = page.find(".xw-brush"), page.find(FRAME), page.find(".xw-lines")
    expect(lines).to_be_hidden()
    brush.click()
    expect(brush).to_have_attribute("aria-pressed", "true")
    page.drag(frame, (0.25, 0.25), (0.5, 0.75))
    (message,) = [one["content"] for one in page.asked()]
    assert message["box"] == pytest.approx([0.25, 0.25, 0.5, 0.75], abs=0.01)
    page.widgets["view"].comm.click(**message)
    page.deliver(session)
    assert lines.evaluate(INK)
    assert session.saliency is not None
    expect(page.find(".xw-inside")).to_contain_text("of the map on")
    frame.focus()
    for key in ("ArrowRight", "Enter", "ArrowRight", "ArrowDown", "Enter"):
        page.page.keyboard.press(key)
    (message,) = [one["content"] for one in page.asked()]
    rows, columns = session.saliency.map.shape
    left, top, right, bottom = message["box"]
    assert (right - left, bottom - top) == pytest.approx((2 / columns, 2 / rows))
    half = page.find("select[aria-label='A half of the photo as region']")
    assert half.input_value() == ""
    half.select_option("left half")
    (message,) = [one["content"] for one in page.asked()]
    assert message["box"] == [0, 0, 0.5, 1]
    page.widgets["view"].comm.click(**message)
    page.deliver(session)
    expect(half).to_have_value("0 0 0.5 1")
    page.find(".xw-inside button").click()
    page.deliver(session)
    expect(page.find(".xw-inside")).to_be_hidden()
    assert half.input_value() == ""
    assert session.looked_into == {}
    for pressed in ("true", "false"):
        expect(brush).to_have_attribute("aria-pressed", pressed)
        frame.focus()
        page.page.keyboard.press("Escape")


def test_a_panel_is_laid_over_another_without_a_message_until_the_gesture_ends(opened: Open, session: Session) -> None:
    session.add_panel(method="feature_activation")
    page = opened(settled(Stage(session, height=300)), width=700)
    page.asked()
    page.find("select[aria-label='Lay over']").select_option("0")
    assert [one["content"]["over"] for one in page.asked()] == ["divider"]
    expect(page.find(".xw-found")).to_contain_text("r = ")
    handle = page.find("[role=slider].xw-divider")
    box, frame = handle.bounding_box(), page.find(".xw-active .xw-frame").bounding_box()
    assert box is not None
    assert frame is not None
    page.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20)
    page.page.mouse.down()
    page.page.mouse.move(frame["x"] + 0.25 * frame["width"], box["y"] + 20, steps=5)
    assert page.asked() == []
    page.page.mouse.up()
    (message,) = [one["content"] for one in page.asked()]
    assert message["divider"] == pytest.approx(0.25, abs=0.02)
    handle.press("ArrowRight")
    assert page.asked()[0]["content"]["divider"] == pytest.approx(message["divider"] + 0.02)
    page.find("select[aria-label=as]").select_option("difference")
    expect(page.find(".xw-notes")).to_contain_text("full colour")
    expect(page.find(".xw-key .xw-ends").first).to_contain_text("more in Grad-CAM")
    expect(page.find(".xw-active .xw-own")).to_contain_text("minus Grad-CAM")
    expect(handle).to_have_count(1)
    expect(handle).to_be_hidden()
    titles = page.find(".xw-across, .xw-own").all_inner_texts()
    page.page.evaluate("""() => {
      const root = document.querySelector(".xw-stage"), as = root.querySelector("select[aria-label=as]");
      root.style.display = "none"; // as for a moment while JupyterLab changes its theme
      as.dispatchEvent(new Event("change"));
      root.style.display = "";
    }""")
    page.frames()
    assert page.find(".xw-across, .xw-own").all_inner_texts() == titles
    page.find("select[aria-label=as]").select_option("contours")
    expect(page.find(".xw-found")).to_contain_text("relative risk")
    page.find("select[aria-label=Outline]").select_option("0.1")
    page.frames()
    assert page.find(".xw-lines").evaluate_all(f"(all) => all.every({INK})")
    page.deliver(session)
    assert (session.look.over, session.look.other, session.look.top) == ("contours", 0, 0.1)


def test_the_level_of_a_degradation_follows_the_slider(opened: Open, session: Session) -> None:
    page = opened(settled(Stage(session, height=300)), width=700)
    slider = page.find("input[aria-label='How much the image is degraded']")
    expect(slider).to_be_hidden()
    page.find("select[aria-label=Degrade]").select_option("jpeg")
    page.deliver(session)
    assert session.query.degradation is not None
    expect(page.find(".xw-degraded")).to_contain_text("JPEG of quality 20")
    before = page.find(".xw-plain img").get_attribute("src")
    slider.press("ArrowLeft")
    page.deliver(session)
    assert session.query.degradation.level == 19
    expect(page.find(".xw-degraded")).to_contain_text("JPEG of quality 19")
    assert page.find(".xw-plain img").get_attribute("src") != before
    page.find("select[aria-label=Degrade]").select_option("nothing")
    page.deliver(session)
    assert session.query.degradation is None
    expect(slider).to_be_hidden()
