"""Names that a reader gives to feature maps and groups: where they stand, that they are kept, and likeness of maps."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch

from xai_widgets import Engine, Session
from xai_widgets.kernels import agreement
from xai_widgets.session import describe
from xai_widgets.session.likeness import likeness
from xai_widgets.session.map_names import MOST_GROUPS, LayerNames

Make = Callable[..., Session]


@pytest.fixture
def session(make_session: Make) -> Session:
    return make_session([tiny.regressor(), tiny.classifier()], tiny.rated())


def test_a_name_stands_where_the_map_stands(session: Session) -> None:
    session.name_map(3, " the  wheels ")
    session.group_maps("round things", np.array([3, 5, 3]))
    session.card(3)
    scene = describe.bank(session)
    assert (scene.names, scene.groups) == (((3, "the wheels"),), (("round things", (3, 5)),))
    card = describe.card(session)
    assert card is not None
    assert (card.name, card.title) == ("the wheels", "Map 3 “the wheels” of features")
    assert describe.plane(session).names == scene.names
    session.ask(gains={3: 0.5})
    assert "map the wheels (3) × 0.5" in describe.grid(session).about
    session.name_map(3, "")
    assert describe.bank(session).names == ()
    assert "1 map changed" in describe.grid(session).about
    assert (session.maps_of("round things"), session.name_of_map(3)) == ((3, 5), "")
    session.mute(session.maps_of("round things"))
    assert session.query.gains == ((3, 0.0), (5, 0.0))
    session.group_maps("round things", [])
    assert session.map_names == ()


def test_names_stay_with_their_layer_and_are_no_step(session: Session) -> None:
    states = len(session.states)
    session.name_map(3, "wheels")
    session.name_map(3, "edges", layer="features.0")
    session.name_map(1, "ears", model="tiny classes")
    assert len(session.states) == states
    assert session.name_of_map(3) == "wheels"
    session.ask(layer="features.0")
    assert session.name_of_map(3) == "edges"
    session.ask(model="tiny classes")
    assert session.name_of_map(3) == ""
    session.ask(layer="features")
    assert session.name_of_map(1) == "ears"
    session.undo()
    assert session.name_of_map(3) == ""


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (("name_map", tiny.MAPS, "wheels"), f"0 to {tiny.MAPS - 1}; got {tiny.MAPS}"),
        (("name_map", "3", "wheels"), "named by its number"),
        (("name_map", 3, 7), "must be text of at most 60 characters, got 7"),
        (("name_map", 3, "x" * 61), "at most 60 characters"),
        (("name_map", 3, "ears"), "map 4 has the name 'ears' already"),
        (("group_maps", " ", [1]), "needs a name"),
        (("group_maps", "wheels", [1, 99]), "got 99"),
        (("group_maps", "one more", [1]), f"at most {MOST_GROUPS} groups"),
        (("maps_of", "eras"), "'ears'"),
        (("likeness_to", 99), "got 99"),
    ],
)
def test_what_cannot_be_named_is_one_sentence_and_nothing_is_lost(
    session: Session, call: tuple[Any, ...], sentence: str
) -> None:
    session.name_map(4, "ears")
    for number in range(MOST_GROUPS):
        session.group_maps(f"group {number}", [number % tiny.MAPS])
    before = session.map_names
    with pytest.raises(ValueError, match=sentence):
        getattr(session, call[0])(*call[1:])
    assert session.map_names is before


def test_names_are_saved_opened_and_printed(session: Session, engine: Engine, tmp_path: Path) -> None:
    session.name_map(3, "it's <b>")
    session.group_maps("round", [7, 2])
    session.name_map(1, "ears", model="tiny classes", layer="features.0")
    path = session.save(tmp_path / "x.json")
    models = [tiny.regressor(), tiny.classifier()]
    again = Session.open(path, model=models, images=tiny.rated(), engine=engine)
    alone = Session.open(path, model=tiny.regressor(), images=tiny.rated(), engine=engine)
    try:
        assert again.map_names == session.map_names
        assert again.differences == ()
        assert alone.map_names == (LayerNames("tiny", 0, "features", ((3, "it's <b>"),), (("round", (7, 2)),)),)
        assert alone.differences[0].startswith("The names of maps of layer 'features.0' of 'tiny classes' are not kept")
        lines = [line for line in session.code().splitlines() if "_map" in line]
        for line in lines:
            exec(line, {"session": alone}) if "tiny classes" not in line else None
        assert lines[:2] == ['session.name_map(3, "it\'s <b>")', "session.group_maps('round', [7, 2])"]
        assert lines[2] == "session.name_map(1, 'ears', model='tiny classes', layer='features.0')"
        assert alone.map_names[0] == session.map_names[0]
    finally:
        again.close()
        alone.close()


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        ({"names": [[-1, "x"]]}, r"map_names\[0\]\.names\[0\]\[0\] must be a whole number"),
        ({"names": [[1, "x"], [1, "y"]]}, "names must differ"),
        ({"groups": [["a", []]]}, "a list of 1 to"),
        ({"names": {"1": "x"}}, "a list of 0 to"),
        ({"else": 1}, "a field of map_names"),
    ],
)
def test_a_file_with_bad_names_is_refused(session: Session, tmp_path: Path, bad: Any, sentence: str) -> None:
    session.name_map(3, "wheels")
    path = session.save(tmp_path / "x.json")
    data = json.loads(path.read_text())
    data["map_names"][0] |= bad
    path.write_text(json.dumps(data))
    with pytest.raises(ValueError, match=sentence):
        Session.open(path, model=tiny.regressor(), images=tiny.rated())


def test_likeness_is_the_correlation_of_the_maps(session: Session) -> None:
    maps = np.random.default_rng(0).normal(size=(5, 4, 3)).astype(np.float32)
    maps[3], maps[4] = -2 * maps[0] + 1, 7.0
    both = torch.from_numpy(maps)
    wanted = agreement.cc(both, both[:1].expand(5, -1, -1)).numpy()
    found = likeness(maps, 0)
    np.testing.assert_allclose(found[:4], wanted[:4], atol=1e-6)
    assert found[0] == 1
    assert found[3] == -1
    assert np.isnan(found[4])
    assert session.maps is not None
    here = session.likeness_to(3)
    assert here.shape == (tiny.MAPS,)
    assert np.isnan(here[tiny.DEAD])
    np.testing.assert_array_equal(here, likeness(session.maps.thumbs, 3))
