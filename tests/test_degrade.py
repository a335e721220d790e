from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
import reference
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor
from unchecked import refused

from xai_widgets.kernels import degrade


@pytest.fixture
def images(generator: torch.Generator) -> Tensor:
    return 0.25 + torch.rand(2, 3, 20, 30, generator=generator, dtype=torch.float64) / 2


def test_salt_and_pepper_replaces_a_share_of_pixels_by_black_and_white(generator: torch.Generator) -> None:
    images = torch.full((1, 3, 200, 200), 0.5)
    noisy = degrade.salt_and_pepper(images, 0.2, generator=generator)
    assert torch.equal(noisy[:, 0], noisy[:, 2])
    for value in (0.0, 1.0):
        assert (noisy == value).double().mean().item() == pytest.approx(0.1, abs=0.01)
    assert (noisy == 0.5).double().mean().item() == pytest.approx(0.8, abs=0.01)


def test_salt_and_pepper_of_channels_draws_each_anew(generator: torch.Generator) -> None:
    noisy = degrade.salt_and_pepper(torch.full((1, 3, 200, 200), 0.5), 0.2, generator=generator, per_channel=True)
    for channel in noisy[0]:
        for value in (0.0, 1.0):
            assert (channel == value).double().mean().item() == pytest.approx(0.1, abs=0.01)
    hit = noisy[0] != 0.5
    for a, b in ((0, 1), (0, 2), (1, 2)):  # where one channel is hit says nothing about another
        assert (hit[a] & hit[b]).double().mean().item() == pytest.approx(0.04, abs=0.005)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_the_ends_of_salt_and_pepper(images: Tensor, generator: torch.Generator, share: float) -> None:
    unchanged = degrade.salt_and_pepper(images, share, generator=generator) == images
    assert unchanged.all() if share == 0 else not unchanged.any()


def test_gaussian_noise_has_its_standard_deviation_and_stays_in_range(generator: torch.Generator) -> None:
    noisy = degrade.gaussian_noise(torch.full((1, 3, 200, 200), 0.5), 0.05, generator=generator)
    assert noisy.std().item() == pytest.approx(0.05, rel=0.02)
    strong = degrade.gaussian_noise(torch.full((1, 3, 20, 20), 0.5), 1.0, generator=generator)
    assert (strong.min().item(), strong.max().item()) == (0, 1)


@pytest.mark.parametrize("noise", [degrade.salt_and_pepper, degrade.gaussian_noise])
def test_noise_follows_its_generator_alone(images: Tensor, noise: Callable[..., Tensor]) -> None:
    torch.manual_seed(1)
    first = noise(images, 0.3, generator=torch.Generator().manual_seed(5))
    torch.manual_seed(2)
    state = torch.get_rng_state()
    again = noise(images, 0.3, generator=torch.Generator().manual_seed(5))
    assert torch.equal(first, again)
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("level", [-0.1, 1.5, float("nan")])
def test_a_share_outside_its_range_is_refused(images: Tensor, generator: torch.Generator, level: float) -> None:
    with pytest.raises(ValueError, match="share must lie between 0 and 1"):
        degrade.salt_and_pepper(images, level, generator=generator)
    with pytest.raises(ValueError, match="std must lie between 0 and 1"):
        degrade.gaussian_noise(images, level, generator=generator)


@pytest.mark.parametrize("sigma", [0.1, 0.5, 2.0, 7.3, 30.0])
def test_blur_is_that_of_scipy(images: Tensor, sigma: float) -> None:
    blurred = degrade.blur(images, sigma)
    for image, result in zip(images, blurred, strict=True):
        np.testing.assert_allclose(result.numpy(), reference.blur(image.numpy(), sigma), atol=1e-10)
    np.testing.assert_allclose(degrade.blur(images.float(), sigma).numpy(), blurred.numpy(), atol=1e-5)


def test_blur_by_nothing_is_the_image(images: Tensor) -> None:
    assert torch.equal(degrade.blur(images, 0.0), images)


@pytest.mark.parametrize("sigma", [-1.0, float("inf"), float("nan")])
def test_a_sigma_outside_its_range_is_refused(images: Tensor, sigma: float) -> None:
    with pytest.raises(ValueError, match="sigma must be 0 or more and finite"):
        degrade.blur(images, sigma)


SLOPE = torch.linspace(0, 1, 32, dtype=torch.float64).expand(32, 32)


@pytest.fixture(scope="module")
def exact() -> dict[float, np.ndarray]:
    """White noise with the weight `SLOPE`, every pixel blurred by its own sigma, by exponent."""
    return {power: reference.graded_blur(white().numpy(), SLOPE.numpy(), power) for power in (1.0, 4.0)}


def white() -> Tensor:
    return torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def distance(exact: np.ndarray, exponent: float) -> tuple[float, float, float]:
    """Of the blended blur: largest and mean error, and how far an SSIM with the clean image moves."""
    blended = degrade.graded_blur(white()[None], SLOPE[None], exponent)[0].numpy()
    error = np.abs(blended - exact)
    clean, near, far = (image.mean(0) for image in (white().numpy(), blended, exact))
    return error.max(), error.mean(), abs(reference.ssim(clean, near) - reference.ssim(clean, far))


def test_graded_blur_is_near_a_blur_of_every_pixel_by_its_own_sigma(exact: dict[float, np.ndarray]) -> None:
    largest, mean, _ = distance(exact[1.0], 1.0)
    assert largest < 0.04
    assert mean < 0.002
    assert distance(exact[4.0], 4.0)[2] <= 0.0014


@pytest.mark.parametrize(("name", "value"), [("GRADES", 6), ("PEAK_SIGMA", 11 / 224), ("PEAK_SIGMA", 9 / 224)])
def test_another_blend_would_be_noticed(
    exact: dict[float, np.ndarray], monkeypatch: pytest.MonkeyPatch, name: str, value: float
) -> None:
    monkeypatch.setattr(degrade, name, value)
    largest, mean, _ = distance(exact[1.0], 1.0)
    shift = distance(exact[4.0], 4.0)[2]
    assert largest >= 0.04 or mean >= 0.002 or shift > 0.0014


def test_graded_blur_of_no_and_of_full_weight(images: Tensor) -> None:
    zero = torch.zeros(2, 20, 30, dtype=torch.float64)
    assert torch.equal(degrade.graded_blur(images, zero), images)
    assert torch.equal(degrade.graded_blur(images, zero.bool()), images), "a mask is a weight of 0 and 1"
    torch.testing.assert_close(degrade.graded_blur(images, zero + 1), degrade.blur(images, 10 * 20 / 224))


def test_graded_blur_of_one_image_by_many_weights(images: Tensor, generator: torch.Generator) -> None:
    weights = torch.rand(3, 20, 30, generator=generator, dtype=torch.float64)
    together = degrade.graded_blur(images[:1], weights)
    for weight, result in zip(weights, together, strict=True):
        torch.testing.assert_close(degrade.graded_blur(images[:1], weight[None])[0], result)


@settings(deadline=None)
@given(st.integers(-12, 12), st.integers(-12, 12))
def test_shift_is_the_literal_shift(dy: int, dx: int) -> None:
    image = torch.rand(1, 2, 7, 9, generator=torch.Generator().manual_seed(0))
    shifted = degrade.shift(image, dy, dx)
    np.testing.assert_array_equal(shifted[0].numpy(), reference.shift(image[0].numpy(), dy, dx))


@settings(deadline=None)
@given(st.integers(-9, 9), st.integers(-9, 9))
def test_overlap_undoes_a_shift(dy: int, dx: int) -> None:
    maps = torch.rand(1, 7, 9, generator=torch.Generator().manual_seed(0))
    before, after = degrade.overlap(maps, degrade.shift(maps[:, None], dy, dx)[:, 0], dy, dx)
    assert torch.equal(before, after)
    assert before.shape[1:] == (max(0, 7 - abs(dy)), max(0, 9 - abs(dx)))


def test_flips_and_turns_have_their_way_back(images: Tensor) -> None:
    for vertical in (False, True):
        assert torch.equal(degrade.flip(degrade.flip(images, vertical=vertical), vertical=vertical), images)
    assert torch.equal(degrade.flip(images)[..., 0], images[..., -1])
    assert torch.equal(degrade.flip(images, vertical=True)[..., 0, :], images[..., -1, :])
    assert torch.equal(degrade.turn(degrade.turn(images, 1), -1), images)
    assert torch.equal(degrade.turn(images, 1)[..., -1, 0], images[..., 0, 0])


# Levels, and what is refused


@pytest.mark.parametrize("kind", degrade.NOISES)
def test_a_level_means_what_its_noise_says(images: Tensor, kind: str) -> None:
    found = degrade.corrupted(images, kind, 0.3, generator=1)
    generator = torch.Generator().manual_seed(1)
    expected = {
        "salt_and_pepper": lambda: degrade.salt_and_pepper(images, 0.3, generator=generator),
        "gaussian_noise": lambda: degrade.gaussian_noise(images, 0.3, generator=generator),
        "blur": lambda: degrade.blur(images, 0.3),
    }[kind]()
    assert torch.equal(found, expected)
    assert torch.equal(degrade.corrupted(images, kind, 0.0, generator=generator), images)


@pytest.mark.parametrize(
    ("kind", "levels", "per_channel", "message"),
    [
        ("rain", (0.1,), False, "one of salt_and_pepper, gaussian_noise, blur, got 'rain'"),
        ("blur", (), False, "at least one level, got none"),
        ("blur", (0.1, 6.0), False, r"sigmas in pixels .* between 0 and 5, a quarter of the shorter side, got 6\.0"),
        ("blur", (float("nan"),), False, "between 0 and 5, a quarter of the shorter side, got nan"),
        ("gaussian_noise", (0.1, 1.5), False, "levels must lie between 0 and 1, got 1.5"),
        ("gaussian_noise", (0.1,), True, "per_channel is a choice of salt_and_pepper alone"),
    ],
)
def test_a_noise_that_is_not_defined_is_refused(
    kind: str, levels: tuple[float, ...], per_channel: bool, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        degrade.check_noise(kind, levels, 20, per_channel=per_channel)


def test_images_that_are_none_are_refused() -> None:
    good = torch.rand(3, 3, 8, 8)
    degrade.check_range("images", good)
    wrong = good.clone()
    wrong[1, 2, 3, 4] = float("nan")
    with pytest.raises(ValueError, match="images must be finite, got nan at index 1"):
        degrade.check_range("images", wrong)
    wrong[1] = good[1].clamp(0.25, 0.75)
    for value, found, remedy in (
        (255.0, "0.25 to 255", "divide by 255"), (256.0, "0.25 to 256", "divide by 255"),
        (4095.0, "0.25 to 4.1e[+]03", "divide by the largest value .* 65535"), (1.4, "0.25 to 1.4", "scale them to"),
        (-2.1, "-2.1 to 0.75", "before they are normalised"),
    ):  # fmt: skip
        wrong[1, 2, 3, 4] = value
        with pytest.raises(ValueError, match=rf"images must lie in \[0, 1\], got {found} at index 1; .*{remedy}"):
            degrade.check_range("images", wrong)
    with pytest.raises(TypeError, match=r"floating-point numbers, got torch\.uint8"):
        degrade.check_range("images", torch.zeros(1, 3, 8, 8, dtype=torch.uint8))
    degrade.check_range("images", good[:, :1])
    for empty in (good[:0], good[0], good[:, :, :0]):
        with pytest.raises(ValueError):
            degrade.check_range("images", empty)


@pytest.mark.parametrize("exponent", [0.0, -1.0, float("inf"), float("nan")])
def test_an_exponent_outside_its_range_is_refused(images: Tensor, exponent: float) -> None:
    with pytest.raises(ValueError, match="exponent must be more than 0"):
        degrade.graded_blur(images, torch.zeros(2, 20, 30, dtype=torch.float64), exponent)


def test_a_blur_wider_than_any_image_is_its_mean(images: Tensor) -> None:
    blurred = degrade.blur(images, 1e9)
    torch.testing.assert_close(blurred, images.mean((2, 3), keepdim=True).expand_as(images), atol=1e-4, rtol=0)


def test_whole_numbers_and_other_axes_are_refused(images: Tensor) -> None:
    with refused(TypeError, r"floating-point numbers, got torch\.uint8"):
        degrade.blur((images * 255).byte(), 2.0)
    with refused(ValueError, "shifted maps must have the axes images, rows, columns"):
        degrade.overlap(images[:, 0], images, 1, 1)
    with refused(ValueError, "as many rows, got 5 and 6"):
        degrade.overlap(torch.zeros(1, 5, 5), torch.zeros(1, 6, 5), 1, 1)


def test_a_jpeg_is_what_a_file_gives_back_and_worse_with_less_quality(images: Tensor) -> None:
    found = {quality: degrade.jpeg(images, quality) for quality in (5, 50, 100)}
    for quality, changed in found.items():
        assert (changed.dtype, changed.shape) == (images.dtype, images.shape)
        assert torch.equal(changed, degrade.jpeg(images, quality))
        file = io.BytesIO()
        pixels = (images[1] * 255).round().byte().permute(1, 2, 0).numpy()
        Image.fromarray(pixels).save(file, "JPEG", quality=quality, subsampling="4:2:0")
        np.testing.assert_array_equal((changed[1] * 255).round().permute(1, 2, 0), np.asarray(Image.open(file)))
    error = [float((changed - images).abs().mean()) for changed in found.values()]
    assert error == sorted(error, reverse=True)
    grey = torch.full((1, 1, 8, 8), 0.5)
    np.testing.assert_allclose(degrade.jpeg(grey, 90), grey, atol=1 / 255)


@pytest.mark.parametrize(
    ("channels", "quality", "message"), [(3, 0, "quality must"), (3, 101, "quality"), (4, 9, "1 or 3")]
)
def test_what_cannot_be_a_jpeg_is_refused(channels: int, quality: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        degrade.jpeg(torch.full((1, channels, 8, 8), 0.5), quality)
