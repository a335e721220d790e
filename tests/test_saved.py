"""Session files: what is saved comes back, what does not fit is said, and a bad file is refused in one sentence."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch

import xai_widgets
from xai_widgets import Engine, ImageModel, ImageSet, Session
from xai_widgets.session import saved
from xai_widgets.session.saved import FORMAT

BOX = (0.1, 0.2, 0.6, 0.9)
SEEN = (
    "looked_into", "board", "states", "look", "measuring", "pins", "selected", "selected_images", "filters", "slices",
)  # fmt: skip
NASTY = "it's \"x\"\n{}'); \u202e\ud800"


def filled(make_session: Callable[..., Session]) -> Session:
    """A session with branches, names, panels, and all that can be seen."""
    session = make_session([tiny.regressor(), tiny.classifier()], tiny.rated())
    session.ask(contrast=0.25, form="tiles", options={"window": 32})
    session.name_state(NASTY)
    session.ask(gains={3: 0.0, 5: 1.5}, form="plain", degradation=("blur", 1.5))
    session.undo()
    session.ask(model="tiny classes", target="crew", contrast="<b>cup</b>")
    session.ask(contrast="confidence", baseline="mean")
    session.grid(rows={"method": ("grad_cam", "behaviour")}, columns={"image": session.images.names[:2]})
    session.ask(gains={7: 0.5}, gesture="drag")
    session.activate(2)
    session.show(opacity=0.3, scale="all")
    session.measure(of="shown")
    session.pin(session.images.names[2])
    session.selected_images = session.images.names[1:]
    session.slice(NASTY)
    session.filter("rating", high=0.5)
    session.selected_images = session.images.names[:1]
    session.slice("one")
    session.select([7, 2])
    session.look_into(BOX)
    return session


@pytest.fixture
def opened(engine: Engine) -> Any:
    """`Session.open` with sessions that are closed after the test."""
    made: list[Session] = []

    def open_(path: Path, model: Any = None, images: Any = None, **options: Any) -> Session:
        model = [tiny.regressor(), tiny.classifier()] if model is None else model
        made.append(
            Session.open(path, model=model, images=tiny.rated() if images is None else images, engine=engine, **options)
        )
        return made[-1]

    yield open_
    for session in made:
        session.close()


def test_what_is_saved_comes_back(
    make_session: Callable[..., Session], opened: Callable[..., Session], tmp_path: Path
) -> None:
    session = filled(make_session)
    path = session.save(tmp_path / "mine.json")
    assert os.listdir(tmp_path) == ["mine.json"], "no temporary file is left"
    again = opened(path)
    for name in SEEN:
        assert getattr(again, name) == getattr(session, name), name
    assert again.state == session.state
    assert again.differences == ()
    assert again.code(path=True) == session.code(path=True)
    assert again.wait()
    assert again.error == ""
    assert again.saliency is not None
    assert again.saliency.query == session.query
    assert session.wait()
    assert session.region is not None
    assert again.region is not None
    np.testing.assert_array_equal(again.region.delta_y, session.region.delta_y)
    again.undo()
    again.go_to(NASTY.strip())
    session.go_to(NASTY.strip())
    assert again.board == session.board


def test_a_region_is_kept_where_it_means_the_same(
    make_session: Callable[..., Session], opened: Callable[..., Session], tmp_path: Path
) -> None:
    session = make_session(tiny.regressor(), tiny.rated())
    assert session.wait(30)
    session.look_into(np.eye(16, dtype=int))
    path = session.save(tmp_path / "x.json")
    again = opened(path, model=tiny.regressor())
    assert again.looked_into == session.looked_into
    assert again.wait(30)
    assert again.region is not None
    assert (again.region.places, again.region.of) == (16, 256)
    of_classes = opened(path, model=tiny.classifier(), replay=True)
    assert of_classes.looked_into == {}, "a mask is of the grid of one layer of one model"
    session.look_into(BOX)
    path = session.save(tmp_path / "y.json")
    assert opened(path, model=tiny.classifier(), replay=True).looked_into == {"box": BOX}
    others = ImageSet({f"other {place}": photo for place, photo in enumerate(tiny.photos())}, name="others")
    assert opened(path, model=tiny.regressor(), images=others, replay=True).looked_into == {}


def test_a_file_holds_names_and_digests_and_no_paths(make_session: Callable[..., Session], tmp_path: Path) -> None:
    session = filled(make_session)
    data = json.loads(session.save(tmp_path / "x.json").read_text("ascii"))
    assert (data["format"], data["version"], data["product"]) == (FORMAT, 1, xai_widgets.__version__)
    assert data["models"][0] == {"name": "tiny", "digests": [session.models["tiny"].digest()]}
    assert data["images"]["digests"] == {name: session.images.digest(name) for name in session.images.names}
    assert str(tmp_path) not in json.dumps(data)
    texts: list[str] = []

    def look(value: Any) -> None:
        for one in (*value, *value.values()) if isinstance(value, dict) else value if isinstance(value, list) else ():
            texts.append(one) if isinstance(one, str) else look(one)

    look(data)
    assert len(texts) > 100
    assert not [text for text in texts if saved.is_absolute(text)]


@pytest.mark.parametrize("name", ["/data/a.png", "C:\\a.png", "C:a.png", "\\\\lab\\a.png"])
def test_an_absolute_name_is_refused(make_session: Callable[..., Session], tmp_path: Path, name: str) -> None:
    session = make_session(tiny.regressor(), ImageSet({name: tiny.photos()[0], "b": tiny.photos()[1]}))
    with pytest.raises(ValueError, match=r"the image .* is named by an absolute path, which a session file does not"):
        session.save(tmp_path / "x.json")
    assert os.listdir(tmp_path) == []


def test_a_file_is_written_whole_or_not_at_all(
    make_session: Callable[..., Session], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, path = make_session(tiny.regressor(), tiny.rated()), tmp_path / "x.json"
    session.save(path)
    before = path.read_bytes()
    session.ask(contrast=0.5)
    with pytest.raises(FileExistsError, match="exists; overwrite=True writes over it"):
        session.save(path)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(ValueError, match=r"x\.json' cannot be written: No space left on device"):
            session.save(path, overwrite=True)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["x.json"]
    session.save(path, overwrite=True)
    assert b'"contrast"' in path.read_bytes()
    for bad, kind, sentence in (
        (tmp_path / "x.jsn", ValueError, r"must end with \.json, .* did you mean \.json\?"),
        (tmp_path / "no" / "x.json", ValueError, "folder of .* must exist"),
        (3, TypeError, "got int"),
    ):
        with pytest.raises(kind, match=sentence):
            session.save(bad)


# ---------------------------------------------------------------------- what differs, and replay


def test_other_weights_and_contents_are_said(
    make_session: Callable[..., Session], opened: Callable[..., Session], tmp_path: Path
) -> None:
    session = make_session(tiny.regressor(), tiny.rated())
    session.ask(gains={3: 0.5})
    path = session.save(tmp_path / "x.json")
    network = tiny.TinyNet()
    with torch.no_grad():
        network.head.bias.add_(1)
    other = ImageModel(network, None, "features", range=(0, 1), name="tiny")
    photos = [tiny.photos()[1], *tiny.photos()[1:]]
    again = opened(path, other, ImageSet(photos, ratings=[0.25, 0.75, None], name="copy"))
    assert again.differences == (
        "The weights of 'tiny' are others than before.",
        "The images are those of the set 'copy', and were of 'tiny'.",
        "The image 'image 0' has another content than before.",
    )
    assert again.notice.endswith("The weights of 'tiny' are others than before. 2 more: see session.differences.")
    assert again.query.gains == ((3, 0.5),)
    assert again.wait()
    assert again.error == ""


def test_replay_on_another_model_says_what_changed(make_session: Callable[..., Session]) -> None:
    session = make_session(tiny.classifier(), tiny.rated())
    session.ask(target="crew", contrast="cat", gains={3: 0.5}, layer="features.0")
    session.select([3])
    session.name_state("asked")
    other = ImageModel(tiny.TinyNet(2), None, "features", labels=("cat", "dog"), name="two")
    again = session.replay(model=other)
    try:
        assert again.wait()
        assert (again.error, again.state.name, len(again.states)) == ("", "asked", 2)
        query = again.query
        assert (query.model, query.layer, query.target, query.gains) == ("two", "features.0", None, ())
        assert query.contrast == session.query.contrast, "it has this class"
        assert again.differences == (
            "There is no model 'tiny classes': 'two' stands in its place.",
            "two: it has no class crew, so P is what it predicts; its feature maps are others, so all gains are 1.",
            "The selected maps of layer 'features.0' are not those of 'features.0' of 'two'.",
        )
        assert session.query.target == "crew", "the session itself is as it was"
    finally:
        again.close()


def test_replay_on_other_images_takes_them_in_their_order(
    make_session: Callable[..., Session], opened: Callable[..., Session], tmp_path: Path
) -> None:
    session = make_session(tiny.regressor(), tiny.rated())
    session.grid(columns={"image": session.images.names})
    session.ask(contrast="rating")
    session.ask(method="helpful")
    session.pin("image 1")
    path = session.save(tmp_path / "x.json")
    images = ImageSet({"a": tiny.photos()[2], "b": tiny.photos()[0]}, name="lab")
    with pytest.raises(ValueError, match="it asks about the image 'image 0' of the set 'tiny' and 2 more, and the set"):
        opened(path, tiny.regressor(), images)
    again = opened(path, tiny.regressor(), images, replay=True)
    assert [query.image for query in again.board.queries] == ["a", "b", "a"]
    assert {(query.method, query.contrast) for query in again.board.queries} == {("grad_cam", None)}
    assert again.pins == ("b",)
    assert again.differences[:3] == (
        "There is no image 'image 0' in 'lab': 'a' stands in its place.",
        "There is no image 'image 1' in 'lab': 'b' stands in its place.",
        "There is no image 'image 2' in 'lab': 'a' stands in its place.",
    )
    said = " ".join(again.differences)
    assert "the rating of this image is not known, so it cannot be Q; give a number, so there is no Q." in said
    assert "needs to know how wrong the model is" in said
    assert again.wait()
    assert again.error == ""


def test_replay_with_nothing_changed_is_the_same(make_session: Callable[..., Session]) -> None:
    session = filled(make_session)
    again = session.replay()
    assert [getattr(again, name) for name in SEEN] == [getattr(session, name) for name in SEEN]
    assert again.differences == ()
    again.close()
    session.close()
    with pytest.raises(RuntimeError, match="this session is closed"):
        session.replay()


def test_steps_of_a_session(make_session: Callable[..., Session]) -> None:
    session = make_session(tiny.regressor(), tiny.rated())
    session.ask(contrast=0.5)
    session.name_state("half")
    session.add_panel(image="image 1")
    session.activate(0)
    session.ask(gains={3: 0.5})
    session.activate(1)
    session.undo()
    assert (len(session.panels), session.active, session.query.gains) == (2, 0, ()), "as it was left"
    session.go_to("half")
    assert len(session.panels) == 1
    assert [state.name for state in session.states] == ["", "half", "", ""]
    assert session.compare(0, "half").changes[0].field == "contrast"
    assert [place for place, _ in session.compare("half", 2).added] == [1]
    session.redo()
    session.redo()
    assert session.query.gains == ((3, 0.5),)
    assert session.steps == (True, False)
    before = session.board
    with pytest.raises(ValueError, match="state must be one of 'half'; got 'hlf'"):
        session.go_to("hlf")
    assert session.board == before


def test_a_photo_that_is_gone_does_not_hinder_saving(make_session: Callable[..., Session], tmp_path: Path) -> None:
    from PIL import Image

    for place, photo in enumerate(tiny.photos()[:2]):
        Image.fromarray(np.asarray(photo)).save(tmp_path / f"{place}.png")
    session = make_session(tiny.regressor(), ImageSet(tmp_path))
    (tmp_path / "0.png").unlink()
    data = json.loads(session.save(tmp_path / "x.json").read_text())
    assert data["images"]["digests"] == {}
    assert data["states"][0]["panels"][0]["image"] == "0.png"
