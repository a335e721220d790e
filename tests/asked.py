"""Sources, queries and tails for tests of what the engine answers."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from xai_widgets.engine import Query, Sources, Subject
from xai_widgets.engine.query import Gains
from xai_widgets.images import load_images
from xai_widgets.kernels import ablation
from xai_widgets.kernels.tail import Tail
from xai_widgets.models import load_model

SETS = {"demo/quality": "demo/quality", "demo/scenes": "demo/scenes"}
SOME: Gains = ((3, 0.0), (5, 1.75), (9, 0.0), (11, 0.0))


@cache
def shared(model: str) -> Sources:
    """A bundled network with rated or labelled pictures; what it remembers serves all tests."""
    return Sources(load_model(model), load_images(SETS[model]))


def fresh(model: str) -> Sources:
    """The same, with nothing remembered."""
    known = shared(model)
    return Sources([known.model()], known.images)


def query(model: str, place: int = 4, **fields: Any) -> Query:
    return Query(image=shared(model).images.names[place], **fields)


def tail_of(sources: Sources, asked: Query) -> Tail:
    """Made without the engine."""
    model = sources.model()
    return Tail(model.network, asked.layer or model.layer, model.inputs(sources.images.photo(asked.image)))


def mean_maps(sources: Sources, asked: Query) -> Tensor:
    """One number a map: its mean over the images of the set that the engine takes."""
    names = sources.images.names
    some = names[:: max(len(names) // 16, 1)][:16]
    return torch.stack([tail_of(sources, Query(image=name)).maps.mean((0, 2, 3)) for name in some]).mean(0)


def with_gains(tail: Tail, gains: Gains, baseline: Tensor | None = None) -> Tensor:
    """The maps (1 c h w): g A + (1 - g) b, written out."""
    maps = tail.maps.clone()
    for index, gain in gains:
        level = 0.0 if baseline is None else float(baseline[index])
        maps[:, index] = gain * maps[:, index] + (1 - gain) * level
    return maps


class Effects:
    """delta y and delta error of every map, by the kernels."""

    def __init__(self, sources: Sources, asked: Query, baseline: Tensor | None = None) -> None:
        subject = Subject(sources, asked)
        model, self.tail = sources.model(), tail_of(sources, asked)
        scores = model.scores(self.tail.result)[0]
        self.target, self.score = subject.target, scores[subject.target]
        logits = ablation.delta_logits(self.tail, model.scores, baseline=baseline)
        self.baseline = baseline
        self.delta_y = logits[None, :, self.target]
        if subject.label is not None:
            assert isinstance(subject.label, int)
            self.delta_error = ablation.delta_cross_entropy(scores, logits, subject.label)[None]
        else:
            rating = torch.tensor([subject.rating])
            self.delta_error = ablation.delta_error(self.delta_y, self.score[None], rating)
        self.neutral = ablation.roles(self.delta_y, self.delta_error, self.score[None]) == 0


@cache
def effects(model: str, baseline: str = "zero") -> Effects:
    """Of the image of `query(model)`, whatever its method and gains."""
    sources, asked = shared(model), query(model)
    return Effects(sources, asked, mean_maps(sources, asked) if baseline == "mean" else None)


def close(found: np.ndarray, expected: Tensor, tolerance: float = 2e-5) -> None:
    """Equal, as far as batches of float32 go."""
    size = max(1.0, float(expected.abs().max()))
    np.testing.assert_allclose(found, expected.detach().cpu().numpy(), atol=tolerance * size)


class Stop:
    """A `stop` that lets some micro-batches pass."""

    def __init__(self, passes: int) -> None:
        self.passes, self.calls = passes, 0

    def __call__(self) -> bool:
        self.calls += 1
        return self.calls > self.passes
