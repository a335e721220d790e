"""Sets whose samples have several images, from files, tables, arrays and datasets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tiny
import torch
from PIL import Image
from test_samples import LAYER, Pair, pair_model, refused
from torchvision import transforms

from xai_widgets import ImageModel, ImageSet, Session
from xai_widgets.engine import Query, Sources, Subject
from xai_widgets.images import reading
from xai_widgets.session import describe

Make = Callable[..., Session]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, photo in zip("abc", tiny.photos(), strict=True):
        Image.fromarray(photo).save(tmp_path / f"{name}.png")
    (tmp_path / "t.csv").write_text("image,reference,mos,camera\na.png,b.png,3,x\nb.png,,1,y\nc.png,a.png,2,y\n")
    return tmp_path


@pytest.mark.parametrize("kind", ["arrays", "files", "mapping", "table", "frame"])
def test_a_set_of_samples(kind: str, folder: Path) -> None:
    a, b, c = tiny.photos()
    files = [folder / f"{name}.png" for name in "abc"]
    frame = pd.DataFrame({"image": ["a.png", "c.png"], "reference": ["b.png", "a.png"]})
    given: dict[str, Any] = {
        "arrays": [(a, b), (c, a)], "files": [(files[0], files[1]), [str(files[2]), str(files[0])]],
        "mapping": {"one": (a, b), "two": (c, a)}, "table": folder / "t.csv", "frame": frame,
    }  # fmt: skip
    named = kind in ("table", "frame")
    images = ImageSet(given[kind], images=["image", "reference"] if named else None, folder=folder if named else None)
    assert images.slices == (("image", "reference") if named else ("first", "second"))
    second = images.slice(images.slices[1])
    assert second.names == images.names
    assert len(images) == 2
    for name, (one, two) in zip(images.names, ((a, b), (c, a)), strict=True):
        np.testing.assert_array_equal(images.photo(name), one)
        np.testing.assert_array_equal(second.photo(name), two)
        assert images.digests(name) == (images.digest(name), second.digest(name))
    if kind == "table":
        assert images.problems == {"b.png": "The sample 'b.png' is left out: it has no image 'reference'."}
        assert images.rating("c.png") == 2
        assert "reference" not in images.table
        (folder / "t.csv").write_text("image,reference,mos\na.png,b.png,3\nc.png,no.png,2\n")
        lacking = ImageSet(folder / "t.csv", images=["image", "reference"])
        assert [problem.sentence.partition(": a file")[0] for problem in lacking.problem_list()] == [
            "The sample 'c.png' is left out: its reference image cannot be used.",
            "The reference image of 'c.png' does not exist",
        ]
        watch = images.watch()
        Image.fromarray(c).save(folder / "b.png")
        assert watch.changed() == ("a.png",)


class Given(torch.utils.data.Dataset[Any]):
    """A dataset of items of a kind, from two photos."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def __len__(self) -> int:
        return 2

    def __getitem__(self, place: int) -> Any:
        if not 0 <= place < 2:
            raise IndexError(place)
        left, right = (torch.from_numpy(tiny.photos()[i].copy()).permute(2, 0, 1) for i in (place, place + 1))
        mask = (left[:1] > 100).long()
        return {"pair": (left, right), "labelled": (left, right, place), "mask": (left, mask)}[self.kind]


@pytest.mark.parametrize(
    ("kind", "how", "slices"),
    [
        ("labelled", "list", ("first", "second")), ("labelled", "set", ("first", "second")),
        ("labelled", "dataset", ("first", "second")), ("pair", "dataset", ("left", "right")), ("mask", "dataset", ()),
    ],
)  # fmt: skip
def test_items_of_several_images_are_samples(kind: str, how: str, slices: tuple[str, ...]) -> None:
    given, names = Given(kind), ["left", "right"] if kind == "pair" else None
    images = (
        ImageSet.from_dataset(given, images=names)
        if how == "dataset"
        else ImageSet(list(given) if how == "list" else given)  # type: ignore[call-overload]
    )
    assert images.slices == slices
    for place, name in enumerate(images.names):
        np.testing.assert_array_equal(images.photo(name), tiny.photos()[place])
        assert images.label(name) == (str(place) if kind == "labelled" else None)
        if slices:
            np.testing.assert_array_equal(images.slice(slices[1]).photo(name), tiny.photos()[place + 1])
    assert any("samples of 2" in notice for notice in images.notices) == bool(slices and how != "list")
    assert ImageSet.from_dataset(given, image=0).slices == ()


def test_a_file_beside_many_images_is_looked_at_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []
    read = reading.read_header

    def counted(path: Path, *more: Any) -> Any:
        looked.append(Path(path).name)
        return read(path, *more)

    monkeypatch.setattr(reading, "read_header", counted)
    frame = pd.DataFrame({"image": ["a.png", "c.png"], "reference": ["b.png", "b.png"]})
    assert ImageSet(frame, folder=folder).reference("c.png") is not None
    assert looked.count("b.png") == 1


def test_sets_that_are_no_samples_are_refused(folder: Path) -> None:
    a, b, c = tiny.photos()
    refused(lambda: ImageSet([(a, b), (a, b, c)]), "as many images each, got from 2 to 3")
    refused(lambda: ImageSet([(a, b)], images=["left"]), "must name each of the 2 images")
    refused(lambda: ImageSet([a, b], images=["left", "right"]), "give tuples of 2 images, or a table")
    refused(lambda: ImageSet(folder / "t.csv", images=["image", "referenc"]), "has no column 'referenc'")
    refused(lambda: ImageSet([(a, b)], images="left"), "must be the names")
    refused(lambda: ImageSet([(a, b)], images=["left", "left"]), "different names")
    assert ImageSet([a, b]).slices == ()


def test_what_a_table_says_is_of_the_first_image_for_a_network_of_one(folder: Path, make_session: Make) -> None:
    """The rating of a distorted photograph is not that of its reference."""
    frame = pd.DataFrame({"left": ["a.png"], "right": ["b.png"], "rating": [0.2], "label": ["1"]})
    images = ImageSet(frame, folder=folder, images=["left", "right"])
    name = images.names[0]
    one = ImageModel(tiny.TinyNet(), None, "features", name="one", range=(0, 1))
    classes = ImageModel(tiny.TinyNet(3), None, "features", name="classes")
    for model, known in ((one, "rating"), (classes, "label")):
        of = [Subject(Sources(model, images), Query(name, shown=shown)) for shown in ("", "left", "right")]
        assert [getattr(each, known) for each in of] == ([0.2, 0.2, None] if known == "rating" else [1, 1, None])
    pair = Subject(Sources(pair_model(), images), Query(name, shown="right"))
    assert pair.rating == 0.2
    session = make_session(one, images)
    session.ask(shown="right")
    session.wait()
    assert session.rating() is None
    without = f"Harmful maps need a rating, and none is known for the right image of {name!r}."
    assert describe.stage(session, photo=False).no_secondary == without
    assert describe.gallery(session).notes == ("2 images: left, right; scores are of the left image",)


def test_a_mapping_may_have_labels_behind_its_images() -> None:
    a, b, c = tiny.photos()
    pairs = ImageSet({"one": (a, b, "cat"), "two": (c, a, ("cat", "dog"))}, images=["left", "right"])
    assert (pairs.names, pairs.slices) == (("one", "two"), ("left", "right"))
    np.testing.assert_array_equal(pairs.slice("right").photo("two"), a)
    assert [pairs.labels_of(name) for name in pairs] == [("cat",), ("cat", "dog")]
    alone = ImageSet({"one": (a, 1), "two": (b, 0)})
    assert [alone.label(name) for name in alone] == ["1", "0"]
    np.testing.assert_array_equal(alone.photo("two"), b)
    said = ImageSet({"one": (a, 1), "two": (b, 0)}, labels={"one": "mine"})
    assert [said.label(name) for name in said] == ["mine", None]


@pytest.mark.parametrize("kind", ["resized", "cropped"])
def test_images_of_a_sample_may_have_other_sizes_where_the_transform_makes_them_alike(
    kind: str, make_session: Make
) -> None:
    """Each goes through the transform by itself, and the map lies on the part of the shown one that was seen."""
    a, b = tiny.photos()[0], np.ascontiguousarray(np.tile(tiny.photos()[1], (2, 3, 1)))  # 64 x 64, and 128 x 192
    size: Any = transforms.Resize((48, 48)) if kind == "resized" else transforms.Resize(48)
    steps = transforms.Compose([size, transforms.CenterCrop(48), transforms.ToTensor()])
    model = ImageModel(Pair(), steps, LAYER, images=2, call="separate")
    session = make_session(model, ImageSet([(a, b), (b, a)], images=["image", "reference"]))
    network, given = model.network, [steps(Image.fromarray(one))[None] for one in (a, b)]
    wide = (0.0, 0.0, 1.0, 1.0) if kind == "resized" else (1 / 6, 0.0, 5 / 6, 1.0)
    for shown, box in (("image", (0, 0, 1, 1)), ("reference", wide)):
        session.ask(shown=shown)
        session.wait()
        assert session.output is not None
        assert session.saliency is not None
        assert session.error == ""
        assert session.output.value == pytest.approx(float(network(*given).detach()), abs=1e-6)
        assert session.saliency.box == pytest.approx(box)
        scene = describe.stage(session)
        assert scene.photo is not None
        assert scene.photo.shape == (a if shown == "image" else b).shape


def test_sizes_that_the_transform_leaves_apart_are_refused_with_what_would_help(make_session: Make) -> None:
    a, b = tiny.photos()[0], tiny.photos()[1][:32]
    model = ImageModel(Pair(), transforms.ToTensor(), LAYER, images=2, call="separate")
    session = make_session(model, ImageSet([(a, b)]))
    session.wait()
    assert session.error.endswith("got 64 x 64 and 32 x 64 pixels; resize or crop them in the transform.")


@pytest.mark.parametrize("size", [None, (40, 48)])
def test_a_first_run_of_several_images_says_what_each_was(size: tuple[int, int] | None) -> None:
    steps = transforms.Compose([*([transforms.Resize(size)] if size else []), transforms.ToTensor()])
    model = ImageModel(Pair(), steps, images=2)
    assert (model.images, model.layer) == (2, "trunk")
    inputs = model._layers.inputs
    assert inputs.shape[:2] == (2, 6)
    assert size is None or inputs.shape[2:] == size

    class Never(Pair):
        def taken(self, *given: Any) -> Any:
            raise RuntimeError("no such size")

    shape = r"\(2 3 h w\)" if size is None else r"\(2 3 40 48\)"
    with pytest.raises(
        ValueError, match=rf"test batch {shape} for each of 2 images a sample, called as network\(a, b\)"
    ):
        ImageModel(Never(), steps, images=2, call="separate")
