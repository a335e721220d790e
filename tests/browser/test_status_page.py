"""The status bar in a real JupyterLab: another model, start over, a figure that is kept, a kernel that is gone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from explorerpage import ExplorerPage
from labharness import Notebook, lab_server, open_notebook, write_notebook
from playwright.sync_api import Browser, expect

CELLS = (
    """import sys; sys.path.insert(0, TESTS)
import tiny, xai_widgets
first, second = tiny.regressor(), xai_widgets.ImageModel(tiny.TinyNet(), None, "features", range=(0, 1), name="second",
                                                         runs=[tiny.TinyNet()])""",
    "explorer = xai_widgets.explore([first, second], tiny.rated())\nexplorer",
    "explorer.keep()",
)
OUTPUTS = "n => window.jupyterapp.shell.currentWidget.content.widgets[n].model.outputs.toJSON()"


@pytest.fixture(scope="module")
def notebook(tmp_path_factory: pytest.TempPathFactory, chromium: Browser) -> Iterator[Notebook]:
    folder = tmp_path_factory.mktemp("status")
    tests = repr(str(Path(__file__).parents[1]))
    write_notebook(folder / "status.ipynb", [cell.replace("TESTS", tests) for cell in CELLS])
    with lab_server(folder) as server:
        notebook = open_notebook(chromium, server, "status.ipynb", (1440, 1200))
        notebook.run_all(300)
        yield notebook
        notebook.page.close()


@pytest.fixture
def page(notebook: Notebook) -> ExplorerPage:
    return ExplorerPage(notebook, "explorer", 0)


def pictures(notebook: Notebook, cell: int) -> list[dict[str, Any]]:
    """The still figures in the output of a cell, but for that of the explorer itself."""
    outputs = notebook.page.evaluate(OUTPUTS, cell)
    return [one["data"] for one in outputs if "image/png" in one.get("data", {}) and len(one["data"]) == 2]


def test_another_model_and_run_and_back(page: ExplorerPage) -> None:
    page.settle()
    bar = page.find(".xw-status")
    expect(bar.get_by_label("Training run")).to_be_hidden()
    bar.get_by_label("Model", exact=True).select_option("second")
    page.notebook.wait_for("explorer.session.query.model", "second")
    bar.get_by_label("Training run").select_option("1")
    page.notebook.wait_for("explorer.session.query.run", 1)
    page.settle()
    bar.get_by_role("button", name="Ask what was asked first").click()
    page.notebook.wait_for("[explorer.session.query.model, explorer.session.query.run]", ["tiny", 0])
    expect(bar.get_by_label("Model", exact=True)).to_have_value("tiny")
    bar.get_by_role("button", name="Undo", exact=True).click()
    page.notebook.wait_for("explorer.session.query.run", 1)
    bar.get_by_role("button", name="Redo", exact=True).click()
    page.settle()


def test_a_figure_is_kept_below_the_explorer_and_in_a_cell(page: ExplorerPage, screenshots: Path) -> None:
    page.settle()
    notebook = page.notebook
    (of_cell,) = pictures(notebook, 2)
    assert page.session("query.image") in of_cell["text/plain"]
    assert pictures(notebook, 1) == []
    notebook.probe("explorer.session.mute([1])")
    page.settle()
    before = len(notebook.page.evaluate(OUTPUTS, 1))
    page.find(".xw-status").get_by_role("button", name="Leave a still figure").click()
    notebook.page.wait_for_function(f"([n, before]) => ({OUTPUTS})(n).length > before", arg=[1, before])
    (kept,) = pictures(notebook, 1)
    assert "change" in kept["text/plain"], "it is of the present state"
    expect(notebook.page.locator(".jp-OutputArea-output img").first).to_be_visible()
    notebook.screenshot(screenshots / "kept.png")
    assert notebook.console_errors() == []


def test_a_kernel_that_is_gone_is_said_and_nothing_answers(page: ExplorerPage, screenshots: Path) -> None:
    page.settle()
    page.notebook.page.evaluate(
        "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart().then(() => true)"
    )
    gone = page.find(".xw-status .xw-gone-line")
    expect(gone).to_be_visible(timeout=30_000)
    expect(gone).to_contain_text("Run the cell again")
    for view in ("gallery", "stage", "maps", "radar", "contrast", "impact"):
        assert page.find(f".xw-{view}").first.evaluate("node => node.inert"), view
    page.notebook.screenshot(screenshots / "gone.png")
