"""Sets of images: from arrays, folders and names; each fault costs one sentence, not the set."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pictures_on_disk import close, crop, folder_in
from PIL import Image

from xai_widgets.images import ImageSet, load_images

EVIL = '<img src=x onerror="alert(1)">&amp;.png'


@pytest.fixture
def photo() -> np.ndarray:
    return crop()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return folder_in(tmp_path)


# ---------------------------------------------------------------- arrays


@pytest.mark.parametrize(
    ("array", "wanted"),
    [
        (np.array([[False, True]]), [0, 255]),
        (np.array([[7, 255]], np.uint8), [7, 255]),
        (np.array([[0, 65535]], np.uint16), [0, 255]),
        (np.array([[0, 200]], np.int64), [0, 200]),
        (np.array([[0.0, 0.5, 1.0000001]], np.float32), [0, 128, 255]),
    ],
)
def test_the_type_says_the_scale(array: np.ndarray, wanted: list[int]) -> None:
    images = ImageSet([array])
    assert images.photo("image 0")[0].tolist() == [[value] * 3 for value in wanted]


def test_stacks_lists_and_mappings(photo: np.ndarray) -> None:
    stack = np.stack([photo, photo[::-1]])
    for source in (stack, list(stack), {"image 0": photo, "image 1": Image.fromarray(photo[::-1])}):
        images = ImageSet(source, ratings=[1, 2], labels=["up", "down"])
        assert images.names == ("image 0", "image 1")
        close(images.photo("image 1"), photo[::-1], 0)
        assert (images.rating("image 1"), images.label("image 0")) == (2.0, "up")
    assert len(ImageSet(stack[..., 0])) == 2  # (n h w)
    assert len(ImageSet(photo)) == len(ImageSet(photo[..., 0])) == 1


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.zeros((3, 8, 9), np.uint8), r"\(h w 3\).*got \(3, 8, 9\): the channels come last"),
        (np.zeros((8, 9, 5), np.uint8), r"got \(8, 9, 5\)"),
        (np.zeros((0, 9, 3), np.uint8), r"got \(0, 9, 3\)"),
        (np.array([[0, 256]]), "from 0 to 255, got int64 0 to 256"),
        (np.array([[0.0, np.nan]]), "finite values, got 1 of 2 that are NaN or infinite: fill them first"),
        (np.array([[-0.5, 1.0]]), "from 0 to 1, being float64, got -0.5 to 1"),
        (np.array([["a", "b"]]), "must hold numbers"),
    ],
)
def test_an_array_that_is_no_picture_costs_only_itself(array: np.ndarray, says: str) -> None:
    images = ImageSet({"good": np.zeros((2, 2), np.uint8), "bad": array})
    with pytest.raises(ValueError, match=f"'bad' .*{says}"):
        images.photo("bad")
    assert "'bad'" in images.problems["bad"]
    assert images.photo("good").shape == (2, 2, 3)


# ---------------------------------------------------------------- folders, lists, tables


def test_a_folder_is_read_with_those_below_in_natural_order(folder: Path) -> None:
    images = ImageSet(folder)
    assert images.names == ("deep/image2.jpg", "Image1.png", "image9.png", "image10.png")
    assert images.problems == {}
    assert (len(images), list(images)[1], "image9.png" in images, "other" in images) == (4, "Image1.png", True, False)


@pytest.mark.parametrize("kind", ["png", "jpg", "gif", "tif", "webp", "bmp"])
def test_a_truncated_file_is_told_when_it_is_read(folder: Path, photo: np.ndarray, kind: str) -> None:
    path = folder / f"cut.{kind}"
    Image.fromarray(photo).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    images = ImageSet(folder)
    said = []
    for _ in range(2):
        with pytest.raises(ValueError, match=r"'cut\.\w+' (is cut off or damaged: a whole|cannot be read)") as error:
            images.photo(path.name)
        said.append(str(error.value))
    assert said == [images.problems[path.name]] * 2
    assert images.photo("image9.png").shape == (60, 80, 3)
    assert (path.name in images) == (kind != "webp"), "all but a WebP are listed by their head"
    if kind != "webp":  # mended, it is read again
        Image.fromarray(photo).save(path)
        os.utime(path, ns=(1, 1))
        assert images.photo(path.name).shape == (60, 80, 3)
        assert images.problems == {}


def test_names_are_text(tmp_path: Path) -> None:
    names = [EVIL, "naïve 図.png", "'quotes\".png"]
    for name in names:
        Image.new("RGB", (3, 3)).save(tmp_path / name)
    (tmp_path / '<b>"cut".png').write_bytes(b"\x89PNG")
    images = ImageSet(tmp_path)
    assert set(images.names) == set(names)
    assert '<b>"cut".png' in images.problems
    with pytest.raises(ValueError, match="has no image 'naive"):
        images.photo("naive 図.png")


@pytest.mark.skipif(os.name == "nt", reason="file names are always text there")
def test_a_name_of_bytes_becomes_text(tmp_path: Path) -> None:
    Image.new("RGB", (3, 3)).save(tmp_path / "a.png")
    try:
        os.rename(tmp_path / "a.png", os.fsencode(tmp_path) + b"/caf\xe9.png")
    except OSError:
        pytest.skip("this file system has only names in UTF-8")
    (name,) = ImageSet(tmp_path).names
    assert name == "caf\ufffd.png"
    assert name.encode()


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda folder: folder / "nowhere", "exists, got '.*nowhere'"),
        (lambda folder: folder / "none", "has no image that can be used"),
        (lambda folder: folder / "empty.csv", "is empty: a line of column names"),
        (lambda folder: folder / "header.csv", "has no image that can be used"),
        (lambda folder: folder / "bytes.csv", "'ÿþ' does not exist"),
        (lambda folder: folder / "twice.csv", "different column names, got 'image'"),
        (lambda folder: [], "has no image that can be used"),
        (lambda folder: 3, "folder, files, arrays, a table or a dataset, got 3"),
        (lambda folder: ["gone.png", "gone too.png"], "'gone.png' does not exist.*1 more problem"),
        (lambda folder: [None], "'image 0' must have the shape"),
    ],
)
def test_an_empty_set_is_refused(tmp_path: Path, make: Callable[[Path], Any], says: str) -> None:
    (tmp_path / "none").mkdir()
    (tmp_path / "empty.csv").touch()
    (tmp_path / "header.csv").write_text("image,rating\n")
    (tmp_path / "bytes.csv").write_bytes(b"image\n\xff\xfe\n")
    (tmp_path / "twice.csv").write_text("image,image\na,b\n")
    with pytest.raises(ValueError, match=says):
        ImageSet(make(tmp_path))


@pytest.mark.parametrize("bounds", [(1, 0), (0, float("nan")), (0, 0)])
def test_a_range_has_two_ends(photo: np.ndarray, bounds: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="range must be two finite numbers"):
        ImageSet([photo], range=bounds)


# ---------------------------------------------------------------- by name


def test_load_images_by_path_and_by_name(folder: Path) -> None:
    assert load_images(str(folder)).names == ImageSet(folder).names
    with pytest.raises(ValueError, match=r"got 'demo/qualty': try 'demo/quality'"):
        load_images("demo/qualty")
    with pytest.raises(TypeError, match="rating"):
        load_images(str(folder), rating=[1])


def test_the_demonstration_images() -> None:
    quality = load_images("demo/quality")
    assert quality.name == "demo/quality"
    assert quality.range == (0.0, 1.0)
    assert quality.problems == {}
    assert len(quality) >= 120
    assert quality.table["rating"].between(0, 1).all()
    scenes = load_images("demo/scenes")
    assert len(scenes) >= 120
    assert len({scenes.label(name) for name in scenes}) >= 10
    assert scenes.problems == {}
    assert load_images("demo/collages").problems == {}
    assert quality.photo(quality.names[0]).dtype == np.uint8
