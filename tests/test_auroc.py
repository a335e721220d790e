"""The AUROC of class probability beside focus, against scikit-learn."""

from __future__ import annotations

import pytest
import reference
import sklearn.metrics
import torch
from torch import nan
from unchecked import refused

from xai_widgets.kernels import measures


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("classes", [2, 4])
def test_the_auroc_of_class_probability_is_that_of_scikit_learn(classes: int) -> None:
    scores = torch.randn(40, 3, classes, generator=seeded(1))
    labels = torch.randint(classes, (40,), generator=seeded(2))
    scores[torch.arange(40), 0, labels] += 2
    found = measures.class_auroc(scores, labels)
    assert found.shape == (3, classes)
    for condition in range(3):
        chance = scores[:, condition].softmax(1).numpy()
        for c in range(classes):
            peer = sklearn.metrics.roc_auc_score(labels.numpy() == c, chance[:, c])
            assert found[condition, c].item() == pytest.approx(peer, abs=1e-6)
    odds = measures.class_log_odds(scores).sigmoid()
    torch.testing.assert_close(odds, scores.double().softmax(2), atol=1e-12, rtol=0)
    literal = reference.auc(
        *(scores[labels == 1 if own else labels != 1, 2].softmax(1)[:, 1].tolist() for own in (True, False))
    )
    assert found[2, 1].item() == pytest.approx(literal)


def test_the_auroc_of_a_confident_network_is_not_rounded() -> None:
    scores = torch.tensor([[[200.0, 0]], [[220.0, 0]], [[240.0, 0]]])
    assert measures.class_auroc(scores, torch.tensor([1, 0, 0]))[0].tolist() == [1, 1]
    assert measures.class_auroc(scores, torch.tensor([0, 0, 0])).isnan().all()


def test_an_auroc_that_is_not_defined_is_refused() -> None:
    scores, labels = torch.zeros(3, 1, 2), torch.tensor([0, 1, 1])
    with refused(ValueError, r"labels must be one an image, got shape \(2,\) for 3"):
        measures.class_auroc(scores, labels[:2])
    for wrong in (2, -1):
        with refused(ValueError, f"labels must be 0 to 1, got {wrong}"):
            measures.class_auroc(scores, torch.tensor([0, 1, wrong]))
    with refused(ValueError, "at least 2 classes"):
        measures.class_auroc(scores[..., :1], labels)
    scores[1] = nan
    with refused(ValueError, "scores must be finite, got nan at index 1"):
        measures.class_auroc(scores, labels)


def test_labels_that_do_not_exclude_each_other_are_told_by_their_own_score() -> None:
    scores, labels = torch.tensor([[3.0, 9.0], [2.0, -9.0], [1.0, 0.0]])[:, None], torch.tensor([0, 1, 1])
    assert measures.class_auroc(scores, labels, exclusive=False)[0, 0] == 1
    assert measures.class_auroc(scores, labels)[0, 0] == 0


def test_several_labels_may_hold() -> None:
    scores, known = torch.randn(40, 1, 3, generator=seeded(3)), torch.rand(40, 3, generator=seeded(4)) < 0.4
    found = measures.class_auroc(scores, known, exclusive=False)[0]
    peer = sklearn.metrics.roc_auc_score(known.numpy(), scores[:, 0].numpy(), average=None)
    assert found.tolist() == pytest.approx(peer.tolist())
    with refused(ValueError, r"labels must be \(40 images, 3 labels\), got shape \(40, 2\)"):
        measures.class_auroc(scores, known[:, :2])
