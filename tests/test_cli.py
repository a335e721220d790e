"""The two commands, as they are typed."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

import psutil
import pytest
import torch
from typer.testing import CliRunner

from xai_widgets.cli import app, examination, lessons

LESSON = json.dumps({"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two lessons of an installed package."""
    folder = tmp_path / "site-packages" / "lessons"
    folder.mkdir(parents=True)
    for name in ("01_explore.ipynb", "02_more.ipynb"):
        (folder / name).write_text(LESSON)
    monkeypatch.setattr(lessons, "checkout", lambda: None)
    monkeypatch.setattr(lessons, "PACKAGE", folder.parent)
    return folder


def test_lessons_are_copied_and_never_overwritten(shipped: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mine" / "lessons"
    assert lessons.fill(folder) == (folder, [])
    assert (folder / "01_explore.ipynb").read_text() == LESSON

    (folder / "01_explore.ipynb").write_text("my notes")
    (folder / "02_more.ipynb").unlink()
    assert lessons.fill(folder) == (folder, ["01_explore.ipynb"])
    assert (folder / "01_explore.ipynb").read_text() == "my notes"
    assert (folder / "02_more.ipynb").read_text() == LESSON


def test_without_a_folder_the_lessons_get_one_of_their_own(
    shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert lessons.fill(None) == (tmp_path / "xai-widgets-lessons", [])


def test_a_checkout_serves_its_notebooks() -> None:
    root = Path(__file__).parents[1]
    assert lessons.checkout() == root
    assert lessons.fill(None) == (root / "notebooks", [])


def test_a_folder_that_is_a_file_is_refused_in_a_sentence(shipped: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = CliRunner().invoke(app, ["lab", str(tmp_path / "file")])
    assert done.exit_code == 2
    assert "the lessons could not be copied to" in done.output
    assert "Traceback" not in done.output


@pytest.mark.parametrize(("name", "screen"), [("DISPLAY", True), ("WAYLAND_DISPLAY", True), ("NOTHING", False)])
def test_a_browser_opens_only_where_there_is_a_screen(monkeypatch: pytest.MonkeyPatch, name: str, screen: bool) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    for other in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(name, ":0")
    assert lessons.has_screen() is screen


@contextmanager
def running_lab(folder: Path, private: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`xai-widgets lab` for a reader whose own configuration is careless, and the address that it prints."""
    private.mkdir()
    careless = {"IdentityProvider": {"token": ""}, "ServerApp": {"ip": "0.0.0.0", "open_browser": True}}
    (private / "jupyter_server_config.json").write_text(json.dumps(careless))
    names = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTERLAB_SETTINGS_DIR")
    environment = {name: value for name, value in os.environ.items() if "DISPLAY" not in name}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "xai_widgets", "lab", str(folder), "--port", str(port)],
        env=environment | {name: str(private) for name in names} | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    late = threading.Timer(60, process.kill)
    late.start()
    try:
        assert process.stdout is not None
        printed = ""
        for line in process.stdout:
            printed += line
            if found := re.search(r"http://127\.0\.0\.1:\d+/lab/\S*token=[0-9a-f]+", line):
                yield process, found[0]
                break
        else:
            raise AssertionError(f"no address was printed:\n{printed}")
    finally:
        late.cancel()
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


def answer(address: str) -> int:
    for _ in range(100):
        try:
            with urllib.request.urlopen(address, timeout=5) as page:
                return int(page.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"{address} does not answer")


def test_lab_serves_the_lesson_on_loopback_with_a_token(tmp_path: Path) -> None:
    folder = tmp_path / "lessons"
    with running_lab(folder, tmp_path / "private") as (process, address):
        assert "/lab/tree/01_explore.ipynb?token=" in address
        base, token = re.split(r"/lab/tree/01_explore.ipynb\?token=", address)
        assert answer(f"{base}/api/contents") == 403
        assert answer(f"{base}/api/contents?token={token}") == 200
        assert answer(address) == 200
        assert answer(f"{base}/api/contents/01_explore.ipynb?token={token}") == 200
        listening = {
            connection.laddr.ip
            for connection in psutil.Process(process.pid).net_connections(kind="inet")
            if connection.status == psutil.CONN_LISTEN
        }
        assert listening == {"127.0.0.1"}
        assert token not in " ".join(psutil.Process(process.pid).cmdline())
        found = [finding.answer for finding in examination.examine_servers([{"url": f"{base}/", "token": token}])]
        assert len(found) == 1
        assert found[0].startswith("the running ")


def test_doctor_finds_this_environment_in_order() -> None:
    done = CliRunner().invoke(app, ["doctor"])
    assert done.exit_code == 0, done.output
    for line in (
        rf"ok  torch +{re.escape(metadata.version('torch'))}",
        r"ok  dependencies +all \d+ are here",
        r"ok  device +(cpu|cuda|mps)",
        r"ok  precision, cpu +IEEE as torch starts; exact work runs in IEEE",
        r"ok  widgets are shown by +the JupyterLab of ",
        r"ok  clicks during a cell +are answered at once",
        r"ok  messages leave at once +yes",
    ):
        assert re.search(line, done.output), done.output


def test_doctor_says_the_precision_of_each_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    found = {finding.what: finding.answer for finding in examination.precision()}
    assert next(iter(found)) == "precision, cuda"
    assert found["precision, cuda"] == (
        "TF32 in convolutions and recurrent layers as torch starts; exact work runs in IEEE"
    )
    assert found["precision, cpu"] == "IEEE as torch starts; exact work runs in IEEE"


def test_doctor_says_how_long_a_gain_takes_on_an_accelerator() -> None:
    words = examination.time_of_a_gain(torch.device("cpu"), 0.1)
    assert re.fullmatch(r"a gain on demo/quality: \d+\.\d ms", words), "torch records nothing on a CPU"


def test_doctor_names_what_is_missing_and_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "requires", lambda name: ["no-such-package>=1", "torch>=999", "numpy>=1"])
    monkeypatch.setenv("XAI_WIDGETS_PROMPT", "0")
    done = CliRunner().invoke(app, ["doctor"])
    assert done.exit_code == 1
    assert '!!  no-such-package         >=1 is needed, found none: pip install "no-such-package>=1"' in done.output
    assert re.search(r'!!  torch +>=999 is needed, found 2.*: pip install "torch>=999"', done.output)
    assert re.search(r"--  messages leave at once +no, XAI_WIDGETS_PROMPT is off", done.output)


@pytest.mark.parametrize(
    ("version", "mark", "words"),
    [
        ("6.29.5", False, "wait for the cell"),
        ("7.1.0", False, "are answered at once"),
        ("7.4.0", True, "are answered at once"),
        ("7.9.0", False, "may wait for the cell"),
    ],
)
def test_doctor_knows_when_clicks_are_answered(
    monkeypatch: pytest.MonkeyPatch, version: str, mark: bool, words: str
) -> None:
    monkeypatch.setattr(metadata, "version", lambda name: version)
    monkeypatch.setattr(examination, "reply_mark", lambda: mark)
    (finding,) = examination.clicks()
    assert finding.answer.startswith(words)
    assert finding.wrong is (not words.startswith("are"))


def test_doctor_sees_that_a_jupyterlab_lacks_the_front_ends(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("jupyter_core.paths.jupyter_path", lambda *parts: [str(tmp_path)])
    finding = next(iter(examination.shown()))
    assert (finding.wrong, finding.essential) == (True, True)
    assert finding.answer.endswith("pip install anywidget jupyterlab-widgets")


def test_the_module_is_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "xai_widgets", "--help"], capture_output=True, text=True)
    assert done.returncode == 0
    assert "doctor" in done.stdout
