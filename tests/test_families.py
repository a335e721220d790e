"""Every layer of many families of networks: a removal and a gradient against an ordinary hooked forward."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from families import FAMILIES, LOUD, TRANSFORMERS, check_gradient, check_removal, mostly_loud, needed, walk
from torch import Tensor
from torchvision import transforms

from xai_widgets import ImageModel
from xai_widgets.kernels.tail import Layout, Shell, Tail

REFUSALS = re.compile(
    r"layer '.+' (returns .+ for one image, which cannot be read as feature maps .+; choose a layer with spatial maps"
    r"|returns .+, and neither the operations around it nor probes show .+ layout=, or choose another layer"
    r"|is not called when the network runs; choose one that is), such as '.+'\."
    r"|nothing reads the maps that layer '.+' returns, so that changing them changes nothing; choose .+, such as '.+'\."
)
LONG = {"inception", "googlenet"}  # hundreds of layers, which cannot be made smaller


def check_refusals(name: str, refused: dict[str, str]) -> None:
    """Each says why, and names layers that work."""
    network, inputs = FAMILIES[name].network(), FAMILIES[name].images()
    shell = Shell(network)
    for layer, refusal in refused.items():
        assert REFUSALS.fullmatch(refusal), refusal
        assert f"layer {layer!r}" in refusal
    named = {layer for text in refused.values() for layer in re.findall(r"'([^']+)'", text.partition("such as")[2])}
    for layer in sorted(named)[:3]:
        assert Tail(shell, layer, inputs).maps.dim() == 4


@pytest.mark.parametrize("name", FAMILIES)
def test_a_removal_and_a_gradient_equal_those_of_a_hooked_network(name: str) -> None:
    pytest.importorskip(needed(name))
    count = len(list(FAMILIES[name].network().modules()))
    agreed, refused = walk(FAMILIES[name], step=max(1, count // (3 if name in LONG else 7)))
    assert len(agreed) >= 3
    check_refusals(name, refused)


@pytest.mark.slow
@pytest.mark.timeout(1800)  # inception has hundreds of layers, and another test runs beside it
@pytest.mark.parametrize("name", sorted(FAMILIES, key=lambda name: name not in LONG))  # the longest first
def test_every_layer(name: str) -> None:
    pytest.importorskip(needed(name))
    agreed, refused = walk(FAMILIES[name])
    assert len(agreed) > len(refused)
    check_refusals(name, refused)


AT = {
    "resnet": "layer2.0.conv1", "mnasnet": "layers.8", "densenet": "features.denseblock2",
    "timm resnet": "layer2.0.bn2", "vit": "encoder.layers.encoder_layer_1.mlp", "swin v2": "features.1",
    "timm vit, registers": "blocks.0.attn", "timm mixer": "blocks.1",
    "transformers convnext": "convnext.encoder.stages.1",
}  # fmt: skip


@pytest.mark.parametrize("name", AT)
def test_a_tail_that_changes_nothing_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip(needed(name))
    network, inputs = FAMILIES[name].network(), FAMILIES[name].images()
    tail = Tail(network, AT[name], inputs)
    check_removal(network, tail, inputs)
    check_gradient(network, tail, inputs)

    def unchanged(layout: Layout, maps: Tensor, whole: Tensor) -> Tensor:
        return real(layout, layout.maps(whole).expand_as(maps) + 0 * maps, whole)

    with monkeypatch.context() as fault:
        fault.setattr(Tail, "without", lambda tail, index, level: tail(tail.maps.repeat(len(index), 1, 1, 1)))
        with pytest.raises(AssertionError, match="as sparse changes"):
            check_removal(network, tail, inputs)
    real = Layout.activation
    monkeypatch.setattr(Layout, "activation", unchanged)
    with pytest.raises(AssertionError, match="a removal must be that of a hook"):
        check_removal(network, tail, inputs)
    with pytest.raises(AssertionError, match="a gradient must be that of a hook"):
        check_gradient(network, tail, inputs)


def test_parallel_branches_are_computed_once() -> None:
    network, inputs = FAMILIES["inception"].network(), FAMILIES["inception"].images()
    tail = Tail(network, "Mixed_7c.branch3x3_2a", inputs)
    calls: list[str] = []
    for name, module in tail.shell.network.named_modules():
        if not list(module.children()):
            module.register_forward_pre_hook(lambda module, args, name=name: calls.append(name))
    tail(tail.maps.repeat(4, 1, 1, 1))
    ran = {name for name in calls if name.startswith(("Conv2d", "Mixed"))}
    assert not ran, "all branches that do not depend on the layer are remembered, and what is before it"
    assert "fc" in calls
    assert len(calls) < 6


@pytest.mark.parametrize("name", [*list(TRANSFORMERS), "timm vit", "timm deit, not square", "googlenet"])
def test_an_image_model_reads_them(name: str) -> None:
    """Results with logits, tuples and other sizes, found without being told where the scores are."""
    pytest.importorskip(needed(name))
    family = FAMILIES[name]
    network = family.network()
    transform = transforms.Compose([transforms.Resize(family.size), transforms.ToTensor()])
    model = ImageModel(network, transform)
    assert (model.outputs, model.task) == (7, "classification")
    photo = np.random.default_rng(0).integers(0, 255, (50, 70, 3), dtype=np.uint8)
    inputs = model.inputs(photo)
    tail = Tail(model.shell, model.layer, inputs)
    check_removal(network, tail, inputs)
    assert check_gradient(network, tail, inputs) > LOUD
    assert model.scores(tail.result).shape == (1, 7)
    listed = [layer for layer in model.layers() if layer.cost > 0]
    assert len(listed) > 5
    read = 0
    for layer in listed[: -1 : len(listed) // 3]:
        try:
            maps = Tail(model.shell, layer.name, inputs).maps
        except ValueError as error:  # the list is made by shapes; what cannot be proved is refused when it is chosen
            if "neither the operations around it nor probes show" not in str(error):
                raise
            continue
        assert tuple(maps.shape) == (1, layer.maps, layer.height, layer.width)
        read += 1
    assert read > 1


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
@pytest.mark.parametrize("name", ["resnet", "vit", "swin v2", "timm convnext"])
def test_other_precisions(name: str, dtype: torch.dtype) -> None:
    pytest.importorskip(needed(name))
    network, inputs = FAMILIES[name].network().to(dtype), FAMILIES[name].images(dtype=dtype)
    layers = [layer for layer, _ in network.named_modules() if layer]
    effects = []
    for layer in layers[2 : -8 : len(layers) // 5]:
        try:
            tail = Tail(network, layer, inputs)
        except ValueError:
            continue
        assert tail.maps.dtype == dtype
        effects.append(check_removal(network, tail, inputs))
        if dtype == torch.float64:
            effects.append(check_gradient(network, tail, inputs))
    assert mostly_loud(effects, LOUD if dtype == torch.float64 else 1)


@pytest.mark.parametrize("name", ["resnet", "shufflenet", "efficientnet", "convnext"])
def test_channels_last_in_memory(name: str) -> None:
    network = FAMILIES[name].network().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    inputs = FAMILIES[name].images().contiguous(memory_format=torch.channels_last)
    layers = [layer for layer, _ in network.named_modules() if layer]
    for layer in layers[1 : -4 : len(layers) // 4]:
        tail = Tail(network, layer, inputs)
        assert check_removal(network, tail, inputs) > LOUD
        assert check_gradient(network, tail, inputs) > LOUD
        again = tail(tail.maps.contiguous())  # of another order in memory than the network's own
        assert torch.allclose(again, tail.result, atol=1e-5)


def test_timm_can_run_again_what_it_does_not_keep() -> None:
    pytest.importorskip("timm")
    network, inputs = FAMILIES["timm vit"].network(), FAMILIES["timm vit"].images()
    keeping = FAMILIES["timm vit"].network()  # a hook that is gone before the backward pass would not run again
    network.set_grad_checkpointing(True)  # type: ignore[operator]
    for layer in ("blocks.0.attn.proj", "blocks.1", "blocks.1.mlp.act"):
        tail = Tail(network, layer, inputs)
        assert check_removal(network, tail, inputs) > LOUD
        assert check_gradient(keeping, tail, inputs) > LOUD
