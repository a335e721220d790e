"""Maps from the gradient at the input: vanilla, input x gradient, guided backpropagation, SmoothGrad.

All are signed and shaped like the input. Which output, or which contrast, is asked is said by a cotangent: weights of
the scores (n k) -> (n k), so that "why P?" and "why P, rather than Q?" go through the same functions. `forward` takes
inputs (n ...) to scores (n k); it may write into what it gets.

References: Simonyan et al., 2013, arXiv 1312.6034; Springenberg et al., 2014, arXiv 1412.6806; Smilkov et al., 2017,
arXiv 1706.03825; contrast as a plug-in: Prabhushankar et al., 2020, arXiv 2008.00178.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from xai_widgets.kernels.cam import contrast_weights, slope_of
from xai_widgets.kernels.checks import check_finite, check_generator, check_target

Forward = Callable[[Tensor], Tensor]
Cotangent = Callable[[Tensor], Tensor]
Step = Callable[[], None] | None


def of_output(target: int) -> Cotangent:
    """Why this output?"""

    def weights(scores: Tensor) -> Tensor:
        check_target(target, scores.shape[1])
        chosen = torch.zeros_like(scores)
        chosen[:, target] = 1
        return chosen

    return weights


def of_counterfactual(target: int) -> Cotangent:
    """What if not this output? The gradient of minus its score."""
    return lambda scores: -of_output(target)(scores)


def of_class_contrast(q: int) -> Cotangent:
    """Why what is predicted, rather than class q? The gradient of the cross entropy with q, in stable form."""
    return lambda scores: contrast_weights(scores, q)


def of_score_contrast(q: float) -> Cotangent:
    """Why this score, rather than q? The gradient of (y - q)^2."""

    def weights(scores: Tensor) -> Tensor:
        if scores.shape[1] != 1:
            raise ValueError(f"a contrast with a score needs a network of one score, got {scores.shape[1]}.")
        return 2 * (scores - q)

    return weights


def gradient(forward: Forward, inputs: Float[Tensor, "n ..."], cotangent: Cotangent) -> Float[Tensor, "n ..."]:
    """The gradient of the weighted scores at the inputs."""
    check_finite("inputs", inputs)
    with torch.inference_mode(False), torch.enable_grad():
        leaf = inputs.detach().clone().requires_grad_()
        scores = forward(leaf.clone())
        if not scores.requires_grad:
            raise ValueError("the scores must depend on the inputs by steps that have a gradient, got a constant.")
        return slope_of(leaf, scores, cotangent(scores.detach()))


def input_x_gradient(forward: Forward, inputs: Float[Tensor, "n ..."], cotangent: Cotangent) -> Float[Tensor, "n ..."]:
    """Input times gradient, by element."""
    return inputs * gradient(forward, inputs, cotangent)


def guided_backpropagation(
    forward: Forward, inputs: Float[Tensor, "n ..."], cotangent: Cotangent
) -> Float[Tensor, "n ..."]:
    """The gradient that lets only positive values pass backwards through each ReLU.

    ReLUs are found as they are called: modules, functions and methods, in place or not, and ReLU6, which keeps its own
    0 above 6. Other activations (leaky ReLU, ELU, GELU, SiLU, hard swish, clamps) keep their own gradient, since the
    method does not define them. captum replaces modules of nn.ReLU only, and agrees where there are no others.

    Raises:
        ValueError: no ReLU was called, so that this would be the plain gradient under another name.
    """
    with _Guided() as guided:
        found = gradient(forward, inputs, cotangent)
    if not guided.seen:
        raise ValueError("guided backpropagation needs a network with ReLU or ReLU6, none was called; ask `gradient`.")
    return found


def positive_saliency(forward: Forward, inputs: Float[Tensor, "n ..."], cotangent: Cotangent) -> Float[Tensor, "n ..."]:
    """The positive part of guided backpropagation."""
    return guided_backpropagation(forward, inputs, cotangent).relu()


def smooth_grad(
    forward: Forward,
    inputs: Float[Tensor, "n ..."],
    cotangent: Cotangent,
    *,
    generator: torch.Generator,
    n_samples: int = 25,
    noise_level: float = 0.15,
    step: Step = None,
) -> Float[Tensor, "n ..."]:
    """The mean of signed gradients over noisy copies of the inputs, which are not clipped.

    Args:
        cotangent: asked anew for the scores of each copy.
        generator: on the device of the inputs.
        n_samples: copies, at least 1.
        noise_level: standard deviation of the noise, as a share of each input's max - min.
        step: called before each copy; may raise to cancel.
    """
    if n_samples < 1:
        raise ValueError(f"n_samples must be at least 1, got {n_samples}.")
    if not 0 <= noise_level < float("inf"):
        raise ValueError(f"noise_level must be 0 or more and finite, got {noise_level}.")
    check_generator(generator, inputs, "the inputs")
    check_finite("inputs", inputs)
    axes = tuple(range(1, inputs.dim()))
    std = noise_level * (inputs.amax(axes, keepdim=True) - inputs.amin(axes, keepdim=True))
    total = torch.zeros_like(inputs)
    for _ in range(n_samples):
        if step is not None:
            step()
        noise = torch.randn(inputs.shape, generator=generator, device=inputs.device, dtype=inputs.dtype)
        total = total + gradient(forward, inputs + std * noise, cotangent)
    return total / n_samples


def over_channels(attribution: Float[Tensor, "n c h w"]) -> Float[Tensor, "n h w"]:
    """For display: the largest |.| over the colour channels."""
    return attribution.abs().amax(1)


class _GuidedReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, most: float | None) -> Tensor:
        y = x.clamp(min=0, max=most)
        ctx.save_for_backward(y)
        ctx.most = most
        return y

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, None]:
        (y,) = ctx.saved_tensors
        passes = (y > 0) & (slopes[0] > 0)
        if ctx.most is not None:
            passes = passes & (y < ctx.most)
        return torch.where(passes, slopes[0], 0), None


class _Guided(TorchFunctionMode):
    """Replaces every ReLU that is called within the block, on this thread only."""

    relus = frozenset((torch.relu, Tensor.relu, functional.relu))
    relus_in_place = frozenset((torch.relu_, Tensor.relu_, functional.relu_))

    def __init__(self) -> None:
        super().__init__()
        self.seen = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in self.relus or func in self.relus_in_place or func is functional.relu6:
            in_place = func in self.relus_in_place or _argument("inplace", 1, args, kwargs, False)
            return self._guided(_input(args, kwargs), 6.0 if func is functional.relu6 else None, in_place)
        if func in (functional.hardtanh, functional.hardtanh_):  # nn.ReLU6 is one, from 0 to 6
            low, high = _argument("min_val", 1, args, kwargs, -1.0), _argument("max_val", 2, args, kwargs, 1.0)
            in_place = func is functional.hardtanh_ or _argument("inplace", 3, args, kwargs, False)
            if (low, high) == (0, 6):
                return self._guided(_input(args, kwargs), 6.0, in_place)
        return func(*args, **kwargs)

    def _guided(self, x: Tensor, most: float | None, in_place: bool) -> Tensor:
        self.seen += 1
        y: Tensor = _GuidedReLU.apply(x, most)
        return x.copy_(y) if in_place else y


def _input(args: Any, kwargs: dict[str, Any]) -> Tensor:
    found: Tensor = args[0] if args else kwargs["input"]
    return found


def _argument(name: str, place: int, args: Any, kwargs: dict[str, Any], default: Any) -> Any:
    return args[place] if len(args) > place else kwargs.get(name, default)
