"""What people bring: images and maps, numbers that are equal, constant, half or of bytes, noise, torch's defaults."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
from cases import Case, adding_to, image, network, scores, seeded, tail
from torch import Tensor, nn

from xai_widgets.kernels import ablation, agreement, cam, degrade, gradients, measures, mismatch, receipts, saliency
from xai_widgets.kernels.tail import Tail

CASES: list[Case] = []
case = adding_to(CASES)


# D. Equal values at the end of a mask.


def dot(row: int, column: int, side: int = 16) -> Tensor:
    map_ = torch.zeros(1, side, side)
    map_[0, row, column] = 1
    return map_


@case("D", "two maps of one pixel each, at other positions", value=0.0)
def _() -> Any:
    return float(agreement.relative_risk(dot(3, 4), dot(9, 12), 0.1))


@case("D", "a receipt of a map of one pixel tests that pixel", value=1)
def _() -> Any:
    made = tail()
    single = torch.zeros(made.maps.shape[-2:])
    single[5, 6] = 1
    return receipts.place_receipt(made, scores, single, generator=seeded(), share=0.1).tested.taken


@case("D", "a constant map", value=0)
def _() -> Any:
    return int(agreement.top_share(torch.ones(1, 8, 8), 0.1).sum())


# F. Maps that are no floating-point numbers. G. Pixels of 0 to 255.


@case("F", "the entropy of a mask is that of the same map of 0 and 1", value=True)
def _() -> Any:
    mask = torch.zeros(1, 8, 8, dtype=torch.bool)
    mask[0, :2] = True
    return torch.equal(measures.entropy(mask).float(), measures.entropy(mask.float()))


@case("F", "the entropy of a map of bytes", value=True)
def _() -> Any:
    some = torch.arange(64, dtype=torch.uint8).reshape(1, 8, 8)
    return bool((measures.entropy(some).float() - measures.entropy(some.float())).abs() < 1e-6)


for words, degraded in {
    "salt and pepper": lambda x: degrade.salt_and_pepper(x, 0.1, generator=seeded()),
    "Gaussian noise": lambda x: degrade.gaussian_noise(x, 0.1, generator=seeded()),
}.items():
    CASES.append(Case("G", f"pixels of 0 to 255 under {words}", partial(degraded, 255 * image()), sentence=r"\[0, 1\]"))


# H, N and 4. Half precision.


def halves(dtype: torch.dtype, kernel: Callable[[Tail], Tensor]) -> Any:
    """The difference from float32, of its largest value."""
    whole = kernel(tail())
    half = kernel(tail(network().to(dtype), image().to(dtype))).float()
    return float((half - whole).abs().max() / whole.abs().max())


HALVES: dict[str, Callable[[Tail], Tensor]] = {
    "effects": lambda made: ablation.delta_y(made, scores),
    "copies": lambda made: ablation.delta_y(made, scores, batch=3),
    "Grad-CAM": lambda made: cam.grad_cam(made, scores, 0),
    "contrasts": lambda made: cam.all_contrasts(made, scores),
    "implicit saliency": lambda made: mismatch.implicit_saliency(made, scores),
    "implicit saliency, variance": lambda made: mismatch.implicit_saliency(made, scores, combine="variance"),
}
for words, kernel in HALVES.items():
    for dtype, within in ((torch.float16, 2e-2), (torch.bfloat16, 1e-1)):
        CASES.append(Case("N", f"{words} of {dtype}", partial(halves, dtype, kernel), value=0.0, within=within))


# K. One seed, one noise.


def noises(kernel: Callable[[Tensor], Tensor]) -> Any:
    """The largest difference between an image alone and in a batch, and between float32 and float64."""
    one, other = image(), torch.rand(1, 3, 24, 24, generator=seeded(2))
    alone = kernel(one)
    batch = kernel(torch.cat((other, one)))[1:]
    wide = kernel(one.double())
    return float(max((alone - batch).abs().max(), (alone - wide).abs().max()))


for words, kernel in {
    "salt and pepper": lambda x: degrade.salt_and_pepper(x, 0.2, generator=seeded()),
    "Gaussian noise": lambda x: degrade.gaussian_noise(x, 0.2, generator=seeded()),
    "SmoothGrad": lambda x: gradients.smooth_grad(
        network().to(x.dtype), x, gradients.of_output(0), generator=seeded(), n_samples=3
    ),
}.items():
    CASES.append(Case("K", f"one seed of {words}, alone, in a batch, in float64", partial(noises, kernel), value=0.0))


# L. Zero maps. M. Oblong images.


@case("L", "a zero map blurs nothing, in either removal", value=0.0)
def _() -> Any:
    return float((measures.removals(image()[0], torch.zeros(6, 6)) - image()).abs().max())


@case("M", "quarter turns of an oblong image are counted as left out", value=2)
def _() -> Any:
    explainer = measures.explainer_of(lambda images: images.mean(1))
    images = image(24, 36)
    found = measures.resilience_of(explainer, images, measures.clean_of(explainer, images))
    return measures.resilience_rows(found, "fixed")[0].left_out


# O. A default device, a default precision.


@contextmanager
def defaults() -> Any:
    try:
        torch.set_default_device("meta")
        torch.set_default_dtype(torch.float64)
        yield
    finally:
        torch.set_default_device(None)
        torch.set_default_dtype(torch.float32)


def beside_defaults(kernel: Callable[[nn.Module, Tensor], Tensor]) -> Any:
    net, images = network(), image()
    plain = kernel(net, images)
    with defaults():
        there = kernel(net, images)
    return float((plain - there).abs().max())


DEFAULTS: dict[str, Callable[[nn.Module, Tensor], Tensor]] = {
    "effects": lambda net, x: ablation.delta_y(Tail(net, "1", x), scores),
    "copies": lambda net, x: ablation.delta_y(Tail(net, "1", x), scores, batch=3),
    "Grad-CAM": lambda net, x: cam.grad_cam(Tail(net, "1", x), scores, 0),
    "contrasts": lambda net, x: cam.all_contrasts(Tail(net, "1", x), scores),
    "SmoothGrad": lambda net, x: gradients.smooth_grad(net, x, gradients.of_output(0), generator=seeded(), n_samples=2),
    "Gaussian noise": lambda net, x: degrade.gaussian_noise(x, 0.1, generator=seeded()),
    "graded blur": lambda net, x: degrade.graded_blur(x, x.mean(1)),
    "a receipt": lambda net, x: receipts.map_receipt(Tail(net, "1", x), scores, [0], generator=seeded()).random,
}
for words, work in DEFAULTS.items():
    CASES.append(Case("O", f"{words} where torch has other defaults", partial(beside_defaults, work), value=0.0))


# Q. Constant maps.


@case("Q", "the divergence of two positive constant maps", value=0.0)
def _() -> Any:
    return float(agreement.kl(torch.full((1, 4, 4), 0.1), torch.full((1, 4, 4), 3.0)))


# R. What no kernel can use, in words of our own.

ARRAY: Any = np.ones((1, 4, 4))
LIST: Any = [[1.0, 1.0]]
for words, do, error in (
    ("ssim of maps without an axis of images", lambda: measures.ssim(torch.rand(4, 4), torch.rand(4, 4)), ValueError),
    ("ssim of arrays of NumPy", lambda: measures.ssim(ARRAY, ARRAY), TypeError),
    ("ssim of maps of two sizes", lambda: measures.ssim(torch.rand(1, 8, 8), torch.rand(1, 9, 9)), ValueError),
    ("stability of one map", lambda: measures.stability(torch.rand(4, 4)), ValueError),
    ("entropy of one map without an axis of images", lambda: measures.entropy(torch.rand(4, 4)), ValueError),
    ("gains of one row as a vector", lambda: ablation.with_gains(torch.rand(1, 2, 4, 4), torch.ones(2)), ValueError),
    ("gains as a list", lambda: ablation.with_gains(torch.rand(1, 2, 4, 4), LIST), TypeError),
    ("uncertainty of one contrast", lambda: cam.contrast_uncertainty(torch.rand(2, 4, 4)), ValueError),
    ("a weight of another size", lambda: degrade.graded_blur(torch.rand(1, 3, 8, 8), torch.rand(1, 4, 4)), ValueError),
    ("resizing an array of NumPy", lambda: saliency.resize(ARRAY, (8, 8)), TypeError),
):
    CASES.append(Case("R", words, do, sentence=r"must|needs", error=error))  # type: ignore[arg-type]
