"""Grad-CAM and contrast of classes against captum, pytorch-grad-cam, closed forms and autograd."""

from __future__ import annotations

import pytest
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


def images(n: int = 1, side: int = 24) -> Tensor:
    return torch.rand(n, 3, side, side)


def logits(result: Tensor) -> Tensor:
    return result


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
