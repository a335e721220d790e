"""How well the shown map agrees with a human map of the image, or with that of another saliency model."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping
from typing import Any

import torch
from torch import Tensor

from xai_widgets.engine.answers import Agreed, Agreement, Explanation, Saliency
from xai_widgets.engine.asking import Request
from xai_widgets.engine.methods import NEEDS
from xai_widgets.engine.options import Option
from xai_widgets.engine.parts.output import EXPLAINED
from xai_widgets.engine.parts.record import Part
from xai_widgets.engine.parts.sides import IN_WORDS, SIDE, one_sided
from xai_widgets.engine.subject import Subject
from xai_widgets.images.maps import HUMAN, map_words
from xai_widgets.kernels import agreement as kernels

Measure = Callable[[Tensor, Tensor], Tensor]
FIXATIONS: dict[str, Measure] = {"NSS": kernels.nss, "AUC": kernels.auc_judd}
DENSITIES: dict[str, Measure] = {"CC": kernels.cc, "SIM": kernels.sim, "KL": kernels.kl}
RISKS = ("RR(map | other)", "RR(other | map)")


def agreement(request: Request) -> Agreement:
    """NSS, CC, SIM, KL, AUC (Judd) and relative risks of the shown map, at the size of the other map.

    A map of two values is both: fixations or an annotation for NSS and AUC, a density for the others. Any other is a
    density, which has no fixations.

    Raises:
        ValueError: there is no such map of the image, or it is not known where the network's part of the photo lies.
    """
    subject, column, side = request.subject, request.options["map"], request.options["side"]
    other, words = other_map(subject, column), map_words(column)
    explanation: Explanation = request.ask("explanation")
    found = as_other(explanation.saliency, side, other)
    rows = [*_values(found, other, words), *_risks(found, other)]
    fit = subject.images.map_fit(subject.image, column)
    size = f"The map, {IN_WORDS[side]}, at the size of the {words}: {other.shape[0]} × {other.shape[1]}."
    short = "human" if column == HUMAN else column
    named = [(_named(row, short), row) for row in rows]
    notes = {"map": f"{size} {fit}".strip()} | {name: _note(row) for name, row in named if row.note or row.share}
    values = {name: row.value for name, row in named}
    return Agreement(values, notes, tuple(rows), (other.shape[0], other.shape[1]))


def other_map(subject: Subject, column: str = HUMAN) -> Tensor:
    """(rows columns) the part of a map of the photo that the network saw, at its own size.

    Args:
        column: of the table of images, that names the map.

    Raises:
        ValueError: there is none, or it is not known where the network's part of the photo lies.
    """
    known = subject.images.human_map(subject.image, column)
    if known is None or not subject.of_first:
        if column != HUMAN:
            raise ValueError(f"the column {column!r} of the table of images names no map of {subject.image!r}.")
        wanted = NEEDS["human map"].format(image=repr(subject.image), model=subject.model.name)
        raise ValueError(f"agreement with people needs {wanted}.")
    return subject.model.human_map(known, subject.picture)


def as_other(saliency: Saliency, side: str, other: Tensor) -> Tensor:
    """A map as it is compared, (1 rows columns): a side of it, at the size of the other map."""
    signed = torch.tensor(saliency.weight, device="cpu")
    return kernels.at_size(one_sided(signed, side)[None], (other.shape[0], other.shape[1]))


def is_mask(human: Tensor) -> bool:
    """Whether all that is not 0 is equal: fixations or an annotation."""
    marked = human[human != 0]
    return bool(marked.numel()) and bool((marked == marked[0]).all())


def _values(found: Tensor, other: Tensor, words: str) -> list[Agreed]:
    rows, fixed = [], is_mask(other)
    constant = [name for name, some in (("map", found), (words, other)) if float(some.max()) == float(some.min())]
    for name, measure in (FIXATIONS | DENSITIES).items():
        if name in FIXATIONS and not fixed:
            note = f"{name} has no value: it needs fixations or an annotation of two values, this is a density."
            rows.append(Agreed(name, None, math.nan, note=note))
            continue
        value = float(measure(found, other[None] > 0 if name in FIXATIONS else other[None]))
        which = f"{' and '.join(constant) or 'map'} {'are' if len(constant) > 1 else 'is'}"
        note = f"{name} has no value: the {which} the same everywhere." if math.isnan(value) else ""
        rows.append(Agreed(name, None, value, note=note))
    return rows


def _risks(found: Tensor, other: Tensor) -> list[Agreed]:
    """Both relative risks at each share, and how many places each mask keeps."""
    rows = []
    for measure, one, given in zip(RISKS, (found, other[None]), (other[None], found), strict=True):
        risks = kernels.relative_risks(one, given)
        for place, share in enumerate(risks.shares):
            value = float(risks.risks[place, 0])
            kept = int(risks.kept_found[place, 0]), int(risks.kept_given[place, 0])
            note = ""
            if math.isnan(value):
                note = "No value: a mask without places, since equal values do not fit, or 0 over 0."
            elif math.isinf(value):
                note = "Infinite: no place of the first lies outside of the second."
            kept = kept if measure == RISKS[0] else kept[::-1]
            rows.append(Agreed(measure, share, value, *kept, note))
    return rows


def _named(row: Agreed, short: str) -> str:
    """The name of a value for the reader."""
    return row.measure if row.share is None else f"{row.measure.replace('other', short)} {row.share:.0%}"


def _note(row: Agreed) -> str:
    if row.share is None:
        return row.note
    first, second = (row.kept_map, row.kept_other)[:: 1 if row.measure == RISKS[0] else -1]
    return f"{first} places in the mask of the first, {second} in that of the second. {row.note}".strip()


def _files(subject: Subject, options: Mapping[str, Any]) -> Hashable:
    """Which map is meant, and as it is now."""
    return subject.images.map_version(subject.image, options["map"])


def _column(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"map must be a column of the table of images that names maps, got {value!r}.")
    return value


PARTS = (
    Part(
        "agreement",
        "agreement with the human map",
        agreement,
        EXPLAINED,
        knows=True,
        facts=_files,
        options=(
            SIDE,
            Option(
                "map", "the other map", HUMAN, check=_column, free="a column of the table of images that names maps"
            ),
        ),
    ),
)
