"""Is the tail affine in its maps, as a linear head after pooling is? Then removals and contrasts have a closed form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

AFFINE = {torch.float32: 1e-5, torch.float64: 1e-12}  # distance from an affine tail, of the largest score


@runtime_checkable
class Replayable(Protocol):
    """What is asked of a tail."""

    @property
    def maps(self) -> Tensor: ...

    def __call__(self, maps: Tensor) -> Any: ...


def unit_of(maps: Tensor) -> float:
    """A power of two about as large as the largest value, so that probes of that size round nothing."""
    return float(2.0 ** int(torch.frexp(maps.abs().amax().clamp(1e-3, 1e6)).exponent))


def is_affine(tail: Replayable, score: Callable[[Any], Tensor], *, step: Callable[[], None] | None = None) -> bool:
    """Tried on the maps themselves and on random ones of both signs and of two sizes; every score must agree.

    Costs at most seven passes of the tail and one back, four where it is not affine.
    """
    maps = tail.maps.detach()
    if maps.dtype not in AFFINE:
        return False
    if step is not None:
        step()
    generator = torch.Generator().manual_seed(0)
    places = torch.randn(1, *maps.shape[1:], generator=generator)
    levels = 4 * torch.randn(1, maps.shape[1], 1, 1, generator=generator)  # or pooling would leave little of the noise
    noise = (unit_of(maps) * (places + levels)).to(maps)
    zero = torch.zeros_like(maps)
    with torch.inference_mode():
        origin, own, there, both = (score(tail(some)) for some in (zero, maps, zero + noise, maps + noise))
        size = torch.stack((origin, own, there, both)).abs().amax()
        if not bool(((own + there - both - origin).abs() <= AFFINE[maps.dtype] * size).all()):
            return False
        back, far, beyond = (score(tail(some)) for some in (zero - noise, zero + 64 * noise, zero - 64 * noise))
        bends = (there + back - 2 * origin, (far - origin) / 64 - (there - origin), (far + beyond - 2 * origin) / 64)
        size = torch.stack((origin, own, there, both, back, far / 64, beyond / 64)).abs().amax()
        if not all(bool((bend.abs() <= AFFINE[maps.dtype] * size).all()) for bend in bends):
            return False
    return _has_that_slope(tail, score, ((noise, there - origin), (maps, own - origin)), float(size))


def _has_that_slope(
    tail: Replayable, score: Callable[[Any], Tensor], moves: tuple[tuple[Tensor, Tensor], ...], size: float
) -> bool:
    """Does the gradient at the maps predict each move? It does not where the tail bends in a small place of its own."""
    with torch.inference_mode(False), torch.enable_grad():
        leaf = tail.maps.detach().clone().requires_grad_()
        scores = score(tail(leaf))
        weights = torch.randn(scores.shape[1], generator=torch.Generator().manual_seed(1)).to(scores)
        (slope,) = torch.autograd.grad((scores * weights).sum(), leaf)
    tolerance = 10 * AFFINE[leaf.dtype] * size * float(weights.abs().sum())
    return all(
        bool((((slope * move).flatten(1).sum(1) - (change * weights).sum(1)).abs() <= tolerance).all())
        for move, change in moves
    )
