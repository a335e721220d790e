"""The measures of the shown and of the standard map, asked of the engine, against the kernels called directly."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from tiny import TinyNet, classifier, photos, regressor
from torch import Tensor

from xai_widgets import ImageModel, ImageSet
from xai_widgets.engine import METHODS, Contrast, Measures, Query, Sources, answer
from xai_widgets.engine.parts import stale_fields
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


@pytest.mark.parametrize(("side", "words"), [("absolute", "absolute value"), ("negative", "negative part")])
def test_other_sides_of_a_score(side: str, words: str) -> None:
    sources = sources_of(regressor())
    scores = sources.model().scores

    def picture(tail: Tail, maps: Tensor, target: Tensor) -> Tensor:
        signed = grad_cam(tail, scores, 0, maps=maps)[0]
        return signed.abs() if side == "absolute" else (-signed).relu()

    found = taken(sources, gains=GAINS, side=side)
    same(found, literal(sources, explainer(sources, picture)))
    assert words in found.notes["noise"]


@pytest.mark.parametrize("rule", RULES)
def test_the_shown_map_has_its_contrast(rule: str) -> None:
    sources = sources_of(classifier())
    scores = sources.model().scores

    def picture(tail: Tail, maps: Tensor, target: Tensor) -> Tensor:
        return class_contrast(tail, scores, 2, target=int(target), maps=maps)[0].relu()

    found = taken(sources, of="shown", rule=rule, gains=GAINS, contrast=Contrast("class", "crew"))
    same(found, literal(sources, explainer(sources, picture), rule=rule))
    assert "rather than crew?, cut at 0" in found.notes["entropy"]


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
