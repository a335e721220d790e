"""The lessons in a JupyterLab of their own: loopback only, a token always."""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path
from urllib.parse import quote

PACKAGE = Path(__file__).parents[1]
FIRST = "01_explore.ipynb"
FOLDER = "xai-widgets-lessons"


def checkout() -> Path | None:
    """The repository that this package is worked on in, if it is."""
    root = PACKAGE.parent
    return root if (root / "pyproject.toml").is_file() and (root / "notebooks").is_dir() else None


def lessons() -> Path:
    """The folder of the lessons as they are shipped."""
    root = checkout()
    return root / "notebooks" if root else PACKAGE / "lessons"


def fill(folder: Path | None) -> tuple[Path, list[str]]:
    """Put the lessons that are not there yet into `folder`.

    Without a folder: the notebooks themselves in a checkout, else a folder of its own below the present one.

    Returns:
        The folder to serve, and the names of lessons in it that differ from those shipped and stay as they are.
    """
    if folder is None and checkout():
        return lessons(), []
    folder = (folder or Path(FOLDER)).expanduser().resolve()
    folder.mkdir(parents=True, exist_ok=True)
    return folder, [lesson.name for lesson in sorted(lessons().glob("*.ipynb")) if not _copied(lesson, folder)]


def _copied(lesson: Path, folder: Path) -> bool:
    target = folder / lesson.name
    try:
        with target.open("xb") as stream:  # fails where it exists: a reader's notes are never overwritten
            stream.write(lesson.read_bytes())
    except FileExistsError:
        return target.read_bytes() == lesson.read_bytes()
    return True


def has_screen() -> bool:
    """Whether a browser window can open here."""
    return sys.platform in ("win32", "darwin") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def arguments(folder: Path, *, port: int, browser: bool, first: str = FIRST) -> list[str]:
    """What JupyterLab is started with."""
    options = [
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.port={port}",
        f"--ServerApp.root_dir={folder}",
        f"--ServerApp.open_browser={browser}",
    ]
    if (folder / first).is_file():
        options.append(f"--LabApp.default_url=/lab/tree/{quote(first)}")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        options.append("--ServerApp.allow_root=True")
    return options


def serve(folder: Path, *, port: int, browser: bool) -> None:
    """Run JupyterLab on `folder` until it is stopped."""
    from jupyterlab.labapp import LabApp

    browser = browser and has_screen()
    if not browser:
        print("Open the address that is printed below in a browser on this machine.", flush=True)
    # In this process: what is in its command line, every user of the machine can read.
    server = LabApp.initialize_server(argv=arguments(folder, port=port, browser=browser))
    _ensure_token(server.identity_provider)
    server.start()


def _ensure_token(identity: object) -> None:
    """A token also where the reader's own configuration has switched it off."""
    if not identity.auth_enabled:  # type: ignore[attr-defined]
        identity.token = secrets.token_hex(24)  # type: ignore[attr-defined]
        identity.token_generated = True  # type: ignore[attr-defined]
