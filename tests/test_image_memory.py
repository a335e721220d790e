"""What images cost: size, memory, threads, and files that change meanwhile."""

from __future__ import annotations

import io
import os
import struct
import threading
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from pictures_on_disk import close, crop, one
from PIL import Image
from skimage.data import astronaut

from xai_widgets.images import ImageSet, pixels


@pytest.fixture
def photo() -> np.ndarray:
    return crop()


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
    monkeypatch.setattr(pixels, "MOST_PIXELS", 1500)
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
