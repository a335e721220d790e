"""What page, cell and kernel were at when a notebook did not come to an end, for the message of the failed test."""

from __future__ import annotations

import signal
import time
from contextlib import suppress
from pathlib import Path

import psutil
from playwright.sync_api import Error, Page

STATE = """() => { const panel = window.jupyterapp.shell.currentWidget, kernel = panel.sessionContext.session?.kernel;
                   const cells = panel.content.widgets.map((cell, place) => [place, cell.prompt ?? '']);
                   return {kernel: kernel?.status, connection: kernel?.connectionStatus,
                           waiting: cells.filter(([, prompt]) => prompt === '*').map(([place]) => place)}; }"""
ANSWERS = "() => true"


def report(page: Page, log: Path | None, seconds: float = 10) -> str:
    """Whether the page still answers, which cells wait, and where each thread of its kernel is.

    The kernels of this process are ended: their stacks are written when they are told to abort.

    Args:
        log: of the server that started them.
        seconds: to wait for the page.
    """
    try:
        page.wait_for_function(ANSWERS, timeout=seconds * 1000)
        said = f"the page answers: {page.evaluate(STATE)}"
    except Error as error:
        said = f"the page does not answer: {str(error).splitlines()[0]}"
    return f"{said}\n{_stacks(log)}"


def _stacks(log: Path | None) -> str:
    kernels = [one for one in psutil.Process().children(recursive=True) if _is_kernel(one)]
    for kernel in kernels:
        with suppress(psutil.NoSuchProcess):
            kernel.send_signal(signal.SIGABRT)
    time.sleep(2)
    return "" if log is None else f"end of {log.name}:\n{log.read_text(errors='replace')[-12_000:]}"


def _is_kernel(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return any("ipykernel" in part for part in process.cmdline())
    return False
