"""Measures of explanations: noise, resilience, focus and stability against definitions and known answers."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import reference
import torch
from torch import Tensor, inf, nan

from xai_widgets.kernels import degrade, measures
from xai_widgets.kernels.saliency import resize


def rand(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.fixture
def image() -> Tensor:
    return degrade.blur(rand(1, 3, 56, 56), 2.0)[0]


def brightness(images: Tensor) -> Tensor:
    """Saliency of a network that looks at every pixel alone, and so moves with the image."""
    return images.mean(1)


def coarse(images: Tensor) -> Tensor:
    return torch.nn.functional.avg_pool2d(images[:, 0], 8)


def coordinates(images: Tensor) -> Tensor:
    """Saliency of a network that looks at the same places whatever the image shows."""
    return torch.linspace(0, 1, 56, dtype=images.dtype).expand(len(images), 56, 56)


# Noise


@pytest.mark.parametrize("kind", measures.NOISES)
def test_noise_compares_with_the_map_of_the_noisy_image(image: Tensor, kind: str) -> None:
    levels = (0.02, 0.3)
    values = measures.noise_robustness(
        coarse, image, kind=kind, levels=levels, generator=torch.Generator().manual_seed(3)
    )
    for level, value in zip(levels, values.tolist(), strict=True):
        noisy = {
            "salt_and_pepper": lambda level=level: degrade.salt_and_pepper(image[None], level, generator=3),
            "gaussian_noise": lambda level=level: degrade.gaussian_noise(image[None], level, generator=3),
            "blur": lambda level=level: degrade.blur(image[None], level),
        }[kind]()
        expected = reference.ssim(coarse(image[None])[0].numpy(), coarse(noisy)[0].numpy())
        assert value == pytest.approx(expected, abs=1e-6)


def test_noise_of_no_strength_changes_nothing(image: Tensor, generator: torch.Generator) -> None:
    for kind in measures.NOISES:
        value = measures.noise_robustness(coarse, image, kind=kind, levels=(0.0,), generator=generator)
        torch.testing.assert_close(value, torch.ones(1, dtype=torch.float64))


def test_noise_alone_is_the_far_end(image: Tensor, generator: torch.Generator) -> None:
    values = measures.noise_robustness(coarse, image, generator=generator, pure_noise=True)
    assert len(values) == len(measures.LEVELS) + 1
    again = torch.Generator().manual_seed(0)  # every level starts there, and so does noise alone
    alone = torch.rand((1, *image.shape), generator=again, dtype=image.dtype)
    expected = reference.ssim(coarse(image[None])[0].numpy(), coarse(alone)[0].numpy())
    assert values[-1].item() == pytest.approx(expected, abs=1e-9)
    assert values[-1] < values[0]


def test_salt_and_pepper_of_each_channel_anew(image: Tensor) -> None:
    found, pixels = (
        measures.noise_robustness(
            brightness, image, generator=torch.Generator().manual_seed(3), levels=(0.2,), per_channel=some
        )
        for some in (True, False)
    )
    noisy = degrade.salt_and_pepper(image[None], 0.2, generator=torch.Generator().manual_seed(3), per_channel=True)
    expected = reference.ssim(brightness(image[None])[0].numpy(), brightness(noisy)[0].numpy())
    assert found.item() == pytest.approx(expected, abs=1e-6)
    assert found.item() != pytest.approx(pixels.item(), abs=1e-3)


def test_an_unknown_noise_is_refused(image: Tensor, generator: torch.Generator) -> None:
    with pytest.raises(ValueError, match="one of salt_and_pepper, gaussian_noise, blur, got 'rain'"):
        measures.noise_robustness(coarse, image, kind="rain", generator=generator)


# Resilience


def test_a_network_that_moves_with_the_image_is_fully_resilient(image: Tensor) -> None:
    groups = measures.resilience_by_transform(brightness, image)
    assert {name: len(values) for name, values in groups.items()} == {"shifts": 8, "flips": 2, "turns": 2}
    torch.testing.assert_close(torch.cat(list(groups.values())), torch.ones(12, dtype=torch.float64))
    assert measures.resilience(brightness, image) == pytest.approx({"shifts": 1, "flips": 1, "turns": 1})


def test_a_network_that_looks_at_fixed_places_is_not_resilient(image: Tensor) -> None:
    groups = measures.resilience(coordinates, image)
    assert groups["flips"] == pytest.approx((1 + measures.ssim(*_mirrored(coordinates(image[None]))).item()) / 2)
    assert max(groups["shifts"], groups["turns"]) < 0.99


def _mirrored(maps: Tensor) -> tuple[Tensor, Tensor]:
    return maps, maps.flip(-1)


def test_shifts_are_a_fourteenth_of_the_side_and_compared_where_both_saw(image: Tensor) -> None:
    values = measures.resilience_by_transform(coarse, image)["shifts"]
    clean = resize(coarse(image[None]), (56, 56))[0].numpy()
    expected = []
    for dy in (-4, 0, 4):
        for dx in (-4, 0, 4):
            moved = torch.from_numpy(reference.shift(image.numpy(), dy, dx))[None]
            back = resize(coarse(moved), (56, 56))[0].numpy()
            rows, columns = ([(i, i + d) for i in range(56) if 0 <= i + d < 56] for d in (dy, dx))
            pairs = [
                np.ix_(*places) for places in zip(*(zip(*axis, strict=True) for axis in (rows, columns)), strict=True)
            ]
            if dy or dx:
                expected.append(reference.ssim(clean[pairs[0]], back[pairs[1]]))
    np.testing.assert_allclose(values, expected, atol=1e-6)


def test_oblong_images_have_no_quarter_turns() -> None:
    groups = measures.resilience(brightness, rand(3, 28, 42))
    assert math.isnan(groups["turns"])
    assert groups["shifts"] == pytest.approx(1)


# Focus


def test_removals_blur_what_is_salient_and_what_is_not() -> None:
    image = rand(3, 56, 56)
    saliency = torch.zeros(7, 7, dtype=torch.float64)
    saliency[1, 1] = 3
    salient, other = measures.removals(image, saliency)
    change_salient, change_other = ((changed - image).abs().mean(0) for changed in (salient, other))
    assert change_salient[9:15, 9:15].min() > 0
    assert change_salient[9:15, 9:15].mean() > 0.1
    assert change_salient[30:, 30:].max() == 0
    assert change_other[30:, 30:].mean() > 0.1
    assert change_other[11:13, 11:13].max() < 1e-3


@pytest.mark.parametrize("exponent", [4.0, 1.0])
def test_removals_are_the_definition(exponent: float) -> None:
    image, saliency = rand(3, 28, 28), rand(7, 7, seed=1)
    found = measures.removals(image, saliency, exponent=exponent)
    weight = resize(saliency[None], (28, 28))[0].numpy()
    for some, expected in zip(found.numpy(), reference.removals(image.numpy(), weight, exponent), strict=True):
        change, error = np.abs(expected - image.numpy()), np.abs(some - expected)
        assert error.max() < 0.03  # the blend from a few sigmas
        assert error.mean() < 0.1 * change.mean()


def test_removals_of_many_images_are_those_of_each() -> None:
    images, saliency = rand(3, 3, 28, 21), rand(3, 7, 5, seed=1)
    found = measures.removals_of(images, saliency)
    for image, some, both in zip(images, saliency, found, strict=True):
        torch.testing.assert_close(measures.removals(image, some), both)


def test_focus_is_the_similarity_after_each_removal(image: Tensor) -> None:
    clean = coarse(image[None])
    maps = resize(coarse(measures.removals(image, clean[0])), (56, 56)).numpy()
    before = resize(clean, (56, 56))[0].numpy()
    expected = [reference.ssim(before, after) for after in maps]
    assert measures.focus(coarse, image) == pytest.approx(expected, abs=1e-6)


# Degenerate maps


def one_corner(images: Tensor) -> Tensor:
    return coarse(images) * 0 + torch.nn.functional.pad(torch.ones(1, 1), (0, 6, 0, 6))


BAD_MAPS: dict[str, Callable[[Tensor], Tensor]] = {
    "zero": lambda images: coarse(images) * 0,
    "constant": lambda images: coarse(images) * 0 + 0.1,
    "huge constant": lambda images: coarse(images) * 0 + 1e38,
    "nan": lambda images: coarse(images) * nan,
    "infinite": lambda images: coarse(images) * inf,
    "one place": lambda images: coarse(images)[:, :1, :1],
}


@pytest.mark.parametrize("name", BAD_MAPS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_map_that_says_nothing_is_never_perfect(
    image: Tensor, generator: torch.Generator, name: str, dtype: torch.dtype
) -> None:
    explain, image = BAD_MAPS[name], image.to(dtype)
    noise = measures.noise_robustness(explain, image, generator=generator)
    groups = measures.resilience_by_transform(explain, image)
    values = torch.cat([noise, *groups.values(), torch.tensor(measures.focus(explain, image), dtype=dtype)])
    assert values.isnan().all()
    mean, left_out = measures.mean_defined(values)
    assert math.isnan(mean)
    assert left_out == len(values) == 7 + 12 + 2
    assert all(math.isnan(value) for value in measures.resilience(explain, image).values())
    assert measures.stability(explain(image.expand(3, -1, -1, -1))).isnan()


def test_one_salient_place_has_defined_measures(image: Tensor, generator: torch.Generator) -> None:
    assert measures.noise_robustness(one_corner, image, generator=generator).tolist() == pytest.approx([1] * 7)
    assert measures.focus(one_corner, image) == pytest.approx((1, 1))


def test_only_the_degenerate_changed_map_is_left_out(image: Tensor) -> None:
    def blind_to_one(images: Tensor) -> Tensor:
        same = torch.stack([torch.equal(some, image.flip(-1)) * torch.ones(1, 1) for some in images])
        return torch.where(same == 1, 0.0, brightness(images))

    values = measures.resilience_by_transform(blind_to_one, image)
    assert values["flips"].isnan().tolist() == [True, False]
    assert measures.mean_defined(values["flips"]) == (pytest.approx(1), 1)


def test_negative_maps_are_refused(image: Tensor) -> None:
    with pytest.raises(ValueError, match="without negative values"):
        measures.resilience(lambda images: coarse(images) - 0.5, image)


def test_one_map_for_all_images_is_refused(image: Tensor) -> None:
    with pytest.raises(ValueError, match="one map an image, got"):
        measures.resilience(lambda images: coarse(images)[:1], image)


# Stability


def test_stability_is_the_mean_over_pairs_of_runs() -> None:
    maps = rand(3, 8, 8)
    expected = np.mean([reference.ssim(maps[a].numpy(), maps[b].numpy()) for a, b in [(0, 1), (0, 2), (1, 2)]])
    assert measures.stability(maps).item() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("runs", [0, 1])
def test_one_run_has_no_stability(runs: int) -> None:
    assert measures.stability(rand(runs, 8, 8)).isnan()


# Micro-batches


def test_the_batch_does_not_change_the_values_and_step_comes_before_each(image: Tensor) -> None:
    calls: list[str | int] = []

    def explain(images: Tensor) -> Tensor:
        calls.append(len(images))
        return coarse(images)

    whole = measures.resilience_by_transform(coarse, image, batch=13)
    parts = measures.resilience_by_transform(explain, image, batch=5, step=lambda: calls.append("step"))
    assert calls == ["step", 1, "step", 4, "step", 4, "step", 4]  # the clean image; then batches of equal size
    torch.testing.assert_close(whole, parts)


def test_step_may_cancel(image: Tensor, generator: torch.Generator) -> None:
    def cancel() -> None:
        raise InterruptedError

    def explain(images: Tensor) -> Tensor:
        raise AssertionError("explained after cancelling")

    for measure in (measures.focus, measures.resilience):
        with pytest.raises(InterruptedError):
            measure(explain, image, step=cancel)
    with pytest.raises(InterruptedError):
        measures.noise_robustness(explain, image, generator=generator, step=cancel)


def test_the_image_stays_as_it_was(image: Tensor, generator: torch.Generator) -> None:
    kept = image.clone()
    measures.noise_robustness(coarse, image, generator=generator)
    measures.resilience(coarse, image)
    measures.focus(coarse, image)
    assert torch.equal(image, kept)
