"""Gallery: the map of each image on its thumbnail, in a low lane of the engine, and no longer than it is seen."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tiny

from xai_widgets import ImageSet, Session
from xai_widgets.engine import Saliency, answer
from xai_widgets.session import image_maps
from xai_widgets.session.describe.image_maps import MOST_CELLS, small_map
from xai_widgets.views import Gallery


@pytest.fixture
def session(make_session: Callable[..., Session]) -> Session:
    return make_session(tiny.regressor(), ImageSet([*tiny.photos(), *tiny.photos()], ratings=[0.5] * 5 + [None]))


@pytest.fixture
def gallery(session: Session) -> Iterator[Gallery]:
    gallery = Gallery(session)
    gallery.comm.take()
    yield gallery
    gallery.close()


def maps(gallery: Gallery) -> dict[int, Any]:
    """What was delivered since the last call: the map, or why there is none."""
    assert gallery.session.wait(30)
    found = {}
    for data, buffers in gallery.comm.__dict__.pop("sent", []):
        content = data.get("content", {})
        if content.get("kind") == "map":
            values = np.frombuffer(buffers[0], np.int8).reshape(content["shape"]) if buffers else content["why"]
            found[content["index"]] = values
    return found


def ask(gallery: Gallery, *indices: Any, version: Any = None) -> None:
    now = gallery.mapping.get("version") if version is None else version
    gallery.comm.click(kind="maps", indices=list(indices), version=now, origin="tab")


def test_maps_are_off_until_they_are_wanted(gallery: Gallery) -> None:
    ask(gallery, 0, 1)
    assert (maps(gallery), gallery.mapping, gallery.explained) == ({}, {}, "")


def test_maps_are_those_that_the_stage_would_show(gallery: Gallery, session: Session) -> None:
    session.set_gain(3, 0.0)
    gallery.comm.arrive(maps=True)
    assert gallery.explained == "Grad-CAM · P the score · features · 1 map changed; each on its own scale"
    ask(gallery, 2, 1, 99, "0")
    found = maps(gallery)
    assert found.keys() == {1, 2}
    for place, values in found.items():
        query = replace(session.query, image=session.images.names[place])
        saliency = answer(session.sources, query, "explanation").saliency
        np.testing.assert_allclose(values / 127 * saliency.limit, saliency.map, atol=saliency.limit / 250)


def test_another_question_makes_maps_old_and_another_image_does_not(gallery: Gallery, session: Session) -> None:
    gallery.comm.arrive(maps=True)
    first = gallery.mapping["version"]
    session.ask(image=session.images.names[3])
    session.show(opacity=0.5, palette="purple-green")
    assert (gallery.mapping["version"], gallery.mapping["opacity"]) == (first, 0.5)
    session.ask(contrast="rating")
    assert gallery.mapping["version"] > first
    ask(gallery, 0, version=first)
    assert maps(gallery) == {}, "of an old question"
    ask(gallery, 0, 5)
    found = maps(gallery)
    assert isinstance(found[0], np.ndarray)
    assert "rating" in found[5], "there is none, and so no map rather than it"
    assert session.error == ""
    gallery.comm.arrive(maps=False)
    ask(gallery, 1)
    assert maps(gallery) == {}


def test_what_has_left_the_sight_is_not_computed(
    gallery: Gallery, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on, asked = threading.Event(), threading.Event(), list[str]()

    def slow(sources: Any, query: Any, part: str, **options: Any) -> Any:
        asked.append(query.image)
        begun.set()
        assert go_on.wait(10)
        return answer(sources, query, part, **options)

    monkeypatch.setattr(image_maps, "answer", slow)
    gallery.comm.arrive(maps=True)
    ask(gallery, 0, 1, 2)
    assert begun.wait(10)
    ask(gallery, 4, 1)
    go_on.set()
    maps(gallery)
    names = session.images.names
    assert asked == [names[0], names[4], names[1]]
    for one in (begun, go_on, asked):
        one.clear()
    ask(gallery, 3, 5)
    assert begun.wait(10)
    gallery.comm.arrive(maps=False)
    go_on.set()
    assert maps(gallery) == {}
    assert asked == [names[3]]


def test_a_name_that_is_not_there_is_refused_in_python(session: Session) -> None:
    with pytest.raises(ValueError, match=r"image must be one of .* got 'gone'"):
        session.explain_images(["gone"], lambda *_: None)
    found: dict[str, Saliency | None] = {}
    session.explain_images(session.images.names[:2], lambda name, saliency, why: found.update({name: saliency}))
    assert session.wait(10)
    assert list(found) == list(session.images.names[:2])


def test_a_large_map_becomes_small_and_a_map_of_nothing_stays_nothing(session: Session) -> None:
    assert session.saliency is not None
    values = np.zeros((120, 200), np.float32)
    values[:60], values[0, 0] = 2, np.nan
    content, (data,) = small_map(replace(session.saliency, map=values, limit=2.0))
    small = np.frombuffer(data, np.int8).reshape(content["shape"])
    assert small.shape == (29, MOST_CELLS)
    assert (small[:14, 1:] == 127).all()
    assert (small[15:] == 0).all()
    _, (nothing,) = small_map(replace(session.saliency, map=values, limit=0.0))
    assert not any(nothing)
