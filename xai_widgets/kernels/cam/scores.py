"""Contrast of scores: "why this score, rather than Q?", plain, of patches, or tile by tile.

Reference: Prabhushankar, Kwon, Temel and AlRegib, 2020, arXiv 2008.00178.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from xai_widgets.kernels import draws
from xai_widgets.kernels.batches import check_batch, in_batches, ran_out_of_memory
from xai_widgets.kernels.cam.base import (
    Replayable,
    Step,
    Target,
    cam_at,
    check_placed,
    differentiable,
    leaf_of,
    one_hot,
    recording,
    replayed,
    scaled_slope,
    wide_of,
    without_dead,
)
from xai_widgets.kernels.checks import (
    check_finite,
    check_images,
    check_tensor,
    finite_number,
    labels_of,
    numbers_of,
    whole_number,
)
from xai_widgets.kernels.saliency import resize

OTHER = "the other score"
Number = int | float | Sequence[int | float] | Tensor  # one for all images, or one an image


class Tiled(NamedTuple):
    """A contrast in which each tile or patch asks on its own side of Q; neither layer has negative values.

    Each position is the mean over the tiles of its own side that cover it, 0 where there is none.
    """

    merits: Float[Tensor, "*n h w"]  # of tiles with a score above Q: what merits a score above it
    prevents: Float[Tensor, "*n h w"]  # of tiles with a score below Q: what prevents Q

    @property
    def signed(self) -> Float[Tensor, "*n h w"]:
        """One signed map: what merits is positive, what prevents negative; where both are, the larger one."""
        return torch.where(self.merits >= self.prevents, self.merits, -self.prevents)


def score_contrast(
    tail: Replayable,
    score: Callable[[Any], Tensor],
    q: Number,
    *,
    target: Target | None = None,
    maps: Float[Tensor, "n c h w"] | None = None,
) -> Float[Tensor, "n h w"]:
    """Why this score y, rather than q? 2 |y - q| relu(sign(y - q) CAM_y).

    All q on the same side of y give the same map up to the factor 2 |y - q|.

    Args:
        q: the other score, or one an image.
        target: which score is asked about, by number or by name, or one an image; needed where there are several.

    Raises:
        TypeError: as `grad_cam`; a q that is no number.
        ValueError: as `grad_cam`; a q that is not finite; several scores and no target.
    """
    check_placed(tail)
    with recording(tail):
        leaf, y = replayed(tail, score, maps)
        column = one_score("a contrast with a score", y.detach(), target, labels_of(score))
        own = (y.detach() * column).sum(1).to(wide_of(y))
        distance = own - numbers_of(OTHER, q, own[:, None])
        return (2 * distance[:, None, None] * cam_at(leaf, y, column)).relu()


def one_score(
    what: str, scores: Float[Tensor, "n k"], target: Target | None, labels: Sequence[str] | None
) -> Float[Tensor, "n k"]:
    """1 for the score that is asked about; raise ValueError where there are several and none was chosen."""
    if target is None and scores.shape[1] != 1:
        raise ValueError(f"{what} needs a network of one score, got {scores.shape[1]}; choose one by `target`.")
    return one_hot(0 if target is None else target, scores, labels)


def patch_contrast(
    tail: Replayable,
    patches: Callable[[Any], Tensor],
    q: Number,
    *,
    maps: Float[Tensor, "n c h w"] | None = None,
    step: Step = None,
) -> Tiled:
    """Why the network's own patch scores y_t, rather than q? relu(2 (y_t - q) sum_i dy_t/dA_i(t) A_i(t)).

    Each position of the maps belongs to the patch that it lies in, so that maps may be finer than the patches. Where
    what follows the layer does not mix patches, the gradient of the sum of all y_t holds every dy_t/dA_i(t), so that
    one backward pass is enough. Whether it is so is tested by a second pass, of a weighted sum: its gradient must be
    the first one times the weights. Otherwise there is one pass a patch, with `step` called before each.

    Args:
        patches: from what the network returns to the scores of patches (n rows columns).
        q: the other score, or one an image.

    Raises:
        TypeError: as `grad_cam`; a q that is no number.
        ValueError: as `grad_cam`; patch scores of another shape, or finer than the maps.
    """
    check_placed(tail)
    with recording(tail):
        leaf = leaf_of(tail, maps)
        y = differentiable(patches(tail(leaf)))
        if y.dim() != 3 or len(y) != len(leaf):
            raise ValueError(f"patch scores must be ({len(leaf)} images, rows, columns), got shape {tuple(y.shape)}.")
        other = numbers_of(OTHER, q, y.detach().flatten(1).to(wide_of(y)))
        owner = _owner(y, leaf)
        slope = _own_slope(leaf, y, owner, step)
        where = leaf.detach()
        pushes = torch.where(where == 0, 0, slope * where).sum(1)  # A_i = 0 adds nothing, whatever its gradient
        check_finite("the gradient of the patch scores at the maps", pushes)
        return _sides(y.detach().flatten(1)[:, owner] - other[:, None, None], pushes)


def tile_contrast(
    explain: Callable[[Tensor], tuple[Tensor, Tensor]],
    image: Float[Tensor, "c h w"],
    q: float,
    *,
    window: int | None = None,
    stride: int | None = None,
    batch: int = 16,
    step: Step = None,
) -> Tiled:
    """Why these scores, rather than q, tile by tile: relu(2 (y_t - q) CAM_t), averaged over the tiles of each side.

    Args:
        explain: Tiles (t c h w) to their scores (t) and signed Grad-CAMs (t h' w').
        image: What the tiles are cut from.
        q: The other score.
        window: Side of a tile, a quarter of the shorter side by default.
        stride: From tile to tile, half a window by default; the last tile is moved to the border.
        batch: Tiles that are explained at a time; halved when memory runs out.
        step: Called before each batch; may raise to cancel.

    Raises:
        TypeError: an image that is no tensor of floating-point numbers, a q that is no number.
        ValueError: an image that is not (channels, rows, columns) or not finite, a q that is not finite, a window or
            stride that does not fit the image, a window that `explain` fails on, or answers of another shape.
    """
    check_images("the image", image, ("channels", "rows", "columns"))
    other = finite_number(OTHER, q)
    check_batch(batch)
    height, width = image.shape[-2:]
    window = max(1, min(height, width) // 4) if window is None else whole_number("window", window)
    stride = max(1, window // 2) if stride is None else whole_number("stride", stride)
    if not 1 <= window <= min(height, width):
        raise ValueError(f"window must be 1 to {min(height, width)} pixels for this image, got {window}.")
    if not 1 <= stride <= window:
        raise ValueError(f"stride must be 1 to {window} pixels so that no pixel is left out, got {stride}.")
    corners = [(top, left) for top in _starts(height, window, stride) for left in _starts(width, window, stride)]

    def run(start: int, end: int) -> Tensor:
        tiles = torch.stack([image[:, y : y + window, x : x + window] for y, x in corners[start:end]])
        scores, cams = _explained(explain, tiles)
        parts = [resize(part, (window, window)) for part in _sides((scores - other)[:, None, None], cams)]
        sides = [side.to(scores)[:, None, None].expand_as(parts[0]) for side in (scores > other, scores < other)]
        return torch.stack((*parts, *sides), 1)

    wide = wide_of(image)
    sums = torch.zeros(4, height, width, dtype=wide, device=image.device)  # of maps of both sides, and of their tiles
    for start, end, parts in in_batches(len(corners), batch, run, step=step):
        for (y, x), part in zip(corners[start:end], parts.to(sums), strict=True):
            sums[:, y : y + window, x : x + window] += part
    return Tiled(*(sums[:2] / sums[2:].clamp(min=1)))


def _sides(distance: Float[Tensor, "n _ _"], cams: Float[Tensor, "n h w"]) -> Tiled:
    """relu(2 (y - q) CAM), in two layers by the sign of y - q."""
    contrast = (2 * distance * cams).relu()
    return Tiled(torch.where(distance > 0, contrast, 0), torch.where(distance < 0, contrast, 0))


def _explained(
    explain: Callable[[Tensor], tuple[Tensor, Tensor]], tiles: Float[Tensor, "t c side side"]
) -> tuple[Float[Tensor, " t"], Float[Tensor, "t h w"]]:
    """What is explained of the tiles, in float32 at least; raise ValueError where they are too small or it is wrong."""
    window = tiles.shape[-1]
    try:
        scores, cams = explain(tiles)
    except (RuntimeError, ValueError, AssertionError, IndexError) as error:
        if ran_out_of_memory(error):
            raise
        why = str(error).partition("\n")[0]
        raise ValueError(
            f"the tiles cannot be explained at a window of {window} x {window} pixels: {why}; choose another window."
        ) from error
    check_tensor("scores of tiles", scores, ("tiles",))
    check_tensor("maps of tiles", cams, ("tiles", "rows", "columns"))
    if not len(scores) == len(cams) == len(tiles):
        raise ValueError(
            "explain must give scores (tiles) and maps (tiles, rows, columns), one a tile, got "
            f"{tuple(scores.shape)} and {tuple(cams.shape)} for {len(tiles)} tiles."
        )
    check_finite("scores of tiles", scores)
    check_finite("maps of tiles", cams)
    wide = wide_of(scores, cams)
    return scores.detach().to(wide), cams.detach().to(wide)


def _owner(y: Float[Tensor, "n H W"], leaf: Float[Tensor, "n c h w"]) -> Int[Tensor, "h w"]:
    """Index of the patch that each position of the maps lies in."""
    (rows, columns), (height, width) = y.shape[-2:], leaf.shape[-2:]
    if rows > height or columns > width:
        raise ValueError(
            f"a contrast of patch scores needs a layer with at least {rows} x {columns} positions, one a patch; "
            f"got {height} x {width}."
        )
    row = torch.arange(height, device=y.device) * rows // height
    column = torch.arange(width, device=y.device) * columns // width
    return row[:, None] * columns + column


def _starts(side: int, window: int, stride: int) -> list[int]:
    starts = list(range(0, side - window + 1, stride))
    return starts if starts[-1] == side - window else [*starts, side - window]


def _own_slope(
    leaf: Float[Tensor, "n c h w"], y: Float[Tensor, "n H W"], owner: Int[Tensor, "h w"], step: Step
) -> Float[Tensor, "n c h w"]:
    """At each position, the gradient of the score of its own patch; 0 for a dead map where that is not finite."""

    def slope_for(cotangent: Tensor) -> Tensor:
        return without_dead(scaled_slope(leaf, y, cotangent, retain=True), leaf.detach())

    weight = draws.uniform(y.shape[1:], draws.seeded(0), y) + 0.5
    slope, weighted = slope_for(torch.ones_like(y)), slope_for(weight.expand_as(y))
    mixed = (weighted - slope * weight.flatten()[owner]).abs().amax((1, 2, 3))
    rounding = 1e-5 if y.dtype in (torch.float32, torch.float64) else 4 * torch.finfo(y.dtype).eps
    if bool((mixed <= rounding * slope.abs().amax((1, 2, 3))).all()):
        return slope
    slope = torch.zeros_like(slope)
    for patch in range(y[0].numel()):
        if step is not None:
            step()
        one = torch.zeros_like(y)
        one.flatten(1)[:, patch] = 1
        slope = torch.where(owner == patch, slope_for(one), slope)
    return slope
