"""A study in the explorer: every number is that of the answer, and what is of other weights is not shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from studied import build, picture, pictures, source, wait_for

from xai_widgets import Engine, Explorer, Query, Session, Study, answer, explore
from xai_widgets.engine import Sources
from xai_widgets.engine.set_answers import MEASURES

TABLES = ("scores", "impacts", "activations", "measures")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Four photographs, of which one cannot be read any more, two training runs."""
    folder = tmp_path_factory.mktemp("study")
    table = pictures(folder / "photos", 4)
    made = Study(folder / "study", source(runs=2), str(table), TABLES, part_size=2)
    made.plan()
    (folder / "photos" / "p02.png").write_bytes(b"no picture")
    status = made.run(progress=False)
    assert set(status.failed["scores"]) == {"p02.png"}
    return made


@pytest.fixture
def open_explorer(fake_comm: object, engine: Engine) -> Iterator[Callable[[Study], Explorer]]:
    opened: list[Explorer] = []

    def make(study: Study) -> Explorer:
        opened.append(explore(study, engine=engine))
        assert opened[-1].session.wait(60)
        return opened[-1]

    yield make
    for explorer in opened:
        explorer.close()


@pytest.mark.parametrize("run", [0, 1])
def test_the_numbers_of_a_set_are_those_of_the_answers(study: Study, run: int) -> None:
    found = study.set_answers("small", run)
    assert found is not None
    assert found.images == ("p00.png", "p01.png", "p03.png")
    assert "p02" in found.failed["p02.png"]
    assert found.total == 4
    assert found.targets == "the score"
    assert found.done
    sources = Sources([source(runs=2)], str(study.folder.parent / "photos" / "photos.csv"))
    for place, image in enumerate(found.images):
        query = Query(image=image, run=run)
        impacts, activations = answer(sources, query, "impacts"), answer(sources, query, "activations")
        output = answer(sources, query, "output")
        assert found.delta_y is not None
        assert found.delta_error is not None
        np.testing.assert_allclose(found.delta_y[place], impacts.delta_y, atol=2e-5)
        np.testing.assert_allclose(found.delta_error[place], impacts.delta_error, atol=2e-5)
        for name in ("maximum", "mean", "row", "column"):
            np.testing.assert_allclose(getattr(found, name)[place], getattr(activations, name), atol=2e-5)
        assert found.grid == activations.grid
        for name, value in (("score", output.value), ("residual", output.residual)):
            assert found.columns[name].values[place] == pytest.approx(value, abs=2e-5)
        measured = answer(sources, query, "measures").values if not place else {}
        for axis in measured and ("entropy", "noise", "resilience", "focus", "stability"):
            np.testing.assert_allclose(found.columns[axis].values[place], measured[axis], atol=2e-5)
            assert found.columns[axis].group == "measures"
            assert found.columns[axis].words == MEASURES[axis]


def test_what_is_not_there_is_none(study: Study) -> None:
    assert study.set_answers("small", 5) is None
    assert study.set_answers("small", 0, "nowhere") is None
    assert study.set_answers("another") is None


def test_the_explorer_shows_the_study_and_follows_the_run(
    study: Study, open_explorer: Callable[[Study], Explorer]
) -> None:
    session = open_explorer(study).session
    assert session.of_set is not None
    assert session.of_set.source == "the study study"
    assert session.knows_set("impacts") == "all"
    session.filter("entropy", lowest=0.25)
    assert len(session.shown_images) == 1
    session.ask(run=1)
    wait_for(lambda: session.of_set is not None and session.of_set.run == 1 and session.of_set.delta_y is not None)
    assert session.wait(60)
    expected = study.set_answers("small", 1)
    assert expected is not None
    np.testing.assert_array_equal(session.of_set.delta_y, expected.delta_y)


def test_a_study_of_other_weights_is_not_shown(tmp_path: Path, open_explorer: Callable[[Study], Explorer]) -> None:
    table = pictures(tmp_path / "photos", 3)
    model = build()
    model.name = "small"
    study = Study(tmp_path / "study", model, str(table), ("scores", "impacts"))
    study.run(progress=False)
    with torch.no_grad():
        next(model.network.parameters()).add_(0.1)
    session = open_explorer(study).session
    assert session.of_set is None or session.of_set.delta_y is None
    assert "the weights of small, training run 0, are not those of the study" in session.notice


def test_a_photograph_that_was_replaced_is_left_out(tmp_path: Path, open_explorer: Callable[[Study], Explorer]) -> None:
    table = pictures(tmp_path / "photos", 3)
    study = Study(tmp_path / "study", source(), str(table), ("scores", "impacts"))
    study.run(progress=False)
    picture(tmp_path / "photos" / "p01.png", 99)
    session = open_explorer(Study(study.folder)).session
    wait_for(lambda: session.of_set is not None and "p01.png" not in session.of_set.images)
    assert "The files of 1 image were replaced after the study was planned" in session.notice


def test_an_explorer_of_a_study_takes_no_images(study: Study) -> None:
    with pytest.raises(TypeError, match="takes no images"):
        explore(study, "demo/quality")
    with pytest.raises(ValueError, match="there is no study in"):
        explore(Study(study.folder / "nothing"))


def test_a_session_alone_may_be_brought_a_study(study: Study, engine: Engine) -> None:
    session = Session(study.sources.given, study.sources.images, engine=engine)
    found = study.set_answers("small")
    assert found is not None
    session.bring(found)
    assert session.of_set is not None
    assert session.of_set.median_delta_y is not None
    assert session.of_set.median_delta_y.n.tolist() == [3] * found.delta_y.shape[1]  # type: ignore[union-attr]
    session.close()


def test_a_study_that_has_grown_still_shows_what_is_there(tmp_path: Path) -> None:
    small = pictures(tmp_path / "photos", 3)
    Study(tmp_path / "study", source(), str(small), ("scores", "activations"), part_size=8).run(progress=False)
    large = pictures(tmp_path / "photos", 5)
    Study(tmp_path / "study", source(), str(large), ("scores", "activations"), part_size=8).plan()
    found = Study(tmp_path / "study").set_answers("small")
    assert found is not None
    assert found.images == ("p00.png", "p01.png", "p02.png")
    assert found.total == 5
    assert not found.done
