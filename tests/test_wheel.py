"""The wheel, installed where the checkout is out of reach: it holds everything, and an explorer opens from it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

OPEN = """
import comm, importlib.metadata, json, sys
from pathlib import Path

class Silent(comm.base_comm.BaseComm):
    sent = []
    def publish_msg(self, msg_type, data=None, metadata=None, buffers=None, **keys):
        self.sent.append(msg_type)

comm.create_comm = Silent
import xai_widgets
def some(name):  # the first three, so that few scores are computed
    images = xai_widgets.load_images(name)
    return xai_widgets.ImageSet([images.photo(one) for one in images.names[:3]])

explorer = xai_widgets.explore("demo/quality", some("demo/quality"))
assert explorer.session.wait(120)
scenes = xai_widgets.Session("demo/scenes", some("demo/collages"))
assert scenes.wait(120)
print(json.dumps({
    "package": str(Path(xai_widgets.__file__).parent),
    "path": sys.path,
    "version": importlib.metadata.version("xai-widgets"),
    "comms": Silent.sent.count("comm_open"),
    "score": explorer.session.output.value,
    "maps": explorer.session.maps.thumbs.shape[0],
    "error": explorer.session.error + scenes.error,
    "classes": len(scenes.output.probabilities),
}))
scenes.close()
explorer.close()
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that holds the wheel; what it depends on is linked."""
    folder = tmp_path_factory.mktemp("wheel")
    run("-m", "pip", "wheel", str(ROOT), "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), cwd=folder)
    (wheel,) = folder.glob("xai_widgets-*.whl")
    venv.create(folder / "venv", with_pip=False)
    scripts = "Scripts" if os.name == "nt" else "bin"
    python = folder / "venv" / scripts / Path(sys.executable).name
    run("-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index", str(wheel), cwd=folder)
    purelib = run("-c", "import sysconfig; print(sysconfig.get_path('purelib'))", python=python, cwd=folder).strip()
    # Paths that a .pth file names are searched, but .pth files in them are not: the checkout stays out.
    (Path(purelib) / "linked.pth").write_text("\n".join({sysconfig.get_path(name) for name in ("purelib", "platlib")}))
    return python


def run(*arguments: str, cwd: Path, python: Path = Path(sys.executable)) -> str:
    private = {name: str(cwd) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")}
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | private
    done = subprocess.run(
        [str(python), "-P", *arguments], cwd=cwd, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, f"{arguments}:\n{done.stdout}\n{done.stderr}"
    return done.stdout + ("" if arguments[0] == "-c" else done.stderr)


def package_of(python: Path, cwd: Path) -> Path:
    found = run("-c", "import xai_widgets; print(xai_widgets.__file__)", python=python, cwd=cwd)
    return Path(found.strip()).parent


def test_the_wheel_holds_every_file_of_the_package(installed: Path, tmp_path: Path) -> None:
    package = package_of(installed, tmp_path)
    tracked = subprocess.run(["git", "ls-files", "xai_widgets"], cwd=ROOT, capture_output=True, text=True).stdout
    names = tracked.split() or [str(path.relative_to(ROOT)) for path in (ROOT / "xai_widgets").rglob("*.*")]
    names = [name.removeprefix("xai_widgets/") for name in names if "__pycache__" not in name]
    for suffix in (".py", ".js", ".css", ".safetensors", ".md", ".typed"):
        assert any(name.endswith(suffix) for name in names), f"the checkout has no {suffix}"
    for name in names:
        if (ROOT / "xai_widgets" / name).exists():
            assert (package / name).read_bytes() == (ROOT / "xai_widgets" / name).read_bytes(), name
    for lesson in (ROOT / "notebooks").glob("*.ipynb"):
        assert (package / "lessons" / lesson.name).read_bytes() == lesson.read_bytes()
    assert not list((package / "lessons").glob("**/.*")), "hidden files came along"


def test_an_explorer_opens_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    answer = json.loads(run("-c", OPEN, python=installed, cwd=tmp_path).splitlines()[-1])
    assert Path(answer["package"]).is_relative_to(installed.parents[1])
    assert str(ROOT) not in answer["path"]
    assert answer["comms"] > 7, "every view opens a comm"
    assert 0 <= answer["score"] <= 1
    assert answer["maps"] > 1
    assert answer["classes"] >= 10
    assert answer["error"] == ""


def extension(python: Path, folder: Path, *words: str) -> str:
    printed = run("-m", "jupyter_server", "extension", *words, python=python, cwd=folder)
    return " ".join(re.sub(r"\x1b\[\d+m", "", printed).split())


def test_the_wheel_switches_the_server_extension_on(installed: Path, tmp_path: Path) -> None:
    assert "xai_widgets.server enabled" in extension(installed, tmp_path, "list")


@pytest.mark.slow
def test_the_server_extension_can_be_switched_off_and_on(installed: Path, tmp_path: Path) -> None:
    extension(installed, tmp_path, "disable", "xai_widgets.server")
    assert "xai_widgets.server disabled" in extension(installed, tmp_path, "list")
    extension(installed, tmp_path, "enable", "xai_widgets.server")
    assert "xai_widgets.server enabled" in extension(installed, tmp_path, "list")


def test_the_command_copies_the_lessons(installed: Path, tmp_path: Path) -> None:
    source = "from xai_widgets.cli import lessons; print(*lessons.fill(None), lessons.lessons(), sep='\\n')"
    folder, kept, shipped = run("-c", source, python=installed, cwd=tmp_path).splitlines()
    assert Path(folder) == tmp_path / "xai-widgets-lessons"
    assert kept == "[]"
    assert Path(shipped).is_relative_to(installed.parents[1])
    for lesson in (ROOT / "notebooks").glob("*.ipynb"):
        assert (Path(folder) / lesson.name).read_bytes() == lesson.read_bytes()


def test_doctor_runs_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    source = "from xai_widgets.cli import examination as e; print(e.report(e.examine()))"
    listed = run("-c", source, python=installed, cwd=tmp_path)
    assert "ok  dependencies" in listed
    assert "ok  messages leave at once" in listed
