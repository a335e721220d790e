"""What a network's outputs mean: classes by logits or probabilities, one logit for two classes, labels, or scores.

An `Outputs` stands wherever a kernel takes a `score`: it turns what the network returns into the scores that are
explained, (n k), and brings their names, the logits that contrasts of classes are asked of, and the probabilities.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from xai_widgets.kernels.checks import check_tensor, finite_number

FORMS = {
    "classification": ("logits", "probabilities", "log-probabilities"),
    "binary": ("logits", "probabilities"),
    "multilabel": ("logits", "probabilities"),
    "regression": ("scores",),
}
SUM = 1e-3  # by how much probabilities of classes may miss 1
CERTAIN = 1e-6  # in float32 the logarithm of a probability nearer to 1 holds nothing but rounding

Range = tuple[int | float, int | float]


@dataclass(frozen=True)
class Outputs:
    """How to read what a network returns; callable as a score.

    | task | explained score | probability |
    |---|---|---|
    | classification, logits | z_j | softmax |
    | classification, probabilities or log-probabilities | log p_j | as given, never softmax again |
    | binary: one logit z, or one probability (z is its logit) | -z and z | sigmoid of these |
    | multilabel, logits or probabilities (z_j is their logit) | z_j | sigmoid of each |
    | regression | y_j | none |

    Args:
        task: "classification", "binary", "multilabel" or "regression".
        labels: a name for each class or score; two of a binary task, the second is what the output speaks for.
        form: "logits" (the default), "probabilities" or "log-probabilities"; of a regression "scores".
        ranges: the lowest and the highest value of each score of a regression.
        read: from what the network returns to its outputs (n k).

    Raises:
        TypeError, ValueError: another task or form, names or ranges that are none; when called, outputs that are not
            (n k), not as many as there are names, or no probabilities though they are said to be.
    """

    task: str = "classification"
    labels: Sequence[str] | None = None
    form: str = ""
    ranges: Sequence[Range | None] | None = None
    read: Callable[[Any], Tensor] = lambda result: result

    def __post_init__(self) -> None:
        if self.task not in FORMS:
            raise ValueError(f"task must be one of {', '.join(FORMS)}, got {self.task!r}.")
        forms = FORMS[self.task]
        object.__setattr__(self, "form", self.form or forms[0])
        if self.form not in forms:
            raise ValueError(f"form must be {' or '.join(forms)} for {self.task}, got {self.form!r}.")
        object.__setattr__(self, "labels", _labels(self.labels))
        if self.task == "binary" and self.labels is not None and len(self.labels) != 2:
            raise ValueError(f"labels must name the two classes of a binary task, got {len(self.labels)} names.")
        if self.ranges is not None and self.task != "regression":
            raise ValueError(f"ranges are for scores of a regression, got some for {self.task}.")
        object.__setattr__(self, "ranges", _ranges(self.ranges))

    @property
    def has_classes(self) -> bool:
        """Are these classes, each with a probability? Else they are scores."""
        return self.task != "regression"

    @property
    def exclusive(self) -> bool:
        """Does one class exclude the others? Then their probabilities sum to 1."""
        return self.task in ("classification", "binary")

    @property
    def by_logarithm(self) -> bool:
        """Is the explained score of a class the logarithm of its probability, since no logits are known?"""
        return self.task == "classification" and self.form != "logits"

    @property
    def by_probability(self) -> bool:
        """Is the explained score computed from a probability, whose rounding it keeps?"""
        return self.form in ("probabilities", "log-probabilities")

    def __call__(self, result: Any) -> Float[Tensor, "n k"]:
        """The explained scores."""
        values = self._values(result)
        return torch.cat((-values, values), 1) if self.task == "binary" else values

    def logits(self, result: Any) -> Float[Tensor, "n k"]:
        """What contrasts of classes are asked of; of a binary task 0 and z.

        Raises:
            ValueError: the outputs are scores, not classes.
        """
        if self.task == "regression":
            raise ValueError("a contrast of classes needs classes; these outputs are scores.")
        values = self._values(result)
        return torch.cat((torch.zeros_like(values), values), 1) if self.task == "binary" else values

    def probabilities(self, result: Any) -> Float[Tensor, "n k"] | None:
        """Of each class, as given or from the logits; None for scores."""
        if self.task == "regression":
            return None
        outputs = self._outputs(result)
        if self.form == "log-probabilities":
            return outputs.exp()
        if self.form == "probabilities":
            return torch.cat((1 - outputs, outputs), 1) if self.task == "binary" else outputs
        if self.task == "classification":
            return outputs.softmax(1)
        return torch.cat(((-outputs).sigmoid(), outputs.sigmoid()), 1) if self.task == "binary" else outputs.sigmoid()

    def as_logits(self, scores: Float[Tensor, "n k"]) -> Float[Tensor, "n k"]:
        """What `logits` reads, from explained scores; of changes of the scores, those of the logits."""
        if self.task != "binary":
            return scores
        return torch.cat((torch.zeros_like(scores[:, :1]), scores[:, 1:]), 1)

    def chances(self, scores: Float[Tensor, "n k"]) -> Float[Tensor, "n k"] | None:
        """What `probabilities` reads, from explained scores, in float32 at least; None for scores."""
        if self.task == "regression":
            return None
        wide = scores.to(torch.promote_types(scores.dtype, torch.float32))
        if self.task != "classification":
            return wide.sigmoid()
        return wide.softmax(1) if self.form == "logits" else wide.exp()

    def rounded_away(self, result: Any) -> Bool[Tensor, "n k"]:
        """Where a score is the logarithm of a probability so near to 1, or so small, that it holds rounding only.

        A map of such a score shows rounding only. No logit is such a score.

        Raises:
            TypeError: the network returns no tensor of floating-point numbers.
            ValueError: outputs that are not (n k), or are not what they are said to be.
        """
        scores = self(result)
        if not self.by_probability:
            return torch.zeros_like(scores, dtype=torch.bool)
        outputs = self._outputs(result)
        p = outputs.exp() if self.form == "log-probabilities" else outputs
        limits = torch.finfo(p.dtype)
        rounded = (1 - p < CERTAIN * limits.eps / torch.finfo(torch.float32).eps) | (p <= limits.tiny)
        return rounded.expand_as(scores)

    def words(self, index: int) -> str:
        """What a title calls an output."""
        kind = "score" if self.task == "regression" else "class"
        name = f"{kind} {index}" if self.labels is None else self.labels[index]
        return f"the log-probability of {name}" if self.by_logarithm else name

    def _outputs(self, result: Any) -> Float[Tensor, "n k"]:
        outputs = self.read(result)
        check_tensor("the outputs", outputs, ("images", "outputs"))
        count = outputs.shape[1]
        if self.task == "binary" and count != 1:
            raise ValueError(f"a binary task needs one output, got {count}; two are a classification.")
        if self.task == "classification" and count < 2:
            raise ValueError("a classification needs at least 2 outputs, got one; of two classes it is a binary task.")
        for name, some in (("labels", self.labels), ("ranges", self.ranges)):
            if some is not None and self.task != "binary" and len(some) != count:
                raise ValueError(f"{name} must be one for each of the {count} outputs, got {len(some)}.")
        if self.form in ("probabilities", "log-probabilities"):
            _check_probabilities(self.task, self.form, outputs.detach())
        return outputs

    def _values(self, result: Any) -> Float[Tensor, "n k"]:
        """Logits, or what stands for them."""
        outputs = self._outputs(result)
        if self.form != "probabilities":
            return outputs
        limits = torch.finfo(outputs.dtype)
        small = outputs.clamp(min=limits.tiny)
        if self.task == "classification":
            return small.log()
        return small.log() - (1 - outputs).clamp(min=limits.tiny).log()


def are_probabilities(outputs: Float[Tensor, "n k"]) -> bool:
    """Are these probabilities of classes: no row below 0, each with the sum 1 within 1e-3?"""
    if outputs.shape[1] < 2:
        return False
    return bool((outputs >= 0).all()) and _sum_to_one(outputs)


def are_log_probabilities(outputs: Float[Tensor, "n k"]) -> bool:
    """Are these logarithms of such probabilities?"""
    return bool((outputs <= 0).all()) and are_probabilities(outputs.exp())


def _sum_to_one(outputs: Tensor) -> bool:
    total = outputs.sum(1, dtype=torch.promote_types(outputs.dtype, torch.float32))
    return bool(((total - 1).abs() <= max(SUM, torch.finfo(outputs.dtype).eps)).all())


def _check_probabilities(task: str, form: str, outputs: Tensor) -> None:
    p = outputs.exp() if form == "log-probabilities" else outputs
    if bool(((p < 0) | (p > 1 + torch.finfo(p.dtype).eps)).any()):
        low, high = float(p.min()), float(p.max())
        raise ValueError(f"the outputs are said to be {form}, but the probabilities are {low:.4g} to {high:.4g}.")
    if task == "classification" and not _sum_to_one(p):
        total = p.sum(1)
        worst = float(total[(total - 1).abs().argmax()])
        raise ValueError(f"the outputs are said to be {form} of classes, whose sum is 1, got a sum of {worst:.4g}.")


def _labels(labels: Any) -> tuple[str, ...] | None:
    if labels is None:
        return None
    if isinstance(labels, str) or not all(isinstance(label, str) for label in labels):
        raise TypeError(f"labels must be a list of names, got {labels!r}.")
    return tuple(labels)


def _ranges(ranges: Any) -> tuple[Range | None, ...] | None:
    return None if ranges is None else tuple(None if one is None else _range(one) for one in ranges)


def _range(one: Any) -> Range:
    try:
        low, high = one
    except (TypeError, ValueError):
        raise TypeError(f"a range must be the lowest and the highest score, such as (0, 100), got {one!r}.") from None
    low, high = finite_number("the lowest score", low), finite_number("the highest score", high)
    if not low < high:
        raise ValueError(f"a range must be two numbers, the lower one first, got {one!r}.")
    return low, high
