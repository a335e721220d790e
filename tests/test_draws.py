"""One seed is one noise: in every batch, precision and order, whatever torch's defaults are."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor
from torch_defaults import defaults
from unchecked import refused, unchecked

from xai_widgets.kernels import degrade, draws

CPU = torch.device("cpu")
Noise = Callable[..., Tensor]


def images(n: int = 3, channels: int = 3) -> Tensor:
    return torch.rand(n, channels, 16, 12, generator=draws.seeded(9), dtype=torch.float64)


NOISES: dict[str, Noise] = {
    "salt and pepper": lambda some, seed: degrade.salt_and_pepper(some, 0.3, generator=seed),
    "salt and pepper, per channel": lambda some, seed: degrade.salt_and_pepper(
        some, 0.3, generator=seed, per_channel=True
    ),
    "Gaussian": lambda some, seed: degrade.gaussian_noise(some, 0.2, generator=seed),
    "alone": lambda some, seed: degrade.pure_noise(some, generator=seed),
}
noises = pytest.mark.parametrize("noise", NOISES.values(), ids=NOISES)


@noises
def test_one_seed_gives_every_image_the_same_noise_alone_and_in_a_batch(noise: Noise) -> None:
    together = noise(images(), 5)
    for image, found in zip(images().split(1), together.split(1), strict=True):
        assert torch.equal(noise(image, 5), found)
        assert torch.equal(noise(image, draws.seeded(5)), found)


@noises
def test_a_list_of_seeds_is_one_an_image(noise: Noise) -> None:
    together = noise(images(), [5, draws.seeded(6), 7])
    for image, seed, found in zip(images().split(1), (5, 6, 7), together.split(1), strict=True):
        assert torch.equal(noise(image, seed), found)
    with unchecked():
        assert torch.equal(noise(images(), np.array([5, 6, 7])), together)
    with pytest.raises(ValueError, match="one generator for each image, got 2 for 3 images"):
        noise(images(), [5, 6])


@noises
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_the_noise_of_a_seed_is_the_same_in_every_precision(noise: Noise, dtype: torch.dtype) -> None:
    grey = torch.full((2, 3, 16, 12), 0.5, dtype=torch.float64)  # which every precision holds
    found = noise(grey.to(dtype), 5)
    assert found.dtype == dtype
    step = torch.finfo(dtype).eps  # the standard deviation is rounded too
    torch.testing.assert_close(found.double(), noise(grey, 5), atol=step, rtol=0)


def test_where_there_is_salt_and_pepper_is_decided_before_rounding() -> None:
    grey = torch.full((1, 1, 400, 400), 0.5)
    levels = [degrade.salt_and_pepper(grey.to(dtype), 0.1, generator=3) for dtype in (torch.float64, torch.bfloat16)]
    assert torch.equal(levels[0].float(), levels[1].float())


@noises
@pytest.mark.parametrize("options", [{"dtype": torch.float64}, {"device": "meta"}], ids=["float64", "meta"])
def test_defaults_of_torch_change_no_noise(noise: Noise, options: dict[str, object]) -> None:
    some = images().float()
    expected = noise(some, 5)
    with defaults(**options):  # type: ignore[arg-type]
        found = noise(some, 5)
    assert (found.dtype, found.device) == (torch.float32, CPU)
    assert torch.equal(found, expected)


@noises
def test_a_generator_goes_on_and_a_seed_does_not(noise: Noise) -> None:
    generator = draws.seeded(5)
    first, second = noise(images(), generator), noise(images(), generator)
    assert torch.equal(first, noise(images(), 5))
    assert not torch.equal(first, second)


@pytest.mark.parametrize("channels", [1, 2, 4, 11])
@noises
def test_images_may_have_any_number_of_channels(noise: Noise, channels: int) -> None:
    assert noise(images(channels=channels), 5).shape == (3, channels, 16, 12)


@pytest.mark.parametrize(
    ("seed", "error", "message"),
    [
        (None, TypeError, "generator must be a torch.Generator or a whole number, its seed, got None"),
        ("5", TypeError, "or a whole number, its seed, got '5'"),
        (True, TypeError, "or a whole number, its seed, got True"),
        (0.5, TypeError, "or a whole number, its seed, got 0.5"),
        (2**64, ValueError, "a seed of at most 64 bits, got 18446744073709551616"),
        ([0.5, 1, 2], TypeError, "its seed, got 0.5"),
    ],
)
def test_what_is_no_seed_is_refused(seed: object, error: type[Exception], message: str) -> None:
    for noise in NOISES.values():
        with refused(error, message):
            noise(images(), seed)


def test_a_seed_is_kept_or_drawn_from_a_generator() -> None:
    assert draws.seed_of(7) == 7
    first, second = (draws.seed_of(draws.seeded(7)) for _ in range(2))
    assert first == second != 7
    generator = draws.seeded(7)
    assert draws.seed_of(generator) != draws.seed_of(generator)


# Pixels that are not in [0, 1]

NEEDS_RANGE: dict[str, Callable[[Tensor], Tensor]] = {
    "salt and pepper": lambda some: degrade.salt_and_pepper(some, 0.1, generator=0),
    "Gaussian": lambda some: degrade.gaussian_noise(some, 0.1, generator=0),
    "corrupted": lambda some: degrade.corrupted(some, "blur", 1.0, generator=0),
}


@pytest.mark.parametrize("change", NEEDS_RANGE.values(), ids=NEEDS_RANGE)
def test_pixels_of_0_to_255_are_refused_and_not_cut_to_white(change: Callable[[Tensor], Tensor]) -> None:
    pixels = torch.linspace(0, 255, 64).reshape(1, 1, 8, 8)
    with refused(ValueError, r"images must lie in \[0, 1\], got 0 to 255 at index 0; divide by 255"):
        change(pixels)
    with refused(TypeError, r"floating-point numbers, got torch\.uint8"):
        change(pixels.byte())
    with refused(ValueError, "images must have the axes images, channels, rows, columns"):
        change(pixels[0] / 255)
    with refused(TypeError, "images must be a tensor, got ndarray"):
        change(pixels.numpy())  # type: ignore[arg-type]
    assert change(pixels / 255).amax() <= 1


# Blur


def test_blur_is_a_sigma_in_pixels_up_to_a_quarter_of_the_shorter_side() -> None:
    some = images()
    assert torch.equal(degrade.corrupted(some, "blur", 2.5, generator=0), degrade.blur(some, 2.5))
    assert torch.equal(degrade.corrupted(some, "blur", 3.0, generator=0), degrade.blur(some, 3.0))
    with refused(ValueError, "sigmas in pixels and must lie between 0 and 3, a quarter of the shorter side, got 3.01"):
        degrade.corrupted(some, "blur", 3.01, generator=0)


def test_ladders_of_blur_reach_what_was_published() -> None:
    assert degrade.blur_levels(224) == (1, 2, 5, 10, 20, 30, 40, 50)
    assert degrade.blur_levels(112)[-1] == 25
    degrade.check_noise("blur", degrade.blur_levels(224), 224)
    assert degrade.noise_levels("blur", 224) == pytest.approx([22.4 * level for level in degrade.LEVELS])
    assert degrade.noise_levels("gaussian_noise", 224) == degrade.LEVELS


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_blurs_in_half_precision_are_rounded_once(dtype: torch.dtype) -> None:
    some, weight = images().to(dtype), torch.rand(3, 16, 12, generator=draws.seeded(1)).to(dtype)
    wide, step = some.double(), torch.finfo(dtype).eps
    for found, expected in (
        (degrade.blur(some, 3.0), degrade.blur(wide, 3.0)),
        (degrade.graded_blur(some, weight, 1.0), degrade.graded_blur(wide, weight.double(), 1.0)),
    ):
        assert found.dtype == dtype
        torch.testing.assert_close(found.double(), expected, atol=step / 2, rtol=0)


def test_a_weight_that_does_not_fit_is_refused() -> None:
    some, weight = images(), torch.zeros(3, 16, 12, dtype=torch.float64)
    for wrong, error, message in (
        (weight + 255, ValueError, r"weight must lie in \[0, 1\], got 255 to 255"),
        (weight[:, None], ValueError, "weight must have the axes images, rows, columns"),
        (weight[:, :5], ValueError, "weight and images must have as many rows, got 5 and 16"),
        (weight + 1j, TypeError, r"weight must be of floating-point numbers, got torch\.complex"),
        (weight.numpy(), TypeError, "weight must be a tensor, got ndarray"),
    ):
        with refused(error, message):
            degrade.graded_blur(some, wrong)  # type: ignore[arg-type]
    with refused(TypeError, "dy must be a whole number, got 0.5"):
        degrade.shift(some, 0.5, 0)  # type: ignore[arg-type]
    with refused(TypeError, "quarters must be a whole number, got 0.5"):
        degrade.turn(some, 0.5)  # type: ignore[arg-type]
