"""Is the tail affine in its maps, as a linear head after pooling is? Then removals and contrasts have a closed form."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from xai_widgets.kernels import draws
from xai_widgets.kernels.batches import at_once, in_batches, ran_out_of_memory
from xai_widgets.kernels.checks import scores_from
from xai_widgets.kernels.precision import ieee
from xai_widgets.kernels.tail import Tail
from xai_widgets.kernels.tail.results import unit_of as unit_of

AFFINE = {torch.float32: 1e-5, torch.float64: 1e-12}  # distance from an affine tail, of an output's own range
PROBES = 8  # so many that no output of thousands is small on all of them
FAR = 64.0


@runtime_checkable
class Replayable(Protocol):
    """What is asked of a tail."""

    @property
    def maps(self) -> Tensor: ...

    def __call__(self, maps: Tensor) -> Any: ...


def arithmetic_of(tail: object) -> AbstractContextManager[None]:
    """In which a score of a tail is read; nothing is set for what is no Tail."""
    return tail.arithmetic() if isinstance(tail, Tail) else nullcontext()


def is_affine(
    tail: Replayable,
    score: Callable[[Any], Tensor],
    target: int | None = None,
    *,
    step: Callable[[], None] | None = None,
) -> bool:
    """Tried on the maps themselves and on random ones of both signs and of two sizes; every score must agree.

    Each output is held against its own range, so that a small one that bends is not lost beside a large one. Where an
    output's rounding hides its range (a bias of 1e5), no is the answer.

    Args:
        target: the one output whose slope at the maps is tried; a random sum of all if left out.
        step: called before the passes; may raise to cancel.
    """
    maps = tail.maps.detach()
    if maps.dtype not in AFFINE:
        return False
    try:
        return _is_affine(tail, score, maps, target, step)
    except (RuntimeError, MemoryError) as error:
        if not ran_out_of_memory(error):
            raise
        return False  # not to be tried here


def _is_affine(
    tail: Replayable,
    score: Callable[[Any], Tensor],
    maps: Float[Tensor, "n c h w"],
    target: int | None,
    step: Callable[[], None] | None,
) -> bool:
    if step is not None:
        step()
    noises, zero = _noises(maps), torch.zeros_like(maps)
    origin, own, one, with_one = _scores(tail, score, [zero, maps, noises[0], maps + noises[0]])
    size = torch.stack((origin, own, one, with_one)).abs().amax()
    if not bool(((own + one - with_one - origin).abs() <= AFFINE[maps.dtype] * size).all()):
        return False
    if step is not None:
        step()
    near = _scores(tail, score, noises)
    both = _scores(tail, score, [maps + noise for noise in noises])
    back = _scores(tail, score, [-noise for noise in noises])
    far = _scores(tail, score, [FAR * noise for noise in noises])
    beyond = _scores(tail, score, [-FAR * noise for noise in noises])
    moved = near - origin
    scale = moved.square().mean(0).sqrt()
    rounding = 8 * torch.finfo(scale.dtype).eps * torch.stack((near, both, back)).abs().amax((0, 1))
    if bool(((scale > 0) & (rounding > 1e-2 * scale)).any()):
        return False
    tolerance = AFFINE[maps.dtype] * scale
    bends = torch.stack((own + near - both - origin, near + back - 2 * origin, (far - origin) / FAR - moved))
    if not bool((bends.abs() <= tolerance + rounding).all()):
        return False
    further = 8 * torch.finfo(scale.dtype).eps * far.abs().maximum(beyond.abs()).amax(0) / FAR  # hides less
    if not bool((((far + beyond - 2 * origin) / FAR).abs() <= tolerance + further).all()):
        return False
    return _has_that_slope(tail, score, ((noises[0], moved[0]), (maps, own - origin)), scale + rounding, target)


def _noises(maps: Float[Tensor, "n c h w"]) -> list[Tensor]:
    """Of both signs, about as large as the maps; with a level a map, or pooling would leave little of them."""
    generator, unit = draws.seeded(0), unit_of(maps)
    noises = []
    for _ in range(PROBES):
        places = draws.normal((1, *maps.shape[1:]), generator, maps)
        levels = 4 * draws.normal((1, maps.shape[1], 1, 1), generator, maps)
        noises.append((unit * (places + levels)).expand_as(maps))
    return noises


def _scores(tail: Replayable, score: Callable[[Any], Tensor], probes: list[Tensor]) -> Float[Tensor, "p n k"]:
    """Of each probe; several at once where the tail is that of one image."""
    one = len(probes[0]) == 1

    def run(start: int, end: int) -> Tensor:
        some = torch.cat(probes[start:end])
        scores = scores_from(score, tail(some), len(some))
        return scores[:, None] if one else scores[None]

    size = at_once(4 * probes[0].nbytes, probes[0].device) if one else 1
    with torch.inference_mode(), arithmetic_of(tail):
        return torch.cat([scores for _, _, scores in in_batches(len(probes), size, run)])


def _has_that_slope(
    tail: Replayable,
    score: Callable[[Any], Tensor],
    moves: tuple[tuple[Tensor, Tensor], ...],
    scale: Float[Tensor, "n k"],
    target: int | None,
) -> bool:
    """Does the gradient at the maps predict each move? It does not where the tail bends in a small place of its own."""
    with ieee(), torch.inference_mode(False), torch.enable_grad():
        leaf = tail.maps.detach().clone().requires_grad_()
        scores = score(tail(leaf))
        if not scores.requires_grad:
            return False
        weights = draws.normal((scores.shape[1],), draws.seeded(1), scores)
        if target is not None:
            weights = (torch.arange(len(weights), device=weights.device) == target).to(scores)
        weights = weights / torch.where(scale > 0, scale, 1)  # each output counts as much
        total = (scores * weights).sum()
        with tail.autocast.set() if isinstance(tail, Tail) else nullcontext():
            (slope,) = torch.autograd.grad(total, leaf)
    tolerance = 10 * AFFINE[leaf.dtype] * (weights * scale).norm(dim=1)
    return all(
        bool((((slope * move).flatten(1).sum(1) - (change * weights).sum(1)).abs() <= tolerance).all())
        for move, change in moves
    )
