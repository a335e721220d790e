"""The tests of `tests/pretend`, in a process of its own: there a pretend accelerator is that of the whole process."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from packaging.version import Version

FOLDER = Path(__file__).parent / "pretend"
FEWEST = 150  # that must have passed, so that a folder that is not collected is noticed


@pytest.mark.timeout(1800)
@pytest.mark.skipif(Version(torch.__version__) < Version("2.9"), reason="torch 2.9 can first pretend in Python")
def test_all_works_on_a_pretend_accelerator() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--timeout", "600", str(FOLDER)]
    environment = os.environ | {"XAI_WIDGETS_PRETEND": "1"}
    done = subprocess.run(
        command, cwd=FOLDER.parent.parent, env=environment, capture_output=True, text=True, timeout=1700, check=False
    )
    print(done.stdout[-200:])
    assert done.returncode == 0, done.stdout[-20000:] + done.stderr[-2000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None, done.stdout[-2000:]
    assert int(passed[1]) >= FEWEST
