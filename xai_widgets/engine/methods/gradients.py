"""Gradients at the network's input: vanilla, input x gradient, guided backpropagation, SmoothGrad."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from torch import Tensor

from xai_widgets.engine.answers import Output
from xai_widgets.engine.asking import Request
from xai_widgets.engine.methods import questions
from xai_widgets.engine.methods.questions import Words
from xai_widgets.engine.methods.record import Explained, Method
from xai_widgets.engine.options import Option
from xai_widgets.engine.subject import Subject
from xai_widgets.kernels import gradients
from xai_widgets.kernels.draws import seeded

CHANNEL = Option(
    "channel", "channel of the network's input (largest: the largest size over all, without a sign)",
    "largest", ("largest",), 0,
)  # fmt: skip
SAMPLES = Option("n_samples", "noisy copies", 25, low=1, high=1000)
NOISE = Option("noise_level", "noise, as a share of the input's range", 0.15, low=0, high=1)
SEED = Option("seed", "seed of the noise", 0, low=0, high=2**31 - 1)
SIZE = "a change here "  # what a gradient is about
BEYOND = "Grad-CAM by tiles tells more"
LARGER = "a larger value "


def gradient(request: Request, options: dict[str, Any]) -> Explained:
    """The plain gradient."""
    return _explained(request, options, gradients.gradient, LARGER, SIZE)


def input_x_gradient(request: Request, options: dict[str, Any]) -> Explained:
    """What each value of the input adds, to first order."""
    return _explained(request, options, gradients.input_x_gradient)


def guided_backpropagation(request: Request, options: dict[str, Any]) -> Explained:
    """The gradient that lets only positive values pass back through each ReLU."""
    return _explained(request, options, gradients.guided_backpropagation, LARGER, SIZE)


def positive_saliency(request: Request, options: dict[str, Any]) -> Explained:
    """The positive part of guided backpropagation, in each channel."""
    explained = _explained(request, options, gradients.positive_saliency)
    high = LARGER + _words(request.subject, request.ask("output")).high
    return replace(explained, low="", high=high, one_sided=True)


def smooth_grad(request: Request, options: dict[str, Any]) -> Explained:
    """The mean of the gradients of noisy copies."""
    copies, level, seed = options["n_samples"], options["noise_level"], options["seed"]
    more = {"generator": seeded(seed), "n_samples": copies, "noise_level": level, "step": request.step}
    explained = _explained(request, options, gradients.smooth_grad, LARGER, SIZE, **more)
    note = f"Mean over {copies} copies with noise of {level:.3g} of the input's range, seed {seed}."
    if request.contrast is None or request.contrast.kind != "score":
        return replace(explained, note=note)
    of_copies = "Each copy has a score of its own, and so its own distance from Q."
    return replace(explained, note=f"{note} {of_copies}", limit=None)


def _explained(
    request: Request,
    options: dict[str, Any],
    kernel: Callable[..., Tensor],
    signed: str = "",
    unsigned: str = "",
    **more: Any,
) -> Explained:
    """A map of one channel, signed, or of the largest size over all of them.

    Args:
        signed: what stands before the words of a signed value.
        unsigned: what stands before the words of a size.
    """
    subject, channel = request.subject, options["channel"]
    _check_channel(subject, channel)
    gains = subject.gain_row(request.gains)
    attribution = kernel(
        subject.tail, None, questions.asked(subject), gains=gains, score=subject.model.scores,
        baseline=None if gains is None else subject.baseline, **more,
    )  # fmt: skip
    attribution = subject.of_shown(attribution)
    picture = (gradients.over_channels(attribution) if channel == "largest" else attribution[:, channel])[0]
    output: Output = request.ask("output")
    question, low, high = _words(subject, output)
    if channel == "largest":
        low, high, signed = "", questions.either(subject), unsigned
    explained = Explained(
        picture, question=question, low=low and signed + low, high=signed + high, one_sided=channel == "largest"
    )
    contrast = request.contrast
    if contrast is None or contrast.kind != "score":
        return explained
    of_its_side = kernel in (gradients.guided_backpropagation, gradients.positive_saliency)
    scale = questions.one_scale(subject, output.value, contrast.score, BEYOND, of_its_side=of_its_side)
    return replace(explained, limit=scale.limit(picture), note=scale.note)


def _words(subject: Subject, output: Output) -> Words:
    """Of a signed value."""
    contrast = subject.contrast
    if contrast is not None and contrast.kind == "score":
        return questions.away_from_score(output.value, contrast.score, subject.words)
    return questions.why_not_class(subject, int(output.scores.argmax()), "gradient")


def _check_channel(subject: Subject, channel: str | int) -> None:
    count = subject.of_shown(subject.tail.inputs).shape[1]
    if not isinstance(channel, str) and channel >= count:
        raise ValueError(
            f"channel must be 'largest' or a number below {count}, since {subject.model.name} takes "
            f"{count} channel{'s' if count > 1 else ''}; got {channel}."
        )


def _record(make: Callable[[Request, dict[str, Any]], Explained], **facts: Any) -> Method:
    usual = {
        "group": "gradient", "question": "why {p}?", "low": "", "needs": ("gradient",), "one_sided": True,
        "unit": "change of the score per unit of the input",
        "takes_contrast": True, "options": (CHANNEL,), "inside": "",
    }  # fmt: skip
    return Method(name=make.__name__, make=make, **{**usual, **facts})


METHODS = (
    _record(
        gradient,
        words="Gradient",
        description="How much each value of the network's input changes the explained score.",
        high="a change here raises or lowers {p}",
        source="Simonyan et al., 2013, arXiv 1312.6034",
    ),
    _record(
        input_x_gradient,
        words="Input x gradient",
        unit="change of the score",
        description="The gradient times the network's input: what each value adds to the score, to first order.",
        high="raises or lowers {p}",
        source="Shrikumar et al., 2016, arXiv 1605.01713",
    ),
    _record(
        guided_backpropagation,
        inside="modules",
        words="Guided backpropagation",
        description="The gradient at the network's input that lets only positive values pass back through each ReLU.",
        high="a change here raises or lowers {p}",
        source="Springenberg et al., 2014, arXiv 1412.6806",
    ),
    _record(
        positive_saliency,
        inside="modules",
        words="Positive saliency",
        description="The positive part of guided backpropagation.",
        high="a larger value raises {p}",
        source="Springenberg et al., 2014, arXiv 1412.6806",
    ),
    _record(
        smooth_grad,
        words="SmoothGrad",
        description="The mean of the gradients at noisy copies of the network's input.",
        high="a change here raises or lowers {p}",
        options=(CHANNEL, SAMPLES, NOISE, SEED),
        cost="several passes",
        source="Smilkov et al., 2017, arXiv 1706.03825",
    ),
)
