"""A cache folder that cannot be used costs a sentence, not the demonstration images."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xai_widgets.cli.examination import cache
from xai_widgets.demo import pictures
from xai_widgets.images import load_images

ADVICE = "set XAI_WIDGETS_CACHE to a folder that can be written to."


@pytest.fixture(autouse=True)
def few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two pictures a set, a cache folder and a temporary folder of this test."""
    grey = np.full((8, 8, 3), 90, np.uint8)

    def two() -> Any:
        return iter([(grey, {"image": f"{number}.png", "label": "cat"}) for number in range(2)])

    monkeypatch.setattr(pictures, "_scene_rows", two)
    monkeypatch.setattr(pictures, "_temporary", {})
    monkeypatch.setenv("XAI_WIDGETS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))


def fails(monkeypatch: pytest.MonkeyPatch, number: int, within: Path) -> None:
    """A disk on which nothing can be written below a folder."""
    real = pictures._write

    def write(folder: Path, rows: Any) -> None:
        if folder.is_relative_to(within):
            folder.mkdir()
            (folder / "half.png").write_bytes(b"half")
            raise OSError(number, os.strerror(number), str(folder))
        real(folder, rows)

    monkeypatch.setattr(pictures, "_write", write)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT])
def test_a_full_or_read_only_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    fails(monkeypatch, number, tmp_path / "cache")
    why = f"{tmp_path / 'cache'} ({os.strerror(number)})"
    said = f"cannot be kept in {why}, so that each process makes them anew; {ADVICE}"
    with pytest.warns(UserWarning, match=re.escape(said)) as warned:
        images = load_images("demo/scenes")
    assert len(warned) == 1
    assert images.names == ("0.png", "1.png")
    assert images.photo("0.png").mean() == 90
    assert list((tmp_path / "cache").iterdir()) == []
    assert load_images("demo/scenes").digest("0.png") == images.digest("0.png")  # no second warning


def test_a_cache_folder_below_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XAI_WIDGETS_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.warns(UserWarning, match=r"cannot be kept in .*file/cache \(Not a directory\)"):
        assert len(load_images("demo/scenes")) == 2
    (finding,) = cache()
    assert finding.wrong
    assert "set XAI_WIDGETS_CACHE to a folder that can" in finding.answer


def test_neither_cache_nor_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fails(monkeypatch, errno.ENOSPC, tmp_path)
    wanted = (
        f"can be written neither to {tmp_path / 'cache'} (No space left on device) nor to a temporary folder (No space"
    )
    with pytest.raises(OSError, match=re.escape(wanted)) as caught:
        load_images("demo/scenes")
    assert str(caught.value).endswith(ADVICE)


def test_a_cache_that_can_be_read_only_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = pictures.scenes_folder()
    fails(monkeypatch, errno.EROFS, tmp_path)
    assert pictures.scenes_folder() == folder == tmp_path / "cache" / "scenes-v2"
    (finding,) = cache()
    assert (finding.answer, finding.wrong) == (str(tmp_path / "cache"), False)


def test_a_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XAI_WIDGETS_CACHE", "~/x")
    monkeypatch.chdir(tmp_path)
    assert pictures.scenes_folder() == tmp_path / "home" / "x" / "scenes-v2"
    assert not (tmp_path / "~").exists()


def test_the_temporary_folder_goes_with_its_process(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    program = "from xai_widgets.demo.pictures import scenes_folder; print(scenes_folder())"
    surroundings = {"XAI_WIDGETS_CACHE": str(tmp_path / "file"), "TMPDIR": str(tmp_path / "temporary")}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        env=os.environ | surroundings | {"PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(done.stdout.strip()).is_relative_to(tmp_path / "temporary")
    assert list((tmp_path / "temporary").iterdir()) == []
