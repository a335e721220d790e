"""The models room: any eager network, its preprocessing split, its scores found, its layers listed."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
import torchvision.transforms as v1
from torch import Tensor, nn
from torchvision.transforms._presets import ImageClassification

from xai_widgets.models import ImageModel
from xai_widgets.models.preprocessing import photographs

NORMALIZE = v1.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
PRESET = ImageClassification(crop_size=64, resize_size=72)


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        yield


class Small(nn.Module):
    """Two stages and a head; `form` makes of the logits what a network may return."""

    def __init__(self, form: Callable[[Tensor], Any] = lambda logits: logits, classes: int = 5) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        self.body = nn.Sequential(nn.Conv2d(8, 12, 3, stride=2, padding=1), nn.ReLU())
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(12, classes)
        self.form = form

    def forward(self, images: Tensor) -> Any:
        return self.form(self.head(self.pool(self.body(self.stem(images))).flatten(1)))


@dataclass
class Output:
    logits: Tensor
    hidden: Tensor | None = None


@pytest.fixture
def small() -> Small:
    return Small().eval()


def photo(height: int = 90, width: int = 120) -> np.ndarray:
    return np.array(photographs(1, (height, width))[0])


# ---------------------------------------------------------------- outputs


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


# ---------------------------------------------------------------- layers


def test_resnet_layers_are_listed_in_order() -> None:
    network = torchvision.models.resnet18(num_classes=10).eval()
    model = ImageModel(network, PRESET)
    assert model.layer == "layer4"
    layers = {layer.name: layer for layer in model.layers()}
    assert [name for name in layers if name.startswith("layer") and "." not in name] == [
        f"layer{i}" for i in range(1, 5)
    ]
    assert (layers["layer3"].kind, layers["layer3"].maps) == ("maps", 256)
    assert (layers["layer1"].height, layers["layer3"].height) == (16, 4)
    assert "avgpool" not in layers
    assert "fc" not in layers
    costs = [layer.cost for layer in model.layers()]
    assert costs == sorted(costs, reverse=True)
    assert 0.9 < costs[0] < 0.97
    assert 0 < layers["layer4"].cost < 0.001
    assert layers["layer4.1.conv1"].note == (
        "convolution followed by batch norm and activation: the removal acts on the convolution's own output"
    )
    assert "batch norm, shortcut and activation" in layers["layer4.1.conv2"].note
    assert "called 2 times" in layers["layer4.1.relu"].note
    assert layers["layer4"].note == ""


def test_costs_are_shares_of_all_multiply_adds(small: Small) -> None:
    model = ImageModel(small, PRESET)
    stem, body, head = 32 * 32 * 8 * 3 * 9, 16 * 16 * 12 * 8 * 9, 12 * 5
    costs = {layer.name: layer.cost for layer in model.layers()}
    assert costs["stem"] == pytest.approx((body + head) / (stem + body + head))
    assert costs["body"] == pytest.approx(head / (stem + body + head))


def test_layers_have_the_size_that_a_photo_gives_them(small: Small) -> None:
    model = ImageModel(small, None)
    sizes = {layer.name: (layer.height, layer.width) for layer in model.layers(photo(80, 160))}
    assert sizes["stem"] == (40, 80)
    assert sizes["body"] == (20, 40)
    assert model.inputs(photo(80, 160)).shape == (1, 3, 80, 160)


def small_swin() -> nn.Module:
    sizes = {"patch_size": [4, 4], "window_size": [4, 4], "embed_dim": 16, "depths": [1, 1], "num_heads": [2, 2]}
    return torchvision.models.SwinTransformer(**sizes, num_classes=4)


@pytest.mark.parametrize(
    ("make", "layer", "kind"),
    [
        (lambda: torchvision.models.vgg11(num_classes=4), "features", "maps"),
        (lambda: torchvision.models.squeezenet1_1(num_classes=4), "features", "maps"),
        (small_swin, "norm", "channels_last"),
    ],
    ids=["vgg11", "squeezenet1_1", "swin"],
)
def test_default_layers(make: Callable[[], nn.Module], layer: str, kind: str) -> None:
    model = ImageModel(make().eval(), PRESET)
    assert model.layer == layer
    assert next(info.kind for info in model.layers() if info.name == layer) == kind


def vision_transformer() -> nn.Module:
    return torchvision.models.VisionTransformer(
        image_size=64, patch_size=16, num_layers=2, num_heads=2, hidden_dim=32, mlp_dim=64, num_classes=4
    ).eval()


def test_a_class_token_hides_what_comes_after_the_last_attention() -> None:
    model = ImageModel(vision_transformer(), PRESET)
    assert model.layer == "encoder.layers.encoder_layer_1.ln_1"
    info = next(layer for layer in model.layers() if layer.name == model.layer)
    assert (info.kind, info.maps, info.height, info.width) == ("tokens", 32, 4, 4)
    assert "tokens without a place (1)" in info.note


class ClassMaps(nn.Module):
    """Ends in a convolution whose maps are the scores before pooling."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU())
        self.scores = nn.Conv2d(6, 4, 1)

    def forward(self, images: Tensor) -> Tensor:
        return self.scores(self.features(images)).mean((2, 3))


def test_class_maps_are_not_the_default() -> None:
    assert ImageModel(ClassMaps().eval(), PRESET).layer == "features"


def test_a_layer_is_named_by_name_or_module(small: Small) -> None:
    model = ImageModel(nn.DataParallel(small), PRESET, layer=small.body[0])
    assert model.layer == "body.0"
    assert model.layer_named("module.stem") == "stem"
    assert model.layer_named(small.stem) == "stem"
    small.alias = small.body
    assert ImageModel(small, PRESET, layer="alias.0").layer == "body.0"


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        ("bodi", ["no layer 'bodi'", "'body'"]),
        ("head", ["'head'", "no spatial maps", "(1 5)", "'body'"]),
        ("pool", ["no spatial maps", "(1 12 1 1)"]),
        ("", ["no layer ''"]),
        (nn.ReLU(), ["ReLU given as layer is not a part"]),
    ],
)
def test_a_layer_that_cannot_be_explained_is_refused(small: Small, layer: Any, words: list[str]) -> None:
    with pytest.raises(ValueError) as error:
        ImageModel(small, PRESET, layer=layer)
    assert all(word in str(error.value) for word in words), error.value


def test_a_layer_that_does_not_run_is_refused(small: Small) -> None:
    small.spare = nn.Conv2d(3, 3, 1)
    with pytest.raises(ValueError, match="'spare' of Small does not run"):
        ImageModel(small, PRESET, layer="spare")


def test_a_network_without_maps_is_refused() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64 * 64, 3)).eval()
    with pytest.raises(ValueError, match="no layer with spatial maps"):
        ImageModel(network, PRESET)


# ---------------------------------------------------------------- the user's own network


def snapshot(network: nn.Module) -> list[Any]:
    tensors = {
        name: (t.detach().clone(), t._version, t.data_ptr(), t.requires_grad)
        for name, t in network.state_dict(keep_vars=True).items()
    }
    modules = [
        (module.training, set(vars(module)), module.forward, len(module._forward_hooks), len(module._forward_pre_hooks))
        for module in network.modules()
    ]
    return [tensors, modules]


@pytest.mark.parametrize("training", [True, False])
def test_the_network_stays_untouched(training: bool) -> None:
    network = torchvision.models.resnet18(num_classes=4).train(training)
    before, sequence = snapshot(network), torch.get_rng_state()
    model = ImageModel(network, PRESET)
    model.layers(photo())
    model.digest()
    after = snapshot(network)
    assert torch.equal(torch.get_rng_state(), sequence)
    assert after[1] == before[1]
    for name, (values, *rest) in before[0].items():
        assert torch.equal(values, after[0][name][0])
        assert rest == list(after[0][name][1:])
    assert all(parameter.grad is None for parameter in network.parameters())


def test_wrappers_and_training_mode_are_worked_around_with_a_notice_each(small: Small) -> None:
    plain = ImageModel(small, PRESET)
    inputs = plain.inputs(photo())
    wanted = small(inputs)
    wrapped: dict[str, Any] = {
        "DataParallel": nn.DataParallel(small),
        "compiled": torch.compile(small),
        "training mode": copy.deepcopy(small).train(),
    }
    for words, network in wrapped.items():
        model = ImageModel(network, PRESET)
        assert len(model.notices) == 1
        assert words in model.notices[0]
        assert "shares its weights" in model.notices[0]
        assert model.network is network
        assert model.layer == "body"
        torch.testing.assert_close(model.shell.network(inputs), wanted)
        assert model.digest() == plain.digest()
    twice: Any = torch.compile(nn.DataParallel(small.train()))
    both = ImageModel(twice, PRESET)
    assert len(both.notices) == 3


def test_a_change_of_the_weights_is_seen(small: Small) -> None:
    model = ImageModel(small, PRESET)
    shell, digest = model.shell, model.digest()
    assert model.shell is shell
    with torch.no_grad():
        small.head.bias.add_(1)
    assert model.digest() != digest
    assert model.shell is not shell
    assert torch.equal(model.shell.network.get_parameter("head.bias"), small.head.bias)
    with torch.no_grad():
        small.head.bias.sub_(1)
    fresh = copy.deepcopy(small)
    assert ImageModel(fresh, PRESET).digest() == model.digest()


def test_the_digest_depends_on_names_shapes_and_types(small: Small) -> None:
    model = ImageModel(small, PRESET)
    half = ImageModel(copy.deepcopy(small).double(), PRESET)
    assert half.digest() != model.digest()
    assert half.inputs(photo()).dtype == torch.float64


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
    with pytest.raises(ValueError, match="Sequential cannot be run on a test batch"):
        ImageModel(network, None)


def test_what_is_no_eager_network_is_refused(small: Small) -> None:
    with pytest.raises(TypeError, match=r"network must be a torch.nn.Module, got function"):
        ImageModel(photo, PRESET)  # type: ignore[arg-type]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch has deprecated it
        traced = torch.jit.trace(ClassMaps().eval(), torch.zeros(1, 3, 8, 8))
    with pytest.raises(TypeError, match="TorchScript"):
        ImageModel(traced, PRESET)
    with pytest.raises(ValueError, match="lazy"):
        ImageModel(nn.Sequential(nn.LazyConv2d(3, 3)), PRESET)
    with pytest.raises(ValueError, match="meta"):
        ImageModel(ClassMaps().to("meta"), PRESET)


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"labels": ["a", "b"]}, ValueError, "each of the 5 outputs of the network, got 2"),
        ({"labels": "abcde"}, TypeError, "list of names"),
        ({"range": (0, 1)}, ValueError, "this one has 5"),
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


# ---------------------------------------------------------------- runs


def test_runs_are_models_of_the_same_architecture(small: Small) -> None:
    other = Small().eval()
    model = ImageModel(small, PRESET, name="mine", runs=[small, other])
    assert len(model.runs) == 2
    assert model.runs[0] is model
    assert model.runs[1].network is other
    assert model.runs[1].layer == model.layer
    assert model.runs[1].name == "mine, run 2"
    assert ImageModel(small, PRESET).runs[0].network is small
    again = ImageModel(small, PRESET, runs=[model.runs[1]])
    assert again.runs[1] is model.runs[1]


def test_runs_of_another_architecture_are_refused(small: Small) -> None:
    with pytest.raises(ValueError, match="has no layer 'body'"):
        ImageModel(small, PRESET, runs=[ClassMaps().eval()])
    with pytest.raises(ValueError, match=r"12 maps of 16 x 16 and 5 scores.*12 maps of 16 x 16 and 3 scores"):
        ImageModel(small, PRESET, runs=[Small(classes=3).eval()])
    with pytest.raises(TypeError, match="runs must be a list"):
        ImageModel(small, PRESET, runs=Small())  # type: ignore[arg-type]


def test_a_network_that_is_elsewhere_is_copied(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xai_widgets.models.model.device_of", lambda network: torch.device("cuda", 0))
    model = ImageModel(small, PRESET, device="cpu")
    assert model.notices == ("the network is on cuda:0; a copy on cpu is used.",)
    copied = model.shell.network.get_parameter("head.bias")
    assert copied.data_ptr() != small.head.bias.data_ptr()
    with torch.no_grad():
        small.head.bias.add_(1)
    assert torch.equal(model.shell.network.get_parameter("head.bias"), small.head.bias)


def test_a_network_whose_numbers_change_type_is_followed(small: Small) -> None:
    model = ImageModel(small, PRESET)
    small.double()
    inputs = model.inputs(photo())
    assert inputs.dtype == torch.float64
    assert model.scores(model.shell.network(inputs)).dtype == torch.float64


@pytest.mark.gpu
def test_another_device_gets_a_copy(small: Small) -> None:
    device = torch.accelerator.current_accelerator(check_available=True)
    if device is None:
        pytest.skip("no accelerator")
    model = ImageModel(small, PRESET, device=device)
    assert model.inputs(photo()).device.type == device.type
    assert next(small.parameters()).device.type == "cpu"
    assert len(model.notices) == 1
    with torch.no_grad():
        small.head.bias.add_(1)
    assert torch.equal(model.shell.network.get_parameter("head.bias").cpu(), small.head.bias)
