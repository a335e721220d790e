"""Tables of images: names, ratings, labels and human maps, and what a bad cell costs."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pictures_on_disk import folder_in
from PIL import Image

from xai_widgets.images import ImageSet


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return folder_in(tmp_path)


def test_names_never_tell_where_the_folder_lies(folder: Path) -> None:
    files = [folder / "image9.png", folder / "deep" / "image2.jpg"]
    assert ImageSet(files).names == ("image9.png", "deep/image2.jpg")
    frame = pd.DataFrame({"file": [str(file) for file in files]})
    assert ImageSet(frame).names == ("image9.png", "deep/image2.jpg")
    (folder / "tables").mkdir()
    (folder / "tables" / "t.csv").write_text("path\n../image9.png\n../deep/image2.jpg\n")
    assert ImageSet(folder / "tables" / "t.csv").names == ("image9.png", "deep/image2.jpg")


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_table_gives_ratings_labels_human_maps_and_more(folder: Path, separator: str) -> None:
    Image.new("L", (4, 2), 51).save(folder / "map.png")
    lines = [
        ["Image", "MOS", "class", "human_map", "camera", "iso"],
        ["image9.png", "0.25", "cat", "map.png", "A", "100"],
        ["deep\\image2.jpg", "1", "", "", "B", ""],
    ]
    (folder / "t.csv").write_text("\ufeff" + "\n".join(separator.join(line) for line in lines), encoding="utf-8")
    images = ImageSet(folder / "t.csv", range=(0, 1))
    assert images.names == ("image9.png", "deep/image2.jpg")
    assert [images.rating(name) for name in images] == [0.25, 1.0]
    assert [images.label(name) for name in images] == ["cat", None]
    human_map = images.human_map("image9.png")
    assert human_map is not None
    assert human_map.shape == (2, 4)
    assert human_map == pytest.approx(0.2)
    assert images.human_map("deep/image2.jpg") is None
    assert list(images.table.loc["image9.png", ["camera", "iso"]]) == ["A", 100]
    assert images.table["iso"].dtype == float
    assert images.table["rating"].dtype == float
    assert (images.problems, images.name) == ({}, "t")


def test_a_frame_with_columns_of_any_name(folder: Path) -> None:
    frame = pd.DataFrame({"which": ["image9.png", "Image1.png"], "nice": [3, 4.5], "sort": [1.0, np.nan]})
    images = ImageSet(frame, folder=folder, column="which", ratings="nice", labels="sort")
    assert [(images.rating(name), images.label(name)) for name in images] == [(3, "1"), (4.5, None)]
    with pytest.raises(ValueError, match=r"no column 'whcih'.*'which'"):
        ImageSet(frame, folder=folder, column="whcih")
    with pytest.raises(ValueError, match=r"no column of image paths.*got 'which', 'nice', 'sort'"):
        ImageSet(frame, folder=folder)


def test_ratings_beside_a_folder(folder: Path) -> None:
    images = ImageSet(folder, ratings={"image9.png": 0.5, "imge10.png": 1}, range=(0, 1))
    assert images.rating("image9.png") == 0.5
    assert images.rating("image10.png") is None
    assert images.problems["imge10.png"].startswith("'imge10.png' has a rating but no image")
    assert "got nothing" in images.problems["image10.png"]
    with pytest.raises(ValueError, match="as many as the images, 4, got 2"):
        ImageSet(folder, ratings=[1, 2])
    with pytest.raises(ValueError, match="only a table has"):
        ImageSet([folder / "image9.png"], ratings="mos")


def test_a_rating_that_cannot_be_used_leaves_the_image(folder: Path) -> None:
    given_ratings = ["good", "nan", "", "1.5", "-inf", "0.5"]
    rows = "\n".join(f"{i}.png,{rating}" for i, rating in enumerate(given_ratings))
    for i in range(6):
        Image.new("L", (2, 2)).save(folder / f"{i}.png")
    (folder / "t.csv").write_text(f"image,rating\n{rows}\n")
    images = ImageSet(folder / "t.csv", range=(0, 1))
    assert len(images) == 6
    assert images.rating("5.png") == 0.5
    assert [images.rating(f"{i}.png") for i in range(5)] == [None] * 5
    allowed = "must be a finite number from 0 to 1, got"
    assert images.problems == {
        "0.png": f"The rating of '0.png' {allowed} 'good'.",
        "1.png": f"The rating of '1.png' {allowed} 'nan'.",
        "2.png": f"The rating of '2.png' {allowed} nothing.",
        "3.png": f"The rating of '3.png' {allowed} '1.5'.",
        "4.png": f"The rating of '4.png' {allowed} '-inf'.",
    }
    assert images.table["rating"].notna().sum() == 1


def test_rows_and_files_that_cannot_be_used_leave_the_rest(folder: Path) -> None:
    (folder / "empty.png").touch()
    (folder / "words.png").write_text("This is not a picture.")
    (folder / "a.png").mkdir()
    names = ["image9.png", "gone.png", "empty.png", "words.png", "a.png", "", "image9.png", "image10.png,too,many"]
    (folder / "t.csv").write_text("image,split\n" + "\n".join(f"{name},test" for name in names))
    images = ImageSet(folder / "t.csv")
    assert images.names == ("image9.png",)
    says = {
        "gone.png": "'gone.png' does not exist: a file is needed",
        "empty.png": "'empty.png' is empty: an image file is needed, got 0 bytes",
        "words.png": "'words.png' cannot be read: a file that Pillow or tifffile reads is needed",
        "a.png": "'a.png' is a folder: a file is needed",
        "row 7": "Row 7 has no image",
        "image9.png (row 8)": "names must be unique, and it is in row 2 already",
        "row 9": "at most 2 cells are allowed, got 4",
    }
    assert images.problems.keys() == says.keys()
    for name, words in says.items():
        assert words in images.problems[name]
        assert images.problems[name].endswith(".")
    with pytest.raises(ValueError, match="does not exist"):
        images.photo("gone.png")


def test_a_missing_human_map_leaves_the_image(folder: Path) -> None:
    (folder / "t.csv").write_text("image,human_map\nimage9.png,nowhere.png\n")
    images = ImageSet(folder / "t.csv")
    assert images.human_map("image9.png") is None
    assert "The human map of 'image9.png' does not exist" in images.problems["image9.png"]


def _is_finite(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


SETTINGS = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@SETTINGS
@given(cells=st.lists(st.tuples(st.text(max_size=12) | st.just("good.png"), st.text(max_size=8)), max_size=6))
@example(cells=[("\0", "1"), ("x" * 300, "1"), ("good.png", "2"), ("..", "")])
def test_any_table_gives_sentences(tmp_path: Path, cells: list[tuple[str, str]]) -> None:
    Image.new("L", (2, 2)).save(tmp_path / "good.png")
    frame = pd.DataFrame([("good.png", "1"), *cells], columns=["image", "rating"])
    images = ImageSet(frame, folder=tmp_path)
    assert images.names[0] == "good.png"
    numbers = [1.0, *(float(value) for name, value in cells if name == "good.png" and _is_finite(value))]
    assert images.rating("good.png") == pytest.approx(np.mean(numbers))
    starts = r"The image |The rating of |Row \d+ |['\"].*['\"] in row \d+ is left out"
    assert all(
        re.match(starts, sentence, re.DOTALL) and sentence.endswith(".") for sentence in images.problems.values()
    )


@pytest.mark.parametrize("shape", ["stored", "small and stored", "upright", "square", "like the photo itself"])
def test_a_human_map_is_turned_with_its_photo(shape: str, tmp_path: Path) -> None:
    """EXIF turns the photo by 90 degrees; a map that was drawn on the stored file goes with it."""
    photo = np.random.default_rng(0).integers(0, 256, (40, 64, 3), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(photo).save(tmp_path / "photo.png", exif=exif)
    stored = photo[..., 0] if shape != "small and stored" else photo[:5, :8, 0]
    upright = np.rot90(stored, -1)
    drawn = {"upright": upright, "square": stored[:40, :40]}.get(shape, stored)
    own = exif if shape == "like the photo itself" else None
    Image.fromarray(np.ascontiguousarray(drawn)).save(tmp_path / "map.png", exif=own)
    (tmp_path / "t.csv").write_text("image,human_map\nphoto.png,map.png\n")
    images = ImageSet(tmp_path / "t.csv")
    found = images.human_map("photo.png")
    assert found is not None
    np.testing.assert_allclose(found, (drawn if shape == "square" else upright) / np.float32(255), rtol=1e-6)
    said = " ".join(images.notices)
    assert ("1 human map has the shape of a photo as it is stored" in said) == shape.endswith("stored")
    wrong = {"photo.png": "The human map of 'photo.png' is 40 x 40, stretched over its photo of 64 x 40."}
    assert images.problems == (wrong if shape == "square" else {})
    as_stored = ImageSet(tmp_path / "t.csv", orientation="stored").human_map("photo.png")
    assert as_stored is not None
    np.testing.assert_allclose(as_stored, drawn / np.float32(255), rtol=1e-6)


def test_a_human_map_of_a_square_photo_that_exif_turns_is_said(tmp_path: Path) -> None:
    photo = np.zeros((40, 40, 3), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 3
    Image.fromarray(photo).save(tmp_path / "photo.png", exif=exif)
    Image.fromarray(photo).save(tmp_path / "map.png")
    (tmp_path / "t.csv").write_text("image,human_map\nphoto.png,map.png\n")
    images = ImageSet(tmp_path / "t.csv")
    assert "is taken as drawn on the photo as EXIF turns it" in images.problems["photo.png"]
