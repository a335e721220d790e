"""The geometry of the front end, tested by Node on the files that the browser loads."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "front"
NODE = shutil.which("node")


@pytest.mark.skipif(NODE is None, reason="Node is not installed")
def test_geometry_in_node() -> None:
    files = sorted(map(str, FOLDER.glob("*.test.mjs")))
    assert files, f"there are no *.test.mjs in {FOLDER}"
    done = subprocess.run([str(NODE), "--test", *files], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "# pass 0\n" not in done.stdout, "no test ran"
