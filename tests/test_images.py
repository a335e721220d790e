"""Images: every format is read as it looks, and each fault costs one sentence, not the set."""

from __future__ import annotations

import io
import os
import re
import struct
import threading
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tifffile
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from skimage.data import astronaut

from xai_widgets.images import ImageSet, load_images, reading

EVIL = '<img src=x onerror="alert(1)">&amp;.png'


@pytest.fixture
def photo() -> np.ndarray:
    return astronaut()[:60, 100:180].copy()  # (60 80 3): colours, no symmetry


def close(got: np.ndarray, wanted: np.ndarray, most: float = 2) -> None:
    assert got.shape == wanted.shape
    assert got.dtype == np.uint8
    assert np.abs(got.astype(int) - wanted).max() <= most


def one(path: Path) -> np.ndarray:
    images = ImageSet([path])
    return images.photo(images.names[0])


# ---------------------------------------------------------------- formats

LOSSLESS: dict[str, dict[str, Any]] = {
    "png": {},
    "bmp": {},
    "tif": {},
    "ppm": {},
    "tga": {},
    "webp": {"lossless": True},
    "gif": {},
    "pcx": {},
    "sgi": {},
    "jp2": {"irreversible": False},
    "qoi": {},
}


@pytest.mark.parametrize("ending", LOSSLESS)
def test_colour_is_read_as_it_was_written(tmp_path: Path, photo: np.ndarray, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    image = Image.fromarray(photo)
    if ending == "gif":
        image = image.quantize(256)
        photo = np.array(image.convert("RGB"))
    image.save(path, **LOSSLESS[ending])
    close(one(path), photo, 0)


@pytest.mark.parametrize(("ending", "options"), [("jpg", {"quality": 98}), ("avif", {"quality": 98})])
def test_lossy_formats_come_close(tmp_path: Path, photo: np.ndarray, ending: str, options: dict[str, Any]) -> None:
    Image.fromarray(photo).save(tmp_path / f"a.{ending}", subsampling="4:4:4", **options)
    assert np.abs(one(tmp_path / f"a.{ending}").astype(int) - photo).mean() < 2


def test_grey_fills_three_channels(tmp_path: Path, photo: np.ndarray) -> None:
    grey = photo[..., 0]
    Image.fromarray(grey).save(tmp_path / "a.png")
    close(one(tmp_path / "a.png"), np.repeat(grey[..., None], 3, 2), 0)


def test_one_bit_is_black_and_white(tmp_path: Path, photo: np.ndarray) -> None:
    bits = photo[..., 1] > 100
    Image.fromarray(bits).save(tmp_path / "a.png")
    close(one(tmp_path / "a.png"), np.repeat(bits[..., None], 3, 2) * 255, 0)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_lies_on_white(tmp_path: Path, photo: np.ndarray, mode: str) -> None:
    image = Image.fromarray(photo).convert(mode)
    opacity = np.linspace(0, 255, 80).round().astype(np.uint8)[None].repeat(60, 0)
    image.putalpha(Image.fromarray(opacity))
    image.save(tmp_path / "a.png")
    colours = np.array(image.convert("RGB")).astype(float)
    share = opacity[..., None] / 255
    close(one(tmp_path / "a.png"), np.round(colours * share + 255 * (1 - share)))


def test_a_transparent_palette_entry_is_white(tmp_path: Path) -> None:
    image = Image.new("P", (4, 4), 1)
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putpixel((0, 0), 0)
    image.save(tmp_path / "a.png", transparency=1)
    wanted = np.full((4, 4, 3), 255)
    wanted[0, 0] = 10, 20, 30
    close(one(tmp_path / "a.png"), wanted, 0)


def test_an_animation_shows_its_first_frame(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (9, 5), colour) for colour in ("red", "lime", "blue")]
    for ending in ("gif", "webp", "png", "tif"):
        frames[0].save(tmp_path / f"a.{ending}", save_all=True, append_images=frames[1:])
        close(one(tmp_path / f"a.{ending}"), np.broadcast_to([255, 0, 0], (5, 9, 3)), 3)


def test_cmyk_is_read_as_colour(tmp_path: Path) -> None:
    for ending in ("jpg", "tif"):
        Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / f"a.{ending}")
        close(one(tmp_path / f"a.{ending}"), np.broadcast_to([255, 0, 0], (8, 8, 3)), 4)


def test_lab_is_read_as_colour(tmp_path: Path) -> None:
    Image.new("LAB", (8, 8), (255, 128, 128)).save(tmp_path / "a.tif")
    close(one(tmp_path / "a.tif"), np.full((8, 8, 3), 255), 4)


@pytest.mark.parametrize("ending", ["png", "tif", "pgm"])
def test_sixteen_bit_grey_is_scaled_by_65535(tmp_path: Path, ending: str) -> None:
    ramp = np.linspace(0, 65535, 256).round().astype(np.uint16)[None].repeat(3, 0)
    Image.fromarray(ramp).save(tmp_path / f"a.{ending}")
    close(one(tmp_path / f"a.{ending}"), np.arange(256)[None, :, None].repeat(3, 0).repeat(3, 2), 0)


def test_a_dark_sixteen_bit_image_stays_dark(tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 4), 4095, np.uint16)).save(tmp_path / "a.png")  # not stretched to its own range
    assert one(tmp_path / "a.png").max() == 16


@pytest.mark.parametrize("planes", ["contig", "separate"])
@pytest.mark.parametrize("kind", [np.uint16, np.float32])
def test_tiff_beyond_pillow(tmp_path: Path, photo: np.ndarray, planes: str, kind: type) -> None:
    array: np.ndarray = (photo / 255 * (65535 if kind == np.uint16 else 1)).astype(kind)
    array = array if planes == "contig" else np.moveaxis(array, 2, 0)
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="rgb", planarconfig=planes)
    close(one(tmp_path / "a.tif"), photo, 1)


def test_white_as_zero_is_no_negative(tmp_path: Path) -> None:
    for kind, most in ((np.uint8, 255), (np.uint16, 65535)):
        ramp = np.array([[0, most // 5, most]], kind)
        tifffile.imwrite(tmp_path / "a.tif", ramp, photometric="miniswhite")
        assert one(tmp_path / "a.tif")[0, :, 0].tolist() == [255, 204, 0]


def test_sixteen_bit_ink(tmp_path: Path) -> None:
    ink = np.zeros((4, 5, 4), np.uint16)
    ink[..., 1:3] = 65535
    tifffile.imwrite(tmp_path / "ink.tif", ink, photometric="separated")
    close(one(tmp_path / "ink.tif"), np.broadcast_to([255, 0, 0], (4, 5, 3)), 0)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_float_tiff_is_taken_as_zero_to_one(tmp_path: Path, kind: type) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.array([[0, 0.5, 1]], kind))
    assert one(tmp_path / "a.tif")[0, :, 0].tolist() == [0, 128, 255]
    tifffile.imwrite(tmp_path / "b.tif", np.array([[0, 0.5, 255]], kind))
    images = ImageSet(tmp_path)
    with pytest.raises(ValueError, match=r"'b.tif' must have values from 0 to 1, .*got 0 to 255"):
        images.photo("b.tif")


@pytest.mark.parametrize("ending", ["jpg", "png", "tif", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_respected(tmp_path: Path, ending: str, orientation: int) -> None:
    upright = np.kron(np.array([[0, 80, 160], [240, 40, 120]], np.uint8), np.ones((16, 16), np.uint8))
    turns: dict[int, Callable[[np.ndarray], np.ndarray]] = {  # what makes it upright, undone
        1: lambda a: a,
        2: np.fliplr,
        3: lambda a: np.rot90(a, 2),
        4: np.flipud,
        5: np.transpose,
        6: lambda a: np.rot90(a, 1),
        7: lambda a: np.rot90(a, 2).T,
        8: lambda a: np.rot90(a, -1),
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(turns[orientation](upright))).convert("RGB").save(
        tmp_path / f"a.{ending}", exif=exif, quality=98
    )
    close(one(tmp_path / f"a.{ending}"), upright[..., None].repeat(3, 2), 6)


def test_damaged_metadata_does_not_cost_the_picture(tmp_path: Path, photo: np.ndarray) -> None:
    Image.fromarray(photo).save(tmp_path / "a.png", exif=b"Exif\0\0II*\0\xff\xff\xff\xff" + b"\xff" * 40)
    close(one(tmp_path / "a.png"), photo, 0)


def test_one_pixel(tmp_path: Path) -> None:
    Image.new("RGB", (1, 1), (1, 2, 3)).save(tmp_path / "a.png")
    images = ImageSet(tmp_path)
    assert images.photo("a.png").tolist() == [[[1, 2, 3]]]
    assert Image.open(io.BytesIO(images.thumbnail("a.png"))).size == (1, 1)


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
        (np.array([[0.0, np.nan]]), "from 0 to 1, being float64, got nan"),
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


@pytest.fixture
def folder(tmp_path: Path, photo: np.ndarray) -> Path:
    hidden = (".ipynb_checkpoints/image9.png", ".x.png")
    for name in ("image10.png", "image9.png", "Image1.png", "deep/image2.jpg", *hidden):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(photo).save(tmp_path / name)
    (tmp_path / "notes.md").write_text("not an image")
    return tmp_path


def test_a_folder_is_read_with_those_below_in_natural_order(folder: Path) -> None:
    images = ImageSet(folder)
    assert images.names == ("deep/image2.jpg", "Image1.png", "image9.png", "image10.png")
    assert images.problems == {}
    assert (len(images), list(images)[1], "image9.png" in images, "other" in images) == (4, "Image1.png", True, False)


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
        (lambda folder: folder / "bytes.csv", "must be text in UTF-8"),
        (lambda folder: folder / "twice.csv", "different column names, got 'image'"),
        (lambda folder: [], "has no image that can be used"),
        (lambda folder: 3, "folder, files, arrays or a table, got 3"),
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


# ---------------------------------------------------------------- size, memory, threads, warnings


def huge_png(path: Path, width: int, height: int) -> None:
    """A PNG of one grey value, written without a picture of that size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(1)
    rows = b"".join(packer.compress(bytes(width + 1)) for _ in range(height)) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b""))


def test_twenty_thousand_squared_is_refused_before_it_is_read(tmp_path: Path, photo: np.ndarray) -> None:
    huge_png(tmp_path / "huge.png", 20_000, 20_000)
    Image.fromarray(photo).save(tmp_path / "small.png")
    images = ImageSet(tmp_path)
    assert images.names == ("small.png",)
    assert "at most 64,000,000 pixels are read" in images.problems["huge.png"]
    assert images.problems["huge.png"].endswith("got 20,000 x 20,000.")


def test_a_large_jpeg_is_read_smaller(tmp_path: Path, photo: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_PIXELS", 1500)
    Image.fromarray(photo).save(tmp_path / "a.jpg", quality=95)  # 60 x 80
    Image.fromarray(photo).save(tmp_path / "b.jpg", quality=95, progressive=True)
    Image.fromarray(photo).resize((400, 400)).save(tmp_path / "c.jpg")
    images = ImageSet(tmp_path)
    assert images.names == ("a.jpg",)
    assert images.problems["a.jpg"].startswith("The image 'a.jpg' is read at 1/2 of its size: at most 1,500 pixels")
    assert images.photo("a.jpg").shape == (30, 40, 3)
    halved = np.array(Image.fromarray(photo).resize((40, 30), Image.Resampling.BOX))
    assert np.abs(images.photo("a.jpg").astype(int) - halved).mean() < 5
    assert "too large" in images.problems["b.jpg"]
    assert "too large" in images.problems["c.jpg"]


def test_a_large_array_is_refused() -> None:
    wide = np.broadcast_to(np.uint8(0), (9000, 9000))
    with pytest.raises(ValueError, match="got 9,000 x 9,000"):
        ImageSet([wide])


def test_thumbnails_keep_the_aspect_and_are_small(tmp_path: Path) -> None:
    Image.fromarray(astronaut()[:256]).save(tmp_path / "a.jpg")
    Image.new("RGB", (1000, 1)).save(tmp_path / "thin.png")
    images = ImageSet(tmp_path)
    small = Image.open(io.BytesIO(images.thumbnail("a.jpg", 96)))
    assert (small.format, small.size) == ("JPEG", (96, 48))
    whole = Image.fromarray(images.photo("a.jpg")).resize((96, 48), Image.Resampling.LANCZOS)
    assert np.abs(np.asarray(small).astype(int) - np.asarray(whole)).mean() < 4
    assert images.thumbnail("a.jpg", 96) is images.thumbnail("a.jpg", 96)
    assert Image.open(io.BytesIO(images.thumbnail("thin.png"))).size == (96, 1)
    with pytest.raises(ValueError, match="side must be from 1 to 2048, got 0"):
        images.thumbnail("a.jpg", 0)


def test_memory_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, photo: np.ndarray) -> None:
    import xai_widgets.images as room

    monkeypatch.setattr(room, "PHOTO_BYTES", 3 * photo.nbytes)
    monkeypatch.setattr(room, "THUMBNAIL_BYTES", 4000)
    images = ImageSet(np.stack([photo] * 30))
    for name in images:
        images.photo(name)
        images.thumbnail(name)
    assert images._photos.currsize <= 3 * photo.nbytes
    assert len(images._photos) == 3
    assert images._thumbnails.currsize <= 4000
    assert images.photo("image 29") is images.photo("image 29")


def test_photos_cannot_be_written_to_and_follow_the_file(tmp_path: Path, photo: np.ndarray) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(photo).save(path)
    images = ImageSet(tmp_path)
    before = images.digest("a.png")
    with pytest.raises(ValueError, match="read-only"):
        images.photo("a.png")[0] = 0
    Image.fromarray(photo[::-1]).save(path)
    os.utime(path, ns=(1, 1))
    close(images.photo("a.png"), photo[::-1], 0)
    assert images.digest("a.png") != before
    path.unlink()
    with pytest.raises(ValueError, match=r"'a\.png' does not exist"):
        images.photo("a.png")


def test_a_digest_is_of_the_content(photo: np.ndarray) -> None:
    other = photo.copy()
    other[0, 0, 0] ^= 1
    images = ImageSet({"a": photo, "b": photo.copy(), "c": other, "d": Image.fromarray(photo)})
    assert images.digest("a") == images.digest("b") == images.digest("d") != images.digest("c")


def test_many_threads_at_once(tmp_path: Path) -> None:
    for i in range(12):
        Image.new("RGB", (40, 30), (i, 2 * i, 3 * i)).save(tmp_path / f"{i}.png")
    (tmp_path / "5.png").write_bytes((tmp_path / "5.png").read_bytes()[:60])
    images, wrong = ImageSet(tmp_path), []

    def work(seed: int) -> None:
        for i in np.random.default_rng(seed).integers(12, size=60):
            try:
                photo = images.photo(f"{i}.png")
                images.thumbnail(f"{i}.png", 16 + seed), images.digest(f"{i}.png"), images.problems
                if photo[0, 0].tolist() != [i, 2 * i, 3 * i]:
                    wrong.append(i)
            except ValueError as error:
                if "'5.png' is cut off" not in str(error):
                    wrong.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert list(images.problems) == ["5.png"]


def test_a_remark_of_pillow_neither_fails_nor_is_silenced_for_good(tmp_path: Path, photo: np.ndarray) -> None:
    entries = struct.pack(">HHHII", 2, 270, 2, 64, 0x7000) + struct.pack(">HHIHHI", 0x0112, 3, 1, 3, 0, 0)
    exif = b"Exif\0\0MM\0*" + struct.pack(">I", 8) + entries  # its text lies beyond its end; upside down
    Image.fromarray(photo).save(tmp_path / "a.jpg", exif=exif, quality=98)
    with pytest.warns(UserWarning, match="larger than file"), Image.open(tmp_path / "a.jpg") as image:
        image.getexif().get(270)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        filters = list(warnings.filters)
        upside_down = one(tmp_path / "a.jpg")
        assert warnings.filters == filters
    assert np.abs(upside_down.astype(int) - photo[::-1, ::-1]).mean() < 3
    with pytest.warns(UserWarning, match="larger than file"):  # told as Pillow tells it, where that is allowed
        one(tmp_path / "a.jpg")


# ---------------------------------------------------------------- properties

SETTINGS = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@SETTINGS
@given(
    pixels=arrays(np.uint8, st.tuples(st.integers(1, 12), st.integers(1, 12), st.sampled_from([1, 2, 3, 4]))),
    ending=st.sampled_from(["png", "tif", "webp"]),
)
def test_file_and_array_agree(tmp_path: Path, pixels: np.ndarray, ending: str) -> None:
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    image.save(tmp_path / f"a.{ending}", lossless=True, exact=True)
    close(one(tmp_path / f"a.{ending}"), reading.photo_of(pixels), 1)


@SETTINGS
@given(data=st.data(), kind=st.sampled_from(["PNG", "JPEG", "GIF", "TIFF", "BMP", "WEBP", "PPM", "TGA", "PCX", "ICO"]))
def test_damaged_bytes_never_raise_anything_else(tmp_path: Path, data: st.DataObject, kind: str) -> None:
    """Cut, or with some bytes changed: a picture of the right type or a sentence, never another error."""
    file = io.BytesIO()
    Image.fromarray(astronaut()[:24, :32]).save(file, kind)
    content = bytearray(file.getvalue())
    for _ in range(data.draw(st.integers(0, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(1, len(content)))]
    (tmp_path / "fuzz.bin").write_bytes(content)
    images = ImageSet({"fuzz": np.zeros((1, 1)), "file": tmp_path / "fuzz.bin"})
    for read in (images.photo, images.thumbnail):
        try:
            got = read("file")
        except ValueError:
            sentence = images.problems["file"]
            assert re.fullmatch(r"The image 'file' .*\.", sentence, re.DOTALL)
        else:
            assert isinstance(got, bytes) or (got.dtype == np.uint8 and got.shape[2] == 3)


@SETTINGS
@given(cells=st.lists(st.tuples(st.text(max_size=12) | st.just("good.png"), st.text(max_size=8)), max_size=6))
@example(cells=[("\0", "1"), ("x" * 300, "1"), ("good.png", "2"), ("..", "")])
def test_any_table_gives_sentences(tmp_path: Path, cells: list[tuple[str, str]]) -> None:
    Image.new("L", (2, 2)).save(tmp_path / "good.png")
    frame = pd.DataFrame([("good.png", "1"), *cells], columns=["image", "rating"])
    images = ImageSet(frame, folder=tmp_path)
    assert images.names[0] == "good.png"
    assert images.rating("good.png") == 1.0
    starts = r"The image |The rating of |Row \d+ |['\"].*['\"] in row \d+ is left out"
    assert all(
        re.match(starts, sentence, re.DOTALL) and sentence.endswith(".") for sentence in images.problems.values()
    )


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
