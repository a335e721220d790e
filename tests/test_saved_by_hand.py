"""Session files by hand: each field is checked, and a bad file is refused in one sentence before a session exists."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import tiny
from hypothesis import given
from hypothesis import strategies as st

from xai_widgets import Engine, Session
from xai_widgets.session import reading
from xai_widgets.session.reading import parsed
from xai_widgets.session.saved import FORMAT, to_text


def text(**changes: Any) -> str:
    """A small file, with some fields otherwise; a name with dots leads into what it holds."""
    panel = {"image": "image 0", "model": "tiny", "layer": "features"}
    data: dict[str, Any] = {
        "format": FORMAT, "version": 1, "product": "0.1.0", "models": [{"name": "tiny", "digests": ["ab"]}],
        "images": {"name": "tiny", "digests": {}}, "present": 1, "look": {}, "measuring": {}, "pins": [],
        "selected": [], "selected_images": [],
        "states": [
            {"number": 0, "parent": None, "columns": 1, "active": 0, "panels": [panel]},
            {"number": 1, "parent": 0, "name": "x", "columns": 1, "active": 0, "panels": [panel | {"run": 0}]},
        ],
    }  # fmt: skip
    for where, value in changes.items():
        *way, last = where.split("__")
        place: Any = data
        for step in way:
            place = place[int(step) if step.isdigit() else step]
        place[int(last) if last.isdigit() else last] = value
    return json.dumps(data)


PANEL = "states__1__panels__0__"
NOT_READ: dict[str, tuple[str, str]] = {
    "empty": ("", "it is not JSON: Expecting value in line 1"),
    "prose": ("session.ask()", "it is not JSON"),
    "a list": ("[1]", 'it is no session file: the field "format" must be'),
    "another format": (text(format="notebook"), 'it is no session file: the field "format" must be'),
    "newer": (
        text(version=7, product="9.9"),
        r"it was written by xai_widgets '9\.9' in the newer format 7, .* which reads up to 1; update it",
    ),
    "no version": (text(version=None), "version must be a whole number from 1 to 1, got None"),
    "unknown field": (text(script="os"), "a field of the file must be one of .* got 'script'"),
    "unknown field of a panel": (text(**{PANEL + "methd": 1}), r"a field of states\[1\]\.panels\[0\] .*got 'methd'"),
    "twice": ('{"format": 1, "format": 2}', "the field 'format' is there twice"),
    "deep": ("[" * 200_000, "it is nested too deeply"),
    "NaN": (text(look__opacity=float("nan")), "numbers must be finite, got NaN"),
    "huge": (text(look__opacity=0.5).replace("0.5", "1e999"), "look.opacity must be a finite number, got inf"),
    "long number": (text().replace('"present": 1', f'"present": {"1" * 5000}'), "at most 30 digits, got 5000"),
    "missing": (text().replace('"pins": [], ', ""), "the file must have the field 'pins'"),
    "no models": (text(models=[]), "models must be a list of 1 to 1000 items, got 0"),
    "same models": (text(models=[{"name": "a", "digests": []}] * 2), "models must have different names"),
    "opacity": (text(look__opacity=2), r"look: opacity must be in \[0, 1\], got 2"),
    "palette": (text(look__palette="rainbow"), "look: palette must be one of"),
    "switch": (text(look__smooth=1), "look.smooth must be true or false, got 1"),
    "measuring": (text(measuring__of="all"), "measuring: of must be one of"),
    "method": (text(**{PANEL + "method": "grad_cams"}), r"panels\[0\]\.method must be one of 'grad_cam'"),
    "option": (text(**{PANEL + "options": {"windw": 3}}), r"panels\[0\]: an option of the method 'grad_cam' must be"),
    "option value": (text(**{PANEL + "options": {"window": {}}}), r"options\['window'\] must be text.* got an object"),
    "gain": (text(**{PANEL + "gains": [[3, 7]]}), r"the gain of map 3 must be in \[0, 2\], got 7"),
    "gains": (text(**{PANEL + "gains": {"3": 1}}), r"gains must be a list of 0 to .* items, got an object"),
    "class": (text(**{PANEL + "target": True}), "target must be text .* or a whole number .* got True"),
    "Q": (text(**{PANEL + "contrast": {"kind": "clas"}}), r"contrast\.kind must be one of 'class'"),
    "degradation": (
        text(**{PANEL + "degradation": {"kind": "rain", "level": 1}}), "degradation: degradation must be one of"
    ),
    "absolute": (text(**{PANEL + "image": "/etc/passwd"}), r"image must be a name and no absolute path, got '/etc"),
    "absolute pin": (text(pins=["C:\\x"]), r"pins\[0\] must be a name and no absolute path"),
    "13 panels": (text(states__1__panels=[{}] * 13), r"states\[1\]\.panels must be a list of 1 to 12 items, got 13"),
    "columns": (text(states__1__columns=2), r"states\[1\]: columns must be a whole number from 1 to 1, got 2"),
    "active": (text(states__1__active=True), r"states\[1\]\.active must be a whole number .* got True"),
    "cycle": (text(states__1__parent=1), r"states\[1\]\.parent must be the number of a state before it, got 1"),
    "two roots": (text(states__1__parent=None), r"states\[1\]\.parent must be null for the first state alone"),
    "same number": (text(states__1__number=0), r"states\[1\]\.number must differ from those before it, got 0"),
    "same name": (text(states__0__name="x"), r"states\[1\]\.name must differ from those before it, got 'x'"),
    "present": (text(present=9), "present must be the number of a state, got 9"),
    "no region": (text(region={}), "region: a region is given by one of mask and box, got neither"),
    "two regions": (text(region={"box": [0, 0, 1, 1], "mask": [[1]]}), "region: a region is given by .* got both"),
    "box": (text(region={"box": [0.5, 0, 0.2, 1]}), "region: box must be left, top, right and bottom as shares"),
    "mask": (text(region={"mask": [[1, 0], [1]]}), "region: mask must be rows of 0 and 1, all of one length"),
    "mask of nothing": (text(region={"mask": [[0, 0]]}), "region: mask must hold at least one place that is 1"),
    "place": (text(region={"mask": [[2]]}), r"region\.mask\[0\]\[0\] must be a whole number from 0 to 1, got 2"),
    "no state": (text(states=[]), "states must be a list of 1 to"),
}  # fmt: skip


def test_the_small_file_itself_is_good(tmp_path: Path, engine: Engine) -> None:
    (tmp_path / "x.json").write_text(text())
    session = Session.open(tmp_path / "x.json", model=tiny.regressor(), images=tiny.rated(), engine=engine)
    assert session.state.name == "x"
    session.close()


@pytest.mark.parametrize("kind", NOT_READ)
def test_a_bad_file_is_refused_in_one_sentence(kind: str) -> None:
    content, sentence = NOT_READ[kind]
    with pytest.raises(ValueError, match=sentence) as caught:
        parsed(content)
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


NOT_ASKED: dict[str, tuple[str, str]] = {
    "model": (text(**{PANEL + "model": "vgg"}), "it asks about the model 'vgg', and there is no such model"),
    "image": (
        text(**{PANEL + "image": "b.png", "images__name": "lab"}),
        "it asks about the image 'b.png' of the set 'lab', and the set 'tiny' has no such image",
    ),
    "layer": (text(**{PANEL + "layer": "feature"}), "state 1, panel 0: tiny has no layer 'feature'; the nearest"),
    "run": (text(**{PANEL + "run": 3}), "state 1, panel 0: run must be from 0 to 0 for tiny, got 3"),
    "class": (text(**{PANEL + "target": "cat"}), "state 1, panel 0: the scores have no names here"),
    "Q": (text(**{PANEL + "contrast": {"kind": "confidence"}}), "state 1, panel 0: Q must be a finite score"),
    "method": (text(**{PANEL + "method": "human_map"}), "state 1, panel 0: .*needs a human map"),
    "map": (text(**{PANEL + "gains": [[24, 0.5]]}), "panel 0: a feature map is named by its number, 0 to 23; got 24"),
    "pin": (text(pins=["b.png"]), "There is no image 'b.png' in 'tiny', which was pinned"),
    "selected": (text(selected=[99]), "The selected maps of layer 'features' are not those"),
}  # fmt: skip


@pytest.mark.parametrize("kind", NOT_ASKED)
def test_what_is_not_there_is_refused_before_a_session_exists(
    tmp_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    content, sentence = NOT_ASKED[kind]
    path = tmp_path / "x.json"
    path.write_text(content)
    monkeypatch.setattr(Session, "__init__", None)  # would be a TypeError
    with pytest.raises(ValueError, match=rf"the session file 'x\.json' cannot be opened: .*{sentence}"):
        Session.open(path, model=tiny.regressor(), images=tiny.rated(), engine=engine)


def test_files_that_cannot_be_read(tmp_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe{}")
    (tmp_path / "long.json").write_bytes(b" " * 200)
    os.mkfifo(tmp_path / "pipe.json")
    monkeypatch.setattr(reading, "MOST_BYTES", 100)
    for name, sentence in (
        ("none.json", "no such file"),
        ("bytes.json", "bytes that are no text"),
        ("long.json", "MiB"),
        ("pipe.json", "it is no file"),
        (".", "it is no file"),
    ):
        with pytest.raises(ValueError, match=f"cannot be opened: .*{sentence}"):
            Session.open(tmp_path / name, model=tiny.regressor(), images=tiny.rated(), engine=engine)
    with pytest.raises(TypeError, match="path must be a file name, got int"):
        Session.open(3, model=tiny.regressor(), images=tiny.rated(), engine=engine)


# ---------------------------------------------------------------------- any file at all

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from([FORMAT, "tiny"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
PLACES = [
    "version", "product", "models", "models__0__name", "models__0__digests", "images", "images__digests", "present",
    "look", "look__opacity", "look__palette", "measuring", "measuring__rule", "pins", "selected", "selected_images",
    "states", "states__0", "states__1__number", "states__1__parent", "states__1__name", "states__1__columns",
    "states__1__active", "states__1__panels", PANEL.removesuffix("__"),
    *(PANEL + name for name in (
        "image", "model", "layer", "run", "target", "contrast", "method", "options", "gains", "baseline", "degradation"
    )),
]  # fmt: skip


@given(st.text() | VALUES.map(json.dumps))
def test_any_text_is_read_or_refused(content: str) -> None:
    with pytest.raises(ValueError):
        parsed(content)


@given(st.sampled_from(PLACES), VALUES)
def test_any_value_in_any_place_is_read_or_refused(place: str, value: Any) -> None:
    found = None
    with suppress(ValueError):
        found = parsed(text(**{place: value}))
    assert found is None or parsed(to_text(found)) == found
