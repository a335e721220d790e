"""What a model is, so that its rows are known again: weights, how it is made, what its outputs mean."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from xai_widgets.kernels.precision import ieee
from xai_widgets.kernels.tail import Tail
from xai_widgets.study.parts import digest

if TYPE_CHECKING:
    from xai_widgets.models import ImageModel, ModelSource

PLACE = ("name", "device", "weights", "runs", "layer")  # of a source: what changes no number, or is said elsewhere
SIDES = (97, 131)  # of the picture by which it is known what a model computes
VALUES = 24  # of what the network eats of that picture, and as many of what it says
NEAR = 1e-3  # of the largest value: processors round differently


@dataclass(frozen=True)
class Look:
    """What a model, or one training run of it, was seen to be.

    Attributes:
        made: a digest of its weights, of how it is made and of what its outputs mean.
        eaten: what the network eats of a test picture, some values.
        said: some of its scores; both are empty where it takes no picture of that size. A function that was edited, or
            an `output=` of another meaning, shows here.
    """

    made: str
    eaten: tuple[float, ...] = ()
    said: tuple[float, ...] = ()

    def like(self, other: Look) -> bool:
        """Whether both are of the same model, up to rounding."""
        return self.made == other.made and _near(self.eaten, other.eaten) and _near(self.said, other.said)


def _near(some: tuple[float, ...], others: tuple[float, ...]) -> bool:
    largest = max((abs(value) for value in (*some, *others)), default=0.0)
    pairs = zip(some, others, strict=True) if len(some) == len(others) else [(0.0, math.inf)]
    return all(abs(one - two) <= NEAR * largest for one, two in pairs)


def look_at(model: ImageModel, source: ModelSource | None) -> Look:
    """What a model, or a training run of it, is now; it takes one pass of the network.

    Args:
        source: how it is made.
    """
    words = ("task", "layout", "images", "channels", "labels", "outputs", "exclusive", "ranges")
    meaning = {name: _plain(getattr(model, name, None)) for name in words}
    meaning |= {name: _plain(getattr(model.scores, name, None)) for name in ("form", "by_probability", "by_logarithm")}
    made: Any = str(model.network)
    if source is not None:
        made = {name: value for name, value in asdict(source).items() if name not in PLACE}
    return Look(digest(model.digest(), meaning, made), *_seen(model))


def identity_of(look: Look, before: Iterable[tuple[Look, str]] = ()) -> str:
    """By what its rows are known: the same word as before for the same model.

    Args:
        before: models that were looked at before, with their words.
    """
    known = (word for seen, word in before if seen.like(look))
    return next(known, None) or digest(look.made, look.eaten, look.said)


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value if value is None or isinstance(value, str | int | float | bool) else str(type(value).__name__)


def _seen(model: ImageModel) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Some values of what the network eats of a test picture, and of its scores."""
    height, width = SIDES
    picture = np.add.outer(np.arange(height), np.arange(width))[..., None] * np.arange(1, model.channels + 1) % 256
    try:
        eaten = model.inputs(picture.astype(np.uint8)).detach()
        several = torch.cat([eaten] * model.images) if model.images > 1 else eaten
        with ieee(), torch.no_grad():
            scores = model.scores(Tail(model.shell, model.layer, several).result)
    except (ValueError, TypeError, RuntimeError):  # it takes pictures of another size, or is run otherwise
        return (), ()
    return _some(eaten), _some(scores)


def _some(values: Tensor) -> tuple[float, ...]:
    """Values evenly spread over a tensor, in its order."""
    flat = values.detach().double().cpu().flatten()
    chosen = flat[torch.linspace(0, len(flat) - 1, min(VALUES, len(flat)), device="cpu").round().long()]
    return tuple(float(f"{value:.6g}") for value in chosen.tolist())


def from_anywhere(source: ModelSource) -> ModelSource:
    """The same with whole paths, for a process that runs in another folder."""

    def whole(weights: str | None) -> str | None:
        return os.path.abspath(weights) if weights is not None and os.path.isfile(weights) else weights

    runs = tuple(str(whole(run)) for run in source.runs)
    return replace(source, weights=whole(source.weights), runs=runs)
