"""Removals for several images and outputs by name, and gains and maps that do not fit."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from half_networks import GROUPS, Named, scores, seeded, tail_of
from torch.nn import functional as F
from unchecked import refused

from xai_widgets.kernels import ablation, receipts
from xai_widgets.kernels.cam import smallest_change
from xai_widgets.kernels.outputs import Outputs
from xai_widgets.kernels.tail import Tail

# Outputs by name, tails of several images


@pytest.mark.parametrize("target", ["dog", 1, torch.tensor(1), torch.tensor([1])])
def test_an_output_may_be_asked_for_by_name(target: Any) -> None:
    tail, score = tail_of(bends=True), Named()
    expected = ablation.delta_y(tail, scores, 1)
    assert torch.equal(ablation.delta_y(tail, score, target), expected)
    assert torch.equal(ablation.first_order(tail, score, target), ablation.first_order(tail, scores, 1))
    chance = ablation.delta_y(tail, ablation.probabilities(score), target)
    assert torch.equal(chance, ablation.delta_y(tail, ablation.probabilities(scores), 1))
    receipt = receipts.map_receipt(tail, score, [0], generator=seeded(), target=target)
    assert receipt.tested.target == 1
    assert receipt.change == pytest.approx(float(expected[0]), abs=1e-6)
    assert smallest_change(tail, score, 5.0, target=target).maps == smallest_change(tail, scores, 5.0, target=1).maps
    with refused(ValueError, "target must be one of 'dog'.*; got 'dgo'"):
        ablation.delta_y(tail, score, "dgo")


def test_several_images_are_their_images_one_by_one() -> None:
    tail = tail_of(torch.float64, 3, bends=True)
    ones = [Tail(tail.shell, "layer", tail.inputs[i : i + 1]) for i in range(3)]
    close = partial(torch.testing.assert_close, atol=1e-10, rtol=0)
    targets: list[int | str] = ["dog", 0, "bird"]
    found = ablation.delta_y_of(tail, Named(), targets)
    expected = torch.stack([ablation.delta_y(one, scores, t) for one, t in zip(ones, (1, 0, 2), strict=True)])
    close(found, expected)
    close(ablation.delta_y_of(tail, scores, 2), torch.stack([ablation.delta_y(one, scores, 2) for one in ones]))
    close(ablation.delta_logits_of(tail, scores), torch.stack([ablation.delta_logits(one, scores) for one in ones]))
    shared = torch.stack([ablation.group_scores(one, scores, GROUPS) for one in ones])
    close(ablation.group_scores_of(tail, scores, GROUPS), shared)
    own = torch.stack([GROUPS, ~GROUPS, GROUPS.flip(0)])
    expected = torch.stack([ablation.group_scores(o, scores, some) for o, some in zip(ones, own, strict=True)])
    close(ablation.group_scores_of(tail, scores, own), expected)
    with refused(ValueError, "masks must be of as many images as the tail, got 2 for 3"):
        ablation.group_scores_of(tail, scores, own[:2])
    with refused(ValueError, "target must be one for each image, got 2 for 3"):
        ablation.delta_y_of(tail, scores, [0, 1])


def test_receipts_of_several_images_do_not_depend_on_their_batch() -> None:
    tail = tail_of(torch.float64, 3, bends=True)
    ones = [Tail(tail.shell, "layer", tail.inputs[i : i + 1]) for i in range(3)]
    saliency, generator = tail.maps.sum(1), seeded()
    found = receipts.place_receipts(tail, scores, saliency, generator=generator, target=[0, 1, 2], share=0.2)
    maps = receipts.map_receipts(tail, scores, [[0, 1], [2], [5, 6]], generator=[seeded() for _ in ones])
    same = receipts.map_receipts(tail, scores, torch.tensor([0, 4]), generator=seeded(), draws=25)
    for index, one in enumerate(ones):
        alone = receipts.place_receipt(one, scores, saliency[index], generator=seeded(), target=index, share=0.2)
        torch.testing.assert_close(found[index].random, alone.random, atol=1e-10, rtol=0)
        assert found[index].change == pytest.approx(alone.change, abs=1e-10)
        named = receipts.map_receipt(one, scores, [[0, 1], [2], [5, 6]][index], generator=seeded())
        torch.testing.assert_close(maps[index].random, named.random, atol=1e-10, rtol=0)
        assert maps[index].tested.maps == named.tested.maps
        assert (same[index].tested.maps, same[index].draws) == ((0, 4), 25)
    after = seeded()
    receipts.place_receipt(ones[0], scores, saliency[0], generator=after, share=0.2)
    assert torch.equal(generator.get_state(), after.get_state())  # it went on, once
    with refused(ValueError, "the maps must be one for each image, got 2 for 3"):
        receipts.place_receipts(tail, scores, saliency[:2], generator=seeded())
    with refused(ValueError, "generators must be one for each image, got 1 for 3"):
        receipts.place_receipts(tail, scores, saliency, generator=[seeded()])
    with refused(ValueError, "lists of feature maps must be one for each image, got 2 for 3"):
        receipts.map_receipts(tail, scores, [[0], [1]], generator=seeded())


# Gains that do not fit

MAPS = torch.rand(3, 4, 5, 6)


@pytest.mark.parametrize(
    ("error", "message", "maps", "gains"),
    [
        (ValueError, "gains must have 1 row or one for each image, got 2 rows for 3 images", MAPS, torch.ones(2, 4)),
        (ValueError, r"gains must be \(copies, 4 maps\), got shape \(4,\)", MAPS, torch.ones(4)),
        (TypeError, "gains must be a tensor, got ndarray", MAPS, torch.ones(1, 4).numpy()),
        (TypeError, "gains must be a tensor, got list", MAPS, [[1, 1, 1, 1]]),
        (TypeError, r"gains must be of floating-point numbers, got torch\.int64", MAPS, torch.ones(1, 4).long()),
        (ValueError, r"gains must lie in \[0, 2\], got nan for map 1", MAPS, torch.tensor([[1.0, torch.nan, 0, 3]])),
        (TypeError, "maps must be a tensor, got ndarray", MAPS.numpy(), torch.ones(1, 4)),
        (TypeError, r"maps must be of floating-point numbers, got torch\.uint8", MAPS.byte(), torch.ones(1, 4)),
        (ValueError, "maps must have the axes images, maps, rows, columns, got shape", MAPS[0], torch.ones(1, 4)),
    ],
)
def test_gains_that_do_not_fit_are_refused_in_words(
    error: type[Exception], message: str, maps: Any, gains: Any
) -> None:
    with refused(error, message):
        ablation.with_gains(maps, gains)


def test_gains_keep_the_precision_of_the_maps() -> None:
    found = ablation.with_gains(MAPS, torch.full((3, 4), 0.5, dtype=torch.float64), torch.ones(4).double())
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, MAPS / 2 + 0.5)
    assert ablation.with_gains(MAPS, torch.ones(1, 4)).shape == MAPS.shape
    assert ablation.with_gains(MAPS[:1], torch.ones(7, 4)).shape == (7, *MAPS.shape[1:])


# What outputs mean


def test_the_cross_entropy_and_the_probability_of_one_logit_for_two_classes() -> None:
    outputs = Outputs("binary", labels=["cat", "dog"])
    tail = tail_of(torch.float64, bends=True, outputs=1)
    z = tail.result[0, 0]
    change = ablation.delta_y(tail, scores, 0)
    chance = ablation.delta_y(tail, ablation.probabilities(outputs), "dog")
    torch.testing.assert_close(chance, (z + change).sigmoid() - z.sigmoid(), atol=1e-10, rtol=0)
    rows = ablation.delta_logits(tail, outputs.logits)
    error = ablation.delta_cross_entropy(outputs.logits(tail.result)[0], rows, 1)
    one = torch.ones_like(change)
    expected = F.binary_cross_entropy_with_logits(z + change, one, reduction="none")
    expected = expected - F.binary_cross_entropy_with_logits(z[None], one[:1])
    torch.testing.assert_close(error, expected, atol=1e-10, rtol=0)
    assert torch.equal(ablation.delta_y(tail, outputs.logits, "dog"), ablation.delta_y(tail, outputs, "dog"))
    with pytest.raises(ValueError, match="a probability needs classes; these outputs are scores"):
        ablation.probabilities(Outputs("regression"))(tail.result)


def test_a_picture_of_maps_that_are_not_in_raster_order_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    tail = tail_of(bends=True)
    monkeypatch.setattr(Tail, "placed", False)
    with pytest.raises(ValueError, match="the positions of layer 'layer' are not in raster order"):
        smallest_change(tail, scores, 5.0)
    assert ablation.group_scores(tail, scores, GROUPS).isfinite().all()  # removals go on
