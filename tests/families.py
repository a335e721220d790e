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

from xai_widgets.kernels.tail import Layout, Shell, Tail
from xai_widgets.kernels.tail.results import tensors_of, with_leaf

TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-5, torch.bfloat16: 2e-2}
LOUD = 100  # tolerances that an effect is large, so that a tail without it would be noticed


@dataclass(frozen=True)
class Family:
    """How a small network of a family is made, and the size of its images."""

    make: Callable[[], nn.Module]
    size: tuple[int, int] = (64, 64)

    def network(self) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network = self.make().eval()
            enliven(network, self.images(4))
            return network

    def images(self, count: int = 1, dtype: torch.dtype = torch.float32) -> Tensor:
        return torch.randn(count, 3, *self.size, generator=torch.Generator().manual_seed(1)).to(dtype)


@torch.no_grad()
def enliven(network: nn.Module, images: Tensor) -> None:
    """Draw weights by which every layer is heard: heads and scales that start at zero hide all that is before them."""
    for module in network.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if isinstance(module, nn.Linear | nn.Conv2d):
                nn.init.normal_(parameter, std=0.1 if name == "bias" else (2 / parameter[0].numel()) ** 0.5)
            elif isinstance(module, nn.BatchNorm2d | nn.LayerNorm | nn.GroupNorm):
                nn.init.normal_(parameter, float(name == "weight"), 0.2)
            elif bool((parameter == 0).all()):  # class tokens, positions, biases of attention
                nn.init.normal_(parameter, std=0.5)
            elif bool((parameter.abs() <= 1e-4).all()):  # what scales a whole branch
                nn.init.ones_(parameter)
        if isinstance(module, nn.BatchNorm2d):
            module.train()
            module.momentum = 0.5  # half of the statistics are of this pass; all would magnify rounding at 1 x 1 places
    network(images)
    network.eval()


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
    "vit": Family(lambda: models.VisionTransformer(64, 16, 4, 4, 32, 48, num_classes=7)),
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


def _mixer() -> nn.Module:
    from timm.models.mlp_mixer import MlpMixer

    return MlpMixer(7, 96, patch_size=32, num_blocks=3)


TIMM = {
    "timm vit": Family(_timm("vit_tiny_patch16_224", img_size=64, depth=4)),
    "timm vit, registers": Family(_timm("vit_little_patch16_reg4_gap_256", img_size=64, depth=2, class_token=True)),
    "timm deit, not square": Family(_timm("deit_tiny_distilled_patch16_224", img_size=(64, 96), depth=4), (64, 96)),
    "timm swin": Family(
        _timm("swin_tiny_patch4_window7_224", img_size=64, depths=(2, 2), embed_dim=16, num_heads=(2, 4), window_size=4)
    ),
    "timm convnext": Family(_timm("test_convnext")),
    "timm efficientnet": Family(_timm("test_efficientnet", drop_path_rate=0.2)),
    "timm resnet": Family(_timm("test_resnet")),
    "timm mixer": Family(_mixer, (96, 96)),
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
    "transformers vit": Family(_transformers("ViT", **ENCODER | {"num_hidden_layers": 4})),
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


def read(whole: Tensor, layout: Layout) -> Tensor:
    """The maps (n c h w) of a layer's output, written out once more: what is tested is not its own witness."""
    if layout.kind == "maps":
        return whole
    if layout.kind == "channels_last":
        return whole.permute(0, 3, 1, 2)
    tokens = whole if layout.batch_axis == 0 else whole.transpose(0, 1)
    places = tokens[:, layout.prefix :]
    return places.permute(0, 2, 1).reshape(len(places), layout.channels, layout.height, layout.width)


def written(maps: Tensor, whole: Tensor, layout: Layout) -> Tensor:
    """A layer's output with other maps; tokens without a place stay."""
    if layout.kind == "maps":
        return maps
    if layout.kind == "channels_last":
        return maps.permute(0, 2, 3, 1)
    tokens = whole if layout.batch_axis == 0 else whole.transpose(0, 1)
    changed = torch.cat((tokens[:, : layout.prefix], maps.flatten(2).permute(0, 2, 1)), 1)
    return changed if layout.batch_axis == 0 else changed.transpose(0, 1)


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
        changed = change(read(whole, tail.layout).detach().clone())
        return with_leaf(output, tail.structure.leaf, written(changed, whole, tail.layout).contiguous().clone())

    handle = network.get_submodule(name).register_forward_hook(replace)
    try:
        return network(inputs.clone())
    finally:
        handle.remove()


def distance(a: Tensor, b: Tensor, tolerance: float) -> float:
    """In tolerances, which are a share of the largest magnitude of the second."""
    return float((a - b).abs().max() / (tolerance * b.abs().max().clamp_min(1e-3)))


def close(a: Tensor, b: Tensor, tolerance: float) -> bool:
    return a.shape == b.shape and distance(a, b, tolerance) <= 1


def check_removal(network: nn.Module, tail: Tail, inputs: Tensor) -> float:
    """Gain 1 exactly; a removal, alone and beside others, and three as sparse changes, against a hook.

    Returns how many tolerances the removal moves the scores: below 1 a tail that removes nothing would pass.
    """
    tolerance = TOLERANCE[tail.maps.dtype]
    order = tail.maps.float().relu().sum((0, 2, 3)).argsort(descending=True, stable=True)  # a ReLU may follow
    index = int(order[0])

    def remove(maps: Tensor) -> Tensor:
        maps = maps.clone()
        maps[:, index] = 0
        return maps

    with torch.no_grad():
        base = scores_of(network(inputs.clone()))
        expected = scores_of(hooked(network, tail, inputs, remove))
    assert torch.equal(base, scores_of(tail.result))
    assert torch.equal(scores_of(tail(tail.maps)), base), "gain 1 must give the output bit by bit"
    removed = remove(tail.maps)
    assert close(scores_of(tail(removed)), expected, tolerance), "a removal must be that of a hook"
    both = scores_of(tail(torch.cat((tail.maps, removed, removed))))
    assert close(both[1:], expected.expand(2, -1), 10 * tolerance), "beside others too"
    assert close(both[:1], base, 10 * tolerance), "and the others must not change"
    if len(inputs) == 1:
        check_sparse(network, tail, inputs, order[[1 % len(order), len(order) // 2, 0]])
    return distance(base, expected, tolerance)


def check_sparse(network: nn.Module, tail: Tail, inputs: Tensor, chosen: Tensor) -> None:
    """Each of some maps set to zero, as a sparse change of its own copy, against a hook that does it in a batch."""

    def remove(maps: Tensor) -> Tensor:
        for copy, index in zip(maps, chosen.tolist(), strict=True):
            copy[index] = 0
        return maps

    with torch.no_grad():
        expected = scores_of(hooked(network, tail, inputs.expand(len(chosen), -1, -1, -1), remove))
    found = scores_of(tail.without(chosen, torch.zeros(1, 1, 1)))
    assert close(found, expected, 10 * TOLERANCE[tail.maps.dtype]), f"maps {chosen.tolist()} as sparse changes"


def check_gradient(network: nn.Module, tail: Tail, inputs: Tensor) -> float:
    """The gradient at changed maps against that of a leaf that a hook puts in.

    Returns how many tolerances it is from zero.
    """
    tolerance = 10 * TOLERANCE[tail.maps.dtype]
    leaf = (tail.maps * 0.9).requires_grad_()
    (found,) = torch.autograd.grad(scores_of(tail(leaf))[0, 3], leaf)
    kept: list[Tensor] = []

    def keep(maps: Tensor) -> Tensor:
        kept.append((maps * 0.9).requires_grad_())
        return kept[-1]

    result = scores_of(hooked(network, tail, inputs, keep))
    (expected,) = torch.autograd.grad(result[0, 3], kept)
    assert close(found, expected, tolerance), "a gradient must be that of a hook"
    return distance(torch.zeros_like(expected), expected, tolerance)


def mostly_loud(effects: list[float], least: float = LOUD) -> bool:
    """Would a tail without them be noticed? Not everywhere: no patch is heard after the last attention of a ViT."""
    return sum(effect > least for effect in effects) >= 2 / 3 * len(effects)


def walk(family: Family, *, step: int = 1) -> tuple[list[str], dict[str, str]]:
    """Check every layer, or every few of them: the layers that agree, and the refusals of the others."""
    network, inputs = family.network(), family.images()
    shell = Shell(network)
    agreed, refused, sparse = [], {}, []
    effects: dict[str, list[float]] = {"removals": [], "gradients": []}
    for layer in [name for name, _ in network.named_modules() if name][::step]:
        try:
            tail = Tail(shell, layer, inputs)
        except ValueError as refusal:
            refused[layer] = str(refusal)
            continue
        try:
            effects["removals"].append(check_removal(network, tail, inputs))
            effects["gradients"].append(check_gradient(network, tail, inputs))
        except (AssertionError, RuntimeError) as error:
            raise AssertionError(f"layer {layer!r} ({tail.layout}): {error}") from error
        agreed.append(layer)
        sparse += [tail.sparse.right] if tail.layout.kind == "maps" else []
    for what, sizes in effects.items():
        assert mostly_loud(sizes), f"{what} are too small to be checked: {sizes}"
    if len(sparse) > len(agreed) / 2:
        assert sum(sparse) >= 2 / 3 * len(sparse), "removals are written out, so that sparse ones go unchecked"
    return agreed, refused
