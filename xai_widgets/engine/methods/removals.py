"""Sums of feature maps, each weighted by what its removal changes: the displays of ablation.

Every weight is that of a single removal, with all other maps as they are. Gains change the maps that are summed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from numbers import Real
from typing import Any

import numpy as np
import torch
from torch import Tensor

from xai_widgets.engine.answers import Impacts
from xai_widgets.engine.asking import Request
from xai_widgets.engine.methods.record import Explained, Method
from xai_widgets.engine.options import Option
from xai_widgets.kernels import displays
from xai_widgets.kernels.saliency import NORMALS, weighted_sum

Weights = Callable[[Impacts], Tensor]
SOURCE = "Truong, Pesenti and Hasson, 2024, arXiv 2409.16292"
NORMAL = Option("normal", "scale of each map", "raw", NORMALS)
SCALED = {"raw": "", "peak": ", each map over its largest absolute value", "mass": ", each map over its absolute sum"}


def summed(request: Request, weigh: Weights, normal: str = "raw", **more: Any) -> Explained:
    """The maps with the gains of the query, weighted by effects of removal."""
    impacts: Impacts = request.ask("impacts")
    picture = with_weights(request, weigh(impacts), normal)
    return Explained(picture, note=note_of(request, impacts, SCALED[normal]), done=impacts.done, **more)


def with_weights(request: Request, weights: Tensor, normal: str = "raw") -> Tensor:
    """The sum (h w) of the maps with the gains of the query, each times its weight (1 c).

    A map is scaled by its size at gain 1: over its own size its gain would have no effect.
    """
    maps, changed = request.subject.tail.maps.detach(), request.changed
    weights = weights.to(maps.device)
    if changed is None:
        return weighted_sum(maps, weights, normal=normal)[0]
    return weighted_sum(changed, weights / _sizes(maps, normal).to(weights))[0]


def _sizes(maps: Tensor, normal: str) -> Tensor:
    """What each map is divided by, (1 c): see `saliency.weighted_sum`."""
    wide = maps.to(torch.promote_types(maps.dtype, torch.float32)).abs()
    if normal == "raw":
        return wide.new_ones(wide.shape[:2])
    size = wide.amax((2, 3)) if normal == "peak" else wide.sum((2, 3))
    return torch.where(size > 0, size, 1)


def note_of(request: Request, impacts: Impacts, scaled: str = "", *, effects: bool = False) -> str:
    """What the weights are, or the effects from which they are made."""
    become = "set to zero" if request.query.baseline == "zero" else "set to its mean over images of the set"
    words = f"{'Effects' if effects else 'Weights'}: single removals, each map {become}, all gains 1{scaled}"
    if not impacts.done:
        words += f"; {int(impacts.exact.sum())} of {len(impacts.exact)} exact so far, the rest estimated"
    return f"{words}.{request.subject.baseline_words}"


def delta_y(impacts: Impacts) -> Tensor:
    """(1 c)."""
    return torch.tensor(impacts.delta_y, device="cpu")[None]


def delta_error(impacts: Impacts) -> Tensor:
    """(1 c)."""
    return torch.tensor(impacts.delta_error, device="cpu")[None]


def neutral(impacts: Impacts) -> Tensor | None:
    """Maps (1 c) whose effect is of the size of rounding."""
    return None if impacts.roles is None else torch.tensor(impacts.roles == 0, device="cpu")[None]


def nearer(request: Request) -> str:
    """What a helpful map does."""
    subject = request.subject
    if subject.label is not None:
        return f"lowers the {subject.error_words} with {subject.label_words}"
    return f"brings {request.subject.words} nearer the rating"


def further(request: Request) -> str:
    """What a harmful map does."""
    subject = request.subject
    if subject.label is not None:
        return f"raises the {subject.error_words} with {subject.label_words}"
    return f"takes {request.subject.words} away from the rating"


def both_ways(request: Request) -> str:
    """What helpful and harmful maps do."""
    return f"what {nearer(request)}, and what {'takes it away' if request.subject.label is None else 'raises it'}"


def behaviour(request: Request, options: dict[str, Any]) -> Explained:
    """All maps, by what the score loses without each."""
    return summed(request, lambda impacts: displays.behaviour(delta_y(impacts)), options["normal"])


def helpful(request: Request, options: dict[str, Any]) -> Explained:
    """All maps, by how much the error grows without each."""

    def weigh(impacts: Impacts) -> Tensor:
        return displays.human_behaviour(delta_error(impacts), neutral=neutral(impacts))

    return summed(request, weigh, options["normal"], question=both_ways(request))


def by_push(request: Request, options: dict[str, Any]) -> Explained:
    """All maps, helpful or harmful, by how far each pushes the score."""

    def weigh(impacts: Impacts) -> Tensor:
        return displays.by_push(delta_y(impacts), delta_error(impacts), neutral=neutral(impacts))

    return summed(request, weigh, options["normal"], question=both_ways(request))


def primary(request: Request, options: dict[str, Any]) -> Explained:
    """Helpful maps only, by what they do to the score."""

    def weigh(impacts: Impacts) -> Tensor:
        return displays.primary(delta_y(impacts), delta_error(impacts), neutral=neutral(impacts))

    return summed(request, weigh, options["normal"], question=f"what {nearer(request)}")


def harmful_only(request: Request, options: dict[str, Any]) -> Explained:
    """Harmful maps only, by what they do to the score."""

    def weigh(impacts: Impacts) -> Tensor:
        return displays.harmful_only(delta_y(impacts), delta_error(impacts), neutral=neutral(impacts))

    return summed(request, weigh, options["normal"], question=f"what {further(request)}")


def combined(request: Request, options: dict[str, Any]) -> Explained:
    """Red and blue by what all maps do to the score together, saturated by how much helpful maps are there.

    The saturation is full at the largest strength with all gains 1, so that what fades is seen to fade.
    """
    impacts: Impacts = request.ask("impacts")
    change, error, rounding = delta_y(impacts), delta_error(impacts), neutral(impacts)
    plain, changed = request.subject.tail.maps.detach(), request.changed
    maps = plain if changed is None else changed
    change, error = change.to(maps.device), error.to(maps.device)
    rounding = None if rounding is None else rounding.to(maps.device)
    found = displays.combined(maps, change, error, neutral=rounding)
    if changed is not None:
        before = displays.combined(plain, change, error, neutral=rounding)
        limit = max(float(before.strength.max()), float(found.strength.max()))
        if limit > 0:
            found = displays.combined(maps, change, error, neutral=rounding, limit=limit)
    pale = "" if bool((found.saturation > 0).any()) else " No map is helpful anywhere, so that all is pale."
    return Explained(
        found.direction[0],
        question=f"what raises and lowers {request.subject.words}, and what {nearer(request)}",
        note=note_of(request, impacts, effects=True) + pale,
        limit=1.0,
        strength=found.saturation[0],
        strength_words="helpful maps",
        done=impacts.done,
    )


def unlabelled(request: Request, options: dict[str, Any]) -> Explained:
    """Maps that are important over a set, by what they do to this score."""
    importance = options["importance"]
    count = request.subject.tail.maps.shape[1]
    if len(importance) != count:
        raise ValueError(
            f"importance must be one number for each of the {count} maps of {request.subject.layer!r}, "
            f"got {len(importance)}."
        )

    impacts: Impacts = request.ask("impacts")
    change = delta_y(impacts)
    picture = with_weights(
        request, displays.unlabelled(change, torch.tensor(importance, dtype=change.dtype, device="cpu"))
    )
    used = sum(one > 0 for one in importance)
    note = f"Weights: the importance of each map ({used} of {count} are above 0), with the sign of its effect here."
    return Explained(picture, note=f"{note} {note_of(request, impacts, effects=True)}", done=impacts.done)


def checked_importance(given: Any) -> tuple[float, ...]:
    """The importance of each map, as numbers that can be compared.

    Raises:
        ValueError: no sequence of finite numbers.
    """
    values = given.tolist() if isinstance(given, np.ndarray | Tensor) else given
    if not isinstance(values, Sequence) or isinstance(values, str | bytes):
        raise ValueError(f"importance must be a sequence of numbers, one a map, got {given!r}.")
    for place, value in enumerate(values):
        if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
            raise ValueError(f"importance must be of finite numbers, one a map, got {value!r} for map {place}.")
    return tuple(float(value) for value in values)


IMPORTANCE = Option(
    "importance", "importance of each map", (), check=checked_importance, free="one number for each map"
)
PUSHES: dict[str, Any] = {"low": "lowers {p}", "high": "raises {p}"}
ERROR: dict[str, Any] = {"group": "removal", "needs": ("rating or label",), "cost": "all removals", "source": SOURCE}
METHODS = (
    Method(
        name="behaviour",
        words="Model behaviour",
        unit="Δ score × activation",
        group="removal",
        description="All maps, weighted by what the score loses without each.",
        make=behaviour,
        question="what each map does to {p}",
        **PUSHES,
        options=(NORMAL,),
        cost="all removals",
        source=SOURCE,
    ),
    Method(
        name="helpful",
        words="Helpful and harmful maps",
        unit="Δ error × activation",
        description="All maps, weighted by how much the error grows without each.",
        make=helpful,
        question="what lowers the error, and what raises it",
        low="harmful",
        high="helpful",
        palette="purple-green",
        options=(NORMAL,),
        **ERROR,
    ),
    Method(
        name="by_push",
        words="Helpful and harmful maps, by size of the push",
        unit="Δ score × activation",
        description="All maps, helpful or harmful, weighted by how far the score moves without each.",
        make=by_push,
        question="what lowers the error, and what raises it",
        low="harmful",
        high="helpful",
        palette="purple-green",
        options=(NORMAL,),
        **ERROR,
    ),
    Method(
        name="primary",
        words="Helpful maps only",
        unit="Δ score × activation",
        description="Maps without which the error grows, weighted by what they do to the score.",
        make=primary,
        question="what lowers the error",
        **PUSHES,
        options=(NORMAL,),
        **ERROR,
    ),
    Method(
        name="harmful_only",
        words="Harmful maps only",
        unit="Δ score × activation",
        description="Maps without which the error shrinks, weighted by what they do to the score.",
        make=harmful_only,
        question="what raises the error",
        **PUSHES,
        options=(NORMAL,),
        **ERROR,
    ),
    Method(
        name="combined",
        words="Behaviour and helpfulness combined",
        unit="direction",
        description="Hue: whether all maps together raise or lower the score. Saturation: helpful maps.",
        make=combined,
        question="what raises and lowers {p}, and what lowers the error",
        **PUSHES,
        **ERROR,
    ),
    Method(
        name="unlabelled",
        words="Important maps, without a rating",
        unit="importance × activation",
        group="removal",
        description="Maps that are important over a set of images, by whether each raises or lowers this score.",
        make=unlabelled,
        question="what important maps do to {p}",
        **PUSHES,
        needs=("importance",),
        options=(IMPORTANCE,),
        cost="all removals",
        source=SOURCE,
    ),
)
