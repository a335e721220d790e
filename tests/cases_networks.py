"""What people bring: networks, their layers, weights, precision and scores."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from cases import Case, adding_to, image, network, scores, seeded, tail
from torch import Tensor, nn

from xai_widgets.kernels import ablation, cam, degrade, gradients, measures, mismatch, receipts, saliency
from xai_widgets.kernels.robustness import robustness
from xai_widgets.kernels.tail import Shell, Tail

CASES: list[Case] = []
case = adding_to(CASES)


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


@case("score", "scaled over the copies of a batch", sentence="each row by itself")
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
