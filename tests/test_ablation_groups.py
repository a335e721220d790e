"""Groups of maps and baselines: removed together, replaced by another image's, within the memory there is."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from linear_regressor import Regressor, score
from torch import Tensor, nn

from xai_widgets.kernels import ablation, baselines
from xai_widgets.kernels.tail import Tail


@pytest.fixture
def tail(generator: torch.Generator) -> Tail:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Regressor().eval().double()
    return Tail(network, "features", torch.rand(1, 3, 16, 16, generator=generator).double())


def test_memory_that_runs_out_halves_the_copies(tail: Tail, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = ablation.delta_y(tail, score)
    sizes: list[int] = []

    def small_machine(result: Any) -> Tensor:
        sizes.append(len(result[0]))
        if len(result[0]) > 2:
            raise torch.OutOfMemoryError("no more")
        return result[0]

    found = list(ablation.removal_scores(tail, small_machine, batch=8))
    assert sizes[:3] == [8, 4, 2]
    delta = torch.cat([scores[:, 0] for _, scores in found]) - score(tail.result)[0, 0]
    assert torch.allclose(delta, expected, atol=1e-12)


def test_a_map_of_another_image_takes_the_place_of_a_whole_map(tail: Tail, generator: torch.Generator) -> None:
    others = torch.rand(5, 12, 8, 8, generator=generator).double()
    level = baselines.resampled_baseline(others[:, None].unbind(0), generator=torch.Generator().manual_seed(3))
    drawn = [[torch.equal(level[i], others[j, i]) for j in range(5)] for i in range(12)]
    assert all(sum(row) == 1 for row in drawn)
    assert len({row.index(True) for row in drawn}) > 1
    again = baselines.resampled_baseline([others], generator=torch.Generator().manual_seed(3))
    assert torch.equal(level, again)
    expected = []
    for index in range(12):
        maps = tail.maps.clone()
        maps[0, index] = level[index]
        expected.append(score(tail(maps))[0, 0] - score(tail.result)[0, 0])
    delta = ablation.delta_y(tail, score, baseline=level)
    assert torch.allclose(delta, torch.stack(expected), atol=1e-12)
    assert torch.allclose(ablation.first_order(tail, score, baseline=level), delta, atol=1e-12)
    assert delta[4] != 0  # a dead map that another one replaces
    halfway = ablation.with_gains(tail.maps, torch.full((1, 12), 0.5).double(), level)
    assert torch.allclose(halfway[0], (tail.maps[0] + level) / 2)
    assert bool(ablation.dead(tail.maps, tail.maps[0]).all())


def test_the_mean_over_a_set_is_that_over_images_and_places(tail: Tail, generator: torch.Generator) -> None:
    small = torch.rand(2, 12, 2, 3, generator=generator).double()
    expected = torch.cat((tail.maps[0].flatten(1), small.transpose(0, 1).flatten(1)), 1).mean(1)
    assert torch.allclose(baselines.mean_baseline([tail, small]), expected, atol=1e-14)
    single = baselines.mean_baseline(maps for maps in (tail.maps.float(), small.float()))
    assert single.dtype == torch.float32
    assert torch.allclose(single.double(), expected, atol=1e-6)


def test_a_baseline_that_does_not_fit_is_refused(tail: Tail, generator: torch.Generator) -> None:
    for level, message in (
        (torch.zeros(11).double(), "as many maps as the layer, got 11 for 12"),
        (torch.zeros(12, 8, 7).double(), "as many columns as the layer, got 7 for 8"),
        (torch.full((12,), float("nan")).double(), "a baseline must be finite, got nan at index 0"),
    ):
        with pytest.raises(ValueError, match=message):
            ablation.delta_y(tail, score, baseline=level)
    broken = torch.zeros(1, 12, 2, 2)
    broken[0, 3, 0, 0] = float("inf")
    with pytest.raises(ValueError, match=r"entry 1 of the set\) must be finite, got inf at index 0"):
        baselines.mean_baseline([torch.zeros(1, 12, 2, 2), broken])
    with pytest.raises(ValueError, match="as many maps, got 12 and 11 at index 1"):
        baselines.mean_baseline([torch.zeros(1, 12, 2, 2), torch.zeros(1, 11, 2, 2)])
    with pytest.raises(ValueError, match="got 2 x 2 and 3 x 2"):
        baselines.resampled_baseline([torch.zeros(1, 12, 2, 2), torch.zeros(1, 12, 3, 2)], generator=generator)
    for empty in (baselines.mean_baseline, lambda none: baselines.resampled_baseline(none, generator=generator)):
        with pytest.raises(ValueError, match="at least one"):
            empty([])


@pytest.mark.parametrize("batch", [None, 1, 3])
def test_groups_are_removed_together(tail: Tail, generator: torch.Generator, batch: int | None) -> None:
    masks = torch.rand(7, 12, generator=generator) > 0.5
    masks[0] = False
    level = torch.rand(12, generator=generator).double()

    def squared(result: Any) -> Tensor:
        return result[0] ** 2

    expected = []
    for mask in masks:
        maps = tail.maps.clone()
        for index in mask.nonzero().flatten():
            maps[0, index] = level[index]
        expected.append(squared(tail(maps))[0])
    found = ablation.group_scores(tail, squared, masks, baseline=level, batch=batch)
    assert torch.allclose(found, torch.stack(expected), atol=1e-12)
    assert torch.allclose(found[0], squared(tail.result)[0], atol=1e-12)
    alone = ablation.group_scores(tail, squared, torch.eye(12).bool())[:, 0] - squared(tail.result)[0, 0]
    assert torch.allclose(alone, ablation.delta_y(tail, squared), atol=1e-12)
    everything = ablation.group_scores(tail, squared, torch.ones(1, 12).bool())[0, 0] - squared(tail.result)[0, 0]
    assert (alone.sum() - everything).abs() > 1e-4
    assert ablation.group_scores(tail, squared, masks[:0]).shape == (0, 1)


def test_groups_of_another_layer_are_refused(tail: Tail) -> None:
    with pytest.raises(ValueError, match="as many maps as layer 'features', got 11 for 12"):
        ablation.group_scores(tail, score, torch.ones(2, 11).bool())


def test_memory_that_runs_out_halves_the_groups(tail: Tail) -> None:
    sizes: list[int] = []

    def small_machine(result: Any) -> Tensor:
        if len(result[0]) > 1:
            sizes.append(len(result[0]))
        if len(result[0]) > 2:
            raise torch.OutOfMemoryError("no more")
        return result[0]

    masks = torch.eye(12).bool()
    found = ablation.group_scores(tail, small_machine, masks, batch=8)
    assert sizes[:3] == [8, 4, 2]
    assert torch.allclose(found, ablation.group_scores(tail, score, masks), atol=1e-12)


def test_memory_that_does_not_hold_one_copy_is_an_error_in_words(tail: Tail) -> None:
    def no_memory(result: Any) -> Tensor:
        raise torch.OutOfMemoryError("no more")

    with pytest.raises(torch.OutOfMemoryError, match="one copy of the maps of layer 'features' does not fit"):
        list(ablation.removal_scores(tail, no_memory, batch=4))


@pytest.mark.gpu
def test_an_accelerator_without_memory_hands_over_to_the_cpu() -> None:
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    if accelerator is None:
        pytest.skip("needs CUDA or MPS")
    network = Regressor().eval().to(accelerator)
    tail = Tail(network, "features", torch.rand(1, 3, 16, 16, device=accelerator))
    expected = ablation.delta_y(tail, score, batch=4)

    def small_accelerator(result: Any) -> Tensor:
        if result[0].device.type != "cpu":
            raise torch.OutOfMemoryError("no more")
        return score(result)

    with pytest.warns(RuntimeWarning, match="the CPU goes on"):
        found = list(ablation.removal_scores(tail, small_accelerator, batch=4))
    delta = torch.cat([scores[:, 0] for _, scores in found]) - score(tail.result)[0, 0]
    torch.testing.assert_close(delta, expected, atol=1e-4, rtol=0)


def test_a_dead_group_changes_nothing_exactly() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
                            nn.Flatten(), nn.Linear(8, 2)).eval()  # fmt: skip
    with torch.no_grad():
        network.get_parameter("0.weight")[[2, 5]] = 0
        network.get_parameter("0.bias")[[2, 5]] = -1
    tail = Tail(network, "1", torch.rand(1, 3, 20, 20))
    masks = torch.zeros(7, 8).bool()
    masks[3, [2, 5]], masks[4, 5], masks[5, [1, 2]] = True, True, True
    scores = ablation.group_scores(tail, lambda result: result, masks)
    assert torch.equal(scores[[0, 1, 2, 3, 4, 6]], tail.result.expand(6, -1))
    assert not torch.equal(scores[5:6], tail.result)
    for batch in (1, 3, 8, None):
        assert not ablation.delta_y(tail, lambda result: result, batch=batch)[[2, 5]].any()
