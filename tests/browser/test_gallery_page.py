"""Gallery in a page: thumbnails while one scrolls, room for the words, and what another front end chose."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tiny
from PIL import Image
from playwright.sync_api import expect
from viewpage import ViewPage

from xai_widgets import ImageModel, ImageSet, Session
from xai_widgets.views import Gallery
from xai_widgets.views._thumbnails import References

Open = Callable[..., ViewPage]
COUNT = 600

SCROLL = """async ([pixels, frames]) => {
    const list = document.querySelector(".xw-window");
    const asked = [];
    for (let frame = 0; frame < frames; frame++) {
      list.scrollTop += pixels;
      await new Promise(requestAnimationFrame);
      for (const { content } of window.sent.splice(0)) {
        if (content?.kind !== "need") continue;
        const seen = [...document.querySelectorAll(".xw-cell")].map((cell) => Number(cell.dataset.index));
        asked.push({ at: performance.now(), top: list.scrollTop, indices: content.indices, seen });
      }
    }
    return asked;
}"""

ARRIVE = """(picture) => {
    const { buffer } = Uint8Array.from(atob(picture), (letter) => letter.charCodeAt(0));
    window.models.view.message({ kind: "reference", side: 384, indices: [0], failed: [] }, [new DataView(buffer)]);
}"""


@pytest.fixture
def many(make_session: Callable[..., Session]) -> Session:
    pixels = np.random.default_rng(0).integers(0, 255, (COUNT, 16, 16, 3), dtype=np.uint8)
    return make_session(tiny.regressor(), ImageSet(list(pixels)))


@pytest.fixture
def rated(make_session: Callable[..., Session]) -> Session:
    return make_session(tiny.regressor(), tiny.rated())


def test_thumbnails_in_sight_are_asked_for_while_one_scrolls(opened: Open, many: Session) -> None:
    page = opened(Gallery(many), width=400)
    page.sent()
    asked: list[dict[str, Any]] = page.page.evaluate(SCROLL, [12, 90])
    assert len(asked) >= 5, "not only when the list has come to rest"
    tops = [one["top"] for one in asked]
    assert tops == sorted(set(tops)), "each at another place"
    for one in asked:
        assert set(one["indices"]) & set(one["seen"]), "of what is in sight when it leaves"
    seen, last = set(asked[0]["seen"]), set(asked[-1]["indices"])
    assert not seen & last, "what has left the sight is not asked for"


def test_pictures_come_and_are_not_asked_for_twice(opened: Open, many: Session) -> None:
    page = opened(Gallery(many), width=400)
    view = page.widgets["view"]
    page.page.wait_for_function("() => window.sent.some(({ content }) => content?.kind === 'need')")
    page.deliver(many)
    view._courier.join()
    for data, buffers in view.comm.__dict__.pop("sent", []):
        if data.get("method") == "custom":
            page.page.evaluate(
                """([content, pictures]) => window.models.view.message(content, pictures.map((text) =>
                    new DataView(Uint8Array.from(atob(text), (one) => one.charCodeAt(0)).buffer)))""",
                [data["content"], [encoded(buffer) for buffer in buffers]],
            )
    expect(page.find(".xw-cell img[src]").first).to_be_visible()
    page.find(".xw-cell").first.hover()  # paints again
    page.page.wait_for_timeout(400)  # longer than a request that is due could wait
    shown = {int(cell.get_attribute("data-index") or -1) for cell in page.find(".xw-cell:has(img[src])").all()}
    again = [index for message in page.sent() for index in message.get("content", {}).get("indices", ())]
    assert shown
    assert not shown & set(again)


def encoded(buffer: Any) -> str:
    return base64.b64encode(bytes(buffer)).decode()


def bottoms_and_tops(page: ViewPage) -> tuple[list[float], list[float]]:
    """Of the first cell, where each visible word ends, and where the cells of the next row begin."""
    cells = page.find(".xw-cell").all()
    boxes = [cell.bounding_box() for cell in cells]
    assert all(boxes)
    rows = sorted({box["y"] for box in boxes if box})
    words = cells[0].locator(".xw-line:visible").all()
    ends = [box["y"] + box["height"] for box in (word.bounding_box() for word in words) if box]
    return ends, rows[1:2]


def test_words_do_not_lie_under_the_next_row(opened: Open, many: Session, make_session: Callable[..., Session]) -> None:
    page = opened(Gallery(many), width=400)
    expect(page.find(".xw-cell", has_text="no rating")).to_have_count(0)
    (end,), (row,) = bottoms_and_tops(page)
    assert end <= row
    half = ImageSet([photo for photo in tiny.photos() for _ in range(4)], ratings=[0.5, *[None] * 11])
    page = opened(Gallery(make_session(tiny.regressor(), half)), width=400)
    expect(page.find(".xw-cell", has_text="no rating")).to_have_count(11)
    ends, (row,) = bottoms_and_tops(page)
    assert len(ends) == 2
    assert max(ends) <= row


def test_what_another_front_end_selected_is_shown(opened: Open, rated: Session) -> None:
    gallery = Gallery(rated)
    page = opened(gallery, width=400)
    page.find('.xw-cell[data-index="0"] .xw-thumb').click(modifiers=["Control"], position={"x": 20, "y": 30})
    page.deliver(rated)
    assert rated.selected_images == rated.images.names[:1]
    gallery.comm.click(kind="select", indices=[1, 2], origin="other", step=1)
    page.refresh()
    expect(page.find('.xw-cell[aria-selected="true"]')).to_have_count(2)
    page.find("button", has_text="Clear").click()
    page.deliver(rated)
    assert rated.selected_images == ()


def test_keys_move_select_pin_and_search(opened: Open, rated: Session) -> None:
    page = opened(Gallery(rated), width=400)
    keyboard = page.page.keyboard
    page.find(".xw-cell[tabindex='0']").focus()
    keyboard.press("ArrowRight")
    keyboard.press("Shift+ArrowRight")
    keyboard.press("p")
    page.deliver(rated)
    assert rated.selected_images == tuple(rated.images.names[1:])
    assert rated.pins == (rated.images.names[2],)
    keyboard.press("Enter")
    page.deliver(rated)
    assert rated.query.image == rated.images.names[2]
    keyboard.press("/")
    keyboard.type(rated.images.names[1])
    expect(page.find(".xw-cell")).to_have_count(1)
    page.find("button.xw-only").click()
    expect(page.find(".xw-empty")).to_have_text("No image is like that.")


def test_problems_open_as_a_list_and_the_reference_stands_beside(
    opened: Open, make_session: Callable[..., Session], tmp_path: Path
) -> None:
    for place, name in enumerate(("a.png", "b.png", "clean.png")):
        pixels = np.random.default_rng(place).integers(0, 255, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / name)
    rows = "a.png,62,11,24,train,clean.png\nb.png,40,9,20,test,\ngone.png,1,,,,\nlost.png,1,,,,\n"
    (tmp_path / "t.csv").write_text(f"image,rating,rating_sd,raters,split,reference\n{rows}")
    session = make_session(tiny.regressor(), ImageSet(tmp_path / "t.csv", range=(0, 100)))
    session.wait()
    view = opened(Gallery(session), width=420)
    page = view.page
    line = page.locator(".xw-problems > summary")
    expect(line).to_have_text(re.compile(r"^2 image files do not exist, such as: The image 'gone.png'"))
    line.click()
    expect(page.locator(".xw-problems ul li")).to_have_count(2)
    expect(page.locator(".xw-trained:visible")).to_have_count(1)
    expect(page.locator(".xw-detail")).to_contain_text(re.compile(r"rating 62\S* ± 11\S* \(n = 24\)"))
    view.asked()
    page.get_by_role("button", name="Reference").click()
    assert {"kind": "reference", "index": 0}.items() <= view.asked()[-1]["content"].items()
    page.evaluate(ARRIVE, base64.b64encode(References(session.images).thumbnail("a.png", 384)).decode())
    shown = page.locator(".xw-beside img")
    expect(shown.nth(1)).to_have_js_property("naturalWidth", 16)
    expect(shown.nth(1)).to_be_visible()


def test_several_labels_and_how_well_the_model_does(opened: Open, make_session: Callable[..., Session]) -> None:
    model = ImageModel(tiny.TinyNet(3), None, "features", task="multilabel", labels=("cat", "dog", "fox"))
    session = make_session(model, ImageSet(list(tiny.photos()), labels=["cat;dog", "dog", "fox|cat"]))
    page = opened(Gallery(session), width=400)
    right = [session.right_labels()[name] for name in session.images.names]
    shown = page.find(".xw-cell .xw-second > :last-child").all_inner_texts()
    assert shown == [f"{count}/3" for count in right]
    expect(page.find(".xw-performance")).to_have_text(
        re.compile(r"^accuracy \d\.\d\d · AUROC .* \(mean of 3\) · n = 3$")
    )


@pytest.fixture
def charted(make_session: Callable[..., Session], tmp_path: Path) -> Session:
    """Twelve rated images of two cameras; a name is text, whatever it holds."""
    photos = [np.roll(tiny.photos()[place % 3], 5 * place, axis=1) for place in range(12)]
    names = [f'{place} <img src=x onerror="window.hacked=1"> 🦩 \u202eabc.png' for place in range(12)]
    for name, photo in zip(names, photos, strict=True):
        Image.fromarray(photo).save(tmp_path / name)
    table = pd.DataFrame(
        {
            "image": names,
            "rating": [place / 11 for place in range(12)],
            "rating_sd": [0.05] * 12,
            "camera": [("<b>A</b>", "B")[place % 2] for place in range(12)],
        }
    )
    return make_session(tiny.regressor(), ImageSet(table, folder=tmp_path))


def test_a_brush_in_the_chart_selects_and_what_is_selected_is_marked(opened: Open, charted: Session) -> None:
    page = opened(Gallery(charted), width=900)
    page.find("button", has_text="Chart").click()
    expect(page.find(".xw-points canvas")).to_have_attribute("data-painted", "12")
    residuals = charted.columns_of_images["residual"].values
    page.drag(page.find(".xw-residuals canvas"), (0.15, 0.3), (0.5, 0.5))
    page.deliver(charted)
    chosen = [charted.images.names.index(name) for name in charted.selected_images]
    assert 0 < len(chosen) < 12
    left = [residuals[place] for place in range(12) if place not in chosen]
    assert not any(min(residuals[chosen]) <= one <= max(residuals[chosen]) for one in left), "a range of residuals"
    expect(page.find(".xw-some")).to_have_text(re.compile(rf"^selected: .*n = {len(chosen)}$"))
    page.find(".xw-points .xw-cursor").focus()
    worst = int(np.abs(residuals).argmax())
    assert (page.find(".xw-points .xw-cursor").get_attribute("aria-label") or "").startswith(
        charted.images.names[worst]
    )
    page.page.keyboard.press("Enter")
    page.deliver(charted)
    assert (charted.query.image, charted.selected_images) == (charted.images.names[worst], ())
    page.drag(page.find(".xw-points canvas"), (0.16, 0.02), (0.99, 0.75))
    page.deliver(charted)
    assert len(charted.selected_images) == 12
    assert page.page.evaluate("() => window.hacked") is None


def test_a_table_shows_what_is_confused_with_what(opened: Open, make_session: Callable[..., Session]) -> None:
    labels = ["cat", "<b>cup</b>", "crew"] * 2
    session = make_session(tiny.classifier(), ImageSet([*tiny.photos(), *tiny.photos()], labels=labels))
    page = opened(Gallery(session), width=420)
    page.find("button", has_text="Chart").click()
    cell = page.find(".xw-count:not(:disabled)").first
    said = re.match(r"label (.*), predicted (.*): (\d) images", cell.get_attribute("aria-label") or "")
    assert said
    cell.click()
    page.deliver(session)
    frame = session.selection_frame()
    assert set(zip(frame["label"], frame["prediction"], strict=True)) == {(said[1], said[2])}
    assert len(frame) == int(said[3])
    expect(cell).to_have_attribute("aria-pressed", "true")


def test_groups_further_orders_size_and_all_by_keyboard(opened: Open, charted: Session) -> None:
    gallery = Gallery(charted)
    page = opened(gallery, width=420)
    page.find("summary", has_text="View").click()
    page.find("select[aria-label='Group by']").select_option("camera")
    gallery.comm.arrive(group="camera")  # the harness brings gestures, not traits
    page.refresh()
    expect(page.find('.xw-group-head[data-group="0"]')).to_have_text("camera: <b>A</b> (6)")
    page.page.keyboard.press("Escape")
    expect(page.find(".xw-panel")).to_be_hidden()
    page.find(".xw-cell[tabindex='0']").focus()
    page.page.keyboard.press("g")
    page.deliver(charted)
    assert set(charted.selection_frame()["camera"]) == {"<b>A</b>"}
    page.page.keyboard.press("Control+a")
    page.deliver(charted)
    assert len(charted.selected_images) == 12
    page.find("button", has_text="Only").click()
    page.deliver(charted)
    expect(page.find(".xw-chip").first).to_contain_text("12 chosen images")
    before = page.find(".xw-cell").first.bounding_box()
    page.find("summary", has_text="View").click()
    page.find("input[aria-label='Size of thumbnails']").fill("160")
    page.frames()
    after = page.find(".xw-cell").first.bounding_box()
    assert before
    assert after
    assert after["width"] > before["width"]
