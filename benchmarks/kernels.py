"""The kernels against pytorch-grad-cam and scikit-image: one run prints one table.

    python -m benchmarks.kernels [--device cuda] [--threads 1] [--quick] [--markdown]

Both sides of a row run in turn, and the medians are compared. The network has random weights: nothing is downloaded.
"""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from pytorch_grad_cam import AblationCAM, GradCAM, ablation_cam
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from skimage.metrics import structural_similarity
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models import resnet18, vgg16

from xai_widgets.kernels import degrade, measures
from xai_widgets.kernels.ablation import delta_y, with_gains
from xai_widgets.kernels.cam import all_contrasts, grad_cam
from xai_widgets.kernels.tail import Shell, Tail

ablation_cam.tqdm = SimpleNamespace(tqdm=iter)  # its progress bar would be timed too

PACKAGES = ("torch", "torchvision", "grad-cam", "scikit-image", "numpy")
SIDE = 224
Answer = Callable[[Tail], Tensor]
TARGET = 0


@dataclass(frozen=True)
class Row:
    """Two ways to the same answer, and how many times faster the first has to be."""

    name: str
    peer_name: str
    ours: Callable[[], Any]
    peer: Callable[[], Any]
    goal: float | None
    difference: Callable[[Any, Any], float] | None = None
    repeats: int = 3
    ours_each: int = 3


@dataclass(frozen=True)
class Timing:
    """What a row measured: medians in seconds, by the clock and of the processor."""

    row: Row
    ours: tuple[float, float]
    peer: tuple[float, float]
    difference: float | None

    @property
    def cells(self) -> list[str]:
        ratio, busy = (peer / ours for peer, ours in zip(self.peer, self.ours, strict=True))
        goal = self.row.goal
        met = "" if goal is None else f"{goal:.2g} ({'met' if ratio >= goal else 'missed'})"
        difference = "" if self.difference is None else f"{self.difference:.0e}"
        times = [_time(self.ours[0]), _time(self.peer[0])]
        return [self.row.name, self.row.peer_name, *times, f"{ratio:.3g}", f"{busy:.3g}", met, difference]


# The processor's time says more than the clock on a machine that others use too, and nothing about another device.
HEADER = ["what", "against", "ours", "peer", "times faster", "by CPU time", "goal", "differ by"]


def logits(result: Tensor) -> Tensor:
    return result


def all_maps(
    network: nn.Module, layer: str, inputs: Tensor, goal: float, *, name: str = "ResNet-18", repeats: int = 3
) -> Row:
    """The effect of every map, the trunk included on both sides."""
    shell = Shell(network)
    found: list[np.ndarray] = []

    class Kept(AblationCAM):
        def get_cam_weights(self, *arguments: Any) -> np.ndarray:
            found.append(super().get_cam_weights(*arguments))
            return found[-1]

    def ours() -> Tensor:
        return delta_y(Tail(shell, layer, inputs), logits, TARGET)

    def peer() -> np.ndarray:
        with Kept(network, [network.get_submodule(layer)]) as cam:
            cam(inputs, [ClassifierOutputTarget(TARGET)])
        return found[-1][0]

    def difference(effect: Tensor, weights: np.ndarray) -> float:
        with torch.inference_mode():
            y = network(inputs)[0, TARGET].item()
        return float(np.abs(effect.cpu().numpy() + weights * y).max())

    maps = Tail(shell, layer, inputs).maps.shape[1]
    return Row(f"all {maps} maps of {layer}, {name}", "AblationCAM", ours, peer, goal, difference, repeats)


def whole_call(name: str, network: nn.Module, layer: str, inputs: Tensor, goal: float, answer: Answer) -> Row:
    """A closed form, the trunk included, against full forwards: a goal of 1/2 is two of them."""
    shell = Shell(network)

    def ours() -> Tensor:
        return answer(Tail(shell, layer, inputs))

    def peer() -> Tensor:
        with torch.inference_mode():
            return network(inputs)

    return Row(f"{name}, {layer}, whole call", "full forward", ours, peer, goal, repeats=9)


def from_the_limit(network: nn.Module, layer: str, inputs: Tensor) -> Row:
    """All maps with the trunk remembered, against as many multiply-adds at the rate of a matrix product."""
    tail = Tail(network, layer, inputs)
    maps = tail.maps
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        tail(maps)
    wanted = counter.get_total_flops() / 2 * maps.shape[1]
    side = 2048
    a, b = (torch.randn(side, side, device=inputs.device) for _ in range(2))
    products = max(1, round(wanted / side**3))

    def ours() -> Tensor:
        return delta_y(tail, logits, TARGET)

    def peer() -> Tensor:
        for _ in range(products):
            found = a @ b
        return found

    return Row(
        f"all {maps.shape[1]} maps of {layer}, tail only", f"{products} products of {side}²", ours, peer, 1 / 1.3
    )


def one_gain(network: nn.Module, layer: str, inputs: Tensor, goal: float) -> Row:
    """A new gain of one map, the trunk remembered, against a full forward."""
    tail = Tail(network, layer, inputs)
    gains = torch.ones(1, tail.maps.shape[1], device=inputs.device)
    gains[0, 7] = 0.5

    def ours() -> Tensor:
        with torch.inference_mode():
            return tail(with_gains(tail.maps, gains))

    def peer() -> Tensor:
        with torch.inference_mode():
            return network(inputs)

    return Row(f"one gain at {layer}", "full forward", ours, peer, goal, repeats=30)


def five_measures(runs: list[nn.Module], layer: str, image: Tensor) -> Row:
    """The radar of one image: two runs, seven levels of noise, twelve moves, two removals."""
    shells = [Shell(network) for network in runs]

    def explained(shell: Shell, images: Tensor) -> Tensor:
        return grad_cam(Tail(shell, layer, images), logits, TARGET).relu()

    def explain(images: Tensor) -> Tensor:
        return explained(shells[0], images)

    def generator() -> torch.Generator:
        return torch.Generator(image.device).manual_seed(0)

    def ours() -> list[float]:
        noise = measures.noise_robustness(explain, image, generator=generator())
        groups = measures.resilience(explain, image)
        focus = measures.focus(explain, image)
        maps = torch.cat([explained(shell, image[None]) for shell in shells])
        entropy, stability = measures.entropy(maps[:1]).item(), measures.stability(maps).item()
        return [entropy, *noise.tolist(), *groups.values(), *focus, stability]

    def peer() -> list[float]:
        with ExitStack() as stack:
            cams = [stack.enter_context(GradCAM(network, [network.get_submodule(layer)])) for network in runs]
            return loop(cams, image, generator())

    return Row("five measures of one image", "loop: GradCAM, skimage", ours, peer, None)


def loop(cams: list[GradCAM], image: Tensor, generator: torch.Generator) -> list[float]:
    """The same measures as one would write them down: an image at a time, all maps at image size."""
    targets = [ClassifierOutputTarget(TARGET)]

    def explain(images: Tensor, cam: GradCAM = cams[0]) -> np.ndarray:
        return cam(images, targets)[0]

    def similar(a: np.ndarray, b: np.ndarray) -> float:
        return float(structural_similarity(a, b, data_range=1))

    x = image[None]
    clean = explain(x)
    share = clean[clean > 0] / clean.sum()
    values = [float(-(share * np.log2(share)).sum() / np.log2(clean.size))]
    for level in measures.LEVELS:
        values.append(similar(clean, explain(degrade.salt_and_pepper(x, level, generator=generator))))
    for dy, dx in [(dy, dx) for dy in (-16, 0, 16) for dx in (-16, 0, 16) if dy or dx]:
        moved = torch.from_numpy(explain(degrade.shift(x, dy, dx)))[None]
        values.append(similar(*(m[0].numpy() for m in degrade.overlap(torch.from_numpy(clean)[None], moved, dy, dx))))
    for axis in (0, 1):
        values.append(similar(clean, np.flip(explain(x.flip(2 + axis)), axis)))
    for quarters in (1, -1):
        values.append(similar(clean, np.rot90(explain(x.rot90(quarters, (2, 3))), -quarters)))
    for changed in measures.removals(image, torch.from_numpy(clean).to(image)):
        values.append(similar(clean, explain(changed[None])))
    values.append(similar(clean, explain(x, cams[1])))
    return values


def measure(row: Row, device: torch.device, *, quick: bool) -> Timing:
    """Both sides in turn, after a first call of each that is not timed."""
    first = row.ours(), (None if quick else row.peer())
    times: tuple[list[tuple[float, float]], list[tuple[float, float]]] = [], []
    for _ in range(max(1, row.repeats // 3) if quick else row.repeats):
        for side, call, count in ((0, row.ours, row.ours_each), (1, row.peer, 1)):
            for _ in range(count):
                seconds, value = _seconds(call, device)
                times[side].append(seconds)
        first = first[0], value
    difference = None if row.difference is None else row.difference(*first)
    ours, peer = ((median(clock for clock, _ in side), median(busy for _, busy in side)) for side in times)
    return Timing(row, ours, peer, difference)


def machine(device: torch.device) -> list[str]:
    """What the numbers were measured with."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    processor = models[0] if models else platform.processor() or platform.machine()
    place = getattr(torch, device.type)
    chip = f", {place.get_device_name(device)}" if hasattr(place, "get_device_name") else ""
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    cores = f"{os.cpu_count()} cores, {torch.get_num_threads()} threads"
    return [
        f"Python {platform.python_version()}, {packages}",
        f"{platform.system()} {platform.machine()}, {processor}, {cores}; device {device}{chip}",
        f"ResNet-18 where nothing else is said, random weights, {SIDE} x {SIDE} pixels, float32",
    ]


def table(rows: list[list[str]], *, markdown: bool) -> str:
    if markdown:
        return "\n".join(f"| {' | '.join(cells)} |" for cells in [rows[0], ["---"] * len(rows[0]), *rows[1:]])
    widths = [max(len(cells[i]) for cells in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) for cells in rows]
    return "\n".join(line.rstrip() for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", type=torch.device, help="where both sides run")
    parser.add_argument("--threads", type=int, help="of the processor; 1 is steadier on a machine that others use too")
    parser.add_argument("--quick", action="store_true", help="a third of the repeats, the peer not warmed up")
    parser.add_argument("--markdown", action="store_true", help="print the table in Markdown")
    options = parser.parse_args()
    device: torch.device = options.device
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    runs = [resnet18(weights=None).eval().to(device) for _ in range(2)]
    vgg = vgg16(weights=None).eval().to(device)
    image = degrade.blur(torch.rand(1, 3, SIDE, SIDE), 4.0)[0].to(device)
    rows = [
        all_maps(runs[0], "layer4", image[None], goal=100),
        all_maps(runs[0], "layer3", image[None], goal=6),
        all_maps(vgg, "features.28", image[None], goal=80, name="VGG-16", repeats=1),
        from_the_limit(runs[0], "layer3", image[None]),
        one_gain(runs[0], "layer3", image[None], goal=3),
        whole_call("effects of 512 maps", runs[0], "layer4", image[None], 1 / 3, lambda tail: delta_y(tail, logits)),
        whole_call("1,000 contrasts", runs[0], "layer4", image[None], 1 / 2, lambda tail: all_contrasts(tail, logits)),
        five_measures(runs, "layer4", image),
    ]
    timings = [measure(row, device, quick=options.quick) for row in rows]
    end = "  " if options.markdown else ""
    print(*(line + end for line in machine(device)), "", sep="\n")
    print(table([HEADER, *(timing.cells for timing in timings)], markdown=options.markdown))


def _seconds(call: Callable[[], Any], device: torch.device) -> tuple[tuple[float, float], Any]:
    synchronize = getattr(torch, device.type).synchronize
    synchronize()
    began = perf_counter(), process_time()
    value = call()
    synchronize()
    return (perf_counter() - began[0], process_time() - began[1]), value


def _time(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{1000 * seconds:.1f} ms"


if __name__ == "__main__":
    main()
