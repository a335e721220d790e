"""The measures of the shown and of the standard map, asked of the engine, against the kernels called directly."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import reference
import torch
from tiny import TinyNet, classifier, photos, regressor
from torch import Tensor
from torch.nn import functional as F

from xai_widgets import ImageModel, ImageSet
from xai_widgets.engine import METHODS, Contrast, Measures, Query, Sources, answer
from xai_widgets.engine.asking import Request
from xai_widgets.engine.parts import PARTS, stale_fields
from xai_widgets.kernels import ablation, displays
from xai_widgets.kernels.cam import class_contrast, grad_cam
from xai_widgets.kernels.measures import AXES, RULES, measured
from xai_widgets.kernels.saliency import weighted_sum
from xai_widgets.kernels.tail import Tail

GAINS = dict.fromkeys(range(10), 0.0) | {17: 1.5}


def sources_of(model: ImageModel) -> Sources:
    labels = ["cat", "crew", None]
    return Sources(model, ImageSet(list(photos()), ratings=[0.25, 0.75, None], labels=labels))


def other_run(outputs: int) -> TinyNet:
    network = TinyNet(outputs)
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        for weight in network.parameters():
            weight.add_(torch.randn_like(weight), alpha=0.05)
    return network


def taken(sources: Sources, **fields: Any) -> Measures:
    options = {name: fields.pop(name) for name in ("of", "rule", "side") if name in fields}
    found: Measures = answer(sources, Query(image=sources.images.names[0], **fields), "measures", **options)
    return found


def literal(sources: Sources, explain: Callable[..., Any], **more: Any) -> dict[str, float]:
    """The five numbers, by the kernels."""
    model = sources.model()
    pixels = model.prepare(sources.images.photo(sources.images.names[0])).pixels[None]
    some = [one for one in measured(explain, pixels, **more) if not getattr(one, "further", False)]
    return {one.axis: one.values[0].item() for one in some}


def explainer(sources: Sources, picture: Callable[[Tail, Tensor, Tensor], Tensor], network: Any = None) -> Any:
    """A picture (h w) of the tail of each image, its maps with gains and its target, and all scores."""
    model = sources.model()
    network = model.network if network is None else network

    def explain(images: Tensor, targets: Tensor | None) -> tuple[Tensor, Tensor]:
        maps, rows = [], []
        for place, image in enumerate(images):
            tail = Tail(network, model.layer, model.normalise(image[None]))
            gains = torch.ones(1, tail.maps.shape[1])
            for index, gain in GAINS.items():
                gains[0, index] = gain
            changed = ablation.with_gains(tail.maps, gains)
            scores = model.scores(tail(changed))[0].detach()
            own = model.scores(tail.result)[0]
            target = own.argmax() if targets is None else targets[place]
            maps.append(picture(tail, changed, target))
            rows.append(scores)
        return torch.stack(maps), torch.stack(rows)

    return explain


def same(found: Measures, expected: dict[str, float]) -> None:
    assert found.done
    assert set(found.values) == set(AXES)
    assert found.values == pytest.approx(expected, abs=2e-4, nan_ok=True)


@pytest.mark.parametrize("rule", RULES)
def test_the_standard_map_has_the_gains_of_the_panel(rule: str) -> None:
    sources = sources_of(classifier())
    scores = sources.model().scores
    explain = explainer(sources, lambda tail, maps, target: grad_cam(tail, scores, target, maps=maps)[0].relu())
    found = taken(sources, gains=GAINS, rule=rule, method="behaviour")
    more = {"rule": rule} | ({"targets": 1} if rule == "fixed" else {})
    asked = taken(sources, gains=GAINS, rule=rule, target=1)
    same(asked if rule == "fixed" else found, literal(sources, explain, **more))
    assert "Grad-CAM of features, cut at 0, 11 gains other than 1" in found.notes["entropy"]
    plain = taken(sources, rule=rule)
    assert abs(plain.values["entropy"] - found.values["entropy"]) > 1e-4
    assert "gains" not in plain.notes["entropy"]


def sided(signed: Tensor, side: str) -> Tensor:
    return {"positive": signed.relu(), "absolute": signed.abs(), "negative": (-signed).relu()}[side]


@pytest.mark.parametrize("of", ["standard", "shown"])
@pytest.mark.parametrize(("side", "words"), [("absolute", "absolute value"), ("negative", "negative part")])
def test_other_sides_of_a_score(side: str, words: str, of: str) -> None:
    sources = sources_of(regressor())
    scores = sources.model().scores

    def picture(tail: Tail, maps: Tensor, target: Tensor) -> Tensor:
        return sided(grad_cam(tail, scores, 0, maps=maps)[0], side)

    found = taken(sources, of=of, gains=GAINS, side=side)
    same(found, literal(sources, explainer(sources, picture)))
    assert words in found.notes["noise"]


def slow_map(network: TinyNet, image: Tensor, side: str) -> np.ndarray:
    """Grad-CAM of the score place by place: the gradient of a mean is known, and so is each weight of the head."""
    with torch.no_grad():
        maps = network.features(image[None])[0].double().numpy()
        weights = network.head.weight[0].double().numpy()
    count, height, width = maps.shape
    result = np.zeros((height, width))
    for y in range(height):
        for x in range(width):
            value = sum(weights[i] / (height * width) * maps[i, y, x] for i in range(count))
            if side == "negative":
                value = -value
            result[y, x] = abs(value) if side == "absolute" else max(value, 0.0)
    return result


def enlarged(small: np.ndarray) -> np.ndarray:
    size = photos()[0].shape[:2]
    large = F.interpolate(torch.tensor(small)[None, None], size=size, mode="bilinear", align_corners=False)
    return large[0, 0].numpy()


@pytest.mark.parametrize("of", ["standard", "shown"])
@pytest.mark.parametrize("side", ["positive", "absolute", "negative"])
def test_each_side_against_a_slow_literal_version(side: str, of: str) -> None:
    networks = [TinyNet(), other_run(1)]
    model = ImageModel(networks[0], None, "features", range=(0, 1), name="tiny", runs=networks[1:])
    sources = sources_of(model)
    found = taken(sources, of=of, side=side)
    image = model.prepare(photos()[0]).pixels
    one, other = (slow_map(network, image, side) for network in networks)
    assert found.values["entropy"] == pytest.approx(1 - reference.entropy(one), abs=1e-4)
    assert found.values["stability"] == pytest.approx(reference.ssim(one, other), abs=1e-4)
    flips = []
    for axis in (0, 1):
        moved = enlarged(slow_map(networks[0], image.flip(axis + 1), side))
        flips.append(reference.ssim(enlarged(one), np.flip(moved, axis)))
    assert found.details["resilience"]["flips"] == pytest.approx(np.mean(flips), abs=1e-4)


def test_the_sides_of_a_signed_map_are_answers_of_their_own() -> None:
    sources = sources_of(regressor())
    sides = ("positive", "absolute", "negative")
    found = {side: taken(sources, of="shown", side=side) for side in sides}
    entropies = {round(one.values["entropy"], 4) for one in found.values()}
    assert len(entropies) == 3
    assert all(taken(sources, of="shown", side=side).values is found[side].values for side in sides), "remembered"
    assert not any(one.one_sided for one in found.values())


@pytest.mark.parametrize("first", ["positive", "absolute"])
def test_a_map_without_negative_values_is_measured_once(first: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sources, seen = sources_of(regressor()), []
    part = PARTS["measures"]

    def make(request: Request) -> Any:
        seen.append(request.options["side"])
        return part.make(request)

    counted = replace(part, make=make)
    monkeypatch.setitem(PARTS, "measures", counted)
    second = {"positive": "absolute", "absolute": "positive"}[first]
    asked = {"of": "shown", "method": "feature_activation"}
    one, two = taken(sources, side=first, **asked), taken(sources, side=second, **asked)
    assert seen == ["positive"]
    assert one.values is two.values
    assert one.one_sided
    words = "on average?, no values below 0, so that cut at 0 and absolute value are the same; "
    assert words in two.notes["entropy"]
    same(two, literal(sources, explainer(sources, lambda tail, maps, target: tail.maps[0].mean(0))))
    query = Query(image=sources.images.names[0], method="feature_activation")
    again = answer(sources, query, "measures", of="shown", side="absolute", again=True)
    assert seen == ["positive", "positive"], "what is asked again is measured again"
    assert again.values == pytest.approx(one.values, nan_ok=True)


def test_a_map_without_negative_values_has_no_negative_part() -> None:
    sources, asked = sources_of(regressor()), {"of": "shown", "method": "feature_activation", "side": "negative"}
    found = taken(sources, **asked)
    assert all(math.isnan(value) for value in found.values.values())
    sentence = "n/a: the map has no values below 0, and so no negative part; choose another part of it."
    assert set(found.notes.values()) == {sentence}
    assert found.done
    assert math.isfinite(taken(sources, side="negative", method="feature_activation").values["entropy"]), "of Grad-CAM"


@pytest.mark.parametrize(("rule", "side"), [(RULES[0], "positive"), (RULES[1], "positive"), (RULES[0], "negative")])
def test_the_shown_map_has_its_contrast(rule: str, side: str) -> None:
    sources = sources_of(classifier())
    scores = sources.model().scores

    def picture(tail: Tail, maps: Tensor, target: Tensor) -> Tensor:
        return sided(class_contrast(tail, scores, 2, target=int(target), maps=maps)[0], side)

    found = taken(sources, of="shown", rule=rule, side=side, gains=GAINS, contrast=Contrast("class", "crew"))
    same(found, literal(sources, explainer(sources, picture), rule=rule))
    words = {"positive": "cut at 0", "negative": "negative part"}[side]
    assert f"rather than crew?, {words}" in found.notes["entropy"]


def test_the_shown_map_may_be_one_of_removals() -> None:
    sources = sources_of(regressor())
    scores = sources.model().scores
    rating = torch.tensor([0.25])

    def picture(tail: Tail, maps: Tensor, target: Tensor) -> Tensor:
        change = ablation.delta_y(tail, scores)[None]
        y = scores(tail.result)[0]
        error = ablation.delta_error(change, y, rating)
        neutral = ablation.roles(change, error, y) == 0
        return weighted_sum(maps, displays.primary(change, error, neutral=neutral))[0].relu()

    found = taken(sources, of="shown", method="primary", gains=GAINS)
    same(found, literal(sources, explainer(sources, picture)))


def test_the_shown_grad_cam_is_the_standard_map() -> None:
    sources = sources_of(classifier())
    standard, shown = taken(sources), taken(sources, of="shown")
    assert shown.values == pytest.approx(standard.values, abs=1e-6, nan_ok=True)
    assert shown.notes["entropy"] != standard.notes["entropy"]


@pytest.mark.parametrize(("of", "method"), [("standard", "grad_cam"), ("shown", "feature_activation")])
def test_stability_knows_no_gains_and_says_so(of: str, method: str) -> None:
    other = other_run(1)
    model = ImageModel(TinyNet(), None, "features", range=(0, 1), name="tiny", runs=[other])
    sources = sources_of(model)
    asked = {"of": of, "method": method, "side": "absolute"}
    plain, changed = taken(sources, **asked), taken(sources, **asked, gains=GAINS)
    assert math.isfinite(plain.values["stability"])
    assert changed.values["stability"] == pytest.approx(plain.values["stability"], abs=1e-5)
    assert changed.values["entropy"] != pytest.approx(plain.values["entropy"], abs=2e-5)
    assert "all runs without gains" in changed.notes["stability"]
    assert "without gains" not in plain.notes["stability"]
    of_other = taken(sources, **asked, run=1)
    assert of_other.values["stability"] == pytest.approx(plain.values["stability"], abs=1e-5), "pairs have no order"


def test_what_cannot_be_measured_says_why() -> None:
    sources = sources_of(regressor())
    unrated = Query(image=sources.images.names[2], method="primary")
    found = answer(sources, unrated, "measures", of="shown")
    assert all(np.isnan(list(found.values.values())))
    assert found.notes["focus"].startswith("""n/a: "Helpful maps only" needs to know how wrong the model is""")
    of_people = answer(sources, Query(image=sources.images.names[0], method="human_map"), "measures", of="shown")
    assert all(np.isnan(list(of_people.values.values())))
    assert of_people.notes["noise"] == f"n/a: {METHODS['human_map'].unmeasured}."


def test_measures_stream_in() -> None:
    sources, seen = sources_of(regressor()), list[tuple[int, float]]()
    query = Query(image=sources.images.names[0])
    answer(sources, query, "measures", progress=lambda known, share: seen.append((len(known.notes), share)))
    assert seen == [(count, count / 5) for count in range(1, 6)]


def test_what_measures_depend_on_follows_from_what_is_measured() -> None:
    assert stale_fields("measures", {"of": "standard"}) == ("target", "gains", "baseline")
    assert {"contrast", "method", "options", "gains"} <= set(stale_fields("measures", {"of": "shown"}))
    sources = sources_of(classifier())
    before = taken(sources)
    assert taken(sources, contrast=Contrast("class", 1)).values is before.values, "remembered"
    assert taken(sources, of="shown", contrast=Contrast("class", 2)).values != before.values
