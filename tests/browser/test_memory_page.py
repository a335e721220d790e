"""The page reads plotly once and lets closed explorers go: a cell that runs again and again costs it little."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from labharness import Notebook, Server, lab_server, open_notebook, watched_page, write_notebook
from playwright.sync_api import Browser, CDPSession

from xai_widgets.scenes import Radar
from xai_widgets.session.describe import AXES, MEASURES, series
from xai_widgets.views._radar_figure import RadarFigure

NAME = "memory.ipynb"
CELLS = (
    "import ipywidgets, xai_widgets\n"
    'model, images = xai_widgets.load_model("demo/quality"), xai_widgets.load_images("demo/quality")',
    "explorer = xai_widgets.explore(model, images)\nexplorer",
    "ipywidgets.Widget.close_all()",
)
PLOT = ".js-plotly-plot:not([data-old])"
MODULES = "globalThis.xaiWidgetsModules.size"
READ = 8 + 1  # a module a view, the workspace, and plotly
RUNS, FIRST = 12, 3  # the first runs fill caches of the page
MOST = 1_000_000  # bytes of heap a run

# Plotly comes when `arrive` is called; until then the kernel's messages do.
LATE = """async ([esm, state, packed, messages, fails]) => {
  const values = { ...state }, heard = {}, bytes = Uint8Array.from(atob(packed), (one) => one.charCodeAt(0));
  let arrive;
  const holder = new Promise((resolve, reject) => {
    arrive = () => (fails ? reject(new Error("no text")) : resolve({ get: () => new DataView(bytes.buffer) }));
  });
  const model = {
    get: (name) => values[name], set: (name, value) => { values[name] = value; }, save_changes: () => {},
    on: (event, call) => (heard[event] ??= []).push(call),
    off: (event, call) => { heard[event] = heard[event].filter((one) => one !== call); },
    widget_manager: { get_model: () => holder },
  };
  const receive = (name, value) => {
    values[name] = value;
    for (const call of heard[`change:${name}`] ?? []) call();
  };
  const module = await import(URL.createObjectURL(new Blob([esm], { type: "text/javascript" })));
  const widget = await module.default();
  await widget.initialize({ model });
  const deliver = () => {
    for (const message of messages) Object.entries(message).forEach(([name, value]) => receive(name, value));
  };
  deliver();
  arrive();
  const el = document.body.appendChild(document.createElement("div"));
  const painted = new Promise((done) => document.addEventListener("plotlywidget-after-render", done, { once: true }));
  const leave = await widget.render({ model, el });
  await painted;
  const drawn = [el.data[0].r, el.data[0].visible, el.layout.showlegend];
  leave();
  deliver(); // a figure that is seen no more, as while its cell runs again
  return drawn;
}"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("memory")
    write_notebook(folder / NAME, CELLS)
    with lab_server(folder) as server:
        yield server


@pytest.fixture(scope="module")
def notebook(server: Server, chromium: Browser) -> Iterator[Notebook]:
    notebook = open_notebook(chromium, server, NAME)
    notebook.run_cell(0)
    yield notebook
    assert notebook.console_errors() == []
    assert notebook.requests_outside_loopback() == []


def run_again(notebook: Notebook) -> None:
    """Run the cell of the explorer, and wait until its radar is drawn."""
    notebook.page.evaluate("() => document.querySelectorAll('.js-plotly-plot').forEach(one => one.dataset.old = 1)")
    notebook.run_cell(1)
    notebook.page.locator(f"{PLOT} .main-svg").first.wait_for(state="attached", timeout=60_000)


def heap(browser: CDPSession, page: Any) -> float:
    """Bytes in use after all that can be is freed."""
    for _ in range(3):
        browser.send("HeapProfiler.collectGarbage")
        page.wait_for_timeout(100)
    return float(browser.send("Runtime.getHeapUsage")["usedSize"])


@pytest.mark.slow
def test_a_cell_that_runs_again_costs_the_page_little(notebook: Notebook) -> None:
    browser = notebook.page.context.new_cdp_session(notebook.page)
    for _ in range(FIRST):
        run_again(notebook)
    before = heap(browser, notebook.page)
    for _ in range(RUNS - FIRST):
        run_again(notebook)
    assert (heap(browser, notebook.page) - before) / (RUNS - FIRST) < MOST
    assert notebook.page.evaluate(MODULES) == READ
    assert notebook.page.locator(".xw-explorer").count() == 1


def test_a_second_page_and_an_explorer_after_all_was_closed(
    notebook: Notebook, server: Server, chromium: Browser
) -> None:
    run_again(notebook)
    notebook.wait_for("explorer.session.wait(60)")
    notebook.page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    second = open_notebook(chromium, server, NAME)  # the kernel lives, as when a page is loaded again
    second.page.locator(f"{PLOT} .main-svg").first.wait_for(state="attached", timeout=60_000)
    drawn = "list(explorer.radar.figure.data[1].x)"
    assert second.page.locator(PLOT).evaluate("node => node.data[1].x") == notebook.probe(drawn)
    assert second.page.evaluate(MODULES) == READ
    assert second.console_errors() == []
    second.page.context.close()
    notebook.run_cell(2)
    run_again(notebook)
    assert notebook.page.evaluate(MODULES) == READ, "the page has it still"


def late(figure: RadarFigure, page: Any, messages: list[dict[str, Any]], state: Any, *, fails: bool = False) -> Any:
    packed = base64.b64encode(figure._text.text).decode()
    return page.evaluate(LATE, [figure._esm, state, packed, messages, fails])


def test_what_is_said_before_plotly_is_there_is_drawn(chromium: Browser, fake_comm: Any) -> None:
    figure = RadarFigure(threading.RLock(), AXES)
    names = ("_widget_data", "_widget_layout", "_config", "_plotly", "_last_layout_edit_id", "_last_trace_edit_id")
    state = figure.get_state(names)
    opening = len(figure.comm.sent)
    values = dict(zip(MEASURES, (0.1, 0.2, 0.3, 0.4, 0.5), strict=True))
    figure.show_scene(Radar(axes=AXES, series=(series("a", values), series("b", values)), relative=False, note=""))
    messages = [data["state"] for data, _ in figure.comm.sent[opening:]]
    watched = watched_page(chromium)
    with pytest.raises(Exception, match="no text"):
        late(figure, watched.page, messages, state, fails=True)
    assert late(figure, watched.page, messages, state) == [[0.1, 0.2, 0.3, 0.4, 0.5, 0.1], True, True]
    assert watched.page.evaluate(MODULES) == 1
    assert watched.console_errors() == []
    watched.page.context.close()
    figure.close()
