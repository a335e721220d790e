"""Networks by name, and weights from files of every kind."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest
import safetensors.torch
import torch
import torchvision
from torch import Tensor, nn
from torchvision.transforms._presets import ImageClassification

from xai_widgets.demo.networks import SCENE_LABELS
from xai_widgets.models import ImageModel, load_model, model_names

NAME = "squeezenet1_1"  # small
PRESET = ImageClassification(crop_size=64, resize_size=64)


@pytest.fixture
def weights() -> dict[str, Tensor]:
    with torch.random.fork_rng(devices=[]):
        return torchvision.models.get_model(NAME, num_classes=6).state_dict()


def test_random_weights_are_always_the_same() -> None:
    sequence = torch.get_rng_state()
    model = load_model(NAME, num_classes=6)
    assert torch.equal(torch.get_rng_state(), sequence)
    torch.manual_seed(9)
    assert load_model(NAME, num_classes=6, transform=PRESET).digest() == model.digest()
    assert model.name == "squeezenet1_1 (no weights)"
    assert (model.task, model.outputs, model.labels) == ("classification", 6, None)
    assert model.notices == ()
    assert model.can_degrade
    assert model.prepare(np.zeros((512, 512, 3), np.uint8)).box == (32, 32, 480, 480)


def test_a_vision_transformer_without_weights_tells_images_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    def small(name: str, weights: None, num_classes: int) -> nn.Module:
        return torchvision.models.VisionTransformer(224, 32, 2, 2, 32, 64, num_classes=num_classes)

    monkeypatch.setattr(torchvision.models, "get_model", small)
    assert not small("", None, 3).get_parameter("heads.head.weight").any()  # torchvision's head is zero
    model = load_model("vit_h_14", num_classes=3)  # whose best weights take 518 pixels
    one = model.scores(model.shell.network(model.inputs(np.zeros((40, 50, 3), np.uint8))))
    two = model.scores(model.shell.network(model.inputs(np.full((40, 50, 3), 255, np.uint8))))
    assert float((one - two).abs().max()) > 1e-3
    assert model.layer == "encoder.layers.encoder_layer_1.ln_1"


WRAPPERS: dict[str, Any] = {
    "plain": lambda weights: weights,
    "state_dict": lambda weights: {"state_dict": weights, "epoch": 3},
    "module": lambda weights: {"module." + key: tensor for key, tensor in weights.items()},
    "compiled lightning": lambda weights: {
        "epoch": 3,
        "state_dict": {"model._orig_mod." + key: tensor for key, tensor in weights.items()},
    },
    "model": lambda weights: {"model": weights, "optimizer": {"lr": 0.1}},
}


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_a_state_dict_is_read_whatever_is_around_it(wrapper: str, weights: dict[str, Tensor], tmp_path: Path) -> None:
    file = tmp_path / "mine.pt"
    torch.save(WRAPPERS[wrapper](weights), file)
    model = load_model(NAME, weights=file, num_classes=6, labels=list("abcdef"), transform=PRESET)
    assert model.name == "squeezenet1_1 (mine.pt)"
    assert model.labels == tuple("abcdef")
    for name, tensor in model.network.state_dict().items():
        assert torch.equal(tensor.cpu(), weights[name])


def test_safetensors_are_read(weights: dict[str, Tensor], tmp_path: Path) -> None:
    file = tmp_path / "mine.safetensors"
    safetensors.torch.save_file(weights, file)
    model = load_model(NAME, weights=str(file), num_classes=6, name="mine", layer="features.12", transform=PRESET)
    assert (model.name, model.layer) == ("mine", "features.12")
    assert all(torch.equal(tensor.cpu(), weights[name]) for name, tensor in model.network.state_dict().items())


class Marker:
    """A pickle that makes a folder when it is opened."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("how", ["torch", "pickle", "safetensors"])
def test_a_pickle_with_code_is_refused_and_not_run(how: str, tmp_path: Path) -> None:
    mark, file = tmp_path / "ran", tmp_path / ("evil.safetensors" if how == "safetensors" else "evil.pt")
    content = {"state_dict": Marker(str(mark))}
    if how == "torch":
        torch.save(content, file)
    else:
        file.write_bytes(pickle.dumps(content))
    with pytest.raises(ValueError) as error:
        load_model(NAME, weights=file)
    assert not mark.exists()
    assert "\n" not in str(error.value)
    assert str(file) in str(error.value)
    if how != "safetensors":
        assert "pickle with code" in str(error.value)
        assert "state_dict()" in str(error.value)


def test_a_whole_network_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "whole.pt"
    torch.save(nn.Linear(2, 2), file)
    with pytest.raises(ValueError, match="pickle with code"):
        load_model(NAME, weights=file)


def test_files_that_do_not_fit_are_refused_in_one_sentence(weights: dict[str, Tensor], tmp_path: Path) -> None:
    def refusal(content: Any, **options: Any) -> str:
        file = tmp_path / "mine.pt"
        if isinstance(content, bytes):
            file.write_bytes(content)
        else:
            torch.save(content, file)
        with pytest.raises(ValueError) as error:
            load_model(NAME, weights=file, **options)
        assert "\n" not in str(error.value)
        return str(error.value)

    words = refusal(weights)
    assert "was trained for 6 classes, not 1000" in words
    assert "give num_classes=6" in words
    assert "classifier.1.weight is 6 x 512 x 1 x 1" in words
    other = torchvision.models.squeezenet1_0(num_classes=6).state_dict()
    assert "features.0.weight is 96 x 3 x 7 x 7 in the file" in refusal(other, num_classes=6)
    short = {name: tensor for name, tensor in weights.items() if not name.startswith("features.12")}
    words = refusal(short, num_classes=6)
    assert "features.12.squeeze.weight" in words
    assert "of 52 missing, none unknown" in words
    assert "extra unknown" in refusal({**weights, "extra": torch.zeros(1)}, num_classes=6)
    assert "holds a list" in refusal([1, 2])
    assert "a dict with epoch" in refusal({"epoch": 3})
    assert "is empty" in refusal(b"")
    assert "mine.pt" in refusal(b"no checkpoint at all")
    whole = tmp_path / "whole.pt"
    torch.save(weights, whole)
    assert "cannot be read" in refusal(whole.read_bytes()[:20_000])


def test_files_that_are_not_there_are_refused() -> None:
    with pytest.raises(ValueError, match=r"there is no file nowhere\.pth"):
        load_model(NAME, weights="nowhere.pth")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("resnet81", ["'resnet81'", "'resnet18'"]),
        ("demo/qualty", ["'demo/quality'"]),
        ("fasterrcnn_resnet50_fpn", ["no network"]),
        ("", ["no network ''", "demo/quality"]),
    ],
)
def test_an_unknown_name_lists_the_nearest(name: str, words: list[str]) -> None:
    with pytest.raises(ValueError) as error:
        load_model(name)
    assert all(word in str(error.value) for word in words)


def test_unknown_weights_list_the_known_ones() -> None:
    with pytest.raises(ValueError, match="resnet18 has no weights 'V9'; there are IMAGENET1K_V1"):
        load_model("resnet18", weights="V9")
    with pytest.raises(ValueError, match="resnet18 has no weights"):
        load_model("resnet18", weights=torchvision.models.ResNet34_Weights.DEFAULT)
    with pytest.raises(ValueError, match="brings its own weights"):
        load_model("demo/scenes", weights="DEFAULT")
    with pytest.raises(ValueError, match="num_classes is for"):
        load_model(NAME, weights="DEFAULT", num_classes=3)


@pytest.mark.parametrize("weights", ["DEFAULT", "SqueezeNet1_1_Weights.IMAGENET1K_V1", "member"])
def test_published_weights_come_with_their_transform_and_labels(weights: str, monkeypatch: pytest.MonkeyPatch) -> None:
    known = torchvision.models.SqueezeNet1_1_Weights
    state = torchvision.models.squeezenet1_1().state_dict()
    asked = []

    def fetched(url: str, **options: Any) -> dict[str, Tensor]:
        asked.append(url)
        return state

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", fetched)
    model = load_model(NAME, weights=known.IMAGENET1K_V1 if weights == "member" else weights, layer="features")
    assert asked == [known.IMAGENET1K_V1.url]
    assert model.name == "squeezenet1_1 (IMAGENET1K_V1)"
    assert model.labels is not None
    assert model.labels[130] == "flamingo"
    assert model.can_degrade


def test_weights_that_cannot_be_fetched_are_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(url: str, **options: Any) -> None:
        raise URLError("no route")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", offline)
    with pytest.raises(RuntimeError, match=r"could not be fetched from .*no route.*give a local file"):
        load_model(NAME, weights="DEFAULT")


def test_names_of_all_networks() -> None:
    names = model_names()
    assert names[:2] == ["demo/quality", "demo/scenes"]
    assert {"resnet18", "vit_b_16"} <= set(names)
    assert "raft_large" not in names


def test_the_quality_network_comes_with_its_runs() -> None:
    sequence = torch.get_rng_state()
    model = load_model("demo/quality")
    assert torch.equal(torch.get_rng_state(), sequence)
    assert (model.name, model.task, model.range, model.layer) == ("demo/quality", "regression", (0.0, 1.0), "features")
    assert len({run.digest() for run in model.runs}) == 3
    assert model.runs[0] is model
    result = model.shell.network(model.inputs(np.zeros((96, 120, 3), np.uint8)))
    assert model.patch_scores is not None
    patches = model.patch_scores(result)
    assert patches.dim() == 3
    assert float(patches.mean()) == pytest.approx(float(model.scores(result)[0, 0]), abs=1e-5)


def test_the_scene_network_has_labels() -> None:
    model = load_model("demo/scenes", name="mine")
    assert isinstance(model, ImageModel)
    assert (model.name, model.task, model.labels) == ("mine", "classification", SCENE_LABELS)
