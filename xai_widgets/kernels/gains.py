"""Feature maps times their gains (0 to 2), and the baseline that a removed map becomes.

A baseline is zero, one number for each map (c), or a map for each map (c h w), see `baselines`.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from xai_widgets.kernels.checks import check_finite, check_tensor, known_finite, note_finite
from xai_widgets.kernels.home import sent
from xai_widgets.kernels.saliency import WHOLE

Baseline = Float[Tensor, " maps"] | Float[Tensor, "maps rows columns"] | None


def with_gains(
    maps: Float[Tensor, "n c h w"],
    gains: Float[Tensor, "m c"],
    baseline: Baseline = None,
) -> Float[Tensor, "b c h w"]:
    """Maps times their gains, towards the baseline (zero): g A + (1 - g) b. Gain 1 is A, bit by bit.

    Args:
        gains: a row for each image, or one row for all images, or any number of rows for one image. They are checked
            where they are: those of the CPU cost no wait.

    Raises:
        TypeError: maps or gains are no tensors of floating-point numbers.
        ValueError: other axes, a gain outside [0, 2], a number of gains that is not that of the maps, rows that are
            not those of the images.
    """
    check_tensor("maps", maps, ("images", "maps", "rows", "columns"))
    _check_gains(gains, maps)
    wide = torch.promote_types(maps.dtype, torch.float32)  # in half precision 2 A may overflow where 2 A - b does not
    gain = sent(gains, maps.device, wide)[:, :, None, None]
    changed = (maps.to(wide) * gain).masked_fill(gain == 0, 0)  # also of a map that is not finite
    if baseline is not None:
        changed = changed + (1 - gain) * level_of(baseline, maps).to(wide)
    return changed.to(maps.dtype)


def _check_gains(gains: Tensor, maps: Tensor) -> None:
    check_tensor("gains", gains)
    if gains.dim() != 2 or gains.shape[1] != maps.shape[1]:
        raise ValueError(f"gains must be (copies, {maps.shape[1]} maps), got shape {tuple(gains.shape)}.")
    if len(gains) != len(maps) and 1 not in (len(gains), len(maps)):
        raise ValueError(f"gains must have 1 row or one for each image, got {len(gains)} rows for {len(maps)} images.")
    wrong = ~((gains >= 0) & (gains <= 2))
    if bool(wrong.any()):
        row, index = wrong.nonzero()[0].tolist()
        raise ValueError(f"gains must lie in [0, 2], got {gains[row, index].item()} for map {index}.")


def level_of(baseline: Baseline, maps: Float[Tensor, "n c h w"]) -> Float[Tensor, "#c #h #w"]:
    """The baseline with axes that broadcast over maps, in their precision.

    Raises:
        TypeError: the baseline is no tensor of numbers.
        ValueError: an axis differs from that of the maps, or a value is not finite.
    """
    if baseline is None:
        return maps.new_zeros(1, 1, 1)
    if not isinstance(baseline, Tensor) or not (baseline.is_floating_point() or baseline.dtype in WHOLE):
        given = baseline.dtype if isinstance(baseline, Tensor) else type(baseline).__name__
        raise TypeError(f"a baseline must be a tensor of numbers, (maps) or (maps, rows, columns), got {given}.")
    level = (baseline[:, None, None] if baseline.dim() == 1 else baseline).to(maps)
    if level.dim() != 3:
        raise ValueError(f"a baseline must be (maps) or (maps, rows, columns), got shape {tuple(baseline.shape)}.")
    for name, size, wanted in zip(("maps", "rows", "columns"), level.shape, maps.shape[1:], strict=True):
        if size != wanted and (name == "maps" or baseline.dim() == 3):
            raise ValueError(f"a baseline must have as many {name} as the layer, got {size} for {wanted}.")
    if not (level.dtype == baseline.dtype and known_finite(baseline)):
        check_finite("a baseline", level)
        if level.dtype == baseline.dtype:
            note_finite(baseline)
    return level


def dead(maps: Float[Tensor, "n c h w"], baseline: Baseline = None) -> Bool[Tensor, "n c"]:
    """Maps that equal their baseline everywhere, whose removal changes nothing.

    Raises:
        TypeError: the baseline is no tensor of numbers.
        ValueError: the baseline does not fit the maps.
    """
    return (maps == level_of(baseline, maps)).flatten(2).all(2)
