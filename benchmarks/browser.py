"""What a reader feels: from a gesture in JupyterLab to the painted answer, with and without the server extension.

    python -m benchmarks.browser [--steps 60] [--markdown]

Times are taken in the page, from the event to the frame that holds the answer. A Chromium is needed (`make test`
brings one). Nothing is asserted: machines differ.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from playwright.sync_api import Browser

from benchmarks.page_of_many import CELL_OF_MAPS, cell_of_many, gallery_rows, message_rows, six_panels

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "browser"))

from explorerpage import ExplorerPage  # noqa: E402  (the harness of the browser tests)
from labharness import Notebook, browser, lab_server, open_notebook, write_notebook  # noqa: E402

NOTEBOOK = "benchmark.ipynb"
MANY = "many.ipynb"
MOST = 900  # seconds until all of a ResNet-18 is measured, on a machine that others use too
CELLS = (
    "from xai_widgets import explore, load_images, load_model",
    'quality = explore("demo/quality", "demo/quality")\nquality',
    'resnet = explore(load_model("resnet18", weights=None), load_images("demo/scenes"), layer="layer4")\nresnet',
    "from xai_widgets import Session\nfrom xai_widgets.views import StatusBar\n"
    'menu = StatusBar(Session(load_model("resnet50", weights=None), load_images("demo/scenes")))\nmenu',
)

# The last event counts: one is on its way at a time, but for the fast drag. A browser makes moves up where the page
# moves under a resting pointer; those do not count.
WATCH = """canvas => { const watch = window.watch = {began: 0, times: [], events: 0, lastEvent: 0, lastPaint: 0};
    let last = "";
    for (const type of ["pointermove", "click"]) document.addEventListener(type, (event) => {
      const at = `${event.screenX},${event.screenY},${type}`;
      if (at === last) return;
      watch.began = watch.lastEvent = event.timeStamp;
      last = at;
      watch.events += 1;
    }, true);
    new MutationObserver(() => {
      watch.lastPaint = performance.now();
      if (watch.began) watch.times.push(watch.lastPaint - watch.began);
      watch.began = 0;
    }).observe(canvas, {attributes: true, attributeFilter: ["data-painted"]}); }"""

OPENED = """began => new Promise((done) => { const times = {}, look = () => {
    const root = document.querySelector(".xw-explorer"), has = (selector) => root?.querySelector(selector);
    const now = performance.now() - began;
    if (root || document.querySelector(".jp-OutputArea [role=status]")) times.frame ??= now;
    if (has(".xw-stage canvas[data-painted]") && Number(has(".xw-maps canvas")?.dataset.painted) > 0
        && has(".xw-contrast h3")?.textContent) times.first ??= now;
    if (has(".xw-radar .js-plotly-plot .main-svg") && has(".xw-impact canvas")) times.charts ??= now;
    if (times.first && times.charts || now > 120000) done(times); else requestAnimationFrame(look); }; look(); })"""

# From the press on a menu to the second frame after it, the first that the browser has shown.
MENU = """select => { window.menu = new Promise((done) => select.addEventListener("pointerdown", (event) => {
    requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - event.timeStamp)));
  }, {once: true})); }"""


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    action: str
    target: str
    measured: str


def median_and_worst(milliseconds: list[float]) -> str:
    return "p50 {:.0f}, p95 {:.0f} ms".format(*np.percentile(milliseconds, (50, 95)))


def watch(page: ExplorerPage) -> None:
    page.find(".xw-stage figure canvas").first.evaluate(WATCH)


def timed(page: ExplorerPage, gestures: list[Callable[[], object]], rest: bool = False) -> list[float]:
    """Milliseconds from each gesture to the painted answer, one after the other; `rest` waits for all other work."""
    evaluate = page.notebook.page.evaluate
    evaluate("() => { window.watch.times = []; }")
    for number, gesture in enumerate(gestures):
        gesture()
        page.notebook.page.wait_for_function("n => window.watch.times.length > n", arg=number)
        if rest:
            page.session(f"wait({MOST})")
            evaluate("n => { window.watch.times.length = n; window.watch.began = 0; }", number + 1)
    times: list[float] = evaluate("window.watch.times")
    return times


def drags(page: ExplorerPage, steps: int) -> list[float]:
    """A gain that is moved step by step."""
    mouse = page.notebook.page.mouse
    mouse.move(*page.bar(1.0))
    mouse.down()
    places = [page.bar(0.1 + 0.8 * (step % 2) + step * 0.8 / steps) for step in range(steps)]
    times = timed(page, [lambda place=place: mouse.move(*place) for place in places])  # type: ignore[misc]
    mouse.up()
    page.start()
    return times


def fast_drag(page: ExplorerPage) -> str:
    """240 events, as fast as they come."""
    mouse, evaluate = page.notebook.page.mouse, page.notebook.page.evaluate
    low, high = page.bar(0.0), page.bar(1.9)
    mouse.move(*page.bar(1.0))
    mouse.down()
    evaluate("() => Object.assign(window.watch, {times: [], events: 0})")
    canvas = page.find(".xw-stage figure canvas").first
    before = int(canvas.get_attribute("data-painted") or 0)
    began = time.perf_counter()
    mouse.move(*low, steps=120)
    mouse.move(*high, steps=120)
    seconds = time.perf_counter() - began
    page.settle()
    painted = int(canvas.get_attribute("data-painted") or 0) - before
    events, settled = evaluate("() => [window.watch.events, window.watch.lastPaint - window.watch.lastEvent]")
    page.start()
    return f"{painted} pictures of {events} events in {seconds:.1f} s, settled after {settled:.0f} ms"


def contrasts(page: ExplorerPage) -> list[float]:
    buttons = page.find(".xw-contrast .xw-quick button")
    times = timed(page, [buttons.nth(number % 5).click for number in range(15)], rest=True)
    page.start()
    return times


def others(page: ExplorerPage, count: int = 12) -> list[float]:
    """Images that were not shown before, one after the other, each when the last is all done."""
    return timed(page, [lambda number=number: page.pick(number) for number in range(1, count + 1)], rest=True)  # type: ignore[misc]


def layer_menu(notebook: Notebook, repeats: int = 15) -> str:
    """The list of the layers of a ResNet-50, opened in the page; and what it costs the kernel to list them."""
    select = notebook.page.locator(".xw-layer").last
    times = []
    for _ in range(repeats):
        select.evaluate(MENU)
        select.click()
        times.append(notebook.page.evaluate("() => window.menu"))
        notebook.page.keyboard.press("Escape")
    kernel = notebook.probe(
        "1000 * median(timeit.repeat(lambda: [{**vars(one)} for one in menu.session.layers()], number=1, repeat=20))",
        "import timeit\nfrom statistics import median",
    )
    return f"{select.locator('option').count()} layers, {median_and_worst(times)}; in the kernel {kernel:.1f} ms"


def opening(notebook: Notebook) -> tuple[float, float, float]:
    """Seconds from the start of the cell to a frame, to photo, bank and contrast, and to the charts."""
    notebook.run_cell(0)
    notebook.page.evaluate("began => { window.opened = (" + OPENED + ")(performance.now()); }", 0)
    notebook.run_cell(1, wait=False)
    times = notebook.page.evaluate("() => window.opened")
    notebook.raise_if_failed(1)
    if "first" not in times or "charts" not in times:
        raise RuntimeError(f"the explorer was not shown within two minutes: {times}")
    notebook.wait_idle()
    return times["frame"] / 1000, times["first"] / 1000, times["charts"] / 1000


def import_time() -> float:
    """Milliseconds of `import xai_widgets`, the best of five processes."""
    source = "import time; t = time.perf_counter(); import xai_widgets; print(time.perf_counter() - t)"
    return 1000 * min(float(subprocess.check_output([sys.executable, "-c", source])) for _ in range(5))


def measure(chromium: Browser, folder: Path, steps: int, prompt: bool) -> list[Row]:
    """All rows on a server of its own, with or without the extension; each is said on stderr when it is there."""
    with lab_server(folder, XAI_WIDGETS_PROMPT=str(int(prompt))) as server:
        notebook = open_notebook(chromium, server, NOTEBOOK, (1440, 1500))
        frame, first, charts = opening(notebook)
        notebook.run_cell(2)
        notebook.run_cell(3)
        menu = layer_menu(notebook)
        quality, resnet = ExplorerPage(notebook, "quality", 0), ExplorerPage(notebook, "resnet", 1)
        resnet.session(f"wait({MOST})")
        resnet.settle()
        watch(resnet)
        slow = drags(resnet, steps)
        quality.settle()
        watch(quality)
        rows: list[Row] = []

        def add(*found: Row) -> None:
            rows.extend(found)
            for row in found:
                print(row.action, row.measured, sep=": ", file=sys.stderr, flush=True)

        add(
            Row("explorer: a frame that says what is done", "at once", f"{frame:.1f} s"),
            Row("explorer: photo, bank, contrast", "1.5 s", f"{first:.1f} s"),
            Row("explorer: charts", "8 s cold", f"{charts:.1f} s"),
            Row("layer menu, ResNet-50", "100 ms", menu),
            Row("drag a gain, ResNet-18 at 224", "80 ms", median_and_worst(slow)),
        )
        add(Row("drag a gain, demo/quality", "95 % within 50 ms", median_and_worst(drags(quality, steps))))
        add(Row("fast drag of 240 events", "150 pictures, 100 ms", fast_drag(quality)))
        add(Row("new contrast on a cached image", "80 ms", median_and_worst(contrasts(quality))))
        add(Row("another image, demo/quality", "200 ms", median_and_worst(others(quality))))
        add(Row(*six_panels(quality)))
        notebook.probe("[resnet.close(), menu.session.close(), 1]")  # their sets' work would go on beside what follows
        quality.session(f"wait({MOST}, whole_set=True)")
        add(*(Row(*row) for row in message_rows(quality)))
        notebook.probe("[quality.close(), 1]")
        many = open_notebook(chromium, server, MANY, (1440, 900))
        many.run_cell(0)
        add(*(Row(*row) for row in gallery_rows(many, 1)))
        many.probe("[many.close(), 1]")
        many.run_cell(2)
        wide = ExplorerPage(many, "wide", 0)
        wide.settle()
        watch(wide)
        add(Row("drag a gain of one of 4,096 maps", "80 ms", median_and_worst(drags(wide, steps))))
        if problems := notebook.console_errors() + notebook.requests_outside_loopback():
            raise RuntimeError(f"the page was not quiet: {problems}")
        return rows


def table(columns: dict[str, list[Row]], markdown: bool) -> str:
    """Actions down, servers across."""
    some = next(iter(columns.values()))
    lines = [["action", "at most", *columns]]
    lines += [[row.action, row.target, *(rows[i].measured for rows in columns.values())] for i, row in enumerate(some)]
    lines.append(["import xai_widgets", "50 ms", f"{import_time():.0f} ms", *[""] * (len(columns) - 1)])
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    padded = [[cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in lines]
    if markdown:
        padded.insert(1, ["-" * width for width in widths])
        return "\n".join(f"| {' | '.join(line)} |" for line in padded)
    return "\n".join("  ".join(line).rstrip() for line in padded)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=60, help="of each slow drag")
    parser.add_argument("--markdown", action="store_true", help="print a table for a README")
    options = parser.parse_args()
    columns: dict[str, list[Row]] = {}
    with tempfile.TemporaryDirectory() as folder, browser() as chromium:
        write_notebook(Path(folder) / NOTEBOOK, CELLS)
        write_notebook(Path(folder) / MANY, (CELLS[0], cell_of_many(Path(folder)), CELL_OF_MAPS))
        for name, prompt in (("with the server extension", True), ("without", False)):
            columns[name] = measure(chromium, Path(folder), options.steps, prompt)
    print(table(columns, options.markdown))


if __name__ == "__main__":
    main()
