"""One run prints one table.

    python -m benchmarks.kernels [--device cuda] [--threads 1] [--quick] [--only WORD] [--markdown]

Both sides of a row run in turn, and medians are compared. Networks have random weights: nothing is downloaded.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor, nn
from torchvision import models

from benchmarks.kernels import removals
from benchmarks.kernels.closed_form import whole_call
from benchmarks.kernels.five_measures import five_measures
from benchmarks.kernels.removals import Subject, logits
from benchmarks.kernels.timing import HEADER, Row, machine, measure, table
from xai_widgets.kernels import degrade
from xai_widgets.kernels.ablation import delta_y
from xai_widgets.kernels.cam import all_contrasts

SIDE = 224
IMAGES = 32
WHAT = f"random weights, {SIDE} x {SIDE} pixels, float32"
# All maps of a layer: the last one with maps and an earlier one; what is wanted against AblationCAM, and repeats.
LAYERS = (
    ("ResNet-18", "layer4", 100, 3),
    ("ResNet-18", "layer3", 6.5, 3),
    ("ResNet-50", "layer4", None, 1),
    ("ResNet-50", "layer3", None, 1),
    ("VGG-16", "features.28", 80, 1),
    ("VGG-16", "features.21", None, 1),
    ("DenseNet-121", "features.denseblock4", None, 1),
    ("DenseNet-121", "features.denseblock3", None, 1),
)
NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "ResNet-18": models.resnet18, "ResNet-50": models.resnet50, "VGG-16": models.vgg16,
    "DenseNet-121": models.densenet121, "Inception": models.inception_v3,
}  # fmt: skip


def network(name: str, device: torch.device) -> nn.Module:
    options = {"init_weights": False} if name == "Inception" else {}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return NETWORKS[name](weights=None, **options).eval().to(device)


def rows(device: torch.device) -> Iterator[tuple[str, Callable[[], Row]]]:
    """By name, made when they are their turn, so that one network is in memory at a time."""
    generator = torch.Generator().manual_seed(0)
    images = degrade.blur(torch.rand(IMAGES, 3, SIDE, SIDE, generator=generator), 4.0).to(device)

    def subject(name: str, layer: str) -> Subject:
        size = 299 if name == "Inception" else SIDE
        inputs = torch.nn.functional.interpolate(images[:1], (size, size)) if size != SIDE else images[:1]
        return Subject(name, network(name, device), layer, inputs)

    for name, layer, goal, repeats in LAYERS:
        made = subject(name, layer)
        yield "AblationCAM", partial(removals.against_ablation_cam, made, goal, repeats)
        yield "captum", partial(removals.against_captum, made)
        yield "hooks", partial(removals.against_hooks, made)
        if name != "DenseNet-121" and layer not in ("layer4",):
            limit = 1 / 1.3 if (name, layer) == ("ResNet-18", "layer3") else None
            yield "limit", partial(removals.from_the_limit, made, limit)

    third, last = subject("ResNet-18", "layer3"), subject("ResNet-18", "layer4")
    yield "screening", lambda: removals.screened(third, 25 if _has_bfloat16(device) else None)
    yield "gain", lambda: removals.one_gain(third, 3)

    def effects(tail: removals.Tail) -> Tensor:
        return delta_y(tail, logits)

    def contrasts(tail: removals.Tail) -> Tensor:
        return all_contrasts(tail, logits)

    yield "closed form", lambda: whole_call("effects of 512 maps", last, 1 / 3, effects)
    yield "contrasts", lambda: whole_call("1,000 contrasts", last, 1 / 2, contrasts)
    yield "branches", lambda: removals.branches_once(subject("Inception", "Mixed_7c.branch3x3_1"))
    runs = [last.network, models.resnet18(weights=None).eval().to(device)]
    yield "measures", lambda: five_measures(runs, "layer4", images, 3)


def _has_bfloat16(device: torch.device) -> bool:
    """Matrix units for it; without these the row is reported, and nothing is wanted of it."""
    if device.type != "cpu":
        return True
    with open("/proc/cpuinfo") as info:
        text = info.read()
    return "amx_bf16" in text or "avx512_bf16" in text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", type=torch.device, help="where both sides run")
    parser.add_argument("--threads", type=int, help="of the processor; 1 is steadier on a machine that others use too")
    parser.add_argument("--quick", action="store_true", help="a third of the repeats, the peer not warmed up")
    parser.add_argument("--only", default="", help="rows of this kind: AblationCAM, captum, hooks, limit, ...")
    parser.add_argument("--markdown", action="store_true", help="print the table in Markdown")
    options = parser.parse_args()
    device: torch.device = options.device
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    cells = [HEADER]
    for kind, make in rows(device):
        if options.only and options.only != kind:
            continue
        cells.append(measure(make(), device, quick=options.quick).cells)
        print(" | ".join(cells[-1]), flush=True)
    end = "  " if options.markdown else ""
    print("", *(line + end for line in machine(device, WHAT)), "", sep="\n")
    print(table(cells, markdown=options.markdown))


if __name__ == "__main__":
    main()
