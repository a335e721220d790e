"""Formats: every file is read as it looks, and damaged bytes are told in a sentence."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pictures_on_disk import close, crop, one
from PIL import Image
from skimage.data import astronaut

from xai_widgets.images import ImageSet, reading


@pytest.fixture
def photo() -> np.ndarray:
    return crop()


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


SETTINGS = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@SETTINGS
@given(
    pixels=arrays(np.uint8, st.tuples(st.integers(1, 12), st.integers(1, 12), st.sampled_from([1, 2, 3, 4]))),
    ending=st.sampled_from(["png", "tif", "webp"]),
)
def test_file_and_array_agree(tmp_path: Path, pixels: np.ndarray, ending: str) -> None:
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    image.save(tmp_path / f"a.{ending}", lossless=True, exact=True)
    opaque = pixels.shape[2] in (1, 3)  # an array does not say that a channel is opacity
    close(one(tmp_path / f"a.{ending}"), reading.photo_of(pixels if opaque else image), 1)


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
