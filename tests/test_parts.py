"""Harmful maps and joint removals, asked of the engine, against the kernels called directly; answers are plain data."""

from __future__ import annotations

import math
from dataclasses import FrozenInstanceError, fields, replace
from typing import Any

import numpy as np
import pytest
import torch
from asked import SOME, Stop, close, effects, fresh, query, shared, tail_of, with_gains
from tiny import classifier, photos, rated, regressor
from torch import Tensor

from xai_widgets import ImageSet
from xai_widgets.engine import PARTS, Joint, Query, Secondary, Sources, Stopped, answer
from xai_widgets.kernels import ablation
from xai_widgets.kernels.displays import outline

MODELS = ("demo/quality", "demo/scenes")
MUTED = (3, 9, 11)


# ---------------------------------------------------------------------- harmful maps


@pytest.mark.parametrize("gains", [(), SOME], ids=["plain", "gains"])
@pytest.mark.parametrize("model", MODELS)
def test_the_layer_of_harmful_maps(model: str, gains: Any) -> None:
    known = effects(model)
    found: Secondary = answer(shared(model), query(model, gains=gains), "secondary")
    weights = torch.where((known.delta_error < 0) & ~known.neutral, -known.delta_error, 0)

    def layer(maps: Tensor) -> Tensor:
        return (weights[0, :, None, None] * maps[0]).sum(0).clamp_min(0)

    expected = layer(with_gains(known.tail, gains))
    close(found.map, expected)
    assert found.limit == pytest.approx(max(float(expected.max()), float(layer(known.tail.maps).max())), rel=1e-4)
    np.testing.assert_array_equal(found.outline, outline(torch.tensor(found.map)[None])[0].numpy())
    assert found.note.startswith(f"{int((weights > 0).sum())} maps are harmful: without one the error shrinks.")
    assert f"{int(found.outline.sum())} of {found.outline.size} places" in found.note
    assert found.done


def test_the_layer_is_estimated_at_once_where_that_will_do() -> None:
    found = answer(fresh("demo/quality"), query("demo/quality"), "secondary", partial=True)
    assert not found.done
    assert "the rest estimated" in found.note


def test_harmful_maps_need_to_know_the_error() -> None:
    sources = Sources(regressor(), rated())
    unrated = sources.images.names[2]
    with pytest.raises(ValueError, match="layer of harmful maps needs to know how wrong the model is: a rating"):
        answer(sources, Query(image=unrated), "secondary")


# ---------------------------------------------------------------------- joint removal


@pytest.mark.parametrize("baseline", ["zero", "mean"])
@pytest.mark.parametrize("model", MODELS)
def test_a_joint_removal_is_computed_and_not_summed(model: str, baseline: str) -> None:
    asked = query(model, gains=SOME, baseline=baseline)
    known, scores = effects(model, baseline), shared(model).model().scores
    found: Joint = answer(fresh(model), asked, "joint")
    maps = with_gains(known.tail, tuple((index, 0.0) for index in MUTED), known.baseline)
    change = scores(known.tail(maps))[0] - scores(known.tail.result)[0]
    assert found.muted == MUTED
    assert found.delta_y == pytest.approx(float(change[known.target]), abs=1e-4)
    assert found.delta_y_sum == pytest.approx(float(known.delta_y[0, list(MUTED)].sum()), abs=1e-4)
    assert f"{found.delta_y:+.3g}; the sum of single removals is {found.delta_y_sum:+.3g}" in found.note
    assert found.done


@pytest.mark.parametrize("model", MODELS)
def test_the_error_of_a_joint_removal_is_that_of_all_scores(model: str) -> None:
    sources = shared(model)
    asked = query(model, gains=SOME)
    found: Joint = answer(sources, asked, "joint")
    tail, scores = tail_of(sources, asked), sources.model().scores
    before, after = scores(tail.result)[0], scores(tail(with_gains(tail, tuple((index, 0.0) for index in MUTED))))[0]
    label = sources.images.label(asked.image)
    if label is not None:
        place = list(sources.model().labels or ()).index(label)
        expected = before.log_softmax(0)[place] - after.log_softmax(0)[place]
    else:
        rating = sources.images.rating(asked.image)
        assert rating is not None
        expected = (after[0] - rating).abs() - (before[0] - rating).abs()
    assert found.delta_error == pytest.approx(float(expected), abs=1e-4)


def test_single_removals_that_are_known_are_not_computed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    sources = fresh("demo/quality")
    asked = query("demo/quality", gains=SOME)
    computed: list[int] = []
    scores = ablation.removal_scores

    def counted(tail: Any, score: Any, order: Any, **more: Any) -> Any:
        computed.extend(int(index) for index in order)
        return scores(tail, score, order, **more)

    monkeypatch.setattr(ablation, "removal_scores", counted)
    first: Joint = answer(sources, asked, "joint")
    assert set(computed) <= set(MUTED)
    computed.clear()
    answer(sources, asked, "impacts")
    computed.clear()
    sources.cache.drop(next(key for key in sources.cache._items if isinstance(key, tuple) and key[0] == "joint"))
    again: Joint = answer(sources, asked, "joint")
    assert computed == []
    assert again.delta_y_sum == pytest.approx(first.delta_y_sum, abs=1e-5)


def test_a_joint_effect_comes_before_the_sum() -> None:
    seen: list[tuple[Joint, float]] = []
    asked = query("demo/scenes", gains=SOME)
    found = answer(fresh("demo/scenes"), asked, "joint", progress=lambda *one: seen.append(one))
    first = seen[0][0]
    assert (first.delta_y, first.done) == (found.delta_y, False)
    assert math.isnan(first.delta_y_sum)


def test_without_rating_or_label_the_error_is_not_known() -> None:
    sources = Sources(regressor(), rated())
    found = answer(sources, Query(image=sources.images.names[2], gains=((0, 0.0),)), "joint")
    assert math.isnan(found.delta_error)
    assert "1 muted map changes the score" in found.note
    with pytest.raises(ValueError, match="no feature map is muted"):
        answer(sources, Query(image=sources.images.names[2], gains=((0, 0.5),)), "joint")
    with pytest.raises(ValueError, match="named by its number, 0 to 23; got 99"):
        answer(sources, Query(image=sources.images.names[2], gains=((99, 0.0),)), "joint")


# ---------------------------------------------------------------------- what holds for all parts

OPTIONS: dict[str, dict[str, Any]] = {
    "secondary": {},
    "joint": {},
    "region": {"box": (0.1, 0.1, 0.6, 0.6)},
    "receipt": {},
    "activations": {"crops": (0, 1)},
}
QUICK = ("output", "explanation", "scores", "maps", "impacts", *OPTIONS)


def tiny_sources() -> Sources:
    labels = ["cat", "<b>cup</b>", None]
    return Sources([regressor(), classifier()], ImageSet(list(photos()), ratings=[0.25, 0.75, None], labels=labels))


@pytest.mark.parametrize("model", ["tiny", "tiny classes"])
@pytest.mark.parametrize("part", QUICK)
def test_an_answer_is_frozen_plain_data(part: str, model: str) -> None:
    sources = tiny_sources()
    asked = Query(image=sources.images.names[0], model=model, gains=((1, 0.0), (2, 1.5)))
    found = answer(sources, asked, part, **OPTIONS.get(part, {}))
    assert found.query == asked
    with pytest.raises(FrozenInstanceError):
        found.query = None
    stack, arrays = [found], 0
    while stack:
        one = stack.pop()
        assert not isinstance(one, Tensor), "answers hold no tensors"
        if isinstance(one, np.ndarray):
            arrays += 1
            with pytest.raises(ValueError, match="read-only"):
                one[...] = 0
        elif hasattr(one, "__dataclass_fields__"):
            stack += [getattr(one, field.name) for field in fields(one)]
        elif isinstance(one, dict | tuple):
            stack += one.values() if isinstance(one, dict) else one
    assert arrays or part in ("joint", "receipt")


@pytest.mark.parametrize("part", OPTIONS)
def test_what_was_asked_is_computed_once_and_the_rating_is_a_part_of_it(
    part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    record = PARTS[part]

    def counted(request: Any) -> Any:
        made.append(1)
        return record.make(request)

    monkeypatch.setitem(PARTS, part, replace(record, make=counted))
    sources = tiny_sources()
    name, other = sources.images.names[:2]

    def ask(image: str, sources: Sources) -> None:
        asked = Query(image=image, model="tiny", gains=((1, 0.0), (2, 1.5)))
        answer(sources, asked, part, **OPTIONS[part])

    ask(name, sources)
    ask(name, sources)
    assert len(made) == 1
    ask(other, sources)
    assert len(made) == 2
    rated_again = ImageSet(list(photos()), ratings=[0.9, 0.75, None])
    ask(name, Sources(sources.model("tiny"), rated_again, cache=sources.cache))
    assert len(made) == (3 if record.knows else 2), "another rating is another answer"


@pytest.mark.parametrize(
    ("part", "options"),
    [
        ("secondary", {}),
        ("joint", {}),
        ("region", {"box": (0, 0, 1, 1)}),
        ("receipt", {"draws": 1000}),
        ("measures", {}),
    ],
)
def test_stop_ends_at_the_next_micro_batch(part: str, options: dict[str, Any]) -> None:
    """On a network with a tail that is not affine; the first step passes."""
    asked, stop = query("demo/scenes", gains=SOME), Stop(1)
    with pytest.raises(Stopped):
        answer(fresh("demo/scenes"), asked, part, stop=stop, **options)
    assert stop.calls == 2


def test_unknown_parts_and_options_list_the_nearest() -> None:
    sources = shared("demo/quality")
    with pytest.raises(ValueError, match=r"part must be one of 'region'.*got 'regoin'"):
        answer(sources, query("demo/quality"), "regoin")
    with pytest.raises(ValueError, match=r"an option of the part 'receipt' must be one of 'draws'.*got 'draw'"):
        answer(sources, query("demo/quality"), "receipt", draw=30)
    with pytest.raises(ValueError, match="the part 'joint' has no options, got 'of'"):
        answer(sources, query("demo/quality"), "joint", of=1)
