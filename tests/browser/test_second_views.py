"""One widget shown several times in a real JupyterLab: every front end shows the session, during and after gestures."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from labharness import Notebook, lab_server, open_notebook, write_notebook
from playwright.sync_api import Browser, Locator, expect

CELLS = (
    """from xai_widgets import Session
from xai_widgets.views import MapBank
session = Session("demo/quality", "demo/quality")
assert session.wait(120)
bank = MapBank(session, order="index")
bank""",
    "bank",
)
NAME = "twice.ipynb"


@pytest.fixture
def twice(tmp_path: Path, chromium: Browser) -> Iterator[tuple[Notebook, Notebook]]:
    """A notebook that shows a bank twice, and a second tab, opened with the kernel alive after a gain was dragged."""
    write_notebook(tmp_path / NAME, CELLS)
    with lab_server(tmp_path) as server:
        first = open_notebook(chromium, server, NAME)
        first.run_all(240)
        drag(first, banks(first).nth(0), 1.0, 0.3)
        first.wait_for("len(session.query.gains)", 1)
        first.page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
        first.probe("1")
        second = open_notebook(chromium, server, NAME)
        yield first, second
        for notebook in (first, second):
            assert notebook.console_errors() == []
            assert notebook.requests_outside_loopback() == []
            notebook.page.context.close()


def banks(notebook: Notebook) -> Locator:
    return notebook.page.locator(".xw-maps")


def knob(bank: Locator) -> Locator:
    """The bar of the first map."""
    found = bank.locator("[role=slider]")
    if (found.get_attribute("aria-label") or "") != "Gain of feature map 0":
        found.focus()
        found.press("Home")
    expect(found).to_have_attribute("aria-label", "Gain of feature map 0")
    return found


def drag(notebook: Notebook, bank: Locator, *gains: float, release: bool = True) -> None:
    found, mouse = knob(bank), notebook.page.mouse
    found.scroll_into_view_if_needed()
    box = found.bounding_box()
    assert box is not None
    for step, gain in enumerate(gains):
        place = box["x"] + 4 + (box["width"] - 8) * gain / 2, box["y"] + box["height"] - 10
        mouse.move(*place, steps=5 if step else 1)
        if not step:
            mouse.down()
    if release:
        mouse.up()


def gain(notebook: Notebook) -> str:
    """Of the first map, as the session has it and as a browser writes it."""
    return f"{notebook.probe('float(session.query.gain(0))'):g}"


def test_every_front_end_shows_the_session(twice: tuple[Notebook, Notebook]) -> None:
    first, second = twice
    expect(banks(second)).to_have_count(2, timeout=60_000)
    everywhere = [banks(notebook).nth(place) for notebook in twice for place in (0, 1)]
    assert gain(first) != "1"
    for bank in everywhere:  # the second view of the page, and both in a tab that opened later
        assert float(knob(bank).get_attribute("aria-valuenow") or 0) == pytest.approx(float(gain(first)), abs=1e-3)

    drag(second, banks(second).nth(0), 1.0, 1.7, release=False)  # during a drag in the other tab
    first.wait_for("session.query.gain(0) > 1.5")
    for bank in everywhere:
        expect(knob_at(bank)).to_have_attribute("aria-valuenow", written(first))
    second.page.mouse.up()

    knob(banks(first).nth(1)).press("0")
    first.wait_for("session.query.gain(0)", 0)
    for bank in everywhere:
        expect(knob_at(bank)).to_have_attribute("aria-valuenow", "0")
    knob_at(banks(second).nth(1)).press("Space")
    first.wait_for("session.selected", [0])
    for bank in everywhere:
        expect(bank.locator("[role=gridcell]")).to_have_attribute("aria-selected", "true")
    banks(first).nth(0).locator("button", has_text="Undo").click()
    first.wait_for("session.query.gain(0) > 1.5")
    for bank in everywhere:
        expect(knob_at(bank)).to_have_attribute("aria-valuenow", written(first))


def knob_at(bank: Locator) -> Locator:
    return bank.locator("[role=slider][aria-label='Gain of feature map 0']")


def written(notebook: Notebook) -> re.Pattern[str]:
    """The gain of the first map as a browser writes a number of 32 bits."""
    value = notebook.probe("float(__import__('numpy').float32(session.query.gain(0)))")
    return re.compile(f"^{re.escape(repr(value)[:7])}")
