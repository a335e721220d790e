"""`xai-widgets study`, as it is typed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import psutil
import pytest
from studied import HERE, pictures, source, wait_for
from typer.testing import CliRunner, Result

from xai_widgets.cli import app
from xai_widgets.study import Study

MANY = 20  # so many that a slow machine has not done all of them when it hears of the interrupt
ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join((str(Path(HERE).parent), HERE)), "OMP_NUM_THREADS": "1"}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return pictures(tmp_path / "photos")


def typed(*words: object) -> Result:
    return CliRunner().invoke(app, ["study", *map(str, words)])


def test_a_study_is_planned_run_and_read(photos: Path, tmp_path: Path) -> None:
    study, models = tmp_path / "study", tmp_path / "models.json"
    models.write_text(f"[{source().to_json()}, {source('classes', classes=3).to_json()}]")
    asked = ("--models", models, "--images", photos, "--table", "scores", "--table", "impacts:baseline=mean")
    done = typed("plan", study, *asked, "--part-size", 3, "--layer", "body", "--set-name", "mine")
    assert (done.exit_code, done.output) == (0, "4 tasks; 0 of 24 images and tables are done; 24 are missing.\n")
    assert typed("status", study).exit_code == 1
    for shard in ("1/2", "2/2"):
        done = typed("run", study, "--shard", shard, "--no-progress")
        assert (done.exit_code, done.output) == (0, f"Shard {shard}: 12 of 12 images and tables are done.\n")
    done = typed("tables", study)
    assert done.exit_code == 0, done.output
    assert done.output.splitlines()[:-1] == [
        str(study / "tables" / f"{name}.parquet") for name in ("failures", "impacts", "scores")
    ]
    impacts = Study(study).table("impacts")
    assert set(impacts["set"]) == {"mine"}
    assert set(impacts["baseline"]) == {"mean"}
    assert set(impacts["model"]) == {"small", "classes"}


def test_images_that_failed_are_named_and_the_exit_says_so(photos: Path, tmp_path: Path) -> None:
    assert typed("plan", tmp_path / "study", "--model", "studied:build", "--images", photos).exit_code == 0
    (photos.parent / "p03.png").write_bytes(b"no picture")
    done = typed("run", tmp_path / "study", "--no-progress")
    assert done.exit_code == 1
    assert done.output.startswith("15 of 18 images and tables are done; 3 failed.\n  scores, p03.png: ")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("run {here}", "there is no study in"),
        ("plan {here} --images {photos}", "a study needs a model"),
        ("plan {here} --images {photos} --model resnet81", "resnet81"),
        ("plan {here} --images {photos} --model studied:bild", "there is no 'bild' in studied"),
        ("plan {here} --images nowhere.csv --model studied:build", "nowhere.csv"),
        ("plan {here} --images {photos} --models nowhere.json", "nowhere.json cannot be read"),
        ("plan {here} --images {photos} --model studied:build --table scores:x", "options of a table are given"),
        (
            "plan {here} --images {photos} --model studied:build --table impacts --table impacts:baseline=mean",
            "the table impacts is asked twice",
        ),
        ("plan {here} --images {photos} --model studied:build --layer bodi", "bodi"),
        ("plan {here} --images {photos} --model a:b --model c:d --weights w.pt", "--weights and --transform are of"),
    ],
)
def test_a_wrong_command_is_refused_in_a_sentence(words: str, said: str, photos: Path, tmp_path: Path) -> None:
    done = typed(*words.format(here=tmp_path / "study", photos=photos).split())
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("m.py", "models = 3", "m.py must hold `models` as a list, got int"),
        ("m.py", "models = 'resnet18'", "m.py must hold `models` as a list, got str"),
        ("m.py", "model = []", "m.py must hold `models` as a list, got NoneType"),
        ("m.py", "models = [1 / 0]", "m.py ended with ZeroDivisionError: division by zero"),
        ("m.json", '{"make": "x"}', "m.json must hold `models` as a list, got dict"),
    ],
)
def test_a_file_of_models_is_refused_in_a_sentence(
    name: str, text: str, said: str, photos: Path, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(text)
    done = typed("plan", tmp_path / "study", "--images", photos, "--models", tmp_path / name)
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_models_of_a_python_file(photos: Path, tmp_path: Path) -> None:
    file = tmp_path / "models.py"
    file.write_text("models = ['demo/quality']\n")
    done = typed("plan", tmp_path / "study", "--models", file, "--images", photos, "--table", "scores")
    assert done.exit_code == 0, done.output
    assert json.loads(next((tmp_path / "study" / "asked").glob("*.json")).read_text())["models"][0]["runs"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("processes", "starting"),
    [((), False), (("--processes", "2"), False), (("--processes", "2"), True)],
)
def test_an_interrupt_stops_between_two_batches(processes: tuple[str, ...], starting: bool, tmp_path: Path) -> None:
    photos = pictures(tmp_path / "photos", count=MANY)
    Study(tmp_path / "study", source(seconds=0.2), photos, ["scores"], part_size=1).plan()
    command = [sys.executable, "-m", "xai_widgets", "study", "run", str(tmp_path / "study"), *processes]
    running = subprocess.Popen(
        command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # also where the tests run in the background
    )  # fmt: skip
    if starting:  # its processes still read their modules
        wait_for(lambda: len(psutil.Process(running.pid).children()) >= 3)  # and one that keeps track of resources
    else:
        wait_for(lambda: any((tmp_path / "study" / "parts").rglob("*.rows")))
    os.killpg(running.pid, signal.SIGINT)
    out, err = running.communicate(timeout=300)
    assert running.returncode == 1, err
    assert err.strip().splitlines()[-1] == "Stopped. What is done is kept: run it again, and it goes on."
    assert "Traceback" not in out + err
    done = Study(tmp_path / "study").status().done
    assert done == 0 if starting else 0 < done < MANY
    again = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=True)
    assert again.stdout == f"{MANY} of {MANY} images and tables are done.\n"
    assert len(pd.read_parquet(tmp_path / "study" / "tables" / "scores.parquet")) == MANY
