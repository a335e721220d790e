"""The displays of section 1 against their table."""

from __future__ import annotations

import pytest
import torch

from xai_widgets.kernels import displays
from xai_widgets.kernels.saliency import weighted_sum

DELTA_Y = torch.tensor([[-0.3, 0.2, -0.1, 0.4, 0.0]], dtype=torch.float64)
ERROR = torch.tensor([[0.3, 0.1, -0.1, -0.2, 0.0]], dtype=torch.float64)


def test_the_table() -> None:
    assert displays.behaviour(DELTA_Y)[0].tolist() == [0.3, -0.2, 0.1, -0.4, 0]
    assert displays.human_behaviour(ERROR)[0].tolist() == [0.3, 0.1, -0.1, -0.2, 0]
    assert displays.primary(DELTA_Y, ERROR)[0].tolist() == [0.3, -0.2, 0, 0, 0]
    assert displays.secondary(ERROR)[0].tolist() == [0, 0, 0.1, 0.2, 0]
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
