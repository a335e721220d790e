"""Maps that say nothing: flagged, never perfect, and without influence on their neighbours."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, inf, nan, nn

from xai_widgets.kernels import degrade, measures


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


Maker = Callable[[Tensor], Tensor]
ANY_MAP: dict[str, Maker] = {
    "zero": lambda maps: maps * 0,
    "constant": lambda maps: maps * 0 + 0.3,
    "huge constant": lambda maps: maps * 0 + 1e30,
    "nan": lambda maps: maps * nan,
    "one nan": lambda maps: torch.where(maps == maps.amax((1, 2), keepdim=True), nan, maps),
    "infinite": lambda maps: maps * inf,
    "one pixel": lambda maps: maps[:, :1, :1],
    "huge": lambda maps: maps * 1e30,
    "plain": lambda maps: maps,
}
SAYS_SOMETHING = ("huge", "plain")


@settings(deadline=None, max_examples=15)
@given(st.sampled_from(list(ANY_MAP)), st.sampled_from([torch.float32, torch.float64]), st.integers(0, 1000))
def test_what_says_nothing_is_flagged_and_never_perfect(name: str, dtype: torch.dtype, seed: int) -> None:
    images = degrade.blur(torch.rand(2, 3, 16, 16, generator=seeded(seed)), 1.0).to(dtype)

    def explain(some: Tensor) -> Tensor:
        return ANY_MAP[name](nn.functional.avg_pool2d(some, 4)[:, 0] ** 4)

    explainer = measures.explainer_of(explain)
    found = measures.five_measures([explainer, explainer], images, seeds=[seed, seed + 1], pure_noise=True)
    compared = torch.cat([found.noise["salt_and_pepper"].values, found.resilience.values, found.stability], 1)
    if name in SAYS_SOMETHING:
        assert compared.isfinite().all()
        assert compared.abs().max() <= 1 + 1e-5
        assert found.axes().isfinite().all()
        assert not any(row.degenerate or row.left_out for row in found.rows())
        return
    assert compared.isnan().all()
    assert found.axes()[:, 1:].isnan().all()
    for row in found.rows():
        if row.quantity == "entropy":  # a constant map has one: that of a map that is spread out most
            assert row.value == pytest.approx(1, abs=1e-5) if "constant" in name else math.isnan(row.value)
        else:
            assert math.isnan(row.value)
        if row.quantity == "entropy":
            continue
        assert row.degenerate == (1 if row.measure == "focus" else row.maps)  # without its clean map none is tried


@settings(deadline=None, max_examples=15)
@given(st.lists(st.sampled_from(list(ANY_MAP)), min_size=2, max_size=4), st.integers(0, 100))
def test_a_map_that_says_nothing_does_not_touch_its_neighbours(names: list[str], seed: int) -> None:
    names = [name for name in names if "pixel" not in name] or ["plain"]
    images = degrade.blur(torch.rand(len(names), 3, 16, 16, generator=seeded(seed), dtype=torch.float64), 1.0)

    def explain(some: Tensor, targets: Tensor | None) -> measures.Explained:
        maps = nn.functional.avg_pool2d(some, 4)[:, 0] ** 4
        scores = torch.eye(len(names), dtype=some.dtype)
        place = torch.arange(len(some)) if targets is None else targets  # the target tells whose copy it is
        changed = [ANY_MAP[names[int(at)]](one[None]) for at, one in zip(place, maps, strict=True)]
        return measures.Explained(torch.cat(changed), scores[place])

    found = measures.five_measures([explain], images, seeds=range(len(names)), batch=1000)
    for index, name in enumerate(names):
        whole = found.axes()[index, :4]
        if name in SAYS_SOMETHING:
            alone = measures.five_measures(
                [measures.explainer_of(lambda some: nn.functional.avg_pool2d(some, 4)[:, 0] ** 4)],
                images[index : index + 1], seeds=[index],
            )  # fmt: skip
            torch.testing.assert_close(whole, alone.axes()[0, :4], atol=1e-9, rtol=0)
        else:
            assert whole[1:].isnan().all()
