"""Impact plane, radar and status bar in a page: mouse, keys, themes, and text that stays text."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tiny
from playwright.sync_api import expect
from viewpage import ViewPage

from xai_widgets.views import ContrastPicker, ImpactPlane, MetricRadar, StatusBar

Open = Callable[..., ViewPage]


@pytest.fixture
def scored(make_session: Callable[..., Any]) -> Any:
    return make_session(tiny.regressor(), tiny.rated())


def places(page: ViewPage) -> np.ndarray:
    """Where the maps stand on the canvas, found by pointing at them with the keys."""
    page.find("[role=option]").focus()
    page.page.keyboard.press("Home")
    found = []
    for _ in range(tiny.MAPS):
        page.frames(1)
        style = page.find("[role=option]").get_attribute("style") or ""
        name = page.find("[role=option]").get_attribute("aria-label") or ""
        x, y = re.findall(r"-?[\d.]+(?=px)", style)[:2]
        found.append([float(x) + 9, float(y) + 9, int(re.findall(r"map (\d+)", name)[0])])
        page.page.keyboard.press("ArrowRight")
    return np.array(sorted(found, key=lambda place: place[2]))


def test_points_stand_where_their_numbers_say(opened: Open, scored: Any) -> None:
    page, impacts = opened(ImpactPlane(scored)), scored.impacts
    x, y, index = places(page).T
    assert index.tolist() == list(range(tiny.MAPS))
    for pixels, values, way in ((x, impacts.delta_y, 1), (y, impacts.delta_error, -1)):
        slope, _ = np.polyfit(values, pixels, 1)
        assert slope * way > 0
        assert np.corrcoef(values, pixels)[0, 1] * way == pytest.approx(1, abs=1e-3)


def test_maps_are_selected_by_box_lasso_click_and_keys(opened: Open, scored: Any) -> None:
    page = opened(ImpactPlane(scored))
    canvas = page.find("canvas")
    box = canvas.bounding_box()
    assert box is not None
    x, y, _ = places(page).T
    page.drag(canvas, (0.3, 0.1), (0.95, 0.85))
    page.deliver(scored)
    left, right, top, bottom = (0.3 * box["width"], 0.95 * box["width"], 0.1 * box["height"], 0.85 * box["height"])
    inside = np.flatnonzero((x > left) & (x < right) & (y > top) & (y < bottom)).tolist()
    assert 0 < len(inside) < tiny.MAPS
    assert sorted(scored.selected) == inside
    expect(page.find("[role=status]").first).to_contain_text(f"{len(inside)} selected")

    page.find("button", has_text="lasso").click()
    page.drag(canvas, (0.01, 0.01), (0.99, 0.01), (0.99, 0.99), (0.01, 0.99))
    page.deliver(scored)
    assert sorted(scored.selected) == list(range(tiny.MAPS))
    page.find("button", has_text="clear").click()
    page.deliver(scored)
    assert scored.selected == ()

    strongest = int(np.abs(scored.impacts.delta_y).argmax())
    page.page.mouse.click(box["x"] + x[strongest], box["y"] + y[strongest])
    page.deliver(scored)
    assert scored.selected == (strongest,)
    keyboard = page.page.keyboard
    keyboard.press("Home")
    keyboard.press("ArrowRight")
    keyboard.press(" ")
    page.deliver(scored)
    second = int(np.argsort(-np.abs(scored.impacts.delta_y), kind="stable")[1])
    assert scored.selected == (strongest, second)
    expect(page.find("[role=option]")).to_have_attribute("aria-selected", "true")
    keyboard.press("Escape")
    page.deliver(scored)
    assert scored.selected == ()


def test_pointing_at_a_map_names_it_with_both_numbers(opened: Open, scored: Any) -> None:
    page, impacts = opened(ImpactPlane(scored)), scored.impacts
    box = page.find("canvas").bounding_box()
    assert box is not None
    x, y, _ = places(page).T
    page.page.keyboard.press("Tab")
    strongest = int(np.abs(impacts.delta_y).argmax())
    page.page.mouse.move(box["x"] + x[strongest], box["y"] + y[strongest])
    expect(page.find(".xw-tip")).to_contain_text(f"map {strongest}: Δ score")
    text = page.find(".xw-tip").inner_text().replace("−", "-")
    delta_y, delta_error = map(float, re.findall(r"[-+]\d*\.?\d+", text))
    assert delta_y == pytest.approx(float(impacts.delta_y[strongest]), rel=5e-3)
    assert delta_error == pytest.approx(float(impacts.delta_error[strongest]), rel=5e-3)
    assert ("raises the score" in text) == (delta_y < 0)
    assert ("helpful" in text) == (delta_error > 0)


def test_estimates_are_told_from_exact_ones(opened: Open, scored: Any) -> None:
    page = opened(ImpactPlane(scored))
    exact = np.zeros(tiny.MAPS, bool)
    exact[:6] = True
    with scored.lock:
        scored.panel.take(impacts=replace(scored.impacts, exact=exact, done=False))
    page.refresh()
    expect(page.find("[role=status]").first).to_contain_text(f"6 of {tiny.MAPS} maps exact")


def test_the_axes_of_the_radar_open_by_click_and_by_button(opened: Open, scored: Any) -> None:
    page = opened(MetricRadar(scored), width=800)
    page.page.locator(".xw-radar .polar .point").first.wait_for()
    noise = page.find(".xw-axis", has_text="noise")
    noise.click()
    page.deliver(scored)
    expect(page.find(".xw-detail")).to_contain_text("salt and pepper")
    assert page.find(".xw-detail tr").count() == 9, "a head, seven levels, and pure noise"
    assert [cell.strip() for cell in page.find(".xw-detail th").all_inner_texts()] == [
        "level", "salt and pepper", "gaussian noise", "blur",
    ]  # fmt: skip
    noise.click()
    page.deliver(scored)
    expect(page.find(".xw-detail")).to_be_hidden()
    point = page.page.locator(".xw-radar .polar .point").nth(2)  # resilience
    box = point.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.page.mouse.move(x - 3, y)
    page.page.mouse.move(x, y)
    page.page.locator(".xw-radar .hovertext").wait_for()
    page.page.mouse.down()
    page.page.mouse.up()
    page.deliver(scored)
    expect(page.find(".xw-detail")).to_contain_text("quarter turns")
    page.page.mouse.down()
    page.page.mouse.move(x + 60, y + 40, steps=8)  # would zoom, and nothing would lead back
    page.page.mouse.up()
    page.frames(10)
    assert point.bounding_box() == box
    assert scored.error == ""


def test_the_radar_says_n_a_and_keeps_series(opened: Open, scored: Any) -> None:
    view = MetricRadar(scored)
    page = opened(view, width=800)
    expect(page.find(".xw-axis", has_text="stability").locator("b")).to_have_text("n/a")
    labels = page.page.locator(".xw-radar .angularaxistick text, .xw-radar .ytick text")
    labels.first.wait_for()
    assert sum("n/a" in text for text in labels.all_text_contents()) == 2
    assert page.page.locator(".xw-radar .polar .point").count() == 5  # four values and the closing one, of five axes
    page.find("button", has_text="keep").click()
    page.deliver(scored)
    assert len(view.others) == 1
    page.find(f"button[aria-label='Remove {view.others[0]}']").click()
    page.deliver(scored)
    assert view.others == []


def test_the_radar_has_a_menu_for_the_part_of_a_signed_map(opened: Open, scored: Any) -> None:
    view = MetricRadar(scored)
    page = opened(view, width=800)
    menu = page.find("select[aria-label='Part of a signed map']")
    assert menu.locator("option").all_inner_texts() == ["cut at 0", "absolute value", "negative part"]
    menu.select_option("negative")
    page.deliver(scored)
    assert scored.measuring["side"] == "negative"
    expect(page.find(".xw-caption.xw-numbers")).to_contain_text("Grad-CAM, negative part")
    negative = menu.locator("option[value=negative]")
    expect(negative).to_be_enabled()
    scored.ask(method="feature_activation")
    scored.measure(of="shown")
    page.deliver(scored)
    expect(menu).to_have_value("negative")
    expect(negative).to_be_disabled()
    expect(page.find(".xw-caption.xw-numbers")).to_contain_text("no negative part")


def test_what_runs_is_said_after_a_moment_and_errors_are_text(opened: Open, scored: Any) -> None:
    evil = '<b>cat</b><img src=x onerror="window.hacked = 1">'
    page = opened(StatusBar(scored), width=900)
    expect(page.find(".xw-error")).to_be_hidden()
    with scored.lock:
        scored.status = replace(scored.status, busy="effect of each map", progress=0.25)
        scored.error = evil
    page.refresh()
    expect(page.find(".xw-words")).to_have_text("effect of each map 25 %")
    expect(page.find("[role=progressbar]")).to_have_attribute("aria-valuenow", "25")
    expect(page.find(".xw-error [role=alert]")).to_have_text(evil)
    assert page.page.evaluate("window.hacked") is None
    page.find("button[aria-label='Dismiss the error']").click()
    page.deliver(scored)
    expect(page.find(".xw-error")).to_be_hidden()
    page.find("button[aria-label='Cancel what runs']").click()
    page.deliver(scored)
    assert scored.notice
    with scored.lock:
        scored.status = replace(scored.status, busy="", progress=None)
    page.refresh()
    expect(page.find(".xw-words")).to_have_text("ready")
    expect(page.find("button[aria-label='Cancel what runs']")).to_be_hidden()
    with scored.lock:
        scored.status = replace(scored.status, busy="scores 40 of 256", progress=40 / 256)
    page.refresh()
    expect(page.find(".xw-words")).to_have_text("scores 40 of 256")


def test_steps_and_layers(opened: Open, scored: Any) -> None:
    page = opened(StatusBar(scored), width=900)
    undo, redo = (page.find(f"button[aria-label='{name}']") for name in ("Undo", "Redo"))
    expect(undo).to_be_disabled()
    other = next(layer.name for layer in scored.layers() if layer.name != scored.query.layer)
    page.find(".xw-layer").select_option(other)
    page.deliver(scored)
    assert scored.query.layer == other
    expect(undo).to_be_enabled()
    undo.click()
    page.deliver(scored)
    expect(page.find(".xw-layer")).to_have_value(scored.query.layer)
    assert scored.query.layer != other
    expect(redo).to_be_enabled()


@pytest.mark.parametrize("kind", [ContrastPicker, ImpactPlane, MetricRadar, StatusBar])
def test_themes_and_widths(opened: Open, scored: Any, kind: Any) -> None:
    page = opened(kind(scored))
    for theme in ("dark", "light"):
        page.theme(theme)
        ink, paper = page.root.evaluate("n => [getComputedStyle(n).color, getComputedStyle(n).backgroundColor]")
        dark = [sum(map(int, re.findall(r"\d+", colour)[:3])) < 384 for colour in (ink, paper)]
        assert dark == ([True, False] if theme == "light" else [False, True])
        for width in (900, 320):
            page.page.set_viewport_size({"width": width, "height": 700})
            page.frames()
            assert page.page.evaluate("document.documentElement.scrollWidth") <= width  # nothing sticks out


@pytest.mark.parametrize("kind", [ContrastPicker, ImpactPlane, MetricRadar, StatusBar])
def test_every_control_has_a_name_and_a_visible_focus(opened: Open, scored: Any, kind: Any) -> None:
    page = opened(kind(scored), width=900)
    controls = page.find(":is(button, input, select, [tabindex='0']):visible:enabled")
    assert controls.count() >= 2
    for control in controls.all():
        named = control.evaluate(
            "n => (n.getAttribute('aria-label') ?? '').trim() || n.textContent.trim() || n.placeholder"
        )
        assert named, control.evaluate("n => n.outerHTML")
    page.page.keyboard.press("Tab")
    for _ in range(controls.count()):
        width = page.page.evaluate("parseFloat(getComputedStyle(document.activeElement).outlineWidth)")
        style = page.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert width >= 1
        assert style != "none"
        page.page.keyboard.press("Tab")


@pytest.mark.parametrize("kind", [ContrastPicker, ImpactPlane, MetricRadar, StatusBar])
def test_keys_stay_in_the_view_and_ctrl_is_the_notebooks(opened: Open, scored: Any, kind: Any) -> None:
    """Lumino looks for the attribute on the focused element, so that Enter on a button is no command there."""
    page = opened(kind(scored), width=900)
    suppressed = "document.activeElement.hasAttribute('data-lm-suppress-shortcuts')"
    page.page.keyboard.press("Tab")
    assert page.page.evaluate("document.querySelector('main').contains(document.activeElement)")
    page.page.keyboard.press("Shift")
    assert page.page.evaluate(suppressed)
    page.page.keyboard.press("Control")
    assert not page.page.evaluate(suppressed)
