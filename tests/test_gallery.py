"""Gallery: what the browser gets, and what its gestures do; thumbnails only when asked for."""

from __future__ import annotations

import io
import re
import threading
import time
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torchvision.transforms import Compose, Normalize, ToTensor

from xai_widgets import Session
from xai_widgets.images import ImageSet
from xai_widgets.models import ImageModel
from xai_widgets.views import Gallery

EVIL = '<img src=x onerror="window.hacked=1">.png'


class Grey(nn.Module):
    """The mean of an image, or that in the place of each of `classes` classes."""

    def __init__(self, classes: int = 1) -> None:
        super().__init__()
        self.maps = nn.Conv2d(3, classes, 1, bias=False)
        nn.init.constant_(self.maps.weight, 1 / 3)
        with torch.no_grad():
            self.maps.weight *= torch.arange(1, classes + 1)[:, None, None, None]

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.maps(images).mean((2, 3))
        return scores if scores.shape[1] > 1 else scores[:, 0]


TRANSFORM = Compose([ToTensor(), Normalize([0.0] * 3, [1.0] * 3)])


def model(classes: int = 1, name: str = "grey") -> ImageModel:
    labels = [f"class {i}" for i in range(classes)] if classes > 1 else None
    bounds = (0.0, 1.0) if classes == 1 else None
    return ImageModel(Grey(classes).eval(), TRANSFORM, labels=labels, range=bounds, name=name)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six grey images, of which the last is cut off, and a table."""
    lines = ["image,rating,label,camera"]
    for i in range(6):
        Image.new("RGB", (40, 30), (50 * i,) * 3).save(tmp_path / f"{i}.png")
        lines.append(f"{i}.png,{i / 10},class {i % 2},{'A' if i else ''}")
    (tmp_path / "5.png").write_bytes((tmp_path / "5.png").read_bytes()[:70])
    (tmp_path / "table.csv").write_text("\n".join([*lines, "gone.png,1,,"]))
    return tmp_path


@pytest.fixture
def session(folder: Path, make_session: Callable[..., Session]) -> Session:
    return make_session(model(), ImageSet(folder / "table.csv"))


@pytest.fixture
def gallery(session: Session) -> Iterator[Gallery]:
    gallery = Gallery(session)
    yield gallery
    gallery.close()


def floats(data: bytes) -> np.ndarray:
    return np.frombuffer(data, np.float32)


def thumbs(gallery: Gallery) -> tuple[dict[int, bytes], dict[int, str]]:
    """What was delivered since the last call."""
    gallery._courier.join()
    found: dict[int, bytes] = {}
    failed: dict[int, str] = {}
    for data, buffers in gallery.comm.__dict__.pop("sent", []):
        if data.get("method") == "custom":
            content = data["content"]
            if content["kind"] != "thumbs":
                continue
            assert len(content["indices"]) == len(buffers)
            found.update(zip(content["indices"], map(bytes, buffers), strict=True))
            failed.update(dict(content["failed"]))
    return found, failed


# ---------------------------------------------------------------- what the browser gets


def test_it_shows_what_is_known(gallery: Gallery, session: Session) -> None:
    assert gallery.names == [f"{i}.png" for i in range(6)]
    assert gallery.labels == [f"class {i % 2}" for i in range(6)]
    assert gallery.notes == ["", *["camera A"] * 5]
    assert floats(gallery.ratings) == pytest.approx(np.arange(6) / 10)
    assert floats(gallery.scores)[:5] == pytest.approx(50 * np.arange(5) / 255, abs=1e-5)
    assert np.isnan(floats(gallery.scores)[5])  # cut off, so it has no score; the others do
    assert (gallery.task, gallery.limits, gallery.current, gallery.pinned) == ("regression", (0, 1), 0, [])
    assert gallery.predicted == b""


def test_scores_are_those_of_the_session(gallery: Gallery, session: Session) -> None:
    assert session.output is not None
    assert floats(gallery.scores)[0] == pytest.approx(session.output.value)
    session.ask(image="3.png")
    session.wait()
    assert floats(gallery.scores)[3] == pytest.approx(session.output.value)


def test_problems_are_told_as_text(gallery: Gallery, session: Session) -> None:
    assert gallery.problem_count == 2
    assert any("'gone.png' does not exist" in sentence for sentence in gallery.problems)
    assert any("'5.png' is cut off or damaged" in sentence for sentence in gallery.problems)


def test_predictions_are_places_in_a_list(folder: Path, make_session: Callable[..., Session]) -> None:
    session = make_session(model(3), ImageSet(folder / "table.csv"))
    gallery = Gallery(session)
    assert gallery.task == "classification"
    predicted = np.frombuffer(gallery.predicted, np.int32)
    words = [gallery.classes[i] if i >= 0 else None for i in predicted]
    assert words == [
        re.sub(r" [\d.]+$", "", session.predictions[n]) if n in session.predictions else None for n in session.images
    ]
    assert words[1:5] == ["class 2"] * 4
    assert predicted[5] == -1
    assert gallery.comparable  # "class 0" is a class of the model
    assert floats(gallery.scores)[4] == session.scores["4.png"]
    gallery.close()


def test_labels_of_another_kind_are_not_compared(folder: Path, make_session: Callable[..., Session]) -> None:
    images = ImageSet(folder, labels=["tench", "shark", "", "cock", "hen", "jay"])
    gallery = Gallery(make_session(model(3), images))
    assert gallery.labels[1] == "shark"
    assert not gallery.comparable
    gallery.close()


def test_another_model_brings_other_scores(folder: Path, make_session: Callable[..., Session]) -> None:
    session = make_session([model(), model(3, "three")], ImageSet(folder / "table.csv"))
    gallery = Gallery(session)
    before = floats(gallery.scores)
    session.ask(model="three")
    assert np.isnan(floats(gallery.scores)).all() or gallery.task == "classification"  # never old ones under a new name
    session.wait()
    assert gallery.task == "classification"
    assert not np.array_equal(before[:5], floats(gallery.scores)[:5])
    session.ask(model="grey")
    session.wait()
    assert (gallery.task, gallery.predicted) == ("regression", b"")
    assert floats(gallery.scores)[:5] == pytest.approx(before[:5])
    gallery.close()


def test_scores_that_stream_in_are_few_messages_and_all_arrive(make_session: Callable[..., Session]) -> None:
    count = 400
    images = ImageSet(np.random.default_rng(0).integers(0, 255, (count, 16, 16, 3), dtype=np.uint8))
    session = make_session(model(), images)
    gallery = Gallery(session)
    gallery.comm.take()
    session.scores = {}
    for i, name in enumerate(images):
        session.status = session.status.__class__(busy="scores of all images", progress=i / count)
        session.scores = {**session.scores, name: float(i)}
    updates, _ = gallery.comm.take()
    assert len(updates) < count / 4
    session.status = session.status.__class__()
    assert floats(gallery.scores).tolist() == list(range(count))
    gallery.close()


def test_a_drag_of_gains_sends_the_gallery_nothing(gallery: Gallery, session: Session) -> None:
    gallery.comm.take()
    for step in range(5):
        session.set_gain(0, step / 4)
    session.wait()
    assert gallery.comm.take() == ([], 0)


# ---------------------------------------------------------------- thumbnails


def test_opening_sends_no_picture(gallery: Gallery) -> None:
    _, size = gallery.comm.take()
    assert thumbs(gallery) == ({}, {})
    assert size < len(gallery._esm) + len(gallery._css) + 30_000


def test_thumbnails_come_when_they_are_needed(gallery: Gallery) -> None:
    gallery.comm.click(kind="need", indices=[1, 3], side=96)
    found, failed = thumbs(gallery)
    assert found.keys() == {1, 3}
    assert failed == {}
    picture = Image.open(io.BytesIO(found[3]))
    assert (picture.format, picture.size) == ("JPEG", (40, 30))
    assert np.asarray(picture) == pytest.approx(150, abs=2)


def test_an_image_that_cannot_be_read_is_told(gallery: Gallery) -> None:
    gallery.comm.click(kind="need", indices=[4, 5], side=192)
    found, failed = thumbs(gallery)
    assert found.keys() == {4}
    assert "'5.png' is cut off or damaged" in failed[5]


def test_a_problem_that_shows_only_now_joins_the_others(gallery: Gallery, folder: Path) -> None:
    (folder / "2.png").write_bytes(b"")
    gallery.comm.click(kind="need", indices=[2], side=96)
    assert "is empty" in thumbs(gallery)[1][2]
    assert gallery.problem_count == 3


@pytest.mark.parametrize("indices", [[-1, 99, "0", None, 1.0], []])
def test_what_is_no_image_is_passed_over(gallery: Gallery, session: Session, indices: list[Any]) -> None:
    gallery.comm.click(kind="need", indices=indices, side=10_000)
    assert thumbs(gallery) == ({}, {})
    assert session.error == ""


def slow_thumbnails(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> tuple[threading.Event, list[str], threading.Event]:
    """Thumbnails are read when the first event is set; which were, and an event that is set when one has begun."""
    opened, read, began = threading.Event(), list[str](), threading.Event()

    def slow(name: str, side: int) -> bytes:
        read.append(name)
        began.set()
        assert opened.wait(10)
        return b"jpeg"

    monkeypatch.setattr(gallery.session.images, "thumbnail", slow)
    return opened, read, began


def test_asking_returns_at_once_and_what_has_left_the_sight_is_not_read(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, read, began = slow_thumbnails(gallery, monkeypatch)
    gallery.comm.click(kind="need", indices=[0], side=96)
    assert began.wait(10)
    start = time.perf_counter()
    gallery.comm.click(kind="need", indices=[1, 2], side=96)
    gallery.comm.click(kind="need", indices=[3, 2], side=96)
    assert time.perf_counter() - start < 1  # although no picture can be read
    opened.set()
    assert thumbs(gallery)[0].keys() == {0, 2, 3}
    assert read == ["0.png", "3.png", "2.png"]


def test_front_ends_do_not_take_each_others_thumbnails_away(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    opened, read, began = slow_thumbnails(gallery, monkeypatch)
    for origin, indices in (("tab", [0, 1]), ("other", [2, 3, 1]), ("tab", [4, 3])):
        gallery.comm.click(kind="need", indices=indices, side=96, origin=origin, step=0)
        assert began.wait(10)
    opened.set()
    assert thumbs(gallery)[0].keys() == {0, 1, 2, 3, 4}
    assert read == ["0.png", "4.png", "3.png", "2.png", "1.png"]


def test_closing_stops_the_pictures(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    gallery = Gallery(session)
    read: list[str] = []

    def slow(name: str, side: int) -> bytes:
        time.sleep(0.02)
        read.append(name)
        return b"jpeg"

    monkeypatch.setattr(session.images, "thumbnail", slow)
    comm = gallery.comm
    gallery.comm.click(kind="need", indices=list(range(6)), side=96)
    gallery.close()
    gallery.close()
    gallery._courier.join()
    assert len(read) < 6
    assert not any(data.get("method") == "custom" for data, _ in comm.sent)


# ---------------------------------------------------------------- gestures


def test_a_pick_asks_for_the_image_and_others_follow(gallery: Gallery, session: Session) -> None:
    gallery.comm.click(kind="pick", name="3.png")
    assert session.query.image == "3.png"
    assert gallery.current == 3
    session.undo()
    assert gallery.current == 0


def test_a_pick_of_what_is_not_there_is_an_error_line(gallery: Gallery, session: Session) -> None:
    gallery.comm.click(kind="pick", name="7.png")
    assert "7.png" in session.error
    assert gallery.current == 0


def test_pins(gallery: Gallery, session: Session) -> None:
    gallery.comm.click(kind="pin", names=["3.png"], kept=True)
    assert (session.pins, gallery.pinned) == (("3.png",), [3])
    gallery.comm.click(kind="pin", names=["1.png", "3.png"], kept=True)
    assert gallery.pinned == [3, 1]
    gallery.comm.click(kind="pin", names=["1.png", "3.png"], kept=False)
    assert gallery.pinned == []
    session.pin("4.png")
    assert gallery.pinned == [4]


def test_selection_is_by_name(gallery: Gallery, session: Session) -> None:
    gallery.comm.take()
    gallery.comm.click(kind="select", indices=[4, 1, 4, 77])
    assert gallery.selected == ("4.png", "1.png")
    assert gallery.comm.take()[0] == [["some"]], "how well the model does on them"


def test_what_is_selected_is_known_to_a_front_end_that_opens_later(gallery: Gallery, session: Session) -> None:
    gallery.comm.click(kind="select", indices=[4, 1], origin="tab", step=3)
    assert gallery.get_state("marked")["marked"]["values"] == [4, 1]
    gallery.comm.take()
    gallery.comm.click(kind="here", origin="later")
    assert gallery.comm.take()[0] == [["marked"]], "it may have opened before the selection"
    session.selected_images = ("2.png",)
    assert gallery.marked["values"] == [2]
    assert gallery.marked["heard"] == {"tab": 3}


KINDS = (
    "pick", "pin", "select", "need", "maps", "reference", "only", "filter", "unfilter", "slice", "choose slice",
    "drop slice", "nothing", None,
)  # fmt: skip
WRONG: tuple[Any, ...] = (None, 7, "gone.png", [None, {}, "0", True, 9e9], {"a": [1]})


def test_a_message_of_the_wrong_shape_does_no_harm(gallery: Gallery, session: Session) -> None:
    def known() -> tuple[Any, ...]:
        return session.query, session.pins, session.selected_images, session.filters, session.slices

    before = known()
    for kind, wrong in product(KINDS, WRONG):
        details = dict.fromkeys(("name", "names", "kept", "index", "indices", "side", "column", "values", "low"), wrong)
        gallery.comm.click(kind=kind)
        gallery.comm.click(kind=kind, origin=wrong, step=wrong, **details)
        gallery.comm.click(kind=kind, column="camera", values=wrong)
        assert known() == before, (kind, wrong)
    gallery._courier.join()


def test_an_unreadable_image_can_be_picked_and_left(gallery: Gallery, session: Session) -> None:
    gallery.comm.click(kind="pick", name="5.png")
    session.wait()
    assert "'5.png' is cut off or damaged" in session.error
    gallery.comm.click(kind="pick", name="1.png")
    session.wait()
    assert session.error == ""
    assert session.output is not None


def test_names_travel_as_text(tmp_path: Path, make_session: Callable[..., Session]) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / EVIL)
    gallery = Gallery(make_session(model(), ImageSet(tmp_path)))
    assert gallery.names == [EVIL]
    gallery.comm.click(kind="pin", names=[EVIL], kept=True)
    assert gallery.pinned == [0]
    gallery.close()
    source = "".join(Gallery._esm.split())
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write", source)


def test_thousands_open_quickly_and_travel_small(make_session: Callable[..., Session]) -> None:
    count = 5000
    images = ImageSet(np.zeros((count, 8, 8), np.uint8), ratings=np.linspace(0, 1, count))
    session = make_session(model(), images)
    gallery = Gallery(session)
    _, size = gallery.comm.take()
    assert size < len(gallery._esm) + len(gallery._css) + 60 * count
    assert not np.isnan(floats(gallery.scores)).any()
    gallery.close()
