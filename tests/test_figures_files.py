"""Figures as files: what stands in them, errors, nothing written over or by half, the same bytes each time."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from example_scenes import EXAMPLES, NASTY, bank, layer, plane, radar, secondary, stage
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from xai_widgets import figures, scenes
from xai_widgets.figures import files

ROOT = Path(__file__).parents[1]
SVG = "{http://www.w3.org/2000/svg}"


def texts(path: Path) -> str:
    """All that stands in an SVG as text, in one line."""
    return " ".join("".join(node.itertext()) for node in ET.parse(path).iter(f"{SVG}text"))


@pytest.mark.parametrize("kind", ["pdf", "svg", "png"])
@pytest.mark.parametrize("make", EXAMPLES.values(), ids=EXAMPLES)
def test_every_scene_goes_into_every_format_with_the_same_bytes_each_time(tmp_path: Path, make: Any, kind: str) -> None:
    one = figures.save(make(), tmp_path / f"one.{kind}", width_mm=85, dpi=100)
    other = figures.save(make(), str(tmp_path / f"other.{kind.upper()}"), width_mm=85, dpi=100)
    assert one.read_bytes() == other.read_bytes()
    assert one.read_bytes().startswith({"pdf": b"%PDF", "svg": b"<?xml", "png": b"\x89PNG"}[kind])
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"one.{kind}", f"other.{kind.upper()}"]


def test_another_process_writes_the_same_bytes(tmp_path: Path) -> None:
    source = (
        "import sys; sys.path.insert(0, 'tests')\n"
        "from example_scenes import stage\nfrom xai_widgets import figures\n"
        "for kind in ('pdf', 'svg', 'png'): figures.save(stage(), f'{sys.argv[1]}/it.{kind}', width_mm=85, dpi=100)"
    )
    for seed in ("1", "2"):
        (tmp_path / seed).mkdir()
        environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT), "SOURCE_DATE_EPOCH": seed}
        subprocess.run([sys.executable, "-c", source, str(tmp_path / seed)], check=True, cwd=ROOT, env=environment)
    for kind in ("pdf", "svg", "png"):
        assert (tmp_path / "1" / f"it.{kind}").read_bytes() == (tmp_path / "2" / f"it.{kind}").read_bytes(), kind


def test_an_svg_holds_its_words_as_text(tmp_path: Path) -> None:
    path = figures.save(stage(name="a$b_c$ <i>&.png"), tmp_path / "it.svg")
    said = texts(path)
    for words in ("a$b_c$ <i>&.png", "score 0.90 → 0.87 · rating 0.95", "lowers the score", "raises the score",
                  "change of the score", "−2", "0", "+2", "why the score?", "The field of one cell", "not smoothed",
                  "Without its top 10 %: −0.12."):  # fmt: skip
        assert words in said, words
    assert ET.parse(path).findtext(f"{SVG}title") == "a$b_c$ <i>&.png · net · conv · Grad-CAM · why the score?"
    assert figures.caption(stage()) in path.read_text()  # among what describes the file
    width = ET.parse(path).getroot().get("width", "")
    assert float(width.removesuffix("pt")) / 72 * 25.4 == pytest.approx(180, abs=0.01)


def test_a_pdf_holds_fonts_and_words(tmp_path: Path) -> None:
    data = figures.save(stage(), tmp_path / "it.pdf", width_mm=85).read_bytes()
    assert b"/FontFile2" in data, "TrueType, which a journal can edit"
    assert b"/Type3" not in data
    assert b"/Subtype /Type0" in data or b"/Subtype /TrueType" in data
    assert b"CreationDate" not in data
    assert b"/Title (" in data or b"/Title <" in data
    pictures = {(int(w), int(h)) for w, h in re.findall(rb"/Width (\d+)\s+/Height (\d+)", data)}
    assert {(2, 2), (40, 40)} <= pictures, "map and photo at their own size"
    box = re.search(rb"/MediaBox \[ ?0 0 ([\d.]+)", data)
    assert box is not None
    assert float(box[1]) / 72 * 25.4 == pytest.approx(85, abs=0.01)


def test_a_png_says_what_it_shows(tmp_path: Path) -> None:
    path = figures.save(stage(alt="A cat."), tmp_path / "it.png", width_mm=85, dpi=150)
    with Image.open(path) as picture:
        assert picture.width == pytest.approx(85 / 25.4 * 150, abs=1)
        assert picture.info["dpi"] == pytest.approx((150, 150), abs=0.1)
        assert picture.info["Title"] == "cat.png · net · conv · Grad-CAM · why the score?"
        assert picture.info["Description"] == f"A cat.\n{figures.caption(stage())}"


@pytest.mark.parametrize("kind", ["pdf", "svg"])
@pytest.mark.parametrize(
    "scene",
    [
        stage(name=NASTY, receipt=NASTY, map=layer(title=NASTY, low=NASTY, high=NASTY * 9, unit=NASTY, note=NASTY)),
        stage(name="x" * 900, look={"secondary": "outline"}, secondary=secondary()),
        bank(title=NASTY, note=NASTY * 3),
        plane(across=NASTY, up=NASTY * 40, title=NASTY, facts=NASTY, role_words=(NASTY,) * 5),
        radar(scenes.Series(name=f"_{NASTY}", values=(0.1,) * 5, texts=(NASTY,) * 5)),
        radar(*(scenes.Series(name=f"_{NASTY * 5}", values=(0.1,) * 5) for _ in range(6))),
    ],
    ids=["stage", "long name", "bank", "plane", "radar", "radar of six"],
)
def test_no_text_breaks_a_figure(tmp_path: Path, kind: str, scene: Any) -> None:
    path = figures.save(scene, tmp_path / f"it.{kind}", width_mm=85, dpi=72)  # a warning would be an error
    if kind == "svg":
        assert "a$b_ \\frac{ <&> \ufffd\ufffd\ufffd 日本" in texts(path) or "xxxx" in texts(path)


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"width_mm": 0}, ValueError, "width_mm must be from 40 to 1000, got 0."),
        ({"width_mm": -85}, ValueError, "width_mm must be from 40"),
        ({"width_mm": float("nan")}, ValueError, "width_mm must be from 40 to 1000, got nan."),
        ({"width_mm": "85 mm"}, TypeError, "width_mm must be a number, got '85 mm'."),
        ({"width_mm": True}, TypeError, "width_mm must be a number, got True."),
        ({"dpi": 0}, ValueError, "dpi must be from 36 to 1200, got 0."),
        ({"dpi": 800, "width_mm": 1000}, ValueError, "dpi must be from 36 to 508, got 800."),
        ({"interpolation": "nearest"}, ValueError, "must be one of native, bilinear, bicubic, got 'nearest'."),
        ({"interpolation": None}, ValueError, "interpolation must be one of"),
    ],
)
def test_what_cannot_be_asked_is_said(tmp_path: Path, options: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=re.escape(message)):
        figures.save(stage(), tmp_path / "it.png", **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("path", "kind", "message"),
    [
        ("it", ValueError, "path must end with .pdf, .svg or .png, got"),
        ("it.jpg", ValueError, "path must end with .pdf, .svg or .png, got"),
        ("it.pngg", ValueError, "did you mean .png?"),
        ("nowhere/it.png", ValueError, "must exist, got none at"),
        ("file.txt/it.png", ValueError, "must exist, got none at"),
        ("folder.png", ValueError, "path must name a file, got the folder"),
        ("a\0b.png", ValueError, "no zero character"),
        (f"{'x' * 300}.png", ValueError, "cannot be written: File name too long"),
    ],
)
def test_a_path_that_cannot_be_written_is_named(tmp_path: Path, path: str, kind: Any, message: str) -> None:
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "file.txt").touch()
    before = sorted(tmp_path.iterdir())
    with pytest.raises(kind, match=re.escape(message)):
        figures.save(stage(), str(tmp_path / path), width_mm=85, dpi=72)
    assert sorted(tmp_path.iterdir()) == before


def test_a_path_is_a_path() -> None:
    with pytest.raises(TypeError, match="path must be a file name, got int"):
        figures.save(stage(), 3)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("scene", "kind", "message"),
    [
        (stage(photo=None), ValueError, "this Stage has nothing to draw yet: no photo."),
        (stage(map=None, pending="Grad-CAM"), ValueError, "this Stage has no map yet: Grad-CAM."),
        (bank(thumbs=np.zeros((0, 0, 0), np.uint8)), ValueError, "this Bank has nothing to draw yet: no feature maps."),
        (plane(delta_y=np.zeros(0, np.float32)), ValueError, "this Plane has nothing to draw yet: no removals."),
        (radar(scenes.Series(name="", values=(float("nan"),) * 5)), ValueError, "nothing to draw yet: no measures."),
        (layer(), TypeError, "scene must be a Stage, Grid, Bank, Plane, Radar, Gallery or Picker, got Layer."),
        ([stage()], TypeError, "got list."),
        (None, TypeError, "got NoneType."),
    ],
)
def test_a_scene_with_nothing_in_it_is_refused(tmp_path: Path, scene: Any, kind: Any, message: str) -> None:
    with pytest.raises(kind, match=re.escape(message)):
        figures.save(scene, tmp_path / "it.png")


def test_a_file_is_written_over_only_when_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "it.svg"
    path.write_text("mine")
    with pytest.raises(FileExistsError, match=r"it\.svg' exists; overwrite=True writes over it\."):
        figures.save(stage(), path)
    monkeypatch.setattr(files, "check_free", lambda *_, **__: None)  # the file came while the figure was drawn
    with pytest.raises(FileExistsError):
        figures.save(stage(), path)
    assert path.read_text() == "mine"
    figures.save(stage(), path, overwrite=True)
    assert path.read_text().startswith("<?xml")
    assert os.listdir(tmp_path) == ["it.svg"]


def test_a_file_system_without_links_keeps_files_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    files.put(tmp_path / "it.png", b"one", overwrite=False)
    with pytest.raises(FileExistsError):
        files.put(tmp_path / "it.png", b"two", overwrite=False)
    assert (tmp_path / "it.png").read_bytes() == b"one"
    assert os.listdir(tmp_path) == ["it.png"]


@pytest.mark.parametrize("stop", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_write_that_stops_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: BaseException
) -> None:
    def stopped(_: int) -> None:
        raise stop

    path = tmp_path / "it.png"
    path.write_bytes(b"mine")
    monkeypatch.setattr(os, "fsync", stopped)
    with pytest.raises((ValueError, KeyboardInterrupt), match=r"it\.png' cannot be written: No space|^$"):
        figures.save(stage(), path, width_mm=85, dpi=72, overwrite=True)
    assert path.read_bytes() == b"mine"
    assert os.listdir(tmp_path) == ["it.png"]


def test_threads_draw_at_the_same_time_and_the_settings_stay(tmp_path: Path) -> None:
    before = dict(matplotlib.rcParams)
    jobs = [(make(), f"{name}.svg") for name, make in EXAMPLES.items()]
    for scene, name in jobs:
        figures.save(scene, tmp_path / f"alone-{name}", width_mm=85, dpi=72)
    problems: list[BaseException] = []

    def draw(some: list[Any]) -> None:
        try:
            for scene, name in some:
                figures.save(scene, tmp_path / name, width_mm=85, dpi=72)
        except BaseException as problem:
            problems.append(problem)

    threads = [threading.Thread(target=draw, args=(jobs[start::2],)) for start in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    for _, name in jobs:
        assert (tmp_path / name).read_bytes() == (tmp_path / f"alone-{name}").read_bytes(), name
    assert dict(matplotlib.rcParams) == before


def test_the_readers_settings_do_not_spoil_a_figure_but_the_font_is_theirs(tmp_path: Path) -> None:
    plain = figures.save(stage(), tmp_path / "plain.svg").read_text()
    with matplotlib.rc_context(
        {"text.usetex": True, "font.size": 40, "axes.facecolor": "black", "svg.fonttype": "path"}
    ):
        assert figures.save(stage(), tmp_path / "theirs.svg").read_text() == plain
    with matplotlib.rc_context({"font.family": "DejaVu Serif"}):
        assert "DejaVu Serif" in figures.save(stage(), tmp_path / "serif.svg").read_text()
    assert "DejaVu Serif'" not in plain.split("sans-serif")[0]


def test_no_figure_stays_in_pyplot(tmp_path: Path) -> None:
    source = (
        "import sys; sys.path.insert(0, 'tests')\nfrom example_scenes import stage\nfrom xai_widgets import figures\n"
        "print('matplotlib' in sys.modules, 'torch' in sys.modules)\n"
        f"figures.save(stage(), {str(tmp_path / 'it.png')!r})\nprint('matplotlib.pyplot' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", source], check=True, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.split() == ["False", "False", "False"], "imported when first drawn, without pyplot and torch"


def test_a_figure_can_be_taken_and_changed() -> None:
    figure = figures.draw(stage(), width_mm=85, caption=False)
    assert isinstance(figure.canvas, FigureCanvasAgg)
    assert figure.get_size_inches()[0] * 25.4 == pytest.approx(85)
    assert figure.get_suptitle() == ""
    assert figures.draw(stage(), width_mm=85).get_suptitle().startswith("cat.png\nscore 0.90")
