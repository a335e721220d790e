"""What the removal of several maps changes together: harmful maps as a layer, and all maps that are muted."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from xai_widgets.engine.answers import Impacts, Joint, Secondary
from xai_widgets.engine.asking import Request
from xai_widgets.engine.labelled import growth
from xai_widgets.engine.methods import needed
from xai_widgets.engine.methods.removals import delta_error, neutral, note_of, with_weights
from xai_widgets.engine.parts.record import Part
from xai_widgets.engine.subject import Subject, array
from xai_widgets.kernels import ablation, displays


def secondary(request: Request) -> Secondary:
    """Harmful maps, by how much they harm, with the gains of the query; negative sums are cut at 0.

    Raises:
        ValueError: neither a rating nor a label of the image is known.
    """
    subject = request.subject
    if subject.rating is None and subject.label is None:
        wanted = needed("rating or label", subject)
        raise ValueError(f"the layer of harmful maps needs {wanted}.")
    impacts: Impacts = request.ask("impacts")
    weights = displays.secondary(delta_error(impacts), neutral=neutral(impacts))
    layer = with_weights(request, weights).clamp_min(0)
    plain = layer
    if request.gains:
        plain = with_weights(request.of(subject.otherwise(gains=())), weights).clamp_min(0)
    edge = displays.outline(layer[None])[0]
    count = int((weights > 0).sum())
    some = "1 map is" if count == 1 else f"{count or 'No'} maps are"
    return Secondary(
        map=array(layer),
        limit=max(float(layer.max()), float(plain.max())),
        outline=edge.cpu().numpy(),
        box=subject.box,
        note=f"{some} harmful: without one the error shrinks. {note_of(request, impacts)} {_outlined(edge)}",
        done=impacts.done,
    )


def _outlined(edge: Tensor) -> str:
    """How much of the layer the outline holds: a group of equal values that does not fit is left out."""
    return f"Outline: {int(edge.sum())} of {edge.numel()} places, those of the largest values."


def joint(request: Request) -> Joint:
    """All muted maps removed together, all others at gain 1, beside the sum of the single removals.

    The sum comes last, where single removals of muted maps are still to be computed.

    Raises:
        ValueError: no map is muted.
    """
    subject = request.subject
    muted = tuple(index for index, gain in request.gains if gain == 0)
    if not muted:
        raise ValueError("no feature map is muted, so that none is removed; set the gain of at least one to 0.")
    subject.changed(request.gains)  # refuses maps that there are not
    change = _of_all(request, muted)
    known = Joint(muted, float(change[subject.target]), math.nan, _growth(subject, change), done=False)
    request.show(known, 0.5)
    total = _of_each(request, muted)
    maps = "1 muted map changes" if len(muted) == 1 else f"{len(muted)} muted maps together change"
    note = (
        f"Removals do not add up where later layers are not linear, so that the joint one is computed: {maps} "
        f"{subject.score_words} by {known.delta_y:+.3g}; the sum of single removals is {total:+.3g} "
        f"({request.query.baseline} baseline, all other gains 1).{subject.baseline_words}"
    )
    return replace(known, delta_y_sum=total, note=note, done=True)


def _of_all(request: Request, muted: tuple[int, ...]) -> Tensor:
    """The change of every score (k) without all of these maps, on the CPU."""
    subject = request.subject
    tail, scores = subject.tail, subject.model.scores
    mask = torch.zeros(1, tail.maps.shape[1], dtype=torch.bool, device="cpu")
    mask[0, list(muted)] = True
    without = ablation.group_scores(
        tail, scores, mask.to(tail.maps.device), baseline=subject.baseline, step=request.step
    )
    return without[0].detach().cpu() - subject.scores


def _growth(subject: Subject, change: Tensor) -> float:
    """Of the error, for a change of every score (k); NaN where the error is not known."""
    scores, target, label = subject.scores, subject.target, subject.label
    if label is not None:
        return float(growth(subject.model.scores, scores, change[None], label)[0])
    if subject.rating is None:
        return math.nan
    rating = torch.tensor([subject.rating], dtype=scores.dtype, device="cpu")
    return float(ablation.delta_error(change[None, target, None], scores[target, None], rating))


def _of_each(request: Request, muted: tuple[int, ...]) -> float:
    """The sum of the single removals: those that are known exactly, and the others computed now."""
    subject = request.subject
    found = torch.zeros(len(muted), dtype=torch.float64, device="cpu")
    left = list(range(len(muted)))
    known = _known(request)
    exact = [place for place in left if known.exact[muted[place]]]
    found[exact] = torch.tensor(known.delta_y[[muted[place] for place in exact]], dtype=found.dtype, device="cpu")
    left = [place for place in left if not known.exact[muted[place]]]
    stream = ablation.removal_scores(
        subject.tail, subject.model.scores, [muted[place] for place in left], baseline=subject.baseline,
        seconds=0.04, step=request.step,
    )  # fmt: skip
    done = 0
    for index, scores in stream:
        some = left[done : done + len(index)]
        found[some] = (scores[:, subject.target].detach().cpu() - subject.scores[subject.target]).to(found)
        done += len(index)
    return float(found.sum())


def _known(request: Request) -> Impacts:
    """The effects so far, at most an estimate away."""
    known: Impacts = request.answer(request.subject, "impacts", {}, True)
    return known


FIELDS = ("target", "gains", "baseline")
PARTS = (
    Part("secondary", "harmful maps", secondary, FIELDS, knows=True, lane="answer"),
    Part("joint", "effect of all muted maps", joint, FIELDS, knows=True, lane="maps"),
)
