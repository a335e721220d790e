"""What all views share: words that can be read in both themes, long names that leave room for the rest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import tiny
from contrast import PALE
from playwright.sync_api import expect
from viewpage import ViewPage

from xai_widgets import Contrast, ImageModel
from xai_widgets.views import ContrastPicker, Gallery, ImpactPlane, MapBank, MetricRadar, Stage, StatusBar

Open = Callable[..., ViewPage]


def _said(session: Any) -> None:
    """An error and a notice, as words of their own colours."""
    with session.lock:
        session.error = "The layer is not there."
        session.notice = "Gains were dropped."


@pytest.mark.parametrize("kind", [ContrastPicker, Gallery, ImpactPlane, MapBank, MetricRadar, Stage, StatusBar])
def test_every_word_can_be_read(opened: Open, make_session: Callable[..., Any], kind: Any) -> None:
    session = make_session(tiny.regressor(), tiny.rated())
    page = opened(kind(session), width=900)
    _said(session)
    page.refresh()
    if kind is MetricRadar:
        page.find(".xw-axis").first.click()
        page.deliver(session)
    for theme in ("light", "dark"):
        page.theme(theme)
        assert page.root.evaluate(PALE) == []
        for pressed in page.find("[aria-pressed='true']:visible").all():
            pressed.hover()
            assert page.root.evaluate(PALE) == []


def test_rows_under_the_pointer_can_be_read(opened: Open, make_session: Callable[..., Any]) -> None:
    session = make_session(tiny.classifier(), tiny.rated())
    page = opened(ContrastPicker(session), width=900)
    for theme in ("light", "dark"):
        page.theme(theme)
        for row in page.find(".xw-class").all():
            row.hover()
            assert page.root.evaluate(PALE) == []


@pytest.mark.parametrize("width", [320, 480])
def test_long_names_of_classes_are_shortened_and_whole_in_a_title(
    opened: Open, make_session: Callable[..., Any], width: int
) -> None:
    names = tuple(f"{word} {'and something that goes on and on ' * 3}end" for word in ("first", "second", "third"))
    session = make_session(ImageModel(tiny.TinyNet(3), None, "features", labels=names), tiny.rated())
    page = opened(ContrastPicker(session), width=width)
    p = session.output.target
    session.ask(contrast=Contrast("class", names[(p + 1) % 3]))
    page.deliver(session)
    question = page.find("h3 strong")
    assert [question.nth(i).get_attribute("title") for i in (0, 1)] == [names[p], names[(p + 1) % 3]]
    for i in (0, 1):
        text = question.nth(i).inner_text()
        assert len(text) <= 48
        assert "…" in text
        assert text.endswith("end")
    row = page.find(".xw-class").first
    expect(row).to_have_attribute("title", names[p])
    box = page.root.bounding_box()
    assert box is not None
    assert box["width"] <= width - 16  # nothing sticks out
    search = page.find("input[type=search]").bounding_box()
    assert search is not None
    assert search["width"] >= 80


@pytest.mark.parametrize("width", [1000, 683, 480, 320])
def test_ready_is_whole_at_every_width(opened: Open, make_session: Callable[..., Any], width: int) -> None:
    model = ImageModel(tiny.TinyNet(3), None, "features", labels=("a", "b", "c"), name="a model " * 12)
    session = make_session(model, tiny.rated())
    with session.lock:
        session.status = replace(session.status, busy="", progress=None)
    page = opened(StatusBar(session), width=width)
    words = page.find(".xw-words")
    expect(words).to_have_text("ready")
    assert words.evaluate("n => n.scrollWidth <= n.clientWidth")
    expect(page.find(".xw-model")).to_have_attribute("title", model.name)
    box = words.bounding_box()
    assert box is not None
    assert box["x"] + box["width"] <= width
