"""Scenes: frozen plain data, equal by content, in a room that needs NumPy alone."""

from __future__ import annotations

import ast
import pickle
from dataclasses import FrozenInstanceError, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from example_scenes import EXAMPLES, bank, layer, plane, radar, secondary, stage

from xai_widgets import scenes

FOLDER = Path(scenes.__file__).parent
STANDARD = {"__future__", "dataclasses", "typing", "numpy"}


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.name)
def test_a_scene_needs_numpy_alone(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for name in names:
            assert name.startswith("xai_widgets.scenes.") or name.split(".")[0] in STANDARD, name


@pytest.mark.parametrize("make", EXAMPLES.values(), ids=EXAMPLES)
def test_nothing_of_a_scene_can_be_changed(make: Any) -> None:
    scene = make()
    with pytest.raises(FrozenInstanceError):
        setattr(scene, fields(scene)[0].name, None)
    for field in fields(scene):
        value = getattr(scene, field.name)
        assert not isinstance(value, list | dict | set), field.name
        if isinstance(value, np.ndarray):
            with pytest.raises(ValueError, match="read-only"):
                value[...] = 0


def test_a_scene_keeps_its_content_when_the_array_it_was_made_of_changes() -> None:
    mine = np.array([[1.0, 2.0]], np.float32)
    scene = layer(values=mine)
    mine[0, 0] = 9
    np.testing.assert_array_equal(scene.values, [[1, 2]])
    assert mine.flags.writeable, "the array of the caller stays as it was"


def test_an_array_that_nobody_can_write_is_not_copied() -> None:
    sealed = np.frombuffer(np.arange(4, dtype=np.float32).tobytes(), np.float32).reshape(2, 2)
    assert layer(values=sealed).values is sealed
    base = np.zeros((2, 2), np.float32)
    view = base[:]
    view.flags.writeable = False
    base_of = layer(values=view).values
    base[0, 0] = 1
    assert base_of[0, 0] == 0, "a view that cannot be written shows what its base becomes"


def test_lists_become_tuples() -> None:
    assert stage(methods=[]).methods == ()


@pytest.mark.parametrize("make", [*EXAMPLES.values(), layer, secondary], ids=[*EXAMPLES, "layer", "secondary"])
def test_scenes_of_the_same_content_are_equal(make: Any) -> None:
    assert make() == make()
    assert make() == pickle.loads(pickle.dumps(make()))
    assert make() != "another kind"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (layer(), layer(values=np.array([[2.0, -2.0], [0.0, 1.5]], np.float32))),
        (layer(), layer(values=layer().values.astype(np.float64))),
        (layer(), layer(values=layer().values.reshape(1, 4))),
        (layer(), layer(strength=np.ones((2, 2), np.float32))),
        (layer(), layer(note="another")),
        (stage(), stage(map=layer(limit=3.0))),
        (stage(), stage(look={"opacity": 0.5})),
        (stage(), stage(photo=None)),
        (bank(), bank(selected=())),
        (plane(), plane(exact=np.ones(5, bool))),
        (radar(), radar(relative=True)),
    ],
)
def test_scenes_of_another_content_differ(one: Any, other: Any) -> None:
    assert one != other
    assert other != one


def test_not_a_number_is_itself_and_zero_is_zero() -> None:
    nan = np.array([[np.nan, 1.0]], np.float32)
    assert layer(values=nan) == layer(values=nan.copy())
    assert layer(limit=float("nan")) == layer(limit=float("nan"))
    assert radar() == radar(), "an axis that is not available"
    assert layer(limit=0.0) != layer(limit=float("nan"))


def test_a_scene_has_no_hash_and_its_fields_have_names() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(layer())
    with pytest.raises(TypeError):
        scenes.Score("score", "0.9")  # type: ignore[misc]
    with pytest.raises(TypeError, match="colour"):
        replace(layer(), colour="red")  # type: ignore[call-arg]
