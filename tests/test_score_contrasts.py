"""Contrast of scores, plain, of patches and by tiles, against slow literal versions."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import pytest
import reference
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from unchecked import refused

from xai_widgets.kernels import cam
from xai_widgets.kernels.tail import Tail


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


class Patches(nn.Module):
    """A network with patch scores, from a head of the given size of kernel, for every `pooling` places of the maps."""

    def __init__(self, kernel: int = 1, pooling: int = 1) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 6, 4, stride=4)
        self.pool = nn.AvgPool2d(pooling)
        self.head = nn.Sequential(nn.Conv2d(6, 8, kernel, padding=kernel // 2), nn.Tanh(), nn.Conv2d(8, 1, 1))

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        patches = self.head(self.pool(self.layer(images)))[:, 0]
        return {"score": patches.mean((1, 2)), "patches": patches}


class Several(nn.Module):
    """Three scores that are no classes, from one layer."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 6, 4, stride=4)
        self.head = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.head(self.layer(images).mean((2, 3)))
        return scores


def images(n: int = 1, side: int = 24) -> Tensor:
    return torch.rand(n, 3, side, side)


def one_score(result: dict[str, Tensor]) -> Tensor:
    return result["score"][:, None]


def patch_scores(result: dict[str, Tensor]) -> Tensor:
    return result["patches"]


def scores(result: Tensor) -> Tensor:
    return result


def tail_of(network: nn.Module, inputs: Tensor) -> Tail:
    return Tail(network.eval(), "layer", inputs)


# Contrast of scores


@pytest.mark.parametrize("offset", [-0.7, -0.1, 0.2, 0.5])
def test_score_contrast_is_the_cam_of_the_squared_distance(offset: float) -> None:
    tail = tail_of(Patches(), images())
    q = tail.result["score"].item() + offset

    def loss(result: dict[str, Tensor]) -> Tensor:
        return (one_score(result) - q) ** 2

    expected = cam.grad_cam(tail, loss, 0).relu()
    assert expected.max() > 0
    torch.testing.assert_close(cam.score_contrast(tail, one_score, q), expected)


def test_scores_on_one_side_give_one_picture_up_to_the_factor() -> None:
    tail = tail_of(Patches(), images())
    y = tail.result["score"].item()
    near, far = (cam.score_contrast(tail, one_score, y + distance) for distance in (0.1, 0.4))
    torch.testing.assert_close(far, 4 * near, rtol=1e-4, atol=1e-7)
    other = cam.score_contrast(tail, one_score, y - 0.1)
    assert (near * other).max() == 0
    torch.testing.assert_close(other - near, 0.2 * cam.grad_cam(tail, one_score, 0), rtol=1e-4, atol=1e-7)
    assert cam.score_contrast(tail, one_score, y).max() < 1e-6


def test_of_several_scores_one_is_asked_about() -> None:
    tail = tail_of(Several(), images(2))
    with pytest.raises(ValueError, match="needs a network of one score, got 3; choose one by `target`"):
        cam.score_contrast(tail, scores, 0.5)
    for target in range(3):
        expected = cam.score_contrast(tail, lambda result: result[:, [target]], 0.1)  # noqa: B023
        assert expected.max() > 0
        torch.testing.assert_close(cam.score_contrast(tail, scores, 0.1, target=target), expected)
    mixed = cam.score_contrast(tail, scores, 0.1, target=torch.tensor([2, 0]))
    each = [cam.score_contrast(tail, scores, 0.1, target=target)[row] for row, target in enumerate((2, 0))]
    assert torch.equal(mixed, torch.stack(each))


def test_each_image_may_have_a_score_of_its_own_to_be_held_against() -> None:
    tail, other = tail_of(Patches(), images(2)), torch.tensor([-1.0, 2.0])
    expected = [cam.score_contrast(tail, one_score, float(q))[row] for row, q in enumerate(other)]
    for q in (other, other.tolist()):
        assert torch.equal(cam.score_contrast(tail, one_score, q), torch.stack(expected))
    patches = [cam.patch_contrast(tail, patch_scores, float(q)).signed[row] for row, q in enumerate(other)]
    assert torch.equal(cam.patch_contrast(tail, patch_scores, other).signed, torch.stack(patches))
    with pytest.raises(ValueError, match="the other score must be one for each image, got 3 for 2"):
        cam.score_contrast(tail, one_score, [0.1, 0.2, 0.3])
    with pytest.raises(ValueError, match="the other score must be finite, got nan"):
        cam.score_contrast(tail, one_score, math.nan)


# Patches


@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("q", [-1.0, 0.05, 1.0])
def test_patch_contrast_is_one_gradient_a_patch(kernel: int, q: float) -> None:
    network, inputs = Patches(kernel).eval(), images()
    tail = tail_of(network, inputs)
    merits, prevents = reference.patch_contrast(tail.maps, lambda maps: network.head(maps)[:, 0], q)
    assert torch.maximum(merits, prevents).max() > 0
    found = cam.patch_contrast(tail, patch_scores, q)
    torch.testing.assert_close(found.merits[0], merits, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(found.prevents[0], prevents, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(found.signed[0], merits - prevents, rtol=1e-4, atol=1e-6)  # a patch is on one side


def test_only_patches_that_mix_places_cost_a_pass_each() -> None:
    for kernel, passes in ((1, 0), (3, 36)):
        steps = iter(range(100))
        tail = tail_of(Patches(kernel), images())
        cam.patch_contrast(tail, patch_scores, 0.0, step=partial(next, steps))
        assert next(steps) == passes


def test_patch_contrast_of_a_batch_is_that_of_its_images() -> None:
    network, inputs = Patches(3), images(2)
    together = cam.patch_contrast(tail_of(network, inputs), patch_scores, 0.5).signed
    alone = [cam.patch_contrast(tail_of(network, one[None]), patch_scores, 0.5).signed for one in inputs]
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-4, atol=1e-6)


def test_each_place_of_finer_maps_belongs_to_the_patch_that_it_lies_in() -> None:
    network, inputs = Patches(pooling=2).eval(), images()
    tail = tail_of(network, inputs)
    found = cam.patch_contrast(tail, patch_scores, 1.0)
    saliency = found.prevents[0]
    assert found.merits.max() == 0
    assert saliency.shape == (6, 6)
    _, pooled = reference.patch_contrast(network.pool(tail.maps), lambda maps: network.head(maps)[:, 0], 1.0)
    # Pooling is linear: the four signed places of a patch sum to the patch, so where none is cut they are its parts.
    leaf = tail.maps.clone().requires_grad_()
    y = network.head(network.pool(leaf))[:, 0]
    (slope,) = torch.autograd.grad(y.sum(), leaf)
    signed = 2 * (y.detach().repeat_interleave(2, 1).repeat_interleave(2, 2) - 1) * (slope * leaf.detach()).sum(1)
    torch.testing.assert_close(saliency, signed.relu()[0])
    torch.testing.assert_close(F.avg_pool2d(signed, 2)[0].relu() * 4, pooled, rtol=1e-4, atol=1e-6)


def test_maps_coarser_than_the_patches_are_refused() -> None:
    def finer(result: dict[str, Tensor]) -> Tensor:
        return result["patches"].repeat_interleave(2, 1)

    with pytest.raises(ValueError, match="at least 12 x 6 positions, one a patch; got 6 x 6"):
        cam.patch_contrast(tail_of(Patches(), images()), finer, 0.5)


# Tiles


def explain(tiles: Tensor) -> tuple[Tensor, Tensor]:
    maps = F.avg_pool2d(tiles, 2, ceil_mode=True)
    return tiles.mean((1, 2, 3)), maps[:, 0] - maps[:, 1]


@pytest.mark.parametrize(("window", "stride"), [(8, 4), (7, 5), (11, 11), (17, 3), (1, 1)])
def test_tile_contrast_is_the_literal_mean_over_the_tiles_of_each_side(window: int, stride: int) -> None:
    image = torch.rand(3, 17, 22, dtype=torch.float64)
    merits, prevents = reference.tile_contrast(explain, image, 0.5, window, stride)
    found = cam.tile_contrast(explain, image, 0.5, window=window, stride=stride, batch=3)
    torch.testing.assert_close(found.merits, merits)
    torch.testing.assert_close(found.prevents, prevents)


def test_tiles_on_both_sides_of_the_score_do_not_cancel() -> None:
    """Two tiles overlap in columns 2 and 3; one is above 0.5 and the other below, and both push there."""
    image = torch.zeros(1, 4, 6)
    image[:, :, :2], image[:, :, 4:] = 1.0, -1.0

    def sided(tiles: Tensor) -> tuple[Tensor, Tensor]:
        scores = torch.where(tiles.mean((1, 2, 3)) > 0, 1.0, 0.25)
        return scores, torch.where(scores > 0.5, 1.0, -1.0)[:, None, None].expand(-1, 4, 4)

    found = cam.tile_contrast(sided, image, 0.5, window=4, stride=2)
    assert found.merits[0].tolist() == [1, 1, 1, 1, 0, 0]  # 2 (1 - 0.5) over one tile, not over the two that cover it
    assert found.prevents[0].tolist() == [0, 0, 0.5, 0.5, 0.5, 0.5]
    assert found.signed[0].tolist() == [1, 1, 1, 1, -0.5, -0.5]


def test_a_tile_whose_score_is_q_says_nothing_and_is_not_counted() -> None:
    image = torch.ones(1, 2, 4)
    image[..., 2:] = 0

    def explain(tiles: Tensor) -> tuple[Tensor, Tensor]:
        return tiles.mean((1, 2, 3)), torch.ones(len(tiles), 2, 2)

    found = cam.tile_contrast(explain, image, 0.5, window=2, stride=1)  # scores 1, 0.5, 0
    assert found.merits[0].tolist() == [1, 1, 0, 0]
    assert found.prevents.max() == 0


def test_tiles_are_a_quarter_of_the_shorter_side_and_overlap_by_half() -> None:
    image = torch.rand(3, 32, 48)
    expected = cam.tile_contrast(explain, image, 0.5, window=8, stride=4).signed
    assert torch.equal(cam.tile_contrast(explain, image, 0.5).signed, expected)


def test_tiles_differ_between_scores_on_one_side_of_the_whole() -> None:
    image = torch.rand(3, 32, 32) * torch.linspace(0.2, 1, 32)
    near, far = (cam.tile_contrast(explain, image, q).signed.abs() for q in (0.4, 0.9))
    assert image.mean() < 0.4
    correlation = torch.corrcoef(torch.stack((near.flatten(), far.flatten())))[0, 1]
    assert correlation < 0.9


def test_every_pixel_is_covered_and_a_huge_tile_does_not_wrap() -> None:
    def huge(tiles: Tensor) -> tuple[Tensor, Tensor]:
        return torch.ones(len(tiles)), torch.full((len(tiles), 3, 3), 300.0)

    found = cam.tile_contrast(huge, torch.rand(3, 19, 31), 0.0)
    torch.testing.assert_close(found.merits, torch.full((19, 31), 600.0))
    assert found.prevents.max() == 0


def test_a_single_pixel_is_its_own_tile() -> None:
    assert cam.tile_contrast(explain, torch.ones(3, 1, 1), 0.0).merits.shape == (1, 1)


def test_a_window_that_the_network_cannot_eat_is_named() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 11), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 1)).eval()

    def explain(tiles: Tensor) -> tuple[Tensor, Tensor]:
        tail = Tail(network, "0", tiles)
        return tail.result[:, 0], cam.grad_cam(tail, scores, 0)

    with pytest.raises(ValueError, match=r"at a window of 8 x 8 pixels: .*Kernel size.*; choose another window"):
        cam.tile_contrast(explain, torch.rand(3, 32, 32), 0.1)
    assert cam.tile_contrast(explain, torch.rand(3, 32, 32), 0.1, window=16).merits.shape == (32, 32)


@pytest.mark.parametrize(
    ("image", "error", "message"),
    [
        (torch.rand(1, 3, 32, 32), ValueError, "the image must have the axes channels, rows, columns"),
        (torch.ones(3, 32, 32, dtype=torch.uint8), TypeError, "the image must be of floating-point numbers"),
        (torch.rand(3, 32, 32).numpy(), TypeError, "the image must be a tensor, got ndarray"),
    ],
)
def test_what_is_no_image_is_refused(image: Any, error: type[Exception], message: str) -> None:
    with refused(error, message):
        cam.tile_contrast(explain, image, 0.5)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda tiles: (tiles.mean((1, 2, 3))[:, None], tiles.mean(1)), "scores of tiles must have the axes tiles"),
        (lambda tiles: (tiles.mean((1, 2, 3)), tiles), "maps of tiles must have the axes tiles, rows, columns"),
        (lambda tiles: (tiles.mean((1, 2, 3)) * math.nan, tiles.mean(1)), "scores of tiles must be finite, got nan"),
        (lambda tiles: (tiles.mean((1, 2, 3))[:1], tiles.mean(1)), "one a tile, got"),
    ],
)
def test_an_explanation_that_does_not_fit_its_tiles_is_refused(answer: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cam.tile_contrast(answer, torch.rand(3, 32, 32), 0.5)


@pytest.mark.parametrize(
    ("window", "stride", "message"),
    [
        (0, 1, "window must be 1 to 17"),
        (18, 1, "window must be 1 to 17"),
        (8, 9, "stride must be 1 to 8"),
        (8, 0, "stride"),
    ],
)
def test_tiles_that_miss_pixels_are_refused(window: int, stride: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cam.tile_contrast(explain, torch.rand(3, 17, 22), 0.5, window=window, stride=stride)


def test_step_comes_before_each_batch_of_tiles_and_may_cancel() -> None:
    calls: list[Any] = []

    def counted(tiles: Tensor) -> tuple[Tensor, Tensor]:
        calls.append(len(tiles))
        return explain(tiles)

    def cancel_later() -> None:
        if calls:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        cam.tile_contrast(counted, torch.rand(3, 32, 32), 0.5, batch=5, step=cancel_later)
    assert calls == [5]
