"""Contrast of scores: "why this score, rather than Q?", plain, of patches, or tile by tile.

Reference: Prabhushankar, Kwon, Temel and AlRegib, 2020, arXiv 2008.00178.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from xai_widgets.kernels.batches import check_batch, in_batches
from xai_widgets.kernels.cam.base import Replayable, Step, cam_at, recording, replayed
from xai_widgets.kernels.checks import check_images, whole_number
from xai_widgets.kernels.saliency import resize


def score_contrast(
    tail: Replayable,
    score: Callable[[Any], Tensor],
    q: float,
    *,
    maps: Float[Tensor, "n c h w"] | None = None,
) -> Float[Tensor, "n h w"]:
    """Why this score y, rather than q? 2 |y - q| relu(sign(y - q) CAM_y); one picture for every q on a side of y."""
    _check_q(q)
    with recording():
        leaf, y = replayed(tail, score, maps)
        if y.shape[1] != 1:
            raise ValueError(f"a contrast with a score needs a network of one score, got {y.shape[1]}.")
        return (2 * (y.detach() - q)[..., None] * cam_at(leaf, y, torch.ones_like(y))).relu()


def patch_contrast(
    tail: Replayable,
    patches: Callable[[Any], Tensor],
    q: float,
    *,
    maps: Float[Tensor, "n c h w"] | None = None,
    step: Step = None,
) -> Float[Tensor, "n h w"]:
    """The same for the network's own patch scores y_t: relu(2 (y_t - q) sum_i dy_t/dA_i(t) A_i(t)).

    Each place of the maps belongs to the patch that it lies in, so maps may be finer than the patches. Where patches
    do not mix places after the layer, the gradient of the sum of y_t holds every dy_t/dA_i(t), and one pass serves all;
    a second pass with random weights tells: its gradient is then the first one times the weights. Otherwise one
    pass a patch, with `step` called before each.
    """
    _check_q(q)
    with recording():
        leaf, y = replayed(tail, patches, maps, patches=True)
        if y.dim() != 3 or len(y) != len(leaf):
            raise ValueError(f"patch scores must be ({len(leaf)} images, rows, columns), got shape {tuple(y.shape)}.")
        owner = _owner(y, leaf)
        slope = _own_slope(leaf, y, owner, step)
        residual = y.detach().flatten(1)[:, owner]
        return (2 * (residual - q) * (slope * leaf.detach()).sum(1)).relu()


def tile_contrast(
    explain: Callable[[Tensor], tuple[Tensor, Tensor]],
    image: Float[Tensor, "3 h w"],
    q: float,
    *,
    window: int | None = None,
    stride: int | None = None,
    batch: int = 16,
    step: Step = None,
) -> Float[Tensor, "h w"]:
    """Why these scores, rather than q, tile by tile: relu(2 (y_t - q) CAM_t), the mean of the tiles over a pixel.

    Args:
        explain: Tiles (t 3 h w) to their scores (t) and signed Grad-CAMs (t h' w').
        image: What the tiles are cut from.
        q: The other score.
        window: Side of a tile, a quarter of the shorter side by default.
        stride: From tile to tile, half a window by default; the last tile is moved to the border.
        batch: Tiles that are explained at a time; halved when memory runs out.
        step: Called before each batch; may raise to cancel.
    """
    check_images("the image", image, ("channels", "rows", "columns"))
    _check_q(q)
    check_batch(batch)
    height, width = image.shape[-2:]
    window = max(1, min(height, width) // 4) if window is None else whole_number("window", window)
    stride = max(1, window // 2) if stride is None else whole_number("stride", stride)
    if not 1 <= window <= min(height, width):
        raise ValueError(f"window must be 1 to {min(height, width)} pixels for this image, got {window}.")
    if not 1 <= stride <= window:
        raise ValueError(f"stride must be 1 to {window} pixels so that no pixel is left out, got {stride}.")
    corners = [(top, left) for top in _starts(height, window, stride) for left in _starts(width, window, stride)]
    total, count = image.new_zeros(height, width), image.new_zeros(height, width)

    def run(start: int, end: int) -> Tensor:
        tiles = torch.stack([image[:, y : y + window, x : x + window] for y, x in corners[start:end]])
        scores, cams = explain(tiles)
        if scores.dim() != 1 or cams.dim() != 3 or not len(scores) == len(cams) == len(tiles):
            raise ValueError(
                "explain must give scores (tiles) and maps (tiles, rows, columns), one a tile, got "
                f"{tuple(scores.shape)} and {tuple(cams.shape)} for {len(tiles)} tiles."
            )
        return resize((2 * (scores - q)[:, None, None] * cams).relu().detach(), (window, window))

    for start, end, parts in in_batches(len(corners), batch, run, step=step):
        for (y, x), part in zip(corners[start:end], parts, strict=True):
            total[y : y + window, x : x + window] += part
            count[y : y + window, x : x + window] += 1
    return total / count


def _check_q(q: float) -> None:
    if not math.isfinite(q):
        raise ValueError(f"the other score must be finite, got {q}.")


def _owner(y: Float[Tensor, "n H W"], leaf: Float[Tensor, "n c h w"]) -> Int[Tensor, "h w"]:
    """Index of the patch that each place of the maps lies in."""
    (rows, columns), (height, width) = y.shape[-2:], leaf.shape[-2:]
    if rows > height or columns > width:
        raise ValueError(
            f"a contrast of patch scores needs a layer with at least {rows} x {columns} places, one a patch; "
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
    """Of each place, the gradient of the score of its own patch."""
    generator = torch.Generator(y.device).manual_seed(0)
    weight = torch.rand(y.shape[1:], generator=generator, device=y.device, dtype=y.dtype) + 0.5
    (slope,) = torch.autograd.grad(y, leaf, torch.ones_like(y), retain_graph=True)
    (weighted,) = torch.autograd.grad(y, leaf, weight.expand_as(y), retain_graph=True)
    mixed = (weighted - slope * weight.flatten()[owner]).abs().amax((1, 2, 3))
    if bool((mixed <= 1e-5 * slope.abs().amax((1, 2, 3))).all()):
        return slope
    slope = torch.zeros_like(slope)
    for patch in range(y[0].numel()):
        if step is not None:
            step()
        one = torch.zeros_like(y)
        one.flatten(1)[:, patch] = 1
        (gradient,) = torch.autograd.grad(y, leaf, one, retain_graph=True)
        slope = torch.where(owner == patch, gradient, slope)
    return slope
