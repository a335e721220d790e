"""What has changed since a study was planned: nothing of before is taken for what is now."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from small_networks import Small
from studied import picture, pictures, source
from torch import Tensor

from xai_widgets import ImageModel, ImageSet, Query, Sources, Study, answer

QUIET: dict[str, Any] = {"progress": False}


def scores(study: Study) -> list[float]:
    return [float(value) for value in study.table("scores")["score"]]


class Twice(Small):
    """The same weights and words, computed otherwise."""

    def forward(self, images: Tensor) -> Tensor:
        return 2 * super().forward(images)


Twice.__name__ = "Small"
OTHERWISE: dict[str, dict[str, Any]] = {
    "another output": {"output": lambda result: 0.5 * result},
    "an edited forward": {"network": Twice},
    "another transform": {"transform": (lambda photo: _pixels(photo), lambda pixels: 0.5 * pixels)},
}


def _pixels(photo: Any) -> Tensor:

    return torch.tensor(np.array(photo)).permute(2, 0, 1) / 255


@pytest.mark.parametrize("kind", OTHERWISE)
def test_a_model_of_the_same_weights_that_computes_otherwise_is_another(kind: str, tmp_path: Path) -> None:
    table = str(pictures(tmp_path / "photos", 3))

    def model(network: type[Small] = Small, transform: Any = (_pixels, lambda pixels: pixels), **options: Any) -> Any:
        import torch

        torch.manual_seed(0)
        return ImageModel(network(), transform, "body", task="regression", name="small", **options)

    before = Study(tmp_path / "study", model(), table, ["scores"])
    before.run(**QUIET)
    first = scores(before)
    now = Study(tmp_path / "study", model(**OTHERWISE[kind]), table, ["scores"])
    now.run(**QUIET)
    sources = Sources(model(**OTHERWISE[kind]), table)
    expected = [answer(sources, Query(image=image), "output").value for image in sources.images]
    np.testing.assert_allclose(scores(now), expected, atol=2e-5)
    assert not np.allclose(first, expected, atol=1e-4)
    again = Study(tmp_path / "study", model(), table, ["scores"])
    again.run(**QUIET)
    assert scores(again) == first


@pytest.mark.parametrize("form", [lambda values: values, lambda values: [str(value) for value in values], np.int16])
def test_a_column_of_scores_that_has_changed(form: Any, tmp_path: Path) -> None:
    pictures(tmp_path / "photos", 3)

    def asked(first: int) -> Study:
        ratings = form(np.arange(first, first + 3)) if form is not np.int16 else np.arange(first, first + 3, dtype=form)
        frame = pd.DataFrame({"image": [f"p{number:02}.png" for number in range(3)], "rating": ratings})
        images = ImageSet(frame, folder=tmp_path / "photos", name="photos")
        return Study(tmp_path / "study", source(), images, ["scores", "impacts"])

    asked(1).run(**QUIET)
    study = asked(11)
    study.run(**QUIET)
    table = study.table("scores")
    assert table["rating"].tolist() == [11, 12, 13]
    np.testing.assert_allclose(table["residual"], table["score"] - table["rating"], atol=1e-5)


def test_a_file_that_is_replaced_while_rows_are_made_is_named(tmp_path: Path) -> None:
    table = pictures(tmp_path / "photos", 4)
    last = tmp_path / "photos" / "p03.png"
    old = last.read_bytes()
    study = Study(tmp_path / "study", source(), str(table), ["scores"], part_size=8)
    study.plan()
    status = study.run(progress=lambda tally: picture(last, 77) if last.read_bytes() == old else None)
    assert "was replaced after the study was planned" in status.failed["scores"]["p03.png"]
    last.write_bytes(old)
    again = Study(tmp_path / "study", source(), str(table), ["scores"], part_size=8)
    again.run(**QUIET)
    expected = answer(Sources([source()], str(table)), Query(image="p03.png"), "output").value
    assert scores(again)[3] == pytest.approx(expected, abs=2e-5)


def test_ratings_that_change_between_two_tables_are_said(tmp_path: Path) -> None:
    table = pictures(tmp_path / "photos", 3)
    Study(tmp_path / "study", source(), str(table), ["scores"]).run(**QUIET)
    frame = pd.read_csv(table)
    frame["rating"] += 50
    frame.to_csv(table, index=False)
    study = Study(tmp_path / "study", source(), str(table), ["impacts"])
    study.run(**QUIET)
    assert len(study.table("scores")) == 0
    assert any("changed after the table scores was asked" in said for said in study.notices)
    Study(tmp_path / "study", source(), str(table), ["scores"]).run(**QUIET)
    assert study.table("scores")["rating"].tolist() == frame["rating"].tolist()
    assert not any("changed" in said for said in study.notices)


def test_a_table_of_some_images_leaves_the_others_theirs(tmp_path: Path) -> None:
    table = str(pictures(tmp_path / "photos", 5))
    Study(tmp_path / "study", source(), table, ["scores"]).run(**QUIET)
    study = Study(tmp_path / "study", source(), table, ["activations"], only=["p01.png", "p03.png"])
    study.run(**QUIET)
    assert len(study.table("scores")) == 5
    assert set(study.table("activations")["image"]) == {"p01.png", "p03.png"}
    known = Study(tmp_path / "study").set_answers("small")
    assert known is not None
    assert known.maximum is not None
    assert known.columns["score"].values.tolist() == pytest.approx(scores(study))
    assert np.isnan(known.maximum).all(1).tolist() == [True, False, True, False, True]


def test_two_sets_of_equal_names_in_one_folder_are_kept_apart(tmp_path: Path) -> None:
    first, second = pictures(tmp_path / "a", 3), pictures(tmp_path / "b", 3)
    for number in range(3):
        picture(tmp_path / "b" / f"p{number:02}.png", 50 + number)
    studies = [
        Study(tmp_path / "study", source(), ImageSet(str(table), name=name), ["scores"])
        for table, name in ((first, "one"), (second, "two"))
    ]
    for study in studies:
        study.run(**QUIET)
    found = [study.set_answers("small") for study in studies]
    assert found[0] is not None
    assert found[1] is not None
    rows = studies[0].table("scores")
    for known, name in zip(found, ("one", "two"), strict=True):
        assert known is not None
        expected = rows[rows["set"] == name]["score"].tolist()
        assert known.columns["score"].values.tolist() == pytest.approx(expected)
