"""What the measures take: masks, half precision, any channels, one protocol of methods, targets by name; and refuse."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import reference
import torch
from torch import Tensor, nn
from unchecked import refused

from xai_widgets.kernels import degrade, draws, measures
from xai_widgets.kernels.cam import grad_cam
from xai_widgets.kernels.mismatch import robustness
from xai_widgets.kernels.tail import Shell, Tail

SIDE = 24


def rand(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=draws.seeded(seed), dtype=torch.float64)


def images(n: int = 2, channels: int = 3, seed: int = 0) -> Tensor:
    return degrade.blur(rand(n, channels, SIDE, SIDE, seed=seed), 1.5)


def network(channels: int = 3) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layers = nn.Conv2d(channels, 6, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3)
        with torch.no_grad():
            for weight in layers[-1].parameters():
                weight.abs_()  # so that every class has a map
        return nn.Sequential(*layers).double().eval()


class Logits:
    """A score whose outputs have names."""

    labels = ("cat", "dog", "moon")

    def __call__(self, result: Tensor) -> Tensor:
        return result


def tail_of(shell: Shell, some: Tensor) -> Tail:
    return Tail(shell, "1", some)


def explainer(channels: int = 3) -> measures.Method:
    return measures.grad_cam_explainer(partial(tail_of, Shell(network(channels))), Logits())


# Maps that are no floating-point numbers


def test_a_mask_is_a_map_of_0_and_1() -> None:
    mask = rand(3, 9, 9) > 0.7
    other = rand(3, 9, 9, seed=1) > 0.5
    expected = [reference.entropy(some.double().numpy()) for some in mask]
    np.testing.assert_allclose(measures.entropy(mask), expected, atol=1e-6)
    found = measures.ssim(mask, other)
    assert found.dtype == torch.float32
    for a, b, value in zip(mask.double().numpy(), other.double().numpy(), found.tolist(), strict=True):
        assert value == pytest.approx(reference.ssim(a, b), abs=1e-6)
    assert measures.degenerate_maps(torch.stack((mask[0], mask[0] & False, mask[0] | True))).tolist() == [
        False, True, True,
    ]  # fmt: skip


def test_whole_numbers_are_computed_as_what_they_are() -> None:
    pixels = (rand(3, 9, 9) * 255).to(torch.uint8)
    assert measures.entropy(pixels).dtype == torch.float32
    torch.testing.assert_close(measures.entropy(pixels), measures.entropy(pixels.float()))
    torch.testing.assert_close(
        measures.ssim(pixels, pixels.flip(0)), measures.ssim(pixels.float(), pixels.float().flip(0))
    )
    torch.testing.assert_close(measures.stability(pixels), measures.stability(pixels.float()))
    assert measures.degenerate_runs(pixels[:, None].long()).tolist() == [[False] * 3]


def test_a_method_may_give_masks() -> None:
    def mask(some: Tensor) -> Tensor:
        return some.mean(1) > 0.5

    def numbers(some: Tensor) -> Tensor:
        return mask(some).float()

    found, expected = (measures.five_measures([method, method], images(), seeds=[1, 2]) for method in (mask, numbers))
    torch.testing.assert_close(found.axes(), expected.axes(), equal_nan=True)
    assert found.axes().isfinite().all()
    salient = measures.removals(images()[0], mask(images())[0])
    torch.testing.assert_close(salient, measures.removals(images()[0], numbers(images())[0]))


# Half precision


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_maps_in_half_precision_are_compared_as_what_they_are(dtype: torch.dtype) -> None:
    a, b = rand(4, 30, 30).to(dtype), rand(4, 30, 30, seed=1).to(dtype)
    step = torch.finfo(dtype).eps
    for found, expected in (
        (measures.ssim(a, b), measures.ssim(a.double(), b.double())),
        (measures.entropy(a), measures.entropy(a.double())),
        (measures.stability(torch.stack((a[0], b[0]))), measures.stability(torch.stack((a[0], b[0])).double())),
    ):
        assert found.dtype == torch.float32  # computed there, and kept
        torch.testing.assert_close(found.double(), expected, atol=step, rtol=0)
    uniform, pixel = torch.full((1, 60, 60), 0.3, dtype=dtype), torch.zeros(1, 60, 60, dtype=dtype)
    pixel[0, 3, 3] = 60_000
    assert (measures.entropy(uniform).item(), measures.entropy(pixel).item()) == (1, 0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_five_measures_in_half_precision(dtype: torch.dtype) -> None:
    def explain(some: Tensor) -> Tensor:
        return nn.functional.avg_pool2d(some.float(), 2)[:, 0].to(some.dtype)

    half = images().to(dtype)
    found, expected = (measures.five_measures([explain, explain], some, seeds=[1, 2]) for some in (half, half.double()))
    assert found.axes().dtype == torch.float32
    torch.testing.assert_close(found.axes().double(), expected.axes(), atol=4 * torch.finfo(dtype).eps, rtol=0)


# Channels


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_images_of_any_number_of_channels_are_measured(channels: int) -> None:
    some = images(channels=channels)
    found = measures.five_measures(
        [explainer(channels)], some, seeds=[1, 2], kinds=measures.NOISES, pure_noise=True, per_channel=True
    )
    assert found.axes()[:, :4].isfinite().all()
    fallen = robustness({"map": explainer(channels)}, lambda maps: maps.mean((1, 2)), some[0], generator=0)
    assert fallen["map"].agreement.isfinite().all()
    with pytest.raises(ValueError, match=r"images must lie in \[0, 1\], got .* at index 1; divide by 255"):
        measures.five_measures([explainer(channels)], torch.stack((some[0], 255 * some[1])), seeds=[1, 2])


# Zero maps


def test_a_zero_map_blurs_nothing_in_either_removal() -> None:
    some, zero = images(), torch.zeros(2, 6, 6)
    assert torch.equal(measures.removals_of(some, zero), some[:, None].expand(-1, 2, -1, -1, -1))
    assert torch.equal(measures.focus_mask(zero[0], (SIDE, SIDE)), torch.zeros(SIDE, SIDE))


def test_the_score_of_a_zero_map_does_not_change_and_the_map_is_counted() -> None:
    def explain(some: Tensor, targets: Tensor | None) -> measures.Explained:
        return measures.Explained(some.mean(1) * 0, torch.stack((some.mean((1, 2, 3)), some.std((1, 2, 3))), 1))

    found = measures.focus_of(explain, images(), measures.clean_of(explain, images()))
    assert found.compared.values.isnan().all()
    assert found.change.tolist() == [[0, 0], [0, 0]]
    assert found.scores is not None
    assert torch.equal(found.scores[:, 1], found.scores[:, 0])
    whole = [row for row in found.rows("fixed") if not row.part and row.quantity == "focus"]
    assert [(row.maps, row.degenerate, row.left_out) for row in whole] == [(3, 1, 2)] * 2


# The mask of focus


def test_the_focus_mask_is_the_weight_of_the_definition() -> None:
    saliency = rand(2, 6, 6)
    found = measures.focus_mask_of(saliency, (28, 42))
    for some, mask in zip(saliency, found, strict=True):
        torch.testing.assert_close(measures.focus_mask(some, (28, 42)), mask)
        resized = measures.focus_mask(some, (28, 42))
        assert resized.max() == 1
        assert resized.min() >= 0
    image = images(1)[0]
    mask = measures.focus_mask(saliency[0], (SIDE, SIDE))
    salient, other = measures.removals(image, saliency[0])
    torch.testing.assert_close(salient, degrade.graded_blur(image[None], mask[None])[0])
    torch.testing.assert_close(other, degrade.graded_blur(image[None], 1 - mask[None])[0])


# One protocol of methods


def plain(some: Tensor) -> Tensor:
    return some.mean(1)


class Module(nn.Module):
    def forward(self, some: Tensor) -> Tensor:
        return some.mean(1)


METHODS: dict[str, measures.Explain] = {
    "of images": plain,
    "of images, with an option": lambda some, power=1: some.mean(1) ** power,
    "a module": Module(),
    "a partial function": partial(lambda power, some: some.mean(1) ** power, 1),
    "of images and targets": lambda some, targets: (some.mean(1), some.mean((2, 3))),
    "of images, targets if wanted": lambda some, targets=None: measures.Explained(some.mean(1), some.mean((2, 3))),
    "adapted": measures.explainer_of(plain),
}


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_every_measure_takes_every_form_of_a_method(method: measures.Explain) -> None:
    some = images()
    many, expected = (measures.five_measures([m, m], some, seeds=[1, 2]) for m in (method, plain))
    torch.testing.assert_close(many.axes(), expected.axes())
    assert measures.focus(method, some[0]) == pytest.approx(measures.focus(plain, some[0]))
    assert measures.resilience(method, some[0]) == pytest.approx(measures.resilience(plain, some[0]))
    noisy = [measures.noise_robustness(m, some[0], generator=1) for m in (method, plain)]
    torch.testing.assert_close(*noisy)
    falls = robustness({"a": method, "b": plain}, lambda maps: maps.mean((1, 2)), some[0], generator=0)
    torch.testing.assert_close(falls["a"].agreement, falls["b"].agreement)
    assert torch.equal(measures.explain_for(method, some[0])(some), plain(some))


@pytest.mark.parametrize(
    ("method", "error", "message"),
    [
        (lambda some: some.mean(1).numpy(), TypeError, "a method must give maps, .* as tensors, got ndarray"),
        (lambda some: (some.mean(1), [1.0]), TypeError, "scores of a method must be a tensor, got list"),
        (
            lambda some: (some.mean(1), some[0, 0, 0]),
            ValueError,
            "scores of a method must have the axes images, outputs",
        ),
        (lambda some: (some.mean(1), some[:1, :, 0, 0]), ValueError, "one row of scores an image, got 1 for 2 images"),
        (lambda some, targets: some.mean(1), ValueError, "must give its scores beside its maps"),
        (7, TypeError, "a method must be a function of images, or of images and targets, got 7"),
    ],
)
def test_what_is_no_method_is_refused(method: Any, error: type[Exception], message: str) -> None:
    with refused(error, message):
        measures.clean_of(method, images())


# Targets

GIVEN: dict[str, Any] = {
    "number": 1, "name": "dog", "tensor of one": torch.tensor(1), "one an image": torch.tensor([1, 1]),
    "names": ["dog", "dog"],
}  # fmt: skip


@pytest.mark.parametrize("target", GIVEN.values(), ids=GIVEN)
def test_a_target_is_a_number_a_name_or_one_an_image(target: Any) -> None:
    method, some = explainer(), images()
    clean = measures.clean_of(method, some, targets=target)
    assert clean.targets is not None
    assert clean.targets.tolist() == [1, 1]
    torch.testing.assert_close(clean.maps, grad_cam(tail_of(Shell(network()), some), Logits(), 1).relu())
    radar = measures.five_measures([method], some, seeds=[1, 2], targets=target)
    assert torch.equal(radar.clean.maps, clean.maps)


def test_the_target_of_one_image() -> None:
    method, image = explainer(), images(1)[0]
    by_name = measures.explain_for(method, image, target="moon")
    for measure in (measures.focus, measures.resilience, partial(measures.noise_robustness, generator=1)):
        found, expected = measure(method, image, target="moon"), measure(by_name, image)  # type: ignore[operator]
        assert str(found) == str(expected)


@pytest.mark.parametrize(
    ("target", "error", "message"),
    [
        ("house", ValueError, "targets must be one of .*'moon'.*got 'house'"),
        (3, ValueError, "targets must be 0 to 2, got 3"),
        ([0, 1, 2], ValueError, "targets must be one for each image, got 3 for 2"),
        (torch.tensor([0.5, 1.0]), TypeError, r"targets must be whole numbers, got torch\.float32"),
        (0.5, TypeError, "targets must be a whole number, got 0.5"),
    ],
)
def test_a_target_that_is_none_is_refused(target: Any, error: type[Exception], message: str) -> None:
    with refused(error, message):
        measures.five_measures([explainer()], images(), seeds=[1, 2], targets=target)


def test_a_target_is_not_ignored_by_a_method_that_takes_none() -> None:
    with pytest.raises(ValueError, match="targets are given, but the method is a function of images alone"):
        measures.clean_of(plain, images(), targets=1)
    with pytest.raises(ValueError, match="targets are given, but every method is a function of images alone"):
        robustness({"map": plain}, lambda maps: maps.mean((1, 2)), images()[0], generator=0, target=1)


# Refusals in words

WRONG: dict[str, tuple[Callable[[Any], object], str]] = {
    "entropy": (measures.entropy, "saliency"),
    "degenerate_maps": (measures.degenerate_maps, "maps"),
    "ssim": (lambda maps: measures.ssim(maps, maps), "a"),
    "focus_mask_of": (lambda maps: measures.focus_mask_of(maps, (9, 9)), "saliency"),
    "stability": (measures.stability, "maps"),
    "removals_of": (lambda maps: measures.removals_of(images(), maps), "saliency"),
}


@pytest.mark.parametrize(("measure", "name"), WRONG.values(), ids=WRONG)
def test_what_is_no_map_is_refused_in_words(measure: Callable[[Any], object], name: str) -> None:
    maps = rand(2, 6, 6)
    for wrong, error, message in (
        (maps.numpy(), TypeError, f"{name} must be a tensor, got ndarray"),
        (maps[0], ValueError, f"{name} must have the axes .*rows, columns, got shape \\(6, 6\\)"),
        (maps[None], ValueError, f"{name} must have the axes .*rows, columns, got shape \\(1, 2, 6, 6\\)"),
        (maps[:, :0], ValueError, f"{name} must have the axes .*rows, columns, got shape \\(2, 0, 6\\)"),
        (maps.to(torch.complex64), TypeError, f"{name} must be of real numbers, got torch.complex64"),
    ):
        with refused(error, message):
            measure(wrong)


def test_sizes_that_do_not_go_together_are_refused() -> None:
    maps, some = rand(2, 6, 6), images()
    clean = measures.clean_of(plain, some[:1])
    broken = maps.clone()
    broken[1, 2, 3] = math.nan
    for call, message in (
        (lambda: measures.ssim(maps, maps[:, :5]), "a and b must have as many rows, got 6 and 5"),
        (lambda: measures.ssim(maps, maps[:1]), "a and b must have as many images, got 2 and 1"),
        (lambda: measures.removals_of(some, maps[:1]), "saliency must be one map an image, got 1 for 2 images"),
        (lambda: measures.removals_of(some, maps - 1), "saliency must not be negative, cut it at 0 first"),
        (lambda: measures.removals_of(some, broken), "saliency must be finite, got nan at index 1"),
        (lambda: measures.noise_of(plain, some, clean, generators=0), "clean must be of the same images, got 1 maps"),
        (lambda: measures.resilience_of(plain, some, clean), "clean must be of the same images, got 1 maps for 2"),
        (lambda: measures.focus_of(plain, some, clean), "clean must be of the same images, got 1 maps for 2 images"),
        (lambda: measures.focus(plain, some), "the image must have the axes channels, rows, columns, got shape"),  # type: ignore[arg-type]
        (lambda: measures.mean_defined(maps), r"values must have the axes images, got shape \(2, 6, 6\)"),
        (lambda: measures.interval_of_stability(maps[0, 0], generator=0), "must have the axes images, pairs of runs"),
        (lambda: measures.class_auroc(maps[0], torch.zeros(6, dtype=torch.long)), "axes images, conditions, classes"),
    ):
        with refused(ValueError, message):
            call()  # type: ignore[no-untyped-call]
    with refused(TypeError, "labels must be a tensor of whole numbers, got torch.float64"):
        measures.class_auroc(maps, maps[:, 0, 0])  # type: ignore[arg-type]


@pytest.mark.parametrize(("height", "width"), [(2, 9), (9, 2), (1, 1)])
def test_sides_below_three_have_no_ssim(height: int, width: int) -> None:
    assert measures.ssim(rand(2, height, width), rand(2, height, width)).isnan().all()
