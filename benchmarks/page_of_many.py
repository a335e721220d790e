"""A gallery of thousands of photographs and a stage of six panels in JupyterLab: rows of `benchmarks.browser`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.study import photographs

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "browser"))

from explorerpage import ExplorerPage  # the harness of the browser tests
from labharness import Notebook

PHOTOGRAPHS = 5000
PIXELS_A_SECOND = 720

# 4,096 maps of 14 x 14 and a score of their means.
CELL_OF_MAPS = """import torch
from torchvision.transforms import Compose, Resize, ToTensor
from xai_widgets import ImageModel
torch.manual_seed(0)
parts = torch.nn.Conv2d(3, 4096, 16, 16), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()
network = torch.nn.Sequential(*parts, torch.nn.Linear(4096, 1))
prepared = Compose([Resize((224, 224)), ToTensor()])
wide = explore(ImageModel(network, prepared, task="regression", layer="1"), "demo/quality")
wide"""
SECONDS = 6.0

# Scroll evenly; a line a frame: milliseconds since the last one, cells in sight, cells among them without a picture.
SCROLL = """([speed, seconds]) => new Promise((done) => {
  const view = document.querySelector(".xw-gallery .xw-window"), frames = [];
  let last = performance.now(), began = last;
  const bare = () => {
    const box = view.getBoundingClientRect(), cells = [...view.querySelectorAll(".xw-cell")].filter((cell) => {
      const { top, bottom } = cell.querySelector(".xw-thumb").getBoundingClientRect();
      return bottom > box.top && top < box.bottom;
    });
    return [cells.length, cells.filter((cell) => !cell.querySelector("img")?.getAttribute("src")).length];
  };
  const step = (now) => {
    view.scrollTop += speed * (now - last) / 1000;
    frames.push([now - last, ...bare()]);
    last = now;
    if (now - began < 1000 * seconds) requestAnimationFrame(step);
    else setTimeout(() => done([frames, bare()]), 300);
  };
  requestAnimationFrame(step);
})"""

# From the letter to the frame in which another number of images is said.
SEARCH = """(text) => new Promise((done) => {
  const input = document.querySelector(".xw-gallery input[type=search]"), began = performance.now();
  input.value = text;
  input.dispatchEvent(new Event("input", { bubbles: true }));
  requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - began)));
})"""

PAINTED = """() => { window.six = [];
  document.querySelectorAll(".xw-stage figure canvas").forEach((canvas, place) =>
    new MutationObserver(() => window.six.push([place, performance.now()]))
      .observe(canvas, {attributes: true, attributeFilter: ["data-painted"]})); }"""


@contextmanager
def counted(notebook: Notebook) -> Iterator[Callable[[], int]]:
    """Bytes of the messages that come to the page and leave it meanwhile."""
    session = notebook.page.context.new_cdp_session(notebook.page)
    bytes_seen = 0

    def hear(event: dict[str, Any]) -> None:
        nonlocal bytes_seen
        response = event["response"]
        size = len(response["payloadData"])
        bytes_seen += size * 3 // 4 if response["opcode"] == 2 else size  # binary frames come as base64

    session.on("Network.webSocketFrameReceived", hear)
    session.on("Network.webSocketFrameSent", hear)
    session.send("Network.enable")
    try:
        yield lambda: bytes_seen
    finally:
        session.detach()


def cell_of_many(folder: Path) -> str:
    """The cell that opens the folder of photographs, which is made first."""
    photographs(folder / "photographs", PHOTOGRAPHS)
    return f'many = explore("demo/quality", {str(folder / "photographs")!r})\nmany'


def gallery_rows(notebook: Notebook, cell: int) -> list[tuple[str, str, str]]:
    """A folder of 5,000 photographs: opened, scrolled, searched."""
    began = perf_counter()
    notebook.run_cell(cell, wait=False)
    notebook.page.locator(".xw-gallery .xw-cell img[src]").first.wait_for(timeout=120_000)
    opened = perf_counter() - began
    notebook.wait_idle(300)
    frames, after = notebook.page.evaluate(SCROLL, [PIXELS_A_SECOND, SECONDS])
    times = np.array([frame[0] for frame in frames[1:]])
    seen, bare = (sum(frame[place] for frame in frames) for place in (1, 2))
    searches = [notebook.page.evaluate(SEARCH, text) for text in ("1", "12", "123", "")]
    return [
        ("gallery of 5,000 photographs opens", "3 s", f"{opened:.1f} s"),
        (
            "scrolls at 720 px/s",
            "50 frames a second, 20 % bare",
            f"{1000 / times.mean():.0f} frames a second, p95 {np.percentile(times, 95):.0f} ms; "
            f"{bare / max(seen, 1):.0%} bare, {after[1]} of {after[0]} after 300 ms",
        ),
        ("searches", "100 ms", f"at most {max(searches):.0f} ms"),
    ]


def answered(page: ExplorerPage) -> None:
    """Wait until all panels are painted."""
    page.session("wait(120)")
    page.notebook.probe(f"{page.name}.stage.settle(60)")
    page.frames(5)


def six_panels(page: ExplorerPage) -> tuple[str, str, str]:
    """A gain is dragged with six panels on the stage: when the last of them has settled."""
    names = page.session("images.names")[:2]
    asked = f"rows={{'image': {names!r}}}, columns={{'contrast': (1, 0.5, 0)}}"
    page.notebook.probe(f"[{page.name}.session.grid({asked}), 1]")
    answered(page)
    page.notebook.page.evaluate(PAINTED)
    mouse = page.notebook.page.mouse
    mouse.move(*page.bar(1.0))
    mouse.down()
    for step in range(40):
        mouse.move(*page.bar(0.2 + 1.5 * (step % 20) / 20))
    last = page.notebook.page.evaluate("() => performance.now()")
    mouse.up()
    answered(page)
    painted = page.notebook.page.evaluate("() => window.six")
    late = [at - last for place, at in painted if place != 0]
    page.notebook.probe(f"[{page.name}.session.single(), 1]")
    page.start()
    return "six panels: the others after the last event", "300 ms", f"{max(late, default=float('nan')):.0f} ms"


def message_rows(page: ExplorerPage) -> list[tuple[str, str, str]]:
    """Bytes of a drag of a gain, of a contrast and of another image, in both directions."""
    mouse, rows = page.notebook.page.mouse, []
    quick = page.find(".xw-contrast .xw-quick button")

    def drag() -> None:
        mouse.move(*page.bar(1.0))
        mouse.down()
        mouse.move(*page.bar(0.4), steps=1)
        mouse.up()

    for words, most, gesture in (
        ("a step of a gain", "64 kB", drag),
        ("a contrast", "64 kB", lambda: quick.nth(1).click()),
        ("another image", "its photo, maps and a tenth", lambda: page.pick(9)),
    ):
        page.settle()
        with counted(page.notebook) as size:
            gesture()
            page.settle()
            rows.append((f"messages of {words}", most, f"{size() / 1000:.0f} kB"))
    page.start()
    return rows
