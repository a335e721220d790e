"""Rows about removals and gains: against the peers, a forward, the limit of the machine, ourselves without a trick."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from captum.attr import LayerFeatureAblation
from pytorch_grad_cam import AblationCAM, ablation_cam
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.kernels.timing import Row
from xai_widgets.kernels.ablation import delta_y, removal_scores, with_gains
from xai_widgets.kernels.screening import Screening, screened_delta_y
from xai_widgets.kernels.tail import Shell, Tail
from xai_widgets.kernels.tail.structure import calls_of

ablation_cam.tqdm = SimpleNamespace(tqdm=iter)  # its progress bar would be timed too

TARGET = 0
SAMPLE = 32  # maps that the two slower peers are timed on


def logits(result: Tensor) -> Tensor:
    return result


@dataclass
class Subject:
    """A network, one of its layers, and an image."""

    name: str
    network: nn.Module
    layer: str
    inputs: Tensor

    def __post_init__(self) -> None:
        self.shell = Shell(self.network)
        self.maps = Tail(self.shell, self.layer, self.inputs).maps.shape[1]

    @property
    def module(self) -> nn.Module:
        return self.network.get_submodule(self.layer)

    def tail(self) -> Tail:
        return Tail(self.shell, self.layer, self.inputs)

    def effects(self) -> Tensor:
        """Of every map, the trunk included."""
        return delta_y(self.tail(), logits, TARGET)

    @property
    def title(self) -> str:
        return f"all {self.maps} maps of {self.layer}, {self.name}"


def against_ablation_cam(subject: Subject, goal: float | None = None, repeats: int = 1) -> Row:
    """Its weights are -delta y / y."""
    found: list[np.ndarray] = []

    class Kept(AblationCAM):
        def get_cam_weights(self, *arguments: Any) -> np.ndarray:
            found.append(super().get_cam_weights(*arguments))
            return found[-1]

    def peer() -> np.ndarray:
        with Kept(subject.network, [subject.module]) as cam:
            cam(subject.inputs, [ClassifierOutputTarget(TARGET)])
        return found[-1][0]

    def difference(effects: Tensor, weights: np.ndarray) -> float:
        with torch.inference_mode():
            y = subject.network(subject.inputs)[0, TARGET].item()
        return float(np.abs(effects.cpu().numpy() + weights * y).max())

    slow = repeats == 1
    return Row(subject.title, "AblationCAM", subject.effects, peer, goal, difference, repeats, warm=not slow)


def against_captum(subject: Subject) -> Row:
    """LayerFeatureAblation gives -delta y; timed on the first maps, the others being one more group."""
    groups = min(SAMPLE, subject.maps)
    mask = torch.arange(subject.maps, device=subject.inputs.device).clamp(max=groups - 1)[None, :, None, None]
    attribution = LayerFeatureAblation(subject.network, subject.module)

    def peer() -> Tensor:
        with torch.inference_mode():
            found: Tensor = attribution.attribute(
                subject.inputs, layer_baselines=0, target=TARGET, layer_mask=mask, perturbations_per_eval=16
            )
        return found[0, :, 0, 0]  # one value a map

    def difference(effects: Tensor, found: Tensor) -> float:
        return float((effects[: groups - 1] + found[: groups - 1]).abs().max())

    return Row(
        subject.title, f"captum, {groups} maps × {subject.maps / groups:.3g}", subject.effects, peer,
        difference=difference, repeats=1, part=groups / subject.maps, warm=False,
    )  # fmt: skip


def against_hooks(subject: Subject) -> Row:
    """What one would write down: a hook that sets a map to zero, and a forward, map by map."""
    count = min(SAMPLE, subject.maps)

    def peer() -> Tensor:
        scores = []
        with torch.inference_mode():
            y = subject.network(subject.inputs)[0, TARGET]
            for index in range(count):

                def remove(module: nn.Module, args: Any, output: Tensor, index: int = index) -> Tensor:
                    output = output.clone()
                    output[:, index] = 0
                    return output

                handle = subject.module.register_forward_hook(remove)
                scores.append(subject.network(subject.inputs)[0, TARGET] - y)
                handle.remove()
        return torch.stack(scores)

    def difference(effects: Tensor, found: Tensor) -> float:
        return float((effects[:count] - found).abs().max())

    name = f"hook loop, {count} maps × {subject.maps / count:.3g}"
    return Row(subject.title, name, subject.effects, peer, None, difference, 1, part=count / subject.maps, warm=False)


def fastest_product(device: torch.device) -> tuple[Callable[[], Any], float, str]:
    """A matrix product by the fastest way at hand, its multiply-adds, and its name."""
    side = 2048
    a, b = (torch.randn(side, side, device=device) for _ in range(2))
    image, kernel = a[None, :, :, None], b[:, :, None, None]
    ways: dict[str, Callable[[], Any]] = {
        "matmul": lambda: a @ b, "1 × 1 convolution": lambda: torch.conv2d(image, kernel),
    }  # fmt: skip

    def seconds(call: Callable[[], Any]) -> float:
        times = []
        for _ in range(5):
            began = perf_counter()
            call()
            getattr(torch, device.type).synchronize()
            times.append(perf_counter() - began)
        return min(times)

    name = min(ways, key=lambda key: seconds(ways[key]))
    return ways[name], side**3, f"{side}² by {name}"


def from_the_limit(subject: Subject, goal: float | None = None) -> Row:
    """All maps with the trunk remembered, against the multiply-adds of the tail for every copy, as matrix products."""
    tail = subject.tail()
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        tail(tail.maps)
    wanted = counter.get_total_flops() / 2 * subject.maps
    product, size, name = fastest_product(subject.inputs.device)
    count = max(1, round(wanted / size))

    def peer() -> None:
        with torch.inference_mode():
            for _ in range(count):
                product()

    def ours() -> Tensor:
        return torch.cat([scores for _, scores in removal_scores(tail, logits)])

    return Row(f"{subject.title}, tail only", f"the limit: {count} products of {name}", ours, peer, goal)


def one_gain(subject: Subject, goal: float) -> Row:
    """A new gain of one map, the trunk remembered, against a full forward."""
    tail = subject.tail()
    gains = torch.ones(1, subject.maps, device=subject.inputs.device)
    gains[0, 7] = 0.5

    def ours() -> Tensor:
        with torch.inference_mode():
            found: Tensor = tail(with_gains(tail.maps, gains))
            return found

    return Row(f"one gain at {subject.layer}, {subject.name}", "full forward", ours, forward(subject), goal, repeats=30)


def forward(subject: Subject) -> Callable[[], Tensor]:
    def run() -> Tensor:
        with torch.inference_mode():
            found: Tensor = subject.network(subject.inputs)
            return found

    return run


def screened(subject: Subject, goal: float | None) -> Row:
    """A first pass in bfloat16, its 32 strongest maps computed again; against AblationCAM."""
    full = against_ablation_cam(subject, repeats=3)
    exact = subject.effects()

    def ours() -> Screening:
        return screened_delta_y(subject.tail(), logits, TARGET)

    def difference(found: Screening, weights: np.ndarray) -> str:
        strongest = set(exact.abs().argsort(descending=True)[:10].tolist())
        kept = len(strongest & set(found.exact.nonzero().flatten().tolist()))
        return f"rank {found.rank_agreement:.4f}, {kept} of the 10 strongest exact"

    return Row(f"{subject.title}, bfloat16 screening", "AblationCAM", ours, full.peer, goal, difference)


def branches_once(subject: Subject) -> Row:
    """Branches beside the layer are remembered; against the same tail that computes them for every copy."""
    tail, other = subject.tail(), Tail(Shell(subject.network), subject.layer, subject.inputs)
    calls, _ = calls_of(other.shell, other.inputs)
    start = calls[other.structure.target].start
    remembered = other.trunk.outputs
    for key in [key for key in remembered if calls[key].start > start]:
        del remembered[key], other.structure.left_out[key]
    maps = tail.maps.repeat(16, 1, 1, 1)
    maps[torch.arange(16), torch.arange(16)] = 0

    def run(tail: Tail) -> Callable[[], Tensor]:
        def scores() -> Tensor:
            found: Tensor = tail(maps)
            return found

        return scores

    def difference(a: Tensor, b: Tensor) -> float:
        return float((a - b).abs().max())

    name = f"16 copies of {subject.layer}, {subject.name}"
    return Row(name, "parallel branches once a copy", run(tail), run(other), 1.0, difference, repeats=9)
