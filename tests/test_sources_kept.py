"""Models by name in one process: which of them stay in memory, and what is refused."""

from __future__ import annotations

import gc
import weakref
from threading import Thread

import pytest
from tiny import TinyNet, classifier, photos, rated, regressor

from xai_widgets import Sources
from xai_widgets.engine.cache import Cache
from xai_widgets.engine.sources import by_name, image_set_of
from xai_widgets.models import ImageModel, ModelSource, load_model


def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of sources that are loaded from now on; loading is quick."""
    names: list[str] = []

    def load(source: ModelSource) -> ImageModel:
        names.append(source.name)
        return ImageModel(TinyNet(), None, "features", name=source.name)

    monkeypatch.setattr(ModelSource, "load", load)
    return names


def test_the_least_recently_used_models_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    names = made(monkeypatch)
    own = regressor()
    found = Sources([own, *(ModelSource("x:y", name=name) for name in "abc")], rated(), most_models=2)
    assert found.names == ("tiny", "a", "b", "c")
    assert [found.loaded(name) for name in found.names] == [True, False, False, False]
    assert names == []
    assert found.model() is own is found.model("tiny")
    a = found.model("a")
    found.model("b")
    assert found.model("a") is a
    found.model("c")  # b was used before a was
    assert names == ["a", "b", "c"]
    assert [found.loaded(name) for name in found.names] == [True, True, False, True]
    found.model("b")
    assert names == ["a", "b", "c", "b"]
    assert [found.loaded(name) for name in found.names] == [True, False, True, True]


def test_readings_leave_with_their_model(monkeypatch: pytest.MonkeyPatch) -> None:
    made(monkeypatch)
    found = Sources([ModelSource("x:y", name=name) for name in "abc"], rated(), most_models=1)
    reading = found.named("a [binary]")
    network, token = weakref.ref(found.model("a").network), found.model(reading).token
    found.cache.put(("scores", token), 1)
    found.held = frozenset([reading])  # what is shown stays, and its network with it
    found.model("b")
    assert [found.loaded(name) for name in ("a", reading, "b")] == [True, True, True]
    found.held = frozenset()
    found.model("c")
    gc.collect()
    assert network() is None
    assert found.cache.get(("scores", token)) is None
    assert [found.loaded(name) for name in ("a", reading, "c")] == [False, False, True]
    assert found.model(reading).name == reading  # made again when it is asked for


def test_threads_that_want_one_model_load_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    names = made(monkeypatch)
    found = Sources(ModelSource("x:y", name="a"), rated())
    models: list[ImageModel] = []
    threads = [Thread(target=lambda: models.append(found.model("a"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert names == ["a"]
    assert [model is models[0] for model in models] == [True] * 8


def test_a_model_that_is_being_loaded_keeps_no_other_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    made(monkeypatch)
    found = Sources([ModelSource("x:y", name=name) for name in "ab"], rated())
    a = found.model("a")
    answers: list[ImageModel] = []

    def load(source: ModelSource) -> ImageModel:
        asker = Thread(target=lambda: answers.append(found.model("a")))
        asker.start()
        asker.join(10)
        return a

    monkeypatch.setattr(ModelSource, "load", load)
    found.model("b")
    assert answers == [a]


def test_forms_of_models_and_images() -> None:
    found = Sources("demo/scenes", [photos()[0]])
    assert (found.names, found.loaded("demo/scenes")) == (("demo/scenes",), False)
    assert found.images.names == ("image 0",)
    assert found.cache.most == 2**30
    cache = Cache(10)
    assert Sources(regressor(), rated(), cache=cache).cache is cache
    images = rated()
    assert image_set_of(images) is images


@pytest.mark.parametrize(
    ("models", "kind", "words"),
    [
        ([], ValueError, "at least one model is needed, got none"),
        (TinyNet(), TypeError, "a model must be an ImageModel, .* got TinyNet"),
        ([TinyNet()], TypeError, "a model must be an ImageModel, .* got TinyNet"),
        ("resnet81", ValueError, "there is no network 'resnet81'; the nearest are 'resnet18'"),
        (["demo/quality", ModelSource("demo/quality")], ValueError, "different names, got demo/quality, demo/quality"),
    ],
)
def test_what_is_no_model_is_said(models: object, kind: type, words: str) -> None:
    with pytest.raises(kind, match=words):
        by_name(models)  # type: ignore[arg-type]


def test_unknown_names_list_the_nearest() -> None:
    found = Sources(["demo/scenes", "demo/quality"], rated())
    with pytest.raises(ValueError, match="there is no model 'demo/scene'; the nearest are 'demo/scenes'"):
        found.model("demo/scene")
    with pytest.raises(ValueError, match="there is no model 'x'"):
        found.loaded("x")


def test_a_model_of_this_process_cannot_be_made_in_another() -> None:
    scenes = load_model("demo/scenes")
    assert Sources([scenes, "demo/quality"], rated()).portable() == {
        "demo/scenes": ModelSource("demo/scenes"),
        "demo/quality": ModelSource("demo/quality"),
    }
    with pytest.raises(ValueError, match=r"'tiny classes' was built or changed in this process.*give ModelSource"):
        Sources([scenes, classifier()], rated()).portable()
