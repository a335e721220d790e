"""Drive a real JupyterLab with a real headless Chromium, from pytest or a script.

    with lab_server(folder) as server, browser() as chromium:
        notebook = open_notebook(chromium, server, "01_explore.ipynb")
        notebook.run_all()
        assert notebook.probe("session.query.image") == "cat.png" and notebook.console_errors() == []

Settings, runtime files, port and token are private to the run; nothing outlives the context managers.
"""

from __future__ import annotations

import ast
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlparse

import psutil
from chromium import FLAGS, find
from playwright.sync_api import Browser, Page, sync_playwright
from playwright.sync_api import TimeoutError as TookTooLong
from stuck import report

CELL = ".jp-Notebook .jp-Cell"
LOOPBACK = {"127.0.0.1", "localhost", "::1"}
PRIVATE = (
    "JUPYTER_CONFIG_DIR",
    "JUPYTER_DATA_DIR",
    "JUPYTER_RUNTIME_DIR",
    "JUPYTERLAB_WORKSPACES_DIR",
    "IPYTHONDIR",
    "MPLCONFIGDIR",
)

# No news, no update check; every cell in the page, not only those in the window; no autosave race.
SETTINGS: dict[str, dict[str, object]] = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True},
    "notebook-extension/tracker": {"windowingMode": "none"},
    "docmanager-extension/plugin": {"autosave": False},
    "apputils-extension/themes": {"theme": "JupyterLab Light"},
}


@dataclass(frozen=True)
class Server:
    """A JupyterLab on loopback."""

    address: str
    token: str
    log: Path
    process: subprocess.Popen[bytes]

    def url(self, path: str) -> str:
        return f"{self.address}/{path}{'&' if '?' in path else '?'}token={self.token}"


def write_notebook(path: Path, cells: Sequence[str]) -> None:
    """A notebook of code cells."""
    code: dict[str, object] = {"cell_type": "code", "metadata": {}, "execution_count": None, "outputs": []}
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook = {
        "cells": [code | {"id": f"cell-{number}", "source": source} for number, source in enumerate(cells)],
        "metadata": {"kernelspec": kernel},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    path.write_text(json.dumps(notebook))


@contextmanager
def lab_server(folder: Path, **environment: str) -> Iterator[Server]:
    """Serve `folder` with JupyterLab on a free port; `environment` is added to that of the server and its kernels."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port, token = free.getsockname()[1], secrets.token_hex(16)
    with tempfile.TemporaryDirectory(prefix="labharness-", ignore_cleanup_errors=True) as scratch:
        private = Path(scratch)
        _write_settings(private / "settings")
        log = private / "server.log"
        with log.open("wb") as stream:
            # -P and another cwd: a file among those served must not be imported in the place of a package.
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "jupyterlab", *_arguments(folder.resolve(), port, token)],
                cwd=private,
                env=os.environ
                | {name: str(private / name.lower()) for name in PRIVATE}
                | {
                    "JUPYTERLAB_SETTINGS_DIR": str(private / "settings"),
                    "PYTHONDONTWRITEBYTECODE": "1",
                    "PYTHONFAULTHANDLER": "1",  # a kernel that is told to abort writes its stacks
                }
                | environment,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )
        # A runner that is stopped gets SIGTERM; turning it into SystemExit lets `finally` end the server.
        previous = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        server = Server(f"http://127.0.0.1:{port}", token, log, process)
        try:
            _wait_for(server)
            yield server
        finally:
            _stop(process)
            signal.signal(signal.SIGTERM, previous)


def _write_settings(folder: Path) -> None:
    for name, value in SETTINGS.items():
        path = folder / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value))


def _arguments(folder: Path, port: int, token: str) -> list[str]:
    server = {
        "ip": "127.0.0.1",
        "port": port,
        "port_retries": 0,
        "root_dir": folder,
        "open_browser": False,
        "iopub_data_rate_limit": 0,
        "iopub_msg_rate_limit": 0,
    }
    return [
        "--allow-root",
        f"--IdentityProvider.token={token}",
        *(f"--ServerApp.{name}={value}" for name, value in server.items()),
        "--LabApp.extension_manager=readonly",
        "--LabApp.expose_app_in_browser=True",
    ]


def _wait_for(server: Server, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and server.process.poll() is None:
        try:
            return urllib.request.urlopen(server.url("api/status"), timeout=2).close()
        except urllib.error.HTTPError:
            return None  # it answers
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"the server did not start:\n{server.log.read_text()[-4000:]}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the server, and the kernels, which are in sessions of their own."""
    with suppress(psutil.NoSuchProcess):
        children = psutil.Process(process.pid).children(recursive=True)
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)
        for child in children:
            with suppress(psutil.NoSuchProcess):
                child.kill()
    process.kill()
    process.wait()


@contextmanager
def browser(headless: bool = True) -> Iterator[Browser]:
    """The Chromium that `chromium.py` finds."""
    path = find()
    if path is None:
        raise RuntimeError("The browser tests need a Chromium or Chrome that starts; `make test` installs one.")
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=path, args=FLAGS, headless=headless) as chromium,
    ):
        yield chromium


@dataclass
class Notebook:
    """One notebook in one browser page. `page` is playwright's; the rest is what Jupyter makes awkward."""

    page: Page
    errors: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)
    log: Path | None = None  # of the server

    def run_all(self, seconds: float = 120) -> None:
        """Run every cell, wait until all are done, and raise if one failed."""
        self._start("notebook:run-all-cells")
        self.wait_idle(seconds)
        for number in range(self.page.locator(CELL).count()):
            self.raise_if_failed(number)

    def run_cell(self, number: int, seconds: float = 120, wait: bool = True) -> None:
        """Run one cell, counted from 0; with `wait=False` return while it still runs."""
        self.page.evaluate(
            """n => { const content = window.jupyterapp.shell.currentWidget.content;
                      content.deselectAll(); content.activeCellIndex = n; }""",
            number,
        )
        self._start("notebook:run-cell")
        if wait:
            self.wait_idle(seconds)
            self.raise_if_failed(number)

    def _start(self, command: str) -> None:
        self.page.evaluate(
            """command => { window.labRuns = (window.labRuns ?? 0) + 1;
                window.jupyterapp.commands.execute(command).finally(() => { window.labRuns -= 1; }); }""",
            command,
        )

    def append_cell(self, source: str) -> int:
        """Add a code cell at the end; its number, for `run_cell`."""
        number: int = self.page.evaluate(
            """source => { const content = window.jupyterapp.shell.currentWidget.content, n = content.widgets.length;
                           content.model.sharedModel.insertCell(n, {cell_type: 'code', source}); return n; }""",
            source,
        )
        return number

    def delete_cell(self, number: int) -> None:
        self.page.evaluate("n => window.jupyterapp.shell.currentWidget.content.model.sharedModel.deleteCell(n)", number)

    def raise_if_failed(self, number: int) -> None:
        outputs = "n => window.jupyterapp.shell.currentWidget.content.widgets[n].model.outputs?.toJSON() ?? []"
        for output in self.page.evaluate(outputs, number):
            assert output["output_type"] != "error", f"cell {number} failed:\n" + "\n".join(output["traceback"])

    def wait_idle(self, seconds: float = 120) -> None:
        """Wait until what was started is done, and the kernel answers. Its indicator alone is not enough."""
        try:
            self.page.wait_for_function("() => !window.labRuns", timeout=seconds * 1000)
        except TookTooLong as error:
            heard = f"errors in the page: {self.errors[-5:]}"
            raise AssertionError(f"not idle after {seconds:.0f} s; {heard}; {report(self.page, self.log)}") from error
        self.probe("1")
        self.page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def probe(self, expression: str, setup: str = "") -> Any:
        """The value of a Python expression in the kernel, through JSON, without touching the notebook."""
        reply = self.page.evaluate(
            """async ([code, expression]) => {
                 const context = window.jupyterapp.shell.currentWidget.sessionContext;
                 await context.ready;
                 const kernel = context.session.kernel;
                 await kernel.info;
                 const request = kernel.requestExecute({code, silent: true, store_history: false,
                                                        stop_on_error: false, user_expressions: {value: expression}});
                 return (await request.done).content; }""",
            [setup, f"__import__('json').dumps({expression})"],
        )
        value = reply.get("user_expressions", {}).get("value", reply)
        if "data" not in value:
            raise RuntimeError(f"probe {expression!r} failed: {value.get('ename')}: {value.get('evalue')}")
        return json.loads(ast.literal_eval(value["data"]["text/plain"]))

    def wait_for(self, expression: str, value: object = True, seconds: float = 20) -> None:
        """Wait until a Python expression in the kernel has a value."""
        end = time.monotonic() + seconds
        while (found := self.probe(expression)) != value:
            if time.monotonic() > end:
                raise AssertionError(f"{expression} is {found!r}, not {value!r}, after {seconds} seconds")
            self.page.wait_for_timeout(50)

    def theme(self, name: str) -> None:
        """Switch to `light` or `dark`, and wait until the page has it."""
        self.page.evaluate(
            "theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})",
            f"JupyterLab {name.title()}",
        )
        self.page.wait_for_selector(f'body[data-jp-theme-light="{str(name == "light").lower()}"]', state="attached")
        # The style sheet arrives after the attribute.
        self.page.wait_for_function(
            """light => { const probe = document.body.appendChild(document.createElement('i'));
                          probe.style.color = 'var(--jp-layout-color0)';
                          const [red] = getComputedStyle(probe).color.match(/\\d+/g); probe.remove();
                          return (red > 127) === light; }""",
            arg=name == "light",
        )

    def screenshot(self, path: Path | str, selector: str = "") -> None:
        (self.page.locator(selector).first if selector else self.page).screenshot(path=str(path))

    def console_errors(self) -> list[str]:
        """What went wrong in the page since it was opened: console.error, exceptions, failed requests."""
        return list(self.errors)

    def requests_outside_loopback(self) -> list[str]:
        """Addresses elsewhere that the page asked for; they were refused."""
        return list(self.outside)


def watched_page(chromium: Browser, size: tuple[int, int] = (1280, 900)) -> Notebook:
    """An empty page that records errors and refuses and records every request beyond this machine."""
    page = chromium.new_context(viewport={"width": size[0], "height": size[1]}).new_page()
    page.set_default_timeout(15_000)
    notebook = Notebook(page)

    def refuse(route: Any) -> None:
        notebook.outside.append(route.request.url)
        route.abort()

    def listen(socket: Any) -> None:
        if urlparse(socket.url).hostname not in LOOPBACK:
            notebook.outside.append(socket.url)

    page.route(lambda url: url.startswith("http") and urlparse(url).hostname not in LOOPBACK, refuse)
    page.on("websocket", listen)
    page.on("console", lambda message: notebook.errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: notebook.errors.append(str(error)))
    return notebook


def open_notebook(chromium: Browser, server: Server, name: str, size: tuple[int, int] = (1280, 900)) -> Notebook:
    """Open a notebook of the served folder in a new page and wait until its kernel answers."""
    notebook = watched_page(chromium, size)
    notebook.log = server.log
    notebook.page.goto(server.url(f"lab/tree/{quote(name)}?reset"))
    kernel = "() => window.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel"
    notebook.page.wait_for_function(kernel, timeout=60_000)
    notebook.page.wait_for_selector(CELL)
    notebook.page.evaluate("() => window.jupyterapp.shell.collapseLeft()")  # the list of files
    notebook.probe("1")
    return notebook
