"""Files, tables and datasets as people bring them: input, outcome, sentence.

No line may give a wrong number in silence: what comes out is right, or a sentence says what is wrong and what to do.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from brought_datasets import DATASETS
from brought_files import CHANNELS, DICOM, FILES, PHOTO, TWELVE, Line, folder_of, picture
from brought_tables import TABLES

from xai_widgets.images import ImageSet


@pytest.mark.parametrize("line", [*FILES, *DICOM, *CHANNELS, *TABLES, *DATASETS], ids=lambda line: line.given)
def test_what_is_brought(line: Line, tmp_path: Path) -> None:
    needed = "pydicom" if line in DICOM else line.needs
    if needed:
        pytest.importorskip(needed, reason=f"{needed} is an extra")
    options = line.options | ({"root": tmp_path} if "root" in line.options else {})
    source = line.make(tmp_path)
    if line.refused:
        with pytest.raises(ValueError, match=line.refused):
            ImageSet(source, **options)
        return
    images = ImageSet(source, **options)
    if line.names is not None:
        assert images.names == line.names
    if line.of is not None:
        found = line.of(images)
        assert repr(found.item() if hasattr(found, "item") else found) == repr(line.value)  # NaN is itself
    said = [*images.notices, *images.problems.values()]
    assert len(said) == len(line.said), said
    for sentence, words in zip(said, line.said, strict=True):
        assert re.search(words, sentence)
        assert sentence.endswith(".")


def test_problems_of_one_kind_are_counted_together(tmp_path: Path) -> None:
    folder_of("good.png", *(f"{place}.heic|x" for place in range(48)), *(f"{place}.png|x" for place in range(3)))(
        tmp_path
    )
    ending = ".nef"
    for place in range(48):
        (tmp_path / "set" / f"{place}.heic").rename(tmp_path / "set" / f"{place}{ending}")
    images = ImageSet(tmp_path / "set")
    kinds = images.problem_groups
    assert [len(kind) for kind in kinds] == [1, 3]
    assert str(kinds[0]) == images.problems["*.nef"]
    assert kinds[0].words.startswith("48 files of a kind that is not read: .nef; export them")
    assert kinds[1].words == f"3 images cannot be read, such as: {kinds[1].sentences[0]}"
    assert kinds[1].names == ("0.png", "1.png", "2.png")


def test_the_same_file_read_otherwise_is_another_picture(tmp_path: Path) -> None:
    path = picture(tmp_path / "x.png", TWELVE)
    plain, white = ImageSet([path]), ImageSet([path], white=4095)
    assert plain.digest("x.png") != white.digest("x.png")
    assert plain.digest("x.png") == ImageSet([path]).digest("x.png")


def test_a_dataset_is_read_when_it_is_used() -> None:
    read: list[int] = []

    class Own(torch.utils.data.Dataset):
        def __init__(self) -> None:
            self.targets = list(range(100))

        def __len__(self) -> int:
            return 100

        def __getitem__(self, place: int) -> tuple[np.ndarray, int]:
            read.append(place)
            return np.full((4, 4, 3), place, np.uint8), place

    images = ImageSet.from_dataset(Own(), n=50)
    assert len(images) == 50
    assert set(read) <= {0, 1, 2, 3}
    assert images.photo("image 7").max() == 7
    assert images.label("image 7") == "7"
    named = ImageSet.from_dataset(Own(), n=2, names=["a", "b"])
    assert named.names == ("a", "b")
    with pytest.raises(ValueError, match="names must be as many as the images taken, 3, got 2"):
        ImageSet.from_dataset(Own(), n=3, names=["a", "b"])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"orientation": "left"}, "orientation must be 'upright' or 'stored', got 'left'"),
        ({"white": 0}, "white must be a positive number, such as 4095 for 12 bits, got 0"),
        ({"channels": 0}, "channels must be how many there are, or a different name for each, got 0"),
        ({"channels": 4, "shown": (0, 1)}, r"shown must be three channels, or one, .* from 0 to 3, got \(0, 1\)"),
        ({"shown": 1}, "shown says which channels are shown and needs channels=, got 1 alone"),
        ({"mean": 0.5}, "mean and std undo a normalisation together: give both"),
        ({"mean": 0.5, "std": 0}, "std must be positive numbers, got 0"),
        ({"decimal": ";"}, "decimal must be ',' or '.', got ';'"),
    ],
)
def test_arguments_are_checked(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        ImageSet([PHOTO], **options)
