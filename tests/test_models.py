"""Models: any eager network, its scores found, and in words why a network cannot be explained."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from small_networks import PRESET, ClassMaps, Small, photo
from torch import Tensor, nn

from xai_widgets.models import ImageModel


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        yield


@dataclass
class Output:
    logits: Tensor
    hidden: Tensor | None = None


@pytest.fixture
def small() -> Small:
    return Small().eval()


FORMS: dict[str, tuple[Callable[[Tensor], Any], int]] = {
    "n k": (lambda y: y, 5),
    "n": (lambda y: y[:, 0], 1),
    "n 1": (lambda y: y[:, :1], 1),
    "n k 1 1": (lambda y: y[:, :, None, None], 5),
    "squeezed": (lambda y: y[:, 0].squeeze(), 1),
    "tuple": (lambda y: (torch.zeros(7), torch.arange(len(y)), y), 5),
    "list": (lambda y: [y, y[:, 0]], 5),
    "dict": (lambda y: {"features": y[:, :2], "score": y[:, 2]}, 1),
    "dict of other names": (lambda y: {"loss": y.sum(), "mine": y}, 5),
    "logits": (lambda y: Output(y), 5),
    "nested": (lambda y: {"out": (y, None)}, 5),
}


@pytest.mark.parametrize("form", FORMS)
def test_scores_are_found_in_what_the_network_returns(form: str) -> None:
    make, outputs = FORMS[form]
    network = Small(make).eval()
    model = ImageModel(network, PRESET)
    inputs = model.inputs(photo())
    result = network(inputs)
    assert model.outputs == outputs
    assert model.task == ("regression" if outputs == 1 else "classification")
    scores = model.scores(result)
    assert scores.shape == (1, outputs)
    plain = Small()
    plain.load_state_dict(network.state_dict())
    logits = plain.eval()(inputs)
    wanted = logits if outputs == 5 else logits[:, 2:3] if form == "dict" else logits[:, :1]
    torch.testing.assert_close(scores, wanted)
    two = torch.cat((inputs, inputs.flip(3)))
    torch.testing.assert_close(model.scores(network(two))[:1], wanted, rtol=1e-4, atol=1e-5)


def test_a_given_output_is_used() -> None:
    network = Small(lambda y: {"a": y, "b": y[:, 3]}).eval()
    model = ImageModel(network, PRESET, output=lambda result: result["b"])
    inputs = model.inputs(photo())
    assert model.outputs == 1
    torch.testing.assert_close(model.scores(network(inputs))[0, 0], network(inputs)["a"][0, 3])


@pytest.mark.parametrize(
    ("form", "words"),
    [
        (lambda y: y.argmax(1), "scores as a tensor"),
        (lambda y: y.mean(), "for one image it returned a tensor ()"),
        (lambda y: y[:, :, None, None].expand(-1, -1, 4, 4), r"for one image it returned a tensor (1, 5, 4, 4)"),
        (lambda y: None, "NoneType"),
    ],
)
def test_an_output_without_a_row_an_image_is_refused(form: Callable[[Tensor], Any], words: str) -> None:
    with pytest.raises(ValueError) as error:
        ImageModel(Small(form).eval(), PRESET)
    assert words in str(error.value)


def test_patch_scores_are_checked() -> None:
    network = Small(lambda y: {"score": y[:, 0], "patches": y[:, :4].reshape(-1, 2, 2)}).eval()
    model = ImageModel(network, PRESET, patch_scores=lambda result: result["patches"])
    assert model.patch_scores is not None
    assert model.patch_scores(network(model.inputs(photo()))).shape == (1, 2, 2)
    with pytest.raises(ValueError, match="patch_scores must return"):
        ImageModel(network, PRESET, patch_scores=lambda result: result["score"])


# ---------------------------------------------------------------- networks that cannot be explained


class Dropping(Small):
    def forward(self, images: Tensor) -> Tensor:
        return self.head(nn.functional.dropout(self.pool(self.body(self.stem(images))).flatten(1), training=True))


class Centred(Small):
    def forward(self, images: Tensor) -> Tensor:
        logits = super().forward(images)
        return logits - logits.mean(0) * 0.5


class Broken(Small):
    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images) / 0.0 * 0.0


def test_a_network_that_is_not_deterministic_is_refused() -> None:
    network = Dropping().eval()
    sequence = torch.get_rng_state()
    with pytest.raises(ValueError, match=r"Dropping is not deterministic in eval mode.*first seen at layer 'head'"):
        ImageModel(network, PRESET)
    assert torch.equal(torch.get_rng_state(), sequence)


def test_a_network_whose_rows_depend_on_each_other_is_refused(small: Small) -> None:
    with pytest.raises(ValueError, match="Centred lets the images of a batch depend on each other"):
        ImageModel(Centred().eval(), PRESET)
    small.stem[1] = nn.BatchNorm2d(8, track_running_stats=False)
    with pytest.raises(ValueError, match=r"first seen at layer 'stem.1' \(BatchNorm2d\)"):
        ImageModel(small, PRESET)


def test_a_network_that_gives_nan_is_refused() -> None:
    with pytest.raises(ValueError, match="Broken returns scores that are not finite"):
        ImageModel(Broken().eval(), PRESET)


def test_a_network_that_cannot_run_says_why() -> None:
    network = nn.Sequential(nn.Conv2d(4, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    with pytest.raises(ValueError, match=r"Sequential cannot be run on a test batch .*expected input.*4 channels"):
        ImageModel(network, PRESET)
    for channels in (3, 4):
        network = nn.Sequential(nn.Conv2d(channels, 4, 3), nn.Flatten(), nn.Linear(7, 2)).eval()
        with pytest.raises(ValueError, match=rf"Sequential cannot be run on a test batch \(2 {channels} h w\)"):
            ImageModel(network, None, channels=channels)


def test_what_is_no_eager_network_is_refused(small: Small) -> None:
    with pytest.raises(TypeError, match=r"network must be a torch.nn.Module, got function"):
        ImageModel(photo, PRESET)  # type: ignore[arg-type]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch has deprecated it
        traced = torch.jit.trace(ClassMaps().eval(), torch.zeros(1, 3, 224, 224))
        sealed = ImageModel(traced, PRESET, task="classification")
    assert sealed.sealed.startswith("this network is scripted") or "traced" in sealed.sealed
    with pytest.raises(ValueError, match="lazy"):
        ImageModel(nn.Sequential(nn.LazyConv2d(3, 3)), PRESET)
    with pytest.raises(ValueError, match="meta"):
        ImageModel(ClassMaps().to("meta"), PRESET)


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"labels": ["a", "b"]}, ValueError, "each of the 5 outputs of the network, got 2"),
        ({"labels": "abcde"}, TypeError, "list of names"),
        ({"range": (0, 1), "task": "classification"}, ValueError, "task='regression', got one for classification"),
        ({"device": "nowhere"}, ValueError, "'nowhere'"),
        ({"layr": "body"}, TypeError, "layr"),
    ],
)
def test_arguments_that_do_not_fit_a_classifier(options: dict[str, Any], kind: type[Exception], words: str) -> None:
    with pytest.raises(kind) as error:
        ImageModel(Small().eval(), PRESET, **options)
    assert words in str(error.value)


@pytest.mark.parametrize("range", [(1, 0), (0, float("nan")), (0, float("inf")), (1,), "ab", 3])
def test_a_range_that_is_none_is_refused(range: Any) -> None:
    with pytest.raises(ValueError, match="range must be"):
        ImageModel(Small(classes=1).eval(), PRESET, range=range)


def test_labels_and_range_are_kept() -> None:
    assert ImageModel(Small(classes=2).eval(), PRESET, labels=["cat", "dog"]).labels == ("cat", "dog")
    assert ImageModel(Small(classes=1).eval(), PRESET, range=(0, 100)).range == (0.0, 100.0)
