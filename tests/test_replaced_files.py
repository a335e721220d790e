"""A file that is written or replaced while it is shown: what is asked for afterwards is of its new content."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from xai_widgets.images import ImageSet

DARK, LIGHT = 40, 200
SIZE = (24, 16)
Replace = Callable[[Path, int], None]


def write(path: Path, grey: int) -> None:
    Image.new("RGB", SIZE, (grey, grey, grey)).save(path, "BMP")  # of any grey as many bytes


def in_place(path: Path, grey: int) -> None:
    write(path, grey)
    os.utime(path, ns=(time.time_ns(), time.time_ns()))


def by_rename(path: Path, grey: int) -> None:
    """As an editor saves, and as rsync does with --times: size and time of the old file, another file."""
    before = path.stat()
    fresh = path.with_name("fresh")
    write(fresh, grey)
    os.utime(fresh, ns=(before.st_atime_ns, before.st_mtime_ns))
    os.replace(fresh, path)
    after = path.stat()
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert after.st_ino != before.st_ino


def through_a_link(path: Path, grey: int) -> None:
    target = path.with_name(f"target-{grey}")
    write(target, grey)
    path.unlink()
    path.symlink_to(target)


def with_the_old_time(path: Path, grey: int) -> None:
    """The same file written again, its time set back: only the change of its entry tells."""
    before = path.stat()
    write(path, grey)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.fixture
def images(tmp_path: Path) -> ImageSet:
    """Two images, each with a human map, all dark."""
    for name in ("a.bmp", "b.bmp", "map-a.bmp", "map-b.bmp"):
        write(tmp_path / name, DARK)
    table = tmp_path / "table.csv"
    table.write_text("image,human_map\na.bmp,map-a.bmp\nb.bmp,map-b.bmp\n")
    return ImageSet(table)


@pytest.mark.parametrize("replace", [in_place, by_rename, through_a_link, with_the_old_time])
def test_everything_is_of_the_new_content(tmp_path: Path, images: ImageSet, replace: Replace) -> None:
    def grey_of(jpeg: bytes) -> int:
        (tmp_path / "thumbnail.jpg").write_bytes(jpeg)
        return int(np.asarray(Image.open(tmp_path / "thumbnail.jpg")).mean().round())

    before = images.digest("a.bmp"), images.version("a.bmp")
    other = images.digest("b.bmp"), images.version("b.bmp")
    assert images.photo("a.bmp").mean() == DARK
    assert abs(grey_of(images.thumbnail("a.bmp", 8)) - DARK) <= 1
    time.sleep(0.02)  # the clock of a file system is coarse
    replace(tmp_path / "a.bmp", LIGHT)
    assert images.photo("a.bmp").mean() == LIGHT
    assert abs(grey_of(images.thumbnail("a.bmp", 8)) - LIGHT) <= 1
    after = images.digest("a.bmp"), images.version("a.bmp")
    assert after[0] != before[0]
    assert after[1] != before[1]
    assert (images.digest("b.bmp"), images.version("b.bmp")) == other
    replace(tmp_path / "a.bmp", DARK)
    assert images.digest("a.bmp") == before[0] == other[0]


def test_a_human_map_is_of_the_new_content(tmp_path: Path, images: ImageSet) -> None:
    digest, version = images.digest("a.bmp"), images.version("a.bmp")
    by_rename(tmp_path / "map-a.bmp", LIGHT)
    known = images.human_map("a.bmp")
    assert known is not None
    np.testing.assert_allclose(known, LIGHT / 255, rtol=1e-6)
    assert images.version("a.bmp") != version
    assert images.digest("a.bmp") == digest  # of the image alone


def test_a_file_that_was_broken_for_a_while(tmp_path: Path, images: ImageSet) -> None:
    photo = tmp_path / "a.bmp"
    whole = photo.read_bytes()
    photo.write_bytes(whole[:60])
    with pytest.raises(ValueError, match=r"The image 'a.bmp' is cut off or damaged"):
        images.photo("a.bmp")
    assert list(images.problems) == ["a.bmp"]
    fresh = tmp_path / "fresh"
    fresh.write_bytes(whole)
    os.replace(fresh, photo)
    assert images.photo("a.bmp").mean() == DARK
    assert images.problems == {}


def test_each_look_out_hears_of_each_change_once(tmp_path: Path, images: ImageSet) -> None:
    first, second = images.watch(), images.watch()
    assert first.changed() == ()
    by_rename(tmp_path / "b.bmp", LIGHT)
    assert first.changed() == ("b.bmp",)
    assert first.changed() == ()
    by_rename(tmp_path / "map-a.bmp", LIGHT)
    assert first.changed(["b.bmp"]) == ()
    assert first.changed() == ("a.bmp",)
    (tmp_path / "a.bmp").unlink()
    assert first.changed() == ("a.bmp",)
    assert second.changed() == ("a.bmp", "b.bmp")
    with pytest.raises(ValueError, match=r"has no image 'c.bmp'"):
        first.changed(["c.bmp"])


def test_arrays_do_not_change() -> None:
    images = ImageSet([np.zeros((4, 4, 3), np.uint8)])
    assert images.version("image 0") == (None, None)
    assert images.watch().changed() == ()


def test_a_look_at_many_files_is_quick(tmp_path: Path) -> None:
    write(tmp_path / "0.bmp", DARK)
    for number in range(1, 1000):
        os.link(tmp_path / "0.bmp", tmp_path / f"{number}.bmp")
    watch = ImageSet(tmp_path).watch()
    started = time.process_time()
    assert watch.changed() == ()
    assert time.process_time() - started < 0.2  # 0.01 s on a free machine
    os.utime(tmp_path / "0.bmp", ns=(1, 1))
    assert len(watch.changed()) == 1000
