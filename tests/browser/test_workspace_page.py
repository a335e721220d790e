"""One screen: what is changed and what it changes are in sight together, at the sizes of laptops and desks."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from explorerpage import ExplorerPage
from labharness import Notebook
from playwright.sync_api import expect

# How much of an element is in sight, from 0 to 1, in the notebook that scrolls and in all that cuts it off.
IN_SIGHT = """node => new Promise(done => new IntersectionObserver(([found], watcher) => {
    watcher.disconnect();
    done(found.intersectionRatio);
  }).observe(node))"""


@pytest.fixture
def quality(explorers: dict[str, ExplorerPage], lesson: Notebook) -> Iterator[ExplorerPage]:
    page, size = explorers["demo/quality"], lesson.page.viewport_size
    page.start(page.session("images.names")[0])
    yield page
    assert size is not None
    lesson.page.set_viewport_size(size)
    page.frames(5)


def sized(page: ExplorerPage, width: int, height: int) -> None:
    page.notebook.page.set_viewport_size({"width": width, "height": height})
    page.frames(10)
    page.root.evaluate("node => node.scrollIntoView({block: 'end'})")
    page.frames(5)


@pytest.mark.parametrize(("width", "height"), [(1366, 768), (1440, 900), (1920, 1080)])
def test_stage_and_bank_are_in_sight_while_a_gain_is_dragged(quality: ExplorerPage, width: int, height: int) -> None:
    sized(quality, width, height)
    mouse = quality.notebook.page.mouse
    before = quality.headline()
    mouse.move(*quality.bar(1.0))
    mouse.down()
    mouse.move(*quality.bar(0.1), steps=5)
    for selector in (
        ".xw-explorer",
        ".xw-stage",
        ".xw-stage .xw-panel .xw-frame",
        ".xw-headline",
        ".xw-maps",
        ".xw-maps .xw-window",
    ):
        node = quality.root if selector == ".xw-explorer" else quality.find(selector).first
        assert node.evaluate(IN_SIGHT) > 0.98, selector
    mouse.up()
    picture = quality.find(".xw-stage .xw-panel .xw-frame").bounding_box()
    assert picture is not None
    assert picture["height"] > 0.3 * height
    expect(quality.find(".xw-headline")).not_to_have_text(before)
    assert quality.root.evaluate("node => node.scrollWidth - node.clientWidth") == 0


def test_where_it_is_narrow_the_stage_stays_over_what_is_scrolled(quality: ExplorerPage) -> None:
    sized(quality, 800, 800)
    quality.find(".xw-maps .xw-window").evaluate("node => node.scrollIntoView({block: 'end'})")
    quality.frames(5)
    mouse = quality.notebook.page.mouse
    mouse.move(*quality.bar(1.0))
    mouse.down()
    mouse.move(*quality.bar(0.1), steps=5)
    mouse.up()
    for selector in (".xw-stage", ".xw-stage .xw-panel .xw-frame", ".xw-maps .xw-window"):
        assert quality.find(selector).first.evaluate(IN_SIGHT) > 0.98, selector


def test_borders_are_moved_by_pointer_and_keys_and_are_kept(quality: ExplorerPage) -> None:
    sized(quality, 1440, 900)
    page, dock = quality.notebook.page, quality.find(".xw-dock")
    kept = "() => localStorage.getItem('xai_widgets.workspace')"

    def width() -> float:
        return float(dock.evaluate("node => node.getBoundingClientRect().width"))

    before, border = width(), quality.find('[role="separator"][aria-label="Width of the dock"]')
    box = border.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 4, box["y"] + 200)
    page.mouse.down()
    page.mouse.move(box["x"] - 56, box["y"] + 200, steps=4)
    page.mouse.up()
    assert width() == pytest.approx(before + 60, abs=6)
    shares = json.loads(page.evaluate(kept))
    whole = quality.find(".xw-columns").evaluate("node => node.clientWidth")
    assert shares["dock"] == pytest.approx(width() / whole, abs=0.01)
    wide = width()
    border.press("ArrowRight")
    assert width() < wide - 10
    assert json.loads(page.evaluate(kept))["dock"] < shares["dock"]
    border.dblclick()
    assert width() == pytest.approx(before, abs=2)
    assert border.get_attribute("aria-valuenow") == f"{100 * width() / whole:.0f}"


def test_tabs_answer_to_keys_and_to_python(quality: ExplorerPage) -> None:
    sized(quality, 1440, 900)
    quality.find('.xw-tab[data-tab="bank"]').press("ArrowRight")
    expect(quality.find(".xw-impact")).to_be_visible()
    expect(quality.find(".xw-maps")).not_to_be_visible()
    quality.notebook.wait_for(f"{quality.name}.tab", "plane")
    quality.notebook.probe(f"setattr({quality.name}, 'tab', 'bank')")
    expect(quality.find(".xw-maps")).to_be_visible()
