"""Maps from the gradient at the input: vanilla, input x gradient, guided backpropagation, SmoothGrad.

All are signed and shaped like the input. What is asked, "why P?" or "why P, rather than Q?", is a question: weights of
the scores (n k) -> (n k), so that all of them go through the same functions.

Every function takes first what is explained: a Tail (of its own inputs, if no others are given), a Shell, the network
itself, or a model with a shell and scores, such as an ImageModel. The work is done in the shell, an eval copy that
shares the weights: the network of the user is not touched.

References: Simonyan et al., 2013, arXiv 1312.6034; Springenberg et al., 2014, arXiv 1412.6806; Smilkov et al., 2017,
arXiv 1706.03825.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from xai_widgets.kernels import draws
from xai_widgets.kernels.batches import Step, in_batches
from xai_widgets.kernels.cam.base import Score, recording, slope_of, wide_of
from xai_widgets.kernels.checks import (
    check_finite,
    check_same,
    check_tensor,
    real_number,
    scores_from,
    whole_number,
)
from xai_widgets.kernels.guided import Guided, check_seen
from xai_widgets.kernels.questions import Question as Question
from xai_widgets.kernels.questions import of_class_contrast as of_class_contrast
from xai_widgets.kernels.questions import of_counterfactual as of_counterfactual
from xai_widgets.kernels.questions import of_output as of_output
from xai_widgets.kernels.questions import of_score_contrast as of_score_contrast
from xai_widgets.kernels.tail import Shell, Tail, hooks_matter
from xai_widgets.kernels.tail.results import tensors_of


@runtime_checkable
class Model(Protocol):
    """A network in its shell, and what of its return value the scores (n k) are."""

    @property
    def shell(self) -> Shell: ...

    @property
    def scores(self) -> Callable[[Any], Tensor]: ...


Source = Tail | Shell | nn.Module | Model
Cotangent = Question | Callable[[Tensor], Tensor]
Check = Callable[[Tensor], None]

PREDICTED = of_output()


def gradient(
    of: Source,
    inputs: Float[Tensor, "n ..."] | None = None,
    cotangent: Cotangent = PREDICTED,
    *,
    score: Score | None = None,
) -> Float[Tensor, "n ..."]:
    """The gradient of the weighted scores at the inputs, in float32 at least.

    Half of the images at a time when memory runs out.

    Args:
        of: a Tail, a Shell, a network, or a model with a shell and scores.
        inputs: what the network eats; those of the Tail if left out.
        cotangent: what is asked, such as `of_output(2)`: weights of the scores; why the predicted output by default.
        score: from what the network returns to scores (n k); those of the model, or else the return value itself.

    Raises:
        TypeError, ValueError: something else to explain, inputs that are none, scores that are not (n k) or constant;
            inputs, scores or weights that are not finite.
    """
    return _Explained(of, inputs, score).gradient(cotangent)


def input_x_gradient(
    of: Source,
    inputs: Float[Tensor, "n ..."] | None = None,
    cotangent: Cotangent = PREDICTED,
    *,
    score: Score | None = None,
) -> Float[Tensor, "n ..."]:
    """Input times gradient, by element.

    Args:
        of, inputs, cotangent, score: as of `gradient`.

    Raises:
        TypeError, ValueError: as of `gradient`.
    """
    explained = _Explained(of, inputs, score)
    return explained.inputs * explained.gradient(cotangent)


def guided_backpropagation(
    of: Source,
    inputs: Float[Tensor, "n ..."] | None = None,
    cotangent: Cotangent = PREDICTED,
    *,
    score: Score | None = None,
) -> Float[Tensor, "n ..."]:
    """The gradient that lets only positive values pass backwards through each ReLU.

    ReLUs are found as they are called: modules, functions and methods, in place or not, a threshold of 0 with 0 below,
    and ReLU6, which keeps its own 0 above 6. Other activations (leaky ReLU, ELU, GELU, SiLU, hard swish, clamps) keep
    their own gradient, since the method does not define them. captum replaces modules of nn.ReLU only, and agrees where
    there are no others.

    Args:
        of, inputs, cotangent, score: as of `gradient`.

    Raises:
        TypeError, ValueError: as of `gradient`; no ReLU was called, so that this would be the plain gradient under
            another name; or a part ran where it is not seen, in TorchScript, a compiled function, or the inside of a
            recurrent layer.
    """
    explained = _Explained(of, inputs, score)
    with Guided() as guided:
        found = explained.gradient(cotangent, check_seen)
    if not guided.seen:
        raise ValueError("guided backpropagation needs a network with ReLU or ReLU6, none was called; ask `gradient`.")
    return found


def positive_saliency(
    of: Source,
    inputs: Float[Tensor, "n ..."] | None = None,
    cotangent: Cotangent = PREDICTED,
    *,
    score: Score | None = None,
) -> Float[Tensor, "n ..."]:
    """The positive part of guided backpropagation.

    Args:
        of, inputs, cotangent, score: as of `gradient`.

    Raises:
        TypeError, ValueError: as of `guided_backpropagation`.
    """
    return guided_backpropagation(of, inputs, cotangent, score=score).relu()


def smooth_grad(
    of: Source,
    inputs: Float[Tensor, "n ..."] | None = None,
    cotangent: Cotangent = PREDICTED,
    *,
    generator: torch.Generator,
    score: Score | None = None,
    n_samples: int = 25,
    noise_level: float = 0.15,
    step: Step = None,
) -> Float[Tensor, "n ..."]:
    """The mean of signed gradients over noisy copies of the inputs, which are not clipped.

    All images get the same noise, each at its own range, so that the map of an image does not depend on its batch.

    Args:
        of, inputs, score: as of `gradient`.
        cotangent: asked of the scores of each copy, also which output is predicted.
        generator: on the CPU, whatever the device of the inputs.
        n_samples: copies, at least 1.
        noise_level: standard deviation of the noise, as a share of each input's max - min.
        step: called before each copy; may raise to cancel.

    Raises:
        TypeError, ValueError: as of `gradient`; options that are no such numbers, a generator that is not on the CPU.
    """
    n_samples = whole_number("n_samples", n_samples, 1)
    noise_level = real_number("noise_level", noise_level)
    if not 0 <= noise_level < math.inf:
        raise ValueError(f"noise_level must be 0 or more and finite, got {noise_level}.")
    draws.check_generator(generator)
    explained = _Explained(of, inputs, score)
    clean = explained.inputs
    wide = clean.to(wide_of(clean))
    axes = tuple(range(1, clean.dim()))
    std = noise_level * (wide.amax(axes, keepdim=True) - wide.amin(axes, keepdim=True))
    total = torch.zeros_like(wide)
    for _ in range(n_samples):
        if step is not None:
            step()
        noise = draws.normal((1, *clean.shape[1:]), generator, wide)
        total = total + explained.at((wide + std * noise).to(clean.dtype)).gradient(cotangent)
    return total / n_samples


def over_channels(attribution: Float[Tensor, "n c h w"]) -> Float[Tensor, "n h w"]:
    """For display: the largest |.| over the colour channels.

    Raises:
        TypeError, ValueError: no floating-point tensor with these axes.
    """
    check_tensor("attribution", attribution, ("images", "channels", "rows", "columns"))
    return attribution.abs().amax(1)


class _Explained:
    """A network in a shell, its inputs, and how its scores are read."""

    def __init__(self, of: Source, inputs: Tensor | None, score: Score | None) -> None:
        if inputs is None:
            if not isinstance(of, Tail):
                raise TypeError(f"inputs must be given for {_named(of)}; only a Tail brings its own.")
            inputs = of.inputs
        _check(inputs)
        self.inputs, self.score = inputs, score or _itself
        self.tail = of if isinstance(of, Tail) else None  # in whose precision the passes run
        if isinstance(of, Shell):
            of.renew()
            self.shell = of
        elif isinstance(of, nn.Module):
            self.shell = Shell(of, hooks=hooks_matter(of, inputs[:1]))
        elif isinstance(of, Tail):
            of.check_weights()
            self.shell = of.shell
        elif isinstance(of, Model):
            self.shell, self.score = of.shell, score or of.scores
        else:
            raise TypeError(
                f"what is explained must be a Tail, a Shell, a network (nn.Module) or a model with a shell and scores, "
                f"got {_named(of)}."
            )

    def at(self, inputs: Tensor) -> _Explained:
        """The same of other inputs."""
        other = _Explained(self.shell, inputs, self.score)
        other.tail = self.tail
        return other

    def gradient(self, cotangent: Cotangent, check: Check | None = None) -> Tensor:
        """At all inputs, or half of them at a time when memory runs out; `check` looks at the scores."""
        images = len(self.inputs)

        def run(start: int, end: int) -> Tensor:
            some = cotangent.part(start, end, images) if isinstance(cotangent, Question) else cotangent
            return self._gradient(self.inputs[start:end], some, check)

        return torch.cat([found for _, _, found in in_batches(images, images, run)])

    def _gradient(self, inputs: Tensor, cotangent: Cotangent, check: Check | None) -> Tensor:
        score = self.score
        if isinstance(cotangent, Question) and cotangent.of_logits:
            score = getattr(score, "logits", score)
        with recording(self.tail):
            leaf = inputs.detach().clone().requires_grad_()
            scores = scores_from(score, self._run(leaf.clone()), len(leaf))
            check_finite("scores", scores.detach())
            if not scores.requires_grad:
                raise ValueError("the scores must depend on the inputs by steps that have a gradient, got a constant.")
            if check is not None:
                check(scores)
            known = scores.detach()
            weights = cotangent(known, self.score) if isinstance(cotangent, Question) else cotangent(known)
            check_same(("the weights of the scores", weights), ("scores", scores), ("images", "outputs"))
            check_finite("the weights of the scores", weights)
            return slope_of(leaf, scores, weights)

    def _run(self, inputs: Tensor) -> Any:
        every = _Every()
        with self.shell.running(every) as network:
            result = network(inputs)
        self.shell.recall(every, list(tensors_of(result)))
        return result


class _Every:
    """A pass in which every module runs."""

    def call(self, name: str, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return forward(*args, **kwargs)


def _itself(result: Any) -> Any:
    return result


def _named(of: Any) -> str:
    name = getattr(of, "__name__", None)
    return f"the function {name!r}" if name else type(of).__name__


def _check(inputs: Tensor) -> None:
    check_tensor("inputs", inputs)
    if not inputs.dim() or not inputs.numel():
        raise ValueError(f"inputs must hold at least one image, got shape {tuple(inputs.shape)}.")
    check_finite("inputs", inputs)
