"""Why P, rather than Q, for a P that the reader chose: known answers, and the same from all classes at once."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from unchecked import refused

from xai_widgets.kernels import cam
from xai_widgets.kernels.tail import Tail

CLASSES = 5
NAMES = ("ant", "bee", "cat", "dog", "eel")


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


class Network(nn.Module):
    def __init__(self, confidence: float = 1.0) -> None:
        super().__init__()
        self.layer = nn.Sequential(nn.Conv2d(3, 6, 3, 2), nn.ReLU())
        self.head = nn.Sequential(nn.Linear(6, 12), nn.Tanh(), nn.Linear(12, CLASSES))
        self.confidence = confidence

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.confidence * self.head(self.layer(images).mean((2, 3)))
        return scores


class Named:
    """A score that brings the names of its outputs."""

    labels = NAMES

    def __call__(self, result: Tensor) -> Tensor:
        return result


def logits(result: Tensor) -> Tensor:
    return result


def tail_of(n: int = 1, confidence: float = 1.0) -> Tail:
    return Tail(Network(confidence).double().eval(), "layer", torch.rand(n, 3, 15, 15).double())


def cams_of(tail: Tail) -> Tensor:
    return torch.stack([cam.grad_cam(tail, logits, c) for c in range(CLASSES)], 1)


def others_than(p: int) -> list[int]:
    return [c for c in range(CLASSES) if c != p]


def test_the_predicted_class_may_be_said_and_is_the_cross_entropy() -> None:
    tail = tail_of(3)
    p = tail.result.argmax(1)
    for q in range(CLASSES):
        found = cam.class_contrast(tail, logits, q, target=p)
        assert torch.equal(found, cam.class_contrast(tail, logits, q))

        def loss(result: Tensor, q: int = q) -> Tensor:
            return F.cross_entropy(result, torch.tensor([q] * 3), reduction="none")[:, None]

        torch.testing.assert_close(found, cam.grad_cam(tail, loss, 0), atol=1e-10, rtol=1e-5)
    total = sum(tail.result.softmax(1)[:, q, None, None] * cam.class_contrast(tail, logits, q) for q in range(CLASSES))
    torch.testing.assert_close(total, torch.zeros_like(found), atol=1e-14, rtol=0)


def test_any_other_class_is_held_against_q_by_the_difference_of_their_cams() -> None:
    tail = tail_of()
    cams = cams_of(tail)[0]
    for p in others_than(int(tail.result.argmax())):
        for q in others_than(p):
            torch.testing.assert_close(cam.class_contrast(tail, logits, q, target=p)[0], cams[p] - cams[q])


def test_both_forms_agree_where_the_class_is_certain() -> None:
    tail = tail_of(confidence=400)
    cams, p = cams_of(tail)[0], int(tail.result.argmax())
    assert 1 - tail.result.softmax(1)[0, p] < 1e-8
    for q in others_than(p):
        torch.testing.assert_close(
            cam.class_contrast(tail, logits, q, target=p)[0], cams[p] - cams[q], rtol=1e-6, atol=1e-6
        )


@pytest.mark.parametrize("margin", [1.0, 30.0, 70.0])
def test_full_confidence_of_any_class_is_the_literal_sum(margin: float) -> None:
    """sum over c != P of p_c (CAM_c - CAM_P); in float32 the plain form would lose it."""
    tail = tail_of()
    network = Network(margin / float(tail.result.topk(2).values.diff().abs())).double().eval()
    network.load_state_dict(tail.shell.original.state_dict())
    exact = Tail(network, "layer", tail.inputs)
    cams, share = cams_of(exact)[0], exact.result.softmax(1)[0]
    single = Tail(network.float(), "layer", tail.inputs.float())
    for p in range(CLASSES):
        expected = torch.stack([share[c] * (cams[c] - cams[p]) for c in others_than(p)]).sum(0)
        found = cam.class_contrast(single, logits, p, target=p)[0].double()
        assert (found - expected).abs().max() < 2e-3 * expected.abs().max()
        every = cam.all_contrasts(single, logits, target=p)[0, p].double()
        assert (every - expected).abs().max() < 2e-3 * expected.abs().max()


@pytest.mark.parametrize("target", [None, 2, torch.tensor([4, 0, 2]), ["eel", "ant", "cat"], "bee"])
def test_all_contrasts_are_those_with_each_class(target: object) -> None:
    tail = tail_of(3)
    found = cam.all_contrasts(tail, Named(), target=target)  # type: ignore[arg-type]
    expected = torch.stack([cam.class_contrast(tail, Named(), q, target=target) for q in range(CLASSES)], 1)  # type: ignore[arg-type]
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=1e-8)


def test_each_image_may_have_classes_of_its_own() -> None:
    tail, q, p = tail_of(3), torch.tensor([1, 3, 2]), torch.tensor([4, 3, 0])
    expected = torch.stack(
        [
            cam.class_contrast(tail, logits, int(b), target=int(a))[row]
            for row, (a, b) in enumerate(zip(p, q, strict=True))
        ]
    )
    assert torch.equal(cam.class_contrast(tail, logits, q, target=p), expected)
    names = [[NAMES[int(c)] for c in some] for some in (q, p)]
    assert torch.equal(cam.class_contrast(tail, Named(), names[0], target=names[1]), expected)


def test_classes_that_do_not_exclude_each_other_are_held_against_one_another() -> None:
    scores = torch.tensor([[0.5, 3.0, 1.0]])
    assert cam.contrast_weights(scores, 0, exclusive=False).tolist() == [[-1, 1, 0]]
    assert cam.contrast_weights(scores, 0, 2, exclusive=False).tolist() == [[-1, 0, 1]]
    with pytest.raises(ValueError, match="must be another class than the target"):
        cam.contrast_weights(scores, 1, exclusive=False)


def test_classes_that_do_not_exist_are_refused_in_words() -> None:
    tail = tail_of(2)
    wrong: tuple[tuple[type[Exception], str, object, object], ...] = (
        (ValueError, "the contrast class must be 0 to 4, got 5", 5, None),
        (ValueError, "the contrast class must be 0 to 4, got -1", torch.tensor([0, -1]), None),
        (ValueError, "target must be 0 to 4, got 7", 0, torch.tensor([7, 0])),
        (ValueError, "target must be one for each image, got 3 for 2", 0, [1, 2, 3]),
        (TypeError, "the contrast class must be whole numbers, got torch.float32", torch.ones(2), None),
        (TypeError, "target must be a whole number, got 1.5", 0, 1.5),
        (ValueError, "target must be one of 'cat'", 0, "cats"),
    )
    for error, message, q, target in wrong:
        with refused(error, message):
            cam.class_contrast(tail, Named(), q, target=target)  # type: ignore[arg-type]
    with refused(ValueError, "target must be a number where the outputs have no names, got 'cat'"):
        cam.class_contrast(tail, logits, 0, target="cat")


@pytest.mark.parametrize(
    ("contrasts", "error", "message"),
    [
        (torch.ones(3, 4, 4), ValueError, "contrasts must have the axes images, classes, rows, columns"),
        (torch.ones(1, 3, 4, 4, dtype=torch.int64), TypeError, "contrasts must be of floating-point numbers"),
        (torch.ones(1, 3, 4, 4).numpy(), TypeError, "contrasts must be a tensor, got ndarray"),
    ],
)
def test_what_are_no_contrasts_is_refused(contrasts: object, error: type[Exception], message: str) -> None:
    with refused(error, message):
        cam.contrast_uncertainty(contrasts)  # type: ignore[arg-type]


def test_what_are_no_logits_is_refused() -> None:
    cams = torch.ones(2, 3, 4, 4)
    for wrong, error, message in (
        (torch.ones(3), ValueError, "the logits must have the axes images, classes, got shape"),
        (torch.ones(2, 3, dtype=torch.int64), TypeError, "the logits must be of floating-point numbers"),
        (torch.ones(2, 4), ValueError, "the maps of classes and the logits must have as many classes, got 3 and 4"),
    ):
        with refused(error, message):
            cam.contrasts_of(cams, wrong)
    with refused(ValueError, "the maps of classes must have the axes images, classes, rows, columns"):
        cam.contrasts_of(cams[0], torch.ones(2, 3))
