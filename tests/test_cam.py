from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import reference
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from xai_widgets.kernels import cam
from xai_widgets.kernels.tail import Tail

CLASSES = 5


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


class Classifier(nn.Module):
    """Two convolutions with an in-place ReLU, and a head that is not linear."""

    def __init__(self, confidence: float = 1.0) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.ReLU())
        self.layer = nn.Sequential(nn.Conv2d(8, 6, 3), nn.BatchNorm2d(6))
        self.activation = nn.ReLU(inplace=True)
        classifier = nn.Linear(16, CLASSES)
        nn.init.normal_(classifier.weight, std=4)
        self.head = nn.Sequential(nn.Linear(6 * 4, 16), nn.Tanh(), classifier)
        self.confidence = confidence

    def forward(self, images: Tensor) -> Tensor:
        maps = self.activation(self.layer(self.trunk(images)))
        return self.confidence * self.head(F.adaptive_avg_pool2d(maps, 2).flatten(1))


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


def images(n: int = 1, side: int = 24) -> Tensor:
    return torch.rand(n, 3, side, side)


def logits(result: Tensor) -> Tensor:
    return result


def one_score(result: dict[str, Tensor]) -> Tensor:
    return result["score"][:, None]


def patch_scores(result: dict[str, Tensor]) -> Tensor:
    return result["patches"]


def tail_of(network: nn.Module, inputs: Tensor) -> Tail:
    return Tail(network.eval(), "layer", inputs)


def all_cams(tail: Tail) -> Tensor:
    return torch.stack([cam.grad_cam(tail, logits, c) for c in range(tail.result.shape[1])], 1)


# Grad-CAM


def test_grad_cam_is_that_of_captum() -> None:
    from captum.attr import LayerGradCam

    network, inputs = Classifier().eval(), images(3)
    expected = LayerGradCam(network, network.layer[0]).attribute(inputs, target=2)[:, 0]
    torch.testing.assert_close(
        cam.grad_cam(Tail(network, "layer.0", inputs), logits, 2), expected.detach(), atol=1e-5, rtol=1e-5
    )


def test_grad_cam_is_that_of_pytorch_grad_cam() -> None:
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    network, inputs = Classifier().eval(), images()
    with GradCAM(network, [network.trunk]) as peer:
        expected = torch.from_numpy(peer(inputs, [ClassifierOutputTarget(1)]))
    ours = F.relu(cam.grad_cam(Tail(network, "trunk", inputs), logits, 1))
    ours = F.interpolate(ours[None], (24, 24), mode="bilinear")[0]
    assert torch.corrcoef(torch.stack((ours.flatten(), expected.flatten())))[0, 1] > 1 - 1e-6
    torch.testing.assert_close(ours / ours.max(), expected, atol=1e-5, rtol=0)


def untouched_cam(network: Classifier, inputs: Tensor, target: int) -> tuple[Tensor, Tensor]:
    """Grad-CAM by autograd at the layer's own output, and with the maps that an in-place ReLU leaves behind."""
    maps = network.layer(network.trunk(inputs)).detach().requires_grad_()
    y = network.head(F.adaptive_avg_pool2d(F.relu(maps), 2).flatten(1))[0, target]
    (gradient,) = torch.autograd.grad(y, maps)
    weights = gradient.mean((2, 3), keepdim=True)
    assert (maps < 0).any()
    return (weights * maps.detach()).sum(1), (weights * maps.detach().relu()).sum(1)


def test_an_in_place_relu_after_the_layer_changes_neither_maps_nor_gradient() -> None:
    network, inputs = Classifier().eval(), images()
    expected, _ = untouched_cam(network, inputs, 3)
    torch.testing.assert_close(cam.grad_cam(tail_of(network, inputs), logits, 3), expected)


def test_before_an_in_place_relu_captum_agrees_and_pytorch_grad_cam_takes_the_maps_after_it() -> None:
    from captum.attr import LayerGradCam
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    network, inputs = Classifier().eval(), images()
    expected, overwritten = untouched_cam(network, inputs, 3)
    peer = LayerGradCam(network, network.layer).attribute(inputs, target=3)[:, 0].detach()
    torch.testing.assert_close(peer, expected)
    with GradCAM(network, [network.layer]) as other:
        other(inputs, [ClassifierOutputTarget(3)])
        kept = other.activations_and_grads
        (maps,), (slope,) = ([some.numpy() for some in found] for found in (kept.activations, kept.gradients))
        wrong = torch.from_numpy(other.get_cam_image(inputs, None, None, maps, slope))  # before it is cut and scaled
    torch.testing.assert_close(wrong, overwritten)
    ours = cam.grad_cam(tail_of(network, inputs), logits, 3)
    torch.testing.assert_close(ours, expected)
    assert (ours - wrong).abs().max() > 0.1 * ours.abs().max()


def test_a_target_for_each_image() -> None:
    inputs, target = images(3), torch.tensor([4, 0, 2])
    network = Classifier()
    together = cam.grad_cam(tail_of(network, inputs), logits, target)
    alone = [
        cam.grad_cam(tail_of(network, one[None]), logits, c) for one, c in zip(inputs, target.tolist(), strict=True)
    ]
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("target", [-1, CLASSES])
def test_a_target_that_does_not_exist_is_refused(target: int) -> None:
    with pytest.raises(ValueError, match=f"target must be 0 to 4, got {target}"):
        cam.grad_cam(tail_of(Classifier(), images()), logits, target)


def test_no_gradient_mode_of_the_caller_and_nothing_is_left_behind() -> None:
    network, inputs = Classifier(), images()
    tail = tail_of(network, inputs)
    expected = cam.grad_cam(tail, logits, 0)
    kept = tail.maps.clone()
    for mode in (torch.no_grad(), torch.inference_mode()):
        with mode:
            assert torch.equal(cam.grad_cam(tail, logits, 0), expected)
    assert not expected.requires_grad
    assert torch.equal(tail.maps, kept)
    assert all(parameter.grad is None for parameter in network.parameters())


def test_a_score_without_gradient_is_refused() -> None:
    with pytest.raises(ValueError, match="steps that have a gradient"):
        cam.grad_cam(tail_of(Classifier(), images()), lambda result: result.detach(), 0)


def test_cam_of_a_sum_is_the_sum_of_cams() -> None:
    tail = tail_of(Classifier(), images(2))
    cotangent = torch.randn(2, CLASSES)
    scores, saliency = cam.cam_of(tail, logits, cotangent)
    torch.testing.assert_close(scores, tail.result)
    torch.testing.assert_close(saliency, torch.einsum("nk,nkhw->nhw", cotangent, all_cams(tail)))


def test_a_cotangent_may_follow_from_the_scores_of_the_same_pass() -> None:
    tail = tail_of(Classifier(), images(2))
    changed = tail.maps * 2
    scores, saliency = cam.cam_of(tail, logits, lambda y: y.softmax(1), maps=changed)
    _, expected = cam.cam_of(tail, logits, scores.softmax(1), maps=changed)
    assert torch.equal(saliency, expected)


def test_changed_maps_stand_in_for_the_tails_own() -> None:
    network, inputs = Classifier().eval(), images()
    tail = tail_of(network, inputs)
    changed = tail.maps * torch.tensor([0, 1, 2, 0.5, 1, 1])[None, :, None, None]
    scores, saliency = cam.cam_of(tail, logits, torch.eye(CLASSES)[:1], maps=changed)
    leaf = changed.clone().requires_grad_()
    y = network.head(F.adaptive_avg_pool2d(F.relu(leaf), 2).flatten(1))
    (gradient,) = torch.autograd.grad(y[0, 0], leaf)
    torch.testing.assert_close(scores, y.detach())
    torch.testing.assert_close(saliency, (gradient.mean((2, 3), keepdim=True) * changed).sum(1))
    torch.testing.assert_close(cam.grad_cam(tail, logits, 0, maps=changed), saliency)


# Contrast of classes


@pytest.mark.parametrize("q", range(CLASSES))
def test_class_contrast_is_the_closed_form_and_the_cam_of_the_cross_entropy(q: int) -> None:
    tail = tail_of(Classifier(), images(2))
    contrast = cam.class_contrast(tail, logits, q)
    cams, p = all_cams(tail), tail.result.softmax(1)
    torch.testing.assert_close(contrast, torch.einsum("nk,nkhw->nhw", p, cams) - cams[:, q], atol=1e-5, rtol=1e-4)

    def loss(result: Tensor) -> Tensor:
        return F.cross_entropy(result, torch.tensor([q, q]), reduction="none")[:, None]

    torch.testing.assert_close(contrast, cam.grad_cam(tail, loss, 0), atol=1e-5, rtol=1e-4)


def test_the_contrasts_with_all_classes_cancel() -> None:
    tail = tail_of(Classifier(), images(2))
    contrasts = torch.stack([cam.class_contrast(tail, logits, q) for q in range(CLASSES)], 1)
    total = torch.einsum("nk,nkhw->nhw", tail.result.softmax(1), contrasts)
    torch.testing.assert_close(total, torch.zeros_like(total), atol=1e-6, rtol=0)
    assert contrasts.abs().max() > 1e-3


def test_a_confident_network_contrasts_two_cams() -> None:
    tail = tail_of(Classifier(confidence=1000), images())
    cams, p = all_cams(tail)[0], int(tail.result.argmax())
    assert tail.result.softmax(1).max() > 0.9999
    for q in {*range(CLASSES)} - {p}:
        torch.testing.assert_close(cam.class_contrast(tail, logits, q)[0], cams[p] - cams[q], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("margin", [20.0, 40.0, 70.0])
def test_full_confidence_is_stable_where_the_plain_form_is_zero(margin: float) -> None:
    network, inputs = Classifier().eval(), images()
    raw = network(inputs).detach()[0]
    network.confidence = margin / (raw.max() - raw.topk(2).values[1]).item()
    p = int(raw.argmax())
    tail, exact = tail_of(network, inputs), tail_of(_double(network), inputs.double())
    others = exact.result.log_softmax(1).exp()
    others[0, p] = 0
    cams = all_cams(exact)
    expected = (others[0, :, None, None] * (cams[0] - cams[0, p])).sum(0)
    plain = tail.result.softmax(1)[0, p] - 1
    assert plain == 0
    contrast = cam.class_contrast(tail, logits, p)[0].double()
    assert (contrast - expected).abs().max() < 1e-3 * expected.abs().max()


def _double(network: Classifier) -> Classifier:
    double = Classifier(network.confidence).double().eval()
    double.load_state_dict({name: value.double() for name, value in network.state_dict().items()})
    return double


@settings(deadline=None)
@given(st.lists(st.floats(-300, 300, width=32), min_size=2, max_size=6), st.data())
def test_contrast_weights_sum_to_zero_and_never_vanish_early(values: list[float], data: st.DataObject) -> None:
    q = data.draw(st.integers(0, len(values) - 1))
    weights = cam.contrast_weights(torch.tensor([values], dtype=torch.float32), q)[0].double()
    exact = torch.tensor(values, dtype=torch.float64).softmax(0)
    exact[q] = 0
    exact[q] = -exact.sum()
    torch.testing.assert_close(weights, exact, rtol=1e-4, atol=1e-37)
    assert abs(weights.sum().item()) <= 1e-6 * weights.abs().max().item()


@pytest.mark.parametrize("q", [-1, 3])
def test_a_contrast_class_that_does_not_exist_is_refused(q: int) -> None:
    with pytest.raises(ValueError, match=f"contrast class must be 0 to 2, got {q}"):
        cam.contrast_weights(torch.zeros(1, 3), q)


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


def test_a_contrast_of_scores_needs_one_score() -> None:
    with pytest.raises(ValueError, match="a network of one score, got 5"):
        cam.score_contrast(tail_of(Classifier(), images()), logits, 0.5)


# Patches


@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("q", [-1.0, 0.05, 1.0])
def test_patch_contrast_is_one_gradient_a_patch(kernel: int, q: float) -> None:
    network, inputs = Patches(kernel).eval(), images()
    tail = tail_of(network, inputs)
    expected = reference.patch_contrast(tail.maps, lambda maps: network.head(maps)[:, 0], q)
    assert expected.max() > 0
    torch.testing.assert_close(cam.patch_contrast(tail, patch_scores, q)[0], expected, rtol=1e-4, atol=1e-6)


def test_only_patches_that_mix_places_cost_a_pass_each() -> None:
    for kernel, passes in ((1, 0), (3, 36)):
        steps = iter(range(100))
        tail = tail_of(Patches(kernel), images())
        cam.patch_contrast(tail, patch_scores, 0.0, step=partial(next, steps))
        assert next(steps) == passes


def test_patch_contrast_of_a_batch_is_that_of_its_images() -> None:
    network, inputs = Patches(3), images(2)
    together = cam.patch_contrast(tail_of(network, inputs), patch_scores, 0.5)
    alone = [cam.patch_contrast(tail_of(network, one[None]), patch_scores, 0.5) for one in inputs]
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-4, atol=1e-6)


def test_each_place_of_finer_maps_belongs_to_the_patch_that_it_lies_in() -> None:
    network, inputs = Patches(pooling=2).eval(), images()
    tail = tail_of(network, inputs)
    saliency = cam.patch_contrast(tail, patch_scores, 1.0)[0]
    assert saliency.shape == (6, 6)
    pooled = reference.patch_contrast(network.pool(tail.maps), lambda maps: network.head(maps)[:, 0], 1.0)
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

    with pytest.raises(ValueError, match="at least 12 x 6 places, one a patch; got 6 x 6"):
        cam.patch_contrast(tail_of(Patches(), images()), finer, 0.5)


# Tiles


def explain(tiles: Tensor) -> tuple[Tensor, Tensor]:
    maps = F.avg_pool2d(tiles, 2, ceil_mode=True)
    return tiles.mean((1, 2, 3)), maps[:, 0] - maps[:, 1]


@pytest.mark.parametrize(("window", "stride"), [(8, 4), (7, 5), (11, 11), (17, 3), (1, 1)])
def test_tile_contrast_is_the_literal_mean_over_tiles(window: int, stride: int) -> None:
    image = torch.rand(3, 17, 22, dtype=torch.float64)
    expected = reference.tile_contrast(explain, image, 0.5, window, stride)
    result = cam.tile_contrast(explain, image, 0.5, window=window, stride=stride, batch=3)
    torch.testing.assert_close(result, expected)


def test_tiles_are_a_quarter_of_the_shorter_side_and_overlap_by_half() -> None:
    image = torch.rand(3, 32, 48)
    expected = cam.tile_contrast(explain, image, 0.5, window=8, stride=4)
    assert torch.equal(cam.tile_contrast(explain, image, 0.5), expected)


def test_tiles_differ_between_scores_on_one_side_of_the_whole() -> None:
    image = torch.rand(3, 32, 32) * torch.linspace(0.2, 1, 32)
    near, far = (cam.tile_contrast(explain, image, q) for q in (0.4, 0.9))
    assert image.mean() < 0.4
    correlation = torch.corrcoef(torch.stack((near.flatten(), far.flatten())))[0, 1]
    assert correlation < 0.9


def test_every_pixel_is_covered_and_a_huge_tile_does_not_wrap() -> None:
    def huge(tiles: Tensor) -> tuple[Tensor, Tensor]:
        return torch.ones(len(tiles)), torch.full((len(tiles), 3, 3), 300.0)

    torch.testing.assert_close(cam.tile_contrast(huge, torch.rand(3, 19, 31), 0.0), torch.full((19, 31), 600.0))


def test_a_single_pixel_is_its_own_tile() -> None:
    assert cam.tile_contrast(explain, torch.ones(3, 1, 1), 0.0).shape == (1, 1)


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
