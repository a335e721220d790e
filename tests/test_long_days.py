"""What a lab meets in a day: networks that come and go, files that are replaced, cells that train, slow starts."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from PIL import Image
from torch import Tensor, nn

from xai_widgets import Engine, ImageModel, ImageSet, Session
from xai_widgets.engine import Lane
from xai_widgets.session import watch
from xai_widgets.session.watch import look
from xai_widgets.views import Gallery, Stage, StatusBar


def until(holds: Callable[[], bool], seconds: float = 60) -> bool:
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


# ---------------------------------------------------------------- networks of earlier runs


@pytest.fixture
def own_engine() -> Iterator[Engine]:
    """For a test that counts what is remembered: answers of other tests leave a shared one at any time."""
    engine = Engine()
    yield engine
    engine.close()


@pytest.mark.parametrize("kept", ["nothing", "session", "model"])
def test_a_network_goes_with_the_last_who_uses_it(own_engine: Engine, kept: str) -> None:
    """Closed and deleted, or the session still in the notebook's `Out`: nothing about it is remembered."""
    before = len(own_engine.cache)
    network = tiny.TinyNet()
    gone = weakref.ref(network)
    model = ImageModel(network, None, "features", name="one of many")
    session = Session(model, tiny.rated(), engine=own_engine)
    assert session.wait(60)
    assert len(own_engine.cache) > before
    assert own_engine.cache.weights >= sum(p.nbytes for p in network.parameters())
    session.close()
    assert own_engine.wait(30)
    assert len(own_engine.cache) == before
    held: Any = {"nothing": None, "session": session, "model": model}[kept]
    del session, model, network
    gc.collect()
    assert (gone() is None) == (kept == "nothing")
    del held


def test_what_another_session_uses_stays(own_engine: Engine) -> None:
    model = tiny.regressor()
    first, second = (Session(model, tiny.rated(), engine=own_engine) for _ in range(2))
    assert first.wait(60)
    assert second.wait(60)
    first.close()
    assert own_engine.wait(30)
    left = len(own_engine.cache)
    assert left > 0
    second.close()
    assert own_engine.wait(30)
    assert len(own_engine.cache) < left


def test_a_model_that_nobody_holds_takes_its_answers_along() -> None:
    from xai_widgets import Query, Sources, answer
    from xai_widgets.engine import Cache

    cache, images = Cache(2**20), tiny.rated()
    engine = Engine()
    model = tiny.regressor()
    answer(Sources(model, images, cache=cache), Query(image=images.names[0]), "output")
    engine.cache = cache
    engine.use(model, "a reader")
    assert len(cache) > 0
    del model
    gc.collect()
    assert len(cache) == 0
    engine.close()


# ---------------------------------------------------------------- one image that fails


class Fussy(nn.Module):
    """Raises on dark images."""

    def __init__(self, error: type[BaseException]) -> None:
        super().__init__()
        self.inner, self.error = tiny.TinyNet(), error

    def forward(self, images: Tensor) -> Tensor:
        if float(images.mean()) < 0.02:
            raise self.error("too dark")
        scores: Tensor = self.inner(images)
        return scores


@pytest.mark.parametrize("error", [ValueError, KeyError, AssertionError, SystemExit, KeyboardInterrupt])
def test_an_image_on_which_the_network_fails_is_named_and_the_rest_goes_on(
    engine: Engine, error: type[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    photos = [*tiny.photos(), np.zeros_like(tiny.photos()[0]), *tiny.photos()]
    images = ImageSet(photos)
    session = Session(ImageModel(Fussy(error), None, "inner.features"), images, engine=engine)
    gallery = Gallery(session)
    assert session.wait(60)
    dark = images.names[3]
    assert set(session.scores) == set(images.names) - {dark}
    assert list(session.failures) == [dark]
    assert "too dark" in session.failures[dark]
    assert gallery.failed == [3]
    assert gallery.problem_count == 1
    session.ask(image=dark)
    assert session.wait(60)
    assert "too dark" in session.error
    session.ask(image=images.names[1])
    assert session.wait(60)
    assert session.error == ""
    assert session.output is not None
    gallery.close()
    session.close()
    capsys.readouterr()


# ---------------------------------------------------------------- a slow start


class Slow(nn.Module):
    """Waits to be let go, once it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = tiny.TinyNet()
        self.go = threading.Event()
        self.go.set()

    def forward(self, images: Tensor) -> Tensor:
        assert self.go.wait(60)
        scores: Tensor = self.inner(images)
        return scores


def test_it_says_what_it_does_from_the_first_moment(engine: Engine) -> None:
    network = Slow()
    model = ImageModel(network, None, "inner.features")
    network.go.clear()
    session = Session(model, ImageSet(list(tiny.photos()) * 4), engine=engine)
    status, stage = StatusBar(session), Stage(session)
    said = [session.status.busy]
    session.observe(lambda change: said.append(change["new"].busy), "status")
    assert session.images.names[0] in said[0]
    assert status.status["busy"] == said[0]
    assert stage.pending
    network.go.set()
    assert session.wait(60)
    assert session.status.busy == ""
    ready = said.index("") if "" in said[:-1] else len(said) - 1
    assert ready >= len(said) - 2, f"ready before all was done: {said}"
    assert any("scores" in words for words in said)
    status.close()
    stage.close()
    session.close()


# ---------------------------------------------------------------- files and weights that change


@pytest.mark.usefixtures("fake_comm")
def test_a_file_that_is_replaced_is_shown_and_scored_again(engine: Engine, tmp_path: Path) -> None:
    for name, photo in zip("abc", tiny.photos(), strict=True):
        Image.fromarray(photo).save(tmp_path / f"{name}.png")
    images = ImageSet(tmp_path)
    session = Session(tiny.regressor(), images, engine=engine)
    gallery, files = Gallery(session), images.watch()
    assert session.wait(60)
    assert session.output is not None
    before, scores = session.output.value, dict(session.scores)
    gallery.comm.take()
    Image.fromarray(255 - tiny.photos()[0]).save(tmp_path / "a.png")
    Image.fromarray(255 - tiny.photos()[1]).save(tmp_path / "b.png")
    look(session, files, everywhere=True)
    assert session.wait(60)
    assert session.output is not None
    assert session.output.value != before
    assert session.scores["a.png"] == pytest.approx(session.output.value, abs=1e-5)
    assert session.scores["b.png"] != scores["b.png"]
    assert session.scores["c.png"] == scores["c.png"]
    assert "a.png has changed" in session.notice
    sent = [data["content"] for data, _ in gallery.comm.sent if data.get("method") == "custom"]
    assert {"kind": "replaced", "indices": [0, 1]} in sent
    gallery.close()
    session.close()


def test_what_is_shown_follows_a_cell_that_trains(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """No error is left, and the score is that of the last weights without a further gesture."""
    monkeypatch.setattr(watch, "EVERY", 0.1)
    network = tiny.TinyNet()
    model = ImageModel(network, None, "features")
    session = Session(model, tiny.rated(), engine=engine)
    session._watch.close()
    session._watch = watch.Watch(session, 0.1)
    assert session.wait(60)
    trained = threading.Event()

    def train() -> None:
        optimiser = torch.optim.SGD(network.parameters(), 1e-3)
        inputs = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
        for _ in range(60):
            optimiser.zero_grad()
            network(inputs).square().sum().backward()
            optimiser.step()
            time.sleep(0.01)
        trained.set()

    thread = threading.Thread(target=train)
    thread.start()
    for step in range(40):
        session.set_gain(2, step / 40, gesture="drag")
        time.sleep(0.02)
    thread.join()
    assert trained.is_set()
    session.reset_gains()

    def settled() -> bool:
        with torch.no_grad():
            now = float(network(model.inputs(tiny.photos()[0])))
        output = session.output
        return output is not None and not output.query.gains and abs(output.value - now) < 1e-5

    assert until(settled)
    assert session.wait(60)
    assert session.error == ""
    session.close()


def test_a_model_that_leaves_takes_what_is_remembered_of_it() -> None:
    from xai_widgets import ModelSource, Query, Sources, answer

    models = [ModelSource("demo/quality", name=f"q{number}") for number in range(3)]
    sources = Sources(models, "demo/quality", most_models=1)
    image, counts = sources.images.names[0], []
    for model in models:
        answer(sources, Query(image=image, model=model.name), "output")
        counts.append(len(sources.cache))
    assert counts == [counts[0]] * 3
    assert sources.loaded("q2")
    assert not sources.loaded("q0")


def test_a_stopped_session_is_not_busy_and_goes_on_when_asked(make_session: Callable[..., Session]) -> None:
    session = make_session(tiny.regressor(), tiny.rated())
    session.ask(image=session.images.names[1])
    session.cancel()
    assert session.wait(30)
    assert session.engine.wait(30)
    assert session.status.busy == ""
    session.ask(method="behaviour")
    assert session.wait(30)
    assert session.saliency is not None
    assert session.saliency.done, "effects that were stopped are asked for again"
    assert session.error == ""


def test_two_sessions_of_one_model_both_follow_a_cell_that_trains(engine: Engine) -> None:
    network = tiny.TinyNet()
    model = ImageModel(network, None, "features")
    sessions = [Session(model, tiny.rated(), engine=engine) for _ in range(2)]
    assert all(session.wait(60) for session in sessions)
    with torch.no_grad():
        network.head.weight.mul_(2)
    model.digest()  # a cell that looked first
    for session in sessions:
        files = session.images.watch()
        look(session, files, everywhere=False)
        assert session.wait(60)
    with torch.no_grad():
        now = float(network(model.inputs(tiny.photos()[0])))
    for session in sessions:
        assert session.output is not None
        assert session.output.value == pytest.approx(now, abs=1e-5)
        session.close()


def test_what_waits_when_the_engine_closes_is_waited_for_by_nobody() -> None:
    engine = Engine()
    began, go = threading.Event(), threading.Event()

    def hold(job: Any) -> None:
        began.set()
        go.wait(30)

    engine.worker.submit(Lane("me", "answer"), hold)
    assert began.wait(10)
    waiting = engine.worker.submit(Lane("me", "maps"), lambda job: None)
    closer = threading.Thread(target=engine.close)
    closer.start()
    go.set()
    closer.join(20)
    assert waiting.ended.wait(5)


def test_looks_and_layers_follow_the_gains(make_session: Callable[..., Session]) -> None:
    session = make_session(tiny.regressor(), tiny.rated())
    session.show(secondary="grey")
    assert session.wait(30)
    assert session.secondary is not None
    session.show(secondary="off")
    assert session.secondary is None
    session.set_gain(3, 0.0)
    session.show(secondary="outline")
    assert session.wait(30)
    assert session.secondary is not None
    assert session.secondary.query.gains == ((3, 0.0),)
    session.ask(image=session.images.names[2])  # without a rating
    assert session.wait(30)
    session.show(opacity=0.3)  # the reader may go on to change how it looks
    assert session.look.opacity == 0.3


def test_a_source_that_cannot_be_loaded_leaves_the_session_as_it_was(make_session: Callable[..., Session]) -> None:
    from xai_widgets import ModelSource

    gone = ModelSource("resnet18", name="gone", weights="nowhere.safetensors", transform=None)
    session = make_session([tiny.regressor(), gone], tiny.rated())
    before = session.query
    with pytest.raises((ValueError, OSError)):
        session.ask(model="gone")
    assert session.query == before
    assert session.status.busy == "", "nothing is being loaded any more"
    session.set_gain(1, 0.5)
    assert session.wait(30)
    assert session.error == ""
