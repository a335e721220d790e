"""Removals against known answers, a literal loop, and captum."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
import torchvision
from captum.attr import LayerFeatureAblation
from linear_regressor import Regressor, score
from torch import Tensor
from unchecked import unchecked

from xai_widgets.kernels import ablation, anytime
from xai_widgets.kernels.affine import is_affine
from xai_widgets.kernels.cam import class_cams, grad_cam, smallest_change
from xai_widgets.kernels.tail import Tail


@pytest.fixture
def tail(generator: torch.Generator) -> Tail:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Regressor().eval().double()
    return Tail(network, "features", torch.rand(1, 3, 16, 16, generator=generator).double())


def test_a_linear_head_gives_the_closed_form(tail: Tail) -> None:
    delta = ablation.delta_y(tail, score)
    weights = tail.shell.network.get_parameter("head.weight")[0]
    assert torch.allclose(delta, -weights * tail.maps[0].mean((1, 2)), atol=1e-12)
    assert torch.allclose(delta.sum(), -(score(tail.result)[0, 0] - 0.5), atol=1e-10)
    assert torch.allclose(ablation.first_order(tail, score), delta, atol=1e-12)


def test_a_dead_map_changes_nothing_exactly(tail: Tail) -> None:
    assert ablation.dead(tail.maps)[0, 4]
    assert ablation.delta_y(tail, score)[4] == 0
    level = torch.zeros(12).double()
    level[0] = 1
    assert not ablation.dead(tail.maps, level)[0, 0]


@pytest.mark.parametrize("batch", [None, 1, 5, 100])
def test_the_number_of_copies_at_once_does_not_matter(tail: Tail, batch: int | None) -> None:
    expected = []
    for index in range(12):
        maps = tail.maps.clone()
        maps[:, index] = 0
        expected.append(score(tail(maps))[0, 0] - score(tail.result)[0, 0])
    assert torch.allclose(ablation.delta_y(tail, score, batch=batch), torch.stack(expected), atol=1e-12)


def test_the_order_and_the_time_of_a_batch_do_not_matter(tail: Tail) -> None:
    order = torch.tensor([7, 2, 11])
    found = list(ablation.removal_scores(tail, score, order, seconds=0.01))
    assert torch.cat([index for index, _ in found]).tolist() == order.tolist()
    delta = torch.cat([scores[:, 0] for _, scores in found]) - score(tail.result)[0, 0]
    assert torch.allclose(delta, ablation.delta_y(tail, score)[order], atol=1e-12)


def test_captum_gives_the_negative() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = torchvision.models.resnet18(weights=None).eval()
    inputs = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    tail = Tail(network, "layer4", inputs)
    delta = ablation.delta_y(tail, lambda result: result, 5)
    mask = torch.arange(512)[None, :, None, None].expand_as(tail.maps)
    with torch.no_grad():
        peer = LayerFeatureAblation(network, network.layer4).attribute(
            inputs, target=5, layer_mask=mask, perturbations_per_eval=64
        )
    assert torch.allclose(-peer[0, :, 0, 0], delta, atol=1e-5)


def test_gains_of_one_are_the_maps_themselves(tail: Tail, generator: torch.Generator) -> None:
    maps = torch.randn(2, 5, 4, 4, generator=generator)
    baseline = torch.randn(5, generator=generator)
    ones = torch.ones(1, 5)
    assert torch.equal(ablation.with_gains(maps, ones), maps)
    assert torch.equal(ablation.with_gains(maps, ones, baseline), maps)
    gone = ablation.with_gains(maps, torch.zeros(1, 5), baseline)
    assert torch.equal(gone, baseline[None, :, None, None].expand_as(maps))
    assert torch.equal(score(tail(ablation.with_gains(tail.maps, torch.ones(1, 12).double()))), score(tail.result))


def test_a_baseline_takes_the_place_of_a_map(tail: Tail) -> None:
    level = tail.maps[0].mean((1, 2))
    # The head reads the mean of a map, so that a map at its own mean changes nothing.
    assert ablation.delta_y(tail, score, baseline=level).abs().max() < 1e-12


def test_growth_of_the_error() -> None:
    delta = torch.tensor([[-0.3, 0.3, 0.0, -0.1, 0.4]]).double()
    y, rating = torch.tensor([0.7]).double(), torch.tensor([0.5]).double()
    error = ablation.delta_error(delta, y, rating)
    literal = [abs(0.7 + d - 0.5) - abs(0.7 - 0.5) for d in delta[0].tolist()]
    assert torch.allclose(error[0], torch.tensor(literal).double(), atol=1e-12)
    assert bool((error.abs() <= delta.abs() + 1e-12).all())


def test_roles_by_the_table() -> None:
    delta = torch.tensor([[-0.3, 0.3, -0.3, 0.3, 0.3, 0.1]])
    error = torch.tensor([[0.1, 0.1, -0.1, -0.1, 0.0, 1e-6]])
    names = [ablation.ROLES[role] for role in ablation.roles(delta, error, torch.tensor([0.5]))[0]]
    assert names == [
        "helpful, raises the score",
        "helpful, lowers the score",
        "harmful, raises the score",
        "harmful, lowers the score",
        "neutral",
        "neutral",
    ]


def test_delta_y_of_minus_twice_the_residual_is_neutral() -> None:
    y, rating = torch.tensor([0.7]), torch.tensor([0.4])
    delta = -2 * (y - rating)[None]
    assert ablation.roles(delta, ablation.delta_error(delta, y, rating), y).item() == 0


def test_small_effects_all_help_in_one_direction(generator: torch.Generator) -> None:
    residual = torch.tensor([0.5, -0.5])
    delta = (torch.rand(2, 20, generator=generator) - 0.5) * 0.9
    rating = torch.zeros(2)
    assert ablation.one_sided(delta, residual).all()
    assert torch.allclose(ablation.delta_error(delta, residual, rating), residual.sign()[:, None] * delta, atol=1e-6)
    assert not ablation.one_sided(delta * 10, residual).any()


def test_removals_take_one_image(tail: Tail) -> None:
    two = Tail(tail.shell, "features", tail.inputs.repeat(2, 1, 1, 1))
    with pytest.raises(ValueError, match="the tail of one image, got one of 2"):
        ablation.delta_y(two, score)


def test_a_probability_is_an_output_too(tail: Tail) -> None:
    def logits(result: Any) -> Tensor:
        return torch.cat((result[0], -result[0], 0 * result[0]), 1)

    chance = ablation.probabilities(logits)
    assert torch.allclose(chance(tail.result).sum(1), torch.ones(1).double())
    maps = tail.maps.clone()
    maps[:, 7] = 0
    expected = torch.softmax(logits(tail(maps)), 1)[0, 1] - torch.softmax(logits(tail.result), 1)[0, 1]
    assert torch.allclose(ablation.delta_y(tail, chance, 1)[7], expected, atol=1e-12)
    with pytest.raises(ValueError, match="at least 2 classes, got one score"):
        ablation.probabilities(score)(tail.result)
    with pytest.raises(ValueError, match="target must be 0 to 2, got 3"):
        ablation.delta_y(tail, chance, 3)


def test_a_rating_that_is_no_number_is_named() -> None:
    with pytest.raises(ValueError, match="ratings must be finite, got nan at index 1"):
        ablation.delta_error(torch.zeros(2, 3), torch.zeros(2), torch.tensor([0.5, float("nan")]))


def test_an_affine_tail_is_told_from_one_that_bends(tail: Tail) -> None:
    assert is_affine(tail, score)
    assert not is_affine(tail, lambda result: result[0].sigmoid())
    assert not is_affine(tail, lambda result: result[0] + 1e-3 * result[0].relu())
    assert not is_affine(tail, lambda result: result[0] + torch.nn.functional.hardshrink(result[1].mean((2, 3)), 1e-3))
    before = Tail(tail.shell, "features.0", tail.inputs)  # a ReLU follows
    assert not is_affine(before, score)


def test_the_closed_form_equals_the_copies(tail: Tail, generator: torch.Generator) -> None:
    level = torch.rand(12, generator=generator).double()
    for baseline in (None, level):
        copies = ablation.delta_y(tail, score, baseline=baseline, batch=4)
        torch.testing.assert_close(ablation.delta_y(tail, score, baseline=baseline), copies, atol=1e-12, rtol=0)


BAD_SCORES: dict[str, tuple[Any, type[Exception], str]] = {
    "one row for all": (lambda y: y[0].sum().reshape(1, 1), ValueError, "one row for each image, got 1 for"),
    "rows twice": (lambda y: torch.cat((y[0], y[0])), ValueError, "one row for each image, got"),
    "no outputs": (
        lambda y: y[0][:, 0],
        ValueError,
        r"must be \(images, outputs\), got shape .*return scores\[:, None\]",
    ),
    "whole numbers": (lambda y: y[0].long(), TypeError, r"floating-point numbers.*got torch\.int64"),
    "no tensor": (lambda y: {"scores": y[0]}, TypeError, "floating-point numbers.*got dict"),
    "not finite": (lambda y: y[0] * float("nan"), ValueError, "must be finite, got nan at index 0"),
}


@pytest.mark.parametrize("kind", BAD_SCORES)
def test_a_score_that_is_none_is_refused_in_words(tail: Tail, kind: str) -> None:
    score, error, message = BAD_SCORES[kind]
    groups = torch.eye(12).bool()
    calls: list[Any] = [
        lambda: ablation.delta_y(tail, score, batch=4), lambda: ablation.delta_y(tail, score),
        lambda: ablation.group_scores(tail, score, groups, batch=3), lambda: ablation.first_order(tail, score),
        lambda: grad_cam(tail, score, 0), lambda: class_cams(tail, score),
        lambda: list(anytime.anytime_delta_y(tail, score)), lambda: smallest_change(tail, score, 3.0),
    ]  # fmt: skip
    refusals = [refusal for call in calls if (refusal := refusal_of(call)) is not None]
    wanted = len(calls) if kind != "one row for all" else 4  # what makes no copies sees one row for one image
    assert len(refusals) >= wanted
    for refusal in refusals:
        assert isinstance(refusal, error), repr(refusal)
        assert re.search(message, str(refusal)), refusal


def refusal_of(call: Any) -> Exception | None:
    try:
        call()
    except Exception as refusal:
        return refusal
    return None


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda t: ablation.delta_y(t, score, "1"), ValueError, "a number where the outputs have no names, got '1'"),
        (lambda t: ablation.delta_y(t, score, True), TypeError, "target must be a whole number, got True"),
        (lambda t: ablation.delta_y(t, score, -1), ValueError, "target must be 0 to 0, got -1"),
        (lambda t: ablation.delta_y(t, score, baseline=0.5), TypeError, "a baseline must be a tensor of numbers"),  # type: ignore[arg-type]
        (lambda t: list(ablation.removal_scores(t, score, torch.tensor([0, 12]))), ValueError, "maps 0 to 11, got 12"),
        (
            lambda t: list(ablation.removal_scores(t, score, torch.tensor([[0, 1]]))),
            TypeError,
            "a list of maps by index",
        ),
        (lambda t: ablation.group_scores(t, score, torch.eye(12)), TypeError, r"masks must be a tensor of bool"),
        (
            lambda t: ablation.with_gains(t.maps, torch.full((1, 12), 2.5).double()),
            ValueError,
            r"\[0, 2\], got 2\.5 for map 0",
        ),
        (
            lambda t: ablation.with_gains(t.maps, torch.ones(1, 11).double()),
            ValueError,
            r"gains must be \(copies, 12 maps\)",
        ),
        (
            lambda t: ablation.delta_error(torch.ones(2, 3), torch.ones(2), torch.ones(1)),
            ValueError,
            "as many images, got 2 and 1",
        ),
        (lambda t: ablation.delta_error(torch.ones(3), torch.ones(3), torch.ones(3)), ValueError, "axes images, maps"),
        (
            lambda t: ablation.roles(torch.ones(2, 3) * float("nan"), torch.ones(2, 3), torch.ones(2)),
            ValueError,
            "got nan at",
        ),
        (
            lambda t: ablation.roles(torch.ones(2, 3), torch.ones(2, 1), torch.ones(2)),
            ValueError,
            "as many maps, got 3 and 1",
        ),
        (lambda t: ablation.first_order(t, lambda y: y[0].detach()), ValueError, "steps that have a gradient"),
    ],
)
def test_bad_input_is_refused_in_words(tail: Tail, call: Any, error: type[Exception], message: str) -> None:
    with unchecked(), pytest.raises(error, match=message):
        call(tail)


def test_a_score_without_a_gradient_still_has_removals(tail: Tail) -> None:
    found = ablation.delta_y(tail, lambda y: y[0].detach())
    torch.testing.assert_close(found, ablation.delta_y(tail, score), atol=1e-12, rtol=0)


def test_removals_of_a_map_that_is_not_finite_take_it_away() -> None:
    maps = torch.ones(1, 3, 2, 2)
    maps[0, 1] = float("inf")
    changed = ablation.with_gains(maps, torch.tensor([[1.0, 0.0, 0.5]]))
    assert changed[0, :, 0, 0].tolist() == [1.0, 0.0, 0.5]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_rounding_of_lower_precision_gets_no_role(dtype: torch.dtype) -> None:
    score = torch.tensor([0.5], dtype=dtype)
    change = torch.tensor([[torch.finfo(dtype).eps, -0.5]], dtype=dtype)
    assert ablation.roles(change, change, score).tolist() == [[0, 3]]
