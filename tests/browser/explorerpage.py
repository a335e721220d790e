"""An explorer in a page: what a reader does with it, and what it shows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from labharness import Notebook
from playwright.sync_api import Locator, expect

CANVAS = """canvas => { const {width, height} = canvas;
    return [height, width, Array.from(canvas.getContext("2d").getImageData(0, 0, width, height).data)]; }"""


@dataclass(frozen=True)
class ExplorerPage:
    """One explorer of a notebook: its name in the kernel, and its place in the page."""

    notebook: Notebook
    name: str
    number: int

    @property
    def root(self) -> Locator:
        return self.notebook.page.locator(".xw-explorer").nth(self.number)

    def find(self, selector: str, **options: Any) -> Locator:
        return self.root.locator(selector, **options)

    def session(self, expression: str) -> Any:
        """The value of a part of the session, in the kernel."""
        return self.notebook.probe(f"{self.name}.session.{expression}")

    def start(self, image: str | None = None) -> None:
        """Back to how it opened: no gains, no contrast, Grad-CAM; at another image if one is named."""
        changes = {"gains": (), "target": None, "contrast": None, "method": "grad_cam"}
        if image is not None:
            changes["image"] = image
        self.notebook.probe(f"[{self.name}.session.ask(**{changes!r}), {self.name}.session.select([])]")
        self.settle()

    def settle(self) -> None:
        """Wait until all is answered and painted."""
        assert self.session("wait(120)"), "the session was not answered in two minutes"
        assert self.notebook.probe(f"{self.name}.stage.settle(60)"), "the photo did not come in a minute"
        assert self.session("error") == ""
        self.notebook.wait_idle()
        expect(self.find(".xw-stage .xw-headline")).not_to_be_empty()
        self.frames()

    def frames(self, count: int = 2) -> None:
        for _ in range(count):
            self.notebook.page.evaluate("() => new Promise(requestAnimationFrame)")

    def screenshot(self, path: Path) -> None:
        """The whole explorer, in a window that is tall enough for it."""
        page = self.notebook.page
        size = page.viewport_size
        box = self.root.bounding_box()
        assert size is not None
        assert box is not None
        page.set_viewport_size({"width": size["width"], "height": int(box["height"]) + 400})
        self.root.evaluate("node => node.scrollIntoView({block: 'center'})")
        self.frames(20)
        self.root.screenshot(path=str(path))
        page.set_viewport_size(size)
        self.frames(5)

    def open(self, tab: str) -> None:
        """Bring a tab of the dock to the front: bank, plane or radar."""
        self.find(f'.xw-tab[data-tab="{tab}"]').click()

    # ------------------------------------------------------------------ gallery

    def pick(self, index: int) -> None:
        """Click the thumbnail of an image, by its number in the set."""
        cell = self.find(f'.xw-gallery .xw-cell[data-index="{index}"] .xw-thumb')
        cell.scroll_into_view_if_needed()
        cell.click(position={"x": 20, "y": 30})

    # ------------------------------------------------------------------ map bank

    def current_map(self) -> int:
        """The number of the map that the keyboard stands on; the first that is shown, after a new image."""
        label = self.find(".xw-maps [role=slider]").get_attribute("aria-label") or ""
        return int(label.removeprefix("Gain of feature map "))

    def bar(self, gain: float) -> tuple[float, float]:
        """Where on the page the bar of the current map stands at this gain."""
        knob = self.find(".xw-maps [role=slider]")
        knob.scroll_into_view_if_needed()
        box = knob.bounding_box()
        assert box is not None, "no map is current"
        return box["x"] + 4 + (box["width"] - 8) * gain / 2, box["y"] + box["height"] - 10

    def drag(self, *gains: float, steps: int = 8) -> None:
        """Press on the bar of the current map and move it from gain to gain."""
        mouse = self.notebook.page.mouse
        mouse.move(*self.bar(gains[0]))
        mouse.down()
        for gain in gains[1:]:
            mouse.move(*self.bar(gain), steps=steps)
        mouse.up()

    # ------------------------------------------------------------------ stage

    def headline(self) -> str:
        return self.find(".xw-stage .xw-headline").inner_text()

    def score(self) -> float:
        """The score that is written, with the gains as they are; of a class in per cent."""
        return float(self.headline().replace("−", "-").replace("%", "").split("→")[-1])

    def pixels(self) -> np.ndarray:
        """The map as it is painted, one pixel a cell: (h w 4), red, green, blue, opacity."""
        self.find(".xw-stage select:has(option[value=cells])").select_option("cells")
        self.frames()
        height, width, values = self.find(".xw-stage figure canvas").first.evaluate(CANVAS)
        return np.array(values, np.uint8).reshape(height, width, 4)

    def reading(self, u: float, v: float) -> float:
        """The value that is said when the reader points at a place of the photo, both from 0 to 1."""
        frame = self.find(".xw-stage .xw-frame").last
        frame.scroll_into_view_if_needed()
        box = frame.bounding_box()
        assert box is not None, "there is no photo"
        self.notebook.page.mouse.move(box["x"] + u * box["width"], box["y"] + v * box["height"])
        text = self.find(".xw-stage output").inner_text().replace("−", "-")
        found = re.search(r"· ([-+]?[\d.]+(?:e[-+]?\d+)?) ·", text)
        assert found, f"no value is said: {text}"
        return float(found[1])
