"""How a set of images is made, as plain data: another process makes the same one."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from xai_widgets import ImageSet, load_images
from xai_widgets.images import ImageSource


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / ".others").mkdir()
    for place in range(3):
        pixels = np.random.default_rng(place).integers(0, 256, (20, 30, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{place}.png")
        Image.fromarray(255 - pixels).save(tmp_path / ".others" / f"{place}.png")  # others, hidden, of the same names
    pd.DataFrame({"image": ["0.png", "2.png"], "mos": [1.5, np.nan], "label": ["0.png", None]}).to_csv(
        tmp_path / "ratings.csv", index=False
    )
    return tmp_path


SETS: dict[str, Any] = {
    "a folder": lambda folder: ImageSet(folder, range=(0, 5)),
    "files": lambda folder: ImageSet([folder / "0.png", str(folder / "1.png")], ratings=[1, 2.5], name="two"),
    "files of a folder": lambda folder: ImageSet([Path("0.png"), "1.png"], folder=folder / ".others"),
    "names of a folder": lambda folder: ImageSet({"a": Path("0.png"), "b": "1.png"}, folder=folder / ".others"),
    "a table of paths": lambda folder: ImageSet(
        pd.DataFrame({"image": [Path("0.png")], "mos": [2.0]}), folder=folder / ".others"
    ),
    "names": lambda folder: ImageSet({"a": folder / "1.png"}, labels={"a": "cat"}),
    "a table file": lambda folder: ImageSet(str(folder / "ratings.csv"), columns={"rating": "mos"}),
    "a table": lambda folder: ImageSet(pd.read_csv(folder / "ratings.csv"), folder=folder),
    "ratings as an array": lambda folder: ImageSet(folder, ratings=np.array([1.0, 2.0, 3.0])),
    "pairs": lambda folder: ImageSet([(folder / "0.png", folder / "1.png")], images=["left", "right"]),
    "a table file with a name": lambda folder: ImageSet(str(folder / "ratings.csv"), name="mine"),
    "a bundled set": lambda folder: load_images("demo/quality"),
    "a bundled set with a name": lambda folder: load_images("demo/quality", name="mine"),
}


@pytest.mark.parametrize("kind", SETS)
def test_the_same_set_comes_back(kind: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    made = SETS[kind](folder)
    assert made.source is not None
    text = json.dumps(made.source.to_data())
    os.chdir("/")
    again = ImageSource.from_data(json.loads(text)).load()
    assert (again.name, again.names, again.range, again.slices) == (made.name, made.names, made.range, made.slices)
    pd.testing.assert_frame_equal(again.table, made.table)
    assert [again.digest(name) for name in again] == [made.digest(name) for name in made]


def test_relative_paths_hold_from_elsewhere(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    sources = [ImageSet(some).source for some in (".", ["1.png"], {"a": "1.png"}, pd.DataFrame({"image": ["1.png"]}))]
    os.chdir("/")
    assert [len(source.load()) for source in sources if source is not None] == [3, 1, 1, 1]


def test_pixels_have_no_source() -> None:
    pixels = np.zeros((2, 8, 8, 3), np.uint8)
    assert ImageSet(pixels).source is None
    assert ImageSet([(pixels[0], "cat")]).source is None
    with pytest.raises(ValueError, match="must have `of`"):
        ImageSource.from_data({"of": 1})
