"""A Chromium for the browser tests: an installed one, else Playwright's own, else the system package when run as root.

    python tests/browser/chromium.py        # finds or installs one, and prints where it is

One counts only after it has shown a page: a download can be whole and still miss a library of the system.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from playwright.sync_api import Error, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")

# Without these a headless Chromium throttles timers and frames, fills /dev/shm, or looks for updates.
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage --disable-background-timer-throttling "
    "--disable-backgrounding-occluded-windows --disable-renderer-backgrounding --enable-precise-memory-info"
).split()


def candidates() -> Iterator[str]:
    """Paths that may be a Chromium: CHROMIUM of the environment, the system's, Playwright's own."""
    yield from filter(None, [os.environ.get("CHROMIUM"), *map(shutil.which, NAMES)])
    if own().exists():
        yield str(own())


def own() -> Path:
    """Where Playwright puts a Chromium of its own."""
    with sync_playwright() as playwright:
        return Path(playwright.chromium.executable_path)


def shows_a_page(path: str) -> bool:
    """Whether this Chromium starts without a screen and runs a script."""
    try:
        with sync_playwright() as playwright:
            chromium = playwright.chromium.launch(executable_path=path, args=FLAGS, timeout=60_000)
            try:
                return bool(chromium.new_page().evaluate("1 + 1") == 2)
            finally:
                chromium.close()
    except Error as error:
        print(f"{path} does not start: {str(error).splitlines()[0]}", file=sys.stderr)
        return False


@cache
def find() -> str | None:
    """The path of the first Chromium that works, or None."""
    return next(filter(shows_a_page, candidates()), None)


def attempts() -> Iterator[list[list[str]]]:
    """Ways to install one, in order; each is a list of commands."""
    playwright = [sys.executable, "-m", "playwright"]
    yield [[*playwright, "install", "chromium"]]
    if hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get"):
        if own().exists():
            yield [[*playwright, "install-deps", "chromium"]]
        yield [
            ["apt-get", "update", "--quiet=2"],
            ["apt-get", "install", "--yes", "--quiet=2", "--no-install-recommends", "chromium"],
        ]


def install() -> str | None:
    """Install a Chromium and return its path; None where no way led to one."""
    for commands in attempts():
        for command in commands:
            print("$", *command, flush=True)
            if subprocess.run(command, env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"}).returncode:
                break
        find.cache_clear()
        if (path := find()) is not None:
            return path
    return None


def main() -> None:
    path = find() or install()
    if path is None:
        sys.exit(
            "The browser tests need a Chromium or Chrome that starts; found none and could install none. "
            "Install one, or name it in the environment variable CHROMIUM."
        )
    print(f"Chromium for the browser tests: {path}")


if __name__ == "__main__":
    main()
