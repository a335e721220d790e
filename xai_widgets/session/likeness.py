"""How like feature maps are to one of them."""

from __future__ import annotations

import numpy as np


def likeness(maps: np.ndarray, index: int) -> np.ndarray:
    """Pearson's correlation over places of each map with one of them, (c) float32; NaN for what is constant.

    A correlation does not see the scale of a map, so that maps which are each stretched to a byte serve as well as the
    values themselves, up to the rounding to 256 steps.

    Args:
        maps: (c h w), any numbers.
        index: of the map that the others are compared with.
    """
    flat = maps.reshape(len(maps), -1).astype(np.float32)
    flat -= flat.mean(1, keepdims=True)
    length = np.sqrt(np.einsum("cp,cp->c", flat, flat))
    with np.errstate(invalid="ignore", divide="ignore"):
        found = (flat @ flat[index]) / (length * length[index])
    return np.where(np.isfinite(found), found.clip(-1, 1), np.nan).astype(np.float32)
