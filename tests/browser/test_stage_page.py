"""The stage in a page: values under the pointer, the look, the menu of methods, options, layers over the map."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from explorerpage import CANVAS
from playwright.sync_api import Locator, expect
from stages import HARMFUL, TWO, made_up, settled
from viewpage import ViewPage

from xai_widgets import ImageModel, ImageSet, Session, figures
from xai_widgets.engine import METHODS, Receipt
from xai_widgets.views import Stage

Open = Callable[..., ViewPage]
EVIL = '<b>cat</b><img src=x onerror="window.hacked = 1">'
PALE, GREY = 224, 70  # the colour of no strength; the full grey of harmful maps


@pytest.fixture
def session(make_session: Callable[..., Session], monkeypatch: pytest.MonkeyPatch) -> Session:
    monkeypatch.setitem(METHODS, "two", TWO)
    return make_session(tiny.regressor(), tiny.rated())


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
    page = opened(settled(Stage(session)), width=700)
    for gain in (1.0, 0.0):
        assert session.impacts is not None
        session.set_gain(int(np.abs(session.impacts.delta_y).argmax()), gain)
        assert session.wait(30)
        page.refresh()
        said = page.find("output").inner_text().replace("−", "-") if gain == 0 else point(page, 0.31, 0.77)
        assert session.saliency is not None
        values = torch.from_numpy(session.saliency.map.copy())[None, None]
        fine = torch.nn.functional.interpolate(values, (1000, 1000), mode="bilinear")[0, 0]
        near = fine[765:776, 305:316]
        slack = 0.01 * session.saliency.limit
        assert near.min() - slack <= value_in(said) <= near.max() + slack
    page.find("select[aria-label=Map]").select_option("cells")
    assert session.saliency is not None
    assert value_in(point(page, 0.31, 0.77)) == pytest.approx(float(session.saliency.map[12, 4]), rel=0.006)


def test_arrow_keys_read_the_map_cell_by_cell(opened: Open, session: Session) -> None:
    page = opened(settled(Stage(session)), width=700)
    page.find(".xw-frame").last.focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown"):
        page.page.keyboard.press(key)
    assert "cell 1, 1 of 16 × 16" in page.find("output").inner_text()
    page.find("select[aria-label=Map]").focus()
    expect(page.find("output")).to_contain_text("Point at a picture")


def test_a_look_redraws_at_once_and_is_sent_once(opened: Open, session: Session) -> None:
    page = opened(settled(Stage(session)), width=700)
    slider, canvas = page.find("input[type=range]"), page.find(".xw-frame .xw-map")
    box = slider.bounding_box()
    assert box is not None
    page.page.mouse.move(box["x"] + 0.75 * box["width"], box["y"] + box["height"] / 2)
    page.page.mouse.down()
    page.page.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + box["height"] / 2, steps=12)
    assert float(canvas.evaluate("canvas => getComputedStyle(canvas).opacity")) < 0.3
    assert page.asked() == []
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
    page = opened(settled(Stage(session)), width=700)
    assert "outside what the network saw" in point(page, 0.8, 0.5)
    assert "cell 8, 8" in point(page, 0.26, 0.52)
    canvas, frame = page.find(".xw-frame .xw-map").bounding_box(), page.find(".xw-frame").last.bounding_box()
    assert canvas is not None
    assert frame is not None
    assert canvas["width"] == pytest.approx(frame["width"] / 2, abs=1)


def test_one_picture_where_there_is_no_room_for_two(opened: Open, session: Session) -> None:
    page = opened(settled(Stage(session)), width=1000)
    expect(page.find(".xw-plain")).to_be_visible()
    page.page.set_viewport_size({"width": 480, "height": 700})
    expect(page.find(".xw-plain")).to_be_hidden()
    assert page.root.evaluate("node => node.scrollWidth <= node.clientWidth")


def test_the_picture_stands_still_while_the_score_grows_an_arrow(opened: Open, session: Session) -> None:
    for width in (480, 700):
        session.reset_gains()
        assert session.wait(30)
        page = opened(settled(Stage(session)), width=width)
        before = page.find(".xw-frame").last.bounding_box()
        session.set_gain(3, 0.5)
        assert session.wait(30)
        page.refresh()
        expect(page.find(".xw-headline")).to_contain_text("→")
        assert page.find(".xw-frame").last.bounding_box() == before


def test_a_name_is_text(opened: Open, make_session: Callable[..., Session]) -> None:
    session = make_session(tiny.classifier(), ImageSet(list(tiny.photos()), labels=[EVIL, EVIL, EVIL]))
    page = opened(settled(Stage(session)), width=700)
    expect(page.find(".xw-facts")).to_contain_text(EVIL)
    assert page.page.locator("main b").count() == 0
    assert page.page.evaluate("window.hacked") is None


# ---------------------------------------------------------------- what can be asked


def test_a_method_is_found_and_chosen_by_keys_alone(opened: Open, session: Session) -> None:
    page = opened(settled(Stage(session)), width=700)
    keyboard, button, menu = page.page.keyboard, page.find(".xw-open"), page.find(".xw-menu")
    expect(menu).to_be_hidden()
    button.focus()
    keyboard.press("Enter")
    expect(menu).to_be_visible()
    assert page.find("[role=option]").count() == len(METHODS)
    groups = ["By the gradient", "By removal of feature maps", "Contrasts", "Activations", "People"]
    assert page.find("[role=group] > .xw-group").all_inner_texts() == groups
    expect(page.find("[role=option][aria-selected=true] .xw-words")).to_have_text("Grad-CAM")
    keyboard.type("only helpful")
    expect(page.find("[role=option] .xw-words")).to_have_text(["Helpful maps only"])
    keyboard.press("ArrowDown")
    keyboard.press("Enter")
    page.deliver(session)
    assert session.query.method == "primary"
    expect(menu).to_be_hidden()
    expect(button).to_be_focused()
    expect(button).to_contain_text("Helpful maps only")
    keyboard.press("ArrowDown")  # opens it too
    keyboard.type("no such method")
    expect(menu).to_contain_text("No method has such a name.")
    keyboard.press("Enter")
    keyboard.press("Escape")
    expect(menu).to_be_hidden()
    expect(button).to_be_focused()
    assert page.asked() == []


def test_what_cannot_be_asked_says_why_and_is_not_sent(opened: Open, session: Session) -> None:
    session.ask(image="image 2")
    page = opened(settled(Stage(session)), width=700)
    page.find(".xw-open").click()
    page.page.keyboard.type("how much the error grows")
    option = page.find("[role=option]")
    expect(option).to_have_attribute("aria-disabled", "true")
    expect(option).to_have_attribute("title", session.lacking("helpful"))
    expect(option.locator(".xw-reason")).to_be_hidden()
    page.page.keyboard.press("ArrowDown")
    expect(option.locator(".xw-reason")).to_have_text(session.lacking("helpful"))
    expect(option.locator(".xw-reason")).to_be_visible()
    page.page.keyboard.press("Enter")
    option.click(force=True)
    assert page.asked() == []
    page.page.mouse.click(690, 690)
    expect(page.find(".xw-menu")).to_be_hidden()
    harmful = page.find("select[aria-label='Harmful maps']")
    assert harmful.locator("option:disabled").all_inner_texts() == ["grey", "outline"]
    expect(page.find(".xw-lacking")).to_be_hidden()
    harmful.focus()
    expect(page.find(".xw-lacking")).to_have_text("Harmful maps need a rating, and none is known for 'image 2'.")
    expect(page.find(".xw-lacking")).to_be_visible()


def test_options_are_set_by_their_controls(opened: Open, session: Session) -> None:
    session.ask(method="two")
    page = opened(settled(Stage(session)), width=700)
    level, keyboard = page.find("input[aria-label='noise']"), page.page.keyboard
    expect(level).to_be_hidden()
    page.find("summary").focus()
    keyboard.press("Enter")
    expect(page.find(".xw-option").nth(1)).to_have_attribute("title", "A number from 0 to 1, of the input's range.")
    level.fill("0.5")
    keyboard.press("Enter")
    page.deliver(session)
    assert dict(session.query.options) == {"level": 0.5}
    level.fill("7")  # out of its range: nothing is sent, and it is put back
    keyboard.press("Enter")
    expect(level).to_have_value("0.5")
    assert page.asked() == []
    page.find("select[aria-label='scale of each map']").select_option("peak")
    page.find("input[aria-label='both signs']").click()
    page.deliver(session)
    assert dict(session.query.options) == {"level": 0.5, "normal": "peak", "both": True}
    page.find("select[aria-label='side of a tile']").select_option("a number")
    (message,) = page.sent()
    assert message["content"] == {"kind": "option", "name": "window", "value": 1}
    expect(level).to_be_visible()  # it stays open
    session.ask(method="behaviour")
    assert session.wait(30)
    page.refresh()
    expect(level).to_have_count(0)


def test_q_is_a_chip_that_can_be_cleared(opened: Open, session: Session) -> None:
    session.ask(contrast=0.5)
    page = opened(settled(Stage(session)), width=700)
    expect(page.find(".xw-chip")).to_contain_text("rather than 0.5")
    page.find("button[aria-label='Ask without Q']").click()
    page.deliver(session)
    assert session.query.contrast is None
    expect(page.find(".xw-chip")).to_be_hidden()


def test_a_check_stands_under_the_map(opened: Open, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    made_up(monkeypatch, "receipt", lambda request: Receipt(EVIL, -0.01, 0, -0.002, 0.002, 200, 26, 256))
    page = opened(settled(Stage(session)), width=700)
    page.find("button", has_text="check by removal").click()
    page.deliver(session)
    expect(page.find(".xw-receipt")).to_have_text(EVIL)
    session.set_gain(3, 0.5)
    assert session.wait(30)
    page.refresh()
    expect(page.find(".xw-receipt")).to_be_empty()


# ---------------------------------------------------------------- what lies over the photo


def painted(canvas: Locator) -> np.ndarray:
    height, width, values = canvas.evaluate(CANVAS)
    return np.array(values, np.uint8).reshape(height, width, 4)


def test_two_dimensions_are_hue_and_saturation(opened: Open, session: Session) -> None:
    session.ask(method="two", options={"level": 1})
    session.show(smooth=False)
    page = opened(settled(Stage(session)), width=700)
    saliency = session.saliency
    assert saliency is not None
    assert saliency.strength is not None
    pixels = painted(page.find(".xw-map"))
    colours, cover = figures.coloured(saliency.map, saliency.limit, palette="purple-green")
    expected = PALE + saliency.strength[..., None] * (colours - PALE)
    np.testing.assert_allclose(pixels[..., 3], 255 * cover, atol=4)
    seen = cover > 0.3
    np.testing.assert_allclose(pixels[seen][:, :3], expected[seen], atol=6)
    assert np.ptp(pixels[0, 0, :3].astype(int)) < 6, "no strength, no colour"
    legend = painted(page.find(".xw-colours"))
    np.testing.assert_allclose(legend[0, [0, -1], :3], figures.ramps()["purple-green"][[0, -1]], atol=1)
    np.testing.assert_allclose(legend[-1, [0, -1], :3], PALE, atol=1)
    expect(page.find(".xw-depth")).to_contain_text("Full colour: ")
    box = page.find(".xw-scale").bounding_box()
    assert box is not None
    assert box["height"] > 40
    assert "saturation 100 %" in point(page, 0.9, 0.95)


def test_harmful_maps_are_grey_or_an_outline(opened: Open, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    made_up(monkeypatch, "secondary", lambda request: HARMFUL)
    session.show(smooth=False)
    page = opened(settled(Stage(session)), width=700)
    before, over = painted(page.find(".xw-map")), page.find(".xw-over")
    expect(over).to_be_hidden()
    choice = page.find("select[aria-label='Harmful maps']")
    choice.select_option("grey")
    page.deliver(session)
    pixels = painted(over)
    np.testing.assert_allclose(pixels[..., 3], 255 * (HARMFUL.map / 4) ** 0.8, atol=2)
    np.testing.assert_allclose(pixels[1, 1, :3], GREY, atol=1)
    expect(page.find(".xw-second")).to_have_text("Grey: harmful feature maps, full grey at 4.")
    choice.select_option("outline")
    messages = page.deliver(session)
    assert [message["content"]["secondary"] for message in messages] == ["outline"]
    pixels = painted(over)
    height, width = pixels.shape[:2]
    line = pixels[..., 3] > 200
    assert line[height // 2, width // 2 :].all(), "its upper side"
    assert line[height // 2 :, width // 2].all(), "its left side"
    assert not line[: height // 2 - 4].any()
    assert not line[height // 2 + 6 : -6, width // 2 + 6 : -6].any()
    np.testing.assert_array_equal(painted(page.find(".xw-map")), before)
    choice.select_option("off")
    page.deliver(session)
    expect(over).to_be_hidden()
    expect(page.find(".xw-second")).to_be_empty()


def test_what_is_done_is_said_while_there_is_no_map(
    opened: Open, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = settled(Stage(session))
    page = opened(stage, width=700)
    before = page.find(".xw-frame").last.bounding_box()
    answer = session.saliency
    session.panel.take(saliency=None)
    session.status = replace(session.status, busy="checking the layer")
    page.refresh()
    expect(page.find(".xw-doing")).to_have_text("Checking the layer.")
    expect(page.find(".xw-doing")).to_be_visible()
    assert page.find(".xw-frame").last.bounding_box() == before
    session.panel.take(saliency=answer)
    page.refresh()
    expect(page.find(".xw-doing")).to_be_hidden()


@pytest.mark.parametrize("width", [400, 1000])
def test_every_control_has_a_name_and_a_focus_that_is_seen(opened: Open, session: Session, width: int) -> None:
    session.ask(method="two", contrast=0.5)
    page = opened(settled(Stage(session)), width=width)
    assert page.page.evaluate("document.documentElement.scrollWidth") <= width
    for control in page.find(":is(button, input, select, [tabindex='0']):visible:enabled").all():
        named = (
            "n => (n.getAttribute('aria-label') ?? '').trim() || n.textContent.trim() || n.parentElement.textContent"
        )
        assert control.evaluate(named), control.evaluate("n => n.outerHTML")
        page.page.keyboard.press("Tab")
        assert page.page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    page.find(".xw-open").click()
    menu = page.find(".xw-menu").bounding_box()
    assert menu is not None
    assert menu["x"] + menu["width"] <= width


def test_the_reference_stands_beside_the_picture_as_large_and_as_near(
    opened: Open, make_session: Callable[..., Session]
) -> None:
    whole = [np.full((32, 32, 3), shade, np.uint8) for shade in (180, 90)]
    pairs = ImageSet(list(zip(tiny.photos()[:2], whole, strict=True)), images=["image", "reference"])
    session = make_session(tiny.regressor(), pairs)
    stage = settled(Stage(session))
    page = opened(stage, width=700)
    expect(page.find(".xw-reference")).to_be_hidden()
    page.find(".xw-refer input").check()
    page.deliver(session)
    settled(stage)
    page.refresh()
    frames = page.find(".xw-frame:visible")
    boxes = [frames.nth(place).bounding_box() for place in range(frames.count())]
    assert len(boxes) == 3
    assert all(box is not None for box in boxes)
    assert len({(round(box["width"]), round(box["height"]), round(box["y"])) for box in boxes if box}) == 1
    page.find(".xw-panel .xw-frame").focus()
    page.page.keyboard.press("+")
    near = page.page.eval_on_selector_all(".xw-frame .xw-view", "some => some.map((one) => one.style.transform)")
    assert len(set(near)) == 1
    assert near[0] != ""
