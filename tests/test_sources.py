"""How another process makes the same model."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny import TinyNet, photos, regressor
from torch import nn

from xai_widgets import ImageSet, Query, Sources, answer
from xai_widgets.models import ModelSource, load_model

LAB = """
import torch
from torch import nn
from torchvision.transforms import v2

from xai_widgets.models import ImageModel

prepare = v2.Compose([v2.Resize((32, 32)), v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])
CALLS = []

def geometry(photo):
    return prepare(photo)

def halve(pixels):
    return pixels / 2

def build(maps=4):
    CALLS.append(maps)
    layers = [nn.Conv2d(3, maps, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(maps, 3)]
    return nn.Sequential(*layers)

def whole():
    return ImageModel(build(), prepare, "0", labels=("a", "b", "c"))

def second(result):
    return result[:, 1:2]

class Pair(nn.Module):
    def __init__(self, channels=3):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(channels, 4, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())

    def forward(self, pair):
        return self.layers(pair["left"])[:, :1] - self.layers(pair["right"])[:, 1:2]

def sides(network, left, right):
    return network({"left": left, "right": right})

def broken():
    raise KeyError("no such flag")

def nothing():
    return None
"""


@pytest.fixture(autouse=True)
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package of a lab: models.py as above, and a module that cannot be imported."""
    package = tmp_path / "somelab"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "models.py").write_text(LAB)
    (package / "torn.py").write_text("import not_installed_anywhere")
    (package / "syntax.py").write_text("def f(:")
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("somelab")]:
        del sys.modules[name]


def sources(lab: Path) -> dict[str, ModelSource]:
    """One of each kind."""
    weights = str(lab / "run_03.safetensors")
    torch.manual_seed(3)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
    save_file(network.state_dict(), weights)
    every = [
        ModelSource("demo/scenes"),
        ModelSource("somelab.models:build", transform="somelab.models:prepare"),
        ModelSource("somelab.models:build", weights, "somelab.models:prepare", layer="1"),
        ModelSource("somelab.models:whole", weights, name="lab's own"),
    ]
    return {source.name: source for source in every}


def test_another_process_makes_the_same_model(lab: Path) -> None:
    here = sources(lab)
    (lab / "sources.pickle").write_bytes(pickle.dumps(list(here.values())))
    (lab / "sources.json").write_text(json.dumps([source.to_json() for source in here.values()]))
    program = """
import json, pickle, sys
from pathlib import Path
from xai_widgets.models import ModelSource
lab = Path(sys.argv[1])
sys.path.insert(0, str(lab))
written = [ModelSource.from_json(text) for text in json.loads((lab / "sources.json").read_text())]
assert written == pickle.loads((lab / "sources.pickle").read_bytes())
models = [source.load() for source in written]
print(json.dumps([[model.name, model.digest(), model.layer, model.labels] for model in models]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(lab)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[1],
    )
    models = [source.load() for source in here.values()]
    told = [[model.name, model.digest(), model.layer, model.labels and list(model.labels)] for model in models]
    assert json.loads(done.stdout) == told
    assert [model.source for model in models] == list(here.values())
    assert len({model.digest() for model in models}) == 3  # the last two read one file


def test_names_are_those_of_load_model(tmp_path: Path) -> None:
    assert ModelSource("demo/quality").name == load_model("demo/quality").name == "demo/quality"
    model = load_model("squeezenet1_1", num_classes=2)
    assert ModelSource("squeezenet1_1").name == model.name == "squeezenet1_1 (no weights)"
    assert ModelSource("a.b:build").name == "a.b:build"
    assert ModelSource("a.b:build", "runs/one.pt").name == "a.b:build (one.pt)"


def test_weights_reach_the_network(lab: Path) -> None:
    source = sources(lab)["somelab.models:build (run_03.safetensors)"]
    known, written = source.load().network.state_dict(), load_file(str(source.weights))
    assert set(known) == set(written)
    assert all(torch.equal(known[key], written[key]) for key in written)


def test_options_reach_the_model() -> None:
    source = ModelSource(
        "somelab.models:build",
        transform=["somelab.models:geometry", "somelab.models:halve"],
        output="somelab.models:second",
        range=(-5, 5),
        layer="0",
        arguments={"maps": 7},
    )
    model = source.load()
    photo = photos()[0]
    assert (model.task, model.range, model.layer) == ("regression", (-5.0, 5.0), "0")
    assert model.layers()[0].maps == 7
    torch.testing.assert_close(model.inputs(photo), model.prepare(photo).pixels[None] / 2)
    preset = {"crop_size": 32, "resize_size": 40, "mean": [0.5] * 3, "std": [0.25] * 3}
    inputs = ModelSource("somelab.models:build", transform=preset).load().inputs(photo)
    assert inputs.shape == (1, 3, 32, 32)
    assert float(inputs.min()) >= -2
    assert float(inputs.max()) > 1


def test_how_samples_of_several_images_are_taken_reaches_the_model() -> None:
    given = {"make": "somelab.models:Pair", "transform": None, "arguments": {"channels": 2}, "images": 2, "channels": 2}
    source = ModelSource(**given, call="somelab.models:sides", task="regression")  # type: ignore[arg-type]
    model = ModelSource.from_json(source.to_json()).load()
    assert (model.images, model.channels, model.notices) == (2, 2, ())
    assert model.source == source
    a, b = (np.random.default_rng(seed).integers(0, 256, (8, 8, 2), dtype=np.uint8) for seed in range(2))
    inputs = [torch.from_numpy(one).movedim(2, 0)[None] / 255 for one in (a, b)]
    wanted = model.network({"left": inputs[0], "right": inputs[1]})
    found = answer(Sources([source], ImageSet([(a, b)], channels=2)), Query("image 0", source.name), "output")
    torch.testing.assert_close(torch.tensor(found.scores)[None].float(), wanted)


def test_other_runs_come_from_their_weights(lab: Path) -> None:
    files = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
        files.append(str(lab / f"{seed}.pt"))
        torch.save(network.state_dict(), files[-1])
    source = ModelSource("somelab.models:build", files[0], "somelab.models:prepare", layer="0", runs=(files[1],))
    model = source.load()
    other = ModelSource("somelab.models:build", files[1], "somelab.models:prepare").load()
    assert [run.digest() for run in model.runs] == [model.digest(), other.digest()]
    assert {ModelSource.from_json(source.to_json()), source} == {source}
    assert ModelSource("a:b", Path("one.pt"), runs=[Path("two.pt")]) == ModelSource("a:b", "one.pt", runs=("two.pt",))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "kind", "words"),
    [
        ({"make": "somelab.models:biuld"}, ValueError, "no 'biuld' in somelab.models; the nearest are 'build'"),
        (
            {"make": "somelab.modles:build"},
            ValueError,
            "no module 'modles' in the package somelab; the nearest are 'mod",
        ),
        ({"make": "somelob.models:build"}, ValueError, "no module 'somelob' where .* the nearest are 'somelab'"),
        (
            {"make": "somelab.torn:build"},
            ValueError,
            "somelab.torn cannot be .*: there is no module 'not_installed_any",
        ),
        ({"make": "somelab.syntax:build"}, ValueError, "somelab.syntax cannot be imported: SyntaxError"),
        ({"make": "somelab.models:broken"}, RuntimeError, "somelab.models:broken failed: KeyError: 'no such flag'"),
        (
            {"make": "somelab.models:build", "arguments": {"map": 3}},
            RuntimeError,
            "TypeError: build.. got an",
        ),
        ({"make": "somelab.models:nothing"}, TypeError, "must return .* or an ImageModel, it returned NoneType"),
        ({"make": "somelab.models:CALLS"}, ValueError, "must be a function that returns a network, it is a list"),
        ({"make": "somelab.models:build"}, ValueError, "does not say how photos are prepared .* give transform="),
        ({"make": "somelab.models:whole", "layer": "0"}, ValueError, "has all its options; leave out layer"),
        ({"make": "somelab.models:build", "transform": None, "weights": "no.pt"}, ValueError, "there is no file no.pt"),
        ({"make": "somelab.models:build", "transform": {"size": 3}}, ValueError, "must hold arguments of .* 'size'"),
        (
            {"make": "demo/scenes", "arguments": {"num_classes": 3}},
            ValueError,
            "has its own classes, got num_classes=3",
        ),
        ({"make": "resnet18", "arguments": {"classes": 3}}, ValueError, "may hold num_classes, got classes"),
        ({"make": "resnet81"}, ValueError, "there is no network 'resnet81'; the nearest are 'resnet18'"),
    ],
)
def test_what_cannot_be_loaded_is_said_in_one_sentence(given: dict[str, object], kind: type, words: str) -> None:
    with pytest.raises(kind, match=words):
        ModelSource(**given).load()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "kind", "words"),
    [
        ({"make": TinyNet}, TypeError, "make must be a name such as"),
        ({"make": " "}, ValueError, "make must be a name such as"),
        ({"make": "a:b", "transform": abs}, TypeError, "plain data .* name it as 'package.module:name'"),
        ({"make": "a:b", "transform": "prepare"}, ValueError, "transform .* 'package.module:name', got 'prepare'"),
        ({"make": "a:b", "output": abs}, TypeError, "output .* must be text, .* name it as"),
        ({"make": "a:b", "output": "second:"}, ValueError, "output .* got 'second:'"),
        ({"make": "a:b", "labels": "cat"}, TypeError, "labels .* must be a list of names, got 'cat'"),
        ({"make": "a:b", "runs": "run_04.pt"}, TypeError, "runs .* must be a list of names, got 'run_04.pt'"),
        ({"make": "a:b", "runs": 4}, TypeError, "runs .* must be a list of names, got 4"),
        ({"make": "a:b", "range": (0, float("inf"))}, TypeError, "range .* must be plain data"),
        ({"make": "a:b", "images": 0}, ValueError, "images .* must be a whole number from 1, got 0"),
        ({"make": "a:b", "images": 2.0}, TypeError, "images .* must be a whole number from 1, got 2.0"),
        ({"make": "a:b", "channels": True}, TypeError, "channels .* must be a whole number from 1, got True"),
        ({"make": "a:b", "call": abs}, TypeError, "call .* must be text, .* name it as 'package.module:name'"),
        ({"make": "a:b", "call": "lst"}, ValueError, "call .* 'separate', 'list', .* as 'package.*', got 'lst'"),
        ({"make": "a:b", "arguments": [3]}, TypeError, "arguments .* must be a dict"),
        ({"make": "a:b", "arguments": {"device": torch.device("cpu")}}, TypeError, "arguments .* must be plain data"),
    ],
)
def test_a_source_holds_plain_data_only(given: dict[str, object], kind: type, words: str) -> None:
    with pytest.raises(kind, match=words):
        ModelSource(**given)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"make": "a:b", "colour": 1}'])
def test_other_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a model source must"):
        ModelSource.from_json(text)


def test_nothing_is_imported_before_load(lab: Path) -> None:
    ModelSource("somelab.models:build", transform="somelab.models:prepare")
    assert "somelab.models" not in sys.modules


def test_a_model_knows_its_source_until_its_weights_change() -> None:
    assert regressor().source is None
    assert load_model("demo/scenes").source == ModelSource("demo/scenes")
    assert load_model("demo/scenes", output=lambda scores: scores).source is None
    model = load_model("squeezenet1_1", num_classes=2, device=torch.device("cpu"), layer="features.3")
    assert model.source == ModelSource("squeezenet1_1", arguments={"num_classes": 2}, device="cpu", layer="features.3")
    with torch.no_grad():
        next(model.network.parameters()).mul_(1.0)
    assert model.source is not None  # written, but the same
    with torch.no_grad():
        next(model.network.parameters()).mul_(2.0)
    assert model.source is None
