"""How well the shown map agrees with a human map of the image."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable

import torch
from torch import Tensor

from xai_widgets.engine.answers import Agreement, Explanation
from xai_widgets.engine.asking import Request
from xai_widgets.engine.methods import NEEDS
from xai_widgets.engine.parts.output import EXPLAINED
from xai_widgets.engine.parts.record import Part
from xai_widgets.engine.parts.sides import IN_WORDS, SIDE, one_sided
from xai_widgets.engine.subject import Subject
from xai_widgets.kernels import agreement as kernels

Measure = Callable[[Tensor, Tensor], Tensor]
FIXATIONS: dict[str, Measure] = {"NSS": kernels.nss, "AUC": kernels.auc_judd}
DENSITIES: dict[str, Measure] = {"CC": kernels.cc, "SIM": kernels.sim, "KL": kernels.kl}


def agreement(request: Request) -> Agreement:
    """NSS, CC, SIM, KL, AUC (Judd) and relative risks of the shown map, at the size of the human map.

    A human map of two values is both: fixations or an annotation for NSS and AUC, a density for the others. Any other
    is a density, which has no fixations.

    Raises:
        ValueError: there is no human map of the image, or it is not known where the network's part of the photo lies.
    """
    subject, side = request.subject, request.options["side"]
    human = _human_map(subject)
    explanation: Explanation = request.ask("explanation")
    signed = torch.tensor(explanation.saliency.weight, device="cpu")
    found = kernels.at_size(one_sided(signed, side)[None], (human.shape[0], human.shape[1]))
    values: dict[str, float] = {}
    notes = {"map": f"The map, {IN_WORDS[side]}, at the size of the human map: {human.shape[0]} × {human.shape[1]}."}
    for name, measure in FIXATIONS.items():
        values[name] = float(measure(found, human[None] > 0)) if _is_mask(human) else math.nan
    for name, measure in DENSITIES.items():
        values[name] = float(measure(found, human[None]))
    notes |= _without_value(values, found, human)
    for title, one, given in (("map | human", found, human[None]), ("human | map", human[None], found)):
        _risks(title, one, given, values, notes)
    return Agreement(values, notes)


def _human_map(subject: Subject) -> Tensor:
    """(rows columns), the part that the network saw, at its own size."""
    known = subject.images.human_map(subject.image)
    if known is None or not subject.of_first:
        wanted = NEEDS["human map"].format(image=repr(subject.image), model=subject.model.name)
        raise ValueError(f"agreement with people needs {wanted}.")
    return subject.model.human_map(known, subject.picture)


def _is_mask(human: Tensor) -> bool:
    """Whether all that is not 0 is equal."""
    marked = human[human != 0]
    return bool(marked.numel()) and bool((marked == marked[0]).all())


def _without_value(values: dict[str, float], found: Tensor, human: Tensor) -> dict[str, str]:
    """Why a measure is NaN."""
    constant = [name for name, some in (("map", found), ("human map", human)) if float(some.max()) == float(some.min())]
    notes = {}
    for name, value in values.items():
        if not math.isnan(value):
            continue
        if name in FIXATIONS and not _is_mask(human):
            notes[name] = f"{name} has no value: it needs fixations or an annotation of two values, this is a density."
        else:
            which = " and ".join(constant) or "map"
            notes[name] = (
                f"{name} has no value: the {which} {'are' if len(constant) > 1 else 'is'} the same everywhere."
            )
    return notes


def _risks(title: str, found: Tensor, given: Tensor, values: dict[str, float], notes: dict[str, str]) -> None:
    """RR(found | given) at each share, and how many places each mask keeps."""
    risks = kernels.relative_risks(found, given)
    for place, share in enumerate(risks.shares):
        name = f"RR({title}) {share:.0%}"
        value = values[name] = float(risks.risks[place, 0])
        kept, asked = int(risks.kept_found[place, 0]), int(risks.kept_given[place, 0])
        notes[name] = f"{kept} places in the mask of the first, {asked} in that of the second."
        if math.isnan(value):
            notes[name] += " No value: a mask without places, since equal values do not fit, or 0 over 0."
        elif math.isinf(value):
            notes[name] += " Infinite: no place of the first lies outside of the second."


def human_file(subject: Subject) -> Hashable:
    """Which human map is meant, and as it is now."""
    return str(subject.images.table["human_map"].get(subject.image)), subject.images.version(subject.image)


PARTS = (
    Part(
        "agreement",
        "agreement with the human map",
        agreement,
        EXPLAINED,
        knows=True,
        facts=human_file,
        options=(SIDE,),
    ),
)
