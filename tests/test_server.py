"""The server extension: light, on where the package is installed, off where asked, and last in line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection

from xai_widgets.server import PromptConnection, switched_off

START = """
import json, sys
from jupyter_server.serverapp import ServerApp
server = ServerApp()
server.initialize(argv=["--ServerApp.port=0", "--ServerApp.open_browser=False", "--ServerApp.allow_root=True",
                        *sys.argv[1:]])
chosen = server.web_app.settings["kernel_websocket_connection_class"]
print(json.dumps({"class": chosen.__module__ + "." + chosen.__name__,
                  "enabled": server.extension_manager.extensions["xai_widgets.server"].enabled,
                  "heavy": [name for name in ("torch", "numpy", "pandas", "ipywidgets", "anywidget", "plotly")
                            if name in sys.modules]}))
"""


def start(folder: Path, *options: str, **environment: str) -> dict[str, Any]:
    """Start a Jupyter server as the reader does, with nothing configured, and ask what it took."""
    private = {name: str(folder) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")}
    done = subprocess.run(
        [sys.executable, "-P", "-c", START, *options],
        env=os.environ | private | environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def test_a_server_of_this_environment_sends_at_once(tmp_path: Path) -> None:
    answer = start(tmp_path)
    assert answer == {"class": "xai_widgets.server.PromptConnection", "enabled": True, "heavy": []}


def test_the_environment_switches_it_off(tmp_path: Path) -> None:
    answer = start(tmp_path, XAI_WIDGETS_PROMPT="0")
    assert answer["class"].endswith(".ZMQChannelsWebsocketConnection")


def test_a_connection_that_the_reader_chose_stays(tmp_path: Path) -> None:
    (tmp_path / "chosen.py").write_text(
        "from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection\n"
        "class Chosen(ZMQChannelsWebsocketConnection): pass\n"
    )
    option = "--ServerApp.kernel_websocket_connection_class=chosen.Chosen"
    answer = start(tmp_path, option, PYTHONPATH=str(tmp_path))
    assert answer["class"] == "chosen.Chosen"


@pytest.mark.parametrize(("value", "off"), [("0", True), ("off", True), (" False ", True), ("1", False), ("", False)])
def test_what_counts_as_off(monkeypatch: pytest.MonkeyPatch, value: str, off: bool) -> None:
    monkeypatch.setenv("XAI_WIDGETS_PROMPT", value)
    assert switched_off() is off


def test_a_connection_sets_nodelay_before_it_connects(monkeypatch: pytest.MonkeyPatch) -> None:
    happened: list[object] = []

    class Handler:
        def set_nodelay(self, value: bool) -> None:
            happened.append(value)

    monkeypatch.setattr(ZMQChannelsWebsocketConnection, "connect", lambda self: happened.append("connect"))
    connection = PromptConnection.__new__(PromptConnection)
    monkeypatch.setattr(PromptConnection, "websocket_handler", Handler(), raising=False)
    connection.connect()
    assert happened == [True, "connect"]
