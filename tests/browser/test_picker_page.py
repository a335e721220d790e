"""The contrast picker in a page: P, Q and scores by mouse and keys, all Q side by side, and text that stays text."""

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

from xai_widgets import Contrast, ImageModel
from xai_widgets.views import ContrastPicker

Open = Callable[..., ViewPage]


@pytest.fixture
def scored(make_session: Callable[..., Any]) -> Any:
    return make_session(tiny.regressor(), tiny.rated())


@pytest.fixture
def classes(make_session: Callable[..., Any]) -> Any:
    return make_session(tiny.classifier(), tiny.rated())


def test_a_class_is_chosen_by_click_and_named_as_text(opened: Open, classes: Any) -> None:
    page = opened(ContrastPicker(classes))
    p = classes.output.target
    q = (p + 1) % 3
    labels = classes.model.labels
    expect(page.find("h3")).to_have_text(f"Why {labels[p]}?")
    page.find(".xw-class", has_text=labels[q]).click()
    page.deliver(classes)
    assert classes.query.contrast == Contrast("class", labels[q])
    expect(page.find("h3")).to_have_text(f"Why {labels[p]}, rather than {labels[q]}?")
    expect(page.find(".xw-q")).to_have_attribute("aria-selected", "true")
    page.find("button", has_text="100 % confidence").click()
    page.deliver(classes)
    expect(page.find("h3")).to_have_text(f"Why not {labels[p]} with 100 % confidence?")
    page.find(".xw-slot").first.click()
    page.find(".xw-class", has_text=labels[q]).click()
    page.deliver(classes)
    expect(page.find("h3")).to_have_text(f"Why not {labels[q]} with 100 % confidence?")  # P and Q, each for itself
    assert (classes.query.target, classes.query.contrast) == (labels[q], Contrast("confidence"))
    assert page.page.locator("main b").count() == 0  # a label of the tiny classes is HTML


def test_a_class_among_a_thousand_is_found_by_keys_alone(opened: Open, make_session: Callable[..., Any]) -> None:
    session = make_session(ImageModel(tiny.TinyNet(1000), None, "features"), tiny.rated())
    page = opened(ContrastPicker(session))
    assert page.find(".xw-class").count() == 60
    expect(page.find(".xw-more")).to_have_text("940 more: type a part of the name.")
    shares = page.find(".xw-share").all_inner_texts()
    numbers = [float(share.strip("<>% ")) for share in shares]
    assert numbers == sorted(numbers, reverse=True)
    keyboard = page.page.keyboard
    page.find("input").focus()
    keyboard.type("class 77")
    assert page.find(".xw-class").count() == 11
    keyboard.press("Enter")  # the first match
    page.deliver(session)
    first = session.query.contrast.value
    assert str(int(first)).startswith("77")
    keyboard.press("ArrowDown")
    keyboard.press("ArrowDown")
    keyboard.press(" ")
    page.deliver(session)
    assert str(int(session.query.contrast.value)).startswith("77")
    assert session.query.contrast.value != first
    keyboard.type("9")  # a letter in the list goes on with the search
    expect(page.find("input")).to_have_value("class 779")
    expect(page.find(".xw-class")).to_have_count(1)
    keyboard.type(" no")
    expect(page.find(".xw-more")).to_have_text("No class has such a name.")


def test_p_and_q_change_places_and_come_back_by_a_pair_or_a_recent_class(opened: Open, classes: Any) -> None:
    page = opened(ContrastPicker(classes))
    labels, p = classes.model.labels, classes.output.target
    q = (p + 1) % 3
    swap = page.find("button[aria-label='Let P and Q change places']")
    expect(swap).to_be_disabled()
    page.find(".xw-class", has_text=labels[q]).click(modifiers=["Shift"])  # for the slot that is not chosen
    page.deliver(classes)
    assert (classes.query.target, classes.query.contrast) == (labels[q], None)
    page.find(".xw-class", has_text=labels[p]).click()
    page.deliver(classes)
    expect(page.find("h3")).to_have_text(f"Why {labels[q]}, rather than {labels[p]}?")
    swap.click()
    page.deliver(classes)
    expect(page.find("h3")).to_have_text(f"Why {labels[p]}, rather than {labels[q]}?")
    assert [re.split("[,:] ", slot.get_attribute("aria-label") or "")[:2] for slot in page.find(".xw-slot").all()] == [
        ["P", labels[p]], ["Q", labels[q]],
    ]  # fmt: skip
    page.find("button", has_text="clear").click()
    page.deliver(classes)
    expect(page.find("h3")).to_have_text(f"Why {labels[p]}?")
    page.find(".xw-chips").last.locator("button", has_text=f"{labels[q]} / {labels[p]}").click()
    page.deliver(classes)
    expect(page.find("h3")).to_have_text(f"Why {labels[q]}, rather than {labels[p]}?")
    third = 3 - p - q
    assert page.find(".xw-chips").first.locator("button", has_text=labels[third]).count() == 0
    page.find(".xw-chips").first.locator("button", has_text=labels[q]).click()
    page.deliver(classes)
    expect(page.find("h3")).to_have_text(f"Why not {labels[q]} with 100 % confidence?")


def test_all_q_are_compared_and_one_is_asked_by_keys(opened: Open, classes: Any) -> None:
    page = opened(ContrastPicker(classes))
    opener = page.find("button", has_text="compare all Q")
    expect(opener).to_have_attribute("aria-expanded", "false")
    opener.click()
    page.deliver(classes)
    tiles, made = page.find(".xw-tile"), classes.compared_q.made
    assert tiles.count() == 3
    distances = [float(tile.locator(".xw-numbers").inner_text()) for tile in tiles.all()]
    assert distances == pytest.approx(sorted(made.distance.tolist(), reverse=True), abs=0.006)
    painted = tiles.first.locator("canvas").evaluate(
        "n => [n.width, n.height, new Set(n.getContext('2d').getImageData(0, 0, n.width, n.height).data).size]"
    )
    assert painted[:2] == list(made.why.shape[::-1])
    assert painted[2] > 3
    expect(page.find(".xw-strip p").first).to_contain_text("1 − r")
    tiles.first.focus()
    page.page.keyboard.press("ArrowRight")
    page.page.keyboard.press("Enter")
    page.deliver(classes)
    second = made.classes[np.argsort(-made.distance, kind="stable")[1]]
    assert classes.contrast().value == second
    expect(tiles.nth(1)).to_have_attribute("aria-selected", "true")
    assert page.page.evaluate("document.activeElement.matches('.xw-tile')"), "the focus stays in the strip"
    page.page.keyboard.press("Escape")
    page.deliver(classes)
    assert classes.compared_q is None
    expect(tiles.first).to_be_hidden()


def test_rows_do_not_slip_away_under_the_pointer(opened: Open, classes: Any) -> None:
    page = opened(ContrastPicker(classes))
    names = page.find(".xw-name").all_inner_texts()
    page.find(".xw-class").first.hover()
    turned = replace(classes.output, probabilities=np.sort(classes.output.probabilities)[[1, 0, 2]])
    order = [classes.model.labels[i] for i in (-turned.probabilities).argsort()]
    assert order != names
    with classes.lock:
        classes.panel.take(output=turned)
    page.refresh()
    assert page.find(".xw-name").all_inner_texts() == names
    page.page.mouse.move(1, 600)
    page.frames()
    assert page.find(".xw-name").all_inner_texts() == order


def test_q_is_dragged_and_the_words_follow_at_once(opened: Open, scored: Any) -> None:
    page = opened(ContrastPicker(scored))
    y = scored.output.value
    expect(page.find("h3")).to_have_text(f"Why the score {y:.3f}?")
    page.drag(page.find(".xw-line"), (0.05, 0.5), (0.6, 0.5), (0.8, 0.5))
    expect(page.find("h3")).to_have_text(f"Why {y:.3f}, rather than 0.800?")  # before the kernel knows
    expect(page.find(".xw-meaning")).to_contain_text("prevents a higher score")
    expect(page.find(".xw-caption").last).to_contain_text(f"Factor 2|y − Q| = {2 * (0.8 - y):.3f}")
    assert scored.query.contrast is None
    drags = [message for message in page.deliver(scored) if message.get("content", {}).get("kind") != "here"]
    assert len(drags) > 5
    assert {message["key"] for message in drags} == {"drag"}
    assert scored.query.contrast == Contrast("score", 0.8)
    scored.undo()  # one step, however many events
    assert scored.query.contrast is None
    page.refresh()
    expect(page.find("h3")).to_have_text(f"Why the score {y:.3f}?")


def test_q_by_keys_picks_and_number(opened: Open, scored: Any) -> None:
    page = opened(ContrastPicker(scored))
    knob, keyboard = page.find("[role=slider]"), page.page.keyboard
    knob.focus()
    for key, value in (("Home", 0.0), ("ArrowRight", 0.01), ("PageUp", 0.11), ("ArrowDown", 0.1), ("End", 1.0)):
        keyboard.press(key)
        expect(knob).to_have_attribute("aria-valuetext", f"{value:.3f}")
    page.deliver(scored)
    assert scored.query.contrast == Contrast("score", 1.0)
    page.find("button", has_text=re.compile("^25%$")).click()
    page.find("button", has_text="tiles").click()
    page.deliver(scored)
    assert scored.query.contrast == Contrast("score", 0.25, "tiles")
    expect(page.find("button", has_text=re.compile("^25%$"))).to_have_attribute("aria-pressed", "true")
    expect(page.find(".xw-caption").last).to_contain_text("each part of the photo")
    page.find("input").fill("1.5")
    keyboard.press("Enter")
    page.deliver(scored)
    assert scored.query.contrast == Contrast("score", 1.5, "tiles")  # outside of the range, which is made wider
    expect(knob).to_have_attribute("aria-valuemax", "1.5")
    page.find("button", has_text="smallest change").click()
    page.deliver(scored)
    assert scored.query.method == "smallest_change"
    page.find("select[aria-label='removed maps become']").select_option(label="mean")
    page.deliver(scored)
    assert scored.query.baseline == "mean"
    page.find("button", has_text="clear").click()
    page.deliver(scored)
    assert scored.query.contrast is None
