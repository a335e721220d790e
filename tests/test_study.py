"""Studies: rows are those of `answer`, what is there is not made again, and tables are read as they are."""

from __future__ import annotations

import multiprocessing
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from studied import assert_same, build, picture, pictures, source, tables_of
from torch import Tensor, nn

from xai_widgets.engine import ROLES, Query, Sources, answer
from xai_widgets.images import ImageSet
from xai_widgets.models import ImageModel, ModelSource
from xai_widgets.study import Study, work
from xai_widgets.study.plan import in_groups
from xai_widgets.study.pool import processes
from xai_widgets.study.tables import TABLES

QUIET: dict[str, Any] = {"progress": False}
ASKED = ["set", "model", "run", "layer", "image"]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return pictures(tmp_path / "photos")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each part was asked of `answer`, in images."""
    counted: Counter[str] = Counter()

    def counting(sources: Sources, queries: list[Query], part: str, **options: Any) -> Any:
        counted[part] += len(queries)
        return answer(sources, queries, part, **options)

    monkeypatch.setattr(work, "answer", counting)
    return counted


class Pair(nn.Module):
    """The difference of two images, as one score."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.body = nn.Sequential(nn.Conv2d(3, 6, 3, stride=2, padding=1), nn.ReLU())
        self.head = nn.Linear(6, 1)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        return self.head((self.body(first) - self.body(second)).mean((2, 3)))


def paired(folder: Path) -> ImageSet:
    for number in range(4):
        picture(folder / f"l{number}.png", number)
        picture(folder / f"r{number}.png", number + 50)
    rows = {
        "left": [f"l{n}.png" for n in range(4)],
        "right": [f"r{n}.png" for n in range(4)],
        "rating": [0, 10, 20, 30],
    }
    return ImageSet(pd.DataFrame(rows), folder=folder, images=["left", "right"], name="pairs")


CASES: dict[str, Callable[[Path], tuple[Any, Any]]] = {
    "a regression with runs": lambda folder: (source(runs=2), pictures(folder)),
    "classes with labels": lambda folder: (build(classes=3), ImageSet(pictures(folder), name="labelled")),
    "samples of two": lambda folder: (
        ImageModel(Pair(), None, "body", range=(0, 100), task="regression"),
        paired(folder),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_rows_are_those_of_answer(case: str, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    model, images = CASES[case](tmp_path / "photos")
    study = Study(tmp_path / "study", model, images, part_size=3)
    status = study.run(**QUIET)
    sources = Sources(model, images)
    name, runs = sources.given_names[0], len(sources.model().runs)
    assert (status.finished, status.total) == (True, 3 * runs * len(sources.images))
    scores, impacts, activations = (study.table(table) for table in ("scores", "impacts", "activations"))
    for run in range(runs):
        for image in sources.images:
            query = Query(image=image, model=name, run=run, layer="body")
            of = {"model": name, "run": run, "layer": "body", "image": image, "set": sources.images.name}
            output = answer(sources, query, "output")
            (row,) = rows_of(scores, of).to_dict("records")
            assert row["score"] == pytest.approx(output.value, abs=2e-5)
            np.testing.assert_allclose(row["outputs"], output.scores, atol=2e-5)
            if output.rating is not None:
                assert (row["rating"], row["residual"]) == pytest.approx((output.rating, output.residual), abs=2e-5)
            if output.probabilities is not None:
                np.testing.assert_allclose(row["probabilities"], output.probabilities, atol=2e-5)
                label = f"class {int(image[1:3]) % 3}"
                assert (row["label"], row["right"]) == (label, f"class {output.probabilities.argmax()}" == label)
            found = answer(sources, query, "impacts")
            some = rows_of(impacts, of)
            assert some["map"].tolist() == list(range(len(found.delta_y)))
            np.testing.assert_allclose(some["delta_y"], found.delta_y, atol=2e-5)
            np.testing.assert_allclose(some["delta_error"], found.delta_error, atol=2e-5)
            assert some["role"].tolist() == [ROLES[role] for role in found.roles]
            active = answer(sources, query, "activations")
            some = rows_of(activations, of)
            for column in ("maximum", "mean", "row", "column"):
                np.testing.assert_allclose(some[column], getattr(active, column), atol=2e-5)


def rows_of(table: pd.DataFrame, values: dict[str, Any]) -> pd.DataFrame:
    chosen = np.logical_and.reduce([table[name] == value for name, value in values.items()])
    return table[chosen]


Grown = tuple[dict[str, Any], dict[str, int]]


def grown_by(change: str, folder: Path) -> Grown:
    """What is asked after a change, and how many images of each part that makes."""
    first: dict[str, Any] = {"models": [source()], "images": folder / "photos.csv", "tables": ["scores", "impacts"]}
    if change == "images":
        pictures(folder, 9)
        return first, {"output": 3, "impacts": 3}
    if change == "model":
        return first | {"models": [source(), source("other", seed=3)]}, {"output": 6, "impacts": 6}
    if change == "table":
        return first | {"tables": ["scores", "impacts", "activations"]}, {"activations": 6}
    if change == "option":
        return first | {"tables": {"scores": {}, "impacts": {"baseline": "mean"}}}, {"impacts": 6}
    if change == "layer":
        return first | {"layers": ["body", "stem"]}, {"output": 6, "impacts": 6}
    assert change == "parts"
    return first | {"part_size": 100}, {}


@pytest.mark.parametrize("change", ["images", "model", "table", "option", "layer", "parts"])
def test_a_study_grows_without_doing_again_what_is_done(
    change: str, photos: Path, asked: Counter[str], tmp_path: Path
) -> None:
    Study(tmp_path / "study", [source()], photos, ["scores", "impacts"], part_size=3).run(**QUIET)
    assert asked == {"output": 6, "impacts": 6}
    second, made = grown_by(change, photos.parent)
    asked.clear()
    study = Study(tmp_path / "study", **{"part_size": 3, **second})
    study.plan()
    before = study.status()
    assert study.run(**QUIET).finished
    assert {part: count for part, count in asked.items() if count} == made
    assert before.done == 12, "what is there counts as done before the run"
    at_once = Study(tmp_path / "at once", **second)
    at_once.run(**QUIET)
    if change == "option":  # the folder has both
        impacts = study.table("impacts")
        assert sorted(impacts["baseline"].unique()) == ["mean", "zero"]
        one = impacts[impacts["baseline"] == "mean"].reset_index(drop=True)
        pd.testing.assert_frame_equal(one, at_once.table("impacts"), check_categorical=False)
    else:
        assert_same(study, at_once)


def test_a_name_means_what_it_meant_when_it_was_asked_last(photos: Path, asked: Counter[str], tmp_path: Path) -> None:
    def ask(seed: int = 0, **options: Any) -> Study:
        images = options.pop("images", photos)
        study = Study(tmp_path / "study", source(seed=seed), images, ["scores"], part_size=3, **options)
        study.run(**QUIET)
        return study

    whole = ask().table("scores")
    frame = pd.read_csv(photos)
    frame.drop(index=2).to_csv(photos, index=False)
    asked.clear()
    study = ask()
    assert asked["output"] == 0
    assert study.table("scores")["image"].tolist() == [f"p{n:02}.png" for n in (0, 1, 3, 4, 5)]
    assert study.status().total == 5
    assert "1 images that were asked here before are not in the set 'photos'" in " ".join(study.notices)

    frame.assign(rating=[99.0, *frame["rating"][1:]]).to_csv(photos, index=False)
    asked.clear()
    assert ask().table("scores")["rating"].tolist() == [99, 10, 20, 30, 40, 50]
    assert asked["output"] == 1, "one rating is another one; the image that is back has its row"

    other = ask(seed=1).table("scores")
    assert len(other) == 6
    assert not np.allclose(other["score"], whole["score"])
    frame.to_csv(photos, index=False)
    asked.clear()
    pd.testing.assert_frame_equal(ask().table("scores"), whole, check_categorical=False)
    assert asked["output"] == 0, "weights and ratings are those of the first time again"
    opened = Study(tmp_path / "study")
    assert opened.run(**QUIET).total == 6, "what was asked of the other weights is not made any more"


def test_studies_share_a_folder(photos: Path, tmp_path: Path) -> None:
    more = ImageSet(pictures(tmp_path / "more", 4, first=20), name="more")
    Study(tmp_path / "study", source(), photos, ["scores"]).run(**QUIET)
    Study(tmp_path / "study", [source(), source("classes", classes=3)], more, ["scores"]).run(**QUIET)
    opened = Study(tmp_path / "study")
    counts = opened.table("scores").groupby(["set", "model"], observed=True).size().to_dict()
    assert counts == {("photos", "small"): 6, ("more", "small"): 4, ("more", "classes"): 4}
    assert opened.models == ("small", "classes")
    assert opened.status().total == 14


def test_tables_are_read_as_they_are(photos: Path, tmp_path: Path) -> None:
    study = Study(tmp_path / "study", source(runs=2), photos, list(TABLES), part_size=3)
    study.run(**QUIET)
    readme = (study.folder / "tables" / "README.md").read_text()
    for name, frame in tables_of(study).items():
        path = study.folder / "tables" / f"{name}.parquet"
        assert asked_of(f"SELECT count(*) FROM '{path}'") == [(len(frame),)]
        described = readme.partition(f"## {name}\n")[2].partition("\n## ")[0]
        assert [line.split("`")[1] for line in described.splitlines() if line.startswith("| `")] == list(frame.columns)
    means = asked_of(f"SELECT run, avg(score) FROM '{study.folder}/tables/scores.parquet' GROUP BY run ORDER BY run")
    scores = study.table("scores")
    assert [run for run, _ in means] == [0, 1]
    np.testing.assert_allclose([mean for _, mean in means], scores.groupby("run")["score"].mean(), rtol=1e-6)


def asked_of(question: str) -> list[Any]:
    """What DuckDB answers."""
    found = duckdb.sql(question)
    assert found is not None
    return found.fetchall()


SOME: dict[str, Any] = {"folder": "x", "models": source(), "images": "demo/quality"}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"tables": ["score"]}, "table must be one of 'scores', 'measures', ...; got 'score'"),
        (
            {"tables": {"impacts": {"base": "mean"}}},
            "an option of the table 'impacts' must be one of 'baseline'",
        ),
        ({"tables": {"impacts": {"baseline": "none"}}}, "baseline"),
        ({"tables": []}, "a study needs at least one table"),
        ({"layers": ["bodi"]}, "no layer 'bodi'"),
        ({"layers": "bodi"}, "no layer 'bodi'"),
        ({"layers": {"typo": ["body"]}}, "model must be one of 'small'; got 'typo'"),
        ({"layers": 3}, "layers must be a name or a list of names, got 3"),
        ({"only": "nowhere.png"}, "got 'nowhere.png'"),
        ({"images": None}, "a study needs images"),
        ({"models": None}, "there is no study in"),
        ({"part_size": 0}, "part_size must be a whole number of at least 1, got 0"),
        ({"models": "demo/qualiti"}, "qualiti"),
    ],
)
def test_a_study_is_refused_in_a_sentence(given: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError) as refused:
        Study(**(SOME | {"folder": tmp_path / "study"} | given)).plan()
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "study").exists(), "nothing is left of a refused study"


def test_a_text_is_a_list_of_one(photos: Path, tmp_path: Path) -> None:
    given: tuple[Any, ...] = ("stem", {"small": "stem"})
    for number, layers in enumerate(given):
        study = Study(tmp_path / f"{number}", source(), photos, "activations", layers=layers, only="p01.png")
        study.run(**QUIET)
        table = study.table("activations")
        assert (table["layer"].unique().tolist(), table["image"].unique().tolist()) == (["stem"], ["p01.png"])


@pytest.mark.parametrize("shard", ["0/3", "4/3", "a/b", "3", (2, 1)])
def test_a_shard_is_refused_in_a_sentence(shard: Any, photos: Path, tmp_path: Path) -> None:
    study = Study(tmp_path / "study", source(), photos, ["scores"])
    with pytest.raises(ValueError, match="a shard must be"):
        study.run(shard=shard, **QUIET)


@pytest.mark.parametrize("kind", ["model", "images"])
def test_what_another_process_cannot_make_is_refused_here(kind: str, photos: Path, tmp_path: Path) -> None:
    model: Any = ImageModel(build().network, None, "body") if kind == "model" else source()
    images = np.zeros((2, 40, 48, 3), np.uint8) if kind == "images" else photos
    study = Study(tmp_path / "study", model, images, ["scores"])
    with pytest.raises(ValueError, match=r"ModelSource\(|give a folder"):
        study.run(executor=NoExecutor(), **QUIET)
    assert study.run(**QUIET).finished, "this process makes it"


FORKS = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork"))  # begins no process by itself


@pytest.mark.parametrize(
    ("executor", "error", "words"),
    [
        (processes(2), TypeError, "with xai_widgets.study.pool.processes(4) as pool: study.run(executor=pool)"),
        (3, TypeError, "int has none"),
        (FORKS, ValueError, "xai_widgets.study.pool.processes(4)"),
    ],
)
def test_an_executor_is_refused_in_a_sentence(
    executor: Any, error: type[Exception], words: str, photos: Path, tmp_path: Path
) -> None:
    with pytest.raises(error) as refused:
        Study(tmp_path / "study", source(), photos, ["scores"]).run(executor=executor, **QUIET)
    assert words in str(refused.value)
    assert not (tmp_path / "study").exists()


class NoExecutor:
    """Takes nothing."""

    def submit(self, function: Callable[..., Any], /, *args: Any, **keys: Any) -> Any:
        raise AssertionError("nothing must be submitted")


def test_weights_are_found_from_another_folder(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save(build(seed=4).network.state_dict(), tmp_path / "run.pt")
    monkeypatch.chdir(tmp_path)
    given = ModelSource("small_networks:Small", "run.pt", None, layer="body", name="mine", arguments={"classes": 1})
    Study("study", given, photos, ["scores"]).plan()
    monkeypatch.chdir("/")
    assert Study(tmp_path / "study").run(**QUIET).finished


NAMES = st.lists(st.text("abcdefgh0123", min_size=1, max_size=6), unique=True, max_size=150)


@given(NAMES, NAMES, st.integers(1, 20))
def test_groups_of_names_hardly_change(names: list[str], others: list[str], size: int) -> None:
    few, all_names = sorted(names), sorted({*names, *others[:3]})
    before, after = in_groups(few, size), in_groups(all_names, size)
    assert [name for group in after for name in group] == all_names
    assert all(len(group) <= max(1, 2 * size) for group in after)
    added = len(all_names) - len(few)
    assert len({group for group in after if group not in set(before)}) <= added * (2 + len(all_names) // max(1, size))


def test_a_name_more_changes_few_groups() -> None:
    names = [f"{number:05}" for number in range(3000)]
    before = in_groups(names, 16)
    new = [len(set(in_groups(sorted([*names, f"{place:05}a"]), 16)) - set(before)) for place in range(0, 3000, 100)]
    assert np.mean(new) < 4
    assert 0.5 < np.mean([len(group) for group in before]) / 16 < 1.5
