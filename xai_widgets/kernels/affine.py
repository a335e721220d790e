"""Is the tail affine in its maps, as a linear head after pooling is? Then removals and contrasts have a closed form.

With the scores f(X) of maps X, f is affine where f(X) - f(0) is linear. That is tried at the maps A of the image and at
noise N. These differences must be 0 but for rounding:

    additive       f(A) + f(N) - f(A + N) - f(0)
    odd            f(N) + f(-N) - 2 f(0)
    homogeneous    (f(64 N) - f(0)) / 64 - (f(N) - f(0))
    odd, far away  (f(64 N) + f(-64 N) - 2 f(0)) / 64

Last, the gradient at A must predict f(A) - f(0) and f(N) - f(0).

What was found is remembered for a layer and a score, until the weights change. Of another image, a tail that was affine
must still be additive at its maps, with the remembered N, f(N) and f(0); a tail that bent is taken to bend there too,
where removals are right as well, and take longer if it does not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from xai_widgets.kernels import draws
from xai_widgets.kernels.batches import Step, at_once, in_batches, ran_out_of_memory
from xai_widgets.kernels.checks import scores_from
from xai_widgets.kernels.precision import ieee
from xai_widgets.kernels.tail import Replayable, Tail, arithmetic_of
from xai_widgets.kernels.tail.results import unit_of

AFFINE = {torch.float32: 1e-5, torch.float64: 1e-12}  # the largest difference, as a share of an output's own range
PROBES = 8  # so many that no output of thousands is small on all of them
FAR = 64.0
REMEMBERED = 4  # scores of a layer


class First(NamedTuple):
    """The first noise (1 c h w) that a tail was tried with, f(0) and f(N)."""

    noise: Tensor
    origin: Float[Tensor, "1 k"]
    near: Float[Tensor, "1 k"]


class Known(NamedTuple):
    """What was found for a layer and a score: with what it was tried, None where the tail is not affine."""

    asked: tuple[Any, ...]
    score: Callable[[Any], Tensor]
    first: First | None


@dataclass(frozen=True)
class Probed:
    """Scores of p probes N, and of what is made of them and the maps A of n images.

    Attributes:
        origin: f(0).
        own: f(A).
        near: f(N).
        both: f(A + N).
        back: f(-N).
        far: f(64 N).
        beyond: f(-64 N).
    """

    origin: Float[Tensor, "n k"]
    own: Float[Tensor, "n k"]
    near: Float[Tensor, "p n k"]
    both: Float[Tensor, "p n k"]
    back: Float[Tensor, "p n k"]
    far: Float[Tensor, "p n k"]
    beyond: Float[Tensor, "p n k"]

    @cached_property
    def moved(self) -> Float[Tensor, "p n k"]:
        """f(N) - f(0)."""
        return self.near - self.origin

    @cached_property
    def scale(self) -> Float[Tensor, "n k"]:
        """The range of each output: the root mean square of f(N) - f(0)."""
        return self.moved.square().mean(0).sqrt()

    @cached_property
    def rounding(self) -> Float[Tensor, "n k"]:
        """What rounding may change in a difference of scores near A."""
        eps: float = torch.finfo(self.near.dtype).eps
        return 8 * eps * torch.stack((self.near, self.both, self.back)).abs().amax((0, 1))


def is_affine(
    tail: Replayable, score: Callable[[Any], Tensor], target: int | None = None, *, step: Step = None
) -> bool:
    """Is every score affine in the maps, and is it so at the maps themselves? Tried, see above.

    Each output is compared with its own range, so that a small one that bends is not lost beside a large one. Where
    rounding is as large as an output's range (as with a bias of 1e5), the answer is no. So it is where memory runs out.

    Args:
        target: the one output whose gradient is tried; a random sum of all if left out.
        step: called before the passes; may raise to cancel.

    Raises:
        TypeError, ValueError: a score that is no tensor (n k) of floating-point numbers.
    """
    maps = tail.maps.detach()
    if maps.dtype not in AFFINE:
        return False
    known = _known(tail, score)
    try:
        if known is not None and (known.first is None or _is_so_here(tail, score, maps, known.first, step)):
            return known.first is not None
        found, first = _is_affine(tail, score, maps, target, step)
        _remember(tail, score, first if found else None)
        return found
    except (RuntimeError, MemoryError) as error:
        if not ran_out_of_memory(error):
            raise
        return False


def _is_affine(
    tail: Replayable,
    score: Callable[[Any], Tensor],
    maps: Float[Tensor, "n c h w"],
    target: int | None,
    step: Step,
) -> tuple[bool, First | None]:
    drawn = _noises(maps)
    if step is not None:
        step()
    one = next(drawn)
    of_one = _scores(tail, score, [torch.zeros_like(maps), maps, one, maps + one])
    if not _is_additive_at_once(of_one, AFFINE[maps.dtype]):
        return False, None
    if step is not None:
        step()
    noises = [one, *drawn]
    probed = _probed(tail, score, maps, noises, of_one)
    tolerance = AFFINE[maps.dtype] * probed.scale
    if _is_lost_in_rounding(probed) or not _is_linear_near(probed, tolerance) or not _is_odd_far(probed, tolerance):
        return False, None
    moves = ((one, probed.moved[0]), (maps, probed.own - probed.origin))
    found = _has_that_slope(tail, score, moves, probed.scale + probed.rounding, target)
    return found, First(one, probed.origin, probed.near[0])


def _known(tail: Replayable, score: Callable[[Any], Tensor]) -> Known | None:
    if not isinstance(tail, Tail) or len(tail.inputs) != 1:
        return None
    asked = tail.autocast, tail.maps.shape, tail.maps.device
    return next((one for one in tail.structure.affine if one.asked == asked and one.score == score), None)


def _remember(tail: Replayable, score: Callable[[Any], Tensor], first: First | None) -> None:
    if isinstance(tail, Tail) and len(tail.inputs) == 1:
        asked = tail.autocast, tail.maps.shape, tail.maps.device
        others = [one for one in tail.structure.affine if one.asked != asked or one.score != score]
        tail.structure.affine = [Known(asked, score, first), *others][:REMEMBERED]


def _is_so_here(tail: Replayable, score: Callable[[Any], Tensor], maps: Tensor, first: First, step: Step) -> bool:
    """Is a tail that was affine for one image additive at the maps of this one?"""
    if step is not None:
        step()
    own, both = _scores(tail, score, [maps, maps + first.noise])
    return _is_additive_at_once(torch.stack((first.origin, own, first.near, both)), AFFINE[maps.dtype])


def _probed(
    tail: Replayable, score: Callable[[Any], Tensor], maps: Tensor, noises: list[Tensor], of_one: Tensor
) -> Probed:
    origin, own = of_one[0], of_one[1]
    near = _scores(tail, score, noises)
    both = _scores(tail, score, [maps + noise for noise in noises])
    back = _scores(tail, score, [-noise for noise in noises])
    far = _scores(tail, score, [FAR * noise for noise in noises])
    beyond = _scores(tail, score, [-FAR * noise for noise in noises])
    return Probed(origin, own, near, both, back, far, beyond)


def _is_additive_at_once(scores: Float[Tensor, "4 n k"], share: float) -> bool:
    """f(A) + f(N) = f(A + N) + f(0) for one N, beside the largest of all scores: cheap, and most networks end here."""
    origin, own, one, with_one = scores
    return bool(((own + one - with_one - origin).abs() <= share * scores.abs().amax()).all())


def _is_lost_in_rounding(probed: Probed) -> bool:
    """Is rounding more than a hundredth of the range of an output, which does depend on the maps?"""
    scale = probed.scale
    return bool(((scale > 0) & (probed.rounding > 1e-2 * scale)).any())


def _is_linear_near(probed: Probed, tolerance: Float[Tensor, "n k"]) -> bool:
    """Additive with A, odd, and homogeneous."""
    origin, near = probed.origin, probed.near
    additive = probed.own + near - probed.both - origin
    odd = near + probed.back - 2 * origin
    homogeneous = (probed.far - origin) / FAR - probed.moved
    return bool((torch.stack((additive, odd, homogeneous)).abs() <= tolerance + probed.rounding).all())


def _is_odd_far(probed: Probed, tolerance: Float[Tensor, "n k"]) -> bool:
    """Odd far away, where what is rounded counts less."""
    far, beyond = probed.far, probed.beyond
    odd = (far + beyond - 2 * probed.origin) / FAR
    rounding = 8 * torch.finfo(far.dtype).eps * far.abs().maximum(beyond.abs()).amax(0) / FAR
    return bool((odd.abs() <= tolerance + rounding).all())


def _noises(maps: Float[Tensor, "n c h w"]) -> Iterator[Tensor]:
    """Of both signs, about as large as the maps; with a mean for each map, or pooling would leave little of them."""
    generator, unit = draws.seeded(0), unit_of(maps)
    for _ in range(PROBES):
        fine = draws.normal((1, *maps.shape[1:]), generator, maps)
        means = 4 * draws.normal((1, maps.shape[1], 1, 1), generator, maps)
        yield (unit * (fine + means)).expand_as(maps)


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
    """Does the gradient at the maps predict each move? It does not where the tail bends close to the maps alone.

    Args:
        moves: changes of the maps (n c h w), and how the scores change with them (n k).
    """
    with ieee(), torch.inference_mode(False), torch.enable_grad():
        leaf = tail.maps.detach().clone().requires_grad_()
        scores = score(tail(leaf))
        if not scores.requires_grad:
            return False
        weights = _weights(scores, target) / torch.where(scale > 0, scale, 1)  # each output counts as much
        total = (scores * weights).sum()
        with tail.autocast.set() if isinstance(tail, Tail) else nullcontext():
            (slope,) = torch.autograd.grad(total, leaf)
    tolerance = 10 * AFFINE[leaf.dtype] * (weights * scale).norm(dim=1)
    return all(
        bool((((slope * move).flatten(1).sum(1) - (change * weights).sum(1)).abs() <= tolerance).all())
        for move, change in moves
    )


def _weights(scores: Float[Tensor, "n k"], target: int | None) -> Float[Tensor, " k"]:
    """Of each output in the sum whose gradient is taken: one for the target, or random ones."""
    if target is None:
        return draws.normal((scores.shape[1],), draws.seeded(1), scores)
    return (torch.arange(scores.shape[1], device=scores.device) == target).to(scores)
