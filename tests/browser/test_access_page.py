"""What a reader with a screen reader, a keyboard or weak eyes needs of every view, in a page without JupyterLab."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import tiny
from axe_playwright_python.sync_playwright import Axe
from contrast import PALE_ON_CANVAS
from playwright.sync_api import expect
from viewpage import ViewPage

from xai_widgets import ImageModel
from xai_widgets.views import ContrastPicker, Gallery, ImpactPlane, MapBank, MetricRadar, Stage, StatusBar

Open = Callable[..., ViewPage]
VIEWS = [ContrastPicker, Gallery, ImpactPlane, MapBank, MetricRadar, Stage, StatusBar]
GRAVE = ("serious", "critical")
ODD = ("<b>cup</b>", "🐈‍⬛ café", "\u202eقطة سوداء", "x" * 80)

# Every text that is drawn on a canvas while the page paints: its words, its ink, and where it stands in its canvas.
WATCH_TEXT = """() => {
  window.drawn = new Map();
  const { fillText } = CanvasRenderingContext2D.prototype;
  CanvasRenderingContext2D.prototype.fillText = function (text, x, y, ...more) {
    if (`${text}`.trim() && this.canvas.isConnected) {
      const at = this.getTransform().transformPoint(new DOMPoint(x, y)), { width } = this.measureText(text);
      const scale = this.getTransform().a, shift = { center: -0.5, right: -1, end: -1 }[this.textAlign] ?? 0;
      const size = parseFloat(this.font.match(/([\\d.]+)px/)[1]);
      const up = { top: 0, hanging: 0, middle: -0.5 }[this.textBaseline] ?? -0.8;
      const box = [at.x + shift * width * scale, at.y + up * size * scale, width * scale, size * scale].map(Math.round);
      const under = this.getImageData(...box.map((edge, i) => Math.max(edge, i < 2 ? 0 : 1)));
      const key = `${this.canvas.className} ${text} ${box}`;
      const { fillStyle: ink, globalAlpha: alpha, canvas } = this;
      window.drawn.set(key, { text: `${text}`, ink, alpha, under, canvas });
    }
    return fillText.call(this, text, x, y, ...more);
  };
}"""


def shown(opened: Open, session: Any, kind: Any) -> ViewPage:
    page = opened(kind(session), width=900, height=1000)
    page.deliver(session)
    return page


def violations(page: ViewPage) -> list[tuple[str, str, list[str]]]:
    """What axe finds of serious or critical impact in the view."""
    found = Axe().run(page.page, context="main", options={"resultTypes": ["violations"]})
    return [
        (one["id"], one["help"], [node["html"][:160] for node in one["nodes"]][:4])
        for one in found.response["violations"]
        if one["impact"] in GRAVE
    ]


@pytest.mark.parametrize("kind", VIEWS)
@pytest.mark.parametrize("task", ["classes", "score"])
def test_axe_finds_nothing_grave(opened: Open, make_session: Callable[..., Any], kind: Any, task: str) -> None:
    odd = ImageModel(tiny.TinyNet(4), None, "features", labels=ODD, name="odd")
    session = make_session(odd if task == "classes" else tiny.regressor(), tiny.rated())
    page = shown(opened, session, kind)
    session.ask(contrast=1 if task == "classes" else 0.8)
    session.select([1, 2])
    if task == "classes":
        session.candidates()
    with session.lock:
        session.error, session.notice = "The layer is not there.", "Gains were dropped."
    page.deliver(session)
    for theme in ("light", "dark"):
        page.theme(theme)
        page.frames(10)
        assert violations(page) == []
    if kind is StatusBar:
        page.find("button[aria-label^='Keys of all views']").click()
        assert violations(page) == []


@pytest.mark.parametrize("kind", [Gallery, ImpactPlane, MapBank])
def test_every_word_on_a_canvas_can_be_read(opened: Open, make_session: Callable[..., Any], kind: Any) -> None:
    session = make_session(tiny.regressor(), tiny.rated())
    page = shown(opened, session, kind)
    if kind is Gallery:
        page.find("button", has_text="Chart").click()
    page.page.evaluate(WATCH_TEXT)
    for theme in ("dark", "light"):  # another one each time, so that all is painted anew
        page.theme(theme)
        page.page.evaluate("window.drawn.clear()")
        session.ask(gains={1: 0.3, 2: 0.0, 4: 1.7} if theme == "light" else {1: 0.5, 3: 0.0})
        session.select([1, 2, 3])
        page.deliver(session)
        page.page.wait_for_timeout(150)  # a theme is read a moment later
        page.frames(10)
        page.page.wait_for_function("window.drawn.size")
        page.frames(10)
        assert page.page.evaluate(PALE_ON_CANVAS) == [], theme


def test_colours_are_there_where_no_page_defines_them(opened: Open, make_session: Callable[..., Any]) -> None:
    session = make_session(tiny.classifier(), tiny.rated())
    page = shown(opened, session, ContrastPicker)
    page.page.evaluate("document.body.removeAttribute('style'); document.body.removeAttribute('data-jp-theme-light')")
    for kind, dark in (("", False), ("vscode-dark", True), ("vscode-light", False)):
        page.page.evaluate("kind => document.body.setAttribute('data-vscode-theme-kind', kind)", kind)
        page.frames(10)
        ink, paper = page.root.evaluate("n => [getComputedStyle(n).color, getComputedStyle(n).backgroundColor]")
        assert (paper == "rgb(31, 31, 31)") == dark
        assert ink != paper
        assert violations(page) == []


def test_undo_and_redo_by_keys_in_any_view_but_not_in_a_text(opened: Open, make_session: Callable[..., Any]) -> None:
    session = make_session(tiny.classifier(), tiny.rated())
    q = (session.output.target + 1) % 3
    session.ask(contrast=q)
    page = shown(opened, session, ContrastPicker)
    keyboard = page.page.keyboard
    page.find(".xw-class").first.focus()
    for keys, asked in (("Control+z", False), ("Control+Shift+z", True), ("Control+z", False), ("Control+y", True)):
        keyboard.press(keys)
        page.deliver(session)
        assert (session.query.contrast is not None) == asked, keys
    page.find("input[type=search]").focus()
    keyboard.press("Control+z")
    page.deliver(session)
    assert session.query.contrast is not None


def test_the_list_of_keys_opens_by_its_key_and_its_button(opened: Open, make_session: Callable[..., Any]) -> None:
    session = make_session(tiny.regressor(), tiny.rated())
    page = shown(opened, session, StatusBar)
    opener, keys = page.find("button[aria-label^='Keys of all views']"), page.find("dialog.xw-keys")
    opener.click()
    expect(keys).to_be_visible()
    expect(keys).to_contain_text("mute, solo, invert, reset")
    page.page.keyboard.press("Escape")
    expect(keys).to_have_count(0)
    expect(opener).to_be_focused()
    page.page.keyboard.press("?")
    expect(keys).to_be_visible()
    keys.locator("button").click()
    expect(keys).to_have_count(0)


@pytest.mark.parametrize(("kind", "own"), [(Gallery, "Images"), (MapBank, "Feature maps"), (MetricRadar, None)])
def test_a_view_that_stands_alone_shows_its_own_keys(
    opened: Open, make_session: Callable[..., Any], kind: Any, own: str | None
) -> None:
    page = shown(opened, make_session(tiny.regressor(), tiny.rated()), kind)
    keys = page.find("dialog.xw-keys")
    page.find("button:visible").first.focus()
    page.page.keyboard.press("?")
    expect(keys).to_be_visible()
    assert keys.locator("h4").all_inner_texts() == ["Everywhere", *filter(None, [own])]
    assert not violations(page)
    page.page.keyboard.press("Escape")
    expect(keys).to_have_count(0)


@pytest.mark.parametrize(
    ("kind", "cell", "keys"),
    [(Gallery, ".xw-cell", ("Down", "Down", "Up")), (MapBank, "[role=slider]", ("Up", "Up", "Down"))],
)
def test_a_list_is_made_higher_and_lower_by_keys(
    opened: Open, make_session: Callable[..., Any], kind: Any, cell: str, keys: tuple[str, ...]
) -> None:
    page = shown(opened, make_session(tiny.regressor(), tiny.rated()), kind)
    window, label = page.find(".xw-window"), "document.activeElement.getAttribute('aria-label')"
    page.find(cell).first.focus()
    before, height = page.page.evaluate(label), window.evaluate("node => node.offsetHeight")
    for key in keys:
        page.page.keyboard.press(f"Alt+Arrow{key}")
        height += 40 if key == "Down" else -40
        assert window.evaluate("node => node.offsetHeight") == height
    assert page.page.evaluate(label) == before, "the arrows moved nothing else"


def test_the_score_is_spoken_when_it_has_settled(opened: Open, make_session: Callable[..., Any]) -> None:
    session = make_session(tiny.regressor(), tiny.rated())
    page = shown(opened, session, StatusBar)
    said = page.find(".xw-spoken[role=status]")
    expect(said).to_have_text(f"Score {session.output.value:.3f}, {session.query.image}.")
    page.page.evaluate("""() => {
      window.spoken = [];
      const said = document.querySelector(".xw-spoken");
      new MutationObserver(() => window.spoken.push(said.textContent)).observe(said, { childList: true });
    }""")
    for gain in (0.8, 0.5, 0.2):
        output = replace(session.output, value=session.output.base * gain)
        with session.changing():
            session.panel.take(output=output)
            session.status = replace(session.status, busy=f"measures {gain}")
        page.refresh()
    wanted = f"Score {output.value:.3f}, {session.query.image}."
    expect(said).to_have_text(wanted)
    assert page.page.evaluate("window.spoken") == [wanted]
