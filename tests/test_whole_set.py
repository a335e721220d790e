"""What a session knows of the whole set: brought by a study, or made in the background when all else rests."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from PIL import Image

from xai_widgets import Engine, ImageSet, Session
from xai_widgets.engine import Lane, Query, answer
from xai_widgets.engine.cache import Cache
from xai_widgets.engine.set_answers import Column, SetAnswers
from xai_widgets.session import whole_set
from xai_widgets.session.describe.bank import source_words
from xai_widgets.session.describe.plane_of_set import no_set, of_the_set
from xai_widgets.views import StatusBar

Make = Callable[..., Session]


@pytest.fixture(autouse=True)
def at_once(set_at_once: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whole_set, "OFTEN", 0.0)


def known(count: int = 3, maps: int = tiny.MAPS, **more: Any) -> SetAnswers:
    """What a study of the tiny regressor could bring."""
    values = np.arange(count * maps, dtype=np.float32).reshape(count, maps)
    names = tuple(f"image {number}" for number in range(count))
    given: dict[str, Any] = {"maximum": values, "total": count} | more
    return SetAnswers("tiny", 0, "features", names, source="the study faces", **given)


def now(session: Session) -> Any:
    """What the session knows of the set."""
    return session.of_set


def test_activations_and_impacts_are_those_of_the_engine(make_session: Make) -> None:
    session = make_session(tiny.regressor(), tiny.rated())
    assert session.wait(60, whole_set=True)
    found, names = now(session), session.images.names
    assert found is not None
    assert (found.images, found.done, found.source) == (names, True, "this explorer")
    assert (session.knows_set(), session.knows_set("impacts")) == ("all", "")
    asked = [Query(name, session.query.model, session.query.layer) for name in names]
    sources = session.sources
    alone = answer(sources, asked, "activations")
    for field in ("maximum", "mean", "row", "column"):
        np.testing.assert_array_equal(getattr(found, field), [getattr(one, field) for one in alone])
    assert found.delta_y is None
    session.know_set("impacts")
    assert session.wait(60, whole_set=True)
    nothing = np.full(tiny.MAPS, np.nan, np.float32)  # the last image has no rating
    removals = answer(sources, asked, "impacts")
    np.testing.assert_array_equal(now(session).delta_y, [one.delta_y for one in removals])
    np.testing.assert_array_equal(now(session).delta_error, [*(one.delta_error for one in removals[:2]), nothing])
    assert now(session).targets == "the score"
    session.ask(baseline="mean")
    assert now(session).delta_y is None, "these were of another baseline"
    session.ask(baseline="zero")
    assert now(session).delta_y is not None, "and are remembered"
    with pytest.raises(ValueError, match="what must be one of"):
        session.know_set("medians")


def test_what_a_study_brings_is_not_computed_again(make_session: Make) -> None:
    session = make_session([tiny.regressor(), tiny.classifier()], tiny.rated())
    session.bring(known(3))
    assert session.wait(60, whole_set=True)
    assert (now(session).source, len(now(session).images)) == ("the study faces", 3)
    assert session.knows_set() == "all"
    session.know_set("impacts")
    assert session.wait(60, whole_set=True)
    np.testing.assert_array_equal(now(session).maximum, known(3).maximum)
    assert now(session).source_of("activations") == (("the study faces", 3),)
    assert now(session).source_of("impacts") == (("this explorer", 3),)
    assert source_words(session) == (
        "activations of the study faces, 3 images; impacts of the 3 images of this set; zero baseline"
    )
    assert of_the_set(session).facts.startswith("Medians over 3 images made in this explorer, delta y of the score")
    alone = answer(session.sources, Query("image 1", "tiny", "features"), "impacts")
    np.testing.assert_array_equal(now(session).delta_y[1], alone.delta_y)
    session.ask(model="tiny classes")
    assert session.wait(60, whole_set=True)
    assert now(session).source == "this explorer"
    session.ask(model="tiny")
    assert now(session).source == "the study faces"
    faults = {
        "was it computed with another model": known(maps=3),
        "layer must be one of": replace(known(), layer="classifier.9"),
        "model must be one of": replace(known(), model="tony"),
        "is of the set 'faces', and this session shows": replace(known(), set_name="faces"),
    }
    for words, wrong in faults.items():
        with pytest.raises(ValueError, match=words):
            session.bring([wrong])
    with pytest.raises(TypeError, match="must be SetAnswers, got str"):
        session.bring({1: "x"})  # type: ignore[arg-type]


def test_the_rest_of_a_study_of_a_part_is_made_here(make_session: Make) -> None:
    """Numbers, images, sources and how far it is; columns stay with their images."""
    session = make_session(tiny.regressor(), tiny.rated())
    names = session.images.names
    part = replace(known(1), images=(names[1],), columns={"noise": Column("noise", "", np.array([0.5]), "measures")})
    part = replace(part, delta_y=part.maximum, delta_error=part.maximum, targets="the score", set_name="")
    session.bring(part)
    assert (session.knows_set(), session.knows_set("impacts")) == ("coming", "some")
    assert session.wait(60, whole_set=True)
    found = now(session)
    assert (found.images, found.total, found.done) == ((names[1], names[0], names[2]), 3, True)
    assert "of 3 so far from the study faces, delta y" in of_the_set(session).facts, "activations are no impacts"
    session.know_set("impacts")
    assert session.wait(60, whole_set=True)
    assert (session.knows_set(), session.knows_set("impacts")) == ("all", "all")
    found = now(session)
    for field, what in (("maximum", "activations"), ("delta_y", "impacts")):
        made = answer(session.sources, [Query(name, "tiny", "features") for name in (names[0], names[2])], what)
        expected = [getattr(part, field)[0], *(getattr(one, field) for one in made)]
        np.testing.assert_array_equal(getattr(found, field), expected)
    np.testing.assert_array_equal(found.columns["noise"].values, [0.5, np.nan, np.nan])
    words = "3 images, 1 from the study faces and 2 made in this explorer"
    assert source_words(session) == f"of {words}; zero baseline"
    assert of_the_set(session).facts.startswith(f"Medians over {words}, delta y of the score, zero baseline.")
    assert session.set_means is not None
    assert session.set_means.images == 1


def test_impacts_of_another_baseline_are_not_those_that_are_asked(make_session: Make) -> None:
    session = make_session(tiny.regressor(), tiny.rated())
    values = known().maximum
    assert values is not None
    session.bring(known(delta_y=values, delta_error=values, baseline="mean", targets="the score"))
    assert (session.knows_set(), session.knows_set("impacts"), now(session).delta_y) == ("all", "", None)
    assert "with the zero baseline (the study faces has them with the mean baseline)" in no_set(session)
    session.know_set("impacts")
    assert session.wait(60, whole_set=True)
    alone = answer(session.sources, Query("image 1", "tiny", "features"), "impacts")
    np.testing.assert_array_equal(now(session).delta_y[1], alone.delta_y)
    assert of_the_set(session).about.endswith("the score · zero baseline")
    session.ask(baseline="mean")
    assert session.knows_set("impacts") == "all"
    np.testing.assert_array_equal(now(session).delta_y, values)
    assert of_the_set(session).about.endswith("the score · mean baseline")
    assert source_words(session) == "of the study faces, 3 images; mean baseline"


def test_impacts_of_another_class_are_not_mixed(make_session: Make) -> None:
    """A study of the predicted classes of a part of the set, where another class is explained."""
    session = make_session(tiny.classifier(), tiny.rated())
    values, predicted = known(1).maximum, "the predicted class of each image"
    session.bring(replace(known(1, delta_y=values, targets=predicted), model="tiny classes"))
    assert session.knows_set("impacts") == "some"
    session.ask(target=1)
    assert session.knows_set("impacts") == ""
    session.know_set("impacts")
    assert session.wait(60, whole_set=True)
    assert now(session).source_of("impacts") == (("this explorer", 3),)
    assert now(session).targets != predicted


def test_a_file_that_is_replaced_is_asked_again_and_one_that_fails_is_named(make_session: Make, tmp_path: Path) -> None:
    for name, photo in zip("abc", tiny.photos(), strict=True):
        Image.fromarray(photo).save(tmp_path / f"{name}.png")
    images = ImageSet(tmp_path)
    (tmp_path / "b.png").write_bytes(b"no picture")
    session = make_session(tiny.regressor(), images)
    assert session.wait(60, whole_set=True)
    assert now(session).images == ("a.png", "c.png")
    assert "b.png" in now(session).failed["b.png"]
    before = now(session).maximum
    for name in ("b.png", "c.png"):
        Image.fromarray(255 - tiny.photos()[0]).save(tmp_path / name)
    session.reread(["b.png", "c.png"])
    assert now(session).images == ("a.png",)
    assert session.wait(60, whole_set=True)
    assert now(session).images == ("a.png", "b.png", "c.png")
    assert (before[0] == now(session).maximum[0]).all()
    assert (before[1] != now(session).maximum[2]).any()
    session.bring(replace(known(3), images=("a.png", "b.png", "elsewhere.png"), failed={}))
    session.reread(["b.png"])
    assert now(session).images == ("a.png", "elsewhere.png", "c.png")
    assert "written again" in now(session).failed["b.png"]


def test_more_urgent_work_comes_between_images_and_cancel_stops_it(fake_comm: Any, engine: Engine) -> None:
    images = ImageSet([np.full((40, 40, 3), shade, np.uint8) for shade in range(100)], name="many")
    session = Session(tiny.regressor(), images, engine=engine)
    bar = StatusBar(session)
    counts: list[int] = []
    said: list[str] = []
    first, go = threading.Event(), threading.Event()

    def seen(change: Any) -> None:
        if change["new"] is None or not change["new"].images:
            return
        counts.append(len(change["new"].images))
        said.append(bar.status["words"])
        first.set()
        go.wait(20)

    session.observe(seen, "of_set")
    assert first.wait(30)
    at: list[int] = []
    engine.worker.submit(Lane(object(), "detail"), lambda job: at.append(counts[-1]))
    go.set()
    assert session.wait(60, whole_set=True)
    assert at[0] <= counts[0] + 1, "it ran between two images"
    assert counts == sorted(counts)
    assert any(re.fullmatch(r"what each map answers to, \d+ of 100 images", words) for words in said)
    assert bar.status["words"] == "ready"
    assert now(session).done
    session.know_set("impacts")
    session.cancel()
    assert engine.wait(30)
    assert session.knows_set("impacts") in ("", "some")
    assert session.status.background == ""
    session.know_set("impacts")
    assert session.wait(60, whole_set=True)
    assert session.knows_set("impacts") == "all"
    bar.close()
    session.close()


def test_a_large_set_waits_until_it_is_asked_for(make_session: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whole_set, "MOST", 2)
    session = make_session(tiny.regressor(), tiny.rated())
    assert session.wait(60, whole_set=True)
    assert (now(session), session.knows_set()) == (None, "")
    session.know_set()
    assert session.wait(60, whole_set=True)
    assert now(session).done


def test_changed_weights_leave_nothing_of_the_old_ones(make_session: Make) -> None:
    model = tiny.regressor()
    session = make_session(model, tiny.rated())
    assert session.wait(60, whole_set=True)
    before = now(session)
    session.bring(known())
    with torch.no_grad():
        for weights in model.network.parameters():
            weights.mul_(2)
    session.refresh()
    assert session.wait(60, whole_set=True)
    assert now(session).source == "this explorer"
    assert "the study faces" in session.notice
    assert (now(session).maximum > 1.5 * before.maximum)[:, before.active > 0].any()


def test_a_pass_over_a_set_leaves_what_a_reader_works_with() -> None:
    cache = Cache(5_000)
    cache.put("reader", np.zeros(250, np.float32))
    with cache.passing(True):
        for number in range(20):
            cache.put(number, np.zeros(250, np.float32))
            with cache.passing(False):
                cache.put("urgent", np.zeros(250, np.float32))
    assert cache.get("reader") is not None
    assert cache.get("urgent") is not None
    assert cache.nbytes <= 5_000
