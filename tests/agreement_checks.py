"""The measures of agreement by what they are against, and how their values are compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch
from torch import Tensor

from xai_widgets.kernels import agreement

close = partial(torch.testing.assert_close, atol=1e-10, rtol=1e-10)
AGAINST_FIXATIONS = (agreement.nss, agreement.auc_judd, agreement.shuffled_auc)
AGAINST_MAPS = (agreement.cc, agreement.sim, agreement.kl)
Measure = Callable[[Tensor, Tensor], Tensor]


def expect(found: Tensor, wanted: list[float]) -> None:
    close(found, torch.tensor(wanted, dtype=found.dtype), equal_nan=True)


def rows(*maps: Tensor) -> Iterator[tuple[np.ndarray, ...]]:
    return zip(*(one.numpy() for one in maps), strict=True)
