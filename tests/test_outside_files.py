"""Files that never end, and files that lie outside the folder of a set."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tiny
from PIL import Image

from xai_widgets.images import ImageSet, files, load_images
from xai_widgets.session import Session


def write(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (6, 4), (10, 20, 30)).save(path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A set with one image, beside a folder that is not for it."""
    write(tmp_path / "set" / "inside.png")
    write(tmp_path / "secret" / "outside.png")
    return tmp_path / "set"


@pytest.mark.timeout(20)
@pytest.mark.parametrize("kind", ["a named pipe (FIFO)", "a socket", "a device", "a folder"])
def test_what_is_no_file_is_a_problem_and_never_hangs(folder: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / "odd.png"
    monkeypatch.chdir(folder)  # the name of a socket must be short
    server = socket.socket(socket.AF_UNIX)
    if kind == "a named pipe (FIFO)":
        os.mkfifo(path)
    elif kind == "a socket":
        server.bind("odd.png")
    elif kind == "a device":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    server.close()
    said = f"The image 'odd.png' is {kind}: a file is needed, got"
    given = ImageSet([path, folder / "inside.png"], folder=folder)
    assert given.names == ("inside.png",)
    assert given.problems["odd.png"].startswith(said)
    if kind != "a folder":
        assert ImageSet(folder).problems["odd.png"].startswith(said)
        with pytest.raises(ValueError, match="no image that can be used"):
            ImageSet(path)
        with pytest.raises(ValueError, match="no image that can be used"):
            load_images(path)


@pytest.mark.timeout(20)
def test_a_file_that_becomes_a_pipe_does_not_hang(folder: Path) -> None:
    table = folder / "table.csv"
    write(folder / "map.png")
    table.write_text("image,human_map\ninside.png,map.png\n")
    images = ImageSet(table)
    for name in ("inside.png", "map.png"):
        (folder / name).unlink()
        os.mkfifo(folder / name)
    for ask in (images.photo, images.thumbnail, images.digest):
        with pytest.raises(ValueError, match=r"The image 'inside.png' is a named pipe"):
            ask("inside.png")
    with pytest.raises(ValueError, match=r"The human map of 'inside.png' is a named pipe"):
        images.human_map("inside.png")


@pytest.mark.timeout(20)
def test_a_pipe_that_comes_between_the_look_and_the_opening(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = folder / "pipe.png"
    os.mkfifo(pipe)
    real = os.stat
    monkeypatch.setattr(files.os, "stat", lambda path: real(folder / "inside.png"))
    with pytest.raises(ValueError, match="is a named pipe"):
        files.opened(pipe)


def leads_out(folder: Path, how: str) -> Path:
    """A table with one row inside and one that leads outside."""
    outside = folder.parent / "secret" / "outside.png"
    cell = {
        "above": "../secret/outside.png",
        "absolute": str(outside),
        "link": "link.png",
        "folder link": "out/outside.png",
    }
    (folder / "link.png").symlink_to(outside)
    (folder / "out").symlink_to(outside.parent)
    table = folder / "table.csv"
    table.write_text(f"image\ninside.png\n{cell[how]}\n")
    return table


WAYS = ["above", "absolute", "link", "folder link"]


@pytest.mark.parametrize("how", WAYS)
def test_a_table_that_leads_outside_says_so(folder: Path, how: str) -> None:
    images = ImageSet(leads_out(folder, how))
    assert len(images) == 2
    assert images.problems == {}
    assert images.photo(images.names[1])[0, 0].tolist() == [10, 20, 30]
    (notice,) = images.notices
    assert notice.startswith(
        f"The table 'table.csv' leads outside {str(folder)!r}: a file is read from elsewhere, such as"
    )
    assert images.names[1] in notice
    assert notice.endswith("root= says where files may lie, strict=True leaves the others out.")


@pytest.mark.parametrize("how", WAYS)
def test_a_strict_set_leaves_out_what_lies_outside(folder: Path, how: str) -> None:
    images = ImageSet(leads_out(folder, how), strict=True)
    assert images.names == ("inside.png",)
    assert images.notices == ()
    ((name, sentence),) = images.problems.items()
    assert sentence == f"The image {name!r} is left out: it lies outside {str(folder)!r}."


@pytest.mark.parametrize("how", WAYS)
def test_a_root_says_where_files_may_lie(folder: Path, how: str) -> None:
    images = ImageSet(leads_out(folder, how), root=folder.parent, strict=True)
    assert len(images) == 2
    assert images.notices == ()
    assert images.problems == {}


def test_a_link_in_a_folder_that_leads_out(folder: Path) -> None:
    leads_out(folder, "link")
    images = ImageSet(folder)
    assert images.names == ("inside.png", "link.png", "out/outside.png")
    assert images.notices[0].startswith(f"The folder {str(folder)!r} leads outside")
    assert ImageSet(folder, strict=True).names == ("inside.png",)


def test_a_human_map_outside(folder: Path) -> None:
    table = folder / "table.csv"
    table.write_text("image,human_map\ninside.png,../secret/outside.png\n")
    images = ImageSet(table)
    assert images.human_map("inside.png") is not None
    assert "'../secret/outside.png'" in images.notices[0]
    strict = ImageSet(table, strict=True)
    assert strict.human_map("inside.png") is None
    sentence = f"The human map of 'inside.png' is not used: it lies outside {str(folder)!r}."
    assert strict.problems == {"inside.png": sentence}


def test_a_session_says_it(folder: Path, make_session: Callable[..., Session]) -> None:
    images = ImageSet(leads_out(folder, "above"))
    assert images.notices[0] in make_session(tiny.regressor(), images).notice


def test_a_mapping_of_paths(folder: Path) -> None:
    images = ImageSet({"a": str(folder / "inside.png"), "b": "inside.png"}, folder=folder)
    assert images.names == ("a", "b")
    assert images.digest("a") == images.digest("b")
    assert len(ImageSet({"a": "../secret/outside.png"}, folder=folder)) == 1
    with pytest.raises(ValueError, match="lies outside"):
        ImageSet({"a": "../secret/outside.png"}, folder=folder, root=folder, strict=True)


def test_many_files_outside_are_one_notice(folder: Path) -> None:
    table = folder / "table.csv"
    names = [write(folder.parent / "secret" / f"{number}.png") for number in range(3)]
    table.write_text("image\ninside.png\n" + "".join(f"{name}\n" for name in names))
    (notice,) = ImageSet(table).notices
    assert ": 3 files are read from elsewhere, such as '../secret/0.png'." in notice


def test_paths_that_are_listed_in_a_cell_may_lie_anywhere(folder: Path) -> None:
    outside = folder.parent / "secret" / "outside.png"
    paths = [str(folder / "inside.png"), str(outside)]
    frame = pd.DataFrame({"image": paths})
    for images in (
        ImageSet(paths),
        ImageSet(frame),
        ImageSet(str(outside)),
        ImageSet({"a": outside}),
        ImageSet([outside]),
    ):
        assert images.notices == ()
        assert images.problems == {}
    assert ImageSet(frame, folder=folder).notices[0].startswith("The DataFrame leads outside")
    assert len(ImageSet(paths, root=folder, strict=True)) == 1
    assert ImageSet([np.zeros((4, 4), np.uint8)], root=folder, strict=True).notices == ()


def test_a_folder_that_is_reached_by_a_link_is_its_own_root(folder: Path) -> None:
    (folder.parent / "link").symlink_to(folder)
    assert ImageSet(folder.parent / "link").notices == ()
    assert ImageSet(folder, root=folder.parent / "link").notices == ()


def test_a_link_that_is_turned_outside_later(folder: Path) -> None:
    link = folder / "link.png"
    link.symlink_to(folder / "inside.png")
    write(folder / "map.png")
    table = folder / "table.csv"
    table.write_text("image,human_map\nlink.png,map.png\n")
    images = ImageSet(table, strict=True)
    for name in ("link.png", "map.png"):
        (folder / name).unlink()
        (folder / name).symlink_to(folder.parent / "secret" / "outside.png")
    for ask in (images.photo, images.thumbnail, images.digest):
        with pytest.raises(ValueError, match=r"The image 'link.png' is not read: it lies outside"):
            ask("link.png")
    with pytest.raises(ValueError, match=r"The human map of 'link.png' is not read: it lies outside"):
        images.human_map("link.png")


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"root": "not there"}, ValueError, "root must be a folder that exists, got 'not there'"),
        ({"root": 3}, TypeError, "root must be a folder, got 3"),
        ({"folder": 3}, TypeError, "folder must be a folder, got 3"),
        ({"name": 3}, TypeError, "name must be text, got 3"),
        ({"range": 3}, ValueError, "range must be two finite numbers, the lower one first, got 3"),
        ({"range": ("low", "high")}, ValueError, "range must be two finite numbers"),
        ({"ratings": 0.5}, ValueError, "ratings must be a column, a list in the order .* got 0.5"),
        ({"ratings": {0.5}}, ValueError, "ratings must be a column, a list in the order .* got {0.5}"),
        ({"labels": 7}, ValueError, "labels must be a column, a list in the order .* got 7"),
        ({"labels": b"cat"}, ValueError, "labels must be a column, a list in the order .* got b'cat'"),
    ],
)
def test_arguments_of_another_kind_are_refused_in_a_sentence(
    folder: Path, options: dict[str, object], kind: type, words: str
) -> None:
    with pytest.raises(kind, match=words):
        ImageSet(folder, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("label", [{"cat": 1}, b"cat", object, np.zeros(2), [b"cat"]])
def test_a_label_that_is_no_text_or_number_is_a_problem(folder: Path, label: object) -> None:
    images = ImageSet(folder, labels=[label])
    assert images.label("inside.png") is None
    said = images.problems["inside.png"]
    several = isinstance(label, list | np.ndarray)
    assert said.startswith(f"The label{'s' * several} of 'inside.png' must be {'names' if several else 'text'} or ")


@pytest.mark.parametrize(
    ("label", "text"), [("cat ", "cat"), (3, "3"), (3.0, "3"), (np.int64(3), "3"), (np.array(3), "3"), (True, "True")]
)
def test_labels_are_text(folder: Path, label: object, text: str) -> None:
    images = ImageSet(folder, labels=[label])
    assert (images.label("inside.png"), images.problems) == (text, {})


@pytest.mark.parametrize("rating", [[0.5], b"0.5", np.array([0.5]), {}, object, "high"])
def test_a_rating_that_is_no_number_is_a_problem(folder: Path, rating: object) -> None:
    images = ImageSet(folder, ratings=[rating])
    assert images.rating("inside.png") is None
    assert images.problems["inside.png"].startswith("The rating of 'inside.png' must be a finite number, got ")


def test_names_of_another_kind() -> None:
    array = np.zeros((4, 4), np.uint8)
    images = ImageSet({"a": array, 3: array, ("b", 1): array, None: array, " ": array})
    assert images.names == ("a", "3")
    assert images.problems["item ('b', 1)"] == (
        "Item ('b', 1) is left out: a name must be text or a number, got ('b', 1)."
    )
    assert len(images.problems) == 3
    for name in (3, None, ["a"], ("a",)):
        assert name not in images
        for ask in (images.photo, images.rating, images.label, images.digest, images.version, images.human_map):
            with pytest.raises(ValueError, match="has no image"):
                ask(name)  # type: ignore[arg-type]
