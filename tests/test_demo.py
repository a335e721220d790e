"""The demonstration: its image sets are what they say, its networks reach the figures of their cards."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from skimage.metrics import structural_similarity

from xai_widgets.demo import build, networks, pictures

FOLDERS = {
    "quality": pictures.quality_folder,
    "scenes": pictures.scenes_folder,
    "collages": pictures.collages_folder,
}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # small steps on a busy machine: threads would wait for each other
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XAI_WIDGETS_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield {name: make() for name, make in FOLDERS.items()}


def table(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "table.csv", keep_default_na=False)


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


# Image sets


@pytest.mark.parametrize("name", FOLDERS)
def test_two_builds_have_the_same_bytes(
    name: str, sets: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XAI_WIDGETS_CACHE", str(tmp_path))
    again = FOLDERS[name]()
    assert again.parent == tmp_path
    assert {p.name: p.read_bytes() for p in again.iterdir()} == {p.name: p.read_bytes() for p in sets[name].iterdir()}


@pytest.mark.parametrize(("name", "size"), [("quality", 160), ("scenes", 96), ("collages", 192)])
def test_table_names_every_image_once(name: str, size: int, sets: dict[str, Path]) -> None:
    rows = table(sets[name])
    assert len(rows) >= 120
    assert rows.image.is_unique
    assert {*rows.image, "table.csv"} == {path.name for path in sets[name].iterdir()}
    assert {pixels(sets[name] / image).shape for image in rows.image} == {(size, size, 3)}
    assert set(rows.split) == {"test"}


def test_quality_set_covers_every_distortion_of_held_out_photographs(sets: dict[str, Path]) -> None:
    rows = table(sets["quality"])
    assert set(rows.photograph) == set(pictures.HELD_OUT)
    kinds = rows[rows.distortion != "clean"].groupby(["distortion", "extent"]).strength.agg(set)
    assert set(kinds.index) == {(kind, extent) for kind in ("blur", "noise", "jpeg") for extent in ("whole", "patches")}
    assert all(strengths == {1, 2, 3, 4, 5} for strengths in kinds)
    assert rows.rating.between(0, 1).all()
    assert rows[rows.distortion == "clean"].rating.eq(1).all()
    assert (rows.distortion == "clean").sum() == len(pictures.HELD_OUT) * pictures.CROPS_EACH
    assert rows.rating.min() < 0.3
    assert rows.rating.std() > 0.15


def test_rating_is_ssim_to_the_clean_crop(sets: dict[str, Path]) -> None:
    folder = sets["quality"]
    rows = table(folder)
    for row in rows.itertuples():
        clean, distorted = pixels(folder / str(row.reference)), pixels(folder / str(row.image))
        again = structural_similarity(clean, distorted, channel_axis=2, data_range=255)
        assert row.rating == pytest.approx(max(again, 0), abs=1e-6)


def test_stronger_distortion_lowers_the_rating(sets: dict[str, Path]) -> None:
    rows = table(sets["quality"])
    whole = rows[rows.extent == "whole"].sort_values("strength")
    for _, same in whole.groupby(["photograph", "crop", "distortion"]):
        assert same.rating.is_monotonic_decreasing


def test_patches_leave_the_rest_untouched() -> None:
    clean = pictures.clean_crops("coffee")[0]
    distorted = 255 - clean
    mixed = pictures.patched(clean, distorted, generator=np.random.default_rng(1))
    changed = (mixed != clean).any(axis=2)
    assert 0.1 < changed.mean() < 0.9
    np.testing.assert_array_equal(mixed[~changed], clean[~changed])
    np.testing.assert_array_equal(mixed[changed], distorted[changed])


def test_split_by_photograph_is_disjoint() -> None:
    assert not set(pictures.HELD_OUT) & set(pictures.TRAINING)
    assert set(pictures.HELD_OUT) | set(pictures.TRAINING) == set(pictures.FILES)
    assert set(pictures.VALIDATION) < set(pictures.TRAINING)


def test_training_reads_no_held_out_photograph(monkeypatch: pytest.MonkeyPatch) -> None:
    read: set[str] = set()
    photograph = pictures.photograph

    def noted(name: str, **size: int) -> np.ndarray:
        read.add(name)
        return photograph(name, **size)

    monkeypatch.setattr(pictures, "photograph", noted)
    build.quality_data(pictures.TRAINING, 120, quiet=True)
    assert read == set(pictures.TRAINING)


def test_scene_crops_of_train_and_test_share_no_pixel(monkeypatch: pytest.MonkeyPatch) -> None:
    numbered = np.arange(pictures.SCENE_WIDTH * 400, dtype=np.float64).reshape(400, pictures.SCENE_WIDTH, 1)
    monkeypatch.setattr(pictures, "photograph", lambda name, width: numbered)
    seen = {
        split: {
            value
            for crop in pictures.scene_crops("cat", split, 60, generator=np.random.default_rng(0))
            for value in crop.flat
        }
        for split in ("train", "test")
    }
    assert min(len(values) for values in seen.values()) > 20_000
    assert not seen["train"] & seen["test"]


def test_scenes_have_contrast_and_ten_crops_each(sets: dict[str, Path]) -> None:
    rows = table(sets["scenes"])
    assert rows.label.value_counts().to_dict() == dict.fromkeys(networks.SCENE_LABELS, pictures.SCENE_CROPS_EACH)
    assert tuple(pictures.SCENES) == networks.SCENE_LABELS
    assert all(pixels(sets["scenes"] / image).std() / 255 >= pictures.SCENE_CONTRAST for image in rows.image)


def test_quadrants_of_collages_are_four_different_scenes_from_test_strips(sets: dict[str, Path]) -> None:
    folder, side = sets["collages"], pictures.SCENE_CROP
    for row in table(folder).head(20).to_dict("records"):
        collage = pixels(folder / row["image"])
        labels = [row[quadrant] for quadrant in pictures.QUADRANTS]
        assert len(set(labels)) == 4
        assert row["image"].endswith("-".join(labels) + ".png")
        for label, (top, left) in zip(labels, [(0, 0), (0, side), (side, 0), (side, side)], strict=True):
            assert is_cut_from(collage[top : top + side, left : left + side], label, pictures.SCENE_STRIPS["test"])


def is_cut_from(crop: np.ndarray, label: str, strips: tuple[int, ...]) -> bool:
    """Whether the crop is in one of the strips of the scene's photograph, exactly."""
    photo = pictures.photograph(pictures.SCENES[label], width=pictures.SCENE_WIDTH)
    strip, side = pictures.SCENE_WIDTH // 5, len(crop)
    for number in strips:
        part = photo[: len(photo) - side + 1, number * strip : (number + 1) * strip - side + 1]
        for top, left in np.argwhere((part == crop[0, 0]).all(axis=2)):
            left += number * strip
            if (photo[top : top + side, left : left + side] == crop).all():
                return True
    return False


# The cache


def test_interrupted_build_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XAI_WIDGETS_CACHE", str(tmp_path))
    save, count = Image.Image.save, 0

    def stopped(self: Image.Image, *arguments: object, **options: object) -> None:
        nonlocal count
        count += 1
        if count == 40:
            raise KeyboardInterrupt
        save(self, *arguments, **options)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(Image.Image, "save", stopped)
        with pytest.raises(KeyboardInterrupt):
            pictures.scenes_folder()
    assert list(tmp_path.iterdir()) == []
    assert len(table(pictures.scenes_folder())) == 150


def test_damaged_set_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XAI_WIDGETS_CACHE", str(tmp_path))
    folder = pictures.scenes_folder()
    whole = {path.name: path.read_bytes() for path in folder.iterdir()}
    (folder / "cat-01.png").unlink()
    assert pictures.scenes_folder() == folder
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == whole
    assert list(tmp_path.iterdir()) == [folder]


def test_made_set_is_not_made_twice(sets: dict[str, Path]) -> None:
    before = (sets["quality"] / "table.csv").stat().st_mtime_ns
    assert pictures.quality_folder() == sets["quality"]
    assert (sets["quality"] / "table.csv").stat().st_mtime_ns == before


def test_leftovers_of_killed_builds_are_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XAI_WIDGETS_CACHE", str(tmp_path))
    old, running = tmp_path / ".scenes-old", tmp_path / ".scenes-running"
    for left in (old, running):
        left.mkdir()
    os.utime(old, (time.time() - 7200,) * 2)
    pictures.scenes_folder()
    assert not old.exists()
    assert running.exists()


def test_four_processes_at_once_make_one_whole_set(tmp_path: Path, sets: dict[str, Path]) -> None:
    command = [sys.executable, "-c", "from xai_widgets.demo.pictures import scenes_folder; print(scenes_folder())"]
    environment = {**os.environ, "XAI_WIDGETS_CACHE": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[1])}
    started = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    answers = [process.communicate(timeout=120)[0].strip() for process in started]
    assert [process.returncode for process in started] == [0] * 4
    assert len(set(answers)) == 1
    assert [path.name for path in tmp_path.iterdir()] == [sets["scenes"].name]
    assert len(list(Path(answers[0]).glob("*.png"))) == 150


@pytest.mark.parametrize(("kind", "strength"), [("haze", 3), ("blur", 6), ("blur", 0)])
def test_unknown_distortion_is_refused(kind: str, strength: int) -> None:
    with pytest.raises(ValueError, match="one of blur, noise, jpeg at 1 to 5"):
        pictures.distort(pictures.clean_crops("coffee")[0], kind, strength, generator=np.random.default_rng(0))


def test_unknown_photograph_is_refused() -> None:
    with pytest.raises(ValueError, match=r"one of astronaut.*got 'skin'"):
        pictures.photograph("skin")


def test_removals_matter_and_do_not_add_up(sets: dict[str, Path]) -> None:
    network = networks.quality_network()
    images, rows = build.read_set(sets["quality"])
    image = images[[row["image"] for row in rows].index("chelsea-1-blur-3-patches.png")][None]
    with torch.no_grad():
        maps = network.features(network.contrast(image))
        score = network.head(maps).mean()
        left = maps.repeat(maps.shape[1], 1, 1, 1)
        left[range(maps.shape[1]), range(maps.shape[1])] = 0
        deltas = network.head(left).mean(dim=(1, 2, 3)) - score
        half = maps.clone()
        half[:, deltas < 0] = 0
        joint = network.head(half).mean() - score
    assert (deltas.abs() > 0.002).sum() >= 10
    assert deltas.min() < 0 < deltas.max()
    assert (joint - deltas[deltas < 0].sum()).abs() > 0.02


# Cards and builds


def figures_of(card: str, name: str) -> list[float]:
    row = re.search(rf"^\| {name} \|(.*)\|$", (networks.CHECKPOINTS / card).read_text(encoding="utf-8"), re.MULTILINE)
    assert row, f"{card} has no row {name}"
    return [float(cell) for cell in row[1].split("|")]


def test_quality_reaches_its_card(sets: dict[str, Path]) -> None:
    images, rows = build.read_set(sets["quality"])
    for run in range(networks.QUALITY_RUNS):
        measured = build.quality_figures(networks.quality_network(run), images, rows)
        assert {"all", *pictures.HELD_OUT} <= set(measured)
        for name, (r, error) in measured.items():
            stated = figures_of("quality.md", name)[2 * run : 2 * run + 2]
            assert [r, error] == pytest.approx(stated, abs=0.03), f"run {run}, {name}"
        assert measured["all"][0] >= 0.85


def test_scenes_reach_their_card(sets: dict[str, Path]) -> None:
    measured = build.scene_figures(networks.scene_network(), *build.read_set(sets["scenes"]))
    for name, share in measured.items():
        assert [share] == pytest.approx(figures_of("scenes.md", name), abs=0.03), name
    assert measured["all"] >= 0.9


def test_collages_reach_the_card(sets: dict[str, Path]) -> None:
    named, placed = build.collage_figures(networks.scene_network(), *build.read_set(sets["collages"]))
    card = (networks.CHECKPOINTS / "scenes.md").read_text(encoding="utf-8")
    stated = re.search(r"named in ([\d.]+) of them, and\n([\d.]+) of the scenes", card)
    assert stated
    assert [named, placed] == pytest.approx([float(stated[1]), float(stated[2])], abs=0.03)
    assert placed > 0.8


def test_quick_build_writes_checkpoints_and_cards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sets: dict[str, Path]
) -> None:
    monkeypatch.setenv("XAI_WIDGETS_CACHE", str(sets["quality"].parent))
    plan = build.Plan(quality_crops=16, quality_epochs=1, scene_crops_each=2, scene_epochs=1, batch=8)
    monkeypatch.setattr(build, "QUICK", plan)
    build.main(["--quick", "--to", str(tmp_path)])
    names = {"quality-0", "quality-1", "quality-2", "scenes"}
    assert {path.stem for path in tmp_path.glob("*.safetensors")} == names
    for card, run in [("quality.md", "gravel"), ("scenes.md", "tissue")]:
        assert f"| {run} |" in (tmp_path / card).read_text(encoding="utf-8")
    networks.QualityNet().load_state_dict(load_file(tmp_path / "quality-2.safetensors"))


def test_build_of_one_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sets: dict[str, Path]) -> None:
    monkeypatch.setenv("XAI_WIDGETS_CACHE", str(sets["scenes"].parent))
    monkeypatch.setattr(build, "QUICK", build.Plan(scene_crops_each=1, scene_epochs=1, batch=8))
    build.main(["--quick", "--only", "scenes", "--to", str(tmp_path)])
    assert {path.name for path in tmp_path.iterdir()} == {"scenes.safetensors", "scenes.md"}
