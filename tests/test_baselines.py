"""Sets of maps that a baseline cannot be made of are refused; what it is made of is tested with the removals."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from unchecked import refused

from xai_widgets.kernels import baselines

GOOD = torch.rand(2, 3, 4, 5)
WRONG = [
    (TypeError, r"entry 1 of the set\) must be of floating-point numbers, got torch\.bool", [GOOD, GOOD > 0]),
    (TypeError, r"must be of floating-point numbers, got torch\.uint8", [GOOD.to(torch.uint8)]),
    (TypeError, r"entry 0 of the set\) must be a tensor, got ndarray", [GOOD.numpy()]),
    (ValueError, "must have at least 1 of images, got shape", [GOOD[:0]]),
    (ValueError, "must have at least 1 of columns, got shape", [GOOD[..., :0]]),
    (ValueError, "must have at least 1 of maps, got shape", [GOOD[:, :0]]),
    (ValueError, "must have the axes images, maps, rows, columns, got shape", GOOD[0]),
    (ValueError, "must have the axes images, maps, rows, columns, got shape", [GOOD[0]]),
    (ValueError, r"entry 1 of the set\) must be finite, got inf at index 1 \(there at 2, 0, 0\)",
     [GOOD, torch.where(torch.arange(120).reshape(2, 3, 4, 5) == 100, torch.inf, GOOD)]),
    (ValueError, "as many maps, got 3 and 2 at index 1", [GOOD, GOOD[:, :2]]),
    (ValueError, "at least one", []),
    (TypeError, "images must be a list of maps or of tails, got int", 3),
]  # fmt: skip


@pytest.mark.parametrize(("error", "message", "images"), WRONG)
def test_what_is_no_set_of_maps_is_refused(error: type[Exception], message: str, images: Any) -> None:
    with refused(error, message):
        baselines.mean_baseline(images)
    with refused(error, message):
        baselines.resampled_baseline(images, generator=torch.Generator())


def test_a_seed_is_as_good_as_a_generator_that_starts_from_it() -> None:
    many = torch.randn(5, 7, 2, 2)
    found = baselines.resampled_baseline(many, generator=3)
    assert torch.equal(found, baselines.resampled_baseline(many, generator=torch.Generator().manual_seed(3)))
    wrong: Any = "3"
    with refused(TypeError, r"generator must be a torch.Generator or a whole number, its seed, got '3'"):
        baselines.resampled_baseline([GOOD], generator=wrong)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_mean_in_half_precision_is_rounded_once(dtype: torch.dtype) -> None:
    maps = (100 * torch.rand(1, 2, 200, 200)).to(dtype)  # their sum does not fit
    found = baselines.mean_baseline([maps])
    assert found.dtype == dtype
    assert torch.equal(found, maps.double().mean((0, 2, 3)).to(dtype))


def test_one_tensor_of_maps_is_a_set_of_images() -> None:
    assert torch.equal(baselines.mean_baseline(GOOD), baselines.mean_baseline([GOOD[:1], GOOD[1:]]))
    torch.testing.assert_close(baselines.mean_baseline(GOOD), GOOD.mean((0, 2, 3)))
    found, expected = (
        baselines.resampled_baseline(some, generator=torch.Generator().manual_seed(2))
        for some in (GOOD, list(GOOD[:, None]))
    )
    assert torch.equal(found, expected)
    assert all(bool((found[c] == GOOD[:, c]).flatten(1).all(1).any()) for c in range(3))
