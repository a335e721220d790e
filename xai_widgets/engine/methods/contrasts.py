"""What if not P, how contrasts with all Q differ, and the smallest change that reaches Q."""

from __future__ import annotations

from typing import Any

from xai_widgets.engine.asking import Request
from xai_widgets.engine.methods import questions
from xai_widgets.engine.methods.record import Explained, Method
from xai_widgets.kernels.cam import SmallestChange, all_contrasts
from xai_widgets.kernels.cam import contrast_uncertainty as uncertainty_of
from xai_widgets.kernels.cam import smallest_change as smallest_change_of
from xai_widgets.kernels.questions import cam_of_question, of_counterfactual
from xai_widgets.kernels.scores import Difference

CONTRAST = "Prabhushankar et al., 2020, arXiv 2008.00178"
LISTED = 12  # maps that a sentence names


def counterfactual(request: Request, options: dict[str, Any]) -> Explained:
    """The Grad-CAM of minus the score of P."""
    subject = request.subject
    asked = of_counterfactual(subject.target)
    scores, cam = cam_of_question(subject.tail, subject.model.scores, asked, maps=request.changed)
    return Explained(cam[0], scores[0])


def contrast_uncertainty(request: Request, options: dict[str, Any]) -> Explained:
    """Variance over every Q of the contrast with it.

    Raises:
        ValueError: every contrast is 0 everywhere.
    """
    subject = request.subject
    contrasts = all_contrasts(subject.tail, subject.model.scores, target=subject.target, step=request.step)
    variance, left_out = uncertainty_of(contrasts)
    count, zero = contrasts.shape[1], int(left_out[0])
    if zero == count:
        raise ValueError(f"contrast uncertainty needs a contrast that is not 0 everywhere, and all {count} are.")
    note = f"Population variance of the contrasts with {count - zero} of {count} classes, each over its own maximum."
    if zero:
        note += f" {zero} of {count} contrasts {'is' if zero == 1 else 'are'} 0 everywhere and left out."
    return Explained(variance[0], note=note)


def smallest_change(request: Request, options: dict[str, Any]) -> Explained:
    """Few maps, found greedily, without which the score is on the other side of Q, or P behind Q.

    Raises:
        ValueError: Q = P, or no Q.
    """
    subject, contrast = request.subject, request.contrast
    if contrast is None or questions.full_confidence(subject):
        raise ValueError("the smallest change needs Q that removals can reach: a score, or another class than P.")
    if contrast.kind == "score":
        found = _found(request, subject.model.scores, contrast.score, subject.target)
        question = questions.why_not_score(found.scores[0], contrast.score, subject.words).question
        high, state = f"maps without which {subject.words} reaches Q", f"{subject.words} is {found.scores[-1]:.4g}"
    else:
        found = _found(request, Difference(subject.model.scores.logits, subject.target, contrast.index), 0.0, 0)
        question = questions.why_not_class(subject, subject.target).question
        high, state = _race(found, subject.name_of(subject.target), subject.name_of(contrast.index))
    one_sided = bool((subject.tail.maps >= 0).all())
    return Explained(
        found.saliency,
        question=question,
        low="" if one_sided else "the same maps, where they are below 0",
        high=high if found.reached else "maps that carry it furthest towards Q",
        note=f"{_path(found, state)} Each map is weighted by how far its removal carried the score.",
        one_sided=one_sided,
        listed=found.maps,
    )


def _found(request: Request, score: Any, q: float, target: int) -> SmallestChange:
    subject = request.subject
    return smallest_change_of(subject.tail, score, q, target=target, baseline=subject.baseline, step=request.step)


def _race(found: SmallestChange, name: str, other: str) -> tuple[str, str]:
    """Of two classes: what the removals do, and how it stands after them."""
    first, last = found.scores[0], found.scores[-1]
    behind, ahead = (other, name) if first > 0 else (name, other)
    state = f"{name} is {abs(last):.4g} {'ahead of' if last > 0 else 'behind'} {other}"
    return f"maps without which {behind} overtakes {ahead}", state


def _path(found: SmallestChange, state: str) -> str:
    """One line for the reader."""
    if not found.maps:
        none = "nothing has to be removed" if found.reached else "no map carries it towards Q"
        return f"As it is, {state}; {none}."
    names = ", ".join(map(str, found.maps[:LISTED]))
    more = f" and {len(found.maps) - LISTED} more" if len(found.maps) > LISTED else ""
    if found.reached:
        return f"Without maps {names}{more} {state} (found greedily, not always the fewest)."
    return f"Not reachable: after maps {names}{more} {state}, and no map carries it further."


METHODS = (
    Method(
        name="counterfactual",
        words="Counterfactual",
        unit="gradient × activation",
        group="contrast",
        description="What speaks against P: the Grad-CAM of minus its score.",
        make=counterfactual,
        question="what if not {p}?",
        low="speaks for {p}",
        high="speaks against {p}",
        needs=("classes", "gradient"),
        source=CONTRAST,
    ),
    Method(
        name="contrast_uncertainty",
        words="Contrast uncertainty",
        unit="variance, each contrast on its own scale",
        group="contrast",
        description="How much the contrasts of P with all classes Q differ from each other, place by place.",
        make=contrast_uncertainty,
        question="where does the answer depend on Q?",
        low="",
        high="contrasts with the classes differ",
        needs=("classes", "gradient"),
        one_sided=True,
        takes_gains=False,
        asks_p=False,
        without_contrast="it is over every Q",
        cost="several passes",
        source=CONTRAST,
    ),
    Method(
        name="smallest_change",
        words="Smallest change",
        unit="activation of the listed maps",
        group="contrast",
        description="The few maps, found greedily by removals, without which the score reaches Q.",
        make=smallest_change,
        question="which maps keep {p} from Q?",
        low="",
        high="maps without which Q is reached",
        needs=("reachable contrast",),
        one_sided=True,
        takes_contrast=True,
        takes_gains=False,
        asks_p=False,
        without_gains="removals start from all gains 1",
        cost="all removals",
    ),
)
