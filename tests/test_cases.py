"""What people bring to the kernels: input, outcome, sentence. No line may give a wrong number in silence.

Each line is a kind of input that once gave a wrong value, an error in torch's words, or a refusal that did not help.
The value is the right one, or the sentence is what a reader is told.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from unchecked import unchecked

from xai_widgets.kernels import ablation, agreement, cam, degrade, gradients, measures, mismatch, receipts, saliency
from xai_widgets.kernels.robustness import robustness
from xai_widgets.kernels.tail import Shell, Tail


def scores(result: Tensor) -> Tensor:
    return result


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def image(height: int = 24, width: int = 24, channels: int = 3) -> Tensor:
    return torch.rand(1, channels, height, width, generator=seeded(1), dtype=torch.float32, device="cpu")


def network(outputs: int = 2, channels: int = 3) -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        parts = [nn.Conv2d(channels, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, outputs)]
        return nn.Sequential(*parts).eval()


def tail(net: nn.Module | None = None, inputs: Tensor | None = None, layer: str = "1") -> Tail:
    return Tail(network() if net is None else net, layer, image() if inputs is None else inputs)


@dataclass(frozen=True)
class Case:
    """One line of the table: a letter of the list of kinds, the input, what is done, and what must come out."""

    kind: str
    given: str
    do: Callable[[], Any]
    value: Any = None
    sentence: str = ""
    error: type[Exception] = ValueError
    within: float = 1e-6


CASES: list[Case] = []


def case(kind: str, given: str, **outcome: Any) -> Callable[[Callable[[], Any]], Callable[[], Any]]:
    def add(do: Callable[[], Any]) -> Callable[[], Any]:
        CASES.append(Case(kind, given, do, **outcome))
        return do

    return add


class Flip(nn.Module):
    def forward(self, maps: Tensor) -> Tensor:
        return maps.flip(-1)


# A. Where the channels of a layer's output are.


@case("A", "an image of 66 x 132 and 32 maps of 64 x 130", value=(1, 32, 64, 130))
def _() -> Any:
    net = nn.Sequential(nn.Conv2d(3, 32, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 2)).eval()
    made = tail(net, image(66, 132))
    assert len(ablation.delta_y(made, scores)) == 32
    return tuple(made.maps.shape)


@case("A", "rows and columns exchanged by the network: maps that are not where the image is", sentence="layout")
def _() -> Any:
    class Turned(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = network()

        def forward(self, x: Tensor) -> Tensor:
            turned: Tensor = self.net(x.transpose(2, 3))
            return turned

    return cam.grad_cam(Tail(Turned(), "net.1", image()), scores, 0)


class Mirrored(nn.Module):
    """A part that sees the image mirrored is added to one that does not."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.turned, self.last = nn.Conv2d(3, 8, 3, 1, 1), Flip(), nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        maps = self.first(x).relu()
        result: Tensor = self.last((maps + self.turned(maps)).mean((2, 3)))
        return result


@case("A", "mirrored maps that are added to maps as they are", value=(True, False))
def _() -> Any:
    made = Mirrored().eval()
    return tuple(Tail(made, layer, image()).placed for layer in ("first", "turned"))


# B. Weights that change after a tail was made.


def changed_after(change: Callable[[nn.Sequential], Any]) -> Any:
    net = network()
    made = tail(net)
    with torch.no_grad():
        change(net)
    return ablation.delta_y(made, scores)


for words, change in {
    "a bias is written": lambda net: net[4].bias.add_(1),
    "a weight is replaced": lambda net: setattr(net[4], "weight", nn.Parameter(torch.zeros(2, 8))),
    "a module is replaced": lambda net: net.__setitem__(4, nn.Linear(8, 2)),
    "another state is loaded": lambda net: net.load_state_dict({k: v + 1 for k, v in net.state_dict().items()}),
}.items():
    CASES.append(Case("B", words, partial(changed_after, change), sentence="weights .* changed", error=RuntimeError))


def with_norm() -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        parts = [
            nn.Conv2d(3, 6, 3),
            nn.BatchNorm2d(6),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(6, 2),
        ]
        return nn.Sequential(*parts).eval()


@case("B", "another state is loaded: the gradient in a shell is that of the new one", value=0.0)
def _() -> Any:
    net, other = with_norm(), with_norm()
    with torch.no_grad():
        other[1].running_mean.fill_(0.3)  # type: ignore[union-attr, operator]
    shell = Shell(net)
    net.load_state_dict(other.state_dict())
    found, expected = (gradients.gradient(some, image(), gradients.of_output(0)) for some in (shell, net))
    return float((found - expected).abs().max())


@case("B", "the gradient of a tail of old weights", sentence="weights .* changed", error=RuntimeError)
def _() -> Any:
    net = network()
    made = tail(net)
    with torch.no_grad():
        net[4].bias.add_(1)  # type: ignore[operator]
    return gradients.gradient(made)


# C. autocast around a tail that was made outside it.


def around(kernel: Callable[[Tail], Any]) -> Any:
    made = tail()
    outside = kernel(made)
    with torch.autocast("cpu", torch.bfloat16):
        inside = kernel(made)
    return float((torch.as_tensor(inside) - torch.as_tensor(outside)).abs().max())


def bent() -> nn.Sequential:
    """A head that bends, so that gradients are no constants."""
    net = network()
    return nn.Sequential(*net[:4], nn.Linear(8, 8), nn.Tanh(), net[4]).eval()


def around_bent(kernel: Callable[[Tail], Any]) -> Any:
    made = tail(bent())
    outside = kernel(made)
    with torch.autocast("cpu", torch.bfloat16):
        inside = kernel(made)
    return float((inside - outside).abs().max() / outside.abs().max())


for words, kernel in {
    "Grad-CAM": lambda made: cam.grad_cam(made, scores, 0),
    "contrasts": lambda made: cam.all_contrasts(made, scores),
    "an estimate": lambda made: ablation.first_order(made, scores),
    "implicit saliency": lambda made: mismatch.implicit_saliency(made, scores),
    "the input": lambda made: gradients.gradient(made, None, gradients.of_output(0)),
    "a score with a product of its own": lambda made: ablation.delta_y(made, lambda r: r @ torch.ones(2, 2), batch=3),
}.items():
    given = f"the gradient of {words} under autocast, where the tail bends"
    CASES.append(Case("C", given, partial(around_bent, kernel), value=0.0))

for words, kernel in {
    "effects": lambda made: ablation.delta_y(made, scores),
    "copies": lambda made: ablation.delta_y(made, scores, batch=3),
    "groups": lambda made: ablation.group_scores(made, scores, torch.ones(1, 8, dtype=torch.bool)),
    "a receipt": lambda made: receipts.map_receipt(made, scores, [0], generator=seeded()).random,
    "Grad-CAM": lambda made: cam.grad_cam(made, scores, 0),
    "contrasts": lambda made: cam.all_contrasts(made, scores),
    "a weighted sum": lambda made: saliency.weighted_sum(made.maps, torch.linspace(-1, 1, 8)[None]),
    "a blur": lambda made: degrade.blur(made.inputs, 2.0),
    "the smallest change": lambda made: torch.tensor(cam.smallest_change(made, scores, 1.0).scores),
}.items():
    CASES.append(Case("C", f"{words} under autocast, of a tail made outside", partial(around, kernel), value=0.0))


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


# E. Gradients of a network in train mode.


@case("E", "a network with batch norm in train mode: its running means stay, and twice is the same", value=True)
def _() -> Any:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(), nn.Flatten(), nn.LazyLinear(2))
    net(image())
    net.train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    first, second = (gradients.gradient(net, image(), gradients.of_output(0)) for _ in range(2))
    same = all(torch.equal(value, net.state_dict()[name]) for name, value in before.items())
    return same and net.training and torch.equal(first, second)


@case("E", "a bare function", sentence="network|model", error=TypeError)
def _() -> Any:
    bare: Any = lambda x: network()(x)  # noqa: E731
    return gradients.gradient(bare, image(), gradients.of_output(0))


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


# I. Scores in float32 of a network that computes in bfloat16.


class Coarse(nn.Module):
    """Steps of 0.25 in scores that come back as float32."""

    def __init__(self) -> None:
        super().__init__()
        self.net = network(1).bfloat16()
        with torch.no_grad():
            self.net[4].bias.fill_(40.0)  # type: ignore[operator]

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.net(x.bfloat16()).float()
        return result


@case("I", "rounding of a bfloat16 network is no role", value=0)
def _() -> Any:
    made = Tail(Coarse(), "net.1", image())
    change = ablation.delta_y(made, scores, batch=8)[None]
    y = ablation.own_scores(made, scores)[:, 0]
    error = ablation.delta_error(change, y, y - 10)
    return int(ablation.roles(change, error, y, precision=made.precision).sum())


# J. A dead map whose gradient is not a number.


class Deviation(nn.Module):
    """The standard deviation of each map; the gradient of a constant one is not a number."""

    def __init__(self) -> None:
        super().__init__()
        self.net = network()
        with torch.no_grad():
            self.net[0].bias[3] = -100.0  # type: ignore[operator]

    def forward(self, x: Tensor) -> Tensor:
        deviations = self.net[:2](x).var((2, 3)).sqrt()
        result: Tensor = self.net[4](deviations)
        return result


def of_deviations(kernel: Callable[[Tail], Tensor]) -> Any:
    return bool(kernel(Tail(Deviation(), "net.1", image())).isfinite().all())


for words, kernel in {
    "Grad-CAM": lambda made: cam.grad_cam(made, scores, 0),
    "a contrast": lambda made: cam.class_contrast(made, scores, 1),
    "an estimate of the effects": lambda made: ablation.first_order(made, scores),
}.items():
    given = f"{words} beside a dead map under a standard deviation"
    CASES.append(Case("J", given, partial(of_deviations, kernel), value=True))


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


# P. Networks of one or four channels.


def five(channels: int) -> Any:
    net = network(2, channels)
    explain = measures.grad_cam_explainer(lambda images: Tail(net, "1", images), scores)
    found = measures.five_measures([explain, explain], image(channels=channels), seeds=[0])
    return bool(found.axes().isfinite().all())


for channels in (1, 4):
    CASES.append(Case("P", f"five measures of {channels} channels", partial(five, channels), value=True))


@case("P", "robustness of an image of one channel", value=True)
def _() -> Any:
    found = robustness(
        {"mean": lambda images: images.mean(1)}, lambda maps: maps.mean((1, 2)), image(channels=1)[0],
        generator=seeded(), kind="gaussian_noise",
    )  # fmt: skip
    return bool(found["mean"].agreement.isfinite().all())


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


# S. Results in the user's own code.


@case("S", "what a tail returns takes part in a gradient", value=True)
def _() -> Any:
    made = tail()
    weight = torch.ones(1, requires_grad=True)
    (made(made.maps.clone()) * weight).sum().backward()
    index, removed = next(iter(ablation.removal_scores(made, scores)))
    (removed * weight).sum().backward()
    return not removed.is_inference() and len(index) > 0 and weight.grad is not None


# A score of the caller's own.


@case("score", "scaled over the copies of a batch", sentence="each row for itself")
def _() -> Any:
    return ablation.delta_y(tail(), lambda r: r / r.abs().max() * torch.arange(1, 3), 1, batch=8)


@case("score", "a head with dropout in training mode", sentence=r"eval\(\)")
def _() -> Any:
    return ablation.delta_y(tail(), nn.Sequential(nn.Dropout(), nn.Linear(2, 2)))


@case("score", "a head with weights: effects carry no graph", value=False)
def _() -> Any:
    return ablation.delta_y(tail(), nn.Linear(2, 2)).requires_grad


@case("score", "a large sum of maps in float16", value=3e5)
def _() -> Any:
    return float(saliency.weighted_sum(torch.full((1, 300, 2, 2), 1000.0).half(), torch.ones(1, 300).half())[0, 0, 0])


@case("score", "a network with a part in TorchScript", value=8)
def _() -> Any:
    class Scripted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            net = network()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # people still have such parts
                self.first, self.rest = net[0], torch.jit.trace(net[1:], torch.rand(1, 8, 6, 6))  # type: ignore[no-untyped-call]

        def forward(self, x: Tensor) -> Tensor:
            result: Tensor = self.rest(self.first(x))
            return result

    return len(ablation.delta_y(Tail(Scripted().eval(), "first", image()), scores, batch=4))


# One way to say the target.


class Named:
    labels = ("cat", "cup")

    def __call__(self, result: Tensor) -> Tensor:
        return result


def same_for_all(kernel: Callable[[Any], Tensor]) -> Any:
    return all(torch.equal(kernel(1), kernel(target)) for target in ("cup", torch.tensor(1), torch.tensor([1])))


TARGETS: dict[str, Callable[[Any], Tensor]] = {
    "effects": lambda target: ablation.delta_y(tail(), Named(), target),
    "Grad-CAM": lambda target: cam.grad_cam(tail(), Named(), target),
    "a contrast": lambda target: cam.class_contrast(tail(), Named(), target),
}
for words, asked in TARGETS.items():
    CASES.append(Case("target", f"{words}: a number, a tensor, a name", partial(same_for_all, asked), value=True))
    CASES.append(Case("target", f"{words}: a name that is near", partial(asked, "cupp"), sentence="'cup'"))


@pytest.mark.parametrize("line", CASES, ids=[f"{line.kind}: {line.given}" for line in CASES])
def test_what_is_brought(line: Case) -> None:
    with unchecked():  # as readers run it
        if line.sentence:
            with pytest.raises(line.error, match=line.sentence):
                line.do()
            return
        found = line.do()
    if isinstance(line.value, float):
        assert math.isclose(found, line.value, rel_tol=0, abs_tol=line.within), found
    else:
        assert found == line.value


def test_every_kind_has_a_line() -> None:
    assert {*"ABCDEFGHIJKLMNOPQRS"} - {"H"} <= {line.kind for line in CASES}  # H is among the lines of half precision
