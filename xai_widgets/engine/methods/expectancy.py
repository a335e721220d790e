"""Implicit saliency (reconstruction): what a label that contradicts the network's expectation would change."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from xai_widgets.engine.answers import Output
from xai_widgets.engine.asking import Request
from xai_widgets.engine.methods import questions
from xai_widgets.engine.methods.record import Explained, Method
from xai_widgets.engine.options import Option, differing
from xai_widgets.kernels.mismatch import COMBINATIONS, KINDS, implicit_saliency
from xai_widgets.kernels.saliency import ROUNDING, degeneracy

WITHOUT_Q = "without Q, which is one question in their place"
LABELS = Option(
    "labels", "labels to contradict with (others: all but the predicted; a number: the most probable)",
    "all", ("all", "others"), 1, acts=WITHOUT_Q,
)  # fmt: skip
KIND = Option("kind", "map of one label, from gradients g and maps A", "mismatch", KINDS)
COMBINE = Option("combine", "over labels", "mean", COMBINATIONS, acts=WITHOUT_Q)
SMOOTHING = Option("smoothing", "Gaussian smoothing", 0.0, low=0, high=20, unit="places of the map")
KINDS_IN_WORDS = {
    "mismatch": "the mean over maps of |g|",
    "feature": "the mean over maps of |A|, which no label changes",
    "product": "the mean over maps of |g A|",
    "norms": "the product of the norms of g and A at each place",
}


def implicit(request: Request, options: dict[str, Any]) -> Explained:
    """From the gradients of all labels, or of the one question that is asked with Q."""
    subject, contrast = request.subject, request.contrast
    shared = {"maps": request.changed, "kind": options["kind"], "smoothing": options["smoothing"], "step": request.step}
    notes = [f"Each value is {KINDS_IN_WORDS[options['kind']]}; g is the gradient at the layer's maps A."]
    if contrast is None:
        chosen = {"labels": options["labels"], "combine": options["combine"]}
        picture = implicit_saliency(subject.tail, subject.model.scores, **chosen, **shared)
        notes.append(f"{options['combine'].capitalize()} over {_labels(options['labels'])}.")
        notes += _flat(picture, options)
        high = "the labels differ here" if options["combine"] == "variance" else ""
        return Explained(picture, high=high, note=" ".join(notes))
    picture = implicit_saliency(subject.tail, subject.model.scores, questions.asked(subject), **shared)
    notes += _flat(picture, options)
    if differing((LABELS, COMBINE), options):
        notes.append(f"Labels and combine act only {WITHOUT_Q}.")
    output: Output = request.ask("output")
    if contrast.kind != "score":
        words = questions.why_not_class(subject, int(output.scores.argmax()), "gradient")
        return Explained(picture, question=words.question, note=" ".join(notes))
    question = questions.why_not_score(output.value, contrast.score, subject.words).question
    if options["kind"] == "feature":
        return Explained(picture, question=question, note=" ".join(notes))
    scale = questions.one_scale(subject, output.value, contrast.score, "Grad-CAM by tiles tells more")
    return Explained(picture, question=question, note=" ".join([*notes, scale.note]), limit=scale.limit(picture))


def _flat(picture: Tensor, options: dict[str, Any]) -> list[str]:
    """What tells more where the gradient has no places."""
    flat = options["kind"] == "mismatch" and degeneracy(picture[None], rounding=ROUNDING)[0] == "constant"
    return ["After this layer the network averages over places, so that g has none: choose the kind product."] * flat


def _labels(labels: str | int) -> str:
    if isinstance(labels, int):
        return "the most probable label" if labels == 1 else f"the {labels} most probable labels"
    return "all labels" if labels == "all" else "all labels but the predicted"


METHODS = (
    Method(
        name="implicit_saliency",
        words="Implicit saliency (reconstruction)",
        unit="size of the gradient of the cross entropy",
        group="gradient",
        description=(
            "What labels that contradict the network's expectation would change; a reconstruction from the text of the "
            "paper, which does not claim its figures."
        ),
        make=implicit,
        question="what would contradicting labels change?",
        low="",
        high="what the network relied on",
        needs=("gradient", "classes or contrast"),
        asks_p=False,
        one_sided=True,
        takes_contrast=True,
        options=(LABELS, KIND, COMBINE, SMOOTHING),
        cost="several passes",
        source="Sun et al., 2020, arXiv 2008.01874",
    ),
)
