"""Errors of scores and of classes, and roles: known answers, literal removals, confident networks, precisions."""

from __future__ import annotations

from decimal import Decimal, localcontext
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nan, nn
from torch.nn import functional as F
from unchecked import refused

from xai_widgets.kernels import ablation, errors
from xai_widgets.kernels.affine import is_affine
from xai_widgets.kernels.precision import TOLERANCE
from xai_widgets.kernels.tail import Sparse, Tail

DTYPES = [torch.float16, torch.bfloat16, torch.float32, torch.float64]


class Classifier(nn.Module):
    """Pooled maps and a linear head, or one that bends; map 3 is dead."""

    def __init__(self, classes: int = 5, *, bends: bool = False, scale: float = 1.0, maps: int = 12) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            self.layer = nn.Sequential(nn.Conv2d(3, maps, 3, 2), nn.ReLU())
            self.mix, self.head = nn.Conv2d(maps, maps, 2), nn.Linear(maps, classes)
            nn.init.normal_(self.head.weight, std=2)
        with torch.no_grad():
            self.get_parameter("layer.0.weight")[3] = 0
            self.get_parameter("layer.0.bias")[3] = -1
        self.bends, self.scale = bends, scale
        self.double().eval()

    def forward(self, x: Tensor) -> Tensor:
        maps = self.layer(x)
        maps = self.mix(maps).tanh() if self.bends else maps
        return self.scale * self.head(maps.mean((2, 3)))


def logits(result: Tensor) -> Tensor:
    return result


def tail_of(network: nn.Module, seed: int = 0) -> Tail:
    return Tail(network, "layer", torch.rand(1, 3, 12, 14, generator=torch.Generator().manual_seed(seed)).double())


def removed(tail: Tail, level: Tensor | None = None) -> Tensor:
    """All logits without each map, one literal copy after the other."""
    rows = []
    for index in range(tail.maps.shape[1]):
        maps = tail.maps.clone()
        maps[0, index] = 0 if level is None else level[index]
        rows.append(logits(tail(maps))[0])
    return torch.stack(rows).clone()


# The change of all logits


@pytest.mark.parametrize("bends", [False, True])
@pytest.mark.parametrize("classes", [2, 3, 40])
@pytest.mark.parametrize("batch", [None, 1, 5])
@pytest.mark.parametrize("kind", ["zero", "mean", "map"])
def test_the_change_of_all_logits_is_that_of_literal_removals(
    bends: bool, classes: int, batch: int | None, kind: str
) -> None:
    tail = tail_of(Classifier(classes, bends=bends))
    assert is_affine(tail, logits) != bends
    level = {"zero": None, "mean": tail.maps[0].mean((1, 2)) + 0.1, "map": tail.maps[0].flip(0)}[kind]
    found = ablation.delta_logits(tail, logits, baseline=level, batch=batch)
    torch.testing.assert_close(found, removed(tail, level) - tail.result, atol=1e-10, rtol=0)
    for target in (0, classes - 1):
        change = ablation.delta_y(tail, logits, target, baseline=level)
        torch.testing.assert_close(found[:, target], change, atol=1e-10, rtol=0)
    assert kind == "mean" or bool((found[3] == 0).all()) == (kind == "zero")


@pytest.mark.parametrize("bends", [False, True])
@pytest.mark.parametrize(("classes", "whole"), [(3, True), (40, True), (3, False)])
def test_few_scores_take_a_backward_pass_each_where_copies_are_written_out(
    classes: int, whole: bool, bends: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    tail = tail_of(Classifier(classes, maps=40, bends=bends))
    level = tail.maps[0].mean((1, 2)) + 0.1
    expected = removed(tail, level) - tail.result
    if whole:
        monkeypatch.setattr(Tail, "sparse", Sparse(False, 4 * tail.maps.nbytes))
    slopes, used = ablation.first_orders, []

    def first_orders(*given: Any) -> Tensor:
        used.append(slopes(*given))
        return used[-1]

    monkeypatch.setattr(ablation, "first_orders", first_orders)
    torch.testing.assert_close(ablation.delta_logits(tail, logits, baseline=level), expected, atol=1e-10, rtol=0)
    assert len(used) == (classes == 3 and whole and not bends)


def test_rows_that_are_known_so_far_are_those_of_the_whole() -> None:
    for bends in (False, True):
        tail = tail_of(Classifier(bends=bends))
        whole = ablation.delta_cross_entropy(tail.result[0], ablation.delta_logits(tail, logits), 2)
        found = torch.full((12,), nan).double()
        order = torch.tensor([7, 3, 0, 11, 5])
        seen = []
        for index, rows in ablation.anytime_delta_logits(tail, logits, order, seconds=1e-6):
            found[index] = ablation.delta_cross_entropy(tail.result[0], rows, 2)
            seen.append(index.tolist())
        assert sorted(index for some in seen for index in some) == sorted(order.tolist())
        assert not bends or seen[0] == [3]  # what is dead is known at once
        torch.testing.assert_close(found[order], whole[order], atol=1e-12, rtol=0)
        assert found.isnan().sum() == 7


# The cross entropy to a known label


@pytest.mark.parametrize("bends", [False, True])
@pytest.mark.parametrize("label", range(5))
def test_the_growth_of_the_cross_entropy_is_that_of_literal_removals(bends: bool, label: int) -> None:
    tail = tail_of(Classifier(bends=bends))
    assert label in (int(tail.result.argmax()), *range(5))
    known = torch.tensor([label])
    before = F.cross_entropy(tail.result, known)
    expected = torch.stack([F.cross_entropy(row[None], known) - before for row in removed(tail)])
    found = ablation.delta_cross_entropy(tail.result[0], ablation.delta_logits(tail, logits), label)
    torch.testing.assert_close(found, expected, atol=1e-10, rtol=0)
    assert found[3] == 0


def growth(z: list[float], d: list[float], label: int) -> tuple[float, float]:
    """With 200 digits, so that a difference of two cross entropies is right; and the size of what it is a sum of."""
    with localcontext(prec=200):
        before, change = [Decimal(value) for value in z], [Decimal(value) for value in d]
        whole = sum((value.exp() for value in before), Decimal(0))
        terms = [a.exp() / whole * ((b - change[label]).exp() - 1) for a, b in zip(before, change, strict=True)]
        share = sum(terms, Decimal(0))
        return float((1 + share).ln()), float(sum((abs(term) for term in terms), Decimal(0)) / (1 + share))


LOGITS = st.lists(st.floats(-60, 60, width=32), min_size=2, max_size=5)


@settings(deadline=None, max_examples=40)
@given(LOGITS, st.integers(0, 10**6), st.sampled_from([1e-3, 1.0, 30.0, 100.0]))
def test_a_confident_network_in_float32_has_the_growth_that_is_there(
    values: list[float], seed: int, size: float
) -> None:
    z = torch.tensor(values, dtype=torch.float32)
    d = torch.randn(2, len(values), generator=torch.Generator().manual_seed(seed)) * size
    for label in {0, len(values) - 1}:
        found = errors.delta_cross_entropy(z, d, label)
        rows = [growth(z.tolist(), row, label) for row in d.tolist()]
        exact, size_of_terms = torch.tensor(rows, dtype=torch.float64).T
        wide = errors.delta_cross_entropy(z.double(), d.double(), label)
        # Of exp(x) |x| roundings; terms of both signs may cancel, and leave the roundings of the largest.
        for computed, rounding, least in ((wide, 1e-9, 1e-150), (found.double(), 5e-5, 1e-37)):
            assert ((computed - exact).abs() <= rounding * (exact.abs() + size_of_terms) + least).all()


def test_where_the_cross_entropy_itself_is_0_in_float32_its_growth_is_not() -> None:
    z = torch.tensor([30.0, 0.0, -2.0])
    d = torch.tensor([[-1.0, 0.0, 0.0], [0.0, 2.0, 0.0], [-29.0, 0.5, 0.0], [1.0, 0.0, 0.0], [-80.0, 0.0, 0.0]])
    label = torch.zeros(5, dtype=torch.long)
    plain = F.cross_entropy(z + d, label, reduction="none") - F.cross_entropy(z[None], label[:1])
    assert (plain[:2] == 0).all()
    wide = F.cross_entropy((z + d).double(), label, reduction="none") - F.cross_entropy(z[None].double(), label[:1])
    found = ablation.delta_cross_entropy(z, d, 0)
    torch.testing.assert_close(found.double(), wide, atol=0, rtol=2e-3)  # as good as float64 is at 1e-13
    others = torch.exp(torch.tensor([0.0, -2.0]).double() - 30)
    assert float(found[0]) == pytest.approx(float(others.sum() * (torch.e - 1)), rel=1e-5)
    assert float(found[3]) == pytest.approx(float(others.sum() * (1 / torch.e - 1)), rel=1e-5)


@pytest.mark.parametrize("size", [1e-3, 1.0, 300.0])
def test_labels_that_do_not_exclude_each_other_have_a_binary_cross_entropy_each(size: float) -> None:
    """That of each label is the cross entropy of two classes with the logits 0 and z."""
    z = torch.tensor([30.0, -2.0, 0.1, -40.0, 2.0])
    d = torch.randn(6, 5, generator=torch.Generator().manual_seed(1)) * size
    holds = torch.tensor([True, True, False, False, True])
    found = errors.delta_binary_cross_entropy(z, d, holds)
    for index, label in enumerate(holds.long().tolist()):
        two = errors.delta_cross_entropy(
            torch.stack((torch.zeros(()), z[index])), F.pad(d[:, index, None], (1, 0)), label
        )
        torch.testing.assert_close(found[:, index], two, atol=0, rtol=2e-5)
    targets = holds.double().expand(6, 5)
    plain = F.binary_cross_entropy_with_logits((z + d).double(), targets, reduction="none")
    plain = plain - F.binary_cross_entropy_with_logits(z.double().expand(6, 5), targets, reduction="none")
    torch.testing.assert_close(found.double(), plain, atol=1e-7, rtol=1e-4)


def test_all_four_roles_occur_where_the_error_is_a_cross_entropy() -> None:
    """With y = p of the label and y_true = 1, delta error would be -delta y for every map: two roles could not be."""
    tail = tail_of(Classifier(maps=24))
    y = tail.result[0]
    p, second = y.argsort(descending=True)[:2].tolist()
    change = ablation.delta_logits(tail, logits)
    seen = {}
    for name, label in (("right", p), ("wrong", second)):
        error = ablation.delta_cross_entropy(y, change, label)
        found = ablation.roles(change[None, :, p], error[None], y[None, p], precision=tail.maps.dtype)[0]
        seen[name] = set(found.tolist())
        for index, role in enumerate(found.tolist()):
            words = ablation.ROLES[role]
            if role:
                assert words.startswith("helpful" if error[index] > 0 else "harmful")
                assert words.endswith("lowers the score" if change[index, p] > 0 else "raises the score")
        assert found[3] == 0
    assert seen["right"] == seen["wrong"] == {0, 1, 2, 3, 4}


def test_a_map_that_leaves_the_score_alone_neither_raises_nor_lowers_it() -> None:
    change, error = torch.tensor([[0.0, 0.0, 1e-3]]), torch.tensor([[0.5, -0.5, 0.5]])
    assert errors.roles(change, error, torch.ones(1)).tolist() == [[0, 0, 2]]


# Roles


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("y", [0.5, -40.0])
def test_the_error_may_move_by_rounding_without_a_role(dtype: torch.dtype, y: float) -> None:
    score = torch.tensor([y], dtype=dtype)
    allowed = TOLERANCE[dtype] * max(1.0, abs(y))
    error = torch.tensor([[0.9 * allowed, -0.9 * allowed, 1.1 * allowed, -1.1 * allowed]], dtype=dtype)
    assert errors.roles(torch.ones(1, 4, dtype=dtype), error, score).tolist() == [[0, 0, 2, 4]]


@pytest.mark.parametrize("precision", DTYPES)
def test_scores_that_come_back_in_float32_keep_the_rounding_of_their_network(precision: torch.dtype) -> None:
    """A network in bfloat16 moves a score of 40 in steps of 0.25: no map has a role for one of them."""
    score, rating = torch.tensor([40.0]), torch.tensor([30.0])
    change = torch.tensor([[0.25, -0.25, 3.0]])
    error = errors.delta_error(change, score, rating)
    found = errors.roles(change, error, score, precision=precision).tolist()
    assert found == ([[0, 0, 2]] if precision == torch.bfloat16 else [[2, 3, 2]])
    assert errors.roles(change, error, score).tolist() == [[2, 3, 2]]


@pytest.mark.parametrize("dtype", DTYPES)
def test_minus_twice_the_residual_is_neutral(dtype: torch.dtype) -> None:
    score, rating = torch.tensor([0.7, 61.0], dtype=dtype), torch.tensor([0.4, 7.0], dtype=dtype)
    change = -2 * errors.residual(score, rating)[:, None]
    error = errors.delta_error(change, score, rating)
    assert errors.roles(change, error, score).tolist() == [[0], [0]]


def test_the_residual_is_above_0_where_the_network_says_too_much() -> None:
    score, rating = torch.tensor([0.75, 0.25]), torch.tensor([0.5, 0.5])
    assert ablation.residual(score, rating).tolist() == [0.25, -0.25]


Z, D = torch.zeros(3), torch.zeros(4, 3)


@pytest.mark.parametrize(
    ("error", "message", "call"),
    [
        (TypeError, "logits must be a tensor, got list", lambda: errors.delta_cross_entropy([0.0], D, 0)),  # type: ignore[arg-type]
        (ValueError, r"delta logits must be \(maps, 3 classes\), got shape \(3,\)",
         lambda: errors.delta_cross_entropy(Z, Z, 0)),
        (ValueError, r"delta logits must be \(maps, 2 classes\), got", lambda: errors.delta_cross_entropy(Z[:2], D, 0)),
        (ValueError, "needs at least 2 classes", lambda: errors.delta_cross_entropy(Z[:1], D[:, :1], 0)),
        (ValueError, "label must be 0 to 2, got 3", lambda: errors.delta_cross_entropy(Z, D, 3)),
        (TypeError, "labels must be a tensor of True and False, got torch.int64",
         lambda: errors.delta_binary_cross_entropy(Z, D, torch.zeros(3, dtype=torch.long))),
        (ValueError, r"labels must be as many as the logits, 3, got shape \(2,\)",
         lambda: errors.delta_binary_cross_entropy(Z, D, torch.zeros(2, dtype=torch.bool))),
        (ValueError, r"delta logits must be \(maps, 2 labels\), got",
         lambda: errors.delta_binary_cross_entropy(Z[:2], D, torch.zeros(2, dtype=torch.bool))),
        (TypeError, "label must be a whole number, got True", lambda: errors.delta_cross_entropy(Z, D, True)),
        (ValueError, "logits must be finite, got nan at index 0", lambda: errors.delta_cross_entropy(Z + nan, D, 0)),
        (ValueError, "delta logits must be finite, got", lambda: errors.delta_cross_entropy(Z, D + nan, 0)),
        (TypeError, "scores must be a tensor, got float", lambda: errors.residual(0.5, Z)),  # type: ignore[arg-type]
        (ValueError, "as many images, got 3 and 2", lambda: errors.residual(Z, Z[:2])),
        (TypeError, "ratings must be of floating-point numbers, got torch.int64",
         lambda: errors.delta_error(D, D[:, 0], D[:, 0].long())),
        (TypeError, "delta y must be a tensor, got ndarray", lambda: errors.one_sided(D.numpy(), Z)),  # type: ignore[arg-type]
        (TypeError, "precision must be a torch.dtype, such as torch.bfloat16, got 'half'",
         lambda: errors.roles(D, D, D[:, 0], precision="half")),  # type: ignore[arg-type]
    ],
)  # fmt: skip
def test_bad_input_is_refused_in_words(error: type[Exception], message: str, call: Any) -> None:
    with refused(error, message):
        call()
