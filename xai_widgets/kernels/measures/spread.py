"""How far a map is spread out: its entropy."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from xai_widgets.kernels.measures.explaining import Clean
from xai_widgets.kernels.measures.rows import Row
from xai_widgets.kernels.measures.similarity import as_maps, degenerate_maps
from xai_widgets.kernels.precision import widest


def entropy(saliency: Shaped[Tensor, "n h w"]) -> Float[Tensor, " n"]:
    """Spread of each map, of its greatest possible: 1 for a uniform map, 0 for one pixel, NaN where it is undefined.

    Undefined: an all-zero map, a negative or not finite value, a map of one position only.

    Raises:
        TypeError: no tensor, or one of complex numbers.
        ValueError: other axes, or no rows or columns.
    """
    saliency = as_maps("saliency", saliency)
    height, width = saliency.shape[-2:]
    wide = saliency.to(widest(saliency.device))  # in half precision a sum over many positions is infinite
    peak = wide.amax((-2, -1), keepdim=True)
    share = wide / peak  # first by the maximum: a sum of huge values is infinite
    share = share / share.sum((-2, -1), keepdim=True)
    bits = -torch.special.xlogy(share, share).sum((-2, -1))
    defined = (saliency >= 0).all(-1).all(-1) & saliency.isfinite().all(-1).all(-1) & (peak[:, 0, 0] > 0)
    shares = torch.where(defined, bits, math.nan) / (math.log(height * width) or math.nan)
    return shares.to(torch.promote_types(saliency.dtype, torch.float32))


def entropy_rows(clean: Clean, values: Float[Tensor, " n"], *, first: int = 0) -> list[Row]:
    """A row an image. A constant map is counted as degenerate, though its entropy is 1."""
    height, width = clean.maps.shape[-2:]
    pairs = zip(values.tolist(), degenerate_maps(clean.maps).tolist(), strict=True)
    return [
        Row(
            index,
            "entropy",
            "",
            None,
            value,
            height,
            width,
            clean.rule,
            1,
            int(flagged),
            int(math.isnan(value)),
            quantity="entropy",
        )
        for index, (value, flagged) in enumerate(pairs, first)
    ]
