"""The first lesson in a real JupyterLab: a reader clicks and drags, and all that is shown agrees with the kernels."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from directly import Direct, assert_painted, between
from explorerpage import ExplorerPage
from labharness import Notebook
from playwright.sync_api import expect

from xai_widgets import ImageModel, ImageSet, load_images, load_model


@pytest.fixture
def quality(explorers: dict[str, ExplorerPage]) -> ExplorerPage:
    page = explorers["demo/quality"]
    page.start(page.session("images.names")[0])
    return page


@pytest.fixture
def scenes(explorers: dict[str, ExplorerPage]) -> ExplorerPage:
    page = explorers["demo/scenes"]
    page.start(page.session("images.names")[0])
    return page


@pytest.fixture(scope="session")
def directly() -> Callable[..., Direct]:
    """What a page should show, by the names of its model, image set and image."""
    models: dict[str, ImageModel] = {}
    sets: dict[str, ImageSet] = {}

    def compute(page: ExplorerPage, gains: tuple[tuple[int, float], ...] = ()) -> Direct:
        model, images, image = (page.session(name) for name in ("model.name", "images.name", "query.image"))
        if model not in models:
            models[model] = load_model(model)
        if images not in sets:
            sets[images] = load_images(images)
        return Direct(models[model], sets[images], image, gains)

    return compute


# The angles at which the first series of the radar is drawn, and those of the names of its axes.
ON_THE_RADAR = """node => [[...node._fullData[0].theta], [...node._fullLayout.polar.angularaxis.tickvals]]"""
ANGLES = [90, 18, 306, 234, 162]
AXES = [[*ANGLES, 90], ANGLES]


def test_the_lesson_runs_and_its_explorers_are_seen(
    lesson: Notebook, explorers: dict[str, ExplorerPage], screenshots: Path
) -> None:
    assert {"demo/quality", "demo/scenes"} <= set(explorers)
    assert len(explorers) >= 3, "both demonstrations and a network of torchvision"
    for page in explorers.values():
        page.settle()
        for view in ("status", "gallery", "stage", "contrast"):
            expect(page.find(f".xw-{view}").first).to_be_visible()
        for tab, view in (("plane", "impact"), ("radar", "radar"), ("bank", "maps")):
            page.open(tab)
            expect(page.find(f".xw-{view}").first).to_be_visible()
            if view == "radar":  # values came before it was seen
                assert page.find(".xw-radar .js-plotly-plot").first.evaluate(ON_THE_RADAR) == AXES
        page.screenshot(screenshots / f"{page.name}.png")


def test_a_click_on_a_thumbnail_changes_every_view(quality: ExplorerPage, directly: Callable[..., Direct]) -> None:
    before = quality.find(".xw-stage img").last.get_attribute("src")
    quality.pick(3)
    name = quality.session("images.names")[3]
    expect(quality.find(".xw-stage .xw-who .xw-title")).to_have_text(name)
    quality.settle()

    assert quality.session("query.image") == name
    assert quality.find(".xw-stage img").last.get_attribute("src") != before
    expect(quality.find('.xw-gallery .xw-cell[data-index="3"]')).to_have_attribute("aria-current", "true")
    y = float(directly(quality).scores()[0])
    assert quality.score() == pytest.approx(y, abs=6e-4)
    assert f"score y {y:.3f}" in quality.find(".xw-contrast .xw-key").inner_text()
    assert y == pytest.approx(quality.session("output.value"), abs=1e-5)
    cam = directly(quality).cam()
    assert_painted(quality.pixels(), cam, float(np.abs(cam).max()))


def test_a_drag_changes_picture_and_score_as_the_kernels_say(
    quality: ExplorerPage, directly: Callable[..., Direct]
) -> None:
    base = directly(quality).cam()
    before = quality.pixels()
    index = quality.current_map()
    assert index == int(np.argmax(np.abs(quality.session("impacts.delta_y.tolist()")))), "the strongest comes first"
    quality.drag(1.0, 1.9, 0.4, 0.0)
    quality.notebook.wait_for(f"{quality.name}.session.query.gains", [[index, 0.0]])
    quality.settle()

    after = directly(quality, gains=((index, 0.0),))
    y, cam = float(after.scores()[0]), after.cam()
    assert "→" in quality.headline()
    assert quality.score() == pytest.approx(y, abs=6e-4)
    assert y - float(directly(quality).scores()[0]) == pytest.approx(
        quality.session(f"impacts.delta_y.tolist()[{index}]"), abs=1e-5
    )
    pixels = quality.pixels()
    assert (pixels != before).any()
    assert_painted(pixels, cam, float(max(np.abs(base).max(), np.abs(cam).max())))

    left, top, right, bottom = quality.session("saliency.box")
    quality.find(".xw-stage select:has(option[value=cells])").select_option("smooth")
    scale = float(np.abs(cam).max())
    for u, v in ((0.5, 0.5), (0.31, 0.77), (0.9, 0.1)):
        said = quality.reading(left + u * (right - left), top + v * (bottom - top))
        assert said == pytest.approx(between(cam, u, v), rel=0.02, abs=0.02 * scale)


def test_undo_brings_a_drag_back_as_one_step(quality: ExplorerPage) -> None:
    before = quality.pixels()
    index = quality.current_map()
    quality.drag(1.0, 0.2, 0.7)
    quality.notebook.wait_for(f"len({quality.name}.session.query.gains)", 1)
    quality.settle()
    assert quality.find(".xw-maps [role=slider]").get_attribute("aria-valuenow") != "1"
    quality.find(".xw-status").get_by_role("button", name="Undo").click()
    quality.notebook.wait_for(f"{quality.name}.session.query.gains", [])
    quality.settle()
    assert quality.current_map() == index
    expect(quality.find(".xw-maps [role=slider]")).to_have_attribute("aria-valuenow", "1")
    assert (quality.pixels() == before).all()


def middling(page: ExplorerPage) -> str:
    """The image whose score is nearest to one half."""
    scores = page.session("scores")
    return min(scores, key=lambda name: abs(scores[name] - 0.5))


def test_a_contrast_with_a_score(quality: ExplorerPage, directly: Callable[..., Direct]) -> None:
    quality.start(middling(quality))
    y = float(directly(quality).scores()[0])
    for label, q in (("100%", 1.0), ("0%", 0.0)):
        quality.find(".xw-contrast .xw-quick button", has_text=re.compile(f"^{label}$")).click()
        quality.notebook.wait_for(f"{quality.name}.session.query.contrast.value", q)
        quality.settle()
        expect(quality.find(".xw-contrast h3")).to_have_text(f"Why {y:.3f}, rather than {q:.3f}?")
        picture = directly(quality).score_contrast(q)
        # One scale for every Q: the largest factor 2 |y - Q| in the range of the score. What prevents a higher score
        # may be faint on it.
        limit = 2 * max(y, 1 - y) * float(np.abs(directly(quality).cam()).max())
        assert_painted(quality.pixels(), picture, limit, faint=q > y)
        np.testing.assert_allclose(quality.session("saliency.map.tolist()"), picture, rtol=1e-3, atol=1e-5)


def test_q_is_dragged_on_the_axis_of_the_score(quality: ExplorerPage) -> None:
    axis = quality.find(".xw-contrast .xw-axis .xw-line")
    axis.scroll_into_view_if_needed()
    box = axis.bounding_box()
    assert box is not None
    mouse, y = quality.notebook.page.mouse, box["y"] + box["height"] / 2
    mouse.move(box["x"] + 0.9 * box["width"], y)
    mouse.down()
    mouse.move(box["x"] + 0.25 * box["width"], y, steps=12)
    mouse.up()
    quality.notebook.wait_for(f"abs({quality.name}.session.query.contrast.value - 0.25) < 0.02")
    quality.settle()
    q = quality.session("query.contrast.value")
    expect(quality.find(".xw-contrast h3")).to_contain_text(f"rather than {q:.3f}?")


def test_tiles_differ_where_the_plain_contrast_cannot(quality: ExplorerPage) -> None:
    quality.start(middling(quality))
    shapes = []
    quality.find(".xw-contrast").get_by_role("button", name="tiles").click()
    for label in ("0%", "25%"):
        quality.find(".xw-contrast .xw-quick button", has_text=re.compile(f"^{label}$")).click()
        quality.notebook.wait_for(f"{quality.name}.session.query.contrast.form", "tiles")
        quality.settle()
        values = np.array(quality.session("saliency.map.tolist()"))
        shapes.append(values / np.abs(values).max())
    quality.find(".xw-contrast").get_by_role("button", name="plain").click()
    assert np.abs(shapes[0] - shapes[1]).max() > 0.01


def test_a_contrast_with_a_class(scenes: ExplorerPage, directly: Callable[..., Direct]) -> None:
    direct = directly(scenes)
    order = direct.scores().argsort(descending=True, stable=True).tolist()
    labels = direct.model.labels
    assert labels is not None
    p, q = order[0], order[1]
    share = 100 * float(direct.scores().softmax(0)[p])
    assert scenes.score() == pytest.approx(share, abs=0.06)
    scenes.find(".xw-contrast .xw-class", has_text=labels[q]).first.click()
    scenes.notebook.wait_for(f"{scenes.name}.session.contrast().value", q)
    scenes.settle()
    expect(scenes.find(".xw-contrast h3")).to_have_text(f"Why {labels[p]}, rather than {labels[q]}?")
    picture = direct.class_contrast(q)
    assert_painted(scenes.pixels(), picture, float(np.abs(picture).max()))


def test_all_q_are_compared_and_steps_are_undone_by_keys(scenes: ExplorerPage) -> None:
    """JupyterLab has shortcuts of its own, which must not take these."""
    keyboard, session = scenes.notebook.page.keyboard, f"{scenes.name}.session"
    scenes.find(".xw-contrast button", has_text="compare all Q").click()
    scenes.notebook.wait_for(
        f"{session}.compared_q and {session}.compared_q.made and {session}.compared_q.made.done", True
    )
    tiles = scenes.find(".xw-contrast .xw-tile")
    expect(tiles).to_have_count(scenes.session("model.outputs"))
    tiles.nth(1).click()
    asked = f"{session}.query.contrast is not None"
    scenes.notebook.wait_for(asked, True)
    expect(tiles.nth(1)).to_have_attribute("aria-selected", "true")
    scenes.find(".xw-stage .xw-frame").last.focus()
    keyboard.press("Control+z")
    scenes.notebook.wait_for(asked, False)
    keyboard.press("Control+Shift+z")
    scenes.notebook.wait_for(asked, True)
    keyboard.press("?")
    expect(scenes.find("dialog.xw-keys")).to_be_visible()
    keyboard.press("Escape")
    expect(scenes.find("dialog.xw-keys")).to_have_count(0)
    scenes.find(".xw-contrast button", has_text="compare all Q").click()
    scenes.notebook.wait_for(f"{session}.compared_q is None", True)


def test_a_click_is_answered_while_a_cell_runs(quality: ExplorerPage) -> None:
    lesson = quality.notebook
    source = f"""import time
began = time.monotonic()
while {quality.name}.session.query.image != {quality.name}.session.images.names[2] and time.monotonic() < began + 15:
    time.sleep(0.05)
assert {quality.name}.session.query.image == {quality.name}.session.images.names[2], "no click arrived"
assert {quality.name}.session.wait(60)
arrived = time.monotonic() - began
while time.monotonic() < began + arrived + 3:  # the answer must reach the page before the cell ends
    time.sleep(0.05)"""
    cell = lesson.append_cell(source)
    try:
        lesson.run_cell(cell, wait=False)
        quality.notebook.page.wait_for_timeout(300)
        quality.pick(2)
        expect(quality.find(".xw-stage .xw-who .xw-title")).to_have_text(quality_names(quality)[2], timeout=10_000)
        assert lesson.page.evaluate("() => window.labRuns") == 1, "the cell had ended before the answer was seen"
        lesson.wait_idle()
        lesson.raise_if_failed(cell)
    finally:
        lesson.delete_cell(cell)


def quality_names(page: ExplorerPage) -> list[str]:
    """Names as the page shows them: the kernel is busy with a cell."""
    cells = page.find(".xw-gallery .xw-cell")
    titles = cells.evaluate_all("cells => cells.map(cell => [Number(cell.dataset.index), cell.title])")
    return [title for _, title in sorted(titles)]


def test_opacity_and_colours_send_nothing_before_the_gesture_ends(quality: ExplorerPage) -> None:
    page = quality.notebook.page
    page.evaluate(
        """() => { const original = WebSocket.prototype.send;
            window.messagesSent = 0;
            WebSocket.prototype.send = function (...all) {
              window.messagesSent += 1;
              return original.apply(this, all);
            }; }"""
    )
    slider = quality.find(".xw-stage input[type=range]")
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    assert box is not None
    canvas = quality.find(".xw-stage figure canvas").first
    before = canvas.evaluate("canvas => getComputedStyle(canvas).opacity")
    page.mouse.move(box["x"] + 0.75 * box["width"], box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + box["height"] / 2, steps=20)
    quality.frames()
    assert canvas.evaluate("canvas => getComputedStyle(canvas).opacity") != before
    assert page.evaluate("window.messagesSent") == 0
    page.mouse.up()
    quality.notebook.wait_for(f"{quality.name}.session.look.opacity < 0.4")
    quality.notebook.probe(f"{quality.name}.session.show(opacity=0.75)")


def test_keys_on_the_map_bank_are_not_the_notebooks(quality: ExplorerPage) -> None:
    lesson = quality.notebook
    cells = lesson.page.locator(".jp-Notebook .jp-Cell").count()
    quality.find(".xw-maps [role=slider]").focus()
    for key in ("Home", "ArrowRight", "0"):
        lesson.page.keyboard.press(key)
    index = quality.current_map()
    lesson.wait_for(f"{quality.name}.session.query.gains", [[index, 0.0]])
    for key in ("b", "x", "d", "d"):  # commands of the notebook: insert a cell, cut it, delete it
        lesson.page.keyboard.press(key)
    assert lesson.page.locator(".jp-Notebook .jp-Cell").count() == cells
    assert lesson.page.locator(".jp-Dialog").count() == 0


def test_a_map_that_is_chosen_in_the_bank_is_chosen_in_the_session(quality: ExplorerPage) -> None:
    x, y = quality.bar(1.0)
    quality.notebook.page.mouse.click(x, y - 50)
    quality.notebook.wait_for(f"{quality.name}.session.selected", [quality.current_map()])


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_both_themes(quality: ExplorerPage, scenes: ExplorerPage, theme: str, screenshots: Path) -> None:
    quality.notebook.theme(theme)
    for page in (quality, scenes):
        for view in ("maps", "stage", "gallery", "contrast", "status"):
            ink, paper = page.find(f".xw-{view}").first.evaluate(
                """node => { const colours = [getComputedStyle(node).color];
                    for (let at = node; at; at = at.parentElement) {
                      const colour = getComputedStyle(at).backgroundColor;
                      if (!colour.endsWith(", 0)")) { colours.push(colour); break; } }
                    return colours; }"""
            )
            light = [sum(map(int, re.findall(r"\d+", colour)[:3])) > 384 for colour in (ink, paper)]
            assert light == ([True, False] if theme == "dark" else [False, True]), view
        page.screenshot(screenshots / f"{page.name}-{theme}.png")
