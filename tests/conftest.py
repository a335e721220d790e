"""Fixtures: a comm without a browser, sessions on the bundled networks, and a guard against widgets left behind."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import comm
import ipywidgets.widgets.widget as registry
import pytest
import torch
from hypothesis import settings

# A run can be repeated: the examples are the same each time. `HYPOTHESIS_PROFILE=search` looks for new ones.
settings.register_profile("same", derandomize=True, deadline=None, print_blob=True)
settings.register_profile("search", deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

# The demonstration images are made once for a test run, and not into the reader's own cache.
os.environ.setdefault("XAI_WIDGETS_CACHE", os.path.join(tempfile.gettempdir(), f"xai_widgets-tests-{os.getuid()}"))

import whole_sets  # noqa: E402
from stages import Slow, settled  # noqa: E402

from xai_widgets import Engine, ImageModel, ImageSet, Session, load_images, load_model  # noqa: E402
from xai_widgets.engine import SetAnswers, Sources  # noqa: E402
from xai_widgets.session import whole_set  # noqa: E402
from xai_widgets.views import Stage, _photos  # noqa: E402

# A pretend accelerator would be that of the whole process: `test_pretend.py` gives it one of its own.
collect_ignore_glob = [] if os.environ.get("XAI_WIDGETS_PRETEND") else ["pretend/*"]


# These take longest: they come first, so that none of them is left for one process alone at the end.
LONG = ("test_pretend.py", "test_wheel.py", "test_demo.py", "test_notebooks.py", "test_tail_memory.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: LONG.index(item.path.name) if item.path.name in LONG else len(LONG))


class FakeComm(comm.base_comm.BaseComm):
    """Keeps what the kernel would send, and delivers what the browser would send."""

    sent: list[tuple[dict[str, Any], list[Any]]]

    def publish_msg(
        self, msg_type: str, data: Any = None, metadata: Any = None, buffers: Any = None, **keys: Any
    ) -> None:
        self.__dict__.setdefault("sent", []).append((data or {}, list(buffers or [])))

    def arrive(self, **state: Any) -> None:
        """Traits that the browser wrote."""
        data = {"method": "update", "state": state, "buffer_paths": []}
        self.handle_msg({"content": {"data": data}, "buffers": []})

    def click(self, **content: Any) -> None:
        """A message that the browser sent."""
        data = {"method": "custom", "content": content}
        self.handle_msg({"content": {"data": data}, "buffers": []})

    def take(self) -> tuple[list[list[str]], int]:
        """The names of the traits of each update since the last call, and the bytes of all messages."""
        sent, self.sent = self.__dict__.get("sent", []), []
        size = sum(len(json.dumps(data)) + sum(memoryview(b).nbytes for b in buffers) for data, buffers in sent)
        names = [
            sorted({*data["state"], *(path[0] for path in data["buffer_paths"])})  # bytes leave the state
            for data, _ in sent
            if data.get("method") == "update"
        ]
        return names, size


@pytest.fixture(autouse=True)
def no_widget_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that leaves a widget in ipywidgets' registry, which would keep it for ever."""
    before = set(registry._instances)
    yield
    left = [widget for key, widget in registry._instances.items() if key not in before]
    for widget in left:
        widget.close()
    assert not left, f"widgets were not closed: {[type(widget).__name__ for widget in left]}"


@pytest.fixture(autouse=True)
def set_on_demand(monkeypatch: pytest.MonkeyPatch) -> None:
    """No set is looked at before it is asked for, as with one of thousands: what is sent must not depend on time."""
    monkeypatch.setattr(whole_set, "MOST", 0)


@pytest.fixture
def set_at_once(monkeypatch: pytest.MonkeyPatch, set_on_demand: None) -> None:
    """A set is looked at as soon as all else rests."""
    monkeypatch.setattr(whole_set, "MOST", 2_000)
    monkeypatch.setattr(whole_set, "REST", 0.01)


@pytest.fixture
def fake_comm(monkeypatch: pytest.MonkeyPatch) -> type[FakeComm]:
    monkeypatch.setattr(comm, "create_comm", FakeComm)
    return FakeComm


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    engine = Engine()
    yield engine
    engine.close()


@cache
def model_named(name: str) -> ImageModel:
    return load_model(name)


@cache
def images_named(name: str) -> ImageSet:
    return load_images(name)


@pytest.fixture(scope="module")
def crops_sources(tmp_path_factory: pytest.TempPathFactory) -> Sources:
    """The tiny regressor and a table of twelve photographs."""
    return whole_sets.crops(tmp_path_factory.mktemp("crops"))


@pytest.fixture(scope="module")
def crops_known(crops_sources: Sources) -> SetAnswers:
    """What a study would know of nine of them."""
    return whole_sets.known(crops_sources)


@pytest.fixture
def make_session(fake_comm: type[FakeComm], engine: Engine) -> Iterator[Callable[..., Session]]:
    """Sessions on a fake comm that are closed after the test; all answers are there when one is made.

    A name stands for the same model and images in all tests, whose answers the engine then has: 0.03 s, not 5 s.
    """
    made: list[Session] = []

    def make(model: Any = "demo/quality", images: Any = "demo/quality", **options: Any) -> Session:
        if isinstance(model, list):
            model = [model_named(one) if isinstance(one, str) else one for one in model]
        if isinstance(model, str):
            model = model_named(model)
            engine.use(model, "the tests")  # what was answered about it stays when a session is closed
        images = images_named(images) if isinstance(images, str) else images
        session = Session(model, images, engine=options.pop("engine", engine), **options)
        made.append(session)
        assert session.wait(120)
        return session

    yield make
    for session in made:
        session.close()


@pytest.fixture
def demo_session(make_session: Callable[..., Session]) -> Session:
    """The quality network on the quality images, a regression with ratings."""
    return make_session()


@pytest.fixture
def stage(session: Session) -> Iterator[Stage]:
    """The stage of a test's own session, when photo and map are there; its comm has forgotten what was sent so far."""
    stage = settled(Stage(session))
    stage.comm.take()
    yield stage
    stage.close()


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[Slow]:
    """Photos are encoded when the test lets them."""
    encoder = Slow(_photos.encoded)
    monkeypatch.setattr(_photos, "encoded", encoder)
    yield encoder
    encoder.go_on.set()


@pytest.fixture
def scene_session(make_session: Callable[..., Session]) -> Session:
    """The scene network on collages, a classification."""
    return make_session("demo/scenes", "demo/collages")


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)
