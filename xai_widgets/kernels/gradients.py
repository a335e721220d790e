"""Maps from the gradient at the input: vanilla, input x gradient, guided backpropagation, SmoothGrad.

All are signed and shaped like the input, and answer any question of `questions`: "why P?", "why P, rather than Q?".

Every function takes first what is explained: a Tail (with its own inputs, if no others are given), a Shell, the network
itself, or a model with a shell and scores, such as an ImageModel. The work is done in the shell, an eval copy that
shares the weights: the network of the user is not touched.

References: Simonyan et al., 2013, arXiv 1312.6034; Springenberg et al., 2014, arXiv 1412.6806; Smilkov et al., 2017,
arXiv 1706.03825.
"""

from __future__ import annotations

import copy
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
    NoGradient,
    check_finite,
    check_same,
    check_tensor,
    real_number,
    scores_from,
    whole_number,
)
from xai_widgets.kernels.gained import GainedPass
from xai_widgets.kernels.gains import Baseline
from xai_widgets.kernels.guided import Guided, check_seen
from xai_widgets.kernels.questions import Question as Question
from xai_widgets.kernels.questions import of_class_contrast as of_class_contrast
from xai_widgets.kernels.questions import of_counterfactual as of_counterfactual
from xai_widgets.kernels.questions import of_full_confidence as of_full_confidence
from xai_widgets.kernels.questions import of_output as of_output
from xai_widgets.kernels.questions import of_score_contrast as of_score_contrast
from xai_widgets.kernels.tail import Shell, Tail, hooks_matter
from xai_widgets.kernels.tail.results import tensors_of


@runtime_checkable
class Model(Protocol):
    """A network in its shell, and how its scores (n k) are read from what it returns."""

    @property
    def shell(self) -> Shell: ...

    @property
    def scores(self) -> Callable[[Any], Tensor]: ...


Source = Tail | Shell | nn.Module | Model
Asked = Question | Callable[[Tensor], Tensor]  # weights of the scores, (n k) -> (n k)
Gains = Float[Tensor, "rows c"] | None
Check = Callable[[Tensor], None]

PREDICTED = of_output()


def gradient(
    of: Source,
    inputs: Float[Tensor, "n ..."] | None = None,
    question: Asked = PREDICTED,
    *,
    gains: Gains = None,
    baseline: Baseline = None,
    score: Score | None = None,
) -> Float[Tensor, "n ..."]:
    """The gradient of the weighted sum of the scores at the inputs, in float32 at least.

    Half of the images at a time when memory runs out.

    Args:
        of: a Tail, a Shell, a network, or a model with a shell and scores.
        inputs: what the network eats; those of the Tail if left out.
        question: what is asked, such as `of_output(2)`; why the predicted output by default.
        gains: from 0 to 2 for each feature map of the Tail's layer, a row an image or one for all: the network then
            hands on g A + (1 - g) b instead of the maps A.
        baseline: b, what a map of gain 0 becomes: see `gains.with_gains`; zero if left out.
        score: from what the network returns to scores (n k); those of the model, or else the return value itself.

    Raises:
        TypeError: something else to explain, inputs that are no tensor of floating-point numbers, gains without a Tail.
        ValueError: inputs, scores or weights that are not finite, scores that are not (n k) or constant, gains that are
            out of range or do not fit the layer, a question about an output that does not exist.
    """
    return _Explained(of, inputs, score, gains, baseline).gradient(question)


def input_x_gradient(
    of: Source,
    inputs: Float[Tensor, "n ..."] | None = None,
    question: Asked = PREDICTED,
    *,
    gains: Gains = None,
    baseline: Baseline = None,
    score: Score | None = None,
) -> Float[Tensor, "n ..."]:
    """Input times gradient, element by element; `gradient` says what the arguments are.

    Raises:
        TypeError: as `gradient`.
        ValueError: as `gradient`.
    """
    explained = _Explained(of, inputs, score, gains, baseline)
    return explained.inputs * explained.gradient(question)


def guided_backpropagation(
    of: Source,
    inputs: Float[Tensor, "n ..."] | None = None,
    question: Asked = PREDICTED,
    *,
    gains: Gains = None,
    baseline: Baseline = None,
    score: Score | None = None,
) -> Float[Tensor, "n ..."]:
    """The gradient that lets only positive values pass backwards through each ReLU; arguments as for `gradient`.

    ReLUs are found as they are called: modules, functions and methods, in place or not, a threshold of 0 with 0 below,
    and ReLU6, which keeps its own 0 above 6. Other activations (leaky ReLU, ELU, GELU, SiLU, hard swish, clamps) keep
    their own gradient, since the method does not define them. captum replaces modules of nn.ReLU only, and agrees where
    there are no others.

    Raises:
        TypeError: as `gradient`.
        ValueError: as `gradient`; no ReLU was called, so that this would be the plain gradient under another name; or a
            part ran where it is not seen, in TorchScript, a compiled function, or the inside of a recurrent layer.
    """
    explained = _Explained(of, inputs, score, gains, baseline)
    with Guided() as guided:
        attribution = explained.gradient(question, check_seen)
    if not guided.seen:
        raise ValueError("guided backpropagation needs a network with ReLU or ReLU6, none was called; ask `gradient`.")
    return attribution


def positive_saliency(
    of: Source,
    inputs: Float[Tensor, "n ..."] | None = None,
    question: Asked = PREDICTED,
    *,
    gains: Gains = None,
    baseline: Baseline = None,
    score: Score | None = None,
) -> Float[Tensor, "n ..."]:
    """The positive part of guided backpropagation; arguments as for `gradient`.

    Raises:
        TypeError: as `guided_backpropagation`.
        ValueError: as `guided_backpropagation`.
    """
    return guided_backpropagation(of, inputs, question, gains=gains, baseline=baseline, score=score).relu()


def smooth_grad(
    of: Source,
    inputs: Float[Tensor, "n ..."] | None = None,
    question: Asked = PREDICTED,
    *,
    generator: draws.Seed,
    gains: Gains = None,
    baseline: Baseline = None,
    score: Score | None = None,
    n_samples: int = 25,
    noise_level: float = 0.15,
    step: Step = None,
) -> Float[Tensor, "n ..."]:
    """The mean of signed gradients over noisy copies of the inputs, which are not clipped.

    All images get the same noise, each at its own range, so that the map of an image does not depend on its batch.

    Args:
        of, inputs, gains, baseline, score: see `gradient`.
        question: asked of the scores of each copy; where it is about the predicted output, of that of the copy.
        generator: a seed, or a generator on the CPU, whatever the device of the inputs.
        n_samples: copies, at least 1.
        noise_level: standard deviation of the noise, as a share of each input's max - min.
        step: called before each copy; may raise to cancel.

    Raises:
        TypeError: as `gradient`; options that are no numbers.
        ValueError: as `gradient`; options out of range, a generator that is not on the CPU.
    """
    n_samples = whole_number("n_samples", n_samples, 1)
    noise_level = real_number("noise_level", noise_level)
    if not 0 <= noise_level < math.inf:
        raise ValueError(f"noise_level must be 0 or more and finite, got {noise_level}.")
    generator = draws.generator_of(generator)
    explained = _Explained(of, inputs, score, gains, baseline)
    clean = explained.inputs
    wide = clean.to(wide_of(clean))
    axes = tuple(range(1, clean.dim()))
    std = noise_level * (wide.amax(axes, keepdim=True) - wide.amin(axes, keepdim=True))
    total = torch.zeros_like(wide)
    for _ in range(n_samples):
        if step is not None:
            step()
        noise = draws.normal((1, *clean.shape[1:]), generator, wide)
        total = total + explained.at((wide + std * noise).to(clean.dtype)).gradient(question)
    return total / n_samples


def over_channels(attribution: Float[Tensor, "n c h w"]) -> Float[Tensor, "n h w"]:
    """For display: the largest |.| over the colour channels.

    Raises:
        TypeError: no tensor of floating-point numbers.
        ValueError: other axes.
    """
    check_tensor("attribution", attribution, ("images", "channels", "rows", "columns"))
    return attribution.abs().amax(1)


class _Explained:
    """A network in a shell, its inputs, the gains of one layer's maps, and how its scores are read."""

    def __init__(
        self, of: Source, inputs: Tensor | None, score: Score | None, gains: Gains = None, baseline: Baseline = None
    ) -> None:
        if inputs is None:
            if not isinstance(of, Tail):
                raise TypeError(f"inputs must be given for {_named(of)}; only a Tail brings its own.")
            inputs = of.inputs
        _check(inputs)
        self.inputs, self.score = inputs, score or _itself
        self.gains, self.baseline = gains, baseline
        self.tail = of if isinstance(of, Tail) else None  # in whose precision the passes run
        if gains is not None:
            _check_gains(of, inputs, gains)
        elif baseline is not None:
            raise ValueError("a baseline is what maps with a gain below 1 become, got one without gains.")
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
        """This network with other inputs of the same shape."""
        _check(inputs)
        if self.tail is None:
            self.shell.renew()
        else:
            self.tail.check_weights()
        other = copy.copy(self)
        other.inputs = inputs
        return other

    def gradient(self, question: Asked, check: Check | None = None) -> Tensor:
        """At all inputs, or half of them at a time when memory runs out; `check` looks at the scores."""
        images = len(self.inputs)

        def run(start: int, end: int) -> Tensor:
            some = question.part(start, end, images) if isinstance(question, Question) else question
            gains = self.gains if self.gains is None or len(self.gains) == 1 else self.gains[start:end]
            return self._gradient(self.inputs[start:end], some, gains, check)

        return torch.cat([part for _, _, part in in_batches(images, images, run)])

    def _gradient(self, inputs: Tensor, question: Asked, gains: Gains, check: Check | None) -> Tensor:
        read = question.reader(self.score) if isinstance(question, Question) else self.score
        with recording(self.tail):
            leaf = inputs.detach().clone().requires_grad_()
            scores = scores_from(read, self._run(leaf.clone(), gains), len(leaf))
            check_finite("scores", scores.detach())
            if not scores.requires_grad:
                raise NoGradient("the scores must depend on the inputs by steps that have a gradient, got a constant.")
            if check is not None:
                check(scores)
            known = scores.detach()
            weights = question(known, self.score) if isinstance(question, Question) else question(known)
            check_same(("the weights of the scores", weights), ("scores", scores), ("images", "outputs"))
            check_finite("the weights of the scores", weights)
            return slope_of(leaf, scores, weights)

    def _run(self, inputs: Tensor, gains: Gains) -> Any:
        whole = _PlainPass() if gains is None or self.tail is None else GainedPass(self.tail, gains, self.baseline)
        with self.shell.running(whole) as network:
            result = network(inputs)
        self.shell.recall(whole, list(tensors_of(result)))
        return result


class _PlainPass:
    """A pass in which every module runs as it is."""

    def call(self, name: str, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return forward(*args, **kwargs)


def _check_gains(of: Any, inputs: Tensor, gains: Any) -> None:
    if not isinstance(of, Tail):
        raise TypeError(f"gains need a Tail, which says whose maps they multiply, got {_named(of)}.")
    if inputs.shape[1:] != of.inputs.shape[1:]:
        size, own = tuple(inputs.shape[1:]), tuple(of.inputs.shape[1:])
        raise ValueError(f"gains need inputs of the size of the Tail's own, {own}, got {size}.")
    check_tensor("gains", gains, ("images", "maps"))
    if len(gains) not in (1, len(inputs)):
        raise ValueError(f"gains must have 1 row or one an image, got {len(gains)} rows for {len(inputs)} images.")


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
