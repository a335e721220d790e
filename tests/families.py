"""Networks of many families, small enough to walk through every layer, and an ordinary hooked forward of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torchvision
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves
from torchvision import models

from xai_widgets.kernels.tail import Shell, Tail
from xai_widgets.kernels.tail.results import tensors_of, with_leaf

TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-5, torch.bfloat16: 5e-2}


@dataclass(frozen=True)
class Family:
    """How a small network of a family is made, and the size of its images."""

    make: Callable[[], nn.Module]
    size: tuple[int, int] = (64, 64)

    def network(self) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return self.make().eval()

    def images(self, count: int = 1, dtype: torch.dtype = torch.float32) -> Tensor:
        return torch.randn(count, 3, *self.size, generator=torch.Generator().manual_seed(1)).to(dtype)


def _of_torchvision(name: str, **options: Any) -> Callable[[], nn.Module]:
    return lambda: torchvision.models.get_model(name, weights=None, num_classes=7, **options)


def _resnet(block: Any, **options: Any) -> Callable[[], nn.Module]:
    return lambda: models.ResNet(block, [1, 1, 2, 1], num_classes=7, **options)


def _densenet(memory_efficient: bool = False) -> nn.Module:
    return models.DenseNet(8, (2, 3, 2), 16, num_classes=7, memory_efficient=memory_efficient)


def _vgg() -> nn.Module:
    with torch.device("meta"):  # its classifier is far too large to be made and thrown away
        network = models.VGG(nn.Identity(), init_weights=False)
    network.features = models.vgg.make_layers([8, "M", 16, "M", 24, 24, "M", 32, 32, "M"], batch_norm=True)
    network.classifier = nn.Sequential(nn.Linear(32 * 49, 24), nn.ReLU(True), nn.Dropout(), nn.Linear(24, 7))
    return network


def _efficientnet() -> nn.Module:
    plain, fused = models.efficientnet.MBConvConfig, models.efficientnet.FusedMBConvConfig
    settings = [fused(1, 3, 1, 16, 16, 1), plain(4, 3, 2, 16, 24, 2), plain(6, 5, 2, 24, 40, 2)]
    return models.EfficientNet(settings, 0.2, 0.3, num_classes=7, last_channel=64)


def _mobilenet_v2() -> nn.Module:
    return models.MobileNetV2(7, 0.5, [[1, 16, 1, 1], [6, 24, 2, 2], [6, 32, 2, 2]])


def _mobilenet_v3() -> nn.Module:
    block = models.mobilenetv3.InvertedResidualConfig
    settings = [
        block(16, 3, 16, 16, True, "RE", 2, 1, 1), block(16, 3, 72, 24, False, "RE", 2, 1, 1),
        block(24, 5, 96, 24, True, "HS", 1, 1, 1),
    ]  # fmt: skip
    return models.MobileNetV3(settings, 48, num_classes=7)


def _regnet() -> nn.Module:
    parameters = models.regnet.BlockParams.from_init_params(6, 16, 27.0, 2.5, 8, se_ratio=0.25)
    return models.RegNet(parameters, num_classes=7, stem_width=16)


def _convnext() -> nn.Module:
    sizes = [(16, 24, 1), (24, 32, 1), (32, None, 2)]
    settings = [models.convnext.CNBlockConfig(*size) for size in sizes]
    return models.ConvNeXt(settings, stochastic_depth_prob=0.3, layer_scale=1.0, num_classes=7)


def _swin(block: Any, **options: Any) -> nn.Module:
    return models.SwinTransformer(
        [4, 4], 16, [2, 2], [2, 4], [4, 4], stochastic_depth_prob=0.3, num_classes=7, block=block, **options
    )


def _swin_v2() -> nn.Module:
    merging = models.swin_transformer.PatchMergingV2
    return _swin(models.swin_transformer.SwinTransformerBlockV2, downsample_layer=merging)


def _maxvit() -> nn.Module:
    return models.MaxVit((64, 64), 16, 4, [16, 24], [1, 2], 8, 0.3, num_classes=7)


TORCHVISION = {
    "resnet": Family(_resnet(models.resnet.BasicBlock)),
    "resnext, not square": Family(_resnet(models.resnet.Bottleneck, groups=2, width_per_group=8), (64, 96)),
    "vgg": Family(_vgg),
    "densenet": Family(_densenet),
    "densenet, checkpointed": Family(lambda: _densenet(True)),
    "efficientnet": Family(_efficientnet),
    "mobilenet v2": Family(_mobilenet_v2),
    "mobilenet v3, not square": Family(_mobilenet_v3, (96, 64)),
    "mnasnet": Family(_of_torchvision("mnasnet0_5")),
    "convnext": Family(_convnext),
    "regnet": Family(_regnet),
    "inception": Family(_of_torchvision("inception_v3", init_weights=False), (80, 80)),
    "googlenet": Family(_of_torchvision("googlenet", init_weights=False)),
    "shufflenet": Family(_of_torchvision("shufflenet_v2_x0_5")),
    "squeezenet": Family(_of_torchvision("squeezenet1_1")),
    "vit": Family(lambda: models.VisionTransformer(64, 16, 3, 4, 32, 48, num_classes=7)),
    "swin, not square": Family(lambda: _swin(None), (64, 96)),
    "swin, padded windows": Family(lambda: _swin(None), (72, 100)),
    "swin v2": Family(_swin_v2),
    "maxvit": Family(_maxvit),
}


def _timm(name: str, **options: Any) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        import timm

        network: nn.Module = timm.create_model(name, pretrained=False, num_classes=7, **options)
        return network

    return make


TIMM = {
    "timm vit": Family(_timm("vit_tiny_patch16_224", img_size=64, depth=3)),
    "timm vit, registers": Family(_timm("vit_little_patch16_reg4_gap_256", img_size=64, depth=2, class_token=True)),
    "timm deit, not square": Family(_timm("deit_tiny_distilled_patch16_224", img_size=(64, 96), depth=2), (64, 96)),
    "timm swin": Family(
        _timm("swin_tiny_patch4_window7_224", img_size=64, depths=(2, 2), embed_dim=16, num_heads=(2, 4), window_size=4)
    ),
    "timm convnext": Family(_timm("test_convnext")),
    "timm efficientnet": Family(_timm("test_efficientnet", drop_path_rate=0.2)),
    "timm resnet": Family(_timm("test_resnet")),
    "timm mixer": Family(_timm("mixer_s32_224", img_size=96), (96, 96)),
}


def _transformers(kind: str, **options: Any) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        import transformers

        config = getattr(transformers, f"{kind}Config")(num_labels=7, **options)
        network: nn.Module = getattr(transformers, f"{kind}ForImageClassification")(config)
        return network

    return make


ENCODER = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48, "image_size": 64,
    "patch_size": 16,
}  # fmt: skip
TRANSFORMERS = {
    "transformers vit": Family(_transformers("ViT", **ENCODER)),
    "transformers dinov2": Family(_transformers("Dinov2WithRegisters", **ENCODER)),
    "transformers resnet": Family(
        _transformers("ResNet", embedding_size=16, hidden_sizes=[16, 24, 32, 48], depths=[1, 1, 1, 1])
    ),
    "transformers convnext": Family(_transformers("ConvNext", hidden_sizes=[16, 24, 32, 48], depths=[1, 1, 2, 1])),
    "transformers swin": Family(
        _transformers("Swin", image_size=64, embed_dim=16, depths=[2, 2], num_heads=[2, 4], window_size=4)
    ),
}
FAMILIES = TORCHVISION | TIMM | TRANSFORMERS


def needed(name: str) -> str:
    """The package that a family comes from."""
    return "timm" if name in TIMM else "transformers" if name in TRANSFORMERS else "torchvision"


def scores_of(result: Any) -> Tensor:
    """The first tensor of floats in what a network returns."""
    return next(tensor for tensor in tensors_of(result) if tensor.is_floating_point())


def hooked(network: nn.Module, tail: Tail, inputs: Tensor, change: Callable[[Tensor], Tensor]) -> Any:
    """An ordinary forward of the user's network in which a hook changes the maps of one call of the layer."""
    name, wanted = tail.structure.target
    calls = 0

    def replace(module: nn.Module, args: Any, output: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls - 1 != wanted:
            return None
        whole = tree_leaves(output)[tail.structure.leaf]
        changed = change(tail.layout.maps(whole).detach().clone())
        return with_leaf(output, tail.structure.leaf, tail.layout.activation(changed, whole).contiguous().clone())

    handle = network.get_submodule(name).register_forward_hook(replace)
    try:
        return network(inputs.clone())
    finally:
        handle.remove()


def close(a: Tensor, b: Tensor, tolerance: float) -> bool:
    return bool(((a - b).abs().max() <= tolerance * b.abs().max().clamp_min(1e-3)).item())


def check_removal(network: nn.Module, tail: Tail, inputs: Tensor) -> None:
    """Gain 1 exactly; a removal, alone and beside others, against a hook."""
    tolerance = TOLERANCE[tail.maps.dtype]
    index = int(tail.maps.float().abs().sum((0, 2, 3)).argmax())

    def remove(maps: Tensor) -> Tensor:
        maps = maps.clone()
        maps[:, index] = 0
        return maps

    with torch.no_grad():
        assert torch.equal(scores_of(network(inputs.clone())), scores_of(tail.result))
        expected = scores_of(hooked(network, tail, inputs, remove))
    assert torch.equal(scores_of(tail(tail.maps)), scores_of(tail.result)), "gain 1 must give the output bit by bit"
    removed = remove(tail.maps)
    assert close(scores_of(tail(removed)), expected, tolerance)
    both = scores_of(tail(torch.cat((tail.maps, removed, removed))))
    assert close(both[1:], expected.expand(2, -1), 10 * tolerance)
    assert close(both[:1], scores_of(tail.result), 10 * tolerance)


def check_gradient(network: nn.Module, tail: Tail, inputs: Tensor) -> None:
    """The gradient at changed maps against that of a leaf that a hook puts in."""
    leaf = (tail.maps * 0.9).requires_grad_()
    (found,) = torch.autograd.grad(scores_of(tail(leaf))[0, 3], leaf)
    kept: list[Tensor] = []

    def keep(maps: Tensor) -> Tensor:
        kept.append((maps * 0.9).requires_grad_())
        return kept[-1]

    result = scores_of(hooked(network, tail, inputs, keep))
    (expected,) = torch.autograd.grad(result[0, 3], kept)
    assert close(found, expected, 10 * TOLERANCE[tail.maps.dtype])


def walk(family: Family, *, step: int = 1) -> tuple[list[str], dict[str, str]]:
    """Check every layer, or every few of them: the layers that agree, and the refusals of the others."""
    network, inputs = family.network(), family.images()
    shell = Shell(network)
    agreed, refused = [], {}
    for layer in [name for name, _ in network.named_modules() if name][::step]:
        try:
            tail = Tail(shell, layer, inputs)
        except ValueError as refusal:
            refused[layer] = str(refusal)
            continue
        try:
            check_removal(network, tail, inputs)
            check_gradient(network, tail, inputs)
        except (AssertionError, RuntimeError) as error:
            raise AssertionError(f"layer {layer!r} ({tail.layout}): {error}") from error
        agreed.append(layer)
    return agreed, refused
