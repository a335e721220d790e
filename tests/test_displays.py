"""The displays of section 1 against their table."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nan
from unchecked import refused

from xai_widgets.kernels import displays
from xai_widgets.kernels.ablation import delta_error, roles
from xai_widgets.kernels.saliency import weighted_sum

DELTA_Y = torch.tensor([[-0.3, 0.2, -0.1, 0.4, 0.0]], dtype=torch.float64)
ERROR = torch.tensor([[0.3, 0.1, -0.1, -0.2, 0.0]], dtype=torch.float64)


def test_the_table() -> None:
    assert displays.behaviour(DELTA_Y)[0].tolist() == [0.3, -0.2, 0.1, -0.4, 0]
    assert displays.human_behaviour(ERROR)[0].tolist() == [0.3, 0.1, -0.1, -0.2, 0]
    assert displays.primary(DELTA_Y, ERROR)[0].tolist() == [0.3, -0.2, 0, 0, 0]
    assert displays.secondary(ERROR)[0].tolist() == [0, 0, 0.1, 0.2, 0]
    assert displays.by_push(DELTA_Y, ERROR)[0].tolist() == [0.3, 0.2, -0.1, -0.4, 0]
    assert displays.harmful_only(DELTA_Y, ERROR)[0].tolist() == [0, 0, 0.1, -0.4, 0]
    importance = torch.tensor([2.0, -1, 0, 1, 5]).double()
    assert displays.unlabelled(DELTA_Y, importance)[0].tolist() == [2, 0, 0, -1, 0]


def test_primary_and_secondary_share_no_map() -> None:
    assert not ((displays.primary(DELTA_Y, ERROR) != 0) & (displays.secondary(ERROR) != 0)).any()


def test_combined_equals_a_literal_loop(generator: torch.Generator) -> None:
    maps = torch.randn(1, 5, 4, 6, generator=generator).double()
    found = displays.combined(maps, DELTA_Y, ERROR)
    strength = torch.zeros(4, 6).double()
    for y in range(4):
        for x in range(6):
            push = sum(-float(DELTA_Y[0, i]) * float(maps[0, i, y, x]) for i in range(5))
            strength[y, x] = max(sum(max(float(ERROR[0, i]), 0) * float(maps[0, i, y, x]) for i in range(5)), 0)
            assert found.direction[0, y, x] == (push > 0) - (push < 0)
    torch.testing.assert_close(found.saturation[0], strength / strength.max(), atol=1e-12, rtol=0)


def test_where_no_map_helps_all_is_pale() -> None:
    found = displays.combined(torch.ones(1, 5, 2, 2).double(), DELTA_Y, -ERROR.abs())
    assert (found.saturation == 0).all()


def test_the_outline_holds_the_top_share() -> None:
    layer = weighted_sum(torch.arange(100.0).reshape(1, 1, 10, 10), torch.ones(1, 1))
    assert int(displays.outline(layer).sum()) == 10
    assert not displays.outline(torch.zeros(1, 3, 3)).any()
    with pytest.raises(ValueError, match="share must be between 0 and 1, got 2"):
        displays.outline(layer, 2.0)


def test_neutral_maps_are_left_out_where_they_are_named() -> None:
    score, rating = torch.tensor([0.75]).double(), torch.tensor([0.25]).double()
    change = torch.tensor([[-1.0 + 1e-9, -1.0 - 1e-9, 0.3, -0.2]], dtype=torch.float64)  # two mirror the residual
    error = delta_error(change, score, rating)
    assert (error[0] > 0).tolist() == [False, True, True, False]
    neutral = roles(change, error, score) == 0
    assert neutral.tolist() == [[True, True, False, False]]
    assert displays.primary(change, error)[0].tolist() == [0, -change[0, 1].item(), -0.3, 0]
    assert displays.primary(change, error, neutral=neutral)[0].tolist() == [0, 0, -0.3, 0]
    assert displays.by_push(change, error)[0, 1:].tolist() == [-change[0, 1].item(), 0.3, -0.2]
    assert displays.by_push(change, error, neutral=neutral)[0].tolist() == [0, 0, 0.3, -0.2]
    assert displays.harmful_only(change, error)[0].tolist() == [-change[0, 0].item(), 0, 0, 0.2]
    assert displays.harmful_only(change, error, neutral=neutral)[0].tolist() == [0, 0, 0, 0.2]
    assert (displays.secondary(error) > 0).tolist() == [[True, False, False, True]]
    assert (displays.secondary(error, neutral=neutral) > 0).tolist() == [[False, False, False, True]]
    maps = torch.ones(1, 4, 2, 2).double()
    rounding = displays.combined(maps[:, :2], change[:, :2], error[:, :2])
    assert (rounding.saturation == 1).all()
    assert (displays.combined(maps[:, :2], change[:, :2], error[:, :2], neutral=neutral[:, :2]).saturation == 0).all()


def test_pictures_that_are_compared_share_one_scale(generator: torch.Generator) -> None:
    maps = torch.randn(2, 5, 4, 6, generator=generator).double()
    change, error = DELTA_Y.repeat(2, 1), torch.cat((ERROR, ERROR / 10))
    own = displays.combined(maps, change, error)
    torch.testing.assert_close(own.saturation, own.strength / own.strength.amax((1, 2), keepdim=True))
    limit = float(own.strength.max()) / 2
    shared = displays.combined(maps, change, error, limit=limit)
    torch.testing.assert_close(shared.saturation, (own.strength / limit).clamp_max(1))
    assert torch.equal(shared.strength, own.strength)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_the_outline_of_ties_does_not_depend_on_where_they_lie(dtype: torch.dtype) -> None:
    assert not displays.outline(torch.full((1, 5, 5), 0.1, dtype=dtype)).any()
    layer = torch.zeros(1, 10, 10, dtype=dtype)
    layer[0, 4:] = 1
    assert not displays.outline(layer).any()  # 60 equal values do not fit into 10
    layer[0, 7, 2:6] = 2
    assert displays.outline(layer)[0].nonzero().tolist() == [[7, 2], [7, 3], [7, 4], [7, 5]]


def spoilt(values: Tensor) -> Tensor:
    values = values.clone()
    values[0, 3] = nan
    return values


@pytest.mark.parametrize(
    ("error", "message", "name", "given"),
    [
        (ValueError, r"delta y must be finite, got nan at index 0 \(there at 3\)", "behaviour", (spoilt(DELTA_Y),)),
        (ValueError, "delta error must be finite, got nan at index 0", "human_behaviour", (spoilt(ERROR),)),
        (ValueError, "delta error must be finite, got nan at index 0", "primary", (DELTA_Y, spoilt(ERROR))),
        (ValueError, "delta error must be finite, got nan at index 0", "secondary", (spoilt(ERROR),)),
        (ValueError, "delta y must be finite, got nan at index 0", "by_push", (spoilt(DELTA_Y), ERROR)),
        (ValueError, "as many maps, got 5 and 1", "harmful_only", (DELTA_Y, ERROR[:, :1])),
        (ValueError, "importance must be finite, got nan at index 3", "unlabelled", (DELTA_Y, spoilt(ERROR)[0])),
        (ValueError, "importance must have as many maps, got 5 and 1", "unlabelled", (DELTA_Y, ERROR[0, :1])),
        (ValueError, "importance must have the axes maps, got shape", "unlabelled", (DELTA_Y, ERROR)),
        (ValueError, "delta y and delta error must have as many maps, got 5 and 1", "primary", (DELTA_Y, ERROR[:, :1])),
        (ValueError, "maps and weights must have as many maps, got 1 and 5", "combined",
         (torch.ones(1, 1, 2, 2), DELTA_Y, ERROR)),
        (TypeError, "delta y must be a tensor, got ndarray", "behaviour", (DELTA_Y.numpy(),)),
        (ValueError, "saliency must be finite, got nan at index 0", "outline", (torch.full((1, 2, 2), nan),)),
        (TypeError, "share must be a number, got None", "outline", (torch.ones(1, 2, 2), None)),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(error: type[Exception], message: str, name: str, given: tuple[Any, ...]) -> None:
    with refused(error, message):
        getattr(displays, name)(*given)


def test_a_neutral_mask_that_does_not_fit_is_named() -> None:
    mask: Any = (ERROR == 0).long()
    with refused(TypeError, r"neutral must be a tensor, a mask of bool, got torch\.int64"):
        displays.secondary(ERROR, neutral=mask)
    with refused(ValueError, "delta error and neutral must have as many maps, got 5 and 1"):
        displays.secondary(ERROR, neutral=ERROR[:, :1] == 0)
