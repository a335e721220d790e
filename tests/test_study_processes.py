"""Studies in real processes: executors, kills, shards that overlap, a disk that is full."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from studied import HERE, assert_same, pictures, source, wait_for

from xai_widgets.study import CannotGoOn, Study
from xai_widgets.study.pool import processes
from xai_widgets.study.running import Submits

pytestmark = pytest.mark.slow
QUIET: dict[str, Any] = {"progress": False}
TABLES = ["scores", "impacts"]
ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join((str(Path(HERE).parent), HERE)), "OMP_NUM_THREADS": "1"}
TOLERANCE = 2e-5  # of float32, however the work was cut


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return pictures(tmp_path / "photos")


@pytest.fixture
def marks(tmp_path: Path) -> Path:
    """Where each process that is at work leaves its number."""
    (tmp_path / "marks").mkdir()
    return tmp_path / "marks"


@pytest.fixture
def slow(photos: Path, marks: Path, tmp_path: Path) -> Study:
    """A study of six tasks that takes some seconds, planned."""
    study = Study(tmp_path / "study", source(seconds=0.1, mark=str(marks)), photos, TABLES, part_size=1)
    study.plan()
    for mark in marks.iterdir():
        mark.unlink()  # of this process
    return study


@pytest.fixture
def whole(photos: Path, marks: Path, tmp_path: Path) -> Study:
    """What all should come to."""
    found = Study(tmp_path / "whole", source(seconds=1e-6, mark=str(marks)), photos, TABLES)
    found.run(**QUIET)
    for mark in marks.iterdir():
        mark.unlink()
    return found


def at_work(marks: Path) -> list[int]:
    return [int(mark.name) for mark in marks.iterdir()]


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "xai_widgets", "study", *map(str, words)]


@contextmanager
def a_pool() -> Iterator[Submits]:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield pool


@contextmanager
def own_processes() -> Iterator[Submits]:
    with processes(2) as pool:
        yield pool


@contextmanager
def a_cluster(executor: bool) -> Iterator[Submits]:
    distributed = pytest.importorskip("distributed")
    options = {"n_workers": 2, "threads_per_worker": 2, "dashboard_address": None}
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster) as client:
        yield client.get_executor() if executor else client


@contextmanager
def jobs(folder: Path) -> Iterator[Submits]:
    submitit = pytest.importorskip("submitit")
    executor = submitit.AutoExecutor(folder=folder, cluster="local")
    executor.update_parameters(timeout_min=10)
    yield executor


@pytest.mark.filterwarnings("default")  # those of the executors' own packages
@pytest.mark.parametrize("kind", ["a pool", "two processes", "a client", "an executor of a client", "submitit"])
def test_executors_make_the_same_tables(kind: str, photos: Path, tmp_path: Path) -> None:
    here = Study(tmp_path / "here", source(runs=2), photos, TABLES, part_size=3)
    here.run(**QUIET)
    executors = {
        "a pool": a_pool,
        "two processes": own_processes,
        "a client": lambda: a_cluster(False),
        "an executor of a client": lambda: a_cluster(True),
        "submitit": lambda: jobs(tmp_path / "jobs"),
    }
    tallies: list[int] = []
    size = 100 if kind == "submitit" else 3  # each of its jobs is a process
    study = Study(tmp_path / "study", source(runs=2), photos, TABLES, part_size=size)
    with executors[kind]() as executor:
        assert study.run(executor=executor, progress=lambda tally: tallies.append(tally.made)).finished
        assert study.run(executor=executor, **QUIET).finished
    assert tallies[-1] == 24
    assert_same(study, here, TOLERANCE)


def test_a_worker_that_is_killed_is_one_line_and_the_next_call_goes_on(slow: Study, whole: Study, marks: Path) -> None:
    def kill(*given: object) -> None:
        for process in at_work(marks)[:1]:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)

    with processes(2) as pool, pytest.raises(CannotGoOn, match="a process of the executor ended") as said:
        slow.run(executor=pool, progress=kill)
    assert "\n" not in str(said.value)
    assert "run the study again" in str(said.value)
    done = slow.status().done
    assert 0 < done < 12
    with processes(2) as pool:
        assert slow.run(executor=pool, **QUIET).finished
    assert_same(slow, whole, TOLERANCE)


@pytest.mark.filterwarnings("default")
def test_a_scheduler_that_is_gone_is_one_line_and_the_next_call_goes_on(slow: Study, whole: Study) -> None:
    distributed = pytest.importorskip("distributed")
    cluster = distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None)
    client = distributed.Client(cluster)

    def close(*given: object) -> None:
        cluster.close()

    with pytest.raises(CannotGoOn, match="the scheduler is gone") as said:
        slow.run(executor=client, progress=close)
    client.close()
    assert "\n" not in str(said.value)
    assert 0 < slow.status().done < 12
    assert slow.run(**QUIET).finished
    assert_same(slow, whole, TOLERANCE)


@pytest.mark.parametrize("options", [(), ("--processes", "2")])
def test_a_process_that_is_killed_leaves_nothing_half_done(
    options: tuple[str, ...], slow: Study, whole: Study, marks: Path
) -> None:
    running = subprocess.Popen(command("run", slow.folder, *options), env=ENVIRONMENT, stderr=subprocess.PIPE)
    wait_for(lambda: any((slow.folder / "parts").rglob("*.rows")))
    running.kill()
    running.communicate(timeout=60)
    wait_for(lambda: not any(map(psutil.pid_exists, at_work(marks))))  # its processes end with it
    status = slow.status()
    assert 0 < status.done < 12
    assert status.corrupt == ()
    for mark in marks.iterdir():
        mark.unlink()
    subprocess.run(command("run", slow.folder, *options), env=ENVIRONMENT, capture_output=True, check=True)
    assert_same(slow, whole, TOLERANCE)


OTHER = """
import sys
from studied import source
from xai_widgets.study import Study
Study(sys.argv[1], source("other", seed=3), sys.argv[2], ["scores"], part_size=2).run(progress=False)
"""


def test_shards_that_overlap_and_another_study_in_the_folder(slow: Study, whole: Study, photos: Path) -> None:
    """Three processes in one folder at once: two that make the same, and one that asks something else."""
    commands = [
        command("run", slow.folder, "--no-progress"),
        command("run", slow.folder, "--shard", "1/1", "--no-progress"),
        [sys.executable, "-c", OTHER, str(slow.folder), str(photos)],
    ]
    running = [
        subprocess.Popen(one, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for one in commands
    ]
    for process in running:
        _, err = process.communicate(timeout=400)
        assert process.returncode == 0, err.decode()
    assert Study(slow.folder).status().finished
    both = Study(slow.folder)
    scores = both.table("scores")
    assert scores.groupby("model", observed=True).size().to_dict() == {"small": 6, "other": 6}
    other = Study(whole.folder, source("other", seed=3), photos, ["scores"])
    other.run(**QUIET)
    assert_same(both, other, TOLERANCE)


SMALL_FILES = """
import resource, signal, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from xai_widgets.study import CannotGoOn, Study
try:
    Study(sys.argv[1]).run(progress=False)
except CannotGoOn as error:
    print(error)
"""


def test_a_disk_that_takes_no_large_file(tmp_path: Path) -> None:
    """Parts of the scores still fit, those of the impacts do not."""
    photos = pictures(tmp_path / "photos", 40)
    study = Study(tmp_path / "study", source(), photos, TABLES, part_size=100)
    whole = Study(tmp_path / "whole", source(), photos, TABLES, part_size=100)
    whole.run(**QUIET)
    study.plan()
    sizes = sorted(path.stat().st_size for path in (whole.folder / "parts").rglob("*.rows"))
    limit = (sizes[0] + sizes[-1]) // 2
    child = [sys.executable, "-c", SMALL_FILES, str(study.folder), str(limit)]
    done = subprocess.run(child, env=ENVIRONMENT, capture_output=True, text=True, check=True)
    assert done.stdout.count("\n") == 1, done.stdout + done.stderr
    assert "is full" in done.stdout
    assert study.status().done == 40
    assert not [*study.folder.rglob(".*.part")]
    assert study.run(**QUIET).finished
    assert_same(study, whole)
