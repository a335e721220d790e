"""Maps from the gradient at the input: vanilla, input x gradient, guided backpropagation, SmoothGrad.

All are signed and shaped like the input. Which output, or which contrast, is asked is said by a cotangent: weights of
the scores (n k) -> (n k), so that "why P?" and "why P, rather than Q?" go through the same functions. `forward` takes
inputs (n ...) to scores (n k); it may write into what it gets.

References: Simonyan et al., 2013, arXiv 1312.6034; Springenberg et al., 2014, arXiv 1412.6806; Smilkov et al., 2017,
arXiv 1706.03825; contrast as a plug-in: Prabhushankar et al., 2020, arXiv 2008.00178.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from xai_widgets.kernels.batches import Step, in_batches
from xai_widgets.kernels.cam import contrast_weights, slope_of
from xai_widgets.kernels.checks import (
    check_classes,
    check_finite,
    check_generator,
    check_same,
    check_target,
    check_tensor,
    real_number,
    scores_from,
    whole_number,
)

Forward = Callable[[Tensor], Tensor]
Cotangent = Callable[[Tensor], Tensor]

COMPILED = ("DifferentiableGraph", "CompiledFunction")  # what their backward passes are called


def of_output(target: int) -> Cotangent:
    """Why this output?"""
    index = whole_number("target", target)

    def weights(scores: Tensor) -> Tensor:
        chosen = torch.zeros_like(scores)
        chosen[:, check_target(index, scores.shape[1])] = 1
        return chosen

    return weights


def of_counterfactual(target: int) -> Cotangent:
    """What if not this output? The gradient of minus its score."""
    asked = of_output(target)
    return lambda scores: -asked(scores)


def of_class_contrast(q: int) -> Cotangent:
    """Why what is predicted, rather than class q? The gradient of the cross entropy with q, in stable form."""
    index = whole_number("the contrast class", q)

    def weights(scores: Tensor) -> Tensor:
        check_classes("a contrast of classes", scores)
        return contrast_weights(scores, index)

    return weights


def of_score_contrast(q: float) -> Cotangent:
    """Why this score, rather than q? The gradient of (y - q)^2."""
    other = real_number("the other score", q)
    if not math.isfinite(other):
        raise ValueError(f"the other score must be finite, got {other}.")

    def weights(scores: Tensor) -> Tensor:
        if scores.shape[1] != 1:
            raise ValueError(f"a contrast with a score needs a network of one score, got {scores.shape[1]}.")
        return 2 * (scores - other)

    return weights


def gradient(forward: Forward, inputs: Float[Tensor, "n ..."], cotangent: Cotangent) -> Float[Tensor, "n ..."]:
    """The gradient of the weighted scores at the inputs; half of the images at a time when memory runs out.

    Raises:
        ValueError: inputs, scores or weights that are not finite, scores of another shape than (n k).
    """
    _check(inputs)

    def run(start: int, end: int) -> Tensor:
        return _gradient(forward, inputs[start:end], cotangent)

    return torch.cat([found for _, _, found in in_batches(len(inputs), len(inputs), run)])


def _gradient(forward: Forward, inputs: Float[Tensor, "n ..."], cotangent: Cotangent) -> Float[Tensor, "n ..."]:
    with torch.inference_mode(False), torch.enable_grad():
        leaf = inputs.detach().clone().requires_grad_()
        scores = scores_from(lambda result: result, forward(leaf.clone()), len(leaf))
        check_finite("scores", scores.detach())
        if not scores.requires_grad:
            raise ValueError("the scores must depend on the inputs by steps that have a gradient, got a constant.")
        weights = cotangent(scores.detach())
        check_same(("the weights of the scores", weights), ("scores", scores), ("images", "outputs"))
        check_finite("the weights of the scores", weights)
        return slope_of(leaf, scores, weights)


def input_x_gradient(forward: Forward, inputs: Float[Tensor, "n ..."], cotangent: Cotangent) -> Float[Tensor, "n ..."]:
    """Input times gradient, by element."""
    return inputs * gradient(forward, inputs, cotangent)


def guided_backpropagation(
    forward: Forward, inputs: Float[Tensor, "n ..."], cotangent: Cotangent
) -> Float[Tensor, "n ..."]:
    """The gradient that lets only positive values pass backwards through each ReLU.

    ReLUs are found as they are called: modules, functions and methods, in place or not, a threshold of 0 with 0 below,
    and ReLU6, which keeps its own 0 above 6. Other activations (leaky ReLU, ELU, GELU, SiLU, hard swish, clamps) keep
    their own gradient, since the method does not define them. captum replaces modules of nn.ReLU only, and agrees where
    there are no others.

    Raises:
        ValueError: no ReLU was called, so that this would be the plain gradient under another name; or a part ran where
            it is not seen, in TorchScript, a compiled network, or the inside of a recurrent layer.
    """
    with _Guided() as guided:

        def watched(x: Tensor) -> Tensor:
            scores = forward(x)
            if isinstance(scores, Tensor):
                _check_seen(scores)
            return scores

        found = gradient(watched, inputs, cotangent)
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
    n_samples = whole_number("n_samples", n_samples, 1)
    noise_level = real_number("noise_level", noise_level)
    if not 0 <= noise_level < math.inf:
        raise ValueError(f"noise_level must be 0 or more and finite, got {noise_level}.")
    check_tensor("inputs", inputs)
    check_generator(generator, inputs, "the inputs")
    _check(inputs)
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
    check_tensor("attribution", attribution, ("images", "channels", "rows", "columns"))
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
        passes = (y > 0) & ~(slopes[0] <= 0)  # NaN stays NaN
        if ctx.most is not None:
            passes = passes & (y < ctx.most)
        return torch.where(passes, slopes[0], 0), None


class _Guided(TorchFunctionMode):
    """Replaces every ReLU that is called within the block, on this thread only."""

    relus = frozenset((torch.relu, Tensor.relu, functional.relu))
    relus_in_place = frozenset((torch.relu_, Tensor.relu_, functional.relu_))
    thresholds = frozenset((torch.threshold, functional.threshold))
    thresholds_in_place = frozenset((torch.threshold_,))

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
        if func in self.thresholds or func in self.thresholds_in_place:  # nn.Threshold calls the first
            level, below = _argument("threshold", 1, args, kwargs, None), _argument("value", 2, args, kwargs, None)
            in_place = func in self.thresholds_in_place or _argument("inplace", 3, args, kwargs, False)
            if (level, below) == (0, 0):
                return self._guided(_input(args, kwargs), None, in_place)
        return func(*args, **kwargs)

    def _guided(self, x: Tensor, most: float | None, in_place: bool) -> Tensor:
        self.seen += 1
        y: Tensor = _GuidedReLU.apply(x, most)
        return x.copy_(y) if in_place else y


def _check_seen(scores: Tensor) -> None:
    """Raise ValueError where a ReLU, or code that may hold some, would keep its own gradient on the way back."""
    nodes, found = [scores.grad_fn], set()
    while nodes:
        node = nodes.pop()
        if node is None or node in found:
            continue
        found.add(node)
        name = node.name()
        if any(word in name for word in COMPILED):
            raise ValueError(
                "guided backpropagation does not see the ReLUs of a compiled part (TorchScript or torch.compile); "
                "give it the network before it was compiled, or ask `gradient`."
            )
        if _is_relu(name, node):
            raise ValueError(
                "guided backpropagation does not see a ReLU that is not called from Python (TorchScript, or the inside "
                "of a recurrent layer); give it a network that calls its ReLUs, or ask `gradient`."
            )
        nodes.extend(before for before, _ in node.next_functions)


def _is_relu(name: str, node: Any) -> bool:
    if name.startswith("ThresholdBackward"):
        return bool(node._saved_threshold == 0)
    if name.startswith("HardtanhBackward"):
        return bool((node._saved_min_val, node._saved_max_val) == (0, 6))
    return name.startswith("ReluBackward")


def _check(inputs: Tensor) -> None:
    check_tensor("inputs", inputs)
    if not inputs.dim() or not inputs.numel():
        raise ValueError(f"inputs must hold at least one image, got shape {tuple(inputs.shape)}.")
    check_finite("inputs", inputs)


def _input(args: Any, kwargs: dict[str, Any]) -> Tensor:
    found: Tensor = args[0] if args else kwargs["input"]
    return found


def _argument(name: str, place: int, args: Any, kwargs: dict[str, Any], default: Any) -> Any:
    return args[place] if len(args) > place else kwargs.get(name, default)
