"""The row about the five measures: many images at once, against a loop over pytorch-grad-cam and scikit-image."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial

import numpy as np
import torch
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from skimage.metrics import structural_similarity
from torch import Tensor, nn

from benchmarks.kernels.removals import TARGET, logits
from benchmarks.kernels.timing import Row
from xai_widgets.kernels import degrade, measures
from xai_widgets.kernels.tail import Shell, Tail


def five_measures(runs: list[nn.Module], layer: str, images: Tensor, goal: float) -> Row:
    """The radar of many images: two runs, seven levels of noise, twelve moves, two removals."""
    shells = [Shell(network) for network in runs]

    def tail_of(images: Tensor, shell: Shell) -> Tail:
        return Tail(shell, layer, images)

    explainers = [measures.grad_cam_explainer(partial(tail_of, shell=shell), logits) for shell in shells]

    def ours() -> measures.Radar:
        targets = torch.full((len(images),), TARGET, device=images.device)
        return measures.five_measures(explainers, images, seeds=range(len(images)), targets=targets)

    def peer() -> list[list[float]]:
        with ExitStack() as stack:
            cams = [stack.enter_context(GradCAM(network, [network.get_submodule(layer)])) for network in runs]
            generator = torch.Generator().manual_seed(0)
            return [loop(cams, image, generator) for image in images]

    name = f"five measures of {len(images)} images, ResNet-18 {layer}, 2 runs"
    return Row(name, "loop: GradCAM, skimage", ours, peer, goal, repeats=1, ours_each=2, warm=False)


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
