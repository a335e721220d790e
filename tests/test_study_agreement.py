"""Agreement with human and other maps over a set, against the kernels called directly and a slow literal version."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import reference
import torch
from PIL import Image
from tiny import TinyNet, photos
from torch import Tensor

from xai_widgets import ImageModel, ImageSet
from xai_widgets.engine import Query, Sources, answer
from xai_widgets.kernels import agreement as kernels
from xai_widgets.study import Study
from xai_widgets.study.running import Tally

MAPS = ["human_map", "other"]


def photo(index: int) -> np.ndarray:
    return np.roll(photos()[index % 3], 7 * index, 1)


def fixations(index: int, side: int = 64) -> np.ndarray:
    marked = np.zeros((side, side), np.uint8)
    marked.flat[np.random.default_rng(index).choice(side * side, 30 + index, replace=False)] = 255
    return marked


def density(index: int) -> np.ndarray:
    rows, columns = np.mgrid[:64, :64]
    blob = np.exp(-((rows - 9 * index) ** 2 + (columns - 40) ** 2) / 200)
    return (255 * blob).round().astype(np.uint8)


def set_of(folder: Path, count: int = 6) -> ImageSet:
    """Fixations of 64 x 64, one a density, one of 32 x 32, one image without; another saliency model's maps."""
    folder.mkdir(exist_ok=True)
    human = [fixations(0), fixations(1), density(2), fixations(3, 32), fixations(4), None][:count]
    rows = []
    for index, given in enumerate(human):
        row: dict[str, Any] = {"image": f"image {index}.png", "human_map": None, "other": f"other {index}.png"}
        Image.fromarray(photo(index)).save(folder / row["image"])
        Image.fromarray(density(index)).save(folder / row["other"])
        if given is not None:
            row["human_map"] = f"human {index}.png"
            Image.fromarray(given).save(folder / row["human_map"])
        rows.append(row)
    pd.DataFrame(rows).to_csv(folder / "table.csv", index=False)
    return ImageSet(folder / "table.csv", name="looked at")


def model() -> ImageModel:
    return ImageModel(TinyNet(), None, "features", range=(0, 1), name="tiny")


def made(folder: Path, images: ImageSet, maps: Any = MAPS) -> tuple[Study, Tally]:
    study, seen = Study(folder, model(), images, {"agreement": {"maps": maps}}, part_size=4), [Tally(0)]
    study.run(progress=lambda tally: seen.append(tally))
    return study, seen[-1]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("agreement")
    made(path / "study", set_of(path / "images"))
    return path


def shown(images: ImageSet, name: str, size: tuple[int, int]) -> Tensor:
    """Grad-CAM cut at 0, at the size of another map."""
    found = answer(Sources(model(), images), Query(image=name), "explanation").saliency
    return kernels.at_size(torch.tensor(np.array(found.map)).relu()[None], size)


def values_of(table: pd.DataFrame, name: str, column: str) -> dict[Any, float]:
    some = table[(table["image"] == name) & (table["map"] == column)]
    rows: Any = some.itertuples()
    return {(row.measure, None if math.isnan(row.share) else round(row.share, 2)): row.value for row in rows}


@pytest.mark.parametrize(("name", "column"), [("image 1.png", "human_map"), ("image 2.png", "other")])
def test_every_value_is_that_of_the_kernels_and_of_a_click(place: Path, name: str, column: str) -> None:
    images, table = set_of(place / "images"), Study(place / "study").table("agreement")
    found = values_of(table, name, column)
    known = images.human_map(name, column)
    assert known is not None
    human = torch.from_numpy(known)[None]
    map_ = shown(images, name, (64, 64))
    expected: dict[Any, Tensor] = {("CC", None): kernels.cc(map_, human), ("SIM", None): kernels.sim(map_, human)}
    expected["KL", None] = kernels.kl(map_, human)
    for share in kernels.SHARES:
        expected["RR(map | other)", share] = kernels.relative_risk(map_, human, share)
        expected["RR(other | map)", share] = kernels.relative_risk(human, map_, share)
    if column == "human_map":
        expected["NSS", None], expected["AUC", None] = (one(map_, human > 0) for one in (kernels.nss, kernels.auc_judd))
    for key, value in expected.items():
        assert found[key] == pytest.approx(float(value), abs=1e-5), key
    without = set(found) - set(expected) - {("shuffled AUC", None)}
    assert without == (set() if column == "human_map" else {("NSS", None), ("AUC", None)})
    assert all(math.isnan(found[key]) for key in without)
    rows = table[(table["image"] == name) & (table["map"] == column)]
    kept = rows[(rows["measure"] == "RR(other | map)") & (rows["share"] < 0.07)][["kept_map", "kept_other"]]
    assert kept.to_numpy().tolist() == [[int(kernels.top_share(some, 0.05).sum()) for some in (map_, human)]]
    click = answer(Sources(model(), images), Query(image=name), "agreement", map=column)
    assert [row.value for row in click.rows] == pytest.approx(
        rows[rows["measure"] != "shuffled AUC"]["value"].tolist(), abs=1e-6, nan_ok=True
    )
    short = {"human_map": "human"}.get(column, column)
    assert click.values[f"RR(map | {short}) 10%"] == pytest.approx(found["RR(map | other)", 0.1], abs=1e-6)


def test_shuffled_auc_is_against_the_fixations_of_all_other_images(place: Path, tmp_path: Path) -> None:
    """Of maps of one size as the kernel has it; of another size each fixation is where the centre of its place lies."""
    images, table = set_of(place / "images"), Study(place / "study").table("agreement")
    some = table[(table["measure"] == "shuffled AUC") & (table["map"] == "human_map")].set_index("image")
    masks = {index: np.argwhere(fixations(index, 32 if index == 3 else 64)) for index in (0, 1, 3, 4)}
    for index, own in masks.items():
        side, name = 32 if index == 3 else 64, f"image {index}.png"
        map_ = shown(images, name, (side, side))[0].numpy()
        others = [(other, at) for other, places in masks.items() for at in places if other != index]
        centres = [(at + 0.5) * side / (32 if other == 3 else 64) for other, at in others]
        negatives = [map_[int(row), int(column)] for row, column in centres]
        expected = reference.auc([map_[row, column] for row, column in own], negatives)
        assert some.loc[name, "value"] == pytest.approx(expected, abs=1e-6)
    assert some.loc[["image 2.png", "image 5.png"], "value"].isna().all()
    assert "this is a density" in str(some.loc["image 2.png", "note"])
    pair = set_of(tmp_path / "pair", 2)
    study, _ = made(tmp_path / "study", pair)
    rows = study.table("agreement").query("measure == 'shuffled AUC' and map == 'human_map'")
    maps = torch.cat([shown(pair, name, (64, 64)) for name in pair])
    fixed = torch.from_numpy(np.stack([fixations(index) > 0 for index in (0, 1)]))
    assert rows["value"].tolist() == pytest.approx(kernels.shuffled_auc(maps, fixed).tolist(), abs=1e-6)


def test_an_image_without_a_map_and_one_that_cannot_be_read_keep_their_rows(place: Path, tmp_path: Path) -> None:
    table = Study(place / "study").table("agreement")
    rows = table[(table["image"] == "image 5.png") & (table["map"] == "human_map")]
    assert len(rows) == 12
    assert rows["value"].isna().all()
    assert rows["note"].str.contains("needs a human map of 'image 5.png'").all()
    assert table[(table["image"] == "image 5.png") & (table["map"] == "other")]["value"].notna().sum() == 9
    images = set_of(tmp_path / "images", 2)
    (tmp_path / "images" / "other 1.png").write_bytes(b"no picture")
    study, _ = made(tmp_path / "study", images)
    note = study.table("agreement").query("image == 'image 1.png' and map == 'other'")["note"]
    assert note.str.startswith("The map 'other' of 'image 1.png' cannot be read").all()
    with pytest.raises(ValueError, match="has no column 'othr' of maps: its columns include 'other'"):
        made(tmp_path / "study", images, "othr")
    with pytest.raises(ValueError, match="maps must be different columns"):
        made(tmp_path / "study", images, ["other", "other"])
    plain, _ = made(tmp_path / "plain", ImageSet(list(photos()[:1])), "human_map")
    assert "no image of" in plain.notices[0]


def test_a_study_that_grows_makes_shuffled_auc_anew_and_nothing_else(place: Path, tmp_path: Path) -> None:
    _, first = made(tmp_path / "study", set_of(tmp_path / "images", 5))
    assert first.made == 2 * 5
    study, more = made(tmp_path / "study", set_of(tmp_path / "images", 6))
    assert more.made == 1 + 6
    pd.testing.assert_frame_equal(study.table("agreement"), Study(place / "study").table("agreement"))


def test_a_map_that_is_replaced_half_way_is_named(tmp_path: Path) -> None:
    images = set_of(tmp_path / "images", 3)
    study = Study(tmp_path / "study", model(), images, ["scores", "agreement"])
    study.plan()
    Image.fromarray(fixations(9)).save(tmp_path / "images" / "human 1.png")
    status = study.run(progress=False)
    assert set(status.failed) == {"agreement", "shuffled_auc"}
    assert status.failed["agreement"] == {
        "image 1.png": "what is known of 'image 1.png' was changed after the study was planned: plan it again."
    }
    assert len(status.failed["shuffled_auc"]) == 3
    study.plan()
    assert not study.run(progress=False).failed
    fresh = Study(tmp_path / "fresh", model(), images, "agreement")
    fresh.run(progress=False)
    pd.testing.assert_frame_equal(study.table("agreement"), fresh.table("agreement"), check_categorical=False)


def test_means_count_what_is_infinite_and_what_is_left_out(place: Path) -> None:
    study = Study(place / "study")
    table, means = study.table("agreement"), study.table("agreement_means")
    rows: Any = means.itertuples()
    for row in rows:
        fits = (table["map"] == row.map) & (table["measure"] == row.measure)
        fits &= table["share"].isna() if math.isnan(row.share) else table["share"] == row.share
        some = table[fits]["value"]
        finite = some[np.isfinite(some)]
        counts = (len(finite), int(some.isna().sum() + np.isinf(some).sum()), int(np.isinf(some).sum()))
        assert (row.n, row.left_out, row.infinite) == counts
        assert row.mean == pytest.approx(finite.mean(), abs=1e-6, nan_ok=True)
        assert row.sd == pytest.approx(finite.std(ddof=1), abs=1e-6, nan_ok=True)
    text = (place / "study" / "tables" / "README.md").read_text()
    assert "against the fixations of all other images of the set" in text
    assert "## agreement_means" in text
