"""Faults of disks, files, networks and weights: one sentence, nothing lost, and the next run goes on."""

from __future__ import annotations

import errno
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from studied import assert_same, build, pictures, source
from torch import Tensor, nn

from xai_widgets import Session
from xai_widgets.images import ImageSet
from xai_widgets.models import ImageModel
from xai_widgets.study import CannotGoOn, Study, files, work
from xai_widgets.study.parts import Corrupt, Parts
from xai_widgets.study.running import Tally

QUIET: dict[str, Any] = {"progress": False}
TABLES = ["scores", "impacts"]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return pictures(tmp_path / "photos")


@pytest.fixture
def study(photos: Path, tmp_path: Path) -> Study:
    return Study(tmp_path / "study", source(), photos, TABLES, part_size=3)


@pytest.fixture
def whole(photos: Path, tmp_path: Path) -> Study:
    """What all should come to."""
    found = Study(tmp_path / "whole", source(), photos, TABLES, part_size=3)
    found.run(**QUIET)
    return found


def left_over(folder: Path) -> list[Path]:
    return [*folder.rglob("*.part"), *folder.rglob(".*.part")]


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "a bit in the middle": lambda there: there[:-400] + bytes([there[-400] ^ 4]) + there[-399:],
    "a bit in the first line": lambda there: there[:60] + bytes([there[60] ^ 1]) + there[61:],
    "truncated": lambda there: there[: len(there) // 2],
    "empty": lambda there: b"",
}


@pytest.mark.parametrize("damage", [*DAMAGE, "gone"])
def test_a_corrupt_part_is_made_again(damage: str, study: Study, whole: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    study.run(**QUIET)
    part = sorted((study.folder / "parts").rglob("*.rows"))[1]
    there = part.read_bytes()
    if damage == "gone":
        part.unlink()
    else:
        part.write_bytes(DAMAGE[damage](there))
    said = study.write_tables()
    assert said.missing == said.total - said.done > 0
    assert len(said.corrupt) == (damage != "gone")
    asked: list[int] = []
    answer = work.answer

    def counting(*given: Any, **keys: Any) -> Any:
        asked.append(len(given[1]))
        return answer(*given, **keys)

    monkeypatch.setattr(work, "answer", counting)
    assert study.run(**QUIET).finished
    assert sum(asked) == said.missing, "nothing else is made again"
    assert_same(study, whole)


def test_a_part_that_is_damaged_before_the_tables_are_written_is_made_in_the_same_run(
    study: Study, whole: Study
) -> None:
    study.run(**QUIET)
    part = sorted((study.folder / "parts").rglob("*.rows"))[0]
    part.write_bytes(DAMAGE["a bit in the middle"](part.read_bytes()))
    status = study.run(**QUIET)
    assert (status.finished, status.corrupt) == (True, ())
    assert_same(study, whole)


def test_no_damage_to_a_part_passes_unseen(whole: Study) -> None:
    part = sorted((whole.folder / "parts").rglob("*.rows"))[0]
    parts, there = Parts(whole.folder, part.parent.name), part.read_bytes()
    for place in np.random.default_rng(0).integers(0, len(there), 200).tolist():
        part.write_bytes(there[:place] + bytes([there[place] ^ (1 << place % 8)]) + there[place + 1 :])
        with pytest.raises(Corrupt, match=r"^the part \w+\.rows cannot be read: "):
            parts.rows(part)
    part.write_bytes(there)
    assert len(parts.rows(part))


class Full:
    """A disk that is full at the so-manieth call of one function."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, at: str, after: int) -> None:
        self.left, self.calls = after, 0
        real = getattr(os, at)

        def limited(*given: Any) -> Any:
            self.calls += 1
            if self.calls > self.left:
                if at == "fdopen":
                    return Unwilling(real(*given))
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return real(*given)

        monkeypatch.setattr(files.os, at, limited)


class Unwilling:
    """A file that takes nothing."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file

    def __enter__(self) -> Unwilling:
        return self

    def __exit__(self, *given: object) -> None:
        self.file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)

    def write(self, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


# 2 files say what is asked, 4 are parts, and the tables are scores, impacts, failures and the README
@pytest.mark.parametrize(("at", "after"), [("fdopen", 0), ("fsync", 7), ("replace", 4), ("replace", 7), ("fdopen", 9)])
def test_a_full_disk_is_one_sentence_and_the_next_run_goes_on(
    at: str, after: int, study: Study, whole: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        Full(patched, at, after)
        with pytest.raises(CannotGoOn, match="is full") as said:
            study.run(**QUIET)
    assert str(study.folder) in str(said.value)
    assert "\n" not in str(said.value)
    assert left_over(study.folder) == []
    for path in study.folder.rglob("*.parquet"):
        pd.read_parquet(path)
    assert study.run(**QUIET).finished
    assert_same(study, whole)


def test_only_what_a_study_left_half_written_is_taken_away(study: Study) -> None:
    study.run(**QUIET)
    old = study.folder / "asked" / f"{files.OURS}x.json.abc{files.LEFT}"
    kept = [study.folder / ".mine.part", study.folder / "tables" / ".mine.part", study.folder / old.name]
    kept.append(study.folder / "asked" / f"{files.OURS}now.json.abc{files.LEFT}")  # another process writes it
    for path in (old, *kept):
        path.touch()
        if path is not kept[-1]:
            os.utime(path, (0, 0))
    study.run(**QUIET)
    assert not old.exists()
    assert all(path.exists() for path in kept)


def test_tables_stay_whole_on_a_full_disk(study: Study, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study.run(**QUIET)
    before = {path: path.read_bytes() for path in (study.folder / "tables").iterdir()}
    with monkeypatch.context() as patched:
        Full(patched, "fdopen", 0)
        with pytest.raises(CannotGoOn, match=r"the tables of .* could not be written, since it is full"):
            study.write_tables()
    assert {path: path.read_bytes() for path in (study.folder / "tables").iterdir()} == before


@pytest.mark.parametrize("fault", ["unreadable", "replaced", "gone", "known"])
def test_an_image_that_changes_while_a_study_runs_is_named(
    fault: str, study: Study, whole: Study, photos: Path
) -> None:
    file = photos.parent / "p04.png"
    there, told = file.read_bytes(), photos.read_text()

    def harm(tally: Tally) -> None:
        if fault == "unreadable":
            file.write_bytes(there[:200])
        elif fault == "replaced":
            Image.new("RGB", (48, 40), "red").save(file)
        elif fault == "gone":
            file.unlink(missing_ok=True)

    if fault == "known":
        study.plan()
        photos.write_text(told.replace("40.0", "41.0"))
        status = Study(study.folder).run(**QUIET)  # which reads the table anew
    else:
        status = study.run(progress=harm)
    assert set(status.failed["impacts"]) == {"p04.png"}
    words = {"replaced": "was replaced after the study was planned", "known": "was changed after the study was planned"}
    reason = status.failed["impacts"]["p04.png"]
    assert words.get(fault, "p04.png") in reason
    failures = study.table("failures")
    assert set(failures["image"]) == {"p04.png"}
    assert reason in set(failures["reason"])
    assert status.done + len(failures) == status.total == 12
    kept, all_rows = study.table("impacts"), whole.table("impacts")
    expected = all_rows[all_rows["image"] != "p04.png"].reset_index(drop=True)
    pd.testing.assert_frame_equal(kept, expected, check_categorical=False)
    file.write_bytes(there)
    photos.write_text(told)
    assert study.run(**QUIET).finished, "the file is as it was, and what failed is tried again"
    assert_same(study, whole)


class Refuses(nn.Module):
    """Fails on bright pictures."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
        self.head, self.error = nn.Linear(4, 1), error

    def forward(self, images: Tensor) -> Tensor:
        if images.mean() > 0.95:
            raise self.error
        return self.head(self.body(images).mean((2, 3)))


MEMORY = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 3.00 GiB")


@pytest.mark.parametrize("error", [ValueError("this is too bright."), KeyError("bright"), MEMORY])
def test_a_model_that_fails_on_one_image_costs_that_row_only(
    error: BaseException, photos: Path, tmp_path: Path
) -> None:
    Image.new("RGB", (48, 40), "white").save(photos.parent / "p02.png")
    model = ImageModel(Refuses(error), None, "body", range=(0, 100), task="regression")
    study = Study(tmp_path / "study", model, photos, ["scores"], part_size=3)
    status = study.run(**QUIET)
    assert (status.done, status.total, status.missing) == (5, 6, 0)
    (reason,) = study.table("failures")["reason"]
    words: dict[type[BaseException], str] = {ValueError: "too bright", KeyError: "KeyError: 'bright'"}
    assert words.get(type(error), "the memory of the accelerator is full") in reason
    for name in ("p03.png", "p04.png", "p05.png"):
        Image.new("RGB", (48, 40), "white").save(photos.parent / name)
    study = Study(tmp_path / "study", model, photos, ["scores"], part_size=3)
    if error is MEMORY:
        with pytest.raises(CannotGoOn, match="the memory of the accelerator is full"):
            study.run(**QUIET)
    else:
        assert study.run(**QUIET).done == 2


def test_weights_that_change_while_a_study_runs_end_it(photos: Path, tmp_path: Path) -> None:
    model = build()
    study = Study(tmp_path / "study", model, photos, ["scores"], part_size=1)

    def train(tally: Tally) -> None:
        if tally.done == 4:
            with torch.no_grad():
                dict(model.network.named_parameters())["head.bias"].add_(1.0)

    with pytest.raises(CannotGoOn, match=r"not what the study was planned with|the weights of Small"):
        study.run(progress=train)
    study.write_tables()
    rows = study.table("scores")
    assert 0 < len(rows) < 6, "what was made before is kept"
    study.plan()
    assert study.run(**QUIET).finished
    now = study.table("scores").set_index("image")["score"]
    np.testing.assert_allclose(now[rows["image"]], rows["score"] + 1, rtol=1e-5)


def test_a_file_that_says_what_is_asked_may_be_broken(study: Study, photos: Path) -> None:
    study.run(**QUIET)
    (asked,) = (study.folder / "asked").glob("*.json")
    asked.write_text(asked.read_text()[:100])
    with pytest.raises(ValueError, match="plan that study again, or take the file away") as said:
        Study(study.folder)
    assert asked.name in str(said.value)
    assert Study(study.folder, source(), photos, TABLES, part_size=3).run(**QUIET).finished
    assert Study(study.folder).status().finished


@pytest.fixture
def slow_study(photos: Path, tmp_path: Path) -> Study:
    return Study(tmp_path / "study", source("slow", seconds=0.02), photos, TABLES, part_size=100)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C as in a notebook, also where the tests were begun in the background, which takes no notice of it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("how", ["cancel", "interrupt", "twice"])
def test_a_study_that_is_stopped_keeps_what_is_made(how: str, slow_study: Study, tmp_path: Path, photos: Path) -> None:
    def stop(tally: Tally) -> None:
        if tally.done >= 2:
            if how == "cancel":
                threading.Thread(target=slow_study.cancel).start()
            for _ in range({"cancel": 0, "interrupt": 1, "twice": 2}[how]):
                signal.raise_signal(signal.SIGINT)

    if how == "cancel":
        status = slow_study.run(progress=stop)
    else:
        with pytest.raises(KeyboardInterrupt):
            slow_study.run(progress=stop)
        status = slow_study.status()
    assert 2 <= status.done < 12
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    seen: list[int] = []
    assert slow_study.run(progress=lambda tally: seen.append(tally.done)).finished
    assert seen[0] >= status.done, "what was made is there at once"


@pytest.fixture
def session(photos: Path, fake_comm: type) -> Iterator[Callable[[ImageModel], Session]]:
    made: list[Session] = []

    def make(model: ImageModel) -> Session:
        made.append(Session(model, photos))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.mark.parametrize("opened", ["before", "meanwhile"])
def test_a_session_is_served_while_a_study_runs(
    opened: str, photos: Path, session: Callable[[ImageModel], Session], tmp_path: Path
) -> None:
    model = build(seconds=0.01)
    reader = session(model) if opened == "before" else None
    study = Study(tmp_path / "study", model, photos, ["impacts"], part_size=100)
    tallies: list[int] = []
    begun = threading.Event()

    def note(tally: Tally) -> None:
        tallies.append(tally.done)
        begun.set()

    thread = threading.Thread(target=study.run, kwargs={"progress": note})
    thread.start()
    assert begun.wait(60)
    reader = reader or session(model)
    reader.ask(image="p05.png", gains={0: 0.5})
    assert reader.wait(60)
    served = len(tallies)
    assert served < 6, "the answer came before the study was done"
    thread.join(120)
    assert study.status().finished
    again = Study(tmp_path / "again", build(), photos, ["impacts"])
    again.run(**QUIET)
    one, other = study.table("impacts"), again.table("impacts")
    np.testing.assert_allclose(one["delta_y"], other["delta_y"], atol=2e-5)


def test_an_image_that_cannot_be_read_costs_no_other_its_row_by_the_mean(photos: Path, tmp_path: Path) -> None:
    damaged = photos.parent / "p02.png"
    damaged.write_bytes(damaged.read_bytes()[:900])
    study = Study(tmp_path / "study", source(), photos, {"impacts": {"baseline": "mean"}})
    status = study.run(**QUIET)
    assert (status.done, set(status.failed["impacts"])) == (5, {"p02.png"})
    rest = pd.read_csv(photos).drop(index=2)
    clean = Study(tmp_path / "clean", source(), ImageSet(rest, folder=photos.parent), {"impacts": {"baseline": "mean"}})
    clean.run(**QUIET)
    one, other = study.table("impacts"), clean.table("impacts")
    np.testing.assert_allclose(one["delta_y"], other["delta_y"], atol=2e-5)
