"""Slow literal versions of the kernels, one map and one pixel at a time: what the fast ones are held against."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from skimage.filters import gaussian
from torch import Tensor, nn
from torch.nn import functional as F


def weighted_sum(maps: Tensor, weights: Tensor, normal: str) -> Tensor:
    n, c, h, w = maps.shape
    result = torch.zeros(n, h, w, dtype=maps.dtype)
    for image in range(n):
        for i in range(c):
            feature = maps[image, i]
            size = {"raw": 1.0, "peak": feature.abs().max().item(), "mass": feature.abs().sum().item()}[normal]
            if size != 0:
                result[image] += weights[image, i] * feature / size
    return result


def entropy(saliency: np.ndarray) -> float:
    total = saliency.sum()
    bits = -sum((value / total) * math.log2(value / total) for value in saliency.flat if value > 0)
    return bits / math.log2(saliency.size)


def ssim(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a / a.max(), b / b.max()
    window = max(size for size in (3, 5, 7) if size <= min(a.shape))
    values = []
    for top in range(a.shape[0] - window + 1):
        for left in range(a.shape[1] - window + 1):
            x, y = (m[top : top + window, left : left + window].ravel() for m in (a, b))
            covariance = np.cov(x, y, ddof=1)
            luminance = (2 * x.mean() * y.mean() + 0.01**2) / (x.mean() ** 2 + y.mean() ** 2 + 0.01**2)
            structure = (2 * covariance[0, 1] + 0.03**2) / (covariance[0, 0] + covariance[1, 1] + 0.03**2)
            values.append(luminance * structure)
    return float(np.mean(values))


def shift(image: np.ndarray, dy: int, dx: int) -> np.ndarray:
    result = np.empty_like(image)
    height, width = image.shape[-2:]
    for y in range(height):
        for x in range(width):
            result[..., y, x] = image[..., min(max(y - dy, 0), height - 1), min(max(x - dx, 0), width - 1)]
    return result


def blur(image: np.ndarray, sigma: float) -> np.ndarray:
    return gaussian(image, sigma, mode="reflect", truncate=4, channel_axis=0, preserve_range=True)


def graded_blur(image: np.ndarray, weight: np.ndarray, exponent: float) -> np.ndarray:
    """Every pixel from an image that is blurred by exactly its own sigma."""
    result = np.empty_like(image)
    peak = 10 * min(weight.shape) / 224
    for y in range(weight.shape[0]):
        for x in range(weight.shape[1]):
            result[:, y, x] = blur(image, peak * weight[y, x] ** exponent)[:, y, x]
    return result


def patch_contrast(maps: Tensor, patches: Callable[[Tensor], Tensor], q: float) -> tuple[Tensor, Tensor]:
    """One gradient for each patch; maps and patches of the same size, one image. Patches above q, and below it."""
    leaf = maps.clone().requires_grad_()
    scores = patches(leaf)[0]
    layers = torch.zeros_like(scores), torch.zeros_like(scores)
    for y in range(scores.shape[0]):
        for x in range(scores.shape[1]):
            (gradient,) = torch.autograd.grad(scores[y, x], leaf, retain_graph=True)
            slope = (gradient[0, :, y, x] * maps[0, :, y, x]).sum()
            layers[scores[y, x].item() < q][y, x] = max(0.0, 2 * (scores[y, x].item() - q) * slope.item())
    return layers


def tile_contrast(
    explain: Callable[[Tensor], tuple[Tensor, Tensor]], image: Tensor, q: float, window: int, stride: int
) -> list[Tensor]:
    """The mean over the tiles above q that cover a pixel, and over those below it."""
    height, width = image.shape[-2:]
    values: dict[tuple[bool, int, int], list[float]] = {}
    tops = sorted({*range(0, height - window + 1, stride), height - window})
    lefts = sorted({*range(0, width - window + 1, stride), width - window})
    for top in tops:
        for left in lefts:
            score, cam = explain(image[None, :, top : top + window, left : left + window])
            part = torch.relu(2 * (score[0] - q) * cam[0])
            part = F.interpolate(part[None, None], size=(window, window), mode="bilinear", align_corners=False)[0, 0]
            if score[0] == q:
                continue
            for y in range(window):
                for x in range(window):
                    values.setdefault((bool(score[0] > q), top + y, left + x), []).append(part[y, x].item())
    return [
        torch.tensor(
            [[np.mean(values.get((above, y, x), [0.0])) for x in range(width)] for y in range(height)],
            dtype=image.dtype,
        )
        for above in (True, False)
    ]


def auc(positives: list[float], negatives: list[float]) -> float:
    wins = [(p > q) + (p == q) / 2 for p in positives for q in negatives]
    return sum(wins) / len(wins)


def kl(saliency: np.ndarray, density: np.ndarray) -> float:
    p, d = saliency / saliency.sum(), density / density.sum()
    return sum(b * math.log(2.2e-16 + b / (a + 2.2e-16)) for a, b in zip(p.flat, d.flat, strict=True))


def similarity(saliency: np.ndarray, density: np.ndarray) -> float:
    p, d = ((maps - maps.min()) / (maps.max() - maps.min()) for maps in (saliency, density))
    return sum(min(a, b) for a, b in zip((p / p.sum()).flat, (d / d.sum()).flat, strict=True))


def top_share(saliency: np.ndarray, share: float, absolute: bool = False) -> np.ndarray:
    """Groups of equal values in falling order, as long as a whole group fits and its value is above 0."""
    values = np.abs(saliency) if absolute else saliency
    mask, room = np.zeros(values.shape, dtype=bool), round(share * values.size)
    groups = sorted(set(values.flat), reverse=True)
    for value in groups if len(groups) > 1 else []:
        group = values == value
        if value <= 0 or group.sum() > room:
            break
        mask, room = mask | group, room - group.sum()
    return mask


def relative_risk(found: np.ndarray, given: np.ndarray, share: float) -> float:
    """Pixel by pixel: how often inside of the second mask, and how often outside of it."""
    inside: list[bool] = []
    outside: list[bool] = []
    for one, condition in zip(top_share(found, share).flat, top_share(given, share).flat, strict=True):
        (inside if condition else outside).append(one)
    if not inside or not outside or not any(inside + outside):
        return math.nan
    return float(np.mean(inside) / np.mean(outside)) if any(outside) else math.inf


def guided_backpropagation(modules: list[nn.Module], image: Tensor, target: int) -> Tensor:
    """Layer by layer backwards: at a ReLU only what is positive passes, and only where its input was."""
    kept = [image]
    for module in modules:
        kept.append(module(kept[-1]).detach())
    slope = torch.zeros_like(kept[-1])
    slope[:, target] = 1
    for module, before in zip(reversed(modules), reversed(kept[:-1]), strict=True):
        if isinstance(module, nn.ReLU):
            slope = slope.clamp(min=0) * (before > 0)
        else:
            leaf = before.clone().requires_grad_()
            (slope,) = torch.autograd.grad(module(leaf), leaf, slope)
    return slope


def smooth_grad(
    network: nn.Module, inputs: Tensor, target: int, generator: torch.Generator, samples: int, level: float
) -> Tensor:
    total = torch.zeros_like(inputs)
    for _ in range(samples):
        noise = torch.randn(inputs[0].shape, generator=generator, dtype=torch.float64).to(inputs.dtype)
        for index, image in enumerate(inputs):
            leaf = (image + level * (image.max() - image.min()) * noise)[None].requires_grad_()
            (slope,) = torch.autograd.grad(network(leaf)[0, target], leaf)
            total[index] += slope[0] / samples
    return total


def implicit_saliency(tail: Callable[[Tensor], Tensor], labels: list[int], kind: str, combine: str) -> Tensor:
    """One backward pass of the cross entropy for each label, and each place by itself."""
    found = []
    for label in labels:
        leaf = tail.maps.clone().requires_grad_()  # type: ignore[attr-defined]
        loss = F.cross_entropy(tail(leaf), torch.tensor([label]))
        (slope,) = torch.autograd.grad(loss, leaf)
        maps, slope = leaf.detach()[0], slope[0]
        pseudo = torch.zeros_like(maps[0])
        for y in range(pseudo.shape[0]):
            for x in range(pseudo.shape[1]):
                g, a = slope[:, y, x], maps[:, y, x]
                size = math.sqrt(float((g**2).sum())) * math.sqrt(float((a**2).sum()))
                pseudo[y, x] = {"mismatch": g.abs().mean(), "product": (g * a).abs().mean(), "norms": size}[kind]
        found.append(pseudo)
    stacked = torch.stack(found)
    return stacked.mean(0) if combine == "mean" else stacked.var(0, correction=0)


def removals(image: np.ndarray, saliency: np.ndarray, exponent: float) -> list[np.ndarray]:
    """The image without its salient, and without its other regions, pixel by pixel; `saliency` at the image's size."""
    weight = blur(saliency[None] / saliency.max(), 5 * min(saliency.shape) / 224)[0]
    weight = weight / weight.max()
    return [graded_blur(image, some, exponent) for some in (weight, 1 - weight)]


def bootstrap_of_stability(values: np.ndarray, runs: int, draws: int, seed: int) -> np.ndarray:
    """Means over samples of images and of runs, drawn and looked up one by one; a run beside itself is no pair."""
    random = np.random.default_rng(seed)
    column = {pair: index for index, pair in enumerate((a, b) for a in range(runs) for b in range(a + 1, runs))}
    means: list[float] = []
    while len(means) < draws:
        some = random.integers(runs, size=runs)
        pairs = [column[min(a, b), max(a, b)] for i, a in enumerate(some) for b in some[:i] if a != b]
        if pairs:
            images = random.integers(len(values), size=len(values))
            means.append(float(np.mean([np.mean([values[image, pair] for pair in pairs]) for image in images])))
    return np.array(means)
