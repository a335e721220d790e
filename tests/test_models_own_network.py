"""The reader's own network: it stays untouched, its changes are seen, and other runs of it stand beside it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
import torch
import torchvision
from small_networks import PRESET, ClassMaps, Small, photo
from torch import nn

from xai_widgets.models import ImageModel


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        yield


@pytest.fixture
def small() -> Small:
    return Small().eval()


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
        model = ImageModel(network, PRESET, task="classification")
        assert len(model.notices) == 1
        assert words in model.notices[0]
        assert "shares its weights" in model.notices[0]
        assert model.network is network
        assert model.layer == "body"
        torch.testing.assert_close(model.shell.network(inputs), wanted)
        assert model.digest() == plain.digest()
    twice: Any = torch.compile(nn.DataParallel(small.train()))
    both = ImageModel(twice, PRESET, task="classification")
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
    model = ImageModel(small, PRESET, device="cpu", task="classification")
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
    model = ImageModel(small, PRESET, device=device, task="classification")
    assert model.inputs(photo()).device.type == device.type
    assert next(small.parameters()).device.type == "cpu"
    assert len(model.notices) == 1
    with torch.no_grad():
        small.head.bias.add_(1)
    assert torch.equal(model.shell.network.get_parameter("head.bias").cpu(), small.head.bias)
