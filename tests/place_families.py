"""Networks whose layers keep positions in many ways, and a check of where maps lie that uses no probe of ours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from families import FAMILIES, Family, read
from torch import Tensor, nn
from torch.nn import functional
from torch.utils._pytree import tree_leaves

from xai_widgets import ImageModel
from xai_widgets.kernels.tail import Layout
from xai_widgets.kernels.tail.structure import read_layer
from xai_widgets.models.preprocessing import photographs


def _timm(name: str, **options: Any) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        import timm

        network: nn.Module = timm.create_model(name, pretrained=False, num_classes=7, **options)
        return network

    return make


def _of(module: str, kind: str, **options: Any) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        from importlib import import_module

        network: nn.Module = getattr(import_module(f"timm.models.{module}"), kind)(num_classes=7, **options)
        return network

    return make


def _mvit() -> nn.Module:
    from timm.models.mvitv2 import MultiScaleVit, MultiScaleVitCfg

    return MultiScaleVit(MultiScaleVitCfg(depths=(1, 1, 1), embed_dim=16, num_heads=1), (64, 64), num_classes=7)


def _mvit_class_token() -> nn.Module:
    from timm.models.mvitv2 import MultiScaleVit, MultiScaleVitCfg

    config = MultiScaleVitCfg(depths=(1, 1, 1), embed_dim=16, num_heads=1, use_cls_token=True)
    return MultiScaleVit(config, (64, 64), num_classes=7)


PLACES = {
    "hiera": Family(
        _timm("hiera_tiny_224", img_size=(128, 128), embed_dim=16, num_heads=1, stages=(1, 1, 2, 1)), (128, 128)
    ),
    "nest": Family(
        _of("nest", "Nest", img_size=64, patch_size=4, embed_dims=(16, 24, 32), num_heads=(2, 2, 2), depths=(1, 1, 1))
    ),
    "mixer": Family(_of("mlp_mixer", "MlpMixer", img_size=96, patch_size=16, embed_dim=96, num_blocks=3), (96, 96)),
    "davit": Family(
        _of("davit", "DaVit", embed_dims=(16, 24, 32), depths=(1, 1, 1), num_heads=(1, 1, 2), window_size=4), (112, 112)
    ),
    "focalnet": Family(_of("focalnet", "FocalNet", embed_dim=16, depths=(1, 1, 1))),
    "mvit v2": Family(_mvit),
    "mvit v2, class token": Family(_mvit_class_token),
    "swin v2 of timm": Family(
        _timm("swinv2_tiny_window8_256", img_size=64, embed_dim=16, depths=(1, 2), num_heads=(2, 4), window_size=4)
    ),
    "eva": Family(_timm("eva02_tiny_patch14_224", img_size=84, depth=2), (84, 84)),
    "vit, 4 registers, no class token": Family(
        _timm("vit_little_patch16_reg4_gap_256", img_size=96, depth=3, embed_dim=64, num_heads=2), (96, 96)
    ),
    "vit, 1 register, no class token": Family(
        _timm("vit_wee_patch16_reg1_gap_256", img_size=96, depth=3, embed_dim=64, num_heads=2), (96, 96)
    ),
    "vit, 7 registers, not square": Family(
        _timm("vit_tiny_patch16_224", img_size=(96, 128), depth=3, reg_tokens=7, embed_dim=64, num_heads=2), (96, 128)
    ),
    "vit, no class token": Family(
        _timm("vit_tiny_patch16_224", img_size=96, depth=3, class_token=False, global_pool="avg"), (96, 96)
    ),
    "maxvit of timm": Family(_timm("maxvit_rmlp_pico_rw_256", img_size=64)),
    "coatnet": Family(_timm("coatnet_0_rw_224", img_size=64)),
    "levit": Family(_timm("levit_128s", img_size=128), (128, 128)),
    "xcit": Family(_timm("xcit_nano_12_p16_224", img_size=96, depth=3), (96, 96)),
    "cait": Family(_timm("cait_xxs24_224", img_size=96, depth=3), (96, 96)),
}  # fmt: skip
ALL = FAMILIES | PLACES
CORNERS = ((0, 0), (0, 1), (1, 0), (1, 1))


@dataclass
class Count:
    """Of the layers of one network.

    Attributes:
        placed: may be explained, and a change in a corner of the image lies in that corner of their maps.
        spread: may be explained, and such a change is spread over all places, as by an attention that hears all alike.
        scrambled: may be explained though such a change lies elsewhere.
        refused: are not in the order of the image, or cannot be read, by what is said when they are chosen.
        in_place: are refused though such a change does lie in its corner.
    """

    placed: list[str] = field(default_factory=list)
    spread: list[str] = field(default_factory=list)
    scrambled: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    in_place: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return ", ".join(f"{name} {len(some)}" for name, some in vars(self).items())


def model_of(family: Family, **options: Any) -> ImageModel:
    def geometry(photo: Any) -> Tensor:
        pixels = torch.from_numpy(np.array(photo.convert("RGB"))).permute(2, 0, 1)[None].float() / 255
        return functional.interpolate(pixels, family.size, mode="bilinear", antialias=True)[0]

    return ImageModel(family.network(), (geometry, lambda pixels: pixels * 4 - 2), **options)


def counted(family: Family, most: int) -> Count:
    """Check layers that are listed, as many as there may be at most, evenly spaced."""
    model, count = model_of(family), Count()
    listed = model.layers()
    images = [outputs_of(model.network, family.size, seed) for seed in range(3)]
    inputs = torch.cat([model.inputs(photo) for photo in photographs(2)])
    for info in listed[:: max(1, len(listed) // most)]:
        try:
            known = read_layer(model.shell, info.name, inputs)[1]
        except ValueError:
            count.refused.append(info.name)
            continue
        where = where_it_lies([outputs[info.name] for outputs in images], known.layout)
        if known.placed:
            getattr(count, where).append(info.name)
        else:
            count.refused.append(info.name)
            count.in_place += [info.name] if where == "placed" else []
    return count


@torch.no_grad()
def outputs_of(network: nn.Module, size: tuple[int, int], seed: int) -> dict[str, list[Tensor]]:
    """What the last call of every module returns: for an image, and for it with each corner changed."""
    generator = torch.Generator().manual_seed(seed)
    height, width = size
    image = torch.rand(1, 3, height, width, generator=generator) * 4 - 2
    found: dict[str, list[Tensor]] = {}

    def keep(name: str) -> Any:
        def hook(module: nn.Module, args: Any, output: Any) -> None:
            leaves = [leaf for leaf in tree_leaves(output) if isinstance(leaf, Tensor) and leaf.is_floating_point()]
            now[name] = leaves[0].clone() if leaves else torch.zeros(0)

        return hook

    handles = [module.register_forward_hook(keep(name)) for name, module in network.named_modules() if name]
    for corner in (None, *CORNERS):
        now: dict[str, Tensor] = {}
        changed = image.clone()
        if corner is not None:
            rows, columns = (
                slice(0, side // 4) if end == 0 else slice(-(side // 4), None)
                for end, side in zip(corner, size, strict=True)
            )
            changed[:, :, rows, columns] = 3 * torch.randn(1, 3, 1, 1, generator=generator)
        network(changed)
        for name, output in now.items():
            found.setdefault(name, []).append(output)
    for handle in handles:
        handle.remove()
    return found


def where_it_lies(images: list[list[Tensor]], layout: Layout) -> str:
    """Whether the change of each corner lies in that quarter of the maps, is spread over all, or lies elsewhere.

    Below 4 x 4 places every one of them sees most of the image, so that nothing can be said.
    """
    shares = torch.stack([_shares(outputs, layout) for outputs in images]).nanmean(0)  # (corners, rows, columns)
    found = set()
    for (row, column), quarters in zip(CORNERS, shares, strict=True):
        if quarters.max() > quarters[row, column]:
            found.add("scrambled" if quarters.max() > max(0.4, 1.5 * quarters[row, column]) else "spread")
    if found and min(layout.height, layout.width) < 4:
        return "spread"
    return "scrambled" if "scrambled" in found else "spread" if found else "placed"


def _shares(outputs: list[Tensor], layout: Layout) -> Tensor:
    """Of the change of each corner, the share that lies in each quarter; NaN where the layer does not see it."""
    plain, *others = (read(output, layout)[0].double() for output in outputs)
    changes = torch.stack([(other - plain).abs().sum(0) for other in others])
    cells = functional.adaptive_avg_pool2d(changes, 2)
    return cells / cells.sum((1, 2), keepdim=True)
