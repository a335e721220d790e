"""What is left after a kill: a server or a kernel that is gone takes nothing with it, and leaves nothing behind."""

from __future__ import annotations

import signal
from pathlib import Path

import psutil
import pytest
from explorerpage import ExplorerPage
from labharness import Notebook, lab_server, open_notebook, write_notebook
from playwright.sync_api import Browser, expect

pytestmark = pytest.mark.slow
CELLS = (
    "import os, xai_widgets",
    'quality = xai_widgets.explore("demo/quality", "demo/quality")\nquality',
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_notebook(tmp_path / "kill.ipynb", CELLS)
    return tmp_path


def kernel_of(notebook: Notebook) -> psutil.Process:
    return psutil.Process(notebook.probe("os.getpid()"))


def test_a_kernel_whose_server_is_killed_ends(folder: Path, chromium: Browser) -> None:
    with lab_server(folder) as server:
        notebook = open_notebook(chromium, server, "kill.ipynb")
        notebook.run_all(300)
        kernel = kernel_of(notebook)
        # In the midst of work: the measures of the first image run on the engine's thread.
        notebook.probe("quality.session.measure()")
        server.process.send_signal(signal.SIGKILL)
        server.process.wait()
        kernel.wait(30)
        notebook.page.close()
    assert not psutil.pid_exists(kernel.pid)


def test_a_lesson_runs_again_after_its_kernel_was_killed(folder: Path, chromium: Browser) -> None:
    with lab_server(folder) as server:
        notebook = open_notebook(chromium, server, "kill.ipynb")
        notebook.run_all(300)
        page = ExplorerPage(notebook, "quality", 0)
        page.settle()
        score = page.headline()
        kernel = kernel_of(notebook)
        kernel.kill()
        dialog = notebook.page.locator(".jp-Dialog", has_text="restart")
        dialog.wait_for(timeout=60_000)
        dialog.get_by_role("button", name="Ok").click()
        notebook.page.wait_for_function(
            "() => window.jupyterapp.shell.currentWidget.sessionContext.session?.kernel?.status === 'idle'",
            timeout=60_000,
        )
        notebook.run_all(300)
        assert kernel_of(notebook).pid != kernel.pid
        page.settle()
        expect(page.find(".xw-stage .xw-headline")).to_have_text(score)
        notebook.page.close()
