"""Measures of many images, and their means, against the kernels called directly and scikit-learn."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from sklearn.metrics import roc_auc_score
from tiny import TinyNet, photos
from torch import Tensor
from torchvision.transforms import v2

from xai_widgets import ImageModel, ImageSet
from xai_widgets.kernels import measures
from xai_widgets.kernels.tail import Tail
from xai_widgets.study import Study, assembled
from xai_widgets.study.running import Tally
from xai_widgets.study.tables import means

CLASSES = ("cat", "cup", "crew")
LABELS = ("cat", "cup", None)
KEY = ["measure", "part", "level", "quantity"]


@cache
def pictures() -> list[np.ndarray]:
    return [np.roll(photo[::2, ::2], 9 * turn, turn) for turn in (0, 1) for photo in photos()]


def model_of(runs: int, outputs: int = 3) -> ImageModel:
    networks = []
    for seed in range(runs):
        networks.append(TinyNet(outputs))
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for weight in networks[-1].parameters() if seed else ():
                weight.add_(torch.randn_like(weight), alpha=0.05)
    labels = CLASSES[:outputs] if outputs > 1 else None
    return ImageModel(networks[0], None, "features", labels=labels, name="tiny", runs=networks[1:])


def set_of(count: int = 3) -> ImageSet:
    return ImageSet(pictures()[:count], labels=list(LABELS[:count]), name="pictures")


def made(folder: Path, model: ImageModel, images: ImageSet, **options: Any) -> tuple[Study, Tally]:
    """A study that has run, and what it made."""
    study, seen = Study(folder, model, images, {"measures": options}, part_size=2), [Tally(0)]
    study.run(progress=lambda tally: seen.append(tally))
    return study, seen[-1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("study")
    made(path, model_of(3), set_of())
    return path


def explainer(run: ImageModel) -> measures.Explainer:
    tail = lambda images: Tail(run.network, run.layer, run.normalise(images))  # noqa: E731
    return measures.grad_cam_explainer(tail, run.scores)


def of_image(folder: Path, name: str, run: int = 0) -> pd.DataFrame:
    table = Study(folder).table("measures")
    return table[(table["image"] == name) & (table["run"] == run)]


def test_every_value_is_that_of_the_kernels_and_stability_stands_once(folder: Path) -> None:
    model, images = model_of(3), set_of()
    pixels = model.prepare(images.photo("image 1")).pixels[None]
    explain = [explainer(run) for run in model.runs]
    for run, others in ((0, explain[1:]), (1, [])):
        expected = [row for one in measures.measured(explain[run], pixels, runs=others) for row in one.rows()]
        wanted = {row[1:4] + row[11:12]: row for row in expected if run == 0 or row.measure != "stability"}
        found = of_image(folder, "image 1", run)
        assert len(found) == sum(row.quantity != "score" for row in wanted.values())
        rows: Any = found.itertuples()
        for row in rows:
            level = None if math.isnan(row.level) else row.level
            same = wanted[row.measure, row.part, level, row.quantity]
            assert row.value == pytest.approx(same.value, abs=2e-4, nan_ok=True)
            kept = (row.height, row.width, row.target_rule, row.maps, row.degenerate, row.left_out)
            assert kept == (*same[5:11],)
            score = wanted.get((row.measure, row.part, level, "score"))
            assert row.score == pytest.approx(math.nan if score is None else score.value, abs=1e-4, nan_ok=True)
    assert {"runs 0 and 1", "runs 0 and 2", "runs 1 and 2", ""} == set(
        of_image(folder, "image 1").query("measure == 'stability'")["part"]
    )


def test_means_have_the_intervals_of_the_kernels(folder: Path) -> None:
    table, means = Study(folder).table("measures"), Study(folder).table("means")
    assert (means["n"] + means["left_out"] == np.where(means["quantity"] == "auroc", 2, 3)).all()
    keys = ["run", *KEY]
    groups = table.groupby(keys, observed=True, dropna=False)["value"]
    plain = means[~means["quantity"].isin(["score", "auroc"])].set_index(keys)
    assert len(plain) == len(groups)
    for key, values in groups:
        found = plain[[tuple(one) == tuple(key) or str(one) == str(key) for one in plain.index]].iloc[0]
        expected = measures.interval_of_mean(torch.tensor(values.to_numpy(np.float64)), generator=0)
        if key[1:3] == ("stability", ""):
            pairs = table[(table["measure"] == "stability") & (table["part"] != "")]
            matrix = pairs.astype({"part": str}).pivot(index="image", columns="part", values="value").to_numpy(float)
            expected = measures.interval_of_stability(torch.tensor(matrix), generator=0)
            assert (found["runs"], expected.runs) == (3, 3)
        numbers = found[["mean", "low", "high", "n", "sd"]].to_numpy(float)
        assert numbers == pytest.approx([*expected[:4], expected.std], abs=1e-6, nan_ok=True), key
        if expected.n > 1 and key[1] != "stability":
            assert found["sd"] == pytest.approx(values.std(ddof=1), abs=1e-6)
    score = means.query("run == 1 and measure == 'noise' and part == 'blur' and quantity == 'score'")
    rows = table.query("run == 1 and measure == 'noise' and part == 'blur' and quantity == 'entropy'")
    assert score.sort_values("level")["mean"].tolist() == pytest.approx(
        rows.groupby("level")["score"].mean().tolist(), abs=1e-6
    )


def test_means_are_made_of_one_model_run_and_layer_at_a_time(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = copytree(folder, tmp_path / "study")
    monkeypatch.setattr(assembled, "ROWS", 7)  # each of them has several groups of rows in the file
    Study(here).write_tables()
    path = here / "tables" / "measures.parquet"
    groups = list(assembled.groups_of(path, means.MEANS.by))
    assert [set(group["run"].to_pylist()) for group in groups] == [{0}, {1}, {2}]
    assert sum(map(len, groups)) == pq.read_metadata(path).num_rows > 7 * len(groups)
    at_once = means.MEANS.make(pq.read_table(path)).to_pandas()
    pd.testing.assert_frame_equal(Study(here).table("means"), at_once, check_categorical=False)


def changed_scores(model: ImageModel, images: ImageSet, name: str) -> Tensor:
    """(3 k) of the image, without its salient, and without its other regions."""
    pixels = model.prepare(images.photo(name)).pixels
    explain = explainer(model)
    clean = explain(pixels[None], model.scores(model.network(model.normalise(pixels[None]))).argmax(1)).maps[0]
    some = torch.cat([pixels[None], measures.removals(pixels, clean)])
    return model.scores(model.network(model.normalise(some))).detach()


@pytest.mark.parametrize("outputs", [2, 3])
def test_the_auroc_of_class_probability_is_that_of_scikit_learn(outputs: int, folder: Path, tmp_path: Path) -> None:
    labels = ["cat", "cup", CLASSES[outputs - 1], "cat"]
    model, images = model_of(1, outputs), ImageSet(pictures()[:4], labels=labels)
    study, _ = made(tmp_path, model, images)
    found = study.table("means").query("quantity == 'auroc'")
    known = np.array([CLASSES.index(str(images.label(name))) for name in images])
    scores = torch.stack([changed_scores(model, images, name) for name in images])
    for condition, part in enumerate(["", "salient_removed", "other_removed"]):
        chance = scores[:, condition].double().softmax(1).numpy()
        each = [roc_auc_score(known == index, chance[:, index]) for index in range(outputs)]
        rows = found[found["part"] == part]
        assert rows[rows["class"].isna()]["mean"].tolist() == pytest.approx([np.mean(each)], abs=1e-6)
        by_class = dict(zip(rows["class"], rows["mean"], strict=True))
        expected = dict(zip(CLASSES, each, strict=True)) if outputs > 2 else {}
        assert {name: area for name, area in by_class.items() if isinstance(name, str)} == pytest.approx(expected)
    assert found["low"].isna().all()


def test_a_study_that_grows_makes_only_what_is_new(folder: Path, tmp_path: Path) -> None:
    _, first = made(tmp_path, model_of(2), set_of(2))
    assert first.made == 2 * 3  # two runs, and stability of both together
    _, more = made(tmp_path, model_of(2), set_of(3))
    assert more.made == 3
    study, third = made(tmp_path, model_of(3), set_of(3))
    assert third.made == 3 * 2  # the third run, and stability anew
    pd.testing.assert_frame_equal(study.table("measures"), Study(folder).table("measures"))
    pd.testing.assert_frame_equal(study.table("means"), Study(folder).table("means"))


def test_what_cannot_be_measured_says_why(tmp_path: Path) -> None:
    def opaque(photo: Any) -> Tensor:
        return v2.functional.to_dtype(v2.functional.to_image(photo).flip(-1), torch.float32, scale=True).sqrt()

    for place, (model, options, said) in enumerate((
        (ImageModel(TinyNet(3), opaque, "features", labels=CLASSES, name="tiny"), {}, "cannot be degraded"),
        (model_of(2), {"method": "human_map"}, "Human map cannot be measured: it does not come from the model"),
        (model_of(2), {"method": "smallest_change"}, "needs Q that removals can reach"),
    )):  # fmt: skip
        study, tally = made(tmp_path / str(place), model, set_of(2), **options)
        assert len(study.notices) == 2
        assert all(said in notice for notice in study.notices)
        assert tally.made == 0
    some = ImageSet(pictures()[:2], labels=["cat", None])
    study, _ = made(tmp_path / "alone", model_of(1), some, method="helpful")
    assert study.notices == ("tiny, stability: at least two training runs of the model are needed.",)
    table = study.table("measures")
    unlabelled = table[table["image"] == "image 1"]
    assert unlabelled["measure"].tolist() == ["entropy", "noise", "resilience", "focus"]
    assert unlabelled["value"].isna().all()
    assert unlabelled["note"].str.contains("needs to know how wrong the model is").all()
    means = study.table("means")
    images = np.where(means["quantity"] == "auroc", 1, 2)
    assert (means["n"] + means["left_out"] == images).all()
    with pytest.raises(ValueError, match="rule must be"):
        Study(tmp_path / "x", model_of(1), set_of(1), {"measures": {"rule": "fixd"}})


def test_the_readme_names_every_column_and_what_stability_is_of(folder: Path) -> None:
    text = (folder / "tables" / "README.md").read_text()
    for name in ("measures", "means"):
        section = text.split(f"## {name}\n")[1].split("\n## ")[0]
        listed = [line.split("`")[1] for line in section.splitlines() if line.startswith("| `")]
        assert listed == list(Study(folder).table(name).columns)
    assert "it stands under run 0 alone" in text
    assert "## stability" not in text
