"""What each map does inside a region: removed there only, everywhere else as it is."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from xai_widgets.engine.answers import Box, Explanation, Maps, Region, Saliency
from xai_widgets.engine.asking import Request
from xai_widgets.engine.options import Option
from xai_widgets.engine.parts.margins import explained_by, rival
from xai_widgets.engine.parts.output import EXPLAINED
from xai_widgets.engine.parts.record import Part
from xai_widgets.engine.subject import array
from xai_widgets.kernels.ablation import Score, level_of, place_scores
from xai_widgets.kernels.batches import at_once, on_tail
from xai_widgets.kernels.checks import scores_from
from xai_widgets.kernels.tail import Tail

Mask = tuple[tuple[int, ...], ...]
SECONDS_OF_A_BATCH = 0.04


def region(request: Request) -> Region:
    """The change of the explained score without each map inside a region, all gains 1; how much of the map lies there.

    Where Q is another class it is the change of P - Q.

    Exact values stream in, the maps that are strongest inside the region first.

    Raises:
        ValueError: no region or two, a mask of another size than the layer's grid, a box that holds nothing of it.
    """
    subject = request.subject
    subject.check_placed("what a region does")
    maps = subject.tail.maps.detach()
    inside = _inside(request, (maps.shape[2], maps.shape[3]))
    explanation: Explanation = request.ask("explanation")
    lies = share_inside(explanation.saliency, inside.numpy(), request.options["box"])
    become = "zero" if subject.baseline is None else "its mean over images of the set"
    places, of = int(inside.sum()), inside.numel()
    known = Region(
        delta_y=array(torch.full((maps.shape[1],), math.nan, device="cpu")),
        places=places,
        of=of,
        share=lies.share,
        area=lies.area,
        mask=inside.numpy().copy(),
        box=subject.box,
        against=rival(subject),
        note=f"Each map set to {become} at {places} of {of} places of {subject.layer}, single removals, all gains 1."
        f"{subject.baseline_words}",
        done=False,
    )
    # Neither gains nor what the map asks act on single removals: they are made once.
    level = b"" if subject.baseline is None else subject.baseline.detach().cpu().numpy().tobytes()
    asked = (subject.target, known.against, level, inside.numpy().tobytes())
    change, joint = subject.remember("inside a region", lambda: _removed(request, inside, known), *asked)
    return replace(known, delta_y=change, joint=joint, done=True)


def _removed(request: Request, inside: Tensor, known: Region) -> tuple[np.ndarray, float]:
    """The change of the score without each map inside the region (c,), and without all of them together."""
    subject = request.subject
    tail, maps = subject.tail, subject.tail.maps.detach()
    explained, inside = explained_by(subject), inside.to(maps.device)
    level = level_of(subject.baseline, maps)
    together = place_scores(tail, explained.score, inside[None, None], level, None, request.step)
    known = replace(known, joint=float(together[0, explained.target]) - explained.value)
    change = torch.full((maps.shape[1],), math.nan, device="cpu")
    order, nothing = _order(maps, inside, level)
    change[nothing] = 0
    for done, (index, scores) in enumerate(_scores_without(request, explained.score, inside, level, order)):
        if done:
            request.show(replace(known, delta_y=array(change).copy()), float((~change.isnan()).float().mean()))
        change[index] = (scores[:, explained.target].cpu() - explained.value).to(change)
    return array(change).copy(), known.joint


def _order(maps: Tensor, inside: Tensor, level: Tensor) -> tuple[Tensor, Tensor]:
    """Maps whose removal changes something inside the region, the strongest first; and those where it does not."""
    strength = torch.where(inside, maps[0] - level, 0).abs().flatten(1).amax(1)
    order = strength.argsort(descending=True, stable=True)
    alive = strength[order] != 0  # also where it is not finite: the kernel says so
    return order[alive], (strength == 0).nonzero().flatten().cpu()


def _scores_without(
    request: Request, score: Score, inside: Tensor, level: Tensor, order: Tensor
) -> Iterator[tuple[Tensor, Tensor]]:
    """The scores (b k) without one map each inside the region, a micro-batch at a time, and which maps (b)."""

    def run(tail: Tail, start: int, end: int) -> Tensor:
        place = tail.maps.device
        some, mask = order[start:end].to(place), inside.to(place)
        with torch.inference_mode(), tail.arithmetic():
            own = tail.maps[0].index_select(0, some)
            become = level.to(place).expand(len(tail.maps[0]), -1, -1).index_select(0, some)
            result = tail.with_own(some, torch.where(mask, become, own)[:, None])
            return scores_from(score, result, end - start)

    tail = request.subject.tail
    size = at_once(tail.sparse.bytes_of_copy, tail.maps.device)
    for start, end, scores in on_tail(tail, len(order), size, run, step=request.step, seconds=SECONDS_OF_A_BATCH):
        yield order[start:end].cpu(), scores.clone()


# ---------------------------------------------------------------------- where the region is


def _inside(request: Request, size: tuple[int, int]) -> Tensor:
    """The region on the layer's grid, on the CPU."""
    mask, box = request.options["mask"], request.options["box"]
    check_one(mask, box)
    if box:
        return torch.from_numpy(within(box, request.subject.box, size))
    given = np.array(mask, bool)
    if given.shape != size:
        shape = f"{given.shape[0]} × {given.shape[1]}"
        raise ValueError(
            f"mask must be of the grid of {request.subject.layer!r}, {size[0]} × {size[1]} places, got {shape}."
        )
    return torch.from_numpy(given)


def within(box: Box, seen: Box, size: tuple[int, int]) -> np.ndarray:
    """The places of a grid (rows columns) whose centres lie in a box; a smaller box is the place around its own centre.

    Args:
        box: as shares of the photo.
        seen: what the grid covers of the photo.
        size: of the grid.

    Raises:
        ValueError: the box lies beside what the grid covers.
    """
    chosen = []
    for axis, count in ((1, size[0]), (0, size[1])):
        low, high = seen[axis], seen[axis + 2]
        at = (np.array((box[axis], box[axis + 2])) - low) / (high - low) * count
        centres = np.arange(count) + 0.5
        found = (centres >= at[0]) & (centres < at[1])
        middle = int(np.floor(at.mean()))
        if not found.any() and 0 <= middle < count:
            found[middle] = True
        chosen.append(found)
    inside: np.ndarray = chosen[0][:, None] & chosen[1][None, :]
    if not inside.any():
        edges = ", ".join(f"{edge:.3g}" for edge in seen)
        raise ValueError(f"box must overlap what the network saw of the photo ({edges}), got {box}.")
    return inside


class Inside(NamedTuple):
    """How much of a map lies inside a region, each a share of the whole; NaN where there is nothing to share."""

    share: float  # by absolute values
    above: float  # of the values above 0
    below: float  # of those below
    area: float


def share_inside(saliency: Saliency, inside: np.ndarray, box: Box | tuple[()] = ()) -> Inside:
    """How much of a map lies inside a region, counted on the grid of that map.

    Args:
        inside: the region on the layer's grid (h w).
        box: the region as a part of the photo, where it was given as one.
    """
    values = saliency.weight.astype(np.float64)
    if values.shape != inside.shape:
        if box:
            inside = within(box, saliency.box, (values.shape[0], values.shape[1]))
        else:
            sizes = zip(values.shape, inside.shape, strict=True)
            rows, columns = ((np.arange(count) + 0.5) / count * places for count, places in sizes)
            inside = inside[np.ix_(rows.astype(int), columns.astype(int))]
    parts = (np.abs(values), values.clip(min=0), -values.clip(max=0))
    totals = [float(part.sum()) for part in parts]
    share, above, below = (
        float(part[inside].sum()) / total if total > 0 else math.nan for part, total in zip(parts, totals, strict=True)
    )
    return Inside(share, above, below, float(inside.mean()))


def acting(maps: Maps, indices: Sequence[int], share: float = 0.1) -> np.ndarray:
    """Where some feature maps act, on the layer's grid (h w): the top share of the activation of each, together.

    As `kernels.regions.top_share` keeps places, of the bytes that are shown: a gesture computes nothing with torch.
    """
    some = maps.thumbs[list(indices)].reshape(len(indices), -1)
    kept, pixels = round(share * some.shape[1]), some.shape[1]
    bound = np.sort(some, 1)[:, ::-1][:, kept : kept + 1] if kept < pixels else np.zeros((len(some), 1), some.dtype)
    constant = some.max(1, keepdims=True) == some.min(1, keepdims=True)
    inside: np.ndarray = ((some > bound) & ~constant).any(0).reshape(maps.thumbs.shape[1:])
    return inside


def check_one(mask: Mask, box: Box | tuple[()]) -> None:
    """Refuse a region that is given in two ways, or in none.

    Raises:
        ValueError: it is.
    """
    if bool(mask) == bool(box):
        raise ValueError(f"a region is given by one of mask and box, got {'both' if mask else 'neither'}.")


def checked_mask(given: Any) -> Mask:
    """Rows of 0 and 1 that can be compared.

    Raises:
        ValueError: no rows of equal length, another value, or no place inside.
    """
    if isinstance(given, tuple) and not given:
        return ()
    try:
        values = np.asarray(given.cpu() if isinstance(given, Tensor) else given)
    except ValueError:
        raise ValueError("mask must be rows of 0 and 1, all of one length, got rows of several lengths.") from None
    if values.ndim != 2 or values.dtype.kind not in "buif" or not np.isin(values, (0, 1)).all():
        raise ValueError(f"mask must be rows of 0 and 1, got {_described(values)}.")
    if not values.any():
        raise ValueError("mask must hold at least one place that is 1, got none.")
    return tuple(tuple(int(value) for value in row) for row in values)


def _described(values: np.ndarray) -> str:
    if values.ndim != 2 or values.dtype.kind not in "buif":
        return f"an array of shape {values.shape} of {values.dtype}"
    return f"the value {values[~np.isin(values, (0, 1))][0]:g}"


def checked_box(given: Any) -> Box | tuple[()]:
    """Left, top, right and bottom as shares of the photo.

    Raises:
        ValueError: no four numbers in this order.
    """
    if isinstance(given, tuple) and not given:
        return ()
    wanted = "box must be left, top, right and bottom as shares of the photo, such as (0.2, 0.1, 0.6, 0.5)"
    values = given.tolist() if isinstance(given, np.ndarray | Tensor) else given
    if not isinstance(values, Sequence) or isinstance(values, str) or len(values) != 4:
        raise ValueError(f"{wanted}; got {given!r}.")
    if any(isinstance(one, bool) or not isinstance(one, int | float | np.number) for one in values):
        raise ValueError(f"{wanted}; got {given!r}.")
    left, top, right, bottom = (float(one) for one in values)
    if not (math.isfinite(left + top + right + bottom) and left < right and top < bottom):
        raise ValueError(f"{wanted}; got {given!r}.")
    return left, top, right, bottom


OPTIONS = (
    Option("mask", "places of the layer's grid", (), check=checked_mask),
    Option("box", "part of the photo", (), check=checked_box),
)
PARTS = (
    Part(
        "region", "effect of each map inside a region", region, EXPLAINED, knows=True, options=OPTIONS, lane="impacts"
    ),
)
