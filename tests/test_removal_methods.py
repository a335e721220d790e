"""The displays of removal, asked of the engine, against the kernels called directly."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from asked import SOME, Effects, close, effects, fresh, query, shared, tail_of, with_gains
from torch import Tensor

from xai_widgets.engine import METHODS, Explanation, Query, Saliency, answer
from xai_widgets.kernels import displays
from xai_widgets.kernels.saliency import weighted_sum

MODELS = ("demo/quality", "demo/scenes")
WEIGHTS: dict[str, Callable[[Effects], Tensor]] = {
    "behaviour": lambda e: -e.delta_y,
    "helpful": lambda e: torch.where(e.neutral, 0, e.delta_error),
    "by_push": lambda e: torch.where(e.neutral, 0, e.delta_error.sign() * e.delta_y.abs()),
    "primary": lambda e: torch.where((e.delta_error > 0) & ~e.neutral, -e.delta_y, 0),
    "harmful_only": lambda e: torch.where((e.delta_error < 0) & ~e.neutral, -e.delta_y, 0),
}


def shown(model: str, asked: Query) -> Saliency:
    explanation: Explanation = answer(shared(model), asked, "explanation")
    return explanation.saliency


@pytest.mark.parametrize("gains", [(), SOME], ids=["plain", "gains"])
@pytest.mark.parametrize("method", WEIGHTS)
@pytest.mark.parametrize("model", MODELS)
def test_a_display_is_the_sum_of_weighted_maps(model: str, method: str, gains: Any) -> None:
    asked = query(model, method=method, gains=gains)
    known = effects(model)
    saliency = shown(model, asked)
    maps = with_gains(known.tail, gains)
    close(saliency.map, (WEIGHTS[method](known)[0, :, None, None] * maps[0]).sum(0))
    assert saliency.done
    assert "Weights: single removals, each map set to zero, all gains 1." in saliency.note


@pytest.mark.parametrize("method", ["behaviour", "helpful"])
def test_a_mean_baseline_is_named_and_used(method: str) -> None:
    asked = query("demo/quality", method=method, gains=SOME, baseline="mean")
    known = effects("demo/quality", "mean")
    saliency = shown("demo/quality", asked)
    maps = with_gains(known.tail, SOME, known.baseline)
    close(saliency.map, (WEIGHTS[method](known)[0, :, None, None] * maps[0]).sum(0), 1e-4)
    assert "each map set to its mean over images of the set" in saliency.note


@pytest.mark.parametrize("normal", ["peak", "mass"])
def test_maps_are_scaled_by_their_size_at_gain_1(normal: str) -> None:
    """Over its own size a map with gain 0.5 would look as it does with gain 1."""
    plain = query("demo/quality", method="behaviour", options={"normal": normal})
    known = effects("demo/quality")
    expected = weighted_sum(known.tail.maps, -known.delta_y, normal=normal)[0]
    found = shown("demo/quality", plain)
    close(found.map, expected)
    halved = tuple((index, 0.5) for index in range(known.tail.maps.shape[1]))
    half = shown("demo/quality", query("demo/quality", method="behaviour", options={"normal": normal}, gains=halved))
    close(half.map, expected / 2)
    assert half.limit == pytest.approx(found.limit), "what fades is seen to fade"
    assert {"peak": "largest absolute value", "mass": "absolute sum"}[normal] in found.note


@pytest.mark.parametrize("gains", [(), SOME], ids=["plain", "gains"])
@pytest.mark.parametrize("model", MODELS)
def test_combined_has_hue_and_saturation(model: str, gains: Any) -> None:
    asked = query(model, method="combined", gains=gains)
    known = effects(model)
    saliency = shown(model, asked)

    def of(maps: Tensor) -> tuple[Tensor, Tensor]:
        helps = torch.where(known.neutral, 0, known.delta_error).clamp_min(0)
        sums = [(weights[0, :, None, None] * maps[0]).sum(0) for weights in (-known.delta_y, helps)]
        return sums[0], sums[1].clamp_min(0)

    push, strength = of(with_gains(known.tail, gains))
    clear = push.abs() > 1e-4 * push.abs().max()
    np.testing.assert_array_equal(saliency.map[clear.numpy()], push.sign()[clear].numpy())
    limit = max(float(strength.max()), float(of(known.tail.maps)[1].max()))
    assert saliency.strength is not None
    close(saliency.strength, strength / limit, 1e-4)
    assert saliency.limit == 1
    assert saliency.strength_words == "helpful maps"
    assert saliency.degenerate == ""
    np.testing.assert_array_equal(saliency.weight, saliency.map * saliency.strength)


@pytest.mark.parametrize("given", [tuple, list, np.array, torch.tensor], ids=["tuple", "list", "array", "tensor"])
def test_unlabelled_weighs_by_importance(given: Callable[[Any], Any]) -> None:
    known = effects("demo/quality")
    importance = np.linspace(-1, 2, known.tail.maps.shape[1])
    asked = query("demo/quality", method="unlabelled", options={"importance": given(importance)}, gains=SOME)
    assert asked == query("demo/quality", method="unlabelled", options={"importance": list(importance)}, gains=SOME)
    assert len({asked, asked}) == 1, "a query can be compared and is a key"
    saliency = shown("demo/quality", asked)
    weights = np.maximum(importance, 0) * -np.sign(known.delta_y[0].numpy())
    maps = with_gains(known.tail, SOME)[0].numpy()
    close(saliency.map, torch.from_numpy(np.einsum("c,chw->hw", weights, maps)), 1e-4)
    assert f"{(importance > 0).sum()} of {len(importance)} are above 0" in saliency.note


def test_unlabelled_needs_no_rating_and_says_what_it_needs() -> None:
    sources = shared("demo/quality")
    with pytest.raises(ValueError, match='"Important maps, without a rating" needs the importance'):
        answer(sources, query("demo/quality", method="unlabelled"), "explanation")
    assert METHODS["unlabelled"].needs == ("importance",)


@pytest.mark.parametrize(
    ("importance", "message"),
    [
        ((1.0, 2.0), "one number for each of the 96 maps of 'features', got 2"),
        ((), "one number for each of the 96 maps of 'features', got 0"),
        ((1.0, math.nan), "finite numbers, one a map, got nan for map 1"),
        ((1.0, "much"), "finite numbers, one a map, got 'much' for map 1"),
        ((True,), "finite numbers, one a map, got True for map 0"),
        ("all", "a sequence of numbers, one a map, got 'all'"),
        (3, "a sequence of numbers, one a map, got 3"),
    ],
)
def test_an_importance_that_does_not_fit_is_refused(importance: Any, message: str) -> None:
    asked = query("demo/quality", method="unlabelled", options={"importance": importance})
    with pytest.raises(ValueError, match=message):
        answer(shared("demo/quality"), asked, "explanation")


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("demo/quality", ("brings the score nearer the rating", "takes the score away from the rating")),
        ("demo/scenes", ("lowers the cross entropy with", "raises the cross entropy with")),
    ],
)
def test_questions_name_the_error(model: str, words: tuple[str, str]) -> None:
    titles = {name: shown(model, query(model, method=name)).title for name in ("primary", "harmful_only")}
    assert words[0] in titles["primary"]
    assert words[1] not in titles["primary"]
    assert words[1] in titles["harmful_only"]
    assert words[0] not in titles["harmful_only"]
    for name in ("helpful", "by_push"):
        saliency = shown(model, query(model, method=name))
        assert (saliency.low, saliency.high, saliency.palette) == ("harmful", "helpful", "purple-green")


def test_a_helpful_map_does_bring_the_score_nearer() -> None:
    """The words of the title, as what happens when one map of each kind is removed."""
    asked = query("demo/quality", method="primary")
    sources = shared("demo/quality")
    known = effects("demo/quality")
    rating = sources.images.rating(asked.image)
    assert rating is not None
    distance = abs(float(known.score) - rating)
    model, tail = sources.model(), tail_of(sources, asked)
    for index in (int(known.delta_error.argmax()), int(known.delta_error.argmin())):
        removed = model.scores(tail(with_gains(tail, ((index, 0.0),))))[0, 0]
        helps = float(known.delta_error[0, index]) > 0
        assert (abs(float(removed) - rating) > distance) == helps


def test_what_is_estimated_says_so() -> None:
    explanation = answer(fresh("demo/quality"), query("demo/quality", method="combined"), "explanation", partial=True)
    assert not explanation.saliency.done
    assert "exact so far, the rest estimated" in explanation.saliency.note


@pytest.mark.parametrize(
    ("options", "message"),
    [({"norml": "raw"}, r"'normal'.*got 'norml'"), ({"normal": "peek"}, r"normal must be .*'peak'.*got 'peek'")],
)
def test_options_and_their_nearest_names(options: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        answer(shared("demo/quality"), query("demo/quality", method="helpful", options=options), "explanation")


def test_the_display_of_a_record_is_that_of_its_kernel() -> None:
    """The literal weights above are those of `kernels.displays`."""
    known = effects("demo/quality")
    pair = (known.delta_y, known.delta_error)
    kernels = {
        "behaviour": displays.behaviour(known.delta_y),
        "helpful": displays.human_behaviour(known.delta_error, neutral=known.neutral),
        "by_push": displays.by_push(*pair, neutral=known.neutral),
        "primary": displays.primary(*pair, neutral=known.neutral),
        "harmful_only": displays.harmful_only(*pair, neutral=known.neutral),
    }
    for name, expected in kernels.items():
        torch.testing.assert_close(WEIGHTS[name](known), expected)
