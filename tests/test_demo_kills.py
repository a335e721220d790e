"""The demonstration images are made whole or not at all, also when the process is killed while it makes them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import pytest

MAKE = "from xai_widgets.demo.pictures import collages_folder; print(collages_folder())"


def start(cache: Path) -> subprocess.Popen[str]:
    environment = os.environ | {"XAI_WIDGETS_CACHE": str(cache)}
    return subprocess.Popen([sys.executable, "-c", MAKE], env=environment, stdout=subprocess.PIPE, text=True)


def finished(process: subprocess.Popen[str]) -> Path:
    printed, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    return Path(printed.strip())


def contents(folder: Path) -> dict[str, str]:
    return {path.name: sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def pictures_in(cache: Path) -> int:
    """How many were written so far, wherever; counted anew where a folder gets its name meanwhile."""
    while True:
        with suppress(FileNotFoundError):
            return sum(1 for _ in cache.rglob("*.png"))


@pytest.mark.slow
def test_a_set_is_whole_after_kills(tmp_path: Path) -> None:
    expected = contents(finished(start(tmp_path / "undisturbed")))
    assert len(expected) >= 121

    cache = tmp_path / "disturbed"
    for share in (0.05, 0.5, 0.9):
        process = start(cache)
        while pictures_in(cache) < share * len(expected):
            assert process.poll() is None, "it was done before it was killed"
            time.sleep(0.002)
        process.kill()
        process.communicate()
        for folder in cache.glob("collages*"):
            assert contents(folder) == expected, "what stands under the name of the set is whole"
        for left in cache.glob(".*"):
            os.utime(left, (0, 0))  # as old as what is swept

    assert contents(finished(start(cache))) == expected
    assert [path.name for path in cache.iterdir() if path.name.startswith(".")] == [], "nothing is left behind"


@pytest.mark.slow
def test_two_processes_make_one_set(tmp_path: Path) -> None:
    both = [start(tmp_path) for _ in range(2)]
    first, second = map(finished, both)
    assert first == second
    assert len(contents(first)) >= 121
    assert [path.name for path in tmp_path.iterdir()] == [first.name]
