"""The measures of many images: each is that of its image alone, whatever the order, the batch and the neighbours."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from measured_runs import RUNS, SEEDS, SHELLS, SIDE, N, Network, logits, numbers, tail_of
from torch import Tensor, nn

from xai_widgets.kernels import degrade, measures
from xai_widgets.kernels.cam import grad_cam
from xai_widgets.kernels.tail import Shell, Tail


@pytest.fixture
def images() -> Tensor:
    noise = torch.rand(N, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    return degrade.blur(noise, 1.5)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# One by one


@pytest.mark.parametrize("per_channel", [False, True])
def test_many_images_are_measured_as_each_alone(images: Tensor, per_channel: bool) -> None:
    found = measures.five_measures(
        RUNS, images, seeds=SEEDS, kinds=measures.NOISES, pure_noise=True, per_channel=per_channel
    )
    for index, (image, seed) in enumerate(zip(images, SEEDS, strict=True)):
        explain = measures.explain_for(RUNS[0], image)
        target = int(SHELLS[0].network(image[None]).argmax())
        maps = torch.cat([grad_cam(tail_of(shell, image[None]), logits, target).relu() for shell in SHELLS])
        torch.testing.assert_close(explain(image[None]), maps[:1])
        for kind in measures.NOISES:
            alone = measures.noise_robustness(
                explain, image, generator=seeded(seed), kind=kind, pure_noise=kind == "salt_and_pepper",
                per_channel=per_channel and kind == "salt_and_pepper",
            )  # fmt: skip
            torch.testing.assert_close(found.noise[kind].values[index], alone)
        groups = measures.resilience_by_transform(explain, image)
        torch.testing.assert_close(found.resilience.values[index], torch.cat(list(groups.values())))
        focus = measures.focus(explain, image)
        assert found.focus.compared.values[index].tolist() == pytest.approx(focus)
        torch.testing.assert_close(found.entropy[index], measures.entropy(maps[:1])[0])
        stable = measures.stability(maps)
        torch.testing.assert_close(found.stability[index].mean(), stable)
        resilience = np.mean(list(measures.resilience(explain, image).values()))
        axes = [1 - found.entropy[index].item(), found.noise["salt_and_pepper"].values[index, 3].item(), resilience,
                ((1 - focus[0]) + focus[1]) / 2, stable.item()]  # fmt: skip
        assert found.axes()[index].tolist() == pytest.approx(axes)


@pytest.mark.parametrize("batch", [4, 1000])
def test_order_and_batch_do_not_matter(images: Tensor, batch: int) -> None:
    expected = numbers(measures.five_measures(RUNS, images, seeds=SEEDS))
    order = torch.tensor([2, 0, 1])
    seeds = [SEEDS[index] for index in order]
    found = numbers(measures.five_measures(RUNS, images[order], seeds=seeds, batch=batch))
    for some, same in zip(found, expected, strict=True):
        torch.testing.assert_close(some, same[order], atol=1e-9, rtol=0)


def test_in_single_precision_order_and_batch_do_not_matter_beyond_rounding(images: Tensor) -> None:
    shells = [Shell(Network(seed).eval()) for seed in range(2)]
    runs = [measures.grad_cam_explainer(partial(Tail, shell, "features"), logits) for shell in shells]
    images = images.float()
    whole = measures.five_measures(runs, images, seeds=SEEDS)
    assert whole.axes().isfinite().all()
    parts = [measures.five_measures(runs, images[i : i + 1], seeds=SEEDS[i : i + 1], batch=7) for i in range(N)]
    for found, expected in zip(zip(*map(numbers, parts), strict=True), numbers(whole), strict=True):
        torch.testing.assert_close(torch.cat(found), expected, atol=1e-5, rtol=1e-5)


def test_each_image_is_explained_once_a_change_and_batches_are_even(images: Tensor) -> None:
    calls: list[int | str] = []

    def explain(some: Tensor, targets: Tensor | None) -> measures.Explained:
        assert targets is None or len(targets) == len(some)
        calls.append(len(some))
        return RUNS[0](some, targets)

    measures.five_measures([explain, RUNS[1]], images, seeds=SEEDS, batch=10, step=lambda: calls.append("step"))
    counts = [call for call in calls if isinstance(call, int)]
    assert sum(counts) == N * (1 + 7 + 12 + 2)
    assert max(counts) <= 10
    assert calls.count("step") == len(counts) + 1  # the other run
    assert all(calls[place - 1] == "step" for place, call in enumerate(calls) if call != "step")


def test_it_can_be_cancelled_before_any_batch(images: Tensor) -> None:
    steps: list[int] = []
    measures.five_measures(RUNS, images, seeds=SEEDS, batch=20, step=lambda: steps.append(0))
    for last in (0, 3, len(steps) - 1):
        left = iter(range(last))

        def cancel(left: object = left) -> None:
            if next(left, None) is None:  # type: ignore[call-overload]
                raise InterruptedError

        with pytest.raises(InterruptedError):
            measures.five_measures(RUNS, images, seeds=SEEDS, batch=20, step=cancel)


def test_memory_that_runs_out_halves_the_batch(images: Tensor) -> None:
    def small(some: Tensor, targets: Tensor | None) -> measures.Explained:
        if len(some) > 3:
            raise torch.OutOfMemoryError("out of memory")
        return RUNS[0](some, targets)

    found = measures.five_measures([small], images, seeds=SEEDS, batch=16)
    expected = measures.five_measures(RUNS[:1], images, seeds=SEEDS)
    torch.testing.assert_close(found.axes(), expected.axes(), equal_nan=True)


def test_arguments_stay_as_they_were(images: Tensor) -> None:
    kept, state = images.clone(), torch.get_rng_state()
    measures.five_measures(RUNS, images, seeds=SEEDS)
    assert torch.equal(images, kept)
    assert torch.equal(state, torch.get_rng_state())


# Target


def test_a_target_is_fixed_by_the_clean_image_or_predicted_anew(images: Tensor) -> None:
    asked: list[Tensor | None] = []

    def watched(some: Tensor, targets: Tensor | None) -> measures.Explained:
        asked.append(targets)
        return RUNS[0](some, targets)

    predicted = SHELLS[0].network(images).argmax(1)
    fixed = measures.five_measures([watched, watched], images, seeds=SEEDS)
    assert asked[0] is None
    assert all(targets is not None for targets in asked[1:])
    assert torch.equal(torch.cat([targets for targets in asked[1:2] if targets is not None]), predicted)
    assert fixed.clean.rule == "fixed"
    asked.clear()
    anew = measures.five_measures([watched, watched], images, seeds=SEEDS, rule="repredicted")
    assert asked == [None] * len(asked)
    assert {row.target for row in anew.rows()} == {"repredicted"}
    given = measures.five_measures(RUNS, images, seeds=SEEDS, targets=torch.ones(N, dtype=torch.long))
    torch.testing.assert_close(given.clean.maps, grad_cam(tail_of(SHELLS[0], images), logits, 1).relu())


def test_a_new_target_gives_another_map_where_the_prediction_changes() -> None:
    class Bright(nn.Module):
        """Class 1 in bright, class 0 in dark images, by different maps."""

        def __init__(self) -> None:
            super().__init__()
            self.maps = nn.Identity()

        def forward(self, images: Tensor) -> Tensor:
            both = self.maps(torch.cat((images[:, :1], images[:, 1:2]), 1)).mean((2, 3))
            return torch.stack((both[:, 0] - 5, 10 * both[:, 1] - 10), 1)

    explainer = measures.grad_cam_explainer(partial(Tail, Shell(Bright()), "maps"), logits)
    image = torch.rand(3, 9, 9, generator=seeded(0)) / 4
    bright = image + 0.75
    fixed, anew = (measures.explain_for(explainer, image, rule=rule) for rule in measures.RULES)
    torch.testing.assert_close(fixed(bright[None])[0] / fixed(bright[None]).max(), bright[0] / bright[0].max())
    torch.testing.assert_close(anew(bright[None])[0] / anew(bright[None]).max(), bright[1] / bright[1].max())
    torch.testing.assert_close(fixed(image[None]), anew(image[None]))


@pytest.mark.gpu
@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_another_device_measures_the_same(images: Tensor, device: str) -> None:
    if not getattr(torch, device).is_available():
        pytest.skip(f"no {device}")
    images = images.float()

    def measured(place: str) -> measures.Radar:
        shells = [Shell(Network(seed).eval().to(place)) for seed in range(2)]
        runs = [measures.grad_cam_explainer(partial(Tail, shell, "features"), logits) for shell in shells]
        return measures.five_measures(runs, images.to(place), seeds=SEEDS)

    here, there = measured("cpu"), measured(device)
    torch.testing.assert_close(there.axes().cpu(), here.axes(), atol=1e-3, rtol=0)
    assert len(there.rows()) == len(here.rows())
    assert measures.interval_of_stability(there.stability, generator=0).n == N
